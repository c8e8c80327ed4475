"""Self-checks of notebook 10.

Shapes: N images, M of them in a fold, F features, C classes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial.tutorial.exercises.checking import Function, check

__all__ = ["check_decide", "check_out_of_fold", "check_planted_precision"]

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]
_Predict = Callable[[_Floats], _Floats]

_KEEP, _LOOK, _RELABEL = 0, 1, 2


class _NearestMeans:
    """A small learner for the check: classes as near as the means of their images."""

    def __call__(self, features: _Floats, labels: _Integers) -> _Predict:
        """Return the function from features [M, F] to probabilities [M, C]; C is 3."""
        means_CF = np.stack([features[labels == c].mean(axis=0) for c in range(3)])

        def predict(others: _Floats) -> _Floats:
            near_MC = np.exp(-((others[:, None] - means_CF) ** 2).sum(axis=2))
            return near_MC / near_MC.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]

        return predict

    def __repr__(self) -> str:
        """How messages call it."""
        return "nearest_means"


def check_out_of_fold(function: Function) -> bool:
    """Check a learner's out_of_fold(features, labels, fold_of, fit).

    ``fit(features, labels)`` returns a function from features [M, F] to probabilities [M, C].
    """
    forgotten = "These are classes; return the probabilities, a row for each image."
    return check(
        function,
        right=_out_of_fold,
        cases=[_folded(seed) for seed in (0, 1)],
        slips=lambda right, features, labels, fold_of, fit: {
            "This trains on all images and judges the same ones: in fold. Leave the images of "
            "a fold out, and judge just those.": fit(features, labels)(features),
            "You train on the fold that you judge. Train on all others: features[~held].": (
                _filled(fold_of, lambda held: fit(features[held], labels[held])(features[held]))
            ),
            "The rows come in the order of the folds. Put them back where their images stand: "
            "found[held] = ...": np.concatenate(
                [
                    fit(features[fold_of != k], labels[fold_of != k])(features[fold_of == k])
                    for k in np.unique(fold_of)
                ]
            ),
            "held and ~held have changed places: train on the others, features[~held], and judge "
            "those of the fold, features[held].": _filled(
                fold_of, lambda held: fit(features[held], labels[held])(features[~held]), other=True
            ),
            "Folds are mixed up: fold k is judged by the model that left out another. Train and "
            "judge in one turn of the loop.": _filled(
                fold_of,
                lambda held: fit(
                    features[fold_of != (fold_of[held][0] + 1) % 4],
                    labels[fold_of != (fold_of[held][0] + 1) % 4],
                )(features[held]),
            ),
            "The last fold is missing: its rows are 0.": (
                _out_of_fold(features, labels, np.where(fold_of == fold_of.max(), -1, fold_of), fit)
                * (fold_of < fold_of.max())[:, None]
            ),
            forgotten: right.argmax(axis=1),
            "This is the belief in the given label; return all probabilities, [images, "
            "classes].": right[np.arange(len(labels)), labels],
        },
        praise="No image was judged by a model that has seen its label. That is all of it.",
    )


def check_planted_precision(function: Function) -> bool:
    """Check a learner's planted_precision(doubt, planted, wrong_share, threshold)."""
    return check(
        function,
        right=_planted_precision,
        cases=[
            {"doubt": _DOUBT, "planted": _PLANTED, "wrong_share": share, "threshold": t}
            for share, t in ((0.2, 0.5), (0.3, 0.7), (0.9, 0.1), (0.5, 0.96))
        ],
        slips=lambda right, doubt, planted, wrong_share, threshold: {
            "This is the share of the flagged that you planted. The labels that were wrong "
            "before are flagged, too: they are what we ask for.": (
                planted[doubt >= threshold].mean()
            ),
            "This is the recall, measured on the planted labels. One step more: wrong_share * "
            "recall is the share of all images that is wrong and flagged.": (
                (doubt[planted] >= threshold).mean()
            ),
            "The planted images are flagged, too, and they are yours. Count the flagged among "
            "the others: doubt[~planted].": min(
                1.0,
                wrong_share * (doubt[planted] >= threshold).mean() / (doubt >= threshold).mean(),
            ),
            "Nearly: an estimate may be larger than 1, a share may not. Cut it off with "
            "min(1, ...).": (
                wrong_share
                * (doubt[planted] >= threshold).mean()
                / (doubt[~planted] >= threshold).mean()
            ),
            "Flagged is who has the threshold exactly, too: write >= in place of >.": (
                _planted_precision(doubt - 1e-9, planted, wrong_share, threshold)
            ),
            "The fraction is upside down: the flagged among all stand below.": min(
                1.0,
                wrong_share
                * (doubt[~planted] >= threshold).mean()
                / (doubt[planted] >= threshold).mean(),
            ),
            "wrong_share is missing: recall counts among the wrong labels, the flagged among "
            "all images.": min(
                1.0,
                (doubt[planted] >= threshold).mean() / (doubt[~planted] >= threshold).mean(),
            ),
            "Flagged are the doubtful images: doubt >= threshold.": min(
                1.0,
                wrong_share
                * (doubt[planted] < threshold).mean()
                / (doubt[~planted] < threshold).mean(),
            ),
        },
        praise="No true label was needed: the planted ones stand for those that we cannot know.",
    )


