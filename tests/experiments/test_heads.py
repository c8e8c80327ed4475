"""Runs, grids, results on disk, maps: on a small feature set of four clouds."""

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from synthetic_cells import C, make_clouds

from rnsl_tutorial import datasets, experiments, losses, noise
from rnsl_tutorial.datasets.splits import Split
from rnsl_tutorial.evaluation import embedding as evaluate
from rnsl_tutorial.experiments import heads
from rnsl_tutorial.experiments.config import BASELINES, LOSSES, Config
from rnsl_tutorial.experiments.results import Result
from rnsl_tutorial.training import EpochReport, embed

QUICK = {
    "epochs": 10,
    "batch_size": 32,
    "hidden_dim": 32,
    "embedding_dim": 16,
    "learning_rate": 0.1,
    "prune_from": 4,
    "prune_every": 2,
}


@pytest.fixture(scope="module")
def clouds() -> datasets.FeatureSet:
    return make_clouds(400)


# ------------------------------------------------------------------ one run


def test_labels_are_corrupted_as_the_reference_does(clouds: datasets.FeatureSet) -> None:
    true = clouds.labels[clouds.split.train]
    for seed in (0, 3):
        given = heads.corrupt(clouds, Config(rate=0.4, seed=seed))
        expected = noise.corrupt_labels(true, noise.symmetric_transition(C, 0.4), 42 + seed)
        np.testing.assert_array_equal(given.labels, expected.labels)


@pytest.mark.parametrize("kind", ["symmetric", "pair_flip", "instance_dependent"])
def test_every_noise_flips_about_its_rate(clouds: datasets.FeatureSet, kind: str) -> None:
    given = heads.corrupt(clouds, Config(noise=kind, rate=0.4))
    assert given.flipped.mean() == pytest.approx(0.4, abs=0.1)
    if kind == "pair_flip":
        true = clouds.labels[clouds.split.train]
        assert ((given.labels - true)[given.flipped] % C == 1).all()


def test_noise_that_does_not_fit_is_refused(clouds: datasets.FeatureSet) -> None:
    with pytest.raises(ValueError, match="for its own 30 classes, not for these 4: a, b, c"):
        heads.corrupt(clouds, Config(noise="label_dependent", rate=0.4))


def test_the_shipped_features_fit_the_label_dependent_noise() -> None:
    aid = datasets.load_shipped_features("aid")
    given = heads.corrupt(aid, Config(noise="label_dependent", rate=0.5))
    assert given.flipped.mean() == pytest.approx(0.5, abs=0.02)
    wrong = {
        (aid.class_names[t], aid.class_names[g])
        for t, g in zip(aid.labels[aid.split.train], given.labels, strict=True)
        if t != g
    }
    assert ("River", "Pond") in wrong or ("River", "Bridge") in wrong
    assert ("Beach", "Church") not in wrong


def test_a_run_measures_what_it_says(clouds: datasets.FeatureSet) -> None:
    config = Config(loss="trnsl", rate=0.3, **QUICK)
    fitted = experiments.fit(clouds, config)
    found = experiments.measure(fitted, clouds)
    loss = fitted.loss
    embeddings = embed(fitted.network, experiments.standardized(clouds))
    nearest = (embeddings @ torch.nn.functional.normalize(loss.prototypes).T).argmax(1).numpy()
    train, test = clouds.split.train, clouds.split.test
    wrong = fitted.given.flipped
    dropped = ~loss.kept.numpy()
    assert found["prototype"] == pytest.approx((nearest[test] == clouds.labels[test]).mean())
    assert found["memorized"] == pytest.approx(
        (nearest[train] == fitted.given.labels)[wrong].mean()
    )
    assert found["realized_rate"] == pytest.approx(wrong.mean())
    assert found["kept"] == pytest.approx(1 - dropped.mean())
    assert found["precision"] == pytest.approx(wrong[dropped].mean())
    assert found["recall"] == pytest.approx(dropped[wrong].mean())
    given = torch.from_numpy(fitted.given.labels)
    prototypes = loss.prototypes.detach()
    scores = losses.nsl(embeddings[train], prototypes, given, temperature=loss.temperature)
    assert found["auroc"] == pytest.approx(roc_auc_score(wrong, scores))
    given_labels = fitted.given.labels
    for name, index in (("knn_clean", clouds.labels[train]), ("knn_noisy", given_labels)):
        expected = evaluate.knn_accuracy(
            embeddings[train], index, embeddings[test], clouds.labels[test]
        )
        assert found[name] == expected
    assert found["knn_clean"] > found["knn_noisy"]


def test_standardized_features_have_mean_square_1_in_training(clouds: datasets.FeatureSet) -> None:
    doubled = clouds._replace(features=2 * clouds.features)
    found = experiments.standardized(doubled)
    assert found[clouds.split.train].square().mean().item() == pytest.approx(1, rel=1e-5)
    torch.testing.assert_close(found, experiments.standardized(clouds))


