"""How pictures of truncation look: whom a threshold on p leaves out, and how well it chooses.

Shapes: B bins, M moments.
"""

import math
from typing import NamedTuple

import numpy as np

from rnsl_tutorial.experiments.style import _OCHRE, _PINK, Axis, Floats, axis

__all__ = ["MEASURE_STYLES", "SHARE_AXIS", "mirrored", "mirrored_axis"]


class _MeasureStyle(NamedTuple):
    """How a measure of pruning looks in every figure; without a colour, in that of text."""

    label: str
    color: str
    dash: tuple[float, ...]
    marker: str


MEASURE_STYLES = {
    "precision": _MeasureStyle("precision", _PINK, (), "o"),
    "recall": _MeasureStyle("recall", _OCHRE, (3.5, 1.5), "s"),
    "kept": _MeasureStyle("share kept", "", (1.0, 1.2), "D"),
}
"""Of "left out" as a finder of wrong labels: precision, recall, and the share still listened to."""

SHARE_AXIS = axis("share", 0, 1.05, ticks=(0, 0.25, 0.5, 0.75, 1), text="{:.0%}")


def mirrored(right: Floats, wrong: Floats) -> Floats:
    """Return the heights of the bars, [..., 2, B]: roots, up for right labels, down for wrong.

    In training most images pile up at both ends; with roots the few between them are seen, too.

    Args:
        right: [..., B], how many images with a right label have a p in each bin.
        wrong: [..., B], the same of those with a wrong label.
    """
    return np.stack([np.sqrt(right), -np.sqrt(wrong)], axis=-2)


def mirrored_axis(largest: float) -> Axis:
    """Return the axis of `mirrored` bars of up to that many images; its texts are the counts."""
    power = 10.0 ** math.floor(math.log10(max(largest, 1)))
    tick = max(step * power for step in (1, 2, 5) if step * power <= max(largest, 1))
    counts = [tick, tick / 4] if tick % 4 == 0 else [tick]
    signed = [-count for count in counts] + [0] + counts[::-1]
    places = np.sign(signed) * np.sqrt(np.abs(signed))
    top = 1.05 * math.sqrt(max(largest, 1))
    texts = tuple(f"{abs(count):.0f}" for count in signed)
    return Axis("images (√ scale)", (-top, top), tuple(places.tolist()), texts, _roots(largest))


def _roots(largest: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Counts up to the largest, above 300 to three digits, and before them their signed roots."""
    more = np.geomspace(300, max(largest, 300), 400)
    counts = np.unique(np.rint([*range(301), *more]))
    both = np.concatenate([-counts[:0:-1], counts])
    roots = np.sign(both) * np.sqrt(np.abs(both))
    return tuple(roots.round(3).tolist()), tuple(np.abs(both).tolist())
