"""How an answer is checked: run it on some cases, compare, and look for the likely slips.

A wrong answer stops nothing: the words come in red, `failed` keeps the case, and the check returns
False. Inside of this room a wrong answer is a `NotYetRightError`, which `judged` catches.
"""

import copy
import functools
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Function", "NotYetRightError", "OneOf", "called", "check", "failed", "judged", "say"]

_P = ParamSpec("_P")
_FEW = 6  # values that a message lists one by one
_LONGEST = 120  # characters of an argument that a message writes out
_A_LINE = 80  # characters of all arguments that a message begins with; longer ones come after it
_RED, _INK = "\x1b[38;5;160m", "\x1b[0m"  # a red that can be read on white and on black
_UNSOLVED = "Not solved yet: write the function in place of `raise NotImplementedError(...)`."
_HINTS = {  # to what Python says
    "for ^": "A power is written **.",
    "unexpected keyword argument": "Keep the names of the arguments as the exercise has them.",
    "to matmul need to be at least 1D": "For a single row, x @ x.T is one number: torch.outer(x, x)"
    " is the matrix, and g - x * (x @ g) needs none.",
    "boolean index": "A mask has one value for each image of the array that it cuts.",
    "cannot assign": "What is put there is of other images: is the mask the same on both sides?",
    "divide by zero": "Which of the arguments may be 0?",
    "'NoneType'": "Does a part of it return nothing?",
}
Function = Callable[..., Any]

failed: dict[str, Any] = {}
"""The arguments of the last case that failed, by name: ``my_function(**exercises.failed)``."""


class NotYetRightError(AssertionError):
    """The answer is wrong; the message says where and, if it can be told, why.

    Args:
        message: what the learner reads after "Not yet right."
        case: the arguments at which it is wrong, by name, which `failed` keeps.
    """

    def __init__(self, message: str, case: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.case = dict(case or {})


class OneOf(NamedTuple):
    """What two wrong answers give that deserve the same advice."""

    one: Any
    other: Any


def judged(check: Callable[_P, object]) -> Callable[_P, bool]:
    """Let a check speak where it would raise, so that "Run All Cells" reaches the end.

    Args:
        check: raises NotImplementedError for an unsolved answer, NotYetRightError for a wrong one;
            its first argument is the learner's function.

    Returns:
        The same check, which returns True for a right answer. To any other it says what is to be
        done, in red if it is wrong, and returns False.
    """

    @functools.wraps(check)
    def speaking(*args: _P.args, **kwargs: _P.kwargs) -> bool:
        try:
            check(*args, **kwargs)
        except NotImplementedError:
            say(_UNSOLVED)
        except NotYetRightError as error:
            say(f"{_RED}Not yet right. {error}{_INK}")
            if error.case:
                _keep(error.case, getattr(args[0], "__name__", ""), str(error))
        else:
            return True
        return False

    return speaking


def _keep(case: Mapping[str, Any], name: str, said: str) -> None:
    failed.clear()
    failed.update(copy.deepcopy(dict(case)))
    if _typed(case) not in said:
        say(f"The arguments: {_typed(case)}")
    say(f"Try it there: {name if name.isidentifier() else 'your_function'}(**exercises.failed)")


@judged
def check(
    function: Function,
    right: Function,
    cases: Sequence[Mapping[str, Any]],
    slips: Function,
    praise: str,
    *,
    follows: str = "",
) -> None:
    """Compare a learner's function with the right one, case by case.

    The learner's function gets copies, and is told if it writes into them. Where the right answer
    is a tensor with axes, so must the learner's be; a list and a numpy array are alike elsewhere.
    What is lazy in any exercise (a constant, an argument returned, a mean in place of one value an
    image, a sign, a fraction upside down) needs no slip: it has its words here.

    Args:
        function: the learner's; while it raises NotImplementedError, that is said and nothing else.
        right: the right answer; returns a number, or an array or tensor of any shape.
        cases: arguments by name: numbers, arrays, tensors. A message writes them out so that they
            can be typed, if they are short: the first cases should be.
        slips: called with the right answer and the arguments of a case, returns by the advice what
            likely wrong answers give; the first that the learner's agrees with on every case is
            named.
        praise: what is said after "Right."
        follows: the argument back to which autograd must be able to follow the answer.

    Returns:
        Whether it is right. A wrong one is told why, in red, and the case is kept in `failed`.
    """
    answers = [called(function, case) for case in cases]
    expected = [right(**case) for case in cases]
    for case, answer, value in zip(cases, answers, expected, strict=True):
        if not _agree(answer, value):
            with np.errstate(all="ignore"):
                tried = [slips(v, **c) for v, c in zip(expected, cases, strict=True)]
            advice = _likely(answers, tried) or _usual(answers, expected, cases)
            raise NotYetRightError(_explain(case, answer, value, advice), case)
    for case, answer, value in zip(cases, answers, expected, strict=True):
        if words := _wrong_type(answer, value):
            raise NotYetRightError(f"{_at(case, 'the numbers are right')}. {words}", case)
    if follows:
        _check_followed(function, cases[0], follows)
    say(f"Right. {praise}")


def called(function: Function, case: Mapping[str, Any]) -> Any:
    """Call a learner's function with copies of the arguments of a case.

    Raises:
        NotImplementedError: it is not solved yet.
        NotYetRightError: Python stops in it, or it writes into an argument.
    """
    given = copy.deepcopy(dict(case))
    try:
        answer = function(**given)
    except NotImplementedError:
        raise
    except Exception as error:
        raise NotYetRightError(_what_stops(error, case), case) from error
    for name, value in case.items():
        if isinstance(value, Tensor | np.ndarray | list) and not _same(given[name], value):
            work = ".clone()" if isinstance(value, Tensor) else ".copy()"
            raise NotYetRightError(
                f"Your function writes into {name}, and whoever calls it finds other values there "
                f"than before (+=, {name}[...] = and np.fill_diagonal do that). Work on a copy: "
                f"{name}{work}.",
                case,
            )
    return answer


def say(text: str) -> None:
    """Speak to the learner, under the cell."""
    print(text)  # noqa: T201


# ------------------------------------------------------------------ what stops Python


def _what_stops(error: Exception, case: Mapping[str, Any]) -> str:
    told = (str(error).splitlines() or [""])[0].rstrip(".")
    takes = " and ".join(", ".join(case).rsplit(", ", 1)) or "nothing"
    hint = next((hint for said, hint in _HINTS.items() if said in str(error)), "")
    return (
        f"Python stopped in your function: {type(error).__name__}: {told}. "
        f"{_at(case, _line_of(error))}The function takes {takes}. {hint}"
    ).rstrip()


def _line_of(error: Exception) -> str:
    """The line of the learner's own code on which Python stopped; empty if it did before."""
    room = Path(__file__).parent
    found = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in found if Path(frame.filename).parent != room]
    own = [f for f in frames if f.filename == frames[0].filename]
    if not own or "site-packages" in own[-1].filename:
        return ""
    return f"it was line {own[-1].lineno}, `{own[-1].line}`. "


