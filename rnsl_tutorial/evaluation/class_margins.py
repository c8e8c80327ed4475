"""Which classes suffer from wrong labels: predicted from the transition matrix, then measured.

The prediction needs no training. An image lies among its neighbors, and most of them are of its
own class. So the labels around it are drawn from one row of the transition matrix M, and what
decides is the margin between the right label and the most frequent wrong one: `margins` of M.

An embedding that mixes classes up changes that: with N[i, j], the share of class j among the
neighbors of images of class i, the labels around an image of class i follow row i of N @ M.

Shapes: N images, C classes.
"""

import numpy as np
import numpy.typing as npt
import torch
from numpy.typing import NDArray
from scipy.stats import permutation_test, rankdata
from torch import nn

from rnsl_tutorial import noise
from rnsl_tutorial._arrays import array, check_seed, finite, is_number, is_whole
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.evaluation.umap import neighbors

__all__ = ["chance", "concentrate", "dominated_classes", "hits", "margins", "neighborhoods"]

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]

# ------------------------------------------------------------------ predicted


def neighborhoods(features: FeatureSet, k: int = 10) -> _Floats:
    """Return N[i, j]: of the k nearest neighbors of class i's images, the share of class j.

    Of the training images, by cosine, under their true labels; an image is no neighbor of its own.

    Args:
        features: of a data set, before any training.
        k: neighbors of an image, at least 1.

    Returns:
        float64 [C, C]; every row sums to 1.
    """
    train_N = features.split.train
    unit_ND = nn.functional.normalize(torch.from_numpy(features.features[train_N]))
    labels_N, classes = features.labels[train_N], len(features.class_names)
    found_NK = neighbors(unit_ND.numpy(), k)
    counts_CC = np.zeros((classes, classes))
    np.add.at(counts_CC, (labels_N[:, None], labels_N[found_NK]), 1.0)
    shares: _Floats = counts_CC / counts_CC.sum(axis=1, keepdims=True)
    return shares


# ------------------------------------------------------------------ margins of a matrix


def margins(shares: npt.ArrayLike) -> _Floats:
    """Return how far the right label leads: M[i, i] - max over j != i of M[i, j].

    Below 0 a wrong label leads: the class is one of `dominated_classes`.

    Args:
        shares: float [..., C, C], C at least 2: a transition matrix, or the shares of labels among
            the neighbors of each class's images; several of them where there are more dimensions.

    Returns:
        float64 [..., C], in [-1, 1].

    Raises:
        ValueError: the last two dimensions are not alike, or C is below 2.
    """
    shares_XCC = finite("shares", array("shares", shares).astype(np.float64))
    if shares_XCC.ndim < 2 or len({1, *shares_XCC.shape[-2:]}) != 2:
        raise ValueError(f"shares have shape {shares_XCC.shape}; give [C, C] with C at least 2.")
    own_CC = np.eye(shares_XCC.shape[-1], dtype=bool)
    most_XC = np.where(own_CC, -np.inf, shares_XCC).max(axis=-1)
    lead: _Floats = np.diagonal(shares_XCC, axis1=-2, axis2=-1) - most_XC
    return lead


def dominated_classes(transition: npt.ArrayLike) -> _Integers:
    """Return the classes that a single wrong label outweighs: max over j != i of M[i, j] > M[i, i].

    The images of such a class carry one wrong label more often than the right one, so no majority
    within the class can tell a learner which label is meant.

    Args:
        transition: float [C, C], rows sum to 1.

    Returns:
        int64, ascending.

    Raises:
        ValueError: transition is not a transition matrix.
    """
    right, wrong = noise.split_diagonal(noise.checked_transition(transition))
    return np.flatnonzero(wrong.max(axis=1) > right).astype(np.int64)


