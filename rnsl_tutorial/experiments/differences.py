"""Is one loss better than another? Differences paired over seeds, and what they can tell.

A seed decides the wrong labels, the initial weights and the order of the batches. Two losses with
the same seed meet the same of each, so their difference varies less from seed to seed than either
of them. What is not varied is the split: the seeds say nothing about other images. Where the runs
tell which images they got right, a bootstrap over seeds and images does.

Shapes: M metrics, K noise kinds, R rates, L losses, S seeds, I images.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial.evaluation.significance import interval, p_value
from rnsl_tutorial.experiments.results import Result, check_alike, gathered, summarize
from rnsl_tutorial.experiments.style import Floats

__all__ = ["Comparison", "Difference", "compare", "paired"]


class Comparison(NamedTuple):
    """Measured losses, and their differences from a reference, paired over seeds.

    All numbers are shares in [0, 1], or differences of them; NaN where nothing was measured.

    Attributes:
        metrics: M names.
        noises: K names.
        rates: [R], shares of wrong labels, ascending.
        losses: L names.
        reference: the loss that the others are compared with, one of losses.
        mean: float64 [M, K, R, L], over seeds.
        spread: float64 [M, K, R, L], standard deviation over seeds.
        difference: float64 [M, K, R, L], mean of loss minus reference.
        low: float64 [M, K, R, L], lower end of its 95% confidence interval.
        high: float64 [M, K, R, L], upper end.
        seeds: the fewest in any cell.
    """

    metrics: tuple[str, ...]
    noises: tuple[str, ...]
    rates: tuple[float, ...]
    losses: tuple[str, ...]
    reference: str
    mean: Floats
    spread: Floats
    difference: Floats
    low: Floats
    high: Floats
    seeds: int


class Difference(NamedTuple):
    """How much a loss differs from another, under one noise at one rate, seed by seed.

    Attributes:
        noise: kind of noise.
        rate: share of wrong labels.
        loss: the one whose metric comes first in the difference.
        reference: the one that is taken away.
        values: [S], loss minus reference, in the order of the seeds.
        mean: of the values.
        low: lower end of the 95% confidence interval of the mean.
        high: its upper end.
        p: of the paired t test, two-sided.
        hits: int8 [S, I], loss minus reference for each image: 1 where only the loss got it right,
            -1 where only the reference did; None where a run does not tell.
    """

    noise: str
    rate: float
    loss: str
    reference: str
    values: tuple[float, ...]
    mean: float
    low: float
    high: float
    p: float
    hits: NDArray[np.int8] | None = None


def paired(
    results: Iterable[Result], loss: str, reference: str, metric: str = "knn_clean"
) -> list[Difference]:
    """Compare two losses seed by seed, in every cell (noise, rate) that has both.

    Args:
        results: of one data set; those of other losses are left out.
        loss: a `Config.loss`.
        reference: the loss that is taken away.
        metric: one of `experiments.measure`.

    Raises:
        ValueError: no cell has both losses; in one they have other seeds, several q or k, other
            wrong labels, or fewer than two seeds; there is no such metric; or see `check_alike`.
    """
    runs: dict[tuple[str, float], dict[str, list[Result]]] = {}
    results = [result for result in results if result.config.loss in (loss, reference)]
    check_alike(results)
    for result in results:
        cell = runs.setdefault((result.config.noise, result.config.rate), {})
        cell.setdefault(result.config.loss, []).append(result)
    both = {cell: of for cell, of in runs.items() if len(of) == 2}
    if not both:
        raise ValueError(f"No noise and rate has runs of both {loss!r} and {reference!r}.")
    return [_compared(cell, of[loss], of[reference], metric) for cell, of in both.items()]


def _compared(
    cell: tuple[str, float], ours: Sequence[Result], theirs: Sequence[Result], metric: str
) -> Difference:
    pairs = _pairs(f"{cell[0]} noise {cell[1]:g}", ours, theirs)
    values_S = np.array([_value(a, metric) - _value(b, metric) for a, b in pairs])
    low, high = interval(values_S)
    return Difference(
        *cell, ours[0].config.loss, theirs[0].config.loss, tuple(values_S.tolist()),
        float(values_S.mean()), low, high, p_value(values_S), _hits(pairs, metric),
    )  # fmt: skip


def _hits(pairs: Sequence[tuple[Result, Result]], metric: str) -> NDArray[np.int8] | None:
    if not all(metric in run.hits for pair in pairs for run in pair):
        return None
    hits = [[run.hits[metric].astype(np.int8) for run in pair] for pair in pairs]
    if len({hit_I.shape for pair in hits for hit_I in pair}) > 1:
        return None
    return np.stack([ours_I - theirs_I for ours_I, theirs_I in hits])


def _pairs(
    where: str, ours: Sequence[Result], theirs: Sequence[Result]
) -> list[tuple[Result, Result]]:
    """Put runs of the same seed side by side; refuse those that are not alike in all else."""
    seeds = [sorted(run.config.seed for run in runs) for runs in (ours, theirs)]
    names = ours[0].config.loss, theirs[0].config.loss
    if seeds[0] != seeds[1] or len(set(seeds[0])) < len(seeds[0]):
        raise ValueError(
            f"{names[0]} has seeds {seeds[0]} and {names[1]} has {seeds[1]} under {where}; a "
            "paired difference needs each seed once on both sides. Give runs of the same seeds, "
            "and of one q and k."
        )
    if len(seeds[0]) < 2:
        raise ValueError(f"{names[0]} has one seed under {where}; an interval needs at least two.")
    by_seed = [sorted(runs, key=lambda run: run.config.seed) for runs in (ours, theirs)]
    pairs = list(zip(*by_seed, strict=True))
    for one, other in pairs:
        if not _same_labels(one, other):
            raise ValueError(
                f"{names[0]} and {names[1]} were not run alike under {where}, seed "
                f"{one.config.seed}: other wrong labels. Run both again."
            )
    return pairs


def _same_labels(one: Result, other: Result) -> bool:
    """Whether the same share of labels was flipped: other draws nearly always differ in it."""
    rates = [run.metrics.get("realized_rate", math.nan) for run in (one, other)]
    return math.isnan(sum(rates)) or math.isclose(*rates, abs_tol=1e-6)


def _value(result: Result, metric: str) -> float:
    if metric not in result.metrics:
        known = ", ".join(result.metrics)
        raise ValueError(
            f"{result.config.loss} has no metric {metric!r} to compare; it has {known}."
        )
    return result.metrics[metric]


def compare(
    results: Iterable[Result],
    reference: str,
    metrics: Sequence[str] = ("knn_clean", "knn_noisy", "prototype", "memorized"),
) -> Comparison:
    """Gather what every loss reached, and its paired difference from one of them.

    A loss need not have been run in every cell. It is compared with the reference where both were
    run with the same seeds; elsewhere the difference is NaN.

    Args:
        results: of one data set, each loss at one q and one k.
        reference: the loss that the others are compared with.
        metrics: of `experiments.measure`.

    Raises:
        ValueError: no run of the reference, a loss with several q or k, or runs that cannot be
            paired.
    """
    results = list(results)
    summaries = summarize(results)
    cells = {(s.noise, s.rate, s.loss): s for s in summaries}
    if len(cells) < len(summaries):
        raise ValueError("A loss was run with several q or k; give the runs of one of them.")
    noises, rates, names = (tuple(dict.fromkeys(axis)) for axis in zip(*cells, strict=True))
    if reference not in names:
        raise ValueError(f"There is no run of {reference!r}; there are {', '.join(names)}.")
    rates = tuple(sorted(rates))
    measured = [gathered(cells, (noises, rates, names), metric) for metric in metrics]
    mean, spread = (np.stack(values) for values in zip(*measured, strict=True))
    difference, low, high = (np.full(mean.shape, np.nan) for _ in range(3))
    for m, metric in enumerate(metrics):
        for i, loss in enumerate(names):
            for d in paired(results, loss, reference, metric) if loss != reference else ():
                place = (m, noises.index(d.noise), rates.index(d.rate), i)
                difference[place], low[place], high[place] = d.mean, d.low, d.high
    difference[..., names.index(reference)] = 0.0 * mean[..., names.index(reference)]
    return Comparison(
        tuple(metrics), noises, rates, names, reference, mean, spread, difference, low, high,
        seeds=min(s.seeds for s in summaries),
    )  # fmt: skip
