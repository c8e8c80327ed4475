"""The learner's own copies of the notebooks, and JupyterLab on the first of them.

What a notebook opens with **arrives alive**: git holds a picture of it, and a copy the explorer
itself, as a page without a kernel does (see `rnsl_tutorial.tutorial.explorers.page`). It is no
widget, so no kernel has to know it, and JupyterLab does not forget it at the next save. It moves
where the notebook is trusted, so copies are signed; anywhere else the picture stays.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Sequence
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rnsl_tutorial import _files as paths

if TYPE_CHECKING:
    import anywidget

__all__ = ["copy_notebooks", "start"]

_FIRST = "00_start_here.ipynb"
_MANIFEST = ".rnsl.json"
_CONTENTS = "rnsl_tutorial.cli._contents._Contents"


class _Copied(NamedTuple):
    """Names of the notebooks that `copy_notebooks` wrote, and of those that it left alone.

    Attributes:
        written: new, or updated where the learner had changed nothing.
        kept: changed by the learner, while a newer one is shipped.
    """

    written: list[str]
    kept: list[str]


class _Known(NamedTuple):
    """The SHA-256 of a notebook, as it was shipped and as its copy was written."""

    shipped: str
    written: str


def copy_notebooks(source: Path, folder: Path) -> _Copied:
    """Copy the notebooks of one folder into another, never over a file that was changed there.

    A manifest in ``folder`` holds the SHA-256 of every notebook and of its copy. A notebook that
    still equals its copy is updated, one that is gone is copied again, any other is kept: one that
    was only executed as well, for it holds the learner's results.

    Args:
        source: holds the notebooks (``*.ipynb``) that are shipped.
        folder: the learner's; made if it is not there.

    Raises:
        OSError: ``folder`` is a file, or cannot be written.
    """
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file. Name a folder: rnsl lab DIR")
    notebooks = sorted(source.glob("*.ipynb"))
    lock = paths.lock_of(folder / _MANIFEST)
    busy = f"Another process copies notebooks into {folder}. Run this again."
    try:
        for name in (_MANIFEST, *(notebook.name for notebook in notebooks)):
            paths.check_output(folder / name, overwrite=True)
        folder.mkdir(parents=True, exist_ok=True)
        with paths.alone(lock, busy):
            return _update(notebooks, folder)
    except OSError as error:
        raise OSError(
            f"Cannot write the notebooks into {folder} ({error.strerror or error}). Name a folder "
            "that you may write to: rnsl lab DIR"
        ) from error


def start(folder: Path, options: Sequence[str] = ()) -> None:
    """Run JupyterLab in ``folder``, on the first notebook, until the learner stops it.

    Args:
        folder: the root folder that JupyterLab shows.
        options: further options for JupyterLab, such as ``--no-browser``.
    """
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(_jupyter_arguments(folder, options))


def _jupyter_arguments(folder: Path, options: Sequence[str] = ()) -> list[str]:
    """Return the arguments that open the first notebook."""
    folder = folder.resolve()
    return [
        str(folder / _FIRST),
        f"--ServerApp.root_dir={folder}",
        f"--ServerApp.contents_manager_class={_CONTENTS}",
        *options,
    ]


# ------------------------------------------------------------------ copying


def _update(notebooks: Sequence[Path], folder: Path) -> _Copied:
    copied, result = _read_manifest(folder), _Copied([], [])
    for notebook in notebooks:
        name, shipped, own = notebook.name, _digest(notebook), _digest(folder / notebook.name)
        known = copied.get(name, _Known("", ""))
        if own not in (None, shipped, known.written):
            if known.shipped != shipped:
                result.kept.append(name)
            continue
        if own is None or known != (shipped, own):
            content = _alive(notebook)
            _write(folder / name, content)
            copied[name] = _Known(str(shipped), hashlib.sha256(content).hexdigest())
            result.written.append(name)
    _write(folder / _MANIFEST, json.dumps(copied, indent=1).encode())
    places = {folder / name: known.written for name, known in copied.items()}
    _sign(path for path, written in places.items() if _digest(path) == written)
    return result


def _read_manifest(folder: Path) -> dict[str, _Known]:
    """Return what is known of each file's copy; nothing if unreadable: nothing is replaced then."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        pairs = {name: [of] * 2 if isinstance(of, str) else of for name, of in manifest.items()}
        return {name: _Known(*pair) for name, pair in pairs.items()}  # once both were the same
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _write(path: Path, content: bytes) -> None:
    with paths.written_whole(path) as file:
        file.write(content)


def _sign(notebooks: Iterable[Path]) -> None:
    """Let JupyterLab trust notebooks, which hold what was shipped and nothing else."""
    import nbformat
    from jupyter_core.paths import jupyter_data_dir
    from nbformat.sign import NotebookNotary

    Path(jupyter_data_dir()).mkdir(parents=True, exist_ok=True)  # else the signatures are lost
    with NotebookNotary(data_dir=jupyter_data_dir()) as notary:
        for path in notebooks:
            notebook = nbformat.read(path, as_version=4)
            if not notary.check_signature(notebook):
                notary.sign(notebook)


# ------------------------------------------------------------------ arriving alive


def _alive(path: Path) -> bytes:
    """Return a notebook whose opening moves where its picture was; links lead to the project."""
    import nbformat

    notebook, elsewhere = nbformat.read(path, as_version=4), f"]({_repository()}/blob/main/docs/"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("](../docs/", elsewhere)
        elif cell.execution_count is None:  # else somebody ran it: these are other pictures
            for output in cell.outputs:
                output.data = _moving(path.stem, cell.source, output.data)
    text: str = nbformat.writes(notebook)
    return (text.rstrip("\n") + "\n").encode()


def _moving(name: str, code: str, shown: dict[str, str]) -> dict[str, str]:
    """Return what a cell shows that makes an explorer and has shown its picture."""
    from rnsl_tutorial.tutorial.explorers import page

    model, sentence = page.model(_explorer_of(code).get_state()), shown["text/plain"]
    moving = page._arriving_html(f"opening-{name}", model, shown["image/png"], sentence)
    return {"text/html": moving, "text/plain": sentence}


def _explorer_of(code: str) -> "anywidget.AnyWidget":
    """Run the code of a cell, and return what its last line names."""
    tree, names = ast.parse(code), dict[str, Any]()
    tree.body[-1] = ast.parse(f"shown = {ast.unparse(tree.body[-1])}").body[0]
    exec(compile(tree, "opening", "exec"), names)
    explorer: anywidget.AnyWidget = names["shown"]
    return explorer


def _repository() -> str:
    named: list[str] = metadata("rnsl-tutorial").get_all("Project-URL", [])
    return next(url.removeprefix("Repository, ") for url in named if url.startswith("Repository"))
