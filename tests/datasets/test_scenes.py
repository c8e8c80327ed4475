"""Procedural scenes: what they depend on, that they can be told apart, and their label noise."""

import json
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from aid_counts import files_by_class
from sklearn.ensemble import ExtraTreesClassifier

from rnsl_tutorial import _files as paths
from rnsl_tutorial import datasets, noise
from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.datasets.scenes import CLASSES, make_scenes
from rnsl_tutorial.evaluation import class_margins

C = len(CLASSES)


# ------------------------------------------------------------------ what is returned


@pytest.mark.parametrize("size", [32, 50, 64, 256])
def test_shapes_types_and_names(size):
    drawn = make_scenes(20, size, seed=0)
    assert isinstance(drawn, datasets.Archive)
    assert drawn.images.shape == (20, 3, size, size)
    assert drawn.images.dtype == np.uint8
    assert drawn.labels.shape == (20,)
    assert drawn.labels.dtype == np.int64
    assert drawn.class_names == CLASSES == tuple(sorted(CLASSES))
    assert C >= 12


def test_file_names_group_by_class_and_are_unique():
    drawn = make_scenes(5 * C + 3, 32, seed=0)
    assert len(set(drawn.files)) == len(drawn.files)
    groups = files_by_class(drawn.files)
    assert set(groups) == set(CLASSES)
    for file, label in zip(drawn.files, drawn.labels, strict=True):
        assert file.startswith(f"{CLASSES[label]}/{CLASSES[label].lower()}_")
    assert groups["Beach"][:2] == ["Beach/beach_1.png", "Beach/beach_2.png"]
    datasets.paper_split(groups)


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_images_use_the_range_and_do_not_drown_in_its_ends(difficulty):
    images = make_scenes(4 * C, 32, difficulty=difficulty, seed=0).images
    assert images.min() < 30
    assert images.max() > 225
    assert ((images == 0) | (images == 255)).mean() < 0.05


def test_no_two_images_are_alike():
    images = make_scenes(600, 32, difficulty=0, seed=0).images.reshape(600, -1)
    assert len(np.unique(images, axis=0)) == 600


# ------------------------------------------------------------------ what images depend on


def test_the_seed_decides_and_global_state_does_not():
    np.random.seed(1)
    state = np.random.get_state()[1].tolist()
    first = make_scenes(40, 32, seed=3)
    assert np.random.get_state()[1].tolist() == state
    again, other = make_scenes(40, 32, seed=3), make_scenes(40, 32, seed=4)
    assert (first.images == again.images).all()
    assert first.labels.tolist() == again.labels.tolist()
    assert first.labels.tolist() != other.labels.tolist()
    same_class = make_scenes(40, 32, seed=4, labels=first.labels)
    assert (first.images != same_class.images).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("difficulty", [0.0, 0.7])
@pytest.mark.slow
def test_a_shorter_series_begins_a_longer_one(difficulty):
    """Longer than a block, so that other images are drawn together."""
    count = scenes._BLOCK + 200
    whole = make_scenes(count, 32, difficulty=difficulty, seed=5)
    for part in (1, 100, scenes._BLOCK + 1):
        short = make_scenes(part, 32, difficulty=difficulty, seed=5)
        assert (short.images == whole.images[:part]).all()
        assert short.labels.tolist() == whole.labels[:part].tolist()
        assert short.files == whole.files[:part]


def test_an_image_depends_on_its_own_class_alone():
    labels = np.arange(64) % C
    changed = labels.copy()
    changed[::2] = 3
    images, others = (
        make_scenes(64, 32, seed=0, labels=given).images for given in (labels, changed)
    )
    assert (images[1::2] == others[1::2]).all()
    assert (images != others).any(axis=(1, 2, 3)).tolist() == (labels != changed).tolist()


def test_large_seeds_are_seeds_of_their_own():
    low, high = (make_scenes(16, 32, seed=seed).labels.tolist() for seed in (1, 2**32 + 1))
    assert low != high


