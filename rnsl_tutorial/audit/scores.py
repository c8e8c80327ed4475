"""Rank the labels of an archive by doubt: t-RNSL heads that never saw the image they judge.

Shapes: N images, F features, D principal components, C classes, M images that a head never saw.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial._arrays import check_seed, is_whole, labels_in, takes, tamed
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.heads import build_head, build_loss, one_thread
from rnsl_tutorial.training import embed, train

__all__ = [
    "REPEATS",
    "Scores",
    "divisions",
    "from_probabilities",
    "out_of_fold",
    "recipe_for",
    "score_labels",
]

_RECIPE = Config(loss="trnsl", epochs=15, hidden_dim=256, learning_rate=0.03, k=0.05)
"""Settings of each head, see `score_labels` for what differs from the defaults and why."""
_BATCHES = 24
"""Batches that an archive is cut into at least, down to `_SMALLEST_BATCH`: with fewer steps an
epoch the heads of a small archive would not learn its rare classes."""
_SMALLEST_BATCH = 32
REPEATS = 2
"""Divisions into folds, each with heads of its own, whose probabilities are averaged."""
_DIMENSIONS = 256
"""Principal components that wider features are reduced to."""
_JOBS = 2
"""Heads trained at a time, each on one thread; the scores do not depend on it."""


class Scores(NamedTuple):
    """How doubtful each label is.

    Attributes:
        doubt: float32 [N] in [0, 1]; the higher, the more doubtful the given label.
        suggested: int64 [N], the likeliest class; the given label where nothing speaks against it.
        probabilities: float32 [N, C], out of fold; rows sum to 1.
    """

    doubt: NDArray[np.float32]
    suggested: NDArray[np.int64]
    probabilities: NDArray[np.float32]


def recipe_for(num_images: int) -> Config:
    """Return the settings of the heads for an archive of N images: `_RECIPE`, its batches cut."""
    size = max(_SMALLEST_BATCH, min(_RECIPE.batch_size, num_images // _BATCHES))
    return replace(_RECIPE, batch_size=size)


@takes(features="any ...", labels="any ...")
def score_labels(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    folds: int = 3,
    seed: int = 0,
    repeats: int = REPEATS,
    on_fit: Callable[[], None] | None = None,
) -> Scores:
    """Rank given labels by how much heads speak against them that never saw these images.

    The archive is divided into folds, R times anew. For each fold a projection head is trained with
    t-RNSL on the given labels of the others, and says with which probability an image of the fold
    belongs to each class. With p_r that of repeat r, and y_i the label that image i was given:

        p(c | x_i) = 1/R sum_r p_r(c | x_i),    p_r(c | x) = softmax_c(x . w_c / T)
        doubt_i = 1 - p(y_i | x_i),             suggested_i = argmax_c p(c | x_i)

    `benchmarks/audit.py` compares this with cleanlab's scores, and prints what each part is worth:

    - The robust loss. NSL learns the wrong labels too, and then doubts those of other folds less.
    - p of the given label, not its distance from the largest p. Where p is nearly 0, that distance
      is the largest p, which tells how sure the heads are and not how wrong the label is. Wrong
      labels have the smallest p of all; a right label of a hard image keeps some.
    - The mean over R divisions. A single head is sure of itself where it errs, others err
      elsewhere, and the mean is nearly calibrated.
    - k = 0.05, not the paper's 0.5, decides what training leaves out. Out of fold, a seventh of the
      right labels lie below 0.5, but a twentieth below 0.05. It is worth a little, and costs a
      little where label-dependent noise is heavy.
    - Fewer epochs of a narrower head at a higher learning rate than `Config`'s, which rank as well
      in less than half of the time, which the mean makes better use of.

    Args:
        features: float [N, F] of a frozen backbone. Beyond 256, they are standardised and reduced
            to 256 principal components.
        labels: int64 [N] in [0, C), possibly wrong.
        num_classes: C, at least 2.
        folds: at least 2; every class needs as many images.
        seed: of the folds and the heads; at least 0.
        repeats: R, at least 1. The time grows with folds and repeats.
        on_fit: called from the calling thread after each of the R x folds heads.

    Returns:
        Doubt, suggested labels and p. Equal for equal arguments, however many cores there are.

    Raises:
        ValueError: shapes, labels or features are not as described, or a class has fewer images
            than there are folds.
        FloatingPointError: the loss of a head is no longer finite.
    """
    found_RNC = out_of_fold(
        features, labels, num_classes, folds=folds, seed=seed, repeats=repeats, on_fit=on_fit
    )
    return from_probabilities(found_RNC.mean(axis=0), labels)


@takes(probabilities="numbers N C", labels="integers N")
def from_probabilities(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Scores:
    """Doubt 1 - p of the given label, and the likeliest class.

    Args:
        probabilities: float32 [N, C], rows sum to 1.
        labels: int64 [N] in [0, C).
    """
    labels = labels_in(probabilities.shape[1], labels)
    given_N = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    likeliest_N = probabilities.argmax(axis=1)
    suggested_N = np.where(given_N == probabilities.max(axis=1), labels, likeliest_N)
    return Scores((1 - given_N).clip(0, 1), suggested_N, probabilities)


@takes(features="any ...", labels="any ...")
def out_of_fold(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    num_classes: int,
    recipe: Config | None = None,
    *,
    folds: int = 3,
    seed: int = 0,
    repeats: int = REPEATS,
    on_fit: Callable[[], None] | None = None,
) -> NDArray[np.float32]:
    """Train heads on all folds but one, and let them judge that one.

    Args:
        features: as for `score_labels`, like all that follows but the recipe.
        labels: int64 [N].
        num_classes: C.
        recipe: settings of the heads, their seeds but drawn from the seed here; None for
            `recipe_for`.
        folds: at least 2.
        seed: of the folds and the heads.
        repeats: R.
        on_fit: called after each head.

    Returns:
        Probabilities float32 [R, N, C], those of each repeat; rows sum to 1. Fewer repeats are the
        first ones of more.

    Raises:
        ValueError, FloatingPointError: as for `score_labels`.
    """
    check_seed(seed)
    features = features if features.dtype.kind == "f" else features.astype(np.float32)
    labels_N = _checked(features, labels, num_classes, folds, repeats)
    recipe = recipe or recipe_for(len(labels_N))
    inputs_ND, given_N = _inputs(features), torch.from_numpy(labels_N)
    found_RNC = torch.zeros(repeats, len(labels_N), num_classes)
    pool = ThreadPoolExecutor(_JOBS, initializer=torch.set_num_threads, initargs=(1,))
    with one_thread():  # torch computes outside of Python's lock
        try:
            waiting = {
                pool.submit(_judge, inputs_ND, given_N, num_classes, head): head
                for head in _heads(labels_N, recipe, folds, repeats, seed)
            }
            for future in as_completed(waiting):
                head = waiting[future]
                found_RNC[head.repeat, head.held] = future.result()
                if on_fit:
                    on_fit()
        finally:
            pool.shutdown(cancel_futures=True)
    return found_RNC.numpy()


_Division: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]


@takes(labels="integers N")
def divisions(
    labels: NDArray[np.int64], folds: int, seed: int, repeat: int = 0
) -> Iterator[_Division]:
    """Yield the places to train on and those to judge, of each fold of a repeat.

    For another classifier, to compare with heads that were given the same.

    Args:
        labels: int64 [N]; each class is spread evenly.
        folds: at least 2.
        seed: as for `out_of_fold`.
        repeat: which one, from 0.
    """
    check_seed(seed)
    if not is_whole(folds, 2) or not is_whole(repeat, 0, 2**16):
        raise ValueError(f"folds is {folds!r} and repeat {repeat!r}; from 2 and from 0 on.")
    if np.unique(labels, return_counts=True)[1].min() < folds:
        raise ValueError(f"A class of labels has fewer images than {folds} folds; ask for fewer.")
    fold_seed, *_ = _seeds(seed, folds, repeat + 1)[repeat]
    yield from _divide(labels, folds, fold_seed)


class _Head(NamedTuple):
    """One head to train: on what it is trained, what it judges, and its settings."""

    repeat: int
    trained: Tensor
    held: Tensor
    config: Config


def _heads(
    labels_N: NDArray[np.int64], recipe: Config, folds: int, repeats: int, seed: int
) -> Iterator[_Head]:
    for repeat, (fold_seed, *head_seeds) in enumerate(_seeds(seed, folds, repeats)):
        places = _divide(labels_N, folds, fold_seed)
        for head_seed, (trained, held) in zip(head_seeds, places, strict=True):
            config = replace(recipe, seed=head_seed)
            yield _Head(repeat, torch.from_numpy(trained), torch.from_numpy(held), config)


def _seeds(seed: int, folds: int, repeats: int) -> list[list[int]]:
    """Draw a seed for the folds of each repeat and one for each of its heads."""
    drawn: list[list[int]] = (
        np.random.default_rng(seed).integers(2**31, size=(repeats, folds + 1)).tolist()
    )
    return drawn


def _divide(labels_N: NDArray[np.int64], folds: int, seed: int) -> Iterator[_Division]:
    divide = StratifiedKFold(folds, shuffle=True, random_state=seed)
    yield from divide.split(labels_N, labels_N)


def _judge(inputs_ND: Tensor, labels_N: Tensor, num_classes: int, head: _Head) -> Tensor:
    """Train a head and return its probabilities [M, C] for the images that it never saw."""
    generator = torch.Generator().manual_seed(head.config.seed)
    network = build_head(head.config, inputs_ND.shape[1], generator)
    loss = build_loss(head.config, num_classes, len(head.trained), generator)
    settings = head.config.settings
    train(network, loss, inputs_ND[head.trained], labels_N[head.trained], settings)
    embeddings_MD = embed(network, inputs_ND[head.held])
    with torch.no_grad():
        return losses.class_log_probabilities(
            embeddings_MD, loss.prototypes, head.config.temperature
        ).exp()


def _inputs(features: NDArray[np.float32]) -> Tensor:
    """Centre the features, reduce wide ones, and scale them to mean square 1: float32 [N, D]."""
    _, (features,) = tamed(features)
    if features.shape[1] > _DIMENSIONS < len(features):
        reduced_ND = _principal(StandardScaler().fit_transform(features))
    else:
        reduced_ND = features - features.mean(axis=0)
    scale = float(np.sqrt(np.mean(reduced_ND**2)))
    return torch.from_numpy((reduced_ND / scale).astype(np.float32))


def _principal(scaled_NF: NDArray[np.float32]) -> NDArray[np.float32]:
    """Principal components [N, D] of centred features: by torch, which can be held to one thread.

    The last bits of scikit-learn's depend on the number of cores.
    """
    with one_thread():
        inputs_NF = torch.from_numpy(scaled_NF)
        axes_FF = torch.linalg.eigh(inputs_NF.T @ inputs_NF).eigenvectors  # the largest come last
        reduced_ND: NDArray[np.float32] = (inputs_NF @ axes_FF[:, -_DIMENSIONS:]).numpy()
    return reduced_ND


# ------------------------------------------------------------------ checks


def _checked(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    num_classes: int,
    folds: int,
    repeats: int,
) -> NDArray[np.int64]:
    """Refuse what cannot be scored; return the labels as int64 [N]."""
    labels_N = np.asarray(labels)
    if features.ndim != 2 or labels_N.shape != features.shape[:1] or not features.size:
        raise ValueError(
            f"features are {list(features.shape)} and labels {list(labels_N.shape)}; they must be "
            "[N, F] and [N], one label for each image, and not empty."
        )
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        raise ValueError(
            f"The features of {len(bad)} images are not finite, of image {bad[0]} first; leave "
            "these images out."
        )
    if np.ptp(features, axis=0).max(initial=0) == 0:
        raise ValueError("The features of all images are alike; nothing can be learned from them.")
    if not (is_whole(folds, 2) and is_whole(num_classes, 2) and is_whole(repeats, 1)):
        raise ValueError(
            f"There are {folds} folds, {num_classes} classes and {repeats} repeats; at least 2, 2 "
            "and 1 are needed."
        )
    _check_labels(labels_N, num_classes, folds)
    return labels_N.astype(np.int64)


def _check_labels(labels_N: NDArray[np.int64], num_classes: int, folds: int) -> None:
    if not np.issubdtype(labels_N.dtype, np.integer):
        raise ValueError(f"labels are {labels_N.dtype}; they must be integers.")
    if labels_N.min() < 0 or labels_N.max() >= num_classes:
        raise ValueError(
            f"labels run from {labels_N.min()} to {labels_N.max()}; with {num_classes} classes "
            f"they must lie in [0, {num_classes})."
        )
    counts_C = np.bincount(labels_N, minlength=num_classes)
    if counts_C.min() < folds:
        few = int(counts_C.argmin())
        raise ValueError(
            f"Class {few} has {counts_C[few]} images, and {folds} folds need at least {folds} of "
            "each class. Ask for fewer folds, or leave the class out."
        )
