"""UMAP maps of embeddings, cached on disk.

Shapes: N images, D embedding dimensions.
"""

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

from rnsl_tutorial.paths import cache_dir, written_whole


def umap_map(
    embeddings: NDArray[np.float32],
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
    like: NDArray[np.float32] | None = None,
    cache: Path | None = None,
) -> NDArray[np.float32]:
    """Project embeddings to the plane with UMAP (McInnes, Healy, Melville, 2018).

    The same input gives the same map: it is read from the cache, keyed by the embeddings and every
    setting, or computed on one thread from the seed. Distances between far clusters, their sizes
    and the axes mean nothing.

    Args:
        embeddings: float32 [N, D], unit length.
        n_neighbors: neighbours that a point is kept near to, 2 to N - 1.
        min_dist: how close points may lie, in [0, 1].
        seed: of UMAP's random numbers.
        like: float32 [N, 2], a map of the same images in the same order: the new one starts from it
            and is `aligned` with it.
        cache: folder; None for ``projections`` in the package's cache.

    Returns:
        float32 [N, 2].

    Raises:
        ValueError: n_neighbors out of range, or ``like`` of another shape.
    """
    if not 2 <= n_neighbors < len(embeddings):
        raise ValueError(
            f"n_neighbors is {n_neighbors}; with {len(embeddings)} images it can be 2 to "
            f"{len(embeddings) - 1}."
        )
    if like is not None and like.shape != (len(embeddings), 2):
        raise ValueError(f"like is {like.shape}; it must be {(len(embeddings), 2)}.")
    settings = {"n_neighbors": n_neighbors, "min_dist": min_dist, "random_state": seed}
    path = (cache or cache_dir() / "projections") / f"{_key(embeddings, like, settings)}.npy"
    found = _read(path, len(embeddings))
    if found is None:
        found = _compute(embeddings, like, settings)
        with written_whole(path) as file:
            np.save(file, found)
    return found


def aligned(coordinates: NDArray[np.float32], like: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn or mirror a map [N, 2] onto another as well as it can, and give it the same size.

    The rotation is the one with the least squared distance (orthogonal Procrustes). Its scale is
    not: that shrinks a map the more, the less it resembles the other. Both get the same mean and
    the same root mean square distance from it.
    """
    center, target = coordinates.mean(axis=0), like.mean(axis=0)
    rotation, _ = orthogonal_procrustes(coordinates - center, like - target)
    size = np.linalg.norm(like - target) / np.linalg.norm(coordinates - center)
    turned: NDArray[np.float32] = (coordinates - center) @ rotation * size + target
    return turned.astype(np.float32)


def _compute(
    embeddings: NDArray[np.float32], like: NDArray[np.float32] | None, settings: dict[str, Any]
) -> NDArray[np.float32]:
    with warnings.catch_warnings():  # umap tells on import that it does without tensorflow
        warnings.simplefilter("ignore", ImportWarning)
        import umap  # here, because it takes seconds and a cached map needs none of it

    # A seed makes UMAP work on one thread; asking for one thread keeps it from warning about that.
    start = "spectral" if like is None else like
    coordinates = umap.UMAP(init=start, n_jobs=1, **settings).fit_transform(embeddings)
    return coordinates if like is None else aligned(coordinates, like)


def _key(
    embeddings: NDArray[np.float32], like: NDArray[np.float32] | None, settings: dict[str, Any]
) -> str:
    digest = hashlib.blake2b(repr((embeddings.shape, sorted(settings.items()))).encode())
    for array in (embeddings, like):
        digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def _read(path: Path, count: int) -> NDArray[np.float32] | None:
    """A cached map, or None where there is none or it is damaged."""
    try:
        found: NDArray[np.float32] = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == (count, 2) else None
