"""Figures of who pulls on the prototypes: image by image, and wrong labels against all.

Shapes: B images of a batch, G points of a curve, E moments of a run.
"""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rnsl_tutorial.experiments.style import (
    LOSS_STYLES,
    QUIET,
    RIGHT,
    WRONG,
    Axis,
    LossStyle,
    Numbers,
    new_figure,
    set_axes,
)


class Pulls(NamedTuple):
    """How hard each image of a batch pulls: the left chart of `pull_and_share`.

    Attributes:
        x_axis: of the chart.
        y_axis: of the chart.
        x: [B], places of the images on the x axis.
        y: [B], their pull.
        wrong: bool [B], whether the label is wrong.
        curve_x: [G].
        nsl: [G], the pull of NSL at curve_x.
        chosen: [G], the pull of the chosen q.
    """

    x_axis: Axis
    y_axis: Axis
    x: Numbers
    y: Numbers
    wrong: NDArray[np.bool_]
    curve_x: Numbers
    nsl: Numbers
    chosen: Numbers


class Shares(NamedTuple):
    """The wrong labels' share of the pull: the right chart of `pull_and_share`.

    Attributes:
        x_axis: of the chart.
        y_axis: of the chart.
        x: [E], the epochs.
        nsl: [E], the share under NSL.
        chosen: [E], the share under the chosen q.
        alike: the share if all images pulled alike.
        current: which of the E moments is marked.
    """

    x_axis: Axis
    y_axis: Axis
    x: Numbers
    nsl: Numbers
    chosen: Numbers
    alike: float
    current: int


def pull_and_share(pulls: Pulls, shares: Shares, *, q: float, title: str = "") -> Figure:
    """Draw how hard each image of a batch pulls, and the wrong labels' share over the epochs.

    Args:
        pulls: dots for right and crosses for wrong labels, on the curve of the chosen q.
        shares: lines over the epochs.
        q: the chosen one, named in the legends.
        title: above both.
    """
    robust = LOSS_STYLES["rnsl"]._replace(label=f"q = {q:.2f}")
    with new_figure(figsize=(11.0, 4.8)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        left, right = figure.subplots(1, 2)
        _draw_pulls(left, pulls, robust)
        _draw_shares(right, shares, robust)
        for axes in (left, right):
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=9, borderpad=0)
    return figure


def _draw_pulls(axes: Axes, pulls: Pulls, robust: LossStyle) -> None:
    axes.plot(pulls.curve_x, pulls.nsl, **_line(LOSS_STYLES["nsl"]) | {"color": QUIET})
    axes.plot(pulls.curve_x, pulls.chosen, **_line(robust) | {"color": QUIET})
    for style, drawn_B in ((RIGHT, ~pulls.wrong), (WRONG, pulls.wrong)):
        axes.scatter(pulls.x[drawn_B], pulls.y[drawn_B], 16, style.color, marker=style.marker,
                     label=style.label, alpha=0.7, linewidths=1, zorder=3)  # fmt: skip
    set_axes(axes, pulls.x_axis, pulls.y_axis)


def _draw_shares(axes: Axes, shares: Shares, robust: LossStyle) -> None:
    axes.axhline(shares.alike, color=QUIET, linewidth=1, label="if all pulled alike")
    axes.plot(shares.x, shares.nsl, **_line(LOSS_STYLES["nsl"]))
    axes.plot(shares.x, shares.chosen, **_line(robust))
    marked = np.array([shares.x[shares.current], shares.chosen[shares.current]])
    axes.plot(*marked[:, None], robust.marker, color=robust.color, markersize=9, clip_on=False)
    set_axes(axes, shares.x_axis, shares.y_axis)


def _line(style: LossStyle) -> dict[str, Any]:
    dash = (0, style.dash) if style.dash else "-"
    return {"color": style.color, "linestyle": dash, "linewidth": 2, "label": style.label}
