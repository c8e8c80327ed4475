"""The builder of the maps of notebook 00, on a small feature set of four clouds."""

from pathlib import Path

import numpy as np
import pytest
from synthetic_cells import save_clouds
from synthetic_maps import small_maps

from rnsl_tutorial import datasets, experiments
from rnsl_tutorial.experiments import heads
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.tutorial.tables import EmbeddingMaps
from tools import embedding_maps

QUICK = {"epochs": 3, "batch_size": 64, "hidden_dim": 16, "embedding_dim": 8, "learning_rate": 0.1}


@pytest.fixture
def clouds(tmp_path: Path) -> datasets.FeatureSet:
    return datasets.load_features(save_clouds(tmp_path))


def test_maps_hold_every_cell_of_the_grid(
    clouds: datasets.FeatureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def fake_map(
        embeddings: np.ndarray, min_dist: float, like: np.ndarray | None = None
    ) -> np.ndarray:
        drawn.append(like)
        return embeddings[:, :2]

    monkeypatch.setattr(embedding_maps.umap, "umap_map", fake_map)
    configs = heads.make_grid(["symmetric", "pair_flip"], [0.0, 0.3], ["nsl", "rnsl"], 2, **QUICK)
    results = [experiments.Result(c, {"knn_clean": 0.5 + 0.1 * c.seed}, 1.0) for c in configs]
    built = embedding_maps.build(clouds, results)
    count = len(clouds.split.test)
    assert built.coordinates.shape == (2, 2, 2, count, 2)
    assert built.coordinates.dtype == np.uint16
    assert built.coordinates.max() == 65535
    assert built.coordinates.reshape(-1, 2).min(axis=0).tolist() == [0, 0]
    assert built.predicted.shape == (2, 2, 2, count)
    np.testing.assert_allclose(built.accuracy, 0.55)
    np.testing.assert_allclose(built.spread, np.std([0.5, 0.6], ddof=1), rtol=1e-6)
    assert built.seeds == 2
    assert drawn[0] is None
    assert all(like is drawn[1] for like in drawn[1:])
    fitted = heads.fit(clouds, Config(noise="pair_flip", rate=0.3, loss="rnsl", **QUICK))
    found = (built.predicted[1, 1, 1] == built.labels).mean()
    assert found == pytest.approx(heads.measure(fitted, clouds)["knn_clean"])
    with pytest.raises(ValueError, match="no run with seed 0 for"):
        embedding_maps.build(clouds, results[2:])


def test_the_picture_shows_the_maps_of_all_losses_with_their_accuracy() -> None:
    maps = small_maps()
    figure = embedding_maps.picture(maps, "symmetric", 0.3)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        f"{label}, 30% wrong labels" for label in ("NSL", "RNSL", "t-RNSL")
    ]
    for axes, accuracy in zip(figure.axes, maps.accuracy[0, 1], strict=True):
        assert f"{accuracy:.1%}" in axes.get_xlabel()
    with pytest.raises(ValueError, match=r"no map of symmetric at 0\.4"):
        embedding_maps.picture(maps, "symmetric", 0.4)


def test_the_shipped_maps_belong_to_the_shipped_features() -> None:
    aid, shipped = datasets.load_shipped_features("aid"), EmbeddingMaps.shipped()
    assert shipped.files == tuple(aid.files[i] for i in aid.split.test)
    assert shipped.class_names == aid.class_names
    np.testing.assert_array_equal(shipped.labels, aid.labels[aid.split.test])
    seen = (shipped.predicted == shipped.labels).mean(axis=-1)
    assert np.abs(seen - shipped.accuracy).max() < 0.05, "the map shows one of the seeds"
    assert shipped.rates[0] == 0
