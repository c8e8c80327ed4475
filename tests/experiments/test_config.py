"""The config: presets, settings from words, values that no run could make sense of."""

import pytest

from rnsl_tutorial.experiments import config
from rnsl_tutorial.experiments.config import (
    PRESETS,
    Config,
    configured,
    from_preset,
    parse_settings,
)
from rnsl_tutorial.training import augmentation
from rnsl_tutorial.training import networks as backbones


def test_the_names_are_those_that_the_modules_know() -> None:
    """The config names them itself, because it must not wait for torch."""
    assert config.AUGMENTATIONS == augmentation.NAMES
    assert set(config.NETWORKS) == {"head", *backbones.names()}


def test_the_paper_preset_is_the_protocol_of_the_reference() -> None:
    config = from_preset("paper", dataset="nwpu45")
    assert (config.network, config.pretrained, config.image_size) == ("resnet18", True, 256)
    assert (config.embedding_dim, config.batch_size, config.epochs) == (128, 256, 130)
    assert (config.learning_rate, config.momentum, config.weight_decay) == (0.1, 0.9, 1e-4)
    assert (config.schedule, config.step_epochs, config.step_factor) == ("step", 30, 0.5)
    assert (config.temperature, config.q, config.k) == (0.05, 0.7, 0.5)
    assert config.augmentation == "reference"
    assert [e for e in range(130) if config.prunes_before(e)] == [*range(40, 130, 10)]
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


def test_unknown_presets_and_settings_are_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match="no preset 'desktop'; choose one of paper, laptop, scenes"
    ):
        from_preset("desktop")
    with pytest.raises(ValueError, match="no setting 'learning'; there are dataset, noise"):
        configured({}, learning=0.1)


def test_settings_are_read_by_the_type_of_their_field() -> None:
    read = parse_settings(
        ["epochs=10", "q=0.3", "pretrained=true", "prune_from=none", "network=resnet50"]
    )
    assert read == {
        "epochs": 10,
        "q": 0.3,
        "pretrained": True,
        "prune_from": None,
        "network": "resnet50",
    }
    assert parse_settings(["prune_from=7"]) == {"prune_from": 7}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs", "'epochs' is no NAME=VALUE; NAME is one of dataset, noise"),
        ("epoch=3", "'epoch=3' is no NAME=VALUE"),
        ("epochs=3.5", "epochs is '3.5'; it must be of type int"),
        ("pretrained=yes", "pretrained is 'yes'; it must be of type bool"),
    ],
)
def test_settings_that_cannot_be_read_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_settings([text])


def test_every_field_can_be_set_by_words() -> None:
    for name, value in vars(Config()).items():
        assert parse_settings([f"{name}={value}"]) == {name: value}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "vgg"}, "network is 'vgg'; it must be one of head, small"),
        ({"augmentation": "mixup"}, "augmentation is 'mixup'"),
        ({"schedule": "linear"}, "schedule is 'linear'; it must be one of cosine, step"),
        ({"selection": "best"}, "selection is 'best'"),
        ({"step_factor": 0.0}, r"step_factor is 0.0; it must be in \(0, 1\]"),
        ({"momentum": 1.0}, r"momentum is 1.0; it must be in \[0, 1\)"),
        ({"weight_decay": -1e-4}, "weight_decay is -0.0001; it must be at least 0"),
        ({"image_size": 0}, "image_size is 0; it must be at least 1"),
        ({"difficulty": 1.5}, r"difficulty is 1.5; it must be in \[0, 1\]"),
        ({"pruning": "reference"}, "pass selection 'clean_val' too, or pruning 'current'"),
    ],
)
def test_config_refuses_what_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**settings)  # type: ignore[arg-type]
