"""Tars and zips, read in stored order, and refused where they are made to do harm.

Whoever packed an archive decides what it says of itself: more bytes than a disk has, names that
lead out of a folder, links, devices. Here is the one place where that is checked, for archives
that are read where they lie and for those that are unpacked.
"""

import lzma
import os
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Self

from rnsl_tutorial._files import escaped, in_one_line

__all__ = ["Member", "check_bytes", "explained", "is_packed", "names_checked", "read"]

_MAX_MEMBERS = 2**20
_MAX_FILE_BYTES = 2**29  # of one encoded image: the largest that Pillow decodes has fewer
_MAX_PATH = 4096  # characters
_MAX_NAME_BYTES = 2**20  # of a tar's member, with what else it says of it

_ENTRY, _DIRECTORY_SIZE = b"PK\x01\x02", 5  # of the list at a zip's end, and where zipfile keeps it

_ERRORS = (
    *(OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    RuntimeError,  # an encrypted zip, or one packed by an unknown method
    KeyError,  # a hard link in a tar to a file that is not there
    *(struct.error, OverflowError, UnicodeDecodeError),  # numbers and names that are none
)

_NAMING = (  # headers that are followed by names
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)


class Member(NamedTuple):
    """What a tar or zip says of one thing that it holds.

    Attributes:
        name: its path.
        stored: the same as it is stored; zipfile cuts and mends it for the platform.
        size: bytes, unpacked; 0 for a hard link, which does not tell.
        is_file: whether it is a file, or in a tar a hard link to one.
        is_folder: whether it is a folder. What is neither is a symbolic link or a device.
    """

    name: str
    stored: str
    size: int
    is_file: bool
    is_folder: bool


_Opened = Iterator[tuple[Member, Callable[[], bytes]]]


class _Spent:
    """Bytes that were unpacked so far: of files, and of what tells of them."""

    total = 0


def is_packed(path: Path) -> bool:
    """Whether a file is a tar, of any compression that tarfile reads, or a zip."""
    return _is_tar(path) or zipfile.is_zipfile(path)


def read(
    path: Path, wanted: Callable[[Member], bool], *, expansion: float, at_least: int = 0
) -> Iterator[tuple[Member, bytes]]:
    """Yield what a tar or zip holds, in stored order, with the bytes of the files that are wanted.

    Args:
        path: the tar or zip.
        wanted: whether a member's bytes are read; those of others are empty.
        expansion: it may unpack to this many times its size ...
        at_least: ... or to so many bytes, if these are more.

    Raises:
        ValueError: it is damaged, encrypted or no tar or zip, or beyond what is allowed: 1 million
            members, 512 MiB a wanted file, names of 4096 characters, packed by deflate in a zip.
    """
    packed = path.stat().st_size
    allowed, spent = int(max(at_least, expansion * packed)), _Spent()
    with explained(path):
        opened = _opened_tar if _is_tar(path) else _opened_zip
        for number, (member, bytes_of) in enumerate(opened(path, spent), start=1):
            _check_member(path, member, number)
            within = spent.total + member.size <= allowed
            data = bytes_of() if within and member.is_file and wanted(member) else b""
            spent.total += max(member.size, len(data))
            if spent.total > allowed:
                raise ValueError(
                    f"{path} has {packed:,} bytes and unpacks to more than {allowed:,}: it is made "
                    "to fill a disk, or packed very tightly. Unpack it yourself, if you trust it, "
                    "and give the folder."
                )
            yield member, data


@escaped()
def names_checked(path: Path, *, expansion: float) -> list[Member]:
    """List what a tar or zip holds, none of which would leave the folder that it is unpacked into.

    Refused is what would leave it (absolute names, "..", drive letters, backslashes), what is
    neither file nor folder (links, devices), and two files of one name, also on disks that ignore
    case.

    Raises:
        ValueError: the archive is refused, or cannot be read; see `read`.
    """
    members = [member for member, _ in read(path, lambda _: False, expansion=expansion)]
    for member in members:
        fault = _fault(member)
        if fault:
            raise ValueError(
                f"{path} holds {member.stored!r}, {fault}. Nothing was unpacked; get the archive "
                "from a source that you trust."
            )
    _check_no_name_twice(path, members)
    return members


def check_bytes(path: Path, num_bytes: int) -> None:
    """Refuse a file that no image can be.

    Raises:
        ValueError: it has more than 512 MiB.
    """
    if num_bytes > _MAX_FILE_BYTES:
        raise ValueError(
            f"{path} has {num_bytes:,} bytes or more; an image may have {_MAX_FILE_BYTES:,}. "
            "Remove or replace it."
        )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say in one sentence what goes wrong while an archive is read.

    Raises:
        ValueError: reading failed in the block.
    """
    try:
        yield
    except _ERRORS as error:
        raise ValueError(
            f"{path} cannot be read to its end ({in_one_line(error)}). It may be damaged, "
            "incomplete, encrypted or not readable for you; copy or download it again."
        ) from error


class _Header(tarfile.TarInfo):
    """A header of a tar that names no more than fits: tarfile reads all names into the memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        made = super().frombuf(buf, encoding, errors)
        if made.type in _NAMING and made.size > _MAX_NAME_BYTES:
            raise ValueError(
                f"The archive holds a name of {made.size:,} bytes; {_MAX_NAME_BYTES:,} are "
                "allowed. Pack it anew."
            )
        return made


def _is_tar(path: Path) -> bool:
    try:
        tarfile.open(path, tarinfo=_Header).close()
    except tarfile.TarError:
        return False
    return True


def _opened_tar(path: Path, spent: _Spent) -> _Opened:
    files: dict[str, tuple[int, int]] = {}  # where their bytes begin, and how many: for hard links
    with tarfile.open(path, tarinfo=_Header) as tar:
        before = 0
        while (info := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # else memory grows with each
            if info.size < 0:
                raise tarfile.ReadError(f"a file of {info.size} bytes")  # or it never ends
            is_file = info.isreg() or info.islnk()
            member = Member(info.name, info.name, info.size, is_file, info.isdir())
            spent.total += max(info.offset_data - before - tarfile.BLOCKSIZE, 0)  # its names
            yield member, partial(_tar_bytes, path, tar, info, files, spent)
            before = tar.offset
            if info.isreg() and not info.issparse():
                files[_normal(info.name)] = (info.offset_data, info.size)
            elif info.islnk() and _normal(info.linkname) in files:
                files[_normal(info.name)] = files[_normal(info.linkname)]
        assert tar.fileobj is not None
        tar.fileobj.seek(tar.offset)  # where tarfile stopped, in silence, even at a damaged header
        if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("no end-of-archive mark after the last complete file")


def _normal(name: str) -> str:
    return os.path.normpath(name).replace(os.sep, "/")


def _tar_bytes(
    path: Path,
    tar: tarfile.TarFile,
    info: tarfile.TarInfo,
    files: Mapping[str, tuple[int, int]],
    spent: _Spent,
) -> bytes:
    place, found = _inside(path, info.name), info
    if info.islnk():  # it does not tell its size, and all before it may be unpacked once more
        if _normal(info.linkname) not in files:
            raise tarfile.ReadError(f"{info.name!r} links to what is no file before it")
        found = tarfile.TarInfo(info.name)
        found.offset_data, found.size = files[_normal(info.linkname)]
        spent.total += found.offset_data
    check_bytes(place, found.size)
    file = tar.extractfile(found)
    assert file is not None  # it is a file
    data = file.read(_MAX_FILE_BYTES + 1)
    check_bytes(place, len(data))
    return data


def _opened_zip(path: Path, _: _Spent) -> _Opened:
    _check_directory(path)
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            is_plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
            is_file = is_plain and not info.is_dir()
            is_folder = is_plain and info.is_dir()
            member = Member(info.filename, info.orig_filename, info.file_size, is_file, is_folder)
            yield member, partial(_zip_bytes, path, archive, info)


def _check_directory(path: Path) -> None:
    """Refuse a zip of too many members before zipfile makes an object of each: ValueError."""
    with path.open("rb") as file:
        found = zipfile._EndRecData(file)  # type: ignore[attr-defined]
        size = found[_DIRECTORY_SIZE] if found else 0
        file.seek(max(0, path.stat().st_size - size - _MAX_NAME_BYTES))
        tail, count = b"", 0
        while data := file.read(2**20):
            count += (tail + data).count(_ENTRY)
            tail = data[1 - len(_ENTRY) :]
    if count > _MAX_MEMBERS:
        raise _too_many(path)


def _zip_bytes(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    place = _inside(path, info.filename)
    check_bytes(place, info.file_size)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(  # zipfile unpacks bzip2 and LZMA without an end, whatever is declared
            f"{place} is packed by method {info.compress_type}, not by deflate; "
            "pack the zip anew, or unpack it."
        )
    return archive.read(info)


def _inside(path: Path, name: str) -> Path:
    return path / name.lstrip("/")


def _check_member(path: Path, member: Member, number: int) -> None:
    if number > _MAX_MEMBERS:
        raise _too_many(path)
    if len(member.name) > _MAX_PATH:
        raise ValueError(
            f"The archive holds a name of {len(member.name):,} characters, {member.name[:40]!r}...;"
            f" {_MAX_PATH:,} are allowed. Pack it anew."
        )


def _too_many(path: Path) -> ValueError:
    return ValueError(
        f"{path} holds more than {_MAX_MEMBERS:,} files and folders. Unpack it yourself, if you "
        "trust it, and give the folder."
    )


def _fault(member: Member) -> str:
    """Say why a member must not be unpacked; empty if it may be."""
    path = PurePosixPath(member.stored)
    if path.is_absolute() or ".." in path.parts or any(sign in member.stored for sign in "\\:\0"):
        return "a name that may lead out of the folder"
    if not path.parts:
        return "an empty name"
    return "" if member.is_file or member.is_folder else "a link or device"


def _check_no_name_twice(archive: Path, members: Sequence[Member]) -> None:
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for member in members:
        path = PurePosixPath(unicodedata.normalize("NFC", member.name).casefold())
        folders.update([path] if member.is_folder else path.parents)
        if member.is_file and path in files:
            raise ValueError(
                f"{archive} holds {member.name!r} twice, or with other capitals. Nothing was "
                "unpacked."
            )
        files.update([path] if member.is_file else [])
    if files & folders:
        raise ValueError(
            f"{archive} holds {min(files & folders)} as a file and as a folder. Nothing was "
            "unpacked."
        )
