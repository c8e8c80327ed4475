"""A copy of the project as a commit of the working tree would hold it."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def copy_to(folder: Path) -> Path:
    """Copy all files that are, or would be, committed into a folder, and return the folder."""
    command = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
    # A test that a git hook starts is told by GIT_DIR and the like of another repository.
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    listed = subprocess.run(
        command, cwd=ROOT, env=own, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():  # not one that was removed and is not committed yet
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder
