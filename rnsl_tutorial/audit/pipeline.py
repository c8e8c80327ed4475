"""An audit from end to end: images, features, doubts, confused classes, precision.

Shapes: N images, C classes, F features.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from rnsl_tutorial._arrays import check_seed, is_whole, labels_in, takes
from rnsl_tutorial.audit import _evidence, scores
from rnsl_tutorial.audit._duplicates import near_duplicates
from rnsl_tutorial.audit._transition import estimate_joint, row_shares, with_noise_rate
from rnsl_tutorial.audit.estimate import PrecisionEstimate, estimate_precision
from rnsl_tutorial.audit.scores import Scores
from rnsl_tutorial.datasets.archives import Archive, Reading, check_folds, load_archive
from rnsl_tutorial.datasets.features import cached_features
from rnsl_tutorial.noise import Labels
from rnsl_tutorial.training import networks

if TYPE_CHECKING:
    from rnsl_tutorial.audit.decisions import Decided

__all__ = [
    "Audit",
    "archive_features",
    "audit_archive",
    "audit_features",
    "audit_folder",
    "check_settings",
]

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
        precision: how many of the doubtful labels are wrong.
        digests: hashes of the N files, see `datasets.Archive`; empty where they are not known.
        duplicates: int64 [P, 2], pairs of images that look the same and have different labels, the
            most alike first.
        skipped: files that were passed over, and why.
        notes: remarks about how the images were read.
    """

    files: tuple[str, ...]
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    scores: Scores
    transition: NDArray[np.float64]
    noise_rate: float
    class_noise: NDArray[np.float64]
    precision: PrecisionEstimate
    digests: tuple[str, ...] = ()
    duplicates: NDArray[np.int64] = np.empty((0, 2), np.int64)
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def ranking(self) -> NDArray[np.int64]:
        """Return int64 [N], the images from the most doubtful to the least."""
        return np.argsort(-self.scores.log_odds, kind="stable").astype(np.int64)


def audit_folder(
    root: str | Path,
    *,
    reading: Reading | None = None,
    backbone: str = "efficientnet_lite0",
    size: int = 150,
    folds: int = 3,
    seed: int = 0,
    device: str = "cpu",
    cache: Path | None = None,
    progress: bool = True,
) -> Audit:
    """Audit the labels of an archive on disk: the names of its class folders, or those of a table.

    The archive is only read. Its pixels and features stay in the cache, so a second audit takes
    seconds before the heads are trained.

    Args:
        root: folder of class folders, or a tar or zip of one; see `datasets.load_archive`.
        reading: how the archive is read, and where its labels are.
        backbone: one with pretrained weights, see `training.networks.create`.
        size: of the images in pixels, when the backbone sees them.
        folds: parts of the archive; each is judged by heads trained on the others.
        seed: of folds and heads.
        device: on which features are extracted, as torch names it.
        cache: folder for pixels and features; default the cache folder.
        progress: show bars.

    Raises:
        FileNotFoundError: ``root`` does not exist.
        ValueError: an archive that cannot be loaded, a class with fewer images than folds, or an
            argument out of range.
        OSError: the cache cannot be written.
    """
    check_settings(backbone, folds, device, seed)
    how = reading or Reading()
    archive = load_archive(root, size, how, cache=cache, progress=progress, folds=folds)
    return audit_archive(
        archive, backbone=backbone, folds=folds, seed=seed, device=device,
        cache=cache, progress=progress,
    )  # fmt: skip


def audit_archive(
    archive: Archive,
    *,
    decided: "Decided | None" = None,
    backbone: str = "efficientnet_lite0",
    features: NDArray[np.float32] | None = None,
    folds: int = 3,
    seed: int = 0,
    device: str = "cpu",
    cache: Path | None = None,
    progress: bool = True,
) -> Audit:
    """Audit the labels of a loaded archive; see `audit_folder`.

    With what somebody has ``decided``, see `decide`, the audit is of the images that are undecided
    (the places ``decided.undecided()`` of the archive): those that were decided are trained with,
    by their decided labels, and those that were discarded are left out.

    Instead of the backbone's, features [N, F] of one's own can be given, such as
    `datasets.read_features` returns.

    Raises:
        ValueError: all images are decided; or see `audit_folder`.
    """
    check_settings(backbone, folds, device, seed)
    judged_M, trusted_M, labels_N, names = _parts(archive, decided)
    _check_classes(labels_N[np.concatenate([judged_M, trusted_M])], names, folds)
    features_NF = features
    if features_NF is None:
        features_NF = archive_features(
            archive, backbone, device=device, cache=cache, progress=progress
        )
    trusted = None
    if decided is not None:
        trusted = features_NF[trusted_M], labels_N[trusted_M]
        features_NF, labels_N = features_NF[judged_M], labels_N[judged_M]
    heads = _evidence.repeats_for(len(judged_M) + len(trusted_M)) * folds
    with tqdm(total=heads, desc="Training", unit="head", disable=not progress) as bar:

        def advance() -> None:
            bar.update()

        found = audit_features(
            features_NF, labels_N, names, [archive.files[i] for i in judged_M],
            trusted=trusted, folds=folds, seed=seed, on_fit=advance,
        )  # fmt: skip
    digests = tuple(archive.digests[i] for i in judged_M) if archive.digests else ()
    duplicates = near_duplicates(features_NF, labels_N, seed=seed)
    return found._replace(
        digests=digests, duplicates=duplicates, skipped=archive.skipped, notes=archive.notes
    )


