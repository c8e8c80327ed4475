"""Where things lie, how files are written, and how those of somebody else are read.

What a command writes it claims first: `claimed`, `written_whole`. Whatever comes from somebody else
goes through three doors: `opened` takes plain files of a bounded size, `typed` holds what they say
to a type, and `printable` keeps from a terminal what steers it.
"""

import csv
import errno
import glob
import io
import os
import re
import shutil
import stat
import struct
import sys
import time
import tokenize
import uuid
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import platformdirs
import psutil
from filelock import FileLock, Timeout

if sys.platform != "win32":
    import fcntl

PACKAGE = Path(__file__).parent

_Typed = TypeVar("_Typed")

_CELL = r"((?:^|[,;|\t\r\n])[\" \t\r\n]*)"  # where a cell begins, whatever parts cells
_FORMULA = re.compile(_CELL + "(?=[=+\\-@'＝＋－＠])")
_MARKED = re.compile(_CELL + "'")

_TEMPORARY = re.compile(r".*\.[0-9a-f]{32}\.tmp", re.DOTALL)
_MOST_BYTES_OF_A_TABLE = 2**30  # a row for each of some million images
_ABANDONED_S = 3600.0  # a write takes seconds: where nothing can be locked, age must tell
_LEAST_ROOM = 2**20  # bytes: with less, nothing that a command makes can be written

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


SEEN = "RNSL_SEEN"  # an environment variable: the folder of what was last seen of widgets


def seen_in(folder: str, model: str) -> Path | None:
    """Return where the picture lies of a widget as it was last seen; None for what names none.

    Args:
        folder: of the pictures, or "".
        model: the id of the widget's model, 32 hexadecimal digits.
    """
    is_id = re.fullmatch("[0-9a-f]{32}", model)
    return Path(folder, f"{model}.png") if folder and is_id else None


# ------------------------------------------------------------------ written whole or not at all


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only once it is safely on disk.

    The bytes go into a neighbour (``*.tmp``) that replaces ``path`` at the end of the block and
    vanishes if the block raises: a full disk or an interrupt leaves whatever was there before. The
    neighbours that killed processes left in the folder are removed. A link stays one.

    Args:
        path: the file; its folder is created.

    Raises:
        OSError: the folder cannot be written to, or the disk is full; it names the file.
    """
    path = path.expanduser()
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    with _named(path), _neighbour(path) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
        if sys.platform == "win32":
            file.close()  # what is open cannot be moved there
        Path(file.name).replace(path)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an error of the system name the file that was meant, not its neighbour or none."""
    try:
        yield
    except OSError as error:
        named = str(error.filename or "")
        if error.errno and (not named or _TEMPORARY.fullmatch(named)):
            error.filename, error.filename2 = str(path), None
        raise


@contextmanager
def _neighbour(path: Path) -> Iterator[BinaryIO]:
    """Open a new file beside another; that it is locked tells that its writer lives."""
    file = _locked_neighbour(path)
    try:
        with file:
            yield file
    finally:
        Path(file.name).unlink(missing_ok=True)


def _locked_neighbour(path: Path) -> BinaryIO:
    while True:
        neighbour = path.with_name(f"{path.name[:50]}.{uuid.uuid4().hex}.tmp")
        file = neighbour.open("xb")
        with suppress(OSError):  # not every file system has locks
            _lock(file, wait=True)
        if neighbour.exists():
            return file
        file.close()  # in the instant before it was locked somebody took it for abandoned


