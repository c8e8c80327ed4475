"""What the tests of the self-checks share: right answers pass, likely wrong ones are told why."""

import re
from collections.abc import Callable
from typing import Any

import pytest

Answer = Callable[..., Any]
RED = re.compile("^\x1b\\[38;5;160m(Not yet right\\. .*)\x1b\\[0m\n", re.MULTILINE)


def refusal(check: Answer, answer: Any, capsys: pytest.CaptureFixture[str]) -> str:
    """What a check says to a wrong answer, in red first, and neither passes it nor stops."""
    capsys.readouterr()
    assert check(answer) is False
    said = capsys.readouterr().out
    red = RED.search(said)
    assert red, "nothing is said in red"
    return red[1] + said[red.end() - 1 :]


def right(check: Answer, *answers: Answer) -> Answer:
    """A test that a check passes each of these answers."""

    @pytest.mark.parametrize("answer", answers)
    def passes(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
        assert check(answer) is True
        assert capsys.readouterr().out.startswith("Right.")

    return passes


def wrong(check: Answer, *cases: tuple[Any, str]) -> Answer:
    """A test that a check refuses each answer, with a message that matches."""

    @pytest.mark.parametrize(("answer", "message"), cases)
    def refuses(answer: Answer, message: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert re.search(message, refusal(check, answer, capsys), re.IGNORECASE | re.MULTILINE)

    return refuses


def by_place(check: Answer) -> Answer:
    """The same check for answers whose arguments have other names."""
    return lambda answer: check(lambda **case: answer(*case.values()))
