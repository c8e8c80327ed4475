"""Results as tables and figures."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from rnsl_tutorial.evaluation.significance import bootstrap_interval, equivalence_p_value, holm
from rnsl_tutorial.experiments.config import WITHOUT_LOSS
from rnsl_tutorial.experiments.differences import Difference, compare, paired
from rnsl_tutorial.experiments.figures import accuracy_over_rate, comparison
from rnsl_tutorial.experiments.results import Result, Summary, check_alike, gathered, summarize
from rnsl_tutorial.experiments.style import NOISE_NAMES, _noise_title, _rate_cell, loss_styles

__all__ = [
    "COLUMNS",
    "accuracy_figures",
    "caption",
    "caption_of_differences",
    "difference_figures",
    "differences",
    "table",
    "table_of_differences",
    "table_over_rates",
]

COLUMNS = {
    "knn_clean": "k-NN, clean index",
    "knn_noisy": "k-NN, noisy index",
    "prototype": "prototype",
    "memorized": "memorized",
    "kept": "kept",
    "precision": "pruning precision",
    "recall": "pruning recall",
}
_AS_GIVEN = COLUMNS | {"knn_noisy": "k-NN, given labels", "prototype": "prototype, given labels"}
"""Headings where no label is known to be right: how often the label that was given is found."""


def table(results: Iterable[Result]) -> Table:
    """Tabulate mean and standard deviation over seeds, one row a noise, rate and loss.

    What needs no loss stands above the losses of its noise and rate.

    Args:
        results: of one or more cells; the metrics are those of `experiments.measure`.
    """
    results = list(results)
    summaries = _without_loss_first(summarize(results), by_rate=True)
    shown = [name for name in COLUMNS if any(name in summary.mean for summary in summaries)]
    drawn = Table("noise", "rate", "loss", box=box.MARKDOWN)
    titles = _columns(results)
    for name in shown:
        drawn.add_column(titles[name], justify="right")
    for summary in summaries:
        values = [_cell(summary, name) for name in shown]
        label = _label(summary, summaries)
        rate = _rate_cell(summary.noise, summary.rate)
        drawn.add_row(NOISE_NAMES[summary.noise], rate, label, *values)
    return drawn


def _columns(results: Iterable[Result]) -> Mapping[str, str]:
    """Metric -> its heading in a table of these results."""
    return _AS_GIVEN if all(result.config.as_given for result in results) else COLUMNS


def table_over_rates(results: Iterable[Result], metric: str) -> Table:
    """Tabulate one metric: a row for each noise and loss, a column for each rate.

    What needs no loss stands above the losses of its noise, but where the metric says nothing.

    Args:
        results: of one or more cells.
        metric: one of `experiments.measure`.

    Raises:
        ValueError: no result has this metric.
    """
    summaries = summarize(results)
    if not any(metric in summary.mean for summary in summaries):
        known = ", ".join(dict.fromkeys(name for s in summaries for name in s.mean))
        raise ValueError(f"There is no metric {metric!r} in the results; choose one of {known}.")
    summaries = [
        summary
        for summary in _without_loss_first(summaries, by_rate=False)
        if summary.loss not in WITHOUT_LOSS or not math.isnan(summary.mean.get(metric, math.nan))
    ]
    rates = sorted({(summary.noise != "as_given", summary.rate) for summary in summaries})
    titles = [f"{rate:.0%} wrong" if known else "as given" for known, rate in rates]
    drawn = Table("noise", "loss", *titles, box=box.MARKDOWN)
    rows: dict[tuple[str, str], dict[tuple[bool, float], str]] = {}
    for summary in summaries:
        row = rows.setdefault((NOISE_NAMES[summary.noise], _label(summary, summaries)), {})
        row[summary.noise != "as_given", summary.rate] = _cell(summary, metric)
    for names, row in rows.items():
        drawn.add_row(*names, *(row.get(rate, "") for rate in rates))
    return drawn


def _without_loss_first(summaries: list[Summary], *, by_rate: bool) -> list[Summary]:
    """Gather cells of one noise, and one rate if asked for; in each the losses come last."""
    if not any(summary.loss in WITHOUT_LOSS for summary in summaries):
        return summaries

    def cell(summary: Summary) -> tuple[str, float]:
        return summary.noise, summary.rate if by_rate else 0.0

    cells = list(dict.fromkeys(map(cell, summaries)))
    return sorted(summaries, key=lambda s: (cells.index(cell(s)), s.loss not in WITHOUT_LOSS))


def differences(
    results: Iterable[Result], reference: str, metric: str = "knn_clean"
) -> list[Difference]:
    """Compare every other loss with a reference, paired over seeds; see `differences.paired`.

    At rate 0 no noise does anything: all kinds are the same runs, and are compared once. Left out
    is where the metric says nothing, such as how many wrong labels are memorized without any.

    Args:
        results: of one data set, each loss at one q and one k.
        reference: a `Config.loss`.
        metric: one of `experiments.measure`.

    Raises:
        ValueError: no run of the reference, or none of another loss; runs that cannot be paired;
            or a metric that says nothing anywhere.
    """
    results = list(results)
    check_alike(results)
    names = list(dict.fromkeys(result.config.loss for result in results))
    others = [name for name in names if name != reference]
    if reference not in names or not others:
        raise ValueError(
            f"Cannot compare with {reference!r}: the results are of {', '.join(names)}. Give a "
            "loss that they hold, and runs of another one beside it."
        )
    found = [one for name in others for one in paired(results, name, reference, metric)]
    found = [one for one in found if not math.isnan(one.mean)]
    if not found:
        raise ValueError(f"{metric} is nothing in every run; choose another metric to compare.")
    clean: dict[tuple[bool, str], Difference] = {}
    kinds = [(one.noise == "as_given", one.loss) for one in found]
    pairs = zip(kinds, found, strict=True)
    return [one for kind, one in pairs if one.rate > 0 or clean.setdefault(kind, one) is one]


def table_of_differences(found: Sequence[Difference], margin: float | None = None) -> Table:
    """Tabulate paired differences in percentage points, p values raised by `significance.holm`.

    Where runs tell which images they got right, a column holds the interval of a bootstrap over
    seeds and images.

    Args:
        found: all that are looked at together: the more they are, the larger p becomes.
        margin: as a share, such as 0.01; adds a column that says "equal" where two one-sided
            tests over seeds find the losses within the margin (p below 0.05 after Holm), and the
            bootstrap's 90% interval lies there too. "not shown" says nothing else.
    """
    (reference,) = {difference.reference for difference in found}
    titles = [f"minus {_name(reference)}", "95% interval", "p", "p (Holm)", "seeds"]
    drawn = Table("noise", "rate", "loss", box=box.MARKDOWN)
    columns: list[list[str]] = []
    if any(difference.hits is not None for difference in found):
        titles.append("95%, images too")
        columns.append([_over_images(difference) for difference in found])
    if margin is not None:
        titles.append(f"within {100 * margin:g}")
        columns.append(_verdicts(found, margin))
    for title in titles:
        drawn.add_column(title, justify="right")
    raised = holm([d.p for d in found])
    for place, difference in enumerate(found):
        drawn.add_row(
            NOISE_NAMES[difference.noise], _rate_cell(difference.noise, difference.rate),
            _name(difference.loss),
            f"{100 * difference.mean:+.1f}", _interval(difference.low, difference.high),
            _written(difference.p), _written(raised[place]), str(len(difference.values)),
            *(column[place] for column in columns),
        )  # fmt: skip
    return drawn


def _interval(low: float, high: float) -> str:
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def _over_images(difference: Difference) -> str:
    return "" if difference.hits is None else _interval(*bootstrap_interval(difference.hits))


def _verdicts(found: Sequence[Difference], margin: float) -> list[str]:
    """Whether each pair is as good as equal: p of two one-sided tests, raised for their number.

    "equal" needs a p below 0.05, and, where images are told, the 90% interval of the bootstrap over
    seeds and images within the margin, too. Otherwise it is "not shown", whatever else is true.
    """
    raised = holm([equivalence_p_value(d.values, margin) for d in found])
    said = []
    for difference, p in zip(found, raised, strict=True):
        equal = p < 0.05
        if difference.hits is not None:
            low, high = bootstrap_interval(difference.hits, 0.9)
            equal = equal and -margin < low <= high < margin
        said.append(f"{'equal' if equal else 'not shown'}, p {_written(p)}")
    return said


def caption_of_differences(
    found: Sequence[Difference], metric: str, margin: float | None = None
) -> str:
    """Say in one line what a table of differences holds, and what it cannot tell."""
    images = any(difference.hits is not None for difference in found)
    told = [
        f"{COLUMNS.get(metric, metric)}, differences in percentage points, paired over seeds; "
        f"paired t test, two-sided, {len(found)} comparisons.",
        "The last interval is a bootstrap's over seeds and test images together."
        if images
        else "The seeds vary labels, weights and order, not the split: nothing is said about other "
        "images.",
    ]
    if margin is not None:
        told.append(
            f"Equal within {100 * margin:g} points: two one-sided t tests over seeds, p raised by "
            f"Holm{', and the 90% bootstrap interval' * images}."
        )
    return " ".join(told)


def difference_figures(results: Iterable[Result], reference: str, metric: str) -> dict[str, Figure]:
    """Draw one metric over the noise rate, and the differences at one rate, a figure each noise.

    The rate is the one at which most losses were run, of several the largest.

    Args:
        results: as for `differences`.
        reference: as for `differences`.
        metric: as for `differences`.

    Raises:
        ValueError: as `differences.compare`.
    """
    table = compare(results, reference, [metric])
    figures = {}
    for k, noise in enumerate(table.noises):
        run_R = (~np.isnan(table.mean[0, k])).sum(axis=1)
        rate = max(range(len(table.rates)), key=lambda r: (run_R[r], r))
        title = (
            f"{COLUMNS.get(metric, metric)}; {_noise_title(noise)}; at the right the "
            f"differences at {table.rates[rate]:.0%} wrong labels, paired, with 95% intervals"
        )
        current = rate, table.losses.index(reference)
        figures[noise] = comparison(table, 0, k, current, title=title)
    return figures


def _name(loss: str) -> str:
    return loss_styles([loss])[0].label


def _written(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _label(summary: Summary, others: Sequence[Summary]) -> str:
    """Name the loss, with its q and k where the results hold it at several."""
    alike = [other for other in others if other.loss == summary.loss]
    settings = [
        f", {name} = {getattr(summary, name):g}"
        for name in ("q", "k")
        if len({getattr(other, name) for other in alike}) > 1
    ]
    return loss_styles([summary.loss])[0].label + "".join(settings)


def _cell(summary: Summary, name: str) -> str:
    mean, spread = summary.mean.get(name, math.nan), summary.spread.get(name, math.nan)
    if math.isnan(mean):
        return ""
    return f"{mean:.3f}" if math.isnan(spread) else f"{mean:.3f} ± {spread:.3f}"


def caption(results: Sequence[Result], provenance: Mapping[str, Any]) -> str:
    """Say in one line what a table's numbers are: n, spread, machine and versions."""
    seeds = sorted({summary.seeds for summary in summarize(results)})
    counted = f"mean ± standard deviation over {'-'.join(map(str, seeds))} seeds"
    first = results[0].config
    given = any(result.config.as_given for result in results)
    told = "; labels as given, right or wrong: accuracy is how often these are found" * given
    trained = any(result.config.loss not in WITHOUT_LOSS for result in results)
    return (
        f"{first.dataset}, {f'{first.epochs} epochs' if trained else 'nothing trained'}, "
        f"{'one seed' if seeds == [1] else counted}; "
        f"{provenance['device']}, {provenance['cores']} cores, {provenance['system']}, "
        f"Python {provenance['python']}, torch {provenance['torch']}, {provenance['made']}{told}"
    )


