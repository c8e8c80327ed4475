"""Results as tables and figures."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from rnsl_tutorial.experiments import Result, Summary, summarize
from rnsl_tutorial.plots import accuracy_over_rate, loss_styles

COLUMNS = {
    "knn_clean": "k-NN, clean index",
    "knn_noisy": "k-NN, noisy index",
    "prototype": "prototype",
    "memorized": "memorized",
    "kept": "kept",
    "precision": "pruning precision",
    "recall": "pruning recall",
}


NOISE_NAMES = {
    "symmetric": "symmetric",
    "pair_flip": "pair flip",
    "label_dependent": "label-dependent",
    "instance_dependent": "instance-dependent",
}


def table(results: Iterable[Result]) -> Table:
    """Tabulate mean and standard deviation over seeds, one row a noise, rate and loss.

    Args:
        results: of one or more cells; the metrics are those of `experiments.measure`.
    """
    summaries = summarize(results)
    shown = [name for name in COLUMNS if any(name in summary.mean for summary in summaries)]
    drawn = Table("noise", "rate", "loss", box=box.MARKDOWN)
    for name in shown:
        drawn.add_column(COLUMNS[name], justify="right")
    for summary, style in zip(summaries, loss_styles([s.loss for s in summaries]), strict=True):
        values = [_cell(summary, name) for name in shown]
        drawn.add_row(NOISE_NAMES[summary.noise], f"{summary.rate:g}", style.label, *values)
    return drawn


def _cell(summary: Summary, name: str) -> str:
    mean, spread = summary.mean.get(name, math.nan), summary.spread.get(name, math.nan)
    if math.isnan(mean):
        return ""
    return f"{mean:.3f}" if math.isnan(spread) else f"{mean:.3f} ± {spread:.3f}"


def caption(results: Sequence[Result], provenance: Mapping[str, Any]) -> str:
    """Say in one line what a table's numbers are: n, spread, machine and versions."""
    seeds = {summary.seeds for summary in summarize(results)}
    first = results[0].config
    return (
        f"{first.dataset}, {first.epochs} epochs, mean ± standard deviation over "
        f"{'-'.join(str(n) for n in sorted(seeds))} seeds; {provenance['device']}, "
        f"{provenance['cores']} cores, {provenance['system']}, Python {provenance['python']}, "
        f"torch {provenance['torch']}, {provenance['made']}"
    )


def accuracy_figures(results: Iterable[Result]) -> dict[str, Figure]:
    """Draw k-NN accuracy (clean index) over the noise rate, one figure a kind of noise.

    Args:
        results: of any number of losses; each with the same rates.
    """
    figures = {}
    for kind, group in groupby(summarize(results), key=lambda summary: summary.noise):
        cells = {(s.loss, s.rate): s for s in group}
        names = list(dict.fromkeys(loss for loss, _ in cells))
        rates = sorted({rate for _, rate in cells})
        mean, spread = (
            np.array([[getattr(cells[n, r], field)["knn_clean"] for r in rates] for n in names])
            for field in ("mean", "spread")
        )
        figures[kind] = accuracy_over_rate(
            rates, mean, np.nan_to_num(spread), names, title=f"{NOISE_NAMES[kind]} noise"
        )
    return figures
