"""Measure how fast procedural scenes are drawn, by one thread.

Usage: python benchmarks/scenes.py [--pixels 4194304] [--difficulty 0.5] [--repeats 5]

Prints a Markdown table. Every repeat draws as many images as have --pixels pixels together, of all
classes. A size's textures are made once a process; that comes before the repeats and is shown on
its own.
"""

import argparse
import os
import platform
import statistics
import time
from importlib.metadata import version

from rnsl_tutorial.datasets import scenes

SIZES = (32, 64, 128)


def seconds(count: int, size: int, difficulty: float, seed: int) -> float:
    """Return how long it takes to draw scenes."""
    start = time.perf_counter()
    scenes.make_scenes(count, size, difficulty=difficulty, seed=seed)
    return time.perf_counter() - start


def row(pixels: int, size: int, difficulty: float, repeats: int) -> str:
    """Measure one size, as one line of the table."""
    count = max(1, pixels // size**2)
    first = seconds(1, size, difficulty, seed=0)
    rates = [count / seconds(count, size, difficulty, seed) for seed in range(repeats)]
    return (
        f"| {size} | {count:,} | {repeats} | {statistics.median(rates):,.0f} "
        f"| {min(rates):,.0f} to {max(rates):,.0f} | {first:.2f} |"
    )


def machine() -> str:
    """Name processors, system and versions."""
    return (
        f"{os.cpu_count()} processors ({platform.machine()}), 1 thread, {platform.system()}, "
        f"Python {platform.python_version()}, numpy {version('numpy')}, "
        f"rnsl-tutorial {version('rnsl-tutorial')}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pixels", type=int, default=2**22, help="default 4194304")
    parser.add_argument("--difficulty", type=float, default=0.5, help="default 0.5")
    parser.add_argument("--repeats", type=int, default=5, help="default 5")
    args = parser.parse_args()

    print(f"{len(scenes.CLASSES)} classes at difficulty {args.difficulty}; {machine()}\n")
    print("| pixels a side | n images | repeats | median images/s | min to max | first image s |")
    print("|---|---|---|---|---|---|")
    for size in SIZES:
        print(row(args.pixels, size, args.difficulty, args.repeats))


if __name__ == "__main__":
    main()
