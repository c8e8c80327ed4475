"""The self-checks of notebook 02 pass right answers and tell likely wrong ones what is wrong."""

from typing import Any

import numpy as np
import pytest
from exercise_answers import by_place, refusal, wrong
from numpy.typing import NDArray

from rnsl_tutorial import noise
from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.tutorial import exercises
from rnsl_tutorial.tutorial.exercises.labels import _MATRIX

Array = NDArray[Any]


def draw(labels: Array, transition: Array, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(len(transition), p=transition[label]) for label in labels])


# ------------------------------------------------------------------ drawing labels


def test_draw_labels_right(capsys: pytest.CaptureFixture[str]) -> None:
    exercises.check_draw_labels(draw)
    assert capsys.readouterr().out.startswith("Right. Of 8,000 labels 5")


@pytest.mark.parametrize("method", ["vectorized", "reference"])
def test_draw_labels_takes_any_way_of_drawing(
    method: noise.Method, capsys: pytest.CaptureFixture[str]
) -> None:
    exercises.check_draw_labels(
        lambda labels, transition, seed: noise.corrupt_labels(
            labels, transition, seed, method=method
        )[0]
    )
    assert "Right." in capsys.readouterr().out


def in_place(labels: Array, transition: Array, seed: int) -> Array:
    labels[:] = draw(labels, transition, seed)
    return labels


def globally(labels: Array, transition: Array, seed: int) -> Array:
    np.random.seed(seed)
    return np.array([np.random.choice(len(transition), p=transition[label]) for label in labels])


SHARED = np.random.default_rng(0)


def shared_generator(labels: Array, transition: Array, seed: int) -> Array:
    return draw(labels, transition, int(SHARED.integers(1000)))


