import base64
import gzip
import hashlib
import json
import re
import sqlite3
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


def test_what_was_copied_before_an_interrupt_is_known_and_trusted_afterwards(
    shipped: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lab._alive

    def interrupted(path: Path) -> lab._Made:
        if path.name != lab._FIRST:
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(lab, "_alive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.copy_notebooks(shipped, own)
    monkeypatch.setattr(lab, "_alive", real)
    assert lab.copy_notebooks(shipped, own) == (["01_next.ipynb"], [])
    assert trusted(own / lab._FIRST)
    write(shipped / lab._FIRST, "a newer start")
    assert lab.copy_notebooks(shipped, own) == ([lab._FIRST], [])


def test_what_is_saved_while_a_newer_copy_is_made_is_kept(
    shipped: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.copy_notebooks(shipped, own)
    write(shipped / lab._FIRST, "a newer start")
    real = lab._alive

    def meanwhile(path: Path) -> lab._Made:
        write(own / path.name, "my answers")
        return real(path)

    monkeypatch.setattr(lab, "_alive", meanwhile)
    assert lab.copy_notebooks(shipped, own) == ([], [lab._FIRST])
    assert said(own / lab._FIRST) == "my answers"
    assert not trusted(own / lab._FIRST)


def test_untouched_copies_are_made_again_when_explorers_have_changed(
    shipped: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.copy_notebooks(shipped, own)
    write(own / "01_next.ipynb", "my answers")
    monkeypatch.setattr(lab, "__version__", "99.0")
    assert lab.copy_notebooks(shipped, own) == ([lab._FIRST], ["01_next.ipynb"])


@pytest.mark.parametrize(
    ("file", "counts"),
    [("static/page.js", True), ("explorers/page.py", True), ("explorers/page.pyc", False)],
)
def test_the_digest_of_explorers_covers_their_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, counts: bool
) -> None:
    monkeypatch.setattr(paths, "PACKAGE", tmp_path)
    monkeypatch.setattr(paths, "shipped", lambda *parts: tmp_path.joinpath(*parts))
    before = lab._digest_of_explorers()
    path = tmp_path / "tutorial" / file
    path.parent.mkdir(parents=True)
    path.write_text("newer")
    assert (lab._digest_of_explorers() != before) == counts


def test_only_what_cannot_be_written_names_the_folder(
    shipped: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> lab._Made:
        raise OSError(2, "No such file or directory", "maps.npz")

    monkeypatch.setattr(lab, "_alive", fail)
    with pytest.raises(OSError, match=r"^\[Errno 2\] No such file or directory: 'maps.npz'$"):
        lab.copy_notebooks(shipped, own)


# ------------------------------------------------------------------ arriving alive

CODE = """from rnsl_tutorial.tutorial import explorers

explorer = explorers.FineTuningExplorer(epoch=3)
explorer"""


def opening(name: str = "open", **attributes: Any) -> NotebookNode:
    shown = nbformat.v4.new_output("display_data", {"image/png": "PNG", "text/plain": "Run it."})
    attributes = {"outputs": [shown], **attributes}
    return nbformat.v4.new_code_cell(CODE, id=name, **attributes)


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


def test_only_the_first_cell_is_an_opening_and_only_where_nothing_else_is_shown(
    shipped: Path, own: Path
) -> None:
    colab = nbformat.v4.new_code_cell("install", id="colab", metadata={"tags": ["colab"]})
    write(shipped / lab._FIRST, "start", colab, opening())
    printed = opening(outputs=[nbformat.v4.new_output("stream", text="mine")])
    write(shipped / "printed.ipynb", "next", printed)
    write(shipped / "second.ipynb", "next", opening(outputs=[]), opening("second"))
    write(shipped / "further.ipynb", "next", opening(), opening("second"))
    lab.copy_notebooks(shipped, own)
    _, moving, last = nbformat.read(own / lab._FIRST, as_version=4).cells
    assert last == colab, "nothing stands between the question and the picture"
    assert moving.outputs[0].data.keys() == {"text/html", "text/plain"}
    for name in ("printed.ipynb", "second.ipynb", "further.ipynb"):
        assert (own / name).read_text() == (shipped / name).read_text()
        assert not trusted(own / name)


def test_notebooks_may_be_made_alive_where_they_lie_and_that_twice(shipped: Path) -> None:
    write(shipped / lab._FIRST, "start", opening())
    lab.copy_notebooks(shipped, shipped)
    alive = (shipped / lab._FIRST).read_bytes()
    assert b"text/html" in alive
    lab.copy_notebooks(shipped, shipped)
    assert (shipped / lab._FIRST).read_bytes() == alive
    assert trusted(shipped / lab._FIRST)


def test_a_manifest_of_somebody_else_makes_nothing_trusted(shipped: Path, own: Path) -> None:
    html = nbformat.v4.new_output("display_data", {"text/html": "<script>evil()</script>"})
    evil = nbformat.v4.new_code_cell("", id="evil", outputs=[html])
    lab.copy_notebooks(shipped, own)
    places = [own / lab._FIRST, own / "more.ipynb", own.parent / "outside.ipynb"]
    known = json.loads((own / lab._MANIFEST).read_text())
    for path, name in zip(places, [lab._FIRST, "more.ipynb", "../outside.ipynb"], strict=True):
        write(path, "start", evil)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        known[name] = [known[lab._FIRST][0], digest]
    (own / lab._MANIFEST).write_text(json.dumps(known))
    assert lab.copy_notebooks(shipped, own) == ([], [])
    assert [trusted(path) for path in places] == [False] * 3
    assert trusted(own / "01_next.ipynb")


def test_what_somebody_computed_in_a_shipped_notebook_is_not_trusted(
    shipped: Path, own: Path
) -> None:
    ran = nbformat.v4.new_output("display_data", {"text/html": "<script>evil()</script>"})
    write(shipped / lab._FIRST, "start", nbformat.v4.new_code_cell("", id="ran", outputs=[ran]))
    lab.copy_notebooks(shipped, own)
    assert not trusted(own / lab._FIRST)


def test_what_is_trusted_is_not_made_again(
    shipped: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.copy_notebooks(shipped, own)
    monkeypatch.delattr(lab, "_opening")
    assert lab.copy_notebooks(shipped, own) == ([], [])


@pytest.mark.parametrize("error", [PermissionError(13, "No"), sqlite3.OperationalError("No")])
def test_signatures_that_cannot_be_kept_are_a_warning(
    shipped: Path, own: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(NotebookNotary, "sign", fail)
    with pytest.warns(UserWarning, match=r"^JupyterLab may not trust the notebooks \(.*No\): .+$"):
        copied = lab.copy_notebooks(shipped, own)
    assert copied.written == [lab._FIRST, "01_next.ipynb"]


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
