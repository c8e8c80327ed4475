"""Single images of an archive, read by their names, where all of it would take too long."""

import tarfile
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from rnsl_tutorial.datasets import _listing, _packed

__all__ = ["readers"]


def readers(root: Path) -> Mapping[str, Callable[[], bytes]]:
    """Return what reads the bytes of each image, by its name as `Archive.files` has it.

    Args:
        root: folder of class folders, or a tar or zip of one. A compressed tar is slow.

    Raises:
        ValueError: it is no such archive, or damaged; the readers raise it, too.
    """
    with _packed.explained(root):
        members = {} if root.is_dir() else _members(root)
        listed = _listing.list_members(members) if members else _listing.list_on_disk(root)
        found = _listing.find(root, listed, classes=True, nested=False, skip_broken=True)
    read = {path: members.get(path) or (root / path).read_bytes for path in found.images}
    return {found.name(path): partial(_explained, root, one) for path, one in read.items()}


def _explained(root: Path, reader: Callable[[], bytes]) -> bytes:
    with _packed.explained(root):
        return reader()


def _members(root: Path) -> dict[str, Callable[[], bytes]]:
    """The files of a tar or zip, which stays open."""
    if zipfile.is_zipfile(root):
        pack = zipfile.ZipFile(root)
        found = {
            info.filename: partial(_packed._zip_bytes, root, pack, info)
            for info in pack.infolist()
            if not info.is_dir()
        }
    else:
        tar = tarfile.open(root, tarinfo=_packed._Header)  # noqa: SIM115 - it stays open
        found = {
            info.name: partial(_packed._tar_bytes, root, tar, info, {}, _packed._Spent())
            for info in tar
            if info.isreg()
        }
    parts = {name: PurePosixPath(name).parts for name in found}
    return {"/".join(parts[n]): found[n] for n in found if all(map(_listing.is_visible, parts[n]))}
