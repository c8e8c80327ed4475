"""Loops that do epochs in turn, each in a process of its own."""

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import NamedTuple, Protocol, Self

from benchmarks.memory import LOOK_S, held_together_mb


class Epoch(NamedTuple):
    """What one epoch of a loop took.

    Attributes:
        images: that it trained on.
        seconds: of the whole epoch.
        pruning_seconds: of it for a pass over the images that serves pruning alone.
        device_bytes: peak on the GPU so far; 0 on a CPU.
    """

    images: int
    seconds: float
    pruning_seconds: float
    device_bytes: int


class Loop(Protocol):
    """Something that can do an epoch."""

    def epoch(self) -> Epoch:
        """Do the next one."""


class Measured(NamedTuple):
    """What the epochs of a loop took, one a repeat, and the peak of main memory in the first."""

    epochs: list[Epoch]
    peak_mb: float

    @property
    def images_per_s(self) -> list[float]:
        """Training images a second, one value a repeat."""
        return [epoch.images / epoch.seconds for epoch in self.epochs]


class Contender:
    """A loop in a process of its own, which does an epoch when it is asked.

    Args:
        build: makes the loop, there.
    """

    def __init__(self, build: Callable[[], Loop]) -> None:
        context = get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(build, there))
        self._process.start()
        there.close()

    def __enter__(self) -> Self:
        """Return the contender."""
        return self

    def __exit__(self, *error: object) -> None:
        """Let the process end."""
        self._connection.close()
        self._process.join()

    def epoch(self) -> Epoch:
        """Do an epoch."""
        return self.watched_epoch(look_s=None)[0]

    def watched_epoch(self, look_s: float | None = LOOK_S) -> tuple[Epoch, float]:
        """Do an epoch and return the peak of memory too, in MB, looked at every so many seconds."""
        self._connection.send(True)
        peak, done = 0.0, False
        while not done:
            done = self._connection.poll(look_s)
            peak = max(peak, held_together_mb(self._process.pid or 0))
        try:
            return self._connection.recv(), peak
        except EOFError:
            sys.exit("A loop has failed; its error stands above.")


def _serve(build: Callable[[], Loop], connection: "Connection[Epoch, bool]") -> None:
    loop = build()
    with suppress(EOFError):
        while connection.recv():
            connection.send(loop.epoch())


def measure(builds: Mapping[str, Callable[[], Loop]], repeats: int) -> dict[str, Measured]:
    """Let loops do epochs in turn, each in a process of its own, after one of warm-up."""
    with ExitStack() as stack:
        loops = {name: stack.enter_context(Contender(build)) for name, build in builds.items()}
        found = {name: Measured([], loop.watched_epoch()[1]) for name, loop in loops.items()}
        for _ in range(repeats):
            for name, loop in loops.items():
                found[name].epochs.append(loop.epoch())
    return found
