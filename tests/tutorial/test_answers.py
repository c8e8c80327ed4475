"""Answers to every exercise of the notebooks: right, lazy, and wrong alike anywhere.

Each is made of the notebook's own solution, so that a new exercise is tried without a row here.
What only one exercise knows, the likely slips of its formula, stands in test_exercises_*.py.
"""

import copy
import re
from collections.abc import Callable
from typing import Any

import notebook_exercises
import numpy as np
import pytest
import torch
from exercise_answers import refusal
from torch import Tensor

from rnsl_tutorial.tutorial import exercises

Answer = Callable[..., Any]
EXERCISES = notebook_exercises.of_all_notebooks()
# There is no single right answer, or the check looks at the answer as a whole.
FREE = {"draw_labels", "choose_k", "own_loss", "my_q", "may_be_read"}


def after(change: Callable[[Any], Any]) -> Callable[[Answer], Answer]:
    """A kind of answer: the solution's, changed."""
    return lambda solution: lambda **case: change(solution(**case))


def numbers(change: Callable[[Any], Any]) -> Callable[[Answer], Answer]:
    """A kind of answer: the numbers of the solution's, changed, in the same type."""

    def changed(value: Any) -> Any:
        if isinstance(value, Tensor):
            return change(value.float())
        return change(np.asarray(value, dtype=float))

    return after(changed)


def stopping(solution: Answer) -> Answer:
    return lambda **case: 1 / 0


def unsolved(solution: Answer) -> Answer:
    def answer(**case: Any) -> Any:
        raise NotImplementedError("Your turn: write this function.")

    return answer


def writing(solution: Answer) -> Answer:
    """Right, and its first array is 0 afterwards."""

    def answer(**case: Any) -> Any:
        found = solution(**case)
        next(v for v in case.values() if isinstance(v, Tensor | np.ndarray))[...] = 0
        return found

    return answer


# By kind: what makes the answer of the solution, and what it is told.
Kinds = dict[str, tuple[Callable[[Answer], Answer], str]]
ANY: Kinds = {
    "nothing": (lambda solution: lambda **case: None, "is the `return` missing|Return a dict"),
    "a stop": (stopping, r"ZeroDivisionError: division by zero\. .*line \d+, `return lambda \*\*"),
    "no argument": (lambda solution: lambda nothing: 0, r"TypeError: .*\. .*The function takes "),
    "a text": (lambda solution: lambda **case: "text", "'text'|Return one class|Return a dict"),
}
ARRAYS_GIVEN: Kinds = {"written into": (writing, r"writes into (\w+), .*: \1\.(copy|clone)\(\)\.")}
NUMBERS: Kinds = {
    "a constant": (lambda solution: lambda **case: 0.123, r"gives 0\.123, whatever it is given"),
    "an argument": (lambda solution: lambda **case: next(iter(case.values())), "as it was given"),
    "the sign": (numbers(lambda x: -x), "The sign is turned"),
    "percent": (numbers(lambda x: 100 * x), "100 times too large"),
    "upside down": (numbers(lambda x: 1 / x), "The fraction is upside down"),
    "one too many": (numbers(lambda x: x + 1), "one too large"),
    "one too few": (numbers(lambda x: x - 1), "one too small"),
    "the rest": (numbers(lambda x: 1 - x), "1 minus what is asked"),
}
AXES: Kinds = {
    "a mean": (numbers(lambda x: x.sum() / max(1, len(x.ravel()))), "This is the mean of all"),
    "a sum": (numbers(lambda x: x.sum()), "This is the sum of all"),
    "another order": (numbers(lambda x: x[[*range(1, len(x)), 0]]), "in another order"),
    "an axis too many": (numbers(lambda x: x[None]), "take away those of length 1"),
}
TENSORS: Kinds = {
    "an array": (after(lambda x: x.numpy()), "But this is a numpy array"),
    "a list": (after(list), "But this is a list: return one tensor"),
}
# What an exercise has better words for, or none.
OWN = {
    ("knn_accuracy", "percent"): "This is in percent. Return a share, from 0 to 1.",
    ("knn_accuracy", "the rest"): "This is the share that is not found; take 1 minus it.",
    ("balancing_q", "upside down"): "It gives 2.179, expected 0.4589.",
    ("truncated_loss", "the sign"): "Turned round: it is L_q(p) minus L_q(k).",
    ("truncated_loss", "a mean"): "This is the mean; return one value for each image.",
    ("holm", "a mean"): "it gives the shape [], expected [4].",
    ("holm", "a sum"): "it gives the shape [], expected [4].",
    ("holm", "an axis too many"): "it gives the shape [1, 4], expected [4].",
    ("auroc", "the rest"): "This is turned round: it counts the pairs",
    ("nsl", "a mean"): "This is the mean of the batch; return one value per image.",
    ("nsl", "a sum"): "This is the sum over the batch; return one value per image.",
    ("lost_classes", "a mean"): "It gives the shape [], expected [1].",
    ("lost_classes", "a sum"): "It gives the shape [], expected [1].",
    ("lost_classes", "an axis too many"): "np.where returns a tuple: take its first entry",
    ("breaking_rate", "upside down"): "A rate lies between 0 and 1. Python divides before it adds",
    ("breaking_rate", "the rest"): "This is the share of wrong labels of that one kind.",
    ("pull", "the sign"): "Drop the minus: how hard is the size alone.",
    ("stable_rnsl", "the sign"): "The minus in front is missing.",
    ("half_heard", "upside down"): "p is at most 1: the base is 0.5, not 2.",
    ("half_heard", "the rest"): "This is 1 - p; asked is p.",
    ("keep_mask", "the rest"): "It keeps the images that should go",
    ("memorized_share", "the rest"): "This is the share that is not memorized.",
    ("found_among", "an argument"): "expected 0.5.",
    (
        "found_among",
        "the rest",
    ): "This is the share that is missed",
    ("last_safe_epoch", "one too many"): "In this epoch too much is believed already",
    ("last_safe_epoch", "one too few"): "This is the position in the array",
    ("paired_interval", "a mean"): "The mean is right; return mean, low, high.",
    ("neighbor_overlap", "the rest"): "That is the share that is lost",
    ("out_of_fold", "a mean"): "Your function gives 0.3333, whatever it is given.",
    ("out_of_fold", "a sum"): "Your function gives 24, whatever it is given.",
}


