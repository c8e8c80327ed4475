"""What somebody decided about images: read from a file, matched to an archive, taken for labels.

A row of the file is an image: ``digest`` (of its bytes; see `datasets.Archive`), ``file`` and
``given`` (its name and label when it was looked at), ``decision`` and ``label`` (its class from now
on). A decision is one of

    keep       the given label is right
    relabel    it is of the class ``label``
    unsure     nobody can tell; its label stays, and it is judged again
    discard    it belongs to no class, and is left out

An image is known by its digest, so a file that was moved or renamed keeps its decision, and one
whose content changed loses it. Where a row has no digest, the name of the file decides.

Shapes: N images, C classes.
"""

import os
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._files import printable
from rnsl_tutorial.audit.outputs import read_csv
from rnsl_tutorial.datasets.archives import Archive

__all__ = ["Decided", "decide", "read_decisions"]

_COLUMNS = ("digest", "file", "given", "decision", "label")
_DECISIONS = ("keep", "relabel", "unsure", "discard")
_DIGEST = re.compile(r"[0-9a-f]{32}|")

_Row = Mapping[str, str]


class Decided(NamedTuple):
    """What is decided about the images of an archive.

    Attributes:
        labels: int64 [N], positions in ``class_names``: the decided classes, else the given ones.
        class_names: C names: those of the archive, then new ones.
        decisions: N words; "" where nothing is decided.
        rows: all that were read.
        unmatched: rows whose image is not in the archive.
        unclear: rows that say different things of one image, or of images of the same content that
            no name tells apart; nothing is decided by them.
    """

    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    decisions: tuple[str, ...]
    rows: tuple[_Row, ...]
    unmatched: tuple[_Row, ...]
    unclear: tuple[_Row, ...]

    def undecided(self) -> NDArray[np.int64]:
        """Return the places of the images whose labels are still in question, ascending."""
        words_N = np.array(self.decisions)
        return np.flatnonzero((words_N == "") | (words_N == "unsure")).astype(np.int64)

    def trusted(self) -> NDArray[np.int64]:
        """Return the places of the images whose labels somebody has seen to be right."""
        words_N = np.array(self.decisions)
        return np.flatnonzero((words_N == "keep") | (words_N == "relabel")).astype(np.int64)


# ------------------------------------------------------------------ the file


def read_decisions(path: Path) -> list[dict[str, str]]:
    """Read the decisions that the page of an audit saved, or that a spreadsheet saved again.

    See `outputs.read_csv` for what is tolerated. Rows without a decision are passed over, so a
    list with further columns will do. The columns digest and given may be missing.

    Returns:
        A dict for each decision, with the keys digest, file, given, decision and label.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no CSV, has no column "decision", or a row that cannot be: with another
            decision, without or with an impossible label, or twice with different decisions.
    """
    shown = printable(str(path))
    found: dict[tuple[str, str], tuple[int, dict[str, str]]] = {}
    for number, cells in enumerate(read_csv(path), start=1):
        if "decision" not in cells:
            raise ValueError(
                f"{shown} has no column 'decision', only {printable(', '.join(cells))[:80]}. Give "
                "the file that the page of `rnsl audit` saves."
            )
        row = {column: cells.get(column, "") for column in _COLUMNS}
        row["decision"] = row["decision"].strip().lower()
        if not (row["decision"] or row["label"]):
            continue
        if fault := _fault(row):
            raise ValueError(f"{shown}, row {number}: {fault}")
        before, other = found.setdefault((row["digest"], row["file"]), (number, row))
        if _meant(other) != _meant(row):
            raise ValueError(
                f"{shown}, rows {before} and {number} decide differently about "
                f"{printable(row['file'])!r}. Keep one of them."
            )
    return [row for _, row in found.values()]


def _fault(row: _Row) -> str:
    """Say what a row cannot be, or nothing."""
    decision, label = row["decision"], row["label"]
    if decision not in _DECISIONS:
        return f"decision is {decision!a:.80}; choose one of {', '.join(_DECISIONS)}."
    if not _DIGEST.fullmatch(row["digest"]):
        return (
            f"digest is {row['digest']!a:.80}, and not 32 hexadecimal digits: a spreadsheet may "
            "have taken it for a number. Leave the cell empty, and the file's name decides."
        )
    if not (row["digest"] or row["file"]):
        return "neither digest nor file is given; one of them has to say which image is meant."
    if decision == "relabel" and not label:
        return "label is empty; relabel needs the name of a class."
    if decision == "keep" and row["given"] and label not in ("", row["given"]):
        return f"label is {label!a:.80} and given {row['given']!a:.80}; to change it, use relabel."
    return ""


