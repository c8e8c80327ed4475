"""An audit from end to end: images, features, doubts, confused classes, precision.

Shapes: N images, C classes, F features.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from rnsl_tutorial._arrays import check_seed, is_number, is_whole, labels_in, takes
from rnsl_tutorial.audit import scores
from rnsl_tutorial.audit.planted import PrecisionEstimate, plant_flips, read_precision
from rnsl_tutorial.audit.scores import Scores
from rnsl_tutorial.audit.transition import (
    estimate_joint,
    probably_right,
    row_shares,
    with_noise_rate,
)
from rnsl_tutorial.datasets.archives import Archive, check_folds, load_archive
from rnsl_tutorial.datasets.features import cached_features
from rnsl_tutorial.noise import Labels
from rnsl_tutorial.training import networks

__all__ = [
    "Audit",
    "archive_features",
    "audit_archive",
    "audit_features",
    "audit_folder",
    "check_settings",
]

_MIN_PLANTED = 10  # with fewer planted flips nothing is said about precision
_BATCH = 32  # images: larger ones take more memory, and are no faster on a CPU


class Audit(NamedTuple):
    """What an audit found.

    Attributes:
        files: N names, such as ``"Airport/airport_1.jpg"``.
        class_names: C names.
        labels: int64 [N], the given labels.
        scores: doubt, suggested labels and probabilities out of fold.
        transition: float64 [C, C], share of the images of a class (row, estimated) that carry a
            label (column); rows sum to 1.
        noise_rate: estimated share of wrong labels.
        class_noise: float64 [C], estimated share of wrong labels among the images given a label.
        precision: None where no flips were planted.
    """

    files: tuple[str, ...]
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    scores: Scores
    transition: NDArray[np.float64]
    noise_rate: float
    class_noise: NDArray[np.float64]
    precision: PrecisionEstimate | None

    def ranking(self) -> NDArray[np.int64]:
        """Return int64 [N], the images from the most doubtful to the least."""
        return np.argsort(-self.scores.doubt, kind="stable").astype(np.int64)


def audit_folder(
    root: str | Path,
    *,
    backbone: str = "efficientnet_lite0",
    size: int = 150,
    folds: int = 3,
    seed: int = 0,
    plant: float = 0.05,
    device: str = "cpu",
    cache: Path | None = None,
    progress: bool = True,
) -> Audit:
    """Audit the labels of an archive on disk: the names of its class folders.

    The archive is only read. Its pixels and features stay in the cache, so a second audit takes
    seconds before the heads are trained.

    Args:
        root: folder of class folders, or a tar or zip of one; see `datasets.load_archive`.
        backbone: one with pretrained weights, see `training.networks.create`.
        size: of the images in pixels, when the backbone sees them.
        folds: parts of the archive; each is judged by heads trained on the others.
        seed: of folds, heads and planted flips.
        plant: share of the images to plant a flip on, in [0, 0.5]; 0 for no estimate of precision.
        device: on which features are extracted, as torch names it.
        cache: folder for pixels and features; default the cache folder.
        progress: show bars.

    Raises:
        FileNotFoundError: ``root`` does not exist.
        ValueError: an archive that cannot be loaded, a class with fewer images than folds, or an
            argument out of range.
        OSError: the cache cannot be written.
    """
    check_settings(backbone, folds, plant, device, seed)
    archive = load_archive(root, size, cache=cache, progress=progress, folds=folds)
    return audit_archive(
        archive, backbone=backbone, folds=folds, seed=seed, plant=plant, device=device,
        cache=cache, progress=progress,
    )  # fmt: skip


def audit_archive(
    archive: Archive,
    *,
    backbone: str = "efficientnet_lite0",
    features: NDArray[np.float32] | None = None,
    folds: int = 3,
    seed: int = 0,
    plant: float = 0.05,
    device: str = "cpu",
    cache: Path | None = None,
    progress: bool = True,
) -> Audit:
    """Audit the labels of a loaded archive; see `audit_folder`.

    Instead of the backbone's, features [N, F] of one's own can be given, such as
    `datasets.read_features` returns.
    """
    check_settings(backbone, folds, plant, device, seed)
    _check_classes(archive.labels, archive.class_names, folds)
    features_NF = features
    if features_NF is None:
        features_NF = archive_features(
            archive, backbone, device=device, cache=cache, progress=progress
        )
    heads = scores.REPEATS * folds * (1 + (plant > 0))
    with tqdm(total=heads, desc="Training", unit="head", disable=not progress) as bar:

        def advance() -> None:
            bar.update()

        return audit_features(
            features_NF, archive.labels, archive.class_names, archive.files,
            folds=folds, seed=seed, plant=plant, on_fit=advance,
        )  # fmt: skip


def archive_features(
    archive: Archive,
    backbone: str,
    *,
    device: str = "cpu",
    cache: Path | None = None,
    progress: bool = True,
) -> NDArray[np.float32]:
    """Return the features float32 [N, F] of an archive, extracted the first time only.

    Args:
        archive: from `datasets.load_archive`, or any with uint8 images; see `cached_features` for
            what of it decides.
        backbone: one with pretrained weights, see `training.networks.create`.
        device: as torch names it.
        cache: folder; default the cache folder.
        progress: show a bar.
    """
    network = networks.create(backbone, size=archive.images.shape[-1])
    return cached_features(
        archive.images, network, batch_size=_BATCH, device=device, cache=cache, progress=progress
    )


@takes(features_NF="any ...", labels_N="integers N")
def audit_features(
    features_NF: NDArray[np.float32],
    labels_N: Labels,
    class_names: Sequence[str],
    files: Sequence[str],
    *,
    folds: int = 3,
    seed: int = 0,
    plant: float = 0.05,
    on_fit: Callable[[], None] | None = None,
) -> Audit:
    """Audit labels, given the features of the images.

    Args:
        features_NF: float32 [N, F] of a frozen backbone.
        labels_N: int64 [N] in [0, C), possibly wrong.
        class_names: C names.
        files: N names.
        folds: at least 2; every class needs as many images.
        seed: of folds, heads and planted flips.
        plant: share of the images to plant a flip on, in [0, 0.5].
        on_fit: called whenever a head is trained: `scores.REPEATS` x folds times, and twice as
            often where flips are planted.

    Raises:
        ValueError: a class with fewer images than folds, or an argument out of range.
    """
    _check_numbers(folds, plant, seed)
    labels_N = labels_in(len(class_names), labels_N)
    _check_classes(labels_N, class_names, folds)

    def score(labels_N: Labels) -> Scores:
        return scores.score_labels(
            features_NF, labels_N, len(class_names), folds=folds, seed=seed, on_fit=on_fit
        )

    found = score(labels_N)
    joint_CC = estimate_joint(found.probabilities, labels_N)
    precision = None
    if plant > 0:  # plant further flips, score again, and learn from where they land
        transition_CC = row_shares(joint_CC)
        right_N = probably_right(found, labels_N, transition_CC)
        planted = plant_flips(
            labels_N, transition_CC, plant, right_N=right_N, keep=folds, seed=seed
        )
        if planted.flipped.sum() >= _MIN_PLANTED:
            doubt_again_N = score(planted.labels).doubt
            precision = read_precision(found.doubt, doubt_again_N, planted.flipped, seed=seed)
            joint_CC = with_noise_rate(joint_CC, float(precision.precision[0]))
    right_C, given_C = joint_CC.diagonal(), joint_CC.sum(axis=0)
    return Audit(
        files=tuple(files),
        class_names=tuple(class_names),
        labels=labels_N,
        scores=found,
        transition=row_shares(joint_CC),
        noise_rate=max(0.0, float(1 - right_C.sum())),  # rounding takes it below 0
        class_noise=(1 - right_C / given_C).clip(0, 1),
        precision=precision,
    )


def check_settings(
    backbone: str, folds: int, plant: float, device: str = "cpu", seed: int = 0
) -> None:
    """Refuse, before any work is done, what an audit cannot be made with.

    Raises:
        ValueError: the backbone has no pretrained weights, or an argument is out of range.
    """
    networks.check(backbone, device, pretrained=True)
    _check_numbers(folds, plant, seed)


def _check_numbers(folds: int, plant: float, seed: int) -> None:
    if not is_whole(folds, 2):
        raise ValueError(f"folds is {folds}; it must be at least 2.")
    check_seed(seed, 2**32 - 1)
    if not is_number(plant, 0, 0.5):
        raise ValueError(f"plant is {plant}; give a share of the images in [0, 0.5].")


def _check_classes(labels_N: Labels, class_names: Sequence[str], folds: int) -> None:
    counts_C = np.bincount(labels_N, minlength=len(class_names))
    check_folds(dict(zip(class_names, counts_C.tolist(), strict=True)), folds)
