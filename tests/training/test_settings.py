"""Settings are what their annotations say, whoever hands them over."""

from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest

from rnsl_tutorial.training import Settings, augmentation
from rnsl_tutorial.training.settings import Share, check_names, parse


def test_the_augmentations_are_those_that_their_module_knows() -> None:
    """The settings name them themselves, because they must not wait for torch."""
    for name in augmentation._NAMES:
        assert Settings(augmentation=name).augmentation == name  # type: ignore[arg-type]


def test_whole_numbers_stand_for_real_ones_and_numpys_for_pythons() -> None:
    given = {"learning_rate": 1, "epochs": np.int64(3), "prune_from": np.float32(0.5)}
    made = Settings(**given, momentum=np.float64(0.25))  # type: ignore[arg-type]
    values = (made.learning_rate, made.epochs, made.prune_from, made.momentum)
    assert values == (1.0, 3, 0.5, 0.25)
    assert [type(value) for value in values] == [float, int, float, float]
    assert type(Settings(prune_from=3).prune_from) is float
    with pytest.raises(FrozenInstanceError):
        made.epochs = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 2.5}, "epochs is 2.5; it must be a whole number of at least 1."),
        ({"epochs": True}, "epochs is True; it must be a whole number of at least 1."),
        ({"seed": -1}, "seed is -1; it must be a whole number in [0, 4294967296)."),
        ({"learning_rate": float("nan")}, "learning_rate is nan; it must be a number above 0."),
        ({"learning_rate": float("inf")}, "learning_rate is inf; it must be a number above 0."),
        ({"weight_decay": -1e-4}, "weight_decay is -0.0001; it must be a number of at least 0."),
        ({"weight_decay": "1"}, "weight_decay is '1'; it must be a number of at least 0."),
        ({"prune_from": 0}, "prune_from is 0; it must be a number above 0, or None."),
        ({"schedule": "linear"}, "schedule is 'linear'; it must be one of cosine, step."),
    ],
)
def test_the_message_says_what_was_given_and_what_is_allowed(
    given: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match="it must be") as raised:
        Settings(**given)  # type: ignore[arg-type]
    assert str(raised.value) == message


def test_texts_are_read_by_the_same_annotations() -> None:
    read = parse(["epochs=3", "momentum=0", "prune_from=none", "schedule=step"])
    assert read == {"epochs": 3, "momentum": 0.0, "prune_from": None, "schedule": "step"}
    assert type(read["momentum"]) is float
    with pytest.raises(ValueError, match=r"There is no setting epoch; did you mean epochs\?"):
        parse(["epoch=3"])
    with pytest.raises(ValueError, match="There is no setting loss; there are seed, epochs"):
        check_names(["loss"])


def test_a_subclass_is_checked_by_its_own_annotations_too() -> None:
    @dataclass(frozen=True, kw_only=True)
    class More(Settings):
        share: Share = 0.0

    assert More(share=0).share == 0.0
    with pytest.raises(ValueError, match=r"share is 1; it must be a number in \[0, 1\)"):
        More(share=1)
    assert parse(["share=0.5", "epochs=2"], More) == {"share": 0.5, "epochs": 2}