def _meant(row: _Row) -> tuple[str, str]:
    """What a row decides: also one that says it in other words."""
    decided = row["decision"] in ("keep", "relabel")
    return ("class" if decided else row["decision"], (row["label"] or row["given"]) * decided)


# ------------------------------------------------------------------ the archive


def decide(rows: Sequence[_Row], archive: Archive) -> Decided:
    """Match decisions to the images of an archive.

    Of several images with the same bytes, a row means the one of its name, else the only one left
    in the class that was given, else all that are left.

    Args:
        rows: from `read_decisions`.
        archive: loaded, with digests or without. Where none of the rows belongs to it, a warning
            is given.

    Raises:
        ValueError: a label is no class of the archive, and cannot be the name of a folder.
    """
    row_of, unmatched, unclear = _matched(rows, archive)
    if rows and not row_of:
        said = f"None of the decisions ({len(rows):,}) is about an image of this archive."
        warnings.warn(said, stacklevel=2)
    labels = [row["label"] for row in row_of.values() if row["decision"] == "relabel"]
    new = sorted({*labels} - {*archive.class_names})
    for name in new:
        _check_new(name)
    names = (*archive.class_names, *new)
    label_of = {name: label for label, name in enumerate(names)}
    labels_N, decisions = archive.labels.copy(), [""] * len(archive.files)
    for i, row in row_of.items():
        decisions[i] = row["decision"]
        kept = row["label"] or row["given"]  # its class, also if the file was moved since
        if row["decision"] == "relabel" or (row["decision"] == "keep" and kept in label_of):
            labels_N[i] = label_of[kept]
    return Decided(labels_N, names, tuple(decisions), tuple(rows), unmatched, unclear)


def _check_new(name: str) -> None:
    """Refuse a class that could not be a folder, or would be passed over as hidden."""
    plain = Path(name).name == name and name.isprintable() and len(os.fsencode(name)) < 256
    if not plain or name.startswith(".") or name == "__MACOSX":
        raise ValueError(
            f"label is {name!a:.80}, no class of the archive, and cannot be the name of a class "
            "folder. Give another name."
        )


def _matched(
    rows: Sequence[_Row], archive: Archive
) -> tuple[dict[int, _Row], tuple[_Row, ...], tuple[_Row, ...]]:
    """Return the row of each image, the rows of none, and those that cannot be followed."""
    of_content, of_name = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for i, file in enumerate(archive.files):
        of_name[file].append(i)
        of_content[archive.digests[i] if archive.digests else ""].append(i)
    meant: dict[int, list[_Row]] = defaultdict(list)
    unmatched, unclear = list[_Row](), list[_Row]()
    for digest, same in _by_content(rows, with_digests=bool(archive.digests)):
        images = of_content.get(digest, []) if digest else of_name.get(same[0]["file"], [])
        paired, left, others = _by_name(same, images, archive)
        if others and len({_meant(row) for row in left}) == 1:
            paired += [(i, left[0]) for i in others]
        else:
            (unclear if others else unmatched).extend(left)
        for i, row in paired:
            meant[i].append(row)
    for i in [i for i, said in meant.items() if len({_meant(row) for row in said}) > 1]:
        unclear += meant.pop(i)
    return {i: said[0] for i, said in meant.items()}, tuple(unmatched), tuple(unclear)


def _by_content(
    rows: Iterable[_Row], *, with_digests: bool
) -> Iterator[tuple[str, Sequence[_Row]]]:
    """Yield each digest with its rows; a row without one comes by itself."""
    same: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        if with_digests and row["digest"]:
            same[row["digest"]].append(row)
        else:
            yield "", [row]
    yield from same.items()


def _by_name(
    rows: Sequence[_Row], images: Sequence[int], archive: Archive
) -> tuple[list[tuple[int, _Row]], Sequence[_Row], Sequence[int]]:
    """Pair rows and images of one content by file, then by class; return what is left of both."""
    paired: list[tuple[int, _Row]] = []
    ways: tuple[tuple[str, Callable[[int], str]], ...] = (
        ("file", lambda i: archive.files[i]),
        ("given", lambda i: archive.class_names[archive.labels[i]]),
    )
    for column, name in ways:
        ones, twos = defaultdict[str, list[int]](list), defaultdict[str, list[_Row]](list)
        for i in images:
            ones[name(i)].append(i)
        for row in rows:
            twos[row[column]].append(row)
        sure = {n for n, few in ones.items() if len(few) == len(twos[n]) == 1}
        paired += [(ones[n][0], twos[n][0]) for n in sorted(sure)]
        images = [i for i in images if name(i) not in sure]
        rows = [row for row in rows if row[column] not in sure]
    return paired, rows, images
