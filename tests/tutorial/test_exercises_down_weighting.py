"""The self-checks of notebook 04 pass the right answers and tell the likely wrong ones why."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from exercise_answers import refusal, right, wrong
from torch import Tensor

from rnsl_tutorial import experiments
from rnsl_tutorial.tutorial import curves, exercises

TABLE = experiments.shipped_over_q()

# ------------------------------------------------------------------ half of the pull


def halving(excess: Callable[[float], Any], steps: int = 30) -> float:
    low, high = 0.0, 1.0
    for _ in range(steps):
        q = (low + high) / 2
        low, high = (q, high) if excess(q) > 0 else (low, q)
    return q


def pull(p: Tensor, q: float) -> Tensor:
    return p**q * (1 - p)


def excess(p: Tensor, wrong: Tensor, q: float) -> Tensor:
    return pull(p, q)[wrong].sum() - pull(p, q)[~wrong].sum()


test_balancing_q_right = right(
    exercises.check_balancing_q,
    lambda p, wrong: halving(lambda q: excess(p, wrong, q)),
    lambda p, wrong: torch.tensor(halving(lambda q: excess(p, wrong, q), steps=11)),
    lambda p, wrong: min(np.linspace(0, 1, 1001), key=lambda q: abs(excess(p, wrong, q))),
)


test_balancing_q_wrong = wrong(
    exercises.check_balancing_q,
    (
        lambda p, wrong: round(halving(lambda q: excess(p, wrong, q)), 2),
        "The steps are too coarse",
    ),
    (
        lambda p, wrong: halving(lambda q: pull(p, q)[wrong].mean() - pull(p, q)[~wrong].mean()),
        "compare sums",
    ),
    (
        lambda p, wrong: halving(lambda q: (p**q)[wrong].sum() - (p**q)[~wrong].sum()),
        "the factor 1 - p of the pull",
    ),
    (
        lambda p, wrong: halving(lambda q: 2 * pull(p, q)[wrong].sum() - pull(p, q)[~wrong].sum()),
        "Half of all",
    ),
    (
        lambda p, wrong: halving(
            lambda q: (1 - p**q)[wrong].sum() - (1 - p**q)[~wrong].sum()  # both are divided by q
        ),
        "Here the losses are balanced",
    ),
    (lambda p, wrong: halving(lambda q: -excess(p, wrong, q)), "wrong half of the interval"),
    (lambda p, wrong: pull(p, 0)[wrong].sum() / pull(p, 0).sum(), "share of the wrong labels at"),
    (lambda p, wrong: wrong.float().mean(), "This counts the wrong labels"),
    (lambda p, wrong: None, "is the `return` missing"),
    (lambda p, wrong: "half", "it gives 'half'"),
)


# ------------------------------------------------------------------ half heard


def test_half_heard_right(capsys: pytest.CaptureFixture[str]) -> None:
    exercises.check_half_heard(lambda q: 0.5 ** (1 / q))
    said = capsys.readouterr().out
    assert said.startswith("Right.")
    assert "below p = 0.37 lose" in said
    assert "below p = 0.001." in said
    for q in (0.7, 0.1):
        p = torch.tensor(0.5 ** (1 / q), dtype=torch.float64)
        kept = curves.gradient_wrt_logit(p, q) / curves.gradient_wrt_logit(p, 0)
        assert kept.item() == pytest.approx(0.5)


test_half_heard_wrong = wrong(
    exercises.check_half_heard,
    (lambda q: 0.5**q, "q = 0.7 .* to the power 1/q"),
    (lambda q: 2 ** (1 / q), "the base is 0.5, not 2"),
    (lambda q: 0.5 / q, "take the root"),
    (lambda q: 0.5**1 / q, "0.5\\*\\*1/q is 0.5/q, too"),
    (lambda q: 0.5, "half only if q is 1"),
    (lambda q: q / (1 + q), "pulls hardest"),
    (lambda q: 1 - 0.5 ** (1 / q), "asked is p"),
    (lambda q: math.log(0.5) / q, "take exp of it"),
    (lambda q: 0.5 ** (1 / 0.7), "q is not always 0.7"),
)


# ------------------------------------------------------------------ the choice of q


def test_a_good_choice_is_judged_at_every_rate(capsys: pytest.CaptureFixture[str]) -> None:
    exercises.check_q_choice(lambda: 0.7)
    said = capsys.readouterr().out
    for k in (0, 1):
        for r in (1, 2, 3):
            lost = 100 * (TABLE.accuracy[k, r].max() - TABLE.accuracy[k, r, 4])
            assert f"{TABLE.accuracy[k, r, 4]:.1%}, best" in said
            assert f": {lost:.1f} points lost" in said
    assert said.startswith("q = 0.7 (measured) on AID:")
    assert said.count("points lost") == 6
    assert "A good choice: it loses at most 0.2 points of accuracy, and 1 is the limit." in said


def test_between_two_measured_values_the_accuracy_is_interpolated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exercises.check_q_choice(0.6, 0.5, 0.5)
    said = capsys.readouterr().out
    between = TABLE.accuracy[0, 3, 3:5].mean()
    assert said.startswith("q = 0.6 (interpolated between q = 0.5 and 0.7) on AID:")
    assert f"50% wrong, symmetric        {between:.1%}, best" in said
    exercises.check_q_choice(0.05, 0.0, 0.0)
    assert "between q = 0 and 0.1" in capsys.readouterr().out


def test_the_range_of_rates_decides(capsys: pytest.CaptureFixture[str]) -> None:
    exercises.check_q_choice(0, 0.0, 0.0)
    assert "loses at most 0.0 points" in capsys.readouterr().out
    said = refusal(lambda q: exercises.check_q_choice(q, 0.0, 0.1), 0, capsys)
    assert "with 10% wrong labels" in said


test_a_bad_choice_is_told_where_it_loses = wrong(
    exercises.check_q_choice,
    (0, r"q = 0 loses 14\.9 points with 50% wrong labels \(symmetric\).*too small: 99%"),
    (0.1, r"q = 0\.1 loses 11\.4 points .* 85\.0% at q = 0\.7\. .*It is too small: 92% of the"),
    (
        1,
        r"q = 1 loses 4\.\d points .*at most 1 point at every rate: .*too large: images that",
    ),
    (0.95, "It is too large"),
    (1.5, r"q is 1\.5\. RNSL takes a number above 0, up to 1"),
    (-0.1, r"q is -0\.1\. RNSL takes"),
    (math.nan, "q is nan"),
    ("0.7", r"q is '0\.7'\. RNSL takes a number"),
    (True, "q is True"),
    (lambda: None, "is the `return` missing"),
    (lambda q: q, "Python stopped in your function: TypeError.* takes nothing"),
)


def test_rates_that_were_not_measured_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"No rate from 0\.8 to 0\.9 was measured; there are 0, 0\.1"
    ):
        exercises.check_q_choice(0.7, 0.8, 0.9)