def _parts(
    archive: Archive, decided: "Decided | None"
) -> tuple[NDArray[np.int64], NDArray[np.int64], Labels, tuple[str, ...]]:
    """Return the places of the images to judge and to trust, and all labels, in classes in use."""
    if decided is None:
        return (
            np.arange(len(archive.files)),
            np.empty(0, np.int64),
            archive.labels,
            archive.class_names,
        )
    judged_M, trusted_M = decided.undecided(), decided.trusted()
    if not len(judged_M):
        raise ValueError(
            f"All {len(archive.files):,} images of the archive are decided: nothing is left to "
            "audit. `rnsl apply` makes a copy with the decided labels."
        )
    used = np.unique(decided.labels[np.concatenate([judged_M, trusted_M])])
    names = sorted(decided.class_names[label] for label in used)
    place = {name: label for label, name in enumerate(names)}
    new_C = np.array([place.get(name, -1) for name in decided.class_names], np.int64)
    return judged_M, trusted_M, new_C[decided.labels], tuple(names)


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
    trusted: tuple[NDArray[np.float32], Labels] | None = None,
    folds: int = 3,
    seed: int = 0,
    on_fit: Callable[[], None] | None = None,
) -> Audit:
    """Audit labels, given the features of the images.

    Args:
        features_NF: float32 [N, F] of a frozen backbone.
        labels_N: int64 [N] in [0, C), possibly wrong.
        class_names: C names.
        files: N names.
        trusted: features and labels of further images, which are trained with and not judged. Then
            nothing is said of how many of the rest are wrong: those that are the easiest to find
            are decided, and no flip on paper is as hard as what is left.
        folds: at least 2; every class needs as many images.
        seed: of folds and heads.
        on_fit: called whenever a head is trained: `_evidence.repeats_for` x folds times.

    Raises:
        ValueError: a class with fewer images than folds, or an argument out of range.
    """
    _check_numbers(folds, seed)
    labels_N = labels_in(len(class_names), labels_N)
    more = labels_N[:0]
    if trusted:
        more = labels_in(len(class_names), trusted[1])
        features_NF = np.concatenate([features_NF, trusted[0]])
    _check_classes(np.concatenate([labels_N, more]), class_names, folds)

    found = scores.score_labels(
        features_NF, np.concatenate([labels_N, more]), len(class_names), folds=folds, seed=seed,
        on_fit=on_fit,
    )  # fmt: skip
    count = len(labels_N)
    found = Scores(
        found.doubt[:count], found.suggested[:count], found.probabilities[:count],
        found.log_odds[:count],
    )  # fmt: skip
    joint_CC = estimate_joint(found.probabilities, labels_N)
    precision = estimate_precision(found, labels_N, joint_CC)
    if trusted:
        precision = precision.withheld()
    joint_CC = with_noise_rate(joint_CC, float(precision.precision[0]))
    few_C = np.bincount(labels_N, minlength=len(class_names)) < _evidence.FEW
    joint_CC = np.where(few_C | few_C[:, None], np.diag(joint_CC.sum(axis=0)), joint_CC)
    right_C, given_C = joint_CC.diagonal(), joint_CC.sum(axis=0)
    return Audit(
        files=tuple(files),
        class_names=tuple(class_names),
        labels=labels_N,
        scores=found,
        transition=row_shares(joint_CC),
        noise_rate=max(0.0, float(1 - right_C.sum())),  # rounding takes it below 0
        class_noise=((given_C - right_C) / np.maximum(given_C, 1e-12)).clip(0, 1),
        precision=precision,
    )


def check_settings(backbone: str, folds: int, device: str = "cpu", seed: int = 0) -> None:
    """Refuse, before any work is done, what an audit cannot be made with.

    Raises:
        ValueError: the backbone has no pretrained weights, or an argument is out of range.
    """
    networks.check(backbone, device, pretrained=True)
    _check_numbers(folds, seed)


def _check_numbers(folds: int, seed: int) -> None:
    if not is_whole(folds, 2):
        raise ValueError(f"folds is {folds}; it must be at least 2.")
    check_seed(seed, 2**32 - 1)


def _check_classes(labels_N: Labels, class_names: Sequence[str], folds: int) -> None:
    counts_C = np.bincount(labels_N, minlength=len(class_names))
    check_folds(dict(zip(class_names, counts_C.tolist(), strict=True)), folds)
