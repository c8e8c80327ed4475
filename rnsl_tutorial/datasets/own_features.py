"""Features of one's own: from a file of whoever made them, matched with images by file name.

Shapes: M rows of the file, N images of an archive, F features.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._arrays import block
from rnsl_tutorial._files import made_earlier, printable
from rnsl_tutorial._tables import opened_npz
from rnsl_tutorial.datasets.features import load_features

__all__ = ["read_features"]

_MOST = 2**40  # bytes of a file: an array that is mapped fills no memory
_BLOCK = 4096  # rows that are looked at together
_FORM = "Give numbers [images, features] as npy, npz with `files` beside them, or parquet."


class _OwnFeatures(NamedTuple):
    """Features as a file has them.

    Attributes:
        features: float32 [M, F], finite; of an npy file in float32 a map of it, not to be written
            to.
        files: M names, or none: then the rows stand in the order of the archive's files.
        source: the file, for messages.
    """

    features: NDArray[np.float32]
    files: tuple[str, ...]
    source: Path

    def of(self, files: Sequence[str]) -> NDArray[np.float32]:
        """Return the features float32 [N, F] of images.

        Args:
            files: N names, such as `Archive.files`. The file may name them by longer paths, that
                end alike, or by shorter ones; it may have rows of other images, too.

        Raises:
            ValueError: an image has no row, or several; or, without names, the counts differ.
        """
        rows_N = _rows(self.files, files, self.source) if self.files else np.arange(len(files))
        if not self.files and len(files) != len(self.features):
            raise ValueError(
                f"{printable(str(self.source))} has {len(self.features):,} rows of features for "
                f"{len(files):,} images, and no file names to match them by. Give a row an image, "
                "in the order of the archive's files; or an npz or parquet with names."
            )
        in_order = np.array_equal(rows_N, np.arange(len(self.features)))
        return self.features if in_order else self.features[rows_N]


def read_features(path: Path) -> _OwnFeatures:
    """Read features of one's own.

    From npy an array [M, F], in the order of the archive's files, classes and names sorted. From
    npz the array ``features`` or ``embeddings``, or the only one of two dimensions, and M names in
    ``files``, if they are there; also what `save_features` or ``rnsl embed`` wrote. From parquet
    the only column of lists, else all columns of floating-point numbers, and the names from the
    only column of texts, or from that called ``file``.

    Args:
        path: ends with .npy, .npz, .parquet or .pq; the last two need pyarrow.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another kind of file, a damaged one, features that are no finite numbers [M, F],
            or names of another number.
    """
    path = path.expanduser()
    read = _READERS.get(path.suffix.lower())
    with made_earlier(path, "holds no features", _FORM, _MOST) as file:
        if read is None:
            raise ValueError(
                f"its name ends with {path.suffix!r}, not one of {', '.join(_READERS)}"
            )
        features, files = read(file, path)
        return _OwnFeatures(_checked(features, files), files, path)


def _from_npy(_: BinaryIO, path: Path) -> tuple[Any, tuple[str, ...]]:
    return np.lib.format.open_memmap(path, mode="r"), ()


def _from_npz(file: BinaryIO, path: Path) -> tuple[Any, tuple[str, ...]]:
    with opened_npz(file) as members:
        if {"codes", "step", "files"} <= {*members}:
            made = load_features(path)
            return made.features, made.files
        names = np.asarray(members["files"] if "files" in members else np.array([], str))
        if names.dtype.kind != "U" or names.ndim > 1:
            raise ValueError(f"files are {names.dtype} {list(names.shape)}, no texts")
        files = tuple(names.tolist()) if names.ndim else tuple(names.item().split("\n"))
        return _named_array(members), files


def _named_array(members: Mapping[str, Any]) -> Any:
    """What is called so, or the only array of two dimensions."""
    for name in ("features", "embeddings"):
        if name in members:
            return members[name]
    found = [array for array in members.values() if array.ndim == 2]
    if len(found) != 1:
        raise ValueError(f"which of {', '.join(members)} is meant? Call it features")
    return found[0]


def _from_parquet(file: BinaryIO, _: Path) -> tuple[Any, tuple[str, ...]]:
    try:
        from pyarrow import parquet, types
    except ImportError as error:
        raise ValueError('it needs pyarrow: pip install "rnsl-tutorial[parquet]"') from error
    table = parquet.read_table(file)
    of_kind: dict[str, list[Any]] = {"texts": [], "lists": [], "floats": []}
    for name, column in zip(table.column_names, table.columns, strict=True):
        for kind, tests in _COLUMNS.items():
            if any(getattr(types, f"is_{test}")(column.type) for test in tests):
                of_kind[kind].append((name, column))
    texts, lists, floats = of_kind.values()
    named = texts if len(texts) < 2 else [text for text in texts if text[0] == "file"]
    if len(lists) > 1 or not (lists or floats) or len(named) < min(1, len(texts)):
        raise ValueError(f"which of its columns are meant? It has {', '.join(table.column_names)}")
    if any(column.null_count for _, column in (*named, *(lists or floats))):
        raise ValueError("a value is missing")
    rows = _stacked(lists[0][1]) if lists else np.stack([c.to_numpy() for _, c in floats], axis=1)
    return rows, tuple(map(str, named[0][1].to_pylist())) if named else ()


_READERS = {".npy": _from_npy, ".npz": _from_npz, ".parquet": _from_parquet, ".pq": _from_parquet}

_COLUMNS = {
    "texts": ("string", "large_string", "dictionary"),
    "lists": ("list", "large_list", "fixed_size_list"),
    "floats": ("floating",),
}
"""Kind of a column -> pyarrow's types of it."""


