"""Measure how long each notebook runs, and how much memory its kernel takes at its peak.

Usage: python benchmarks/notebook_runs.py [--only 00 03]

Executes every notebook without a browser, one after the other, each in a kernel of its own that
starts with an empty cache: the learner's version, whose exercises are unsolved, and the solution.
Prints a Markdown table. Seconds include the kernel's start. Memory is that of the kernel and its
children (on Linux with shared pages divided among those that share them; elsewhere what each
process holds for itself), looked at ten times a second. The goals are 60 s and 1.5 GB (1500 MB) a
notebook.
"""

import os
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient

from benchmarks import frame
from benchmarks.memory import memory_watched
from notebooks import build


class Measured(NamedTuple):
    """What one run of a notebook took."""

    seconds: float
    peak_mb: float


def measure(source: Path, *, solutions: bool) -> Measured:
    """Execute the notebook of a source once and watch its kernel.

    Args:
        source: a py:percent file.
        solutions: with the solutions, else as the learner gets it.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.reads(build.build(source, solutions=solutions), as_version=4)
    with tempfile.TemporaryDirectory() as folder, memory_watched() as peak:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=600,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--IPKernelApp.log_level=40"],  # a notebook's errors come as outputs
        )
        start = time.perf_counter()
        client.execute(env=os.environ | {"RNSL_CACHE": folder})
        seconds = time.perf_counter() - start
    return Measured(seconds, peak[0])


def row(source: Path) -> str:
    """Measure both versions of a notebook and return its row of the table."""
    learner, solution = (measure(source, solutions=solutions) for solutions in (False, True))
    cells = ((f"{one.seconds:.1f}", f"{one.peak_mb:.0f}") for one in (learner, solution))
    return frame.row(source.stem, *chain(*cells))


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__)
    parser.add_argument("--only", nargs="+", default=[""], metavar="NN", help="notebooks' numbers")
    args = parser.parse_args()
    print(f"n = 1; {frame.machine('torch', 'ipykernel')}; goals 60 s and 1500 MB\n")
    solution = ("solution s", "solution peak MB")
    print(frame.header("notebook", "learner s", "learner peak MB", *solution))
    for source in sorted((build.FOLDER / "source").glob("[0-9][0-9]_*.py")):
        if source.name.startswith(tuple(args.only)):
            print(row(source), flush=True)


if __name__ == "__main__":
    main()
