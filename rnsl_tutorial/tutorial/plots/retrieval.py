"""Figures of what an embedding is for: neighbours, prototypes, and a search by example."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rnsl_tutorial.experiments.style import INK, QUIET, RIGHT, WRONG, Floats, new_figure

__all__ = ["metric_learning", "nearest_scenes"]

_CLOUDS = np.array([[-1.0, 0.4], [0.9, 0.7], [0.2, -1.0]])
_LOOKS = ((RIGHT.color, "o"), (WRONG.color, "s"), ("#009E73", "^"))
_QUERY = np.array([0.45, 0.62])


def metric_learning() -> Figure:
    """Draw three classes of points: a triplet, their prototypes, and the ten nearest of a query."""
    generator = np.random.default_rng(3)
    points_CN2 = _CLOUDS[:, None] + generator.normal(0, 0.24, (len(_CLOUDS), 14, 2))
    titles = (
        "a triplet: one of the class closer,\none of another class away",
        "prototypes: closer to its own,\naway from all others",
        "search: a new image, and\nits ten nearest neighbours",
    )
    with new_figure(figsize=(9.6, 3.4)) as figure:
        rows = figure.subplots(1, 3)
        for axes, title, draw in zip(rows, titles, (_triplet, _prototypes, _search), strict=True):
            for points_N2, (color, marker) in zip(points_CN2, _LOOKS, strict=True):
                axes.scatter(*points_N2.T, s=24, c=color, marker=marker, alpha=0.45, linewidths=0)
            draw(axes, points_CN2)
            axes.set_title(title, fontsize=9)
            axes.set(xticks=[], yticks=[], aspect="equal")
    return figure


def _triplet(axes: Axes, points_CN2: Floats) -> None:
    image, same, other = points_CN2[0, 0], points_CN2[0, 3], points_CN2[1, 5]
    _ring(axes, image, same, other)
    _arrow(axes, image, same)
    _arrow(axes, other, other + 0.6 * (other - image) / np.linalg.norm(other - image))


def _prototypes(axes: Axes, points_CN2: Floats) -> None:
    for middle, (color, marker) in zip(_CLOUDS, _LOOKS, strict=True):
        axes.scatter(
            middle[:1], middle[1:], s=150, c=color, marker=marker, edgecolors=INK, linewidths=1.6
        )
    image = points_CN2[0, 0]
    _ring(axes, image)
    _arrow(axes, image, _CLOUDS[0])
    for middle in _CLOUDS[1:]:
        _arrow(axes, image, image + 0.35 * (image - middle) / np.linalg.norm(image - middle), "--")


def _search(axes: Axes, points_CN2: Floats) -> None:
    points_N2 = points_CN2.reshape(-1, 2)
    for i in np.argsort(np.linalg.norm(points_N2 - _QUERY, axis=1))[:10]:
        axes.plot(*np.stack([_QUERY, points_N2[i]]).T, color=QUIET, linewidth=0.8)
    axes.scatter(_QUERY[:1], _QUERY[1:], s=130, c=INK, marker="*", zorder=3)


def _ring(axes: Axes, *points: Floats) -> None:
    for x, y in points:
        axes.scatter(x, y, s=60, c="none", edgecolors=INK)


def _arrow(axes: Axes, start: Floats, end: Floats, style: str = "-") -> None:
    look: dict[str, Any] = {
        "arrowstyle": "-|>",
        "color": INK,
        "linestyle": style,
        "shrinkA": 4,
        "shrinkB": 2,
    }
    axes.annotate("", (end[0], end[1]), (start[0], start[1]), arrowprops=look)


def nearest_scenes(
    query: str, found: Sequence[Sequence[str]], titles: Sequence[str], width: float = 10.5
) -> Figure:
    """Draw what searches by one example return: a row for each, the nearest first.

    An image of the query's class is a pale tile; any other is hatched and bears its class's name.

    Args:
        query: class of the example.
        found: for each search the classes of what it returned, all of them equally many.
        titles: one for each search.
        width: of the figure, in inches.

    Raises:
        ValueError: searches of unequal length, or another number of titles.
    """
    if len({len(row) for row in found}) != 1 or len(found) != len(titles):
        raise ValueError(
            f"{len(titles)} titles and searches of {[len(row) for row in found]} images are given; "
            "give a title for each search, and searches of one length."
        )
    with new_figure(figsize=(width, 0.9 * len(found))) as figure:
        column = figure.subplots(len(found), squeeze=False)[:, 0]
        for axes, row, title in zip(column, found, titles, strict=True):
            for i, name in enumerate(row):
                _tile(axes, i, name, name == query)
            axes.set(xlim=(0, len(row)), ylim=(0, 1), xticks=[], yticks=[])
            axes.set_title(title, fontsize=9)
    return figure


def _tile(axes: Axes, place: int, name: str, is_right: bool) -> None:
    color = (RIGHT if is_right else WRONG).color
    hatch = None if is_right else "///"
    axes.add_patch(Rectangle((place + 0.03, 0.05), 0.94, 0.9, alpha=0.3, color=color, hatch=hatch))
    box = None if is_right else {"facecolor": "white", "edgecolor": "none", "pad": 1}
    text = axes.text(place + 0.5, 0.5, name, fontsize=7, ha="center", va="center", bbox=box)
    text.set_parse_math(False)
