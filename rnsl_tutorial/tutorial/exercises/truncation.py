"""Self-checks of notebook 05.

Shapes: N images.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial.evaluation import embedding as evaluate
from rnsl_tutorial.tutorial.exercises.checking import (
    Function,
    NotYetRightError,
    OneOf,
    called,
    check,
    judged,
    say,
)

__all__ = ["check_choose_k", "check_keep_mask", "check_precision_recall"]

_LOG_P = np.log(np.array([0.9, 0.5, 0.2, 0.001, 0.7, 1.0, 0.3, 0.95]))
_HALF = 0.5  # of the wrong labels a rule finds at least so many, and so many right ones it keeps
_KEPT = np.array([True, True, False, False, False, True, True, False, True, True])
_WRONG = np.array([False, False, True, True, False, True, False, True, False, True])


def check_keep_mask(function: Function) -> bool:
    """Check a learner's keep_mask(log_p, k): True where p > k, the images that stay."""
    upside_down = (
        "It keeps the images that should go: True stands for an image that stays, and those have a "
        "large p (a small loss)."
    )
    return check(
        function,
        right=lambda log_p, k: log_p > np.log(k),
        cases=[{"log_p": _LOG_P, "k": k} for k in (0.5, 0.2, 0.9)],
        slips=lambda right, log_p, k: {
            "Nobody is kept: log p is at most 0. It is compared with np.log(k), not with k.": (
                log_p > k
            ),
            "An image with p = k exactly is left out: write > in place of >=.": log_p >= np.log(k),
            upside_down: OneOf(log_p <= np.log(k), log_p < np.log(k)),
            "p is compared with log k: both sides with a log, or both without.": (
                np.exp(log_p) > np.log(k)
            ),
            upside_down + " And take the log of k, too.": -log_p > k,
            "log p is a natural logarithm: np.log(k), not np.log10(k).": log_p > np.log10(k),
            "These are the places of the images; return one True or False for each image.": (
                np.flatnonzero(right)
            ),
            "These are the values that stay; return one True or False for each image.": (
                log_p[right]
            ),
            "k is not always 0.5: write k.": log_p > np.log(0.5),
        },
        praise="It is all of pruning: no q, no true label, one comparison for each image.",
    )


def check_precision_recall(function: Function) -> bool:
    """Check a learner's precision_recall(kept, wrong) of "left out" as a finder of wrong labels."""
    return check(
        function,
        right=_precision_recall,
        cases=[
            {"kept": _KEPT, "wrong": _WRONG},
            {"kept": _WRONG, "wrong": _KEPT},
            {"kept": ~_KEPT[:7], "wrong": _WRONG[:7]},
        ],
        slips=lambda right, kept, wrong: {
            "The two have changed places: precision divides by the images left out, recall by "
            "the wrong labels.": right[::-1],
            "You look at the images that are kept; what finds wrong labels is ~kept.": (
                _precision_recall(~kept, wrong)
            ),
            "You look for right labels among the images that are kept; count the wrong labels "
            "among those left out.": _precision_recall(~kept, ~wrong),
            "Recall is right. Precision divides by the images that are left out.": (
                (~kept & wrong).sum() / kept.sum(),
                right[1],
            ),
            "You divide by all images: precision divides by those left out, recall by those "
            "with a wrong label.": (
                (~kept & wrong).sum() / kept.size,
                (~kept & wrong).sum() / kept.size,
            ),
            "Precision is right. Recall divides by the number of wrong labels, not by all.": (
                right[0],
                (~kept & wrong).sum() / kept.size,
            ),
            "Precision is right. Recall divides by the wrong labels, not by the right ones.": (
                right[0],
                (~kept & wrong).sum() / (~wrong).sum(),
            ),
            "~kept | wrong: left out, or wrong. Found are those that are both, ~kept & wrong.": (
                (~kept | wrong).sum() / (~kept).sum(),
                (~kept | wrong).sum() / wrong.sum(),
            ),
            "Precision is right. This recall counts the wrong labels that are kept, those that "
            "are missed; count those that are left out.": (
                right[0],
                (kept & wrong).sum() / wrong.sum(),
            ),
            "These are percent; return shares between 0 and 1.": 100 * right,
            "This compares two numbers of images; count those that are left out and wrong, "
            "~kept & wrong, and return two shares.": (~kept).sum() / wrong.sum(),
            "This is the precision; return the recall, too: return precision, recall.": right[0],
        },
        praise="Only who knows the wrong labels can compute this. You will need it to judge a "
        "rule, never inside one.",
    )


