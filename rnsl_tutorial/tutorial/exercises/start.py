"""Self-check of notebook 00.

Shapes: N images of the index, Q queries, D embedding dimensions.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial.tutorial.exercises.checking import Function, check

__all__ = ["check_knn_accuracy"]

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]


def check_knn_accuracy(function: Function) -> bool:
    """Check a learner's knn_accuracy(index, index_labels, queries, query_labels, k).

    The right answer is the share of the queries [Q, D] whose class gets the most votes of the k
    images of the index [N, D] with the largest cosine; of classes with equally many votes the
    smallest counts.
    """
    return check(
        function,
        right=_knn_accuracy,
        cases=[_search(seed, k) for seed, k in enumerate((5, 1, 3))],
        slips=_slips,
        praise="It is the number by which every embedding of this course is judged; the library "
        "weighs each vote with 1 / distance.",
    )


def _search(seed: int, k: int) -> dict[str, Any]:
    """Four classes around four directions, 40 images of the index and 25 queries, unit length."""
    generator = np.random.default_rng(seed)
    middles = generator.normal(size=(4, 3))

    def drawn(count: int) -> tuple[_Floats, _Integers]:
        labels = generator.integers(4, size=count)
        x = middles[labels] + generator.normal(0, 0.8, (count, 3))
        return x / np.linalg.norm(x, axis=1, keepdims=True), labels

    (index, index_labels), (queries, query_labels) = drawn(40), drawn(25)
    return {
        "index": index,
        "index_labels": index_labels,
        "queries": queries,
        "query_labels": query_labels,
        "k": k,
    }


def _votes(index: _Floats, index_labels: _Integers, queries: _Floats, places: slice) -> _Integers:
    """Classes of the neighbours of each query at these places of its ranking, [Q, places]."""
    ranked_QN = np.argsort(-(queries @ index.T), axis=1, kind="stable")
    votes: _Integers = index_labels[ranked_QN[:, places]]
    return votes


def _elected(votes_QK: _Integers) -> _Integers:
    return np.array([np.bincount(row).argmax() for row in votes_QK])


def _knn_accuracy(
    index: _Floats, index_labels: _Integers, queries: _Floats, query_labels: _Integers, k: int
) -> float:
    elected = _elected(_votes(index, index_labels, queries, slice(k)))
    return float((elected == query_labels).mean())


def _slips(
    right: float,
    index: _Floats,
    index_labels: _Integers,
    queries: _Floats,
    query_labels: _Integers,
    k: int,
) -> dict[str, Any]:
    def by(places: slice) -> _Integers:
        return _votes(index, index_labels, queries, places)

    def share(elected: _Integers) -> float:
        return float((elected == query_labels).mean())

    same_QK = by(slice(k)) == query_labels[:, None]
    elected = _elected(by(slice(k)))
    return {
        "These are the images farthest away. argsort sorts upwards: sort by -cosine.": share(
            _elected(by(slice(-k, None)))
        ),
        "The nearest image is left out. The queries are not in the index: begin at 0, [:k].": share(
            _elected(by(slice(1, k + 1)))
        ),
        "These are k + 1 neighbours: [:k] takes k.": share(_elected(by(slice(k + 1)))),
        "Only the nearest image has a vote here; k have one.": share(_elected(by(slice(1)))),
        "All images of the index vote: take the k nearest of each query.": share(
            np.full(len(queries), np.bincount(index_labels).argmax())
        ),
        "This is the share of neighbours of the query's class. Let them vote first, and count the "
        "queries whose class wins.": float(same_QK.mean()),
        "This counts a query as found if one neighbour has its class. Most of them have to.": float(
            same_QK.any(axis=1).mean()
        ),
        "This is the mean of the neighbours' class numbers, rounded. Numbers of classes are names: "
        "let them vote.": share(np.rint(by(slice(k)).mean(axis=1)).astype(np.int64)),
        "The largest class number is no majority: count the votes, np.bincount(row).argmax().": (
            share(by(slice(k)).max(axis=1))
        ),
        "This is the share that is not found; take 1 minus it.": 1 - right,
        "This is how many are found. Divide by the number of queries.": right * len(queries),
        "This is in percent. Return a share, from 0 to 1.": 100 * right,
        "These are the classes that win. Return the share of the queries for which it is the right "
        "one.": elected,
        "That says of each query whether it is found. Return their share: .mean().": (
            elected == query_labels
        ),
        "The index searches among the queries here: each query needs its k images of the index, "
        "queries @ index.T.": float(
            (_elected(_votes(queries, query_labels, index, slice(k))) == index_labels).mean()
        ),
    }
