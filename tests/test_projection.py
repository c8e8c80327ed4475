"""Maps keep neighbourhoods, come back from the cache, and are laid onto one another."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness

from rnsl_tutorial import projection


def make_embeddings(count: int = 150) -> NDArray[np.float32]:
    """Five clouds on the unit sphere in eight dimensions."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(5, 8))
    points = centers[np.arange(count) % 5] + 0.2 * rng.normal(size=(count, 8))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_a_map_keeps_neighbourhoods(tmp_path: Path) -> None:
    embeddings = make_embeddings()
    found = projection.umap_map(embeddings, cache=tmp_path)
    assert found.shape == (150, 2)
    assert trustworthiness(embeddings, found, n_neighbors=10) > 0.9


def test_a_map_comes_back_from_the_cache_and_a_damaged_one_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = make_embeddings(40)
    first = projection.umap_map(embeddings, n_neighbors=5, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(projection, "_compute", None)
        again = projection.umap_map(embeddings, n_neighbors=5, cache=tmp_path)
    np.testing.assert_array_equal(again, first)
    file.write_bytes(content[:100])
    np.testing.assert_array_equal(
        projection.umap_map(embeddings, n_neighbors=5, cache=tmp_path), first
    )
    assert file.read_bytes() == content


def test_every_setting_and_the_embeddings_are_part_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(
        projection, "_compute", lambda *given: calls.append(given) or np.zeros((40, 2), "f4")
    )
    embeddings = make_embeddings(40)
    for change in (
        {},
        {"n_neighbors": 5},
        {"min_dist": 0.5},
        {"seed": 1},
        {"like": embeddings[:, :2]},
    ):
        for _ in range(2):
            projection.umap_map(embeddings, cache=tmp_path, **change)
    projection.umap_map(embeddings[::-1], cache=tmp_path)
    assert len(calls) == 6


def test_aligned_undoes_turning_mirroring_scaling_and_moving() -> None:
    target = make_embeddings()[:, :2]
    turn = np.array([[0.6, 0.8], [0.8, -0.6]], dtype=np.float32)
    moved = 3 * target @ turn + np.array([5, -2], dtype=np.float32)
    np.testing.assert_allclose(projection.aligned(moved, target), target, atol=1e-5)


def test_aligned_gives_any_map_the_same_size() -> None:
    target, other = make_embeddings()[:, :2], make_embeddings()[::-1, 4:6]
    found = projection.aligned(0.01 * other, target)
    np.testing.assert_allclose(found.mean(axis=0), target.mean(axis=0), atol=1e-5)
    sizes = [np.linalg.norm(m - m.mean(axis=0)) for m in (found, target)]
    assert sizes[0] == pytest.approx(sizes[1], rel=1e-5)


def test_a_map_is_laid_onto_the_one_it_is_given(tmp_path: Path) -> None:
    embeddings = make_embeddings()
    first = projection.umap_map(embeddings, cache=tmp_path)
    like = 100 * first[:, ::-1].copy()
    second = projection.umap_map(embeddings, like=like, cache=tmp_path)
    apart = np.linalg.norm(second - like, axis=1).mean()
    assert apart < 0.5 * np.linalg.norm(like - like.mean(axis=0), axis=1).mean()


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="n_neighbors is 15; with 15 images it can be 2 to 14"):
        projection.umap_map(make_embeddings(15), cache=tmp_path)
    with pytest.raises(ValueError, match=r"like is \(3, 2\); it must be \(40, 2\)"):
        projection.umap_map(make_embeddings(40), like=np.zeros((3, 2), "f4"), cache=tmp_path)
