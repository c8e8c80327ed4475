"""A training in a thread of its own: looked at, paused, resumed and stopped while it runs.

The thread ends with every pause, and a new one goes on from there, bit for bit: `train.Training`
keeps all that a run is. It only ever stands still between two batches. So a notebook's kernel stays
free, no thread waits for anybody, and whoever reads the state of a run that stands still reads a
whole one.
"""

import atexit
import math
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from weakref import WeakSet

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from rnsl_tutorial.experiments.images import Run
from rnsl_tutorial.training import EpochReport, devices

__all__ = ["BackgroundRun", "Moment"]

_READY, _RUNNING, _PAUSING, _PAUSED = "ready", "running", "pausing", "paused"
_STOPPING, _STOPPED, _FINISHED, _FAILED = "stopping", "stopped", "finished", "failed"

_ACTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {_READY: ("start",), _RUNNING: ("pause", "stop"), _PAUSED: ("resume", "stop")}
)
"""What can be asked of a run, by its state; of one in another state, nothing."""

_LOOK_S = 0.2  # between two looks at a run that is waited for, so that Ctrl-C gets through
_LEAVE_S = 10.0  # that Python waits at its end for the batch at hand


class Moment(NamedTuple):
    """What was seen of a run after an epoch. Shares lie in [0, 1]; NaN where there is nothing.

    Where labels are as given, there is nothing that needs the true ones.

    Attributes:
        loss: mean over the training images, as `train.EpochReport` has it.
        knn_clean: k-NN accuracy of the test images, by training images under their true labels.
        knn_noisy: the same, by training images under the labels that were given.
        learned: share of the right labels whose image is nearest to the prototype of its label.
        memorized: the same share of the wrong labels.
        kept: share of the training images that the loss listened to in this epoch.
        precision: of the images that it did not listen to, the share with a wrong label.
        images_per_s: training images a second, pruning included, what is measured here not.
        memory_gb: that the process holds; on a GPU, that its tensors hold.
    """

    loss: float
    knn_clean: float
    knn_noisy: float
    learned: float
    memorized: float
    kept: float
    precision: float
    images_per_s: float
    memory_gb: float


class _Minds(NamedTuple):
    """What a run makes of each training image after an epoch, bool [N] each.

    Attributes:
        believed: whether the nearest prototype is that of the label that the image was given.
        kept: whether the loss goes on listening to it, as `Moment.precision` counts.
    """

    believed: NDArray[np.bool_]
    kept: NDArray[np.bool_]


def _look(run: Run, report: EpochReport, images: int) -> tuple[Moment, _Minds]:
    """Measure a run between two epochs; it draws no random number and changes no weight.

    Args:
        run: whose weights are judged as they are.
        report: of the epoch that has just ended.
        images: training images that the seconds of the report are for.
    """
    found = run.measure("test")
    minds = _minds(run)
    known = not run.config.as_given
    memory = devices.memory(run.fabric.device)
    moment = Moment(
        loss=report.loss,
        knn_clean=found.get("knn_clean", math.nan),
        knn_noisy=found["knn_noisy"],
        learned=float(minds.believed[~run.given.flipped].mean()) if known else math.nan,
        memorized=found.get("memorized", math.nan),
        kept=report.kept,
        precision=found.get("precision", math.nan),
        images_per_s=images / report.seconds,
        memory_gb=(memory.device_bytes or memory.process_bytes) / 1e9,
    )
    return moment, minds


def _minds(run: Run) -> _Minds:
    cosine_NC = F.normalize(run.embed("train")) @ F.normalize(run.loss.prototypes.detach()).T
    believed_N = cosine_NC.argmax(dim=1).cpu().numpy() == run.given.labels
    kept: torch.Tensor | None = getattr(run.loss, "kept", None)
    return _Minds(believed_N, np.ones_like(believed_N) if kept is None else kept.cpu().numpy())


