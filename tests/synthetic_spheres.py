"""Small runs on the sphere, in which images walk to their prototypes, for tests of the explorer."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Runs(NamedTuple):
    """Arguments of SphereTrainingExplorer."""

    embeddings: NDArray[np.float32]
    prototypes: NDArray[np.float32]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    temperatures: tuple[float, ...]


def small_runs() -> Runs:
    """Two temperatures, four moments, 30 images of 3 classes; at the second they come closer."""
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    prototypes = np.broadcast_to(np.eye(3) + 0.1, (2, 4, 3, 3))
    reach = np.array([[0.0, 0.5, 1.0, 1.5], [0.0, 1.0, 3.0, 9.0]])
    spread = rng.normal(size=(2, 4, 30, 3))
    embeddings = spread + reach[..., None, None] * prototypes[:, :, labels]
    names = ("Beach", "Forest", "<b>Pond</b>")  # the last would show if text became markup
    return Runs(_unit(embeddings), _unit(prototypes), labels, names, (0.05, 1.0))


def _unit(points: NDArray[np.float64]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = points / np.linalg.norm(points, axis=-1, keepdims=True)
    return unit.astype(np.float32)
