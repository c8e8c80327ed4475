"""What processes hold, a page that several share counted once: each has its part of it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

LOOK_S = 0.1


def tree(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all its children; none if it is gone."""
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def held_mb(process: psutil.Process) -> float:
    """Return what a process holds, with its part of the pages that it shares; 0 if it is gone."""
    with suppress(psutil.NoSuchProcess):
        held = process.memory_full_info()
        return float(getattr(held, "pss", held.uss)) / 1e6
    return 0.0


def held_together_mb(pid: int) -> float:
    """Return what a process and all its children hold; 0 if it is gone."""
    with suppress(psutil.NoSuchProcess):
        return sum(map(held_mb, tree(psutil.Process(pid))))
    return 0.0


@contextmanager
def memory_watched() -> Iterator[list[float]]:
    """Watch the children that start from now on; the list holds the peak of their MB at the end."""
    this, peak, done = psutil.Process(), [0.0], threading.Event()
    before = set(this.children())

    def watch() -> None:
        while not done.wait(LOOK_S):
            started = set(this.children()) - before
            peak[0] = max(peak[0], sum(held_together_mb(child.pid) for child in started))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
