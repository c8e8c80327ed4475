"""Measure how fast procedural scenes are drawn, by one thread.

Usage: python benchmarks/scenes.py [--pixels 4194304] [--difficulty 0.5] [--repeats 5]

Prints a Markdown table. Every repeat draws as many images as have --pixels pixels together, of all
classes. A size's textures are made once a process; that comes before the repeats and is shown on
its own.
"""

import time

from benchmarks import frame
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
    return frame.row(size, f"{count:,}", repeats, frame.spread(rates, 0), f"{first:.2f}")


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, repeats=5)
    parser.add_argument("--pixels", type=int, default=2**22, help="default 4194304")
    parser.add_argument("--difficulty", type=float, default=0.5, help="default 0.5")
    args = parser.parse_args()

    on = frame.machine("numpy")
    print(f"{len(scenes.CLASSES)} classes at difficulty {args.difficulty}, 1 thread; {on}\n")
    rates = ("median images/s", "min to max", "first image s")
    print(frame.header("pixels a side", "n images", "repeats", *rates))
    for size in SIZES:
        print(row(args.pixels, size, args.difficulty, args.repeats))


if __name__ == "__main__":
    main()
