"""Near duplicates with different labels: of each pair one is wrong, or nobody could tell.

Shapes: N images, M of them in one part, F features, D directions, P pairs.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._arrays import block
from rnsl_tutorial.noise import Labels

__all__ = ["near_duplicates"]

_ALIKE = 0.9  # cosine of standardised features
_MARGIN = 0.05  # by which D directions may say less
_DIRECTIONS, _TREES, _PART = 64, 4, 2048
_MOST = 200  # pairs
_ROWS = 4096  # of features that are looked at together

_Floats = NDArray[np.float32]
_Places = NDArray[np.int64]


def near_duplicates(features_NF: _Floats, labels_N: Labels, *, seed: int = 0) -> _Places:
    """Find images that look the same, and have different labels.

    Pairs whose standardised features x, y have a cosine x . y / (|x| |y|) of at least 0.9, the most
    alike first, at most 200. Up to 2,048 images all are compared. More are divided in halves by
    random directions until no part has more, four times, and those of a part are compared: the time
    grows as N log N. A pair falls apart the more seldom, the more alike it is. Candidates are found
    in 64 random directions, and then compared in all features.

    Args:
        features_NF: float32 [N, F].
        labels_N: int64 [N].
        seed: of the directions.

    Returns:
        int64 [P, 2], the smaller place of each pair first.
    """
    rng = np.random.default_rng(seed)
    mean_F, scale_F = _moments(features_NF)
    turn_FD = rng.standard_normal((features_NF.shape[1], _DIRECTIONS), dtype=np.float32)

    def standardised(found_MF: _Floats) -> _Floats:
        made_MF: _Floats = (found_MF - mean_F) / scale_F
        return made_MF

    blocks = (block(features_NF, at, _ROWS) for at in range(0, len(features_NF), _ROWS))
    z_ND = _unit(np.concatenate([standardised(rows) @ turn_FD for rows in blocks]))
    pairs_P2 = np.unique(np.concatenate([*_candidates(z_ND, labels_N, rng)]), axis=0)
    cosine_P = np.concatenate([
        (_unit(standardised(features_NF[a_M])) * _unit(standardised(features_NF[b_M]))).sum(axis=1)
        for a_M, b_M in (part.T for part in np.array_split(pairs_P2, len(pairs_P2) // _ROWS + 1))
    ])  # fmt: skip
    order_P = np.argsort(-cosine_P, kind="stable")[:_MOST]
    return pairs_P2[order_P[cosine_P[order_P] >= _ALIKE]]


def _moments(features_NF: _Floats) -> tuple[_Floats, _Floats]:
    """Mean and standard deviation of each feature, some thousand images at a time."""
    sums_F, squares_F = np.zeros((2, features_NF.shape[1]))
    for at in range(0, len(features_NF), _ROWS):
        rows_MF = block(features_NF, at, _ROWS).astype(np.float64)
        sums_F += rows_MF.sum(axis=0)
        squares_F += np.square(rows_MF).sum(axis=0)
    mean_F = sums_F / len(features_NF)
    scale_F = np.sqrt((squares_F / len(features_NF) - mean_F**2).clip(0)) + 1e-12
    return mean_F.astype(np.float32), scale_F.astype(np.float32)


def _unit(x_MD: _Floats) -> _Floats:
    unit_MD: _Floats = x_MD / (np.linalg.norm(x_MD, axis=1, keepdims=True) + 1e-12)
    return unit_MD


def _candidates(z_ND: _Floats, labels_N: Labels, rng: np.random.Generator) -> Iterator[_Places]:
    """Yield pairs [P, 2] that are alike in a few directions, and have different labels."""
    for _ in range(_TREES if len(z_ND) > _PART else 1):
        for places_M in _parts(z_ND, rng):
            labels_M = labels_N[places_M]
            cosine_MM = z_ND[places_M] @ z_ND[places_M].T
            close_MM = (cosine_MM >= _ALIKE - _MARGIN) & (labels_M[:, None] != labels_M)
            a_P, b_P = np.nonzero(np.triu(close_MM))
            best_P = np.argsort(-cosine_MM[a_P, b_P], kind="stable")[: 4 * _MOST]
            yield np.sort(np.stack([places_M[a_P[best_P]], places_M[b_P[best_P]]], axis=1), axis=1)


def _parts(z_ND: _Floats, rng: np.random.Generator) -> Iterator[_Places]:
    """Divide images by random directions; what is equal stays together, as far as it fits."""
    todo = [np.arange(len(z_ND))]
    while todo:
        places_M = todo.pop()
        along_M = z_ND[places_M] @ rng.standard_normal(z_ND.shape[1], dtype=np.float32)
        left_M = along_M <= np.median(along_M)
        if len(places_M) <= _PART:
            yield places_M
        elif left_M.all():
            yield from np.array_split(places_M, -(-len(places_M) // _PART))
        else:
            todo += [places_M[left_M], places_M[~left_M]]
