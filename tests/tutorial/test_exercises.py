"""Each self-check passes the right answer and tells the likely wrong ones what is wrong."""

import numpy as np
import pytest
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


def test_a_function_that_writes_into_its_arguments_is_judged_by_what_it_returns() -> None:
    def spoiled(x: NDArray[np.float64]) -> NDArray[np.float64]:
        x *= 0
        return x

    given = np.array([1.0, 2.0])
    with pytest.raises(exercises.NotYetRightError, match="2 of 2 values are off"):
        check(spoiled, lambda x: 2 * x, [{"x": given}], lambda right, x: {}, "")
    assert given.tolist() == [1, 2]


def test_a_slip_is_named_only_if_it_explains_every_case() -> None:
    def wrong_elsewhere(x: int) -> int:
        return -x if x == 1 else 0

    with pytest.raises(exercises.NotYetRightError) as error:
        check(
            wrong_elsewhere,
            lambda x: x,
            [{"x": 1}, {"x": 2}],
            lambda right, x: {"Turn it.": -x},
            "",
        )
    assert "Turn" not in str(error.value)


def test_the_learner_sees_the_message_without_a_traceback() -> None:
    error = exercises.NotYetRightError("Divide by q.")
    assert error._render_traceback_() == ["Not yet right. Divide by q."]
