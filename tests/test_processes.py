"""Two processes on the CPU reach what one with the whole batch reaches, to float accuracy."""

import subprocess
import sys
from pathlib import Path

import pytest
import tiny_training
import torch
from torch import Tensor

SCRIPT = Path(tiny_training.__file__)


def run(folder: Path, devices: int, *settings: str) -> dict[str, Tensor]:
    folder.mkdir()
    words = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, str(SCRIPT), str(folder), "--devices", str(devices), *words]
    subprocess.run(command, check=True, timeout=240, capture_output=True)
    reached: dict[str, Tensor] = torch.load(folder / "outcome.pt", weights_only=True)
    return reached


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param((), id="t-RNSL, augmented, pruned twice"),
        pytest.param(("loss=rnsl", "batch_size=89", "selection=noisy_val"), id="last batch of one"),
    ],
)
def test_two_processes_reach_what_one_reaches(settings: tuple[str, ...], tmp_path: Path) -> None:
    one, two = run(tmp_path / "one", 1, *settings), run(tmp_path / "two", 2, *settings)
    assert one.keys() == two.keys()
    for name, value in one.items():
        if name.endswith("num_batches_tracked"):
            continue
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4, msg=name)
    if "kept" in one:
        assert 0 < one["kept"].float().mean() < 1
        assert torch.equal(one["kept"], two["kept"])
