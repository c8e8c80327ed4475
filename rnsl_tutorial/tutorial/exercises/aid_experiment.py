"""Self-checks of notebook 07.

Shapes: B images in a batch, S seeds, P tests.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnsl_tutorial.evaluation import significance
from rnsl_tutorial.tutorial.exercises.checking import (
    Function,
    NotYetRightError,
    called,
    check,
    judged,
    say,
)

__all__ = ["check_holm", "check_own_loss", "check_paired_interval"]

_T_OF_5 = 2.776  # 97.5% of Student's t with 4 degrees of freedom lies below
_SEEDS = (
    np.array([0.851, 0.848, 0.853, 0.856, 0.852]),
    np.array([0.702, 0.697, 0.705, 0.706, 0.695]),
)


def check_paired_interval(function: Function) -> bool:
    """Check a learner's paired_interval(ours, theirs, t): mean, low and high of the difference."""
    ours, theirs = _SEEDS

    def unpaired(ours: NDArray[Any], theirs: NDArray[Any], t: float) -> NDArray[Any]:
        mean = ours.mean() - theirs.mean()
        error = math.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / len(ours))
        return np.array([mean, mean - t * error, mean + t * error])

    return check(
        function,
        right=_paired_interval,
        cases=[
            {"ours": ours, "theirs": theirs, "t": _T_OF_5},
            {"ours": theirs[:3], "theirs": ours[:3], "t": 4.303},
        ],
        slips=lambda right, ours, theirs, t: {
            "You add the spreads of both losses. Take the five differences first, and their "
            "spread: that is what pairing is.": unpaired(ours, theirs, t),
            "The sign is turned around: ours minus theirs.": _paired_interval(theirs, ours, t),
            "The spread of the differences is not that of their mean: divide by the root of "
            "their number.": _around(ours - theirs, t * np.std(ours - theirs, ddof=1)),
            "t is not always 2.776: write t.": _paired_interval(ours, theirs, _T_OF_5),
            "np.std divides by S unless you tell it not to: pass ddof=1, for S - 1.": (
                _around(ours - theirs, t * np.std(ours - theirs) / math.sqrt(len(ours)))
            ),
            "This is one standard error up and down; an interval of 95% takes t of them.": (
                _around(ours - theirs, np.std(ours - theirs, ddof=1) / math.sqrt(len(ours)))
            ),
            "The interval is right; the mean stands before it: mean, low, high.": right[1:],
            "The mean is right; return mean, low, high.": (ours - theirs).mean(),
        },
        praise="An interval that does not hold 0: this difference is more than the seeds' own.",
    )


def check_holm(function: Function) -> bool:
    """Check a learner's holm(p_values): each raised for the number of tests, in its own place."""
    return check(
        function,
        right=significance.holm,
        cases=[
            {"p_values": np.array([0.04, 0.01, 0.03, 0.4])},
            {"p_values": np.array([0.02, 0.7, 0.001, 0.019, 0.6])},
            {"p_values": np.array([0.03])},
        ],
        slips=lambda right, p_values: {
            "Each is multiplied by the number of all tests: that is Bonferroni. Only the smallest "
            "is; the next by one less.": np.minimum(1, p_values * len(p_values)),
            "One of them ends below one that was smaller before: raise it to that one, with "
            "np.maximum.accumulate over the sorted values.": _stepped(p_values, rising=False),
            "No p is larger than 1: np.minimum(1, ...).": _stepped(p_values, cut=False),
            "These are neither raised to the one before nor cut at 1: steps 2 and 3.": (
                _stepped(p_values, rising=False, cut=False)
            ),
            "The values are right, in the order of their size. Put each back where its own "
            "stood: corrected[order] = ...": np.sort(right),
            "The largest is multiplied most; it must be the smallest: n, n - 1, ..., 1.": (
                _stepped(p_values, downwards=False)
            ),
            "You multiply in the order given; sort first.": np.minimum(
                1, np.maximum.accumulate(p_values * np.arange(len(p_values), 0, -1))
            ),
        },
        praise="Twenty looks, and still only one chance in twenty of a false alarm among them.",
    )


@judged
def check_own_loss(function: Function) -> None:
    """Look whether a learner's own_loss(log_p) can be trained with; there is no single right one.

    It can if it gives one finite number an image that falls as p rises, and has a finite slope.
    """
    case = {"log_p": torch.cat([torch.tensor([-200.0, -20.0]), torch.linspace(-6, 0, 13)])}
    values_B = called(function, case)
    if values_B is None:
        raise NotYetRightError("Your loss returns None: is the `return` missing?", case)
    shape = list(case["log_p"].shape)
    if not isinstance(values_B, Tensor) or list(values_B.shape) != shape:
        given = list(values_B.shape) if isinstance(values_B, Tensor) else repr(values_B)
        raise NotYetRightError(
            f"For log_p of shape {shape} your loss gives {given}; return a tensor with one value "
            "for each image.",
            case,
        )
    _refuse_bad_values(function, case)
    say("It can be trained with: finite, and smaller where the label is believed. Now measure it.")


def _refuse_bad_values(function: Function, case: dict[str, Tensor]) -> None:
    log_p_B = case["log_p"].clone().requires_grad_()
    values_B = _followed(function, log_p_B)
    (slopes_B,) = torch.autograd.grad(values_B.sum(), log_p_B)
    if not (values_B.isfinite() & slopes_B.isfinite()).all():
        worst = log_p_B[~(values_B.isfinite() & slopes_B.isfinite())][0].item()
        raise NotYetRightError(
            f"At log p = {worst:.3g} the loss or its slope is not finite. p underflows there: "
            "stay with log_p, and write 1 - p as -torch.expm1(log_p).",
            {"log_p": torch.tensor([worst])},
        )
    if (values_B.diff() > 1e-6).any() or values_B[-1] >= values_B[2]:
        raise NotYetRightError(
            "Your loss rises somewhere as p rises, or is the same everywhere. It must fall: the "
            "more the prototypes believe the label, the less there is to learn.",
            case,
        )


def _followed(function: Function, log_p_B: Tensor) -> Tensor:
    try:
        values_B: Tensor = function(log_p=log_p_B)
    except RuntimeError:  # numpy refuses a tensor that has a gradient
        values_B = log_p_B.detach()
    if not values_B.requires_grad:
        raise NotYetRightError(
            "Your loss does not depend on log_p in a way that torch can follow: use torch's "
            "functions, no numpy and no .item().",
            {"log_p": log_p_B.detach()},
        )
    return values_B


# ------------------------------------------------------------------ inside


def _paired_interval(ours: NDArray[Any], theirs: NDArray[Any], t: float) -> NDArray[Any]:
    differences_S = ours - theirs
    return _around(differences_S, t * np.std(differences_S, ddof=1) / math.sqrt(len(ours)))


def _around(values: NDArray[Any], reach: float) -> NDArray[Any]:
    return np.array([values.mean(), values.mean() - reach, values.mean() + reach])


def _stepped(
    p_values: NDArray[Any], *, rising: bool = True, cut: bool = True, downwards: bool = True
) -> NDArray[Any]:
    """Holm's correction, or with some of its steps left out."""
    order_P, factors_P = np.argsort(p_values), np.arange(1, len(p_values) + 1)
    raised_P = p_values[order_P] * (factors_P[::-1] if downwards else factors_P)
    raised_P = np.maximum.accumulate(raised_P) if rising else raised_P
    found_P = np.empty(len(p_values))
    found_P[order_P] = np.minimum(1, raised_P) if cut else raised_P
    return found_P
