"""What makes training faster on this machine: ways to do the same work, measured in turn.

A machine is shared, warms up and slows down. So the ways take turns, each is done once before the
clock starts, and what is told is the median with the smallest and the largest of all repeats.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch

from rnsl_tutorial.experiments.images import Run
from rnsl_tutorial.training.devices import Stopwatch

__all__ = ["Speed", "compare", "epochs_of", "table"]

_Step = Callable[[], int]
"""Does some work, and returns on how many images."""


class Speed(NamedTuple):
    """Images per second of one way.

    Attributes:
        median: of the repeats.
        low: the slowest.
        high: the fastest.
    """

    median: float
    low: float
    high: float


def compare(
    steps: Mapping[str, _Step], device: torch.device | str, *, repeats: int = 5
) -> dict[str, Speed]:
    """Let several ways take turns, after one turn each that is not counted.

    Args:
        steps: by name.
        device: that works; it has to be done before the clock stops.
        repeats: counted turns, at least 1.

    Raises:
        ValueError: repeats below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}; at least 1 is needed.")
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(repeats + 1):
        for name, step in steps.items():
            with Stopwatch(device) as watch:
                images = step()
            if turn:
                rates[name].append(images / watch.seconds)
    return {
        name: Speed(statistics.median(found), min(found), max(found))
        for name, found in rates.items()
    }


def epochs_of(run: Run) -> _Step:
    """Return a step that trains one more epoch of a run.

    Raises:
        RuntimeError: on a call after the run's last epoch.
    """
    epochs: Iterator[object] = run.training.epochs()

    def step() -> int:
        if next(epochs, None) is None:
            raise RuntimeError(
                f"The run has done all of its {run.config.epochs} epochs; give its config more, "
                "one for each turn and one before the clock starts."
            )
        return len(run.training.labels)

    return step


def table(speeds: Mapping[str, Speed]) -> str:
    """Write speeds as lines of text, each beside the first of them."""
    first = next(iter(speeds.values()))
    width = max(map(len, speeds))
    rows = [
        f"{name:{width}} {speed.median:9,.0f} {speed.low:9,.0f} to {speed.high:<9,.0f}"
        f"{speed.median / first.median:6.2f}"
        for name, speed in speeds.items()
    ]
    return "\n".join(
        [f"{'images per second':{width}}    median       low to high      times", *rows]
    )
