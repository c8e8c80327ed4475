"""Figures of points and arrows on the unit sphere, seen from one side.

Shapes: C classes, A angles, B images, G points of a circle, P panels, E moments.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from rnsl_tutorial.experiments.style import INK, PALE, QUIET, Axis, Floats, new_figure, set_axes

ARROW_SCALE = 0.75
"""Radii that an arrow of length 1 is drawn with."""

GREY = "#a8b0b8"
HALO = (withStroke(linewidth=3, foreground="white"),)


class PrototypeStyle(NamedTuple):
    """How a class looks on the sphere: its prototype, its images, its curves."""

    color: str  # of Okabe and Ito's colour-blind safe palette
    dash: tuple[float, ...]  # strokes and gaps in line widths; empty: a solid line
    marker: str  # one of matplotlib's o, s, ^, D, v, P


STYLES = (
    PrototypeStyle("#0072B2", (), "o"),
    PrototypeStyle("#D55E00", (3.5, 1.5), "s"),
    PrototypeStyle("#009E73", (1.0, 1.2), "^"),
    PrototypeStyle("#CC79A7", (3.5, 1.2, 1.0, 1.2), "D"),
    PrototypeStyle("#E69F00", (6.0, 2.0), "v"),
    PrototypeStyle("#56B4E9", (2.0, 1.2), "P"),
)


class Steps(NamedTuple):
    """Gradient steps on one image and on the prototypes, times T.

    Attributes:
        image: [3], of unit length.
        on_image: [C, 3], what each prototype does to the image.
        total: [3], their sum.
        on_prototypes: [C, 3], what the image does to each prototype.
    """

    image: Floats
    on_image: Floats
    total: Floats
    on_prototypes: Floats


class Profile(NamedTuple):
    """What the loss does to an image at every angle from its own prototype.

    Attributes:
        angles: [A], degrees.
        loss: [A].
        lengths: [C, A], of the arrow of each prototype.
        current: place of the angle that is marked.
    """

    angles: Floats
    loss: Floats
    lengths: Floats
    current: int


def prototype_styles(count: int) -> tuple[PrototypeStyle, ...]:
    """Return the styles of that many classes.

    Raises:
        ValueError: more classes than there are styles.
    """
    if count > len(STYLES):
        raise ValueError(f"{count} classes; at most {len(STYLES)} can be told apart on a sphere.")
    return STYLES[:count]


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


def forces_on_sphere(
    prototypes: Floats,
    names: Sequence[str],
    circle: Floats,
    steps: Steps,
    profile: Profile,
    *,
    loss_axis: Axis,
    length_axis: Axis,
    angle_axis: Axis,
    view: tuple[float, float],
    own: int = 0,
    title: str = "",
) -> Figure:
    """Draw one image between prototypes with the arrows of a gradient step, and two charts.

    Args:
        prototypes: [C, 3], of unit length.
        names: C, of the prototypes.
        circle: [G, 3], the great circle on which the image moves.
        steps: the arrows.
        profile: the curves of both charts.
        loss_axis: of the first chart.
        length_axis: of the second.
        angle_axis: of both.
        view: azimuth and elevation of the eye, degrees.
        own: the class of the image.
        title: above all.
    """
    seen, styles = sphere_view(*view), prototype_styles(len(names))
    with new_figure(figsize=(10.0, 5.4)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        grid = figure.add_gridspec(2, 2, width_ratios=(1.15, 1.0))
        globe = figure.add_subplot(grid[:, 0])
        _draw_ball(globe)
        _draw_curve(globe, seen, circle)
        _draw_arrow(globe, seen, steps.image, steps.total, None, width=6.0)
        for c, style in enumerate(styles):
            _draw_arrow(globe, seen, prototypes[c], steps.on_prototypes[c], style, width=1.2)
            _draw_arrow(globe, seen, steps.image, steps.on_image[c], style, width=2.2)
        _draw_prototypes(globe, seen, prototypes, names)
        _draw_image(globe, seen, steps.image)
        upper, lower = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
        _draw_profile(upper, profile, {"loss": (profile.loss, STYLES[0]._replace(color=INK))})
        set_axes(upper, angle_axis, loss_axis)
        _draw_profile(lower, profile, _named_lengths(profile, names, own))
        set_axes(lower, angle_axis, length_axis)
        lower.legend(fontsize=8, ncols=2, handlelength=3.5)
    return figure


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


def gathering_on_sphere(
    embeddings: Floats,
    prototypes: Floats,
    labels: ArrayLike,
    names: Sequence[str],
    curves: Mapping[str, Floats],
    epoch: int,
    *,
    epoch_axis: Axis,
    angle_axis: Axis,
    view: tuple[float, float],
    title: str = "",
) -> Figure:
    """Draw the images of one moment on a sphere, and beside it angles over all epochs.

    Args:
        embeddings: [B, 3], of unit length.
        prototypes: [C, 3], of unit length.
        labels: integers [B] in [0, C).
        names: C, of the classes.
        curves: by label, degrees [E].
        epoch: that is shown.
        epoch_axis: of the chart.
        angle_axis: of the chart.
        view: azimuth and elevation of the eye, degrees.
        title: above both.
    """
    seen = sphere_view(*view)
    with new_figure(figsize=(10.0, 5.0)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        globe, chart = figure.subplots(1, 2)
        _draw_ball(globe)
        _draw_images(globe, seen, embeddings, np.asarray(labels), len(names))
        _draw_prototypes(globe, seen, prototypes, names)
        epochs = np.arange(len(next(iter(curves.values()))), dtype=float)
        named = {
            label: (curve, style._replace(color=INK))
            for (label, curve), style in zip(curves.items(), STYLES, strict=False)
        }
        _draw_profile(chart, Profile(epochs, epochs, epochs, epoch), named)
        set_axes(chart, epoch_axis, angle_axis)
        chart.legend()
    return figure


# ------------------------------------------------------------------ the sphere


def _draw_ball(axes: Axes) -> None:
    axes.add_patch(Circle((0, 0), 1, facecolor="#f6f8fa", edgecolor=QUIET, linewidth=1, zorder=0))
    axes.set_aspect("equal")
    axes.set_xlim(-1.2, 1.2)
    axes.set_ylim(-1.2, 1.2)
    axes.set_axis_off()


def _draw_curve(axes: Axes, seen: Floats, points: Floats) -> None:
    """A curve on the sphere; the part behind is dashed."""
    x, y, depth = seen @ points.T
    for hidden, style in ((depth < 0, (0, (2, 2))), (depth >= 0, "solid")):
        axes.plot(
            np.where(hidden, x, np.nan), np.where(hidden, y, np.nan),
            color=QUIET, linewidth=1.2, linestyle=style, zorder=1,
        )  # fmt: skip


def _draw_arrow(
    axes: Axes,
    seen: Floats,
    start: Floats,
    step: Floats,
    style: PrototypeStyle | None,
    width: float,
) -> None:
    """An arrow in the colour of a class, or without one in that of ink; none for a tiny step."""
    if np.linalg.norm(step) < 0.01:
        return
    x, y, depth = seen @ np.stack([start, start + ARROW_SCALE * step], axis=1)
    arrow = {
        "arrowstyle": "-|>",
        "color": style.color if style else GREY,
        "linewidth": width,
        "alpha": 0.35 if depth[0] < 0 else 1.0,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.annotate("", (x[1], y[1]), xytext=(x[0], y[0]), arrowprops=arrow, zorder=4)


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
            alpha=max(alpha, 0.6), path_effects=HALO, zorder=6,
        )  # fmt: skip


def _draw_image(axes: Axes, seen: Floats, image: Floats) -> None:
    x, y, _ = seen @ image
    axes.plot([x], [y], "o", color=INK, markersize=9, markeredgecolor="white", zorder=6)


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


# ------------------------------------------------------------------ charts


def _named_lengths(
    profile: Profile, names: Sequence[str], own: int
) -> dict[str, tuple[Floats, PrototypeStyle]]:
    styles = prototype_styles(len(names))
    return {
        f"{name} {'pulls' if c == own else 'pushes'}": (profile.lengths[c], styles[c])
        for c, name in enumerate(names)
    }


def _draw_profile(
    axes: Axes, profile: Profile, curves: Mapping[str, tuple[Floats, PrototypeStyle]]
) -> None:
    axes.axvline(profile.angles[profile.current], color=PALE, linewidth=1.2, zorder=1)
    for label, (curve, style) in curves.items():
        axes.plot(
            profile.angles, curve, label=label, color=style.color, linewidth=1.8,
            linestyle=(0, style.dash) if style.dash else "-",
        )  # fmt: skip
        axes.plot(
            [profile.angles[profile.current]], [curve[profile.current]], style.marker,
            color=style.color, markersize=6, markeredgecolor="white", clip_on=False, zorder=4,
        )  # fmt: skip
