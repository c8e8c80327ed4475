"""What the tests of the self-checks share: right answers pass, likely wrong ones are told why."""

from collections.abc import Callable
from typing import Any

import pytest

from rnsl_tutorial.tutorial import exercises

Answer = Callable[..., Any]


def right(check: Answer, *answers: Answer) -> Answer:
    """A test that a check passes each of these answers."""

    @pytest.mark.parametrize("answer", answers)
    def passes(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
        check(answer)
        assert capsys.readouterr().out.startswith("Right.")

    return passes


def wrong(check: Answer, *cases: tuple[Any, str]) -> Answer:
    """A test that a check refuses each answer, with a message that matches."""

    @pytest.mark.parametrize(("answer", "message"), cases)
    def refuses(answer: Answer, message: str) -> None:
        with pytest.raises(exercises.NotYetRightError, match=message):
            check(answer)

    return refuses


def by_place(check: Answer) -> Answer:
    """The same check for answers whose arguments have other names."""
    return lambda answer: check(lambda **case: answer(*case.values()))
