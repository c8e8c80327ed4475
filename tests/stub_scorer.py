"""Scores in milliseconds, in the place of heads: the nearest of the class means, out of fold."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from rnsl_tutorial.audit import _evidence, scores


def by_class_means(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    folds: int = 3,
    seed: int = 0,
    on_fit: Callable[[], None] | None = None,
) -> scores.Scores:
    """As `scores.score_labels`, from the distances to the mean features of the other folds."""
    fold_N = np.random.default_rng(seed).integers(folds, size=len(labels))
    logits_NC = np.zeros((len(labels), num_classes))
    for fold in range(folds):
        held = fold_N == fold
        for label in range(num_classes):
            known = features[~held & (labels == label)]
            mean_F = known.mean(axis=0) if len(known) else np.full(features.shape[1], 1e3)
            logits_NC[held, label] = -np.square(features[held] - mean_F).mean(axis=1)
    for _ in range(_evidence.repeats_for(len(labels)) * folds):
        if on_fit:
            on_fit()
    weights_NC = np.exp(4 * (logits_NC - logits_NC.max(axis=1, keepdims=True)))
    probabilities_NC = (weights_NC / weights_NC.sum(axis=1, keepdims=True)).astype(np.float32)
    return from_probabilities(probabilities_NC, labels)


def from_probabilities(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64]
) -> scores.Scores:
    """Doubt 1 - p of the given label, and the likeliest class.

    Args:
        probabilities: float32 [N, C], rows sum to 1.
        labels: int64 [N] in [0, C).
    """
    given_N = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    likeliest_N = probabilities.argmax(axis=1)
    suggested_N = np.where(given_N == probabilities.max(axis=1), labels, likeliest_N)
    doubt_N = (1 - given_N).clip(0, 1)
    return scores.Scores(doubt_N, suggested_N, probabilities, logit(doubt_N.clip(1e-7, 1 - 1e-7)))
