"""Each self-check passes the right answer and tells the likely wrong ones what is wrong."""

import math

import numpy as np
import pytest
from exercise_answers import refusal, wrong
from numpy.typing import NDArray

from rnsl_tutorial.tutorial import exercises
from rnsl_tutorial.tutorial.exercises.checking import check


def test_robust_loss_right(capsys: pytest.CaptureFixture[str]) -> None:
    exercises.check_robust_loss(lambda p, q: (1 - p**q) / q)
    said = capsys.readouterr().out
    assert said.startswith("Right.")
    assert f"costs {(1 - 0.01**0.7) / 0.7:.1f}; NSL makes it cost {-math.log(0.01):.1f}" in said


test_robust_loss_wrong = wrong(
    exercises.check_robust_loss,
    (lambda p, q: 1 - p**q, "p = 0.5, q = 0.7 .* divide by q"),
    (lambda p, q: (p**q - 1) / q, "sign is turned"),
    (lambda p, q: (1 - q**p) / p, "changed places"),
    (lambda p, q: (1 - p) ** q / q, "power of p alone"),
    (lambda p, q: None, "returns None: is the `return` missing"),
    (lambda p, q: 1 - p**q / q, "in brackets"),
    (lambda p, q: (1 - p**0.7) / 0.7, "q is not always 0.7"),
    (lambda p, q: (1 - p**q) / 0.7, "not by 0.7"),
    (lambda p, q: -math.log(p), r"it gives 0\.6931, expected 0\.5492\. This is NSL"),
    (lambda p, q: p, r"it gives 0\.5, expected 0\.5492\. This is p, as it was given\.$"),
    (lambda p, q: "a text", "it gives 'a text', expected"),
    (lambda p, q: (1 - p ^ q) / q, r"Python stopped in your function: .* written \*\*"),
    (lambda p: p, "takes p and q"),
    (lambda p, q: p.pow(q), "AttributeError: 'float' object has no attribute 'pow'.* p and q"),
)


def test_a_function_that_writes_into_its_arguments_is_told_and_spoils_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def spoiled(x: NDArray[np.float64]) -> NDArray[np.float64]:
        x *= 2
        return x

    given = np.array([1.0, 2.0])
    assert not check(spoiled, lambda x: 2 * x, [{"x": given}], lambda right, x: {}, "")
    assert "writes into x, " in capsys.readouterr().out
    assert given.tolist() == exercises.failed["x"].tolist() == [1, 2]


def test_a_list_of_rows_that_is_read_alone_is_not_written_into() -> None:
    rows = [{"given": "a"}, {"given": "b"}]
    assert check(len_of, len_of, [{"rows": rows}], lambda right, rows: {}, "")
    assert not check(emptied, len_of, [{"rows": rows}], lambda right, rows: {}, "")


def len_of(rows: list[object]) -> int:
    return len(rows)


def emptied(rows: list[object]) -> int:
    found = len(rows)
    rows.clear()
    return found


def test_a_slip_is_named_only_if_it_explains_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    def wrong_elsewhere(p: float, q: float) -> float:
        return 1 - p**q if (p, q) == (0.5, 0.7) else 0.0

    assert "divide" not in refusal(exercises.check_robust_loss, wrong_elsewhere, capsys)
