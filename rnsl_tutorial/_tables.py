"""One store for all tables: a NamedTuple becomes an npz file, and comes back as it was.

How a field lies in the file follows from its type: an array as it is, bools eight to a byte with
their shape beside them, names and mappings as text, numbers as arrays, and the fields of a
NamedTuple within as ``outer_inner``.
"""

import json
import math
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._files import DAMAGE, made_earlier, require_room, shipped, written_whole

_Table = TypeVar("_Table", bound=tuple[Any, ...])  # a NamedTuple
_Members = Mapping[str, NDArray[Any]]


def save_table(path: Path, table: tuple[Any, ...]) -> None:
    """Write a table as a compressed file, whole or not at all.

    Raises:
        OSError: the folder cannot be written to.
    """
    members = _members(table)
    with written_whole(path) as file:
        np.savez_compressed(file, **members)  # type: ignore[arg-type]


def load_table(path: Path, kind: type[_Table], what: str, remedy: str) -> _Table:
    """Read a table that `save_table` wrote.

    Args:
        path: the file.
        kind: the NamedTuple.
        what: it holds, for the message about a file that does not, such as "maps".
        remedy: a sentence on what to do then.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged or holds no such table.
    """
    otherwise = f"is damaged or holds no {what}"
    with made_earlier(path, otherwise, remedy) as file, opened_npz(file) as members:
        table: _Table = _table(members, kind)
        return table


@contextmanager
def opened_npz(file: BinaryIO, most: int = 2**32) -> Iterator[_Members]:
    """Open the arrays of an npz file, none of which is read yet.

    Args:
        file: of zipped arrays.
        most: bytes that all of them may have, unpacked.

    Raises:
        ValueError: other bytes than those of an npz file, or arrays that are too large.
    """
    if not zipfile.is_zipfile(file):
        raise ValueError("it is no npz file")
    file.seek(0)
    with np.load(file, allow_pickle=False) as members:
        unpacked = sum(info.file_size for info in members.zip.infolist())
        if unpacked > most:
            raise ValueError(f"it unpacks to {unpacked:,} bytes; {most:,} are allowed")
        yield members


def load_shipped_table(name: str, kind: type[_Table], folder: str = "aid") -> _Table:
    """Read ``data/FOLDER/NAME.npz``, which comes with the package and ``tools/NAME.py`` makes.

    Raises:
        FileNotFoundError: the installation is incomplete.
        ValueError: the file is damaged.
    """
    remedy = f"Install the package again, or make it anew with `python tools/{name}.py`."
    path = shipped("data", folder, f"{name}.npz")
    return load_table(path, kind, name.replace("_", " "), remedy)


def kept_array(
    path: Path, shape: tuple[int, ...], make: Callable[[], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the float32 array of a cache file; where it is missing or damaged, make it anew.

    Args:
        path: npy file.
        shape: that it has to have.
        make: returns the array, which then stays in the file.

    Raises:
        OSError: the folder cannot be written to.
    """
    return np.array(kept_rows(path, shape, np.float32, lambda: [make()]))


def kept_rows(
    path: Path, shape: tuple[int, ...], dtype: Any, make: Callable[[], Iterable[NDArray[Any]]]
) -> NDArray[Any]:
    """As `kept_array`, for an array that need not fit into memory: a map of the file.

    Args:
        path: npy file.
        shape: that it has to have.
        dtype: of its numbers, such as np.float16.
        make: returns its rows, some at a time, in their order.

    Raises:
        OSError: the folder cannot be written to.
    """
    found, stored = _kept(path, shape, dtype), np.dtype(dtype).newbyteorder("<")
    if found is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        require_room(path.parent, stored.itemsize * math.prod(shape))
        with written_whole(path) as file:
            header = {"descr": stored.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for rows in make():
                file.write(np.ascontiguousarray(rows, stored).data)
        found = _kept(path, shape, dtype)
    if found is None:
        raise OSError(f"{path} was written and cannot be read again; is the disk full?")
    return found


def _kept(path: Path, shape: tuple[int, ...], dtype: Any) -> NDArray[Any] | None:
    with suppress(*DAMAGE):
        found: NDArray[Any] = np.load(path, mmap_mode="r")
        if found.shape == shape and found.dtype == dtype:
            return found
    return None


# ------------------------------------------------------------------ fields and members


def _members(table: Any, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Return the arrays that the file holds, by name."""
    members: dict[str, NDArray[Any]] = {}
    for field, value in table._asdict().items():
        name = prefix + field
        if hasattr(value, "_fields"):
            members |= _members(value, f"{name}_")
        elif isinstance(value, Mapping):
            members[name] = np.array(json.dumps(dict(value), sort_keys=True))
        elif isinstance(value, tuple) and isinstance(value[0], str):
            members[name] = np.array("\n".join(value))
        elif isinstance(value, np.ndarray) and value.dtype == bool:
            members[name] = np.packbits(value)
            members[f"{name}_shape"] = np.array(value.shape)
        else:
            members[name] = np.asarray(value)
    return members


def _table(members: _Members, kind: Any, prefix: str = "") -> Any:
    hints = get_type_hints(kind)
    return kind(**{field: _field(members, prefix + field, hints[field]) for field in kind._fields})


def _field(members: _Members, name: str, hint: Any) -> Any:
    """Return what the members hold of a field of this type."""
    origin = get_origin(hint) or hint
    if hasattr(origin, "_fields"):
        return _table(members, origin, f"{name}_")
    value = members[name]
    if hint in (int, float, str):
        return value.item()
    if origin is tuple:
        return tuple(str(value).split("\n") if str in get_args(hint) else value.tolist())
    if origin is not np.ndarray:
        return json.loads(str(value))
    if f"{name}_shape" not in members:
        return value
    shape = members[f"{name}_shape"]
    return np.unpackbits(value, count=int(shape.prod())).reshape(shape).astype(bool)
