"""NWPU-RESISC45's features or their stand-in's, and what is measured on them."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_features import tiny_backbone

from benchmarks import nwpu45 as benchmark
from rnsl_tutorial import datasets, experiments, noise
from rnsl_tutorial._files import shipped
from rnsl_tutorial.datasets import download, features, nwpu45_stand_in
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.experiments import class_accuracy
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.named_features import (
    NamedFeatures,
    nwpu45_or_stand_in,
    shipped_runs,
)
from rnsl_tutorial.training import networks

NAMES = noise.label_dependent_classes("nwpu45")
TINY = Config(dataset="nwpu45", noise="label_dependent", rate=0.5, epochs=2, hidden_dim=8)


@pytest.fixture(scope="module")
def played() -> FeatureSet:
    return nwpu45_stand_in.stand_in(datasets.load_shipped_features("aid"))


@pytest.mark.slow
def test_without_the_images_the_stand_in_is_taken_and_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RNSL_CACHE", str(tmp_path))
    source = nwpu45_or_stand_in()
    assert source.name == "nwpu45_stand_in"
    assert "stand-in" in source.title
    assert "played by those of AID" in source.features.made_with["classes"]
    record = shipped_runs(source.name)
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
    monkeypatch.setattr(networks, "create", tiny_backbone)
    monkeypatch.setitem(features.build_features.__kwdefaults__, "dim", 6)
    folder = tmp_path / "NWPU-RESISC45"
    monkeypatch.setattr(download, "find", lambda name: folder if folder.exists() else None)
    return folder


def test_where_the_images_are_their_features_are_extracted_once(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(images, NAMES)
    source = nwpu45_or_stand_in(progress=False)
    assert (source.name, source.title) == ("nwpu45", "NWPU-RESISC45")
    assert source.features.class_names == NAMES
    assert [len(part) for part in source.features.split] == [45 * 7, 45, 45 * 2]
    result = experiments.run(source.features, TINY, measure=class_accuracy.measure_classes)
    assert {f"prototype: {name}" for name in NAMES} < result.metrics.keys()
    assert shipped_runs(source.name) is None
    monkeypatch.setattr(features, "_extracted", None)
    again = nwpu45_or_stand_in(progress=False)
    np.testing.assert_array_equal(again.features.features, source.features.features)


def test_other_classes_are_refused(images: Path) -> None:
    fetched(images, ("farm", "forest"), images=20)
    with pytest.raises(ValueError, match="holds 2 classes, farm to forest, not the 45 of"):
        nwpu45_or_stand_in(progress=False)


# ------------------------------------------------------------------ what was measured


def test_the_grid_has_every_loss_at_every_rate_with_the_seeds_asked_for() -> None:
    configs = benchmark.configs(2)
    cells = Counter((c.noise, c.rate, c.loss) for c in configs)
    assert set(cells.values()) == {2}
    assert len(cells) == 3 * (4 + 1)
    assert {c.dataset for c in configs} == {"nwpu45"}, "by which the noise knows its table"


def test_what_is_measured_is_saved_under_the_name_of_the_source(
    played: FeatureSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "configs", lambda seeds: [replace(TINY, seed=seeds)])
    source = NamedFeatures(played, nwpu45_stand_in.NAME, "stand-in for NWPU45")
    benchmark.measure(source, 5, tmp_path / "results.json")
    [result] = experiments.load_results(tmp_path / "results.json").results
    assert (result.config.dataset, result.config.seed) == ("nwpu45_stand_in", 5)
    assert class_accuracy.accuracies([result], NAMES, "rnsl", 0.5, "prototype").shape == (1, 45)


def test_the_shipped_runs_are_those_of_the_grid() -> None:
    record = experiments.load_results(shipped("data", "results", "nwpu45_stand_in", "results.json"))
    expected = [replace(config, dataset=nwpu45_stand_in.NAME) for config in benchmark.configs(3)]
    assert [result.config for result in record.results] == expected


def test_its_labels_take_the_noise_of_the_paper(played: FeatureSet) -> None:
    given = experiments.corrupt(played, TINY)
    true = played.labels[played.split.train]
    wrong = {(NAMES[a], NAMES[b]) for a, b in zip(true, given.labels, strict=True) if a != b}
    assert {b for a, b in wrong if a == "desert"} == {"chaparral", "terrace"}
