"""Figures of results: a metric over the noise rate, and what losses differ from one of them.

Shapes: M metrics, K noise kinds, R rates, L losses.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rnsl_tutorial._arrays import takes
from rnsl_tutorial.experiments.differences import Comparison
from rnsl_tutorial.experiments.style import (
    INK,
    PALE,
    QUIET,
    Axis,
    Floats,
    LossStyle,
    axis,
    loss_styles,
    new_figure,
    set_axes,
    whole_tens,
)

__all__ = ["accuracy_over_rate", "comparison"]


@takes(rates="any ...", mean="drawn ...", spread="drawn ...")
def accuracy_over_rate(
    rates: ArrayLike,
    mean: ArrayLike,
    spread: ArrayLike,
    loss_names: Sequence[str],
    *,
    title: str = "",
) -> Figure:
    """Draw k-NN accuracy over the noise rate, one line for each loss.

    Args:
        rates: [R], shares of wrong labels in [0, 1).
        mean: [L, R], accuracies in [0, 1].
        spread: [L, R], length of the error bars up and down; NaN draws none.
        loss_names: L names; those in LOSS_STYLES are written as the paper writes them.
        title: above the axes.

    Raises:
        ValueError: shapes that disagree.
    """
    rates_R, mean_LR, spread_LR = _checked_curves(rates, mean, spread, loss_names)
    styles = loss_styles(loss_names)
    with new_figure(figsize=(6.4, 4.0)) as figure:
        axes = figure.subplots()
        for style, mean_R, spread_R in zip(styles, mean_LR, spread_LR, strict=True):
            look = {"markersize": 6, "linewidth": 1.8, "capsize": 3, "elinewidth": 1, "zorder": 3}
            _draw_line(axes, style, rates_R, mean_R, spread_R, **look)
        axes.set_ylim(*whole_tens(mean_LR, spread_LR))
        axes.set_xticks(100 * rates_R)
        axes.set_xlabel("wrong labels in training (%)")
        axes.set_ylabel("k-NN accuracy (% of test images)")
        axes.grid(axis="y", color=PALE, linewidth=0.6)
        _name_lines(axes, styles, [100 * mean_R[~np.isnan(mean_R)][-1] for mean_R in mean_LR])
        axes.set_title(title)
    return figure


def _comparison_axes(table: Comparison, metric: int, noise: int) -> tuple[Axis, Axis, Axis, Axis]:
    """Return the axes of both charts: x and y of the lines, then x and y of the differences.

    Args:
        table: what is shown.
        metric: position of the metric.
        noise: position of the kind of noise.
    """
    mean, spread = table.mean[metric, noise], table.spread[metric, noise]
    seen = ~np.isnan(mean)
    low, high = whole_tens(mean[seen], spread[seen]) if seen.any() else (0, 100)
    percents = [100 * rate for rate in table.rates]
    names = [style.label for style in loss_styles(table.losses)]
    last = len(names) - 1
    places = axis("", last + 0.6, -0.6, ticks=range(len(names)))._replace(texts=tuple(names))
    return (
        axis("wrong labels in training (%)", percents[0] - 2, percents[-1] + 2, ticks=percents),
        axis("% of images", low, high),
        axis(f"minus {_label(table.reference)} (points)", *_reach(table, metric, noise)),
        places,
    )


def _reach(table: Comparison, metric: int, noise: int) -> tuple[float, float]:
    """Whole fives of percentage points that hold every interval, and 0."""
    ends = np.stack([table.low[metric, noise], table.high[metric, noise]])
    ends = 100 * np.append(ends[~np.isnan(ends)], 0.0)
    return 5.0 * math.floor(ends.min() / 5 - 0.1), 5.0 * math.ceil(ends.max() / 5 + 0.1)


def _label(loss: str) -> str:
    return loss_styles([loss])[0].label


def comparison(
    table: Comparison, metric: int, noise: int, current: tuple[int, int], *, title: str = ""
) -> Figure:
    """Draw a metric over the noise rate, and beside it the differences at one rate.

    Args:
        table: what is shown.
        metric: position of the metric.
        noise: position of the kind of noise.
        current: rate and loss, as positions: the rate of the differences, the loss that stands out.
        title: above both.
    """
    x_left, y_left, x_right, y_right = _comparison_axes(table, metric, noise)
    shown = (current[1], table.losses.index(table.reference))
    with new_figure(figsize=(11.0, 4.8)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        left, right = figure.subplots(1, 2)
        left.axvline(100 * table.rates[current[0]], color=QUIET, linewidth=1, linestyle=":")
        for i, style in enumerate(loss_styles(table.losses)):
            width = 2.4 if i in shown else 1.2
            mean_R, spread_R = (v[metric, noise, :, i] for v in (table.mean, table.spread))
            seen_R = ~np.isnan(mean_R)
            look = {"markersize": 5, "linewidth": width, "capsize": 2, "label": style.label}
            _draw_line(
                left, style, np.array(table.rates)[seen_R], mean_R[seen_R],
                np.nan_to_num(spread_R[seen_R]), alpha=1 if i in shown else 0.5, **look,
            )  # fmt: skip
            place = (metric, noise, current[0], i)
            middle, low, high = (100 * t[place] for t in (table.difference, table.low, table.high))
            right.plot([low, high], [i, i], color=style.color, linewidth=width)
            right.plot([middle], [i], style.marker, color=style.color, markersize=6)
        right.axvline(0, color=INK, linewidth=1)
        set_axes(left, x_left, y_left)
        set_axes(right, x_right, y_right)
        left.legend(ncols=2, fontsize=8)
    return figure


def _draw_line(
    axes: Axes, style: LossStyle, x_R: Floats, y_R: Floats, bar_R: Floats, **look: Any
) -> None:
    """Draw shares as percentages, with error bars."""
    dash = (0, style.dash) if style.dash else "-"
    given = {"color": style.color, "linestyle": dash, "marker": style.marker, **look}
    axes.errorbar(100 * x_R, 100 * y_R, 100 * bar_R, **given)


def _name_lines(axes: Axes, styles: Sequence[LossStyle], last_L: Sequence[float]) -> None:
    """Write each loss's name at the right end of its line, moved up where names would touch."""
    low, high = axes.get_ylim()
    height = low
    for i in np.argsort(last_L, kind="stable"):
        height = max(last_L[i], height)
        axes.annotate(
            styles[i].label, (1.0, height), xycoords=("axes fraction", "data"),
            xytext=(6, 0), textcoords="offset points", va="center",
            fontweight="bold", annotation_clip=False,
        )  # fmt: skip
        height += 0.06 * (high - low)


def _checked_curves(
    rates: ArrayLike, mean: ArrayLike, spread: ArrayLike, loss_names: Sequence[str]
) -> tuple[Floats, Floats, Floats]:
    rates_R, mean_LR, spread_LR = (np.asarray(a, dtype=float) for a in (rates, mean, spread))
    shape = (len(loss_names), rates_R.size)
    if rates_R.ndim != 1 or mean_LR.shape != shape or spread_LR.shape != shape or 0 in shape:
        raise ValueError(
            f"mean has shape {mean_LR.shape} and spread {spread_LR.shape}; {len(loss_names)} "
            f"losses and rates of shape {rates_R.shape} need [losses, rates], {shape}."
        )
    if not np.isfinite(rates_R).all() or (spread_LR < 0).any():
        raise ValueError("rates hold NaN or infinity, or spread is negative; no line can be drawn.")
    return rates_R, mean_LR, spread_LR
