"""A training in a thread, however it was interrupted, ends with the bits of one left alone."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_scenes import TINY, CallingAt, same_bits, tiny_data, tiny_run
from torch.nn.functional import normalize

from rnsl_tutorial.experiments import images
from rnsl_tutorial.tutorial import background_run
from rnsl_tutorial.tutorial.background_run import BackgroundRun


@pytest.fixture(scope="module")
def whole() -> images.Run:
    """A run that nobody watched."""
    run = tiny_run()
    run.training.run()
    return run


def interrupted(
    batch: int, action: Callable[[BackgroundRun], object], **settings: Any
) -> BackgroundRun:
    """A run that does something when it is handed this batch; started, and waited for."""
    one = BackgroundRun(tiny_run(), **settings)
    one.run.training.inputs = CallingAt(one.run, batch, lambda: action(one))
    one.start()
    one._stand_still()
    return one


def training_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "training"]


# ------------------------------------------------------------------ bits


def test_watched_to_the_end_it_has_the_bits_of_a_run_that_was_not(whole: images.Run) -> None:
    states: list[str] = []
    one = BackgroundRun(tiny_run(), on_change=lambda: states.append(one.state))
    assert one.wait() is one.moments
    assert same_bits(one.run, whole)
    assert states == ["running", *["running"] * 3, "finished"]
    assert training_threads() == []


@pytest.mark.parametrize("batch", [1, 7, 8, 12, 20])
def test_paused_after_any_batch_it_stands_still_and_goes_on_with_the_same_bits(
    batch: int, whole: images.Run
) -> None:
    one = interrupted(batch, lambda one: one.ask("pause"))
    assert one.state == "paused"
    assert 7 * one.run.training.epoch + one.run.training.step == batch
    assert training_threads() == []
    one.resume()
    assert len(one.wait()) == 3
    assert same_bits(one.run, whole)


def test_stopped_it_leaves_a_checkpoint_that_goes_on_with_the_same_bits(
    whole: images.Run, tmp_path: Path
) -> None:
    one = interrupted(10, lambda one: one.ask("stop"), folder=tmp_path)
    assert one.state == "stopped"
    with pytest.raises(RuntimeError, match=r"stopped after 1 of 3 epochs\. Build a new run to"):
        one.start()
    with pytest.raises(RuntimeError, match=r"stopped after 1 of 3 epochs\. Build a new run\."):
        one.wait()
    other = tiny_run()
    other.training.restore(tmp_path)
    assert (other.training.epoch, other.training.step) == (1, 3)
    resumed = BackgroundRun(other)
    assert len(resumed.wait()) == 2
    assert same_bits(other, whole)


def test_two_at_once_do_not_disturb_each_other(whole: images.Run) -> None:
    other_whole = tiny_run(loss="nsl", seed=1, augmentation="flip")
    other_whole.training.run()
    together = [
        BackgroundRun(tiny_run()),
        BackgroundRun(tiny_run(loss="nsl", seed=1, augmentation="flip")),
    ]
    for one in together:
        one.start()
    for one, alone in zip(together, (whole, other_whole), strict=True):
        one.wait()
        assert same_bits(one.run, alone)


# ------------------------------------------------------------------ what is seen


def test_a_moment_is_what_a_slow_loop_counts(whole: images.Run) -> None:
    one = BackgroundRun(tiny_run())
    moment = one.wait()[-1]
    found = whole.measure("test")
    assert moment.knn_clean == found["knn_clean"]
    assert moment.knn_noisy == found["knn_noisy"]
    assert moment.precision == found["precision"]
    assert moment.loss == whole.training.history[-1].loss
    assert moment.kept == found["kept"] < 1
    prototypes = normalize(whole.loss.prototypes.detach(), dim=1)
    believed: dict[bool, list[bool]] = {False: [], True: []}
    rows = zip(whole.embed("train"), whole.given.labels, whole.given.flipped, strict=True)
    for embedding, label, is_wrong in rows:
        nearest = max(range(16), key=lambda c: float(embedding @ prototypes[c]))
        believed[bool(is_wrong)].append(nearest == label)
    assert moment.learned == pytest.approx(sum(believed[False]) / len(believed[False]))
    assert moment.memorized == pytest.approx(sum(believed[True]) / len(believed[True]))
    assert moment.images_per_s == pytest.approx(112 / one.run.training.history[-1].seconds)
    assert 0.05 < moment.memory_gb < 50


def test_without_pruning_and_without_wrong_labels_there_is_nothing_to_say() -> None:
    [first, *_] = BackgroundRun(tiny_run(loss="nsl", rate=0.0)).wait()
    assert first.kept == 1
    assert first.precision != first.precision
    assert first.memorized != first.memorized


def test_the_speed_of_a_resumed_epoch_counts_the_images_since_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts: list[int] = []
    monkeypatch.setattr(
        background_run, "_look", lambda run, report, images: (counts.append(images), None)
    )
    one = interrupted(9, lambda one: one.ask("pause"))
    one.resume()
    one.wait()
    assert counts == [112, 112 - 2 * 16, 112]


# ------------------------------------------------------------------ what can be asked


def test_what_the_state_does_not_allow_is_left_alone() -> None:
    one = BackgroundRun(tiny_run())
    for action in ("pause", "resume", "stop", "dance"):
        one.ask(action)
        assert one.state == "ready"
    one.wait()
    for action in ("start", "pause", "stop"):
        one.ask(action)
        assert one.state == "finished"
    one.pause()
    one.stop()
    with pytest.raises(RuntimeError, match="finished after 3 of 3 epochs"):
        one.start()


def test_waiting_for_a_paused_run_says_so_and_does_not_wait() -> None:
    one = interrupted(9, lambda one: one.ask("pause"))
    with pytest.raises(RuntimeError, match=r"paused after 1 of 3 epochs\. Resume it, then wait"):
        one.wait()
    one.ask("stop")
    assert one.state == "stopped"


def test_a_wait_ends_when_somebody_pauses_meanwhile() -> None:
    one = BackgroundRun(tiny_run())
    one.run.training.inputs = CallingAt(one.run, 9, lambda: one.ask("pause"))
    with pytest.raises(RuntimeError, match="Resume it"):
        one.wait()


@pytest.mark.parametrize(
    ("then", "reached"), [(BackgroundRun.stop, "stopped"), (BackgroundRun.start, "finished")]
)
def test_what_is_asked_of_a_run_that_is_about_to_pause_is_done(
    then: Callable[[BackgroundRun], None], reached: str
) -> None:
    one = BackgroundRun(tiny_run())
    asked, seen = threading.Event(), threading.Event()

    def pause() -> None:
        one.ask("pause")
        asked.set()
        assert seen.wait(60)

    one.run.training.inputs = CallingAt(one.run, 9, pause)
    one.start()
    assert asked.wait(60)
    assert one.state == "pausing"
    threading.Timer(0.05, seen.set).start()
    then(one)
    one._stand_still()
    assert one.state == reached


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watcher_that_fails_lets_nobody_wait_for_ever() -> None:
    def fail() -> None:
        if threading.current_thread() is not threading.main_thread():
            raise ZeroDivisionError

    one = BackgroundRun(tiny_run(), on_change=fail)
    with pytest.raises(ZeroDivisionError):
        one.wait()
    assert one.state == "failed"


def test_an_interrupt_pauses_the_run_and_loses_nothing(whole: images.Run) -> None:
    one = BackgroundRun(tiny_run())

    def interrupt() -> None:
        for _ in range(60):  # one that comes while Python collects garbage is lost
            signal.raise_signal(signal.SIGINT)
            if one.run.training.stop.wait(1):  # else so short a run may end before it is seen
                return
        raise AssertionError("no interrupt was heard")

    one.run.training.inputs = CallingAt(one.run, 9, interrupt)
    with pytest.raises(KeyboardInterrupt):
        one.wait()
    assert one.state == "paused"
    one.resume()
    one.wait()
    assert same_bits(one.run, whole)


def test_what_goes_wrong_in_the_thread_is_raised_by_wait() -> None:
    def fail() -> None:
        raise OSError("The images are gone.")

    one = BackgroundRun(tiny_run())
    one.run.training.inputs = CallingAt(one.run, 9, fail)
    for _ in range(2):
        with pytest.raises(OSError, match=r"The images are gone\."):
            one.wait()
    assert (one.state, len(one.moments)) == ("failed", 1)
    assert isinstance(one.error, OSError)


def test_runs_of_several_processes_are_refused() -> None:
    run: Any = SimpleNamespace(fabric=SimpleNamespace(world_size=2))
    with pytest.raises(ValueError, match="has 2 processes; only one can be trained live"):
        BackgroundRun(run)


def test_python_can_end_while_a_run_trains() -> None:
    """As a kernel does that is restarted: no thread keeps it, and none dies in the middle."""
    script = (
        "import tiny_scenes, time\n"
        "from rnsl_tutorial.tutorial.background_run import BackgroundRun\n"
        "one = BackgroundRun(tiny_scenes.tiny_run(epochs=10_000))\n"
        "one.start()\n"
        "while not one.moments: time.sleep(0.01)\n"
        "print(one.state)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "running\n", "")


def test_the_runs_here_do_prune_and_differ_by_seed() -> None:
    """Else the comparisons above could not fail."""
    one, other = tiny_run(), images.Run(tiny_data(), replace(TINY, seed=1))
    assert not same_bits(one, other)
    one.training.run()
    assert 0 < one.training.history[-1].kept < 1
    assert torch.isfinite(one.embed("test")).all()
