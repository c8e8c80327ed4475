"""Labels from a table: how it is written, and which row belongs to which image."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnsl_tutorial._files import csv_text
from rnsl_tutorial.datasets import Archive, Reading, load_archive
from rnsl_tutorial.datasets._labels import read_table

FLAT = ("1.png", "2.png", "3.png", "10.png")
NESTED = ("x/1.png", "x/2.png", "y/1.png", "y/deep/2.png")
LABELS = {file: "town" if i % 2 else "sea" for i, file in enumerate(FLAT)}


def shade(file: str) -> int:
    return sum(map(ord, file)) % 256


def archive_of(folder: Path, files: tuple[str, ...], kind: str = "folder", top: str = "") -> Path:
    """One image of one shade for each name."""
    root = folder / f"images.{kind}"
    encoded = {}
    for file in files:
        buffer = io.BytesIO()
        Image.new("L", (2, 2), shade(file)).save(buffer, "PNG")
        encoded[top + file] = buffer.getvalue()
    if kind == "zip":
        with zipfile.ZipFile(root, "w") as archive:
            for name, data in encoded.items():
                archive.writestr(name, data)
    elif kind == "tar":
        with tarfile.open(root, "w") as archive:
            for name, data in encoded.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    else:
        for name, data in encoded.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
    return root


def table_of(folder: Path, rows: Mapping[str, str], text: str | None = None) -> Path:
    path = folder / "labels.csv"
    path.write_text(text or csv_text([("file", "label"), *rows.items()]), encoding="utf-8")
    return path


def load(root: Path, labels: Path, **reading: bool) -> Archive:
    return load_archive(
        root, 2, Reading(labels=labels, **reading), cache=root.parent / "cache", progress=False,
        workers=1,
    )  # fmt: skip


def given(archive: Archive) -> dict[str, str]:
    """The label of each file, each beside its own pixels."""
    assert archive.images[:, 0, 0, 0].tolist() == [shade(file) for file in archive.files]
    names = np.array(archive.class_names)[archive.labels]
    return dict(zip(archive.files, names.tolist(), strict=True))


@pytest.mark.parametrize("top", ["", "data/images/"])
@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
def test_a_flat_archive_has_the_labels_of_its_table(tmp_path, kind, top):
    root = archive_of(tmp_path, FLAT, kind, top)
    archive = load(root, table_of(tmp_path, LABELS))
    assert archive.class_names == ("sea", "town")
    assert given(archive) == LABELS
    assert archive.files == tuple(sorted(FLAT))
    assert archive.skipped == ()
    again = load(root, table_of(tmp_path, {file: f"{file} {LABELS[file]}" for file in FLAT}))
    assert len(again.class_names) == 4, "another table, the same pixels"


def test_the_table_may_lie_among_the_images(tmp_path):
    root = archive_of(tmp_path, FLAT)
    assert given(load(root, table_of(root, LABELS))) == LABELS


WRITINGS = {
    "as it is": "file,label\n1.png,sea\n2.png,town\n3.png,sea\n10.png,town\n",
    "semicolons": "file;label\r\n1.png;sea\r\n2.png;town\r\n3.png;sea\r\n10.png;town\r\n",
    "tabs, further columns": "no\tlabel\tfile\n" + "".join(
        f"7\t{label}\t{file}\n" for file, label in LABELS.items()
    ),
    "a byte-order mark, spaces": "\ufefffile,label\n" + "".join(
        f" {file} , {label} \n" for file, label in LABELS.items()
    ),
    "another system's paths": "file,label\n" + "".join(
        f"C:\\data\\{file},{label}\n" for file, label in LABELS.items()
    ),
    "a row twice, one without a label": "file,label\n" + "".join(
        f"./{file},{label}\n{file},{label}\n{file},\n" for file, label in LABELS.items()
    ),
}  # fmt: skip


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_table_may_be_written_as_spreadsheets_do(tmp_path, writing):
    table = table_of(tmp_path, {}, WRITINGS[writing])
    assert given(load(archive_of(tmp_path, FLAT), table)) == LABELS


def test_names_that_are_formulas_to_a_spreadsheet_are_the_same_again(tmp_path):
    rows = {"=1.png": "+sea", "2.png": "-town", "@3.png": "'sea"}
    assert given(load(archive_of(tmp_path, (*rows,)), table_of(tmp_path, rows))) == rows


MATCHES: dict[str, dict[str, str]] = {
    "by path": {file: file for file in NESTED},
    "by a longer path": {f"all/images/{file}": file for file in NESTED},
    "by the name where it is the only one": {
        "elsewhere/a.png": "x/a.png", "b.png": "y/b.png", "y/1.png": "y/1.png", "1.png": "1.png",
    },
    "by the most of its end": {"z/y/1.png": "y/1.png", "z/x/1.png": "x/1.png"},
    "by composed and decomposed letters": {"Zoe\u0308.png": "Zo\u00eb.png", "b.png": "b.png"},
}  # fmt: skip


@pytest.mark.parametrize("match", MATCHES)
def test_a_row_belongs_to_the_image_of_its_path(tmp_path, match):
    rows = MATCHES[match]
    table = table_of(tmp_path, {row: f"label {file}" for row, file in rows.items()})
    archive = load(archive_of(tmp_path, (*rows.values(),)), table)
    assert given(archive) == {file: f"label {file}" for file in rows.values()}
    assert archive.skipped == ()


def test_rows_without_an_image_are_told(tmp_path):
    root = archive_of(tmp_path, FLAT)
    archive = load(root, table_of(tmp_path, {**LABELS, "11.png": "sea", "x/12.png": "lake"}))
    assert given(archive) == LABELS
    why = "a row of labels.csv, and no image"
    assert archive.skipped == (("11.png", why), ("x/12.png", why))


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_images_without_a_row_are_refused_or_skipped(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("rnsl_tutorial.datasets.archives._SETTLED_NS", -(10**18))
    root, table = archive_of(tmp_path, (*FLAT, "4.png", "5.png"), kind), table_of(tmp_path, LABELS)
    with pytest.raises(ValueError, match=r"2 of 6 images .* no label in .*: 4\.png, 5\.png\. Add"):
        load(root, table)
    for _ in range(2):
        archive = load(root, table, skip_broken=True)
        assert given(archive) == LABELS
        assert archive.skipped == tuple((f"{i}.png", "no label in labels.csv") for i in (4, 5))


REFUSED = {
    "no such columns": ("name,class\n1.png,sea\n", "has no column 'file' and 'label'.*name, class"),
    "no label": ("file,label\n1.png,\n", "holds no label"),
    "nothing": ("file,label\n", "holds no label"),
    "two labels": ("file,label\n1.png,sea\n1.png,town\n", r"'1\.png' two labels, 'sea' and 'town'"),
    "two rows that fit alike": (
        "file,label\na/1.png,sea\nb/1.png,town\n2.png,sea\n3.png,sea\n10.png,sea\n",
        r"gives '1\.png' two labels: the rows 'a/1\.png' and 'b/1\.png' fit alike",
    ),
    "other names": (
        "file,label\na.jpg,sea\nb.jpg,town\n",
        r"No row .* has 'a\.jpg', .*'1\.png'",
    ),
    "one class": ("file,label\n" + "".join(f"{f},sea\n" for f in FLAT), "one label only"),
    "too many cells": ("file,label\n1.png,sea,town\n", "3 cells were found, and there are 2"),
}


@pytest.mark.parametrize("table", REFUSED)
def test_a_table_that_does_not_fit_is_refused(tmp_path, table):
    text, said = REFUSED[table]
    with pytest.raises(ValueError, match=said):
        load(archive_of(tmp_path, FLAT), table_of(tmp_path, {}, text))


def test_a_name_that_several_images_have_is_no_match(tmp_path):
    root = archive_of(tmp_path, (*NESTED, "z/3.png"))
    rows = {"1.png": "sea", "3.png": "town", "x/2.png": "sea", "deep/2.png": "town"}
    with pytest.raises(ValueError, match=r"2 of 5 images .*: x/1\.png, y/1\.png\. Add"):
        load(root, table_of(tmp_path, rows))


def test_parquet_is_read_where_it_can_be(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "labels.parquet"
    numbers = [1.0, 2.0, 1.0, None]
    parquet.write_table(pyarrow.table({"file": [*FLAT], "label": numbers, "more": [1] * 4}), path)
    assert read_table(path) == {"1.png": "1", "2.png": "2", "3.png": "1"}
    parquet.write_table(pyarrow.table({"name": [*FLAT], "label": numbers}), path)
    with pytest.raises(ValueError, match=r"its columns are name, label.*columns file and label"):
        read_table(path)
    path.write_bytes(b"PAR1 not")
    with pytest.raises(ValueError, match="is damaged or no parquet"):
        read_table(path)


def test_parquet_names_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r'needs pyarrow: pip install "rnsl-tutorial\[parquet\]"'):
        read_table(tmp_path / "labels.parquet")