def _stacked(column: Any) -> NDArray[Any]:
    """Lists of equal length as rows."""
    flat = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    lengths = {len(one) for chunk in column.chunks for one in chunk}
    if len(lengths) != 1:
        raise ValueError(f"its lists have {len(lengths)} different lengths")
    return np.concatenate(flat).reshape(len(column), lengths.pop())


def _checked(features: Any, files: Sequence[str]) -> NDArray[np.float32]:
    found: NDArray[Any] = np.asanyarray(features)
    if found.dtype.kind not in "iuf" or found.ndim != 2 or not found.size:
        raise ValueError(f"it has {found.dtype} {list(found.shape)}")
    if files and len(files) != len(found):
        raise ValueError(f"it has {len(found):,} rows and names {len(files):,} files")
    with np.errstate(over="ignore"):
        found = found.astype(np.float32, copy=False)
    for start in range(0, len(found), _BLOCK):
        bad = ~np.isfinite(block(found, start, _BLOCK)).all(axis=1)
        if bad.any():
            row = start + int(bad.argmax())
            named = f" ({files[row]})" if files else ""
            raise ValueError(f"row {row}{named} is not finite in float32")
    return found


def _rows(names: Sequence[str], files: Sequence[str], source: Path) -> NDArray[np.int64]:
    """Row of each file: that whose name is the same, or ends with it, or is an end of it."""
    depths = {file.count("/") + 1 for file in files}
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        for end in {"/".join(parts[-depth:]) for depth in depths}:
            rows[end].append(row)
    found = [next((rows[end] for end in _ends(file) if end in rows), []) for file in files]
    uses = Counter(row for at in found for row in at)
    for file, at in zip(files, found, strict=True):
        if len(at) != 1 or uses[at[0]] > 1:
            problem = "several rows, or one that others have too," if at else "no row"
            count = sum(len(at) != 1 or uses[at[0]] > 1 for at in found)
            raise ValueError(
                f"{printable(str(source))} has {problem} for {file!a:.80}; {count:,} of "
                f"{len(files):,} images find none of their own. It names {names[0]!a:.80}: give "
                "each image one row, named as the archive does, CLASS/FILE."
            )
    return np.array([at[0] for at in found], dtype=np.int64)


def _ends(file: str) -> list[str]:
    """The path, and what is left of it without its first folders."""
    parts = file.split("/")
    return ["/".join(parts[i:]) for i in range(len(parts))]
