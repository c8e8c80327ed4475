"""The table of maps: a small one is made anew, the shipped one is held against its own config."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.manifold import trustworthiness
from synthetic_projections import small_projections
from typer.testing import CliRunner

from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import features
from rnsl_tutorial.evaluation import umap as projection
from rnsl_tutorial.experiments import heads as experiments
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.tutorial import projection_runs
from rnsl_tutorial.tutorial.explorers import EpochMapsExplorer, UmapSettingsExplorer
from rnsl_tutorial.tutorial.tables import umap_maps as projections

PLAN = projection_runs.Plan(
    losses=("nsl", "trnsl"),
    epochs=(0, 1),
    images=150,
    n_neighbors=(5, 15),
    min_dists=(0.1, 0.5),
)


@pytest.fixture(scope="module")
def aid() -> features.FeatureSet:
    return features.load_shipped("aid")


@pytest.fixture(scope="module")
def shipped() -> projections.Projections:
    return projections.load_shipped()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


# ------------------------------------------------------------------ a small one, made anew


@pytest.fixture(scope="module")
def built(aid: features.FeatureSet, cache: Path) -> projections.Projections:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RNSL_CACHE", str(cache))
        return projection_runs.build(aid, Config(noise="symmetric", rate=0.5), PLAN)


def test_maps_keep_the_neighbourhoods_of_the_run(
    built: projections.Projections, aid: features.FeatureSet
) -> None:
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
    expected = projection.neighbors(embeddings)
    np.testing.assert_array_equal(built.neighbors[1], expected)


def test_the_table_holds_what_the_run_saw(
    built: projections.Projections, aid: features.FeatureSet
) -> None:
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
    built: projections.Projections,
) -> None:
    first, other = built.over_epochs[:, 0].astype(np.float32)
    np.testing.assert_allclose(projection.aligned(other, first), other, atol=5)


def test_it_comes_back_from_disk(built: projections.Projections, tmp_path: Path) -> None:
    path = tmp_path / "projections.npz"
    projections.save(path, built)
    found = projections.load(path)
    for name, value in built._asdict().items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)
            assert getattr(found, name).dtype == value.dtype
    for name in ("losses", "epochs", "n_neighbors", "min_dists", "class_names", "files"):
        assert getattr(found, name) == getattr(built, name)
    assert found.made_with["config"]["rate"] == 0.5
    assert found.made_with["plan"]["images"] == PLAN.images


def test_a_damaged_file_says_how_to_make_it_again(tmp_path: Path) -> None:
    path = tmp_path / "projections.npz"
    projections.save(path, small_projections())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="Make it again with `rnsl projections`"):
        projections.load(path)


def test_a_plan_draws_its_default_in_the_grid() -> None:
    assert PLAN.count() == 2 * (1 + 4)
    with pytest.raises(ValueError, match=r"default \(15, 0.1\) is not in the grid"):
        projection_runs.Plan(min_dists=(0.5,))


def test_boxed_stretches_nothing() -> None:
    maps = np.array([[[0, 0], [4, 1]], [[2, 2], [3, 0]]], dtype=np.float32)
    found = projections.boxed(maps).astype(float)
    assert found.min() == 0
    assert found.max() == projections.FULL_SCALE
    unit = projections.FULL_SCALE / 4
    np.testing.assert_allclose(found - found[0, 0], (maps - maps[0, 0]) * unit, atol=1)


def test_the_command_writes_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def build(data: object, config: Config, plan: projection_runs.Plan, on_map: object) -> object:
        asked.append(config)
        return small_projections()

    monkeypatch.setattr(projection_runs, "build", build)
    out = tmp_path / "projections.npz"
    command = ["projections", "--out", str(out), "--noise", "label_dependent", "--rate", "0.3"]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0, result.output
    assert f"Written: {out}" in result.output
    assert (asked[0].noise, asked[0].rate, asked[0].seed) == ("label_dependent", 0.3, 0)
    assert projections.load(out).files == small_projections().files


# ------------------------------------------------------------------ the shipped one


def test_the_shipped_table_is_small_and_of_its_own_config(
    shipped: projections.Projections, aid: features.FeatureSet
) -> None:
    assert (
        Path(__file__).parent.parent.parent / "data/aid/projections.npz"
    ).stat().st_size <= 1.5e6
    plan, config = shipped.made_with["plan"], shipped.made_with["config"]
    for name in ("losses", "epochs", "n_neighbors", "min_dists"):
        assert list(getattr(shipped, name)) == plan[name]
    assert len(shipped.files) == plan["images"] == 2000
    assert config["epochs"] == shipped.epochs[-1]
    assert shipped.made_with["alignment"] == projection.ALIGNMENT
    assert shipped.made_with["features"] == dict(aid.made_with)
    assert shipped.class_names == aid.class_names


def test_the_shipped_labels_are_those_that_the_config_draws(
    shipped: projections.Projections, aid: features.FeatureSet
) -> None:
    drawn = experiments.corrupt(aid, Config(**shipped.made_with["config"]))
    place = {aid.files[row]: i for i, row in enumerate(aid.split.train)}
    batch = [place[file] for file in shipped.files]
    np.testing.assert_array_equal(shipped.given, drawn.labels[batch])
    np.testing.assert_array_equal(shipped.wrong, drawn.flipped[batch])
    np.testing.assert_array_equal(shipped.labels, aid.labels[aid.split.train][batch])


def test_the_explorers_take_the_shipped_table_below_2_mb(shipped: projections.Projections) -> None:
    for made in (EpochMapsExplorer(shipped), UmapSettingsExplorer(shipped)):
        panels = sum(len(panel["maps"]["data"]) for panel in made._table["panels"])
        colors = sum(len(entry["codes"]["data"]) for entry in made._table["colorings"].values())
        assert panels + colors < 1e6


def test_the_shipped_maps_keep_neighbourhoods_and_the_measures_are_theirs(
    shipped: projections.Projections,
) -> None:
    """At the last moment the neighbours in all dimensions are in the table itself."""
    for loss in range(len(shipped.losses)):
        for maps, measured in (
            (shipped.over_epochs[loss, -1], shipped.measured_over_epochs[loss, -1]),
            (shipped.over_settings[loss, 1, 1], shipped.measured_over_settings[loss, 1, 1]),
            (shipped.pca[loss], shipped.measured_of_pca[loss]),
        ):
            near = projection.neighbors(maps.astype(np.float32))
            both = near[:, :, None] == shipped.neighbors[loss][:, None, :]
            assert both.any(axis=2).mean() == pytest.approx(measured[1], abs=0.005)
    assert (shipped.measured_over_epochs[..., 0] > 0.85).all(), "trustworthiness"
    assert (shipped.measured_over_settings[..., 0] > 0.7).all()
    assert (shipped.measured_of_pca[:, 1] < shipped.measured_over_epochs[:, -1, 1]).all()


def test_points_glide_in_the_shipped_maps(shipped: projections.Projections) -> None:
    """Steps are shares of the map's radius; of two maps that were made alone they are about 1."""
    maps = shipped.over_epochs.astype(float)
    steps = np.median(np.linalg.norm(np.diff(maps, axis=1), axis=-1), axis=-1)
    radii = np.sqrt(maps.var(axis=2).sum(axis=-1))
    shares = steps / radii[:, :-1]
    assert (shares.mean(axis=1) < 0.15).all(), shares
    assert shares.max() < 0.35, shares
    apart = np.median(np.linalg.norm(maps[1:, 0] - maps[0, 0], axis=-1), axis=-1) / radii[0, 0]
    assert (apart < 0.3).all(), "all losses begin alike"


def test_p_tells_wrong_labels_in_the_shipped_table(shipped: projections.Projections) -> None:
    robust = shipped.p[shipped.losses.index("trnsl"), -1]
    assert np.median(robust[shipped.wrong]) < 25 < 230 < np.median(robust[~shipped.wrong])
    kept = shipped.kept[shipped.losses.index("trnsl"), -1]
    assert kept[~shipped.wrong].mean() > 0.85
    assert kept[shipped.wrong].mean() < 0.15
    assert shipped.kept[shipped.losses.index("nsl")].all()
