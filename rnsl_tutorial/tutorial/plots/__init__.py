"""Figures: plain functions from arrays to a matplotlib figure.

Every figure has an opaque white background, whatever the theme of the notebook, tells its lines and
points apart by dash, shape or hatching as well as by colour, and is closed in pyplot, so that a
notebook shows it once.
"""

from rnsl_tutorial.experiments.differences import Comparison
from rnsl_tutorial.experiments.figures import accuracy_over_rate, comparison
from rnsl_tutorial.experiments.style import (
    LOSS_STYLES,
    NOISE_NAMES,
    RIGHT,
    WRONG,
    Axis,
    LossStyle,
    axis,
    class_colors,
    loss_styles,
    new_figure,
    set_axes,
    whole_tens,
)
from rnsl_tutorial.tutorial.plots.audit import doubtful_images, transitions_side_by_side
from rnsl_tutorial.tutorial.plots.retrieval import metric_learning, nearest_scenes
from rnsl_tutorial.tutorial.plots.scatter import scatter
from rnsl_tutorial.tutorial.plots.sphere import images_on_spheres, prototype_styles, sphere_view
from rnsl_tutorial.tutorial.plots.transition import (
    heat_codes,
    heat_colors,
    transition_beside_row,
)
from rnsl_tutorial.tutorial.plots.truncation import (
    MEASURE_STYLES,
    SHARE_AXIS,
    mirrored,
    mirrored_axis,
)
from rnsl_tutorial.tutorial.plots.umap_maps import Coloring, maps_side_by_side

__all__ = [
    "LOSS_STYLES",
    "MEASURE_STYLES",
    "NOISE_NAMES",
    "RIGHT",
    "SHARE_AXIS",
    "WRONG",
    "Axis",
    "Coloring",
    "Comparison",
    "LossStyle",
    "accuracy_over_rate",
    "axis",
    "class_colors",
    "comparison",
    "doubtful_images",
    "heat_codes",
    "heat_colors",
    "images_on_spheres",
    "loss_styles",
    "maps_side_by_side",
    "metric_learning",
    "mirrored",
    "mirrored_axis",
    "nearest_scenes",
    "new_figure",
    "prototype_styles",
    "scatter",
    "set_axes",
    "sphere_view",
    "transition_beside_row",
    "transitions_side_by_side",
    "whole_tens",
]
