"""Embeddings of one's own images as points of the playground: their first two components.

Shapes: N images, D embedding dimensions, C classes that are shown, M images of these.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._files import made_earlier
from rnsl_tutorial._tables import opened_npz

__all__ = ["embeddings_address"]


def embeddings_address(file: Path, *, most: int = 1000, classes: int = 8) -> str:
    """Return the address, after its "#", of a playground on embeddings of one's own images.

    Points are the first two principal components, scaled into the plane; the given label of an
    image is the folder that it lies in.

    Args:
        file: an npz file of `rnsl embed`.
        most: points, at most; taken evenly.
        classes: C at most, the largest.

    Raises:
        ValueError: another file, or images of one class alone.
    """
    embeddings_ND, files = _read(file)
    given_N = np.array([Path(name).parent.name for name in files.tolist()])
    names, counts = np.unique(given_N, return_counts=True)
    largest = names[np.argsort(-counts, kind="stable")[:classes]].tolist()
    if len(largest) < 2:
        raise ValueError(
            f"{file} holds images of one folder alone; the playground needs 2 or more."
        )
    shown = np.flatnonzero(np.isin(given_N, largest))
    chosen_M = shown[:: -(-len(shown) // most)]
    centred_MD = embeddings_ND[chosen_M] - embeddings_ND[chosen_M].mean(axis=0)
    plane_M2 = centred_MD @ np.linalg.svd(centred_MD, full_matrices=False)[2][:2].T
    plane_M2 /= max(np.abs(plane_M2).max(), 1e-12)
    rows = zip(plane_M2.tolist(), given_N[chosen_M].tolist(), strict=True)
    own = "_".join(f"{x:.3f},{y:.3f},{largest.index(name)}" for (x, y), name in rows)
    return f"shape=own&classes={len(largest)}&rate=0&own={own}"


def _read(file: Path) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    said = "holds no embeddings; write them with `rnsl embed`", "No page was written."
    with made_earlier(file, *said) as read, opened_npz(read) as saved:
        embeddings_ND, files = saved["embeddings"], saved["files"]
        if embeddings_ND.dtype.kind != "f" or embeddings_ND.ndim != 2 or 0 in embeddings_ND.shape:
            raise ValueError(f"embeddings are {embeddings_ND.dtype} {list(embeddings_ND.shape)}")
        if files.dtype.kind != "U" or files.shape != embeddings_ND.shape[:1]:
            raise ValueError(f"{len(embeddings_ND)} embeddings, files {list(files.shape)}")
        if not np.isfinite(embeddings_ND).all():
            raise ValueError("the embeddings hold NaN or infinity")
        return embeddings_ND.astype(float), files
