"""Measure how fast a frozen backbone extracts features, and with how much memory.

Usage: python benchmarks/features.py [--backbone efficientnet_lite0] [--size 150] [--images 640]

Prints a Markdown table. The images are random bytes, which cost a network what photographs cost.
"""

import argparse
import os
import platform
import resource
import statistics
import sys
import time

import numpy as np
import torch

from rnsl_tutorial import datasets
from rnsl_tutorial.training import networks as backbones


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="efficientnet_lite0", choices=backbones.names())
    parser.add_argument("--size", type=int, default=150, help="pixels (default 150)")
    parser.add_argument("--images", type=int, default=640, help="default 640")
    parser.add_argument("--repeats", type=int, default=5, help="default 5")
    args = parser.parse_args()

    images = np.random.default_rng(0).integers(
        256, size=(args.images, 3, args.size, args.size), dtype=np.uint8
    )
    backbone = backbones.create(args.backbone, pretrained=args.backbone == "efficientnet_lite0")
    datasets.extract_features(images[:64], backbone, progress=False)
    rates = []
    for _ in range(args.repeats):
        start = time.perf_counter()
        datasets.extract_features(images, backbone, progress=False)
        rates.append(args.images / (time.perf_counter() - start))
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    print(
        f"{os.cpu_count()} processors ({platform.machine()}), {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}\n"
    )
    print("| backbone | pixels | n images | repeats | median images/s | min to max | peak MB |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {args.backbone} | {args.size} | {args.images} | {args.repeats} "
        f"| {statistics.median(rates):.0f} | {min(rates):.0f} to {max(rates):.0f} | {peak:.0f} |"
    )


if __name__ == "__main__":
    main()
