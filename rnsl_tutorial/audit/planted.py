"""How many of the doubtful labels are wrong? Flips that are planted tell.

Nobody knows the wrong labels of an archive, so nobody can count how many of them the ranking finds.
But those that we plant ourselves are known: from where they land when the archive is scored again
we learn what share of the images on top is wrong.

Shapes: N images, C classes, T thresholds of doubt, M planted flips, R resamples.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from rnsl_tutorial import noise
from rnsl_tutorial._arrays import check_seed, is_number, labels_in, takes
from rnsl_tutorial.noise import CorruptedLabels, Labels, Matrix

__all__ = ["Look", "PrecisionEstimate", "how_many", "plant_flips", "read_precision", "thresholds"]

_FLOOR = 1e-6  # below it, a share counts as none
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


@takes(labels_N="integers N", transition_CC="numbers C C", right_N="numbers N?")
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
    check_seed(seed)
    labels_N = labels_in(len(transition_CC), labels_N)
    if not is_number(share, 0, 0.5):
        raise ValueError(f"share is {share!r}; give a share of the images in (0, 0.5].")
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
    _, wrong_CC = noise.split_diagonal(transition_CC + _FLOOR)
    rate_C, counts_C = wrong_CC.sum(axis=1), np.bincount(labels_M, minlength=len(wrong_CC))
    uneven_C = (rate_C * len(labels_M) / (rate_C @ counts_C)).clip(1 / _UNEVEN, _UNEVEN)
    planted_C = np.minimum(number * uneven_C / (uneven_C @ counts_C), 0.9)
    flips_CC: Matrix = wrong_CC / rate_C[:, None] * planted_C[:, None]
    return flips_CC + np.diag(1 - flips_CC.sum(axis=1))


@takes(doubt_N="numbers N", doubt_again_N="numbers N", planted_N="bools N")
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
    check_seed(seed)
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

    drawn_RM = np.random.default_rng(seed).multinomial(  # with replacement, as many
        len(planted_M), np.full(len(planted_M), 1 / len(planted_M)), size=_RESAMPLES
    )
    resampled_RM = drawn_RM.cumsum(axis=1)
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


@takes(doubt_N="numbers N")
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
