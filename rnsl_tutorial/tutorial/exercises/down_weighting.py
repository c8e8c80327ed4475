"""Self-checks of notebook 04."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rnsl_tutorial.experiments import results
from rnsl_tutorial.tutorial import curves, plots
from rnsl_tutorial.tutorial.exercises.checking import (
    Function,
    NotYetRightError,
    called,
    check,
    judged,
    say,
)

__all__ = ["check_half_heard", "check_q_choice", "check_weight"]

_MOST_LOST = 0.01
"""How much accuracy a good choice may lose: about as much as two seeds differ by."""


def check_weight(function: Function) -> bool:
    """Check a learner's weight(p, q), the pull of RNSL as a share of NSL's: p**q."""
    kept = _weight(0.01, 0.7)
    return check(
        function,
        right=_weight,
        cases=[{"p": p, "q": q} for q in (0.7, 0.2, 1.0) for p in (0.5, 0.9, 0.01)],
        slips=lambda right, p, q: {
            "p and q have changed places.": q**p,
            "This is RNSL's pull; divide it by NSL's, 1 - p.": p**q * (1 - p),
            "This is NSL's pull; how much of it does RNSL keep?": 1 - p,
            "This is the slope over p; divide it by NSL's, 1/p.": p ** (q - 1),
            "This is the loss; asked is the share of the pull.": (1 - p**q) / q,
            "You divide RNSL's loss by NSL's; divide the pulls, p**q * (1 - p) by 1 - p.": (
                (1 - p**q) / (-q * math.log(p))
            ),
            "Turned round: divide RNSL's pull by NSL's.": p**-q,
            "Both pulls have the same sign: the share is positive.": -(p**q),
            "This is what is lost of the pull; asked is what is kept.": 1 - p**q,
            "Take the power of p, not of 1 - p.": (1 - p) ** q,
            "q is the exponent of p: a power is written **.": p * q,
            "A share is at most 1: leave the factor 100 out.": 100 * p**q,
            "q is not always 0.7: write q.": p**0.7,
        },
        praise=f"At q = 0.7 an image with p = 0.01 keeps {kept:.0%} of the pull that NSL gives it.",
    )


def _weight(p: float, q: float) -> float:
    return (curves.gradient_wrt_p(p, q) / curves.gradient_wrt_p(p, 0)).item()


def check_half_heard(function: Function) -> bool:
    """Check a learner's half_heard(q), the p at which RNSL pulls half as NSL: 0.5**(1/q)."""
    return check(
        function,
        right=lambda q: 0.5 ** (1 / q),
        cases=[{"q": q} for q in (0.7, 0.1, 0.5, 1.0)],
        slips=lambda right, q: {
            "Turned round: p**q = 0.5 gives p = 0.5 to the power 1/q.": 0.5**q,
            "p is at most 1: the base is 0.5, not 2.": 2 ** (1 / q),
            "This solves p * q = 0.5: take the root. (0.5**1/q is 0.5/q, too.)": 0.5 / q,
            "At p = 0.5 the weight is 0.5**q: half only if q is 1.": 0.5,
            "There RNSL pulls hardest; asked is where p**q is 0.5.": q / (1 + q),
            "This is 1 - p; asked is p.": 1 - right,
            "This is log p: take exp of it.": math.log(0.5) / q,
            "q is not always 0.7: write q.": 0.5 ** (1 / 0.7),
        },
        praise=f"At q = 0.7 images below p = {0.5 ** (1 / 0.7):.2f} lose more than half of their "
        f"pull, at q = 0.1 only those below p = {0.5**10:.3f}.",
    )


class _Cell(NamedTuple):
    """A choice of q at one measured noise and rate; accuracies in [0, 1]."""

    rate: float
    noise: str
    accuracy: float
    best: float
    best_q: float
    memorized: float

    @property
    def lost(self) -> float:
        """How much accuracy the best measured q would have added."""
        return self.best - self.accuracy


