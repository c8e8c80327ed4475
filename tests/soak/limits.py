"""A process and its children under a limit of memory, without rights over files of others.

Two limits hold together, on Linux. Each process may have so much memory of its own (RLIMIT_DATA):
beyond it an allocation fails. And all of them together may hold so much, a shared page counted once
(proportional set size): a watchdog looks ten times a second, and kills the process that holds most.
Mapped files count too, unlike in a container, where the kernel may take their pages back.
"""

import os
import shutil
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

import psutil

from benchmarks.memory import LOOK_S, held_mb, tree

NOBODY = 65534  # owns what the processes must not change where they run as root


class Peak(NamedTuple):
    """The most memory that was held at any look, in MB.

    Attributes:
        together: by the process and all its children.
        child: by one child of the process with its own children, such as a server's kernel.
        at_most: no process held more between two looks: the sum of each one's own peak, in which a
            page that several share counts for each.
    """

    together: float = 0.0
    child: float = 0.0
    at_most: float = 0.0


class Watchdog:
    """Watches a process with its children, and kills what goes beyond the limit.

    Args:
        pid: of the process.
        limit_mb: for all together; None only watches.

    Attributes:
        killed: what was killed, one line each.
    """

    def __init__(self, pid: int, limit_mb: float | None = None) -> None:
        self.limit_mb, self.killed = limit_mb, list[str]()
        self._root, self._peak, self._over = psutil.Process(pid), Peak(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Watch no longer."""
        self._over.set()
        self._thread.join()

    def take_peak(self) -> Peak:
        """Return the peak since the last call."""
        peak, self._peak = self._peak, Peak()
        return peak

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            with suppress(psutil.NoSuchProcess):
                self.look()

    def look(self) -> Peak:
        """Look once, kill if need be, and return what is held now."""
        held = {process: held_mb(process) for process in tree(self._root)}
        together, child = sum(held.values()), max(self._children(held), default=0.0)
        now = Peak(together, child, sum(own_peak_mb(process) for process in held))
        self._peak = Peak(*map(max, self._peak, now))
        if self.limit_mb is not None and together > self.limit_mb:
            self._kill(max(held, key=lambda process: held[process]), together)
        return now

    def _children(self, held: dict[psutil.Process, float]) -> list[float]:
        with suppress(psutil.NoSuchProcess):
            return [sum(held.get(p, 0) for p in tree(child)) for child in self._root.children()]
        return []

    def _kill(self, process: psutil.Process, together: float) -> None:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            self.killed.append(f"{together:.0f} MB together: process {process.pid} was killed")


def own_peak_mb(process: psutil.Process) -> float:
    """Return the most that a process ever held, shared pages included; 0 if it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


# ------------------------------------------------------------------ limits of each process


def limited(command: Sequence[str], limit_mb: float) -> list[str]:
    """Return the command that runs a command with so much memory for each of its processes."""
    return ["prlimit", f"--data={int(limit_mb * 1e6)}", "--", *command]


def unprivileged(command: Sequence[str]) -> list[str]:
    """Return the command that runs a command for which the permissions of files count.

    They do for every user but root, who keeps its name here and loses all its rights.
    """
    if not is_root():
        return list(command)
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--", *command]


def make_read_only(folder: Path) -> None:
    """Take away the right to write into a folder and its files; from root by another owner."""
    for path in (*folder.rglob("*"), folder):
        if is_root():
            os.chown(path, NOBODY, NOBODY)
        path.chmod(0o555 if path.is_dir() else 0o444)


def problem() -> str:
    """Say in one line why there can be no limit here; nothing if there can."""
    missing = [tool for tool in ("prlimit", "setpriv") if shutil.which(tool) is None]
    if sys.platform != "linux":
        return "The limit of memory is that of Linux."
    return f"Not on the PATH: {', '.join(missing)} (of util-linux)." if missing else ""


def is_root() -> bool:
    """Whether this process runs as root."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
