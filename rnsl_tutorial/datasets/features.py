"""Frozen-backbone features: extract once, reduce, save as small numbers, load anywhere.

Shapes: N images, S pixels a side, F features of the backbone, D dimensions kept.
"""

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from tqdm.auto import tqdm

from rnsl_tutorial._files import made_earlier, shipped, written_whole
from rnsl_tutorial.datasets.archives import (
    Archive,
    Split,
    files_by_class,
    paper_split,
    stratified_split,
)
from rnsl_tutorial.training import networks as backbones

PAPER_DATASETS = ("aid", "nwpu45")
"""Data sets that the paper uses, and on which its split is the one to compare with."""


class Projection(NamedTuple):
    """An affine map from backbone features to D dimensions: (x - mean) @ matrix.

    Attributes:
        mean: float32 [F].
        matrix: float16 [F, D], standardisation and principal axes in one.
    """

    mean: NDArray[np.float32]
    matrix: NDArray[np.float16]

    def apply(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map float32 [N, F] to float32 [N, D]."""
        return (features - self.mean) @ self.matrix.astype(np.float32)


class FeatureSet(NamedTuple):
    """The reduced features of an archive, with everything needed to train and judge on them.

    Attributes:
        features: float32 [N, D], a multiple of each column's step.
        labels: int64 [N].
        class_names: C names, sorted.
        files: N relative paths.
        split: int64 indices of the train, validation and test images.
        step: float32 [D], the step of the int8 grid that each column was rounded to.
        projection: from the backbone's features to these.
        made_with: backbone, image size and versions.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    split: Split[NDArray[np.int64]]
    step: NDArray[np.float32]
    projection: Projection
    made_with: Mapping[str, Any]


def extract(
    images: NDArray[np.uint8],
    backbone: backbones.Backbone,
    *,
    batch_size: int = 64,
    device: str = "cpu",
    progress: bool = True,
) -> NDArray[np.float32]:
    """Run a frozen backbone over images.

    Args:
        images: uint8 [N, 3, S, S], a memory map is read batch by batch.
        backbone: put into evaluation mode and moved to the device.
        batch_size: images at a time.
        device: as torch names it.
        progress: show a bar.

    Returns:
        float32 [N, F].
    """
    backbone = backbone.eval().to(device)
    backbone.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    features_NF = np.empty((len(images), backbone.feature_dim), dtype=np.float32)
    with (
        torch.inference_mode(),
        tqdm(total=len(images), desc="features", unit="img", disable=not progress) as bar,
    ):
        for start in range(0, len(images), batch_size):
            batch = torch.tensor(images[start : start + batch_size], device=device)
            batch = batch.contiguous(memory_format=torch.channels_last)
            features_NF[start : start + len(batch)] = backbone(batch).float().cpu().numpy()
            bar.update(len(batch))
    return features_NF


def fit_projection(train_features: NDArray[np.float32], dim: int = 256) -> Projection:
    """Standardise every feature, then keep the first principal components.

    Args:
        train_features: float32 [n, F] of the training split alone: nothing about the validation and
            test images enters.
        dim: D, at most min(n, F).

    Raises:
        ValueError: dim out of range, or a feature that hardly varies.
    """
    _check_dim(dim, *train_features.shape)
    scaler = StandardScaler().fit(train_features)
    pca = PCA(dim, svd_solver="covariance_eigh").fit(scaler.transform(train_features))
    with np.errstate(over="ignore"):
        matrix_FD = (pca.components_ / scaler.scale_).T.astype(np.float16)
    if not np.isfinite(matrix_FD).all():
        raise ValueError("A feature hardly varies from image to image: these images are all alike.")
    return Projection(scaler.mean_.astype(np.float32), matrix_FD)


def build(
    archive: Archive,
    split: Split[NDArray[np.int64]],
    backbone_name: str = "efficientnet_lite0",
    *,
    dim: int = 256,
    device: str = "cpu",
    progress: bool = True,
) -> FeatureSet:
    """Extract, standardise, reduce and round the features of an archive.

    Args:
        archive: from `datasets.load_archive`.
        split: int64 indices of its train, validation and test images.
        backbone_name: see `backbones.names`.
        dim: D, principal components kept.
        device: as torch names it.
        progress: show a bar.

    Raises:
        ValueError: unknown backbone, or dim out of range.
        ConnectionError: the backbone's weights cannot be downloaded.
    """
    backbone = backbones.create(backbone_name)
    _check_dim(dim, len(split.train), backbone.feature_dim)
    features_NF = extract(archive.images, backbone, device=device, progress=progress)
    projection = fit_projection(features_NF[split.train], dim)
    features_ND = projection.apply(features_NF)
    widest_D = np.abs(features_ND[split.train]).max(axis=0)
    step_D = np.maximum(widest_D / 127, np.finfo(np.float32).tiny)
    return FeatureSet(
        features=quantize(features_ND, step_D) * step_D,
        labels=archive.labels,
        class_names=archive.class_names,
        files=archive.files,
        split=split,
        step=step_D,
        projection=projection,
        made_with={
            "backbone": backbone_name,
            "image_size": archive.images.shape[-1],
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    )


def _check_dim(dim: int, num_images: int, feature_dim: int) -> None:
    if not 1 <= dim <= min(num_images, feature_dim):
        raise ValueError(
            f"dim is {dim}; with {num_images} training images of {feature_dim} features it can be "
            f"1 to {min(num_images, feature_dim)}."
        )


def quantize(features: NDArray[np.float32], step: NDArray[np.float32]) -> NDArray[np.int8]:
    """Round float32 [N, D] to int8 codes, code * step being the value; beyond +-127 is clipped."""
    codes: NDArray[np.int8] = np.rint(features / step).clip(-127, 127).astype(np.int8)
    return codes


def split_for(dataset: str, archive: Archive, seed: int = 42) -> Split[NDArray[np.int64]]:
    """Return index arrays: the paper's split for its data sets, else a stratified one.

    Args:
        dataset: a name; "aid" and "nwpu45" get `datasets.paper_split`.
        archive: whose images are split.
        seed: of the stratified split.
    """
    if dataset not in PAPER_DATASETS:
        named = np.array(archive.class_names)[archive.labels]  # so that an error can say which
        return stratified_split(named, seed=seed)
    place = {name: i for i, name in enumerate(archive.files)}
    parts = paper_split(files_by_class(archive.files))
    return Split(*(np.array([place[name] for name in part], dtype=np.int64) for part in parts))


def save(path: Path, feature_set: FeatureSet) -> None:
    """Write a feature set as compressed int8, whole or not at all.

    Raises:
        OSError: the folder cannot be written to.
    """
    members: dict[str, Any] = {
        "codes": quantize(feature_set.features, feature_set.step),
        "step": feature_set.step,
        "labels": feature_set.labels.astype(np.int32),
        "mean": feature_set.projection.mean,
        "matrix": feature_set.projection.matrix,
        "files": np.array("\n".join(feature_set.files)),
        "class_names": np.array("\n".join(feature_set.class_names)),
        "made_with": np.array(json.dumps(feature_set.made_with, sort_keys=True)),
        **{
            f"split_{name}": part.astype(np.int32)
            for name, part in feature_set.split._asdict().items()
        },
    }
    with written_whole(path) as file:
        np.savez_compressed(file, **members)


def load(path: Path) -> FeatureSet:
    """Read a feature set that `save` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged or not a feature set.
    """
    remedy = "Make it again with `rnsl features build`, or take the shipped one."
    with (
        made_earlier(path, "is damaged or no feature set", remedy) as file,
        np.load(file) as members,
    ):
        return _from_members(members)


def load_shipped(dataset: str = "aid") -> FeatureSet:
    """Read the feature set that comes with the package.

    Raises:
        ValueError: none is shipped for this data set.
    """
    if dataset != "aid":
        raise ValueError(
            f"No features of {dataset!r} come with the package, only those of 'aid'. Make them "
            f"from the images with `rnsl features build --dataset {dataset} --root FOLDER`, and "
            f"hand them over with `--features data/{dataset}/features.npz`."
        )
    return load(shipped("data", "aid", "features.npz"))


def _from_members(members: Mapping[str, Any]) -> FeatureSet:
    step_D = members["step"]
    return FeatureSet(
        features=members["codes"] * step_D,
        labels=members["labels"].astype(np.int64),
        class_names=tuple(str(members["class_names"]).split("\n")),
        files=tuple(str(members["files"]).split("\n")),
        split=Split(*(members[f"split_{name}"].astype(np.int64) for name in Split._fields)),
        step=step_D,
        projection=Projection(members["mean"], members["matrix"]),
        made_with=json.loads(str(members["made_with"])),
    )
