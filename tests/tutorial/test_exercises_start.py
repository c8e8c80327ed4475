"""The self-check of notebook 00: right answers, and the likely wrong ones."""

from typing import Any

import numpy as np
from exercise_answers import by_place, right, wrong
from numpy.typing import NDArray

from rnsl_tutorial.evaluation.embedding import nearest_neighbors
from rnsl_tutorial.tutorial import exercises

Array = NDArray[Any]


def votes(index: Array, labels: Array, queries: Array, places: slice) -> Array:
    order = np.argsort(queries @ index.T, axis=1)[:, ::-1]
    voted: Array = labels[order[:, places]]
    return voted


def elected(row: Array) -> int:
    return max(sorted(set(row.tolist())), key=row.tolist().count)


def knn(places: Any = slice, end: Any = lambda found, y: np.mean(found == y)) -> Any:
    """An answer that lets the neighbours at some places vote, and one that ends otherwise."""

    def knn_accuracy(
        index: Array, index_labels: Array, queries: Array, query_labels: Array, k: int
    ) -> Any:
        voted = votes(index, index_labels, queries, places(k))
        return end(np.array([elected(row) for row in voted]), query_labels)

    return knn_accuracy


def by_distance(
    index: Array, index_labels: Array, queries: Array, query_labels: Array, k: int
) -> float:
    near = nearest_neighbors(index, queries, k=k).positions
    found = [np.bincount(index_labels[row]).argmax() for row in near]
    return float((found == query_labels).mean())


def of_votes(end: Any) -> Any:
    """An answer that makes something of the classes of the neighbours, [Q, k], without a vote."""
    return lambda X, y, Q, q, k: end(votes(X, y, Q, slice(k)), q[:, None])


test_knn_accuracy_right = right(exercises.check_knn_accuracy, knn(), by_distance)

test_knn_accuracy_wrong = wrong(
    by_place(exercises.check_knn_accuracy),
    (knn(lambda k: slice(-k, None)), "farthest away"),
    (knn(lambda k: slice(1, k + 1)), "nearest image is left out"),
    (knn(lambda k: slice(k + 1)), r"\[:k\] takes k"),
    (knn(lambda k: slice(1)), "Only the nearest"),
    (knn(lambda k: slice(None)), "All images of the index vote"),
    (of_votes(lambda found, q: (found == q).mean()), "share of neighbours of the query's class"),
    (of_votes(lambda found, q: (found == q).any(axis=1).mean()), "if one neighbour has its class"),
    (of_votes(lambda found, q: (found.max(axis=1) == q[:, 0]).mean()), "no majority"),
    (
        of_votes(lambda found, q: (found.mean(axis=1).round() == q[:, 0]).mean()),
        "Numbers of classes are names",
    ),
    (knn(end=lambda found, y: np.mean(found != y)), "1 minus it"),
    (knn(end=lambda found, y: np.sum(found == y)), "Divide by the number of queries"),
    (knn(end=lambda found, y: 100 * np.mean(found == y)), "a share, from 0 to 1"),
    (knn(end=lambda found, y: found), "classes that win"),
    (knn(end=lambda found, y: found == y), "Return their share"),
    (lambda X, y, Q, q, k: by_distance(Q, q, X, y, k), "searches among the queries"),
    (lambda X, y, Q, q, k: None, "returns None"),
    (lambda X, y, Q, q, k: 0.5, r"it gives 0\.5, expected 0\.\d+\."),
    (lambda X, y, Q, q, k: X @ Q, "Python stopped"),
)
