"""Figures: plain functions from arrays to a matplotlib figure.

Every figure has an opaque white background, whatever the theme of the notebook, tells its lines and
points apart by dash, shape or hatching as well as by colour, and is closed in pyplot, so that a
notebook shows it once.
"""

from rnsl_tutorial.plots.embedding import (
    accuracy_over_rate,
    class_medians,
    embedding_beside_accuracy,
    embedding_panels,
)
from rnsl_tutorial.plots.style import (
    LOSS_STYLES,
    NOISE_NAMES,
    RIGHT,
    WRONG,
    Axis,
    LabelStyle,
    LossStyle,
    axis,
    class_colors,
    loss_styles,
    new_figure,
    set_axes,
    whole_tens,
)

__all__ = [
    "LOSS_STYLES",
    "NOISE_NAMES",
    "RIGHT",
    "WRONG",
    "Axis",
    "LabelStyle",
    "LossStyle",
    "accuracy_over_rate",
    "axis",
    "class_colors",
    "class_medians",
    "embedding_beside_accuracy",
    "embedding_panels",
    "loss_styles",
    "new_figure",
    "set_axes",
    "whole_tens",
]
