"""Measure how fast a frozen backbone extracts features, and with how much memory.

Usage: python benchmarks/features.py [--backbone efficientnet_lite0] [--size 150] [--images 640]

Prints a Markdown table: on the CPU by torch, and by onnxruntime, as `datasets.cached_features` does
it there, in turns, so that other programs slow both alike; each in a process of its own, whose peak
the memory is. Processor seconds are those of all processors together. The largest difference is
that of two features, as a share of the largest. The images are random bytes, which cost a network
what photographs cost.
"""

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import frame
from rnsl_tutorial.datasets import _frozen, features
from rnsl_tutorial.training import devices
from rnsl_tutorial.training import networks as backbones

BATCH = 32


class Measured(NamedTuple):
    """Seconds of the clock and of all processors, the features, and the peak of memory."""

    seconds: float
    processors: float
    features: NDArray[np.float32]
    peak_mb: float


def measure(by: str, name: str, count: int, size: int) -> Measured:
    """Extract once, here; what is made once for all images is not counted."""
    images = np.random.default_rng(0).integers(256, size=(count, 3, size, size), dtype=np.uint8)
    backbone = backbones.create(name, pretrained=name == "efficientnet_lite0")
    run = _frozen.by_torch(backbone) if by == "torch" else _frozen.by_onnxruntime(backbone, images)
    run(images[:BATCH])
    start, worked = time.perf_counter(), time.process_time()
    found = np.concatenate([*features._extracted(images, run, BATCH, progress=False)])
    took = time.perf_counter() - start, time.process_time() - worked
    return Measured(*took, found, devices.memory("cpu").process_peak_bytes / 1e6)


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, size=150, images=640, repeats=5)
    parser.add_argument("--backbone", default="efficientnet_lite0", choices=backbones.names())
    args = parser.parse_args()
    given = (args.backbone, args.images, args.size)
    runs: dict[str, list[Measured]] = {"torch": [], "onnxruntime": []}
    for _ in range(args.repeats):
        for by, measured in runs.items():
            measured.append(frame.in_fresh_process(measure, by, *given))
    expected, found = (measured[0].features for measured in runs.values())
    off = np.abs(expected - found).max() / np.abs(expected).max()
    print(frame.machine("torch", "onnxruntime"), end="\n\n")
    columns = ("median images/s", "min to max", "images a processor second", "peak MB")
    print(frame.header("backbone", "by", "pixels", "n images", "repeats", *columns))
    for by, measured in runs.items():
        rates = frame.spread([args.images / one.seconds for one in measured], 0)
        worked = np.median([args.images / one.processors for one in measured])
        peak = max(one.peak_mb for one in measured)
        cells = (args.backbone, by, args.size, args.images, args.repeats, rates)
        print(frame.row(*cells, f"{worked:.0f}", f"{peak:.0f}"))
    print(f"\nLargest difference: {off:.1e} of the largest feature.")


if __name__ == "__main__":
    main()
