"""What every explorer is made of: named controls over a table that was computed beforehand."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from numbers import Real
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
import traitlets

from rnsl_tutorial._files import PACKAGE
from rnsl_tutorial.experiments.style import _DARK, Axis
from rnsl_tutorial.tutorial._standing import _Standing

__all__ = ["Choice", "Control", "Explorer", "Guess", "handed", "module", "number_control", "static"]

_Value: TypeAlias = float | str

_STATIC = PACKAGE / "tutorial" / "static"
_OF_PAGES = {"explorers.css", "one_page.css", "tile.css"}
_STYLES = ("explorers.css", *sorted({p.name for p in _STATIC.glob("*.css")} - _OF_PAGES))
"""What is common comes first. Every explorer brings all of them: on a page of several, the common
rules that came last would else win over another explorer's own."""

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)


def static(name: str) -> str:
    """Return the text of a file of the folder ``static``."""
    return (_STATIC / name).read_text(encoding="utf-8")


def module(name: str) -> str:
    """Join an ES module of the folder ``static`` and all that it imports into one.

    anywidget loads an explorer's module as one blob, which has no address that a relative import
    could start from. So the imports between the files are taken out, and each file sees the names
    of those before it: what is imported comes first, each file once.
    """
    joined: dict[str, str] = {}

    def join(name: str) -> None:
        source = static(name)
        for needed in _IMPORT.findall(source):
            if needed not in joined:
                join(needed)
        joined[name] = _IMPORT.sub("", source)

    join(name)
    return "\n".join(joined.values())


def handed(part: Any) -> Any:
    """Return what stands in a table as the ES modules take it.

    Of an array they get its shape, its type and its bytes, of a named tuple its fields by name.

    Args:
        part: an array, a named tuple, a mapping or a list of such, or what JSON holds; of floats
            four bytes are handed over, of integers one, unless they are unsigned. Of what is called
            a color the one for dark ground is handed over too.
    """
    if isinstance(part, np.ndarray):
        dtype = {"f": "<f4", "u": part.dtype.str}.get(part.dtype.kind, "u1")
        array = np.ascontiguousarray(part, dtype)
        return {"shape": list(array.shape), "dtype": array.dtype.str[1:], "data": array.tobytes()}
    if hasattr(part, "_asdict"):
        part = part._asdict()
    if isinstance(part, Mapping):
        return {
            name: handed(_on_both_grounds(value) if _is_color(name) else value)
            for name, value in part.items()
        }
    if isinstance(part, str):
        return part.encode("utf-8", "replace").decode()  # a file's name may be no text
    return list(map(handed, part)) if isinstance(part, list | tuple) else part


def _is_color(name: object) -> bool:
    return str(name).endswith(("color", "colors"))


def _on_both_grounds(color: Any) -> Any:
    """One of the style's colours, or some, as CSS takes them: for light ground and for dark."""
    if type(color) in (list, tuple):  # and not a control that is called so
        return [_on_both_grounds(one) for one in color]
    dark = _DARK.get(color) if isinstance(color, str) else None
    return f"light-dark({color}, {dark})" if dark else color


class Control(NamedTuple):
    """What a learner may set: its name on the screen, its values, and how each is written.

    Attributes:
        label: its name on the screen.
        values: what it can be.
        texts: how each is written.
        snaps: whether the values are a grid over a range, so that a number between two of them
            means the nearest.
    """

    label: str
    values: tuple[_Value, ...]
    texts: tuple[str, ...]
    snaps: bool = False


def number_control(
    label: str, values: Iterable[float], text: str = "{:.2f}", *, snaps: bool = False
) -> Control:
    """Return a control over numbers, each written by a format such as ``"{:.0%}"``.

    Where all are whole they become integers, so that an epoch can index an array.
    """
    numbers = tuple(float(value) for value in values)
    if all(number.is_integer() for number in numbers):
        numbers = tuple(map(int, numbers))
    return Control(label, numbers, tuple(text.format(number) for number in numbers), snaps)


class Choice(traitlets.TraitType[Any, Any]):
    """One of the values of the control of this name; 0.1 + 0.2 and float32 0.3 count as 0.3."""

    def validate(self, obj: "Explorer", value: Any) -> _Value:
        """Return the control's own value: the same, or the nearest where the control snaps.

        Raises:
            traitlets.TraitError: the control has no such value.
        """
        control = obj.controls[str(self.name)]
        for choice in control.values:
            if _is_same(choice, value):
                return choice
        if control.snaps and isinstance(value, Real):
            grid = np.array(control.values, dtype=float)
            if grid.min() <= float(value) <= grid.max():
                return control.values[int(np.abs(grid - float(value)).argmin())]
        raise traitlets.TraitError(
            f"{self.name} is {value!r}; this explorer has {_listed(control.values)}."
        )


