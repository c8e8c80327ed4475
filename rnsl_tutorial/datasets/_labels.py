"""Labels that are no folders: a table of files and labels, and which row belongs to which image."""

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from rnsl_tutorial._files import csv_rows, made_earlier, printable
from rnsl_tutorial.datasets._listing import Found

__all__ = ["labelled_by", "read_table"]

_COLUMNS = ("file", "label")
_FORM = "Give a csv or parquet with the columns file and label."
_MAX_NAMED = 10  # files in a message


def read_table(path: Path) -> dict[str, str]:
    """Read which label each file has; a file without one is left out.

    Args:
        path: a csv as `csv_rows` reads it, or a parquet.

    Returns:
        file -> label, as they are written.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it has no such columns, is damaged, or gives a file two labels.
    """
    read = _from_parquet if path.suffix.lower() in (".parquet", ".pq") else _from_csv
    table: dict[str, str] = {}
    for file, label in read(path):
        if label and table.setdefault(file, label) != label:
            raise ValueError(
                f"{path} gives {file!r} two labels, {table[file]!r} and {label!r}. Keep one."
            )
    if not table:
        raise ValueError(f"{path} holds no label. {_FORM}")
    return table


def _from_csv(path: Path) -> Iterable[tuple[str, str]]:
    for row in csv_rows(path, _COLUMNS, _COLUMNS, _FORM):
        yield row["file"].strip(), row["label"].strip()


def _from_parquet(path: Path) -> Iterable[tuple[str, str]]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ValueError(
            f'{path} is parquet, which needs pyarrow: pip install "rnsl-tutorial[parquet]"'
        ) from error
    with made_earlier(path, "is damaged or no parquet", _FORM) as file:
        table = parquet.read_table(file)
        if not {*_COLUMNS} <= {*table.column_names}:
            raise ValueError(f"its columns are {printable(', '.join(table.column_names))[:80]}")
        columns = [table.column(name).to_pylist() for name in _COLUMNS]
    return [(_text(file), _text(label)) for file, label in zip(*columns, strict=True)]


def _text(cell: Any) -> str:
    """A cell as csv would have it: pandas makes floats of whole numbers with gaps."""
    if cell is None or cell != cell:
        return ""
    return str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).strip()


def labelled_by(
    found: Found, table: Mapping[str, str], root: Path, path: Path, *, skip: bool
) -> Found:
    """Give images the labels of a table.

    A row belongs to the image of its path, relative to the archive; else to the one that has more
    of the path's end in common than any other, at least the bare name.

    Args:
        found: images without labels.
        table: from `read_table`.
        root: of the archive, for messages.
        path: of the table.
        skip: whether images without a row are passed over, and not refused.

    Raises:
        ValueError: no row fits, two fit an image alike, there is one class only, or images without
            a row.
    """
    rows = _matched(table, [found.name(image) for image in found.images], path)
    labels = {i: table[rows[found.name(i)]] for i in found.images if found.name(i) in rows}
    if not labels:
        raise ValueError(
            f"No row of {path} fits an image of {root}: it has {next(iter(table))!r}, and images "
            f"are such as {found.name(found.images[0])!r}. Give files relative to the archive, or "
            "their bare names."
        )
    if len({*labels.values()}) == 1:
        raise ValueError(f"{path} knows one label only for these images; two are needed at least.")
    without = [image for image in found.images if image not in labels]
    if without and not skip:
        raise ValueError(
            f"{len(without):,} of {len(found.images):,} images in {root} have no label in {path}: "
            f"{_named(map(found.name, without))}. Add them, or go on without these images by "
            "--skip-broken."
        )
    used = {*rows.values()}
    passed = [known for known in found.passed if PurePosixPath(known[0]).name != path.name]
    passed += [(image, f"no label in {path.name}") for image in without]
    passed += [(row, f"a row of {path.name}, and no image") for row in table if row not in used]
    return found._replace(images=[*labels], labels=labels, passed=passed)


def _named(names: Iterable[str]) -> str:
    first = [*names]
    more = f" and {len(first) - _MAX_NAMED:,} more" if len(first) > _MAX_NAMED else ""
    return ", ".join(first[:_MAX_NAMED]) + more


def _parts(name: str) -> tuple[str, ...]:
    """A path's parts, whichever system wrote it."""
    plain = unicodedata.normalize("NFC", name.replace("\\", "/"))
    return tuple(part for part in PurePosixPath(plain).parts if part != "/")


def _matched(table: Mapping[str, str], files: Sequence[str], path: Path) -> dict[str, str]:
    """Return the row of each image that has one."""
    by_parts = {_parts(file): file for file in files}
    exact = {parts for parts in map(_parts, table) if parts in by_parts}
    ends: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for parts in {*by_parts} - exact:
        for i in range(len(parts)):
            ends[parts[i:]].append(by_parts[parts])
    best: dict[str, tuple[float, str]] = {}
    for row in table:
        file, common = _fitting(_parts(row), by_parts, ends)
        before, other = best.get(file, (0, ""))
        if file and before == common and table[other] != table[row]:
            raise ValueError(
                f"{path} gives {file!r} two labels: the rows {other!r} and {row!r} fit alike. Keep "
                "one, or give files relative to the archive."
            )
        if file and common > before:
            best[file] = common, row
    return {file: row for file, (_, row) in best.items()}


def _fitting(
    parts: tuple[str, ...],
    by_parts: Mapping[tuple[str, ...], str],
    ends: Mapping[tuple[str, ...], Sequence[str]],
) -> tuple[str, float]:
    """Return the image that a row belongs to, or "", and how many parts they have in common."""
    if parts in by_parts:
        return by_parts[parts], math.inf
    for i in range(len(parts)):
        if fits := ends.get(parts[i:]):
            return (fits[0], len(parts) - i) if len(fits) == 1 else ("", 0)
    return "", 0
