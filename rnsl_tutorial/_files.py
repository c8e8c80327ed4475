"""Where things lie, how files are written, and names that are safe in a table."""

import os
import struct
import tokenize
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import platformdirs

PACKAGE = Path(__file__).parent

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_APOSTROPHE = "'"

DAMAGE = (
    *(AttributeError, KeyError, TypeError, ValueError, EOFError, MemoryError, OSError),
    *(OverflowError, RuntimeError, SyntaxError, tokenize.TokenError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)
"""What numpy, zipfile and json raise on the bytes of a file that is damaged or of another kind."""


def shipped(*parts: str) -> Path:
    """Return the path of a file or folder that comes with the package.

    A wheel carries ``data`` and ``notebooks`` inside the package; a clone has them beside it.

    Args:
        parts: path components, such as ``"data", "aid", "features.npz"``.

    Raises:
        FileNotFoundError: neither place has it; the installation is incomplete.
    """
    candidates = [base.joinpath(*parts) for base in (PACKAGE, PACKAGE.parent)]
    for path in candidates:
        if path.exists():
            return path
    raise FileNotFoundError(
        f"{'/'.join(parts)} does not come with this installation (looked for {candidates[0]} and "
        f"{candidates[1]}). Install the package again: pip install --force-reinstall ."
    )


def cache_dir() -> Path:
    """Return the cache folder: ``RNSL_CACHE`` if set, else the platform's (XDG on Linux).

    The folder is not created here; whoever writes into it does that.
    """
    override = os.environ.get("RNSL_CACHE")
    if override:
        return Path(override).expanduser()
    return platformdirs.user_cache_path("rnsl-tutorial")


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only once it is safely on disk.

    The bytes go into a neighbour (``*.tmp``) that replaces ``path`` at the end of the block and
    vanishes if the block raises: a full disk or an interrupt leaves whatever was there before.

    Args:
        path: the file; its folder is created.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def made_earlier(path: Path, otherwise: str, remedy: str) -> Iterator[BinaryIO]:
    """Open a file that the tutorial made; where its bytes cannot be read, say so in one line.

    Args:
        path: the file.
        otherwise: what is said of it then, such as "is damaged or holds no maps".
        remedy: a sentence on what to do.

    Raises:
        OSError: the file is not there, or must not be read.
        ValueError: reading it failed in the block.
    """
    with path.open("rb") as file:
        try:
            yield file
        except DAMAGE as error:
            raise ValueError(f"{path} {otherwise} ({error}). {remedy}") from error


def guarded(name: str) -> str:
    """Return a name that no spreadsheet computes: with an apostrophe in front where it needs one.

    A spreadsheet takes a cell that begins with one of ``= + - @`` (or a tab or line break) for a
    formula, and a formula may fetch an address or start a program. A class folder may be called so,
    and an archive may come from anybody. A name that begins with an apostrophe gets another, so
    that `original` tells them apart.
    """
    return _APOSTROPHE + name if name.startswith((*_FORMULA, _APOSTROPHE)) else name


def original(cell: str) -> str:
    """Return the name that `guarded` was given."""
    return cell.removeprefix(_APOSTROPHE)
