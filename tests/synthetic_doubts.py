"""Doubts of a small archive, without training."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial.tutorial.tables import Estimate

CLASSES = ("Beach", "Forest", "Pond", "River")


class Doubts(NamedTuple):
    """Doubt float32 [N], given labels int64 [N], whether they are wrong bool [N]."""

    doubt: NDArray[np.float32]
    labels: NDArray[np.int64]
    wrong: NDArray[np.bool_]


def small_doubts(images: int = 400) -> Doubts:
    """Wrong labels (1 in 5) are mostly doubtful, right ones mostly not."""
    rng = np.random.default_rng(0)
    wrong = rng.random(images) < 0.2
    doubt = np.where(wrong, rng.beta(4, 0.7, images), rng.beta(0.4, 3, images))
    return Doubts(doubt.astype(np.float32), rng.integers(4, size=images), wrong)


def small_estimate() -> Estimate:
    """Lines over thresholds up to 0.9."""
    thresholds = np.linspace(0, 1, 101)[:91]
    precision = 0.2 + 0.8 * thresholds
    return Estimate(
        thresholds, precision, 1 - 0.4 * thresholds, precision - 0.1, np.minimum(1, precision + 0.1)
    )


def small_audit(**options: Any) -> dict[str, Any]:
    """The arguments of an `AuditExplorer` that knows everything, some of them replaced."""
    doubts = small_doubts()
    return {
        "doubt": doubts.doubt,
        "labels": doubts.labels,
        "class_names": CLASSES,
        "wrong": doubts.wrong,
        "estimate": small_estimate(),
        "class_noise": np.array([0.1, 0.4, 0.2, 0.3]),
    } | options
