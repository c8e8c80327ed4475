"""What processes hold, a page that several share counted once: each has its part of it."""

from contextlib import suppress

import psutil


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
