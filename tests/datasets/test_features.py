"""Features: extracted, reduced on the training split alone, saved small, loaded unchanged."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rnsl_tutorial.datasets import archives as datasets
from rnsl_tutorial.datasets import features
from rnsl_tutorial.datasets.archives import Archive, Split
from rnsl_tutorial.training import networks as backbones


class Averages(nn.Module):
    """A network of a line: each channel's mean, and its mean square."""

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.cat([pixels.mean(dim=(2, 3)), pixels.square().mean(dim=(2, 3))], dim=1)


def tiny_backbone(*_: object, **__: object) -> backbones.Backbone:
    return backbones.Backbone(Averages(), 6, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def make_archive(count: int = 60) -> Archive:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), count // 3)
    images = rng.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    files = tuple(f"{'abc'[y]}/{i:03}.png" for i, y in enumerate(labels))
    return Archive(images, labels.astype(np.int64), ("a", "b", "c"), files)


def make_set(monkeypatch: pytest.MonkeyPatch, archive: Archive) -> features.FeatureSet:
    monkeypatch.setattr(backbones, "create", tiny_backbone)
    split = features.split_for("mine", archive)
    return features.build(archive, split, dim=4, progress=False)


def test_extract_does_not_depend_on_the_batch_size() -> None:
    images = make_archive().images
    expected = tiny_backbone()(torch.from_numpy(images)).numpy()
    for batch_size in (1, 7, 64):
        found = features.extract(images, tiny_backbone(), batch_size=batch_size, progress=False)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_projection_standardises_and_keeps_principal_components() -> None:
    rng = np.random.default_rng(0)
    train = (rng.normal(size=(200, 6)) * [1, 1, 1, 100, 5, 0.1] + 3).astype(np.float32)
    projection = features.fit_projection(train, dim=6)
    found = projection.apply(train)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=0.01)
    covariance = np.cov(found.T)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.01, "uncorrelated"
    assert (np.diff(np.diag(covariance)) < 0.01).all(), "largest first"
    assert np.trace(covariance) == pytest.approx(6, rel=0.01), "unit variance a feature"
    with pytest.raises(
        ValueError, match=r"dim is 7; with 200 training images of 6 features it can be 1 to 6"
    ):
        features.fit_projection(train, dim=7)


def test_nothing_outside_the_training_split_enters_the_projection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = make_archive()
    first = make_set(monkeypatch, archive)
    images = archive.images.copy()
    images[first.split.test] = 255 - images[first.split.test] // 3
    second = make_set(monkeypatch, archive._replace(images=images))
    np.testing.assert_array_equal(first.projection.matrix, second.projection.matrix)
    np.testing.assert_array_equal(first.projection.mean, second.projection.mean)
    np.testing.assert_array_equal(first.step, second.step)
    assert (first.features[first.split.test] != second.features[first.split.test]).any()


def test_saved_and_loaded_unchanged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    built = make_set(monkeypatch, make_archive())
    path = tmp_path / "sub" / "features.npz"
    features.save(path, built)
    loaded = features.load(path)
    for name in ("features", "labels", "step"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(built, name))
        assert getattr(loaded, name).dtype == getattr(built, name).dtype
    for one, other in zip(loaded.split, built.split, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (loaded.files, loaded.class_names) == (built.files, built.class_names)
    assert loaded.made_with["image_size"] == 8
    once = path.read_bytes()
    features.save(path, loaded)
    assert path.read_bytes() == once, "the same set gives the same file"


def test_rounding_to_int8_is_off_by_half_a_step_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive()
    built = make_set(monkeypatch, archive)
    exact = built.projection.apply(
        features.extract(archive.images, tiny_backbone(), progress=False)
    )
    inside = np.abs(exact) <= 127 * built.step
    assert inside[built.split.train].all()
    assert (np.abs(exact - built.features)[inside] <= (0.5001 * built.step * inside)[inside]).all()


def test_a_feature_that_hardly_varies_is_refused_and_a_constant_one_is_not() -> None:
    train = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    train[:, 0] = 1
    assert np.isfinite(features.fit_projection(train, dim=3).matrix).all()
    train[:, 0] = 0
    train[0, 0] = 1e-6
    with pytest.raises(ValueError, match="hardly varies from image to image"):
        features.fit_projection(train, dim=3)


def test_dim_is_checked_before_any_image_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive()
    monkeypatch.setattr(backbones, "create", tiny_backbone)
    monkeypatch.setattr(features, "extract", None)
    with pytest.raises(ValueError, match="dim is 7; with 42 training images of 6 features"):
        features.build(archive, features.split_for("mine", archive), dim=7)


def npy(tmp_path: Path) -> bytes:
    np.save(tmp_path / "plain.npy", np.zeros(3))
    return (tmp_path / "plain.npy").read_bytes()


def test_a_plain_array_is_no_feature_set(tmp_path: Path) -> None:
    path = tmp_path / "features.npz"
    path.write_bytes(npy(tmp_path))
    with pytest.raises(ValueError, match="is damaged or no feature set"):
        features.load(path)


@pytest.mark.parametrize("content", [b"", b"PK not a zip", b"\x93NUMPY junk"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "features.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"features\.npz is damaged or no feature set"):
        features.load(path)
    with pytest.raises(FileNotFoundError):
        features.load(tmp_path / "absent.npz")


def test_the_paper_split_is_used_for_its_data_sets() -> None:
    archive = make_archive()
    split = features.split_for("aid", archive)
    names = datasets.paper_split(datasets.files_by_class(archive.files))
    assert [archive.files[i] for i in split.test] == names.test
    assert isinstance(features.split_for("mine", archive), Split)


# ------------------------------------------------------------------ what is shipped


def test_the_shipped_aid_features_are_the_whole_of_aid_and_small() -> None:
    aid = features.load_shipped("aid")
    assert aid.features.shape == (10_000, 256)
    assert len(aid.class_names) == 30
    assert [len(part) for part in aid.split] == [6993, 1007, 2000]
    assert np.array_equal(np.sort(np.concatenate(aid.split)), np.arange(10_000))
    assert [aid.class_names[y] for y in aid.labels] == [name.split("/")[0] for name in aid.files]
    assert features.shipped("data", "aid", "features.npz").stat().st_size <= 3_000_000
    with pytest.raises(ValueError, match="No features of 'nwpu45' come with the package"):
        features.load_shipped("nwpu45")


@pytest.mark.skipif("RNSL_AID" not in os.environ, reason="RNSL_AID names no archive of AID images")
def test_shipped_rows_can_be_made_again_from_the_images() -> None:
    aid = features.load_shipped("aid")
    archive = datasets.load_archive(os.environ["RNSL_AID"], 150, progress=False)
    assert archive.files == aid.files
    np.testing.assert_array_equal(archive.labels, aid.labels)
    rows = np.arange(0, 10_000, 400)
    again = features.extract(
        archive.images[rows], backbones.create("efficientnet_lite0"), progress=False
    )
    codes = features.quantize(aid.projection.apply(again), aid.step)
    shipped = features.quantize(aid.features[rows], aid.step)
    difference = np.abs(codes.astype(int) - shipped.astype(int))
    assert difference.max() <= 1, "another processor may round a code the other way"
    assert (difference == 0).mean() > 0.95


def test_a_class_that_is_too_small_is_named() -> None:
    archive = make_archive()
    few = [*np.flatnonzero(archive.labels != 1).tolist(), 20, 21]
    small = archive._replace(labels=archive.labels[few], files=tuple(archive.files[i] for i in few))
    with pytest.raises(ValueError, match="Class b has 2 of 42 images, too few"):
        features.split_for("mine", small)
