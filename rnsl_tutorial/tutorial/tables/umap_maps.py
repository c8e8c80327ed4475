"""The table behind the explorers of UMAP: maps of the same training images, three losses.

Shapes: L losses, E moments, H values of n_neighbors, M values of min_dist, N images, C classes,
K neighbours.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._tables import load_shipped_table

__all__ = ["MEASURES", "UmapMaps"]

MEASURES = ("trustworthiness", "overlap", "same_class")
"""What is measured of each map: the first two are of `umap.faithfulness`, the last is the
share of the nearest images that are of the same (true) class, `evaluation.precision_at_k`."""


class UmapMaps(NamedTuple):
    """Maps of the same training images while three losses learn, and under many settings of UMAP.

    Coordinates are uint16, and one unit is as long to the right as upwards. All maps over epochs
    share one box, so do all maps of one loss over the settings.

    Attributes:
        losses: L, e.g. ("nsl", "rnsl", "trnsl").
        epochs: E moments, 0 being before training.
        n_neighbors: H values, ascending.
        min_dists: M values, ascending.
        over_epochs: uint16 [L, E, N, 2], of aligned UMAP.
        over_settings: uint16 [L, H, M, N, 2], at the last moment.
        pca: uint16 [L, N, 2], at the last moment.
        measured_over_epochs: float32 [L, E, 3], the MEASURES of each map.
        measured_over_settings: float32 [L, H, M, 3].
        measured_of_pca: float32 [L, 3].
        same_class: float32 [L, E], the last of the MEASURES, of the embedding in all dimensions.
        p: uint8 [L, E, N], 255 times the probability that the prototypes give to the given label.
        kept: bool [L, E, N], whether that epoch trained on the image.
        neighbors: uint16 [L, N, K], the nearest images in all dimensions, at the last moment.
        labels: uint8 [N], true classes.
        given: uint8 [N], the labels that the training was given.
        class_names: C.
        files: N.
        made_with: how all this was made: data set, noise, rate, seed, settings, versions.
    """

    losses: tuple[str, ...]
    epochs: tuple[int, ...]
    n_neighbors: tuple[int, ...]
    min_dists: tuple[float, ...]
    over_epochs: NDArray[np.uint16]
    over_settings: NDArray[np.uint16]
    pca: NDArray[np.uint16]
    measured_over_epochs: NDArray[np.float32]
    measured_over_settings: NDArray[np.float32]
    measured_of_pca: NDArray[np.float32]
    same_class: NDArray[np.float32]
    p: NDArray[np.uint8]
    kept: NDArray[np.bool_]
    neighbors: NDArray[np.uint16]
    labels: NDArray[np.uint8]
    given: NDArray[np.uint8]
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    made_with: Mapping[str, Any]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which given labels are wrong, bool [N]."""
        wrong: NDArray[np.bool_] = self.given != self.labels
        return wrong

    @classmethod
    def shipped(cls) -> "UmapMaps":
        """Read the maps of AID that come with the package."""
        return load_shipped_table("umap_maps", cls)
