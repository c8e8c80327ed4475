"""Scores in milliseconds, in the place of heads: the nearest of the class means, out of fold."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial.audit import scores


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
    for _ in range(scores.repeats_for(len(labels)) * folds):
        if on_fit:
            on_fit()
    weights_NC = np.exp(4 * (logits_NC - logits_NC.max(axis=1, keepdims=True)))
    probabilities_NC = (weights_NC / weights_NC.sum(axis=1, keepdims=True)).astype(np.float32)
    return scores.from_probabilities(probabilities_NC, labels)
