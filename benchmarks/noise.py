"""Measure how fast labels are corrupted, and how much faster than by the reference's loop.

Usage: python benchmarks/noise.py [--labels 1280000] [--classes 1000] [--repeats 5]

Prints a Markdown table. Symmetric noise, one process. In every repeat the methods run one after the
other. The reference's loop runs on the first labels only (--reference-labels); its time a label
does not depend on how many there are.
"""

import statistics
import time

import numpy as np

from benchmarks import frame
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
    each = f"{statistics.median(seconds) / count * 1e6:.2f}"
    measured = (frame.spread(seconds, 3), each, frame.spread(ratios))
    return frame.row(method, f"{count:,}", len(seconds), *measured)


def main() -> None:
    """Measure and print."""
    parser = frame.parser(
        __doc__, labels=1_280_000, classes=1000, reference_labels=20_000, repeats=5
    )
    parser.add_argument("--rate", type=float, default=0.3, help="default 0.3")
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

    on = frame.machine("numpy")
    print(f"{args.classes} classes, symmetric noise at rate {args.rate}; {on}\n")
    seconds_of = ("median s", "min to max s", "microseconds a label")
    ratios = ("times faster than reference", "min to max")
    print(frame.header("method", "n labels", "repeats", *seconds_of, *ratios))
    for method, given in labels_by_method.items():
        print(row(method, len(given), seconds[method], reference_per_label))


if __name__ == "__main__":
    main()
