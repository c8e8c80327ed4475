"""How figures look: colours, dashes, markers, axes; the same on paper and in the explorers."""

import colorsys
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any, NamedTuple, TypeAlias

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

__all__ = [
    "INK",
    "LOSS_STYLES",
    "NOISE_NAMES",
    "PALE",
    "QUIET",
    "RIGHT",
    "WRONG",
    "Axis",
    "Floats",
    "LossStyle",
    "Numbers",
    "axis",
    "class_colors",
    "loss_styles",
    "new_figure",
    "set_axes",
    "whole_tens",
]

Numbers: TypeAlias = NDArray[np.number[Any]]
Floats: TypeAlias = NDArray[np.float64]


class LossStyle(NamedTuple):
    """How a loss looks in every figure."""

    label: str
    color: str  # one of `_DARK`: of Okabe and Ito's colour-blind safe palette, darkened for paper
    dash: tuple[float, ...]  # strokes and gaps in line widths; empty: a solid line
    marker: str  # one of matplotlib's o, s, ^, D


_VERMILION, _BLUE, _GREEN = "#D55E00", "#0072B2", "#009E73"
_OCHRE, _SKY, _PINK = "#B07A00", "#3A8FC4", "#B8578B"
_BLACK, _SLATE, _GREY = "#000000", "#59636e", "#7d8790"
_DARK = {
    _VERMILION: "#F28E3C",
    _BLUE: "#3F97DB",
    _GREEN: "#2CC79A",
    _OCHRE: "#E69F00",
    _SKY: "#8FD0F5",
    _PINK: "#E092BD",
    _BLACK: "#F0F6FC",
    _SLATE: "#9DA7B1",
    _GREY: "#8C96A0",
}
"""Of each colour the one that an explorer has on dark ground; both have a contrast of 3 or more."""


LOSS_STYLES = {
    "nsl": LossStyle("NSL", _VERMILION, (1.0, 1.2), "o"),
    "rnsl": LossStyle("RNSL", _BLUE, (3.5, 1.5), "s"),
    "trnsl": LossStyle("t-RNSL", _GREEN, (), "^"),
}
_BASELINE_STYLES = {
    "nsl_tuned": LossStyle("NSL, tuned", _VERMILION, (4.0, 1.2, 1.0, 1.2), "D"),
    "nsl_stopped": LossStyle("NSL, stopped", _VERMILION, (6.0, 2.0), "s"),
    "label_smoothing": LossStyle("label smoothing", _OCHRE, (2.0, 2.4), "o"),
    "ce": LossStyle("CE", _OCHRE, (1.0, 1.2), "D"),
    "gce": LossStyle("GCE", _SKY, (3.5, 1.5), "D"),
    "sce": LossStyle("SCE", _PINK, (3.5, 1.2, 1.0, 1.2), "o"),
    "nce_rce": LossStyle("NCE+RCE", _BLACK, (2.0, 1.2), "s"),
    "elr": LossStyle("ELR", _SKY, (4.0, 1.2, 1.0, 1.2), "o"),
    "prism": LossStyle("PRISM", _BLACK, (4.0, 1.2, 1.0, 1.2), "^"),
    "proxy_anchor": LossStyle("ProxyAnchor", _OCHRE, (6.0, 2.0), "^"),
    "arcface": LossStyle("ArcFace", _PINK, (1.0, 2.4), "s"),
    "subcenter_arcface": LossStyle("sub-center ArcFace", _PINK, (2.0, 1.2), "^"),
    "supcon": LossStyle("SupCon", _SKY, (2.0, 2.4), "^"),
}
"""Losses that the paper's are compared with. A colour comes again, never with the same marker."""
_WITHOUT_LOSS_STYLES = {
    "no_training": LossStyle("no training, k = 10", _SLATE, (), "o"),
    "no_training_k100": LossStyle("no training, k = 100", _SLATE, (2.0, 1.2), "s"),
    "class_means": LossStyle("class means", _SLATE, (1.0, 1.2), "^"),
    "lda": LossStyle("shrinkage LDA", _SLATE, (6.0, 2.0), "D"),
    "logistic": LossStyle("logistic regression", _BLACK, (6.0, 2.0), "o"),
}
"""What needs no loss, in grey and black."""
_OTHER_STYLES = (
    LossStyle("", _PINK, (3.5, 1.2, 1.0, 1.2), "D"),
    LossStyle("", _SKY, (2.0, 1.2), "D"),
    LossStyle("", _OCHRE, (6.0, 2.0), "D"),
)

NOISE_NAMES = {
    "symmetric": "symmetric",
    "pair_flip": "pair flip",
    "label_dependent": "label-dependent",
    "instance_dependent": "instance-dependent",
    "as_given": "labels as given",
}


def _noise_title(kind: str) -> str:
    """A kind of noise as the beginning of a title."""
    return NOISE_NAMES[kind] + " noise" * (kind != "as_given")


def _rate_cell(kind: str, rate: float) -> str:
    """A rate in a table; of labels as given nobody knows it."""
    return "" if kind == "as_given" else f"{rate:g}"


INK, QUIET, PALE = "#1f2328", "#59636e", "#d1d9e0"
_PAPER = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called $x$
    "font.size": 10.0,
}


