"""The checks of notebook 07 pass right answers and tell the likely wrong ones what is wrong."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from exercise_answers import right, wrong

from rnsl_tutorial.evaluation import significance
from rnsl_tutorial.training import baselines
from rnsl_tutorial.tutorial import exercises
from rnsl_tutorial.tutorial.exercises.aid_experiment import _SEEDS, _T_OF_5

# ------------------------------------------------------------------ symmetric cross-entropy


test_sce_right = right(
    exercises.check_sce,
    lambda log_p, alpha, beta: -alpha * log_p + 4 * beta * (1 - log_p.exp()),
    lambda log_p, alpha, beta: alpha * -log_p - 4 * beta * torch.expm1(log_p),
)


def test_the_right_sce_is_the_librarys() -> None:
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(n, 8, generator=generator) for n in (6, 4))
    y = torch.arange(6) % 4
    log_p = -baselines.sce(x, w, y, temperature=0.1, alpha=1.0, beta=0.0)
    expected = baselines.sce(x, w, y, temperature=0.1, alpha=0.3, beta=0.6)
    torch.testing.assert_close(-0.3 * log_p + 4 * 0.6 * (1 - log_p.exp()), expected)


test_sce_wrong = wrong(
    exercises.check_sce,
    (lambda log_p, alpha, beta: alpha * log_p + 4 * beta * (1 - log_p.exp()), "the minus is"),
    (lambda log_p, alpha, beta: -alpha * log_p + beta * (1 - log_p.exp()), "factor 4"),
    (lambda log_p, alpha, beta: -alpha * log_p - 4 * beta * (1 - log_p.exp()), "wrong sign"),
    (lambda log_p, alpha, beta: -beta * log_p + 4 * alpha * (1 - log_p.exp()), "changed pl"),
    (lambda log_p, alpha, beta: -alpha * log_p + 4 * beta * log_p.exp(), "must be 1 - p"),
    (lambda log_p, alpha, beta: -alpha * log_p + 4 * beta * (1 - log_p), "not 1 - p"),
    (
        lambda log_p, alpha, beta: (-alpha * log_p + 4 * beta * (1 - log_p.exp())).mean(),
        "loss of each image",
    ),
    (lambda log_p, alpha, beta: -0.1 * log_p + 4 * (1 - log_p.exp()), "not always 0.1"),
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
