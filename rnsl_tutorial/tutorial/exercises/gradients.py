"""Self-checks of notebook 03."""

import torch
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial.tutorial import curves
from rnsl_tutorial.tutorial.exercises.checking import (
    Function,
    NotYetRightError,
    check,
    judged,
    say,
)

__all__ = ["check_pull", "check_stable_rnsl"]

_FAR = -200.0  # log p at a cosine of -1 where another prototype's is 1, at T = 0.01


def check_pull(function: Function) -> bool:
    """Check a learner's pull(p, q), how hard an image pulls on its label's logit: p**q (1 - p)."""
    return check(
        function,
        right=lambda p, q: -curves.gradient_wrt_logit(p, q).item(),
        cases=[{"p": p, "q": q} for q in (0.7, 0.2, 1.0, 0.0) for p in (0.5, 0.9, 0.01)],
        slips=lambda right, p, q: {
            "Drop the minus: how hard is the size alone.": -(p**q) * (1 - p),
            "This is the slope over p; times dp/dz = p (1 - p).": p ** (q - 1),
            "This is dL/dp; times dp/dz = p (1 - p).": -(p ** (q - 1)),
            "The factor 1 - p is missing: dp/dz = p (1 - p).": p**q,
            "The brackets are missing: Python reads p**q * 1 - p. Write p**q * (1 - p).": p**q - p,
            "One p too many: p**(q - 1) times p is p**q.": p ** (q + 1) * (1 - p),
            "This is the slope of p**q alone. Divided by q it is p**(q - 1); then times dp/dz.": (
                q * p ** (q - 1)
            ),
            "Drop the minus. And it is q times too small: the q of the power cancels.": (
                -q * p**q * (1 - p)
            ),
            "This is q times the loss, not its slope.": 1 - p**q,
            "This is NSL's pull: multiply by p**q.": 1 - p,
            "This is dp/dz; times the slope over p, p**(q - 1).": p * (1 - p),
            "It is q times too small: the q of the power cancels that of the division.": (
                q * p**q * (1 - p)
            ),
            "dL/dp = -p**(q - 1): its q cancels. And dp/dz = p (1 - p), with the factor p.": (
                q * p ** (q - 1) * (1 - p)
            ),
            "The p of dp/dz = p (1 - p) is missing: it makes p**q of p**(q - 1).": (
                p ** (q - 1) * (1 - p)
            ),
            "q is the exponent of p: a power is written **.": p * q * (1 - p),
            "q is not always 0.7: write q.": p**0.7 * (1 - p),
            "p and 1 - p have changed places.": (1 - p) ** q * p,
            "This is the loss, not its slope.": (1 - p**q) / q if q else 0.0,
        },
        praise="At p = 0.01 NSL pulls with "
        f"{-curves.gradient_wrt_logit(0.01, 0).item():.2f}, RNSL (q = 0.7) with "
        f"{-curves.gradient_wrt_logit(0.01, 0.7).item():.2f}.",
    )


def check_stable_rnsl(function: Function) -> bool:
    """Check a learner's stable_rnsl(log_p, q): (1 - p**q) / q by expm1, and its slope."""
    cases = [(0.7, -1.0), (0.7, -0.01), (1.0, -3.0), (0.7, _FAR), (1e-6, -1.0), (1e-6, _FAR)]
    values_are_right = check(
        function,
        right=losses.negative_box_cox,
        cases=[{"log_p": torch.tensor(log_p), "q": q} for q, log_p in cases],
        slips=lambda right, log_p, q: {
            "Never form p: it underflows to 0, and for small q the digits of 1 - p**q cancel. "
            "torch.expm1(q * log_p) is p**q - 1 in one step.": (1 - log_p.exp() ** q) / q,
            "For small q the digits of 1 - exp(...) cancel: torch.expm1 keeps them.": (
                (1 - (q * log_p).exp()) / q
            ),
            "The minus in front is missing.": torch.expm1(q * log_p) / q,
            "Divide by q.": -torch.expm1(q * log_p),
            "Here q cancels: set brackets. It is expm1(q * log_p), and then / q.": (
                -torch.expm1(log_p)
            ),
            "The minus stands in front of expm1, and not inside.": torch.expm1(-q * log_p) / q,
            "You are given log p, and not p: p**q = exp(q * log_p).": (1 - log_p**q) / q,
            "The power: it is q * log_p.": -torch.expm1(log_p) / q,
            "expm1 has taken the 1 away already: expm1(x) = exp(x) - 1.": (
                (1 - torch.expm1(q * log_p)) / q
            ),
            "This is NSL, the limit q -> 0.": -log_p,
        },
        praise=f"At q = 1e-06 and log p = {_FAR:g} it costs 200, as NSL does. And its slope?",
    )
    return values_are_right and _check_slope(function)


@judged
def _check_slope(function: Function) -> None:
    for q, log_p in ((0.7, -1.0), (0.7, _FAR), (0.2, 4 * _FAR)):
        found = _slope(function, log_p, q)
        expected = _slope(losses.negative_box_cox, log_p, q) + 0.0  # no -0
        if not torch.isclose(found, expected, rtol=1e-5, atol=1e-5):
            raise NotYetRightError(
                f"The losses are right. But at log_p = {log_p:g}, q = {q:g} the slope is "
                f"{found.item():.4g}, expected {expected.item():.4g}. Is p formed on the "
                "way? It underflows to 0. Use torch.expm1(q * log_p).",
                {"log_p": torch.tensor(log_p), "q": q},
            )
    say("Its slope is right too, also where p underflows: a number, and not NaN.")


def _slope(function: Function, log_p: float, q: float) -> Tensor:
    leaf = torch.tensor(log_p, requires_grad=True)
    try:
        (slope,) = torch.autograd.grad(function(log_p=leaf, q=q), leaf)
    except (RuntimeError, TypeError) as error:
        raise NotYetRightError(
            "The losses are right, but autograd cannot follow your function back to log_p "
            f"({error}). Use torch's functions alone: no numpy, math, item() or detach().",
            {"log_p": torch.tensor(log_p), "q": q},
        ) from error
    return slope
