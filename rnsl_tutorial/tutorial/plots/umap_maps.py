"""Figures of maps of the same images side by side.

Shapes: P panels, N images.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from rnsl_tutorial._arrays import array, finite
from rnsl_tutorial.experiments.style import INK, PALE, Numbers, new_figure

__all__ = ["Coloring", "maps_side_by_side"]


class Coloring(NamedTuple):
    """How images are coloured: a code each, and what the codes mean.

    Attributes:
        codes: integers [N] or [P, N], places among the colours.
        colors: as ``#rrggbb``.
        legend: some codes with what they mean.
    """

    codes: NDArray[np.integer]
    colors: Sequence[str]
    legend: Sequence[tuple[int, str]] = ()


def maps_side_by_side(
    maps: Sequence[ArrayLike],
    coloring: Coloring,
    titles: Sequence[str],
    captions: Sequence[str] = (),
    *,
    marked: ArrayLike | None = None,
    mark: str = "",
    title: str = "",
    same_scale: bool = False,
) -> Figure:
    """Draw maps of the same images side by side; their axes have no unit.

    Args:
        maps: P of [N, 2].
        coloring: of the images.
        titles: P, above the maps.
        captions: P, below the maps; none by default.
        marked: bool [N], images drawn as crosses.
        mark: what the crosses are.
        title: above all.
        same_scale: draw a unit equally long on all maps.

    Raises:
        ValueError: shapes that disagree.
    """
    shown = [finite("maps", array("maps", m)) for m in maps]
    marked_N = np.zeros(shown[0].shape[:1], bool) if marked is None else array("marked", marked)
    if marked_N.dtype != bool or marked_N.ndim != 1:
        raise ValueError(f"marked are {marked_N.dtype} {list(marked_N.shape)}; give bools [N].")
    _check(shown, coloring, titles, marked_N)
    codes_PN = np.broadcast_to(coloring.codes, (len(shown), len(marked_N)))
    reach = [_reach(map_N2) for map_N2 in shown]
    with new_figure(figsize=(4.1 * len(shown), 4.9)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        row = figure.subplots(1, len(shown), squeeze=False)[0]
        for i, (axes, map_N2) in enumerate(zip(row, shown, strict=True)):
            color_N = np.array(coloring.colors)[codes_PN[i]]
            for is_cross, style in ((False, {"marker": "o"}), (True, {"marker": "x"})):
                x, y = map_N2[marked_N == is_cross].T
                axes.scatter(x, y, 6, color_N[marked_N == is_cross], linewidths=0.8, **style)
            _frame(axes, map_N2, max(reach) if same_scale else reach[i])
            axes.set_title(titles[i])
            axes.set_xlabel(captions[i] if captions else "", fontsize=9)
        _explain(figure, coloring, mark if marked_N.any() else "")
    return figure


def _reach(map_N2: Numbers) -> float:
    return 0.53 * float(np.max(map_N2.max(axis=0).astype(float) - map_N2.min(axis=0)))


def _frame(axes: Axes, map_N2: Numbers, reach: float) -> None:
    """Show the square around the middle of the points that reaches that far."""
    x, y = (map_N2.min(axis=0).astype(float) + map_N2.max(axis=0)) / 2
    axes.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach))
    axes.set(aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=PALE)


def _explain(figure: Figure, coloring: Coloring, mark: str) -> None:
    dots = [(coloring.colors[code], "o", text) for code, text in coloring.legend]
    crosses = [(INK, "x", mark)] if mark else []
    lines = [
        Line2D([], [], linestyle="", marker=marker, color=color, markersize=5)
        for color, marker, _ in dots + crosses
    ]
    if lines:
        texts = [text for _, _, text in dots + crosses]
        figure.legend(lines, texts, loc="outside lower left", ncols=len(lines))


def _check(
    maps: Sequence[Numbers], coloring: Coloring, titles: Sequence[str], marked_N: Numbers
) -> None:
    images = len(marked_N)
    if any(map_N2.shape != (images, 2) for map_N2 in maps) or len(titles) != len(maps):
        shapes = ", ".join(str(map_N2.shape) for map_N2 in maps)
        raise ValueError(
            f"The maps have the shapes {shapes}, with {len(titles)} titles and {images} marks; all "
            "must be [images, 2], with a title each and a mark for each image."
        )
    allowed = ((images,), (len(maps), images))
    if coloring.codes.shape not in allowed:
        raise ValueError(
            f"The codes have shape {coloring.codes.shape}; {allowed[0]} or {allowed[1]} is needed."
        )
