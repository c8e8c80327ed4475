"""Self-checks of notebook 08.

Shapes: E elections, C classes, O orders of the classes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from rnsl_tutorial.tutorial.exercises.checking import Function, check

__all__ = ["check_luck", "check_vote_right"]

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]

_VOTES = np.array(
    [[5, 2, 3, 0], [4, 4, 2, 0], [3, 3, 1, 3], [2, 6, 1, 1], [3, 3, 2, 2], [1, 1, 4, 4]]
)
"""Elections that label 0 wins, shares with one and with two others, and loses."""

_SCORE = np.array([0.3, 0.1, 0.9, 0.5, 0.2, 0.7])
_DROP = np.array([0.02, 0.05, 0.8, 0.06, 0.01, 0.3])


def check_vote_right(function: Function) -> bool:
    """Check a learner's vote_right(votes, own): the share of elections that label `own` wins."""
    return check(
        function,
        right=_vote_right,
        cases=[
            {"votes": _VOTES, "own": 0},
            {"votes": _VOTES, "own": 1},
            {"votes": _VOTES[3:], "own": 3},
        ],
        slips=lambda right, votes, own: {
            "argmax gives a tie to the label with the smallest number. A fair draw gives each of "
            "m labels 1/m.": (votes.argmax(axis=1) == own).mean(),
            "A tie counts too much: of m labels that lead together each wins 1/m.": (
                _leads(votes)[:, own].mean()
            ),
            "A tie is not lost: of m labels that lead together each wins 1/m.": (
                (_leads(votes)[:, own] & (_leads(votes).sum(axis=1) == 1)).mean()
            ),
            "The label needs more votes than each other one, not more than half of them.": (
                (votes[:, own] > votes.sum(axis=1) / 2).mean()
            ),
            "This is the share of single votes; return the share of elections that are won.": (
                votes[:, own].sum() / votes.sum()
            ),
            "This is one number for each election; return their mean.": _wins(votes, own),
            "This is a number of elections; return a share.": right * len(votes),
            "You compare elections with each other. Compare the labels of one: axis=1.": (
                (votes == votes.max(axis=0))[:, own].mean()
            ),
        },
        praise="Ten voters, and a candidate who needs no majority, only that the others disagree.",
    )


def check_luck(function: Function) -> bool:
    """Check a learner's luck(score, drop, orders): the p-value of a permutation test, one-sided."""
    return check(
        function,
        right=_luck,
        cases=[
            _case(_SCORE, _DROP),
            _case(_DROP, _SCORE[::-1].copy()),
        ],
        slips=lambda right, score, drop, orders: {
            "The order that was found counts, too, above and below: luck is never exactly 0.": (
                (right * (1 + len(orders)) - 1) / len(orders)
            ),
            "The one order that was found belongs into the denominator as well: 1 + number of "
            "orders.": right * (1 + len(orders)) / len(orders),
            "Correlate the ranks, not the values: rankdata first.": _p(score, drop, orders),
            "These are the orders that do worse; count those that do at least as well.": (
                (1 + len(orders) - (right * (1 + len(orders)) - 1)) / (1 + len(orders))
            ),
            "One-sided: an order that is upside down is no good prediction. Leave abs away.": (
                _p(rankdata(score), rankdata(drop), orders, two_sided=True)
            ),
            "This is the rank correlation; return how often luck reaches it.": (
                _correlation(rankdata(score), rankdata(drop))
            ),
            "This is a number of orders; divide it by 1 + number of orders.": (
                right * (1 + len(orders))
            ),
        },
        praise="No formula for a distribution was needed, and no assumption about one.",
    )


# ------------------------------------------------------------------ the right answers


def _leads(votes: _Integers) -> NDArray[np.bool_]:
    leads_EC: NDArray[np.bool_] = votes == votes.max(axis=1, keepdims=True)
    return leads_EC


def _wins(votes: _Integers, own: int) -> _Floats:
    wins_E: _Floats = _leads(votes)[:, own] / _leads(votes).sum(axis=1)
    return wins_E


def _vote_right(votes: _Integers, own: int) -> float:
    return float(_wins(votes, own).mean())


def _luck(score: _Floats, drop: _Floats, orders: _Integers) -> float:
    return _p(rankdata(score), rankdata(drop), orders)


def _p(score: _Floats, drop: _Floats, orders: _Integers, *, two_sided: bool = False) -> float:
    size = np.abs if two_sided else np.asarray
    by_luck_O = size([_correlation(score[order], drop) for order in orders])
    count = (by_luck_O >= size(_correlation(score, drop))).sum()
    return float((1 + count) / (1 + len(orders)))


def _correlation(score: _Floats, drop: _Floats) -> float:
    return float(np.corrcoef(score, drop)[0, 1])


def _case(score: _Floats, drop: _Floats) -> dict[str, _Floats | _Integers]:
    """A case of `luck`, with random orders and their inverses: it is alike which side is shuffled.

    None has the very correlation of the order that was found, so no rounding decides.
    """
    drawn = np.random.default_rng(0).permuted(np.tile(np.arange(6), (60, 1)), axis=1)
    a, b = rankdata(score), rankdata(drop)
    other = [abs(_correlation(a[order], b) - _correlation(a, b)) > 1e-6 for order in drawn]
    orders = np.concatenate([drawn[other], drawn[other].argsort(axis=1)])
    return {"score": score, "drop": drop, "orders": orders}
