"""The checks of notebook 08 pass right answers and tell the likely wrong ones what is wrong."""

from typing import Any

import numpy as np
from exercise_answers import by_place, right, wrong
from numpy.typing import NDArray

from rnsl_tutorial.tutorial import exercises

Array = NDArray[Any]


# ------------------------------------------------------------------ the margin


def margin(shares: Array) -> Array:
    wrong = shares.copy()
    np.fill_diagonal(wrong, 0)
    difference: Array = np.diag(shares) - wrong.max(axis=1)
    return difference


def margin_by_loop(shares: Array) -> list[float]:
    classes = range(len(shares))
    return [shares[i, i] - max(shares[i, j] for j in classes if j != i) for i in classes]


test_margin_right = right(exercises.check_margin, margin, margin_by_loop)


test_margin_wrong = wrong(
    exercises.check_margin,
    (lambda shares: -margin(shares), "sign is turned round"),
    (lambda shares: np.diag(shares) - shares.max(axis=1), "may be the right label itself"),
    (lambda shares: margin(shares.T), "down the columns"),
    (lambda shares: 2 * np.diag(shares) - 1, "all wrong labels together"),
    (lambda shares: abs(margin(shares)), "below 0"),
    (lambda shares: margin(shares) < 0, "how far the right label leads"),
    (lambda shares: margin(shares).min(), "axis=1"),
    (lambda shares: shares.nothing, "Python stopped in your function"),
)


# ------------------------------------------------------------------ the accuracy of each class


def shares_right(predicted: Array, labels: Array, num_classes: int) -> Array:
    with np.errstate(invalid="ignore"):
        right = np.bincount(labels[predicted == labels], minlength=num_classes)
        found: Array = right / np.bincount(labels, minlength=num_classes)
    return found


def shares_by_loop(predicted: Array, labels: Array, num_classes: int) -> list[float]:
    groups = [predicted[labels == i] == i for i in range(num_classes)]
    return [float(group.mean()) if len(group) else float("nan") for group in groups]


test_class_accuracy_right = right(exercises.check_class_accuracy, shares_right, shares_by_loop)


test_class_accuracy_wrong = wrong(
    by_place(exercises.check_class_accuracy),
    (lambda p, y, n: shares_right(y, p, n), "You divide by the images that are \\*called\\*"),
    (lambda p, y, n: np.nan_to_num(shares_right(p, y, n)), "NaN, not 0"),
    (lambda p, y, n: np.bincount(y[p == y], minlength=n), "numbers of images"),
    (lambda p, y, n: np.bincount(y[p == y], minlength=n) / len(y), "You divide by all images"),
    (lambda p, y, n: (p == y).mean(), "accuracy over all images"),
    (lambda p, y, n: shares_right(p, y, n)[np.unique(y)], "A class is missing"),
)
test_class_accuracy_with_a_name_of_its_own = wrong(
    exercises.check_class_accuracy,
    (lambda predicted, labels, n: shares_right(predicted, labels, n), "takes predicted"),
)


# ------------------------------------------------------------------ what most labels say


def most_say(shares: Array) -> Array:
    favoured: Array = (shares + 1e-9 * np.eye(len(shares))).argmax(axis=1)
    return favoured


test_most_say_right = right(exercises.check_most_say, most_say)


test_most_say_wrong = wrong(
    exercises.check_most_say,
    (lambda shares: shares.argmax(axis=1), "give it the tie"),
    (lambda shares: (shares - np.eye(len(shares))).argmax(axis=1), "most frequent \\*wrong\\*"),
    (lambda shares: shares.argmax(axis=0), "down the columns"),
    (lambda shares: shares.max(axis=1), "which label it is"),
    (lambda shares: np.arange(len(shares)), "every class keeps its label"),
)
