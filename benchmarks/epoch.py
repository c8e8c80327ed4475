"""Measure an epoch on pixels against a plain loop over JPEG files, on the CPU.

Usage: python benchmarks/epoch.py [--images 300] [--size 128] [--batch 64] [--repeats 3]

Prints a Markdown table. An epoch is all that t-RNSL does where it prunes and evaluates every epoch:

- training, the images changed at random by the reference's recipe;
- scoring the training images to choose which of them to keep;
- embedding the training and validation images, and k-NN accuracy of the latter.

Both loops do it with the same ResNet-18 (random weights), loss, optimiser, images, split and wrong
labels. Ours is `images.Run`: images decoded beforehand, uint8 in memory, augmented by the batch,
embedded once after an epoch for evaluation and pruning alike. The plain one is written as training
scripts usually are: a DataLoader over the files, PIL, torchvision's transforms image by image,
float32 NCHW, a pass over the training images to prune and another for scikit-learn's k-NN.

Each loop has a process of its own. After an epoch of warm-up, in which its memory is looked at, the
loops take turns in every repeat. Images/s count the training images, once, over the time of a whole
epoch. Ratios are those of one repeat, to the plain loop with the number of DataLoader workers that
serves it best; in the last ones the plain loop is spared the time of its pruning pass.

The images are the first of each class of AID where RNSL_AID names its folder, tar or zip, else
scenes, saved as JPEG in the size of training, so that the plain loop has no larger ones to decode.
"""

import os
import shutil
import statistics
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms

from benchmarks import frame
from benchmarks.turns import Epoch, Measured, measure
from rnsl_tutorial import datasets
from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.experiments import config, images
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import augmentation, devices
from rnsl_tutorial.training.devices import Hardware, Stopwatch

SCENES = 10_000  # as many as AID has images
_PATIENCE_S = 120  # for a batch of the plain loop's workers, whose fork may hang


class Task(NamedTuple):
    """What a loop works on.

    Attributes:
        files: folder of class folders of JPEG files, or a folder around it.
        cache: folder for the decoded images.
        config: of the run.
        device: "cpu" or "cuda".
    """

    files: Path
    cache: Path
    config: Config
    device: str = "cpu"


# ------------------------------------------------------------------ the images


def named_archive() -> Path | None:
    """The folder, tar or zip that RNSL_AID names, None where it is not set.

    Raises:
        ValueError: it is none of these.
    """
    name = os.environ.get("RNSL_AID")
    if not name:
        return None
    root = Path(name)
    packed = root.is_file() and (tarfile.is_tarfile(root) or zipfile.is_zipfile(root))
    if not (root.is_dir() or packed):
        raise ValueError(
            f"RNSL_AID is {name!r}; name a folder or a tar or zip of images, or unset it."
        )
    return root


def write_files(root: Path | None, count: int | None, size: int, folder: Path) -> None:
    """Put JPEG files into class folders: the first of each class of an archive, or scenes.

    Args:
        root: folder, tar or zip of an archive; None for scenes.
        count: of the images, at most; an archive gives equally many of each class. None for all of
            an archive, or `SCENES`.
        size: of the scenes in pixels.
        folder: where they go.
    """
    if root is None:
        _write_scenes(count, size, folder)
    elif root.is_dir():
        names = [str(path.relative_to(root)) for path in root.rglob("*.jpg")]
        for name in first_of_each_class(names, count):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / name)
    elif zipfile.is_zipfile(root):
        with zipfile.ZipFile(root) as packed:
            names = [name for name in packed.namelist() if name.endswith(".jpg")]
            packed.extractall(folder, first_of_each_class(names, count))
    else:
        with tarfile.open(root) as archive:
            names = [name for name in archive.getnames() if name.endswith(".jpg")]
            for name in first_of_each_class(names, count):
                archive.extract(name, folder, filter="data")


