"""An audit of 200 small images in no time, for the tests of what is made from one."""

import numpy as np

from rnsl_tutorial.audit import outputs as audit
from rnsl_tutorial.audit import scores as doubt

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
    scores = doubt.from_probabilities(probabilities_NC.astype(np.float32), labels_N)
    planted_N = rng.random(COUNT) < 0.1
    again_N = np.where(planted_N, rng.permutation(scores.doubt) ** 0.1, scores.doubt)
    estimate = audit.read_precision(scores.doubt, again_N.astype(np.float32), planted_N)
    transition_CC = 0.9 * np.eye(4) + 0.08 * np.eye(4)[:, [3, 0, 1, 2]] + 0.02 / 4
    transition_CC /= transition_CC.sum(axis=1, keepdims=True)
    files = tuple(f"{names[y]}/{i:03}.jpg" for i, y in enumerate(labels_N))
    return audit.Audit(
        files, names, labels_N, scores, transition_CC, 0.1, np.full(4, 0.1), estimate
    )
