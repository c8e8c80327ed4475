"""Trained models on other images: files that hold them, embeddings, classes and doubts.

A model is a network with its prototypes: all of it trained on pixels (`rnsl train`), or a head
behind a frozen backbone (`rnsl experiment`, `rnsl audit`). Both map pixels to embeddings, and from
there on are the same.

Shapes: N images of S x S pixels, B in a batch, C classes, D embedding dimensions, F features of a
backbone, M of them that a head takes.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from rnsl_tutorial import __version__, losses
from rnsl_tutorial._arrays import block, labels_in, takes
from rnsl_tutorial._files import csv_text, made_earlier, typed, written_whole
from rnsl_tutorial.datasets import _frozen
from rnsl_tutorial.datasets.archives import Archive, Reading
from rnsl_tutorial.datasets.features import FeatureSet, _checked_images
from rnsl_tutorial.experiments import heads
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import _saved, devices, embed, embedding_head, networks
from rnsl_tutorial.training.devices import Hardware
from rnsl_tutorial.training.settings import check_names

__all__ = [
    "Model",
    "Predicted",
    "embed_archive",
    "load_model",
    "save_predictions",
]

_BATCH = 64
"""Images at a time, whatever N is."""
_MANY = 256
"""Images that are worth the second in which onnxruntime gets a network ready."""
_COLUMNS = ("file", "label", "probability", "doubt", "given", "digest")


class Predicted(NamedTuple):
    """What a model says of images.

    p = softmax(x . w / T) of the embedding x and the prototypes w, both of unit length.

    Attributes:
        classes: int64 [N], that of the nearest prototype.
        probability: float32 [N], p of it.
        doubt: float32 [N] in [0, 1], 1 - p of the label in question: the given one where there is
            one, else the class.
    """

    classes: NDArray[np.int64]
    probability: NDArray[np.float32]
    doubt: NDArray[np.float32]


class Model(NamedTuple):
    """A trained network with its prototypes.

    Attributes:
        network: images uint8 or float [B, 3, S, S] -> embeddings [B, D], in evaluation mode.
        prototypes: float32 [C, D].
        class_names: C names.
        config: of the run that trained it; its image_size is S.
        backbone: name of the frozen part of the network, whose weights are none of the model's;
            empty where all of it was trained.
        reading: how the training images were read.
    """

    network: nn.Module
    prototypes: Tensor
    class_names: tuple[str, ...]
    config: Config
    backbone: str = ""
    reading: Reading = Reading()

    def reads(self, asked: Reading) -> Reading:
        """Return how images are read: as asked, in bands and range else as in training."""
        return asked._replace(
            bands=asked.bands or self.reading.bands, span=asked.span or self.reading.span
        )

    @takes(images="uint8 N 3 S S", labels="integers N ?")
    def predict(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64] | None = None,
        hardware: Hardware | None = None,
    ) -> Predicted:
        """Say which class each image is of, a few images at a time.

        Args:
            images: uint8 [N, 3, S, S], such as the memory map of `datasets.load_archive`.
            labels: int64 [N], given labels, -1 where there is none; None for none at all.
            hardware: where and how; by default on the device that is found.

        Raises:
            ValueError: images of another size than the model takes, labels that are none of its
                classes, or embeddings that are not finite.
        """
        if labels is not None:
            labels = labels_in(len(self.class_names) + 1, labels + 1) - 1
        parts = _predicted(self, images, labels, hardware)
        return Predicted(*map(np.concatenate, zip(*parts, strict=True)))

    @classmethod
    def of_head(cls, fitted: heads.Fitted, features: FeatureSet, config: Config) -> "Model":
        """Put a trained head behind the backbone whose features it was trained on.

        Args:
            fitted: from `heads.fit`.
            features: that it was fitted on, whose `made_with` names backbone and image_size.
            config: of the run.

        Raises:
            ValueError: the features do not say what made them, or it is no backbone of ours.
            ConnectionError: its weights have to be downloaded and cannot be.
        """
        name, size = (features.made_with.get(part) for part in ("backbone", "image_size"))
        if not isinstance(name, str) or not isinstance(size, int):
            raise ValueError(
                "The features do not say which backbone made them of images of which size, so that "
                "a head on them can predict nothing. Make them by `rnsl features build`."
            )
        index_ND = embed(fitted.network, heads.standardized(features))[features.split.train]
        prototypes_CD = heads._prototypes_of(
            fitted.loss, index_ND, torch.from_numpy(fitted.given.labels)
        )
        mean_F, matrix_FM = map(torch.from_numpy, features.reduction)
        reduced = _Reduced(mean_F, matrix_FM, torch.tensor(heads._scale(features)))
        network = nn.Sequential(nn.Identity(), reduced, *fitted.network.children()).eval()
        sized, reading = replace(config, image_size=size), _reading(features.made_with)
        return _with_backbone(
            cls(network, prototypes_CD, features.class_names, sized, name, reading)
        )

    def save(self, path: Path) -> None:
        """Write tensors, numbers and texts, whole or not at all; `load_model` reads them.

        A head is written without its backbone, whose weights are had by its name.

        Raises:
            OSError: the file cannot be written.
        """
        weights = self.network.state_dict()
        own = {k: value for k, value in weights.items() if not (self.backbone and k[:2] == "0.")}
        saved = {
            "rnsl_tutorial": __version__,
            "config": asdict(self.config),
            "class_names": list(self.class_names),
            "backbone": self.backbone,
            "pixels": _pixels(self),
            "reading": self.reading.told(),
            "network": own,
            "prototypes": self.prototypes.detach(),
        }
        with written_whole(path) as file:
            torch.save(saved, file)


# ------------------------------------------------------------------ what it says


class _Embedded(NamedTuple):
    """Images as a trained network sees them.

    Attributes:
        embeddings: float32 [N, D], of unit length.
        nearest: int64 [N], the class of the nearest prototype.
        probability: float32 [N], softmax of that class.
        files: N relative paths.
        class_names: C names, those of the training.
    """

    embeddings: NDArray[np.float32]
    nearest: NDArray[np.int64]
    probability: NDArray[np.float32]
    files: tuple[str, ...]
    class_names: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write the fields into an npz file, whole or not at all."""
        fields: dict[str, Any] = self._asdict()
        with written_whole(path) as file:
            np.savez_compressed(file, **fields)