def _write_scenes(count: int | None, size: int, folder: Path) -> None:
    made = scenes.make_scenes(count or SCENES, size, seed=0)
    for pixels_3SS, name in zip(made.images, made.files, strict=True):
        path = (folder / name).with_suffix(".jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels_3SS.transpose(1, 2, 0)).save(path, quality=90)


def first_of_each_class(names: Iterable[str], count: int | None) -> list[str]:
    """Choose equally many files of each class, count together at most; a class is a folder."""
    groups = groupby(sorted(names), key=lambda name: Path(name).parent)
    classes = [list(group) for _, group in groups]
    most = None if count is None else count // max(1, len(classes))
    return [name for group in classes for name in group[:most]]


def load(task: Task) -> images.Data:
    """Load the images as `rnsl train` does: the first who asks decodes them."""
    archive = datasets.load_archive(
        task.files, task.config.image_size, cache=task.cache, progress=False
    )
    return images.Data(archive, datasets.split_for(task.config.dataset, archive))


def settings(**others: Any) -> Config:
    """The paper's settings but for random weights, with evaluation and pruning every epoch."""
    every_epoch = {"selection": "clean_val", "prune_from": 1, "prune_every": 1}
    chosen = {"loss": "trnsl", "rate": 0.3, "pretrained": False, **every_epoch}
    return config.from_preset("paper", **{**chosen, **others})


# ------------------------------------------------------------------ our loop


class Ours:
    """Our loop, as `rnsl train` runs it."""

    def __init__(self, task: Task, precision: str = "32") -> None:
        hardware = Hardware(accelerator=task.device, precision=precision)
        self.run = images.Run(load(task), task.config, hardware)
        self._epochs = self.run.training.epochs()

    def epoch(self) -> Epoch:
        """Do the next epoch."""
        seconds = next(self._epochs).seconds
        return Epoch(len(self.run.inputs), seconds, 0.0, _device_bytes(self.run.fabric.device))


# ------------------------------------------------------------------ the plain loop

RECIPES: Mapping[str, tuple[nn.Module, ...]] = {
    "none": (),
    "reference": (
        transforms.RandomGrayscale(augmentation._GREY_SHARE),
        transforms.ColorJitter(*[augmentation._JITTER] * 4),
        transforms.RandomHorizontalFlip(augmentation._FLIP_SHARE),
    ),
}


class Files(Dataset[tuple[Tensor, int, int]]):
    """Images that are read from their files when asked for, with label and place."""

    def __init__(
        self, paths: Sequence[Path], labels: Sequence[int], transform: Callable[[Any], Tensor]
    ) -> None:
        self.paths, self.labels, self.transform = paths, labels, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[Tensor, int, int]:
        with Image.open(self.paths[place]) as image:
            return self.transform(image.convert("RGB")), self.labels[place], place


class Plain:
    """The plain loop.

    Args:
        task: what it works on; of the decoded images it takes names, labels and split alone.
        workers: processes of each DataLoader.
        precision: "32", or "bf16" for autocast and images and weights in channels_last.
    """

    def __init__(self, task: Task, workers: int = 0, precision: str = "32") -> None:
        self.config, self.workers, self.mixed = task.config, workers, precision == "bf16"
        self.device = torch.device(task.device)
        data = load(task)
        self.given_N = torch.from_numpy(images.corrupt_images(data, self.config).labels)
        (backbone, last), loss = images.build(self.config, data.num_classes, len(self.given_N))
        self.network = nn.Sequential(backbone.network, last).to(self.device)
        if self.mixed:
            self.network.to(memory_format=torch.channels_last)
        self.loss = loss.to(self.device)
        self._make_loaders(task, data, transforms.Normalize(backbone.mean, backbone.std))
        self.optimizer = torch.optim.SGD(
            [*self.network.parameters(), *self.loss.parameters()],
            lr=self.config.learning_rate,
            momentum=self.config.momentum,
            nesterov=True,
            weight_decay=self.config.weight_decay,
        )
        self.scheduler = torch.optim.lr_scheduler.StepLR(
            self.optimizer, self.config.step_epochs, self.config.step_factor
        )
        self.epochs = 0

    def _make_loaders(self, task: Task, data: images.Data, normalize: transforms.Normalize) -> None:
        found = {f"{path.parent.name}/{path.name}": path for path in task.files.rglob("*.jpg")}
        resize = transforms.Resize((self.config.image_size,) * 2)

        def files(part: str, labels: Iterable[int], changes: Sequence[nn.Module] = ()) -> Files:
            paths = [found[data.archive.files[i]] for i in data.part(part)[0]]
            steps = [resize, *changes, transforms.ToTensor(), normalize]
            return Files(paths, list(labels), transforms.Compose(steps))

        changes = RECIPES[self.config.augmentation]
        self.training = self._loader(files("train", self.given_N.tolist(), changes), shuffle=True)
        self.index = self._loader(files("train", data.part("train")[1].tolist()))
        self.queries = self._loader(files("val", data.part("val")[1].tolist()))

    def _loader(self, images: Files, *, shuffle: bool = False) -> "DataLoader[Any]":
        generator = torch.Generator().manual_seed(self.config.seed)
        # Forked, as is usual on Linux: spawned here, each would hold torch in memory once more.
        fork = self.workers > 0 and sys.platform == "linux"
        return DataLoader(
            images,
            self.config.batch_size,
            sampler=RandomSampler(images, generator=generator) if shuffle else None,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            multiprocessing_context="fork" if fork else None,
            pin_memory=self.device.type == "cuda",
            timeout=_PATIENCE_S if self.workers else 0,
        )

    def epoch(self) -> Epoch:
        """Do the next epoch."""
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            with Stopwatch(self.device) as pruning:
                if self.config.prunes_before(self.epochs):
                    self._prune()
            with Stopwatch(self.device) as rest:
                images = self._train()
                self.accuracy = self._evaluate()
        self.epochs += 1
        seconds = pruning.seconds + rest.seconds
        return Epoch(images, seconds, pruning.seconds, _device_bytes(self.device))

    def _train(self) -> int:
        self.network.train()
        images = 0
        for images_B3SS, labels_B, places_B in self.training:
            with self._autocast():
                embeddings_BD = self.network(self._send(images_B3SS))
                value = self.loss(embeddings_BD, self._send(labels_B), self._send(places_B))
            self.optimizer.zero_grad()
            value.backward()
            self.optimizer.step()
            images += len(images_B3SS)
        self.scheduler.step()
        return images

    def _prune(self) -> None:
        embeddings_ND, _ = self.embed(self.index)
        labels_N = self.given_N.to(self.device)
        self.loss.update_kept(embeddings_ND, labels_N, torch.arange(len(labels_N)).to(self.device))

    def _evaluate(self) -> float:
        index, queries = self.embed(self.index), self.embed(self.queries)
        classifier = KNeighborsClassifier(10, weights="distance")
        classifier.fit(index[0].cpu().numpy(), index[1].numpy())
        return float(classifier.score(queries[0].cpu().numpy(), queries[1].numpy()))

    @torch.inference_mode()
    def embed(self, loader: "DataLoader[Any]") -> tuple[Tensor, Tensor]:
        """Return unit-length embeddings [N, D] and the labels [N] that come with the images."""
        self.network.eval()
        with self._autocast():
            embedded = [(self.network(self._send(images)), labels) for images, labels, _ in loader]
        blocks, labels = zip(*embedded, strict=True)
        return nn.functional.normalize(torch.cat(blocks).float()), torch.cat(labels)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed)

    def _send(self, values: Tensor) -> Tensor:
        sent = values.to(self.device, non_blocking=True)
        images = self.mixed and sent.ndim == 4
        return sent.contiguous(memory_format=torch.channels_last) if images else sent


