"""Means over seeds and over nothing else, and results on disk."""

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rnsl_tutorial import experiments
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.experiments import report, results
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.results import Result


def test_summaries_are_means_and_sample_deviations() -> None:
    results = [
        Result(Config(loss=loss, rate=0.5, seed=seed), {"knn_clean": value}, 1.0)
        for loss, seed, value in [("rnsl", 0, 0.7), ("nsl", 0, 0.5), ("rnsl", 1, 0.9)]
    ]
    rnsl, nsl = experiments.summarize(results)
    assert (rnsl.loss, rnsl.seeds, nsl.loss, nsl.seeds) == ("rnsl", 2, "nsl", 1)
    assert rnsl.mean["knn_clean"] == pytest.approx(0.8)
    assert rnsl.spread["knn_clean"] == pytest.approx(np.std([0.7, 0.9], ddof=1))
    assert math.isnan(nsl.spread["knn_clean"])


# ------------------------------------------------------------------ never mixed

BASE: dict[str, Any] = {
    "noise": "symmetric",
    "rate": 0.5,
    "loss": "trnsl",
    "selection": "clean_val",
}
OTHER = {
    "dataset": "eurosat", "noise": "pair_flip", "rate": 0.3, "loss": "rnsl", "seed": 1, "epochs": 3,
    "network": "small", "pretrained": True, "augmentation": "flip", "schedule": "step",
    "pruning": "reference", "prune_rule": "ratio", "prune_from": 2.0, "selection": "last",
    "watch": True,
    "last_layer": "kaiming",
}  # fmt: skip
"""A value that is not the default, where no number beside it would do."""


def another(name: str) -> Any:
    value = getattr(Config(), name)
    return OTHER[name] if name in OTHER else value / 2 if isinstance(value, float) else value + 1


def ran(value: float = 0.5, **settings: Any) -> Result:
    return Result(Config(**{**BASE, **settings}), {"knn_clean": value}, 1.0)


@pytest.mark.parametrize("name", [field.name for field in fields(Config)])
def test_no_mean_is_taken_over_anything_but_seeds(name: str) -> None:
    base: dict[str, Any] = {"input_dropout": 0.2, "dropout": 0.1}
    if name == "freeze":
        base |= {"network": "resnet18", "pretrained": True}
    given = [ran(**base), ran(**{**base, name: another(name)})]
    if name == "watch":  # which changes nothing in what a run reaches
        with pytest.raises(ValueError, match="A run comes twice"):
            results.summarize(given)
    elif name == "seed":
        assert [summary.seeds for summary in results.summarize(given)] == [2]
    elif name in ("noise", "rate", "loss", "q", "k"):
        assert [summary.seeds for summary in results.summarize(given)] == [1, 1]
    else:
        for door in (results.summarize, report.table, report.accuracy_figures, results.over_q):
            with pytest.raises(ValueError, match=rf"The results differ in {name} \(.+, .+\)"):
                door(given)
        for door in (report.differences, experiments.compare):
            with pytest.raises(ValueError, match=rf"differ in {name} \("):
                door([*given, ran(**base, loss="rnsl"), ran(**base, loss="rnsl", seed=1)], "trnsl")


def test_what_trains_nothing_stands_beside_any_training_of_the_same_data() -> None:
    trained = [ran(epochs=7, hidden_dim=3), ran(epochs=7, hidden_dim=3, loss="rnsl")]
    plain = Result(Config(dataset=trained[0].config.dataset, loss="lda", rate=0.5), {}, 0.0)
    assert len(results.summarize([*trained, plain])) == 3
    elsewhere = replace(plain, config=replace(plain.config, dataset="eurosat"))
    with pytest.raises(ValueError, match="differ in dataset"):
        results.summarize([*trained, elsewhere])
    with pytest.raises(ValueError, match="differ in part"):
        results.summarize([*trained, replace(plain, part="val")])


