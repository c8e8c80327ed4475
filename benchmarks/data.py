"""Measure how long an archive takes to load, first from its images and then from the cache.

Usage: python benchmarks/data.py [TAR] [--size 150] [--repeats 5]

Prints a Markdown table. TAR defaults to the environment variable RNSL_AID. It is measured as it is
and unpacked into a temporary folder; the cache lies in a temporary folder too, so TMPDIR chooses
the disk. Every load runs in a fresh process. Seconds exclude imports; memory is the peak of the
whole process, imports included. The files themselves are in the operating system's page cache.
"""

import os
import resource
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks import frame


class Load(NamedTuple):
    """What one load in a process of its own took."""

    num_images: int
    seconds: float
    peak_mb: float
    imports_mb: float


def peak_mb() -> float:
    """Return the peak memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def load(root: Path, size: int, cache: Path) -> Load:
    """Load once and look at one image, here."""
    from rnsl_tutorial.datasets.archives import (
        load_archive,  # here: imports belong to the child's baseline
    )

    imports_mb = peak_mb()
    start = time.perf_counter()
    archive = load_archive(root, size, cache=cache, progress=False)
    archive.images[-1].sum()
    return Load(len(archive.files), time.perf_counter() - start, peak_mb(), imports_mb)


def measure(root: Path, size: int, repeats: int) -> tuple[list[Load], list[Load]]:
    """Return first loads, each with an empty cache, and cached loads."""
    first, cached = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            first.append(frame.in_fresh_process(load, root, size, Path(cache)))
            cached.append(frame.in_fresh_process(load, root, size, Path(cache)))
    return first, cached


def row(name: str, loads: list[Load]) -> str:
    """Format repeated loads as one line of the table."""
    seconds = frame.spread([load.seconds for load in loads], 3)
    memory = (max(load.peak_mb for load in loads), max(load.imports_mb for load in loads))
    peaks = (f"{megabytes:.0f}" for megabytes in memory)
    return frame.row(name, loads[0].num_images, len(loads), seconds, *peaks)


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, size=150, repeats=5)
    parser.add_argument("tar", nargs="?", type=Path, default=os.environ.get("RNSL_AID"))
    args = parser.parse_args()
    if args.tar is None or not args.tar.is_file():
        parser.error(f"no tar at {args.tar}: give its path, or set RNSL_AID to it")

    print(f"{args.tar.name} at {args.size} pixels; {frame.machine('numpy', 'pillow')}\n")
    seconds, memory = ("median s", "min to max s"), ("peak MB", "of it imports MB")
    print(frame.header("load", "n images", "repeats", *seconds, *memory))
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(args.tar) as archive:
            archive.extractall(folder, filter="data")
        for name, root in {"tar": args.tar, "folder": Path(folder)}.items():
            first, cached = measure(root, args.size, args.repeats)
            print(row(f"{name}, first", first))
            print(row(f"{name}, cached", cached))


if __name__ == "__main__":
    main()
