"""Measured losses side by side: which differences outlast the spread over seeds.

Shapes: M metrics, K noise kinds, R rates, L losses.
"""

from typing import Any, ClassVar

import numpy as np

from rnsl_tutorial.experiments.figures import _comparison_axes
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers.base import Choice, Control, Explorer, module, number_control

__all__ = ["ComparisonExplorer"]

_METRICS = {
    "knn_clean": "k-NN accuracy, neighbours with true labels",
    "knn_noisy": "k-NN accuracy, neighbours with given labels",
    "prototype": "accuracy of the nearest prototype",
    "memorized": "wrong labels learned by heart",
}

_FOUND = {"metric": "knn_clean", "noise": "symmetric"}


class ComparisonExplorer(Explorer):
    """A metric over the noise rate, a line for each loss, and the paired differences at one rate.

    Attributes:
        rate: share of wrong labels at which the differences are shown.
        loss: the one that stands out.
        metric: one of the table's metrics.
        noise: one of the table's kinds of noise.
        table: what is shown.
    """

    _esm = module("comparison.js")

    rate = Choice().tag(sync=True)
    loss = Choice().tag(sync=True)
    metric = Choice().tag(sync=True)
    noise = Choice().tag(sync=True)

    steps: ClassVar = {
        "All right": {**_FOUND, "rate": 0.0, "loss": "nsl"},
        "Half wrong, NSL": {**_FOUND, "rate": 0.5, "loss": "nsl"},
        "NSL, tuned": {**_FOUND, "rate": 0.5, "loss": "nsl_tuned"},
        "Cross-entropy": {**_FOUND, "rate": 0.5, "loss": "ce"},
        "By given labels": {**_FOUND, "metric": "knn_noisy", "rate": 0.5, "loss": "nsl"},
    }

    def __init__(self, table: plots.Comparison, **chosen: float | str | None) -> None:
        """Show a table, such as that of `differences.compare`.

        Args:
            table: what to show.
            chosen: what to begin with, by the name of the attribute; by default the first of each.

        Raises:
            ValueError: arrays of the table whose shapes disagree.
            traitlets.TraitError: a value to begin with that the table does not have.
        """
        _check(table)
        self.table = table
        super().__init__(_controls(table), self._lookup(), chosen)

    def _lookup(self) -> dict[str, Any]:
        """What the ES module looks up: see the type ``Table`` in ``static/comparison.js``."""
        table = self.table
        places = list(np.ndindex(table.mean.shape[:2]))
        numbers = ("mean", "spread", "difference", "low", "high")
        return {
            "percents": [100 * rate for rate in table.rates],
            "styles": plots.loss_styles(table.losses),
            "reference": table.losses.index(table.reference),
            "axes": [_comparison_axes(table, *place) for place in places],
            "headlines": [self._headline(*place) for place in np.ndindex(table.mean.shape)],
            "note": _note(table),
            **{name: 100 * getattr(table, name) for name in numbers},
        }

    def _headline(self, m: int, k: int, r: int, i: int) -> str:
        """One loss at one rate, beside the reference."""
        table, place = self.table, (m, k, r, i)
        label, reference = (
            plots.loss_styles([name])[0].label for name in (table.losses[i], table.reference)
        )
        where = f"{label} at {table.rates[r]:.0%} wrong labels"
        if np.isnan(table.mean[place]):
            return f"{where}: not measured"
        reached = f"{where}: {table.mean[place]:.1%}"
        if label == reference or np.isnan(table.difference[place]):
            return reached
        low, high = 100 * table.low[place], 100 * table.high[place]
        return (
            f"{reached}, {100 * table.difference[place]:+.1f} points from {reference} "
            f"(95% interval {low:+.1f} to {high:+.1f}{_read(low, high)})"
        )

    @property
    def reading(self) -> str:
        """What is shown now, in one sentence."""
        return self._headline(*map(self.place, ("metric", "noise", "rate", "loss")))


def _read(low: float, high: float) -> str:
    return ": it holds 0" if low <= 0 <= high else ""


def _note(table: plots.Comparison) -> str:
    return (
        f"Left: means of {table.seeds} seeds, bars: ± 1 standard deviation. Right: differences "
        "paired over seeds, with 95% intervals, each for itself. What was not measured is left out."
    )


def _controls(table: plots.Comparison) -> dict[str, Control]:
    labels = tuple(style.label for style in plots.loss_styles(table.losses))
    metrics = tuple(_METRICS.get(name, name) for name in table.metrics)
    kinds = tuple(plots.NOISE_NAMES.get(noise, noise) for noise in table.noises)
    return {
        "rate": number_control("Wrong labels", table.rates, "{:.0%}"),
        "loss": Control("Loss that stands out", table.losses, labels),
        "metric": Control("Metric", table.metrics, metrics),
        "noise": Control("Kind of label noise", table.noises, kinds),
    }


def _check(table: plots.Comparison) -> None:
    shape = tuple(map(len, (table.metrics, table.noises, table.rates, table.losses)))
    names = ("mean", "spread", "difference", "low", "high")
    shapes = {name: getattr(table, name).shape for name in names}
    if set(shapes.values()) != {shape}:
        raise ValueError(
            f"The arrays have the shapes {shapes}; {shape[0]} metrics, {shape[1]} noises, "
            f"{shape[2]} rates and {shape[3]} losses need {shape} each."
        )
    if table.reference not in table.losses:
        raise ValueError(f"The reference is {table.reference!r}; it must be one of {table.losses}.")
