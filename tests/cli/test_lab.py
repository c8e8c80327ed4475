import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rnsl_tutorial import _files as paths
from rnsl_tutorial.cli import lab


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / lab._FIRST).write_text("start")
    (folder / "01_next.ipynb").write_text("next")
    (folder / "build.py").write_text("not a notebook")
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "new" / "own"


def test_all_notebooks_and_nothing_else_are_copied(shipped: Path, own: Path) -> None:
    assert lab.copy_notebooks(shipped, own) == ([lab._FIRST, "01_next.ipynb"], [])
    assert {path.name for path in own.iterdir()} == {lab._FIRST, "01_next.ipynb", lab._MANIFEST}
    assert (own / lab._FIRST).read_text() == "start"


def test_a_second_copy_does_nothing(shipped: Path, own: Path) -> None:
    lab.copy_notebooks(shipped, own)
    assert lab.copy_notebooks(shipped, own) == ([], [])


def test_an_untouched_notebook_is_updated(shipped: Path, own: Path) -> None:
    lab.copy_notebooks(shipped, own)
    (shipped / lab._FIRST).write_text("a newer start")
    assert lab.copy_notebooks(shipped, own) == ([lab._FIRST], [])
    assert (own / lab._FIRST).read_text() == "a newer start"


def test_a_changed_notebook_is_kept_and_named_when_we_ship_a_newer_one(
    shipped: Path, own: Path
) -> None:
    lab.copy_notebooks(shipped, own)
    (own / lab._FIRST).write_text("my answers")
    assert lab.copy_notebooks(shipped, own) == ([], [])
    (shipped / lab._FIRST).write_text("a newer start")
    for _ in range(2):
        assert lab.copy_notebooks(shipped, own) == ([], [lab._FIRST])
    assert (own / lab._FIRST).read_text() == "my answers"


def test_a_renamed_or_deleted_notebook_comes_back(shipped: Path, own: Path) -> None:
    lab.copy_notebooks(shipped, own)
    (own / lab._FIRST).rename(own / "mine.ipynb")
    assert lab.copy_notebooks(shipped, own) == ([lab._FIRST], [])
    assert (own / "mine.ipynb").read_text() == "start"


@pytest.mark.parametrize("manifest", [None, "{", "[]"])
def test_without_a_manifest_nothing_is_replaced(
    shipped: Path, own: Path, manifest: str | None
) -> None:
    own.mkdir(parents=True)
    (own / lab._FIRST).write_text("somebody's file")
    if manifest is not None:
        (own / lab._MANIFEST).write_text(manifest)
    assert lab.copy_notebooks(shipped, own) == (["01_next.ipynb"], [lab._FIRST])
    assert (own / lab._FIRST).read_text() == "somebody's file"
    assert json.loads((own / lab._MANIFEST).read_text()).keys() == {"01_next.ipynb"}


def test_a_file_in_place_of_the_folder_is_named(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("")
    with pytest.raises(NotADirectoryError, match=r"notes is a file. Name a folder"):
        lab.copy_notebooks(shipped, tmp_path / "notes")
    with pytest.raises(OSError, match=r"Cannot write the notebooks into .*inside"):
        lab.copy_notebooks(shipped, tmp_path / "notes" / "inside")


def test_a_full_disk_leaves_no_half_written_notebook(
    shipped: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def full(path: Path) -> Iterator[None]:
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(paths, "written_whole", full)
    with pytest.raises(OSError, match=r"No space left on device.*Name a folder"):
        lab.copy_notebooks(shipped, own)
    assert list(own.iterdir()) == []


def test_jupyterlab_gets_the_notebook_the_folder_and_the_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = lab._jupyter_arguments(Path("own"), ["--port", "8890"])
    assert arguments[0] == str(tmp_path / "own" / lab._FIRST)
    assert f"--ServerApp.root_dir={tmp_path / 'own'}" in arguments
    assert arguments[-2:] == ["--port", "8890"]