def back_to_itself(labels: Array, transition: Array, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    flip = rng.random(len(labels)) > transition[labels, labels]
    return np.where(flip, rng.integers(len(transition), size=len(labels)), labels)


def twice(labels: Array, transition: Array, seed: int) -> Array:
    flip = np.random.default_rng(seed).random(len(labels)) > transition[labels, labels]
    return np.where(flip, draw(labels, transition, seed + 1), labels)


test_draw_labels_wrong = wrong(
    by_place(exercises.check_draw_labels),
    (in_place, r"writes into labels, .*labels\.copy"),
    (globally, "global generator"),
    (shared_generator, "same seed gave other labels"),
    (back_to_itself, "even back to the right one"),
    (twice, "Too many labels stay right"),
    (lambda y, T, seed: draw(y, T.T, seed), r"class \d, .* took the columns"),
    (lambda y, T, seed: draw(y, T, 3), "Seeds 1 and 2 give the same labels"),
    (lambda y, T, seed: y.copy(), "No label changed"),
    (lambda y, T, seed: T[y].argmax(axis=1), "most frequent label of its row"),
    (lambda y, T, seed: draw(y, np.full((4, 4), 0.25), seed), r"where does p=transition\[i\]"),
    (lambda y, T, seed: draw(y, np.roll(T, 1, axis=0), seed), r"M\[\d, \d\] says"),
    (lambda y, T, seed: draw(y, T[[0, 0, 0, 0]], seed), "one and the same row"),
    (lambda y, T, seed: draw(np.arange(4), T, seed)[y], "made before the loop"),
    (lambda y, T, seed: draw(y, T, seed)[:-1], r"shape \[7999\]"),
    (lambda y, T, seed: draw(y, T, seed) / 1, "float64"),
    (lambda y, T, seed: draw(y, T, seed) + 1, "run from 1 to 4"),
    (lambda y, T, seed: T[y, y, y], "Python stopped"),
    (lambda y, T: y, "takes labels, transition and seed"),
)


def test_draw_labels_leaves_the_global_generator_as_it_was() -> None:
    before = str(np.random.get_state(legacy=False))
    exercises.check_draw_labels(draw)
    assert str(np.random.get_state(legacy=False)) == before


def test_columns_of_the_matrix_sum_to_1_so_that_the_advice_comes_and_not_an_error() -> None:
    np.testing.assert_allclose(_MATRIX.sum(axis=0), 1)
    assert class_margins.dominated_classes(_MATRIX).tolist() == [0]


# ------------------------------------------------------------------ reading a matrix


def most_wrong(T: Array) -> Array:
    return np.where(np.eye(len(T), dtype=bool), -1, T).max(axis=1)


def zeroed(T: Array) -> Array:
    np.fill_diagonal(T, 0)
    return T


def lost(T: Array) -> list[int]:
    return [i for i in range(len(T)) if max(np.delete(T[i], i)) > T[i, i]]


def test_lost_classes_right(capsys: pytest.CaptureFixture[str]) -> None:
    exercises.check_lost_classes(lambda transition: lost(transition))
    assert "Ten classes of AID and ten of NWPU45" in capsys.readouterr().out
    for dataset in ("aid", "nwpu45"):
        assert len(lost(noise.label_dependent_transition(dataset, 0.7))) == 10


def test_a_matrix_that_is_written_into_is_noticed_and_spoils_no_later_check(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def in_the_matrix(transition: Array) -> Array:
        right = transition.diagonal().copy()
        np.fill_diagonal(transition, 0)
        return np.flatnonzero(transition.max(axis=1) > right)

    said = refusal(exercises.check_lost_classes, in_the_matrix, capsys)
    assert "writes into transition, " in said
    assert "np.fill_diagonal" in said
    assert exercises.check_lost_classes(lambda transition: lost(transition))
    assert exercises.check_draw_labels(draw)


test_lost_classes_wrong = wrong(
    by_place(exercises.check_lost_classes),
    (lambda T: np.flatnonzero(most_wrong(T) >= T.diagonal()), "tie"),
    (lambda T: np.flatnonzero(T.diagonal() < 0.5), "largest single one"),
    (
        lambda T: [i for i, row in enumerate(T) if np.delete(row, i).sum() > row[i]],
        "all kinds of wrong together",
    ),
    (lambda T: lost(T.T), r"gives \[.*\], expected \[.*\]\. .* down the columns"),
    (lambda T: most_wrong(T) > T.diagonal(), "flatnonzero"),
    (lambda T: np.flatnonzero(T.max(axis=1) >= T.diagonal()), "all classes"),
    (lambda T: np.flatnonzero(zeroed(T).max(axis=1) > 0), r"writes into .*\.copy\(\)"),
    (lambda T: np.flatnonzero(zeroed(T.copy()).max(axis=1) > 0), "whose diagonal you have filled"),
    (lambda T: np.flatnonzero(most_wrong(T) < T.diagonal()), "where the right label leads"),
    (lambda T: len(lost(T)), "how many are lost"),
    (lambda T: (np.array(lost(T), dtype=int),), "np.where returns a tuple"),
    (lambda T: np.array(lost(T), dtype=int)[:, None], "np.argwhere makes"),
    (lambda T: [], r"gives \[\], expected \[\d\]"),
)


# ------------------------------------------------------------------ where a class breaks


def test_breaking_rate_right(capsys: pytest.CaptureFixture[str]) -> None:
    exercises.check_breaking_rate(lambda shares: 1 / (1 + max(shares)))
    assert "over 29 classes only at 0.967" in capsys.readouterr().out


test_breaking_rate_wrong = wrong(
    exercises.check_breaking_rate,
    (lambda shares: 1 - max(shares), "solve rate"),
    (lambda shares: 1 / (1 + sum(shares)), "not the sum"),
    (lambda shares: 0.5, "not the sum"),
    (lambda shares: 1 / (1 + np.mean(shares)), "not the mean"),
    (lambda shares: 1 / (1 + min(shares)), "not the smallest"),
    (lambda shares: 1 / (1 + shares), "one rate for each"),
    (lambda shares: 1 / max(shares) - 1, r"rate \* \(share \+ 1\) = 1"),
    (lambda shares: max(shares), "the largest share itself"),
    (lambda shares: 1 / max(shares), r"rate \* \(share \+ 1\) = 1"),
    (lambda shares: 1 / 1 + max(shares), "divides before it adds"),
    (lambda shares: 1 / (1 + shares[0]), "need not be the first"),
    (lambda shares: max(shares) / (1 + max(shares)), "share of wrong labels of that one kind"),
)


@pytest.mark.parametrize("dataset", ["aid", "nwpu45"])
def test_the_breaking_rate_is_where_the_class_becomes_dominated(dataset: str) -> None:
    matrix = noise.label_dependent_transition(dataset, 0.5)
    for i, row in enumerate(matrix):
        edge = 1 / (1 + np.delete(row, i).max() / 0.5)
        for rate, expected in ((edge - 1e-6, False), (edge + 1e-6, True)):
            lost_classes = class_margins.dominated_classes(
                noise.label_dependent_transition(dataset, rate)
            )
            assert (i in lost_classes) == expected