def test_what_differs_is_told_with_its_values() -> None:
    given = [ran(epochs=1), ran(epochs=10, temperature=0.1, seed=1)]
    with pytest.raises(
        ValueError, match=r"differ in epochs \(1, 10\); temperature \(0.07, 0.1\)\."
    ):
        results.summarize(given)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"part": "val"}, r"part \(test, val\)"),
        ({"inputs": {"backbone": "resnet18"}}, r"inputs: backbone \(lite0, resnet18\)"),
        ({"inputs": {"precision": "bf16"}}, r"inputs: precision \(32, bf16\)"),
    ],
)
def test_other_parts_features_and_precision_are_no_seeds(
    changed: dict[str, Any], said: str
) -> None:
    made = {"backbone": "lite0", "precision": "32", "torch": "2.6"}
    one, other = ({"part": "test", "inputs": made} | extra for extra in ({}, changed))
    given = [
        Result(Config(seed=seed), {"knn_clean": 0.5}, 1.0, **settings)
        for seed, settings in enumerate((one, other))
    ]
    with pytest.raises(ValueError, match=f"differ in {said}"):
        results.summarize(given)


def test_versions_and_what_a_file_does_not_tell_are_no_difference() -> None:
    made = [{"backbone": "lite0", "torch": "2.6"}, {"torch": "2.7"}]
    given = [
        Result(Config(seed=seed), {"knn_clean": 0.5}, 1.0, inputs=inputs)
        for seed, inputs in enumerate(made)
    ]
    assert results.summarize(given)[0].seeds == 2


def test_a_seed_that_comes_twice_is_refused_with_its_files(tmp_path: Path) -> None:
    one, other, longer = (tmp_path / f"{name}.json" for name in "abc")
    experiments.save_results(one, [ran(), ran(seed=1)], {})
    experiments.save_results(other, [ran(0.6)], {})
    experiments.save_results(longer, [ran(seed=2, epochs=7)], {})
    for files, said in [
        ((one, other), f"in {one} and {other}: noise symmetric, rate 0.5, loss trnsl"),
        ((one, one), f"in {one} and {one}: noise symmetric"),
        ((one, longer), "differ in epochs (40, 7)"),
    ]:
        for option in ([], ["--metric", "knn_clean"], ["--compare", "trnsl"]):
            shown = CliRunner().invoke(cli.app, ["report", *map(str, files), *option])
            assert said in shown.stderr


def test_features_of_several_data_sets_are_told_apart_in_one_file(tmp_path: Path) -> None:
    made = {name: {"backbone": name} for name in ("aid", "own")}
    given = [ran(dataset=name) for name in made]
    experiments.save_results(tmp_path / "both.json", given, made)
    found = experiments.load_results(tmp_path / "both.json").results
    assert [result.inputs for result in found] == [*made.values()]


# ------------------------------------------------------------------ on disk


def test_results_come_back_from_disk(tmp_path: Path) -> None:
    results = [Result(Config(loss="nsl", rate=0.5), {"knn_clean": 0.5, "memorized": math.nan}, 2.0)]
    path = tmp_path / "results.json"
    experiments.save_results(path, results, {"backbone": "mine"})
    record = experiments.load_results(path)
    assert record.results[0].config == results[0].config
    assert record.results[0].metrics == pytest.approx(results[0].metrics, nan_ok=True)
    assert record.provenance["torch"] == torch.__version__
    assert record.provenance["features"] == {"backbone": "mine"}
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        "{",
        '{"results": [], "provenance": {}}',
        '{"results": [{"config": {"loss": "x"}}]}',
    ],
)
def test_a_file_without_results_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"other\.json holds no results"):
        experiments.load_results(path)


def test_the_settings_of_baselines_stand_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    config = Config(loss="arcface")
    experiments.save_results(path, [experiments.Result(config, {"knn_clean": 0.5}, 1.0)], {})
    saved = experiments.load_results(path).provenance
    assert saved["baselines"] == {"arcface": {"margin": 28.6, "scale": 64.0, "weight": 1.0}}
    experiments.save_results(path, [experiments.Result(Config(), {"knn_clean": 0.5}, 1.0)], {})
    assert "baselines" not in experiments.load_results(path).provenance
