"""Runs on pixels: wrong labels for an archive or for procedural scenes, a network, what it reached.

Shapes: N images of S x S pixels, C classes, D embedding dimensions.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnsl_tutorial import datasets, losses, noise
from rnsl_tutorial._files import (
    check_output,
    csv_text,
    require_memory,
    written_whole,
)
from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.datasets.archives import Archive
from rnsl_tutorial.datasets.splits import Split, split_for
from rnsl_tutorial.evaluation import embedding as evaluate
from rnsl_tutorial.experiments import heads, results
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.heads import Fitted
from rnsl_tutorial.experiments.inference import Model
from rnsl_tutorial.experiments.results import Result
from rnsl_tutorial.training import EpochReport, Training, devices
from rnsl_tutorial.training import networks as backbones
from rnsl_tutorial.training.devices import Hardware
from rnsl_tutorial.training.sources import Source, place

__all__ = [
    "Data",
    "Left",
    "Run",
    "build",
    "check_folder",
    "corrupt_images",
    "default_folder",
    "load_images",
]

_Value = TypeVar("_Value")
_WITHOUT_TRUTH = ("knn_noisy", "prototype", "kept")
"""Metrics that need no true label, of a part whose labels are as given."""
_BLOCK = 128  # images shrunk at a time, which are float32 meanwhile


class Left(StrEnum):
    """What a run leaves in its folder."""

    RESULTS = "results.json"
    CHECKPOINTS = "checkpoints"
    MODEL = "model.pt"
    HISTORY = "history.json"
    TRAINING = "training.csv"


class Data(NamedTuple):
    """Images with their true labels and the split.

    Attributes:
        archive: images uint8 [N, 3, S, S], labels int64 [N], class names, file names.
        split: int64 indices of the train, validation and test images.
        maps: what the frozen blocks of a network make of the images, float16 [N, 2, h, w, M], see
            `datasets.cached_maps`; None where nothing is frozen.
    """

    archive: Archive
    split: Split[NDArray[np.int64]]
    maps: NDArray[np.float16] | None = None

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.archive.class_names)

    def part(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Indices and true labels of a part of the split."""
        indices_M = getattr(self.split, name)
        return indices_M, self.archive.labels[indices_M]


# ------------------------------------------------------------------ what a run needs


def load_images(
    config: Config, root: Path | None = None, reading: datasets.Reading | None = None
) -> Data:
    """Load the images that a config names, decoded once, and split them.

    Args:
        config: dataset, image_size, for "scenes" their number and difficulty, and network and
            freeze are read.
        root: folder, tar or zip of the archive; None for "scenes", which need none.
        reading: how the archive is read.

    Raises:
        ValueError: no root for an archive, or one that `datasets.load_archive` refuses; a network,
            a batch or scenes that do not fit into memory.
        FileNotFoundError: the root does not exist.
    """
    _check_sizes(config)
    if config.dataset == "scenes":
        archive = scenes.make_scenes(
            config.scenes, config.image_size, difficulty=config.difficulty, seed=0
        )
        return _with_maps(Data(archive, datasets.stratified_split(archive.labels, seed=42)), config)
    if root is None:
        raise ValueError(
            f"The data set {config.dataset!r} needs its images: pass --root with a folder of class "
            "folders, or a tar or zip of one. `rnsl data get` fetches aid, nwpu45 and eurosat; "
            "--dataset scenes needs none."
        )
    images = datasets.load_archive(root, config.image_size, reading or datasets.Reading())
    return _with_maps(Data(images, split_for(config.dataset, images)), config)


def _of_images(config: Config) -> Config:
    """The fields that decide which images, or maps of them, a run needs; all else left out."""
    names = "dataset image_size scenes difficulty network pretrained freeze"
    return Config(**{name: getattr(config, name) for name in names.split()})


def _loaded(config: Config, root: Path | None) -> Data:
    """As `load_images`, once for all runs of a process that need the same."""
    return _load(_of_images(config), root)


@lru_cache(maxsize=1)
def _load(config: Config, root: Path | None) -> Data:
    return load_images(config, root)


