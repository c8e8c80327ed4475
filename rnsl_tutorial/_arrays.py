"""What a door takes for numbers: numpy's arrays, torch's tensors, lists; else one clear line.

`array` turns each of them into numpy's, and refuses by its name whatever else was given. `takes`
says of all arguments of a function what they must be, shapes that agree included; which ranges are
a door's, it knows itself. torch is not imported here.
"""

import functools
import inspect
import mmap
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Function = TypeVar("_Function", bound=Callable[..., Any])

__all__ = [
    "array", "block", "check_seed", "finite", "integers", "is_number", "is_whole", "labels_in",
    "square", "takes", "tamed",
]  # fmt: skip

_NUMBERS = "biuf"
_KINDS = {
    "numbers": _NUMBERS, "shares": _NUMBERS, "drawn": _NUMBERS, "any": _NUMBERS,
    "integers": "iu", "bools": "b", "uint8": "u",
}  # fmt: skip
_MOST_DRAWN = 1e30  # also in float32


def array(name: str, given: Any, kinds: str = _NUMBERS) -> NDArray[Any]:
    """Return numbers as an array of numpy, on the CPU.

    Args:
        name: of the argument, in the plural.
        given: an array, a dense torch tensor with values, or nested lists of numbers.
        kinds: of numpy's types that it may hold.

    Raises:
        TypeError: it is none of these, or does not hold real numbers.
    """
    try:
        found = np.asarray(_of_tensor(given) if hasattr(given, "detach") else given)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(
            f"{name} are no array: {' '.join(str(error).split())[:80]}. Give numbers in an array, "
            "a dense tensor on the CPU, or a list of equally long lists."
        ) from error
    if found.dtype.kind == "c":
        raise TypeError(f"{name} holds complex numbers; real ones are needed.")
    if found.dtype.kind not in kinds:
        said = type(given).__name__ if found.ndim == 0 else f"of type {found.dtype}"
        raise TypeError(f"{name} are {said}; give numbers in an array, a tensor or a list.")
    return found


def _of_tensor(given: Any) -> Any:
    """Return the values of a torch tensor: numpy has no bfloat16, and what is no table none."""
    if given.is_meta or str(given.layout) != "torch.strided" or given.is_quantized:
        kind = "a meta tensor, without values" if given.is_meta else f"a tensor of {given.layout}"
        raise TypeError(f"{kind} was given")
    host = given.detach().cpu().resolve_conj().resolve_neg()
    return (host.float() if str(host.dtype) == "torch.bfloat16" else host).numpy()


def block(rows: NDArray[Any], start: int, count: int) -> NDArray[Any]:
    """Copy some rows, and give back the memory that mapping them from a file has taken."""
    copied = np.array(rows[start : start + count], order="C")
    base: Any = rows
    while isinstance(base, np.ndarray) and base.base is not None:
        mode, base = getattr(base, "mode", ""), base.base
        if mode == "r" and isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
            base.madvise(mmap.MADV_DONTNEED)
    return copied


def finite(name: str, found: NDArray[Any]) -> NDArray[Any]:
    """Return an array as it is, if no number in it is NaN or infinite: else ValueError."""
    if not np.isfinite(found).all():
        raise ValueError(f"{name} hold NaN or infinite values; leave those out, or repair them.")
    return found


def integers(name: str, given: Any) -> NDArray[Any]:
    """Return integers [N]; refuse what is none, by its name: TypeError, ValueError."""
    found = array(name, given)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise ValueError(
            f"{name} have shape {found.shape} and type {found.dtype}; give integers [N], one a "
            "class number per image."
        )
    return found


def labels_in(num_classes: int, given: Any) -> NDArray[np.int64]:
    """Return labels, int64 [N], all of them in [0, C); else TypeError, ValueError."""
    labels_N = integers("labels", given)
    outside = (labels_N < 0) | (labels_N >= num_classes)
    if outside.any():
        first = int(outside.argmax())
        raise ValueError(
            f"labels[{first}] is {labels_N[first]}; {num_classes} classes allow 0 to "
            f"{num_classes - 1}. Number the classes from 0, or give a larger matrix."
        )
    return labels_N.astype(np.int64, copy=False)


def square(name: str, given: Any) -> NDArray[np.float64]:
    """Return a matrix, float64 [C, C] with C at least 2, that is not the caller's."""
    matrix = array(name, given).astype(np.float64)
    if matrix.ndim != 2 or len(matrix) != matrix.shape[1] or len(matrix) < 2:
        raise ValueError(f"{name} has shape {matrix.shape}; give a square one, [C, C], C >= 2.")
    return matrix


