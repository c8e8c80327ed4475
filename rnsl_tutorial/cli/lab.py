"""The learner's own copies of the notebooks, and JupyterLab on the first of them.

What a notebook opens with **arrives alive**: git holds a picture of it, and a copy the explorer
itself, as a page without a kernel does (see `rnsl_tutorial.tutorial.explorers.page`). It is no
widget, so no kernel has to know it, and JupyterLab does not forget it at the next save. It moves
where the notebook is trusted, so copies are signed; anywhere else the picture stays. The cell that
installs the tutorial on Colab stands before the opening in git, which Colab reads, and after it in
a copy, which is not for Colab.
"""

import ast
import functools
import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rnsl_tutorial import __version__
from rnsl_tutorial import _files as paths

if TYPE_CHECKING:
    import anywidget
    from nbformat import NotebookNode

__all__ = ["copy_notebooks", "start"]

_FIRST = "00_start_here.ipynb"
_MANIFEST = ".rnsl.json"
_CONTENTS = "rnsl_tutorial.cli._contents._Contents"
_MADE_OF = {".py", ".js", ".css", ".json", ".npz", ".png"}  # explorers, in code and tables
_PICTURE = {"image/png", "text/plain"}


class _Copied(NamedTuple):
    """Names of the notebooks that `copy_notebooks` wrote, and of those that it left alone.

    Attributes:
        written: new, or updated where the learner had changed nothing.
        kept: changed by the learner, while what is shipped would make another one.
    """

    written: list[str]
    kept: list[str]


class _Known(NamedTuple):
    """The SHA-256 of a copy as it was written, and of what it was made from."""

    origin: str
    written: str


class _Made(NamedTuple):
    """A copy, and whether all that it shows is ours: that nobody ran a cell of it."""

    content: bytes
    is_ours: bool


def copy_notebooks(source: Path, folder: Path) -> _Copied:
    """Copy the notebooks of one folder into another, never over a file that was changed there.

    A manifest in ``folder`` holds the SHA-256 of every copy, and of the notebook and the explorers
    that it was made from. A copy that is still as it was written is updated, one that is gone is
    made again, any other is kept: one that was only executed as well, for it holds the learner's
    results.

    Args:
        source: holds the notebooks (``*.ipynb``) that are shipped.
        folder: the learner's; made if it is not there.

    Raises:
        OSError: ``folder`` is a file, or cannot be written.
    """
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file. Name a folder: rnsl lab DIR")
    notebooks = sorted(source.glob("*.ipynb"))
    with _writing_into(folder):
        for name in (_MANIFEST, *(notebook.name for notebook in notebooks)):
            paths.check_output(folder / name, overwrite=True)
        folder.mkdir(parents=True, exist_ok=True)
    busy = f"Another process copies notebooks into {folder}. Run this again."
    with paths.alone(paths.lock_of(folder / _MANIFEST), busy):
        return _update(notebooks, folder)


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
    copied, result, make = _read_manifest(folder), _Copied([], []), functools.cache(_alive)
    explorers = _digest_of_explorers()
    try:
        for notebook in notebooks:
            name, copy, shipped = notebook.name, folder / notebook.name, _digest(notebook)
            known, own = copied.get(name, _Known("", "")), _digest(copy)
            origin = _sha256(f"{shipped}{explorers}".encode())
            if known == (origin, own):
                continue
            made = make(notebook) if own in (None, shipped, known.written) else None
            if made and _digest(copy) == own:  # else it was saved meanwhile
                _write(copy, made.content)
                copied[name] = _Known(origin, _sha256(made.content))
                result.written.append(name)
            elif known.origin != origin:
                result.kept.append(name)
    finally:  # also of those before an interrupt: they are not the learner's
        _write(folder / _MANIFEST, json.dumps(copied, indent=1).encode())
    copies = {notebook: folder / notebook.name for notebook in notebooks if notebook.name in copied}
    _sign({of: at for of, at in copies.items() if _digest(at) == copied[of.name].written}, make)
    return result


