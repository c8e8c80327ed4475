"""Figures of embeddings, and of the accuracy that they reach.

Shapes: P panels, M images, C classes, L losses, R noise rates.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import BboxBase

from rnsl_tutorial.experiments.style import _GREY, INK, Floats, Numbers, class_colors, new_figure
from rnsl_tutorial.tutorial.plots.umap_maps import _frame, _reach

__all__ = ["class_medians", "embedding_panels"]


def class_medians(coordinates: Numbers, labels: Numbers, num_classes: int) -> Floats:
    """Return the middle of each class's cloud: the median of both coordinates.

    Args:
        coordinates: [..., M, 2].
        labels: integers [M] in [0, num_classes).
        num_classes: C.

    Returns:
        float64 [..., C, 2]; NaN for a class without images.
    """
    medians = np.full((*coordinates.shape[:-2], num_classes, 2), np.nan)
    for c in np.unique(labels):
        medians[..., c, :] = np.median(coordinates[..., labels == c, :], axis=-2)
    return medians


# ------------------------------------------------------------------ figures


def embedding_panels(
    coordinates: Numbers,
    labels: Numbers,
    predicted: Numbers,
    class_names: Sequence[str],
    titles: Sequence[str],
    captions: Sequence[str],
) -> Figure:
    """Draw maps of the same images side by side, all to one scale; their axes have no meaning.

    An image whose class k-NN finds is a pale dot in the colour of its true class; one that it does
    not find is a dark cross. A class is named at the median of its cloud where half of its images
    are found and the name hides no other.

    Args:
        coordinates: [P, M, 2].
        labels: integers [M] in [0, C), true classes.
        predicted: integers [P, M], classes that k-NN gives.
        class_names: C names.
        titles: P, above the maps.
        captions: P, below the maps.

    Raises:
        ValueError: shapes that disagree.
    """
    _check_maps(coordinates, labels, predicted, class_names, titles, captions)
    panels, points = len(coordinates), coordinates.reshape(-1, 2)
    with new_figure(figsize=(4.1 * panels, 4.9)) as figure:
        row = figure.subplots(1, panels, squeeze=False)[0]
        for axes, map_M2, found_M, title, caption in zip(
            row, coordinates, predicted, titles, captions, strict=True
        ):
            _draw_map(axes, map_M2, labels, found_M)
            _frame(axes, points, _reach(points))
            axes.set_title(title)
            axes.set_xlabel(caption)
        _explain_marks(figure)
        figure.draw_without_rendering()
        for axes, map_M2, found_M in zip(row, coordinates, predicted, strict=True):
            _name_classes(axes, map_M2, labels, found_M, class_names)
    return figure


# ------------------------------------------------------------------ maps


def _draw_map(axes: Axes, map_M2: Numbers, labels_M: Numbers, predicted_M: Numbers) -> None:
    found_M = predicted_M == labels_M
    color_C = np.array(class_colors(int(labels_M.max()) + 1))
    x_M, y_M = map_M2.T
    color_M = color_C[labels_M]
    axes.scatter(x_M[found_M], y_M[found_M], 9, color_M[found_M], alpha=0.55, linewidths=0)
    axes.scatter(x_M[~found_M], y_M[~found_M], 13, INK, marker="x", linewidths=0.9)


def _explain_marks(figure: Figure) -> None:
    dot = Line2D([], [], linestyle="", marker="o", color=_GREY, markersize=4)
    cross = Line2D([], [], linestyle="", marker="x", color=INK, markersize=4.5)
    names = ("k-NN finds the image's class (colour: true class)", "k-NN does not")
    figure.legend([dot, cross], names, loc="outside lower left", ncols=2)


def _name_classes(
    axes: Axes, map_M2: Numbers, labels_M: Numbers, predicted_M: Numbers, class_names: Sequence[str]
) -> None:
    """Write names at the medians, the best found classes first; leave out those that overlap."""
    share_C = _share_found(labels_M, predicted_M, len(class_names))
    median_C2 = class_medians(map_M2, labels_M, len(class_names))
    taken: list[BboxBase] = []
    for c in np.argsort(-share_C, kind="stable"):
        if share_C[c] < 0.5:
            break
        text = axes.annotate(class_names[c], median_C2[c], (0, 0), textcoords="offset points",
                             fontsize=7, ha="center", va="center")  # fmt: skip
        text.set(in_layout=False, path_effects=[withStroke(linewidth=2, foreground="white")])
        _push_inside(text, axes)
        box = text.get_window_extent()
        if box.count_overlaps(taken):
            text.remove()
        else:
            taken.append(box)


def _push_inside(text: Annotation, axes: Axes) -> None:
    """Move a name that would cross the left or right edge of its map."""
    box, frame = text.get_window_extent(), axes.get_window_extent()
    pixels = max(frame.x0 + 2 - box.x0, 0) + min(frame.x1 - 2 - box.x1, 0)
    text.set_position((72 * pixels / axes.figure.dpi, 0))


def _share_found(labels_M: Numbers, predicted_M: Numbers, num_classes: int) -> Floats:
    """Share of each class's images that are found; 0 for a class without images."""
    total_C = np.bincount(labels_M, minlength=num_classes)
    found_C = np.bincount(labels_M[predicted_M == labels_M], minlength=num_classes)
    share: Floats = found_C / np.maximum(total_C, 1)
    return share


# ------------------------------------------------------------------ checks


def _check_maps(
    coordinates: Numbers,
    labels: Numbers,
    predicted: Numbers,
    class_names: Sequence[str],
    titles: Sequence[str],
    captions: Sequence[str],
) -> None:
    panels, images = len(titles), len(labels)
    if coordinates.shape != (panels, images, 2) or predicted.shape != (panels, images):
        raise ValueError(
            f"coordinates have shape {coordinates.shape} and predicted {predicted.shape}; "
            f"{panels} titles and {images} labels need {(panels, images, 2)} and "
            f"{(panels, images)}."
        )
    if len(captions) != panels:
        raise ValueError(f"There are {panels} titles and {len(captions)} captions; give as many.")
    if not (images and labels.min() >= 0 and labels.max() < len(class_names)):
        raise ValueError(
            f"{images} labels are given for {len(class_names)} class names; give at least one "
            f"label, each in 0 to {len(class_names) - 1}."
        )
