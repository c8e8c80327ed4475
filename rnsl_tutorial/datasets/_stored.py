"""The files of an archive, read one after the other in stored order, as compressed ones want it.

Paths are as in `_listing`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from rnsl_tutorial.datasets import _listing, _packed
from rnsl_tutorial.datasets._packed import Member

__all__ = ["LINK", "digest", "read"]

LINK = "a link or device in a tar or zip"
_MAX_EXPANSION = 100  # of a tar or zip, and at least _MAX_UNPACKED_BYTES; images hardly compress
_MAX_UNPACKED_BYTES = 2**31


def digest(data: bytes) -> str:
    """Return the hash of a file's bytes, 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def read(root: Path, images: Sequence[str] | None) -> Iterator[tuple[str, bytes | str | None]]:
    """Yield the path of every image, with its bytes or why it has none that can be read.

    Of a tar or zip, where the images are not known yet, also those of other files and of folders,
    with None, and those of links, with `LINK`.

    Args:
        root: the folder, tar or zip.
        images: that are read of a folder; None of a tar or zip.

    Raises:
        ValueError: it is no archive, damaged, or beyond what is allowed; see `_packed.read`.
    """
    with _packed.explained(root):
        if images is not None:
            yield from ((path, _read_file(root / path)) for path in images)
        elif root.is_file() and _packed.is_packed(root):
            yield from _read_packed(root)
        else:
            raise ValueError(
                f"{root} is no folder, tar or zip, or it is incomplete. Give {_listing.EXPECTED}."
            )


def _read_file(path: Path) -> bytes | str:
    try:
        if path.exists() and not path.is_file():
            return "a device or pipe"
        _packed.check_bytes(path, path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        return f"{error.strerror}"
    except ValueError as error:
        return str(error).removeprefix(f"{path} ").partition(". ")[0]


def _read_packed(root: Path) -> Iterator[tuple[str, bytes | str | None]]:
    stored = _packed.read(
        root, lambda member: _listing.is_image(_plain_path(member)),
        expansion=_MAX_EXPANSION, at_least=_MAX_UNPACKED_BYTES,
    )  # fmt: skip
    for member, data in stored:
        path = _plain_path(member)
        if path and not (member.is_file or member.is_folder):
            yield path, LINK
        elif path:
            yield path, data if _listing.is_image(path) else None


def _plain_path(member: Member) -> str:
    """Return the member's path without "." and root; "" for what is hidden."""
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if not parts or not all(map(_listing.is_visible, parts)):
        return ""
    return "/".join(parts) + "/" * member.is_folder
