"""The benchmark that tunes every loss alike: its trials, its budget, what it leaves behind."""

from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_cells import C, make_clouds

from benchmarks import tuning
from rnsl_tutorial import datasets, experiments
from rnsl_tutorial.experiments import heads
from rnsl_tutorial.experiments.config import BASELINES, LOSSES, Config


@pytest.fixture(scope="module")
def clouds() -> datasets.FeatureSet:
    return make_clouds(200)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "CELLS", (("symmetric", 0),))
    monkeypatch.setattr(tuning, "FINAL_NOISES", ("symmetric",))
    monkeypatch.setattr(tuning, "FINAL_RATES", (0.5,))


def test_every_loss_is_tuned_and_begins_with_its_present_recipe() -> None:
    assert {*tuning.NAMES, "nsl_tuned"} == {*LOSSES, *BASELINES}
    for loss in tuning.NAMES:
        drawn = tuning.draws(loss, 10)
        assert drawn == tuning.draws(loss, 10), "the same list each time"
        recipe = tuning.present_recipe(loss)
        assert drawn[0] == {name: recipe[name] for name in drawn[0]}
        assert len({tuple(sorted(settings.items())) for settings in drawn}) == len(drawn)
        assert len(drawn) == (4 if loss == "ce" else 10), "four weights are all that ce has"


def test_the_weight_multiplies_the_papers_losses_too() -> None:
    config = Config(loss="rnsl", embedding_dim=8)
    embeddings, labels = torch.randn(6, 8), torch.arange(6) % C
    once, thrice = (
        tuning.built(
            config, C, 6, torch.Generator().manual_seed(0), settings={"weight": w, "q": 0.5}
        )(embeddings, labels)
        for w in (1.0, 3.0)
    )
    torch.testing.assert_close(thrice, 3 * once)


def test_a_trial_is_judged_by_noisy_validation_labels(clouds: datasets.FeatureSet) -> None:
    settings = tuning.draws("rnsl", 1)[0]
    found = tuning.trial(clouds, "rnsl", settings, "symmetric", 1, epochs=2)
    config = Config(loss="rnsl", rate=0.5, seed=1, epochs=2)
    fitted = experiments.fit(clouds, config)
    said = experiments.class_predictions(fitted, clouds, "val")
    given = heads.corrupt(clouds, config, "val").labels
    for name, value in found.items():
        assert value == pytest.approx((said[name] == given).mean())


@pytest.mark.usefixtures("quick")
def test_what_is_there_is_not_run_again_and_budgets_stay_equal(
    clouds: datasets.FeatureSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = ("nsl", "prism")
    tuning.run_trials(clouds, tmp_path, losses, 2, epochs=1)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "trials").iterdir()}
    assert sorted(kept) == [f"{place:02}-{loss}.json" for place in (0, 1) for loss in losses]
    tuning.trial_file(tmp_path, "prism", 1).unlink()
    assert {loss: len(of) for loss, of in tuning.trials(tmp_path, losses).items()} == {
        "nsl": 1, "prism": 1,
    }, "one round is complete"  # fmt: skip
    tuning.run_trials(clouds, tmp_path, losses, 2, epochs=1)
    for path in (tmp_path / "trials").iterdir():
        if path.name != "01-prism.json":
            assert path.stat().st_mtime_ns == kept[path.name]
    tuning.run_final(clouds, tmp_path, losses, 2, epochs=1)
    record = experiments.load_results(tmp_path / "results.json")
    assert [(r.config.loss, r.config.seed) for r in record.results] == [
        (loss, seed) for loss in losses for seed in (0, 1)
    ]
    for loss, tried in tuning.trials(tmp_path, losses).items():
        chosen = tuning.best(tried)
        assert tuning.score(chosen) == max(map(tuning.score, tried))
        assert record.provenance["baselines"][loss] == chosen["settings"]
        assert f"| {loss} |" in tuning.report(tmp_path, losses)
    monkeypatch.setattr(experiments, "run", None)
    tuning.run_final(clouds, tmp_path, losses, 2, epochs=1)


def test_the_best_trial_has_the_best_mean() -> None:
    tried = [
        {"settings": {"weight": 1.0}, "runs": [{"prototype": 0.4}, {"prototype": 0.5}]},
        {"settings": {"weight": 3.0}, "runs": [{"prototype": 0.6}, {"prototype": 0.2}]},
    ]
    assert tuning.best(tried)["settings"] == {"weight": 1.0}
    assert tuning.score(tried[1]) == pytest.approx(np.mean([0.6, 0.2]))
