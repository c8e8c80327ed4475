"""How an answer is checked: run it on some cases, compare, and look for the likely slips."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = [
    "UNSOLVED",
    "Function",
    "NotYetRightError",
    "OneOf",
    "check",
    "say",
    "telling_what_stops",
]

_FEW = 6  # values that a message lists one by one
Function = Callable[..., Any]

UNSOLVED = "Not solved yet: write the function in place of `raise NotImplementedError(...)`."


class NotYetRightError(AssertionError):
    """The answer is wrong; the message says where and, if it can be told, why."""

    def _render_traceback_(self) -> list[str]:
        """Let Jupyter show the message alone, without the inside of this module."""
        return [f"Not yet right. {self}"]


class OneOf(NamedTuple):
    """What two wrong answers give that deserve the same advice."""

    one: Any
    other: Any


def check(
    function: Function,
    right: Function,
    cases: Sequence[Mapping[str, Any]],
    slips: Function,
    praise: str,
) -> None:
    """Compare a learner's function with the right one, case by case.

    The learner's function gets copies: one that writes into its arguments spoils no later check.

    Args:
        function: the learner's; while it raises NotImplementedError, that is said and nothing else.
        right: the right answer; returns a number, or an array or tensor of any shape.
        cases: arguments by name: numbers, arrays, tensors.
        slips: called with the right answer and the arguments of a case, returns by the advice what
            likely wrong answers give; the first that the learner's agrees with on every case is
            named.
        praise: what is said after "Right."

    Raises:
        NotYetRightError: it returns something else, or Python stops in it.
    """
    try:
        with telling_what_stops(" and ".join(", ".join(cases[0]).rsplit(", ", 1))):
            answers = [function(**copy.deepcopy(dict(case))) for case in cases]
    except NotImplementedError:
        say(UNSOLVED)
        return
    expected = [right(**case) for case in cases]
    for case, answer, value in zip(cases, answers, expected, strict=True):
        if not _agree(answer, value):
            tried = [slips(v, **c) for v, c in zip(expected, cases, strict=True)]
            raise NotYetRightError(_explain(case, answer, value, _likely(answers, tried)))
    say(f"Right. {praise}")


@contextmanager
def telling_what_stops(takes: str) -> Iterator[None]:
    """Turn what stops Python in a learner's function into a message.

    Args:
        takes: the arguments of the function, as they are called.

    Raises:
        NotImplementedError: the function is not solved yet.
        NotYetRightError: Python stops in it, for any other reason.
    """
    try:
        yield
    except NotImplementedError:
        raise
    except Exception as error:
        power = " A power is written **." if "for ^" in str(error) else ""
        raise NotYetRightError(
            f"Python stopped in your function: {type(error).__name__}: {error}. "
            f"The function takes {takes}.{power}"
        ) from error


def _agree(answer: Any, value: Any) -> bool:
    """Whether an answer has the shape of the value and equals it, to 1e-5 relative or absolute."""
    if isinstance(value, OneOf):
        return any(_agree(answer, one) for one in value)
    found, wanted = _array(answer), _array(value)
    if found is None or wanted is None or found.shape != wanted.shape:
        return False
    return bool(np.allclose(found, wanted, rtol=1e-5, atol=1e-5, equal_nan=True))


def say(text: str) -> None:
    """Speak to the learner, under the cell."""
    print(text)  # noqa: T201


def _likely(answers: Sequence[object], tried: Sequence[Mapping[str, Any]]) -> str:
    """The advice to the first wrong answer that agrees on every case; empty if there is none."""
    for advice in tried[0]:
        if all(_agree(answer, wrong[advice]) for answer, wrong in zip(answers, tried, strict=True)):
            return advice
    return ""


def _explain(case: Mapping[str, Any], answer: object, value: Any, advice: str) -> str:
    where = ", ".join(f"{name} = {_short(given)}" for name, given in case.items())
    if answer is None:
        return f"At {where} your function returns None: is the `return` missing?"
    return f"At {where} {_difference(answer, value)} {advice}".rstrip()


def _difference(answer: object, value: Any) -> str:
    found, wanted = _array(answer), _array(value)
    if found is None or wanted is None or found.ndim == wanted.ndim == 0:
        return f"it gives {_short(answer)}, expected {_short(value)}."
    if found.shape != wanted.shape:
        if found.ndim == wanted.ndim == 1 and max(found.size, wanted.size) <= _FEW:
            return f"it gives {_listed(found)}, expected {_listed(wanted)}."
        return f"it gives the shape {list(found.shape)}, expected {list(wanted.shape)}."
    wrong = ~np.isclose(found, wanted, rtol=1e-5, atol=1e-5, equal_nan=True)
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return (
        f"{wrong.sum()} of {wrong.size} values are off; the first, at {list(place)}, is "
        f"{found[place]:.4g}, expected {wanted[place]:.4g}."
    )


def _listed(values: NDArray[np.float64]) -> str:
    return f"[{', '.join(f'{value:.4g}' for value in values)}]"


def _array(answer: Any) -> NDArray[np.float64] | None:
    """The answer as numbers; None where it holds none."""
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu().numpy()
    if isinstance(answer, str):
        return None
    try:
        return np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _short(given: object) -> str:
    array = _array(given)
    if isinstance(given, torch.Tensor | np.ndarray) and array is not None and array.ndim:
        return f"[{' x '.join(map(str, array.shape))}]"
    if isinstance(given, bool | int | str) or array is None or array.ndim:
        return repr(given)
    return f"{float(array):.4g}"
