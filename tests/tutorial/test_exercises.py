"""Each self-check passes the right answer and tells the likely wrong ones what is wrong."""

from typing import Any

import numpy as np
import pytest
from exercise_answers import refusal
from numpy.typing import NDArray

from rnsl_tutorial.tutorial import exercises
from rnsl_tutorial.tutorial.exercises.checking import check

MORE = {"check_choose_k": (np.zeros(2), np.zeros(2, dtype=bool), {})}  # that a check is given


@pytest.mark.parametrize("name", [name for name in exercises.__all__ if name.startswith("check_")])
def test_not_solved_yet(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    def unsolved(*_: object, **__: object) -> None:
        raise NotImplementedError("Your turn: write this function.")

    assert not getattr(exercises, name)(unsolved, *MORE.get(name, ()))
    said = capsys.readouterr().out
    assert said.startswith("Not solved yet")
    assert said.count("\n") == 1


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


def test_a_slip_is_named_only_if_it_explains_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    def wrong_elsewhere(x: int) -> int:
        return -x if x == 1 else 0

    def checked(function: Any) -> bool:
        cases = [{"x": 1}, {"x": 2}]
        return check(function, lambda x: x, cases, lambda right, x: {"Turn it.": -x}, "")

    assert "Turn" not in refusal(checked, wrong_elsewhere, capsys)
    assert "Turn" in refusal(checked, lambda x: -x, capsys)
