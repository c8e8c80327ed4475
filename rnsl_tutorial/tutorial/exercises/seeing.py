"""Self-checks of notebook 09.

Shapes: N images, K neighbors.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial.evaluation import embedding as evaluate
from rnsl_tutorial.tutorial.exercises.checking import (
    Function,
    NotYetRightError,
    called,
    check,
    judged,
    say,
)

__all__ = [
    "STATEMENTS",
    "check_auroc",
    "check_may_be_read",
    "check_neighbor_overlap",
    "judge_selection",
]

_TRUE_NEIGHBORS = np.array([[1, 2, 3], [0, 2, 4], [1, 0, 5], [4, 5, 0], [3, 5, 1], [4, 3, 2]])
_MAP_NEIGHBORS = np.array([[2, 1, 4], [3, 4, 5], [0, 1, 5], [5, 0, 1], [2, 0, 1], [3, 4, 1]])
_SCORE = np.array([0.9, 0.4, 0.4, 0.1, 0.7, 0.2, 0.8])
_WRONG = np.array([True, True, False, False, True, False, False])
_FEWEST = 5  # images that a selection needs to be judged


class _Statement(NamedTuple):
    """Something that people read from a map: what it is, whether one may, and what showed it."""

    text: str
    may: bool
    reason: str


STATEMENTS = {
    "neighbours": _Statement(
        "Two images side by side on the map are probably alike for the network.",
        True,
        "Trustworthiness is far above chance: who is near on the map is mostly near in all "
        "dimensions.",
    ),
    "distances": _Statement(
        "Two clusters far apart on the map are more different than two that lie close.",
        False,
        "Another seed moved the clusters, and the embedding was the same.",
    ),
    "sizes": _Statement(
        "A class that takes more room on the map varies more.",
        False,
        "A class that was shrunk tenfold takes about as much room as before.",
    ),
    "clumps": _Statement(
        "Where the map shows clumps, the data has groups.",
        False,
        "Noise without any group made clumps, with a small n_neighbors.",
    ),
    "accuracy": _Statement(
        "A map with clearer clusters belongs to a more accurate network.",
        False,
        "n_neighbors and min_dist made clear clusters and blurred ones of one and the same "
        "network.",
    ),
    "odd colours": _Statement(
        "An image whose given label differs from all those around it is worth a look.",
        True,
        "The given labels around an image on the map told many of the wrong labels.",
    ),
}
"""The statements of `check_may_be_read`, by name."""


def check_neighbor_overlap(function: Function) -> bool:
    """Check a learner's neighbor_overlap(true_neighbors, map_neighbors), a share in [0, 1]."""
    return check(
        function,
        right=_overlap,
        cases=[
            {"true_neighbors": _TRUE_NEIGHBORS, "map_neighbors": _MAP_NEIGHBORS},
            {"true_neighbors": _TRUE_NEIGHBORS[:4, :2], "map_neighbors": _MAP_NEIGHBORS[:4, :2]},
            {"true_neighbors": _TRUE_NEIGHBORS, "map_neighbors": _TRUE_NEIGHBORS[:, ::-1]},
        ],
        slips=lambda right, true_neighbors, map_neighbors: {
            "You compare place by place. The order does not matter: count who is in both rows.": (
                (true_neighbors == map_neighbors).mean()
            ),
            "You look for a neighbour among the neighbours of all images; look into the row of "
            "the same image.": np.isin(true_neighbors, map_neighbors).mean(),
            "That is how many neighbours are shared; divide by how many there are, K.": (
                right * true_neighbors.shape[1]
            ),
            "That is the number of all shared neighbours; divide by N times K.": (
                right * true_neighbors.size
            ),
            "Take the mean over the images, not the sum.": right * len(true_neighbors),
            "You divide by all that are in one row or the other; divide by K.": np.mean(
                [
                    len(set(a) & set(b)) / len(set(a) | set(b))
                    for a, b in zip(true_neighbors, map_neighbors, strict=True)
                ]
            ),
            "That is the share that is lost; return the share that is kept.": 1 - right,
        },
        praise="1 would be a perfect map. By chance it is K / N.",
    )


