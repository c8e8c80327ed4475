"""The table behind the embedding explorer: maps of one test set under several losses.

Shapes: K noise kinds, R rates, L losses, M test images, C classes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._tables import load_shipped_table

__all__ = ["EmbeddingMaps"]


class EmbeddingMaps(NamedTuple):
    """Maps of the same test images after training with every noise kind, rate and loss."""

    noises: tuple[str, ...]  # K, e.g. ("symmetric", "label_dependent")
    rates: tuple[float, ...]  # R, e.g. (0.0, 0.1, 0.3, 0.5, 0.7)
    losses: tuple[str, ...]  # L, e.g. ("nsl", "rnsl", "trnsl")
    coordinates: NDArray[np.uint16]  # [K, R, L, M, 2], one common box for all
    predicted: NDArray[np.uint8]  # [K, R, L, M], class that k-NN gives to each image
    labels: NDArray[np.uint8]  # [M], true classes
    class_names: tuple[str, ...]  # C
    files: tuple[str, ...]  # M
    accuracy: NDArray[np.float32]  # [K, R, L], mean over seeds of k-NN accuracy
    spread: NDArray[np.float32]  # [K, R, L], standard deviation over seeds
    seeds: int

    @classmethod
    def shipped(cls) -> "EmbeddingMaps":
        """Read the maps of AID that come with the package."""
        return load_shipped_table("embedding_maps", cls)
