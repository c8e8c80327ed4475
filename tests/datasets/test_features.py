"""Features: extracted, cached by content, reduced on the training split alone, saved small."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from synthetic_features import Averages, make_archive, tiny_backbone
from torch import Tensor, nn

from rnsl_tutorial import datasets
from rnsl_tutorial._files import shipped
from rnsl_tutorial.datasets import _frozen, features
from rnsl_tutorial.datasets.archives import Archive
from rnsl_tutorial.training import networks


def make_set(archive: Archive) -> features.FeatureSet:
    split = datasets.split_for("mine", archive)
    return features.build_features(
        archive, split, tiny_backbone(), name="tiny", dim=4, progress=False
    )


# ------------------------------------------------------------------ extracted


def extracted(images: NDArray[np.uint8], backbone: Any = None, batch: int = 64) -> Any:
    run = _frozen.by_onnxruntime(backbone or tiny_backbone(), images[:batch])
    return np.concatenate([*features._extracted(images, run, batch, progress=False)])


def test_extract_does_not_depend_on_the_batch_size() -> None:
    images = make_archive().images
    expected = tiny_backbone()(torch.from_numpy(images)).numpy()
    for batch_size in (1, 7, 64):
        found = extracted(images, batch=batch_size)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_plain_function_is_a_backbone_and_nothing_is_kept_of_it(tmp_path: Path) -> None:
    class Brightest:
        feature_dim = 3

        def __call__(self, images: Tensor) -> Tensor:
            assert images.dtype == torch.uint8
            return images.amax(dim=(2, 3))

    images = make_archive().images
    found = features.cached_features(images, Brightest(), cache=tmp_path, progress=False)
    np.testing.assert_array_equal(found, images.max(axis=(2, 3)))
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ cached by content


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Its images are mapped from a file, as those of `load_archive` are."""
    made, path = make_archive(), tmp_path_factory.mktemp("archive") / "images.npy"
    np.save(path, made.images)
    return made._replace(images=np.load(path, mmap_mode="r"))


VIEWS = {
    "whole": lambda images: images,
    "reversed": lambda images: images[::-1],
    "mirrored": lambda images: images[..., ::-1],
    "cut": lambda images: images[7:31],
    "every third": lambda images: images[::3],
    "cut out of the middle": lambda images: images[:, :, 2:6, 1:5],
    "transposed": lambda images: images.transpose(0, 1, 3, 2),
    "other channels": lambda images: images[:, [2, 1, 0]],
    "chosen": lambda images: images[[5, 3, 3, 40]],
    "chosen by a mask": lambda images: images[np.arange(60) % 2 == 0],
    "one": lambda images: images[4:5],
    "copied": lambda images: images.copy(),
    "copied in Fortran's order": lambda images: np.asfortranarray(images),
    "as a plain array": lambda images: np.asarray(images).view(np.ndarray),
    "repeated": lambda images: np.broadcast_to(images[:1], (9, 3, 8, 8)),
    "a view of a view": lambda images: images[10:50][::-2][3:],
    "upside down in colour": lambda images: 255 - images,
    "of other bytes": lambda images: images.view(np.int8).view(np.uint8),
}


def test_features_follow_the_pixels_whatever_array_or_view_holds_them(
    archive: Archive, tmp_path: Path
) -> None:
    """All in one cache, where each may find those of another."""
    seen: dict[bytes, NDArray[np.float32]] = {}
    for _ in range(2):
        for name, view in VIEWS.items():
            images = view(archive.images)
            expected = tiny_backbone()(torch.tensor(np.array(images))).numpy()
            found = features.cached_features(
                images, tiny_backbone(), cache=tmp_path, progress=False
            )
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=name)
            content = bytes(str(images.shape), "utf-8") + np.ascontiguousarray(images).tobytes()
            np.testing.assert_array_equal(seen.setdefault(content, found), found)
    assert len(list(tmp_path.rglob("*.npy"))) == len(seen) < len(VIEWS), "copies share a file"


