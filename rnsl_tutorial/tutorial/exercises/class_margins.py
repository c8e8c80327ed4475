"""Self-checks of notebook 08.

Shapes: N images, C classes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial import noise
from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.evaluation import embedding as evaluate
from rnsl_tutorial.tutorial.exercises.checking import Function, check

__all__ = ["check_class_accuracy", "check_margin", "check_most_say"]

_Array = NDArray[Any]

_SHARES = np.array(
    [
        [0.50, 0.30, 0.20, 0.00],
        [0.05, 0.60, 0.15, 0.20],
        [0.40, 0.25, 0.25, 0.10],
        [0.35, 0.00, 0.30, 0.35],
    ]
)
"""One class that leads, one that leads far, one that is lost, one with a tie."""

_LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 4, 4])
_PREDICTED = np.array([0, 0, 1, 4, 1, 1, 0, 2, 0, 2, 4])
"""Five classes; of class 3 there is no image."""


def check_margin(function: Function) -> bool:
    """Check a learner's margin(shares): right label minus most frequent wrong one, row by row."""
    return check(
        function,
        right=class_margins.margins,
        cases=[{"shares": _SHARES}, {"shares": noise.label_dependent_transition("nwpu45", 0.7)}],
        slips=lambda right, shares: {
            "The sign is turned round: right label minus wrong one.": -right,
            "The maximum may be the right label itself. Look at the wrong labels alone: put "
            "something small onto the diagonal of a copy first.": (
                np.diag(shares) - shares.max(axis=1)
            ),
            "You look down the columns. Row i holds the labels around images of class i.": (
                class_margins.margins(shares.T)
            ),
            "You take away all wrong labels together. Each is a rival of its own: take away "
            "the most frequent one.": 2 * np.diag(shares) - shares.sum(axis=1),
            "A class whose wrong label leads has a margin below 0: leave the sign.": np.abs(right),
            "This says which classes are lost; return how far the right label leads.": right < 0,
            "One number for each class is wanted: take the maximum with axis=1.": right.min(),
        },
        praise="It needs the matrix and nothing else: no image, no training.",
    )


def check_class_accuracy(function: Function) -> bool:
    """Check a learner's class_accuracy(predicted, labels, num_classes); NaN for an empty class."""
    return check(
        function,
        right=evaluate.class_accuracy,
        cases=[
            {"predicted": _PREDICTED, "labels": _LABELS, "num_classes": 5},
            {"predicted": _LABELS, "labels": _LABELS, "num_classes": 6},
        ],
        slips=lambda right, predicted, labels, num_classes: {
            "You divide by the images that are *called* the class. Divide by those that are of "
            "the class.": evaluate.class_accuracy(labels, predicted, num_classes),
            "A class without images has no accuracy: NaN, not 0. Zero would say that all of "
            "them went wrong.": np.nan_to_num(right),
            "These are numbers of images; divide by the images of each class.": (
                _counts(predicted, labels, num_classes)
            ),
            "You divide by all images; divide by those of the class.": (
                _counts(predicted, labels, num_classes) / len(labels)
            ),
            "This is the accuracy over all images. One number for each class is wanted.": (
                (predicted == labels).mean()
            ),
            "A class is missing: return num_classes numbers, NaN where there is no image.": (
                right[np.unique(labels)]
            ),
        },
        praise="An average over all images hides what happens to a single class.",
    )


def check_most_say(function: Function) -> bool:
    """Check a learner's most_say(shares): the most frequent label of each row; a tie stays."""
    return check(
        function,
        right=_most_say,
        cases=[{"shares": _SHARES}, {"shares": noise.label_dependent_transition("nwpu45", 0.7)}],
        slips=lambda right, shares: {
            "In a row where a wrong label is exactly as frequent as the right one, keep the "
            "class itself: give it the tie.": shares.argmax(axis=1),
            "This is the most frequent *wrong* label. Where the right label leads, the class "
            "keeps its own.": _wrong(shares).argmax(axis=1),
            "You look down the columns. Row i holds the labels around images of class i.": (
                shares.argmax(axis=0)
            ),
            "These are shares; return which label it is: argmax.": shares.max(axis=1),
            "This says that every class keeps its label. Compare with the wrong ones.": (
                np.arange(len(shares))
            ),
        },
        praise="Where it differs from the class itself, the class is eaten.",
    )


# ------------------------------------------------------------------ inside


def _counts(predicted: _Array, labels: _Array, num_classes: int) -> _Array:
    return np.bincount(labels[predicted == labels], minlength=num_classes)


def _wrong(shares: _Array) -> _Array:
    wrong: _Array = np.where(np.eye(len(shares), dtype=bool), -np.inf, shares)
    return wrong


def _most_say(shares: _Array) -> _Array:
    own: _Array = np.arange(len(shares))
    return np.where(class_margins.margins(shares) < 0, _wrong(shares).argmax(axis=1), own)
