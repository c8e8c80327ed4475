"""Rank the labels of an archive by the odds that they are wrong.

Shapes: N images, F features, D principal components, C classes, M images that a head never saw.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.model_selection import StratifiedKFold
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial._arrays import block, check_seed, is_whole, takes
from rnsl_tutorial.audit import _evidence
from rnsl_tutorial.audit._transition import (
    estimate_joint,
    flips_on_paper,
    likely_flips,
    log_odds,
    not_told_apart,
)
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.heads import build_head, build_loss, one_thread
from rnsl_tutorial.losses import TruncatedRobustNormalizedSoftmaxLoss as _Truncated
from rnsl_tutorial.noise import Matrix
from rnsl_tutorial.training import embed, train

__all__ = [
    "Scores",
    "divisions",
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
_WEIGHTS, _FLOORS, _SHARPNESS = (2, 1, 1), (1e-4, 0.02, 1e-4), 1.5
"""Of the product of heads, neighbours and discriminant: exponents, what is added to p, and the sum
of the exponents: more than one witness, and fewer than three, since they are not independent."""
_ROWS = 4096  # of features that are looked at together
_JOBS = 2
"""Heads trained at a time, each on one thread; the scores do not depend on it."""


class Scores(NamedTuple):
    """How doubtful each label is.

    Attributes:
        doubt: float32 [N] in [0, 1]; the higher, the more doubtful the given label.
        suggested: int64 [N], the likeliest class; the given label where nothing speaks against it.
        probabilities: float32 [N, C], out of fold; rows sum to 1.
        log_odds: float32 [N], natural logarithm of doubt / (1 - doubt), which still tells images
            apart where the doubt of many is 1.
    """

    doubt: NDArray[np.float32]
    suggested: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    log_odds: NDArray[np.float32]

    def flips(self, given: NDArray[np.int64]) -> Matrix:
        """Return M of `score_labels`, float64 [C, C], for the labels that were given."""
        return likely_flips(self.probabilities, estimate_joint(self.probabilities, given))

    def flips_on_paper(self, given: NDArray[np.int64]) -> Matrix:
        """Return Q of `estimate_precision`, float64 [C, C]: of what kind wrong labels may be."""
        return flips_on_paper(self.probabilities, estimate_joint(self.probabilities, given))

    def log_odds_under(
        self, labels: NDArray[np.int64], given: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return what the log odds would be if images had other labels than were given, [N]."""
        same_CC = not_told_apart(self.probabilities, given)
        return log_odds(self.probabilities, labels, self.flips(given), same_CC)[0]


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
    repeats: int | None = None,
    on_fit: Callable[[], None] | None = None,
) -> Scores:
    """Rank given labels by the odds that they are wrong, on three witnesses that did not know them.

    The features are reduced to D = 2 sqrt(N) principal components, 32 to 256. Witnesses are

    - h: t-RNSL heads out of fold. The archive is divided into folds, R times anew; a projection
      head is trained on the given labels of all folds but one, and judges that one. The mean over
      the R divisions, since a single head is sure of itself where it errs, and others err elsewhere
    - k: the labels of the 20 nearest neighbours, see `_evidence.neighbours`
    - d: linear discriminant analysis with shrinkage, out of fold, see `_evidence.discriminant`

    each the probabilities of C classes, of which the product is taken:

        p(c | x) proportional to [(h + e) (k + 0.02)^(1/2) (d + e)^(1/2)]^(3/4),    e = 0.0001

    Which class is taken for which is estimated from p (`_transition.likely_flips`: M, whose rows
    are the true class). With y the given label, the odds that it is wrong are

        sum over a != y of p(a | x) M[a, y]  :  p(y | x) M[y, y]

    Classes that cannot be told apart (`_transition.not_told_apart`) are one to them: a label is not
    doubted for another that looks the same. A label of a class with fewer than 6 images has the
    median odds: nothing is known of it.

    Exponents, constants and the number of components were chosen on parts of AID and scenes that
    are drawn by other seeds than those that `benchmarks/audit.py` reports, where each witness is
    left out in turn. Of the heads:

    - The robust loss. NSL learns the wrong labels too, and then doubts those of other folds less.
    - k = 0.05, not the paper's 0.5, decides what training leaves out. Out of fold, a seventh of the
      right labels lie below 0.5, but a twentieth below 0.05.
    - Fewer epochs of a narrower head at a higher learning rate than `Config`'s, which rank as well
      in less than half of the time, which the mean makes better use of.

    Args:
        features: float [N, F] of a frozen backbone, such as a memory map.
        labels: int64 [N] in [0, C), possibly wrong.
        num_classes: C, at least 2.
        folds: at least 2; every class needs as many images.
        seed: of the folds and the heads; at least 0.
        repeats: R, at least 1; None for `_evidence.repeats_for`: 6 for a small archive, 2 for a
            large one. The time grows with folds and repeats.
        on_fit: called from the calling thread after each of the R x folds heads.

    Returns:
        Doubt, suggested labels and p. Equal for equal arguments, however many cores there are.

    Raises:
        ValueError: shapes, labels or features are not as described, or a class has fewer images
            than there are folds.
        FloatingPointError: the loss of a head is no longer finite.
    """
    found = _witnesses(
        features, labels, num_classes, folds=folds, seed=seed, repeats=repeats, on_fit=on_fit
    )
    return _judged_by(found, np.asarray(labels, np.int64))