def kinds_of(exercise: notebook_exercises.Exercise) -> Kinds:
    """The kinds of answers that make sense for an exercise."""
    case = exercise.cases()[0]
    found = exercise.solution(**copy.deepcopy(case))
    given = any(isinstance(value, Tensor | np.ndarray) for value in case.values())
    kinds = ANY | (ARRAYS_GIVEN if given else {})
    if exercise.name not in FREE:
        kinds |= NUMBERS | (AXES if np.ndim(found) else {})
        kinds |= TENSORS if isinstance(found, Tensor) and found.ndim else {}
    return kinds


ROWS = [
    (exercise, make, re.escape(OWN[name, kind]) if (name, kind) in OWN else message, kind)
    for name, exercise in EXERCISES.items()
    for kind, (make, message) in kinds_of(exercise).items()
]


def test_words_of_its_own_belong_to_an_exercise() -> None:
    assert {name for name, _ in OWN} <= EXERCISES.keys()


def test_there_are_at_least_300_answers() -> None:
    assert len(ROWS) + len(EXERCISES) >= 300


@pytest.mark.parametrize(
    ("exercise", "make", "message"),
    [row[:3] for row in ROWS],
    ids=[f"{exercise.name}: {kind}" for exercise, _, _, kind in ROWS],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_a_wrong_answer_is_told_what_is_wrong_and_stops_nothing(
    exercise: notebook_exercises.Exercise,
    make: Callable[[Answer], Answer],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert re.search(message, refusal(exercise.check, make(exercise.solution), capsys))


@pytest.mark.parametrize("name", EXERCISES)
def test_a_right_answer_is_right(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert EXERCISES[name].check(EXERCISES[name].solution) is True
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("name", EXERCISES)
def test_an_unsolved_answer_is_told_so_in_one_line(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert EXERCISES[name].check(unsolved(EXERCISES[name].solution)) is False
    said = capsys.readouterr().out
    assert said.startswith("Not solved yet")
    assert said.count("\n") == 1


def test_every_check_belongs_to_an_exercise() -> None:
    called = " ".join(exercise.call for exercise in EXERCISES.values())
    checks = [name for name in exercises.__all__ if name.startswith("check_")]
    assert [name for name in checks if f"exercises.{name}(" not in called] == []


@pytest.mark.parametrize("name", [name for name in EXERCISES if name not in FREE])
def test_the_failed_case_can_be_tried_and_typed(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exercise = EXERCISES[name]
    said = refusal(exercise.check, lambda **case: None, capsys)
    exercise.solution(**exercises.failed)
    typed = re.search(r"(?:The arguments: |At )(.*?)(?: your function returns None|$)", said, re.M)
    assert typed
    names = {"np": np, "torch": torch, "exercises": exercises}
    again = eval(f"dict({typed[1]})", names)
    assert [*again] == [*exercises.failed]
    for key, value in exercises.failed.items():
        if isinstance(value, Tensor | np.ndarray):
            assert again[key].dtype == value.dtype
            np.testing.assert_array_equal(again[key], value)
        else:
            assert again[key] == value
