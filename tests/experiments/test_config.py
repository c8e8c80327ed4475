"""The config: presets, settings from words, values that no run could make sense of."""

import json
import math
from pathlib import Path
from types import NoneType
from typing import Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest

from rnsl_tutorial.datasets import download
from rnsl_tutorial.experiments import config
from rnsl_tutorial.experiments.config import PRESETS, Config, from_preset
from rnsl_tutorial.training import networks
from rnsl_tutorial.training.settings import Settings, parse


def test_the_names_are_those_that_the_modules_know() -> None:
    """The config names them itself, because it must not wait for torch."""
    assert set(config._NETWORKS) == {"head", *networks.names()}


def test_the_paper_preset_is_the_protocol_of_the_reference() -> None:
    config = from_preset("paper", dataset="nwpu45")
    assert (config.network, config.pretrained, config.image_size) == ("resnet18", True, 256)
    assert (config.embedding_dim, config.batch_size, config.epochs) == (128, 256, 130)
    assert (config.learning_rate, config.momentum, config.weight_decay) == (0.1, 0.9, 1e-4)
    assert (config.schedule, config.step_epochs, config.step_factor) == ("step", 30, 0.5)
    assert (config.temperature, config.q, config.k) == (0.05, 0.7, 0.5)
    assert config.augmentation == "reference"
    counted_from_1 = [e for e in range(1, 131) if e >= 40 and e % 10 == 0]
    assert [e + 1 for e in range(130) if config.prunes_before(e)] == counted_from_1
    assert config.last_layer == "kaiming"
    assert config.prune_rule == "paper"


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_looks_at_clean_labels(name: str) -> None:
    config = from_preset(name)
    assert config.selection == "last"
    assert config.pruning == "current"
    assert config.on_pixels


def test_what_is_given_wins_over_the_preset_and_none_is_not_given() -> None:
    config = from_preset("laptop", epochs=3, rate=None, loss="nsl")
    assert (config.epochs, config.rate, config.loss) == (3, 0.0, "nsl")
    assert config.network == "small"


def test_labels_of_ones_own_data_are_as_given_until_a_rate_is_told() -> None:
    assert {*config._HOUSE} == {*download.PINS, "scenes"}
    assert from_preset("laptop", dataset="mine").as_given
    assert not from_preset("laptop", dataset="mine", rate=0.0).as_given
    assert not any(from_preset("laptop", dataset=name).as_given for name in config._HOUSE)
    with pytest.raises(ValueError, match="'as_given', and on_pixels is False"):
        Config(noise="as_given")


def test_unknown_presets_and_settings_are_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match="no preset 'desktop'; choose one of paper, laptop, scenes"
    ):
        from_preset("desktop")
    with pytest.raises(ValueError, match="no setting zzz; there are seed, epochs, batch_size"):
        from_preset("paper", zzz=1)
    with pytest.raises(ValueError, match="no setting learning; did you mean learning_rate"):
        from_preset("paper", learning=0.1)


def test_settings_are_read_by_the_type_of_their_field() -> None:
    read = parse(["q=0.3", "pretrained=true", "prune_from=7", "network=resnet50"], Config)
    assert read == {"q": 0.3, "pretrained": True, "prune_from": 7, "network": "resnet50"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs", "'epochs' is no NAME=VALUE; NAME is one of seed, epochs"),
        ("epoch=3", r"There is no setting epoch; did you mean epochs\?"),
        ("epochs=3.5", "epochs is '3.5'; it must be a whole number of at least 1"),
        ("pretrained=yes", "pretrained is 'yes'; it must be True or False"),
    ],
)
def test_settings_that_cannot_be_read_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse([text], Config)


