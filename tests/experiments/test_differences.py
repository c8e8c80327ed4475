"""Paired differences against scipy, and their refusals."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from synthetic_results import runs

from rnsl_tutorial import experiments
from rnsl_tutorial.experiments import differences
from rnsl_tutorial.experiments.results import Result

OURS, THEIRS = [0.80, 0.84, 0.79, 0.85], [0.75, 0.80, 0.76, 0.79]


def test_a_difference_is_scipys_paired_t_test() -> None:
    mixed = [*runs("nsl", THEIRS)[::-1], *runs("rnsl", OURS)]
    (found,) = differences.paired(mixed, "rnsl", "nsl")
    expected = stats.ttest_rel(OURS, THEIRS)
    low, high = expected.confidence_interval(0.95)
    assert (found.loss, found.reference) == ("rnsl", "nsl")
    assert (found.noise, found.rate) == ("symmetric", 0.5)
    assert found.values == pytest.approx(np.subtract(OURS, THEIRS))
    assert found.mean == pytest.approx(0.045)
    assert (found.low, found.high, found.p) == pytest.approx((low, high, expected.pvalue))
    (turned,) = differences.paired(mixed, "nsl", "rnsl")
    assert (turned.mean, turned.low, turned.p) == pytest.approx((-0.045, -found.high, found.p))


def test_every_cell_with_both_losses_is_compared() -> None:
    results = [
        *runs("nsl", THEIRS), *runs("rnsl", OURS), *runs("rnsl", OURS, rate=0.3),
        *runs("nsl", OURS, noise="pair_flip"), *runs("rnsl", OURS, noise="pair_flip"),
        *runs("gce", OURS),
    ]  # fmt: skip
    found = differences.paired(results, "rnsl", "nsl")
    assert [(d.noise, d.rate) for d in found] == [("symmetric", 0.5), ("pair_flip", 0.5)]
    assert (found[1].mean, found[1].low, found[1].high, found[1].p) == (0, 0, 0, 1)


def test_hits_of_both_are_told_image_by_image() -> None:
    right = np.array([[1, 1, 0, 0], [1, 0, 1, 0]], dtype=bool)
    ours, theirs = (
        [replace(run, hits={"knn_clean": right[place]}) for run in runs(loss, [0.5, 0.5])]
        for place, loss in enumerate(("rnsl", "nsl"))
    )
    (found,) = differences.paired([*ours, *theirs], "rnsl", "nsl")
    assert found.hits is not None
    assert found.hits.tolist() == [[0, 1, -1, 0]] * 2
    (half,) = differences.paired([*ours, *runs("nsl", [0.5, 0.5])], "rnsl", "nsl")
    assert half.hits is None
    other = [replace(run, hits={"knn_clean": right[0, :3]}) for run in theirs]
    (unlike,) = differences.paired([*ours, *other], "rnsl", "nsl")
    assert unlike.hits is None, "other test images"


def test_q_and_k_belong_to_the_loss() -> None:
    results = [*runs("nsl", THEIRS), *runs("rnsl", OURS, q=0.3)]
    assert differences.paired(results, "rnsl", "nsl")[0].mean == pytest.approx(0.045)


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([*runs("rnsl", OURS)], "has runs of both 'rnsl' and 'nsl'"),
        ([*runs("rnsl", OURS), *runs("nsl", THEIRS, rate=0.3)], "has runs of both"),
        (
            [*runs("rnsl", OURS), *runs("nsl", THEIRS[:3])],
            r"rnsl has seeds \[0, 1, 2, 3\] and nsl has \[0, 1, 2\] under symmetric noise 0.5",
        ),
        (
            [*runs("rnsl", OURS), *runs("nsl", THEIRS, seeds=[1, 2, 3, 4])],
            r"each seed once on both sides",
        ),
        (
            [*runs("rnsl", OURS), *runs("rnsl", OURS, q=0.3), *runs("nsl", THEIRS)],
            r"rnsl has seeds \[0, 0, 1, 1.*of one q and k",
        ),
        ([*runs("rnsl", OURS[:1]), *runs("nsl", THEIRS[:1])], "one seed .* at least two"),
        (
            [*runs("rnsl", OURS), *runs("nsl", THEIRS, epochs=3)],
            r"The results differ in epochs \(40, 3\)",
        ),
    ],
)
def test_what_cannot_be_paired_is_refused(results: list[Result], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        differences.paired(results, "rnsl", "nsl")


def test_other_wrong_labels_and_unknown_metrics_are_refused() -> None:
    ours, theirs = runs("rnsl", OURS), runs("nsl", THEIRS)
    with pytest.raises(ValueError, match="no metric 'speed' to compare; it has knn_clean"):
        differences.paired([*ours, *theirs], "rnsl", "nsl", "speed")
    for run, rate in [(ours[2], 0.501), (theirs[2], 0.502)]:
        run.metrics["realized_rate"] = rate  # type: ignore[index]
    with pytest.raises(ValueError, match="seed 2: other wrong labels"):
        differences.paired([*ours, *theirs], "rnsl", "nsl")


def test_the_table_of_all_losses_leaves_gaps() -> None:
    results = [
        *runs("rnsl", OURS), *runs("nsl", THEIRS), *runs("rnsl", OURS, rate=0.0),
        *runs("gce", OURS, rate=0.0),
    ]  # fmt: skip
    table = differences.compare(results, "rnsl", ["knn_clean"])
    assert (table.rates, table.losses, table.seeds) == ((0.0, 0.5), ("rnsl", "nsl", "gce"), 4)
    assert table.mean.shape == (1, 1, 2, 3)
    np.testing.assert_allclose(
        table.difference[0, 0], [[0, np.nan, 0], [0, -0.045, np.nan]], atol=1e-12
    )
    (paired,) = differences.paired(results, "nsl", "rnsl")
    assert (table.low[0, 0, 1, 1], table.high[0, 0, 1, 1]) == (paired.low, paired.high)
    assert table.spread[0, 0, 1, 1] == pytest.approx(np.std(THEIRS, ddof=1))
    with pytest.raises(ValueError, match="no run of 'trnsl'; there are rnsl, nsl, gce"):
        differences.compare(results, "trnsl")
    with pytest.raises(ValueError, match="several q or k"):
        differences.compare([*results, *runs("rnsl", OURS, q=0.3)], "rnsl")


def test_the_committed_runs_can_be_paired() -> None:
    """Those of the paper's losses and of the baselines meet the same wrong labels, seed by seed."""
    plain, baselines = (experiments.shipped_results(name) for name in ("aid", "aid_baselines"))
    results = [*plain.results, *baselines.results]
    table = differences.compare(results, "rnsl")
    assert table.seeds == 5
    seen = ~np.isnan(table.mean[0])
    assert np.array_equal(seen, ~np.isnan(table.difference[0]))
    assert seen.all(), "at every rate"
