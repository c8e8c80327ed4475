"""The dashboard of runs that train in front of the learner, in a notebook: a film of a few images.

The training thread sends the curves itself. That is safe: ipykernel passes on what any thread
sends in a thread of its own, and a lock keeps apart those that set traits here, training and page.
Buttons come as messages, which ipykernel answers between two cells, as with every widget: while a
cell waits for a run, an interrupt of the cell is the pause.

Shapes: R runs, M measures, E epochs of the longest run, N training images, W of them on the wall.
"""

import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import traitlets
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from rnsl_tutorial.experiments.images import Run
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial._album import Album, packed
from rnsl_tutorial.tutorial.background_run import BackgroundRun, Moment
from rnsl_tutorial.tutorial.explorers._pictures import Pictured
from rnsl_tutorial.tutorial.explorers.base import Choice, Control, handed, module, number_control

__all__ = ["Dashboard"]

_ON_WALL = 24  # images with a right label, and as many with a wrong one
_BELIEVED, _LEFT_OUT = 1, 2  # of an image on the wall, added up
_FIRST = {True: ("memorized", "knn_clean"), False: ("loss", "knn_noisy")}
"""The charts in view, by whether the true labels are known; the others are folded away."""


class _Measure(NamedTuple):
    """How a field of `Moment` is shown: the title of its chart, how a number is written."""

    title: str
    text: str
    is_share: bool = True


_MEASURES = {
    "loss": _Measure("Loss, mean (t-RNSL's minus its level at k)", "{:.2f}", is_share=False),
    "knn_clean": _Measure("k-NN, neighbours with true labels", "{:.0%}"),
    "knn_noisy": _Measure("k-NN, neighbours with given labels", "{:.0%}"),
    "learned": _Measure("Right labels learned", "{:.0%}"),
    "memorized": _Measure("Wrong labels memorized", "{:.0%}"),
    "kept": _Measure("Share kept", "{:.0%}"),
    "precision": _Measure("Left out: really wrong", "{:.0%}"),
    "images_per_s": _Measure("Images per second", "{:,.0f}", is_share=False),
    "memory_gb": _Measure("Memory, GB", "{:.2f}", is_share=False),
}


