"""Measure how fast labels are corrupted, and how much faster than by the reference's loop.

Usage: python benchmarks/noise.py [--labels 1280000] [--classes 1000] [--repeats 5]

Prints a Markdown table. Symmetric noise, one process. In every repeat the methods run one after the
other. The reference's loop runs on the first labels only (--reference-labels); its time a label
does not depend on how many there are.
"""

import argparse
import os
import platform
import statistics
import time
from importlib.metadata import version

import numpy as np

from rnsl_tutorial import noise


def seconds_by_method(
    labels_by_method: dict[noise.Method, noise.Labels], transition: noise.Matrix, repeats: int
) -> dict[noise.Method, list[float]]:
    """Return how long each method took, repeat by repeat."""
    seconds: dict[noise.Method, list[float]] = {method: [] for method in labels_by_method}
    for seed in range(repeats):
        for method, labels in labels_by_method.items():
            start = time.perf_counter()
            noise.corrupt_labels(labels, transition, seed, method=method)
            seconds[method].append(time.perf_counter() - start)
    return seconds


def row(method: str, count: int, seconds: list[float], reference_per_label: list[float]) -> str:
    """Format the repeats of one method as one line of the table."""
    ratios = [one / (s / count) for one, s in zip(reference_per_label, seconds, strict=True)]
    return (
        f"| {method} | {count:,} | {len(seconds)} | {statistics.median(seconds):.3f} "
        f"| {min(seconds):.3f} to {max(seconds):.3f} "
        f"| {statistics.median(seconds) / count * 1e6:.2f} "
        f"| {statistics.median(ratios):.1f} | {min(ratios):.1f} to {max(ratios):.1f} |"
    )


def machine() -> str:
    """Name processors, system and versions."""
    return (
        f"{os.cpu_count()} processors ({platform.machine()}), {platform.system()}, "
        f"Python {platform.python_version()}, numpy {version('numpy')}, "
        f"rnsl-tutorial {version('rnsl-tutorial')}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", type=int, default=1_280_000, help="default 1280000")
    parser.add_argument("--classes", type=int, default=1000, help="default 1000")
    parser.add_argument("--rate", type=float, default=0.3, help="default 0.3")
    parser.add_argument("--reference-labels", type=int, default=20_000, help="default 20000")
    parser.add_argument("--repeats", type=int, default=5, help="default 5")
    args = parser.parse_args()

    transition = noise.symmetric_transition(args.classes, args.rate)
    labels = np.random.default_rng(0).integers(args.classes, size=args.labels)
    labels_by_method: dict[noise.Method, noise.Labels] = {
        "reference": labels[: args.reference_labels],
        "vectorized": labels,
        "exact": labels,
    }
    seconds = seconds_by_method(labels_by_method, transition, args.repeats)
    part = len(labels_by_method["reference"])
    reference_per_label = [s / part for s in seconds["reference"]]

    print(f"{args.classes} classes, symmetric noise at rate {args.rate}; {machine()}\n")
    print(
        "| method | n labels | repeats | median s | min to max s | microseconds a label "
        "| times faster than reference | min to max |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for method, given in labels_by_method.items():
        print(row(method, len(given), seconds[method], reference_per_label))


if __name__ == "__main__":
    main()
