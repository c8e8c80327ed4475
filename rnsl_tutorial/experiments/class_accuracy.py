"""Runs that tell the accuracy of every class, beside that of all.

Shapes: M images of a part, C classes, S seeds.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.evaluation import embedding as evaluate
from rnsl_tutorial.experiments import heads
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.heads import Fitted
from rnsl_tutorial.experiments.results import Result
from rnsl_tutorial.training import embed

__all__ = ["JUDGES", "accuracies", "class_predictions", "measure_classes"]

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]

JUDGES = ("prototype", "knn_noisy", "knn_clean")
"""How a test image gets its class: as in `heads.measure`."""


def measure_classes(fitted: Fitted, features: FeatureSet, part: str = "test") -> dict[str, float]:
    """As `heads.measure`, with the accuracy of every class beside that of all: for `heads.run`.

    Args:
        fitted: from `heads.fit`.
        features: the same that it was fitted on.
        part: "test"; "val" while a recipe is being chosen.

    Returns:
        The metrics of `heads.measure`, and for each of `JUDGES` and each class one such as
        ``"prototype: lake"``, NaN where the class has no image.
    """
    metrics = heads.measure(fitted, features, part)
    labels_M, names = features.labels[getattr(features.split, part)], features.class_names
    for judge, predicted_M in class_predictions(fitted, features, part).items():
        accuracy_C = evaluate.class_accuracy(predicted_M, labels_M, len(names))
        keys = [_key(judge, name) for name in names]
        metrics |= dict(zip(keys, accuracy_C.tolist(), strict=True))
    return metrics


def class_predictions(
    fitted: Fitted, features: FeatureSet, part: str = "test"
) -> dict[str, _Integers]:
    """Return what each of `JUDGES` says about the images of one part, int64 [M].

    Args:
        fitted: from `heads.fit`.
        features: the same that it was fitted on.
        part: "test" or "val".
    """
    heads.check_part(part)
    embeddings_ND = embed(fitted.network, heads.standardized(features))
    train_N, part_M = features.split.train, getattr(features.split, part)
    found = heads.predictions(
        fitted, embeddings_ND[train_N], features.labels[train_N], embeddings_ND[part_M]
    )
    return {judge: found[judge] for judge in JUDGES}


def accuracies(
    results: Iterable[Result], class_names: Iterable[str], loss: str, rate: float, judge: str,
    noise: str = "label_dependent",
) -> _Floats:  # fmt: skip
    """Return the accuracy of each class in the runs of one cell, float64 [S, C], by seed.

    Args:
        results: of `heads.run` with `measure_classes`.
        class_names: C names, in the order wanted.
        loss: "nsl", "rnsl" or "trnsl".
        rate: share of wrong labels.
        judge: one of `JUDGES`.
        noise: kind of noise; at rate 0 all kinds are alike.

    Raises:
        ValueError: there is no such run, or none with accuracies of these classes.
    """
    cell = [result for result in results if _matches(result.config, loss, rate, noise)]
    cell.sort(key=lambda result: result.config.seed)
    keys = [_key(judge, name) for name in class_names]
    missing = [key for key in keys if not cell or key not in cell[0].metrics]
    if missing:
        raise ValueError(
            f"No run of {loss} under {noise} noise {rate:g} has {missing[0]!r}. Runs are made by "
            f"`experiments.run` with `measure_classes`; judges are {', '.join(JUDGES)}."
        )
    return np.array([[result.metrics[key] for key in keys] for result in cell])


def _matches(config: Config, loss: str, rate: float, noise: str) -> bool:
    same = config.loss == loss and np.isclose(config.rate, rate)
    return bool(same and (rate == 0 or config.noise == noise))


def _key(judge: str, name: str) -> str:
    return f"{judge}: {name}"