def _check_sizes(config: Config) -> None:
    """Refuse, before anything is read or drawn, what does not fit into memory.

    Of the network these are weights, gradients and momentum, of scenes the pixels.
    """
    if config.dataset == "scenes":
        pixels = 3 * config.image_size**2 * config.scenes
        require_memory(pixels, f"{config.scenes} scenes of {config.image_size} pixels")
        _check_batch(config, config.scenes)
    if config.on_pixels:
        with torch.device("meta"):  # shapes without memory
            network = backbones.embedding_network(config.network, 1).eval()
            _check_depth(network, config)
        layer = cast(nn.Linear, network[-1]).in_features + 1
        weights = sum(weight.numel() for weight in network.parameters())
        weights += layer * (config.embedding_dim - 1)
        require_memory(12 * weights, f"{config.network} with embedding_dim {config.embedding_dim}")


def _check_depth(network: nn.Module, config: Config) -> None:
    """Refuse images of which a network's pooling would leave nothing."""
    size = min(config.image_size, 64)  # which is enough for any
    try:
        network(torch.empty(1, 3, size, size))
    except RuntimeError as error:
        raise ValueError(
            f"image_size is {size}; network {config.network!r} needs larger images, such as 32."
        ) from error


def _check_batch(config: Config, num_images: int) -> None:
    size = min(config.batch_size, num_images)
    what = f"A batch of {size} images of {config.image_size} pixels"
    require_memory(4 * 3 * config.image_size**2 * size, what)


def _with_maps(data: Data, config: Config) -> Data:
    """Run the frozen blocks over the images, the first time only."""
    if not config.freeze:
        return data
    network = backbones.embedding_network(config.network, pretrained=config.pretrained)
    front, _ = backbones.split(network, config.freeze)
    device = str(devices.find_device())
    return data._replace(maps=datasets.cached_maps(data.archive.images, front, device=device))