def _lock(file: BinaryIO, *, wait: bool) -> None:
    """Lock an open file until it is closed, or its process ends.

    Windows needs no lock: nobody can remove a file there that is open.

    Raises:
        BlockingIOError: another process holds the lock.
    """
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed processes were writing in a folder, and what they had locked."""
    for path in folder.glob("*.tmp"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            with suppress(OSError):
                _remove_if_abandoned(path)


def _remove_if_abandoned(path: Path) -> None:
    if sys.platform == "win32":
        path.unlink()
        return
    with path.open("r+b") as file:
        try:
            _lock(file, wait=False)
        except BlockingIOError:
            return
        except OSError:
            if time.time() - path.stat().st_mtime < _ABANDONED_S:
                return
        path.unlink()


@contextmanager
def folder_made_whole(path: Path) -> Iterator[Path]:
    """Give a neighbour of a folder to fill, and put it into the folder's place at the end.

    The neighbour vanishes if the block raises; those that killed processes left are removed, so
    whoever calls holds a lock.

    Args:
        path: the folder, new or empty; see `check_vacant`.
    """
    for left in path.parent.glob(f".{glob.escape(path.name[:50])}.{'[0-9a-f]' * 32}.unpacking"):
        shutil.rmtree(left, ignore_errors=True)
    new = path.with_name(f".{path.name[:50]}.{uuid.uuid4().hex}.unpacking")
    new.mkdir(parents=True)
    try:
        yield new
        if path.exists():
            path.rmdir()  # it is empty; Windows does not replace it
        new.rename(path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def check_vacant(path: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        FileExistsError: it does, or is no folder.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise FileExistsError(
            f"{path} exists and holds something else. Name a new folder, or remove this one."
        )


def require_room(folder: Path, num_bytes: int) -> None:
    """Refuse what a disk has no room for, before it is made.

    Raises:
        OSError: ENOSPC; it says how many bytes are needed and free.
    """
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        needed = f"{num_bytes / 1e6:,.1f} MB are needed, {free / 1e6:,.1f} MB are free"
        raise OSError(errno.ENOSPC, needed, str(folder))


def require_memory(num_bytes: int, what: str) -> None:
    """Refuse what would not fit into the memory that is free, before it is made.

    Args:
        num_bytes: that are needed at least.
        what: needs them, as the beginning of a sentence.

    Raises:
        ValueError: fewer are free.
    """
    free = psutil.virtual_memory().available
    if num_bytes > free:
        raise ValueError(
            f"{what} would take {num_bytes / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are "
            "free. Choose less."
        )


# ------------------------------------------------------------------ what a command writes


@contextmanager
def claimed(
    *outputs: Path,
    overwrite: bool = False,
    archive: Path | None = None,
    reads: Iterable[Path | None] = (),
    other: str = "name",
    is_folder: bool = False,
) -> Iterator[None]:
    """Keep a command from the files of others, and other processes from its own, until it ends.

    Args:
        outputs: files that it is going to write.
        overwrite: see `check_output`, as for all that follow.
        archive: that is read.
        reads: other files that are read.
        other: what to choose another of.
        is_folder: whether they are folders.

    Raises:
        ValueError: two outputs of one name; or see `check_output`.
        BlockingIOError: another process is writing one of them.
        OSError: see `check_output`.
    """

    def check() -> None:
        for path in outputs:
            check_output(
                path, is_folder=is_folder, overwrite=overwrite, archive=archive, reads=reads,
                other=other,
            )  # fmt: skip

    check()
    if len({os.path.realpath(path) for path in outputs}) < len(outputs):
        raise ValueError(f"{outputs[0]} is named for two outputs; give each its own name.")
    with ExitStack() as held:
        for path in outputs:
            busy = f"Another process is writing {path}. Wait until it ends, or choose another"
            held.enter_context(alone(lock_of(path), f"{busy} {other}."))
        check()  # once more: a process may have ended in between
        yield


def check_output(
    path: Path,
    *,
    is_folder: bool = False,
    overwrite: bool = False,
    archive: Path | None = None,
    reads: Iterable[Path | None] = (),
    other: str = "name",
) -> None:
    """Refuse, before any work is done, what could not be written in the end, or must not be.

    Args:
        path: file to be written.
        is_folder: whether it is a folder instead, which may exist.
        overwrite: whether the file may exist.
        archive: folder, tar or zip of images that are read: nothing is written into it.
        reads: other files that are read, which are not replaced either.
        other: what to choose another of, such as an option.

    Raises:
        ValueError: it lies in the archive, is read, exists, or is a folder, device or pipe.
        OSError: its folder cannot be written to, its name is too long, or the disk is full.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        path.stat()  # a name that is too long, a link to itself
    _check_reads(path, archive, reads, other)
    if path.exists() and not (path.is_dir() if is_folder else path.is_file()):
        found = "folder" if path.is_dir() else "file" if path.is_file() else "device or pipe"
        wanted = "folder" if is_folder else "file"
        raise ValueError(f"{path} is a {found}; give the name of a {wanted}.")
    if path.is_file() and not overwrite:
        raise ValueError(
            f"{path} exists; choose another {other}, or pass --overwrite to replace it."
        )
    parents = Path(os.path.realpath(path)).parents
    places = (path, *parents) if is_folder else parents
    _check_writable(path, next(place for place in places if place.exists()), other)


