"""The self-checks of notebook 03 pass the right answers and tell the likely wrong ones apart."""

import math
from typing import Any

import pytest
import torch
from exercise_answers import Answer, refusal, wrong

from rnsl_tutorial.tutorial import exercises


def pull(p: Any, q: float) -> Any:
    return p**q * (1 - p)


def right_pull(p: float, q: float) -> float:
    return float(pull(p, q))


def right_rnsl(log_p: torch.Tensor, q: float) -> torch.Tensor:
    return -torch.expm1(q * log_p) / q


CHECKS: list[tuple[Answer, Answer, str]] = [
    (exercises.check_pull, right_pull, "NSL pulls with 0.99, RNSL (q = 0.7) with 0.04"),
    (exercises.check_stable_rnsl, right_rnsl, "Its slope is right too"),
]


@pytest.mark.parametrize(("check", "answer", "praise"), CHECKS)
def test_the_right_answer(
    check: Answer, answer: Answer, praise: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check(answer)
    said = capsys.readouterr().out
    assert said.startswith("Right.")
    assert praise in said


test_pull_wrong = wrong(
    exercises.check_pull,
    (lambda p, q: -pull(p, q), "p = 0.5, q = 0.7 it gives -0.3078, .* Drop the minus"),
    (lambda p, q: p ** (q - 1), "the slope over p; times"),
    (lambda p, q: -(p ** (q - 1)), "This is dL/dp; times"),
    (lambda p, q: p**q, "factor 1 - p is missing"),
    (lambda p, q: 1 - p, "NSL's pull"),
    (lambda p, q: p * (1 - p), "This is dp/dz"),
    (lambda p, q: q * pull(p, q), "q times too small"),
    (lambda p, q: q * p ** (q - 1) * (1 - p), "its q cancels"),
    (lambda p, q: p ** (q - 1) * (1 - p), r"The p of dp/dz = p \(1 - p\) is missing"),
    (lambda p, q: (1 - p) ** q * p, "changed places"),
    (lambda p, q: p**q * 1 - p, "The brackets are missing"),
    (lambda p, q: p * pull(p, q), "One p too many"),
    (lambda p, q: q * p ** (q - 1), r"slope of p\*\*q alone"),
    (lambda p, q: -q * pull(p, q), "Drop the minus. And it is q times too small"),
    (lambda p, q: 1 - p**q, "q times the loss"),
    (lambda p, q: p * q * (1 - p), r"a power is written \*\*"),
    (lambda p, q: p**0.7 * (1 - p), "q is not always 0.7"),
    (lambda p, q: (1 - p**q) / q if q else 0.0, "the loss, not its slope"),
    (lambda p, q: p, r"expected 0\.3078\. This is p, as it was given\.$"),
)


test_stable_rnsl_wrong = wrong(
    exercises.check_stable_rnsl,
    (lambda log_p, q: (1 - log_p.exp() ** q) / q, "q = 1e-06 .* Never form p"),
    (lambda log_p, q: (1 - (q * log_p).exp()) / q, "q = 1e-06 .* digits .* cancel"),
    (lambda log_p, q: torch.expm1(q * log_p) / q, "The minus in front is missing"),
    (lambda log_p, q: -torch.expm1(q * log_p), r"Divide by q\.$"),
    (lambda log_p, q: -torch.expm1(log_p) / q, "The power: it is q"),
    (lambda log_p, q: (1 - torch.expm1(q * log_p)) / q, "taken the 1 away already"),
    (lambda log_p, q: -torch.expm1(q * log_p / q), "Here q cancels"),
    (lambda log_p, q: torch.expm1(-q * log_p) / q, "and not inside"),
    (lambda log_p, q: (1 - log_p**q) / q, "given log p, and not p"),
    (lambda log_p, q: -log_p, "This is NSL"),
    (lambda log_p, q: (1 - log_p.double().exp() ** q) / q, "slope is nan, .* Is p formed"),
    (lambda log_p, q: -math.expm1(q * log_p.item()) / q, "autograd cannot follow"),
    (lambda log_p, q: right_rnsl(log_p.detach(), q), "autograd cannot follow"),
)


def test_a_slope_that_is_nan_is_found_where_the_losses_are_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def constant(log_p: torch.Tensor, q: float) -> torch.Tensor:
        return right_rnsl(log_p.detach(), q) + 0 * log_p

    said = refusal(exercises.check_stable_rnsl, constant, capsys)
    assert "losses are right. But at log_p = -1, q = 0.7 the slope is 0, expected -0.4966" in said

    def through_p(log_p: torch.Tensor, q: float) -> torch.Tensor:
        return right_rnsl(log_p, q) + 0 * log_p.exp() ** q

    said = refusal(exercises.check_stable_rnsl, through_p, capsys)
    assert "log_p = -200, q = 0.7 the slope is nan, expected 0. Is" in said
