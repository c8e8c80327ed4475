"""Frozen-backbone features: extract once, reduce, save as small numbers, load anywhere.

Shapes: N images, S pixels a side, F features of the backbone, D dimensions kept.
"""

import json
import platform
import warnings
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b, sha256
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from tqdm.auto import tqdm

from rnsl_tutorial._arrays import array, block, integers, is_whole, takes
from rnsl_tutorial._files import cache_dir, made_earlier, shipped, typed, written_whole
from rnsl_tutorial._tables import kept_rows, opened_npz
from rnsl_tutorial.datasets._frozen import NotExportedError, Run, by_onnxruntime, by_torch
from rnsl_tutorial.datasets.archives import Archive
from rnsl_tutorial.datasets.splits import Split, _check_split

__all__ = [
    "Backbone",
    "FeatureSet",
    "Reduction",
    "build_features",
    "cached_features",
    "cached_maps",
    "load_features",
    "load_shipped_features",
    "save_features",
]

_BLOCK = 256  # images whose bytes are hashed together


class Backbone(Protocol):
    """A frozen network; `rnsl_tutorial.training.networks.create` makes some.

    Called on uint8 [B, 3, S, S] it returns float [B, F]; ``feature_dim`` is F. A torch module is
    put into evaluation mode and moved to the device.
    """

    feature_dim: int

    def __call__(self, images: Tensor, /) -> Tensor: ...  # noqa: D102


class Reduction(NamedTuple):
    """An affine map from backbone features to D dimensions: (x - mean) @ matrix.

    Attributes:
        mean: float32 [F].
        matrix: float16 [F, D], standardisation and principal axes in one.
    """

    mean: NDArray[np.float32]
    matrix: NDArray[np.float16]

    @takes(features="numbers N F")
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
        reduction: from the backbone's features to these.
        made_with: backbone, image size and versions.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    split: Split[NDArray[np.int64]]
    step: NDArray[np.float32]
    reduction: Reduction
    made_with: Mapping[str, Any]


def cached_features(
    images: NDArray[np.uint8],
    backbone: Backbone,
    *,
    batch_size: int = 64,
    device: str = "cpu",
    cache: Path | None = None,
    progress: bool = True,
) -> NDArray[np.float32]:
    """Run a frozen backbone over images, the first time only.

    The features stay in the cache under a hash of the pixels, in their order, of the backbone's
    layers and weights, and of what ran it. So a view, a part or another order of an archive has
    features of its own, and a copy of the same images the same ones. A backbone that is no torch
    module has no weights to know it by: nothing is kept of it.

    On a CPU onnxruntime runs the backbone, about three times as fast as torch; its features differ
    from torch's by rounding, some 1e-6 of the largest, and are the same bit for bit with any number
    of threads. Where it cannot, a warning says why, and torch does.

    Args:
        images: uint8 [N, 3, S, S], any array or view; of a memory map few are in memory at a time.
        backbone: a torch module is put into evaluation mode and moved to the device.
        batch_size: images at a time.
        device: as torch names it.
        cache: folder; default ``$RNSL_CACHE`` where that is set, else the platform's cache folder.
        progress: show a bar.

    Returns:
        float32 [N, F]; of a torch module a map of the file, not to be written to.

    Raises:
        ValueError: images of another type or shape, or features that are not finite.
        OSError: the cache cannot be written.
    """
    images = _checked_images(images, batch_size)

    def features(run: Run) -> Iterator[NDArray[np.float32]]:
        return _extracted(images, run, batch_size, progress)

    if not isinstance(backbone, nn.Module):
        return np.concatenate([*features(by_torch(backbone, device))])
    shape = (len(images), backbone.feature_dim)
    return _kept(images, backbone, shape, np.float32, features, batch_size, device, cache)


def cached_maps(
    images: NDArray[np.uint8],
    front: nn.Module,
    *,
    batch_size: int = 64,
    device: str = "cpu",
    cache: Path | None = None,
    progress: bool = True,
) -> NDArray[np.float16]:
    """Run the frozen front of a network over images and their mirror images, the first time only.

    What comes out stays in the cache, as `cached_features` keeps features, and is read from there
    as it is needed: for 10,000 images of 150 pixels and the first five blocks of EfficientNet-Lite0
    it takes 448 MB.

    Args:
        images: uint8 [N, 3, S, S], any array or view.
        front: [B, 3, S, S] -> float [B, M, h, w], such as `training.networks.split` returns; it is
            put into evaluation mode and moved to the device.
        batch_size: images at a time.
        device: as torch names it.
        cache: folder; default ``$RNSL_CACHE`` where that is set, else the platform's cache folder.
        progress: show a bar.

    Returns:
        float16 [N, 2, h, w, M], a map of the file, not to be written to: of each image and of the
        image with left and right exchanged.

    Raises:
        ValueError: images of another type or shape.
        OSError: the cache cannot be written.
    """
    images = _checked_images(images, batch_size)

    def maps(run: Run) -> Iterator[NDArray[np.float16]]:
        return (_views(run, rows) for rows in _blocks(images, batch_size, "Maps", progress))

    shape = (len(images), *_views(by_torch(front, device), block(images, 0, 1)).shape[1:])
    return _kept(images, front, shape, np.float16, maps, batch_size, device, cache)


