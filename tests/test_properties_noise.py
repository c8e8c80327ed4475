"""Properties of wrong labels that hold for whatever hypothesis draws, and refusal of the rest."""

import random
import re
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnsl_tutorial import noise
from rnsl_tutorial.evaluation import class_margins

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]

METHODS = st.sampled_from(["reference", "vectorized", "exact"])
SEEDS = st.integers(0, 2**32 - 1)
RATES = st.floats(0, 1, exclude_max=True)
CLASSES = st.integers(2, 12)
INTEGERS = st.sampled_from([np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint64])


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    """Transition matrices of any kind: rows of any shares, also of 0 and of 1."""
    classes = draw(CLASSES)
    shares = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 5e-324, 1e-12])
    weights_CC = draw(arrays.arrays(np.float64, (classes, classes), elements=shares))
    sums_C1 = weights_CC.sum(axis=1, keepdims=True)
    assume((sums_C1 > 1e-300).all())
    transition: Matrix = weights_CC / sums_C1
    return transition


@st.composite
def tasks(draw: st.DrawFn) -> tuple[Labels, Matrix]:
    """Labels with a transition matrix; not every class has images."""
    transition = draw(matrices())
    labels = draw(st.lists(st.integers(0, len(transition) - 1), max_size=60))
    return np.array(labels, dtype=np.int64), transition


def global_states() -> list[Any]:
    return [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]


# ------------------------------------------------------------------ matrices


@given(CLASSES, RATES, st.sampled_from([float, np.float16, np.float32, np.float64]))
def test_rows_sum_to_1_and_the_diagonal_is_what_is_right(
    classes: int, rate: float, kind: type
) -> None:
    """Also for a rate in half precision: it is the rate that is rounded, not the rows."""
    given_rate = kind(rate)
    assume(given_rate < 1)
    for make in (noise.symmetric_transition, noise.pair_flip_transition):
        transition = make(classes, given_rate)
        assert transition.shape == (classes, classes)
        assert transition.dtype == np.float64
        assert (transition >= 0).all()
        np.testing.assert_allclose(transition.sum(axis=1), 1, rtol=0, atol=1e-12)
        np.testing.assert_allclose(transition.diagonal(), 1 - float(given_rate), atol=1e-15)
    symmetric = noise.symmetric_transition(classes, given_rate)
    assert np.array_equal(symmetric, symmetric.T)
    np.testing.assert_allclose(symmetric.sum(axis=0), 1, rtol=0, atol=1e-12)


@given(tasks(), st.data(), st.floats(-1, 1), METHODS, SEEDS)
def test_a_concentrated_matrix_is_one_and_keeps_its_rates(
    task: tuple[Labels, Matrix], data: st.DataObject, amount: float, method: Any, seed: int
) -> None:
    labels, transition = task
    row = data.draw(st.none() | st.integers(0, len(transition) - 1))
    edited = class_margins.concentrate(transition, row, amount)
    assert np.array_equal(edited.diagonal(), transition.diagonal())
    np.testing.assert_allclose(edited.sum(axis=1), 1, rtol=0, atol=1e-12)
    noise.corrupt_labels(labels, edited, seed, method=method)  # it is accepted


@given(matrices())
def test_margins_tell_the_dominated_classes(transition: Matrix) -> None:
    below = np.flatnonzero(class_margins.margins(transition) < 0)
    assert class_margins.dominated_classes(transition).tolist() == below.tolist()


# ------------------------------------------------------------------ labels


@given(tasks(), METHODS, SEEDS)
def test_labels_are_of_the_row_and_marked_where_they_changed(
    task: tuple[Labels, Matrix], method: Any, seed: int
) -> None:
    labels, transition = task
    before = (labels.copy(), transition.copy(), global_states())
    labels.flags.writeable = False
    corrupted, flipped = noise.corrupt_labels(labels, transition, seed, method=method)
    assert corrupted.dtype == np.int64
    assert flipped.dtype == np.bool_
    assert corrupted.shape == flipped.shape == labels.shape
    assert np.array_equal(flipped, corrupted != labels)
    assert (transition[labels[flipped], corrupted[flipped]] > 0).all()
    assert not np.shares_memory(corrupted, labels)
    again = noise.corrupt_labels(labels, transition, seed, method=method)
    assert np.array_equal(again.labels, corrupted)
    assert np.array_equal(before[0], labels)
    assert np.array_equal(before[1], transition)
    assert before[2] == global_states()


