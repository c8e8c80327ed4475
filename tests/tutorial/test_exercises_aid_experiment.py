"""The checks of notebook 07 pass right answers and tell the likely wrong ones what is wrong."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from exercise_answers import right, wrong

from rnsl_tutorial.evaluation import significance
from rnsl_tutorial.tutorial import exercises
from rnsl_tutorial.tutorial.exercises.aid_experiment import _SEEDS, _T_OF_5

# ------------------------------------------------------------------ Holm's correction


def holm(p_values: Any, *, rising: bool = True, cut: bool = True) -> Any:
    order = np.argsort(p_values)
    raised = p_values[order] * np.arange(len(p_values), 0, -1)
    if rising:
        raised = np.maximum.accumulate(raised)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1, raised) if cut else raised
    return corrected


def holm_by_loop(p_values: Any) -> list[float]:
    smaller = [sorted(p_values).index(p) for p in p_values]
    raised = [p * (len(p_values) - rank) for p, rank in zip(p_values, smaller, strict=True)]
    return [
        min(1.0, max(r for r, q in zip(raised, p_values, strict=True) if q <= p)) for p in p_values
    ]


test_holm_right = right(exercises.check_holm, holm, holm_by_loop)
test_holm_wrong = wrong(
    exercises.check_holm,
    (lambda p_values: np.minimum(1, p_values * len(p_values)), "that is Bonferroni"),
    (lambda p_values: holm(p_values, rising=False), "raise it to that one"),
    (lambda p_values: holm(p_values, cut=False), "No p is larger than 1"),
    (lambda p_values: holm(p_values, rising=False, cut=False), "steps 2 and 3"),
    (lambda p_values: np.sort(holm(p_values)), "Put each back where its own stood"),
    (
        lambda p_values: np.minimum(1, p_values * (1 + np.argsort(np.argsort(p_values)))),
        "it must be the smallest",
    ),
    (
        lambda p_values: np.minimum(
            1, np.maximum.accumulate(p_values * np.arange(len(p_values), 0, -1))
        ),
        "sort first",
    ),
    (lambda p_values: None, "is the `return` missing"),
)


# ------------------------------------------------------------------ a paired interval


def interval(ours: Any, theirs: Any, t: float) -> tuple[float, float, float]:
    d = ours - theirs
    reach = t * d.std(ddof=1) / len(d) ** 0.5
    return d.mean(), d.mean() - reach, d.mean() + reach


def test_paired_interval_right(capsys: pytest.CaptureFixture[str]) -> None:
    exercises.check_paired_interval(interval)
    assert capsys.readouterr().out.startswith("Right.")
    mean, low, high = interval(*_SEEDS, _T_OF_5)
    assert (low, high) == pytest.approx(significance.interval(_SEEDS[0] - _SEEDS[1]), abs=1e-5)
    assert mean == pytest.approx(_SEEDS[0].mean() - _SEEDS[1].mean())


def two_samples(ours: Any, theirs: Any, t: float) -> list[float]:
    mean = ours.mean() - theirs.mean()
    reach = t * ((ours.var(ddof=1) + theirs.var(ddof=1)) / len(ours)) ** 0.5
    return [mean, mean - reach, mean + reach]


test_paired_interval_wrong = wrong(
    exercises.check_paired_interval,
    (two_samples, "add the spreads of both losses"),
    (lambda ours, theirs, t: interval(theirs, ours, t), "sign is turned around"),
    (lambda ours, theirs, t: interval(ours, theirs, t * len(ours) ** 0.5), "root of"),
    (
        lambda ours, theirs, t: interval(ours, theirs, t * (1 - 1 / len(ours)) ** 0.5),
        "ddof=1",
    ),
    (lambda ours, theirs, t: interval(ours, theirs, 1.0), "takes t of them"),
    (lambda ours, theirs, t: np.mean(ours - theirs), "return mean, low, high"),
)


# ------------------------------------------------------------------ a loss of one's own


@pytest.mark.parametrize(
    "answer",
    [
        lambda log_p: -log_p,
        lambda log_p: -torch.expm1(log_p),
        lambda log_p: -torch.expm1(log_p) + torch.expm1(log_p) ** 2 / 2,
        lambda log_p: (-log_p).clamp(max=3.0),
    ],
)
def test_own_loss_that_can_be_trained(answer: Callable[..., Any]) -> None:
    assert exercises.check_own_loss(answer)


test_own_loss_that_cannot = wrong(
    exercises.check_own_loss,
    (lambda log_p: 0.5, "one value for each image"),
    (lambda log_p: -log_p.mean(), "one value for each image"),
    (lambda log_p: log_p, "rises somewhere as p rises"),
    (lambda log_p: -log_p.exp() * log_p, "rises somewhere"),
    (lambda log_p: 0 * log_p, "rises somewhere"),
    (lambda log_p: -log_p.exp().log(), "log p = -200 the loss or its slope is not finite"),
    (lambda log_p: (1 - log_p.exp() ** 0.5) / log_p.exp() ** 0, "slope is not finite"),
    (lambda log_p: -log_p.detach(), "torch can follow"),
    (lambda p, q: p, "Python stopped in your function: TypeError"),
)
