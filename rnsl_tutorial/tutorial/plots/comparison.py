"""Many losses side by side: a metric over the noise rate, and what each differs from one of them.

Shapes: M metrics, K noise kinds, R rates, L losses.
"""

import math
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnsl_tutorial.tutorial.plots.style import (
    INK,
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


class Comparison(NamedTuple):
    """Measured losses, and their differences from a reference, paired over seeds.

    All numbers are shares in [0, 1], or differences of them; NaN where nothing was measured.

    Attributes:
        metrics: M names.
        noises: K names.
        rates: [R], shares of wrong labels, ascending.
        losses: L names.
        reference: the loss that the others are compared with, one of losses.
        mean: float64 [M, K, R, L], over seeds.
        spread: float64 [M, K, R, L], standard deviation over seeds.
        difference: float64 [M, K, R, L], mean of loss minus reference.
        low: float64 [M, K, R, L], lower end of its 95% confidence interval.
        high: float64 [M, K, R, L], upper end.
        seeds: the fewest in any cell.
    """

    metrics: tuple[str, ...]
    noises: tuple[str, ...]
    rates: tuple[float, ...]
    losses: tuple[str, ...]
    reference: str
    mean: Floats
    spread: Floats
    difference: Floats
    low: Floats
    high: Floats
    seeds: int


def comparison_axes(table: Comparison, metric: int, noise: int) -> tuple[Axis, Axis, Axis, Axis]:
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
    x_left, y_left, x_right, y_right = comparison_axes(table, metric, noise)
    shown = (current[1], table.losses.index(table.reference))
    with new_figure(figsize=(11.0, 4.8)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        left, right = figure.subplots(1, 2)
        left.axvline(100 * table.rates[current[0]], color=QUIET, linewidth=1, linestyle=":")
        for i, style in enumerate(loss_styles(table.losses)):
            _draw_over_rates(left, table, (metric, noise), i, style, strong=i in shown)
            place = (metric, noise, current[0], i)
            _draw_difference(right, table, place, style, strong=i in shown)
        right.axvline(0, color=INK, linewidth=1)
        set_axes(left, x_left, y_left)
        set_axes(right, x_right, y_right)
        left.legend(ncols=2, fontsize=8)
    return figure


def _draw_over_rates(
    axes: Axes,
    table: Comparison,
    place: tuple[int, int],
    loss: int,
    style: LossStyle,
    *,
    strong: bool,
) -> None:
    mean_R, spread_R = (100 * values[place][:, loss] for values in (table.mean, table.spread))
    seen_R = ~np.isnan(mean_R)
    axes.errorbar(
        100 * np.array(table.rates)[seen_R], mean_R[seen_R], np.nan_to_num(spread_R[seen_R]),
        color=style.color, linestyle=(0, style.dash) if style.dash else "-", marker=style.marker,
        markersize=5, linewidth=2.4 if strong else 1.2, alpha=1 if strong else 0.5, capsize=2,
        label=style.label,
    )  # fmt: skip


def _draw_difference(
    axes: Axes, table: Comparison, place: tuple[int, ...], style: LossStyle, *, strong: bool
) -> None:
    middle, low, high = (100 * t[place] for t in (table.difference, table.low, table.high))
    axes.plot([low, high], [place[-1]] * 2, color=style.color, linewidth=2.4 if strong else 1.2)
    axes.plot([middle], [place[-1]], style.marker, color=style.color, markersize=6)
