"""Which classes are taken for which: a transition matrix, estimated from what heads think.

Shapes: N images, C classes.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnsl_tutorial import noise
from rnsl_tutorial._arrays import is_number, labels_in, takes
from rnsl_tutorial.noise import Labels, Matrix

__all__: list[str] = []

_FLOOR = 1e-6  # no class is impossible: a head that is sure can be wrong
_TINY = np.finfo(np.float32).tiny
_PRIOR = 100  # images a class that a flip to any class weighs as much as
_APART = 0.62  # of the images of two classes, so many are told right where they can be told apart
_SEEN_OF_BOTH = 20  # images of each, or chance decides
_ROUNDS = 100  # of expectation maximisation; later ones change no share by more than 0.001


@takes(probabilities_NC="shares N C", labels_N="integers N")
def estimate_joint(probabilities_NC: ArrayLike, labels_N: Labels) -> Matrix:
    """Estimate how classes and given labels occur together.

    With p_i[a] the probability out of fold that image i is of class a, the transition matrix M that
    makes the given labels y_i the most likely,

        maximize  sum_i log sum_a p_i[a] M[a, y_i]    over M with rows that sum to 1,

    is found by expectation maximisation: image i counts for class a by
    w_i[a] = p_i[a] M[a, y_i] / sum_b p_i[b] M[b, y_i], and M[a, c] is proportional to the sum of
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
    labels_N = labels_in(num_classes, labels_N)
    given_NC = np.eye(num_classes)[labels_N]
    transition_CC = np.full((num_classes, num_classes), 0.5 / num_classes)
    transition_CC += 0.5 * np.eye(num_classes)
    for _ in range(_ROUNDS):
        weights_NC = _weights(floored_NC, labels_N, transition_CC)
        joint_CC: Matrix = weights_NC.T @ given_NC / len(labels_N)
        transition_CC = row_shares(joint_CC)
    return joint_CC


@takes(probabilities_NC="shares N C", joint_CC="numbers C C")
def likely_flips(probabilities_NC: ArrayLike, joint_CC: Matrix) -> Matrix:
    """Estimate a transition matrix of what classes that look alike do not explain: float64 [C, C].

    With J of `estimate_joint`, which is given, as numbers of images, of which a share e is off the
    diagonal, and p^T p, which has as many there as if labels were drawn from p,

        M = (1 - e) I + e Q,    Q = [(J - p^T p)_+ / 2 + e (100 + N / 2 C) / (C - 1)] / row sums

    off the diagonal; rows are the class. So a flip to any class stays possible, and few images move
    the matrix little.
    """
    p_NC = np.asarray(probabilities_NC, dtype=np.float64)
    count, num_classes = p_NC.shape
    other_CC = 1 - np.eye(num_classes)
    images_CC = joint_CC * count
    rate = max(float((images_CC * other_CC).sum()) / count, _FLOOR)
    excess_CC = np.maximum(images_CC - p_NC.T @ p_NC, 0) * other_CC
    any_class = rate * (_PRIOR + count / num_classes / 2) / (num_classes - 1)
    flips_CC = row_shares(excess_CC / 2 + any_class * other_CC)
    found_CC: Matrix = rate * flips_CC + (1 - rate) * np.eye(num_classes)
    return found_CC


@takes(probabilities_NC="shares N C", joint_CC="numbers C C")
def flips_on_paper(probabilities_NC: ArrayLike, joint_CC: Matrix) -> Matrix:
    """Return of what kind wrong labels may be, at the worst: float64 [C, C], rows of sum 1, no eye.

    As `likely_flips`, but what overlap explains counts as well, as if it were wrong labels, which
    are then harder to find:

        J + 100 e Q',    Q' = half of look-alikes (p^T p), half of any class

    off the diagonal.
    """
    p_NC = np.asarray(probabilities_NC, dtype=np.float64)
    other_CC = 1 - np.eye(p_NC.shape[1])
    wrong_CC = joint_CC * len(p_NC) * other_CC
    alike_CC = row_shares(p_NC.T @ p_NC * other_CC + _FLOOR * other_CC)
    rate = max(float(wrong_CC.sum()) / len(p_NC), _FLOOR)
    found_CC: Matrix = row_shares(wrong_CC + _PRIOR * rate / 2 * (alike_CC + row_shares(other_CC)))
    return found_CC


