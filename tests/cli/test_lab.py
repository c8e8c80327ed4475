import base64
import gzip
import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_core.paths import jupyter_data_dir
from nbformat import NotebookNode
from nbformat.sign import NotebookNotary

from rnsl_tutorial import _files as paths
from rnsl_tutorial.cli import lab

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _own_signatures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))


def write(path: Path, text: str, *code: NotebookNode) -> None:
    """Write a notebook that says something."""
    said = nbformat.v4.new_markdown_cell(text, id="said")
    nbformat.write(nbformat.v4.new_notebook(cells=[said, *code]), path)


def said(path: Path) -> str:
    return str(nbformat.read(path, as_version=4).cells[0].source)


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    folder.mkdir()
    write(folder / lab._FIRST, "start")
    write(folder / "01_next.ipynb", "next")
    (folder / "build.py").write_text("not a notebook")
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "new" / "own"


def test_all_notebooks_and_nothing_else_are_copied(shipped: Path, own: Path) -> None:
    assert lab.copy_notebooks(shipped, own) == ([lab._FIRST, "01_next.ipynb"], [])
    assert {path.name for path in own.iterdir()} == {lab._FIRST, "01_next.ipynb", lab._MANIFEST}
    assert said(own / lab._FIRST) == "start"


def test_a_second_copy_does_nothing(shipped: Path, own: Path) -> None:
    lab.copy_notebooks(shipped, own)
    assert lab.copy_notebooks(shipped, own) == ([], [])


def test_an_untouched_notebook_is_updated(shipped: Path, own: Path) -> None:
    lab.copy_notebooks(shipped, own)
    write(shipped / lab._FIRST, "a newer start")
    assert lab.copy_notebooks(shipped, own) == ([lab._FIRST], [])
    assert said(own / lab._FIRST) == "a newer start"


def test_an_untouched_copy_of_an_earlier_release_is_updated(shipped: Path, own: Path) -> None:
    own.mkdir(parents=True)
    write(own / lab._FIRST, "an older start")
    digest = hashlib.sha256((own / lab._FIRST).read_bytes()).hexdigest()
    (own / lab._MANIFEST).write_text(json.dumps({lab._FIRST: digest}))
    assert lab._FIRST in lab.copy_notebooks(shipped, own).written
    assert said(own / lab._FIRST) == "start"


def test_a_changed_notebook_is_kept_and_named_when_we_ship_a_newer_one(
    shipped: Path, own: Path
) -> None:
    lab.copy_notebooks(shipped, own)
    write(own / lab._FIRST, "my answers")
    assert lab.copy_notebooks(shipped, own) == ([], [])
    write(shipped / lab._FIRST, "a newer start")
    for _ in range(2):
        assert lab.copy_notebooks(shipped, own) == ([], [lab._FIRST])
    assert said(own / lab._FIRST) == "my answers"


def test_a_renamed_or_deleted_notebook_comes_back(shipped: Path, own: Path) -> None:
    lab.copy_notebooks(shipped, own)
    (own / lab._FIRST).rename(own / "mine.ipynb")
    assert lab.copy_notebooks(shipped, own) == ([lab._FIRST], [])
    assert said(own / "mine.ipynb") == "start"


@pytest.mark.parametrize("manifest", [None, "{", "[]", '{"01_next.ipynb": 1}'])
def test_without_a_manifest_nothing_is_replaced(
    shipped: Path, own: Path, manifest: str | None
) -> None:
    own.mkdir(parents=True)
    write(own / lab._FIRST, "somebody's file")
    if manifest is not None:
        (own / lab._MANIFEST).write_text(manifest)
    assert lab.copy_notebooks(shipped, own) == (["01_next.ipynb"], [lab._FIRST])
    assert said(own / lab._FIRST) == "somebody's file"
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


# ------------------------------------------------------------------ arriving alive

CODE = """from rnsl_tutorial.tutorial import explorers

explorer = explorers.FineTuningExplorer(epoch=3)
explorer"""


def opening(**attributes: Any) -> NotebookNode:
    shown = nbformat.v4.new_output("display_data", {"image/png": "PNG", "text/plain": "Run it."})
    return nbformat.v4.new_code_cell(CODE, id="open", outputs=[shown], **attributes)


def trusted(path: Path) -> bool:
    with NotebookNotary(data_dir=jupyter_data_dir()) as notary:
        return bool(notary.check_signature(nbformat.read(path, as_version=4)))


def test_the_opening_of_a_copy_is_the_explorer_with_its_picture_below_it(
    shipped: Path, own: Path
) -> None:
    write(shipped / lab._FIRST, "start", opening())
    lab.copy_notebooks(shipped, own)
    cell = nbformat.read(own / lab._FIRST, as_version=4).cells[1]
    assert (cell.source, cell.execution_count) == (CODE, None)
    [output] = cell.outputs
    assert output.data["text/plain"] == "Run it."
    html = output.data["text/html"]
    place = '<div data-explorer="opening-00_start_here">'
    assert f'{place}<img alt="Run it." src="data:image/png;base64,PNG"></div>' in html
    [packed] = re.findall(r'"application/gzip" data-model="opening-00_start_here">(.+?)<', html)
    state = json.loads(gzip.decompress(base64.b64decode(packed)))["state"]
    assert state["epoch"] == 3
    first = (own / lab._FIRST).read_bytes()
    (own / lab._FIRST).unlink()
    lab.copy_notebooks(shipped, own)
    assert (own / lab._FIRST).read_bytes() == first, "the same explorer, the same bytes"


def test_a_notebook_that_was_run_is_copied_with_what_it_shows(shipped: Path, own: Path) -> None:
    write(shipped / lab._FIRST, "start", opening(execution_count=1))
    lab.copy_notebooks(shipped, own)
    assert nbformat.read(own / lab._FIRST, as_version=4).cells[1] == opening(execution_count=1)


def test_copies_are_trusted_and_what_a_learner_changed_is_not(shipped: Path, own: Path) -> None:
    lab.copy_notebooks(shipped, own)
    assert trusted(own / lab._FIRST)
    write(own / lab._FIRST, "my answers")
    lab.copy_notebooks(shipped, own)
    assert not trusted(own / lab._FIRST)
    assert trusted(own / "01_next.ipynb")


def test_copies_are_trusted_again_where_the_signatures_were_lost(
    shipped: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.copy_notebooks(shipped, own)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "another"))
    assert lab.copy_notebooks(shipped, own) == ([], [])
    assert trusted(own / lab._FIRST)


def test_links_to_the_project_lead_there_from_a_copy(shipped: Path, own: Path) -> None:
    write(shipped / lab._FIRST, "[more](../docs/training.md)")
    lab.copy_notebooks(shipped, own)
    address = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    assert said(own / lab._FIRST) == f"[more]({address}/blob/main/docs/training.md)"


def test_jupyterlab_gets_the_notebook_the_folder_and_the_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = lab._jupyter_arguments(Path("own"), ["--port", "8890"])
    assert arguments[0] == str(tmp_path / "own" / lab._FIRST)
    assert f"--ServerApp.root_dir={tmp_path / 'own'}" in arguments
    assert arguments[-2:] == ["--port", "8890"]
