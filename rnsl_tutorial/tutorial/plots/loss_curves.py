"""Figures of the losses as curves.

Shapes: L losses, X places on the x axis.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnsl_tutorial.experiments.style import (
    INK,
    QUIET,
    Axis,
    Numbers,
    loss_styles,
    new_figure,
    set_axes,
)


class Curves(NamedTuple):
    """One chart of `loss_and_pull`.

    Attributes:
        x_axis: of the chart.
        y_axis: of the chart.
        x: [X].
        y: [L, X], one curve a loss.
        marked: place on the x axis of the marked image; NaN marks none.
    """

    x_axis: Axis
    y_axis: Axis
    x: Numbers
    y: Numbers
    marked: float


def loss_and_pull(charts: Sequence[Curves], labels: Sequence[str], title: str = "") -> Figure:
    """Draw curves of three losses (NSL, RNSL, MAE) side by side, with one image marked.

    Args:
        charts: from left to right, each with three curves.
        labels: of the three losses.
        title: above all.
    """
    styles = loss_styles(("nsl", "rnsl", "MAE"))
    with new_figure(figsize=(4.0 * len(charts), 3.8)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        row = figure.subplots(1, len(charts), squeeze=False)[0]
        for axes, chart in zip(row, charts, strict=True):
            for style, label, y_X in zip(styles, labels, chart.y, strict=True):
                dash = (0, style.dash) if style.dash else "-"
                axes.plot(chart.x, y_X, color=style.color, linestyle=dash, lw=1.8, label=label)
            set_axes(axes, chart.x_axis, chart.y_axis)
            _mark(axes, chart)
        figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
    return figure


def _mark(axes: Axes, chart: Curves) -> None:
    """A rule at the marked image, and a marker where it meets each curve."""
    if np.isnan(chart.marked):
        return
    axes.axvline(chart.marked, color=QUIET, linewidth=0.8, zorder=1)
    heights = [np.interp(chart.marked, chart.x.astype(float), y_X.astype(float)) for y_X in chart.y]
    axes.plot([chart.marked] * len(heights), heights, "o", color=INK, markersize=5, clip_on=True)