@given(tasks(), SEEDS)
def test_exact_flips_as_many_as_are_expected_rounded(
    task: tuple[Labels, Matrix], seed: int
) -> None:
    labels, transition = task
    off_diagonal = transition.copy()
    np.fill_diagonal(off_diagonal, 0)
    expected = off_diagonal.sum(axis=1)[labels].sum()
    flipped = noise.corrupt_labels(labels, transition, seed, method="exact").flipped
    assert abs(int(flipped.sum()) - expected) <= 0.5 + 1e-6


@given(st.integers(1, 300), CLASSES, RATES, SEEDS)
def test_exact_realises_a_rate_that_all_classes_share(
    count: int, classes: int, rate: float, seed: int
) -> None:
    labels = np.arange(count) % classes
    for make in (noise.symmetric_transition, noise.pair_flip_transition):
        flipped = noise.corrupt_labels(labels, make(classes, rate), seed, method="exact").flipped
        assert abs(int(flipped.sum()) - rate * count) <= 0.5 + 1e-6


@given(CLASSES, st.floats(0.1, 0.9), SEEDS, METHODS)
def test_symmetric_noise_favours_no_class(
    classes: int, rate: float, seed: int, method: Any
) -> None:
    """Of 200 a class: what arrives and what leaves differ by chance alone, 6 deviations."""
    labels = np.arange(200 * classes) % classes
    transition = noise.symmetric_transition(classes, rate)
    corrupted, flipped = noise.corrupt_labels(labels, transition, seed, method=method)
    arrived_C = np.bincount(corrupted[flipped], minlength=classes)
    left_C = np.bincount(labels[flipped], minlength=classes)
    allowed = 6 * np.sqrt(200 * rate)
    assert (np.abs(arrived_C - 200 * rate) <= allowed).all()
    assert (np.abs(left_C - 200 * rate) <= allowed).all()


@given(tasks(), METHODS, SEEDS, INTEGERS)
def test_only_the_numbers_count_not_how_they_lie_in_memory(
    task: tuple[Labels, Matrix], method: Any, seed: int, kind: Any
) -> None:
    labels, transition = task
    expected = noise.corrupt_labels(labels, transition, seed, method=method)
    strided = np.repeat(labels.astype(kind), 2)[::2]
    turned = np.asfortranarray(transition)
    for given_labels, given_matrix in ((strided, turned), (labels[::-1][::-1], transition.T.T)):
        found = noise.corrupt_labels(given_labels, given_matrix, seed, method=method)
        assert np.array_equal(found.labels, expected.labels)
        assert np.array_equal(found.flipped, expected.flipped)


@given(tasks(), SEEDS, st.randoms(use_true_random=False))
def test_vectorized_depends_on_the_place_in_the_archive_alone(
    task: tuple[Labels, Matrix], seed: int, randoms: random.Random
) -> None:
    """An image keeps its draw when the labels of others change."""
    labels, transition = task
    assume(len(labels))
    other = np.array([randoms.randrange(len(transition)) for _ in labels])
    mixed = np.where(np.arange(len(labels)) % 2, labels, other)
    expected = noise.corrupt_labels(labels, transition, seed, method="vectorized").labels
    found = noise.corrupt_labels(mixed, transition, seed, method="vectorized").labels
    assert np.array_equal(found[1::2], expected[1::2])


@given(st.integers(0, 30), CLASSES, st.integers(0, 5), RATES, SEEDS)
def test_instance_dependent_flips_are_marked_and_repeat(
    count: int, classes: int, dim: int, rate: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, dim)) * 10.0 ** rng.integers(-300, 100)
    labels = rng.integers(classes, size=count)
    before = global_states()
    corrupted, flipped = noise.instance_dependent_flips(features, labels, classes, rate, seed)
    assert np.array_equal(flipped, corrupted != labels)
    assert ((corrupted >= 0) & (corrupted < classes)).all()
    again = noise.instance_dependent_flips(features[:], labels, classes, rate, seed)
    assert np.array_equal(again.labels, corrupted)
    assert before == global_states()


# ------------------------------------------------------------------ refusals

NUMBERS = st.floats() | st.integers(-(10**30), 10**30).map(float)


