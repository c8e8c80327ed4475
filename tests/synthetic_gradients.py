"""Two small runs on the same labels, as `experiments.follow` would see them."""

from typing import Any

import numpy as np

EPOCHS = (0, 1, 4, 9)
IMAGES = 120


def small_runs() -> dict[str, Any]:
    """Arguments of a GradientShareExplorer: p falls for wrong labels and rises for right ones."""
    generator = np.random.default_rng(0)
    flipped = generator.random(IMAGES) < 0.4
    steps = np.arange(len(EPOCHS))[:, None]
    noise = generator.normal(size=(2, len(EPOCHS), IMAGES))
    logits = noise + steps * np.where(flipped, -1.5, 1.5) * np.array([0.4, 1.0])[:, None, None]
    log_p = -np.logaddexp(0, 1 - logits)
    return {
        "log_p": {"nsl": log_p[0], "rnsl": log_p[1]},
        "flipped": flipped,
        "batch": np.sort(generator.choice(IMAGES, 40, replace=False)),
        "epochs": EPOCHS,
    }
