"""A run that is stopped or killed and goes on ends with the same bits as one that is not."""

import functools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tiny_training
import torch
from tiny_training import SETTINGS, StoppingAfter, fingerprint, make
from torch import Tensor

from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.heads import build_loss, one_thread
from rnsl_tutorial.training import EpochReport, Training
from rnsl_tutorial.training.networks import embedding_head

SCRIPT = Path(tiny_training.__file__)


def config(**settings: object) -> Config:
    return Config(**{**SETTINGS, **settings})  # type: ignore[arg-type]


@functools.cache
def uninterrupted(chosen: Config) -> str:
    training = make(chosen)
    training.run()
    return fingerprint(training)


@pytest.mark.parametrize("loss", ["nsl", "trnsl"])
@pytest.mark.parametrize("batches", [1, 6, 7, 15, 33])
def test_stopped_after_any_batch_and_resumed_it_ends_with_the_same_bits(
    loss: str, batches: int, tmp_path: Path
) -> None:
    chosen = config(loss=loss, selection="noisy_val")
    training = make(chosen)
    training.inputs = StoppingAfter(training, batches)
    with pytest.raises(KeyboardInterrupt, match=r"Stopped in epoch \d after \d batches"):
        training.run(folder=tmp_path)
    again = make(chosen)
    again.run(folder=tmp_path, resume=True)
    assert fingerprint(again) == uninterrupted(chosen)
    assert [report.epoch for report in again.history] == list(range(chosen.epochs))


def head(chosen: Config) -> Training:
    """A head on features whose weights and dropout come from one generator."""
    generator = torch.Generator().manual_seed(0)
    images, given, _ = tiny_training.make_images()
    network = embedding_head(
        192, 8, tiny_training.D, input_dropout=0.3, dropout=0.3, generator=generator
    )
    loss = build_loss(chosen, tiny_training.C, tiny_training.N, generator)
    return Training(network, loss, images.flatten(1) / 255, given, chosen.settings)


def test_a_head_with_dropout_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    chosen = config(network="head", augmentation="none")
    training = head(chosen)
    training.inputs = StoppingAfter(training, 9)
    with pytest.raises(KeyboardInterrupt):
        training.run(folder=tmp_path)
    again, whole = head(chosen), head(chosen)
    again.run(folder=tmp_path, resume=True)
    whole.run()
    assert fingerprint(again) == fingerprint(whole)


def test_a_state_can_be_taken_before_the_first_epoch() -> None:
    training, other = make(config()), make(config(seed=1))
    other.load_state(training.state())
    other.run()
    assert fingerprint(other) == uninterrupted(config())


def test_the_pruning_of_the_reference_resumes_with_the_same_bits(tmp_path: Path) -> None:
    """It scores images that are augmented at random, so the draws have to go on too."""
    chosen = config(pruning="reference", selection="clean_val")
    for report in make(chosen).epochs(tmp_path):
        if report.epoch == 2:
            break
    again = make(chosen)
    again.run(folder=tmp_path, resume=True)
    assert again.history[2].kept < 1
    assert fingerprint(again) == uninterrupted(chosen)
    plain = config(selection="clean_val")
    assert uninterrupted(plain) != uninterrupted(chosen)


def test_paused_in_memory_it_goes_on_with_the_same_bits() -> None:
    chosen = config()
    training = make(chosen)
    training.inputs = StoppingAfter(training, 9)
    first = list(training.epochs())
    assert not training.finished
    assert training.stop.is_set()
    training.stop.clear()
    rest = list(training.epochs())
    assert [report.epoch for report in first + rest] == list(range(chosen.epochs))
    training.take_selected()
    assert fingerprint(training) == uninterrupted(chosen)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_after_a_checkpoint_and_gives_the_handlers_back(
    number: signal.Signals, tmp_path: Path
) -> None:
    def press(report: EpochReport) -> None:
        if report.epoch == 2:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    training = make(config())
    with pytest.raises(KeyboardInterrupt):
        training.run(press, folder=tmp_path)
    assert signal.getsignal(number) is before
    assert (training.epoch, training.step) == (3, 1)
    again = make(config())
    again.run(folder=tmp_path, resume=True)
    assert fingerprint(again) == uninterrupted(config())


@pytest.mark.soak
def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    chosen = config(epochs=20)  # more than it can reach between two kills
    command = [sys.executable, str(SCRIPT), "1", str(tmp_path), "--slow", "0.1"]
    command += ["--set", "epochs=20"]
    moments = random.Random(3)
    kills = 0
    while not (tmp_path / "fingerprint").exists():
        process = subprocess.Popen(command)
        if kills < 2:
            wait_for_a_checkpoint(tmp_path / "checkpoints", process)
            time.sleep(moments.uniform(0, 0.15))
            process.kill()
            kills += 1
        process.wait()
    assert kills == 2
    with one_thread():
        assert (tmp_path / "fingerprint").read_text() == uninterrupted(chosen)


