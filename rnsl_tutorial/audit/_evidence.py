"""Three witnesses of what an image shows, none of which was told its label: for `scores`.

Shapes: N images, F features, D principal components, C classes, k neighbours, B images at a time,
R images that may be neighbours.
"""

import math
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from torch import Tensor
from torch.nn.functional import normalize

from rnsl_tutorial._arrays import block, tamed
from rnsl_tutorial.experiments.heads import one_thread

__all__: list[str] = []

NEIGHBOURS = 20
_MOST_COMPONENTS, _LEAST_COMPONENTS = 256, 32
_AT_ONCE = 2048  # images: 2048 x 20,000 similarities take 160 MB
_MOST_SEEN = 20_000
"""Images that may be neighbours, so that the time grows with N and not its square."""
FEW = 6
"""Of a class with fewer images, nothing can be said."""
_LEAST_REPEATS, _MOST_REPEATS, _IMAGES_JUDGED = 2, 6, 20_000


def repeats_for(num_images: int) -> int:
    """Return R, how often an archive of N images is divided anew: from 6, if it is small, to 2."""
    return int(np.clip(_IMAGES_JUDGED // max(num_images, 1), _LEAST_REPEATS, _MOST_REPEATS))


def components_for(num_images: int) -> int:
    """Return D, how many principal components so many images can tell apart: 2 sqrt(N)."""
    return int(np.clip(2 * num_images**0.5, _LEAST_COMPONENTS, _MOST_COMPONENTS))


def principal(features: NDArray[np.floating]) -> Tensor:
    """Return the first D principal components of features, of mean square 1: float32 [N, D].

    Some thousand rows at a time, so that of a memory map few are in memory; by torch, which can be
    held to one thread: the last bits of scikit-learn's depend on the number of cores.
    """
    if features.dtype == np.float64:
        _, (features,) = tamed(features)
    count, width = features.shape
    starts = range(0, count, _AT_ONCE)
    with one_thread():
        mean_F = torch.zeros(width, dtype=torch.float64)
        for start in starts:
            mean_F += _rows(features, start).sum(dim=0) / count
        cover_FF = torch.zeros(width, width, dtype=torch.float64)
        for start in starts:
            centred_BF = _rows(features, start) - mean_F
            cover_FF += centred_BF.T @ centred_BF / count
        variance_F, axes_FF = torch.linalg.eigh(cover_FF)  # the largest come last
        dim = min(components_for(count), width)
        axes_FD = axes_FF[:, -dim:].flip(1) / variance_F[-dim:].mean().sqrt()
        found_ND = torch.empty(count, dim)
        for start in starts:
            found_ND[start : start + _AT_ONCE] = (_rows(features, start) - mean_F) @ axes_FD
        return found_ND


def _rows(features: NDArray[np.floating], start: int) -> Tensor:
    return torch.from_numpy(block(features, start, _AT_ONCE)).double()


def neighbours(
    inputs_ND: Tensor, labels_N: NDArray[np.int64], num_classes: int, seed: int
) -> NDArray[np.float32]:
    """Return the share of each class among the k images that look the most alike: [N, C].

    k-NN by cosine similarity, each neighbour weighted by it; no image is its own neighbour. A class
    with fewer than k others is weighted as if it could fill all k places. Above 20,000 images,
    those that may be neighbours are drawn from all.
    """
    count = len(labels_N)
    rng = np.random.default_rng([seed, 2])
    seen_R = np.sort(rng.permutation(count)[:_MOST_SEEN])
    labels_R, places_R = torch.from_numpy(labels_N[seen_R]), torch.from_numpy(seen_R)
    unit_RD = normalize(inputs_ND[places_R], dim=1)
    found_NC = torch.zeros(count, num_classes)
    with one_thread():
        for start in range(0, count, _AT_ONCE):
            places_B = torch.arange(start, min(start + _AT_ONCE, count))
            alike_BR = normalize(inputs_ND[places_B], dim=1) @ unit_RD.T
            alike_BR.masked_fill_(places_B[:, None] == places_R, -2)
            weight_Bk, at_Bk = alike_BR.topk(min(NEIGHBOURS, len(seen_R) - 1), dim=1)
            found_NC[places_B] = found_NC[places_B].scatter_add(
                1, labels_R[at_Bk], weight_Bk.clamp_min(1e-3)
            )
    most_C = (torch.bincount(labels_R, minlength=num_classes) - 1).clamp(1, NEIGHBOURS)
    found_NC /= most_C
    return (found_NC / found_NC.sum(dim=1, keepdim=True)).numpy()


def discriminant(
    inputs_ND: Tensor,
    labels_N: NDArray[np.int64],
    num_classes: int,
    divisions: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> NDArray[np.float32]:
    """Return p of each class by linear discriminant analysis, out of fold: [N, C].

    The classes are normal distributions of one covariance, which is shrunk towards a multiple of
    the identity (Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance
    matrices", Journal of Multivariate Analysis 2004). Of more than 20,000 images to train on, every
    second, third, ... tells the covariance; all tell the means.
    """
    found_NC = torch.zeros(len(labels_N), num_classes)
    given_N = torch.from_numpy(labels_N)
    with one_thread():
        for trained, held in divisions:
            weights_DC, bias_C = _fitted(inputs_ND[trained], given_N[trained], num_classes)
            found_NC[held] = (inputs_ND[held].double() @ weights_DC + bias_C).softmax(1).float()
    return found_NC.numpy()


def _fitted(inputs_MD: Tensor, labels_M: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Weights [D, C] and biases [C] of the log probabilities."""
    count_C = torch.bincount(labels_M, minlength=num_classes).double()
    mean_CD = torch.zeros(num_classes, inputs_MD.shape[1], dtype=torch.float64)
    for start in range(0, len(labels_M), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        mean_CD.index_add_(0, labels_M[part], inputs_MD[part].double())
    mean_CD /= count_C.clamp_min(1)[:, None]
    some = slice(None, None, math.ceil(len(labels_M) / _MOST_SEEN))
    rest_RD = inputs_MD[some].double() - mean_CD[labels_M[some]]
    shrinkage = ledoit_wolf(rest_RD.numpy(), assume_centered=True)[1]
    cover_DD = rest_RD.T @ rest_RD / len(rest_RD)
    even_DD = cover_DD.diagonal().mean() * torch.eye(len(cover_DD), dtype=torch.float64)
    weights_DC = torch.linalg.solve((1 - shrinkage) * cover_DD + shrinkage * even_DD, mean_CD.T)
    bias_C = (count_C / count_C.sum()).log() - (mean_CD.T * weights_DC).sum(dim=0) / 2
    return weights_DC, bias_C
