"""The stand-in for NWPU-RESISC45, and the way to the images."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_features import tiny_backbone

from benchmarks import nwpu45 as benchmark
from rnsl_tutorial import noise
from rnsl_tutorial._files import shipped
from rnsl_tutorial.datasets import download, features
from rnsl_tutorial.datasets import nwpu45_stand_in as nwpu45
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.datasets.nwpu45_stand_in import Part
from rnsl_tutorial.evaluation import class_margins as suffering
from rnsl_tutorial.experiments import heads as experiments
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import networks as backbones

NAMES = noise.label_dependent_classes("nwpu45")
TABLE = ("nwpu45", 0.5)
TINY = Config(dataset="nwpu45", noise="label_dependent", rate=0.5, epochs=2, hidden_dim=8)


@pytest.fixture(scope="module")
def aid() -> FeatureSet:
    return features.load_shipped("aid")


@pytest.fixture(scope="module")
def stand_in(aid: FeatureSet) -> FeatureSet:
    return nwpu45.stand_in(aid)


# ------------------------------------------------------------------ the stand-in


def test_every_class_is_played_and_every_image_plays_once(
    aid: FeatureSet, stand_in: FeatureSet
) -> None:
    assert tuple(nwpu45.CAST) == NAMES == stand_in.class_names
    assert len(set(nwpu45.CAST.values())) == 45
    assert {part.aid_class for part in nwpu45.CAST.values()} == set(aid.class_names)
    images = np.stack([nwpu45.members(aid, part) for part in nwpu45.CAST.values()])
    np.testing.assert_array_equal(images.sum(axis=0), 1)
    np.testing.assert_array_equal(images.argmax(axis=0), stand_in.labels)
    assert np.shares_memory(stand_in.features, aid.features)
    assert stand_in.split is aid.split


def test_halved_are_the_15_largest_classes_each_into_two(aid: FeatureSet) -> None:
    images = np.bincount(aid.labels)
    largest = {aid.class_names[i] for i in np.argsort(-images, kind="stable")[:15]}
    halves = [part for part in nwpu45.CAST.values() if part.half]
    assert {part.aid_class for part in halves} == largest
    assert {half for part in halves for half in [part.half]} == {1, 2}
    train = np.zeros(len(aid.labels), dtype=bool)
    train[aid.split.train] = True
    for name in largest:
        one, two = (nwpu45.members(aid, Part(name, half)) & train for half in (1, 2))
        assert 0 <= two.sum() - one.sum() <= 1


def test_a_half_does_not_depend_on_test_images(aid: FeatureSet) -> None:
    moved = aid.features.copy()
    moved[aid.split.test] *= -3
    train = aid.split.train
    one, other = (
        nwpu45.members(data, Part("Airport", 1))[train]
        for data in (aid, aid._replace(features=moved))
    )
    np.testing.assert_array_equal(one, other)


def test_classes_that_the_table_confuses_look_more_alike_than_in_any_other_cast(
    stand_in: FeatureSet,
) -> None:
    looks, taken = suffering.neighborhoods(stand_in), noise.label_dependent_transition(*TABLE)
    looks, taken = looks + looks.T, taken + taken.T
    np.fill_diagonal(taken, 0)
    free = [NAMES.index(name) for name in nwpu45.BY_LOOKS]
    generator = np.random.default_rng(0)

    def alike(order: np.ndarray) -> float:  # type: ignore[type-arg]
        return float((taken * looks[np.ix_(order, order)]).sum())

    others = []
    for _ in range(200):
        order = np.arange(45)
        order[free] = generator.permutation(free)
        others.append(alike(order))
    swapped = []
    for a in free:
        for b in free:
            order = np.arange(45)
            order[[a, b]] = b, a
            swapped.append(alike(order))
    chosen = alike(np.arange(45))
    assert chosen > 1.5 * max(others)
    assert chosen >= max(swapped) - 1e-9, "no exchange of two would look more alike"


def test_a_part_says_who_it_is() -> None:
    assert str(nwpu45.CAST["church"]) == "Church"
    assert str(nwpu45.CAST["airplane"]) == "Airport, half 2"


def test_features_of_another_archive_are_refused(aid: FeatureSet) -> None:
    names = ("Harbour", *aid.class_names[1:])
    with pytest.raises(ValueError, match="lack Airport; the stand-in is made of those of AID"):
        nwpu45.stand_in(aid._replace(class_names=names))


def test_without_the_images_the_stand_in_is_taken_and_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RNSL_CACHE", str(tmp_path))
    source = nwpu45.load()
    assert source.name == "nwpu45_stand_in"
    assert "stand-in" in source.title
    assert "played by those of AID" in source.features.made_with["classes"]
    record = nwpu45.measured(source)
    assert record is not None
    assert {result.config.dataset for result in record.results} == {"nwpu45_stand_in"}
    assert record.provenance["features"] == source.features.made_with


# ------------------------------------------------------------------ the images


def fetched(folder: Path, names: tuple[str, ...], images: int = 10) -> Path:
    """A small archive, as `rnsl data get nwpu45` would leave a large one."""
    generator = np.random.default_rng(0)
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for i in range(images):
            pixels = generator.integers(0, 60, (4, 4, 3)) + 4 * number
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{name}_{i:03}.png")
    return folder


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("RNSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(backbones, "create", tiny_backbone)
    monkeypatch.setattr(features.fit_projection, "__defaults__", (6,))
    monkeypatch.setitem(features.build.__kwdefaults__, "dim", 6)
    folder = tmp_path / "NWPU-RESISC45"
    monkeypatch.setattr(download, "find", lambda name: folder if folder.exists() else None)
    return folder


def test_where_the_images_are_their_features_are_extracted_once(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(images, NAMES)
    source = nwpu45.load(progress=False)
    assert (source.name, source.title) == ("nwpu45", "NWPU-RESISC45")
    assert source.features.class_names == NAMES
    assert [len(part) for part in source.features.split] == [45 * 7, 45, 45 * 2]
    result = suffering.run(source.features, TINY)
    assert {f"prototype: {name}" for name in NAMES} < result.metrics.keys()
    assert nwpu45.measured(source) is None
    monkeypatch.setattr(features, "build", None)
    again = nwpu45.load(progress=False)
    np.testing.assert_array_equal(again.features.features, source.features.features)


def test_other_classes_are_refused(images: Path) -> None:
    fetched(images, ("farm", "forest"), images=20)
    with pytest.raises(ValueError, match="holds 2 classes, farm to forest, not the 45 of"):
        nwpu45.load(progress=False)


# ------------------------------------------------------------------ what was measured


def test_the_grid_has_every_loss_at_every_rate_with_the_seeds_asked_for() -> None:
    configs = benchmark.configs(2)
    cells = Counter((c.noise, c.rate, c.loss) for c in configs)
    assert set(cells.values()) == {2}
    assert len(cells) == 3 * (4 + 1)
    assert {c.dataset for c in configs} == {"nwpu45"}, "by which the noise knows its table"


def test_what_is_measured_is_saved_under_the_name_of_the_source(
    stand_in: FeatureSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "configs", lambda seeds: [replace(TINY, seed=seeds)])
    source = nwpu45.Source(stand_in, nwpu45.STAND_IN, "stand-in for NWPU45")
    benchmark.measure(source, 5, tmp_path / "results.json")
    [result] = experiments.load(tmp_path / "results.json").results
    assert (result.config.dataset, result.config.seed) == ("nwpu45_stand_in", 5)
    assert suffering.accuracies([result], NAMES, "rnsl", 0.5, "prototype").shape == (1, 45)


def test_the_shipped_runs_are_those_of_the_grid() -> None:
    record = experiments.load(shipped("data", "results", "nwpu45_stand_in", "results.json"))
    expected = [replace(config, dataset=nwpu45.STAND_IN) for config in benchmark.configs(3)]
    assert [result.config for result in record.results] == expected


def test_its_labels_take_the_noise_of_the_paper(stand_in: FeatureSet) -> None:
    given = experiments.corrupt(stand_in, TINY)
    true = stand_in.labels[stand_in.split.train]
    wrong = {(NAMES[a], NAMES[b]) for a, b in zip(true, given.labels, strict=True) if a != b}
    assert {b for a, b in wrong if a == "desert"} == {"chaparral", "terrace"}
