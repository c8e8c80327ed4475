"""Heads trained as one batched model against the same heads trained one by one."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import features
from rnsl_tutorial.datasets.archives import stratified_split
from rnsl_tutorial.experiments import batched
from rnsl_tutorial.experiments import heads as experiments
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.heads import Fitted, Result
from rnsl_tutorial.training import devices

C, F, N = 4, 12, 400
# A learning rate that does not amplify rounding errors: at 0.1, features that differ by 1e-7 lead
# to weights that differ by 0.1.
QUICK = {
    "epochs": 9,
    "batch_size": 32,
    "hidden_dim": 24,
    "embedding_dim": 8,
    "learning_rate": 0.02,
    "prune_from": 4,
    "prune_every": 2,
}
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
    ),
]


@pytest.fixture(scope="module")
def clouds() -> features.FeatureSet:
    """Four clouds that overlap; 280 training images, so that the last batch is smaller."""
    rng = np.random.default_rng(0)
    labels = np.arange(N) % C
    values = 2 * np.eye(C, F)[labels] + 0.8 * rng.normal(size=(N, F))
    return features.FeatureSet(
        features=values.astype(np.float32),
        labels=labels.astype(np.int64),
        class_names=("a", "b", "c", "d"),
        files=tuple(f"{i}.png" for i in range(N)),
        split=stratified_split(labels, seed=0),
        step=np.ones(F, np.float32),
        projection=features.Projection(np.zeros(F, np.float32), np.eye(F, dtype=np.float16)),
        made_with={},
    )


def mixed(**settings: float) -> list[Config]:
    """Heads that differ in everything that heads of one batched model may differ in."""
    return [
        Config(loss="nsl", rate=0.4, seed=1, **QUICK, **settings),
        Config(loss="rnsl", noise="pair_flip", rate=0.3, seed=0, **QUICK, **settings),
        Config(loss="rnsl", rate=0.4, seed=1, q=1.0, **QUICK, **settings),
        Config(loss="trnsl", rate=0.4, seed=1, k=0.3, **QUICK, **settings),
        Config(loss="trnsl", noise="instance_dependent", rate=0.2, q=0.4, **QUICK, **settings),
        Config(loss="trnsl", rate=0.0, seed=2, k=0.1, **QUICK, **settings),
    ]


def weights(fitted: Fitted) -> list[torch.Tensor]:
    modules = (fitted.network, fitted.loss)
    return [parameter.detach().cpu() for module in modules for parameter in module.parameters()]


# ------------------------------------------------------------------ the same heads


@pytest.mark.parametrize("device", DEVICES)
def test_every_head_is_the_one_that_is_trained_alone(
    clouds: features.FeatureSet, device: str
) -> None:
    check_equal_to_one_by_one(clouds, mixed(input_dropout=0.0), device)


def test_on_the_cpu_dropout_silences_the_same(clouds: features.FeatureSet) -> None:
    check_equal_to_one_by_one(clouds, mixed(input_dropout=0.2, dropout=0.3), "cpu")


def check_equal_to_one_by_one(
    clouds: features.FeatureSet, configs: list[Config], device: str
) -> None:
    together = batched.fit(clouds, configs, device)
    pruned = []
    for config, found in zip(configs, together, strict=True):
        alone = experiments.fit(clouds, config)
        np.testing.assert_array_equal(found.given.labels, alone.given.labels)
        torch.testing.assert_close(weights(found), weights(alone), rtol=1e-3, atol=1e-4)
        if config.loss == "trnsl":
            assert torch.equal(found.loss.kept.cpu(), alone.loss.kept)
            pruned.append(1 - alone.loss.kept.float().mean().item())
    assert min(pruned) > 0.1, "pruning had something to decide"


def test_a_head_does_not_depend_on_those_beside_it(clouds: features.FeatureSet) -> None:
    configs = mixed(input_dropout=0.2)
    alone = batched.fit(clouds, configs[3:4])[0]
    beside = batched.fit(clouds, configs)[3]
    torch.testing.assert_close(weights(alone), weights(beside), rtol=1e-3, atol=1e-4)
    assert torch.equal(alone.loss.kept, beside.loss.kept)


@pytest.mark.parametrize("device", DEVICES)
def test_with_dropout_both_ways_reach_the_same_on_average(
    clouds: features.FeatureSet, device: str
) -> None:
    """Seeds 0 to 15 together, 16 to 31 one by one: means and spreads agree within their errors."""
    settings = {**QUICK, "epochs": 20, "learning_rate": 0.05, "input_dropout": 0.5}
    configs = [Config(loss="nsl", rate=0.4, seed=seed, **settings) for seed in range(32)]
    together = batched.run_grid(clouds, configs[:16], device=device)
    alone = experiments.run_grid(clouds, configs[16:])
    for name in ("knn_clean", "prototype", "memorized"):
        assert distance_of_means(together, alone, name) < 3
        spreads = [np.std([r.metrics[name] for r in results]) for results in (together, alone)]
        assert max(spreads) < 2.2 * min(spreads), "by chance in 0.3 %: F(15, 15) > 2.2 squared"
    without = [replace(config, input_dropout=0.0) for config in configs[:16]]
    memorizing = batched.run_grid(clouds, without, device=device)
    assert distance_of_means(memorizing, alone, "memorized") > 4, "the comparison sees dropout"


def distance_of_means(one: list[Result], other: list[Result], name: str) -> float:
    """Difference of the means of a metric, in standard errors."""
    values = [[result.metrics[name] for result in results] for results in (one, other)]
    error = math.hypot(*(np.std(v, ddof=1) / math.sqrt(len(v)) for v in values))
    return abs(np.mean(values[0]) - np.mean(values[1])) / error


# ------------------------------------------------------------------ grids


@pytest.mark.parametrize("group", [2, 64])
def test_a_grid_gives_what_it_gives_one_by_one(clouds: features.FeatureSet, group: int) -> None:
    longer = Config(loss="trnsl", rate=0.4, **{**QUICK, "epochs": 11})
    configs = mixed(input_dropout=0.2)
    configs.insert(2, longer)  # belongs to no group of the others
    seen: list[Result] = []
    found = batched.run_grid(clouds, configs, "val", group=group, on_result=seen.append)
    assert [result.config for result in found] == configs
    assert sorted(map(id, seen)) == sorted(map(id, found))
    for one, other in zip(found, experiments.run_grid(clouds, configs, "val"), strict=True):
        assert one.metrics == pytest.approx(other.metrics, abs=1e-3, nan_ok=True)
        assert one.metrics.keys() == other.metrics.keys()
        assert one.seconds > 0
    assert batched.run_grid(clouds, []) == []


def test_global_state_is_left_alone(clouds: features.FeatureSet) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    batched.run_grid(clouds, mixed(dropout=0.2)[:2])
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("option", [["--batched"], []])
def test_the_command_trains_in_one_model_where_it_is_told_to(
    clouds: features.FeatureSet,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    option: list[str],
) -> None:
    sizes: list[int] = []
    fit = batched.fit
    monkeypatch.setattr(batched, "fit", lambda f, c, d: sizes.append(len(c)) or fit(f, c, d))
    monkeypatch.setattr(features, "load_shipped", lambda _: clouds)
    grid = ["--rate", "0", "--rate", "0.4", "--seeds", "2", "--epochs", "2"]
    done = CliRunner().invoke(cli.app, ["experiment", *grid, "--out", str(tmp_path), *option])
    assert done.exit_code == 0, done.output
    assert sizes == ([12] if option else [])
    results, provenance = experiments.load(tmp_path / "results.json")
    assert len(results) == 12
    assert (provenance["device"] == "cpu") == (not option or devices.find_device().type == "cpu")


# ------------------------------------------------------------------ errors


def test_a_head_that_diverges_is_named(
    clouds: features.FeatureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_loss = batched.build_loss

    def broken(config: Config, *sizes: object) -> torch.nn.Module:
        loss = build_loss(config, *sizes)
        if config.noise == "pair_flip":
            torch.nn.init.constant_(loss.prototypes, math.nan)
        return loss

    monkeypatch.setattr(batched, "build_loss", broken)
    message = r"The loss of rnsl under pair_flip noise 0\.3, seed 0, is no longer finite in epoch 0"
    with pytest.raises(FloatingPointError, match=message):
        batched.fit(clouds, mixed())


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({}, {"group": 0}, "group is 0; at least 1"),
        ({}, {"part": "train"}, "part is 'train'"),
        ({}, {"device": "warp"}, "accelerator is 'warp'"),
        ({"noise": "salt"}, {}, "no noise 'salt'"),
        ({"schedule": "step"}, {}, "schedule is 'step'.* 'cosine' only"),
        ({"network": "small"}, {}, "network is 'small'.* 'head' only"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    clouds: features.FeatureSet,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    options: dict[str, object],
    message: str,
) -> None:
    monkeypatch.setattr(batched, "fit", lambda *_: pytest.fail("a group was trained"))
    with pytest.raises(ValueError, match=message):
        batched.run_grid(clouds, [Config(), Config(**settings)], **options)


def test_only_alike_configs_are_trained_together(clouds: features.FeatureSet) -> None:
    with pytest.raises(ValueError, match="2 configs were given that cannot be trained together"):
        batched.fit(clouds, [Config(), Config(epochs=3)])
    with pytest.raises(ValueError, match="0 configs"):
        batched.fit(clouds, [])


def test_losses_that_are_not_the_papers_are_refused(clouds: features.FeatureSet) -> None:
    for loss in ("gce", "own:mine"):
        with pytest.raises(ValueError, match=f"loss is '{loss}'; .* nsl, rnsl, trnsl only"):
            batched.run_grid(clouds, [Config(loss=loss, **QUICK)])
