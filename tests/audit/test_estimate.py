"""Ranges for the share of wrong labels, read from flips on paper."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, softmax
from synthetic_audit import pairs

from rnsl_tutorial import audit, noise
from rnsl_tutorial.audit._transition import (
    estimate_joint,
    likely_flips,
    log_odds,
    not_told_apart,
)
from rnsl_tutorial.audit.estimate import PrecisionEstimate, estimate_precision
from rnsl_tutorial.audit.scores import Scores

RNG = np.random.default_rng
Floats = NDArray[np.float64]
Drawn = tuple[Scores, NDArray[np.int64], Floats, NDArray[np.bool_]]


def drawn(
    rate: float,
    count: int = 1000,
    clear: float = 6,
    seed: int = 0,
    transition: Floats | None = None,
) -> Drawn:
    """Images of 4 classes whose p has them right by some logits, given labels, which are wrong."""
    true_N = np.arange(count) % 4
    logits_NC = RNG(seed).normal(size=(count, 4)) * 2 + clear * np.eye(4)[true_N]
    p_NC = softmax(logits_NC, axis=1).astype(np.float32)
    matrix = noise.symmetric_transition(4, rate) if transition is None else transition
    given_N = noise.corrupt_labels(true_N, matrix, seed, method="vectorized").labels
    return judged(p_NC, given_N, true_N)


def judged(
    p_NC: NDArray[np.float32], given_N: NDArray[np.int64], true_N: NDArray[np.int64]
) -> Drawn:
    joint_CC = estimate_joint(p_NC, given_N)
    transition_CC = likely_flips(p_NC, joint_CC)
    same_CC = not_told_apart(p_NC, given_N)
    odds_N, suggested_N = log_odds(p_NC, given_N, transition_CC, same_CC)
    doubt_N = expit(odds_N)
    scores = Scores(doubt_N, suggested_N, p_NC, odds_N)
    return scores, given_N, joint_CC, given_N != true_N


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("kind", ["any class", "the next class"])
def test_the_share_of_wrong_labels_lies_in_its_range(rate: float, kind: str) -> None:
    found, wrong = [], []
    for seed in range(10):
        *given, wrong_N = drawn(rate, seed=seed, transition=pairs(rate) if "next" in kind else None)
        found.append(estimate_precision(*given))
        wrong.append(wrong_N.mean())
    middle = [estimate.precision[0] for estimate in found]
    np.testing.assert_allclose(middle, wrong, atol=0.02 + 0.15 * rate)
    held = [e.low[0] <= share <= e.high[0] for e, share in zip(found, wrong, strict=True)]
    assert np.mean(held) >= 0.8


@pytest.mark.parametrize("clear", [6, 3])
def test_where_no_label_is_wrong_none_need_be(clear: float) -> None:
    """Also where images of one class look like another: then more of them may be, and none must."""
    for seed in range(5):
        *given, _ = drawn(0, clear=clear, seed=seed)
        found = estimate_precision(*given)
        assert found.low[0] == 0
        assert found.precision[0] < 0.06
        assert found.high[0] < max(0.06, 1.001 - found.skill / 0.8)
        assert all(look.low == 0 for look in found.looks())


def test_the_first_of_the_list_are_wrong_as_often_as_is_said() -> None:
    held = []
    for seed in range(10):
        scores, given_N, joint_CC, wrong_N = drawn(0.2, seed=seed)
        order = np.argsort(-scores.log_odds)
        looks = estimate_precision(scores, given_N, joint_CC).looks()
        assert [look.first for look in looks][:3] == [5, 10, 25]
        for look in looks:
            assert look.low <= look.estimate <= look.high <= look.low + 0.5
            held.append(look.low <= wrong_N[order[: look.first]].mean() <= look.high)
    assert np.mean(held) > 0.85


def test_nothing_is_concluded_where_nothing_is_recognised() -> None:
    rng = RNG(0)
    p_NC = rng.dirichlet(np.ones(20) / 4, size=500).astype(np.float32)
    *given, _ = judged(p_NC, rng.integers(20, size=500), np.zeros(500, np.int64))
    found = estimate_precision(*given)
    assert not found.concluded
    assert abs(found.skill) < 0.1
    assert (found.low[0], found.high[0]) == (0, 1)
    assert found.looks() == []


def test_of_few_images_less_is_said() -> None:
    few, many = (estimate_precision(*drawn(0.1, count)[:3]) for count in (60, 3000))
    assert few.high[0] - few.low[0] > 2 * (many.high[0] - many.low[0])


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_an_estimate_is_in_range_and_ordered(rate: float) -> None:
    scores, given_N, joint_CC, _ = drawn(rate, 300, clear=4)
    found = estimate_precision(scores, given_N, joint_CC)
    assert isinstance(found, PrecisionEstimate)
    assert (found.thresholds[0], found.flagged[0]) == (0, 300)
    assert found.recall[0] == pytest.approx(1)
    assert (np.diff(found.thresholds) > 0).all()
    flagged = (scores.doubt[:, None] >= found.thresholds).sum(axis=0)
    np.testing.assert_array_equal(found.flagged, flagged)
    for values in (found.precision, found.low, found.high):
        assert ((values >= 0) & (values <= 1)).all()
        assert (np.diff(values) >= 0).all()
    assert (found.low <= found.precision).all()
    assert (found.precision <= found.high).all()
    assert (np.diff(found.recall) <= 1e-12).all()


def test_recall_is_that_of_real_flips() -> None:
    scores, given_N, joint_CC, wrong_N = drawn(0.2, 4000, clear=4)
    found = estimate_precision(scores, given_N, joint_CC)
    for at in (30, 60, 90):
        real = (scores.doubt[wrong_N] >= found.thresholds[at]).mean()
        assert found.recall[at] == pytest.approx(real, abs=0.05)


def test_what_is_said() -> None:
    """Sentences and JSON of an archive with, and of one without wrong labels."""
    names = ("a", "b", "c", "d")

    def made(rate: float) -> audit.Audit:
        scores, given_N, joint_CC, _ = drawn(rate)
        precision = estimate_precision(scores, given_N, joint_CC)
        files = tuple(map(str, range(1000)))
        return audit.Audit(
            files, names, given_N, scores, joint_CC, 0.0, np.zeros(4), precision,
            skipped=(("x.txt", "no image"),),
        )  # fmt: skip

    (wrong, doubted, passed), clean = audit.sentences(made(0.2)), audit.sentences(made(0.0))[0]
    low, high = (made(0.2).precision.low[0], made(0.2).precision.high[0])
    assert f"{low:.1%} to {high:.1%} of the labels are wrong, about" in wrong
    assert passed == "1 files were passed over: x.txt (no image)."
    assert doubted.startswith("Doubted most often, of those given the name: ")
    assert "At most" in clean
    assert "nothing was found that proves a wrong one" in clean
    document = audit.summarize(made(0.2))
    assert (document["images"], document["classes"]) == (1000, 4)
    assert document["share_wrong"]["low"] == low
    assert document["look"][0].keys() == {"first", "low", "high", "estimate"}
    assert document["skipped"] == [{"file": "x.txt", "why": "no image"}]
    whole = document["thresholds"][0]
    assert (whole["doubt"], whole["flagged"]) == (0, 1000)
    assert whole["recall"] == pytest.approx(1)
    assert {end: whole[end] for end in ("low", "high", "estimate")} == document["share_wrong"]


def test_where_two_classes_look_the_same_their_labels_are_neither_counted_nor_doubted() -> None:
    """The others are counted as ever, and of the first of the list no more than of all."""
    for seed in range(5):
        rng = RNG(seed)
        true_N = np.arange(1000) % 5
        logits_NC = rng.normal(size=(1000, 5)) * 2 + 7 * np.eye(5)[true_N]
        twins_N = true_N >= 3
        logits_NC[twins_N, 3:] = 7 + 2 * rng.normal(size=(twins_N.sum(), 2))
        p_NC = softmax(logits_NC, axis=1).astype(np.float32)
        flips_CC = noise.symmetric_transition(5, 0.1)
        given_N = noise.corrupt_labels(true_N, flips_CC, seed, method="vectorized").labels
        scores, labels_N, joint_CC, wrong_N = judged(p_NC, given_N, true_N)
        found = estimate_precision(scores, labels_N, joint_CC)
        seen_N = wrong_N & ~(twins_N & (given_N >= 3))
        assert found.low[0] <= seen_N.mean() <= found.high[0]
        order = np.argsort(-scores.log_odds)
        for look in found.looks():
            assert look.low <= seen_N[order[: look.first]].mean() <= look.high
        assert (found.low * found.flagged <= found.low[0] * 1000 + 1e-9).all()
        assert (found.precision * found.flagged <= found.precision[0] * 1000 + 1e-9).all()


def test_classes_that_are_few_or_cannot_be_told_apart_are_named() -> None:
    labels_N = np.repeat([0, 1, 2], [40, 40, 5])
    p_NC = np.zeros((85, 3), np.float32)
    p_NC[:80, :2] = RNG(0).dirichlet([1, 1], size=80)
    p_NC[80:, 2] = 1
    scores, given_N, joint_CC, _ = judged(p_NC, labels_N, labels_N)
    precision = estimate_precision(scores, given_N, joint_CC)._replace(concluded=True)
    found = audit.Audit(
        tuple("x" * 85), ("left", "right", "rare"), given_N, scores, joint_CC, 0.0,
        np.zeros(3), precision,
    )  # fmt: skip
    few, mixed = audit.summarize(found)["warnings"]
    assert "fewer than 6 images: rare (5)" in few
    assert "cannot be told apart by what the network sees: left and right." in mixed
    assert "is not judged" in mixed
