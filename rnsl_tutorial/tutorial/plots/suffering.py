"""Figures of which classes suffer: predicted beside measured, and the labels around one class.

Shapes: C classes, B bars.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from rnsl_tutorial.experiments.style import (
    INK,
    RIGHT,
    WRONG,
    Axis,
    Floats,
    axis,
    new_figure,
    set_axes,
)

LABELS_SHOWN = 7  # labels around a class: its own, and the most frequent wrong ones


def margin_axis(low: float, high: float) -> Axis:
    """Return the axis of predictions that holds these margins, and 0."""
    return axis("margin of the right label (predicted)", *_widened(min(low, 0), max(high, 0)))


def drop_axis(low: float, high: float, about: str) -> Axis:
    """Return the axis of measurements that holds these losses of accuracy, and 0.

    Args:
        low: the smallest loss, in [-1, 1].
        high: the largest.
        about: what was measured on, in a few words.
    """
    ends = _widened(100 * min(low, 0), 100 * max(high, 0))
    return axis(f"points lost ({about})", *ends)


def _widened(low: float, high: float) -> tuple[float, float]:
    room = 0.05 * max(high - low, 0.01)
    return low - room, high + room


def label_axes() -> tuple[Axis, Axis]:
    """Return the axes of the labels around a class: its own first, then the wrong ones."""
    x = axis("right label, then the most frequent wrong ones", 0, LABELS_SHOWN, ticks=())
    return x, axis("share of the labels", 0, 1, ticks=(0, 0.25, 0.5, 0.75, 1), text="{:.0%}")


def predicted_beside_measured(
    margins: ArrayLike,
    drops: ArrayLike,
    class_names: Sequence[str],
    chosen: int,
    labels: Sequence[int],
    shares: ArrayLike,
    *,
    axes: tuple[Axis, Axis],
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw every class by its margin and by what it loses, and the labels around one of them.

    Args:
        margins: float [C], predicted; below 0 a wrong label leads, and the class is a cross.
        drops: float [C], measured, in [-1, 1]: accuracy without wrong labels minus that with them.
        class_names: C names.
        chosen: the class whose labels are shown; it is ringed.
        labels: [B] classes, the chosen one first.
        shares: float [B], of the labels around the chosen class.
        axes: of margins and of drops.
        title: above both.
        note: above the labels around the class.

    Raises:
        ValueError: shapes that disagree, or a class that is not there.
    """
    margins_C, drops_C = np.asarray(margins, dtype=float), np.asarray(drops, dtype=float)
    shares_B = np.asarray(shares, dtype=float)
    _check(margins_C, drops_C, class_names, chosen, labels, shares_B)
    with new_figure(figsize=(11.0, 4.6)) as figure:
        left, right = figure.subplots(1, 2)
        _draw_classes(left, margins_C, 100 * drops_C, class_names[chosen], chosen)
        set_axes(left, *axes)
        _draw_labels(right, [class_names[label] for label in labels], shares_B)
        right.set_title(note, fontsize="medium")
        figure.suptitle(title, x=0.01, ha="left", fontsize="large")
    return figure


def _draw_classes(axes: Axes, margins_C: Floats, points_C: Floats, name: str, chosen: int) -> None:
    lost_C = margins_C < 0
    looks = {"markersize": 5, "linestyle": "", "alpha": 0.75}
    axes.plot(margins_C[~lost_C], points_C[~lost_C], "o", color=RIGHT.color,
              label="right label leads", **looks)  # type: ignore[arg-type]  # fmt: skip
    axes.plot(margins_C[lost_C], points_C[lost_C], "x", color=WRONG.color,
              label="a wrong label leads", **looks)  # type: ignore[arg-type]  # fmt: skip
    axes.plot(margins_C[chosen], points_C[chosen], "o", markersize=11, color=INK, fillstyle="none")
    axes.axvline(0, color=INK, linewidth=1.2, linestyle=(0, (4, 2.5)))
    named = axes.annotate(name, (margins_C[chosen], points_C[chosen]), (0, 10),
                          textcoords="offset points", ha="center")  # fmt: skip
    named.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2)


def _draw_labels(axes: Axes, names: Sequence[str], shares_B: Floats) -> None:
    places = np.arange(len(shares_B)) + 0.5
    axes.bar(places[:1], shares_B[:1], 0.9, color=RIGHT.color, alpha=0.75)
    axes.bar(places[1:], shares_B[1:], 0.9, color=WRONG.color, alpha=0.5, hatch="///",
             edgecolor="white")  # fmt: skip
    for place, name, share in zip(places, names, shares_B, strict=True):
        if share > 0:
            text = axes.text(place, 0.02, f"{name} {share:.0%}", rotation=90, ha="center")
            text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    axes.axhline(shares_B[0], color=INK, linewidth=1.2, linestyle=(0, (4, 2.5)))
    set_axes(axes, *label_axes())


def _check(
    margins_C: Floats,
    drops_C: Floats,
    class_names: Sequence[str],
    chosen: int,
    labels: Sequence[int],
    shares_B: Floats,
) -> None:
    classes = len(class_names)
    if margins_C.shape != (classes,) or drops_C.shape != (classes,):
        raise ValueError(
            f"margins have shape {margins_C.shape} and drops {drops_C.shape}; {classes} class "
            f"names need ({classes},)."
        )
    if not 0 <= chosen < classes or len(labels) == 0 or labels[0] != chosen:
        raise ValueError(
            f"chosen is {chosen} and labels begin with {list(labels)[:1]}; they must agree, and "
            f"lie in 0 to {classes - 1}."
        )
    if shares_B.shape != (len(labels),):
        raise ValueError(f"shares have shape {shares_B.shape}; {len(labels)} labels need as many.")
