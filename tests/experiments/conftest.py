"""What the tests of sweeps share."""

from pathlib import Path

import pytest
from synthetic_cells import Here, save_clouds

from rnsl_tutorial.experiments import grid


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clouds(tmp_path_factory.mktemp("clouds"))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    made = Here()
    monkeypatch.setattr(grid, "calls", made)
    return made