def _views(run: Run, images: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Maps of images and of their mirror images, float16 [B, 2, h, w, M]."""
    views = [run(view).transpose(0, 2, 3, 1) for view in (images, images[..., ::-1].copy())]
    return np.stack(views, axis=1).astype(np.float16)


def _kept(
    images: NDArray[np.uint8],
    network: nn.Module,
    shape: tuple[int, ...],
    dtype: Any,
    rows: Callable[[Run], Iterator[NDArray[Any]]],
    batch_size: int,
    device: str,
    cache: Path | None,
) -> NDArray[Any]:
    """What a network makes of images, in a file of its own for each of the two that may run it."""
    path = _place(images, network, cache)
    if torch.device(device).type == "cpu":
        first = block(images, 0, batch_size)
        apart = path.with_name(f"{path.stem}-onnx.npy")
        try:
            return kept_rows(apart, shape, dtype, lambda: rows(by_onnxruntime(network, first)))
        except NotExportedError as error:
            warnings.warn(
                f"onnxruntime cannot run this network ({error}). torch does, which takes longer.",
                stacklevel=3,
            )
    return kept_rows(path, shape, dtype, lambda: rows(by_torch(network, device)))


def _checked_images(given: Any, batch_size: int = 1) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] = array("images", given)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3 or not images.size:
        raise ValueError(
            f"images are {images.dtype} {list(images.shape)}; give uint8 [N, 3, S, S]."
        )
    if not is_whole(batch_size, 1):
        raise ValueError(f"batch_size is {batch_size!r}; give a whole number of at least 1.")
    return images


def _place(images: NDArray[np.uint8], network: nn.Module, cache: Path | None) -> Path:
    folder = (cache_dir() if cache is None else cache.expanduser()) / "features"
    return folder / f"{_hash_of_images(images)}-{_hash_of_network(network)}.npy"


def _extracted(
    images: NDArray[np.uint8], run: Run, batch_size: int, progress: bool
) -> Iterator[NDArray[np.float32]]:
    for rows in _blocks(images, batch_size, "Features", progress):
        features_BF = run(rows)
        if not np.isfinite(features_BF).all():
            raise ValueError(
                "The backbone makes features that are not finite of these images; take another "
                "one, or look at its weights."
            )
        yield features_BF


def _blocks(
    images: NDArray[np.uint8], batch_size: int, what: str, progress: bool
) -> Iterator[NDArray[np.uint8]]:
    with tqdm(total=len(images), desc=what, unit="image", disable=not progress) as bar:
        for start in range(0, len(images), batch_size):
            yield (rows := block(images, start, batch_size))
            bar.update(len(rows))


def _hash_of_images(images: NDArray[np.uint8]) -> str:
    digest = sha256(str(images.shape).encode())  # for which processors have instructions
    for start in range(0, len(images), _BLOCK):
        digest.update(block(images, start, _BLOCK).data)
    return digest.hexdigest()[:32]


def _hash_of_network(network: nn.Module) -> str:
    """Tell networks of other layers or weights apart, also by buffers that no file keeps."""
    digest = blake2b(str(network).encode(), digest_size=8)
    for name, tensor in chain(network.named_parameters(), network.named_buffers()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _fit_reduction(train_features: NDArray[np.float32], dim: int = 256) -> Reduction:
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
    return Reduction(scaler.mean_.astype(np.float32), matrix_FD)


def build_features(
    archive: Archive,
    split: Split[NDArray[np.int64]],
    backbone: Backbone,
    *,
    name: str,
    dim: int = 256,
    device: str = "cpu",
    cache: Path | None = None,
    progress: bool = True,
) -> FeatureSet:
    """Extract, standardise, reduce and round the features of an archive.

    What the backbone makes of the images stays in the cache; see `cached_features`.

    Args:
        archive: from `load_archive`.
        split: int64 indices of its train, validation and test images.
        backbone: such as ``training.networks.create(name)``.
        name: of the backbone, as ``made_with`` shall tell it.
        dim: D, principal components kept.
        device: as torch names it.
        cache: folder; default ``$RNSL_CACHE`` where that is set, else the platform's cache folder.
        progress: show a bar.

    Raises:
        ValueError: dim out of range, or images that are all alike.
        OSError: the cache cannot be written.
    """
    images = _checked_images(archive.images)
    labels_N = integers("labels", archive.labels)
    if len(labels_N) != len(images):
        raise ValueError(f"There are {len(labels_N)} labels for {len(images)} images.")
    _check_split(Split(*(integers("split", part) for part in split)), len(images))
    _check_dim(dim, len(split.train), backbone.feature_dim)
    features_NF = cached_features(images, backbone, device=device, cache=cache, progress=progress)
    reduction = _fit_reduction(features_NF[split.train], dim)
    features_ND = reduction.apply(features_NF)
    widest_D = np.abs(features_ND[split.train]).max(axis=0)
    step_D = np.maximum(widest_D / 127, np.finfo(np.float32).tiny)
    return FeatureSet(
        features=_quantize(features_ND, step_D) * step_D,
        labels=archive.labels,
        class_names=archive.class_names,
        files=archive.files,
        split=split,
        step=step_D,
        reduction=reduction,
        made_with={
            "backbone": name,
            "image_size": archive.images.shape[-1],
            **archive.reading.told(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    )


def _check_dim(dim: int, num_images: int, feature_dim: int) -> None:
    if not is_whole(dim, 1, min(num_images, feature_dim)):
        raise ValueError(
            f"dim is {dim}; with {num_images} training images of {feature_dim} features it can be "
            f"1 to {min(num_images, feature_dim)}."
        )


def _quantize(features: NDArray[np.float32], step: NDArray[np.float32]) -> NDArray[np.int8]:
    """Round float32 [N, D] to int8 codes, code * step being the value; beyond +-127 is clipped."""
    codes: NDArray[np.int8] = np.rint(features / step).clip(-127, 127).astype(np.int8)
    return codes


def save_features(path: Path, feature_set: FeatureSet) -> None:
    """Write a feature set as compressed int8, whole or not at all.

    Raises:
        OSError: the folder cannot be written to.
    """
    members: dict[str, Any] = {
        "codes": _quantize(feature_set.features, feature_set.step),
        "step": feature_set.step,
        "labels": feature_set.labels.astype(np.int32),
        "mean": feature_set.reduction.mean,
        "matrix": feature_set.reduction.matrix,
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


def load_features(path: Path) -> FeatureSet:
    """Read a feature set that `save_features` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged or not a feature set.
    """
    remedy = "Make it again with `rnsl features build`, or take the shipped one."
    with (
        made_earlier(path, "is damaged or no feature set", remedy) as file,
        opened_npz(file) as members,
    ):
        return _from_members(members)


def load_shipped_features(dataset: str = "aid") -> FeatureSet:
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
    return load_features(shipped("data", "aid", "features.npz"))


def _from_members(members: Mapping[str, Any]) -> FeatureSet:
    step_D, codes_ND = array("step", members["step"]), array("codes", members["codes"])
    if codes_ND.dtype != np.int8 or codes_ND.ndim != 2 or not codes_ND.size:
        raise ValueError(f"codes are {codes_ND.dtype} {list(codes_ND.shape)}; int8 [N, D] is due")
    if step_D.dtype.kind != "f" or step_D.shape != codes_ND.shape[1:]:
        raise ValueError(f"step is {step_D.dtype} {list(step_D.shape)}; floats [D] are due")
    found = FeatureSet(
        features=codes_ND * step_D,
        labels=integers("labels", members["labels"]).astype(np.int64),
        class_names=tuple(str(members["class_names"]).split("\n")),
        files=tuple(str(members["files"]).split("\n")),
        split=Split(
            *(integers(name, members[f"split_{name}"]).astype(np.int64) for name in Split._fields)
        ),
        step=step_D,
        reduction=Reduction(array("mean", members["mean"]), array("matrix", members["matrix"])),
        made_with=typed(json.loads(str(members["made_with"])), dict[str, Any]),
    )
    _check_fit(found)
    return found


def _check_fit(found: FeatureSet) -> None:
    """Refuse parts of a feature set that do not go together: ValueError."""
    (count, dim), names = found.features.shape, found.class_names
    mean_F, matrix_FD = found.reduction
    parts = {
        "labels": (found.labels, (count,)),
        "files": (np.array(found.files), (count,)),
        "step": (found.step, (dim,)),
        "mean": (mean_F, (len(matrix_FD),)),
        "matrix": (matrix_FD, (mean_F.size, dim)),
    }
    for name, (part, shape) in parts.items():
        if part.shape != shape:
            raise ValueError(f"{name} is {part.shape}, where codes {(count, dim)} need {shape}")
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            raise ValueError(f"{name} holds NaN or infinity")
    if len({*names}) < max(2, len(names)):
        raise ValueError(f"{len(names)} class_names, {len({*names})} of them different")
    if not 0 <= found.labels.min() <= found.labels.max() < len(names):
        raise ValueError(
            f"labels run from {found.labels.min()} to {found.labels.max()}; {len(names)} "
            f"class_names allow 0 to {len(names) - 1}"
        )
    _check_split(found.split, count)