def embed_archive(model: Model, archive: Archive, hardware: Hardware | None = None) -> _Embedded:
    """Embed the images of an archive.

    Args:
        model: from `load_model`.
        archive: from `datasets.load_archive`, at the image size of the model's config.
        hardware: where and how; by default on the device that is found.

    Raises:
        ValueError: as `Model.predict`.
    """
    embedded, log_p = zip(*_judged(model, archive.images, hardware), strict=True)
    best_N = torch.cat(log_p).max(dim=1)
    return _Embedded(
        torch.cat(embedded).cpu().numpy(),
        best_N.indices.cpu().numpy(),
        best_N.values.exp().cpu().numpy(),
        archive.files,
        model.class_names,
    )


def save_predictions(
    path: Path,
    model: Model,
    archive: Archive,
    hardware: Hardware | None = None,
    *,
    progress: bool = True,
) -> tuple[int, int]:
    """Write what a model says of images as CSV, as it goes: of many images as of few in memory.

    Columns: the file; label, probability and doubt as in `Predicted`; the label that was given, the
    name of the nearest folder around it that is called as a class of the model, else empty; the
    hash of its bytes. Names are guarded against formulas.

    Args:
        path: the file, written whole or not at all.
        model: from `load_model`.
        archive: from `datasets.load_archive` at the image size of the model's config, labelled or
            not.
        hardware: where and how; by default on the device that is found.
        progress: show a bar.

    Returns:
        How many images have a given label, and how many of these are predicted to be of it.

    Raises:
        ValueError: as `Model.predict`.
        OSError: the file cannot be written.
    """
    given_N, names, start, same = _given(model, archive), (*model.class_names, ""), 0, 0
    digests = archive.digests or ("",) * len(given_N)
    parts = _predicted(model, archive.images, given_N, hardware)
    with (
        written_whole(path) as file,
        tqdm(total=len(given_N), desc="Images", unit="image", disable=not progress) as bar,
    ):
        file.write(csv_text([_COLUMNS]).encode())
        for found in parts:
            rows = slice(start, start + len(found.classes))
            shown = zip(archive.files[rows], *found, given_N[rows], digests[rows], strict=True)
            text = csv_text(
                (name, names[c], f"{p:.6f}", f"{doubt:.6f}", names[given], digest)
                for name, c, p, doubt, given, digest in shown
            )
            file.write(text.encode("utf-8", "surrogateescape"))
            same += int((found.classes == given_N[rows]).sum())
            bar.update(len(found.classes))
            start = rows.stop
    return int((given_N >= 0).sum()), same


def _given(model: Model, archive: Archive) -> NDArray[np.int64]:
    """Return the labels that images were given by the names of folders around them; else -1."""
    place = {name: c for c, name in enumerate(model.class_names)}
    around = (reversed(file.split("/")[:-1]) for file in archive.files)
    return np.array(
        [next((place[name] for name in names if name in place), -1) for names in around], np.int64
    )


