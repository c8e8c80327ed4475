"""Notebooks with their results, as pages without a kernel show them.

A notebook is built from its source (the learner's version) and executed. What came out is kept in a
folder under a key made of the notebook, the package and the data, and comes from there until one of
them changes.

- **Explorers** move: the state that the kernel sent is saved in the page, and the explorer's own ES
  module runs over it (see `rnsl_tutorial.tutorial.explorers.page`). Views of one explorer move
  together; explorers that Python ties together with ``ipywidgets.link`` do not, since Python is
  not there.
- **Progress bars** are left out, and so are cells for Colab and cells that hold a claim. Any other
  widget gives way to a line that says that it needs a kernel.
"""

import base64
import hashlib
import re
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from functools import cache, reduce
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from notebooks import build
from rnsl_tutorial import _files as paths
from rnsl_tutorial.tutorial.explorers import page

ROOT = build.FOLDER.parent
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
MOST_S = 600  # for one cell
LEFT_OUT = {"hidden-assert", "colab"}
NEEDS_KERNEL = '<p class="needs-kernel">What stands here in the notebook needs a kernel.</p>'
DECIDES = ("rnsl_tutorial/**/*.*", "data/**/*.*", "requirements.lock", "docs/executed.py")


class About(NamedTuple):
    """What a notebook's opening says of it."""

    title: str
    question: str
    time: str


def about(notebook: NotebookNode) -> About:
    """Read title, question and time from a notebook's opening: the texts around its first picture.

    Raises:
        ValueError: one of them is not there.
    """
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    opening = "\n\n".join(islice(texts, 2))
    patterns = {
        "title": r"^# ([^\n]+)",
        "question": r"question:\s+\*\*(.+?)\*\*",
        "time": r"\*\*Time\*\* (.+?)\.",
    }
    found = {name: re.search(p, opening, re.DOTALL | re.IGNORECASE) for name, p in patterns.items()}
    missing = [name for name, match in found.items() if match is None]
    if missing:
        raise ValueError(f"The opening names no {' and no '.join(missing)}: {opening[:60]!r}")
    return About(**{name: " ".join(match[1].split()) for name, match in found.items() if match})


# ------------------------------------------------------------------ executing


def executed(notebook: NotebookNode) -> NotebookNode:
    """Run a notebook in a kernel of its own and keep the state of its widgets.

    An explorer stands as at the end of the cell that made it, whatever later cells set: a page is
    read from the top, and what stands above it speaks of that state.
    """
    began: dict[str, dict[str, Any]] = {}

    def remember(**_: Any) -> None:
        for name, state in client.widget_state.items():
            chosen = {control: state[control] for control in state.get("_controls", {})}
            began.setdefault(name, chosen)

    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=MOST_S,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--IPKernelApp.log_level=40"],  # a notebook's errors come as outputs
            on_cell_executed=remember,
        )
        client.execute()
    for name, widget in _widgets(notebook).items():
        widget["state"].update(began.get(name, {}))
    return notebook


class Kept:
    """Executed notebooks in a folder, which are found again until what decides them changes.

    Args:
        folder: made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str, notebook: NotebookNode) -> NotebookNode | None:
        """Return the executed notebook, if it is there."""
        path = self._path(name, notebook)
        return nbformat.read(path, as_version=4) if path.exists() else None

    def execute(self, name: str, notebook: NotebookNode) -> NotebookNode:
        """Execute a notebook and keep it in the place of its earlier versions."""
        path = self._path(name, notebook)
        made = executed(deepcopy(notebook))
        self.folder.mkdir(parents=True, exist_ok=True)
        for earlier in self.folder.glob(f"{name}-*.ipynb"):
            earlier.unlink()
        with paths.written_whole(path) as part:
            part.write(nbformat.writes(made).encode())
        return made

    def _path(self, name: str, notebook: NotebookNode) -> Path:
        key = hashlib.sha256(f"{nbformat.writes(notebook)} {_of_the_project()}".encode())
        return self.folder / f"{name}-{key.hexdigest()[:16]}.ipynb"


@cache
def _of_the_project() -> str:
    """A digest of the files, beside the notebook, that decide what comes out of it."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in DECIDES for path in ROOT.glob(pattern)):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


# ------------------------------------------------------------------ for a page without a kernel


def explorer_models(notebook: NotebookNode) -> dict[str, page.Model]:
    """Return the explorers among an executed notebook's widgets, by the ids of their models."""
    return {
        name: page.model(_with_buffers(widget))
        for name, widget in _widgets(notebook).items()
        if {"_esm", "_controls"} <= widget["state"].keys()
    }


def for_page(notebook: NotebookNode) -> NotebookNode:
    """Return a notebook as a page shows it: mounts in the place of widgets, no hidden cells.

    Of the opening, whose code is folded in the notebook, only the explorer is shown.
    """
    made, explorers = deepcopy(notebook), explorer_models(notebook)
    made.cells = [c for c in made.cells if LEFT_OUT.isdisjoint(c.metadata.get("tags", []))]
    for cell in made.cells:
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata.tags = [*cell.metadata.get("tags", []), "remove-input"]
        if "outputs" in cell and not cell.execution_count:
            cell.outputs = []  # the picture of an opening says "run this cell", which nobody can
        for output in cell.get("outputs", []):
            if VIEW in output.get("data", {}):
                name = output.data[VIEW]["model_id"]
                output.data = {"text/html": _mounts(name, explorers, _widgets(notebook))}
    made.metadata.pop("widgets", None)
    return made


def _widgets(notebook: NotebookNode) -> dict[str, Any]:
    state: dict[str, Any] = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    return state


def _with_buffers(widget: dict[str, Any]) -> dict[str, Any]:
    """The state of a widget, with the bytes that were sent beside it where they belong."""
    state = nbformat.from_dict(widget["state"])
    for buffer in widget.get("buffers", []):
        *path, last = buffer["path"]
        reduce(lambda part, key: part[key], path, state)[last] = base64.b64decode(buffer["data"])
    return state


def _mounts(name: str, explorers: dict[str, Any], widgets: dict[str, Any]) -> str:
    """The mounts of what a widget holds: of itself, or of the explorers in a box."""
    held = list(_tree(name, widgets))
    inside = [page.mount(name) for name in held if name in explorers]
    is_progress = any(widgets[name]["model_name"] == "FloatProgressModel" for name in held)
    return "\n".join(inside) if inside or is_progress else NEEDS_KERNEL


def _tree(name: str, widgets: dict[str, Any]) -> Iterator[str]:
    """A widget and, where it is a box, all that lies in it."""
    if name in widgets:
        yield name
        for child in widgets[name]["state"].get("children", []):
            yield from _tree(child.removeprefix("IPY_MODEL_"), widgets)
