"""Figures of an audit: doubtful images, whom a threshold flags, transition matrices side by side.

Shapes: K images, S x S pixels, B bins, T thresholds, C classes, L classes shown.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from rnsl_tutorial.experiments.style import (
    INK,
    PALE,
    QUIET,
    RIGHT,
    WRONG,
    Axis,
    Floats,
    axis,
    new_figure,
    set_axes,
)
from rnsl_tutorial.tutorial.plots.transition import HEAT_COLORS, HEAT_POWER, HEAT_TICKS
from rnsl_tutorial.tutorial.plots.truncation import (
    MEASURE_STYLES,
    SHARE_AXIS,
    LabelCounts,
    mirrored,
)

FLAGGED_COLOR = "#8c96a0"
TRUE_DASH = (1.0, 1.2)
"""Of what only who planted the wrong labels can know; estimates have a line of their own."""

DOUBT_AXIS = axis("doubt about the given label", 0, 1)
THRESHOLD_AXIS = axis("threshold on the doubt", 0, 1)


class ClassShares(NamedTuple):
    """Shares of the images that were given a class, the most doubtful class first.

    Attributes:
        names: L class names.
        flagged: [L], at or above the threshold.
        estimated: [L], with a wrong label by the estimate; NaN where there is none.
        true: [L], with a wrong label; NaN where that is not known.
    """

    names: Sequence[str]
    flagged: Floats
    estimated: Floats
    true: Floats


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


def threshold_on_doubt(
    counts: LabelCounts,
    thresholds: ArrayLike,
    curves: Mapping[str, ArrayLike],
    classes: ClassShares,
    axes: tuple[Axis, Axis],
    *,
    place: int,
    is_known: bool,
    title: str = "",
) -> Figure:
    """Draw whom a threshold flags, how well it does over all thresholds, and in which classes.

    Args:
        counts: images over the doubt; where wrong labels are not known, all count as right ones.
        thresholds: [T], ascending.
        curves: [T] each, NaN where not known: "precision", with the ends "low" and "high" of its
            interval, and "recall", all estimated; "true precision", "true recall"; "share flagged".
        classes: see `ClassShares`.
        axes: of the counts, and of the shares of the classes.
        place: of the current threshold among the T.
        is_known: whether wrong labels are known.
        title: above all.
    """
    ts_T = np.asarray(thresholds, dtype=float)
    with new_figure(figsize=(12.0, 4.2)) as figure:
        told = textwrap.fill(title, 120)
        figure.suptitle(told, x=0.01, ha="left", fontsize=11, fontweight="bold")
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.25))
        _draw_counts(left, counts, float(ts_T[place]), axes[0], is_known)
        _draw_curves(middle, ts_T, curves, place)
        _draw_classes(right, classes, axes[1])
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
    for title, matrix in transitions.items():
        if np.shape(matrix) != (count, count):
            raise ValueError(
                f"{title!r} has shape {np.shape(matrix)}; {count} class names need "
                f"{(count, count)}."
            )
    norm, size = PowerNorm(HEAT_POWER, 0, 1), 7 if count <= 20 else 5
    with new_figure(figsize=(5.6 * len(transitions), 5.4)) as figure:
        row = figure.subplots(1, len(transitions), squeeze=False, sharey=True)[0]
        for cell, (title, matrix) in zip(row, transitions.items(), strict=True):
            image = cell.imshow(np.asarray(matrix), cmap=HEAT_COLORS, norm=norm)
            cell.set_title(title)
            cell.set_xticks(range(count), class_names, rotation=90, fontsize=size)
            cell.set_yticks(range(count), class_names, fontsize=size)
            cell.set_xlabel("given label")
        row[0].set_ylabel("true class")
        bar = figure.colorbar(image, ax=list(row), ticks=HEAT_TICKS, shrink=0.7)
        bar.ax.set_yticklabels([f"{tick:g}" for tick in HEAT_TICKS])
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


def _draw_counts(axes: Axes, counts: LabelCounts, t: float, y: Axis, is_known: bool) -> None:
    axes.axvspan(t, 1, color=FLAGGED_COLOR, alpha=0.2, linewidth=0, label="flagged")
    for heights_B, style in zip(mirrored(counts), (RIGHT, WRONG), strict=True):
        if is_known or style is RIGHT:
            axes.bar(
                counts.edges[:-1], heights_B, np.diff(counts.edges), align="edge",
                edgecolor=style.color if is_known else QUIET, linewidth=0.6,
                facecolor="none" if style.hatched else f"{style.color if is_known else QUIET}8c",
                hatch="////" if style.hatched else None,
                label=style.label if is_known else "images",
            )  # fmt: skip
    axes.axvline(t, color=INK, linewidth=1.6)
    axes.axhline(0, color=INK, linewidth=0.6)
    set_axes(axes, DOUBT_AXIS, y)
    _explain(axes, columns=3)


def _draw_curves(axes: Axes, ts_T: Floats, curves: Mapping[str, ArrayLike], place: int) -> None:
    axes.fill_between(
        ts_T, np.asarray(curves["low"]), np.asarray(curves["high"]),
        color=MEASURE_STYLES["precision"].color, alpha=0.2, linewidth=0,
    )  # fmt: skip
    for name, values in curves.items():
        ys_T = np.asarray(values, dtype=float)
        if name in ("low", "high") or np.isnan(ys_T).all():
            continue
        if name == "share flagged":
            axes.plot(ts_T, ys_T, color=INK, linestyle=(0, (3, 2)), linewidth=1.2, label=name)
            continue
        is_true, style = name.startswith("true "), MEASURE_STYLES[name.removeprefix("true ")]
        axes.plot(
            ts_T, ys_T, color=style.color, linestyle=(0, TRUE_DASH) if is_true else "-",
            label=f"{style.label}, {'in truth' if is_true else 'estimated'}",
        )  # fmt: skip
        axes.plot(
            ts_T[place], ys_T[place], style.marker, markersize=7, color=style.color,
            markerfacecolor="white" if is_true else style.color,
        )  # fmt: skip
    set_axes(axes, THRESHOLD_AXIS, SHARE_AXIS)
    _explain(axes, columns=2)


def _draw_classes(axes: Axes, classes: ClassShares, y: Axis) -> None:
    places = np.arange(len(classes.names)) + 0.5
    axes.bar(places, classes.flagged, 0.8, color=PALE, edgecolor=FLAGGED_COLOR, label="flagged")
    if not np.isnan(classes.estimated).all():
        axes.plot(places, classes.estimated, "D", color=INK, markersize=5, label="estimated wrong")
    if not np.isnan(classes.true).all():
        axes.plot(places, classes.true, "x", color=WRONG.color, label="truly wrong")
    set_axes(axes, axis("", 0, len(places), ticks=()), y)
    axes.set_xticks(places, classes.names, rotation=90, fontsize=8)
    _explain(axes, columns=3)


def _explain(axes: Axes, columns: int) -> None:
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, fontsize=8.5,
        columnspacing=1.0, handlelength=1.8,
    )  # fmt: skip


def _check_thumbnails(
    images: NDArray[np.uint8], captions: Sequence[str], wrong: NDArray[np.bool_] | None
) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or not len(images):
        raise ValueError(f"images are {list(images.shape)}; they must be [K, 3, S, S], K >= 1.")
    for name, given in (("captions", captions), ("wrong", wrong)):
        if given is not None and len(given) != len(images):
            raise ValueError(f"There are {len(given)} {name} for {len(images)} images.")
