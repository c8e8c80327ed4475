"""Which labels of an archive are wrong? Ranks them by doubt, and says how far to trust the ranking.

Nobody knows the wrong labels of an archive, so nobody can count how many the ranking finds. But
wrong labels that we plant ourselves are known. This module plants some, scores the archive again,
and learns from where they land in the ranking what share of the images on top is wrong.

Shapes: N images, C classes, F features, T thresholds of doubt, M planted flips, R resamples.
"""

import csv
import errno
import os
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression
from tqdm.auto import tqdm

from rnsl_tutorial import noise
from rnsl_tutorial._files import written_whole
from rnsl_tutorial._spreadsheet import guarded, original
from rnsl_tutorial.audit import scores as doubt
from rnsl_tutorial.datasets.archives import Archive, load_archive
from rnsl_tutorial.datasets.features import cached_features
from rnsl_tutorial.noise import CorruptedLabels, Labels, Matrix
from rnsl_tutorial.training import networks as backbones

MIN_PLANTED = 10
"""With fewer planted flips nothing is said about precision."""
COLUMNS = ("rank", "file", "given", "suggested", "doubt", "p_given", "p_suggested")

_NAMES = ("file", "given", "suggested")  # columns that hold names of the archive
_BATCH = 32  # images: larger ones take more memory, and are no faster on a CPU
_ROUNDS = 100  # of expectation maximisation; later ones change no share by more than 0.001
_FLOOR = 1e-6  # no class is impossible: a head that is sure can be wrong
_UNEVEN = 3  # no class is planted on more than 3 times as often as the average, or 3 times less
_ENOUGH = 100  # the noise rate is read where so many of the planted are found, or half of them
_RESAMPLES = 400
_Z = 1.645  # standard deviations to the 5th and the 95th percentile
_THRESHOLDS = 120
_INTERVAL = (5, 95)  # percentiles


class PrecisionEstimate(NamedTuple):
    """How many of the doubtful images are wrong, as planted flips tell it.

    At threshold 0 every image is flagged, so precision, low and high are there the share of wrong
    labels in the archive.

    Attributes:
        thresholds: float64 [T], ascending from 0, of doubt; see `thresholds`.
        flagged: int64 [T], images whose doubt is at least the threshold; none is 0.
        precision: float64 [T] in [0, 1], estimated share of the flagged that are wrong.
        recall: float64 [T] in [0, 1], share of the planted flips that are found.
        planted: M, the number of planted flips.
        low: float64 [T], lower end of an interval for the precision ...
        high: float64 [T], ... and its upper end; see `read_precision` for what it covers.
    """

    thresholds: NDArray[np.float64]
    flagged: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    planted: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]


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
    scores: doubt.Scores
    transition: NDArray[np.float64]
    noise_rate: float
    class_noise: NDArray[np.float64]
    precision: PrecisionEstimate | None

    def ranking(self) -> NDArray[np.int64]:
        """Return int64 [N], the images from the most doubtful to the least."""
        return np.argsort(-self.scores.doubt, kind="stable").astype(np.int64)


