"""What the package asks of msgspec, in small, for bare machines that do not have it.

`training.settings` checks every field against its annotation: Literal, bool, int, float, str, any
of them with bounds or a pattern, or None beside it. That much is here and no more; of the entries
of a file only that they are there.
"""

import json as _json
import re
from dataclasses import dataclass
from types import NoneType, SimpleNamespace
from typing import Any, ClassVar, Literal, get_args, get_origin

json = SimpleNamespace(decode=_json.loads)

_WORDS = {"true": True, "1": True, "false": False, "0": False}


class ValidationError(ValueError):
    """A value is not what the annotation allows."""


@dataclass(frozen=True)
class Meta:
    """Bounds of a number, pattern of a text, and how to say them."""

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    pattern: str | None = None
    description: str | None = None

    def allows(self, value: Any) -> bool:
        """Whether a value keeps to it."""
        return (
            (self.gt is None or value > self.gt)
            and (self.ge is None or value >= self.ge)
            and (self.lt is None or value < self.lt)
            and (self.le is None or value <= self.le)
            and (self.pattern is None or re.search(self.pattern, value) is not None)
        )


class Struct:
    """Entries of a file, by the annotations of a class."""

    __struct_fields__: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Take its annotations for the names of the entries."""
        cls.__struct_fields__ = tuple(cls.__annotations__)

    @classmethod
    def taken(cls, entries: dict[str, Any]) -> "Struct":
        """Make one of what a file says."""
        made = cls()
        for name in cls.__struct_fields__:
            _required(name in entries or hasattr(cls, name), entries, cls)
            setattr(made, name, entries[name] if name in entries else getattr(cls, name))
        return made


def convert(value: Any, kind: Any, *, strict: bool = True) -> Any:
    """Return the value as the annotation wants it; unless strict, texts are read as numbers.

    Raises:
        ValidationError: it is something else.
    """
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind.taken(value)
    if NoneType in get_args(kind):
        return None if value is None else convert(value, get_args(kind)[0], strict=strict)
    if get_origin(kind) is Literal:
        return _required(value in get_args(kind), value, kind)
    metas = getattr(kind, "__metadata__", ())
    found = _of_type(value, getattr(kind, "__origin__", kind), strict)
    return _required(all(meta.allows(found) for meta in metas), found, kind)


def _of_type(value: Any, kind: type, strict: bool) -> Any:
    if not strict and isinstance(value, str) and kind is not str:
        value = _read(value, kind)
    if kind is float and type(value) is int:
        return float(value)
    return _required(type(value) is kind, value, kind)


def _read(text: str, kind: type) -> Any:
    try:
        found = _WORDS[text.lower()] if kind is bool else float(text)
    except (KeyError, ValueError):
        raise ValidationError(f"{text!r} is no {kind.__name__}.") from None
    return int(found) if kind is int and found.is_integer() else found


def _required(holds: bool, value: Any, kind: Any) -> Any:
    if not holds:
        raise ValidationError(f"{value!r} is not allowed by {kind}.")
    return value
