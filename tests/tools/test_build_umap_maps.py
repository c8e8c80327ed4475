"""The builder of the table of maps: a small one is made anew."""

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.manifold import trustworthiness
from synthetic_umap_maps import small_umap_maps

from rnsl_tutorial import datasets, experiments
from rnsl_tutorial._tables import load_table
from rnsl_tutorial.evaluation import umap
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.tutorial.tables import UmapMaps
from tools import umap_maps

PLAN = umap_maps.Plan(
    losses=("nsl", "trnsl"),
    epochs=(0, 1),
    images=150,
    n_neighbors=(5, 15),
    min_dists=(0.1, 0.5),
)


@pytest.fixture(scope="module")
def aid() -> datasets.FeatureSet:
    return datasets.load_shipped_features("aid")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def built(aid: datasets.FeatureSet, cache: Path) -> UmapMaps:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RNSL_CACHE", str(cache))
        return umap_maps.build(aid, Config(noise="symmetric", rate=0.5), PLAN)


def test_maps_keep_the_neighbourhoods_of_the_run(built: UmapMaps, aid: datasets.FeatureSet) -> None:
    config = Config(noise="symmetric", rate=0.5, loss="trnsl", epochs=1)
    _, history = experiments.follow(aid, config, PLAN.images)
    for moment in (0, 1):
        embeddings = history.embeddings[moment].numpy()
        found = built.over_epochs[1, moment].astype(float)
        kept = trustworthiness(embeddings, found, n_neighbors=10)
        assert kept > 0.75
        assert built.measured_over_epochs[1, moment, 0] == pytest.approx(kept, abs=0.01)
    for place in np.ndindex(2, 2):
        found = built.over_settings[(1, *place)].astype(float)
        assert trustworthiness(embeddings, found, n_neighbors=10) > 0.7
    expected = umap.neighbors(embeddings)
    np.testing.assert_array_equal(built.neighbors[1], expected)


def test_the_table_holds_what_the_run_saw(built: UmapMaps, aid: datasets.FeatureSet) -> None:
    config = Config(noise="symmetric", rate=0.5, loss="nsl", epochs=1)
    fitted, history = experiments.follow(aid, config, PLAN.images)
    batch = history.batch.numpy()
    np.testing.assert_allclose(
        built.p[0] / 255, history.log_p[:, batch].exp().clamp(max=1), atol=0.5 / 255 + 1e-6
    )
    np.testing.assert_array_equal(built.given, fitted.given.labels[batch])
    np.testing.assert_array_equal(built.wrong, fitted.given.flipped[batch])
    assert built.files == tuple(aid.files[i] for i in aid.split.train[batch])
    assert built.kept.all(), "nobody is pruned before epoch 20"


def test_the_first_maps_of_all_losses_are_laid_onto_one_another(
    built: UmapMaps,
) -> None:
    first, other = built.over_epochs[:, 0].astype(np.float32)
    np.testing.assert_allclose(umap.aligned(other, first), other, atol=5)


def test_a_plan_draws_its_default_in_the_grid() -> None:
    assert PLAN.count() == 2 * (1 + 4)
    with pytest.raises(ValueError, match=r"default \(15, 0.1\) is not in the grid"):
        umap_maps.Plan(min_dists=(0.5,))


def test_boxed_stretches_nothing() -> None:
    maps = np.array([[[0, 0], [4, 1]], [[2, 2], [3, 0]]], dtype=np.float32)
    found = umap_maps._boxed(maps).astype(float)
    assert found.min() == 0
    assert found.max() == umap_maps.FULL_SCALE
    unit = umap_maps.FULL_SCALE / 4
    np.testing.assert_allclose(found - found[0, 0], (maps - maps[0, 0]) * unit, atol=1)


def test_the_script_writes_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def build(data: object, config: Config, plan: object, on_map: object) -> UmapMaps:
        asked.append(config)
        return small_umap_maps()

    monkeypatch.setattr(umap_maps, "build", build)
    out = tmp_path / "maps.npz"
    command = ["--out", str(out), "--noise", "label_dependent", "--rate", "0.3"]
    monkeypatch.setattr(sys, "argv", ["umap_maps.py", *command])
    umap_maps.main()
    assert (asked[0].noise, asked[0].rate, asked[0].seed) == ("label_dependent", 0.3, 0)
    assert load_table(out, UmapMaps, "maps", "").files == small_umap_maps().files