class BackgroundRun:
    """A run that trains in the background.

    Args:
        run: not trained yet, or stopped and restored; of one process.
        folder: where a checkpoint is written after every epoch, and whenever it stands still.
        on_change: called from the thread that made the change, after each epoch and with each new
            state; must not raise.

    Attributes:
        run: trained in place; while it runs, look at `moments` and leave the weights alone.
        state: "ready", "running", "pausing", "paused", "stopping", "stopped", "finished" or
            "failed".
        moments: one for each epoch that is done.
        minds: for each of them, which labels it believes, and which images it keeps.
        error: what ended the run, where it failed.

    Raises:
        ValueError: a run of several processes.
    """

    def __init__(
        self,
        run: Run,
        *,
        folder: Path | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        if run.fabric.world_size > 1:
            raise ValueError(
                f"The run has {run.fabric.world_size} processes; only one can be trained live. "
                "Set devices and num_nodes to 1, or use `rnsl train`."
            )
        self.run, self.folder = run, folder
        self.state = _READY
        self.moments: list[Moment] = []
        self.minds: list[_Minds] = []
        self.error: Exception | None = None
        self._on_change = on_change or (lambda: None)
        self._thread: threading.Thread | None = None
        self._still = threading.Event()  # set while no thread trains
        self._still.set()
        self._lock = threading.RLock()  # around each change of the state

    # -------------------------------------------------------------- what can be asked

    def ask(self, action: str) -> None:
        """Ask for "start", "pause", "resume" or "stop", and return at once.

        What the state does not allow is left alone: a button may be pressed as a run ends.
        """
        with self._lock:
            if action not in self.actions:
                return
            if action in ("start", "resume"):
                self._go()
            elif self.state == _PAUSED:
                self._enter(_STOPPED)
            else:
                self._enter(_PAUSING if action == "pause" else _STOPPING)
                self.run.training.stop.set()

    @property
    def actions(self) -> tuple[str, ...]:
        """What can be asked of it now."""
        return _ACTIONS.get(self.state, ())

    def start(self) -> None:
        """Train in the background, from the beginning or from where it was paused.

        Raises:
            RuntimeError: the run was stopped, has failed or is finished.
        """
        if self.state == _PAUSING:
            self._stand_still()
        with self._lock:
            if self.state in (_STOPPED, _FAILED, _FINISHED):
                raise RuntimeError(f"{self._where()} Build a new run to train again.")
            self.ask("resume" if self.state == _PAUSED else "start")

    resume = start

    def pause(self) -> None:
        """Stand still after the batch at hand; returns when it does."""
        self.ask("pause")
        self._stand_still()

    def stop(self) -> None:
        """End the run after the batch at hand; its `Run.training` can be saved and restored."""
        self.ask("stop")
        self._stand_still()
        self.ask("stop")  # of a run that was about to pause

    def wait(self) -> list[Moment]:
        """Wait until the run is finished; start it if nobody has.

        Ctrl-C, or an interrupt of the cell, pauses the run.

        Returns:
            The moments.

        Raises:
            RuntimeError: the run stands still, since it was paused or stopped; it would not end.
            Exception: whatever ended the run.
        """
        if self.state == _READY:
            self.start()
        try:
            self._stand_still()
        except KeyboardInterrupt:
            self.pause()
            raise
        if self.error is not None:
            raise self.error
        if self.state != _FINISHED:
            again = "Resume it, then wait again." if self.state == _PAUSED else "Build a new run."
            raise RuntimeError(f"{self._where()} {again}")
        return self.moments

    def _stand_still(self) -> None:
        while not self._still.wait(_LOOK_S):  # Ctrl-C in Thread.join would take it for dead
            pass
        if self._thread is not None:
            self._thread.join()

    def _where(self) -> str:
        done, epochs = self.run.training.epoch, self.run.config.epochs
        return f"The run is {self.state} after {done} of {epochs} epochs."

    # -------------------------------------------------------------- in the thread

    def _go(self) -> None:
        self._stand_still()  # a paused thread says so with its last breath
        self.run.training.stop.clear()
        self._thread = threading.Thread(target=self._work, name="training", daemon=True)
        self._still.clear()
        _alive.add(self)
        self._enter(_RUNNING)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._train()
        except Exception as error:
            self.error = error
        try:
            with self._lock:
                self._enter(self._reached())
        finally:  # whatever on_change does: nobody may wait for ever
            _alive.discard(self)
            self._still.set()

    def _train(self) -> None:
        training = self.run.training
        images = len(training.labels) - training.step * self.run.config.batch_size
        for report in training.epochs(self.folder):
            moment, minds = _look(self.run, report, images)
            self.minds.append(minds)  # first: whoever sees a moment finds what belongs to it
            self.moments.append(moment)
            images = len(training.labels)
            self._on_change()
        if training.finished:
            training.take_selected()

    def _reached(self) -> str:
        if self.error is not None:
            return _FAILED
        if self.run.training.finished:
            return _FINISHED
        return _STOPPED if self.state == _STOPPING else _PAUSED

    def _enter(self, state: str) -> None:
        self.state = state
        self._on_change()


_alive: WeakSet[BackgroundRun] = WeakSet()


@atexit.register
def _stop_all() -> None:
    """Let no thread be in the middle of a batch when Python takes torch apart."""
    for live in list(_alive):
        live.run.training.stop.set()
    for live in list(_alive):
        if live._thread is not None:
            live._thread.join(_LEAVE_S)
