"""What git checks at a commit, in a scratch copy of the repository."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import working_tree
import yaml

ROOT = Path(__file__).parent.parent.parent

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone"),
    pytest.mark.skipif(os.name == "nt", reason="the hooks call .venv/bin"),
]


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command apart from the git and the cache of whoever runs the tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own |= {"PRE_COMMIT_HOME": str(folder / ".venv.cache"), "PRE_COMMIT_COLOR": "never"}
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git knows or would take in, in a repository of their own."""
    folder = working_tree.copy_to(tmp_path_factory.mktemp("clone") / "rnsl")
    (folder / ".venv").symlink_to(sys.prefix)
    run(folder, "git", "init", "-q")
    (folder / ".git" / "info" / "exclude").write_text(".venv\n.venv.cache\n")
    run(folder, "git", "add", "-A")
    return folder


def pre_commit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, "-m", "pre_commit", *arguments)


def test_the_tree_passes(copy: Path) -> None:
    result = pre_commit(copy, "run", "--all-files")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("Passed") + result.stdout.count("Skipped") >= 6


def notebook_with(kind: str, **said: object) -> str:
    output = nbformat.v4.new_output(kind, **said)
    cell = nbformat.v4.new_code_cell("1", outputs=[output], id="a")
    return nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))


REFUSED = {
    "bad.py": ('"""A module."""\nx=1\n', "layout", "1 file would be reformatted"),
    "unused.py": ("import os\n", "style", "`os` imported but unused"),
    "answers.ipynb": (
        notebook_with("stream", text="an answer"), "no outputs in a notebook", "answers.ipynb:",
    ),
    "alive.ipynb": (
        notebook_with("display_data", data={"text/html": "<script>"}),
        "no outputs in a notebook", "alive.ipynb:",
    ),
    "Scene_7.JPG": ("", "no image of an archive", "must not be committed"),
    "large.bin": ("x" * 2_000_001, "no file above 2 MB", "keep it out of the repository: large"),
}  # fmt: skip


@pytest.fixture(scope="module")
def failures(copy: Path) -> dict[str, str]:
    """The name of each hook that fails on these files -> what it says."""
    for name, (text, _, _) in REFUSED.items():
        (copy / name).write_text(text)
    run(copy, "git", "add", *REFUSED)
    result = pre_commit(copy, "run", "--files", *REFUSED)
    run(copy, "git", "rm", "-qf", *REFUSED)
    assert result.returncode == 1
    said = re.split(r"^(.+?)\.{3,}.*(Passed|Failed|Skipped)$", result.stdout, flags=re.MULTILINE)
    return {
        hook: text
        for hook, status, text in zip(said[1::3], said[2::3], said[3::3], strict=True)
        if status == "Failed"
    }


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_file_is_refused_by_one_hook_with_its_reason(
    failures: dict[str, str], name: str
) -> None:
    _, hook, reason = REFUSED[name]
    (failed,) = [said for said, text in failures.items() if name in text]
    assert failed.startswith(hook)
    assert reason in failures[failed]


def test_a_notebook_that_is_not_what_its_source_makes_is_refused(copy: Path) -> None:
    name = "notebooks/source/00_start_here.py"
    before = (copy / name).read_text(encoding="utf-8")
    (copy / name).write_text(before + "\n# %% [markdown]\n# One more.\n", encoding="utf-8")
    result = pre_commit(copy, "run", "notebooks-stale", "--files", name)
    (copy / name).write_text(before, encoding="utf-8")
    assert result.returncode == 1
    assert "make notebooks writes it anew" in result.stdout


def test_make_hooks_installs_them_for_commit_and_push(copy: Path) -> None:
    stages = yaml.safe_load((copy / ".pre-commit-config.yaml").read_text())
    assert pre_commit(copy, "install").returncode == 0
    for stage in stages["default_install_hook_types"]:
        assert "pre_commit" in (copy / ".git" / "hooks" / stage).read_text()
    recipe = (ROOT / "Makefile").read_text().split("\nhooks:")[1].splitlines()[1]
    assert recipe.strip() == "@$(BIN)/pre-commit install"