@judged
def check_choose_k(
    function: Function,
    log_p: NDArray[Any],
    flipped: NDArray[np.bool_],
    measured: Mapping[float, float],
) -> None:
    """Try a learner's rule choose_k(log_p) on a run, and say what its threshold does there.

    There is no single right rule. Refused is one that gives no threshold, that depends on the order
    of the images, that keeps more than half of the wrong labels, or that leaves out more than half
    of the right ones.

    Args:
        function: the learner's; sees log_p alone.
        log_p: float [N], of one moment of a run.
        flipped: bool [N], which labels are wrong; used to judge, after the rule has spoken.
        measured: by k, the accuracy that whole runs reached; may be empty.
    """
    k, again = _chosen(function, log_p), _chosen(function, log_p[::-1])
    if not np.isclose(k, again):
        raise NotYetRightError(
            f"With the images in another order the rule gives {again:.3g} in place of {k:.3g}: it "
            "may depend on the values of p only.",
            {"log_p": log_p[::-1].copy()},
        )
    say(f"{_told(k, log_p, flipped)}\n{_beside(k, measured)}")
    left_out = log_p <= np.log(k)
    if flipped.any() and left_out[flipped].mean() < _HALF:
        raise NotYetRightError(
            f"More than half of the wrong labels stay ({1 - left_out[flipped].mean():.0%}): k is "
            "too small. Where does the hill of the large p begin?",
            {"log_p": log_p},
        )
    if not flipped.all() and left_out[~flipped].mean() > _HALF:
        raise NotYetRightError(
            f"More than half of the right labels go ({left_out[~flipped].mean():.0%}): k is too "
            "large. Where does the hill of the small p end?",
            {"log_p": log_p},
        )


# ------------------------------------------------------------------ inside


def _precision_recall(
    kept: NDArray[np.bool_], wrong: NDArray[np.bool_]
) -> NDArray[np.floating[Any]]:
    found = evaluate.flip_detection(np.zeros(len(kept)), wrong, ~kept)
    return np.array([found.precision, found.recall])


def _chosen(function: Function, log_p: NDArray[Any]) -> float:
    case = {"log_p": log_p}
    answer = called(function, case)
    if answer is None:
        raise NotYetRightError("Your rule returns None: is the `return` missing?", case)
    if np.size(answer) > 1:
        raise NotYetRightError(
            f"Your rule gives {np.size(answer)} values; return one number, k, and no mask.",
            case,
        )
    try:
        k = float(answer)
    except (TypeError, ValueError) as error:
        raise NotYetRightError(
            f"Your rule gives {answer!r}; one number is needed.", case
        ) from error
    if k < 0:
        raise NotYetRightError(f"Your rule gives {k:.3g}: is it a log? Return k, not log k.", case)
    if not 0 < k < 1:
        raise NotYetRightError(
            f"Your rule gives {k:.3g}; a threshold on p lies between 0 and 1.", case
        )
    return k


def _told(k: float, log_p: NDArray[Any], flipped: NDArray[np.bool_]) -> str:
    left_out = log_p <= np.log(k)
    if not left_out.any():
        return f"Your rule gives k = {k:.2f}: nobody is left out."
    found = evaluate.flip_detection(-log_p, flipped, left_out)
    text = f"Your rule gives k = {k:.2f}: {left_out.mean():.1%} of the images are left out"
    if not flipped.any():
        return f"{text}, and all of their labels are right."
    return f"{text}, precision {found.precision:.1%}, recall {found.recall:.1%}."


def _beside(k: float, measured: Mapping[float, float]) -> str:
    if not measured:
        return "No whole runs were measured with this noise."
    nearest = min(measured, key=lambda other: abs(other - k))
    best = max(measured, key=lambda other: measured[other])
    return (
        f"Whole runs with the nearest measured k, {nearest:g}: accuracy {measured[nearest]:.1%}; "
        f"with the best one, {best:g}: {measured[best]:.1%}."
    )
