"""The room opens without torch: who only wants settings waits for nothing."""

import subprocess
import sys

import pytest

from rnsl_tutorial import training

HEAVY = ("torch", "torchvision", "timm", "lightning_fabric", "pytorch_metric_learning")


def test_settings_wait_for_nothing_heavy() -> None:
    code = (
        "import sys; from rnsl_tutorial import training; training.Settings(epochs=3); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("name", training.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(training, name) is not None


def test_another_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no 'fit'"):
        _ = training.fit  # type: ignore[attr-defined]
