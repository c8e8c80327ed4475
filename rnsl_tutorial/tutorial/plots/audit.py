"""Figures of an audit: doubtful images, whom a threshold flags, transition matrices side by side.

Shapes: K images, S x S pixels, B bins, T thresholds, C classes, L classes shown.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from rnsl_tutorial._arrays import array, takes
from rnsl_tutorial.experiments.style import RIGHT, WRONG, new_figure
from rnsl_tutorial.tutorial.plots.transition import _HEAT_COLORS, _HEAT_POWER, _HEAT_TICKS

__all__ = ["doubtful_images", "transitions_side_by_side"]


@takes(images="any ...", wrong="bools N?")
def doubtful_images(
    images: NDArray[np.uint8],
    captions: Sequence[str],
    *,
    wrong: ArrayLike | None = None,
    columns: int = 8,
    title: str = "",
) -> Figure:
    """Draw thumbnails in rows, each with what is said of it.

    Args:
        images: uint8 [K, 3, S, S], the most doubtful first.
        captions: K texts, such as ``"River: Pond?"``; two lines fit.
        wrong: bool [K], whether the label is wrong, which is marked; None if not known.
        columns: images a row.
        title: above all.

    Raises:
        ValueError: no images, or captions or wrong of another length.
    """
    known_K = None if wrong is None else np.asarray(wrong, dtype=bool)
    _check_thumbnails(images, captions, known_K)
    rows = math.ceil(len(images) / columns)
    with new_figure(figsize=(1.45 * columns, 1.75 * rows + 0.4)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        for i, cell in enumerate(np.ravel(figure.subplots(rows, columns, squeeze=False))):
            cell.set_axis_off()
            if i < len(images):
                cell.imshow(images[i].transpose(1, 2, 0))
                cell.set_title(captions[i], loc="center", fontsize=8)
            if i < len(images) and known_K is not None:
                _mark(cell, known_K[i])
    return figure


def transitions_side_by_side(
    transitions: Mapping[str, ArrayLike], class_names: Sequence[str]
) -> Figure:
    """Draw transition matrices beside each other: true class downwards, given label to the right.

    Args:
        transitions: by title, float [C, C], rows sum to 1.
        class_names: C names.

    Raises:
        ValueError: a matrix of another shape.
    """
    count = len(class_names)
    transitions = {title: array(title, matrix) for title, matrix in transitions.items()}
    for title, matrix in transitions.items():
        if np.shape(matrix) != (count, count):
            raise ValueError(
                f"{title!r} has shape {np.shape(matrix)}; {count} class names need "
                f"{(count, count)}."
            )
    norm, size = PowerNorm(_HEAT_POWER, 0, 1), 7 if count <= 20 else 5
    with new_figure(figsize=(5.6 * len(transitions), 5.4)) as figure:
        row = figure.subplots(1, len(transitions), squeeze=False, sharey=True)[0]
        for cell, (title, matrix) in zip(row, transitions.items(), strict=True):
            image = cell.imshow(np.asarray(matrix), cmap=_HEAT_COLORS, norm=norm)
            cell.set_title(title)
            cell.set_xticks(range(count), class_names, rotation=90, fontsize=size)
            cell.set_yticks(range(count), class_names, fontsize=size)
            cell.set_xlabel("given label")
        row[0].set_ylabel("true class")
        bar = figure.colorbar(image, ax=list(row), ticks=_HEAT_TICKS, shrink=0.7)
        bar.ax.set_yticklabels([f"{tick:g}" for tick in _HEAT_TICKS])
        bar.set_label("probability")
    return figure


# ------------------------------------------------------------------ parts


def _mark(axes: Axes, is_wrong: bool) -> None:
    """Frame an image, and say in its corner whether the label is wrong."""
    style = WRONG if is_wrong else RIGHT
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=True, color=style.color, linewidth=3)
    axes.text(
        0.05, 0.06, "wrong" if is_wrong else "right", transform=axes.transAxes, fontsize=8,
        color="white", bbox={"facecolor": style.color, "edgecolor": "none", "pad": 2},
    )  # fmt: skip


def _check_thumbnails(
    images: NDArray[np.uint8], captions: Sequence[str], wrong: NDArray[np.bool_] | None
) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or not len(images):
        raise ValueError(f"images are {list(images.shape)}; they must be [K, 3, S, S], K >= 1.")
    for name, given in (("captions", captions), ("wrong", wrong)):
        if given is not None and len(given) != len(images):
            raise ValueError(f"There are {len(given)} {name} for {len(images)} images.")
