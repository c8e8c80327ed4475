"""Splits: the paper's file for file, stratified ones whole, or refused in one sentence."""

import random
from itertools import chain

import numpy as np
import pytest
from aid_counts import AID_COUNTS, GOLDEN_FINGERPRINT, files_by_class, fingerprint_of
from hypothesis import given
from hypothesis import strategies as st
from synthetic_features import make_archive

from rnsl_tutorial.datasets.splits import (
    Split,
    paper_split,
    split_for,
    stratified_split,
)


def named_files(counts: dict[str, int]) -> dict[str, list[str]]:
    return {
        name: [f"{name}/{name.lower()}_{n}.jpg" for n in range(1, count + 1)]
        for name, count in counts.items()
    }


def slow_paper_split(groups: dict[str, list[str]]) -> tuple[list[str], list[str], list[str]]:
    """The reference split, one image after the other."""
    train, val, test = [], [], []
    for name in sorted(groups.keys()):
        paths = sorted(groups[name])
        order = list(range(len(paths)))
        random.Random(42).shuffle(order)
        for position, index in enumerate(order):
            if position < int(0.7 * len(paths)):
                train.append(paths[index])
            elif position < int(0.8 * len(paths)):
                val.append(paths[index])
            else:
                test.append(paths[index])
    return train, val, test


@pytest.mark.parametrize(
    ("counts", "sizes"),
    [
        (AID_COUNTS, (6993, 1007, 2000)),
        ({f"class_{n:02}": 700 for n in range(45)}, (22005, 3195, 6300)),
        ({"b": 1, "a": 2, "C": 9}, (7, 1, 4)),
    ],
)
def test_paper_split(counts, sizes):
    groups = named_files(counts)
    split = paper_split(groups)
    assert tuple(map(len, split)) == sizes
    assert tuple(split) == slow_paper_split(groups)
    assert sorted(split.train + split.val + split.test) == sorted(chain(*groups.values()))


def test_paper_split_golden_values():
    split = paper_split(named_files(AID_COUNTS))
    assert split.train[:3] == [f"Airport/airport_{n}.jpg" for n in (253, 259, 180)]
    assert fingerprint_of(split) == GOLDEN_FINGERPRINT


def test_paper_split_does_not_depend_on_the_order_given():
    groups = named_files({"a": 20, "b": 30})
    turned = {name: files[::-1] for name, files in reversed(groups.items())}
    assert paper_split(turned) == paper_split(groups)
    assert turned["a"][0] == "a/a_20.jpg", "the argument stays as it was"


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({}, "no classes"),
        ({"a": []}, "'a' has no images"),
        ({"a": ["a/1", "a/1"]}, "'a' holds a path twice"),
    ],
)
def test_paper_split_refuses(groups, message):
    with pytest.raises(ValueError, match=message):
        paper_split(groups)


def test_stratified_split():
    labels = np.repeat(np.arange(4), [400, 200, 100, 50])
    labels = labels[np.random.RandomState(0).permutation(labels.size)]
    split = stratified_split(labels, seed=3)
    assert [part.dtype for part in split] == [np.int64] * 3
    assert [part.size for part in split] == [525, 75, 150]
    np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(labels.size))
    for part, share in zip(split, (0.7, 0.1, 0.2), strict=True):
        counts = np.bincount(labels[part], minlength=4)
        assert abs(counts - share * np.array([400, 200, 100, 50])).max() <= 1
        assert (np.diff(part) > 0).all()


def test_stratified_split_follows_its_seed():
    labels = np.arange(100) % 5
    first, same, other = (stratified_split(labels, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train, same.train)
    assert first.train.tolist() != other.train.tolist()


def test_stratified_split_takes_any_kind_of_labels_and_fractions():
    split = stratified_split(["sea", "land"] * 10, (0.5, 0.25, 0.25), seed=0)
    assert [part.size for part in split] == [10, 5, 5]


@pytest.mark.parametrize(
    ("labels", "fractions", "message"),
    [
        ([], (0.7, 0.1, 0.2), "labels have shape"),
        ([[0, 1]], (0.7, 0.1, 0.2), "labels have shape"),
        ([0, 1], (0.7, 0.3), "give three above 0"),
        ([0, 1], (0.8, 0.0, 0.2), "give three above 0"),
        ([0, 1], (0.7, 0.2, 0.2), "add up to 1"),
        ([0] * 50 + [7], (0.7, 0.1, 0.2), "Class 7 has 1 of 51 images, too few"),
        ([0] * 50 + [7] * 2, (0.7, 0.1, 0.2), "Class 7 has 2 of 52 images, too few"),
        ([0] * 500 + [7] * 4, (0.7, 0.1, 0.2), "Class 7 has 4 of 504 images, too few"),
        (range(10), (0.7, 0.1, 0.2), "has 1 of 10 images, too few"),
    ],
)
def test_stratified_split_refuses(labels, fractions, message):
    with pytest.raises(ValueError, match=message):
        stratified_split(labels, fractions, seed=0)


def test_stratified_split_names_a_bad_seed():
    with pytest.raises(ValueError, match="Seed must be between 0"):
        stratified_split([0, 1] * 20, seed=-1)


def test_the_paper_split_is_used_for_its_data_sets() -> None:
    archive = make_archive()
    split = split_for("aid", archive)
    names = paper_split(files_by_class(archive.files))
    assert [archive.files[i] for i in split.test] == names.test
    assert isinstance(split_for("mine", archive), Split)


def test_a_class_that_is_too_small_is_named() -> None:
    archive = make_archive()
    few = [*np.flatnonzero(archive.labels != 1).tolist(), 20, 21]
    small = archive._replace(labels=archive.labels[few], files=tuple(archive.files[i] for i in few))
    with pytest.raises(ValueError, match="Class b has 2 of 42 images, too few"):
        split_for("mine", small)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12)


@given(st.dictionaries(NAMES, st.sets(NAMES, min_size=1), min_size=1, max_size=5))
def test_the_papers_split_holds_every_file_once_whatever_the_order(
    files: dict[str, set[str]],
) -> None:
    groups = {name: [f"{name}/{file}" for file in found] for name, found in files.items()}
    split = paper_split(groups)
    together = [file for part in split for file in part]
    assert sorted(together) == sorted(file for found in groups.values() for file in found)
    turned = {name: found[::-1] for name, found in reversed(groups.items())}
    assert paper_split(turned) == split


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=80),
    st.tuples(*[st.floats()] * 3),
    st.integers(0, 2**32 - 1),
)
def test_a_stratified_split_is_whole_or_refused(
    labels: list[int], drawn: tuple[float, float, float], seed: int
) -> None:
    with np.errstate(all="ignore"):
        scaled = np.divide(drawn, sum(drawn))
    for fractions in (drawn, (scaled[0], scaled[1], scaled[2]), (0.5, 0.25, 0.25)):
        try:
            split = stratified_split(labels, fractions, seed=seed)
        except ValueError as error:
            said = str(error)
            assert "fractions are" in said or "too few for parts" in said
        else:
            assert sorted(np.concatenate(split).tolist()) == list(range(len(labels)))
            assert all(set(labels) == {labels[i] for i in part} for part in split)


def test_a_fraction_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fractions are .*nan.*; give three above 0"):
        stratified_split([0, 1] * 10, (float("nan"), 0.5, 0.5), seed=0)