def _is_same(choice: _Value, value: object) -> bool:
    if isinstance(choice, str):
        return isinstance(value, str) and choice == value
    return isinstance(value, Real) and math.isclose(choice, value, rel_tol=1e-6, abs_tol=1e-9)


def _listed(choices: tuple[_Value, ...]) -> str:
    if len(choices) <= 12:
        return ", ".join(map(repr, choices))
    return f"{choices[0]!r}, {choices[1]!r}, {choices[2]!r}, ... to {choices[-1]!r}"


class Guess(NamedTuple):
    """What a learner is asked to draw before the explorer shows what was measured.

    Attributes:
        kind: "curve" (a height at each of some places), "bar" (one height) or "place" (one place on
            the x axis).
        question: what is asked, without the answer.
        x: the axis of the places.
        y: the axis of the heights.
        at: places of a curve; of a bar its edges; of a place where the keyboard begins.
        measured: the answer: heights, or the place.
        told: the sentence about it, with ``{mean}`` (how far off), ``{at}`` (the place of the
            largest difference), ``{drawn}`` and ``{measured}`` (there), ``{off}`` (by how much).
        start: place and height at which a curve begins, which the question tells.
        unit: behind a difference, such as " points".
        given: marks that are seen from the start, each a method of ``static/chart.js``, its style
            and what it shows.
        then: marks that come with the answer.
    """

    kind: str
    question: str
    x: Axis
    y: Axis
    at: Sequence[float]
    measured: Sequence[float]
    told: str
    start: Sequence[float] = ()
    unit: str = " points"
    given: Sequence[Mapping[str, Any]] = ()
    then: Sequence[Mapping[str, Any]] = ()


class Explorer(_Standing):
    """A picture that a learner moves; the base of all explorers.

    A subclass names its ES module in ``_esm`` and declares one `Choice` a control. Its controls are
    traitlets: setting one moves the control on the screen, moving the control sets it, and
    ``ipywidgets.link`` ties them to those of another widget. Any other name is refused, so that
    ``explorer.T = 0.1`` does not go by unseen.

    Attributes:
        controls: by name, what can be chosen.
        guess: what the learner has drawn, where the explorer asks for a guess: heights in the units
            of the chart, None at places that were left out; or one place. Empty before.
        steps: three to five named choices that the explorer glides to, each the values of some of
            its controls. One whose values the table at hand lacks is not offered.
    """

    steps: ClassVar[Mapping[str, Mapping[str, _Value]]] = {}
    guess = traitlets.List(traitlets.Float(allow_none=True)).tag(sync=True)
    _guessing = traitlets.Bool(False).tag(sync=True)
    _css = "\n".join(map(static, _STYLES))
    _controls = traitlets.Dict().tag(sync=True)
    _table = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        controls: Mapping[str, Control],
        table: Mapping[str, Any],
        chosen: Mapping[str, _Value | None],
        asked: Guess | None = None,
    ) -> None:
        """Hand controls and table over.

        Args:
            controls: by name of the trait.
            table: what the ES module looks up: arrays, named tuples, and what JSON holds.
            chosen: what to begin with; None, or no entry, for the first value. Where the explorer
                asks for a guess, ``guess=True`` begins with that.
            asked: the guess that it asks for.

        Raises:
            TypeError: a name that no control has.
            traitlets.TraitError: a value that its control does not have.
        """
        self.controls = dict(controls)
        table, chosen, guessing = dict(table), dict(chosen), False
        if asked:
            table["asked"], guessing = asked, bool(chosen.pop("guess", False))
        table["steps"] = self._offered()
        if unknown := [name for name in chosen if name not in controls]:
            raise TypeError(f"This explorer has no {unknown[0]!r}; it has {', '.join(controls)}.")
        start = {
            name: control.values[0] if chosen.get(name) is None else chosen[name]
            for name, control in controls.items()
        }
        super().__init__(
            _controls=handed(controls), _table=handed(table), _guessing=guessing, **start
        )
        self._is_ready = True

    def _offered(self) -> list[dict[str, Any]]:
        """The steps that the table has, by the places of their values in the controls."""
        traits, offered = self.traits(), []
        for name, values in self.steps.items():
            with suppress(traitlets.TraitError):
                chosen = {at: traits[at].validate(self, value) for at, value in values.items()}
                places = {at: self.controls[at].values.index(to) for at, to in chosen.items()}
                offered.append({"name": name, "places": places})
        return offered

    def __setattr__(self, name: str, value: Any) -> None:
        if name[0] != "_" and getattr(self, "_is_ready", False) and not hasattr(self, name):
            raise AttributeError(
                f"This explorer has no {name!r} to set; it has {', '.join(self.controls)}."
            )
        super().__setattr__(name, value)

    def place(self, name: str) -> int:
        """Return the position of a control's current value among its values."""
        return self.controls[name].values.index(getattr(self, name))
