"""The shipped table of maps, held against its own config."""

import numpy as np
import pytest

from rnsl_tutorial import _files, datasets, experiments
from rnsl_tutorial.evaluation import umap
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.tutorial.explorers import EpochMapsExplorer, UmapSettingsExplorer
from rnsl_tutorial.tutorial.tables import UmapMaps


@pytest.fixture(scope="module")
def aid() -> datasets.FeatureSet:
    return datasets.load_shipped_features("aid")


@pytest.fixture(scope="module")
def shipped() -> UmapMaps:
    return UmapMaps.shipped()


def test_the_shipped_table_is_small_and_of_its_own_config(
    shipped: UmapMaps, aid: datasets.FeatureSet
) -> None:
    assert _files.shipped("data", "aid", "umap_maps.npz").stat().st_size <= 1.5e6
    plan, config = shipped.made_with["plan"], shipped.made_with["config"]
    for name in ("losses", "epochs", "n_neighbors", "min_dists"):
        assert list(getattr(shipped, name)) == plan[name]
    assert len(shipped.files) == plan["images"] == 2000
    assert config["epochs"] == shipped.epochs[-1]
    assert shipped.made_with["alignment"] == umap._ALIGNMENT
    assert shipped.made_with["features"] == dict(aid.made_with)
    assert shipped.class_names == aid.class_names


def test_the_shipped_labels_are_those_that_the_config_draws(
    shipped: UmapMaps, aid: datasets.FeatureSet
) -> None:
    drawn = experiments.corrupt(aid, Config(**shipped.made_with["config"]))
    place = {aid.files[row]: i for i, row in enumerate(aid.split.train)}
    batch = [place[file] for file in shipped.files]
    np.testing.assert_array_equal(shipped.given, drawn.labels[batch])
    np.testing.assert_array_equal(shipped.wrong, drawn.flipped[batch])
    np.testing.assert_array_equal(shipped.labels, aid.labels[aid.split.train][batch])


def test_the_explorers_take_the_shipped_table_below_2_mb(shipped: UmapMaps) -> None:
    for made in (EpochMapsExplorer(shipped), UmapSettingsExplorer(shipped)):
        panels = sum(len(panel["maps"]["data"]) for panel in made._table["panels"])
        colors = sum(len(entry["codes"]["data"]) for entry in made._table["colorings"].values())
        assert panels + colors < 1e6


def test_the_shipped_maps_keep_neighbourhoods_and_the_measures_are_theirs(
    shipped: UmapMaps,
) -> None:
    """At the last moment the neighbours in all dimensions are in the table itself."""
    for loss in range(len(shipped.losses)):
        for maps, measured in (
            (shipped.over_epochs[loss, -1], shipped.measured_over_epochs[loss, -1]),
            (shipped.over_settings[loss, 1, 1], shipped.measured_over_settings[loss, 1, 1]),
            (shipped.pca[loss], shipped.measured_of_pca[loss]),
        ):
            near = umap.neighbors(maps.astype(np.float32))
            both = near[:, :, None] == shipped.neighbors[loss][:, None, :]
            assert both.any(axis=2).mean() == pytest.approx(measured[1], abs=0.005)
    assert (shipped.measured_over_epochs[..., 0] > 0.85).all(), "trustworthiness"
    assert (shipped.measured_over_settings[..., 0] > 0.7).all()
    assert (shipped.measured_of_pca[:, 1] < shipped.measured_over_epochs[:, -1, 1]).all()


def test_points_glide_in_the_shipped_maps(shipped: UmapMaps) -> None:
    """Steps are shares of the map's radius; of two maps that were made alone they are about 1."""
    maps = shipped.over_epochs.astype(float)
    steps = np.median(np.linalg.norm(np.diff(maps, axis=1), axis=-1), axis=-1)
    radii = np.sqrt(maps.var(axis=2).sum(axis=-1))
    shares = steps / radii[:, :-1]
    assert (shares.mean(axis=1) < 0.15).all(), shares
    assert shares.max() < 0.35, shares
    apart = np.median(np.linalg.norm(maps[1:, 0] - maps[0, 0], axis=-1), axis=-1) / radii[0, 0]
    assert (apart < 0.3).all(), "all losses begin alike"


def test_p_tells_wrong_labels_in_the_shipped_table(shipped: UmapMaps) -> None:
    robust = shipped.p[shipped.losses.index("trnsl"), -1]
    assert np.median(robust[shipped.wrong]) < 25 < 230 < np.median(robust[~shipped.wrong])
    kept = shipped.kept[shipped.losses.index("trnsl"), -1]
    assert kept[~shipped.wrong].mean() > 0.85
    assert kept[shipped.wrong].mean() < 0.15
    assert shipped.kept[shipped.losses.index("nsl")].all()
