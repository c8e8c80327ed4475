"""Maps of embeddings: UMAP, cached on disk, and PCA; and how much of a neighbourhood they keep.

Shapes: E moments, N images, D embedding dimensions, K neighbours.
"""

import hashlib
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

from rnsl_tutorial._arrays import array, check_seed, finite, is_number, is_whole, tamed
from rnsl_tutorial._files import cache_dir
from rnsl_tutorial._tables import kept_array

__all__ = ["aligned", "faithfulness", "neighbors", "pca_map", "umap_map", "umap_sequence"]

_ALIGNMENT = {"alignment_regularisation": 0.01, "alignment_window_size": 2, "n_epochs": 150}
"""Settings of `umap_sequence`: how strongly and over how many moments places are held together, and
the rounds of moving the points."""


_MOST = 1e15  # of a coordinate: its square is finite in float32


class _Faithfulness(NamedTuple):
    """How well a map keeps neighbourhoods; both are 1 where it keeps all of them.

    Attributes:
        trustworthiness: in [0, 1], see `sklearn.manifold.trustworthiness`; about 0.5 by chance.
        overlap: share of the K nearest neighbours that are among the K nearest on the map, too; in
            [0, 1], about K / N by chance.
    """

    trustworthiness: float
    overlap: float


def umap_map(
    embeddings: NDArray[np.float32],
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    dims: int = 2,
    seed: int = 0,
    like: NDArray[np.float32] | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> NDArray[np.float32]:
    """Project embeddings to the plane, or to space, with UMAP (McInnes, Healy, Melville, 2018).

    The same input gives the same map: it is read from the cache, keyed by the embeddings and every
    setting, or computed on one thread from the seed. Distances between far clusters, their sizes
    and the axes mean nothing.

    Args:
        embeddings: float32 [N, D], unit length.
        n_neighbors: neighbours that a point is kept near to, 2 to N - 1.
        min_dist: how close points may lie, in [0, 1].
        dims: of the map, 2 or 3.
        seed: of UMAP's random numbers.
        like: float32 [N, dims], a map of the same images in the same order: the new one starts from
            it and is `aligned` with it.
        cache: folder; None for ``maps`` in the package's cache.
        progress: show a bar while UMAP moves the points. Before it starts, UMAP searches the
            neighbours; the first time in a process it also compiles its code.

    Returns:
        float32 [N, dims].

    Raises:
        ValueError: n_neighbors or dims out of range, or ``like`` of another shape.
    """
    embeddings = _points("embeddings", embeddings)
    _check_neighbors(n_neighbors, len(embeddings))
    if not is_whole(dims, 2, 3):
        raise ValueError(f"dims is {dims!r}; a map has 2 or 3 dimensions.")
    like = _like(like, len(embeddings), dims)
    check_seed(seed, 2**32 - 1)
    if not is_number(min_dist, 0, 1):
        raise ValueError(f"min_dist is {min_dist!r}; it must lie in [0, 1].")
    settings = {"n_neighbors": n_neighbors, "min_dist": min_dist, "random_state": seed}
    settings |= {} if dims == 2 else {"n_components": dims}
    return kept_array(
        _place(cache, embeddings, like, settings),
        (len(embeddings), dims),
        lambda: _compute(embeddings, like, settings, progress),
    )


def umap_sequence(
    embeddings: NDArray[np.float32],
    *,
    n_neighbors: int = 15,
    seed: int = 0,
    like: NDArray[np.float32] | None = None,
    cache: Path | None = None,
) -> NDArray[np.float32]:
    """Project the same images at several moments with aligned UMAP, so that points glide.

    `umap.AlignedUMAP` moves the points of all moments together and pulls each towards itself in the
    moments beside it, the more, the more of its neighbours it has in both. That costs a little
    faithfulness. Its min_dist is 0.1, it has no other.

    Args:
        embeddings: float32 [E, N, D], unit length; the same images in the same order, E >= 2.
        n_neighbors: neighbours that a point is kept near to, 2 to N - 1.
        seed: of UMAP's random numbers.
        like: float32 [N, 2], a map that the first one is `aligned` with; the others are turned and
            scaled with it.
        cache: as in `umap_map`.

    Returns:
        float32 [E, N, 2].

    Raises:
        ValueError: another shape, fewer than 4 images, or n_neighbors out of range.
    """
    embeddings = finite("embeddings", array("embeddings", embeddings))
    if embeddings.ndim != 3 or len(embeddings) < 2:
        raise ValueError(
            f"embeddings are {embeddings.shape}; (moments, images, dimensions) is needed, with 2 "
            "moments or more."
        )
    embeddings = _points("embeddings", embeddings, 3)
    moments, images, _ = embeddings.shape
    if images < 4:
        raise ValueError(f"There are {images} images; aligned UMAP needs 4 or more.")
    _check_neighbors(n_neighbors, images)
    like = _like(like, images)
    check_seed(seed, 2**32 - 1)
    settings = _ALIGNMENT | {
        "n_neighbors": n_neighbors,
        "random_state": seed,
        "transform_seed": seed,
    }
    maps_EN2 = kept_array(
        _place(cache, embeddings, None, settings),
        (moments, images, 2),
        lambda: _compute_sequence(embeddings, settings),
    )
    return maps_EN2 if like is None else aligned(maps_EN2, like)


def aligned(coordinates: NDArray[np.float32], like: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn or mirror a map [N, 2] onto another as well as it can, and give it the same size.

    The rotation is the one with the least squared distance (orthogonal Procrustes). Its scale is
    not: that shrinks a map the more, the less it resembles the other. Both get the same mean and
    the same root mean square distance from it. Of several maps [E, N, 2] the first is laid onto the
    other so, and the rest follow it.

    Raises:
        ValueError: other shapes, or points that all lie in one place.
    """
    like = _points("like", like)
    coordinates = array("coordinates", coordinates)
    coordinates = _points("coordinates", coordinates, max(2, min(3, coordinates.ndim)))
    if coordinates.shape[-2:] != like.shape:
        raise ValueError(
            f"coordinates are {coordinates.shape}; like is {like.shape}, and both must be [N, 2], "
            "or the first several of these."
        )
    first = coordinates.reshape(-1, *like.shape)[0]
    center, target = first.mean(axis=0), like.mean(axis=0)
    rotation, _ = orthogonal_procrustes(first - center, like - target)
    spread = np.linalg.norm(first - center)
    if not spread > 0:
        raise ValueError("All points of coordinates lie in one place, and cannot be turned.")
    size = np.linalg.norm(like - target) / spread
    turned: NDArray[np.float32] = (coordinates - center) @ rotation * size + target
    return turned.astype(np.float32)


def pca_map(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project embeddings [N, D] on the two directions in which they vary most, [N, 2].

    A linear map: unlike UMAP's, its distances are never larger than the real ones.

    Raises:
        ValueError: no points of at least two dimensions, or values that are not finite.
    """
    embeddings = _points("embeddings", embeddings)
    if embeddings.shape[1] < 2:
        raise ValueError(f"embeddings are {embeddings.shape}; at least 2 dimensions are needed.")
    centered_ND = embeddings - embeddings.mean(axis=0)
    directions_DD = np.linalg.svd(centered_ND, full_matrices=False)[2]
    coordinates: NDArray[np.float32] = centered_ND @ directions_DD[:2].T
    return coordinates.astype(np.float32)


def neighbors(points: NDArray[np.float32], k: int = 10) -> NDArray[np.int64]:
    """Return the places of the k nearest other points of each, nearest first, int64 [N, K].

    Args:
        points: float [N, D], embeddings or a map of them.
        k: in [1, N).

    Raises:
        ValueError: k out of range.
    """
    points = _points("points", points, most=np.inf)
    if not is_whole(k, 1, len(points) - 1):
        raise ValueError(f"k is {k}; {len(points)} points have 1 to {len(points) - 1} neighbours.")
    from sklearn.neighbors import NearestNeighbors

    found: NDArray[np.int64] = (
        NearestNeighbors(n_neighbors=k).fit(tamed(points)[1][0]).kneighbors(return_distance=False)
    )
    return found


def faithfulness(
    embeddings: NDArray[np.float32], coordinates: NDArray[np.float32], k: int = 10
) -> _Faithfulness:
    """Compare neighbourhoods on a map with those among the embeddings.

    Args:
        embeddings: float32 [N, D].
        coordinates: float32 [N, 2], the map.
        k: K, below N / 2.

    Raises:
        ValueError: k out of range.
    """
    embeddings = _points("embeddings", embeddings, most=np.inf)
    coordinates = _points("coordinates", coordinates, most=np.inf)
    if len(coordinates) != len(embeddings):
        raise ValueError(f"The map has {len(coordinates)} points for {len(embeddings)} embeddings.")
    if not is_whole(k, 1) or 2 * k >= len(embeddings):
        raise ValueError(f"k is {k!r}; {len(embeddings)} points allow 1 to less than half of them.")
    from sklearn.manifold import trustworthiness

    pairs = zip(neighbors(embeddings, k), neighbors(coordinates, k), strict=True)
    shared = [len(np.intersect1d(true_K, shown_K)) for true_K, shown_K in pairs]
    (true_ND,), (shown_N2,) = tamed(embeddings)[1], tamed(coordinates)[1]
    trust = trustworthiness(true_ND, shown_N2, n_neighbors=k)
    return _Faithfulness(float(trust), float(np.mean(shared)) / k)


def _points(name: str, given: Any, dims: int = 2, most: float = _MOST) -> NDArray[Any]:
    """Return points [N, D], or several such tables; refuse what is none, not finite, or too far."""
    found = finite(name, array(name, given))
    if found.ndim != dims or 0 in found.shape:
        raise ValueError(f"{name} are {found.shape}; {dims} dimensions are needed, none empty.")
    if (reach := float(np.abs(found).max())) > most:
        raise ValueError(f"{name} reach {reach:g}; {most:g} is the most on a map.")
    return found if found.dtype in (np.float32, np.float64) else found.astype(np.float32)


def _check_neighbors(n_neighbors: int, images: int) -> None:
    if not is_whole(n_neighbors, 2, images - 1):
        raise ValueError(
            f"n_neighbors is {n_neighbors}; with {images} images it can be 2 to {images - 1}."
        )


def _like(like: Any, images: int, dims: int = 2) -> NDArray[np.float32] | None:
    """Return a map to be like, or None; refuse one of another shape."""
    if like is None:
        return None
    found = _points("like", like)
    if found.shape != (images, dims):
        raise ValueError(f"like is {found.shape}; it must be {(images, dims)}.")
    if not np.ptp(found, axis=0).all():
        raise ValueError("like has all points on a line; a map needs two directions.")
    return found


def _compute(
    embeddings: NDArray[np.float32],
    like: NDArray[np.float32] | None,
    settings: dict[str, Any],
    progress: bool,
) -> NDArray[np.float32]:
    with warnings.catch_warnings():  # umap tells on import that it does without tensorflow
        warnings.simplefilter("ignore", ImportWarning)
        import umap  # here, because it takes seconds and a cached map needs none of it

    # A seed makes UMAP work on one thread; asking for one thread keeps it from warning about that.
    start = _start(len(embeddings), settings.get("n_components", 2)) if like is None else like
    bar = {"desc": "UMAP", "unit": "round", "disable": not progress}  # verbose would also print
    coordinates = umap.UMAP(init=start, n_jobs=1, tqdm_kwds=bar, **settings).fit_transform(
        embeddings
    )
    return coordinates if like is None else aligned(coordinates, like)


def _start(images: int, dims: int) -> str:
    """How the points lie at first; a few have too few directions for the spectrum of a graph."""
    return "spectral" if images > dims + 1 else "random"


def _compute_sequence(
    embeddings_END: NDArray[np.float32], settings: dict[str, Any]
) -> NDArray[np.float32]:
    with warnings.catch_warnings():
        # On import as above; then that a seed means one thread, and that numba found nothing to do
        # in parallel. AlignedUMAP offers no way to ask for that.
        warnings.simplefilter("ignore")
        import umap

        itself = {i: i for i in range(embeddings_END.shape[1])}
        relations = [itself] * (len(embeddings_END) - 1)
        fitted = umap.AlignedUMAP(**settings).fit(list(embeddings_END), relations=relations)
    return np.stack([np.asarray(map_N2) for map_N2 in fitted.embeddings_])


def _place(
    cache: Path | None,
    embeddings: NDArray[np.float32],
    like: NDArray[np.float32] | None,
    settings: dict[str, Any],
) -> Path:
    digest = hashlib.blake2b(repr((embeddings.shape, sorted(settings.items()))).encode())
    for given in (embeddings, like):
        digest.update(b"" if given is None else np.ascontiguousarray(given).tobytes())
    return (cache or cache_dir() / "maps") / f"{digest.hexdigest()[:32]}.npy"
