"""The learner's own copies of the notebooks, and JupyterLab on the first of them."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rnsl_tutorial import _files as paths

__all__ = ["copy_notebooks", "start"]

_FIRST = "00_start_here.ipynb"
_MANIFEST = ".rnsl.json"


class _Copied(NamedTuple):
    """Names of the notebooks that `copy_notebooks` wrote, and of those that it left alone.

    Attributes:
        written: new, or updated where the learner had changed nothing.
        kept: changed by the learner, while a newer one is shipped.
    """

    written: list[str]
    kept: list[str]


def copy_notebooks(source: Path, folder: Path) -> _Copied:
    """Copy the notebooks of one folder into another, never over a file that was changed there.

    A manifest in ``folder`` holds the SHA-256 of every notebook as it was copied. A notebook that
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
    return [str(folder / _FIRST), f"--ServerApp.root_dir={folder}", *options]


def _update(notebooks: Sequence[Path], folder: Path) -> _Copied:
    copied, result = _read_manifest(folder), _Copied([], [])
    for notebook in notebooks:
        name, shipped, own = notebook.name, _digest(notebook), _digest(folder / notebook.name)
        if own not in (None, shipped, copied.get(name)):
            if copied.get(name) != shipped:
                result.kept.append(name)
            continue
        if own != shipped:
            _write(folder / name, notebook.read_bytes())
            result.written.append(name)
        copied[name] = shipped
    _write(folder / _MANIFEST, json.dumps(copied, indent=1).encode())
    return result


def _read_manifest(folder: Path) -> dict[str, str | None]:
    """Return file name -> SHA-256 as copied; empty if unreadable, so that nothing is replaced."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _write(path: Path, content: bytes) -> None:
    with paths.written_whole(path) as file:
        file.write(content)
