"""Classes that are confused: a transition matrix from what heads think."""

import numpy as np
from numpy.typing import NDArray
from synthetic_audit import pairs

from rnsl_tutorial import noise
from rnsl_tutorial.audit._transition import (
    estimate_joint,
    flips_on_paper,
    likely_flips,
    log_odds,
    not_told_apart,
)

RNG = np.random.default_rng


def test_joint_is_found_from_the_probabilities_of_the_classes() -> None:
    rng = RNG(0)
    true_N = rng.integers(4, size=20_000)
    given_N = noise.corrupt_labels(true_N, pairs(0.2), 0, method="vectorized").labels
    probabilities_NC = 0.02 / 3 + (0.98 - 0.02 / 3) * np.eye(4)[true_N]
    found = estimate_joint(probabilities_NC, given_N)
    np.testing.assert_allclose(found, pairs(0.2) / 4, atol=0.015)
    np.testing.assert_allclose(found.sum(axis=0), np.bincount(given_N) / len(given_N))


def test_joint_maximizes_the_likelihood() -> None:
    rng = RNG(1)
    probabilities_NC = rng.dirichlet(np.full(3, 0.4), size=300)
    labels_N = rng.integers(3, size=300)

    def likelihood(transition_CC: NDArray[np.float64]) -> float:
        return float(np.log((probabilities_NC * transition_CC.T[labels_N]).sum(axis=1)).sum())

    joint_CC = estimate_joint(probabilities_NC, labels_N)
    best_CC = joint_CC / joint_CC.sum(axis=1, keepdims=True)
    for _ in range(50):
        other_CC = 0.97 * best_CC + 0.03 * rng.dirichlet(np.ones(3), size=3)
        assert likelihood(other_CC) < likelihood(best_CC) + 1e-2


def test_odds_are_what_the_docstring_says() -> None:
    p_NC = np.array([[0.98, 0.02, 0], [0.02, 0.98, 0], [0.4, 0.3, 0.3]])
    labels_N, transition_CC = np.array([0, 0, 2]), np.full((3, 3), 0.1) + 0.7 * np.eye(3)
    odds_N, likeliest_N = log_odds(p_NC, labels_N, transition_CC)
    weights_NC = p_NC * transition_CC[:, labels_N].T
    own_N = weights_NC[range(3), labels_N]
    np.testing.assert_allclose(np.exp(odds_N), (weights_NC.sum(axis=1) - own_N) / own_N, rtol=1e-5)
    np.testing.assert_array_equal(likeliest_N, [0, 1, 2])


def test_few_images_move_the_flips_little_and_many_do() -> None:
    rng = RNG(2)
    for count, ends in ((80, (0.05, 0.1)), (20_000, (0.11, 0.14))):  # a third of 0.2: 0.067
        true_N = rng.integers(4, size=count)
        given_N = noise.corrupt_labels(true_N, pairs(0.2), 0, method="vectorized").labels
        p_NC = 0.02 / 3 + (0.98 - 0.02 / 3) * np.eye(4)[true_N]
        found = likely_flips(p_NC, estimate_joint(p_NC, given_N))
        np.testing.assert_allclose(found.sum(axis=1), 1)
        next_C = found[np.arange(4), (np.arange(4) + 1) % 4]
        assert ends[0] < next_C.mean() < ends[1], count


def test_classes_that_look_the_same_are_one_and_noise_does_not_make_them_so() -> None:
    rng = RNG(3)
    true_N = np.repeat(np.arange(4), 50)
    logits_NC = rng.normal(size=(200, 4)) + 6 * np.eye(4)[true_N]
    logits_NC[100:, 2:] = 6 + rng.normal(size=(100, 2))  # the last two look the same
    p_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    same_CC = not_told_apart(p_NC, true_N)
    expected_CC = np.eye(4, dtype=bool)
    expected_CC[2, 3] = expected_CC[3, 2] = True
    np.testing.assert_array_equal(same_CC, expected_CC)
    transition_CC = likely_flips(p_NC, estimate_joint(p_NC, true_N))
    odds_N, likeliest_N = log_odds(p_NC, true_N, transition_CC, same_CC)
    assert odds_N[100:].max() < 0
    np.testing.assert_array_equal(likeliest_N, true_N)
    assert (log_odds(p_NC, true_N, transition_CC)[0][100:] > 0).sum() > 5
    given_N = noise.corrupt_labels(true_N, pairs(0.4), 0, method="exact").labels
    assert not not_told_apart(p_NC, given_N)[0, 1]
    assert not_told_apart(p_NC[::4], true_N[::4]).sum() == 4, "of few, chance decides"


def test_what_overlap_explains_is_no_flip_but_may_be_one_on_paper() -> None:
    """The second class looks like the first, and all labels are right."""
    rng = RNG(4)
    true_N = np.arange(3000) % 3
    logits_NC = rng.normal(size=(3000, 3)) + 6 * np.eye(3)[true_N]
    logits_NC[true_N < 2, :2] = rng.normal(size=(2000, 2)) + 1.5 * np.eye(3)[true_N[true_N < 2], :2]
    p_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    given_N = np.array([rng.choice(3, p=p) for p in p_NC])  # as likely as they look
    joint_CC = estimate_joint(p_NC, given_N)
    found_CC, paper_CC = likely_flips(p_NC, joint_CC), flips_on_paper(p_NC, joint_CC)
    assert found_CC[0, 1] < 2 * found_CC[0, 2]
    assert paper_CC[0, 1] > 3 * paper_CC[0, 2]
    np.testing.assert_allclose(paper_CC.sum(axis=1), 1)
    assert not paper_CC.diagonal().any()