def test_every_field_can_be_set_by_words() -> None:
    for name, value in vars(Config()).items():
        assert parse([f"{name}={value}"], Config) == {name: value}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "softmax"}, "loss is 'softmax'; it must be one of nsl, rnsl, trnsl"),
        ({"epochs": 0}, "epochs is 0; it must be a whole number of at least 1"),
        ({"prune_every": 0}, "prune_every is 0"),
        ({"rate": 1.0}, r"rate is 1.0; it must be a number in \[0, 1\)"),
        ({"q": 2.0}, r"q is 2.0; it must be a number in \(0, 1\]"),
        ({"k": -0.1}, "k is -0.1"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"network": "vgg"}, "network is 'vgg'; it must be one of head, small"),
        ({"augmentation": "mixup"}, "augmentation is 'mixup'"),
        ({"selection": "best"}, "selection is 'best'"),
        ({"step_factor": 0.0}, r"step_factor is 0.0; it must be a number in \(0, 1\]"),
        ({"momentum": 1.0}, r"momentum is 1.0; it must be a number in \[0, 1\)"),
        ({"image_size": 0}, "image_size is 0; it must be a whole number of at least 1"),
        ({"difficulty": 1.5}, r"difficulty is 1.5; it must be a number in \[0, 1\]"),
        ({"noise": "foo"}, "noise is 'foo'; it must be one of symmetric, pair_flip"),
        ({"pretrained": "no"}, "pretrained is 'no'; it must be True or False"),
        ({"dataset": "../x"}, r"dataset is '../x'; it must be a plain name, without / or \\"),
        ({"dataset": "a\\b"}, "it must be a plain name"),
        ({"dataset": ""}, "it must be a plain name"),
        ({"dropout": -1}, "dropout is -1; it must be a number in"),
        ({"pruning": "reference"}, "pass selection 'clean_val' too, or pruning 'current'"),
    ],
)
def test_config_refuses_what_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**settings)  # type: ignore[arg-type]


def test_the_settings_of_a_config_are_what_training_takes() -> None:
    made = from_preset("laptop", dataset="mine", seed=3, rate=0.4)
    assert type(made.settings) is Settings
    assert vars(made.settings).items() <= vars(made).items()
    assert set(vars(made)) > set(vars(made.settings))


def test_shipped_results_are_configs_still() -> None:
    """Results measured before the fields had types are flat, and load unchanged."""
    files = [json.loads(path.read_text()) for path in Path("data/results").rglob("*.json")]
    configs = [row["config"] for file in files for row in file["results"] if "config" in row]
    assert len(configs) > 100
    for row in configs:
        assert vars(Config(**row)).items() >= row.items()


KINDS = get_type_hints(Config, include_extras=True)


@pytest.mark.parametrize("name", vars(Config()))
def test_every_field_refuses_what_its_annotation_does(name: str) -> None:
    kind = KINDS[name]
    meta = next(
        (inner for inner in _inside(kind) if isinstance(inner, msgspec.Meta)), msgspec.Meta()
    )
    wrong: list[object] = [math.nan, math.inf, -math.inf, [1], {}, object(), 1j, b"1"]
    if bool not in _inside(kind):
        wrong += [True, False]
    if str in _inside(kind) or get_origin(kind) is Literal:
        wrong += [0, 1, "", "../x", "a/b", "\n", "x\n"]
    else:
        wrong += ["1", "no", ""]
    if int in _inside(kind):
        wrong += [1.0, 2.5]
    if NoneType not in _inside(kind):
        wrong.append(None)
    wrong += [bound - 1e-9 for bound in (meta.ge,) if bound is not None]
    wrong += [bound + 1e-9 for bound in (meta.le,) if bound is not None]
    wrong += [bound for bound in (meta.gt, meta.lt) if bound is not None]
    for value in wrong:
        with pytest.raises(ValueError, match=f"{name} is .*; it must be "):
            Config(**{name: value})


def _inside(kind: object) -> set[object]:
    """The types and bounds that an annotation is made of."""
    parts = [part for inner in get_args(kind) for part in _inside(inner)]
    return {kind, *getattr(kind, "__metadata__", ()), *parts}