class Dashboard(Pictured):
    """Runs that train in front of the learner: a wall of images, curves that grow, one button.

    Of one run the wall shows, epoch by epoch, which labels it believes and which images it leaves
    out, and the readout tells the numbers; the button starts, pauses and resumes it, and plays the
    film once it is finished. All runs stand in the same charts. Where no kernel is, the recorded
    film can be played.

    Attributes:
        run: whose numbers and buttons are shown, a name.
        epoch: whose numbers are shown, or those of the last one that is done.
        lives: the runs by name, as `live.BackgroundRun`.
    """

    _esm = module("dashboard.js")
    _live = traitlets.Dict().tag(sync=True)

    run = Choice().tag(sync=True)
    epoch = Choice().tag(sync=True)

    def __init__(self, runs: Mapping[str, Run], *, folder: Path | None = None) -> None:
        """Show runs; none is started.

        Args:
            runs: by name, from left to right; "nsl", "rnsl" and "trnsl" look as in all figures.
            folder: each run keeps its checkpoints in a folder of its name in it.

        Raises:
            ValueError: no run, or one of several processes.
        """
        if not runs:
            raise ValueError("There is no run to show; give at least one, by its name.")
        self._lock = threading.RLock()
        self._styles = dict(zip(runs, plots.loss_styles(list(runs)), strict=True))
        self.lives = {
            name: BackgroundRun(run, folder=folder and folder / name, on_change=self._publish)
            for name, run in runs.items()
        }
        self._wall = _wall([*runs.values()])
        shared = next(iter(runs.values())).data.archive
        self._album = Album(images=shared.images[self._wall.places])
        self._epochs = max(run.config.epochs for run in runs.values())
        names = tuple(runs)
        labels = tuple(self._styles[name].label for name in names)
        controls = {
            "run": Control("Run", names, labels),
            "epoch": number_control("Look at epoch", range(1, self._epochs + 1), "{:.0f}"),
        }
        super().__init__(controls, self._lookup(), {"epoch": self._epochs})
        self._publish()
        self.on_msg(self._pressed)

    # -------------------------------------------------------------- what a notebook calls

    def start(self, name: str | None = None) -> None:
        """Start a run, or go on with it where it is paused, and show its numbers.

        Args:
            name: of the run; None for the one that is shown.

        Raises:
            traitlets.TraitError: no run of this name.
            RuntimeError: it was stopped, has failed or is finished.
        """
        with self._lock:
            self.run = self.run if name is None else name
        self.lives[self.run].start()

    def wait(self) -> dict[str, list[Moment]]:
        """Wait until all runs are finished; start those that nobody has, one after the other.

        Returns:
            By name, the moments of each run, see `Moment`.

        Raises:
            RuntimeError, KeyboardInterrupt, Exception: as `BackgroundRun.wait`, at the first run
                that does not finish; the others stay as they are.
        """
        try:
            for one in self.lives.values():
                if one.state == "running":
                    one.wait()
            for name, one in self.lives.items():
                if one.state == "ready":
                    self.start(name)
                one.wait()
        finally:
            self._publish()  # from this cell: a notebook that is executed keeps what its cells send
        return {name: one.moments for name, one in self.lives.items()}

    # -------------------------------------------------------------- to the page and back

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take over what was chosen on the page, while the training sets nothing."""
        with self._lock:
            super().set_state(sync_data)

    def _pressed(self, _: object, content: Any, __: object) -> None:
        """Do what a button asks; what is no message of a button is left alone."""
        if isinstance(content, dict) and content.get("run") in self.lives:
            self.lives[content["run"]].ask(str(content.get("press")))

    def _publish(self) -> None:
        """Send what changes: states, sentences, curves and the axes that they need."""
        with self._lock:
            values_MRE = self._values()
            live = {
                "runs": [self._told(name) for name in self.lives],
                "summary": "; ".join(map(self._standing, self.lives)),
                "curves": values_MRE,
                "axes": [*map(_axis, _MEASURES.values(), values_MRE)],
                "minds": self._minds(),
            }
            self._live = handed(live)

    def _lookup(self) -> dict[str, Any]:
        """What the ES module looks up: see the type ``Table`` in ``static/dashboard.js``."""
        runs = [one.run for one in self.lives.values()]
        first, wall, archive = runs[0], self._wall, runs[0].data.archive
        names, true_W = archive.class_names, first.data.part("train")[1][wall.rows]
        return {
            "titles": [one.title for one in _MEASURES.values()],
            "first": [[*_MEASURES].index(name) for name in _FIRST[not first.config.as_given]],
            "epochs": _epochs_axis(self._epochs),
            "styles": [self._styles[name] for name in self.lives],
            "given": [[names[c] for c in run.given.labels[wall.rows]] for run in runs],
            "true": [names[c] for c in true_W],
            "wrong": np.stack([run.given.flipped[wall.rows] for run in runs]).astype(np.uint8),
            "known": not first.config.as_given,
            "labels": {"right": plots.RIGHT, "wrong": plots.WRONG},
            "scenes": packed(archive.images[wall.places])
            if first.config.dataset == "scenes"
            else None,
        }

    def _told(self, name: str) -> dict[str, Any]:
        """State, what may be asked, and a sentence an epoch; the first stands before all."""
        one = self.lives[name]
        label = self._styles[name].label
        sentences = [_sentence(label, e, m) for e, m in enumerate(list(one.moments), start=1)]
        return {
            "state": one.state,
            "actions": list(one.actions),
            "told": [self._standing(name), *sentences],
        }

    def _standing(self, name: str) -> str:
        one = self.lives[name]
        label, done = self._styles[name].label, len(one.moments)
        if one.error is not None:
            return f"{label} failed: {type(one.error).__name__}: {one.error}"
        if one.state == "ready":
            return f"{label}: not started"
        return f"{label}: {one.state}, {done} of {one.run.config.epochs} epochs done"

    def _minds(self) -> NDArray[np.uint8]:
        """What runs make of the images on the wall after each epoch, [R, E, W]."""
        minds_REW = np.zeros((len(self.lives), self._epochs, len(self._wall.rows)), np.uint8)
        for r, one in enumerate(self.lives.values()):
            for e, (believed_N, kept_N) in enumerate(list(one.minds)):
                codes_N = _BELIEVED * believed_N + _LEFT_OUT * ~kept_N
                minds_REW[r, e] = codes_N[self._wall.rows]
        return minds_REW

    def _values(self) -> NDArray[np.float32]:
        """The curves [M, R, E], NaN where nothing is yet."""
        values_MRE = np.full((len(_MEASURES), len(self.lives), self._epochs), np.nan, np.float32)
        for r, one in enumerate(self.lives.values()):
            for e, moment in enumerate(list(one.moments)):
                values_MRE[:, r, e] = [getattr(moment, name) for name in _MEASURES]
        return values_MRE


class _Wall(NamedTuple):
    """Images on the wall: rows among the training images, places in the archive, int64 [W] each."""

    rows: NDArray[np.int64]
    places: NDArray[np.int64]


def _wall(runs: Sequence[Run]) -> _Wall:
    """Take the first images with a right label and with a wrong one; none if data differ."""
    first = runs[0]
    if any(run.data.archive is not first.data.archive for run in runs):
        rows = np.empty(0, np.int64)
    else:
        wrong_N = first.given.flipped
        rows = np.concatenate([np.flatnonzero(side)[:_ON_WALL] for side in (~wrong_N, wrong_N)])
    return _Wall(rows, first.data.part("train")[0][rows])


def _epochs_axis(epochs: int) -> plots.Axis:
    """Return the axis from 0 to the last epoch, with ticks at whole ones."""
    ticks = MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]).tick_values(0, epochs)
    return plots.axis("epochs", 0, epochs, ticks=[t for t in ticks if t <= epochs])


def _axis(measure: _Measure, values_RE: NDArray[np.float32]) -> plots.Axis:
    """From 0 up, and as far down as the values go; shares always lie on the same axis."""
    if measure.is_share:
        return plots.SHARE_AXIS._replace(label="")
    seen = values_RE[np.isfinite(values_RE)]
    return plots.axis("", seen.min(initial=0.0), 1.05 * seen.max(initial=0.0) or 1.0)


def _sentence(label: str, epoch: int, moment: Moment) -> str:
    m = {name: one.text.format(getattr(moment, name)) for name, one in _MEASURES.items()}
    knn, pace = "k\N{NON-BREAKING HYPHEN}NN", f"({m['images_per_s']} images/s, {m['memory_gb']} GB)"
    if math.isnan(moment.knn_clean):  # nobody knows which labels are right
        told = f"{knn} {m['knn_noisy']}, by given labels; {m['kept']} kept"
        return f"{label}, epoch {epoch}: {told} {pace}"
    told = (
        f"{label}, epoch {epoch}: {m['learned']} of the right labels learned, "
        f"{m['memorized']} of the wrong ones memorized; {knn} {m['knn_clean']}"
    )
    if not math.isnan(moment.precision):
        told += f"; {m['kept']} kept, and {m['precision']} of the rest really are wrong"
    return f"{told} {pace}"
