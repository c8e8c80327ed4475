"""Figures of what the Box-Cox transform trades: who is heard, and what that costs.

Shapes: T temperatures, Q values of q, B images, P points of a line, R noise rates, E epochs.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import contourpy
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from rnsl_tutorial.experiments.style import (
    INK,
    LOSS_STYLES,
    OTHER_STYLES,
    QUIET,
    RIGHT,
    WRONG,
    Axis,
    Floats,
    Numbers,
    axis,
    new_figure,
    set_axes,
    whole_tens,
)

HEAT_MAP = "cividis"  # even steps look even, also to the colour-blind and in black and white
RUN_STYLES = (LOSS_STYLES["nsl"], LOSS_STYLES["rnsl"], *OTHER_STYLES)


def share_colors() -> NDArray[np.uint8]:
    """Return the 256 colours of a heat map from low to high, uint8 [256, 3]."""
    colors: Floats = mpl.colormaps[HEAT_MAP](np.linspace(0, 1, 256))[:, :3]
    return np.round(255 * colors).astype(np.uint8)


def weight_axes(margins: Numbers) -> tuple[Axis, Axis]:
    """Return the axes of weights over margins: from -1 to 1, wider in halves where margins are."""
    low, high = (math.floor(2 * margins.min()) / 2, math.ceil(2 * margins.max()) / 2)
    return (
        axis("margin: own cosine − best other", min(low, -1), max(high, 1)),
        axis("weight (NSL: 100%)", 0, 1, text="{:.0%}"),
    )


class Weights(NamedTuple):
    """How hard images are heard, at one q and one temperature.

    Attributes:
        margins: [B], of each image.
        weights: [B], in [0, 1].
        flipped: bool [B], whether the image's label is wrong.
        line_margins: [P], along the line of a typical image.
        line_weights: [P].
    """

    margins: Numbers
    weights: Numbers
    flipped: NDArray[np.bool_]
    line_margins: Numbers
    line_weights: Numbers


# ------------------------------------------------------------------ over q and temperature


def surface_axes(qs: Sequence[float], temperatures: Sequence[float]) -> tuple[Axis, Axis]:
    """Return the axes of a heat map whose cells are centred at each q and each temperature.

    The temperatures, which need not be evenly spaced, lie one step apart.
    """
    step = (qs[-1] - qs[0]) / max(len(qs) - 1, 1) / 2
    x = axis("q", qs[0] - step, qs[-1] + step)
    y = axis("temperature T", -0.5, len(temperatures) - 0.5, ticks=range(len(temperatures)))
    return x, y._replace(texts=tuple(f"{t:g}" for t in temperatures))


def level_line(qs: Sequence[float], surface: Numbers, level: float) -> Floats:
    """Return where a surface [T, Q] crosses a level: places [N, 2] on the axes of `surface_axes`.

    NaN stands between pieces of the line that do not touch.
    """
    rows = np.arange(len(surface))
    pieces = contourpy.contour_generator(np.asarray(qs), rows, surface).lines(level)
    gap = np.full((1, 2), np.nan)
    joined = [part for piece in pieces for part in (gap, np.asarray(piece))]
    return np.concatenate(joined[1:] or [np.empty((0, 2))])


def down_weighting(
    surface: Numbers,
    qs: Sequence[float],
    temperatures: Sequence[float],
    weights: Weights,
    current: tuple[int, int],
    *,
    surface_label: str,
    title: str = "",
    levels: Sequence[float] = (0.25, 0.5, 0.75),
) -> Figure:
    """Draw a surface over q and temperature beside the weight of each image of a batch.

    Args:
        surface: [T, Q], shares in [0, 1].
        qs: [Q], evenly spaced.
        temperatures: [T], ascending.
        weights: at the current q and temperature.
        current: temperature and q, as positions: marked on the surface.
        surface_label: what the surface shows.
        title: above both.
        levels: at which lines are drawn on the surface.

    Raises:
        ValueError: shapes that disagree.
    """
    if surface.shape != (len(temperatures), len(qs)):
        raise ValueError(
            f"surface has shape {surface.shape}; {len(temperatures)} temperatures and {len(qs)} "
            f"values of q need {(len(temperatures), len(qs))}."
        )
    with new_figure(figsize=(11.0, 4.8)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        left, right = figure.subplots(1, 2)
        image = _draw_surface(left, surface, qs, temperatures, levels)
        left.plot(qs[current[1]], current[0], "o", color="white", markeredgecolor=INK, markersize=9)
        ticks = [0, *levels, 1]
        form = PercentFormatter(1.0)
        figure.colorbar(image, ax=left, ticks=ticks, format=form, label=surface_label)
        _draw_weights(right, weights)
    return figure


def _draw_surface(
    axes: Axes,
    surface: Numbers,
    qs: Sequence[float],
    temperatures: Sequence[float],
    levels: Sequence[float],
) -> AxesImage:
    x, y = surface_axes(qs, temperatures)
    extent = (*x.range, *y.range)
    image = axes.imshow(
        surface, cmap=HEAT_MAP, vmin=0, vmax=1, extent=extent, origin="lower", aspect="auto"
    )
    for level in levels:
        line = level_line(qs, surface, level)
        axes.plot(*line.T, color=INK, linewidth=3)
        axes.plot(*line.T, color="white", linewidth=1.2)
    set_axes(axes, x, y)
    axes.grid(visible=False)
    return image


def _draw_weights(axes: Axes, weights: Weights) -> None:
    axes.plot(weights.line_margins, weights.line_weights, color=INK, label="typical")
    for style, chosen in ((RIGHT, ~weights.flipped), (WRONG, weights.flipped)):
        axes.plot(
            weights.margins[chosen], weights.weights[chosen], style.marker, color=style.color,
            markersize=4, alpha=0.6, label=style.label, clip_on=False,
        )  # fmt: skip
    set_axes(axes, *weight_axes(weights.margins))
    axes.legend(loc="upper left")


# ------------------------------------------------------------------ over q


def q_axis(qs: Sequence[float]) -> Axis:
    """Return the axis of the measured values of q, with room at the left for the lines' names."""
    low, high = min(qs), max(qs)
    label = "q (0: NSL)" if low == 0 else "q"
    return axis(label, low - 0.17 * (high - low), high + 0.03 * (high - low), ticks=qs)


