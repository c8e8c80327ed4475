"""Notebooks on the disk, and what JupyterLab gets of them, with a kernel and without."""

import asyncio
import base64
import json
import os
import tempfile
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from traitlets.config import Configurable

from rnsl_tutorial import _files as paths
from rnsl_tutorial.cli import _contents

VIEW = {"model_id": "abc", "version_major": 2, "version_minor": 0}
MODEL = "0123456789abcdef" * 2
WITHOUT = {"image/png": "PNG", "text/plain": "Run this cell to move it."}
DATA = {_contents._VIEW: VIEW, **WITHOUT}


class Server(Configurable):
    """A server with one kernel, of the notebook a.ipynb, or with none."""

    process: int | None = 1

    def __init__(self) -> None:
        super().__init__()
        self.session_manager = self.kernel_manager = self

    async def list_sessions(self) -> list[dict[str, Any]]:
        return [{"path": "a.ipynb", "kernel": {"id": "k"}}] if self.process else []

    def get_kernel(self, name: str) -> Any:
        return SimpleNamespace(provisioner=SimpleNamespace(pid=self.process))


def notebook(view: Any = VIEW) -> nbformat.NotebookNode:
    """A notebook with an explorer, as a program may leave it: its output lacks metadata."""
    output = {"output_type": "display_data", "data": DATA | {_contents._VIEW: view}}
    cell = nbformat.v4.new_code_cell("explorer", id="a") | {"outputs": [output]}
    return nbformat.from_dict(nbformat.v4.new_notebook() | {"cells": [cell]})


THREAD = ThreadPoolExecutor(1)  # where a browser is open, the main one has a loop already


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return THREAD.submit(asyncio.run, coroutine).result()


class Disk:
    """Contents of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.server = folder, Server()
        folder.mkdir()
        made = partial(_contents._Contents, root_dir=str(folder), parent=self.server)
        self.contents = THREAD.submit(made).result()

    def save(self, name: str = "a.ipynb", view: Any = VIEW) -> None:
        content = notebook(view)
        run(self.contents.save({"type": "notebook", "content": content}, name))

    def written(self) -> str:
        return (self.folder / "a.ipynb").read_text()

    def got(self) -> dict[str, Any]:
        content = run(self.contents.get("a.ipynb"))["content"]
        [output] = content["cells"][0]["outputs"]
        assert output["metadata"] == {}
        return dict(output["data"])


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setenv(paths.SEEN, "")  # so that what is set here ends with the test
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Disk(tmp_path / "notebooks")


def test_a_notebook_is_saved_without_the_views_of_widgets(disk: Disk) -> None:
    disk.save()
    [output] = json.loads(disk.written())["cells"][0]["outputs"]
    assert output["data"].keys() == {"image/png", "text/plain"}


def test_views_come_back_while_their_kernel_runs(disk: Disk) -> None:
    disk.save()
    assert disk.got() == DATA


@pytest.mark.parametrize("process", [None, 2])
def test_without_their_kernel_the_picture_stays(disk: Disk, process: int | None) -> None:
    """It has ended, or was started again."""
    disk.save()
    disk.server.process = process
    assert disk.got() == WITHOUT
    disk.save()
    assert disk.got() == WITHOUT, "another save does not tell a new kernel of an old model"


def test_a_view_that_another_program_saved_stays_only_where_its_kernel_is_known(
    disk: Disk,
) -> None:
    (disk.folder / "a.ipynb").write_text(json.dumps(notebook()))
    assert disk.got() == WITHOUT
    disk.save()
    (disk.folder / "a.ipynb").write_text(json.dumps(notebook()))
    assert disk.got() == DATA


@pytest.mark.parametrize("view", [{}, "abc", None])
def test_a_view_without_a_model_is_no_error(disk: Disk, view: Any) -> None:
    (disk.folder / "a.ipynb").write_text(json.dumps(notebook(view)))
    assert disk.got() == WITHOUT
    disk.save(view=view)
    assert disk.got() == DATA | {_contents._VIEW: view}


def test_in_the_place_of_a_view_stands_what_was_last_seen_of_it(disk: Disk) -> None:
    seen = paths.seen_in(os.environ[paths.SEEN], MODEL)
    assert seen
    seen.write_bytes(b"SEEN")
    view = VIEW | {"model_id": MODEL}
    disk.save(view=view)
    shown = {"image/png": base64.b64encode(b"SEEN").decode(), "text/plain": _contents._SEEN}
    assert disk.got() == {_contents._VIEW: view, **shown}
    disk.server.process = None
    assert disk.got() == shown
    disk.save(view=VIEW | {"model_id": "f" * 32})
    assert disk.got() == WITHOUT, "of another widget nothing was seen"


@pytest.mark.parametrize("model", ["../secret", MODEL.upper(), "", "secret"])
def test_the_name_of_a_model_leads_to_no_other_file(disk: Disk, model: str) -> None:
    folder = Path(os.environ[paths.SEEN])
    for path in (
        folder.parent / "secret.png",
        folder / "secret.png",
        folder / ".png",
        folder / f"{MODEL.upper()}.png",
    ):
        path.write_bytes(b"SEEN")
    disk.save(view=VIEW | {"model_id": model})
    disk.server.process = None
    assert disk.got() == WITHOUT


def test_what_is_no_notebook_is_left_alone(disk: Disk) -> None:
    model = {"type": "file", "format": "text", "content": "VIEW"}
    run(disk.contents.save(model, "notes.txt"))
    assert run(disk.contents.get("notes.txt"))["content"] == "VIEW"
    assert run(disk.contents.get(""))["type"] == "directory"
