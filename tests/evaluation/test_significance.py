"""Intervals, p values and their correction for many."""

import math

import numpy as np
import pytest
from scipy import stats

from rnsl_tutorial.evaluation import significance


def test_p_values_of_differences_that_are_all_alike() -> None:
    assert significance.p_value([0.0, 0.0, 0.0]) == 1
    assert significance.p_value([0.5, 0.5, 0.5]) == 0
    assert significance.interval([0.5, 0.5, 0.5]) == (0.5, 0.5)
    for values in ([], [1.0], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="at least two are needed"):
            significance.interval(values)


def test_an_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = [
        low <= 3 <= high for low, high in map(significance.interval, rng.normal(3, 1, (2000, 5)))
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / 2000))


def test_holm_raises_p_step_by_step() -> None:
    # 0.01 x 4, 0.02 x 3, 0.03 x 2 (as large as the one before), 0.6 x 1
    assert significance.holm([0.03, 0.01, 0.6, 0.02]) == pytest.approx([0.06, 0.04, 0.6, 0.06])
    assert significance.holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert significance.holm([0.7, 0.9]) == pytest.approx([1.0, 1.0])
    assert len(significance.holm([])) == 0


def test_holm_does_not_count_what_was_not_compared() -> None:
    given = [np.nan, 0.03, 0.01]
    np.testing.assert_allclose(significance.holm(given), [np.nan, 0.03, 0.02])
    assert np.isnan(given[0])


# ------------------------------------------------------------------ as good as 0


def test_equivalence_is_the_worse_of_scipys_one_sided_tests() -> None:
    values = [0.004, -0.003, 0.006, 0.001, 0.002]
    above = stats.ttest_1samp(values, -0.01, alternative="greater").pvalue
    below = stats.ttest_1samp(values, 0.01, alternative="less").pvalue
    found = significance.equivalence_p_value(values, 0.01)
    assert found == pytest.approx(max(above, below))
    assert found < 0.05
    assert significance.equivalence_p_value([-v for v in values], 0.01) == pytest.approx(found)


def test_equivalence_at_the_edges() -> None:
    assert significance.equivalence_p_value([0.01, 0.01], 0.02) == 0
    assert significance.equivalence_p_value([0.03, 0.03], 0.02) == 1
    assert significance.equivalence_p_value([0.0, 0.04], 0.02) == pytest.approx(0.5)
    for margin in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"margin is .*; it must be above 0"):
            significance.equivalence_p_value([0.0, 0.1], margin)


def test_two_that_differ_by_the_margin_are_called_equal_once_in_twenty() -> None:
    rng = np.random.default_rng(0)
    said = [
        significance.equivalence_p_value(values, 1.0) < 0.05
        for values in rng.normal(1.0, 0.3, (2000, 5))
    ]
    assert np.mean(said) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 2000))


# ------------------------------------------------------------------ over images


def slow_bootstrap(values: np.ndarray, resamples: int) -> np.ndarray:
    """Rows and columns drawn one by one."""
    rng = np.random.default_rng(1)
    seeds, images = values.shape
    return np.array(
        [
            values[rng.integers(seeds, size=seeds)][:, rng.integers(images, size=images)].mean()
            for _ in range(resamples)
        ]
    )


def test_the_bootstrap_draws_rows_and_columns() -> None:
    rng = np.random.default_rng(0)
    values = rng.choice([-1, 0, 1], p=[0.1, 0.75, 0.15], size=(5, 400))
    values[:, :40] = 1  # images that one loss always gets right
    found = significance.bootstrap_interval(values, resamples=20_000)
    expected = np.quantile(slow_bootstrap(values, 20_000), [0.025, 0.975])
    assert found == pytest.approx(expected, abs=0.002)
    assert found[0] < values.mean() < found[1]
    inner = significance.bootstrap_interval(values, 0.5, resamples=20_000)
    assert found[0] < inner[0] < inner[1] < found[1]
    assert significance.bootstrap_interval(values) == significance.bootstrap_interval(values)
    assert significance.bootstrap_interval(values) != significance.bootstrap_interval(
        values, seed=1
    )


def test_the_bootstrap_knows_that_other_images_would_differ() -> None:
    """Seeds that agree to the last image: Student's interval has no width, the bootstrap's has."""
    values = np.tile(np.repeat([1.0, 0.0], [100, 300]), (5, 1))
    assert significance.interval(values.mean(axis=1)) == (0.25, 0.25)
    low, high = significance.bootstrap_interval(values, resamples=20_000)
    reach = 1.96 * math.sqrt(0.25 * 0.75 / 400)
    assert (low, high) == pytest.approx((0.25 - reach, 0.25 + reach), abs=0.004)


@pytest.mark.parametrize("values", [[], [[]], [1.0, 2.0]])
def test_the_bootstrap_needs_a_table(values: object) -> None:
    with pytest.raises(ValueError, match=r"give \[seeds, images\]"):
        significance.bootstrap_interval(values)