def test_rate_0_is_the_clean_baseline(clouds: datasets.FeatureSet) -> None:
    found = experiments.run(clouds, Config(loss="nsl", rate=0.0, **QUICK)).metrics
    assert found["realized_rate"] == 0
    assert math.isnan(found["memorized"])
    assert found["knn_clean"] == found["knn_noisy"] > 0.9
    assert "kept" not in found


def test_the_part_that_is_asked_for_is_judged(clouds: datasets.FeatureSet) -> None:
    fitted = experiments.fit(clouds, Config(loss="nsl", **QUICK))
    swapped = clouds._replace(split=Split(clouds.split.train, clouds.split.test, clouds.split.val))
    assert experiments.measure(fitted, clouds, "val") == pytest.approx(
        experiments.measure(fitted, swapped, "test"), nan_ok=True
    )


def test_fit_repeats_itself_and_leaves_global_state_alone(clouds: datasets.FeatureSet) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    config = Config(loss="rnsl", rate=0.3, dropout=0.2, **QUICK)
    first, second = (experiments.fit(clouds, config).loss.prototypes for _ in range(2))
    assert torch.equal(first, second)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("loss", [*LOSSES, *BASELINES])
def test_every_loss_learns_the_clouds(clouds: datasets.FeatureSet, loss: str) -> None:
    found = experiments.run(clouds, Config(loss=loss, **{**QUICK, "learning_rate": 0.005})).metrics
    assert found["knn_clean"] > 0.9
    assert found["prototype"] > 0.8


def test_a_loss_without_prototypes_is_judged_by_class_means(clouds: datasets.FeatureSet) -> None:
    config = Config(loss="supcon", rate=0.3, **{**QUICK, "learning_rate": 0.02})
    fitted, history = experiments.follow(clouds, config, 16)
    found = experiments.measure(fitted, clouds)
    embeddings = embed(fitted.network, experiments.standardized(clouds))
    given = torch.from_numpy(fitted.given.labels)
    train, test = embeddings[clouds.split.train], embeddings[clouds.split.test]
    means = torch.stack([train[given == c].mean(dim=0) for c in range(C)])
    means = torch.nn.functional.normalize(means)
    nearest = (test @ means.T).argmax(dim=1).numpy()
    assert found["prototype"] == (nearest == clouds.labels[clouds.split.test]).mean()
    torch.testing.assert_close(history.prototypes[-1], means)
    log_p = losses.label_log_probability(train, means, given, config.temperature)
    torch.testing.assert_close(history.log_p[-1], log_p)


def test_a_head_is_stopped_where_noisy_validation_labels_say(
    clouds: datasets.FeatureSet,
) -> None:
    """The epoch is found anew from what each epoch reached, and the weights are that epoch's."""
    config = Config(loss="nsl", rate=0.5, **{**QUICK, "epochs": 20})
    stopped = replace(config, loss="nsl_stopped")
    assert stopped.settings.selection == "noisy_val"
    assert config.settings.selection == stopped.selection == "last"
    reports: list[EpochReport] = []
    fitted = experiments.fit(clouds, stopped, reports.append)
    best = max(range(len(reports)), key=lambda epoch: reports[epoch].validation)
    assert best < 19, "later epochs know wrong labels by heart"
    _, history = experiments.follow(clouds, config)
    torch.testing.assert_close(
        torch.nn.functional.normalize(fitted.loss.prototypes.detach(), dim=1),
        history.prototypes[best + 1],
    )
    val = clouds.split.val
    given = heads.corrupt(clouds, config, "val")
    assert given.flipped.any()
    embeddings = embed(fitted.network, experiments.standardized(clouds))[val]
    said = (embeddings @ history.prototypes[best + 1].T).argmax(dim=1).numpy()
    assert reports[best].validation == pytest.approx((said == given.labels).mean())


def test_clean_validation_labels_choose_by_nearest_neighbors(clouds: datasets.FeatureSet) -> None:
    config = Config(loss="nsl", rate=0.5, selection="clean_val", **QUICK)
    reports: list[EpochReport] = []
    fitted = experiments.fit(clouds, config, reports.append)
    best = max(report.validation for report in reports)
    assert experiments.measure(fitted, clouds, "val")["knn_clean"] == pytest.approx(best)


def test_a_loss_of_ones_own(clouds: datasets.FeatureSet, tmp_path: Path) -> None:
    """It is trained as ours are: one that is RNSL gives RNSL's numbers, under its own name."""
    asked = []

    def build(
        config: Config, num_classes: int, num_samples: int, generator: torch.Generator
    ) -> losses.NormalizedSoftmaxLoss:
        asked.append((num_classes, num_samples))
        return losses.RobustNormalizedSoftmaxLoss(
            num_classes, config.embedding_dim, config.temperature, config.q, generator=generator
        )

    configs = experiments.make_grid(["symmetric"], [0.3], ["own:my RNSL"], 2, **QUICK)
    own = experiments.run_grid(clouds, configs, build_loss=build)
    ours = experiments.run_grid(
        clouds, experiments.make_grid(["symmetric"], [0.3], ["rnsl"], 2, **QUICK)
    )
    assert [r.metrics for r in own] == [r.metrics for r in ours]
    assert asked == [(C, len(clouds.split.train))] * 2
    experiments.save_results(tmp_path / "own.json", own, {})
    assert experiments.load_results(tmp_path / "own.json").results[0].config.loss == "own:my RNSL"
    with pytest.raises(ValueError, match="hand the function that builds it"):
        experiments.run(clouds, configs[0])


