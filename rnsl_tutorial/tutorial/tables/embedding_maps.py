"""The table behind the embedding explorer: maps of one test set under several losses.

Shapes: K noise kinds, R rates, L losses, M test images, C classes.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._files import made_earlier, shipped, written_whole


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


def save(path: Path, maps: EmbeddingMaps) -> None:
    """Write maps as a compressed file, whole or not at all.

    Raises:
        OSError: the folder cannot be written to.
    """
    fields: dict[str, Any] = {name: np.asarray(value) for name, value in maps._asdict().items()}
    with written_whole(path) as file:
        np.savez_compressed(file, **fields)


def load(path: Path) -> EmbeddingMaps:
    """Read maps that `save` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged or holds no maps.
    """
    said = "is damaged or holds no maps", "Make it again with `rnsl maps`."
    with made_earlier(path, *said) as file, np.load(file) as members:
        return EmbeddingMaps(**{name: _plain(members[name]) for name in EmbeddingMaps._fields})


def load_shipped() -> EmbeddingMaps:
    """Read the maps of AID that come with the package."""
    return load(shipped("data", "aid", "maps.npz"))


def _plain(array: NDArray[Any]) -> Any:
    """Names and rates as tuples of Python values, the seeds as a number, tables as arrays."""
    if array.ndim == 0:
        return array.item()
    return tuple(array.tolist()) if array.dtype.kind == "U" or array.dtype == float else array
