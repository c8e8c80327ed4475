"""Two processes on the CPU reach what one with the whole batch reaches, to float accuracy.

They do where no layer looks at the whole batch: batch normalisation is synchronised on GPUs alone.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_training
import torch
from torch import Tensor

from rnsl_tutorial.experiments.heads import one_thread


def start(folder: Path, devices: int, *words: str) -> None:
    """One process is this one; two are of their own."""
    options = [str(folder), "--devices", str(devices), *words, "--group-norm"]
    if devices == 1:
        with one_thread():
            tiny_training.main(options)
    else:
        command = [sys.executable, tiny_training.__file__, *options]
        subprocess.run(command, check=True, timeout=240, capture_output=True)


def run(folder: Path, devices: int, *settings: str) -> dict[str, Tensor]:
    folder.mkdir(exist_ok=True)
    start(folder, devices, *(word for setting in settings for word in ("--set", setting)))
    reached: dict[str, Tensor] = torch.load(folder / "outcome.pt", weights_only=True)
    return reached


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """What two processes reach that nobody stops: t-RNSL, augmented, pruned twice."""
    return run(tmp_path_factory.mktemp("processes") / "whole", 2)


def check_equal_up_to_rounding(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_two_processes_reach_and_keep_what_one_does(
    whole: dict[str, Tensor], tmp_path: Path
) -> None:
    one = run(tmp_path / "one", 1)
    check_equal_up_to_rounding(one, whole)
    assert 0 < one["kept"].float().mean() < 1
    assert torch.equal(one["kept"], whole["kept"])


def test_a_last_batch_of_one_image_counts_once(tmp_path: Path) -> None:
    settings = ("loss=rnsl", "batch_size=89", "selection=noisy_val")
    one, two = (run(tmp_path / str(devices), devices, *settings) for devices in (1, 2))
    check_equal_up_to_rounding(one, two)


def test_two_processes_stop_together_and_go_on_with_the_same_bits(
    whole: dict[str, Tensor], tmp_path: Path
) -> None:
    """One process is asked in batch 8; both stop at the end of the epoch and save batch 6 of it."""
    start(tmp_path, 2, "--stop-after", "8")
    newest = max((tmp_path / "checkpoints").glob("*.pt"))
    assert newest.name == "epoch-0001-step-00000006.pt"
    resumed = run(tmp_path, 2)
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def test_the_command_reaches_about_the_same_with_two_processes(tmp_path: Path) -> None:
    """Each process normalises its own half of a batch."""
    words = ["--preset", "scenes", "--rate", "0.4", "--loss", "trnsl", "--accelerator", "cpu"]
    for setting in ("scenes=160", "image_size=32", "epochs=2", "prune_from=1", "batch_size=32"):
        words += ["--set", setting]
    losses = []
    for devices in ("1", "2"):
        out = tmp_path / devices
        command = [sys.executable, "-m", "rnsl_tutorial", "train", *words, "--devices", devices]
        shown = subprocess.run(
            [*command, "--out", str(out)], check=True, timeout=240, capture_output=True, text=True
        )
        assert shown.stdout.count("Written:") == 1
        losses.append([row["loss"] for row in json.loads((out / "history.json").read_text())])
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
