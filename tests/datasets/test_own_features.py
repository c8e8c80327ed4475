"""Features of one's own: every kind of file gives the same, and what does not fit is named."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from numpy.typing import NDArray
from pyarrow import parquet
from synthetic_features import make_archive, make_features

from rnsl_tutorial import datasets
from rnsl_tutorial.datasets import Split

FILES = make_archive().files
FEATURES = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
MIXED = np.random.default_rng(1).permutation(60)


def write_parquet(path: Path, **columns: Any) -> None:
    parquet.write_table(pyarrow.table(columns), path, row_group_size=17)


def rows(values: NDArray[Any]) -> Any:
    return pyarrow.array(values.tolist(), pyarrow.list_(pyarrow.float32()))


NAMES = [FILES[i] for i in MIXED]
WRITERS: dict[str, Callable[[Path], object]] = {
    "a.npy": lambda path: np.save(path, FEATURES),
    "b.npy": lambda path: np.save(path, np.asfortranarray(FEATURES).astype(np.float64)),
    "a.npz": lambda path: np.savez(path, anything=FEATURES),
    "b.npz": lambda path: np.savez(path, features=FEATURES[MIXED], files=np.array(NAMES)),
    "c.npz": lambda path: np.savez(
        path, embeddings=FEATURES[MIXED], files="\n".join(NAMES), umap=FEATURES[:, :2]
    ),
    "a.parquet": lambda path: write_parquet(path, file=NAMES, vector=rows(FEATURES[MIXED])),
    "b.parquet": lambda path: write_parquet(
        path, label=["x"] * 60, file=NAMES, number=MIXED,
        **{f"f{i}": FEATURES[MIXED, i] for i in range(5)}
    ),
    "c.pq": lambda path: write_parquet(path, vector=rows(FEATURES)),
    "d.parquet": lambda path: write_parquet(
        path, name=pyarrow.array(NAMES).dictionary_encode(),
        vector=pyarrow.FixedSizeListArray.from_arrays(FEATURES[MIXED].ravel(), 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_features_in_the_order_of_the_images(
    tmp_path: Path, name: str
) -> None:
    WRITERS[name](tmp_path / name)
    found = datasets.read_features(tmp_path / name).of(FILES)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, FEATURES)
    if name == "a.npy":
        assert isinstance(found, np.memmap), "an archive of any size fills no memory"


def test_a_feature_set_of_ours(tmp_path: Path) -> None:
    labels, parts = np.arange(60) % 3, Split(np.arange(20), np.arange(20, 40), np.arange(40, 60))
    made = make_features(np.rint(4 * FEATURES) / 2, labels, parts)
    datasets.save_features(tmp_path / "ours.npz", made)
    own = datasets.read_features(tmp_path / "ours.npz")
    np.testing.assert_array_equal(own.of(made.files[::-1]), made.features[::-1])


@pytest.mark.parametrize(
    "named",
    [
        lambda file: f"/data/mine/{file}",
        lambda file: f"./{file}",
        lambda file: "D:\\mine\\" + file.replace("/", "\\"),
        lambda file: file.rpartition("/")[2],
    ],
)
def test_names_may_be_longer_or_shorter_and_rows_of_others_are_left_out(
    tmp_path: Path, named: Callable[[str], str]
) -> None:
    names = [*map(named, FILES), "x/other.png"]
    np.savez(tmp_path / "own.npz", features=np.vstack([FEATURES, FEATURES[:1]]), files=names)
    own = datasets.read_features(tmp_path / "own.npz")
    np.testing.assert_array_equal(own.of(FILES), FEATURES)
    np.testing.assert_array_equal(own.of(FILES[5:1:-1]), FEATURES[5:1:-1])


def of(rows: Any = FEATURES, files: Any = FILES) -> Callable[[Path], None]:
    return lambda path: np.savez(path, features=rows, files=np.array(files))


BROKEN = FEATURES.copy()
BROKEN[7, 2] = np.nan
UNFIT: dict[str, tuple[Callable[[Path], object], str]] = {
    "nan.npz": (of(BROKEN), r"holds no features \(row 7 \(a/007.png\) is not finite in float32"),
    "nan.npy": (lambda path: np.save(path, BROKEN), r"\(row 7 is not finite"),
    "large.npy": (
        lambda path: np.save(path, FEATURES.astype(float) * 1e300),
        r"\(row 0 is not finite",
    ),
    "flat.npy": (lambda path: np.save(path, FEATURES[0]), r"\(it has float32 \[5\]\)"),
    "texts.npy": (lambda path: np.save(path, np.array([["a"]])), r"\(it has <U1 \[1, 1\]\)"),
    "complex.npy": (lambda path: np.save(path, FEATURES * 1j), r"\(it has complex64 \[60, 5\]\)"),
    "empty.npy": (lambda path: np.save(path, FEATURES[:0]), r"\(it has float32 \[0, 5\]\)"),
    "junk.npy": (lambda path: path.write_bytes(b"junk"), r"holds no features \("),
    "junk.parquet": (lambda path: path.write_bytes(b"PAR1junk"), r"holds no features \("),
    "own.csv": (
        lambda path: path.write_bytes(b"1,2"),
        r"ends with '.csv', not one of .npy, .npz, .parq",
    ),
    "own.npz": (of(files=FILES[1:]), r"\(it has 60 rows and names 59 files\)"),
    "codes.npz": (of(files=range(60)), r"\(files are int64 \[60\], no texts\)"),
    "two.npz": (
        lambda path: np.savez(path, a=FEATURES, b=FEATURES),
        r"\(which of a, b is meant\? Call it features\)",
    ),
    "two.parquet": (
        lambda path: write_parquet(path, a=rows(FEATURES), b=rows(FEATURES)),
        r"\(which of its columns are meant\? It has a, b\)",
    ),
    "whole.parquet": (lambda path: write_parquet(path, n=MIXED), r"It has n\)"),
    "ragged.parquet": (
        lambda path: write_parquet(path, v=[[1.0], [1.0, 2.0]]),
        r"\(its lists have 2 different lengths\)",
    ),
    "null.parquet": (lambda path: write_parquet(path, v=[[1.0], None]), r"\(a value is missing\)"),
    "count.npy": (
        lambda path: np.save(path, FEATURES[1:]),
        r"has 59 rows of features for 60 images, and no file names to match them by",
    ),
    "missing.npz": (
        of(FEATURES[2:], FILES[2:]),
        r"has no row for 'a/000.png'; 2 of 60 images find none .* names 'a/002.png': give each",
    ),
    "twice.npz": (
        of(np.vstack([FEATURES, FEATURES[:1]]), (*FILES, FILES[0])),
        r"has several rows, or one that others have too, for 'a/000.png'; 1 of 60",
    ),
    "short.npz": (
        of(FEATURES[:30], [f"{i:03}.png" for i in range(30)]),
        r"has no row for 'b/030.png'; 30 of 60",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_does_not_fit_is_one_clear_error(tmp_path: Path, name: str) -> None:
    write, said = UNFIT[name]
    write(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name} .*{said}"):
        datasets.read_features(tmp_path / name).of(FILES)


def test_a_name_that_two_images_share_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", features=FEATURES[:2], files=["1.png", "2.png"])
    with pytest.raises(ValueError, match=r"several rows, or one .* for 'a/1.png'; 2 of 3"):
        datasets.read_features(tmp_path / "own.npz").of(["a/1.png", "b/1.png", "b/2.png"])


def test_without_pyarrow_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(tmp_path / "own.parquet", v=rows(FEATURES))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"needs pyarrow: pip install .rnsl-tutorial\[parquet\]"):
        datasets.read_features(tmp_path / "own.parquet")
    with pytest.raises(FileNotFoundError):
        datasets.read_features(tmp_path / "absent.npy")
