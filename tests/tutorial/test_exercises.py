"""Each self-check passes the right answer and tells the likely wrong ones what is wrong."""

from typing import Any

import numpy as np
import pytest
from exercise_answers import refusal
from numpy.typing import NDArray

from rnsl_tutorial.tutorial import exercises
from rnsl_tutorial.tutorial.exercises.checking import check


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
    def wrong_elsewhere(x: int) -> int:
        return -x if x == 1 else 0

    def checked(function: Any) -> bool:
        cases = [{"x": 1}, {"x": 2}]
        return check(function, lambda x: x, cases, lambda right, x: {"Turn it.": -x}, "")

    assert "Turn" not in refusal(checked, wrong_elsewhere, capsys)
    assert "Turn" in refusal(checked, lambda x: -x, capsys)