# ------------------------------------------------------------------ grids


@pytest.mark.parametrize("loss", ["nsl", "trnsl"])
def test_following_a_run_changes_nothing_in_it(clouds: datasets.FeatureSet, loss: str) -> None:
    config = Config(rate=0.4, loss=loss, k=0.3, **QUICK)
    plain = experiments.fit(clouds, config)
    seen: list[int] = []
    fitted, history = experiments.follow(
        clouds, config, 16, lambda report: seen.append(report.epoch)
    )
    assert seen == list(range(10))
    assert torch.equal(fitted.loss.prototypes, plain.loss.prototypes)
    assert history.log_p.shape == history.kept.shape == (11, len(clouds.split.train))
    assert history.embeddings.shape == (11, 16, 16)
    assert history.prototypes.shape == (11, C, 16)


def test_what_is_seen_belongs_together(clouds: datasets.FeatureSet) -> None:
    config = Config(rate=0.4, loss="trnsl", k=0.3, **QUICK)
    fitted, history = experiments.follow(clouds, config, 16)
    labels_N = torch.from_numpy(fitted.given.labels)
    for moment in (0, 5, 10):
        log_p_B = losses.label_log_probability(
            history.embeddings[moment],
            history.prototypes[moment],
            labels_N[history.batch],
            config.temperature,
        )
        torch.testing.assert_close(log_p_B, history.log_p[moment, history.batch])
    assert history.kept[:5].all()
    # Epoch 5 trains on what p > k chose after epoch 4; two epochs later it is chosen anew.
    assert torch.equal(history.kept[5], history.log_p[4] > math.log(0.3))
    assert torch.equal(history.kept[6], history.kept[5])
    assert torch.equal(history.kept[7], history.log_p[6] > math.log(0.3))
    assert not torch.equal(history.log_p[0], history.log_p[10])


@pytest.mark.slow
def test_grid_and_jobs(clouds: datasets.FeatureSet) -> None:
    configs = experiments.make_grid(["symmetric"], [0.0, 0.3], ["nsl", "rnsl"], 2, **QUICK)
    assert len(configs) == len(set(configs)) == 8
    assert (
        experiments.make_grid(["symmetric"] * 2, [0.0, 0.3, 0.3], ["nsl", "rnsl"], 2, **QUICK)
        == configs
    )
    seen: list[Result] = []
    two = experiments.run_grid(clouds, configs[:3], jobs=2, on_result=seen.append)
    alone = [experiments.run(clouds, config) for config in configs[:3]]
    assert [r.config for r in two] == configs[:3]
    for one, other in zip(two, alone, strict=True):
        assert repr(one.metrics) == repr(other.metrics), "to the last bit"
    assert sorted(r.config.seed for r in seen) == sorted(c.seed for c in configs[:3])
    with pytest.raises(ValueError, match="seeds is 0"):
        experiments.make_grid(["symmetric"], [0.5], ["nsl"], 0)
    with pytest.raises(ValueError, match="jobs is 0"):
        experiments.run_grid(clouds, configs, jobs=0)


def test_an_error_in_a_worker_comes_out(clouds: datasets.FeatureSet) -> None:
    with pytest.raises(ValueError, match="for its own 30 classes"):
        experiments.run_grid(clouds, [Config(noise="label_dependent")])
    exploding = Config(loss="nsl", **{**QUICK, "temperature": 2e-38})
    with pytest.raises(FloatingPointError, match="The loss is no longer finite"):
        experiments.run_grid(clouds, [exploding], jobs=2)


def test_what_goes_wrong_with_a_result_ends_the_grid(
    clouds: datasets.FeatureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, say: the runs that wait are not run, and torch gets its threads back."""
    started, threads = [], torch.get_num_threads()
    run = heads.run
    monkeypatch.setattr(heads, "run", lambda *a, **k: started.append(a) or run(*a, **k))

    def full(_: Result) -> None:
        raise OSError(28, "No space left on device")

    configs = experiments.make_grid(["symmetric"], [0.3], ["nsl"], 30, **QUICK)
    with pytest.raises(OSError, match="No space left"):
        experiments.run_grid(clouds, configs, jobs=1, on_result=full)
    ran = len(started)
    assert ran < 30
    time.sleep(0.2)
    assert len(started) == ran
    assert torch.get_num_threads() == threads
