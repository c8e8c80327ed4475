"""Measure training from pixels on a GPU: its ceiling, our epoch, the plain loop, the paper's runs.

Usage: python benchmarks/gpu.py [--repeats 3] [--small] [--full [--set NAME=VALUE] [--out DIR]]

Prints Markdown tables:

- what the GPU can do at best: a matrix product in bfloat16, and ResNet-18 alone, at 256 pixels in
  batches of 256, on random images that lie there;
- our epoch and the plain one of `epoch.py`, with training, pruning and evaluation in both;
- how near ours comes to the bare loop of forward, backward and step, and how many times as fast as
  the plain one it is. An epoch also embeds its images: if it wasted nothing it would still stay
  below the bare loop, and the second row says how near it could come.

The images are those of AID where RNSL_AID names its folder or tar, else scenes. --full then trains
the paper's preset on AID to the end in bfloat16, and runs every rate and loss of the paper's table
as `rnsl sweep` does, in float32, into --out; a sweep that was stopped goes on from there.

Without CUDA, --small runs the same on the CPU with few small images. That shows that it works; its
figures say nothing about a GPU.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch

from benchmarks import epoch, frame
from benchmarks.epoch import Task
from benchmarks.turns import Measured
from rnsl_tutorial.experiments import config, images, sweep
from rnsl_tutorial.experiments.config import LOSSES
from rnsl_tutorial.experiments.sweep import Grid
from rnsl_tutorial.training.devices import Hardware, Stopwatch
from rnsl_tutorial.training.settings import parse

RATES = (0.0, 0.1, 0.3, 0.5, 0.7)
SHARE_GOAL, RATIO_GOAL = 0.7, 10.0
OUT = Path("data", "results", "aid_paper")
CLASSES = 30  # of AID

Work: TypeAlias = Callable[[], object]


class Scale(NamedTuple):
    """How large everything is.

    Attributes:
        images: of all parts of the split; None for all of an archive, or as many scenes.
        size: side of the images in pixels.
        batch: images a step.
        matrix: side of the matrices that are multiplied.
        steps: of each piece of bare work in a repeat.
        workers: of the plain loop's DataLoader, the numbers to try.
    """

    images: int | None
    size: int
    batch: int
    matrix: int
    steps: int
    workers: tuple[int, ...]


LARGE = Scale(None, 256, 256, 8192, 30, (0, os.cpu_count() or 1))
SMALL = Scale(160, 64, 32, 256, 2, (0,))
SMALL_RUNS = {
    "dataset": "scenes",
    "scenes": 160,
    "image_size": SMALL.size,
    "batch_size": SMALL.batch,
    "pretrained": False,
    "epochs": 2,
    "prune_from": 1,
}


# ------------------------------------------------------------------ the ceiling


class Ceiling(NamedTuple):
    """What the device can do at best, one value a repeat.

    Attributes:
        tflops: tera floating-point operations a second of a matrix product in bfloat16.
        training: images/s of forward, backward and step alone.
        forward: images/s of the forward pass alone.
    """

    tflops: list[float]
    training: list[float]
    forward: list[float]


def ceiling(task: Task, scale: Scale, repeats: int) -> Ceiling:
    """Measure what the device can do at best."""
    device, batch = torch.device(task.device), task.config.batch_size

    def measured(work: Work, amount: float) -> list[float]:
        return [amount * rate for rate in rates(work, device, scale.steps, repeats)]

    with torch.backends.cudnn.flags(enabled=True, benchmark=True):
        train, forward = bare_passes(task, device)
        return Ceiling(
            measured(product(device, scale.matrix), 2 * scale.matrix**3 / 1e12),
            measured(train, batch),
            measured(forward, batch),
        )


def rates(work: Work, device: torch.device, steps: int, repeats: int) -> list[float]:
    """How often a piece of work is done in a second, one value a repeat, after one of warm-up."""
    found = []
    for _ in range(1 + repeats):
        with Stopwatch(device) as watch:
            for _ in range(steps):
                work()
        found.append(steps / watch.seconds)
    return found[1:]


def product(device: torch.device, side: int) -> Work:
    """A matrix product in bfloat16."""
    generator = torch.Generator(device).manual_seed(0)
    matrix = torch.randn((side, side), device=device, generator=generator).bfloat16()
    return lambda: matrix @ matrix


def bare_passes(task: Task, device: torch.device) -> tuple[Work, Work]:
    """A step of training and a forward pass, on one batch of random images on the device."""
    batch, size = task.config.batch_size, task.config.image_size
    network, loss = images.build(task.config, CLASSES, batch)
    network.to(device=device, memory_format=torch.channels_last)
    loss.to(device)
    optimizer = torch.optim.SGD([*network.parameters(), *loss.parameters()], lr=1e-3, momentum=0.9)
    generator = torch.Generator(device).manual_seed(0)
    images_B3SS = torch.rand((batch, 3, size, size), device=device, generator=generator)
    images_B3SS = images_B3SS.to(memory_format=torch.channels_last)
    places_B = torch.arange(batch, device=device)

    def train() -> None:
        network.train()
        with torch.autocast(device.type, torch.bfloat16):
            value = loss(network(images_B3SS), places_B % CLASSES, places_B)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    def forward() -> None:
        network.eval()
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            network(images_B3SS)

    return train, forward


def print_ceiling(found: Ceiling, scale: Scale) -> None:
    """Print what the device can do at best."""
    print(frame.header("at best, bf16", "repeats", "median", "min to max"))
    names = (
        f"product of {scale.matrix} x {scale.matrix} matrices, TFLOP/s",
        "bare forward, backward and step, images/s",
        "bare forward pass, images/s",
    )
    for name, values in zip(names, found, strict=True):
        print(frame.row(name, len(values), frame.spread(values)))
    print(flush=True)


# ------------------------------------------------------------------ the epochs


def print_goals(measured: Mapping[str, Measured], found: Ceiling, validation_images: int) -> None:
    """Print how ours compares with what is possible and with the plain loop.

    Args:
        measured: from `epoch.measure`.
        found: what the device can do at best.
        validation_images: how many an epoch embeds besides the training images.
    """
    ours, plain = measured["ours, bf16"], epoch.best_plain(measured)
    training, forward = statistics.median(found.training), statistics.median(found.forward)
    images = ours.epochs[0].images
    least = images / training + (images + validation_images) / forward
    rows = {
        f"share of the bare loop's images/s (goal {SHARE_GOAL})": [
            rate / training for rate in ours.images_per_s
        ],
        "share of it that evaluation leaves possible": [images / least / training],
        f"times the plain loop's images/s (goal {RATIO_GOAL})": epoch.ratios(
            ours, [one.seconds for one in plain.epochs]
        ),
    }
    print("\n" + frame.header("our epoch in bf16", "repeats", "median", "min to max"))
    for name, values in rows.items():
        print(frame.row(name, len(values), frame.spread(values, 2)))
    print("\n| loop | GPU peak MB |\n|---|---|")
    for name, loop in measured.items():
        print(f"| {name} | {loop.epochs[-1].device_bytes / 1e6:.0f} |")


# ------------------------------------------------------------------ the paper's runs


def print_full(base: Mapping[str, Any], root: Path | None, device: str, out: Path) -> None:
    """Train the paper's preset to the end, then every rate and loss; print what they reached.

    Args:
        base: settings that differ from the preset.
        root: of the archive; None for scenes.
        device: "cpu" or "cuda".
        out: folder of the sweep.
    """
    chosen = config.from_preset("paper", **{"loss": "trnsl", "rate": 0.3, **base})
    data = images.load_images(chosen, root)
    result = images.Run(data, chosen, Hardware(accelerator=device, precision="bf16")).run()
    print("\n| full run | epochs | training s | k-NN, test | k-NN, val |\n|---|---|---|---|---|")
    print(
        f"| t-RNSL, rate {chosen.rate}, bf16, n = 1 | {chosen.epochs} | {result.seconds:.0f} "
        f"| {result.metrics['knn_clean']:.3f} | {result.metrics['val_knn_clean']:.3f} |\n",
        flush=True,
    )
    cells = sweep.make_cells(table_grid(base, root))
    outcomes = sweep.run_sweep(cells, out, jobs=1)
    failed = [f"{cell.name}: {o.error}" for cell, o in zip(cells, outcomes, strict=True) if o.error]
    if failed:
        sys.exit("\n".join(failed))
    print((out / "results.md").read_text(encoding="utf-8"))


def table_grid(base: Mapping[str, Any], root: Path | None) -> Grid:
    """Every rate and loss of the paper's table, with the paper's preset."""
    configs = tuple(
        config.from_preset("paper", **{**base, "rate": rate, "loss": loss})
        for rate in RATES
        for loss in LOSSES
    )
    return Grid(configs, {configs[0].dataset: root} if root else {}, {})


def measure_and_print(scale: Scale, root: Path | None, device: str, repeats: int) -> None:
    """Print the ceiling, the epochs, and how they compare."""
    chosen = epoch.settings(
        dataset="aid" if root else "scenes",
        image_size=scale.size,
        batch_size=scale.batch,
        epochs=1 + repeats,
    )
    with tempfile.TemporaryDirectory() as folder:
        task = Task(Path(folder, "files"), Path(folder, "cache"), chosen, device)
        found = ceiling(task, scale, repeats)
        print_ceiling(found, scale)
        epoch.write_files(root, scale.images, scale.size, task.files)
        compared = epoch.loops(task, ("32", "bf16"), scale.workers)
        measured = epoch.print_table(task, compared, repeats)
        print_goals(measured, found, len(epoch.load(task).split.val))


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, repeats=3)
    parser.add_argument("--small", action="store_true", help="without CUDA: few small images")
    parser.add_argument("--full", action="store_true", help="train the paper's runs to the end")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the full runs, such as pretrained=false; repeatable",
    )
    parser.add_argument("--out", type=Path, default=OUT, help=f"of the full runs (default {OUT})")
    args = parser.parse_args()
    if not (args.small or torch.cuda.is_available()):
        parser.error("PyTorch finds no CUDA device; --small shows on the CPU that this works.")
    try:
        root = None if args.small else epoch.named_archive()
        settings = parse(args.set, config.Config)
    except ValueError as error:
        parser.error(str(error))
    if args.full and not (args.small or root):
        parser.error("--full trains on AID: set RNSL_AID to its folder or tar.")

    device = "cpu" if args.small else "cuda"
    if args.small:
        print("CPU, small: shows that it works, not a figure.\n")
    measure_and_print(SMALL if args.small else LARGE, root, device, args.repeats)
    if args.full:
        print_full({**(SMALL_RUNS if args.small else {}), **settings}, root, device, args.out)


if __name__ == "__main__":
    main()