def _device_bytes(device: torch.device) -> int:
    return devices.memory(device).device_peak_bytes


# ------------------------------------------------------------------ the table

HEADER = frame.header(
    *("loop", "training images", "repeats", "median images/s", "min to max", "times plain"),
    *("min to max", "times plain without its pruning pass", "min to max", "peak MB"),
)


def rows(measured: Mapping[str, Measured]) -> list[str]:
    """Format what `measure` found as lines of the table."""
    plain = best_plain(measured)
    spared = [epoch.seconds - epoch.pruning_seconds for epoch in plain.epochs]
    whole = [epoch.seconds for epoch in plain.epochs]
    return [
        frame.row(
            *(name, loop.epochs[0].images, len(loop.epochs), frame.spread(loop.images_per_s)),
            *(frame.spread(ratios(loop, seconds), 2) for seconds in (whole, spared)),
            f"{loop.peak_mb:.0f}",
        )
        for name, loop in measured.items()
    ]


def best_plain(measured: Mapping[str, Measured]) -> Measured:
    """The plain loop with the number of workers that serves it best."""
    plain = [loop for name, loop in measured.items() if name.startswith("plain")]
    return max(plain, key=lambda loop: statistics.median(loop.images_per_s))


def ratios(loop: Measured, plain_seconds: Sequence[float]) -> list[float]:
    """How many times as fast as the plain loop, one value a repeat."""
    pairs = zip(plain_seconds, loop.epochs, strict=True)
    return [seconds / epoch.seconds for seconds, epoch in pairs]


def loops(task: Task, precisions: Iterable[str], workers: Iterable[int]) -> dict[str, Any]:
    """What is compared, by name: ours in several precisions, the plain one with several workers."""
    ours = {f"ours, {name}": partial(Ours, task, name) for name in precisions}
    plain = {f"plain, {count} workers": partial(Plain, task, count) for count in workers}
    return {**ours, **plain}


def print_table(task: Task, builds: Mapping[str, Any], repeats: int) -> dict[str, Measured]:
    """Decode the images, measure the loops, and print what was measured on what."""
    start = time.perf_counter()
    data = load(task)
    seconds = time.perf_counter() - start
    print(
        f"{task.config.network}, {task.config.image_size} pixels, batches of "
        f"{task.config.batch_size}, {len(data.split.train)} training and {len(data.split.val)} "
        f"validation images of {task.config.dataset}; decoding them once took {seconds:.1f} s; "
        f"{frame.machine('torch', 'torchvision', 'pillow', 'scikit-learn')}\n"
    )
    measured = measure(builds, repeats)
    print("\n".join([HEADER, *rows(measured)]), flush=True)
    return measured


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, batch=64, repeats=3)
    parser.add_argument(
        "--images", type=int, default=300, help="of all parts of the split (default 300)"
    )
    parser.add_argument("--size", type=int, default=128, help="pixels (default 128)")
    parser.add_argument("--network", default="resnet18", help="default resnet18")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[0, 2], help="of the DataLoader (default 0 2)"
    )
    args = parser.parse_args()
    try:
        root = named_archive()
    except ValueError as error:
        parser.error(str(error))
    chosen = settings(
        dataset="aid" if root else "scenes",
        network=args.network,
        image_size=args.size,
        batch_size=args.batch,
        epochs=1 + args.repeats,
    )
    with tempfile.TemporaryDirectory() as folder:
        task = Task(Path(folder, "files"), Path(folder, "cache"), chosen)
        write_files(root, args.images, args.size, task.files)
        print_table(task, loops(task, ("32", "bf16"), args.workers), args.repeats)


if __name__ == "__main__":
    main()