@judged
def check_q_choice(
    q: float | Function, lowest_rate: float = 0.1, highest_rate: float = 0.5
) -> None:
    """Judge a q by what was measured on AID, with symmetric and with label-dependent noise.

    At each measured rate from the lowest to the highest the choice is compared with the best
    measured q there. It is good where it loses at most `MOST_LOST` of accuracy. Between two
    measured values of q the accuracy is interpolated.

    Args:
        q: in [0, 1], 0 for NSL; or a function that returns it.
        lowest_rate: of wrong labels that the archive may have.
        highest_rate: of wrong labels that the archive may have.

    Raises:
        ValueError: no rate was measured from the lowest to the highest.
    """
    chosen = _checked_q(called(q, {}) if callable(q) else q)
    cells = _judged(chosen, lowest_rate, highest_rate)
    say(_reading(chosen, cells))
    worst = max(cells, key=lambda cell: cell.lost)
    if worst.lost > _MOST_LOST:
        raise NotYetRightError(_advice(chosen, worst))
    say(
        f"A good choice: it loses at most {100 * max(worst.lost, 0):.1f} points of accuracy, and "
        f"{100 * _MOST_LOST:g} is the limit. Now say what it would cost if there were no wrong "
        "labels at all, and if there were 70%."
    )


def _checked_q(q: object) -> float:
    if q is None:
        raise NotYetRightError("Your function returns None: is the `return` missing?")
    if isinstance(q, int | float | np.number) and not isinstance(q, bool) and 0 <= q <= 1:
        return float(q)
    raise NotYetRightError(
        f"q is {q!r}. RNSL takes a number above 0, up to 1; write 0 for NSL, the limit."
    )


def _judged(q: float, lowest_rate: float, highest_rate: float) -> list[_Cell]:
    """The choice at every measured rate in the range and every kind of noise."""
    table = results.shipped_over_q()
    rows = [r for r, rate in enumerate(table.rates) if lowest_rate <= rate <= highest_rate]
    if not rows:
        measured = ", ".join(f"{rate:g}" for rate in table.rates)
        raise ValueError(
            f"No rate from {lowest_rate} to {highest_rate} was measured; there are {measured}."
        )
    return list(_cells(table, q, rows))


def _cells(table: results.OverQ, q: float, rows: list[int]) -> Iterator[_Cell]:
    for r in rows:
        for k, noise in enumerate(table.noises):
            accuracy_Q = table.accuracy[k, r]
            yield _Cell(
                table.rates[r],
                plots.NOISE_NAMES[noise],
                float(np.interp(q, table.qs, accuracy_Q)),
                float(accuracy_Q.max()),
                table.qs[int(accuracy_Q.argmax())],
                float(np.interp(q, table.qs, table.memorized[k, r])),
            )


def _reading(q: float, cells: list[_Cell]) -> str:
    measured = results.shipped_over_q().qs
    note = "measured" if q in measured else f"interpolated between {_around(q, measured)}"
    lines = [
        f"  {cell.rate:4.0%} wrong, {cell.noise:15} {cell.accuracy:6.1%}, best {cell.best:.1%} at "
        f"q = {cell.best_q:g}: {100 * cell.lost:.1f} points lost"
        for cell in cells
    ]
    return "\n".join([f"q = {q:g} ({note}) on AID:", *lines])


def _around(q: float, measured: tuple[float, ...]) -> str:
    above = int(np.searchsorted(measured, q))
    return f"q = {measured[above - 1]:g} and {measured[above]:g}"


def _advice(q: float, worst: _Cell) -> str:
    where = f"with {worst.rate:.0%} wrong labels ({worst.noise})"
    lost = (
        f"q = {q:g} loses {100 * worst.lost:.1f} points {where}: {worst.accuracy:.1%} find their "
        f"class, {worst.best:.1%} at q = {worst.best_q:g}. A good choice loses at most "
        f"{100 * _MOST_LOST:g} point at every rate: about as much as two seeds differ by."
    )
    if q < worst.best_q:
        return f"{lost} It is too small: {worst.memorized:.0%} of the wrong labels are memorized."
    return f"{lost} It is too large: images that are right but hard are silenced, too."