def _witnesses(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    folds: int = 3,
    seed: int = 0,
    repeats: int | None = None,
    on_fit: Callable[[], None] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return h, k and d of `score_labels`, which takes the same: float32 [N, C] each."""
    check_seed(seed)
    labels_N, repeats = _checked(features, labels, num_classes, folds, repeats)
    inputs_ND = _evidence.principal(features)
    heads = _heads(labels_N, recipe_for(len(labels_N)), folds, repeats, seed)
    h_NC = _probabilities(inputs_ND, labels_N, num_classes, heads, on_fit).mean(axis=0)
    k_NC = _evidence.neighbours(inputs_ND, labels_N, num_classes, seed)
    d_NC = np.zeros_like(k_NC)
    for repeat in range(repeats):
        parts = divisions(labels_N, folds, seed, repeat)
        d_NC += _evidence.discriminant(inputs_ND, labels_N, num_classes, parts) / repeats
    return h_NC, k_NC, d_NC


def _judged_by(
    found: Sequence[NDArray[np.float32]], labels_N: NDArray[np.int64], without: int | None = None
) -> Scores:
    """Return the odds that labels are wrong, by what the witnesses say, or all of them but one."""
    weights = [0.0 if place == without else weight for place, weight in enumerate(_WEIGHTS)]
    log_NC = sum(
        weight * np.log(p_NC + floor)
        for weight, floor, p_NC in zip(weights, _FLOORS, found, strict=True)
    )
    p_NC = softmax(_SHARPNESS / sum(weights) * log_NC, axis=1)
    return _judged(p_NC, labels_N)


def _judged(p_NC: NDArray[np.float32], labels_N: NDArray[np.int64]) -> Scores:
    """Odds that each label is wrong, given what the images show and which classes are confused."""
    same_CC = not_told_apart(p_NC, labels_N)
    transition_CC = likely_flips(p_NC, estimate_joint(p_NC, labels_N))
    odds_N, suggested_N = log_odds(p_NC, labels_N, transition_CC, same_CC)
    few_N = np.bincount(labels_N)[labels_N] < _evidence.FEW
    if few_N.any() and not few_N.all():
        odds_N[few_N] = np.median(odds_N[~few_N])
        suggested_N[few_N] = labels_N[few_N]
    return Scores(expit(odds_N), suggested_N, p_NC, odds_N)


@takes(features="any ...", labels="any ...")
def out_of_fold(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    num_classes: int,
    recipe: Config | None = None,
    *,
    folds: int = 3,
    seed: int = 0,
    repeats: int | None = None,
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
    labels_N, repeats = _checked(features, labels, num_classes, folds, repeats)
    heads = _heads(labels_N, recipe or recipe_for(len(labels_N)), folds, repeats, seed)
    inputs_ND = _evidence.principal(features)
    return _probabilities(inputs_ND, labels_N, num_classes, heads, on_fit)


def _probabilities(
    inputs_ND: Tensor,
    labels_N: NDArray[np.int64],
    num_classes: int,
    heads: Iterator["_Head"],
    on_fit: Callable[[], None] | None,
) -> NDArray[np.float32]:
    """Train heads, some at a time, and return what each repeat says [R, N, C]."""
    to_train, given_N = list(heads), torch.from_numpy(labels_N)
    found_RNC = torch.zeros(to_train[-1].repeat + 1, len(labels_N), num_classes)
    pool = ThreadPoolExecutor(_JOBS, initializer=torch.set_num_threads, initargs=(1,))
    with one_thread():  # torch computes outside of Python's lock
        try:
            waiting = {
                pool.submit(_judge, inputs_ND, given_N, num_classes, head): head
                for head in to_train
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
    given_M = labels_N[head.trained]
    by_rule = partial(_prune_in_parts, rule=settings.prune_rule)
    prune = by_rule if isinstance(loss, _Truncated) else None
    train(network, loss, inputs_ND[head.trained], given_M, settings, prune=prune)
    embeddings_MD = embed(network, inputs_ND[head.held])
    with torch.no_grad():
        return losses.class_log_probabilities(
            embeddings_MD, loss.prototypes, head.config.temperature
        ).exp()


def _prune_in_parts(loss: _Truncated, embeddings_MD: Tensor, given_M: Tensor, *, rule: str) -> None:
    """Decide who is kept, some thousand at a time: of all at once, the logits would be large."""
    for places_B in torch.split(torch.arange(len(given_M)), _ROWS):
        loss.update_kept(embeddings_MD[places_B], given_M[places_B], places_B, rule=rule)


# ------------------------------------------------------------------ checks


def _checked(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    num_classes: int,
    folds: int,
    repeats: int | None,
) -> tuple[NDArray[np.int64], int]:
    """Refuse what cannot be scored; return the labels as int64 [N], and R."""
    labels_N = np.asarray(labels)
    if features.ndim != 2 or labels_N.shape != features.shape[:1] or not features.size:
        raise ValueError(
            f"features are {list(features.shape)} and labels {list(labels_N.shape)}; they must be "
            "[N, F] and [N], one label for each image, and not empty."
        )
    bad, alike = _looked_through(features)
    if bad:
        raise ValueError(
            f"The features of {len(bad)} images are not finite, of image {bad[0]} first; leave "
            "these images out."
        )
    if alike:
        raise ValueError("The features of all images are alike; nothing can be learned from them.")
    repeats = _evidence.repeats_for(len(labels_N)) if repeats is None else repeats
    if not (is_whole(folds, 2) and is_whole(num_classes, 2) and is_whole(repeats, 1)):
        raise ValueError(
            f"There are {folds} folds, {num_classes} classes and {repeats} repeats; at least 2, 2 "
            "and 1 are needed."
        )
    _check_labels(labels_N, num_classes, folds)
    return labels_N.astype(np.int64), repeats


def _looked_through(features: NDArray[np.float32]) -> tuple[list[int], bool]:
    """Images whose features are not finite, and whether all are alike; some thousand at a time."""
    bad: list[int] = []
    low_F, high_F = (np.full(features.shape[1], end) for end in (np.inf, -np.inf))
    for start in range(0, len(features), _ROWS):
        rows = block(features, start, _ROWS)
        bad += (start + np.flatnonzero(~np.isfinite(rows).all(axis=1))).tolist()
        low_F, high_F = np.minimum(low_F, rows.min(axis=0)), np.maximum(high_F, rows.max(axis=0))
    return bad, not bad and bool((low_F == high_F).all())


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