@pytest.mark.parametrize("size", [32, 50, 64, 100, 129])
@pytest.mark.parametrize("draw", [0.0, np.nextafter(np.float32(1), np.float32(0))])
def test_the_outermost_draws_find_a_texture(size, draw):
    canvas = scenes._Canvas(np.full((2, 9), draw, np.float32), size, 0.5)
    assert canvas.texture("pixels").shape == (2, size, size)


# ------------------------------------------------------------------ labels and out


@pytest.mark.parametrize("count", [1, C - 1, C, 7 * C + 5, 1000])
def test_classes_are_balanced_to_within_one(count):
    counts = np.bincount(make_scenes(count, 32, difficulty=0, seed=2).labels, minlength=C)
    assert counts.max() - counts.min() <= 1
    assert counts.sum() == count


def test_the_order_is_shuffled_in_every_round():
    rounds = make_scenes(20 * C, 32, difficulty=0, seed=0).labels.reshape(20, C)
    assert (np.sort(rounds, axis=1) == np.arange(C)).all()
    assert all(first.tolist() != second.tolist() for first, second in pairwise(rounds))


def test_labels_are_kept_and_not_handed_back():
    labels = np.array([3, 3, 0, 15, 3])
    drawn = make_scenes(5, 32, seed=0, labels=labels)
    assert drawn.labels.tolist() == [3, 3, 0, 15, 3]
    assert not np.shares_memory(drawn.labels, labels)
    assert drawn.files[1] == f"{CLASSES[3]}/{CLASSES[3].lower()}_2.png"
    assert make_scenes(2, 32, seed=0, labels=[1, 2]).labels.tolist() == [1, 2]


def test_images_are_written_into_out(tmp_path):
    out = np.lib.format.open_memmap(
        tmp_path / "scenes.npy", mode="w+", dtype=np.uint8, shape=(40, 3, 32, 32)
    )
    drawn = make_scenes(40, 32, seed=0, out=out)
    assert drawn.images is out
    out.flush()
    assert (np.load(tmp_path / "scenes.npy") == make_scenes(40, 32, seed=0).images).all()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images():
    peaks = []
    for count in (1024, 3072):
        out = np.empty((count, 3, 32, 32), np.uint8)
        make_scenes(16, 32, seed=0)
        tracemalloc.start()
        make_scenes(count, 32, seed=0, out=out)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 0.25 * 2048 * out[0].nbytes  # labels and file names, no images


# ------------------------------------------------------------------ what they look like


def coarse(images):
    """Colours, their spread and the share of edges, over the scene and along its radius."""
    pixels = images.astype(np.float32)
    edges = np.abs(np.diff(pixels, axis=2))[..., :-1] + np.abs(np.diff(pixels, axis=3))[:, :, :-1]
    parts = [pixels.mean((2, 3)), pixels.std((2, 3)), edges.mean((2, 3)), edges.std((2, 3))]
    halves = pixels.reshape(len(pixels), 3, 8, 4, 8, 4).mean((3, 5))
    spectrum = np.abs(np.fft.rfft2(pixels.mean(1)))[:, :12, :12].reshape(len(pixels), -1)
    return np.concatenate([*parts, halves.std((2, 3)), np.log1p(spectrum)], axis=1)


def recalls(difficulty):
    """Share of each class that a forest recognizes by coarse features."""
    drawn = make_scenes(80 * C, 32, difficulty=difficulty, seed=0)
    features, half = coarse(drawn.images), 50 * C
    forest = ExtraTreesClassifier(100, random_state=0).fit(features[:half], drawn.labels[:half])
    right, labels = forest.predict(features[half:]) == drawn.labels[half:], drawn.labels[half:]
    return np.array([right[labels == label].mean() for label in range(C)])


@pytest.mark.slow
def test_every_class_is_recognized_when_easy_and_less_so_when_hard():
    easy, middle, hard = (recalls(difficulty) for difficulty in (0.0, 0.5, 1.0))
    assert easy.min() > 6 / C  # chance is 1 / C
    assert easy.mean() > middle.mean() + 0.05 > hard.mean() + 0.1
    assert hard.mean() > 1.5 / C


