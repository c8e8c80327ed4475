"""The store of tables: what is saved is loaded, bit for bit, and a damaged file is named."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from rnsl_tutorial._tables import load_shipped_table, load_table, save_table

REMEDY = "Make it again."


class Inner(NamedTuple):
    low: NDArray[np.float32]
    high: NDArray[np.float32]


class Table(NamedTuple):
    names: tuple[str, ...]
    rates: tuple[float, ...]
    epochs: tuple[int, ...]
    seeds: int
    codes: NDArray[np.uint16]
    kept: NDArray[np.bool_]
    inner: Inner
    made_with: Mapping[str, Any]


TABLE = Table(
    names=("a", "é b", "<b>c</b>"),
    rates=(0.0, 0.1),
    epochs=(1, 20),
    seeds=3,
    codes=np.arange(6, dtype=np.uint16).reshape(2, 3),
    kept=np.arange(33).reshape(3, 11) % 2 == 0,
    inner=Inner(np.zeros(2, np.float32), np.ones(2, np.float32)),
    made_with={"config": {"rate": 0.5}, "losses": ["nsl"]},
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.npz"
    save_table(path, TABLE)
    again = load_table(path, Table, "table", REMEDY)
    assert [type(value) for value in again] == [type(value) for value in TABLE]
    for name in ("names", "rates", "epochs", "seeds", "made_with"):
        assert getattr(again, name) == getattr(TABLE, name)
    for found, given in zip(
        (again.codes, again.kept, *again.inner),
        (TABLE.codes, TABLE.kept, *TABLE.inner),
        strict=True,
    ):
        np.testing.assert_array_equal(found, given)
        assert found.dtype == given.dtype
    assert {type(rate) for rate in again.rates} == {float}
    assert {type(epoch) for epoch in again.epochs} == {int}


def test_bools_take_a_bit_each(tmp_path: Path) -> None:
    save_table(tmp_path / "t.npz", TABLE)
    with np.load(tmp_path / "t.npz") as members:
        assert members["kept"].nbytes == 5


@pytest.mark.parametrize("content", [b"", b"PK not a zip", b"{}"])
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"t\.npz is damaged or holds no table .*Make it again"):
        load_table(tmp_path / "t.npz", Table, "table", REMEDY)
    with pytest.raises(FileNotFoundError):
        load_table(tmp_path / "none.npz", Table, "table", REMEDY)


def test_a_table_of_another_kind_or_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    save_table(path, TABLE.inner)
    with pytest.raises(ValueError, match=r"holds no table .*names"):
        load_table(path, Table, "table", REMEDY)
    save_table(path, TABLE)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="Make it again"):
        load_table(path, Table, "table", REMEDY)


def test_a_shipped_table_of_another_kind_says_which_tool_makes_it() -> None:
    with pytest.raises(ValueError, match=r"holds no umap maps .*`python tools/umap_maps\.py`"):
        load_shipped_table("umap_maps", Table)