# ------------------------------------------------------------------ whether it is right


def _agree(answer: Any, value: Any) -> bool:
    """Whether an answer has the shape of the value and equals it, to 1e-5 relative or absolute."""
    if isinstance(value, OneOf):
        return any(_agree(answer, one) for one in value)
    found, wanted = _array(answer), _array(value)
    if found is None or wanted is None or found.shape != wanted.shape:
        return False
    return bool(np.allclose(found, wanted, rtol=1e-5, atol=1e-5, equal_nan=True))


def _same(after: Any, before: Any) -> bool:
    """Whether an argument is as it was, to the last bit."""
    if isinstance(before, list):
        return repr(after) == repr(before)
    after, before = (
        np.asarray(x.detach() if isinstance(x, Tensor) else x) for x in (after, before)
    )
    return bool(after.shape == before.shape and after.tobytes() == before.tobytes())


def _wrong_type(answer: Any, value: Any) -> str:
    """What is to be said of an answer whose numbers are right and whose type is not; or nothing."""
    found, wanted = np.asarray(_plain(answer)), np.asarray(_plain(value))
    if not wanted.ndim or not wanted.size:
        return ""
    if isinstance(value, Tensor) and isinstance(answer, np.ndarray):
        return (
            "But this is a numpy array, through which autograd finds no way: return a tensor, made "
            "by torch's functions alone."
        )
    if isinstance(value, Tensor) and not isinstance(answer, Tensor):
        return f"But this is a {type(answer).__name__}: return one tensor. torch.stack makes it."
    if wanted.dtype.kind == "b" != found.dtype.kind:
        return (
            "But these are numbers: return True or False for each. As an index, 1 means the second "
            "image, and True means this one."
        )
    if wanted.dtype.kind in "iu" and found.dtype.kind == "f":
        return "But these are floats, which are no index: return integers."
    return ""


def _check_followed(function: Function, case: Mapping[str, Any], name: str) -> None:
    leaf = case[name].clone().requires_grad_()
    try:
        found = function(**copy.deepcopy({**case, name: leaf}) | {name: leaf})
        followed = found.requires_grad
    except RuntimeError:  # numpy refuses a tensor that has a gradient
        followed = False
    if not followed:
        raise NotYetRightError(
            f"The numbers are right, but autograd cannot follow them back to {name}, so nothing "
            "would be trained: leave out detach(), numpy(), item(), and no_grad.",
            case,
        )


# ------------------------------------------------------------------ what is likely wrong


def _likely(answers: Sequence[object], tried: Sequence[Mapping[str, Any]]) -> str:
    """The advice to the first wrong answer that agrees on every case; empty if there is none."""
    for advice in tried[0]:
        if all(_agree(answer, wrong[advice]) for answer, wrong in zip(answers, tried, strict=True)):
            return advice
    return ""


