"""Measure a grid of heads trained one by one against the same grid as one batched model.

Usage: python benchmarks/batched.py [--seeds 1] [--epochs 8] [--repeats 3] [--jobs 2]

Runs 3 losses x 4 rates x seeds on the AID features that come with the package, training and
measuring, and prints a Markdown table. In every repeat all ways run one after the other; a time
ratio below 1 means faster than one by one with one job. Where PyTorch finds a CUDA device, the
batched model is measured there too, also with one head at a time. The last column is the largest
difference of a run's k-NN accuracy (index with true labels) from that of one by one.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version

import torch

from rnsl_tutorial.datasets import features
from rnsl_tutorial.experiments import batched
from rnsl_tutorial.experiments import heads as experiments
from rnsl_tutorial.experiments.config import LOSSES, Config
from rnsl_tutorial.experiments.heads import Result

RATES = (0.1, 0.3, 0.5, 0.7)
Way = Callable[[features.FeatureSet, Sequence[Config]], list[Result]]


def ways(jobs: int) -> dict[str, Way]:
    """Return what is compared, by name; the first is what the others are compared with."""
    found: dict[str, Way] = {
        "one by one, cpu, 1 job": experiments.run_grid,
        f"one by one, cpu, {jobs} jobs": partial(experiments.run_grid, jobs=jobs),
        "batched, cpu": batched.run_grid,
    }
    if torch.cuda.is_available():
        found["batched, cuda, 1 head at a time"] = partial(batched.run_grid, device="cuda", group=1)
        found["batched, cuda"] = partial(batched.run_grid, device="cuda")
    return found


def rows(
    compared: dict[str, Way], data: features.FeatureSet, configs: Sequence[Config], repeats: int
) -> list[str]:
    """Measure every way, side by side, as lines of the table."""
    seconds: dict[str, list[float]] = {name: [] for name in compared}
    results: dict[str, list[Result]] = {}
    for _ in range(repeats):
        for name, run in compared.items():
            start = time.perf_counter()
            results[name] = run(data, configs)
            seconds[name].append(time.perf_counter() - start)
    first = next(iter(compared))
    return [
        row(name, seconds[name], seconds[first], results[name], results[first]) for name in compared
    ]


def row(
    name: str,
    seconds: list[float],
    reference: list[float],
    results: list[Result],
    expected: list[Result],
) -> str:
    """Format the measurements of one way."""
    ratios = [s / r for s, r in zip(seconds, reference, strict=True)]
    off = max(
        abs(one.metrics["knn_clean"] - other.metrics["knn_clean"])
        for one, other in zip(results, expected, strict=True)
    )
    return (
        f"| {name} | {len(results)} | {len(seconds)} | {statistics.median(seconds):.1f} "
        f"| {min(seconds):.1f} to {max(seconds):.1f} | {statistics.median(ratios):.2f} "
        f"| {min(ratios):.2f} to {max(ratios):.2f} | {off:.4f} |"
    )


def machine() -> str:
    """Name processors, device, system and versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "rnsl-tutorial"))
    device = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{os.cpu_count()} processors ({platform.machine()}){device}, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1, help="of each cell, default 1")
    parser.add_argument("--epochs", type=int, default=8, help="default 8; a real run has 40")
    parser.add_argument("--repeats", type=int, default=3, help="default 3")
    parser.add_argument("--jobs", type=int, default=2, help="default 2")
    args = parser.parse_args()

    data = features.load_shipped("aid")
    configs = experiments.grid(["symmetric"], RATES, LOSSES, args.seeds, epochs=args.epochs)
    compared = ways(args.jobs)
    for run in compared.values():  # the first call on a device is slower
        run(data, [Config(epochs=1)])
    print(f"{len(data.split.train)} training images, {args.epochs} epochs; {machine()}\n")
    print(
        "| grid | runs | repeats | median s | min to max s | time / one by one's "
        "| min to max | k-NN accuracy off by |"
    )
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(rows(compared, data, configs, args.repeats)))


if __name__ == "__main__":
    main()
