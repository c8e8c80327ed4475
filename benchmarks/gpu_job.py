"""What the parts of `gpu.py` are told, and what they tell: scale, machine, time, rows."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch

from rnsl_tutorial.training.devices import Stopwatch

Work: TypeAlias = Callable[[], object]


class OutOfTime(Exception):  # noqa: N818  # no error: it is expected
    """The time that is left does not suffice for what comes next."""


class Clock:
    """The time that the whole script has.

    Args:
        minutes: from the start.
        started: seconds since the epoch; by default now.

    Attributes:
        end: when all shall have ended, a thirtieth earlier than it must; in seconds since the
            epoch, which the processes of a machine share.
        stop: when it must.
    """

    def __init__(self, minutes: float, started: float | None = None) -> None:
        started = time.time() if started is None else started
        self.end, self.stop = started + 58 * minutes, started + 60 * minutes

    def left(self) -> float:
        """Seconds, below 0 once the time is over."""
        return self.end - time.time()

    def require(self, seconds: float, what: str) -> None:
        """Refuse what takes longer than is left: OutOfTime."""
        if seconds > self.left():
            raise OutOfTime(f"{what} would take {seconds:.0f} s, and {self.left():.0f} are left")


class Row(NamedTuple):
    """One line of a table: what was measured, in which unit, one value a repeat."""

    what: str
    unit: str
    values: list[float]


class Scale(NamedTuple):
    """How large everything is.

    Attributes:
        images: of the epoch and the features; None for all of an archive, or 10,000 scenes.
        size: side of the images in pixels.
        network: of the epoch, with random weights.
        batch: images a step of the epoch.
        matrix: side of the matrices that are multiplied.
        buffer: bytes that are copied to learn a bandwidth.
        steps: of each piece of bare work in a repeat.
        workers: processes of the plain loop's DataLoader.
        heads: how many are trained as one model, one number after the other.
        alone: how many are trained one at a time.
        head_epochs: of each head.
        table: settings of the fine-tuning that differ from the preset.
        cells: of noise and rate that are fine-tuned on, the most telling first.
        seeds: of the fine-tuning.
        guesses: seconds that a part takes, by name; a part is left out where they are not left, and
            only runs of the fine-tuning are measured on the way.
    """

    images: int | None
    size: int
    network: str
    batch: int
    matrix: int
    buffer: int
    steps: int
    workers: int
    heads: tuple[int, ...]
    alone: int
    head_epochs: int
    table: Mapping[str, Any]
    cells: int
    seeds: int
    guesses: Mapping[str, float]


LARGE = Scale(
    images=None,
    size=128,
    network="resnet18",
    batch=256,
    matrix=8192,
    buffer=2**30,
    steps=30,
    workers=min(16, os.cpu_count() or 1),
    heads=(100, 1000),
    alone=3,
    head_epochs=40,
    table={
        "freeze": 0,
        "image_size": 128,
        "epochs": 30,
        "batch_size": 128,
        "learning_rate": 0.04,
        "prune_every": 3,
    },
    cells=7,
    seeds=3,
    guesses={"ceilings": 20, "epoch": 90, "heads": 60, "features": 40},
)
SMALL = Scale(
    images=160,
    size=32,
    network="small",
    batch=32,
    matrix=256,
    buffer=2**20,
    steps=2,
    workers=0,
    heads=(2, 4),
    alone=1,
    head_epochs=1,
    table={
        "dataset": "scenes",
        "scenes": 160,
        "freeze": 0,
        "image_size": 32,
        "epochs": 2,
        "batch_size": 32,
        "prune_rule": "ratio",
    },
    cells=1,
    seeds=1,
    guesses={"ceilings": 2, "epoch": 10, "heads": 10, "features": 10},
)


class Job(NamedTuple):
    """What every part is told.

    Attributes:
        scale: how large everything is.
        device: "cpu" or "cuda".
        clock: of the whole script.
        repeats: of what is timed.
        at_once: fine-tunings that run side by side.
        roots: data set -> its images; the first is measured on, and all are fine-tuned on. Empty
            for scenes.
        settings: of the fine-tuning that differ from the scale's.
        out: folder of the files.
    """

    scale: Scale
    device: str
    clock: Clock
    repeats: int
    at_once: int
    roots: Mapping[str, Path]
    settings: Mapping[str, Any]
    out: Path

    @property
    def precision(self) -> str:
        """In which everything runs that names no other: bf16, which a CPU has but is slow in."""
        return "32" if self.device == "cpu" else "bf16"

    @property
    def dataset(self) -> str:
        """The first of the roots, or "scenes"."""
        return next(iter(self.roots), "scenes")


def rates(work: Work, device: torch.device, steps: int, repeats: int) -> list[float]:
    """How often a piece of work is done in a second, one value a repeat, after one of warm-up."""
    found = []
    for _ in range(1 + repeats):
        with Stopwatch(device) as watch:
            for _ in range(steps):
                work()
        found.append(steps / watch.seconds)
    return found[1:]
