"""Measure the twelve runs of one noise kind: how long they take, and how much memory.

Usage: python benchmarks/experiment.py [--repeats 3] [--jobs 2]

Runs `rnsl experiment` (3 losses x 4 rates, one seed, 40 epochs) as a newcomer would, start of
Python included, and prints a Markdown table. Memory is the largest sum over all its processes
(on Linux with shared pages divided among those that share them; elsewhere what each process holds
for itself), looked at ten times a second.
"""

import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from benchmarks import frame
from benchmarks.memory import memory_watched

RATES = ("0.1", "0.3", "0.5", "0.7")


class Measured(NamedTuple):
    """What one call of the command took."""

    seconds: float
    peak_mb: float


def measure(jobs: int) -> Measured:
    """Run the command once and watch it."""
    rates = [word for rate in RATES for word in ("--rate", rate)]
    with tempfile.TemporaryDirectory() as out:
        options = ["--seeds", "1", "--jobs", str(jobs), "--out", out]
        command = [sys.executable, "-m", "rnsl_tutorial", "experiment", *rates, *options]
        start = time.perf_counter()
        with memory_watched() as peak:
            subprocess.run(command, capture_output=True, check=True)
    return Measured(time.perf_counter() - start, peak[0])


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, repeats=3, jobs=2)
    args = parser.parse_args()
    runs = [measure(args.jobs) for _ in range(args.repeats)]
    seconds = frame.spread([run.seconds for run in runs])
    print(f"{args.jobs} jobs; {frame.machine('torch')}\n")
    print(frame.header("runs", "repeats", "median s", "min to max s", "peak MB"))
    print(frame.row(12, len(runs), seconds, f"{max(run.peak_mb for run in runs):.0f}"))


if __name__ == "__main__":
    main()
