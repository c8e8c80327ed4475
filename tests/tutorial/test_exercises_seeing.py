"""The checks of notebook 09 pass right answers and tell the likely wrong ones what is wrong."""

from typing import Any

import numpy as np
import pytest
from exercise_answers import by_place, refusal, right, wrong
from scipy.stats import rankdata

from rnsl_tutorial.evaluation.embedding import flip_detection
from rnsl_tutorial.tutorial import exercises


def overlap(a: Any, b: Any) -> float:
    return float(np.mean([len(np.intersect1d(x, y)) / len(x) for x, y in zip(a, b, strict=True)]))


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


# ------------------------------------------------------------------ a score without a threshold


def auroc(score: Any, wrong: Any, tie: float = 0.5) -> float:
    of_wrong, of_right = score[wrong][:, None], score[~wrong]
    return float((of_wrong > of_right).mean() + tie * (of_wrong == of_right).mean())


def auroc_by_ranks(score: Any, wrong: Any) -> float:
    n = wrong.sum()
    return float((rankdata(score)[wrong].sum() - n * (n + 1) / 2) / (n * (~wrong).sum()))


test_auroc_right = right(exercises.check_auroc, auroc, auroc_by_ranks)
test_auroc_wrong = wrong(
    exercises.check_auroc,
    (lambda score, wrong: auroc(score, wrong, 0), "A tie counts half: add"),
    (lambda score, wrong: auroc(score, wrong, 1), "not in full"),
    (lambda score, wrong: auroc(-score, wrong), "turned round"),
    (lambda score, wrong: auroc(score, wrong) * wrong.sum() * (~wrong).sum(), "their share"),
    (
        lambda score, wrong: (
            (score[wrong][:, None] > score).mean() + (score[wrong][:, None] == score).mean() / 2
        ),
        "with any label",
    ),
    (lambda score, wrong: score[wrong].mean() - score[~wrong].mean(), "pair by pair"),
    (lambda score, wrong: None, "is the `return` missing"),
)


def test_the_right_auroc_is_the_librarys() -> None:
    rng = np.random.default_rng(0)
    score, wrong = rng.integers(0, 20, 200).astype(float), rng.random(200) < 0.3
    assert auroc(score, wrong) == pytest.approx(flip_detection(score, wrong, wrong).auroc)


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
