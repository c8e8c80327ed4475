"""Figures of truncation: the loss with its plateau, and whom a threshold on p leaves out.

Shapes: B bins, K thresholds, P values of p, M moments.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rnsl_tutorial.experiments.style import (
    INK,
    RIGHT,
    WRONG,
    Axis,
    Floats,
    LabelStyle,
    axis,
    new_figure,
    set_axes,
)

__all__ = [
    "MEASURE_STYLES",
    "SHARE_AXIS",
    "LabelCounts",
    "mirrored",
    "mirrored_axis",
    "pruning_over_epochs",
]


class _MeasureStyle(NamedTuple):
    """How a measure of pruning looks in every figure; without a colour, in that of text."""

    label: str
    color: str
    dash: tuple[float, ...]
    marker: str


MEASURE_STYLES = {
    "precision": _MeasureStyle("precision", "#B5559B", (), "o"),
    "recall": _MeasureStyle("recall", "#A87B00", (3.5, 1.5), "s"),
    "kept": _MeasureStyle("share kept", "", (1.0, 1.2), "D"),
}
"""Of "left out" as a finder of wrong labels: precision, recall, and the share still listened to."""

_CUT_COLOR = "#8c96a0"
_P_AXIS = axis("p, belief in the given label", 0, 1)
SHARE_AXIS = axis("share", 0, 1.05, ticks=(0, 0.25, 0.5, 0.75, 1), text="{:.0%}")


class LabelCounts(NamedTuple):
    """How many images have a p in each bin.

    Attributes:
        edges: [B + 1], ascending from 0 to 1.
        right: [B], images with a right label.
        wrong: [B], images with a wrong label.
    """

    edges: Floats
    right: Floats
    wrong: Floats


def mirrored(counts: LabelCounts) -> Floats:
    """Return the heights of the bars, [2, B]: square roots, up for right labels, down for wrong.

    In training most images pile up at both ends; with roots the few between them are seen, too.
    """
    return np.stack([np.sqrt(counts.right), -np.sqrt(counts.wrong)])


def mirrored_axis(largest: float) -> Axis:
    """Return the axis of `mirrored` bars of up to that many images; its texts are the counts."""
    power = 10.0 ** math.floor(math.log10(max(largest, 1)))
    tick = max(step * power for step in (1, 2, 5) if step * power <= max(largest, 1))
    counts = [tick, tick / 4] if tick % 4 == 0 else [tick]
    signed = [-count for count in counts] + [0] + counts[::-1]
    places = np.sign(signed) * np.sqrt(np.abs(signed))
    top = 1.05 * math.sqrt(max(largest, 1))
    texts = tuple(f"{abs(count):.0f}" for count in signed)
    return Axis("images (√ scale)", (-top, top), tuple(places.tolist()), texts)


def pruning_over_epochs(
    counts: LabelCounts,
    largest: float,
    k: float,
    measures: Mapping[str, ArrayLike],
    *,
    moment: int,
    pruned: ArrayLike = (),
    title: str = "",
) -> Figure:
    """Draw whom a threshold leaves out at one moment, and how well it chooses at all of them.

    Args:
        counts: images over p at this moment.
        largest: count of the fullest bin of all moments.
        k: the threshold.
        measures: by name of MEASURE_STYLES, [M] each: shares, NaN where there is none.
        moment: the current one, in [0, M).
        pruned: moments at which the run itself pruned.
        title: above both.

    Raises:
        ValueError: shapes that disagree.
    """
    moments_M = np.arange(len(np.asarray(measures["kept"])), dtype=float)
    _check_lengths("moments", moments_M, measures)
    with new_figure(figsize=(12.0, 4.2)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        left, right = figure.subplots(1, 2)
        _draw_counts(left, counts, k, largest)
        epochs = axis("epochs of training", 0, max(len(moments_M) - 1, 1))
        _draw_measures(right, moments_M, measures, moment, epochs)
        for i, at in enumerate(np.asarray(pruned, dtype=float)):
            right.axvline(at, color=_CUT_COLOR, linewidth=1.0, linestyle=(0, (4, 2)), zorder=1,
                          label="_" * (i > 0) + "the run pruned")  # fmt: skip
        _explain(right)
    return figure


# ------------------------------------------------------------------ what they share


def _draw_counts(axes: Axes, counts: LabelCounts, k: float, largest: float) -> None:
    axes.axvspan(0, k, color=_CUT_COLOR, alpha=0.2, linewidth=0, label="left out")
    for heights_B, style in zip(mirrored(counts), (RIGHT, WRONG), strict=True):
        _draw_bars(axes, counts.edges, heights_B, style)
    axes.axvline(k, color=INK, linewidth=1.6)
    axes.axhline(0, color=INK, linewidth=0.6)
    set_axes(axes, _P_AXIS, mirrored_axis(largest))
    _explain(axes)


def _explain(axes: Axes) -> None:
    """Put the legend above the axes, in one row."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=4, fontsize=8.5,
                columnspacing=1.0, handlelength=1.8)  # fmt: skip


def _draw_bars(axes: Axes, edges: Floats, heights_B: Floats, style: LabelStyle) -> None:
    axes.bar(
        edges[:-1], heights_B, np.diff(edges), align="edge", edgecolor=style.color, linewidth=0.6,
        facecolor="none" if style.hatched else f"{style.color}8c",
        hatch="////" if style.hatched else None, label=style.label,
    )  # fmt: skip


def _draw_measures(
    axes: Axes, xs: Floats, measures: Mapping[str, ArrayLike], place: int, x_axis: Axis
) -> None:
    for name, values in measures.items():
        style, ys = MEASURE_STYLES[name], np.asarray(values, dtype=float)
        color = style.color or INK
        axes.plot(xs, ys, color=color, linestyle=(0, style.dash) if style.dash else "-")
        axes.plot(xs[place], ys[place], style.marker, color=color, markersize=7)
        axes.plot([], [], color=color, linestyle=(0, style.dash) if style.dash else "-",
                  marker=style.marker, label=style.label)  # fmt: skip
    set_axes(axes, x_axis, SHARE_AXIS)
    _explain(axes)


def _check_lengths(name: str, xs: Floats, curves: Mapping[str, ArrayLike]) -> None:
    for curve, values in curves.items():
        if np.shape(values) != xs.shape:
            raise ValueError(
                f"{curve} has shape {np.shape(values)}; {len(xs)} {name} need ({len(xs)},)."
            )
