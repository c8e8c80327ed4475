"""Tables and figures say what the results say."""

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from printed_table import rows_of
from rich.table import Table
from synthetic_results import runs

from rnsl_tutorial.evaluation import significance
from rnsl_tutorial.experiments import report
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.results import Result, summarize


def make_results() -> list[Result]:
    cells = [
        ("symmetric", 0.0, "nsl", [0.8, 0.9]),
        ("symmetric", 0.5, "nsl", [0.5, 0.6]),
        ("symmetric", 0.0, "trnsl", [0.8, 0.8]),
        ("symmetric", 0.5, "trnsl", [0.7, 0.9]),
        ("label_dependent", 0.5, "nsl", [0.4, 0.4]),
    ]
    return [
        Result(
            Config(noise=noise, rate=rate, loss=loss, seed=seed),
            {"knn_clean": value, "memorized": math.nan if rate == 0 else 0.25}
            | ({"recall": 0.5} if loss == "trnsl" else {}),
            1.0,
        )
        for noise, rate, loss, values in cells
        for seed, value in enumerate(values)
    ]


def rendered(table: Table) -> list[list[str]]:
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows_of(table)]


def test_the_table_is_markdown_with_mean_and_spread() -> None:
    head, rule, *rows = rendered(report.table(make_results()))
    assert head == ["noise", "rate", "loss", "k-NN, clean index", "memorized", "pruning recall"]
    assert set("".join(rule)) == {"-"}
    assert rows[1] == ["symmetric", "0.5", "NSL", "0.550 ± 0.071", "0.250 ± 0.000", ""]
    assert rows[3] == [
        "symmetric", "0.5", "t-RNSL", "0.800 ± 0.141", "0.250 ± 0.000", "0.500 ± 0.000",
    ]  # fmt: skip
    assert rows[0][4] == "", "no wrong labels, nothing to memorize"
    assert rows[4][0] == "label-dependent"
    assert len(rows) == 5


def test_one_seed_has_no_spread() -> None:
    assert rendered(report.table(make_results()[:1]))[2][3] == "0.800"


def test_several_q_of_one_loss_are_told_apart() -> None:
    results = [*runs("nsl", [0.7]), *runs("rnsl", [0.8], q=0.3), *runs("rnsl", [0.6], q=1.0)]
    _, _, *rows = rendered(report.table(results))
    assert [row[2:4] for row in rows] == [
        ["NSL", "0.700"], ["RNSL, q = 0.3", "0.800"], ["RNSL, q = 1", "0.600"],
    ]  # fmt: skip
    _, _, *rows = rendered(report.table_over_rates(results, "knn_clean"))
    assert [row[1] for row in rows] == ["NSL", "RNSL, q = 0.3", "RNSL, q = 1"]
    (figure,) = report.accuracy_figures(results).values()
    assert len(figure.axes[0].containers) == 3


def test_several_k_of_one_loss_are_told_apart() -> None:
    results = [*runs("trnsl", [0.5], k=0.1), *runs("trnsl", [0.5], k=0.9)]
    _, _, *rows = rendered(report.table(results))
    assert [row[2] for row in rows] == ["t-RNSL, k = 0.1", "t-RNSL, k = 0.9"]


def test_one_metric_over_the_rates() -> None:
    head, _, *rows = rendered(report.table_over_rates(make_results(), "knn_clean"))
    assert head == ["noise", "loss", "0% wrong", "50% wrong"]
    assert rows == [
        ["symmetric", "NSL", "0.850 ± 0.071", "0.550 ± 0.071"],
        ["symmetric", "t-RNSL", "0.800 ± 0.000", "0.800 ± 0.141"],
        ["label-dependent", "NSL", "", "0.400 ± 0.000"],
    ]
    with pytest.raises(ValueError, match="no metric 'speed' in the results; choose one of knn_cl"):
        report.table_over_rates(make_results(), "speed")


def test_figures_one_a_noise_with_the_means_as_points() -> None:
    figures = report.accuracy_figures(make_results())
    assert list(figures) == ["symmetric", "label_dependent"]
    (axes,) = figures["symmetric"].axes
    bars = [c for c in axes.containers if isinstance(c, ErrorbarContainer)]
    drawn = sorted(bar.lines[0].get_ydata().round(6).tolist() for bar in bars)
    assert drawn == [[80.0, 80.0], [85.0, 55.0]]


def test_figures_do_not_depend_on_the_order_and_leave_gaps() -> None:
    """Results of an interrupted grid come in the order in which they ended."""
    first, second = make_results()[0::2], make_results()[1::2]
    mixed = [*second[::-1], *first[:2]]
    figures = report.accuracy_figures(mixed)
    (axes,) = figures["symmetric"].axes
    bars = [c for c in axes.containers if isinstance(c, ErrorbarContainer)]
    drawn = [bar.lines[0].get_ydata().round(6).tolist() for bar in bars]
    other = Result(Config(loss="rnsl", rate=0.0), {"knn_clean": 0.7}, 1.0)
    alone = report.accuracy_figures([*mixed, other])["symmetric"].axes[0]
    assert {text.get_text() for text in alone.texts} == {"NSL", "RNSL", "t-RNSL"}
    assert alone.get_ylim()[0] <= 70
    summaries = [s for s in summarize(mixed) if s.noise == "symmetric"]
    points = sorted(y for line in drawn for y in line if not math.isnan(y))
    assert points == pytest.approx(sorted(100 * s.mean["knn_clean"] for s in summaries))