def _usual(
    answers: Sequence[object], expected: Sequence[object], cases: Sequence[Mapping[str, Any]]
) -> str:
    """The advice to what is wrong in the same way in any exercise; empty if there is none."""
    for name in cases[0]:
        if all(_agree(answer, case[name]) for answer, case in zip(answers, cases, strict=True)):
            return f"This is {name}, as it was given."
    found, wanted = [_array(a) for a in answers], [_array(v) for v in expected]
    if any(array is None for array in (*found, *wanted)):
        return ""
    values = np.unique(np.concatenate([np.ravel(array) for array in found]))  # type: ignore[arg-type]
    if len(values) == 1 and len(cases) > 1:
        return f"Your function gives {values[0]:.4g}, whatever it is given."
    pairs = list(zip(found, wanted, strict=True))
    with np.errstate(all="ignore"):
        return next((say for say, is_so in _USUAL.items() if all(is_so(*p) for p in pairs)), "")


def _sorted(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows[np.lexsort(rows.reshape(len(rows), -1).T[::-1])] if rows.ndim else rows


_USUAL: dict[str, Callable[[Any, Any], bool]] = {
    "The sign is turned.": lambda found, wanted: _agree(found, -wanted),
    "This is 1 minus what is asked.": lambda found, wanted: _agree(found, 1 - wanted),
    "The fraction is upside down.": lambda found, wanted: _agree(found, 1 / wanted),
    "It is 100 times too large: return shares, no percent.": (
        lambda found, wanted: _agree(found, 100 * wanted)
    ),
    "It is one too small: Python counts from 0.": lambda found, wanted: _agree(found, wanted - 1),
    "It is one too large.": lambda found, wanted: _agree(found, wanted + 1),
    "This is its logarithm.": lambda found, wanted: _agree(found, np.log(wanted)),
    "This is e to its power: take the logarithm.": (
        lambda found, wanted: _agree(found, np.exp(wanted))
    ),
    "This is the mean of all: return one value for each, and no mean.": (
        lambda found, wanted: wanted.size > 1 and _agree(found, np.nanmean(wanted))
    ),
    "This is the sum of all: return one value for each.": (
        lambda found, wanted: wanted.size > 1 and _agree(found, np.nansum(wanted))
    ),
    "The numbers are right; the axes are not: take away those of length 1 (squeeze).": (
        lambda found, wanted: _agree(np.squeeze(found), wanted)
    ),
    "Rows and columns have changed places.": lambda found, wanted: _agree(found.T, wanted),
    "The values are right and stand in another order: each belongs where its image stands.": (
        lambda found, wanted: (
            found.shape == wanted.shape and _agree(_sorted(found), _sorted(wanted))
        )
    ),
}


# ------------------------------------------------------------------ what is said


def _explain(case: Mapping[str, Any], answer: object, value: Any, advice: str) -> str:
    if answer is None:
        nothing = "your function returns None: is the `return` missing? print shows a value, and"
        return _at(case, f"{nothing} hands over none.")
    return _at(case, f"{_difference(answer, value)} {advice}").rstrip()


def _at(case: Mapping[str, Any], what: str) -> str:
    """What happens at a case, which stands before it if it is short, and else in a line below."""
    typed = _typed(case)
    if len(typed) > _A_LINE or not (typed and what):
        return what[:1].upper() + what[1:]
    return f"At {typed} {what}"


def _typed(case: Mapping[str, Any]) -> str:
    """The arguments as they can be typed into a cell; `failed` stands for those that are long."""
    return ", ".join(f"{name} = {_literal(name, given)}" for name, given in case.items())


def _literal(name: str, given: object) -> str:
    text, kept = repr(given), f'exercises.failed["{name}"]'
    if isinstance(given, Tensor | np.ndarray):
        array = np.asarray(_plain(given))
        module, usual = ("torch", "float32") if isinstance(given, Tensor) else ("np", "float64")
        kind = str(array.dtype)
        named = "" if kind in (usual, "int64", "bool") else f", dtype={module}.{kind}"
        make = "tensor" if module == "torch" else "array"
        text = kept if array.size > _LONGEST else f"{module}.{make}({_nested(array)}{named})"
    return kept if callable(given) or len(text) > _LONGEST else text


def _nested(values: Any) -> str:
    if values.ndim:
        return f"[{', '.join(_nested(value) for value in values)}]"
    return str(values) if np.isfinite(values) else f"float('{values}')"


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


def _plain(answer: Any) -> Any:
    """Without what torch knows beyond the numbers, on the CPU."""
    return answer.detach().cpu().numpy() if isinstance(answer, Tensor) else answer


def _array(answer: Any) -> NDArray[np.float64] | None:
    """The answer as numbers; None where it holds none."""
    if isinstance(answer, str):
        return None
    try:
        return np.asarray(_plain(answer), dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _short(given: object) -> str:
    array = _array(given)
    if isinstance(given, Tensor | np.ndarray) and array is not None and array.ndim:
        return f"[{' x '.join(map(str, array.shape))}]"
    if isinstance(given, bool | int | str) or array is None or array.ndim:
        return repr(given)
    return f"{float(array):.4g}"