def check_auroc(function: Function) -> bool:
    """Check a learner's auroc(score, wrong): how often a wrong label has the larger score."""
    return check(
        function,
        right=_auroc,
        cases=[
            {"score": _SCORE, "wrong": wrong} for wrong in (_WRONG, _WRONG[::-1].copy(), ~_WRONG)
        ],
        slips=lambda right, score, wrong: {
            "A tie counts half: add (of_wrong == of_right).mean() / 2.": _pairs(score, wrong, 0),
            "A tie counts half, not in full.": _pairs(score, wrong, 1),
            "This is turned round: it counts the pairs in which the *right* label has the larger "
            "score.": 1 - right,
            "This is a number of pairs; return their share.": right * wrong.sum() * (~wrong).sum(),
            "These are pairs of a wrong label with any label; leave the wrong ones out of the "
            "second: score[~wrong].": _means(score[wrong][:, None], score),
            "This is the difference of two means; compare the labels pair by pair.": (
                score[wrong].mean() - score[~wrong].mean()
            ),
        },
        praise="No threshold was needed: it judges the order, and nothing else.",
    )


@judged
def check_may_be_read(function: Function) -> None:
    """Check a learner's may_be_read(): for each name in STATEMENTS, True or False."""
    answers = called(function, {})
    if not isinstance(answers, dict) or set(answers) != set(STATEMENTS):
        raise NotYetRightError(
            f"Return a dict with these names: {', '.join(map(repr, STATEMENTS))}, each with True "
            "or False."
        )
    for name, statement in STATEMENTS.items():
        if not isinstance(answers[name], bool | np.bool_):
            raise NotYetRightError(f"{name!r} has {answers[name]!r}: write True or False.")
        if answers[name] != statement.may:
            verdict = "one may read that" if statement.may else "one may not read that"
            raise NotYetRightError(f"{name!r}: {verdict}. {statement.reason}")
    say("Right. Neighbourhoods may be read from a map, and hardly anything else.")


def judge_selection(
    selected: Sequence[int], wrong: NDArray[np.bool_], p: NDArray[Any], given: NDArray[Any]
) -> None:
    """Say how many wrong labels an eye has found, beside as many images found by p.

    Of what is selected, the images whose given label is not the most frequent one count as picked.

    Args:
        selected: places of images, such as ``explorer.selected``.
        wrong: bool [N], which labels are wrong.
        p: [N], probability of the given label.
        given: [N], the given labels.
    """
    if len(selected) < _FEWEST:
        say(
            f"{len(selected)} images are selected. Drag a rectangle around a cluster on a map of "
            "the first explorer, then run this cell again."
        )
        return
    chosen = np.asarray(selected)
    usual = np.bincount(given[chosen]).argmax()
    picked = chosen[given[chosen] != usual]
    by_p = chosen[np.argsort(p[chosen], kind="stable")[: len(picked)]]
    say(
        f"{len(chosen)} images are selected, {wrong[chosen].sum()} with a wrong label. "
        f"{len(picked)} differ from the most frequent label.\n"
        f"By eye: {_found(picked, wrong, chosen)}\n"
        f"By p:   {_found(by_p, wrong, chosen)}"
    )


def _found(picked: NDArray[Any], wrong: NDArray[np.bool_], chosen: NDArray[Any]) -> str:
    flagged = np.isin(chosen, picked)
    found = evaluate.flip_detection(np.zeros(len(chosen)), wrong[chosen], flagged)
    return f"precision {found.precision:.0%}, recall {found.recall:.0%}."


def _overlap(true_neighbors: NDArray[Any], map_neighbors: NDArray[Any]) -> np.floating[Any]:
    shared_NKK = true_neighbors[:, :, None] == map_neighbors[:, None, :]
    share: np.floating[Any] = shared_NKK.any(axis=2).mean()
    return share


def _auroc(score: NDArray[Any], wrong: NDArray[np.bool_]) -> float:
    return _pairs(score, wrong, 0.5)


def _pairs(score: NDArray[Any], wrong: NDArray[np.bool_], tie: float) -> float:
    return _means(score[wrong][:, None], score[~wrong], tie)


def _means(of_wrong: NDArray[Any], others: NDArray[Any], tie: float = 0.5) -> float:
    return float((of_wrong > others).mean() + tie * (of_wrong == others).mean())