def check_seed(seed: Any, most: float = np.inf) -> None:
    """Refuse what starts no random stream: ValueError."""
    if not is_whole(seed, 0, most):
        if np.isfinite(most):
            raise ValueError(
                f"Seed must be between 0 and {most}, a whole number, not {seed!a:.80}."
            )
        raise ValueError(f"seed is {seed!a:.80}; give a whole number of at least 0.")


def is_whole(value: Any, low: float = 0, high: float = np.inf) -> bool:
    """Whether a value is a whole number in [low, high], of Python or numpy."""
    is_one = isinstance(value, int | np.integer) and type(value) is not bool
    return is_one and bool(low <= value <= high)


def is_number(value: Any, low: float = -np.inf, high: float = np.inf) -> bool:
    """Whether a value is a real number in [low, high], of Python or numpy."""
    return isinstance(value, int | float | np.integer | np.floating) and bool(low <= value <= high)


def tamed(*arrays: NDArray[Any]) -> tuple[float, tuple[NDArray[Any], ...]]:
    """Divide arrays by one number, where they hold some whose squares may be infinite.

    Returns:
        The number, 1 where none is larger than 1e100, and in float32 than 1e15; and the arrays.
    """
    safe = 1e100 if all(found.dtype == np.float64 for found in arrays) else 1e15
    largest = max(float(np.abs(found).max(initial=0)) for found in arrays)
    return (1.0, arrays) if largest <= safe else (largest, tuple(a / largest for a in arrays))


# ------------------------------------------------------------------ all arguments of a function


def takes(**specs: str) -> Callable[[_Function], _Function]:
    """Let a function get numpy's arrays of such kinds and shapes, or refuse what is none.

    Args:
        specs: of an argument, such as "numbers N D": finite numbers [N, D], "integers N", "bools N"
            or "uint8 N 3 S S"; "shares N" lie in [0, 1], "drawn N" may hold NaN, which is not
            drawn, and "any N" anything. A letter stands for the same size wherever it comes, "..."
            for any sizes, and "?" at the end allows None too.

    The function then raises:
        TypeError: an argument is no array, see `array`.
        ValueError: it is of another kind or shape, is empty, or holds NaN or infinity.
    """

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def checked(*args: Any, **named: Any) -> Any:
            bound, sizes = signature.bind(*args, **named), dict[str, int]()
            for name in specs.keys() & bound.arguments.keys():
                given = bound.arguments[name]
                if given is not None or not specs[name].endswith("?"):
                    bound.arguments[name] = array(name, given)
            for name, spec in specs.items():
                if isinstance(found := bound.arguments.get(name), np.ndarray):
                    _check_fit(name, found, spec.rstrip("?").split(), sizes)
            return function(*bound.args, **bound.kwargs)

        return checked  # type: ignore[return-value]

    return decorate


def _check_fit(name: str, found: NDArray[Any], spec: list[str], sizes: dict[str, int]) -> None:
    """Refuse an array of another kind or shape; sizes hold what each letter stands for so far."""
    kind, *letters = spec
    same_number = len(letters) == found.ndim or "..." in letters
    for letter, size in zip(letters, found.shape, strict=False):
        sizes.setdefault(letter, int(letter) if letter.isdigit() else size)
    fits = "..." in letters or [sizes.get(letter) for letter in letters] == [*found.shape]
    of_kind = found.dtype.kind in _KINDS[kind] and (kind != "uint8" or found.dtype == np.uint8)
    if not (same_number and fits and of_kind and (found.size or "..." in letters)):
        due = "".join(f", {letter} = {sizes[letter]}" for letter in letters if letter in sizes)
        wanted = {"any": "numbers", "drawn": "numbers"}.get(kind, kind)
        raise ValueError(
            f"{name} are {found.dtype} {list(found.shape)}; give {wanted} [{', '.join(letters)}]"
            f"{due * (same_number and of_kind)}, at least one of each."
        )
    if kind in ("numbers", "shares"):
        finite(name, found)
    low, high = {"shares": (0, 1), "drawn": (-_MOST_DRAWN, _MOST_DRAWN)}.get(kind, (None, None))
    if low is not None and ((found.astype(float) < low) | (found.astype(float) > high)).any():
        raise ValueError(
            f"{name} run from {np.nanmin(found):g} to {np.nanmax(found):g}; they must lie in "
            f"[{low:g}, {high:g}]."
        )
