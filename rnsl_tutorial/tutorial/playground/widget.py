"""The playground in a notebook, and as a page of its own."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import traitlets

from rnsl_tutorial._files import PACKAGE
from rnsl_tutorial.tutorial._standing import _Standing

__all__ = ["Playground", "page_html"]

_STATIC = PACKAGE / "tutorial" / "playground" / "static"
_MODULES = (
    "engine.js",
    "view.js",
    "runs.js",
    "controls.js",
    "data.js",
    "playground.js",
)  # as imported
_CHOICES = {
    "shape": ("blobs", "rings", "spirals", "twins", "own"),
    "noise": ("symmetric", "pair_flip", "look_alike"),
    "loss": ("nsl", "rnsl", "trnsl"),
}
_RANGES = {
    **dict.fromkeys(("n", "hidden", "every"), (1, math.inf)),
    **dict.fromkeys(("spread", "seed", "lr", "decay", "waves", "start"), (0, math.inf)),
    **dict.fromkeys(("rate", "momentum", "q", "k"), (0, 1)),
    "classes": (2, 26),
    "T": (1e-6, math.inf),
}
_OF_A_RUN = ("loss", "q", "k", "start")  # the others are shared
_SHARED = {*_CHOICES, *_RANGES} - {*_OF_A_RUN}
_NAMES = sorted(_SHARED | {f"{run}.{name}" for run in "ab" for name in _OF_A_RUN})


def _lean(source: str) -> str:
    """Leave out what a page does not need: comments, imports between the files, blanks."""
    for left_out in (
        r"(?s:/\*.*?\*/)",
        r'^import \{[^}]*\} from "\./\w+\.js";\n',
        r"(?:^|\s+)// .*$",
    ):
        source = re.sub(left_out, "", source, flags=re.MULTILINE)
    return "\n".join(map(_tight, re.sub(r"\n\s*", "\n", source).strip().splitlines()))


def _tight(line: str) -> str:
    """Leave out blanks around signs, but in texts.

    A line with a regular expression, or with a text in a text, stays as it is.
    """
    parts = re.split(r"""("[^"]*"|'[^']*'|`[^`]*`)""", line)
    if line.count("`") not in (0, 2) or any("/" in code for code in parts[::2]):
        return line
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r" ([-+*]=?) (?=[\w(\[])", r"\1", parts[i])
        parts[i] = re.sub(r" ?(=>|[=,;:{}()?<>]|&&|\|\|) ?", r"\1", parts[i])
    return "".join(parts)


def _static(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _module() -> str:
    return "\n".join(_lean(_static(name)) for name in _MODULES)


class Playground(_Standing):
    """Two runs side by side that train in the page: on the same points, from the same start.

    A network of 2 to H to H to 3 numbers (sines, then rectifiers) places points of the plane on the
    unit sphere, where prototypes wait; it and they learn by full-batch SGD with momentum and one of
    the losses of `rnsl_tutorial.losses`, in float64. Nothing is computed in the kernel.

    Attributes:
        settings: what differs from the usual, by name: ``shape``, ``n``, ``classes``, ``spread``,
            ``noise``, ``rate``, ``seed``, ``T``, ``lr``, ``momentum``, ``decay``, ``hidden``,
            ``waves`` (how fine the network can draw), ``every`` (steps between two prunings), and
            of the left run ``a`` and the right run ``b``: ``a.loss``, ``a.q``, ``a.k``, ``a.start``
            (when pruning starts), ``b.loss``, ... Setting them starts anew.
        q: that of the right run, in [0, 1].
        points: [N, 2], drawn from -1 to 1. Set them with as many labels.
        labels: [N], the given ones, which may be wrong. Set alone, they flip those that differ.
        history: by run, "a" and "b", rows of step, right learned, wrong memorized, kept, accuracy
            on clean test points (shares in [0, 1], None where there are none), and loss. Set it to
            {} to start anew.
        step: how far both have come.
        playing: whether they go on.

    Raises:
        traitlets.TraitError: a setting that does not exist, or out of its range.
    """

    _esm = _module()
    _css = _static("playground.css")
    _controls = traitlets.Dict().tag(sync=True)  # none of Python's: it moves without a kernel
    settings = traitlets.Dict().tag(sync=True)
    q = traitlets.Float(0.7, min=0, max=1).tag(sync=True)
    points = traitlets.Any([]).tag(sync=True)
    labels = traitlets.Any([]).tag(sync=True)
    history = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(0, min=0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)

    def __init__(self, **settings: Any) -> None:
        """Make one.

        Args:
            settings: by name, "_" for the dot: ``Playground(rate=0.3, b_loss="trnsl", b_q=0.5)``.
        """
        named = {re.sub(r"^([ab])_", r"\1.", name): value for name, value in settings.items()}
        super().__init__(settings=named, q=named.get("b.q", 0.7))

    @traitlets.validate("settings")
    def _check_settings(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _checked(name, value) for name, value in proposal["value"].items()}

    @traitlets.validate("points")
    def _check_points(self, proposal: Mapping[str, Any]) -> list[list[float]]:
        points = np.asarray(proposal["value"], dtype=float)
        is_table = points.ndim == 2 and points.shape[1] == 2
        if points.size and not (is_table and np.isfinite(points).all()):
            raise traitlets.TraitError(
                f"points are {list(points.shape)}; give finite numbers [N, 2], x and y a point."
            )
        rows: list[list[float]] = points.tolist()
        return rows

    @traitlets.validate("labels")
    def _check_labels(self, proposal: Mapping[str, Any]) -> list[int]:
        labels = np.asarray(proposal["value"])
        if labels.size and (
            labels.ndim != 1 or labels.dtype.kind not in "iu" or not set(labels) <= set(range(26))
        ):
            raise traitlets.TraitError("labels are whole numbers [N], each a class from 0 to 25.")
        return [int(label) for label in labels]


def _checked(name: str, value: Any) -> Any:
    """Return a setting as the page takes it, or refuse it."""
    kind = name.rsplit(".", maxsplit=1)[-1]
    if name not in _NAMES:
        raise traitlets.TraitError(f"There is no setting {name!r}; there are {', '.join(_NAMES)}.")
    if kind in _CHOICES:
        if value not in _CHOICES[kind]:
            allowed = ", ".join(_CHOICES[kind])
            raise traitlets.TraitError(f"{name} is {value!r}; choose one of {allowed}.")
        return str(value)
    low, high = _RANGES[kind]
    if not low <= value <= high:
        raise traitlets.TraitError(f"{name} is {value!r}; it must lie in [{low:g}, {high:g}].")
    return float(value) if value % 1 else int(value)


def page_html(start: str = "") -> str:
    """Return the playground as one page, ``playground.html``.

    It asks nobody for anything, opened from a server or as a file. What its address holds after "#"
    repeats a run bit for bit in the same browser.

    Args:
        start: what it shows where the address holds nothing, written as an address.
    """
    return _PAGE.format(style=_static("playground.css"), script=_module(), start=json.dumps(start))


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline' blob:; worker-src blob:; img-src data: blob:">
<title>Playground: a loss trains under your hand, on labels that lie</title>
<style>
{style}
body {{ margin: 0; background: light-dark(#ffffff, #0d1117); }}
.rnsl-playground {{ max-width: 1900px; margin: 0 auto; }}
</style>
</head>
<body>
<main></main>
<script type="module">
{script}
openPage(document.querySelector("main"), {start});
</script>
</body>
</html>
"""
