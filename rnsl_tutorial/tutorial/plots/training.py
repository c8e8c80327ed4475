"""Figures of runs in training: one small chart a measure, one line a run.

Shapes: R runs, E epochs.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from rnsl_tutorial.experiments.style import Axis, LossStyle, axis, new_figure, set_axes

_COLUMNS = 3


class MeasuredRuns(NamedTuple):
    """What one measure was after each epoch.

    Attributes:
        axis: of the values.
        values: float [R, E], NaN where a run has not been yet.
    """

    axis: Axis
    values: NDArray[np.floating]


def epochs_axis(epochs: int) -> Axis:
    """Return the axis from 0 to the last epoch, with ticks at whole ones."""
    ticks = MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]).tick_values(0, epochs)
    return axis("epochs", 0, epochs, ticks=[t for t in ticks if t <= epochs])


def training_curves(
    measures: Mapping[str, MeasuredRuns], styles: Sequence[LossStyle], *, epoch: int = 0
) -> Figure:
    """Draw several measures of several runs over the epochs, counted from 1.

    Args:
        measures: by title, at least one.
        styles: R, one a run.
        epoch: marked by a rule; 0 for none.
    """
    rows = math.ceil(len(measures) / _COLUMNS)
    with new_figure(figsize=(11.0, 2.4 * rows)) as figure:
        grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for axes, (title, measured) in zip(grid, measures.items(), strict=False):
            epochs = np.arange(1, measured.values.shape[1] + 1)
            for style, values_E in zip(styles, measured.values, strict=True):
                dash = (0, style.dash) if style.dash else "-"
                axes.plot(epochs, values_E, color=style.color, linestyle=dash, label=style.label)
            if epoch:
                axes.axvline(epoch, color="#8c96a0", linewidth=1)
            axes.set_title(title, fontsize=10)
            set_axes(axes, epochs_axis(len(epochs)), measured.axis)
        for axes in grid[len(measures) :]:
            axes.set_visible(False)
        grid[0].legend(fontsize=9)
    return figure
