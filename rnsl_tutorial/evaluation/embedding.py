"""How good an embedding is, and how well a method finds the wrong labels.

Embeddings and labels come as torch tensors or numpy arrays. Distances are Euclidean; between
embeddings of unit length they rank images as the cosine does.

Shapes: N images in the index, Q queries, K neighbors, D embedding dimensions, C classes.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import (
    normalized_mutual_info_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import weighted_mode
from torch import Tensor

from rnsl_tutorial._arrays import array, check_seed, is_whole, tamed

__all__ = [
    "class_accuracy",
    "clustering_nmi",
    "flip_detection",
    "knn_accuracy",
    "knn_predict",
    "map_at_r",
    "nearest_neighbors",
    "precision_at_k",
    "prototype_accuracy",
]

_Numpy: TypeAlias = npt.NDArray[Any]
_Array: TypeAlias = Tensor | _Numpy

_BLOCK_BYTES = 64 * 2**20  # the largest table of distances or of neighbors held at a time


class _Neighbors(NamedTuple):
    """The nearest images of each query, nearest first."""

    distances: npt.NDArray[np.float64]  # float64 [Q, K]
    positions: npt.NDArray[np.int64]  # int64 [Q, K], rows of the index


class _FlipDetection(NamedTuple):
    """How well a method finds the wrong labels; each value in [0, 1] or NaN."""

    precision: float
    recall: float
    auroc: float


# ------------------------------------------------------------------ neighbors


def nearest_neighbors(index_embeddings: _Array, queries: _Array, k: int) -> _Neighbors:
    """Return the k nearest index images of each query, by Euclidean distance.

    On the CPU this is scikit-learn's NearestNeighbors, whose memory is bounded. Where the index is
    a tensor on an accelerator, distances are computed there, in blocks of _BLOCK_BYTES, in float64
    (float32 on Apple's MPS, which has no float64).

    Which of several images at exactly the same distance are among the k, and in which order, is not
    defined.

    Args:
        index_embeddings: float [N, D], finite.
        queries: float [Q, D], finite.
        k: in [1, N].

    Raises:
        ValueError: shapes that disagree, values that are not finite, or k out of range.
    """
    index, asked = (
        _checked_embeddings(name, given)
        for name, given in (("index_embeddings", index_embeddings), ("queries", queries))
    )
    _check_search(index, asked, k)
    if isinstance(index, Tensor):
        return _nearest_in_blocks(index, torch.as_tensor(asked), k)
    # scikit-learn's memory is bounded only where both are float32 or both float64.
    both = index, array("queries", asked)
    given = (found.astype(np.result_type(*both, np.float32), copy=False) for found in both)
    scale, (index_ND, queries_QD) = tamed(*given)
    distances_QK, positions_QK = (
        NearestNeighbors(n_neighbors=k).fit(index_ND).kneighbors(queries_QD)
    )
    with np.errstate(over="ignore"):
        return _Neighbors(distances_QK * scale, positions_QK)


def _nearest_in_blocks(index_ND: Tensor, queries_QD: Tensor, k: int) -> _Neighbors:
    # cdist without matrix products: a difference of equal points is exactly 0.
    dtype = torch.float32 if index_ND.device.type == "mps" else torch.float64
    index_ND = index_ND.detach().to(dtype)
    blocks = []
    for block_BD in torch.split(queries_QD.detach(), _rows_per_block(len(index_ND))):
        distances_BN = torch.cdist(
            block_BD.to(index_ND), index_ND, compute_mode="donot_use_mm_for_euclid_dist"
        )
        blocks.append(distances_BN.topk(k, dim=1, largest=False))
    distances_QK = torch.cat([block.values for block in blocks])
    positions_QK = torch.cat([block.indices for block in blocks])
    return _Neighbors(distances_QK.cpu().double().numpy(), positions_QK.cpu().numpy())


def _rows_per_block(columns: int) -> int:
    """Return how many rows of 8-byte numbers _BLOCK_BYTES hold; at least one."""
    return max(1, _BLOCK_BYTES // (8 * columns))


# ------------------------------------------------------------------ k-NN classification


def knn_predict(
    index_embeddings: _Array, index_labels: _Array, queries: _Array, *, k: int = 10
) -> Tensor:
    """Classify queries by their k nearest index images, each voting with 1 / distance.

    The predictions are those of scikit-learn's ``KNeighborsClassifier(k, weights="distance")``:
    where images lie at distance 0, only they vote; the smallest class wins a tie.

    Two things are not defined, and matter where labels of equally distant images disagree: which
    of these images are among the k; and, above 15 dimensions, how scikit-learn rounds (by about
    1e-8 of an embedding's length, so that a copy of the query may lie at distance 1e-8). On the CPU
    the neighbors are scikit-learn's own and these choices agree too. On an accelerator copies lie
    at distance 0, and the choice among equals is its own.

    Args:
        index_embeddings: float [N, D], finite.
        index_labels: integers [N].
        queries: float [Q, D], finite.
        k: number of neighbors, in [1, N].

    Returns:
        int64 [Q], on the device of index_embeddings.

    Raises:
        ValueError: shapes that disagree, values that are not finite, or k out of range.
    """
    index_embeddings = _checked_embeddings("index_embeddings", index_embeddings)
    labels_N = _checked_labels("index_labels", index_labels, len(index_embeddings))
    distances_QK, positions_QK = nearest_neighbors(index_embeddings, queries, k)
    predicted_Q = torch.from_numpy(_vote(labels_N[positions_QK], distances_QK))
    on_tensor = isinstance(index_embeddings, Tensor)
    return predicted_Q.to(index_embeddings.device) if on_tensor else predicted_Q


def knn_accuracy(
    index_embeddings: _Array,
    index_labels: _Array,
    queries: _Array,
    query_labels: _Array,
    *,
    k: int = 10,
) -> float:
    """Return the share of queries that knn_predict gives their own label.

    Args:
        index_embeddings: float [N, D], finite.
        index_labels: integers [N]; noisy ones show what a user of a noisy archive gets.
        queries: float [Q, D], finite.
        query_labels: integers [Q], the right ones.
        k: number of neighbors, in [1, N].

    Raises:
        ValueError: shapes that disagree, values that are not finite, or k out of range.
    """
    queries = _checked_embeddings("queries", queries)
    labels_Q = _checked_labels("query_labels", query_labels, len(queries))
    predicted_Q = knn_predict(index_embeddings, index_labels, queries, k=k)
    return float((predicted_Q.cpu().numpy() == labels_Q).mean())


def prototype_accuracy(embeddings: _Array, prototypes: _Array, labels: _Array) -> float:
    """Return the share of images whose nearest prototype, by cosine, is that of their label.

    Args:
        embeddings: float [N, D], finite, of any length.
        prototypes: float [C, D], finite, of any length, in class order.
        labels: integers [N] in [0, C).

    Raises:
        ValueError: shapes that disagree, values that are not finite, or labels without a prototype.
    """
    embeddings, labels_N = _checked_pair(embeddings, labels)
    prototypes = _checked_embeddings("prototypes", prototypes)
    _check_dimensions("prototypes", prototypes, "embeddings", embeddings)
    if labels_N.min() < 0 or labels_N.max() >= len(prototypes):
        raise ValueError(
            f"labels run from {labels_N.min()} to {labels_N.max()}; {len(prototypes)} prototypes "
            f"allow 0 to {len(prototypes) - 1}."
        )
    unit_ND, unit_CD = (
        normalize(tamed(array(name, given))[1][0])
        for name, given in (("embeddings", embeddings), ("prototypes", prototypes))
    )
    nearest_N = nearest_neighbors(unit_CD, unit_ND, k=1).positions[:, 0]
    return float((nearest_N == labels_N).mean())


def class_accuracy(predicted: _Array, labels: _Array, num_classes: int) -> npt.NDArray[np.float64]:
    """Return for each class the share of its images that are given their own label (the recall).

    Args:
        predicted: integers [N], what a classifier says, such as `knn_predict`.
        labels: integers [N] in [0, C), the right ones.
        num_classes: C.

    Returns:
        float64 [C], in [0, 1]; NaN for a class without images.

    Raises:
        ValueError: shapes that disagree, or labels outside [0, C).
    """
    labels_N = _checked_labels("labels", labels)
    predicted_N = _checked_labels("predicted", predicted, len(labels_N))
    if not is_whole(num_classes, 1, 2**24):
        raise ValueError(f"num_classes is {num_classes!r}; give a whole number from 1 to 2**24.")
    if labels_N.size and not 0 <= labels_N.min() <= labels_N.max() < num_classes:
        raise ValueError(
            f"labels run from {labels_N.min()} to {labels_N.max()}; {num_classes} classes allow 0 "
            f"to {num_classes - 1}."
        )
    share_C: npt.NDArray[np.float64] = recall_score(
        labels_N, predicted_N, labels=range(num_classes), average=None, zero_division=np.nan
    )
    return share_C


def _vote(labels_QK: _Numpy, distances_QK: _Numpy) -> npt.NDArray[np.int64]:
    """Return the class with the largest sum of 1 / distance; the smallest class wins a tie."""
    with np.errstate(divide="ignore", over="ignore"):
        weights_QK = 1.0 / distances_QK
    infinite_QK = np.isinf(weights_QK)
    certain_Q = infinite_QK.any(axis=1)
    weights_QK[certain_Q] = infinite_QK[certain_Q]
    winners_Q1, _ = weighted_mode(labels_QK, weights_QK, axis=1)
    winners: npt.NDArray[np.int64] = winners_Q1[:, 0].astype(np.int64)
    return winners


# ------------------------------------------------------------------ retrieval and clustering


def precision_at_k(embeddings: _Array, labels: _Array, *, k: int = 10) -> float:
    """Return how many of an image's k nearest others share its label: the mean share.

    Every image is a query against all others.

    Args:
        embeddings: float [N, D], finite.
        labels: integers [N].
        k: in [1, N - 1].

    Raises:
        ValueError: shapes that disagree, values that are not finite, or k out of range.
    """
    embeddings, labels_N = _checked_pair(embeddings, labels)
    hits = sum(
        int((ranked_BK == labels_B[:, None]).sum())
        for labels_B, ranked_BK in _ranked_labels(embeddings, labels_N, k)
    )
    return hits / (len(labels_N) * k)


def map_at_r(embeddings: _Array, labels: _Array) -> float:
    """Mean average precision at R (Musgrave et al., "A Metric Learning Reality Check", ECCV 2020).

    Every image is a query against all others. R is the number of other images with its label, and

        MAP@R = mean over images of 1/R sum_{i=1..R} P(i) * [the i-th nearest has its label]

    with P(i) the share of its label among the i nearest. Images without a partner (R = 0) are left
    out of the mean.

    This is pytorch-metric-learning's ``mean_average_precision_at_r`` in blocks of bounded memory;
    theirs holds several tables of N images x R ranks at once.

    Args:
        embeddings: float [N, D], finite.
        labels: integers [N], at least two of them equal.

    Raises:
        ValueError: shapes that disagree, values that are not finite, or no two labels equal.
    """
    embeddings, labels_N = _checked_pair(embeddings, labels)
    classes, counts = np.unique(labels_N, return_counts=True)
    if counts.max() < 2:
        raise ValueError("No two labels are equal; MAP@R needs a class with at least two images.")
    total = 0.0
    for labels_B, ranked_BK in _ranked_labels(embeddings, labels_N, int(counts.max()) - 1):
        relevant_B = counts[np.searchsorted(classes, labels_B)] - 1
        total += _average_precision_at_r(ranked_BK == labels_B[:, None], relevant_B).sum()
    return float(total / counts[counts > 1].sum())


def _average_precision_at_r(same_BK: _Numpy, relevant_B: _Numpy) -> _Numpy:
    """Return one value per query, 0 for a query without a partner."""
    rank_K = np.arange(1, same_BK.shape[1] + 1)
    hit_BK = same_BK & (rank_K <= relevant_B[:, None])
    precision_BK = hit_BK.cumsum(axis=1) / rank_K
    average: _Numpy = (precision_BK * hit_BK).sum(axis=1) / np.maximum(relevant_B, 1)
    return average


def _ranked_labels(embeddings: _Array, labels_N: _Numpy, k: int) -> Iterator[tuple[_Numpy, _Numpy]]:
    """Yield, block by block, the images' labels [B] and those of their k nearest others [B, K]."""
    if not is_whole(k, 1, len(labels_N) - 1):
        raise ValueError(
            f"k is {k}; an image among {len(labels_N)} has {len(labels_N) - 1} others, so k may be "
            f"1 to {len(labels_N) - 1}."
        )
    rows = _rows_per_block(k + 1)
    for start in range(0, len(labels_N), rows):
        block = slice(start, start + rows)
        found_BK = nearest_neighbors(embeddings, embeddings[block], k + 1).positions
        yield labels_N[block], labels_N[_without_self(found_BK, start)]


def _without_self(positions_BK: _Numpy, start: int) -> _Numpy:
    """Drop each image from its own neighbors, or the last one where duplicates crowded it out."""
    is_self = positions_BK == np.arange(start, start + len(positions_BK))[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    others: _Numpy = positions_BK[~is_self].reshape(len(positions_BK), -1)
    return others


def clustering_nmi(embeddings: _Array, labels: _Array, *, seed: int) -> float:
    """Return how far k-means finds the classes again: normalized mutual information, in [0, 1].

    scikit-learn's KMeans with as many clusters as there are classes, the best of 10 starts.

    Args:
        embeddings: float [N, D], finite.
        labels: integers [N].
        seed: of k-means, in [0, 2**32).

    Raises:
        ValueError: shapes that disagree, or values that are not finite.
    """
    embeddings, labels_N = _checked_pair(embeddings, labels)
    check_seed(seed, 2**32 - 1)
    _, (tamed_ND,) = tamed(array("embeddings", embeddings))
    kmeans = KMeans(len(np.unique(labels_N)), n_init=10, random_state=seed)
    return float(normalized_mutual_info_score(labels_N, kmeans.fit_predict(tamed_ND)))


# ------------------------------------------------------------------ finding the wrong labels


def flip_detection(score: _Array, flipped: _Array, flagged: _Array) -> _FlipDetection:
    """Compare what a method says about each label with the flips that were planted.

    Precision is the share of flagged labels that are wrong: NaN where nothing is flagged. Recall is
    the share of wrong labels that are flagged: NaN where none is wrong. AUROC is the probability
    that a wrong label scores higher than a right one: NaN where all are wrong or all are right.

    Args:
        score: float [N], finite, higher where a label is more doubtful, such as the loss.
        flipped: bool [N], labels that are wrong.
        flagged: bool [N], labels that the method calls wrong.

    Raises:
        ValueError: shapes that disagree, masks that are not bool, or scores that are not finite.
    """
    named = {"score": score, "flipped": flipped, "flagged": flagged}
    score_N, flipped_N, flagged_N = (array(name, given) for name, given in named.items())
    if not (score_N.ndim == 1 and score_N.shape == flipped_N.shape == flagged_N.shape):
        raise ValueError(
            f"score, flipped and flagged have shapes {score_N.shape}, {flipped_N.shape} and "
            f"{flagged_N.shape}; give one value per image, [N] each."
        )
    if flipped_N.dtype != bool or flagged_N.dtype != bool:
        raise ValueError(
            f"flipped and flagged have types {flipped_N.dtype} and {flagged_N.dtype}; give bool "
            "masks."
        )
    if not np.isfinite(score_N).all():
        raise ValueError("score holds NaN or infinite values; give a finite score per image.")
    both = bool(flipped_N.any()) and not bool(flipped_N.all())
    return _FlipDetection(
        precision=float(precision_score(flipped_N, flagged_N, zero_division=np.nan)),
        recall=float(recall_score(flipped_N, flagged_N, zero_division=np.nan)),
        auroc=float(roc_auc_score(flipped_N, score_N)) if both else float("nan"),
    )


# ------------------------------------------------------------------ conversions and checks


def _check_search(index_embeddings: _Array, queries: _Array, k: int) -> None:
    _check_dimensions("index_embeddings", index_embeddings, "queries", queries)
    if not is_whole(k, 1, len(index_embeddings)):
        raise ValueError(
            f"k is {k}; an index of {len(index_embeddings)} images allows 1 to "
            f"{len(index_embeddings)}. Ask for fewer neighbors, or index more images."
        )


def _check_dimensions(name: str, embeddings: _Array, other_name: str, others: _Array) -> None:
    if embeddings.shape[1] != others.shape[1]:
        raise ValueError(
            f"{name} have {embeddings.shape[1]} dimensions, {other_name} have {others.shape[1]}; "
            "both must come from the same network."
        )


def _checked_embeddings(name: str, given: _Array) -> _Array:
    """Return embeddings as they lie on an accelerator, or else in numpy; refuse what are none."""
    if not isinstance(given, Tensor) or given.device.type in ("cpu", "meta") or given.is_sparse:
        given = array(name, given)
    if given.ndim != 2 or 0 in given.shape:
        raise ValueError(
            f"{name} have shape {tuple(given.shape)}; give [images, dimensions], at least one of "
            "each."
        )
    isfinite = torch.isfinite if isinstance(given, Tensor) else np.isfinite
    if not isfinite(given).all():  # type: ignore[arg-type]
        raise ValueError(
            f"{name} hold NaN or infinite values; the training has diverged, or the input has such "
            "values."
        )
    return given


def _checked_pair(embeddings: _Array, labels: _Array) -> tuple[_Array, npt.NDArray[np.int64]]:
    """Check and return both."""
    embeddings = _checked_embeddings("embeddings", embeddings)
    return embeddings, _checked_labels("labels", labels, len(embeddings))


def _checked_labels(name: str, labels: _Array, count: int | None = None) -> npt.NDArray[np.int64]:
    given = array(name, labels)
    count = given.size if count is None else count
    if given.dtype.kind not in "iu" or given.shape != (count,):
        raise ValueError(
            f"{name} have shape {given.shape} and type {given.dtype}; {count} embeddings need "
            f"integers of shape ({count},)."
        )
    return given.astype(np.int64, copy=False)