@pytest.mark.parametrize(
    "turned",
    [
        lambda images: images.astype(np.int64),
        lambda images: images.astype(np.float32) / 255,
        lambda images: images.view(np.int8),
        lambda images: images > 127,
        lambda images: images.transpose(0, 2, 3, 1),
        lambda images: images[0],
        lambda images: images[:, :1],
    ],
)
def test_images_of_another_type_or_shape_are_refused(
    archive: Archive, tmp_path: Path, turned: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> None:
    images = turned(archive.images)
    said = rf"images are {images.dtype} \[.*\]; give uint8 \[N, 3, S, S\]"
    for extract in (features.cached_features, features.cached_maps):
        with pytest.raises(ValueError, match=said):
            extract(images, tiny_backbone(), cache=tmp_path)


def convolution(seed: int) -> networks.Backbone:
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return networks.Backbone(layers, 6, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def test_features_are_extracted_once_for_each_content_and_network(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    extract = features._extracted

    def counted(images: NDArray[np.uint8], *rest: Any) -> NDArray[np.float32]:
        calls.append(len(images))
        return extract(images, *rest)

    def found(network: networks.Backbone) -> NDArray[np.float32]:
        return features.cached_features(archive.images, network, cache=tmp_path, progress=False)

    monkeypatch.setattr(features, "_extracted", counted)
    first = np.array(found(tiny_backbone()))
    np.testing.assert_array_equal(found(tiny_backbone()), first)
    assert calls == [60]
    brighter = networks.Backbone(Averages(), 6, mean=(0.4, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert (found(brighter) != first).any(), "its normalisation is in no file of weights"
    one, other = convolution(seed=0), convolution(seed=1)
    assert (found(one) != found(other)).any(), "other weights of the same layers"
    assert calls == [60] * 4
    for path in (tmp_path / "features").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    np.testing.assert_array_equal(found(tiny_backbone()), first)
    assert calls == [60] * 5, "what is damaged is extracted anew"


def test_maps_are_those_of_the_image_and_of_its_mirror_image(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    front = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2), nn.BatchNorm2d(5)).train()
    scaled = nn.Sequential(networks.Backbone(front, 5, mean=(0.5,) * 3, std=(0.5,) * 3))
    images = archive.images[:, :, :, ::-1]

    def found() -> NDArray[np.float16]:
        return features.cached_maps(images, scaled, batch_size=7, cache=tmp_path, progress=False)

    maps = found()
    with torch.no_grad():
        for view, pixels in enumerate((images, archive.images)):
            expected = scaled(torch.tensor(np.array(pixels))).permute(0, 2, 3, 1).half()
            np.testing.assert_allclose(maps[:, view], expected.numpy(), rtol=2e-3, atol=1e-3)
    assert isinstance(maps, np.memmap), "they need not fit into memory"
    maps = np.array(maps)
    (kept,) = (tmp_path / "features").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    np.testing.assert_array_equal(found(), maps)
    run, made = [], features._views
    monkeypatch.setattr(features, "_views", lambda *given: (run.append(1), made(*given))[1])
    np.testing.assert_array_equal(found(), maps)
    assert len(run) == 1, "one image tells the shape, and no other is run again"


def test_a_map_that_may_be_written_keeps_what_was_written(tmp_path: Path) -> None:
    """Giving back the memory of a private map would undo it."""
    np.save(tmp_path / "images.npy", make_archive().images)
    images = np.load(tmp_path / "images.npy", mmap_mode="c")
    images[:] = 7
    found = features.cached_features(images, tiny_backbone(), cache=tmp_path, progress=False)
    assert (images == 7).all()
    assert np.ptp(found, axis=0).max() == 0


# ------------------------------------------------------------------ reduced


def test_reduction_standardises_and_keeps_principal_components() -> None:
    rng = np.random.default_rng(0)
    train = (rng.normal(size=(200, 6)) * [1, 1, 1, 100, 5, 0.1] + 3).astype(np.float32)
    reduction = features._fit_reduction(train, dim=6)
    found = reduction.apply(train)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=0.01)
    covariance = np.cov(found.T)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.01, "uncorrelated"
    assert (np.diff(np.diag(covariance)) < 0.01).all(), "largest first"
    assert np.trace(covariance) == pytest.approx(6, rel=0.01), "unit variance a feature"
    with pytest.raises(
        ValueError, match=r"dim is 7; with 200 training images of 6 features it can be 1 to 6"
    ):
        features._fit_reduction(train, dim=7)


def test_nothing_outside_the_training_split_enters_the_reduction() -> None:
    archive = make_archive()
    first = make_set(archive)
    images = archive.images.copy()
    images[first.split.test] = 255 - images[first.split.test] // 3
    second = make_set(archive._replace(images=images))
    np.testing.assert_array_equal(first.reduction.matrix, second.reduction.matrix)
    np.testing.assert_array_equal(first.reduction.mean, second.reduction.mean)
    np.testing.assert_array_equal(first.step, second.step)
    assert (first.features[first.split.test] != second.features[first.split.test]).any()


def test_saved_and_loaded_unchanged(tmp_path: Path) -> None:
    built = make_set(make_archive())
    path = tmp_path / "sub" / "features.npz"
    features.save_features(path, built)
    loaded = features.load_features(path)
    for name in ("features", "labels", "step"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(built, name))
        assert getattr(loaded, name).dtype == getattr(built, name).dtype
    for one, other in zip(loaded.split, built.split, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (loaded.files, loaded.class_names) == (built.files, built.class_names)
    assert loaded.made_with["image_size"] == 8
    once = path.read_bytes()
    features.save_features(path, loaded)
    assert path.read_bytes() == once, "the same set gives the same file"


def test_rounding_to_int8_is_off_by_half_a_step_at_most() -> None:
    archive = make_archive()
    built = make_set(archive)
    exact = built.reduction.apply(extracted(archive.images))
    inside = np.abs(exact) <= 127 * built.step
    assert inside[built.split.train].all()
    assert (np.abs(exact - built.features)[inside] <= (0.5001 * built.step * inside)[inside]).all()


def test_a_feature_that_hardly_varies_is_refused_and_a_constant_one_is_not() -> None:
    train = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    train[:, 0] = 1
    assert np.isfinite(features._fit_reduction(train, dim=3).matrix).all()
    train[:, 0] = 0
    train[0, 0] = 1e-6
    with pytest.raises(ValueError, match="hardly varies from image to image"):
        features._fit_reduction(train, dim=3)


def test_dim_is_checked_before_any_image_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive()
    split = datasets.split_for("mine", archive)
    monkeypatch.setattr(features, "cached_features", None)
    with pytest.raises(ValueError, match="dim is 7; with 42 training images of 6 features"):
        features.build_features(archive, split, tiny_backbone(), name="tiny", dim=7)


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"PK not a zip", b"\x93NUMPY junk", npy()])
def test_a_damaged_file_or_a_plain_array_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "features.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"features\.npz is damaged or no feature set"):
        features.load_features(path)
    with pytest.raises(FileNotFoundError):
        features.load_features(tmp_path / "absent.npz")


# ------------------------------------------------------------------ what is shipped


def test_the_shipped_aid_features_are_the_whole_of_aid_and_small() -> None:
    aid = features.load_shipped_features("aid")
    assert aid.features.shape == (10_000, 256)
    assert len(aid.class_names) == 30
    assert [len(part) for part in aid.split] == [6993, 1007, 2000]
    assert np.array_equal(np.sort(np.concatenate(aid.split)), np.arange(10_000))
    assert [aid.class_names[y] for y in aid.labels] == [name.split("/")[0] for name in aid.files]
    assert shipped("data", "aid", "features.npz").stat().st_size <= 3_000_000
    with pytest.raises(ValueError, match="No features of 'nwpu45' come with the package"):
        features.load_shipped_features("nwpu45")


@pytest.mark.skipif("RNSL_AID" not in os.environ, reason="RNSL_AID names no archive of AID images")
def test_shipped_rows_can_be_made_again_from_the_images(tmp_path: Path) -> None:
    aid = features.load_shipped_features("aid")
    rows = np.arange(0, 10_000, 400)
    files = [aid.files[row] for row in rows]
    with tarfile.open(os.environ["RNSL_AID"]) as tar:
        tar.extractall(tmp_path, [tar.getmember(f"AID/{file}") for file in files], filter="data")
    archive = datasets.load_archive(tmp_path / "AID", 150, progress=False)
    assert archive.files == tuple(files)
    again = extracted(archive.images, networks.create("efficientnet_lite0"))
    codes = features._quantize(aid.reduction.apply(again), aid.step)
    shipped = features._quantize(aid.features[rows], aid.step)
    difference = np.abs(codes.astype(int) - shipped.astype(int))
    assert difference.max() <= 1, "another runtime or processor may round a code the other way"
    assert (difference == 0).mean() > 0.99
