"""What the explorer of suffering holds, small and without training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial import noise
from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.tutorial.explorers import ClassMarginsExplorer

Floats = NDArray[np.float64]

RATES = (0.3, 0.5, 0.7)
NAMES = noise.label_dependent_classes("nwpu45")
T = np.stack([noise.label_dependent_transition("nwpu45", rate) for rate in RATES])
MIXED = 0.6 * np.eye(45) + 0.4 * np.roll(np.eye(45), 1, axis=1)
PREDICTIONS = {"the matrix alone": T, "matrix and neighbors": MIXED @ T}
JUDGES = ("prototype", "knn_noisy")


def small_drops() -> dict[str, dict[str, Floats]]:
    """Drops that follow the margins, with a little chance: by loss, judge, [rates, classes]."""
    generator = np.random.default_rng(0)
    return {
        loss: {
            judge: 0.5 - 0.5 * class_margins.margins(T) + generator.normal(0, 0.08, (3, 45))
            for judge in JUDGES
        }
        for loss in ("nsl", "rnsl")
    }


def small_explorer(**chosen: Any) -> ClassMarginsExplorer:
    return ClassMarginsExplorer(NAMES, RATES, PREDICTIONS, small_drops(), about="made up", **chosen)