def concentrate(transition: npt.ArrayLike, row: int | None, amount: float) -> _Floats:
    """Send the wrong labels of a class to fewer classes, or to more; as many are wrong as before.

    With r = 1 - M[i, i], the noise rate of class i, and a = |amount|,

        M'[i, j] = (1 - a) M[i, j] + a r [j = the most frequent wrong label]    for amount > 0
        M'[i, j] = (1 - a) M[i, j] + a r / (C - 1)                              for amount < 0

    for j != i, and M'[i, i] = M[i, i]. Of equally frequent wrong labels the first counts. A class
    without wrong labels stays as it is.

    Args:
        transition: float [C, C], rows sum to 1. It stays as it is.
        row: the class i, in [0, C); None for every class.
        amount: in [-1, 1]: -1 spreads the wrong labels evenly, 0 changes nothing, 1 sends all of
            them to one class.

    Returns:
        float64 [C, C], new.

    Raises:
        ValueError: transition is no transition matrix, or row or amount out of range.
    """
    edited_CC = noise.checked_transition(transition).copy()
    num_classes = len(edited_CC)
    if row is not None and not is_whole(row, 0, num_classes - 1):
        raise ValueError(f"row is {row}; {num_classes} classes allow 0 to {num_classes - 1}.")
    if not is_number(amount, -1, 1):
        raise ValueError(f"amount is {amount}; give a number from -1 (spread) to 1 (all to one).")
    rows = slice(None) if row is None else slice(row, row + 1)
    right_C, wrong_CC = noise.split_diagonal(edited_CC)
    target_CC = np.full_like(wrong_CC, 1 / (num_classes - 1))
    if amount > 0:
        target_CC = np.eye(num_classes)[wrong_CC.argmax(axis=1)]
    mixed_CC = (1 - abs(amount)) * wrong_CC + abs(amount) * wrong_CC.sum(1)[:, None] * target_CC
    np.fill_diagonal(mixed_CC, right_C)
    edited_CC[rows] = mixed_CC[rows]
    return edited_CC


# ------------------------------------------------------------------ compared


def chance(
    predicted: npt.ArrayLike, measured: npt.ArrayLike, *, seed: int, draws: int = 9999
) -> float:
    """How often classes in random order have at least this Spearman correlation (one-sided).

    Args:
        predicted: float [C].
        measured: float [C].
        seed: of the random orders.
        draws: how many of them.

    Returns:
        The p-value, at least 1 / (draws + 1).

    Raises:
        ValueError: other shapes, values that are not finite, or seed or draws out of range.
    """
    check_seed(seed)
    if not is_whole(draws, 1, 2**24):
        raise ValueError(f"draws is {draws!r}; give a whole number from 1 to 2**24.")
    predicted_C, measured_C = map(rankdata, _pair(predicted, measured))
    tested = permutation_test(
        (predicted_C,),
        lambda shuffled, axis: (shuffled * measured_C).sum(axis=axis),  # rises with Spearman's
        permutation_type="pairings",
        vectorized=True,
        alternative="greater",
        n_resamples=draws,
        rng=np.random.default_rng(seed),
    )
    return float(tested.pvalue)


def hits(predicted: npt.ArrayLike, measured: npt.ArrayLike, top: int) -> int:
    """How many of the `top` highest predicted are among the `top` highest measured.

    Of equal values the first count.

    Raises:
        ValueError: other shapes, values that are not finite, or top below 0.
    """
    if not is_whole(top):
        raise ValueError(f"top is {top!r}; give a whole number of at least 0.")
    ranked = (np.argsort(-v, kind="stable") for v in _pair(predicted, measured))
    return len(set.intersection(*(set(order[:top]) for order in ranked)))


def _pair(predicted: npt.ArrayLike, measured: npt.ArrayLike) -> tuple[_Floats, _Floats]:
    named = {"predicted": predicted, "measured": measured}
    first, second = (
        finite(name, array(name, values).astype(np.float64)) for name, values in named.items()
    )
    if first.ndim != 1 or first.shape != second.shape or len(first) < 2:
        raise ValueError(
            f"predicted and measured have shapes {list(first.shape)} and {list(second.shape)}; "
            "give [C] each, of at least 2 classes."
        )
    return first, second
