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

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks import frame
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
    cells.append(frame.spread([one.total for one in repeats]))
    cells += [f"{max(getattr(one, m) for one in repeats):.0f}" for m in ("peak_mb", "device_mb")]
    return frame.row(*cells)


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


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, repeats=1)
    parser.add_argument(
        "--counts", type=int, nargs="+", default=COUNTS, help=f"N (default {COUNTS})"
    )
    args = parser.parse_args()
    if len(set(args.counts)) < 2:
        parser.error(f"--counts are {args.counts}; a fit needs two different numbers at least.")

    batch, on = config.PRESETS["laptop"]["batch_size"], frame.machine("torch", "numpy")
    print(f"Scenes of {SIZE} pixels, small network, batches of {batch}; {on}\n")
    steps = ("drawing, s per 1,000", "training", "pruning", "together")
    whole = ("median s", "min to max s", "peak MB", "GPU peak MB")
    print(frame.header("images N", "placement", "repeats", *steps, *whole))
    by_count = []
    for count in args.counts:
        by_count.append([frame.in_fresh_process(measure, count) for _ in range(args.repeats)])
        print(row(by_count[-1]), flush=True)
    last = args.counts[-1]
    streamed = [frame.in_fresh_process(measure, last, NO_SHARE) for _ in range(args.repeats)]
    print(row(streamed))
    print("", *fits(list(zip(*by_count, strict=True))), sep="\n")


if __name__ == "__main__":
    main()
