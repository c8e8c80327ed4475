"""An audit of 200 small images in no time, for the tests of what is made from one."""

import numpy as np
from numpy.typing import NDArray
from stub_scorer import from_probabilities

from rnsl_tutorial import audit, noise

NAMES = ("Bare", "Beach", "Forest", "Park")
COUNT = 200
IMAGES = np.broadcast_to(
    np.random.default_rng(0).integers(40, 216, (COUNT, 3, 1, 1), dtype=np.uint8), (COUNT, 3, 8, 8)
)


def make_audit(names: tuple[str, ...] = NAMES) -> audit.Audit:
    """Labels of which a tenth is wrong, and doubts that mostly know them."""
    rng = np.random.default_rng(1)
    labels_N = rng.integers(4, size=COUNT)
    wrong_N = rng.random(COUNT) < 0.1
    seen_N = np.where(wrong_N, (labels_N + 1) % 4, labels_N)
    logits_NC = rng.normal(size=(COUNT, 4)) + 5 * np.eye(4)[seen_N]
    probabilities_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    scores = from_probabilities(probabilities_NC.astype(np.float32), labels_N)
    transition_CC = 0.9 * np.eye(4) + 0.08 * np.eye(4)[:, [3, 0, 1, 2]] + 0.02 / 4
    transition_CC /= transition_CC.sum(axis=1, keepdims=True)
    estimate = audit.estimate_precision(scores, labels_N, transition_CC / 4)
    files = tuple(f"{names[y]}/{i:03}.jpg" for i, y in enumerate(labels_N))
    return audit.Audit(
        files, names, labels_N, scores, transition_CC, 0.1, np.full(4, 0.1), estimate
    )


def clusters(
    count: int = 1200, spread: float = 1.2, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features around one axis a class, and their true labels."""
    rng = np.random.default_rng(seed)
    labels_N = np.arange(count) % len(NAMES)
    features_ND = rng.normal(size=(count, 8)) * spread + 3 * np.eye(len(NAMES), 8)[labels_N]
    return features_ND.astype(np.float32), labels_N.astype(np.int64)


def pairs(rate: float) -> NDArray[np.float64]:
    """Each class is taken for the next one."""
    return noise.pair_flip_transition(len(NAMES), rate)