# ------------------------------------------------------------------ auditing


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
        backbone: one of `backbones.names(pretrained=True)`.
        size: of the images in pixels, when the backbone sees them.
        folds: parts of the archive; each is judged by heads trained on the others.
        seed: of folds, heads and planted flips.
        plant: share of the images to plant a flip on, in [0, 0.5]; 0 for no estimate of precision.
        device: on which features are extracted, as torch names it.
        cache: folder for pixels and features; default ``paths.cache_dir()``.
        progress: show bars.

    Raises:
        FileNotFoundError: ``root`` does not exist.
        ValueError: an archive that cannot be loaded, a class with fewer images than folds, or an
            argument out of range.
        OSError: the cache cannot be written.
    """
    check_settings(backbone, folds, plant, device)
    archive = load_archive(root, size, cache=cache, progress=progress)
    return audit_archive(
        archive, backbone=backbone, folds=folds, seed=seed, plant=plant, device=device,
        cache=cache, progress=progress,
    )  # fmt: skip


def audit_archive(
    archive: Archive,
    *,
    backbone: str = "efficientnet_lite0",
    folds: int = 3,
    seed: int = 0,
    plant: float = 0.05,
    device: str = "cpu",
    cache: Path | None = None,
    progress: bool = True,
) -> Audit:
    """Audit the labels of a loaded archive; see `audit_folder`."""
    check_settings(backbone, folds, plant, device)
    _check_classes(archive.labels, archive.class_names, folds)
    features_NF = archive_features(archive, backbone, device=device, cache=cache, progress=progress)
    with tqdm(
        total=num_fits(folds, plant), desc="Training", unit="head", disable=not progress
    ) as bar:

        def advance() -> None:
            bar.update()

        return audit_features(
            features_NF, archive.labels, archive.class_names, archive.files,
            folds=folds, seed=seed, plant=plant, on_fit=advance,
        )  # fmt: skip


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
        on_fit: called `num_fits` times, whenever a head is trained.

    Raises:
        ValueError: a class with fewer images than folds, or an argument out of range.
    """
    _check_numbers(folds, plant)
    _check_classes(labels_N, class_names, folds)
    scores = doubt.score_labels(
        features_NF, labels_N, len(class_names), folds=folds, seed=seed, on_fit=on_fit
    )
    joint_CC = estimate_joint(scores.probabilities, labels_N)
    precision = None
    if plant > 0:
        precision = estimate_precision(
            features_NF, labels_N, scores, _rows(joint_CC),
            folds=folds, seed=seed, plant=plant, on_fit=on_fit,
        )  # fmt: skip
    if precision:
        joint_CC = _with_noise_rate(joint_CC, float(precision.precision[0]))
    right_C, given_C = joint_CC.diagonal(), joint_CC.sum(axis=0)
    return Audit(
        files=tuple(files),
        class_names=tuple(class_names),
        labels=labels_N,
        scores=scores,
        transition=_rows(joint_CC),
        noise_rate=max(0.0, float(1 - right_C.sum())),  # rounding takes it below 0
        class_noise=(1 - right_C / given_C).clip(0, 1),
        precision=precision,
    )


