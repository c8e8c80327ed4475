"""Self-checks of notebook 05.

Shapes: N images.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnsl_tutorial import losses
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

__all__ = ["check_choose_k", "check_keep_mask", "check_truncated_loss"]

_LOG_P = np.log(np.array([0.9, 0.5, 0.2, 0.001, 0.7, 1.0, 0.3, 0.95]))
_HALF = 0.5  # of the wrong labels a rule finds at least so many, and so many right ones it keeps


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


def check_truncated_loss(function: Function) -> bool:
    """Check a learner's truncated_loss(log_p, kept, q, k): kept * (L_q(p) - L_q(k)) of each."""
    return check(
        function,
        right=lambda log_p, kept, q, k: kept * (_loss(log_p, q) - _level(q, k)),
        cases=[
            {"log_p": torch.tensor(log_p), "kept": torch.tensor(kept), "q": q, "k": k}
            for log_p, kept, q, k in (
                ([-0.1, -0.5, -2.0, -0.2], [True, True, True, False], 0.7, 0.5),
                ([-0.3, -3.0, -0.05, -1.0], [False, True, True, False], 0.4, 0.3),
                ([-5.0, -0.01, -0.7], [False, True, False], 1.0, 0.6),
            )
        ],
        slips=lambda right, log_p, kept, q, k: {
            "kept is not used: the loss of an image that is left out is 0.": (
                _loss(log_p, q) - _level(q, k)
            ),
            "This decides anew who is left out. While it trains, kept stays as it was chosen.": (
                (log_p.exp() > k) * (_loss(log_p, q) - _level(q, k))
            ),
            "L_q(k) is missing: take it away from the loss of each image that is kept.": (
                kept * _loss(log_p, q)
            ),
            "The constant goes away from images that are left out, too: set brackets.": (
                kept * _loss(log_p, q) - _level(q, k)
            ),
            "This is the curve with the plateau. kept says who counts, and L_q(k) is taken away.": (
                _loss(log_p, q).clamp(max=_level(q, k))
            ),
            "Turned round: it is L_q(p) minus L_q(k).": kept * (_level(q, k) - _loss(log_p, q)),
            "kept is turned round: True is an image that stays.": (
                ~kept * (_loss(log_p, q) - _level(q, k))
            ),
            "L_q(k) is (1 - k**q) / q: the q below is missing.": (
                kept * (_loss(log_p, q) - q * _level(q, k))
            ),
            "k itself is taken away; take L_q(k), the loss of an image with p = k.": (
                kept * (_loss(log_p, q) - k)
            ),
            "You are given log p: p**q is exp(q * log_p).": (
                kept * ((1 - log_p**q) / q - _level(q, k))
            ),
            "Only the images that are kept have a value here; return a 0 for the others.": (
                (_loss(log_p, q) - _level(q, k))[kept]
            ),
            "This is the mean; return one value for each image.": right.mean(),
        },
        praise="Where p > k it is below 0: to keep such an image is worth it. The constant has no "
        "slope.",
    )


def _loss(log_p: Tensor, q: float) -> Tensor:
    return losses.negative_box_cox(log_p, q)


def _level(q: float, k: float) -> float:
    return float((1 - k**q) / q)


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
