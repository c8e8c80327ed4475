"""The table behind the projection explorers: maps of the same training images, three losses.

Shapes: L losses, E moments, H values of n_neighbors, M values of min_dist, N images, C classes,
K neighbours.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._files import made_earlier, shipped, written_whole

FULL_SCALE = 65535  # of coordinates
MOST_P = 255  # the code of p = 1
MEASURES = ("trustworthiness", "overlap", "same_class")
"""What is measured of each map: the first two are of `projection.faithfulness`, the last is the
share of the nearest images that are of the same (true) class, `evaluate.precision_at_k`."""


class Projections(NamedTuple):
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


def boxed(maps: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Put maps [..., N, 2] into one square of 0 to 65535, without stretching them."""
    points_N2 = maps.reshape(-1, 2)
    low, high = points_N2.min(axis=0), points_N2.max(axis=0)
    middle, side = (low + high) / 2, (high - low).max()
    codes: NDArray[np.float32] = ((maps - middle) / side + 0.5) * FULL_SCALE
    return codes.round().clip(0, FULL_SCALE).astype(np.uint16)


def save(path: Path, table: Projections) -> None:
    """Write a table as a compressed file, whole or not at all.

    Raises:
        OSError: the folder cannot be written to.
    """
    fields: dict[str, Any] = {
        name: np.array("\n".join(value)) if name in ("class_names", "files") else np.asarray(value)
        for name, value in table._asdict().items()
        if name != "made_with"
    }
    fields["kept"] = np.packbits(table.kept, axis=-1)
    fields["made_with"] = np.array(json.dumps(dict(table.made_with), sort_keys=True))
    with written_whole(path) as file:
        np.savez_compressed(file, **fields)


def load(path: Path) -> Projections:
    """Read a table that `save` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged or holds no such table.
    """
    said = "is damaged or holds no projections", "Make it again with `rnsl projections`."
    with made_earlier(path, *said) as file, np.load(file) as members:
        return Projections(**{name: _read(members, name) for name in Projections._fields})


def load_shipped() -> Projections:
    """Read the projections of AID that come with the package."""
    return load(shipped("data", "aid", "projections.npz"))


def _read(members: Mapping[str, NDArray[Any]], name: str) -> Any:
    value = members[name]
    if name == "made_with":
        return json.loads(str(value))
    if name in ("class_names", "files"):
        return tuple(str(value).split("\n"))
    if name in ("losses", "epochs", "n_neighbors", "min_dists"):
        return tuple(value.tolist())
    if name == "kept":
        return np.unpackbits(value, axis=-1, count=len(members["labels"])).astype(bool)
    return value
