"""Figures of points and arrows on the unit sphere, seen from one side.

Shapes: C classes, A angles, B images, G points of a circle, P panels, E moments.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from rnsl_tutorial._arrays import takes
from rnsl_tutorial.experiments.style import (
    _BLUE,
    _GREEN,
    _OCHRE,
    _PINK,
    _SKY,
    _VERMILION,
    INK,
    QUIET,
    Floats,
    new_figure,
)

__all__ = ["images_on_spheres", "prototype_styles", "sphere_view"]

_HALO = (withStroke(linewidth=3, foreground="white"),)


class _PrototypeStyle(NamedTuple):
    """How a class looks on the sphere: its prototype, its images, its curves."""

    color: str  # one of `experiments.style`
    dash: tuple[float, ...]  # strokes and gaps in line widths; empty: a solid line
    marker: str  # one of matplotlib's o, s, ^, D, v, P


_STYLES = (
    _PrototypeStyle(_BLUE, (), "o"),
    _PrototypeStyle(_VERMILION, (3.5, 1.5), "s"),
    _PrototypeStyle(_GREEN, (1.0, 1.2), "^"),
    _PrototypeStyle(_PINK, (3.5, 1.2, 1.0, 1.2), "D"),
    _PrototypeStyle(_OCHRE, (6.0, 2.0), "v"),
    _PrototypeStyle(_SKY, (2.0, 1.2), "P"),
)


def prototype_styles(count: int) -> tuple[_PrototypeStyle, ...]:
    """Return the styles of that many classes.

    Raises:
        ValueError: more classes than there are styles.
    """
    if count > len(_STYLES):
        raise ValueError(f"{count} classes; at most {len(_STYLES)} can be told apart on a sphere.")
    return _STYLES[:count]


def sphere_view(azimuth: float, elevation: float) -> Floats:
    """Return what is right, up and towards the eye, the rows of a [3, 3] rotation.

    Args:
        azimuth: of the eye around the third axis, degrees.
        elevation: of the eye above the first two axes, degrees.
    """
    (cos_a, cos_e), (sin_a, sin_e) = (
        function(np.radians([azimuth, elevation])) for function in (np.cos, np.sin)
    )
    right = (-sin_a, cos_a, 0.0)
    up = (-sin_e * cos_a, -sin_e * sin_a, cos_e)
    return np.array([right, up, (cos_e * cos_a, cos_e * sin_a, sin_e)])


# ------------------------------------------------------------------ figures


@takes(embeddings="numbers P B 3", prototypes="numbers P C 3", labels="integers B")
def images_on_spheres(
    embeddings: Floats,
    prototypes: Floats,
    labels: ArrayLike,
    names: Sequence[str],
    titles: Sequence[str],
    *,
    view: tuple[float, float],
) -> Figure:
    """Draw the images of several moments or runs, each on a sphere of its own.

    Args:
        embeddings: [P, B, 3], of unit length.
        prototypes: [P, C, 3], of unit length.
        labels: integers [B] in [0, C).
        names: C, of the classes.
        titles: P, above the spheres.
        view: azimuth and elevation of the eye, degrees.

    Raises:
        ValueError: more classes than can be told apart.
    """
    seen = sphere_view(*view)
    with new_figure(figsize=(3.2 * len(titles), 3.9)) as figure:
        row = figure.subplots(1, len(titles), squeeze=False)[0]
        for axes, images, directions, title in zip(
            row, embeddings, prototypes, titles, strict=True
        ):
            _draw_ball(axes)
            _draw_images(axes, seen, images, np.asarray(labels), len(names))
            _draw_prototypes(axes, seen, directions, names)
            axes.set_title(title)
    return figure


# ------------------------------------------------------------------ the sphere


def _draw_ball(axes: Axes) -> None:
    axes.add_patch(Circle((0, 0), 1, facecolor="#f6f8fa", edgecolor=QUIET, linewidth=1, zorder=0))
    axes.set_aspect("equal")
    axes.set_xlim(-1.2, 1.2)
    axes.set_ylim(-1.2, 1.2)
    axes.set_axis_off()


def _draw_prototypes(axes: Axes, seen: Floats, prototypes: Floats, names: Sequence[str]) -> None:
    for style, name, (x, y, depth) in zip(
        prototype_styles(len(names)), names, prototypes @ seen.T, strict=True
    ):
        alpha = 0.35 if depth < 0 else 1.0
        axes.plot(
            [x], [y], style.marker, color=style.color, markersize=10, markeredgecolor=INK,
            alpha=alpha, zorder=5,
        )  # fmt: skip
        axes.annotate(
            name, (x, y), xytext=(8, 6), textcoords="offset points", fontweight="bold",
            alpha=max(alpha, 0.6), path_effects=_HALO, zorder=6,
        )  # fmt: skip


def _draw_images(
    axes: Axes, seen: Floats, embeddings: Floats, labels: Floats, classes: int
) -> None:
    for c, style in enumerate(prototype_styles(classes)):
        x, y, depth = seen @ embeddings[labels == c].T
        for part, alpha in ((depth < 0, 0.15), (depth >= 0, 0.7)):
            axes.plot(
                x[part], y[part], style.marker, color=style.color, markersize=4,
                markeredgewidth=0, alpha=alpha, linestyle="none", zorder=2,
            )  # fmt: skip