def _predicted(
    model: Model,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    hardware: Hardware | None,
) -> Iterator[Predicted]:
    """Predict batch by batch; arguments as for `Model.predict`."""
    labels_N = np.full(len(images), -1) if labels is None else labels
    start = 0
    for _, log_p_BC in _judged(model, images, hardware):
        log_p, classes_B = log_p_BC.cpu(), log_p_BC.cpu().argmax(dim=1)
        given_B = torch.from_numpy(labels_N[start : start + len(log_p)])
        asked_B = torch.where(given_B < 0, classes_B, given_B)
        said, asked = (log_p.gather(1, one_B[:, None])[:, 0] for one_B in (classes_B, asked_B))
        yield Predicted(classes_B.numpy(), said.exp().numpy(), -asked.expm1().numpy())
        start += len(log_p)


def _judged(
    model: Model, images: NDArray[np.uint8], hardware: Hardware | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield embeddings [B, D] and log p [B, C], batch by batch."""
    size, wanted = _checked_images(images).shape[-1], model.config.image_size
    if size != wanted:
        raise ValueError(f"The images have {size} pixels a side; this model wants {wanted}.")
    hardware = hardware or Hardware()
    fabric = devices.launch(hardware)
    front, network = _parted(model, images, fabric.device)
    plain = front is not None or not hardware.channels_last
    kept = torch.preserve_format if plain else torch.channels_last
    network.to(fabric.device, memory_format=kept)  # type: ignore[call-overload]
    prototypes_CD = model.prototypes.to(fabric.device)
    for start in range(0, len(images), _BATCH):
        pixels = block(images, start, _BATCH)
        batch = torch.from_numpy(front(pixels) if front else pixels)
        batch = batch.to(fabric.device, memory_format=kept)
        embeddings_BD = embed(network, batch, batch_size=_BATCH, fabric=fabric)
        if not embeddings_BD.isfinite().all():
            raise ValueError(
                f"{int((~embeddings_BD.isfinite()).any(dim=1).sum())} of {len(embeddings_BD)} "
                "embeddings are not finite; embed them in precision 32, or train again."
            )
        temperature = model.config.temperature
        yield (
            embeddings_BD,
            losses.class_log_probabilities(embeddings_BD, prototypes_CD, temperature),
        )


def _parted(
    model: Model, images: NDArray[np.uint8], device: torch.device
) -> tuple[_frozen.Run | None, nn.Module]:
    """Part a frozen backbone from its head, where onnxruntime runs it faster; else None and all."""
    if not model.backbone or device.type != "cpu" or len(images) < _MANY:
        return None, model.network
    network = cast(nn.Sequential, model.network)
    with suppress(_frozen.NotExportedError):
        return _frozen.by_onnxruntime(network[0], block(images, 0, _BATCH)), network[1:]
    return None, network


# ------------------------------------------------------------------ a head behind its backbone


class _Reduced(nn.Module):
    """Features of a backbone as a head takes them: (f - mean) @ matrix / scale."""

    mean: Tensor
    matrix: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, matrix: Tensor, scale: Tensor) -> None:
        super().__init__()
        for name, value in {"mean": mean, "matrix": matrix, "scale": scale}.items():
            self.register_buffer(name, value)

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) @ self.matrix.to(features.dtype) / self.scale


def _with_backbone(model: Model) -> Model:
    """Put the frozen backbone before a head.

    Raises:
        ValueError: it is none of ours, or makes other features than the head takes.
        ConnectionError: its weights have to be downloaded and cannot be.
    """
    network = cast(nn.Sequential, model.network)
    front, taken = (
        networks.create(model.backbone, size=model.config.image_size),
        len(cast(Tensor, network[1].mean)),
    )
    if front.feature_dim != taken:
        raise ValueError(
            f"The head takes {taken} features, and backbone {model.backbone!r} makes "
            f"{front.feature_dim}: it was trained on those of another one."
        )
    network[0] = front.eval()
    return model


# ------------------------------------------------------------------ the file


def _pixels(model: Model) -> dict[str, Any]:
    """How images are brought to the network: S, mean and deviation of the channels in 0..1."""
    front = cast(networks.Backbone, cast(nn.Sequential, model.network)[0])
    scaling = {name: getattr(front, name).flatten().tolist() for name in ("mean", "std")}
    return {"size": model.config.image_size, **scaling}


def load_model(path: Path) -> Model:
    """Read a model that `rnsl train`, `rnsl experiment` or `rnsl audit --model` left behind.

    Args:
        path: the file, or the folder of the run, which holds it as `model.pt`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, a damaged one, one of a head on features that no backbone here
            makes, a checkpoint of a run that has not ended, or a folder that holds no model.
        ConnectionError: the weights of a head's backbone have to be downloaded and cannot be.
    """
    path = _found(path)
    with made_earlier(path, "holds no model of this package", _REMEDY) as file:
        saved = _saved.load(file.read())
        model = _model(saved)
    try:
        model = _with_backbone(model) if model.backbone else model
    except ValueError as error:
        raise ValueError(f"{path}: {error}{_saved.made_by(saved)}") from error
    if saved.get("pixels", _pixels(model)) != _pixels(model):
        raise ValueError(
            f"{path} takes pixels as {saved['pixels']!a:.200}, and its network here takes "
            f"{_pixels(model)}{_saved.made_by(saved)}. Train it again."
        )
    return model


_REMEDY = "Train it again by `rnsl train --out`, `rnsl experiment` or `rnsl audit --model`."


def _found(path: Path) -> Path:
    """Return the file of a model, where the folder of its run is given."""
    if not path.is_dir():
        return path
    if not (path / "model.pt").exists():
        unended = (path / "checkpoints").exists()
        raise ValueError(
            f"{path} holds checkpoints, and no model.pt yet: the run has not ended. The command "
            "that began it ends it with --resume."
            if unended
            else f"{path} holds no model.pt. Give the folder of `rnsl train`, or the file of a "
            "model."
        )
    return path / "model.pt"


def _model(saved: Mapping[str, Any]) -> Model:
    """Put together what a file holds, but for a frozen backbone: ValueError if it does not fit."""
    if not isinstance(saved, dict):
        raise ValueError(f"it holds a {type(saved).__name__}, no parts by name")
    if "optimizer" in saved:
        raise ValueError("it is a checkpoint: --resume goes on, and ends with a model.pt")
    try:
        config = _config(saved["config"])
        class_names, held = saved["class_names"], _saved.weights(saved["network"], "network")
        prototypes = _saved.weights({"": saved["prototypes"]}, "prototypes")[""]
        backbone = typed(saved.get("backbone", ""), str)
        reading = _reading(typed(saved.get("reading", {}), dict[str, list[float]]))
    except ValueError as error:
        raise ValueError(f"{error}{_saved.made_by(saved)}") from error
    if not all(isinstance(name, str) for name in class_names) or len({*class_names}) < 2:
        raise ValueError(f"class_names is {class_names!a:.80}; two names or more are needed")
    shape = (len(class_names), config.embedding_dim)
    if prototypes.shape != shape:
        raise ValueError(
            f"prototypes are {list(prototypes.shape)}; {shape[0]} class names and embedding_dim "
            f"{shape[1]} need {list(shape)}"
        )
    if config.on_pixels == bool(backbone):
        raise ValueError(f"network is {config.network!r}, and backbone {backbone!r}")
    network = _network(config, held)
    wanted = {name: weight.shape for name, weight in network.state_dict().items()}
    given = {name: weight.shape for name, weight in held.items()}
    odd = {name for name in {**wanted, **given} if given.get(name) != wanted.get(name)}
    if odd:
        raise ValueError(
            f"{len(odd)} weights, such as {min(odd)}, are not those of network "
            f"{config.network!r}{_saved.made_by(saved)}"
        )
    network.load_state_dict(held)
    return Model(network.eval(), prototypes, tuple(class_names), config, backbone, reading)


def _reading(told: Mapping[str, Any]) -> Reading:
    """Return what `Reading.told` told."""
    low_high = tuple(told.get("span", ()))
    return Reading(bands=tuple(map(int, told.get("bands", ()))), span=low_high or None)


def _config(found: Any) -> Config:
    names = typed(found, dict[str, Any])
    check_names(names, Config)
    return Config(**names)


def _network(config: Config, held: Mapping[str, Tensor]) -> nn.Sequential:
    """Build the network whose weights are held; a head without its backbone."""
    if config.on_pixels:
        return networks.embedding_network(config.network, config.embedding_dim)
    matrix_FM = held["1.matrix"]
    if matrix_FM.ndim != 2 or held["3.weight"].shape != (config.hidden_dim, matrix_FM.shape[1]):
        raise ValueError(
            f"a head of hidden_dim {config.hidden_dim} does not take what matrix "
            f"{list(matrix_FM.shape)} makes"
        )
    reduced = _Reduced(torch.zeros(len(matrix_FM)), torch.zeros_like(matrix_FM), torch.ones(()))
    head = embedding_head(matrix_FM.shape[1], config.hidden_dim, config.embedding_dim)
    return nn.Sequential(nn.Identity(), reduced, *head)