def test_a_scene_stays_the_same_at_another_size():
    """But for the textures: 32 and 128 pixels agree better than two scenes of a class."""
    small, large = (make_scenes(64, size, difficulty=0, seed=0).images for size in (32, 128))
    shrunk = large.reshape(64, 3, 8, 16, 8, 16).mean((3, 5))
    pooled = small.reshape(64, 3, 8, 4, 8, 4).mean((3, 5))
    same = np.abs(shrunk - pooled).mean((1, 2, 3))
    labels = make_scenes(64, 32, difficulty=0, seed=0).labels
    others = make_scenes(64, 32, difficulty=0, seed=1, labels=labels).images
    different = np.abs(others.reshape(64, 3, 8, 4, 8, 4).mean((3, 5)) - pooled).mean((1, 2, 3))
    assert np.median(same) < 0.6 * np.median(different)


# ------------------------------------------------------------------ label-dependent noise


def test_the_table_of_label_noise_is_whole():
    table = json.loads(paths.shipped("data", "noise", "label_dependent.json").read_text())["scenes"]
    assert tuple(table["classes"]) == CLASSES == noise.label_dependent_classes("scenes")
    for name, shares in table["flip_shares"].items():
        assert 2 <= len(shares) <= 5
        assert set(shares) <= set(CLASSES) - {name}
        assert all(round(5 * share, 9) in (1, 2, 3, 4) for share in shares.values())


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.5, 0.7])
def test_rows_of_the_transition_matrix_sum_to_1(rate):
    transition = noise.label_dependent_transition("scenes", rate)
    assert transition.shape == (C, C)
    np.testing.assert_allclose(transition.sum(axis=1), 1, rtol=0, atol=1e-14)
    np.testing.assert_allclose(transition.diagonal(), 1 - rate, rtol=0, atol=1e-14)
    labels = make_scenes(500, 32, difficulty=0, seed=0).labels
    assert abs(noise.corrupt_labels(labels, transition).flipped.mean() - rate) < 0.1


def test_at_rate_07_eight_classes_are_dominated():
    dominated = class_margins.dominated_classes(noise.label_dependent_transition("scenes", 0.7))
    expected = (
        "DenseResidential MediumResidential Pond River Runway SparseResidential StorageTanks "
        "Viaduct"
    )
    assert [CLASSES[i] for i in dominated] == expected.split()
    assert (
        len(class_margins.dominated_classes(noise.label_dependent_transition("scenes", 0.5))) == 0
    )


def test_the_share_of_a_neighbour_is_the_share_of_the_label_noise():
    transition = noise.label_dependent_transition("scenes", 0.5)
    np.fill_diagonal(transition, 0)
    np.testing.assert_allclose(scenes._shares_alike(), 2 * transition, rtol=0, atol=1e-14)


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count is 0; .* at least 1"),
        ({"size": 31}, "size is 31; .* 32 to 256"),
        ({"size": 257}, "size is 257; .* 32 to 256"),
        ({"difficulty": -0.1}, "difficulty is -0.1; .* 0 .* to 1"),
        ({"difficulty": float("nan")}, "difficulty is nan"),
        ({"seed": -1}, "seed is -1; .* at least 0"),
        ({"labels": [0]}, r"shape \(1,\) .* 2 integers"),
        ({"labels": [0.0, 1.0]}, "float64"),
        ({"labels": [0, 16]}, "run from 0 to 16; .* 0 to 15"),
        ({"labels": [-1, 0]}, "run from -1 to 0"),
        ({"out": np.empty((2, 3, 32, 32), np.float32)}, r"float32 .* uint8 \[2, 3, 32, 32\]"),
        ({"out": np.empty((3, 3, 32, 32), np.uint8)}, r"\[3, 3, 32, 32\]; give uint8 \[2, 3"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_scenes(**({"count": 2, "size": 32, "seed": 0} | arguments))