def _read_manifest(folder: Path) -> dict[str, _Known]:
    """Return what is known of each file's copy; nothing if unreadable: nothing is replaced then."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        pairs = {name: [of] * 2 if isinstance(of, str) else of for name, of in manifest.items()}
        return {name: _Known(*pair) for name, pair in pairs.items()}  # once both were the same
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}


def _digest_of_explorers() -> str:
    """The SHA-256 of what decides how explorers open: the version, their code and the tables."""
    made_of = hashlib.sha256(__version__.encode())
    for folder in (paths.PACKAGE / "tutorial", paths.shipped("data")):
        for path in sorted(path for path in folder.rglob("*") if path.suffix in _MADE_OF):
            made_of.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return made_of.hexdigest()


def _digest(path: Path) -> str | None:
    return _sha256(path.read_bytes()) if path.exists() else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    with _writing_into(path.parent), paths.written_whole(path) as file:
        file.write(content)


@contextmanager
def _writing_into(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(
            f"Cannot write the notebooks into {folder} ({error.strerror or error}). Name a folder "
            "that you may write to: rnsl lab DIR"
        ) from error


def _sign(copies: Mapping[Path, Path], make: Callable[[Path], _Made]) -> None:
    """Let JupyterLab trust copies of notebooks, and nothing else that lies in their place.

    A manifest may come from anybody. So what is signed is not a copy, but what is made of its
    notebook, and nothing of one that shows what somebody computed.
    """
    import sqlite3

    import nbformat
    from jupyter_core.paths import jupyter_data_dir
    from nbformat.sign import NotebookNotary

    try:
        Path(jupyter_data_dir()).mkdir(parents=True, exist_ok=True)  # else nothing is kept
        with NotebookNotary(data_dir=jupyter_data_dir()) as notary:
            for notebook, copy in copies.items():
                trusted = notary.check_signature(nbformat.read(copy, as_version=4))
                if not trusted and make(notebook).is_ours:
                    notary.sign(nbformat.reads(make(notebook).content, as_version=4))
    except (OSError, sqlite3.Error) as error:
        said = f"JupyterLab may not trust the notebooks ({paths.in_one_line(error)}): "
        warnings.warn(f"{said}their pictures move once you run their cells.", stacklevel=2)


# ------------------------------------------------------------------ arriving alive


def _alive(path: Path) -> _Made:
    """Return a notebook whose opening moves where its picture was; links lead to the project."""
    import nbformat

    notebook, elsewhere = nbformat.read(path, as_version=4), f"]({_repository()}/blob/main/docs/"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("](../docs/", elsewhere)
    shown, opening = [cell for cell in notebook.cells if cell.get("outputs")], _opening(notebook)
    is_ours = shown in ([], [opening])
    if opening and is_ours:  # elsewhere it would not be trusted, and so not move
        [output] = opening.outputs
        output.data = _moving(path.stem, opening.source, output.data)
        until = notebook.cells.index(opening) + 1
        notebook.cells[:until] = sorted(notebook.cells[:until], key=_is_colabs)
    text: str = nbformat.writes(notebook)
    return _Made((text.rstrip("\n") + "\n").encode(), is_ours)


def _opening(notebook: "NotebookNode") -> "NotebookNode | None":
    """Return the first cell of code, if it shows its picture and was not run."""
    first = _first_code(notebook)
    if first is None or first.execution_count is not None:
        return None
    shown = [(output.output_type, {*output.get("data", {})}) for output in first.outputs]
    return first if shown == [("display_data", _PICTURE)] else None


def _first_code(notebook: "NotebookNode") -> "NotebookNode | None":
    """Return the first cell of code, but for Colab's."""
    code = (cell for cell in notebook.cells if cell.cell_type == "code")
    return next((cell for cell in code if not _is_colabs(cell)), None)


def _is_colabs(cell: "NotebookNode") -> bool:
    """Whether a cell installs the tutorial on Colab, and does nothing elsewhere."""
    return "colab" in cell.metadata.get("tags", [])


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
