"""Runs epoch by epoch: what each reached after every one, and after the one to stop at.

Shapes: E epochs, L losses.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from rnsl_tutorial.experiments.results import Result, check_alike
from rnsl_tutorial.experiments.style import (
    NOISE_NAMES,
    PALE,
    _noise_title,
    _rate_cell,
    loss_styles,
    new_figure,
    whole_tens,
)

__all__ = ["epoch_figures", "stopped", "table_over_epochs"]

_CHOSEN_BY = "val_given"
"""Accuracy of the prototypes for validation images under noisy labels."""


def stopped(result: Result) -> Result:
    """Return a run as it stood after the epoch at which noisy validation labels say to stop.

    That is the first of those after which the prototypes agree most with the labels of the
    validation images, which are as often wrong as those of the training images. No clean label is
    looked at, so it can be done wherever labels are doubtful.

    Args:
        result: of a run that was watched (`Config.watch`); one that trains nothing stays as it is.

    Raises:
        ValueError: it has no curves.
    """
    if result.config.is_without_loss:
        return result
    _check_watched([result])
    epoch = int(np.nanargmax(result.curves[_CHOSEN_BY]))
    return replace(
        result,
        metrics={name: values[epoch] for name, values in result.curves.items()},
        curves={name: values[: epoch + 1] for name, values in result.curves.items()},
        hits={},  # those that are kept are of the last epoch
    )


def table_over_epochs(results: Iterable[Result], metric: str = "knn_clean") -> Table:
    """Tabulate a metric after every epoch: mean and standard deviation over seeds.

    Args:
        results: of runs that were watched, alike but for noise, rate, loss, q, k and seed.
        metric: one of `experiments.measure`, or "val_given", see `stopped`.

    Returns:
        A row for each noise, rate and loss, a column for each epoch.

    Raises:
        ValueError: runs without curves, or a metric that they do not hold.
    """
    cells = _gathered(results, metric)
    epochs = max(values.shape[1] for values in cells.values())
    drawn = Table("noise", "rate", "loss", *map(str, range(1, epochs + 1)), box=box.MARKDOWN)
    for (noise, rate, loss), values_SE in cells.items():
        shown = [_written(values_S) for values_S in values_SE.T]
        told = _rate_cell(noise, rate)
        drawn.add_row(NOISE_NAMES[noise], told, loss_styles([loss])[0].label, *shown)
    return drawn


def epoch_figures(results: Iterable[Result], metric: str = "knn_clean") -> dict[str, Figure]:
    """Draw a metric over the epochs, a line for each loss: its mean, and every seed in pale.

    Args:
        results: as for `table_over_epochs`.
        metric: a share in [0, 1].

    Returns:
        "NOISE_RATE" -> figure.

    Raises:
        ValueError: as for `table_over_epochs`.
    """
    cells = _gathered(results, metric)
    values = np.concatenate([values_SE.ravel() for values_SE in cells.values()])
    limits = whole_tens(values, np.zeros_like(values))
    places = dict.fromkeys((noise, rate) for noise, rate, _ in cells)
    return {
        f"{noise}_{rate:g}": _figure(
            {loss: v for (*place, loss), v in cells.items() if tuple(place) == (noise, rate)},
            f"{_noise_title(noise)}, {rate:.0%} of the labels wrong"
            if noise != "as_given"
            else _noise_title(noise),
            metric,
            limits,
        )
        for noise, rate in places
    }


def _figure(
    curves: dict[str, NDArray[np.float64]], title: str, metric: str, limits: tuple[int, int]
) -> Figure:
    with new_figure(figsize=(6.4, 4.0)) as figure:
        axes = figure.subplots()
        for style, values_SE in zip(loss_styles(list(curves)), curves.values(), strict=True):
            epochs = np.arange(1, values_SE.shape[1] + 1)
            look: dict[str, Any] = {"color": style.color}
            look["linestyle"] = (0, style.dash) if style.dash else "-"
            if len(values_SE) > 1:
                axes.plot(epochs, 100 * values_SE.T, linewidth=0.7, alpha=0.4, **look)
            mean_E = 100 * values_SE.mean(axis=0)
            axes.plot(epochs, mean_E, style.marker, ms=5, lw=1.8, label=style.label, **look)
        axes.set_ylim(*limits)
        axes.set_xticks(epochs)
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"{_WORDS.get(metric, metric)} (%)")
        axes.grid(axis="y", color=PALE, linewidth=0.6)
        axes.legend()
        axes.set_title(title)
    return figure


_WORDS = {"knn_clean": "k-NN accuracy", "memorized": "wrong labels memorized", "kept": "kept"}


def _gathered(
    results: Iterable[Result], metric: str
) -> dict[tuple[str, float, str], NDArray[np.float64]]:
    """Place (noise, rate, loss) -> values, float64 [seeds, E], where there are any."""
    results = list(results)
    check_alike(results)
    _check_watched(results)
    known = dict.fromkeys(name for result in results for name in result.curves)
    if metric not in known:
        raise ValueError(
            f"There is no metric {metric!r} in the curves; choose one of {', '.join(known)}."
        )
    settings = {(r.config.loss, r.config.q, r.config.k) for r in results}
    if len(settings) > len({loss for loss, *_ in settings}):
        raise ValueError("A loss comes at several q or k; give each at one.")
    cells: dict[tuple[str, float, str], list[Sequence[float]]] = {}
    for result in results:
        if metric in result.curves:
            c = result.config
            cells.setdefault((c.noise, c.rate, c.loss), []).append(result.curves[metric])
    return {place: np.array(runs) for place, runs in cells.items()}


def _check_watched(results: Iterable[Result]) -> None:
    for result in results:
        if not result.curves:
            raise ValueError(
                f"The run of {result.config.loss}{f' in {result.file}' * bool(result.file)} was "
                "not measured after every epoch; train it again with --set watch=true."
            )


def _written(values: NDArray[np.float64]) -> str:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    mean = float(np.mean(values))
    if math.isnan(mean):
        return ""
    return f"{mean:.3f}" if math.isnan(spread) else f"{mean:.3f} ± {spread:.3f}"
