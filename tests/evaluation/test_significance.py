"""Intervals, p values and their correction for many."""

import math

import numpy as np
import pytest

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
