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
from typer.testing import CliRunner

from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.experiments.heads import one_thread

LAST_OF_ONE = ["--set", "loss=rnsl", "--set", "batch_size=89", "--set", "selection=noisy_val"]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes reach: stopped by nobody, with a last batch of one, stopped and resumed.

    It is t-RNSL, augmented, pruned twice.
    """
    folder = tmp_path_factory.mktemp("processes")
    jobs = {"whole": [], "last": LAST_OF_ONE, "stopped": ["--stop-after", "8"], "resumed": []}
    words = []
    for name, options in jobs.items():
        place = folder / name.replace("resumed", "stopped")
        words += ["--then" if words else "2", str(place), "--group-norm", *options]
    command = [sys.executable, tiny_training.__file__, *words]
    subprocess.run(command, check=True, timeout=400, capture_output=True)
    return folder


def reached(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.load(folder / "outcome.pt", weights_only=True)
    return found


def alone(folder: Path, *options: str) -> dict[str, Tensor]:
    """What this process reaches."""
    with one_thread():
        tiny_training.main(["1", str(folder), "--group-norm", *options])
    return reached(folder)


def check_equal_up_to_rounding(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_two_processes_reach_and_keep_what_one_does(two: Path, tmp_path: Path) -> None:
    one, whole = alone(tmp_path), reached(two / "whole")
    check_equal_up_to_rounding(one, whole)
    assert 0 < one["kept"].float().mean() < 1
    assert torch.equal(one["kept"], whole["kept"])


def test_a_last_batch_of_one_image_counts_once(two: Path, tmp_path: Path) -> None:
    check_equal_up_to_rounding(alone(tmp_path, *LAST_OF_ONE), reached(two / "last"))


def test_two_processes_stop_together_and_go_on_with_the_same_bits(two: Path) -> None:
    """One process is asked in batch 8; both stop at the end of the epoch and save batch 6 of it."""
    assert (two / "stopped" / "stopped").read_text() == "epoch-0001-step-00000006.pt"
    resumed = reached(two / "stopped")
    assert all(torch.equal(resumed[name], value) for name, value in reached(two / "whole").items())


@pytest.mark.soak
def test_the_command_reaches_about_the_same_with_two_processes(tmp_path: Path) -> None:
    """Each process normalises its own half of a batch."""
    words = ["--preset", "scenes", "--rate", "0.4", "--loss", "trnsl", "--accelerator", "cpu"]
    for setting in ("scenes=160", "image_size=32", "epochs=2", "prune_from=1", "batch_size=32"):
        words += ["--set", setting]
    one = CliRunner().invoke(cli.app, ["train", *words, "--out", str(tmp_path / "one")])
    command = [sys.executable, "-m", "rnsl_tutorial", "train", *words, "--devices", "2"]
    two = subprocess.run(
        [*command, "--out", str(tmp_path / "two")],
        check=True, timeout=240, capture_output=True, text=True,
    )  # fmt: skip
    assert one.stdout.count("Written:") == two.stdout.count("Written:") == 1
    losses = [
        [row["loss"] for row in json.loads((tmp_path / name / "history.json").read_text())]
        for name in ("one", "two")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
