"""How pictures of truncation look: whom a threshold on p leaves out, and how well it chooses.

Shapes: B bins, M moments.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rnsl_tutorial._arrays import array, takes
from rnsl_tutorial.experiments.style import (
    _GREY,
    _OCHRE,
    _PINK,
    INK,
    RIGHT,
    WRONG,
    Axis,
    Floats,
    axis,
    new_figure,
    set_axes,
)

__all__ = ["MEASURE_STYLES", "SHARE_AXIS", "mirrored", "mirrored_axis", "pruning_over_epochs"]


class _MeasureStyle(NamedTuple):
    """How a measure of pruning looks in every figure; without a colour, in that of text."""

    label: str
    color: str
    dash: tuple[float, ...]
    marker: str


MEASURE_STYLES = {
    "precision": _MeasureStyle("precision", _PINK, (), "o"),
    "recall": _MeasureStyle("recall", _OCHRE, (3.5, 1.5), "s"),
    "kept": _MeasureStyle("share kept", "", (1.0, 1.2), "D"),
}
"""Of "left out" as a finder of wrong labels: precision, recall, and the share still listened to."""

_CUT_COLOR = _GREY
_P_AXIS = axis("p, belief in the given label", 0, 1)
SHARE_AXIS = axis("share", 0, 1.05, ticks=(0, 0.25, 0.5, 0.75, 1), text="{:.0%}")


def mirrored(right: Floats, wrong: Floats) -> Floats:
    """Return the heights of the bars, [..., 2, B]: roots, up for right labels, down for wrong.

    In training most images pile up at both ends; with roots the few between them are seen, too.

    Args:
        right: [..., B], how many images with a right label have a p in each bin.
        wrong: [..., B], the same of those with a wrong label.
    """
    return np.stack([np.sqrt(right), -np.sqrt(wrong)], axis=-2)


def mirrored_axis(largest: float) -> Axis:
    """Return the axis of `mirrored` bars of up to that many images; its texts are the counts."""
    power = 10.0 ** math.floor(math.log10(max(largest, 1)))
    tick = max(step * power for step in (1, 2, 5) if step * power <= max(largest, 1))
    counts = [tick, tick / 4] if tick % 4 == 0 else [tick]
    signed = [-count for count in counts] + [0] + counts[::-1]
    places = np.sign(signed) * np.sqrt(np.abs(signed))
    top = 1.05 * math.sqrt(max(largest, 1))
    texts = tuple(f"{abs(count):.0f}" for count in signed)
    return Axis("images (√ scale)", (-top, top), tuple(places.tolist()), texts, _roots(largest))


def _roots(largest: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Counts up to the largest, above 300 to three digits, and before them their signed roots."""
    more = np.geomspace(300, max(largest, 300), 400)
    counts = np.unique(np.rint([*range(301), *more]))
    both = np.concatenate([-counts[:0:-1], counts])
    roots = np.sign(both) * np.sqrt(np.abs(both))
    return tuple(roots.round(3).tolist()), tuple(np.abs(both).tolist())


@takes(edges="numbers E", heights="numbers 2 B")
def pruning_over_epochs(
    edges: Floats,
    heights: Floats,
    counts: Axis,
    measures: Mapping[str, ArrayLike],
    *,
    k: float,
    moment: int,
    pruned: Sequence[int] = (),
    title: str = "",
) -> Figure:
    """Draw whom a threshold leaves out at one moment, and how well it chooses at all of them.

    Args:
        edges: [B + 1], of the bins of p, ascending from 0 to 1.
        heights: [2, B], as of `mirrored`, at this moment.
        counts: as of `mirrored_axis`, the same for all moments.
        measures: by name of MEASURE_STYLES, [M] each: shares, NaN where there is none.
        k: the threshold.
        moment: the current one, in [0, M).
        pruned: moments at which the run itself pruned.
        title: above both.

    Raises:
        ValueError: measures of different lengths.
    """
    shown = {name: array(name, values) for name, values in measures.items()}
    if len(edges) != heights.shape[1] + 1 or any(m.ndim != 1 for m in shown.values()):
        raise ValueError(
            f"{len(edges)} edges and {heights.shape[1]} bins, measures "
            f"{[m.shape for m in shown.values()]}; give an edge more than bins, and [M] each."
        )
    moments = {name: len(values) for name, values in shown.items()}
    if len({*moments.values()}) != 1:
        told = ", ".join(f"{name} {count}" for name, count in moments.items())
        raise ValueError(f"The measures have {told} moments; give all as many.")
    with new_figure(figsize=(12.0, 4.2)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        images, shares = figure.subplots(1, 2)
        images.axvspan(0, k, color=_CUT_COLOR, alpha=0.2, linewidth=0, label="left out")
        for heights_B, style in zip(heights, (RIGHT, WRONG), strict=True):
            images.bar(
                edges[:-1], heights_B, np.diff(edges), align="edge", linewidth=0.6,
                edgecolor=style.color, facecolor="none" if style.hatched else f"{style.color}8c",
                hatch="////" if style.hatched else None, label=style.label,
            )  # fmt: skip
        images.axvline(k, color=INK, linewidth=1.6)
        _finish(images, _P_AXIS, counts)
        for name, values in shown.items():
            label, color, dash, marker = MEASURE_STYLES[name]
            shares.plot(
                np.asarray(values, dtype=float), color=color or INK, marker=marker,
                linestyle=(0, dash) if dash else "-", markevery=[moment], label=label,
            )  # fmt: skip
        for i, at in enumerate(pruned):
            label = "_" * (i > 0) + "the run pruned"
            shares.axvline(at, color=_CUT_COLOR, linewidth=1.0, linestyle=(0, (4, 2)), label=label)
        last = max(moments.values()) - 1
        _finish(shares, axis("epochs of training", 0, max(last, 1)), SHARE_AXIS)
    return figure


def _finish(axes: Axes, x: Axis, y: Axis) -> None:
    """Set both axes, and put the legend above them, in one row."""
    set_axes(axes, x, y)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=4, fontsize=8.5,
                columnspacing=1.0, handlelength=1.8)  # fmt: skip
