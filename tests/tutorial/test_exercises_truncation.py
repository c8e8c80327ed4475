"""The checks of notebook 05 pass right answers and tell the likely wrong ones what is wrong."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from exercise_answers import refusal, right, wrong
from numpy.typing import NDArray
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial.evaluation.embedding import flip_detection
from rnsl_tutorial.tutorial import exercises

Mask = NDArray[np.bool_]


# ------------------------------------------------------------------ the pruning step


test_keep_mask_right = right(
    exercises.check_keep_mask,
    lambda log_p, k: log_p > np.log(k),
    lambda log_p, k: np.exp(log_p) > k,
    lambda log_p, k: -log_p < -np.log(k),
    lambda log_p, k: torch.from_numpy(log_p) > np.log(k),
)


test_keep_mask_wrong = wrong(
    exercises.check_keep_mask,
    (lambda log_p, k: log_p > k, "Nobody is kept: .* np.log"),
    (lambda log_p, k: log_p >= np.log(k), "p = k exactly is left out"),
    (lambda log_p, k: log_p <= np.log(k), "keeps the images that should go"),
    (lambda log_p, k: log_p < np.log(k), "keeps the images that should go"),
    (lambda log_p, k: -log_p > -np.log(k), "keeps the images that should go"),
    (lambda log_p, k: -log_p > k, "should go.* And take the log of k"),
    (lambda log_p, k: np.exp(log_p) > np.log(k), "p is compared with log k"),
    (lambda log_p, k: log_p > np.log10(k), "natural logarithm"),
    (lambda log_p, k: np.flatnonzero(log_p > np.log(k)), "places of the images"),
    (lambda log_p, k: log_p > np.log(0.5), "k is not always 0.5"),
    (lambda log_p, k: log_p[log_p > np.log(k)], "values that stay"),
    (lambda log_p: log_p, "takes log_p and k"),
    (lambda log_p, k: log_p.exp() > k, "AttributeError: 'numpy.ndarray' .* no attribute 'exp'"),
)


# ------------------------------------------------------------------ the loss with kept


def loss(log_p: Tensor, q: float) -> Tensor:
    return (1 - torch.exp(q * log_p)) / q


def level(q: float, k: float) -> float:
    return (1 - k**q) / q


test_truncated_loss_right = right(
    exercises.check_truncated_loss,
    lambda log_p, kept, q, k: kept * (loss(log_p, q) - level(q, k)),
    lambda log_p, kept, q, k: torch.where(kept, (k**q - log_p.exp() ** q) / q, 0.0),
)


def test_the_loss_is_that_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    """Between one prototype at the image and another across, every p has its cosine."""

    def by_library(log_p: Tensor, kept: Tensor, q: float, k: float) -> Tensor:
        x = torch.stack([log_p - torch.log1p(-log_p.exp()), torch.zeros_like(log_p)], 1).double()
        length = x.norm(dim=1, keepdim=True)  # over which the temperature is one
        x, w = torch.cat([x, (99 - length**2).clamp(min=0).sqrt()], 1), torch.eye(3)[:2].double()
        values = [
            losses.truncated_rnsl(
                x[i : i + 1], w, torch.zeros(1, dtype=torch.int64), kept[i : i + 1],
                q=q, k=k, temperature=1 / x[i].norm().item(),
            )
            for i in range(len(x))
        ]  # fmt: skip
        return torch.cat(values).float()

    exercises.check_truncated_loss(by_library)
    assert capsys.readouterr().out.startswith("Right.")


test_truncated_loss_wrong = wrong(
    exercises.check_truncated_loss,
    (lambda log_p, kept, q, k: loss(log_p, q) - level(q, k), "kept is not used"),
    (
        lambda log_p, kept, q, k: (log_p.exp() > k) * (loss(log_p, q) - level(q, k)),
        "decides anew",
    ),
    (lambda log_p, kept, q, k: kept * loss(log_p, q), r"L_q\(k\) is missing"),
    (lambda log_p, kept, q, k: kept * loss(log_p, q) - level(q, k), "set brackets"),
    (
        lambda log_p, kept, q, k: torch.minimum(loss(log_p, q), torch.tensor(level(q, k))),
        "This is the curve with the plateau",
    ),
    (lambda log_p, kept, q, k: kept * (level(q, k) - loss(log_p, q)), "Turned round"),
    (lambda log_p, kept, q, k: ~kept * (loss(log_p, q) - level(q, k)), "kept is turned round"),
    (lambda log_p, kept, q, k: kept * (loss(log_p, q) - 1 + k**q), "the q below is missing"),
    (lambda log_p, kept, q, k: kept * (loss(log_p, q) - k), "k itself is taken away"),
    (lambda log_p, kept, q, k: kept * ((1 - log_p**q) / q - level(q, k)), "given log p"),
    (lambda log_p, kept, q, k: (loss(log_p, q) - level(q, k))[kept], "return a 0 for the others"),
    (lambda log_p, kept, q, k: (kept * (loss(log_p, q) - level(q, k))).mean(), "This is the mean"),
    (lambda log_p, kept, q, k: None, "is the `return` missing"),
)


# ------------------------------------------------------------------ a rule for k

LOG_P = np.log(np.array([0.001, 0.01, 0.2, 0.55, 0.9, 0.99]))
FLIPPED = np.array([True, True, False, True, False, False])
MEASURED = {0.1: 0.851, 0.5: 0.86, 0.9: 0.849}


def judged(rule: Callable[..., Any]) -> bool:
    return exercises.check_choose_k(rule, LOG_P, FLIPPED, MEASURED)


def test_a_rule_is_told_what_its_threshold_does(capsys: pytest.CaptureFixture[str]) -> None:
    exercises.check_choose_k(lambda log_p: 0.3, LOG_P, FLIPPED, MEASURED)
    found = flip_detection(-LOG_P, FLIPPED, np.log(0.3) >= LOG_P)
    assert capsys.readouterr().out == (
        f"Your rule gives k = 0.30: 50.0% of the images are left out, precision "
        f"{found.precision:.1%}, recall {found.recall:.1%}.\n"
        "Whole runs with the nearest measured k, 0.1: accuracy 85.1%; with the best one, 0.5: "
        "86.0%.\n"
    )


@pytest.mark.parametrize(
    ("k", "flipped", "told"),
    [
        (1e-4, np.zeros(6, dtype=bool), "nobody is left out"),
        (0.3, np.zeros(6, dtype=bool), "and all of their labels are right"),
    ],
)
def test_a_rule_at_the_ends(
    k: float, flipped: Mask, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exercises.check_choose_k(lambda log_p: np.float32(k), LOG_P, flipped, MEASURED)
    assert told in capsys.readouterr().out


def test_a_rule_where_nothing_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    exercises.check_choose_k(lambda log_p: 0.3, LOG_P, FLIPPED, {})
    assert "No whole runs were measured" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda log_p: None, "is the `return` missing"),
        (lambda log_p: log_p, "return one number, k"),
        (lambda log_p: np.median(log_p), "is it a log"),
        (lambda log_p: 1 / 0, "ZeroDivisionError: division by zero.* takes log_p"),
        (lambda log_p: 50, "gives 50; a threshold on p lies between 0 and 1"),
        (lambda log_p: 0, "gives 0; a threshold"),
        (lambda log_p: float("nan"), "gives nan; a threshold"),
        (lambda log_p: np.exp(log_p[0]), "in another order the rule gives 0.99"),
        (lambda log_p: 1e-9, r"More than half of the wrong labels stay \(100%\): k is too small"),
        (lambda log_p: 0.995, r"More than half of the right labels go \(100%\): k is too large"),
        (lambda log_p: log_p[::-1].sort(), "writes into log_p"),
    ],
)
def test_a_rule_that_is_none(
    rule: Callable[..., Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert re.search(message, refusal(judged, rule, capsys))


def test_a_rule_cannot_spoil_the_log_p_of_the_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    def rule(log_p: NDArray[np.float64]) -> float:
        log_p *= 0
        return 0.5

    before = LOG_P.copy()
    assert "writes into log_p" in refusal(judged, rule, capsys)
    np.testing.assert_array_equal(LOG_P, before)