def num_fits(folds: int, plant: float) -> int:
    """Return how often `audit_features` calls on_fit."""
    return doubt.num_fits(folds) * (1 + (plant > 0))


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
        backbone: one of `backbones.names(pretrained=True)`.
        device: as torch names it.
        cache: folder; default ``paths.cache_dir()``.
        progress: show a bar.
    """
    return cached_features(
        archive.images, backbones.create(backbone), batch_size=_BATCH, device=device, cache=cache,
        progress=progress,
    )  # fmt: skip


# ------------------------------------------------------------------ which labels are confused


def estimate_joint(probabilities_NC: ArrayLike, labels_N: Labels) -> Matrix:
    """Estimate how classes and given labels occur together.

    With p_i[a] the probability out of fold that image i is of class a, the transition matrix T that
    makes the given labels y_i the most likely,

        maximize  sum_i log sum_a p_i[a] T[a, y_i]    over T with rows that sum to 1,

    is found by expectation maximisation: image i counts for class a by
    w_i[a] = p_i[a] T[a, y_i] / sum_b p_i[b] T[b, y_i], and T[a, c] is proportional to the sum of
    w_i[a] over the images given c.

    Args:
        probabilities_NC: float [N, C], rows sum to 1.
        labels_N: int64 [N] in [0, C).

    Returns:
        float64 [C, C]: shares of all images, rows the estimated class, columns the given label.
        Columns sum to the share of each given label.
    """
    floored_NC = np.asarray(probabilities_NC, dtype=np.float64) + _FLOOR
    num_classes = floored_NC.shape[1]
    given_NC = np.eye(num_classes)[labels_N]
    transition_CC = np.full((num_classes, num_classes), 0.5 / num_classes)
    transition_CC += 0.5 * np.eye(num_classes)
    for _ in range(_ROUNDS):
        weights_NC = _weights(floored_NC, labels_N, transition_CC)
        joint_CC: Matrix = weights_NC.T @ given_NC / len(labels_N)
        transition_CC = _rows(joint_CC)
    return joint_CC


def _weights(probabilities_NC: Matrix, labels_N: Labels, transition_CC: Matrix) -> Matrix:
    """How likely each class is, given the image and its label: w of `estimate_joint`, [N, C]."""
    weights_NC: Matrix = probabilities_NC * transition_CC.T[labels_N]
    weights_NC /= weights_NC.sum(axis=1, keepdims=True)
    return weights_NC


def probably_right(scores: doubt.Scores, labels_N: Labels, transition_CC: Matrix) -> Matrix:
    """Return float64 [N], how likely each given label is right: w_i[y_i] of `estimate_joint`."""
    floored_NC = scores.probabilities.astype(np.float64) + _FLOOR
    weights_NC = _weights(floored_NC, labels_N, transition_CC)
    right_N: Matrix = weights_NC[np.arange(len(labels_N)), labels_N]
    return right_N


def _rows(joint_CC: Matrix) -> Matrix:
    """Divide each row by its sum; a class without any image keeps its label."""
    sums_C = joint_CC.sum(axis=1)
    filled_CC = np.where(sums_C[:, None] > 0, joint_CC, np.eye(len(joint_CC)))
    rows_CC: Matrix = filled_CC / filled_CC.sum(axis=1, keepdims=True)
    return rows_CC


def _with_noise_rate(joint_CC: Matrix, rate: float) -> Matrix:
    """Scale the wrong shares so that they add up to a rate; columns keep their sums."""
    given_C = joint_CC.sum(axis=0)
    wrong_CC = _without_diagonal(joint_CC)
    wrong_CC *= rate / max(wrong_CC.sum(), _FLOOR)
    wrong_CC *= np.minimum(1, given_C / np.maximum(wrong_CC.sum(axis=0), _FLOOR))
    scaled_CC: Matrix = wrong_CC + np.diag(given_C - wrong_CC.sum(axis=0))
    return scaled_CC


def _without_diagonal(matrix_CC: Matrix) -> Matrix:
    return matrix_CC * (1 - np.eye(len(matrix_CC)))


# ------------------------------------------------------------------ how many of them are wrong


def plant_flips(
    labels_N: Labels,
    transition_CC: Matrix,
    share: float,
    *,
    right_N: NDArray[np.float64] | None = None,
    keep: int,
    seed: int,
) -> CorruptedLabels:
    """Make further labels wrong, as the wrong ones of an estimated transition matrix are.

    A class that is wrong more often gets more of them, within limits, and the new labels follow the
    off-diagonal part of its row. An image that has a wrong label already should get no second one:
    it would be easier to find than a first one, or right again.

    Args:
        labels_N: int64 [N]. They stay as they are.
        transition_CC: float64 [C, C], rows sum to 1.
        share: of the images, in (0, 0.5]. There are fewer where too few labels are right.
        right_N: float64 [N], how likely each label is right: the chance of an image to be a
            candidate; None if all are right.
        keep: so many images of each class keep their labels, even where fewer flips are planted.
        seed: of the random stream.
    """
    # not the stream of `noise`: the same seed may have drawn the labels that are wrong already
    rng = np.random.default_rng([seed, 1])
    is_right_N = rng.random(len(labels_N)) < (1 if right_N is None else right_N)
    candidates = np.flatnonzero(is_right_N)
    new_N = labels_N.copy()
    if len(candidates):
        flips_CC = _flips(labels_N[candidates], transition_CC, share * len(labels_N))
        drawn = noise.corrupt_labels(
            labels_N[candidates], flips_CC, int(rng.integers(2**31)), method="exact"
        )
        new_N[candidates] = drawn.labels
    for label, count in enumerate(np.bincount(labels_N)):
        flipped = np.flatnonzero((new_N != labels_N) & (labels_N == label))
        new_N[flipped[max(count - keep, 0) :]] = label
    return CorruptedLabels(new_N, new_N != labels_N)


def _flips(labels_M: Labels, transition_CC: Matrix, number: float) -> Matrix:
    """A transition matrix that flips about so many of these labels."""
    wrong_CC = _without_diagonal(transition_CC + _FLOOR)
    rate_C, counts_C = wrong_CC.sum(axis=1), np.bincount(labels_M, minlength=len(wrong_CC))
    uneven_C = (rate_C * len(labels_M) / (rate_C @ counts_C)).clip(1 / _UNEVEN, _UNEVEN)
    planted_C = np.minimum(number * uneven_C / (uneven_C @ counts_C), 0.9)
    flips_CC: Matrix = wrong_CC / rate_C[:, None] * planted_C[:, None]
    return flips_CC + np.diag(1 - flips_CC.sum(axis=1))


def estimate_precision(
    features_NF: NDArray[np.float32],
    labels_N: Labels,
    scores: doubt.Scores,
    transition_CC: Matrix,
    *,
    folds: int = 3,
    seed: int = 0,
    plant: float = 0.05,
    on_fit: Callable[[], None] | None = None,
) -> PrecisionEstimate | None:
    """Plant further flips, score again, and learn from where they land; see `read_precision`.

    Args:
        features_NF: float32 [N, F].
        labels_N: int64 [N], the given labels.
        scores: of these labels, without planted flips.
        transition_CC: float64 [C, C], estimated; what is planted looks like it.
        folds: as for the scores.
        seed: of folds, heads and planted flips.
        plant: share of the images, in (0, 0.5].
        on_fit: called whenever a head is trained.

    Returns:
        None if fewer than `MIN_PLANTED` flips could be planted.
    """
    right_N = probably_right(scores, labels_N, transition_CC)
    planted = plant_flips(labels_N, transition_CC, plant, right_N=right_N, keep=folds, seed=seed)
    if planted.flipped.sum() < MIN_PLANTED:
        return None
    again = doubt.score_labels(
        features_NF, planted.labels, len(transition_CC), folds=folds, seed=seed, on_fit=on_fit
    )
    return read_precision(scores.doubt, again.doubt, planted.flipped, seed=seed)


def read_precision(
    doubt_N: NDArray[np.float32],
    doubt_again_N: NDArray[np.float32],
    planted_N: NDArray[np.bool_],
    *,
    seed: int = 0,
) -> PrecisionEstimate:
    """Estimate the share of wrong labels among the most doubtful images.

    Say the second run doubts the share r(K) of the planted flips as much as the K most doubtful of
    the other images. If wrong labels are found as planted ones are, and there are W of them, all
    among the others, then W r(K) of the K are wrong, and

        precision(K) = W r(K) / K <= 1.

    So W <= K / r(K) for every K, and W is estimated by the least of these bounds, as in learning
    from positive and unlabelled data (best bin estimation: Garg et al., "Mixture Proportion
    Estimation and PU Learning: A Modern Approach", NeurIPS 2021). "Least" is judged by the
    ends of Wilson's intervals, the upper one for K and the lower one for r, so that few images by
    chance on top do not decide. The precisions are then brought into rising order (isotonic
    regression), since among the most doubtful they rest on few planted flips.

    The second run ranks a little worse than the first, since more labels are wrong. It is therefore
    only compared with itself; what the first run flags enters by its number K alone.

    Low and high come from resampling the planted flips: the estimate plus or minus the larger of
    its distances from the 5th and the 95th percentile, since the least of many bounds tends to be
    too low. They say how far other flips, planted in the same way, would move the estimate, and
    nothing about wrong labels that are easier or harder to see than planted ones.

    Args:
        doubt_N: float [N] in [0, 1], of the given labels.
        doubt_again_N: float [N] in [0, 1], with the planted flips.
        planted_N: bool [N], which labels are planted; at least one.
        seed: of the resampling.
    """
    others = np.sort(doubt_again_N[~planted_N])[::-1]
    planted_M = np.sort(doubt_again_N[planted_N])[::-1]
    thresholds_T, flagged_T = thresholds(doubt_N)
    last_T = np.minimum(flagged_T, len(others)) - 1
    found_T = _at_least(planted_M, others[last_T])
    # as a share of the others, among whom are all wrong labels; more where doubts tie
    share_T = np.maximum(_at_least(others, others[last_T]), flagged_T) / len(others)

    share_M = np.maximum(_at_least(others, planted_M), 1) / len(others)
    found_1M = np.arange(1, len(planted_M) + 1)[None]
    rate = _noise_rate(found_1M / len(planted_M), share_M, len(others))[0]
    recall_T = found_T / len(planted_M)

    resampled_RM = _resampled(len(planted_M), seed).cumsum(axis=1)
    rate_R = _noise_rate(resampled_RM / len(planted_M), share_M, len(others))
    recall_RT = np.pad(resampled_RM, ((0, 0), (1, 0)))[:, found_T] / len(planted_M)
    precision_RT = [
        _rising(rate * recall_T / share_T, found_T)
        for rate, recall_T in zip(rate_R, recall_RT, strict=True)
    ]
    precision_T = _rising(rate * recall_T / share_T, found_T)
    low_T, high_T = np.percentile(precision_RT, _INTERVAL, axis=0)
    unseen = _Z**2 / (len(planted_M) + _Z**2)  # of the wrong, even if all planted ones are found
    wide_T = np.maximum.reduce([precision_T - low_T, high_T - precision_T, unseen * precision_T])
    return PrecisionEstimate(
        thresholds_T,
        flagged_T,
        precision_T,
        recall_T,
        len(planted_M),
        low=np.maximum(precision_T - wide_T, 0),
        high=np.minimum(precision_T + wide_T, 1),
    )


def thresholds(doubt_N: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return thresholds of doubt, ascending from 0, and how many images lie at or above each.

    The thresholds are the doubts at ranks in even ratios, since doubts crowd near 0 and 1.
    """
    ascending_N = np.sort(doubt_N.astype(np.float64))
    ranks = np.rint(np.geomspace(1, len(ascending_N), _THRESHOLDS)).astype(np.int64)
    thresholds_T = np.union1d([0.0], ascending_N[-ranks])
    flagged_T = len(ascending_N) - np.searchsorted(ascending_N, thresholds_T)
    return thresholds_T, flagged_T.astype(np.int64)


def _at_least(descending: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Count for each value the entries that are not below it."""
    return len(descending) - np.searchsorted(descending[::-1], values).astype(np.int64)


def _rising(precision_T: NDArray[np.float64], found_T: NDArray[np.int64]) -> NDArray[np.float64]:
    """The nearest precision that does not fall as the threshold rises, and is at most 1."""
    return np.asarray(isotonic_regression(precision_T, weights=found_T + 1).x).clip(0, 1)


def _noise_rate(recall_RM: Matrix, share_M: Matrix, others: int) -> Matrix:
    """The least bound share / recall of each row, float64 [R]; shares are of so many others."""
    planted = recall_RM.shape[1]
    lower_RM = np.maximum(_wilson(recall_RM, planted, -_Z), _FLOOR)
    enough = min(_ENOUGH / planted, 0.5)
    bound_RM = np.where(recall_RM >= enough, _wilson(share_M, others, _Z) / lower_RM, np.inf)
    best_R1 = bound_RM.argmin(axis=1)[:, None]
    recall_R = np.take_along_axis(recall_RM, best_R1, axis=1)[:, 0]
    rate_R: Matrix = np.minimum(share_M[best_R1[:, 0]] / recall_R, 1.0)
    return rate_R


def _wilson(share: Matrix, count: int, z: float) -> Matrix:
    """End of Wilson's interval for a share of ``count`` draws: the lower one for z below 0."""
    middle = share + z**2 / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    end: Matrix = (middle + half) / (1 + z**2 / count)
    return end


def _resampled(count: int, seed: int) -> NDArray[np.int64]:
    """How often each of ``count`` is drawn when as many are drawn with replacement, [R, count]."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)


class Look(NamedTuple):
    """How many images to look at, for at least a certain share of wrong ones among them.

    Attributes:
        precision: the share.
        images: how many of the most doubtful.
        threshold: the doubt from which on they are.
        found: estimated share of all wrong labels that is among them.
    """

    precision: float
    images: int
    threshold: float
    found: float


def how_many(
    estimate: PrecisionEstimate, levels: Sequence[float] = (0.9, 0.75, 0.5, 0.25)
) -> list[Look]:
    """Return for each share how many of the most doubtful images have it; none if too few do."""
    looks = []
    for level in levels:
        reached = np.flatnonzero(estimate.precision >= level)
        if len(reached):
            at = int(reached[0])
            values = (estimate.flagged[at], estimate.thresholds[at], estimate.recall[at])
            looks.append(Look(level, int(values[0]), float(values[1]), float(values[2])))
    return looks


# ------------------------------------------------------------------ the list


def write_csv(path: Path, audit: Audit) -> None:
    """Write all images, the most doubtful first; columns as in `COLUMNS`.

    A name that a spreadsheet would take for a formula has an apostrophe in front; `read_csv` takes
    it away.

    Raises:
        OSError: the file cannot be written; nothing half-written is kept.
    """
    with written_whole(path) as file:
        file.write(csv_bytes(audit))


def csv_bytes(audit: Audit) -> bytes:
    """Return the list of all images as CSV in UTF-8; see `write_csv`."""
    text = StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for rank, i in enumerate(audit.ranking(), start=1):
        given, suggested = audit.labels[i], audit.scores.suggested[i]
        chances = audit.scores.probabilities[i, [given, suggested]]
        names = (audit.files[i], *(audit.class_names[label] for label in (given, suggested)))
        numbers = [f"{value:.4f}" for value in (audit.scores.doubt[i], *chances)]
        table.writerow([rank, *map(guarded, names), *numbers])
    return text.getvalue().encode("utf-8", "surrogateescape")  # as the file system has the name


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a list that `write_csv` wrote, or the decisions that its page downloads.

    Returns:
        A dict for each row, from column to text; names are those in the archive.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file has no column "file".
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
        reader = csv.DictReader(opened, restval="")  # a spreadsheet may cut empty cells off
        columns, rows = reader.fieldnames, list(reader)
    if not columns or "file" not in columns:
        raise ValueError(f"{path} has no column 'file'; give a list of `rnsl audit`.")
    return [
        {name: original(cell) if name in _NAMES else cell for name, cell in row.items()}
        for row in rows
    ]


# ------------------------------------------------------------------ checks


def check_settings(backbone: str, folds: int, plant: float, device: str = "cpu") -> None:
    """Refuse, before any work is done, what an audit cannot be made with.

    Raises:
        ValueError: the backbone has no pretrained weights, or an argument is out of range.
    """
    if backbone not in backbones.names(pretrained=True):
        raise ValueError(
            f"backbone is {backbone!r}; choose one with pretrained weights: "
            f"{', '.join(backbones.names(pretrained=True))}."
        )
    backbones.check(backbone, device)
    _check_numbers(folds, plant)


def check_outputs(root: Path, *outputs: Path, overwrite: bool = False) -> None:
    """Refuse files that could not be written in the end, or that would touch the archive.

    Args:
        root: the archive.
        outputs: files to be written.
        overwrite: whether they may exist.

    Raises:
        ValueError: a file is in the archive, or is given twice, or exists and must not be replaced.
        OSError: its folder cannot be written to.
    """
    root = root.expanduser()  # as the data layer takes it
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise ValueError(f"{outputs[0]} is named for two outputs; give each its own name.")
    for path in outputs:
        _check_output(root, path, overwrite)


def _check_output(root: Path, path: Path, overwrite: bool) -> None:
    around = [place for place in (path.resolve(), *path.resolve().parents) if place.exists()]
    if root.exists() and any(place.samefile(root) for place in around):
        raise ValueError(
            f"{path} lies in the archive {root}, which has to stay as it is. Choose another place."
        )
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the name of a file.")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is a device or pipe, not to be replaced; name a file.")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists; choose another name, or pass --overwrite to replace it.")
    folder = next(place for place in around if place != path.resolve())
    if not folder.is_dir():
        raise ValueError(f"{path} cannot be written: {folder} is no folder.")
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, "You may not write there; choose another", str(folder))


def _check_numbers(folds: int, plant: float) -> None:
    if folds < 2:
        raise ValueError(f"folds is {folds}; it must be at least 2.")
    if not 0 <= plant <= 0.5:
        raise ValueError(f"plant is {plant}; give a share of the images in [0, 0.5].")


def _check_classes(labels_N: Labels, class_names: Sequence[str], folds: int) -> None:
    counts_C = np.bincount(labels_N, minlength=len(class_names))
    few = int(counts_C.argmin())
    if counts_C[few] < folds:
        raise ValueError(
            f"Class {class_names[few]!r} has {counts_C[few]} images; {folds} folds need at least "
            f"{folds} of each class. Add images, leave the class out, or ask for fewer folds."
        )
