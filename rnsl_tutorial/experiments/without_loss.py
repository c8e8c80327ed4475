"""What frozen features are worth without any loss: the rows that a table of losses stands beside.

    no_training       k-NN on the features as they are, k = 10
    no_training_k100  the same with k = 100, over which more wrong labels average out
    class_means       the nearest mean direction of a class, under the given labels
    lda               linear discriminant analysis with shrinkage, fitted to the given labels
    logistic          logistic regression, C = 1, fitted to the given labels

All see the features at unit length, as an embedding has it. None has a setting that was chosen by
true labels: the shrinkage is Ledoit and Wolf's, and C = 1 is the best of 0.3, 1, 3 and 10 on
validation images of AID under noisy labels (30% and 50%, symmetric and label-dependent, mean over 2
seeds).

Shapes: N training images, M images to judge by, D dimensions, C classes.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnsl_tutorial._arrays import takes
from rnsl_tutorial.evaluation import embedding as evaluate
from rnsl_tutorial.experiments.config import WITHOUT_LOSS

__all__ = ["rows"]

_Floats: TypeAlias = NDArray[np.floating[Any]]
_Integers: TypeAlias = NDArray[np.int64]
_Predict: TypeAlias = Callable[[_Floats], _Integers]


class _Row(NamedTuple):
    """What one of them reaches.

    Attributes:
        metrics: as of `heads.measure`, NaN where it says nothing: knn_clean and knn_noisy of the
            two without training; prototype, the accuracy of the classifier, and memorized of the
            others; realized_rate of all.
        hits: name of an accuracy -> bool [M], which images it got right.
    """

    metrics: dict[str, float]
    hits: dict[str, NDArray[np.bool_]]


class _Task(NamedTuple):
    """The arguments of `rows`: features of unit length, and labels."""

    training: _Floats
    true: _Integers
    given: _Integers
    queries: _Floats
    query_labels: _Integers


@takes(index="numbers N D", true="integers T", given="integers G")
@takes(queries="numbers M D", query_labels="integers L")
def rows(
    index: ArrayLike,
    true: ArrayLike,
    given: ArrayLike,
    queries: ArrayLike,
    query_labels: ArrayLike,
    names: Iterable[str] = WITHOUT_LOSS,
) -> dict[str, _Row]:
    """Return what each reaches on features, such as those of a network that nobody fine-tuned.

    Args:
        index: float [N, D], features of the training images, brought to unit length here.
        true: integers [N] in [0, C), their true labels.
        given: integers [N] in [0, C), the labels that they were given; at least two classes.
        queries: float [M, D], features of the images to judge by.
        query_labels: integers [M], their true labels.
        names: of `config.WITHOUT_LOSS`.

    Raises:
        ValueError: another name, shapes that disagree, or features that are not finite.
    """
    from sklearn.preprocessing import normalize

    names = tuple(names)
    unknown = [name for name in names if name not in _ROWS]
    if unknown:
        raise ValueError(f"There is no row {unknown[0]!r}; choose from {', '.join(_ROWS)}.")
    index_ND, queries_MD = (normalize(np.asarray(features)) for features in (index, queries))
    labels = [np.asarray(given_to, dtype=np.int64) for given_to in (true, given, query_labels)]
    if [len(index_ND), len(index_ND), len(queries_MD)] != [len(of) for of in labels]:
        raise ValueError(
            f"There are {len(index_ND)} training images and {len(queries_MD)} queries, and true, "
            f"given and query_labels hold {', '.join(str(len(of)) for of in labels)}; give a label "
            "an image."
        )
    task = _Task(index_ND, labels[0], labels[1], queries_MD, labels[2])
    return {name: _ROWS[name](task) for name in names}


def _neighbors(k: int, task: _Task) -> _Row:
    hits = {}
    for name, labels_N in (("knn_clean", task.true), ("knn_noisy", task.given)):
        found_M = evaluate.knn_predict(
            task.training, labels_N, task.queries, k=min(k, len(labels_N))
        )
        hits[name] = found_M.numpy() == task.query_labels
    return _row(task, hits)


def _classified(fit: Callable[[_Floats, _Integers], _Predict], task: _Task) -> _Row:
    predict = fit(task.training, task.given)
    row = _row(task, {"prototype": predict(task.queries) == task.query_labels})
    wrong_N = task.true != task.given
    if wrong_N.any():
        repeated_N = predict(task.training) == task.given
        row.metrics["memorized"] = float(repeated_N[wrong_N].mean())
    return row


def _row(task: _Task, hits: dict[str, NDArray[np.bool_]]) -> _Row:
    metrics = dict.fromkeys(("knn_clean", "knn_noisy", "prototype", "memorized"), np.nan)
    metrics |= {name: float(hit_M.mean()) for name, hit_M in hits.items()}
    metrics["realized_rate"] = float((task.true != task.given).mean())
    return _Row(metrics, hits)


# ------------------------------------------------------------------ classifiers


def _class_means(index_ND: _Floats, given_N: _Integers) -> _Predict:
    classes_C = np.unique(given_N)
    means_CD = np.stack([index_ND[given_N == label].mean(axis=0) for label in classes_C])
    means_CD /= np.linalg.norm(means_CD, axis=1, keepdims=True)
    return lambda queries_MD: classes_C[(queries_MD @ means_CD.T).argmax(axis=1)]


def _lda(index_ND: _Floats, given_N: _Integers) -> _Predict:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(index_ND, given_N)
    return cast(_Predict, fitted.predict)


def _logistic(index_ND: _Floats, given_N: _Integers) -> _Predict:
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1.0, max_iter=1000).fit(index_ND, given_N)
    return cast(_Predict, fitted.predict)


_ROWS: Mapping[str, Callable[[_Task], _Row]] = MappingProxyType(
    {
        "no_training": partial(_neighbors, 10),
        "no_training_k100": partial(_neighbors, 100),
        "class_means": partial(_classified, _class_means),
        "lda": partial(_classified, _lda),
        "logistic": partial(_classified, _logistic),
    }
)
