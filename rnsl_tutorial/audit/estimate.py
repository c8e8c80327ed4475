"""How many labels are wrong, and how many of the most doubtful? Flips on paper tell, with a range.

Nobody knows the wrong labels of an archive. But no witness of `scores` knew the label of the image
that it judges, so what it would have said under *another* label is known without training again:
every image can be given every wrong label, on paper, and where these land tells how far up the
list wrong labels stand.

Shapes: N images, C classes, T thresholds of doubt, G points of log odds.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from scipy.stats import binom

from rnsl_tutorial._arrays import labels_in, takes
from rnsl_tutorial.audit._transition import (
    flips_on_paper,
    likely_flips,
    not_told_apart,
    odds_of_every_label,
)
from rnsl_tutorial.audit.scores import Scores
from rnsl_tutorial.noise import Labels, Matrix

__all__ = ["Look", "PrecisionEstimate", "estimate_precision"]

_THRESHOLDS = 120
_AT_G = np.arange(1.0, 7.1, 0.5)  # log odds that the share of wrong labels is read at
_BLAMED = {"least": 0.5, "low": 0.65, "estimate": 0.7, "high": 1.0}
"""Exponents of p for the right labels: the lower, the more of them are thought to be doubted."""
_HARD = 0.7  # share of the flips that lie on images which look like the other class, for "high"
_ERRORS = {"least": -1.0, "low": -1.0, "estimate": 0.0, "high": 1.0}  # standard ones, of counting
_FIRST = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000)
_WIDEST = 0.5  # of a range that is worth to be told
_RECOGNISED = 0.3  # with less skill, nothing can be concluded
_BEST = 0.8  # skill to be expected if no label is wrong: what is missing of it may be wrong labels
_CHANCE = 0.25  # at either end, that counting a few images adds to a range


class Look(NamedTuple):
    """What share of the first of the list is wrong.

    Attributes:
        first: how many of the most doubtful images.
        low: lower end of a range that holds the share of wrong labels among them nine times in ten.
        high: its upper end.
        estimate: the share.
    """

    first: int
    low: float
    high: float
    estimate: float


class PrecisionEstimate(NamedTuple):
    """How many of the doubtful labels are wrong.

    At threshold 0 every image is flagged, so precision, low and high are there the share of wrong
    labels in the archive.

    Attributes:
        thresholds: float64 [T], ascending from 0, of doubt; the doubts at ranks in even ratios.
        flagged: int64 [T], images whose doubt is at least the threshold; none is 0.
        precision: float64 [T] in [0, 1], estimated share of the flagged that are wrong.
        recall: float64 [T] in [0, 1], share of the flips on paper that are found.
        low: float64 [T], lower end of a 90% range for the precision ...
        high: float64 [T], ... and its upper end.
        skill: Cohen's kappa of the likeliest class and the given label: 0 for guessing, 1 if all
            agree.
        concluded: whether anything can be concluded: the skill is enough, and the easiest wrong
            labels are not decided already; else low is 0 and high is 1.
    """

    thresholds: NDArray[np.float64]
    flagged: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    skill: float
    concluded: bool

    @property
    def recognised(self) -> bool:
        """Whether the skill is enough to conclude anything."""
        return self.skill >= _RECOGNISED

    @property
    def told(self) -> NDArray[np.bool_]:
        """Where a range may be told, bool [T]: something is concluded, within 50 points."""
        return (self.high - self.low <= _WIDEST) & self.concluded

    def withheld(self) -> "PrecisionEstimate":
        """Return it without what it concludes: low is 0 and high is 1."""
        return self._replace(
            low=np.zeros_like(self.low), high=np.ones_like(self.high), concluded=False
        )

    def looks(self) -> list[Look]:
        """Return what is known of the first 5, 10, 25, ... images; no range wider than 50 points.

        Up to twice as many images as may be wrong.
        """
        found = []
        for first in _FIRST:
            at = int(np.abs(self.flagged - first).argmin())
            low, middle, high = (float(v[at]) for v in (self.low, self.precision, self.high))
            if first > min(2 * self.high[0] * self.flagged[0] + 5, self.flagged[0]):
                break
            drawn = _counts(first, low, middle, high)
            if drawn.high - drawn.low <= _WIDEST:
                found.append(drawn)
        return found


def estimate_precision(scores: Scores, labels: Labels, joint: Matrix) -> PrecisionEstimate:
    """Estimate how many labels are wrong, and how many of those above each threshold.

    With O_i(c) the log odds that label c of image i is wrong (`_transition.odds_of_every_label`),
    the shares above log odds t of

        all labels as given     K(t) = mean_i [O_i(y_i) > t]
        wrong ones, on paper    r1(t) = sum_i v_i sum_(c not in S_i) Q[y_i, c] [O_i(c) > t] / norm
        right ones, on paper    r0(t) = mean_i sum_c p_i(c)^b / norm_i [O_i(c) > t]

    where v_i is the chance that y_i is right, Q is `_transition.flips_on_paper`, and S_i are y_i
    and the classes that cannot be told from it. The share W of wrong labels is the one for which

        K(t) = W r1(t) + (1 - W) r0(t)

    holds best, by weighted least squares over 1 <= t <= 7, where r0 is small. The precision above t
    is then W r1 / (W r1 + (1 - W) r0).

    How sure the witnesses are of themselves where they err cannot be known from the labels: this
    decides b. It is 0.7 for the estimate; for the lower end 0.65 (of the share in the whole archive
    0.5), for the upper end 1, where right labels are hardly ever doubted, and seven of ten flips
    lie on images that look like the other class (c is drawn from p_i^(1/2) instead of Q), which are
    harder to find. To either end a standard error of counting is added. The upper end is at least
    1 - kappa / 0.8, see ``skill``: where classes are taken for each other, wrong labels that look
    right leave no other trace. These numbers were chosen so that the ranges hold the truth nine
    times in ten on archives whose wrong labels are known; `benchmarks/audit_ranges.py` counts it on
    others.

    Args:
        scores: of the labels.
        labels: int64 [N], the given ones.
        joint: float64 [C, C], `_transition.estimate_joint` of both.
    """
    labels_N = labels_in(len(joint), labels)
    p_NC = scores.probabilities.astype(np.float64)
    skill = _skill(p_NC, labels_N)
    thresholds_T, flagged_T = _thresholds(scores.doubt)
    odds_T = np.append(-np.inf, logit(thresholds_T[1:].clip(1e-12, 1 - 1e-7)))
    paper = _Paper(p_NC, labels_N, scores, joint, np.append(odds_T - 1e-6, _AT_G))
    ends = {name: paper.mixed(name) for name in _BLAMED}
    ends["high"] = np.maximum(ends["high"], 1 - skill / _BEST)
    if skill < _RECOGNISED:
        ends["low"], ends["high"] = np.zeros(len(odds_T)), np.ones(len(odds_T))
    ends["low"][0] = min(ends["least"][0], ends["low"][0])
    middle_T, low_T, high_T = (  # of the first, no more can be wrong than of all
        np.minimum(np.maximum.accumulate(ends[name]), ends[name][0] * flagged_T[0] / flagged_T)
        for name in ("estimate", "low", "high")
    )
    return PrecisionEstimate(
        thresholds_T,
        flagged_T,
        middle_T,
        paper.wrong[: len(odds_T)],
        np.minimum(low_T, middle_T),
        np.maximum(high_T, middle_T),
        skill,
        skill >= _RECOGNISED,
    )


class _Paper:
    """Shares of labels above points of log odds: as given, and on paper wrong or right."""

    def __init__(
        self,
        p_NC: NDArray[np.float64],
        labels_N: Labels,
        scores: Scores,
        joint_CC: Matrix,
        at: NDArray[np.float64],
    ) -> None:
        self._count, self._at, self._order = len(p_NC), at, np.argsort(at)
        self._p_NC = p_NC
        same_CC = not_told_apart(p_NC, labels_N)
        self._odds_NC = odds_of_every_label(p_NC, likely_flips(p_NC, joint_CC), same_CC)
        self._other_NC = ~same_CC[labels_N]
        wrong_CC = flips_on_paper(p_NC, joint_CC) * ~same_CC
        right_N = 1 - scores.doubt.astype(np.float64)
        self.given = self._above(np.full(self._count, 1.0), scores.log_odds)
        self.wrong = self._above(right_N[:, None] * (wrong_CC / _sums(wrong_CC))[labels_N])
        self.hard = self._above(right_N[:, None] * self._others())

    def mixed(self, end: str) -> NDArray[np.float64]:
        """Precision above each threshold, for the estimate or for an end of the range."""
        places = len(self._at) - len(_AT_G)
        blamed = self._above(_powers(self._p_NC, _BLAMED[end]))
        wrong = self.wrong if end != "high" else (1 - _HARD) * self.wrong + _HARD * self.hard
        share = self._share(wrong[places:], blamed[places:], self.given[places:])
        seen = max(float(wrong[places + 4]), 0.3)  # of the wrong ones
        error = np.sqrt(max(share, 1 / self._count) / self._count) / seen
        share = float(np.clip(share + _ERRORS[end] * error, 0, 1))
        of_wrong, of_right = share * wrong[:places], (1 - share) * blamed[:places]
        found: NDArray[np.float64] = of_wrong / np.maximum(of_wrong + of_right, 1e-12)
        return found

    def _share(
        self, wrong_G: NDArray[np.float64], right_G: NDArray[np.float64], given_G: Matrix
    ) -> float:
        """W of K = W r1 + (1 - W) r0, by least squares, weighted by the variance of counting."""
        apart_G = wrong_G - right_G
        weight_G = apart_G / np.maximum(given_G, 1 / self._count)
        norm = max(float(apart_G @ weight_G), 1e-12)
        return float((given_G - right_G) @ weight_G) / norm

    def _above(
        self, weight: NDArray[np.float64], odds: NDArray[np.floating] | None = None
    ) -> NDArray[np.float64]:
        """Share of the weight above each point."""
        odds = self._odds_NC if odds is None else odds
        edges = np.concatenate([self._at[self._order], [np.inf]])
        counted, _ = np.histogram(odds.ravel(), np.maximum(edges, -1e30), weights=weight.ravel())
        above = np.empty(len(self._at))
        above[self._order] = counted[::-1].cumsum()[::-1] / max(weight.sum(), 1e-300)
        return np.minimum(above, 1)

    def _others(self) -> NDArray[np.float64]:
        """p^(1/2) of the classes that are not given, rows of sum 1."""
        others_NC = np.sqrt(self._p_NC) * self._other_NC
        found: NDArray[np.float64] = others_NC / _sums(others_NC)
        return found


def _sums(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of rows, [rows, 1]; none is 0."""
    found: NDArray[np.float64] = np.maximum(rows.sum(axis=1, keepdims=True), 1e-300)
    return found


