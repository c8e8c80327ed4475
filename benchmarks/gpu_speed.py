"""Three parts of `gpu.py`: what the device can do at best, an epoch of training, features.

Shapes: N images of S x S pixels, B in a batch, F features.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import epoch
from benchmarks.epoch import Task
from benchmarks.gpu_job import Job, OutOfTime, Row, Work, rates
from benchmarks.turns import Epoch, Loop, Measured
from rnsl_tutorial.datasets import _frozen, features
from rnsl_tutorial.datasets.archives import Archive
from rnsl_tutorial.experiments import images
from rnsl_tutorial.training import networks as backbones
from rnsl_tutorial.training.devices import Stopwatch
from rnsl_tutorial.training.networks import Backbone

EXACT = "ours, 32"

# ------------------------------------------------------------------ ceilings


def ceilings(job: Job) -> Iterator[Row]:
    """What the device can do at best: matrix products, its memory, the way to it."""
    device = torch.device(job.device)
    side, size = job.scale.matrix, job.scale.buffer

    def measured(work: Work, amount: float) -> list[float]:
        return [amount * rate for rate in rates(work, device, job.scale.steps, job.repeats)]

    for name, work in _products(device, side).items():
        speeds = measured(work, 2 * side**3 / 1e12)
        yield Row(f"{side} x {side} matrices, {name}", "TFLOP/s", speeds)
    for name, (work, times) in _copies(device, size).items():
        yield Row(name, "GB/s", measured(work, times * size / 1e9))


def _products(device: torch.device, side: int) -> dict[str, Work]:
    """Name of a precision -> a matrix product in it."""
    generator = torch.Generator(device).manual_seed(0)
    matrix = torch.randn((side, side), device=device, generator=generator)
    half = matrix.bfloat16()

    def with_tf32() -> None:
        torch.set_float32_matmul_precision("high")
        matrix @ matrix
        torch.set_float32_matmul_precision("highest")

    found: dict[str, Work] = {"bf16": lambda: half @ half, "fp32": lambda: matrix @ matrix}
    return found if device.type == "cpu" else {**found, "tf32": with_tf32}


def _copies(device: torch.device, size: int) -> dict[str, tuple[Work, int]]:
    """What is copied -> the work, and how often each byte is moved."""
    here = torch.zeros(size, dtype=torch.uint8)
    there, other = here.to(device), here.to(device)
    found: dict[str, tuple[Work, int]] = {
        "memory of the device, read and written": (lambda: other.copy_(there), 2)
    }
    if device.type == "cuda":
        pinned = here.pin_memory()
        found["host to device"] = (lambda: there.copy_(here), 1)
        found["host to device, pinned"] = (lambda: there.copy_(pinned, non_blocking=True), 1)
    return found


# ------------------------------------------------------------------ an epoch


class Bare:
    """Forward, backward and step alone, as often as an epoch does, on one batch on the device.

    Args:
        task: what an epoch works on.
        images: of an epoch.
        train: False for the forward pass alone.
        precision: as `training.Hardware` takes it.
    """

    def __init__(self, task: Task, images: int, precision: str, *, train: bool = True) -> None:
        self.device = torch.device(task.device)
        self.steps = max(1, images // task.config.batch_size)
        self.batch = task.config.batch_size
        passes = _bare_passes(task, self.device, mixed=precision == "bf16")
        self.work = passes[0 if train else 1]

    def epoch(self) -> Epoch:
        """Do the next epoch."""
        trying = torch.backends.cudnn.flags(enabled=True, benchmark=True)
        with trying, Stopwatch(self.device) as watch:
            for _ in range(self.steps):
                self.work()
        return Epoch(self.steps * self.batch, watch.seconds, 0.0, 0)


def _bare_passes(task: Task, device: torch.device, *, mixed: bool) -> tuple[Work, Work]:
    """A step of training and a forward pass, on one batch of random images on the device."""
    classes, batch, size = 30, task.config.batch_size, task.config.image_size
    network, loss = images.build(task.config, classes, batch)
    network.to(device=device, memory_format=torch.channels_last)
    loss.to(device)
    optimizer = torch.optim.SGD([*network.parameters(), *loss.parameters()], lr=1e-3, momentum=0.9)
    generator = torch.Generator(device).manual_seed(0)
    images_B3SS = torch.rand((batch, 3, size, size), device=device, generator=generator)
    images_B3SS = images_B3SS.to(memory_format=torch.channels_last)
    places_B = torch.arange(batch, device=device)

    def autocast() -> torch.autocast:
        return torch.autocast(device.type, torch.bfloat16, enabled=mixed)

    def train() -> None:
        network.train()
        with autocast():
            value = loss(network(images_B3SS), places_B % classes, places_B)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    def forward() -> None:
        network.eval()
        with torch.inference_mode(), autocast():
            network(images_B3SS)

    return train, forward


def epochs(job: Job) -> Iterator[Row]:
    """Our epoch, the plain one and bare work beside each other, in turns; and their ratios.

    An epoch is that of `benchmarks/epoch.py`: training, pruning and evaluation.
    """
    chosen = epoch.settings(
        dataset=job.dataset,
        network=job.scale.network,
        image_size=job.scale.size,
        batch_size=job.scale.batch,
        epochs=1 + job.repeats,
    )
    with tempfile.TemporaryDirectory() as folder:
        task = Task(Path(folder, "files"), Path(folder, "cache"), chosen, job.device)
        root = job.roots.get(job.dataset)
        epoch.write_files(root, job.scale.images, job.scale.size, task.files)
        split = epoch.load(task).split
        builds = loops(job, task, len(split.train))
        measured = take_turns(builds, job.repeats, job.clock.left)
    for name, loop in measured.items():
        said = name if name == EXACT else f"{name}, {job.precision}"
        yield Row(said, "images/s", loop.images_per_s)
    yield from ratios(measured, len(split.val))


def loops(job: Job, task: Task, count: int) -> dict[str, Callable[[], Loop]]:
    """What is compared: name -> what makes the loop."""
    precision, workers = job.precision, job.scale.workers
    found: dict[str, Callable[[], Loop]] = {
        "ours": lambda: epoch.Ours(task, precision),
        "plain": lambda: epoch.Plain(task, workers, precision),
        "bare step": lambda: Bare(task, count, precision),
        "bare forward": lambda: Bare(task, count, precision, train=False),
    }
    if precision != "32":
        found[EXACT] = lambda: epoch.Ours(task, "32")
    return found


def take_turns(
    builds: Mapping[str, Callable[[], Loop]], repeats: int, left: Callable[[], float]
) -> dict[str, Measured]:
    """Let loops of this process do epochs in turn, after one of warm-up, while there is time.

    Args:
        builds: name -> what makes a loop.
        repeats: turns, fewer where the time is over earlier.
        left: tells how many seconds are left.

    Raises:
        OutOfTime: not even one turn of all loops fits.
    """
    made = {name: build() for name, build in builds.items()}
    took = sum(loop.epoch().seconds for loop in made.values())
    found: dict[str, Measured] = {name: Measured([], 0.0) for name in made}
    for turn in range(repeats):
        if took > left():
            if turn:
                break
            raise OutOfTime(f"an epoch of each would take {took:.0f} s, {left():.0f} are left")
        for name, loop in made.items():
            found[name].epochs.append(loop.epoch())
        took = sum(one.epochs[-1].seconds for one in found.values())
    return found


def ratios(measured: Mapping[str, Measured], validation_images: int) -> list[Row]:
    """How ours compares with what is possible and with the plain loop, within each turn.

    An epoch also embeds its images: if it wasted nothing, it would still stay below the bare step.

    Args:
        measured: from `take_turns`.
        validation_images: how many an epoch embeds besides the training images.
    """
    ours, plain = measured["ours"], measured["plain"]
    step, forward = measured["bare step"].images_per_s, measured["bare forward"].images_per_s
    count = ours.epochs[0].images
    possible = [
        count / (count / s + (count + validation_images) / f) / s
        for s, f in zip(step, forward, strict=True)
    ]
    return [
        Row("ours / bare step", "", _over(ours.images_per_s, step)),
        Row("of it evaluation leaves possible", "", possible),
        Row("ours / plain", "", _over(ours.images_per_s, plain.images_per_s)),
    ]


def _over(above: Sequence[float], below: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(above, below, strict=True)]


# ------------------------------------------------------------------ features


def extraction(job: Job) -> Iterator[Row]:
    """Images/s of the audit's frozen network, in two precisions and two sizes of batch."""
    images_N3SS = archive_of(job).images
    backbone = backbones.create("efficientnet_lite0")
    made = {}
    for precision, batch in product(("32", "bf16"), (64, 512)):
        speeds: list[float] = []
        for _ in range(1 + job.repeats):  # the first warms up
            job.clock.require(len(images_N3SS) / speeds[-1] if speeds else 0.0, "features")
            made[precision], seconds = _extract(job, images_N3SS, backbone, precision, batch)
            speeds.append(len(images_N3SS) / seconds)
        yield Row(f"efficientnet_lite0, {precision}, batches of {batch}", "images/s", speeds[1:])
    similarity = torch.nn.functional.cosine_similarity(made["32"], made["bf16"])
    yield Row("cosine of an image's features in 32 and bf16, least", "", [similarity.min().item()])


def archive_of(job: Job) -> Archive:
    """The images that are measured on, in the size of training."""
    chosen = epoch.settings(
        dataset=job.dataset,
        image_size=job.scale.size,
        scenes=job.scale.images or epoch.SCENES,
    )
    return images.load_images(chosen, job.roots.get(job.dataset)).archive


def _extract(
    job: Job, images_N3SS: NDArray[np.uint8], backbone: Backbone, precision: str, batch: int
) -> tuple[Tensor, float]:
    mixed = torch.autocast(job.device, torch.bfloat16, enabled=precision == "bf16")
    run = _frozen.by_torch(backbone, job.device)
    with mixed, Stopwatch(job.device) as watch:
        blocks = [*features._extracted(images_N3SS, run, batch, progress=False)]
        features_NF = np.concatenate(blocks)
    return torch.from_numpy(features_NF), watch.seconds
