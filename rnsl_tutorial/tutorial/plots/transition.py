"""Figures of a transition matrix, and of where one class's wrong labels go.

Shapes: C classes.
"""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from rnsl_tutorial._arrays import array, is_whole, labels_in, takes
from rnsl_tutorial.experiments.style import (
    INK,
    WRONG,
    Axis,
    Floats,
    axis,
    new_figure,
    set_axes,
)

__all__ = ["heat_codes", "heat_colors", "transition_beside_row"]

_HEAT_COLORS = "cividis"  # evenly rising in brightness, also for the colour-blind
_HEAT_POWER = 0.5  # colour follows the square root: 0.02 is told from 0
_HEAT_TICKS = (0.0, 0.05, 0.2, 0.5, 1.0)
_MOST_LETTERS = 18  # of a name beside the matrix
_BARS = 10  # wrong labels that are shown, the most frequent ones


@takes(probabilities="shares ...")
def heat_codes(probabilities: ArrayLike) -> NDArray[np.uint8]:
    """Return the positions of probabilities in `heat_colors`: 255 times their square root."""
    roots = np.asarray(probabilities, dtype=np.float64) ** _HEAT_POWER
    return np.rint(255 * roots).astype(np.uint8)


def _heat_values() -> Floats:
    """Return the probability that each of the 256 positions stands for, float64 [256]."""
    values: Floats = (np.arange(256) / 255) ** (1 / _HEAT_POWER)
    return values


def heat_colors() -> NDArray[np.uint8]:
    """Return the colours of a heat map, uint8 [256, 3], the smallest probability first."""
    colors = mpl.colormaps[_HEAT_COLORS](np.arange(256), bytes=True)[:, :3]
    return np.ascontiguousarray(colors, dtype=np.uint8)


def _class_axes(class_names: Sequence[str]) -> tuple[Axis, Axis]:
    """Return the axes of a transition matrix: given label to the right, true class downwards."""
    count = len(class_names)
    ticks, texts = tuple(i + 0.5 for i in range(count)), tuple(map(_short, class_names))
    return (
        Axis("given label, in the same order", (0.0, float(count)), (), ()),
        Axis("true class", (float(count), 0.0), ticks, texts),
    )


def _short(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"


def _share_axes() -> tuple[Axis, Axis]:
    """Return the axes of the bars: wrong labels to the right, their shares upwards."""
    x = axis(f"its {_BARS} most frequent wrong labels", 0, _BARS, ticks=())
    return x, axis("share of its wrong labels", 0, 1.05, ticks=(0, 0.2, 0.4, 0.6, 0.8, 1))


@takes(transition="shares C C", shares="shares S")
def transition_beside_row(
    transition: ArrayLike,
    shares: ArrayLike,
    class_names: Sequence[str],
    row: int,
    lost: ArrayLike = (),
    *,
    title: str = "",
) -> Figure:
    """Draw a transition matrix, and beside it where the wrong labels of one class go.

    The bars are the shares of one row, the largest first. The line across them lies at
    T[row, row] / (1 - T[row, row]), the right labels per wrong one: a bar above it outnumbers the
    right label, and the class is lost.

    Args:
        transition: float [C, C], rows sum to 1.
        shares: float [C], of the wrong labels of that row; 0 for the class itself.
        class_names: C names.
        row: the class whose row the bars show; it is marked.
        lost: integers, classes to mark.
        title: above both.

    Raises:
        ValueError: shapes that disagree.
    """
    matrix, bars = np.asarray(transition, dtype=float), np.asarray(shares, dtype=float)
    _check(matrix, bars, class_names, row)
    marked = array("lost", lost)
    with new_figure(figsize=(9.2, 4.7)) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.05))
        lost_L = labels_in(len(matrix), marked) if marked.size else marked
        _draw_matrix(left, matrix, class_names, row, lost_L)
        _draw_shares(right, bars, class_names, row, _right_per_wrong(matrix[row, row]))
        figure.suptitle(title, x=0.01, ha="left", fontsize="large")
    return figure


def _right_per_wrong(right: float) -> float:
    return right / (1 - right) if right < 1 else np.inf


def _rule_label(rule: float) -> str:
    if rule == np.inf:
        return "no label is wrong"
    above = ", above the picture" if rule > _share_axes()[1].range[1] else ""
    return f"right labels per wrong one: {rule:.2f}{above}"


def _draw_matrix(
    axes: Axes, matrix: Floats, class_names: Sequence[str], row: int, lost: NDArray[np.int64]
) -> None:
    classes = len(matrix)
    image = axes.imshow(
        matrix,
        cmap=_HEAT_COLORS,
        norm=PowerNorm(_HEAT_POWER, 0, 1),
        extent=(0, classes, classes, 0),
        interpolation="nearest",
        aspect="auto",  # else the layout cuts the label off
    )
    set_axes(axes, *_class_axes(class_names))
    axes.tick_params(axis="y", labelsize=7 if classes <= 30 else 5)
    axes.grid(visible=False)
    axes.get_yticklabels()[row].set_fontweight("bold")
    axes.plot(
        np.full(len(lost), 1.035 * classes), lost + 0.5, "x", color=WRONG.color, clip_on=False
    )
    axes.plot([-0.01 * classes], [row + 0.5], ">", color=INK, markersize=5, clip_on=False)
    bar = axes.figure.colorbar(image, ax=axes, ticks=_HEAT_TICKS, shrink=0.8, pad=0.09)
    bar.ax.set_yticklabels([f"{tick:g}" for tick in _HEAT_TICKS])
    bar.set_label("probability")


def _draw_shares(
    axes: Axes, shares: Floats, class_names: Sequence[str], row: int, rule: float
) -> None:
    order = [i for i in np.argsort(-shares, kind="stable") if i != row][:_BARS]
    heights = shares[order]
    over = heights > rule
    for part, hatch, alpha in ((~over, "///", 0.35), (over, "", 0.9)):
        places = np.flatnonzero(part) + 0.5
        look = {"color": WRONG.color, "hatch": hatch, "edgecolor": "white", "linewidth": 0.5}
        axes.bar(places, heights[part], 0.9, alpha=alpha, **look)  # type: ignore[arg-type]
    set_axes(axes, *_share_axes())
    for i in np.flatnonzero(heights):
        name = axes.text(i + 0.5, 0.02, f"{class_names[order[i]]} {heights[i]:.2f}")
        name.set(rotation=90, ha="center", va="bottom", fontsize="small")
        name.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    axes.axhline(min(rule, 2.0), color=INK, linestyle=(0, (5, 3)), label=_rule_label(rule))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1))
    axes.set_title(f"Where wrong labels of {class_names[row]} go", fontsize="medium")


def _check(matrix: Floats, shares: Floats, class_names: Sequence[str], row: int) -> None:
    classes = len(class_names)
    if matrix.shape != (classes, classes) or shares.shape != (classes,):
        raise ValueError(
            f"transition has shape {matrix.shape} and shares {shares.shape}; {classes} class names "
            f"need {(classes, classes)} and {(classes,)}."
        )
    if not is_whole(row, 0, classes - 1):
        raise ValueError(f"row is {row}; {classes} classes allow 0 to {classes - 1}.")
