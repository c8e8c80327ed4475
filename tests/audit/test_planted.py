"""Flips that are planted, and what they tell of precision."""

import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic_audit import clusters, pairs

from rnsl_tutorial import noise
from rnsl_tutorial.audit.planted import (
    Look,
    PrecisionEstimate,
    how_many,
    plant_flips,
    read_precision,
)

RNG = np.random.default_rng

# ------------------------------------------------------------------ planting


def test_planted_flips_are_as_many_and_of_the_kind_that_was_asked_for() -> None:
    labels_N = clusters()[1]
    planted = plant_flips(labels_N, pairs(0.3), 0.1, keep=3, seed=0)
    assert planted.flipped.sum() == 120
    np.testing.assert_array_equal(planted.flipped, planted.labels != labels_N)
    moved = (planted.labels - labels_N)[planted.flipped] % 4
    assert (moved == 1).all(), "to the next class, as the transition has it"
    again = plant_flips(labels_N, pairs(0.3), 0.1, keep=3, seed=0)
    np.testing.assert_array_equal(again.labels, planted.labels)
    other = plant_flips(labels_N, pairs(0.3), 0.1, keep=3, seed=1)
    assert (other.labels != planted.labels).any()


def test_without_any_noise_flips_are_planted_everywhere() -> None:
    labels_N = clusters()[1]
    planted = plant_flips(labels_N, np.eye(4), 0.2, keep=3, seed=0)
    assert planted.flipped.sum() == 240
    assert len(np.unique((planted.labels - labels_N) % 4)) == 4
    counts_C = np.bincount(labels_N[planted.flipped])
    assert counts_C.min() > 35


def test_a_noisier_class_gets_more_flips_but_no_class_none() -> None:
    labels_N = clusters()[1]
    transition_CC = np.eye(4)
    transition_CC[0] = [0.4, 0.6, 0, 0]
    flipped = plant_flips(labels_N, transition_CC, 0.2, keep=3, seed=0).flipped
    counts_C = np.bincount(labels_N[flipped], minlength=4)
    assert counts_C[0] > 3 * counts_C[1:].max()
    assert counts_C[1:].min() > 5


def test_no_flip_is_planted_on_a_label_that_is_wrong_already() -> None:
    corrupted = noise.corrupt_labels(clusters()[1], pairs(0.3), 0, method="exact")
    right_N = (~corrupted.flipped).astype(np.float64)
    planted = plant_flips(corrupted.labels, pairs(0.3), 0.2, right_N=right_N, keep=3, seed=0)
    assert planted.flipped.sum() == 240
    assert not (planted.flipped & corrupted.flipped).any()


def test_a_small_class_keeps_enough_for_the_folds() -> None:
    labels_N = np.array([0] * 60 + [1] * 4)
    for seed in range(20):
        planted = plant_flips(labels_N, pairs(0.3)[:2, :2] * 0 + 0.5, 0.5, keep=3, seed=seed)
        assert (planted.labels[labels_N == 1] == 1).sum() >= 3


# ------------------------------------------------------------------ precision


def drawn(
    wrong: float, planted: int, count: int = 4000, seed: int = 0
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Wrong and planted labels have doubts from one distribution, right ones from another.

    As in `planted.plant_flips`, none is planted on a wrong label.
    """
    rng = RNG(seed)
    is_wrong_N = np.arange(count) < wrong * count
    planted_N = np.zeros(count, dtype=bool)
    planted_N[rng.choice(np.flatnonzero(~is_wrong_N), planted, replace=False)] = True

    def doubts(high_N: NDArray[np.bool_]) -> NDArray[np.float32]:
        return np.where(high_N, rng.beta(6, 2, count), rng.beta(1, 6, count)).astype(np.float32)

    return is_wrong_N, doubts(is_wrong_N), doubts(is_wrong_N | planted_N), planted_N


@pytest.mark.parametrize("wrong", [0.02, 0.1, 0.3])
def test_precision_is_estimated_where_planted_flips_look_like_wrong_labels(wrong: float) -> None:
    is_wrong_N, first_N, again_N, planted_N = drawn(wrong, planted=2000, count=20_000)
    found = read_precision(first_N, again_N, planted_N)
    flagged_TN = first_N >= found.thresholds[:, None]
    np.testing.assert_array_equal(found.flagged, flagged_TN.sum(axis=1))
    assert found.planted == 2000
    many = found.flagged >= is_wrong_N.sum() / 3
    true_T = (flagged_TN & is_wrong_N).sum(axis=1) / found.flagged
    recall_T = (flagged_TN & is_wrong_N).sum(axis=1) / is_wrong_N.sum()
    np.testing.assert_allclose(found.precision[many], true_T[many], atol=0.12)
    np.testing.assert_allclose(found.recall[many], recall_T[many], atol=0.08)
    assert found.precision[0] == pytest.approx(wrong, abs=0.03), "at 0, the share of wrong labels"


@pytest.mark.parametrize("planted", [1000, 4000, 9000])
def test_the_share_of_wrong_labels_does_not_grow_with_what_is_planted(planted: int) -> None:
    found = read_precision(*drawn(0.1, planted, count=20_000)[1:])
    assert found.precision[0] == pytest.approx(0.1, abs=0.015)


@pytest.mark.slow
def test_the_interval_holds_the_truth_nine_times_out_of_ten() -> None:
    held = []
    for seed in range(40):
        is_wrong_N, first_N, again_N, planted_N = drawn(0.15, planted=200, seed=seed)
        found = read_precision(first_N, again_N, planted_N, seed=seed)
        at = int(np.abs(found.flagged - 800).argmin())
        true = is_wrong_N[first_N >= found.thresholds[at]].mean()
        held.append(found.low[at] <= true <= found.high[at])
    assert np.mean(held) >= 0.8


def test_more_planted_flips_make_the_interval_narrower() -> None:
    few = read_precision(*drawn(0.1, planted=30)[1:])
    many = read_precision(*drawn(0.1, planted=800)[1:])
    assert (many.high - many.low).mean() < 0.6 * (few.high - few.low).mean()


def test_an_estimate_is_in_range_and_ordered_whatever_the_doubts() -> None:
    rng = RNG(0)
    planted_N = np.arange(300) < 15
    for doubt_N in (np.zeros(300), np.ones(300), rng.integers(2, size=300), rng.random(300)):
        first_N = doubt_N.astype(np.float32)
        found = read_precision(first_N, first_N[::-1].copy(), planted_N)
        assert found.thresholds[0] == 0
        assert found.flagged[0] == 300
        assert (np.diff(found.thresholds) > 0).all()
        assert found.flagged.min() >= 1
        for values in (found.precision, found.recall, found.low, found.high):
            assert values.shape == found.thresholds.shape
            assert ((values >= 0) & (values <= 1)).all()
        assert (found.low <= found.precision).all()
        assert (found.precision <= found.high).all()
        assert found.high[0] - found.low[0] > 0.1 * found.precision[0], "15 flips tell little"


def test_how_many_to_look_at() -> None:
    estimate = PrecisionEstimate(
        np.array([0.0, 0.4, 0.8]), np.array([100, 40, 10]), np.array([0.3, 0.6, 0.95]),
        np.array([1.0, 0.8, 0.3]), 20, np.zeros(3), np.ones(3),
    )  # fmt: skip
    looks = how_many(estimate, (0.97, 0.9, 0.5))
    assert looks == [Look(0.9, 10, 0.8, 0.3), Look(0.5, 40, 0.4, 0.8)]
