"""Which files of an archive are images, in which order, and what is passed over.

Paths are relative to the root, with "/" on every platform; a folder's path ends in "/", except for
the root's: "".
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "EXPECTED",
    "Found",
    "List",
    "find",
    "is_image",
    "is_visible",
    "list_members",
    "list_on_disk",
]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp")
_MAX_ENTRIES = 2**20  # of a folder: links may let it have more than any disk holds

EXPECTED = (
    "a folder with one folder for each class and its images in there "
    f"({', '.join(_SUFFIXES)}), or a tar or zip file of it"
)

_OTHER_TYPE = "no image, by its name"
_BESIDE = "beside the class folders"
_NESTED = "a folder within a class folder; --nested reads its images"
_EMPTY = "a class folder without images"
_LOOP = "a link to a folder around it"


class _Listing(NamedTuple):
    """What one folder holds: names of subfolders, images and other files, each sorted."""

    folders: list[str]
    images: list[str]
    others: list[str]
    identity: object = None  # two folders on a disk that are the same one have the same


List = Callable[[str], _Listing]


class Found(NamedTuple):
    """The images of an archive.

    Attributes:
        base: the folder that their names begin at; what lies around it is looked through.
        images: paths, sorted by the parts of their names.
        passed: path and reason of what is passed over, hidden files excepted.
        labels: name of the class of each image, by its path; empty where none have a class.
    """

    base: str
    images: list[str]
    passed: list[tuple[str, str]]
    labels: dict[str, str]

    def name(self, path: str) -> str:
        """A path as it is told: from the folder of class folders on."""
        return path.removeprefix(self.base)


def is_visible(name: str) -> bool:
    """Whether a file or folder of that name is looked at."""
    return not name.startswith(".") and name != "__MACOSX"


def is_image(name: str) -> bool:
    """Whether a file of that name or path is taken for an image."""
    return name.lower().endswith(_SUFFIXES)


def _listed(folders: Iterable[str], files: Iterable[str], identity: object = None) -> _Listing:
    images: list[str] = []
    others: list[str] = []
    for name in sorted(files):
        (images if is_image(name) else others).append(name)
    return _Listing(sorted(folders), images, others, identity)


def list_on_disk(root: Path) -> List:
    """Return a function that lists a folder of a folder.

    Raises:
        ValueError: by that function, after a million names.
    """
    count = 0

    def list_folder(folder: str) -> _Listing:
        nonlocal count
        with os.scandir(root / folder) as entries:
            visible = [entry for entry in entries if is_visible(entry.name)]
        count += len(visible)
        if count > _MAX_ENTRIES:
            raise ValueError(
                f"{root} holds more than {_MAX_ENTRIES:,} files and folders. Give the folder of "
                "the images alone."
            )
        folders = {entry.name for entry in visible if entry.is_dir()}
        # a dangling link counts as a file, so that reading it fails: no image is lost in silence
        files = {e.name for e in visible if e.is_file() or e.is_symlink()} - folders
        state = (root / folder).stat()
        return _listed(folders, files, (state.st_dev, state.st_ino))

    return list_folder


def list_members(paths: Iterable[str]) -> List:
    """Return a function that lists a folder of the tar or zip that has these paths."""
    folders: dict[str, set[str]] = defaultdict(set)
    files: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder = ""
        *parents, name = path.split("/")
        for parent in parents:
            folders[folder].add(parent)
            folder += f"{parent}/"
        if name:
            files[folder].add(name)
    return lambda folder: _listed(folders[folder], files[folder])


def find(root: Path, list_folder: List, *, classes: bool, nested: bool, skip_broken: bool) -> Found:
    """Find the images of an archive.

    Args:
        root: its place, for messages.
        list_folder: from `list_on_disk` or `list_members`.
        classes: whether its folders are classes; else all images are taken, wherever they lie.
        nested: whether those in folders within a class folder count too.
        skip_broken: whether a class folder without images and folders is passed over.

    Raises:
        ValueError: no images; of classes: none, a single one, or one without images.
    """
    passed: list[tuple[str, str]] = []
    base = _base(list_folder, classes, passed)
    if not classes:
        images = _walked(list_folder, base, passed)
        if not images:
            raise ValueError(f"{root / base} holds no images ({', '.join(_SUFFIXES)}).")
        return Found(base, images, passed, {})
    names = list_folder(base).folders
    if not names:
        flat = ", or a table of their labels by --labels" if list_folder(base).images else ""
        raise ValueError(f"{root / base} holds no class folders. Give {EXPECTED}{flat}.")
    labels: dict[str, str] = {}
    for name in names:
        folder = f"{base}{name}/"
        found = (_walked if nested else _direct)(list_folder, folder, passed)
        if not found and skip_broken and (nested or not list_folder(folder).folders):
            passed.append((folder, _EMPTY))
        elif not found:
            raise ValueError(_no_images(root / folder, list_folder(folder)))
        labels |= dict.fromkeys(found, name)
    left = sorted({*labels.values()})
    if len(left) < 2:
        only = f"one class folder only ({left[0]})" if left else "no image in any class folder"
        raise ValueError(f"{root / base} holds {only}; at least two are needed. Give {EXPECTED}.")
    return Found(base, [*labels], passed, labels)


def _base(list_folder: List, classes: bool, passed: list[tuple[str, str]]) -> str:
    """Look through folders that hold nothing but one folder."""
    base, listing = "", list_folder("")
    while True:
        if classes:
            passed += [(base + name, _BESIDE) for name in (*listing.images, *listing.others)]
        if len(listing.folders) != 1 or (listing.images and not classes):
            return base
        inner = list_folder(f"{base}{listing.folders[0]}/")
        if classes and (not inner.folders or (inner.images and len(inner.folders) == 1)):
            return base
        if not classes:
            passed += [(base + name, _OTHER_TYPE) for name in listing.others]
        base, listing = f"{base}{listing.folders[0]}/", inner


def _direct(list_folder: List, folder: str, passed: list[tuple[str, str]]) -> list[str]:
    listing = list_folder(folder)
    passed += [(f"{folder}{name}/", _NESTED) for name in listing.folders]
    passed += [(folder + name, _OTHER_TYPE) for name in listing.others]
    return [folder + name for name in listing.images]


def _walked(list_folder: List, folder: str, passed: list[tuple[str, str]]) -> list[str]:
    images = []
    for inner, listing in _folders(list_folder, folder, passed):
        passed += [(inner + name, _OTHER_TYPE) for name in listing.others]
        images += [inner + name for name in listing.images]
    return sorted(images, key=lambda path: path.split("/"))


def _folders(
    list_folder: List, folder: str, passed: list[tuple[str, str]]
) -> Iterator[tuple[str, _Listing]]:
    """Yield a folder and all within it, and what they hold; none that a link leads back to."""
    waiting: list[tuple[str, tuple[object, ...]]] = [(folder, ())]
    while waiting:
        inner, around = waiting.pop()
        listing = list_folder(inner)
        if listing.identity is not None and listing.identity in around:
            passed.append((inner, _LOOP))
            continue
        yield inner, listing
        deeper = (*around, listing.identity)
        waiting += [(f"{inner}{name}/", deeper) for name in listing.folders]


def _no_images(folder: Path, listing: _Listing) -> str:
    if listing.folders:
        return (
            f"Class folder {folder} holds no images, only folders such as {listing.folders[0]}. If "
            "those are the classes, give an archive of this folder alone; if they belong to this "
            "class, pass --nested."
        )
    others = f", only files such as {listing.others[0]}" if listing.others else ""
    return (
        f"Class folder {folder} holds no images ({', '.join(_SUFFIXES)}){others}. Add images to "
        "it, remove it, or go on without it by --skip-broken."
    )