@given(NUMBERS.filter(lambda rate: not 0 <= rate < 1))
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    said = re.escape(f"rate is {rate}; give a share of wrong labels in [0, 1)")
    with pytest.raises(ValueError, match=said):
        noise.symmetric_transition(3, rate)
    with pytest.raises(ValueError, match=said):
        noise.pair_flip_transition(3, rate)
    with pytest.raises(ValueError, match=said):
        noise.label_dependent_transition("aid", rate)
    with pytest.raises(ValueError, match=said):
        noise.instance_dependent_flips(np.zeros((1, 1)), [0], 3, rate)


@given(arrays.arrays(np.float64, arrays.array_shapes(min_dims=0, max_dims=3, max_side=4)), METHODS)
def test_a_matrix_is_accepted_or_refused_by_what_is_wrong_with_it(
    matrix: Matrix, method: Any
) -> None:
    """NaN, infinity, negative and huge numbers among them: never a warning, never another error."""
    square = matrix.ndim == 2 and len(matrix) == matrix.shape[1] >= 2
    with np.errstate(all="ignore"):
        fine = square and (np.abs(matrix.sum(axis=1) - 1) <= 1e-12).all() and (matrix >= 0).all()
    for call in (
        lambda: noise.corrupt_labels(np.array([0]), matrix, method=method),
        lambda: class_margins.concentrate(matrix, None, 0.5),
        lambda: class_margins.dominated_classes(matrix),
    ):
        if fine:
            call()
        else:
            with pytest.raises(ValueError, match="transition"):
                call()


@pytest.mark.parametrize("method", ["reference", "vectorized", "exact"])
def test_a_share_that_rounding_left_above_1_is_taken(method: Any) -> None:
    """Such as the product of two matrices gives; multinomial alone refuses it."""
    matrix = [[1 + 2**-52, 0.0], [0.5, 0.5]]
    assert noise.corrupt_labels([0, 0], matrix, method=method).labels.tolist() == [0, 0]


def test_complex_shares_are_refused() -> None:
    with pytest.raises(TypeError, match="transition holds complex numbers"):
        noise.corrupt_labels([0], np.eye(2) + 0j)


WRONG_LABELS = (
    arrays.arrays(np.float64, 3)
    | arrays.arrays(np.bool_, 3)
    | arrays.arrays(np.complex64, 3)
    | arrays.arrays("U2", 3)
    | arrays.arrays(np.int64, (2, 2), elements=st.just(0))
    | arrays.arrays(np.int64, 3, elements=st.integers(-(2**63), -1))
    | arrays.arrays(np.uint64, 3, elements=st.integers(4, 2**64 - 1))
    | st.sampled_from([None, 1, "beach", [[0], [1, 2]], [0, None]])
)


@given(WRONG_LABELS, METHODS)
def test_what_are_no_labels_is_refused_by_name(labels: Any, method: Any) -> None:
    for call in (
        lambda: noise.corrupt_labels(labels, noise.symmetric_transition(4, 0.2), method=method),
        lambda: noise.instance_dependent_flips(np.zeros((3, 2)), labels, 4, 0.2),
    ):
        with pytest.raises((ValueError, TypeError), match=r"labels|sequence|inhomogeneous"):
            call()


@given(arrays.arrays(np.float64, (2, 3)))
def test_features_are_accepted_or_refused_without_a_warning(features: Matrix) -> None:
    if np.isfinite(features).all() and np.abs(features).max() <= noise._MAX_FEATURE:
        noise.instance_dependent_flips(features, [0, 1], 3, 0.5)
    else:
        with pytest.raises(ValueError, match=r"features (hold NaN or infinite|reach)"):
            noise.instance_dependent_flips(features, [0, 1], 3, 0.5)


@pytest.mark.parametrize("classes", [-3, -1, 0, 1])
def test_so_few_classes_are_refused(classes: int) -> None:
    for make in (noise.symmetric_transition, noise.pair_flip_transition):
        with pytest.raises(ValueError, match=f"num_classes is {classes};.* 2 classes"):
            make(classes, 0.1)


def test_many_classes_of_few_images() -> None:
    labels = np.array([0, 1999, 7])
    transition = noise.pair_flip_transition(2000, 0.9999999)
    for method in ("reference", "vectorized", "exact"):
        found = noise.corrupt_labels(labels, transition, method=method)  # type: ignore[arg-type]
        assert found.labels.tolist() == [1, 0, 8]