def _key(summary: Summary, others: Sequence[Summary]) -> str:
    """The loss's name, by which a figure knows its style; its label where q or k tell it apart."""
    label = _label(summary, others)
    return label if "=" in label else summary.loss


def accuracy_figures(results: Iterable[Result]) -> dict[str, Figure]:
    """Draw k-NN accuracy (clean index) over the noise rate, one figure a kind of noise.

    Args:
        results: of any number of losses; a rate that a loss has no run for leaves a gap.
    """
    figures = {}
    summaries = [s for s in summarize(results) if not math.isnan(s.mean.get("knn_clean", math.nan))]
    for kind in dict.fromkeys(summary.noise for summary in summaries):
        of_kind = [s for s in summaries if s.noise == kind]
        cells = {(_key(s, of_kind), s.rate): s for s in of_kind}
        names = list(dict.fromkeys(loss for loss, _ in cells))
        rates = sorted({rate for _, rate in cells})
        mean, spread = gathered(cells, (names, rates), "knn_clean")
        seeds = min(summary.seeds for summary in cells.values())
        counted = "one seed" if seeds == 1 else f"mean ± standard deviation, {seeds} seeds"
        title = f"{_noise_title(kind)}; {counted}"
        figures[kind] = accuracy_over_rate(rates, mean, np.nan_to_num(spread), names, title=title)
    return figures