@takes(probabilities_NC="shares N C", labels_N="integers N")
def not_told_apart(probabilities_NC: ArrayLike, labels_N: Labels) -> NDArray[np.bool_]:
    """Return which classes p cannot tell apart, bool [C, C], and each from itself.

    Of the images given a and those given b, with 20 of each at least, p prefers the given one to
    the other in less than 62%, the mean of both. Guessing does in half of them.
    """
    p_NC = np.asarray(probabilities_NC, dtype=np.float32)
    counts_C = np.bincount(labels_N, minlength=p_NC.shape[1])
    ahead_CC = np.ones((len(counts_C), len(counts_C)))
    for label in np.flatnonzero(counts_C):
        of_label_MC = p_NC[labels_N == label]
        ahead_CC[label] = (of_label_MC[:, label, None] > of_label_MC).mean(axis=0)
    enough_C = counts_C >= _SEEN_OF_BOTH
    same_CC: NDArray[np.bool_] = (ahead_CC + ahead_CC.T) / 2 < _APART
    return (same_CC & enough_C & enough_C[:, None]) | np.eye(len(counts_C), dtype=bool)


@takes(probabilities_NC="shares N C", labels_N="integers N", transition_CC="shares C C")
def log_odds(
    probabilities_NC: ArrayLike,
    labels_N: Labels,
    transition_CC: Matrix,
    same_CC: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], Labels]:
    """Return log odds that labels are wrong, float32 [N], and the likeliest classes, int64 [N].

    The odds of image i are those of `odds_of_every_label` for y_i. Its likeliest class is that of
    the largest p_i[a] M[a, y_i], and y_i instead of one that cannot be told from it.
    """
    p_NC = np.asarray(probabilities_NC, dtype=np.float64)
    labels_N = labels_in(p_NC.shape[1], labels_N)
    if len(labels_N) != len(p_NC) or len(transition_CC) != p_NC.shape[1]:
        raise ValueError(
            f"labels_N are {list(labels_N.shape)} and transition_CC {list(transition_CC.shape)}; "
            f"p of {len(p_NC)} images and {p_NC.shape[1]} classes need as many."
        )
    same_CC = np.eye(p_NC.shape[1], dtype=bool) if same_CC is None else same_CC
    rows = np.arange(len(labels_N))
    odds_N = odds_of_every_label(p_NC, transition_CC, same_CC)[rows, labels_N]
    weights_NC = (p_NC + _TINY) * transition_CC.T[labels_N]
    likeliest_N = weights_NC.argmax(axis=1)
    keeps_N = same_CC[labels_N, likeliest_N]
    keeps_N |= weights_NC[rows, labels_N] >= weights_NC[rows, likeliest_N]
    return odds_N.astype(np.float32), np.where(keeps_N, labels_N, likeliest_N)


def odds_of_every_label(p_NC: Matrix, transition_CC: Matrix, same_CC: NDArray[np.bool_]) -> Matrix:
    """Return the log odds that label c of image i would be wrong, float64 [N, C].

    They are sum_{a not in S} p_i[a] M[a, c] : sum_{a in S} p_i[a] M[a, c], where S are c and the
    classes that cannot be told from it (`not_told_apart`): a label is not doubted for another that
    nobody could tell from it.
    """
    wrong_NC, right_NC = ((p_NC + _TINY) @ (transition_CC * of) for of in (~same_CC, same_CC))
    odds_NC: Matrix = np.log(wrong_NC + 1e-300) - np.log(right_NC + 1e-300)
    return odds_NC


@takes(joint_CC="numbers C C")
def row_shares(joint_CC: Matrix) -> Matrix:
    """Divide each row by its sum; a class without any image keeps its label."""
    sums_C = joint_CC.sum(axis=1)
    filled_CC = np.where(sums_C[:, None] > 0, joint_CC, np.eye(len(joint_CC)))
    rows_CC: Matrix = filled_CC / filled_CC.sum(axis=1, keepdims=True)
    return rows_CC


@takes(joint_CC="numbers C C")
def with_noise_rate(joint_CC: Matrix, rate: float) -> Matrix:
    """Scale the wrong shares so that they add up to a rate; columns keep their sums."""
    if not is_number(rate, 0, 1):
        raise ValueError(f"rate is {rate!r}; give a share of wrong labels in [0, 1].")
    given_C = joint_CC.sum(axis=0)
    _, wrong_CC = noise.split_diagonal(joint_CC)
    wrong_CC *= rate / max(wrong_CC.sum(), _FLOOR)
    wrong_CC *= np.minimum(1, given_C / np.maximum(wrong_CC.sum(axis=0), _FLOOR))
    scaled_CC: Matrix = wrong_CC + np.diag(given_C - wrong_CC.sum(axis=0))
    return scaled_CC


def _weights(probabilities_NC: Matrix, labels_N: Labels, transition_CC: Matrix) -> Matrix:
    """How likely each class is, given the image and its label: w of `estimate_joint`, [N, C]."""
    weights_NC: Matrix = probabilities_NC * transition_CC.T[labels_N]
    weights_NC /= np.maximum(weights_NC.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return weights_NC
