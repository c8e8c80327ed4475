"""Near duplicates with different labels, against all pairs compared in a loop."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rnsl_tutorial.audit import _duplicates
from rnsl_tutorial.audit._duplicates import near_duplicates

RNG = np.random.default_rng


def archive(count: int, shift: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Four clusters; each of the last 20 images is one of the first, a little changed."""
    rng = RNG(0)
    labels_N = np.arange(count) % 4
    features_NF = rng.normal(size=(count, 96)) + 2 * rng.normal(size=(4, 96))[labels_N]
    features_NF[-20:] = features_NF[:20] + shift * rng.normal(size=(20, 96))
    labels_N[-20:] = (labels_N[:20] + (np.arange(20) < 15)) % 4
    return features_NF.astype(np.float32), labels_N


def in_a_loop(features_NF: NDArray[np.float32], labels_N: NDArray[np.int64]) -> list[list[int]]:
    x_NF = (features_NF - features_NF.mean(axis=0)) / features_NF.std(axis=0)
    found = []
    for a in range(len(x_NF)):
        for b in range(a + 1, len(x_NF)):
            if labels_N[a] != labels_N[b]:
                lengths = np.linalg.norm(x_NF[a]) * np.linalg.norm(x_NF[b])
                found.append((float(x_NF[a] @ x_NF[b] / lengths), [a, b]))
    return [pair for cosine, pair in sorted(found, reverse=True) if cosine >= 0.9]


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_the_pairs_are_those_of_a_loop_over_all(shift: float) -> None:
    features_NF, labels_N = archive(200, shift)
    found = near_duplicates(features_NF, labels_N)
    expected = in_a_loop(features_NF, labels_N)
    assert len(expected) == 15
    if shift:
        assert found.tolist() == expected
    assert sorted(found.tolist()) == sorted(expected), "copies without a change tie"


def test_an_archive_that_is_divided_loses_few(monkeypatch: pytest.MonkeyPatch) -> None:
    features_NF, labels_N = archive(1000, 0.1)
    everything = near_duplicates(features_NF, labels_N)
    monkeypatch.setattr(_duplicates, "_PART", 64)
    parts = near_duplicates(features_NF, labels_N)
    assert {*map(tuple, parts)} <= {*map(tuple, everything)}
    assert len(parts) >= 14 <= len(everything)


def test_images_that_are_all_the_same_do_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_duplicates, "_PART", 64)
    features_NF = np.ones((1000, 8), np.float32) * RNG(0).normal(size=8).astype(np.float32)
    features_NF[:3] = RNG(1).normal(size=(3, 8))
    pairs = near_duplicates(features_NF, np.arange(1000) % 2)
    assert len(pairs) == 200
    assert len(near_duplicates(features_NF, np.zeros(1000, np.int64))) == 0
