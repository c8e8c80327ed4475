"""The checks of notebook 09 pass right answers and tell the likely wrong ones what is wrong."""

from typing import Any

import numpy as np
import pytest
from exercise_answers import by_place, refusal, right, wrong

from rnsl_tutorial.tutorial import exercises


def overlap(a: Any, b: Any) -> float:
    return float(np.mean([len(np.intersect1d(x, y)) / len(x) for x, y in zip(a, b, strict=True)]))


def shares(neighbors: Any, given: Any) -> Any:
    return (given[neighbors] != given[:, None]).mean(axis=1)


# ------------------------------------------------------------------ how much a map keeps


test_neighbor_overlap_right = right(by_place(exercises.check_neighbor_overlap), overlap)
test_neighbor_overlap_wrong = wrong(
    by_place(exercises.check_neighbor_overlap),
    (lambda a, b: (a == b).mean(), "place by place"),
    (lambda a, b: np.isin(a, b).mean(), "row of the same image"),
    (lambda a, b: overlap(a, b) * a.shape[1], "divide by how many there are"),
    (lambda a, b: overlap(a, b) * a.size, "divide by N times K"),
    (lambda a, b: overlap(a, b) * len(a), "mean over the images"),
    (
        lambda a, b: np.mean(
            [len(np.intersect1d(x, y)) / len(np.union1d(x, y)) for x, y in zip(a, b, strict=True)]
        ),
        "divide by K",
    ),
    (lambda a, b: 1 - overlap(a, b), "the share that is lost"),
    (lambda a, b: a.nope, "Python stopped in your function"),
)


# ------------------------------------------------------------------ doubt by neighbours


test_doubt_right = right(exercises.check_doubt, shares)
test_doubt_wrong = wrong(
    exercises.check_doubt,
    (lambda neighbors, given: 1 - shares(neighbors, given), "the share that agrees"),
    (lambda neighbors, given: shares(neighbors, given) * neighbors.shape[1], "return a share"),
    (lambda neighbors, given: shares(neighbors, given).mean(), "one number for all images"),
    (
        lambda neighbors, given: (given[neighbors] != given[:, None]).mean(axis=0),
        "take it over the neighbours",
    ),
    (
        lambda neighbors, given: (neighbors != given[:, None]).mean(axis=1),
        "compare places with labels",
    ),
    (lambda neighbors, given: given[neighbors[:, 0]] != given, "ask all of them"),
    (lambda neighbors, given: shares(neighbors, given) > 0, "whether one of them"),
    (lambda neighbors, given: (given[neighbors] != given).mean(axis=1), "Python stopped"),
)


# ------------------------------------------------------------------ what may be read

TRUTH = {name: statement.may for name, statement in exercises.STATEMENTS.items()}


test_may_be_read_right = right(exercises.check_may_be_read, lambda: TRUTH)


@pytest.mark.parametrize("name", TRUTH)
def test_may_be_read_names_what_showed_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(exercises.check_may_be_read, lambda: {**TRUTH, name: not TRUTH[name]}, capsys)
    assert repr(name) in said
    assert exercises.STATEMENTS[name].reason in said


@pytest.mark.parametrize("answer", [None, {}, {"sizes": True}, [True] * len(TRUTH)])
def test_may_be_read_needs_every_name(answer: object, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(exercises.check_may_be_read, lambda: answer, capsys)
    assert "Return a dict with these names: 'nei" in said


# ------------------------------------------------------------------ by eye


def test_a_selection_is_judged_beside_p(capsys: pytest.CaptureFixture[str]) -> None:
    given = np.array([1, 1, 1, 1, 2, 3, 0, 0])
    wrong = np.array([True, False, False, False, True, False, True, True])
    p = np.array([0.1, 0.9, 0.8, 0.9, 0.2, 0.7, 0.0, 0.0])
    exercises.judge_selection([0, 1, 2, 3, 4, 5], wrong, p, given)
    assert capsys.readouterr().out.splitlines() == [
        "6 images are selected, 2 with a wrong label. 2 differ from the most frequent label.",
        "By eye: precision 50%, recall 50%.",
        "By p:   precision 100%, recall 100%.",
    ]


def test_without_a_selection_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    exercises.judge_selection([], np.zeros(3, bool), np.zeros(3), np.zeros(3, int))
    assert "0 images are selected. Drag a rectangle" in capsys.readouterr().out


def test_doubts_are_compared_by_where_the_neighbours_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def unsolved(**_: object) -> None:
        raise NotImplementedError

    given = np.array([0, 0, 0, 1, 1, 1])
    wrong = np.array([False, False, True, False, False, False])
    near = {
        "good": np.array([[1, 1], [0, 0], [3, 4], [4, 4], [3, 3], [4, 4]]),
        "bad": np.array([[3, 3], [4, 4], [0, 1], [0, 0], [1, 1], [2, 2]]),
    }
    exercises.compare_doubt(shares, near, given, wrong)
    good, bad = capsys.readouterr().out.splitlines()
    assert good.endswith("AUROC 1.000")
    assert bad.endswith("AUROC 0.000")
    exercises.compare_doubt(unsolved, near, given, wrong)
    assert capsys.readouterr().out.startswith("After exercise 2")
    for answer in (lambda neighbors, given: 0.5, lambda neighbors, given: given / "x"):
        said = refusal(lambda f: exercises.compare_doubt(f, near, given, wrong), answer, capsys)
        assert "solve exercise 2 first" in said or "Python stopped" in said