def _powers(p_NC: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    powers_NC = np.power(p_NC, exponent)
    found: NDArray[np.float64] = powers_NC / _sums(powers_NC)
    return found


def _skill(p_NC: NDArray[np.float64], labels_N: Labels) -> float:
    """Cohen's kappa, with the likeliest class and the given label as the two raters."""
    guessed_C, given_C = (
        np.bincount(found, minlength=p_NC.shape[1]) / len(p_NC)
        for found in (p_NC.argmax(axis=1), labels_N)
    )
    chance = float(guessed_C @ given_C)
    return float((p_NC.argmax(axis=1) == labels_N).mean() - chance) / max(1 - chance, 1e-12)


def _counts(first: int, low: float, estimate: float, high: float) -> Look:
    """Widen a range by chance: of so few images, the share that is wrong differs from the mean."""
    lowest, highest = (
        binom.ppf(chance, first, end) / first
        for chance, end in ((_CHANCE, low), (1 - _CHANCE, high))
    )
    return Look(first, min(float(lowest), low), max(float(highest), high), estimate)


@takes(doubt_N="numbers N")
def _thresholds(doubt_N: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return thresholds of doubt, ascending from 0, and how many images lie at or above each.

    The thresholds are the doubts at ranks in even ratios, since doubts crowd near 0 and 1.
    """
    ascending_N = np.sort(doubt_N.astype(np.float64))
    ranks = np.rint(np.geomspace(1, len(ascending_N), _THRESHOLDS)).astype(np.int64)
    thresholds_T = np.union1d([0.0], ascending_N[-ranks])
    flagged_T = len(ascending_N) - np.searchsorted(ascending_N, thresholds_T)
    return thresholds_T, flagged_T.astype(np.int64)