def over_q_axes(accuracy: Numbers, accuracy_spread: Numbers) -> tuple[Axis, Axis]:
    """Return the axes of accuracy and of the memorized share, both in percent."""
    low, high = whole_tens(accuracy, accuracy_spread)
    return (
        axis("k-NN accuracy (% of test images)", low, high),
        axis("memorized (% of the wrong labels)", 0, 100),
    )


def accuracy_over_q(
    qs: Sequence[float],
    rates: Sequence[float],
    accuracy: Numbers,
    accuracy_spread: Numbers,
    memorized: Numbers,
    memorized_spread: Numbers,
    current: tuple[int, int],
    *,
    title: str = "",
) -> Figure:
    """Draw accuracy over q beside the share of wrong labels that were memorized.

    Args:
        qs: [Q], ascending; 0 stands for NSL.
        rates: [R], shares of wrong labels in [0, 1).
        accuracy: [R, Q], in [0, 1].
        accuracy_spread: [R, Q], length of the error bars.
        memorized: [R, Q], in [0, 1]; NaN draws none.
        memorized_spread: [R, Q].
        current: rate and q, as positions: the line that stands out, and the marker on it.
        title: above both.

    Raises:
        ValueError: shapes that disagree.
    """
    tables = (accuracy, accuracy_spread, memorized, memorized_spread)
    if any(table.shape != (len(rates), len(qs)) for table in tables):
        raise ValueError(
            f"The tables have the shapes {[table.shape for table in tables]}; {len(rates)} rates "
            f"and {len(qs)} values of q need {(len(rates), len(qs))} each."
        )
    with new_figure(figsize=(11.0, 4.4)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        left, right = figure.subplots(1, 2)
        y_left, y_right = over_q_axes(accuracy, accuracy_spread)
        _draw_over_q(left, qs, 100 * accuracy, 100 * accuracy_spread, current)
        _draw_over_q(right, qs, 100 * memorized, 100 * memorized_spread, current)
        _name_rates(left, qs[0], rates, 100 * accuracy[:, 0], current[0])
        set_axes(left, q_axis(qs), y_left)
        set_axes(right, q_axis(qs), y_right)
    return figure


def _draw_over_q(
    axes: Axes,
    qs: Sequence[float],
    mean: Numbers,
    spread: Numbers,
    current: tuple[int, int],
) -> None:
    axes.plot(qs, mean.T, color=QUIET, linewidth=0.8)
    axes.errorbar(qs, mean[current[0]], spread[current[0]], color=INK, capsize=3, linewidth=2)
    axes.plot(qs[current[1]], mean[current], "o", color=INK, markersize=9)


def _name_rates(
    axes: Axes, at: float, rates: Sequence[float], heights: Numbers, current: int
) -> None:
    for row, (rate, height) in enumerate(zip(rates, heights, strict=True)):
        axes.annotate(
            f"{rate:.0%}", (at, height), (-6, 0), textcoords="offset points", ha="right",
            va="center", color=INK if row == current else QUIET,
            fontweight="bold" if row == current else "normal",
        )  # fmt: skip


# ------------------------------------------------------------------ over the epochs


def shares_over_epochs(shares: Mapping[str, Numbers], wrong: float, *, title: str = "") -> Figure:
    """Draw the share of the pull that comes from wrong labels, a line for each run.

    Args:
        shares: by the name of the run, at most 5: [E + 1], in [0, 1], before training and after
            each epoch.
        wrong: the share of labels that are wrong, drawn as a level line.
        title: above it.
    """
    with new_figure(figsize=(8.0, 4.0)) as figure:
        axes = figure.subplots()
        axes.set_title(title, fontweight="bold")
        for (name, line), style in zip(shares.items(), RUN_STYLES, strict=False):
            axes.plot(
                line, color=style.color, linestyle=(0, style.dash), marker=style.marker,
                markevery=5, linewidth=1.8, label=name,
            )  # fmt: skip
        axes.axhline(wrong, color=QUIET, linewidth=0.8)
        axes.annotate(
            "share of the labels", (1.0, wrong), (0, 3), color=QUIET, ha="right",
            xycoords=("axes fraction", "data"), textcoords="offset points",
        )  # fmt: skip
        last = max(len(line) for line in shares.values()) - 1
        x = axis("epoch", 0, last)
        set_axes(axes, x, axis("share of the pull from wrong labels", 0, 1, text="{:.0%}"))
        axes.legend(loc="upper right", ncols=len(shares))
    return figure
