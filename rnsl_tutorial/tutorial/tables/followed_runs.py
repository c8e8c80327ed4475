"""Runs that were watched while they trained: what explorers show without training anything.

Shapes: L losses, E moments (0 is before training), N images, M moments and B images with their
embeddings, D dimensions, T temperatures, S images on the sphere, A audited images, C classes,
K = 45 classes of NWPU-RESISC45, H thresholds.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._files import made_earlier, shipped, written_whole


class Estimate(NamedTuple):
    """Precision and recall as an audit estimates them, float32 [H] each.

    See `audit.PrecisionEstimate`.
    """

    thresholds: NDArray[np.float32]
    precision: NDArray[np.float32]
    recall: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


class Watched(NamedTuple):
    """What `python benchmarks/watched.py` keeps of its runs on AID.

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
        estimate: float32 [5, H], the fields of `Estimate`.
        neighborhoods: float32 [K, K], of the stand-in for NWPU-RESISC45: `suffering.neighborhoods`.
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
    estimate: NDArray[np.float32]
    neighborhoods: NDArray[np.float32]
    made_with: Mapping[str, Any]

    def log_p_of(self, loss: str) -> NDArray[np.float32]:
        """Return log p of one run, [E, N]."""
        log_p_EN: NDArray[np.float32] = self.log_p[self.losses.index(loss)].astype(np.float32)
        return log_p_EN

    @property
    def estimated(self) -> Estimate:
        """What the audit estimates."""
        return Estimate(*self.estimate)


def save(path: Path, watched: Watched) -> None:
    """Write what was watched as a compressed file, whole or not at all.

    Raises:
        OSError: the folder cannot be written to.
    """
    fields: dict[str, Any] = watched._asdict()
    fields["made_with"] = json.dumps(dict(watched.made_with), sort_keys=True)
    with written_whole(path) as file:
        np.savez_compressed(file, **fields)


def load(path: Path) -> Watched:
    """Read what `save` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged or holds nothing of the kind.
    """
    said = (
        "is damaged or holds no watched runs",
        "Make it again with `python benchmarks/watched.py`.",
    )
    with made_earlier(path, *said) as file, np.load(file) as members:
        return Watched(**{name: _read(members, name) for name in Watched._fields})


def load_shipped() -> Watched:
    """Read the runs on AID that come with the package."""
    return load(shipped("data", "aid", "watched.npz"))


def _read(members: Mapping[str, NDArray[Any]], name: str) -> Any:
    value = members[name]
    if name == "made_with":
        return json.loads(str(value))
    if name in ("losses", "moments", "temperatures", "sphere_classes"):
        return tuple(value.tolist())
    return value
