"""Maps keep neighbourhoods, come back from the cache, and are laid onto one another."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness

from rnsl_tutorial.evaluation import umap as projection


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
    for damaged in (content[:100], content.replace(b")", b" ", 1)):
        file.write_bytes(damaged)
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


# ------------------------------------------------------------------ many moments


def make_moments() -> NDArray[np.float32]:
    """Three moments: the clouds come apart while each image keeps its own deviation."""
    tight, loose = make_embeddings(100), np.random.default_rng(1).normal(size=(100, 8))
    mixed = np.stack([tight + share * loose for share in (0.2, 0.1, 0.0)])
    return (mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sequences")


def step(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """How far half of the points move, as a share of the map's radius."""
    radius = np.linalg.norm(before - before.mean(axis=0), axis=1).mean()
    return float(np.median(np.linalg.norm(after - before, axis=1)) / radius)


def test_points_glide_from_moment_to_moment_and_keep_their_neighbourhoods(folder: Path) -> None:
    moments = make_moments()
    maps = projection.umap_sequence(moments, cache=folder)
    assert maps.shape == (3, 100, 2)
    for embeddings, found in zip(moments, maps, strict=True):
        assert trustworthiness(embeddings, found, n_neighbors=10) > 0.85
    single = [projection.umap_map(embeddings, cache=folder) for embeddings in moments]
    for i in (1, 2):
        laid = projection.aligned(single[i], single[i - 1])
        assert step(maps[i - 1], maps[i]) < 0.5 * step(single[i - 1], laid)


def test_a_sequence_comes_back_from_the_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = projection.umap_sequence(make_moments(), cache=folder)
    monkeypatch.setattr(projection, "_compute_sequence", None)
    again = projection.umap_sequence(make_moments(), cache=folder)
    np.testing.assert_array_equal(again, first)
    with pytest.raises(TypeError):
        projection.umap_sequence(make_moments(), seed=1, cache=folder)
    with pytest.raises(TypeError):
        projection.umap_sequence(make_moments(), n_neighbors=10, cache=folder)


def test_a_whole_sequence_turns_with_its_first_map(folder: Path) -> None:
    maps = projection.umap_sequence(make_moments(), cache=folder)
    turn = np.array([[0.6, 0.8], [0.8, -0.6]], dtype=np.float32)
    expected = 2 * maps @ turn + np.array([5, -2], dtype=np.float32)
    found = projection.umap_sequence(make_moments(), like=expected[0], cache=folder)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_bad_moments() -> None:
    moments = make_moments()
    for bad in (moments[0], moments[:1]):
        with pytest.raises(ValueError, match=r"are .*; \(moments, images, dimensions\) is needed"):
            projection.umap_sequence(bad)
    with pytest.raises(ValueError, match="n_neighbors is 100; with 100 images it can be 2 to 99"):
        projection.umap_sequence(moments, n_neighbors=100)
    with pytest.raises(ValueError, match=r"like is \(3, 2\); it must be \(100, 2\)"):
        projection.umap_sequence(moments, like=np.zeros((3, 2), "f4"))


# ------------------------------------------------------------------ how much a map keeps


def test_neighbors_are_the_nearest_others() -> None:
    points = np.array([[0.0, 0], [1, 0], [3, 0], [3.5, 0]], dtype=np.float32)
    assert projection.neighbors(points, 2).tolist() == [[1, 2], [0, 2], [3, 1], [2, 1]]
    for k in (0, 4):
        with pytest.raises(ValueError, match=f"k is {k}; 4 points have 1 to 3 neighbours"):
            projection.neighbors(points, k)


def test_a_perfect_map_keeps_all_and_a_random_one_what_chance_keeps() -> None:
    points = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    wide = np.pad(points, ((0, 0), (0, 3)))
    assert projection.faithfulness(wide, -2 * points) == pytest.approx((1, 1))
    shuffled = np.random.default_rng(1).permutation(points)
    trust, overlap = projection.faithfulness(wide, shuffled)
    assert trust == pytest.approx(0.5, abs=0.04)
    assert overlap == pytest.approx(10 / 299, abs=0.02)


def test_overlap_is_the_mean_share_of_a_slow_loop() -> None:
    embeddings = make_embeddings()
    coordinates = embeddings[:, :2]
    far, near = (
        np.linalg.norm(x[:, None] - x, axis=-1) + 1e9 * np.eye(150)
        for x in (embeddings, coordinates)
    )
    shared = [
        len(set(np.argsort(a)[:10]) & set(np.argsort(b)[:10])) / 10
        for a, b in zip(far, near, strict=True)
    ]
    assert projection.faithfulness(embeddings, coordinates).overlap == pytest.approx(
        np.mean(shared)
    )


def test_pca_finds_the_plane_that_points_lie_in() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(200, 2)) * [3, 1]
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0][:2]
    found = projection.pca_map((flat @ turn + 5).astype(np.float32))
    assert np.abs(np.corrcoef(found[:, 0], flat[:, 0])[0, 1]) > 0.99
    apart = [np.linalg.norm(x[:, None] - x, axis=-1) for x in (found, flat)]
    np.testing.assert_allclose(*apart, atol=1e-4)


def test_progress_shows_a_bar_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = projection.umap_map(make_embeddings(40), n_neighbors=5, cache=tmp_path, progress=True)
    said = capsys.readouterr()
    assert "UMAP: 100%" in said.err
    assert said.out == ""
    quiet = projection.umap_map(make_embeddings(40), n_neighbors=5, cache=tmp_path / "other")
    assert capsys.readouterr() == ("", "")
    np.testing.assert_array_equal(shown, quiet)


@pytest.mark.slow
def test_as_few_images_as_the_check_allows_have_a_map(tmp_path: Path) -> None:
    embeddings = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    assert np.isfinite(projection.umap_map(embeddings, n_neighbors=2, cache=tmp_path)).all()
    with pytest.raises(ValueError, match="There are 3 images; aligned UMAP needs 4"):
        projection.umap_sequence(np.stack([embeddings, embeddings]), n_neighbors=2, cache=tmp_path)
