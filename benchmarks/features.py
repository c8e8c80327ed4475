"""Measure how fast a frozen backbone extracts features, and with how much memory.

Usage: python benchmarks/features.py [--backbone efficientnet_lite0] [--size 150] [--images 640]

Prints a Markdown table. The images are random bytes, which cost a network what photographs cost.
"""

import time

import numpy as np

from benchmarks import frame
from rnsl_tutorial.datasets import features
from rnsl_tutorial.training import devices
from rnsl_tutorial.training import networks as backbones


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, size=150, images=640, repeats=5)
    parser.add_argument("--backbone", default="efficientnet_lite0", choices=backbones.names())
    args = parser.parse_args()

    images = np.random.default_rng(0).integers(
        256, size=(args.images, 3, args.size, args.size), dtype=np.uint8
    )
    backbone = backbones.create(args.backbone, pretrained=args.backbone == "efficientnet_lite0")
    features._extracted(images[:64], backbone, 64, "cpu", progress=False)
    rates = []
    for _ in range(args.repeats):
        start = time.perf_counter()
        features._extracted(images, backbone, 64, "cpu", progress=False)
        rates.append(args.images / (time.perf_counter() - start))
    measured = (frame.spread(rates, 0), f"{devices.memory('cpu').process_peak_bytes / 1e6:.0f}")
    print(frame.machine("torch"), end="\n\n")
    columns = ("median images/s", "min to max", "peak MB")
    print(frame.header("backbone", "pixels", "n images", "repeats", *columns))
    print(frame.row(args.backbone, args.size, args.images, args.repeats, *measured))


if __name__ == "__main__":
    main()
