"""The checks of notebook 10 pass right answers and tell the likely wrong ones what is wrong."""

from typing import Any

import numpy as np
from exercise_answers import right, wrong

from rnsl_tutorial.tutorial import exercises

# ------------------------------------------------------------------ out of fold


def out_of_fold(features: Any, labels: Any, fold_of: Any, fit: Any) -> Any:
    found = np.zeros((len(labels), labels.max() + 1))
    for fold in np.unique(fold_of):
        held = fold_of == fold
        found[held] = fit(features[~held], labels[~held])(features[held])
    return found


def one_by_one(features: Any, labels: Any, fold_of: Any, fit: Any) -> Any:
    rows: list[Any] = [None] * len(labels)
    for fold in set(fold_of.tolist()):
        predict = fit(features[fold_of != fold], labels[fold_of != fold])
        for i in np.flatnonzero(fold_of == fold):
            rows[i] = predict(features[i : i + 1])[0]
    return np.array(rows)


def in_the_order_of_folds(features: Any, labels: Any, fold_of: Any, fit: Any) -> Any:
    return np.concatenate(
        [
            fit(features[fold_of != k], labels[fold_of != k])(features[fold_of == k])
            for k in sorted(set(fold_of.tolist()))
        ]
    )


def without_the_last(features: Any, labels: Any, fold_of: Any, fit: Any) -> Any:
    found = np.zeros((len(labels), labels.max() + 1))
    for fold in range(fold_of.max()):
        held = fold_of == fold
        found[held] = fit(features[~held], labels[~held])(features[held])
    return found


def on_the_fold_itself(features: Any, labels: Any, fold_of: Any, fit: Any) -> Any:
    found = np.zeros((len(labels), labels.max() + 1))
    for fold in np.unique(fold_of):
        held = fold_of == fold
        found[held] = fit(features[held], labels[held])(features[held])
    return found


test_out_of_fold_right = right(exercises.check_out_of_fold, out_of_fold, one_by_one)


test_out_of_fold_wrong = wrong(
    exercises.check_out_of_fold,
    (lambda features, labels, fold_of, fit: fit(features, labels)(features), "in fold"),
    (on_the_fold_itself, "Train on all others"),
    (in_the_order_of_folds, "in the order of the folds"),
    (without_the_last, "The last fold is missing"),
    (lambda **case: out_of_fold(**case).argmax(axis=1), "return the probabilities"),
    (
        lambda **case: out_of_fold(**case)[np.arange(24), case["labels"]],
        "belief in the given label; return all",
    ),
    (lambda features, labels, fold_of, fit: fit(features), "takes features, labels, fold_of"),
    (
        lambda **case: out_of_fold(**case).T,
        r'shape \[3, 24\].* changed places\.\nThe .* fit = exercises\.failed\["fit"\]$',
    ),
)


# ------------------------------------------------------------------ precision from planted flips


def planted_precision(doubt: Any, planted: Any, wrong_share: float, threshold: float) -> Any:
    recall = np.mean(doubt[planted] >= threshold)
    flagged = np.mean(doubt[~planted] >= threshold)
    return min(1, wrong_share * recall / flagged)


def uncut(doubt: Any, planted: Any, wrong_share: float, threshold: float) -> Any:
    found = (doubt[planted] >= threshold).mean()
    return wrong_share * found / (doubt[~planted] >= threshold).mean()


def among_all(doubt: Any, planted: Any, wrong_share: float, threshold: float) -> Any:
    found = (doubt[planted] >= threshold).mean()
    return min(1, wrong_share * found / (doubt >= threshold).mean())


def upside_down(doubt: Any, planted: Any, wrong_share: float, threshold: float) -> Any:
    below = np.where(doubt < threshold, 1.0, 0.0)
    return planted_precision(below, planted, wrong_share, 0.5)


test_planted_precision_right = right(exercises.check_planted_precision, planted_precision)


test_planted_precision_wrong = wrong(
    exercises.check_planted_precision,
    (
        lambda doubt, planted, wrong_share, threshold: planted[doubt >= threshold].mean(),
        "the share of the flagged that you planted",
    ),
    (
        lambda doubt, planted, wrong_share, threshold: (doubt[planted] >= threshold).mean(),
        "This is the recall",
    ),
    (among_all, "Count the flagged among the others"),
    (uncut, "may be larger than 1"),
    (
        lambda **case: planted_precision(**(case | {"wrong_share": 1.0})),
        "wrong_share is missing",
    ),
    (upside_down, "Flagged are the doubtful images"),
    (lambda doubt: doubt, "takes doubt, planted, wrong_share and threshold"),
)


# ------------------------------------------------------------------ the decision table


def costs(p_given: Any, p_suggested: Any, look: float, wrong: float) -> list[Any]:
    return [(1 - p_given) * wrong, look + 0 * p_given, (1 - p_suggested) * wrong]


def image_by_image(p_given: Any, p_suggested: Any, look: float, wrong: float) -> list[int]:
    decisions = []
    for given, suggested in zip(p_given, p_suggested, strict=True):
        keep, relabel = (1 - given) * wrong, (1 - suggested) * wrong
        if keep <= min(look, relabel):
            decisions.append(0)
        else:
            decisions.append(1 if look <= relabel else 2)
    return decisions


def paying_twice(p_given: Any, p_suggested: Any, look: float, wrong: float) -> Any:
    keep, seen, relabel = costs(p_given, p_suggested, look, wrong)
    return np.argmin([keep, seen, relabel + look], axis=0)


def never_relabelling(p_given: Any, p_suggested: Any, look: float, wrong: float) -> Any:
    return np.argmin(costs(p_given, p_suggested, look, wrong)[:2], axis=0)


def swapped(p_given: Any, p_suggested: Any, look: float, wrong: float) -> Any:
    return np.argmin([p_given * wrong, look + 0 * p_given, p_suggested * wrong], axis=0)


def cheaper_looks(p_given: Any, p_suggested: Any, look: float, wrong: float) -> Any:
    keep, seen, relabel = costs(p_given, p_suggested, look, wrong)
    return np.argmin([keep, seen * (1 - p_given), relabel], axis=0)


test_decide_right = right(
    exercises.check_decide, lambda **case: np.argmin(costs(**case), 0), image_by_image
)


test_decide_wrong = wrong(
    exercises.check_decide,
    (swapped, r"\(1 - p_given\) \* wrong"),
    (cheaper_looks, "A look costs the same"),
    (paying_twice, "You never relabel.* nobody looks"),
    (never_relabelling, "You never relabel"),
    (
        lambda p_given, p_suggested, look, wrong: np.where(p_suggested > p_given, 2, 0),
        "You never look",
    ),
    (lambda **case: 2 - np.argmin(costs(**case), axis=0), "have changed places"),
    (lambda **case: np.min(costs(**case), axis=0), "argmin, not min"),
    (lambda **case: np.argmax(costs(**case), axis=0), "the dearest"),
    (lambda **case: ["keep"] * 8, "it gives "),
)
