"""A copy of an archive with the labels that were decided; the archive stays as it is.

``COPY/CLASS/NAME`` are the images: hard links where the disk has them, else copies. Beside the
classes stand two lists: ``labels.csv`` of all images, with the old and the new label, and
``labels.json`` of those in the copy, a FiftyOneImageClassificationDataset of its folder.
"""

import json
import os
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tqdm.auto import tqdm

from rnsl_tutorial._files import csv_text, folder_made_whole, require_room, written_whole
from rnsl_tutorial.audit.decisions import Decided
from rnsl_tutorial.datasets.archives import Archive

__all__ = ["LISTS", "Copied", "plan", "said_of", "write_copy"]

LISTS = ("labels.csv", "labels.json")
_PAIRS = 20  # of classes, that are told


class Copied(NamedTuple):
    """What becomes of an image; the fields are the columns of ``labels.csv``.

    Attributes:
        digest: of its bytes.
        file: its name in the archive.
        given: its label there.
        decision: as in `decisions`, "" where nothing is decided.
        label: its class from now on; "" where it is left out.
        copy: its name in the copy; "" where it is left out.
    """

    digest: str
    file: str
    given: str
    decision: str
    label: str
    copy: str


def plan(archive: Archive, decided: Decided, *, leave_out_unsure: bool = False) -> list[Copied]:
    """Say what becomes of each image.

    Images that stay in their class come first to a name there; one whose name is taken becomes
    NAME-2.EXT, NAME-3.EXT and so on, in the order of the archive. Names that differ only in case
    count as the same, as on the disks of Windows and macOS.

    Raises:
        ValueError: a name that cannot be a file's on this system, or a class has that of a list.
    """
    out = {"discard", "unsure"} if leave_out_unsure else {"discard"}
    given = [archive.class_names[label] for label in archive.labels.tolist()]
    labels = [
        "" if decision in out else decided.class_names[label]
        for decision, label in zip(decided.decisions, decided.labels.tolist(), strict=True)
    ]
    copies, names = [""] * len(labels), _Names()
    for i in sorted(range(len(labels)), key=lambda i: given[i] != labels[i]):
        if labels[i]:
            copies[i] = f"{labels[i]}/{names.free(labels[i], PurePosixPath(archive.files[i]).name)}"
    return [
        Copied(*row)
        for row in zip(
            archive.digests, archive.files, given, decided.decisions, labels, copies, strict=True
        )
    ]


class _Names:
    """Names that are taken in each class, and the number to try next with each."""

    def __init__(self) -> None:
        self.next: dict[tuple[str, str], int] = {}

    def free(self, label: str, name: str) -> str:
        """Take the name, or the next that is free."""
        if label in LISTS or any(not _is_plain(part) for part in (label, name)):
            raise ValueError(f"{label}/{name} cannot lie in a copy of the archive; rename it.")
        stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
        free, number = name, self.next.get((label, _folded(name)), 2)
        while (label, _folded(free)) in self.next:
            free, number = f"{stem[:200]}-{number}{suffix}", number + 1
        self.next[(label, _folded(name))] = number
        self.next.setdefault((label, _folded(free)), 2)
        return free


def _is_plain(name: str) -> bool:
    """Whether a name leads nowhere else, and is not passed over as hidden."""
    return Path(name).name == name and not name.startswith(".")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def said_of(copied: Sequence[Copied], decided: Decided) -> list[tuple[int, str]]:
    """Say what becomes of the images: how many, and what."""
    moved = Counter((one.given, one.label) for one in copied if one.label not in ("", one.given))
    stay = Counter(one.decision for one in copied if one.label == one.given)
    out = Counter(one.decision for one in copied if not one.label)
    renamed = sum(
        bool(c.copy) and PurePosixPath(c.file).name != c.copy.partition("/")[2] for c in copied
    )
    old, new = {one.given for one in copied}, {one.label for one in copied} - {""}
    most = moved.most_common(_PAIRS)
    rest = moved.total() - sum(count for _, count in most)
    said = [
        (moved.total(), "moved to another class:"),
        *((count, f"  from {a} to {b}") for (a, b), count in most),
        (rest, f"  in {len(moved) - len(most)} further ways"),
        (stay["keep"] + stay["relabel"], "kept in their class"),
        (stay["unsure"], "unsure: left where they are"),
        (stay[""], "not decided: left where they are"),
        (out["discard"], "left out: thrown away"),
        (out["unsure"], "left out: unsure"),
        (renamed, "renamed, because their class has a file of the name"),
        (len(decided.unmatched), "decisions about images that are not in the archive"),
        (len(decided.unclear), "decisions that contradict each other: not followed"),
        (len(new - old), f"new classes: {', '.join(sorted(new - old))}"),
        (len(old - new), f"classes without an image left: {', '.join(sorted(old - new))}"),
    ]
    return [(count, what) for count, what in said if count]


def write_copy(root: Path, archive: Archive, copied: Sequence[Copied], to: Path) -> int:
    """Make the copy, which appears whole or not at all.

    Args:
        root: the folder, tar or zip; it is only read.
        archive: loaded from it.
        copied: from `plan`.
        to: the folder, new or empty.

    Returns:
        The number of images that are links and take no room.

    Raises:
        ValueError: the archive changed since it was loaded.
        OSError: the copy cannot be written; nothing of it is kept.
    """
    copy_of = {one.file: one.copy for one in copied}
    if root.is_file():
        require_room(next(p for p in to.absolute().parents if p.exists()), root.stat().st_size)
    linked = 0
    with folder_made_whole(to) as folder:
        for label in {one.label for one in copied} - {""}:
            (folder / label).mkdir()
        for file, found in tqdm(archive.stored(root), "Copying", len(copied), unit="file"):
            if copy_of[file]:
                linked += _put(found, folder / copy_of[file])
        for name, content in zip(LISTS, _lists(copied), strict=True):
            with written_whole(folder / name) as opened:
                opened.write(content)
    return linked


def _put(found: Path | bytes, path: Path) -> bool:
    """Write an image, or link it; say whether it is a link."""
    if isinstance(found, bytes):
        with path.open("xb") as file:
            file.write(found)
        return False
    try:
        os.link(os.path.realpath(found), path)
    except FileExistsError:
        raise
    except OSError:  # another disk, or one without links, or the file of another user
        shutil.copyfile(found, path)
        return False
    return True


def _lists(copied: Sequence[Copied]) -> Iterator[bytes]:
    """Yield the contents of `LISTS`."""
    yield csv_text([Copied._fields, *copied]).encode("utf-8", "surrogateescape")
    classes = sorted({one.label for one in copied} - {""})
    place = {name: i for i, name in enumerate(classes)}
    kept = [one for one in copied if one.copy]
    labels = {str(PurePosixPath(one.copy).with_suffix("")): place[one.label] for one in kept}
    yield json.dumps({"classes": classes, "labels": labels}).encode()
