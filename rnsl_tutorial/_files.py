"""Where things lie, how files are written, and how those of somebody else are read.

Whatever comes from somebody else goes through three doors: `opened` takes plain files of a bounded
size, `typed` holds what they say to a type, and `printable` keeps from a terminal what steers it.
"""

import csv
import io
import os
import re
import stat
import struct
import tokenize
import uuid
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import platformdirs

PACKAGE = Path(__file__).parent

_Typed = TypeVar("_Typed")

_CELL = r"((?:^|[,;|\t\r\n])[\" \t\r\n]*)"  # where a cell begins, whatever parts cells
_FORMULA = re.compile(_CELL + "(?=[=+\\-@'＝＋－＠])")
_MARKED = re.compile(_CELL + "'")

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


# ------------------------------------------------------------------ what somebody else wrote


@contextmanager
def opened(path: Path, most: int = 2**32) -> Iterator[BinaryIO]:
    """Open a plain file for reading: no device, no pipe, which would never end, and none too large.

    Args:
        path: the file.
        most: bytes that it may have.

    Raises:
        OSError: the file is not there, is a folder, or must not be read.
        ValueError: it is a device or pipe, or too large.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise ValueError(f"{printable(str(path))} is a device or pipe; give a file.")
        if state.st_size > most:
            raise ValueError(
                f"{printable(str(path))} has {state.st_size:,} bytes; a file of this kind may have "
                f"{most:,}. It is another file, or damaged."
            )
        yield file


def _without_waiting(path: str, flags: int) -> int:
    """Open, and do not wait for somebody who writes into a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@contextmanager
def made_earlier(path: Path, otherwise: str, remedy: str, most: int = 2**32) -> Iterator[BinaryIO]:
    """Open a file that the tutorial made; where its bytes cannot be read, say so in one line.

    Args:
        path: the file.
        otherwise: what is said of it then, such as "is damaged or holds no maps".
        remedy: a sentence on what to do.
        most: bytes that it may have.

    Raises:
        OSError: the file is not there, or must not be read.
        ValueError: reading it failed in the block.
    """
    with opened(path, most) as file:
        try:
            yield file
        except DAMAGE as error:
            said = in_one_line(error)[:300]
            if "pickle" in said:  # numpy then advises to trust it
                said = "it holds other things than numbers and texts"
            raise ValueError(f"{printable(str(path))} {otherwise} ({said}). {remedy}") from error


def typed(found: Any, kind: type[_Typed]) -> _Typed:
    """Hold what was decoded from a file to a type that msgspec knows, and its texts to be texts.

    Args:
        found: of dicts, lists, texts and numbers.
        kind: such as a `msgspec.Struct`, or dict[str, float].

    Raises:
        ValueError: it does not fit; says where, what is there and what is allowed.
    """
    import msgspec  # here, because few commands read such a file

    try:
        made: _Typed = msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise ValueError(_misfit(found, str(error))) from error
    for place, text in _texts(found):
        if not text.isprintable():
            raise ValueError(f"{place} is {text!a:.80}; a text without control signs is expected")
    return made


def _misfit(found: Any, said: str) -> str:
    """Say where something does not fit, and what is there, by msgspec's sentence."""
    said, _, place = said.replace("`", "").partition(" - at $")
    for name in re.findall(r"[^.\[\]]+", place):
        if name == "...":  # one of several entries, msgspec does not tell which
            return f"an entry of {printable(place.removesuffix('[...]').lstrip('.'))}: {said}"
        found = found[int(name)] if isinstance(found, list) else found[name]
    return f"{printable(place.lstrip('.')) or 'its content'} is {found!a:.80}: {said}"


def _texts(found: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text in what was decoded, names of entries too, with its place."""
    if isinstance(found, str):
        yield place.lstrip(".") or "its content", found
    elif isinstance(found, Mapping):
        for name, value in found.items():
            yield f"a name in {place.lstrip('.') or 'it'}", str(name)
            yield from _texts(value, f"{place}.{name}")
    elif isinstance(found, list):
        for i, value in enumerate(found):
            yield from _texts(value, f"{place}[{i}]")


def printable(text: str) -> str:
    """Escape what could steer a terminal, or what is no text, in a name of somebody else's."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


@contextmanager
def escaped() -> Iterator[None]:
    """Let what is raised in the block, and may quote names of somebody else's, be `printable`."""
    try:
        yield
    except (ValueError, OSError) as error:
        error.args = tuple(printable(a) if isinstance(a, str) else a for a in error.args)
        raise


def in_one_line(error: BaseException) -> str:
    """Return what an error says, in one line that a terminal may show."""
    return printable(" ".join(str(error).split())) or type(error).__name__


# ------------------------------------------------------------------ tables for a spreadsheet


def guarded(name: str) -> str:
    """Return a name that no spreadsheet computes: with an apostrophe wherever it needs one.

    A spreadsheet takes a cell that begins with one of ``= + - @`` (or a tab or line break) for a
    formula, and a formula may fetch an address or start a program. A class folder may be called so,
    and an archive may come from anybody. Which sign parts the cells is the spreadsheet's choice:
    where ``;`` does, ``x;=1+1`` is two cells. So a name is guarded behind every such sign too. An
    apostrophe that stands there itself gets another, so that `original` tells them apart.
    """
    inner = _FORMULA.sub(r"\1'", name)
    return f"'{inner}" if inner.startswith(("\t", "\r", "\n")) else inner


def original(cell: str) -> str:
    """Return the name that `guarded` was given."""
    return _MARKED.sub(r"\1", cell)


def csv_text(rows: Iterable[Iterable[object]], end: str = "\r\n") -> str:
    """Return a table as CSV, its texts `guarded`.

    Args:
        rows: the heading first.
        end: of each line.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows(
        [guarded(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return text.getvalue()