def wait_for_a_checkpoint(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process has written a new checkpoint, or has ended."""

    def newest() -> int:
        return max((path.stat().st_mtime_ns for path in folder.glob("*.pt")), default=0)

    before = newest()
    while process.poll() is None and newest() == before:
        time.sleep(0.01)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(tmp_path: Path) -> None:
    chosen = config()
    training = make(chosen)
    for report in training.epochs(tmp_path):
        if report.epoch == 3:
            break
    newest = max(tmp_path.glob("*.pt"))
    newest.write_bytes(newest.read_bytes()[:-100])
    again = make(chosen)
    with pytest.warns(UserWarning, match=f"{newest.name} is damaged"):
        again.restore(tmp_path)
    assert again.epoch == 3
    again.run()
    assert fingerprint(again) == uninterrupted(chosen)


def test_checkpoints_of_another_config_are_refused_by_name(tmp_path: Path) -> None:
    list(make(config(epochs=1)).epochs(tmp_path))
    with pytest.raises(ValueError, match=r"q is 0\.5 here and 0\.7 there"):
        make(config(epochs=1, q=0.5)).run(folder=tmp_path, resume=True)


class TwoMachines:
    """The part of Fabric that is asked first where two restore, the other from nothing."""

    world_size, device = 2, torch.device("cpu")

    def __init__(self, one: Any) -> None:
        self.strategy = one.strategy

    def all_gather(self, place: Tensor) -> Tensor:
        return torch.stack([place, torch.zeros_like(place)])


def test_machines_that_share_no_folder_do_not_go_on(tmp_path: Path) -> None:
    list(make(config(epochs=1)).epochs(tmp_path))
    again = make(config(epochs=1))
    again.fabric = TwoMachines(again.fabric)  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"\[\[1, 0\], \[0, 0\]\]. Resume from a folder that all"):
        again.restore(tmp_path)


def test_an_epoch_whose_validation_failed_is_validated_again() -> None:
    chosen = config(selection="noisy_val")
    training = make(chosen)
    validate = training.validate
    assert validate is not None

    def fail(training: Training) -> float:
        training.validate = validate
        raise KeyboardInterrupt

    training.validate = fail
    with pytest.raises(KeyboardInterrupt):
        training.run()
    training.run()
    assert [report.epoch for report in training.history] == list(range(chosen.epochs))
    assert fingerprint(training) == uninterrupted(chosen)


def test_checkpoints_of_other_images_or_labels_are_refused(tmp_path: Path) -> None:
    list(make(config(epochs=1)).epochs(tmp_path))
    other = make(config(epochs=1))
    other.inputs = other.inputs.flip(3)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"data is '[0-9a-f]+' here and '[0-9a-f]+' there"):
        other.restore(tmp_path)
    other = make(config(epochs=1))
    other.labels = other.labels.flip(0)
    with pytest.raises(ValueError, match="data is"):
        other.restore(tmp_path)
    fewer = make(config(epochs=1))
    fewer.load_state(make(config(epochs=1)).state())
    fewer.labels = fewer.labels[1:]
    with pytest.raises(ValueError, match="is of 90 training images, and here are 89"):
        fewer.load_state(make(config(epochs=1)).state())


def test_without_resume_a_run_begins_anew(tmp_path: Path) -> None:
    list(make(config(epochs=1)).epochs(tmp_path))
    reports: list[EpochReport] = []
    make(config(epochs=1)).run(reports.append, folder=tmp_path)
    assert [report.epoch for report in reports] == [0]


def test_a_loss_that_diverges_names_epoch_batch_and_the_last_good_checkpoint(
    tmp_path: Path,
) -> None:
    training = make(config(loss="nsl"))

    def poison(report: EpochReport) -> None:
        if report.epoch == 1:
            training.loss.prototypes.data.fill_(float("nan"))

    with pytest.raises(FloatingPointError) as raised:
        training.run(poison, folder=tmp_path)
    message = str(raised.value)
    assert "no longer finite in epoch 2, batch 0" in message
    assert str(max(tmp_path.glob("*.pt"))) in message
    again = make(config(loss="nsl"))
    again.restore(tmp_path)
    assert again.epoch == 2
    assert again.loss.prototypes.isfinite().all()


def test_weights_that_are_broken_when_it_is_stopped_are_not_saved(tmp_path: Path) -> None:
    training = make(config(loss="nsl"))
    training.inputs = StoppingAfter(training, 8)

    def poison(report: EpochReport) -> None:
        training.loss.prototypes.data.fill_(float("nan"))

    with pytest.raises(FloatingPointError, match="epoch 1, batch 0"):
        training.run(poison, folder=tmp_path)
    assert [path.name for path in tmp_path.glob("*.pt")] == ["epoch-0001-step-00000000.pt"]
