"""What several soak tests share."""

from pathlib import Path

import pytest
from command_lines import furnish


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with files of a user, and with inputs for every command."""
    folder = tmp_path / "work"
    folder.mkdir()
    furnish(folder)
    return folder
