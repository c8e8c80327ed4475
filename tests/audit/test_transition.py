"""Classes that are confused: a transition matrix from what heads think."""

import numpy as np
from numpy.typing import NDArray
from synthetic_audit import pairs

from rnsl_tutorial import noise
from rnsl_tutorial.audit.scores import from_probabilities
from rnsl_tutorial.audit.transition import estimate_joint, probably_right

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


def test_labels_that_are_probably_right() -> None:
    probabilities_NC = np.array([[0.98, 0.02], [0.02, 0.98], [0.5, 0.5]], dtype=np.float32)
    scores = from_probabilities(probabilities_NC, np.zeros(3, dtype=np.int64))
    transition_CC = np.array([[0.9, 0.1], [0.3, 0.7]])
    found = probably_right(scores, np.zeros(3, dtype=np.int64), transition_CC)
    expected = 0.9 * probabilities_NC[:, 0] / (probabilities_NC @ [0.9, 0.3])
    np.testing.assert_allclose(found, expected, rtol=1e-4)