def loss_styles(loss_names: Sequence[str]) -> list[LossStyle]:
    """Return the style of each loss; one without a style of its own gets a spare one.

    A learner's own loss, "own:NAME", is labelled NAME.
    """
    known = LOSS_STYLES | _BASELINE_STYLES | _WITHOUT_LOSS_STYLES
    spare = cycle(_OTHER_STYLES)
    return [
        known.get(name) or next(spare)._replace(label=name.removeprefix("own:"))
        for name in loss_names
    ]


def class_colors(count: int) -> list[str]:
    """Return that many colours as ``#rrggbb``, neighbours far apart in hue (the golden angle).

    Their luminance is 0.17 or 0.27 in turn, which tells them from white and from dark ground alike.
    """
    return [_at_luminance((0.618034 * i) % 1, (0.17, 0.27)[i % 2]) for i in range(count)]


def _at_luminance(hue: float, luminance: float) -> str:
    """The colour of a hue that is so bright, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        color = colorsys.hls_to_rgb(hue, middle, 0.7)
        low, high = (low, middle) if _luminance(color) > luminance else (middle, high)
    return "#" + "".join(f"{round(255 * part):02x}" for part in color)


def _luminance(color: Sequence[float]) -> float:
    """Relative luminance of sRGB parts in [0, 1] (WCAG 2.2): 0 is black, 1 white."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


class _LabelStyle(NamedTuple):
    """How right and wrong labels look in every figure: by colour, by shape, by hatching."""

    label: str
    color: str
    marker: str  # "o" or "x"
    hatched: bool


RIGHT = _LabelStyle("right label", _BLUE, "o", hatched=False)
WRONG = _LabelStyle("wrong label", _VERMILION, "x", hatched=True)


class Axis(NamedTuple):
    """An axis, as figures and explorers both draw it.

    Attributes:
        label: with the unit, if there is one.
        range: low and high end; the first lies at the left or at the bottom.
        ticks: places of the ticks.
        texts: what stands at them.
        read: places on an axis that is bent, ascending, and the values that lie there; none where
            a place is its value.
    """

    label: str
    range: tuple[float, float]
    ticks: tuple[float, ...]
    texts: tuple[str, ...]
    read: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())


def axis(
    label: str,
    low: float,
    high: float,
    *,
    ticks: Sequence[float] | None = None,
    text: str = "{:g}",
) -> Axis:
    """Return an axis from low to high with round ticks.

    Args:
        label: with the unit, if there is one.
        low: at the left, or at the bottom; may be the larger one.
        high: at the other end.
        ticks: places of the ticks; None for about five round ones.
        text: how a tick is written, such as ``"{:.0%}"``.
    """
    if ticks is None:
        found = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(min(low, high), max(low, high))
        ticks = [float(t) for t in found if min(low, high) - 1e-9 <= t <= max(low, high) + 1e-9]
    ticks = [0.0 if abs(t) < 1e-12 else float(t) for t in ticks]
    return Axis(
        label, (float(low), float(high)), tuple(ticks), tuple(text.format(t) for t in ticks)
    )


def set_axes(axes: Axes, x: Axis, y: Axis) -> None:
    """Give matplotlib's axes the ranges, ticks and labels of two of ours, and a quiet grid."""
    axes.set_xlim(x.range)
    axes.set_ylim(y.range)
    axes.set_xticks(x.ticks, x.texts)
    axes.set_yticks(y.ticks, y.texts)
    axes.set_xlabel(x.label)
    axes.set_ylabel(y.label)
    axes.grid(axis="y", color=PALE, linewidth=0.6)


def whole_tens(mean: Numbers, spread: Numbers) -> tuple[int, int]:
    """Return the range in percent that holds all error bars, widened to multiples of ten.

    Args:
        mean: accuracies in [0, 1], any shape; NaN is left out.
        spread: length of the error bars, same shape; NaN counts as 0.
    """
    bars = np.nan_to_num(spread)
    low = 10 * math.floor(10 * float(np.nanmin(mean - bars)) - 0.01)
    high = 10 * math.ceil(10 * float(np.nanmax(mean + bars)) + 0.01)
    return max(0, low), min(100, high)


@contextmanager
def new_figure(figsize: tuple[float, float]) -> Iterator[Figure]:
    """A figure with defaults of our own, whatever the reader's are; closed in pyplot at the end."""
    with plt.style.context(["default", _PAPER]):
        figure = plt.figure(figsize=figsize, layout="constrained")
        try:
            yield figure
            for axes in figure.axes:
                axes.tick_params(colors=QUIET, labelcolor=INK)
            _replace_what_is_no_text(figure)
        finally:
            plt.close(figure)


def _replace_what_is_no_text(figure: Figure) -> None:
    """Write "?" for a byte of a name that is no text, which no font could draw."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        texts = [label.get_text() for label in axis.get_ticklabels()]
        if any(map(_odd, texts)):
            axis.set_ticks(axis.get_ticklocs(), [_as_text(text) for text in texts])
    for text in figure.findobj(Text):
        if isinstance(text, Text) and _odd(text.get_text()):
            text.set_text(_as_text(text.get_text()))


def _odd(text: str) -> bool:
    return _as_text(text) != text


def _as_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
