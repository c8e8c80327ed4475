"""A loop without work, in a module of its own: a process that runs it imports little else."""

import os
import time
from pathlib import Path

from benchmarks.memory import LOOK_S
from benchmarks.turns import Epoch


class Stub:
    """A loop that writes down its turns; without a file for them it fails."""

    def __init__(self, name: str, log: Path | None) -> None:
        self.name, self.log = name, log

    def epoch(self) -> Epoch:
        assert self.log is not None
        with self.log.open("a") as file:
            file.write(f"{self.name}{os.getpid()}\n")
        time.sleep(2 * LOOK_S)
        return Epoch(1, 1.0, 0.0, 0)
