"""Measure how time and memory grow with the number of images, from 1,000 to 100,000 scenes.

Usage: python benchmarks/scale.py [--counts 1000 3200 10000 32000 100000] [--repeats 1]

Prints a Markdown table. For each number N, a fresh process draws N procedural scenes of 32 pixels,
trains the small network on the training split (70%) for one epoch of t-RNSL, and scores the
training images once to choose which of them to keep. Memory is the peak of
the whole process, imports included; seconds exclude them, and the textures that scenes are drawn
with. The last row has as many images as the one before, but may put none of them on the device:
they are streamed to it batch by batch.

Below the table stand the exponents e of fits seconds = c N^e to the resident rows, by least squares
of the logarithms: 1 is linear, and what costs the same for any N lowers it.
"""

import argparse
import os
import platform
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import torch

from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.experiments import config, images
from rnsl_tutorial.training import devices
from rnsl_tutorial.training.devices import Hardware, Stopwatch

COUNTS = (1000, 3200, 10_000, 32_000, 100_000)
SIZE = 32
NO_SHARE = 1e-12  # of the free memory: less than an image


class Measured(NamedTuple):
    """What one process took; seconds of each step.

    Attributes:
        count: N.
        placement: "resident" or "streamed".
        drawing: the scenes.
        training: an epoch.
        pruning: a pass to choose which images to keep.
        peak_mb: of main memory.
        device_mb: peak of the GPU's memory, 0 on a CPU.
    """

    count: int
    placement: str
    drawing: float
    training: float
    pruning: float
    peak_mb: float
    device_mb: float

    @property
    def total(self) -> float:
        """Seconds of all steps."""
        return self.drawing + self.training + self.pruning


STEPS = ("drawing", "training", "pruning", "total")


def measure(count: int, memory_share: float = 0.5) -> Measured:
    """Draw, train and prune, here."""
    chosen = config.from_preset(
        "laptop", dataset="scenes", scenes=count, image_size=SIZE, loss="trnsl", rate=0.3, epochs=1
    )
    scenes.make_scenes(1, SIZE, seed=0)  # makes the textures, once a process
    with Stopwatch("cpu") as drawing:
        data = images.load_images(chosen)
    run = images.Run(data, chosen, Hardware(memory_share=memory_share))
    report = next(run.training.epochs())
    labels_N = run.training.labels
    with Stopwatch(run.fabric.device) as pruning:
        embeddings_ND = run.training.embed_training()
        run.loss.update_kept(embeddings_ND, labels_N, rule="ratio")  # it has learned little
    memory = devices.memory(run.fabric.device)
    return Measured(
        count,
        type(run.inputs).__name__.lower(),
        drawing.seconds,
        report.seconds,
        pruning.seconds,
        memory.process_peak_bytes / 1e6,
        memory.device_peak_bytes / 1e6,
    )


def measure_in_fresh_process(count: int, memory_share: float = 0.5) -> Measured:
    """Draw, train and prune in a new interpreter."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, count, memory_share).result()


def exponent(counts: Sequence[int], seconds: Sequence[float]) -> float:
    """Exponent e of the fit seconds = c counts^e."""
    return float(np.polyfit(np.log(counts), np.log(seconds), 1)[0])


def row(repeats: Sequence[Measured]) -> str:
    """Format the repeats of one number of images as a line of the table."""
    first = repeats[0]
    cells = [f"{first.count:,}", first.placement, str(len(repeats))]
    for step in STEPS:
        per_1000 = [getattr(one, step) * 1000 / one.count for one in repeats]
        cells.append(f"{statistics.median(per_1000):.3f}")
    totals = [one.total for one in repeats]
    cells.append(f"{statistics.median(totals):.1f}")
    cells.append(f"{min(totals):.1f} to {max(totals):.1f}")
    cells += [f"{max(getattr(one, m) for one in repeats):.0f}" for m in ("peak_mb", "device_mb")]
    return f"| {' | '.join(cells)} |"


def fits(rounds: Sequence[Sequence[Measured]]) -> list[str]:
    """State the exponent of each step: the median of the repeats, and their range."""
    lines = []
    for step in STEPS:
        found = [
            exponent([one.count for one in measured], [getattr(one, step) for one in measured])
            for measured in rounds
        ]
        lines.append(
            f"- {step}: seconds grow as N^{statistics.median(found):.2f} "
            f"({min(found):.2f} to {max(found):.2f}, repeats {len(found)})"
        )
    return lines


def machine() -> str:
    """Name processors, device, system and versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "rnsl-tutorial"))
    device = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{os.cpu_count()} processors ({platform.machine()}), {torch.get_num_threads()} threads"
        f"{device}, {platform.system()}, Python {platform.python_version()}, {versions}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--counts", type=int, nargs="+", default=COUNTS, help=f"N (default {COUNTS})"
    )
    parser.add_argument("--repeats", type=int, default=1, help="default 1")
    args = parser.parse_args()
    if len(set(args.counts)) < 2:
        parser.error(f"--counts are {args.counts}; a fit needs two different numbers at least.")

    batch = config.PRESETS["laptop"]["batch_size"]
    print(f"Scenes of {SIZE} pixels, small network, batches of {batch}; {machine()}\n")
    print(
        "| images N | placement | repeats | drawing, s per 1,000 | training | pruning | together "
        "| median s | min to max s | peak MB | GPU peak MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    by_count = []
    for count in args.counts:
        by_count.append([measure_in_fresh_process(count) for _ in range(args.repeats)])
        print(row(by_count[-1]), flush=True)
    last = args.counts[-1]
    print(row([measure_in_fresh_process(last, NO_SHARE) for _ in range(args.repeats)]))
    print("", *fits(list(zip(*by_count, strict=True))), sep="\n")


if __name__ == "__main__":
    main()
