"""Self-checks for the learner: each says what is wrong, not only that something is.

A function that still raises NotImplementedError gets a friendly line and no error, so that
"Run All Cells" reaches the end of a notebook before anything is solved.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rnsl_tutorial import losses

Function = Callable[..., Any]


class NotYetRightError(AssertionError):
    """The answer is wrong; the message says where and, if it can be told, why."""

    def _render_traceback_(self) -> list[str]:
        """Let Jupyter show the message alone, without the inside of this module."""
        return [f"Not yet right. {self}"]


class Slip(NamedTuple):
    """A likely wrong answer: what it computes, and what to tell who wrote it."""

    function: Function
    advice: str


def check_robust_loss(function: Function) -> None:
    """Check a learner's robust_loss(p, q), the loss of RNSL: (1 - p**q) / q.

    Raises:
        NotYetRightError: it returns something else.
    """
    _check(
        function,
        right=lambda p, q: losses.loss_of_p(p, q).item(),
        cases=[{"p": p, "q": q} for q in (0.7, 0.2, 1.0) for p in (0.5, 0.9, 0.01, 1.0)],
        slips=[
            Slip(lambda p, q: 1 - p**q, "It is q times too small: divide by q."),
            Slip(lambda p, q: (p**q - 1) / q, "The sign is turned: 1 comes first, then p**q."),
            Slip(lambda p, q: (1 - q**p) / p, "p and q have changed places."),
            Slip(lambda p, q: (1 - p) ** q / q, "Take the power of p alone, not of 1 - p."),
            Slip(lambda p, q: 1 - p**q / q, "Put 1 - p**q in brackets: all of it is divided by q."),
            Slip(lambda p, q: (1 - p**0.7) / 0.7, "q is not always 0.7: write q."),
            Slip(lambda p, q: (1 - p**q) / 0.7, "Divide by q, not by 0.7."),
            Slip(lambda p, q: -math.log(p), "This is NSL; RNSL takes (1 - p**q) / q instead."),
        ],
        praise=f"At q = 0.7 an image with p = 0.01 costs {losses.loss_of_p(0.01, 0.7):.1f}; "
        f"NSL makes it cost {losses.loss_of_p(0.01, 0):.1f}.",
    )


def _check(
    function: Function,
    right: Function,
    cases: Sequence[dict[str, float]],
    slips: Sequence[Slip],
    praise: str,
) -> None:
    try:
        answers = [function(**case) for case in cases]
    except NotImplementedError:
        _say("Not solved yet: write the function in place of `raise NotImplementedError(...)`.")
        return
    except (ArithmeticError, NameError, TypeError) as error:
        names = " and ".join(cases[0])
        advice = f"The function takes {names}; a power is written **."
        raise NotYetRightError(f"Python stopped in your function: {error}. {advice}") from error
    expected = [right(**case) for case in cases]
    for case, answer, value in zip(cases, answers, expected, strict=True):
        if not _close(answer, value):
            raise NotYetRightError(_explain(case, answer, value, answers, cases, slips))
    _say(f"Right. {praise}")


def _explain(
    case: dict[str, float],
    answer: object,
    value: float,
    answers: Sequence[object],
    cases: Sequence[dict[str, float]],
    slips: Sequence[Slip],
) -> str:
    where = ", ".join(f"{name} = {number:g}" for name, number in case.items())
    if answer is None:
        return f"At {where} your function returns None: is the `return` missing?"
    for slip in slips:
        if all(_close(a, slip.function(**c)) for a, c in zip(answers, cases, strict=True)):
            return f"At {where} it gives {_short(answer)}, expected {value:.4g}. {slip.advice}"
    return f"At {where} it gives {_short(answer)}, expected {value:.4g}."


def _close(answer: Any, value: float) -> bool:
    try:
        return abs(float(answer) - value) <= 1e-5 * max(1.0, abs(value))
    except (TypeError, ValueError):
        return False


def _short(answer: object) -> str:
    return f"{answer:.4g}" if isinstance(answer, float) else repr(answer)


def _say(text: str) -> None:
    print(text)  # noqa: T201 - it speaks to the learner, under the cell