def check_decide(function: Function) -> bool:
    """Check a learner's decide(p_given, p_suggested, look, wrong): 0 keep, 1 look, 2 relabel."""
    return check(
        function,
        right=_decide,
        cases=[
            {"p_given": _P_GIVEN, "p_suggested": _P_SUGGESTED, "look": look, "wrong": wrong}
            for look, wrong in ((1.0, 10.0), (1.0, 3.0), (2.0, 100.0), (5.0, 4.0))
        ],
        slips=lambda right, p_given, p_suggested, look, wrong: {
            "To keep a label costs something where it is wrong: (1 - p_given) * wrong. So does "
            "the suggested one.": (
                _cheapest(p_given * wrong, np.full_like(p_given, look), p_suggested * wrong)
            ),
            "A look costs the same for every image, whether its label is right or wrong.": (
                _cheapest((1 - p_given) * wrong, look * (1 - p_given), (1 - p_suggested) * wrong)
            ),
            "You never relabel. Where the suggestion is nearly sure, to take it unseen costs "
            "less than a look, and nobody looks then.": (
                np.where((1 - p_given) * wrong > look, _LOOK, _KEEP)
            ),
            "You never look. What does each of the three cost? Take the cheapest.": (
                np.where(p_suggested > p_given, _RELABEL, _KEEP)
            ),
            "keep and relabel have changed places: 0 is keep, 1 is look, 2 is relabel.": 2 - right,
            "These are the costs; return which of the three is the cheapest: argmin, not min.": (
                np.stack(_costs(p_given, p_suggested, look, wrong)).min(axis=0)
            ),
            "This takes the dearest of the three, not the cheapest.": (
                np.stack(_costs(p_given, p_suggested, look, wrong)).argmax(axis=0)
            ),
        },
        praise="The threshold was never asked for: it follows from what a look and an error cost.",
    )


# ------------------------------------------------------------------ the right answers


def _out_of_fold(features: _Floats, labels: _Integers, fold_of: _Integers, fit: Any) -> _Floats:
    return _filled(fold_of, lambda held: fit(features[~held], labels[~held])(features[held]))


def _filled(
    fold_of: _Integers, judge: Callable[[NDArray[np.bool_]], _Floats], *, other: bool = False
) -> _Floats:
    """Put what is found for each fold where its images stand, or the other ones."""
    found_NC = np.zeros((len(fold_of), 3))
    for fold in np.unique(fold_of):
        held = fold_of == fold
        found_NC[held ^ other] = judge(held)
    return found_NC


def _planted_precision(
    doubt: _Floats, planted: NDArray[np.bool_], wrong_share: float, threshold: float
) -> float:
    recall = (doubt[planted] >= threshold).mean()
    flagged = (doubt[~planted] >= threshold).mean()
    return min(1.0, float(wrong_share * recall / flagged))


def _decide(p_given: _Floats, p_suggested: _Floats, look: float, wrong: float) -> _Integers:
    return _cheapest(*_costs(p_given, p_suggested, look, wrong))


def _costs(p_given: _Floats, p_suggested: _Floats, look: float, wrong: float) -> list[_Floats]:
    return [(1 - p_given) * wrong, np.full_like(p_given, look), (1 - p_suggested) * wrong]


def _cheapest(keep: _Floats, look: _Floats, relabel: _Floats) -> _Integers:
    cheapest: _Integers = np.stack([keep, look, relabel]).argmin(axis=0)
    return cheapest


# ------------------------------------------------------------------ the cases


def _folded(seed: int) -> dict[str, Any]:
    """Features, labels and folds of 24 images; every class is in every fold, in no order."""
    rng = np.random.default_rng(seed)
    labels, fold_of = np.arange(24) % 3, np.arange(24) // 3 % 4
    order = rng.permutation(24)
    features = rng.normal(size=(24, 2)) + labels[:, None]
    fields = {"features": features, "labels": labels, "fold_of": fold_of}
    return {name: values[order] for name, values in fields.items()} | {"fit": _NearestMeans()}


_DOUBT = np.array([0.95, 0.9, 0.6, 0.3, 0.97, 0.8, 0.7, 0.55, 0.4, 0.3, 0.2, 0.2, 0.15, 0.05, 0.0])
_PLANTED = np.arange(15) < 4
_P_GIVEN = np.array([0.98, 0.7, 0.05, 0.01, 0.3, 0.005, 0.5, 0.95])
_P_SUGGESTED = np.array([0.98, 0.7, 0.6, 0.98, 0.65, 0.995, 0.5, 0.95])