def build(
    config: Config, num_classes: int, num_samples: int
) -> tuple[nn.Sequential, losses.NormalizedSoftmaxLoss]:
    """Build the network and the loss that a config names, from its seed.

    Args:
        config: network, pretrained, embedding_dim, seed and the loss's settings are read.
        num_classes: C.
        num_samples: N, training images.
    """
    generator = torch.Generator().manual_seed(config.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = backbones.embedding_network(
            config.network,
            config.embedding_dim,
            pretrained=config.pretrained,
            last_layer=config.last_layer,
        )
    return network, heads.build_loss(config, num_classes, num_samples, generator)


def corrupt_images(data: Data, config: Config, part: str = "train") -> noise.CorruptedLabels:
    """Corrupt the labels of a part as the config says; those of validation by another seed.

    Labels as given stay as they are.

    Instance-dependent noise looks at the images shrunk to 8 x 8 pixels.

    Raises:
        ValueError: noise or rate that `noise.corrupt` refuses.
    """
    indices_M, labels_M = data.part(part)
    if config.as_given:
        return noise.CorruptedLabels(labels_M, np.zeros(len(labels_M), dtype=bool))
    needed = config.noise == "instance_dependent"
    inputs_MD = _thumbnails(data.archive.images, indices_M) if needed else np.empty((0, 0))
    return noise.corrupt(
        labels_M,
        config.noise,
        config.rate,
        seed=heads._seed_of_noise(config, part),
        class_names=data.archive.class_names,
        dataset=config.dataset,
        features=inputs_MD,
    )


def _thumbnails(images: NDArray[np.uint8], indices_M: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean colours of an 8 x 8 grid, float32 [M, 192], standardised."""
    cells = [
        nn.functional.adaptive_avg_pool2d(torch.from_numpy(images[block]).float(), 8).flatten(1)
        for block in np.array_split(indices_M, len(indices_M) // _BLOCK + 1)
    ]
    inputs_MD = torch.cat(cells)
    centred_MD = inputs_MD - inputs_MD.mean(dim=0)
    return (centred_MD / inputs_MD.std(dim=0).clamp(min=1e-6)).numpy()


# ------------------------------------------------------------------ one run


class Run:
    """A network on pixels with everything around it: built, ready to train, then measured.

    Args:
        data: from `load`.
        config: of the run; network is not "head".
        hardware: where and how it runs; by default on the device that is found, in float32.

    Attributes:
        training: the loop, to be run, watched, stopped and resumed.
        given: the corrupted training labels, and which of them are wrong.
        network: images uint8 or float [B, 3, S, S] -> embeddings [B, D].
        trained: the part of it that is trained: all of it, or what lies behind the frozen blocks,
            which takes the data's maps.
        loss: with the prototypes.

    Raises:
        ValueError: a config for features, noise that cannot be, or hardware that is not there.
    """

    def __init__(self, data: Data, config: Config, hardware: Hardware | None = None) -> None:
        if not config.on_pixels:
            raise ValueError(
                "network is 'head', which trains on features: use `rnsl experiment`, or "
                "experiments.run."
            )
        _check_batch(config, len(data.split.train))
        self.data, self.config = data, config
        self.hardware = hardware or Hardware()
        self.given = corrupt_images(data, config)
        self.fabric = devices.launch(self.hardware)
        self.network, self.loss = build(config, data.num_classes, len(data.split.train))
        self.trained: nn.Module = self._prepared()
        self.inputs = self._placed(data.split.train)
        self._others: dict[str, Source] = {}
        self.training = Training(
            self.trained,
            self.loss,
            self.inputs,
            self.given.labels,
            config.settings,
            fabric=self.fabric,
            validate=self._validator(),
            measure=(lambda _: self.measured()) if config.watch else None,
            made_with=asdict(config),
        )

    def _prepared(self) -> nn.Module:
        """Bring the network into the form that the hardware wants, and return what is trained."""
        if self.hardware.channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.fabric.world_size > 1:
            self.network.to(self.fabric.device)
            self._synchronize_batch_norm()
        trained: nn.Module = self.network
        if self.config.freeze:
            _, trained = backbones.split(self.network, self.config.freeze)
        if self.hardware.compile:
            trained.compile()
        return trained

    def _synchronize_batch_norm(self) -> None:
        """Let batch normalisation take its statistics over all processes, as over one larger batch.

        On CUDA, by timm's conversion to torch's own layers, which refuse the CPU: there several
        processes keep plain layers, and each takes the statistics of its own share of a batch.
        """
        if self.fabric.device.type == "cuda":
            import timm.layers

            convert: Any = timm.layers.convert_sync_batchnorm  # type: ignore[attr-defined]
            self.network = convert(self.network)

    def _placed(self, indices_M: NDArray[np.int64]) -> Source:
        return place(
            self.data.archive.images if self.data.maps is None else self.data.maps,
            self.fabric.device,
            positions=indices_M,
            share=self.hardware.memory_share,
            channels_last=self.hardware.channels_last,
        )

    def run(
        self,
        folder: Path | None = None,
        *,
        resume: bool = False,
        on_epoch: Callable[[EpochReport], None] | None = None,
    ) -> Result:
        """Train to the end, and measure on val and test.

        Args:
            folder: gets checkpoints while it trains, then, each whole or not at all, `results.json`
                (as `results.save_results` writes it, for `rnsl report`), `history.json` (an
                `EpochReport` an epoch), `model.pt` (see `inference.load_model`) and
                `training.csv` (see `training_table`); None keeps nothing.
            resume: go on from the newest usable checkpoint in the folder.
            on_epoch: called after each epoch, in every process.

        Raises:
            ValueError: none of the checkpoints in the folder can be used.
            FloatingPointError, KeyboardInterrupt: see `train.train`.
        """
        checkpoints = folder / Left.CHECKPOINTS if folder else None
        self.training.run(on_epoch, folder=checkpoints, resume=resume)
        result = self.result()
        if folder and self.fabric.is_global_zero:
            self._save(folder, result)
        return result

    def _save(self, folder: Path, result: Result) -> None:
        archive, prototypes = self.data.archive, self.loss.prototypes.detach()
        model = Model(self.network, prototypes, archive.class_names, self.config)
        model._replace(reading=archive.reading).save(folder / Left.MODEL)
        with written_whole(folder / Left.TRAINING) as file:
            file.write(self.training_table().encode("utf-8", "surrogateescape"))
        history = [report._asdict() for report in self.training.history]
        for report in history:
            del report["measured"]  # the results have the curves
        with written_whole(folder / Left.HISTORY) as file:
            file.write(json.dumps(history, indent=1).encode())
        results.save_results(
            folder / Left.RESULTS,
            [result],
            self._inputs(),
            device=devices.report(self.fabric.device).name,
            threads=torch.get_num_threads(),
        )

    def _inputs(self) -> dict[str, Any]:
        return {"images": len(self.data.archive.images), "precision": self.hardware.precision}

    def clear(self, folder: Path) -> None:
        """Remove what an older run left in a folder, in all processes together."""
        if self.fabric.is_global_zero:
            shutil.rmtree(folder / Left.CHECKPOINTS, ignore_errors=True)
            for name in {*Left} - {Left.CHECKPOINTS}:
                (folder / name).unlink(missing_ok=True)
        self.fabric.barrier()

    def describe(self) -> str:
        """Say in a few lines what is trained on what, and where."""
        config, counts = self.config, [len(part) for part in self.data.split]
        weights = sum(weight.numel() for weight in self.network.parameters())
        return "\n".join(
            [
                f"{config.dataset}: {counts[0]} training, {counts[1]} validation and {counts[2]} "
                f"test images of {config.image_size} px, {self.data.num_classes} classes; "
                f"{'labels as given' if config.as_given else self._told_noise()}",
                f"{config.network}, {weights / 1e6:.1f} million weights; {config.loss}, "
                f"{config.epochs} epochs, batches of {config.batch_size}",
                f"{devices.report(self.fabric.device)}; "
                f"{self.fabric.world_size} process{'es' * (self.fabric.world_size > 1)}, "
                f"precision {self.hardware.precision}; "
                f"images {type(self.inputs).__name__.lower()}",
            ]
        )

    def _told_noise(self) -> str:
        return f"{self.config.noise} noise, {self.given.flipped.mean():.1%} of the labels wrong"

    def embed(self, part: str) -> Tensor:
        """Return the embeddings [M, D] of a part of the split, seen without augmentation."""
        if part == "train":
            return self.training.embed_training()
        if part not in self._others:  # once, not at every epoch that is validated
            self._others[part] = self._placed(self.data.part(part)[0])
        return self.training.embed(self._others[part])

    def measure(self, part: str = "test") -> dict[str, float]:
        """Judge the weights as they are on the true labels of a part, see `heads.measure`."""
        return self._judged(part, self.embed(part))[0]

    def _judged(
        self, part: str, queries: Tensor
    ) -> tuple[dict[str, float], dict[str, NDArray[np.bool_]]]:
        """Metrics on the true labels of a part, and which of its images they got right.

        Where labels are as given, those metrics alone that need no true one.
        """
        fitted = Fitted(self.trained, self.loss, self.given, self.training.seconds)
        true_N, true_M = self.data.part("train")[1], self.data.part(part)[1]
        judged = fitted, self.embed("train"), true_N, queries
        predicted = heads.predictions(*judged)
        hits = {name: predicted_M == true_M for name, predicted_M in predicted.items()}
        metrics = heads.judge(*judged, true_M, predicted)
        if not self.config.as_given:
            return metrics, hits
        return _of(metrics, _WITHOUT_TRUTH), _of(hits, _WITHOUT_TRUTH)

    def result(self) -> Result:
        """What the run reached: the metrics of the test images, and with "val_" those of val."""
        metrics, hits = self._measured()
        return Result(
            self.config,
            metrics,
            self.training.seconds,
            inputs=self._inputs(),
            curves=_curves(self.training.history),
            hits=hits,
        )

    def measured(self) -> dict[str, float]:
        """Judge the weights as they are: what `result` tells, at any moment.

        Besides, "val_given" is the accuracy of the prototypes for the validation images under wrong
        labels of the same kind and rate, by which an epoch can be chosen without any clean label.
        """
        return self._measured()[0]

    def _measured(self) -> tuple[dict[str, float], dict[str, NDArray[np.bool_]]]:
        queries = self.embed("val")
        of_val, _ = self._judged("val", queries)
        chosen = _of(of_val, ("knn_clean", "knn_noisy", "prototype"))
        metrics, hits = self._judged("test", self.embed("test"))
        told = {f"val_{name}": value for name, value in chosen.items()}
        return metrics | told | {"val_given": self._agreement(queries)}, hits

    def training_table(self) -> str:
        """Tabulate the training images as CSV, the most doubtful labels first.

        Columns: the file; the class of its folder; the class that it was given (another where the
        noise flipped it); the probability p of the given class; the likeliest class; and whether
        t-RNSL keeps it (for other losses yes). Names are guarded against formulas.
        """
        names, files = self.data.archive.class_names, self.data.archive.files
        indices_N, folders_N = self.data.part("train")
        given_N = torch.from_numpy(self.given.labels)
        log_p_NC = losses.class_log_probabilities(
            self.embed("train"), self.loss.prototypes.detach(), self.config.temperature
        ).cpu()
        p_N = log_p_NC.gather(1, given_N[:, None]).squeeze(1).exp()
        likeliest_N = log_p_NC.argmax(dim=1)
        kept_N = getattr(self.loss, "kept", torch.ones_like(given_N, dtype=torch.bool)).cpu()
        rows = (
            [
                files[indices_N[i]], names[folders_N[i]], names[given_N[i]], f"{p_N[i]:.6f}",
                names[likeliest_N[i]], int(kept_N[i]),
            ]
            for i in p_N.argsort(stable=True).tolist()
        )  # fmt: skip
        return csv_text([("file", "folder", "given", "p", "likeliest", "kept"), *rows])

    # -------------------------------------------------------------- choosing an epoch

    def _validator(self) -> Callable[[Training], float] | None:
        if self.config.selection == "noisy_val":
            return lambda _: self._agreement(self.embed("val"))
        return self._clean_knn_accuracy if self.config.selection == "clean_val" else None

    @cached_property
    def _given_of_val(self) -> NDArray[np.int64]:
        return corrupt_images(self.data, self.config, "val").labels

    def _agreement(self, queries: Tensor) -> float:
        """How often the prototypes agree with the noisy labels of the validation images."""
        return evaluate.prototype_accuracy(
            queries, self.loss.prototypes.detach(), self._given_of_val
        )

    def _clean_knn_accuracy(self, _: Training) -> float:
        true_N, true_M = self.data.part("train")[1], self.data.part("val")[1]
        return evaluate.knn_accuracy(self.embed("train"), true_N, self.embed("val"), true_M)


def _of(found: Mapping[str, _Value], names: Sequence[str]) -> dict[str, _Value]:
    return {name: found[name] for name in names if name in found}


def _curves(history: Sequence[EpochReport]) -> dict[str, list[float]]:
    """Name of a metric -> its value after each epoch; nothing where no epoch was measured."""
    measured = [report.measured for report in history if report.measured]
    return {name: [of_epoch[name] for of_epoch in measured] for name in (measured or [{}])[0]}


# ------------------------------------------------------------------ what a run leaves behind


def default_folder(config: Config) -> Path:
    """Where a run goes whose folder is not named: below `runs`, named after data, noise, loss."""
    c = config
    noise = c.noise if c.as_given else f"{c.noise}-{c.rate:g}"
    return Path("runs", f"{c.dataset}-{noise}-{c.loss}-seed{c.seed}")


def check_folder(
    folder: Path, *, resume: bool = False, overwrite: bool = False, archive: Path | None = None
) -> None:
    """Refuse a folder that cannot be written to, or that holds a run already.

    Args:
        folder: for a run.
        resume: whether to go on with the run that it holds.
        overwrite: whether to begin anew there.
        archive: folder, tar or zip of images, in which nothing is written.

    Raises:
        ValueError: the folder holds a run, and neither resume nor overwrite is wanted, or both;
            there is nothing to go on from; or it lies in the archive.
        OSError: it is a file, or cannot be written to.
    """
    if resume and overwrite:
        raise ValueError("--resume goes on with a run, --overwrite begins anew; give one of them.")
    for name in Left:
        is_folder = name == Left.CHECKPOINTS
        check_output(
            folder / name, is_folder=is_folder, overwrite=True, archive=archive, other="--out"
        )
    held = [folder / name for name in Left if (folder / name).exists()]
    if held and not (resume or overwrite):
        raise ValueError(
            f"{folder} holds a run already ({held[0].name}). Pass --resume to go on with it, "
            "--overwrite to begin anew, or another --out."
        )
    if held and resume and not (folder / Left.CHECKPOINTS).exists():
        raise ValueError(
            f"{folder} holds results ({held[0].name}), but no checkpoints to go on from. Pass "
            "--overwrite to begin anew, or choose another --out."
        )
