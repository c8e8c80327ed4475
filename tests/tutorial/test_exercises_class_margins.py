"""The checks of notebook 08 pass right answers and tell the likely wrong ones what is wrong."""

from typing import Any

import numpy as np
import pytest
from exercise_answers import by_place, right, wrong
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.tutorial import exercises
from rnsl_tutorial.tutorial.exercises.class_margins import _DROP, _SCORE, _luck

Array = NDArray[Any]


# ------------------------------------------------------------------ who wins the vote


def vote_right(votes: Array, own: int) -> float:
    leads = votes == votes.max(axis=1, keepdims=True)
    return float((leads[:, own] / leads.sum(axis=1)).mean())


def vote_by_loop(votes: Array, own: int) -> float:
    won = 0.0
    for election in votes.tolist():
        if election[own] == max(election):
            won += 1 / election.count(max(election))
    return won / len(votes)


test_vote_right_right = right(exercises.check_vote_right, vote_right, vote_by_loop)


test_vote_right_wrong = wrong(
    by_place(exercises.check_vote_right),
    (lambda v, own: (v.argmax(axis=1) == own).mean(), "tie to the label with the smallest"),
    (lambda v, own: (v[:, own] == v.max(axis=1)).mean(), "A tie counts too much"),
    (
        lambda v, own: (v[:, own] > np.delete(v, own, axis=1).max(axis=1)).mean(),
        "A tie is not lost",
    ),
    (lambda v, own: (v[:, own] > v.sum(axis=1) / 2).mean(), "not more than half of them"),
    (lambda v, own: v[:, own].sum() / v.sum(), "the share of single votes"),
    (lambda v, own: vote_right(v, own) * len(v), "return a share"),
    (lambda v, own: (v == v.max(axis=0))[:, own].mean(), "axis=1"),
    (lambda v, own: None, "is the `return` missing"),
)


# ------------------------------------------------------------------ luck


def luck(score: Array, drop: Array, orders: Array) -> float:
    predicted, measured = rankdata(score), rankdata(drop)
    found = np.corrcoef(predicted, measured)[0, 1]
    by_luck = [np.corrcoef(predicted[order], measured)[0, 1] for order in orders]
    return float((1 + np.sum(by_luck >= found)) / (1 + len(orders)))


def luck_with_the_other_side_shuffled(score: Array, drop: Array, orders: Array) -> float:
    found = spearmanr(score, drop).statistic
    by_luck = np.array([spearmanr(score, drop[order]).statistic for order in orders])
    return float((1 + (by_luck >= found).sum()) / (1 + len(orders)))


def counted(score: Array, drop: Array, orders: Array) -> float:
    return luck(score, drop, orders) * (1 + len(orders)) - 1


test_luck_right = right(exercises.check_luck, luck, luck_with_the_other_side_shuffled)


def test_the_right_luck_is_the_librarys() -> None:
    rng = np.random.default_rng(1)
    orders = rng.permuted(np.tile(np.arange(6), (4000, 1)), axis=1)
    library = class_margins.chance(_SCORE, _DROP, seed=0)
    assert _luck(_SCORE, _DROP, orders) == pytest.approx(library, abs=0.01)


test_luck_wrong = wrong(
    by_place(exercises.check_luck),
    (lambda s, d, o: counted(s, d, o) / len(o), "luck is never exactly 0"),
    (lambda s, d, o: (1 + counted(s, d, o)) / len(o), "belongs into the denominator"),
    (
        lambda s, d, o: (
            (1 + sum(np.corrcoef(s[k], d)[0, 1] >= np.corrcoef(s, d)[0, 1] for k in o))
            / (1 + len(o))
        ),
        "rankdata first",
    ),
    (lambda s, d, o: (1 + len(o) - counted(s, d, o)) / (1 + len(o)), "count those that do at"),
    (
        lambda s, d, o: (
            (
                1
                + sum(
                    abs(spearmanr(s[k], d).statistic) >= abs(spearmanr(s, d).statistic) for k in o
                )
            )
            / (1 + len(o))
        ),
        "upside down is no good prediction",
    ),
    (lambda s, d, o: spearmanr(s, d).statistic, "how often luck reaches it"),
    (lambda s, d, o: 1 + counted(s, d, o), "divide it by 1"),
)