def _check_reads(
    path: Path, archive: Path | None, reads: Iterable[Path | None], other: str
) -> None:
    if archive and _holds(archive, path):
        raise ValueError(
            f"{path} lies in the archive {archive}, which has to stay as it is. Choose another "
            f"{other}."
        )
    for read in filter(None, (archive, *reads)):
        if _holds(path, read):
            raise ValueError(f"{path} is what is read ({read}); choose another {other}.")


def _holds(outer: Path, inner: Path) -> bool:
    """Whether two places are the same, or the first is a folder around the second."""
    outer, inner = (Path(os.path.realpath(path.expanduser())) for path in (outer, inner))
    around = [place for place in (inner, *inner.parents) if place.exists()]
    return outer.exists() and any(place.samefile(outer) for place in around)


def _check_writable(path: Path, folder: Path, other: str) -> None:
    if not folder.is_dir():
        raise PermissionError(
            f"{path} cannot be written to, because {folder} is no folder. Choose another {other}."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            errno.EACCES, f"You may not write there; choose another {other}", str(folder)
        )
    require_room(folder, _LEAST_ROOM)


def lock_of(path: Path) -> Path:
    """Return the file that whoever is going to write another file holds meanwhile."""
    digest = blake2b(os.fsencode(path.name), digest_size=16).hexdigest()
    return path.with_name(f".{path.name[:50]}.{digest}.tmp")


@contextmanager
def alone(lock: Path, busy: str) -> Iterator[None]:
    """Hold a lock until the end of the block; the lock of a process that ended is none.

    The lock's file and the folders that were made for it are gone afterwards, if nothing else lies
    in them.

    Args:
        lock: the file.
        busy: what is said where another process holds the lock.

    Raises:
        BlockingIOError: another process holds the lock.
        OSError: the folder cannot be written to.
    """
    new = [folder for folder in lock.parents if not folder.exists()]
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0.1):
            try:
                yield
            finally:
                with suppress(OSError):  # Windows removes it with the lock
                    lock.unlink()
    except Timeout:
        raise BlockingIOError(busy) from None
    finally:
        for folder in new:
            with suppress(OSError):
                folder.rmdir()


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


def csv_rows(
    path: Path, columns: Sequence[str], names: Sequence[str], remedy: str
) -> Iterator[dict[str, str]]:
    """Yield the rows of a table, a dict each from column to text, as long as the heading.

    Also of one that a spreadsheet saved, with a byte-order mark, without empty cells at the end of
    a row, or with its cells parted by ``;``, tabs or ``|``.

    Args:
        path: the file.
        columns: that it must have; further ones are given as well.
        names: columns whose texts are `guarded`; they are given as they were.
        remedy: a sentence on what to do about a table of another kind.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is not there, or twice; a row has more cells than there are columns; it
            is a device, pipe, or larger than 1 GiB.
    """
    shown = printable(str(path))
    with opened(path, _MOST_BYTES_OF_A_TABLE) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        heading = text.readline(2**16)
        reader = csv.reader(chain([heading], text), delimiter=max(",;\t|", key=heading.count))
        try:
            found: list[str] = next(reader, [])
            if not {*columns} <= {*found} or len({*found}) < len(found):
                missing = " and ".join(repr(name) for name in columns if name not in found)
                wrong = f"no column {missing}" if missing else "one of its columns twice"
                raise ValueError(
                    f"{shown} has {wrong}: {printable(', '.join(found))[:80]}. {remedy}"
                )
            for row in filter(None, reader):
                if len(row) > len(found):
                    raise ValueError(
                        f"{shown}, line {reader.line_num}: {len(row)} cells were found, and there "
                        f"are {len(found)} columns. {remedy}"
                    )
                cells = dict(zip(found, [*row, *[""] * (len(found) - len(row))], strict=True))
                yield {n: original(cell) if n in names else cell for n, cell in cells.items()}
        except csv.Error as error:
            raise ValueError(f"{shown}, line {reader.line_num}: {error}. It is no CSV.") from error
