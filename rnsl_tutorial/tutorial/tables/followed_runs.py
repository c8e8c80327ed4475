"""Runs that were followed while they trained: what explorers show without training anything.

Shapes: L losses, E moments (0 is before training), N images, M moments and B images with their
embeddings, D dimensions, T temperatures, S images on the sphere, A audited images, C classes,
K = 45 classes of NWPU-RESISC45, H thresholds.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._tables import load_shipped_table

__all__ = ["Estimate", "FollowedRuns"]


class Estimate(NamedTuple):
    """Precision and recall as an audit estimates them, float32 [H] each.

    See `audit.PrecisionEstimate`.
    """

    thresholds: NDArray[np.float32]
    precision: NDArray[np.float32]
    recall: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


class FollowedRuns(NamedTuple):
    """What `python tools/followed_runs.py` keeps of its runs on AID.

    Attributes:
        labels: uint8 [train], the true labels of all training images.
        losses: L, that the runs were trained with.
        flipped: bool [N], which given labels are wrong, the same in all runs.
        given: uint8 [N], the labels that the training was given.
        log_p: float16 [L, E, N], log of the probability that the prototypes give to them.
        kept: bool [E, N], whether that epoch of the last loss trained on the image.
        batch: int64 [B], places among the N of the images whose embeddings follow.
        moments: M epochs.
        embeddings: float16 [M, B, D], of RNSL.
        prototypes: float16 [M, C, D], of RNSL.
        temperatures: T, of NSL on the sphere in three dimensions.
        sphere_classes: names of its classes.
        sphere_labels: uint8 [S], true and given.
        sphere_embeddings: float16 [T, E, S, 3].
        sphere_prototypes: float16 [T, E, classes, 3].
        audited: uint8 [A], the given labels of an audit with label-dependent noise.
        doubt: float32 [A], what the audit says about them.
        wrong: bool [A], the truth.
        class_noise: float32 [C], estimated share of wrong labels among the images given a label.
        estimate: of its precision and recall, over thresholds.
        neighborhoods: float32 [K, K], of the stand-in for NWPU-RESISC45, by
            `class_margins.neighborhoods`.
        made_with: how all this was made: configs, features, versions.
    """

    labels: NDArray[np.uint8]
    losses: tuple[str, ...]
    flipped: NDArray[np.bool_]
    given: NDArray[np.uint8]
    log_p: NDArray[np.float16]
    kept: NDArray[np.bool_]
    batch: NDArray[np.int64]
    moments: tuple[int, ...]
    embeddings: NDArray[np.float16]
    prototypes: NDArray[np.float16]
    temperatures: tuple[float, ...]
    sphere_classes: tuple[str, ...]
    sphere_labels: NDArray[np.uint8]
    sphere_embeddings: NDArray[np.float16]
    sphere_prototypes: NDArray[np.float16]
    audited: NDArray[np.uint8]
    doubt: NDArray[np.float32]
    wrong: NDArray[np.bool_]
    class_noise: NDArray[np.float32]
    estimate: Estimate
    neighborhoods: NDArray[np.float32]
    made_with: Mapping[str, Any]

    def log_p_of(self, loss: str) -> NDArray[np.float32]:
        """Return log p of one run, [E, N]."""
        log_p_EN: NDArray[np.float32] = self.log_p[self.losses.index(loss)].astype(np.float32)
        return log_p_EN

    @classmethod
    def shipped(cls) -> "FollowedRuns":
        """Read the runs on AID that come with the package."""
        return load_shipped_table("followed_runs", cls)
