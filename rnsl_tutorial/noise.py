"""Wrong labels on purpose: transition matrices, and labels corrupted by them.

A transition matrix M [C, C] gives in M[i, j] the probability that an image of class i carries the
label j. Every row sums to 1. The noise rate of class i is 1 - M[i, i].

    symmetric        every wrong class is equally likely
    pair flip        all wrong labels of a class go to the next class
    label-dependent  wrong labels go to classes that look alike (tables V and VI of the paper)

Instance-dependent noise has no single matrix: each image has its own row.

The paper is Kang et al., "Robust Normalized Softmax Loss for Deep Metric Learning-based
Characterization of Remote Sensing Images with Label Noise", IEEE TGRS 2020.

Shapes: N images, C classes, D feature dimensions.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, softmax

from rnsl_tutorial import _arrays, _files

__all__ = [
    "NOISES",
    "CorruptedLabels",
    "Labels",
    "Matrix",
    "Method",
    "checked_transition",
    "corrupt",
    "corrupt_labels",
    "instance_dependent_flips",
    "label_dependent_classes",
    "label_dependent_transition",
    "pair_flip_transition",
    "split_diagonal",
    "symmetric_transition",
    "transition_of",
]

Labels = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]
Method = Literal["reference", "vectorized", "exact"]

_MAX_FEATURE = 1e100  # sums of products with normal draws stay finite
_FLIP_SPREAD = 0.1  # standard deviation of an image's own flip probability, as published
_ROW_SUM_TOLERANCE = 1e-12  # numpy's multinomial refuses a row that sums to more than 1 + 1e-12


class CorruptedLabels(NamedTuple):
    """Labels after corruption, and where they differ from the labels before it."""

    labels: Labels  # int64 [N]
    flipped: npt.NDArray[np.bool_]  # bool [N]


# ------------------------------------------------------------------ transition matrices


def symmetric_transition(num_classes: int, rate: float) -> Matrix:
    """Every wrong class is equally likely: M[i, j] = rate / (C - 1), M[i, i] = 1 - rate.

    Args:
        num_classes: C, at least 2.
        rate: share of wrong labels, in [0, 1).

    Returns:
        float64 [C, C].

    Raises:
        ValueError: num_classes or rate out of range.
    """
    _check_num_classes(num_classes)
    _check_rate(rate)
    rate = float(rate)  # a float32 would not let the rows sum to 1
    transition = np.full((num_classes, num_classes), rate / (num_classes - 1))
    np.fill_diagonal(transition, 1.0 - rate)
    return transition


def pair_flip_transition(num_classes: int, rate: float) -> Matrix:
    """All wrong labels go to the next class: M[i, (i + 1) mod C] = rate, M[i, i] = 1 - rate.

    Above rate 0.5 every class has more labels of one wrong kind than right ones. Args, Returns,
    Raises: as for `symmetric_transition`.
    """
    _check_num_classes(num_classes)
    _check_rate(rate)
    rate = float(rate)  # a float32 would not let the rows sum to 1
    identity = np.eye(num_classes)
    return (1.0 - rate) * identity + rate * np.roll(identity, 1, axis=1)


def label_dependent_transition(dataset: str, rate: float) -> Matrix:
    """Wrong labels go to classes that look alike: M[i, j] = rate * share[i, j].

    The shares are tables V (AID) and VI (NWPU-RESISC45) of Kang et al., TGRS 2020, and one of ours
    for the procedural scenes; they lie in data/noise/label_dependent.json.

    The two data sets differ in the last bit of the diagonal, 0.3 and 0.30000000000000004 at rate
    0.7, and with it in many labels that are drawn. It is kept as the reference has it, see
    data/noise/README.md.

    Args:
        dataset: "aid", "nwpu45" or "scenes".
        rate: share of wrong labels, in [0, 1).

    Returns:
        float64 [C, C], classes in the order of label_dependent_classes(dataset).

    Raises:
        ValueError: unknown dataset, or rate out of range.
    """
    _check_rate(rate)
    rate = float(rate)  # a float32 would not let the rows sum to 1
    shares_by_class = _flip_shares(dataset)
    position = {name: i for i, name in enumerate(shares_by_class)}
    right = float(1 - Decimal(str(rate))) if dataset == "aid" else 1.0 - rate
    transition = np.diag(np.full(len(position), right))
    for name, shares in shares_by_class.items():
        for wrong, share in shares.items():
            transition[position[name], position[wrong]] = rate * share
    return transition


def label_dependent_classes(dataset: str) -> tuple[str, ...]:
    """Return the class names in the order of label_dependent_transition: sorted.

    Labels must be numbered in this order; compare it with your archive's class names.

    Args:
        dataset: "aid" (30 classes), "nwpu45" (45) or "scenes" (16).

    Raises:
        ValueError: unknown dataset.
    """
    return tuple(_flip_shares(dataset))


_TRANSITIONS: Mapping[str, Callable[[int, float, str | None], Matrix]] = MappingProxyType(
    {
        "symmetric": lambda num_classes, rate, _: symmetric_transition(num_classes, rate),
        "pair_flip": lambda num_classes, rate, _: pair_flip_transition(num_classes, rate),
        "label_dependent": lambda _, rate, dataset: label_dependent_transition(str(dataset), rate),
    }
)

NOISES = (*_TRANSITIONS, "instance_dependent")
"""Kinds of noise that `corrupt` knows; all but the last have a transition matrix."""


def transition_of(kind: str, num_classes: int, rate: float, dataset: str | None = None) -> Matrix:
    """Return the transition matrix of a kind of noise, float64 [C, C].

    Args:
        kind: one of `NOISES` but "instance_dependent", which has none.
        num_classes: C, at least 2.
        rate: share of wrong labels, in [0, 1).
        dataset: whose table "label_dependent" takes; other kinds do not read it.

    Raises:
        ValueError: another kind, num_classes or rate out of range, or a table that is not there or
            is of another number of classes.
    """
    if kind not in _TRANSITIONS:
        raise ValueError(
            f"There is no transition matrix of {kind!r} noise; choose from "
            f"{', '.join(_TRANSITIONS)}."
        )
    _check_num_classes(num_classes)
    transition_CC = _TRANSITIONS[kind](num_classes, rate, dataset)
    if len(transition_CC) != num_classes:
        raise ValueError(
            f"The label-dependent noise of {dataset!r} has {len(transition_CC)} classes, and here "
            f"are {num_classes}. Choose another noise, or pass the data set's name that fits."
        )
    return transition_CC


# ------------------------------------------------------------------ corrupting labels


def corrupt(
    labels: npt.ArrayLike,
    kind: str,
    rate: float,
    *,
    seed: int = 42,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    dataset: str | None = None,
    features: npt.ArrayLike | None = None,
    method: Method = "reference",
) -> CorruptedLabels:
    """Corrupt labels by any kind of noise: a matrix and a draw from it in one call.

    Args:
        labels: integers [N] in [0, C). They stay as they are.
        kind: one of `NOISES`.
        rate: share of wrong labels, in [0, 1).
        seed: of the random stream; 42 draws the labels of the paper's reference code.
        num_classes: C; by default the number of class_names, else the largest label + 1.
        class_names: C names, in the order of the labels. Compared with those of the table, so that
            "label_dependent" noise cannot be drawn for other classes than its own.
        dataset: whose table "label_dependent" takes: "aid", "nwpu45" or "scenes".
        features: float [N, D], what "instance_dependent" looks at; other kinds do not read it.
        method: see `corrupt_labels`; "instance_dependent" has one of its own.

    Returns:
        New labels, int64 [N], and where they differ from the old, bool [N].

    Raises:
        ValueError: another kind, or an argument that it refuses or lacks.
    """
    if kind not in NOISES:
        raise ValueError(f"There is no noise {kind!r}; choose from {', '.join(NOISES)}.")
    if kind == "label_dependent":
        class_names = _table_classes(class_names, dataset)
    if num_classes is None:
        largest = int(_arrays.integers("labels", labels).max(initial=0))
        num_classes = len(class_names) if class_names else largest + 1
    if kind == "instance_dependent":
        if features is None:
            raise ValueError("instance_dependent noise looks at images; pass features [N, D].")
        return instance_dependent_flips(features, labels, num_classes, rate, seed)
    return corrupt_labels(
        labels, transition_of(kind, num_classes, rate, dataset), seed, method=method
    )


def corrupt_labels(
    labels: npt.ArrayLike,
    transition: npt.ArrayLike,
    seed: int = 42,
    *,
    method: Method = "reference",
) -> CorruptedLabels:
    """Draw for each image a label from its class's row of the transition matrix.

    The methods use different random streams, so the same seed gives them different labels:

    - "reference": one draw ``RandomState(seed).multinomial(1, M[label])`` per label, in order, from
      one stream. These are the labels of the paper's reference code, label for label.
    - "vectorized": the same distribution by inverse cumulative sums, for large archives (times:
      benchmarks/noise.py). Memory O(N + C^2).
    - "exact": exactly round(sum_i (1 - M[y_i, y_i])) labels are wrong, which is round(rate * N)
      where every class has the same rate. Which ones: drawn one after another without replacement,
      with probability proportional to 1 - M[y_i, y_i]. Their new labels follow the off-diagonal
      part of the row.

    Args:
        labels: integers [N] in [0, C). They stay as they are.
        transition: float [C, C], not negative, rows sum to 1.
        seed: of the random stream; "reference" takes [0, 2**32), the others any integer >= 0.
        method: see above.

    Returns:
        New labels, int64 [N], and where they differ from the old, bool [N].

    Raises:
        ValueError: labels, transition or method are not as described.
    """
    transition_CC = checked_transition(transition)
    labels_N = _arrays.labels_in(len(transition_CC), labels)
    _arrays.check_seed(seed, 2**32 - 1 if method == "reference" else np.inf)
    if method == "reference":
        corrupted_N = _draw_like_reference(labels_N, transition_CC, seed)
    elif method == "vectorized":
        corrupted_N = _draw(labels_N, transition_CC, np.random.default_rng(seed))
    elif method == "exact":
        corrupted_N = _draw_exact_count(labels_N, transition_CC, np.random.default_rng(seed))
    else:
        raise ValueError(f"method is {method!r}; choose one of {', '.join(get_args(Method))}.")
    return CorruptedLabels(corrupted_N, corrupted_N != labels_N)


def instance_dependent_flips(
    features: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_classes: int,
    rate: float,
    seed: int = 42,
) -> CorruptedLabels:
    """Corrupt labels by what each image looks like: images that look alike go wrong alike.

    The feature-projection form of part-dependent noise (Xia et al., "Part-dependent Label Noise:
    Towards Instance-dependent Label Noise", NeurIPS 2020). Image i with features x_i and label y_i
    is flipped with a probability q_i of its own, to a class that a random projection picks:

        q_i ~ normal(rate, 0.1), truncated to [0, 1];    W [C, D, C] ~ normal(0, 1)
        P[i, j] = q_i * softmax_{j != y_i}(x_i . W[y_i, :, j]),    P[i, y_i] = 1 - q_i

    The features are taken as they are, as published, so their scale matters: the logits of image i
    have the standard deviation |x_i|. Standardized features (|x_i| about sqrt(D)) send an image,
    if it is flipped, almost surely to one class of its own; so do the normalized images of the
    published experiments. Features of unit length spread it over many classes.

    The mean of q is rate only where the truncation is far away: it is 0.206 at rate 0.2, 0.129 at
    rate 0.1 and 0.084 at rate 0.01. Rate 0 is the clean baseline: no q_i differs from 0.

    The projections W depend on the seed alone, so that two splits of an archive, corrupted one
    after the other with the same seed, get the same kind of noise.

    Args:
        features: float [N, D], finite; standardized columns are the published setting.
        labels: integers [N] in [0, C). They stay as they are.
        num_classes: C, at least 2.
        rate: location of q, in [0, 1).
        seed: integer >= 0.

    Returns:
        New labels, int64 [N], and where they differ from the old, bool [N].

    Raises:
        ValueError: an argument is not as described.
    """
    _check_num_classes(num_classes)
    _check_rate(rate)
    _arrays.check_seed(seed)
    labels_N = _arrays.labels_in(num_classes, labels)
    features_ND = _checked_features(features, len(labels_N))
    rng = np.random.default_rng(seed)
    projection_rngs = rng.spawn(num_classes)
    flip_N = _flip_probabilities(len(labels_N), rate, rng)
    uniform_N = rng.random(len(labels_N))
    corrupted_N = np.empty_like(labels_N)
    for label, images in _images_by_class(labels_N, num_classes):
        weights_DC = projection_rngs[label].standard_normal((features_ND.shape[1], num_classes))
        logits = features_ND[images].astype(np.float64) @ weights_DC
        logits[:, label] = -np.inf
        rows = flip_N[images, None] * softmax(logits, axis=1)
        rows[:, label] = 1.0 - flip_N[images]
        corrupted_N[images] = _inverse_cdf(rows, uniform_N[images])
    return CorruptedLabels(corrupted_N, corrupted_N != labels_N)


# ------------------------------------------------------------------ drawing


def _draw_like_reference(labels_N: Labels, transition_CC: Matrix, seed: int) -> Labels:
    stream = np.random.RandomState(seed)
    drawn = [stream.multinomial(1, transition_CC[label]).argmax() for label in labels_N]
    return np.array(drawn, dtype=np.int64)


def _draw(labels_N: Labels, weights_CC: Matrix, rng: np.random.Generator) -> Labels:
    """Draw a class for each label, with probability proportional to its row of weights."""
    uniform_N = rng.random(len(labels_N))
    drawn_N = np.empty_like(labels_N)
    for label, images in _images_by_class(labels_N, len(weights_CC)):
        cumulative_C = weights_CC[label].cumsum()
        cumulative_C /= cumulative_C[-1]
        drawn_N[images] = cumulative_C.searchsorted(uniform_N[images], side="right")
    return drawn_N


def _draw_exact_count(labels_N: Labels, transition_CC: Matrix, rng: np.random.Generator) -> Labels:
    _, wrong_CC = split_diagonal(transition_CC)
    flip_N = wrong_CC.sum(axis=1)[labels_N]
    count = round(round(float(flip_N.sum()), 6))  # 1.4999999999 is meant as 1.5
    corrupted_N = labels_N.copy()
    if count > 0:
        chosen = rng.choice(len(labels_N), count, replace=False, p=flip_N / flip_N.sum())
        corrupted_N[chosen] = _draw(labels_N[chosen], wrong_CC, rng)
    return corrupted_N


def _flip_probabilities(count: int, rate: float, rng: np.random.Generator) -> Matrix:
    """Draw q_i for each image: normal(rate, 0.1) truncated to [0, 1]; all 0 at rate 0."""
    if rate == 0:
        return np.zeros(count)
    low, high = ndtr((0 - rate) / _FLIP_SPREAD), ndtr((1 - rate) / _FLIP_SPREAD)
    flip_N: Matrix = rate + _FLIP_SPREAD * ndtri(rng.uniform(low, high, size=count))
    return flip_N


def _inverse_cdf(rows_NC: Matrix, uniform_N: Matrix) -> Labels:
    cumulative_NC = rows_NC.cumsum(axis=1)
    threshold_N1 = (uniform_N * cumulative_NC[:, -1])[:, None]
    drawn: Labels = (cumulative_NC <= threshold_N1).sum(axis=1)
    return drawn


def _images_by_class(labels_N: Labels, num_classes: int) -> Iterator[tuple[int, Labels]]:
    """Yield each class that has images, with their positions."""
    ends_C = np.bincount(labels_N, minlength=num_classes).cumsum()
    images_by_class = np.split(labels_N.argsort(kind="stable"), ends_C[:-1])
    return ((i, images) for i, images in enumerate(images_by_class) if len(images))


def split_diagonal(transition_CC: Matrix) -> tuple[Matrix, Matrix]:
    """Return the diagonal [C], and the matrix [C, C] with zeros in its place."""
    wrong_CC = _arrays.square("transition", transition_CC)
    right_C = wrong_CC.diagonal().copy()
    np.fill_diagonal(wrong_CC, 0.0)
    return right_C, wrong_CC


# ------------------------------------------------------------------ tables and checks


def _flip_shares(dataset: str) -> dict[str, dict[str, float]]:
    """Return class name -> {wrong class name: its share of the wrong labels}, in class order."""
    table = json.loads(_files.shipped("data", "noise", "label_dependent.json").read_text("utf-8"))
    if dataset not in table:
        raise ValueError(f"dataset is {dataset!r}; there are tables for {', '.join(table)}.")
    shares: dict[str, dict[str, float]] = table[dataset]["flip_shares"]
    return shares


def _table_classes(class_names: Sequence[str] | None, dataset: str | None) -> Sequence[str]:
    """Return the classes of a data set's table; refuse others that were given."""
    if dataset is None:
        raise ValueError("label_dependent noise is read from a table; pass dataset, such as 'aid'.")
    own = label_dependent_classes(dataset)
    if class_names is not None and tuple(class_names) != own:
        raise ValueError(
            f"The label-dependent noise of {dataset!r} is for its own {len(own)} classes, not for "
            f"these {len(class_names)}: {', '.join(class_names[:3])} ... Choose another noise, or "
            "pass the data set's name that fits."
        )
    return own


def _check_rate(rate: float) -> None:
    if not _arrays.is_number(rate) or not 0 <= rate < 1:
        raise ValueError(f"rate is {rate}; give a share of wrong labels in [0, 1), such as 0.3.")


def _check_num_classes(num_classes: int) -> None:
    if not _arrays.is_whole(num_classes, 2, 2**31):
        raise ValueError(f"num_classes is {num_classes}; 2 classes or more are needed, to 2**31.")


def checked_transition(transition: npt.ArrayLike) -> Matrix:
    """Return a transition matrix as float64 [C, C]; refuse what is none: TypeError, ValueError."""
    matrix = _arrays.square("transition", transition)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = matrix.sum(axis=1)
    off = ~(np.abs(sums - 1.0) <= _ROW_SUM_TOLERANCE)
    if off.any():
        row = int(off.argmax())
        raise ValueError(
            f"row {row} of the transition sums to {sums[row]!s}; each must sum to 1. "
            "Normalize in float64: transition / transition.sum(axis=1, keepdims=True)."
        )
    if matrix.min() < 0:
        i, j = np.unravel_index(matrix.argmin(), matrix.shape)
        raise ValueError(f"transition[{i}, {j}] is {matrix[i, j]}; probabilities are not negative.")
    return np.minimum(matrix, 1.0)  # rounding may have left 1 + 2e-16, which multinomial refuses


def _checked_features(features: npt.ArrayLike, count: int) -> npt.NDArray[Any]:
    given = _arrays.array("features", features)
    if given.ndim != 2 or len(given) != count:
        raise ValueError(
            f"features have shape {given.shape}; {count} labels need [{count}, D], a row per image."
        )
    largest = float(np.abs(_arrays.finite("features", given)).max(initial=0))
    if largest > _MAX_FEATURE:
        raise ValueError(
            f"features reach {largest:g}; their projections overflow above {_MAX_FEATURE:g}. "
            "Standardize them."
        )
    return given