def test_the_caption_names_n_spread_and_versions() -> None:
    provenance = {"device": "cpu", "cores": 2, "system": "Linux", "python": "3.11"}
    provenance |= {"torch": "2.13", "made": "today"}
    said = report.caption(make_results(), provenance)
    assert "standard deviation over 2 seeds" in said
    assert "one seed; cpu" in report.caption(make_results()[:1], provenance)
    for word in ("cpu", "2 cores", "torch 2.13", "40 epochs"):
        assert word in said


def test_differences_from_one_loss_paired_and_raised_for_their_number() -> None:
    results = [
        *runs("rnsl", [0.80, 0.81, 0.79]),
        *runs("nsl", [0.70, 0.72, 0.69]),
        *runs("own:mine", [0.80, 0.82, 0.80]),
    ]
    found = report.differences(results, "rnsl")
    head, _, *rows = rendered(report.table_of_differences(found))
    assert head == ["noise", "rate", "loss", "minus RNSL", "95% interval", "p", "p (Holm)", "seeds"]
    assert rows[0] == ["symmetric", "0.5", "NSL", "-9.7", "-11.1 to -8.2", "0.001", "0.002", "3"]
    assert rows[1][2:6] == ["mine", "+0.7", "-0.8 to +2.1", "0.184"]
    assert "2 comparisons" in report.caption_of_differences(found, "knn_clean")
    for reference, given in (("trnsl", results), ("rnsl", results[:3])):
        with pytest.raises(ValueError, match=f"Cannot compare with '{reference}'"):
            report.differences(given, reference)


def with_hits(loss: str, right: list[int], of: int = 400) -> list[Result]:
    """Runs that get the first images right, each seed as many as given."""
    return [
        replace(run, hits={"knn_clean": np.arange(of) < count})
        for run, count in zip(runs(loss, [n / of for n in right]), right, strict=True)
    ]


def test_differences_over_images_and_what_is_equal() -> None:
    results = [
        *with_hits("rnsl", [300, 301, 299]),
        *with_hits("trnsl", [300, 302, 299]),
        *with_hits("nsl", [200, 204, 196]),
        *runs("gce", [0.75, 0.752, 0.749]),
    ]
    found = report.differences(results, "rnsl")
    head, _, *rows = rendered(report.table_of_differences(found, 0.01))
    assert head[-2:] == ["95%, images too", "within 1"]
    by_loss = {row[2]: row for row in rows}
    p = significance.holm([significance.equivalence_p_value(d.values, 0.01) for d in found])
    verdicts = [by_loss[name][-1] for name in ("t-RNSL", "NSL", "GCE")]
    assert verdicts == [f"equal, p {p[0]:.3f}", "not shown, p 1.000", f"equal, p {p[2]:.3f}"]
    low, high = significance.bootstrap_interval(next(d for d in found if d.loss == "nsl").hits)
    assert by_loss["NSL"][-2] == f"{100 * low:+.1f} to {100 * high:+.1f}"
    assert low < -0.25 - 1.5 * np.sqrt(0.25 * 0.75 / 400), "wider than over seeds alone"
    assert by_loss["GCE"][-2] == "", "no images told: seeds alone decide"
    said = report.caption_of_differences(found, "knn_clean", 0.01)
    assert "a bootstrap's over seeds and test images together" in said
    assert "Equal within 1 points" in said


def test_what_seeds_call_equal_and_images_do_not() -> None:
    """Both are right as often, and on other images: another test set could tell them apart."""
    ours, theirs = with_hits("trnsl", [60, 60, 60]), with_hits("rnsl", [60, 60, 60])
    turned = [replace(run, hits={"knn_clean": run.hits["knn_clean"][::-1]}) for run in ours]
    (found,) = report.differences([*theirs, *turned], "rnsl")
    assert significance.equivalence_p_value(found.values, 0.01) == 0
    (row,) = rendered(report.table_of_differences([found], 0.01))[2:]
    assert row[-1].startswith("not shown")


def test_without_noise_its_kinds_are_compared_once() -> None:
    results = [
        result
        for noise in ("symmetric", "label_dependent")
        for loss, value in (("nsl", 0.8), ("rnsl", 0.7))
        for result in runs(loss, [value, value + 0.01], noise=noise, rate=0.0)
    ]
    (found,) = report.differences(results, "rnsl")
    assert (found.noise, found.mean) == ("symmetric", pytest.approx(0.1))


def test_where_a_metric_says_nothing_nothing_is_compared() -> None:
    results = [
        result
        for loss in ("nsl", "rnsl")
        for rate, value in ((0.0, math.nan), (0.5, 0.4))
        for result in runs(loss, [value, value + 0.01], metric="memorized", rate=rate)
    ]
    (found,) = report.differences(results, "rnsl", "memorized")
    assert found.rate == 0.5
    clean = [result for result in results if result.config.rate == 0]
    with pytest.raises(ValueError, match="memorized is nothing in every run; choose another"):
        report.differences(clean, "rnsl", "memorized")


def test_difference_figures_are_of_the_rate_with_most_losses() -> None:
    cells = [("rnsl", 0.3), ("rnsl", 0.5), ("rnsl", 0.7), ("gce", 0.3), ("gce", 0.5)]
    results = [result for loss, rate in cells for result in runs(loss, [0.8, 0.81], rate=rate)]
    (figure,) = report.difference_figures(results, "rnsl", "knn_clean").values()
    assert "at 50% wrong labels" in figure.get_suptitle()
    assert len(figure.axes) == 2
