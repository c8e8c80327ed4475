"""Files that come with the package are found, and files are written whole or not at all."""

import csv
import io
import tokenize
from pathlib import Path

import numpy as np
import pytest
from damages import same_folder
from hypothesis import given
from hypothesis import strategies as st

from rnsl_tutorial import _files as paths


def test_shipped_finds_the_noise_tables_and_names_what_is_missing() -> None:
    assert paths.shipped("data", "noise", "label_dependent.json").is_file()
    with pytest.raises(FileNotFoundError, match=r"data/nothing\.npz does not come with"):
        paths.shipped("data", "nothing.npz")


def test_the_cache_is_where_the_variable_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RNSL_CACHE", str(tmp_path))
    assert paths.cache_dir() == tmp_path
    monkeypatch.delenv("RNSL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert "rnsl-tutorial" in paths.cache_dir().parts


def test_written_whole_replaces_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    for content in (b"first", b"second"):
        with paths.written_whole(path) as file:
            file.write(content)
            assert not path.exists() or path.read_bytes() == b"first"
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("interrupt", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_written_whole_leaves_the_old_file_when_interrupted(
    tmp_path: Path, interrupt: BaseException
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"old")

    def write_half() -> None:
        with paths.written_whole(path) as file:
            file.write(b"half")
            raise interrupt

    with pytest.raises(type(interrupt)):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"

    def write() -> None:
        with paths.written_whole(path):
            raise OSError(28, "No space left on device")  # as `write` raises it, without a name

    with pytest.raises(OSError, match="No space left") as told:
        write()
    assert told.value.filename == str(path)
    with pytest.raises(FileNotFoundError) as other, paths.written_whole(path):
        (tmp_path / "absent").read_bytes()
    assert other.value.filename == str(tmp_path / "absent"), "another file keeps its name"


def test_what_a_dead_process_was_writing_is_removed_and_what_a_live_one_writes_is_not(
    tmp_path: Path,
) -> None:
    dead = [tmp_path / f"big.npy.{'0' * 32}.tmp", paths.lock_of(tmp_path / "results.json")]
    mine = [tmp_path / name for name in ("notes.tmp", "big.npy.0.tmp")]
    for path in (*dead, *mine):
        path.write_bytes(b"half")
    with (
        paths.written_whole(tmp_path / "one") as first,
        paths.alone(paths.lock_of(tmp_path / "lock"), "busy"),
    ):
        with paths.written_whole(tmp_path / "two") as second:
            second.write(b"2")
        first.write(b"1")
        assert not any(path.exists() for path in dead)
    names = {"one", "two", *(path.name for path in mine)}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert (tmp_path / "one").read_bytes() == b"1"


def test_a_link_stays_a_link_and_the_longest_name_is_written(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    for path in (link, tmp_path / ("n" * 255), tmp_path / ("ü" * 127)):
        with paths.claimed(path), paths.written_whole(path) as file:
            file.write(b"new")
        assert path.read_bytes() == b"new"
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (b"{'shape': (3, }", tokenize.TokenError),
        (b"  a\n b", IndentationError),
        (b"[]", ValueError),
    ],
    ids=["an open bracket", "an odd indent", "no dictionary"],
)
def test_what_a_damaged_header_raises_is_said_in_one_line(
    tmp_path: Path, header: bytes, error: type[Exception]
) -> None:
    path = tmp_path / "maps.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(error):
        np.load(path)
    with (
        pytest.raises(ValueError, match=r"maps\.npy holds no maps \(.*\)\. Make it again\."),
        paths.made_earlier(path, "holds no maps", "Make it again.") as file,
    ):
        np.load(file)


def test_a_file_that_is_not_there_is_not_called_damaged(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError),
        paths.made_earlier(tmp_path / "maps.npy", "holds no maps", "Make it again."),
    ):
        pass


@given(st.lists(st.binary(max_size=50), max_size=5), st.none() | st.integers(0, 4))
@same_folder
def test_written_whole_is_all_or_what_was_there(
    tmp_path: Path, parts: list[bytes], fails_at: int | None
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    fails = fails_at is not None and fails_at < len(parts)
    try:
        with paths.written_whole(path) as file:
            for i, part in enumerate(parts):
                if fails and i == fails_at:
                    raise KeyboardInterrupt
                file.write(part)
    except KeyboardInterrupt:
        pass
    assert path.read_bytes() == (b"before" if fails else b"".join(parts))
    assert [left.name for left in tmp_path.iterdir()] == ["file"]


@given(st.text("=+-@'\"\t\r\n,;| ab") | st.text())
def test_a_guarded_name_is_no_formula_whatever_parts_the_cells(name: str) -> None:
    line = paths.csv_text([[1, name, "b"]])
    assert [row[1] for row in csv.reader(io.StringIO(line, newline=""))] == [paths.guarded(name)]
    for separator in ",;|\t":
        for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


@given(st.text() | st.text("=+-@'\t\r\nab"))
def test_a_guarded_name_is_no_formula_and_comes_back(name: str) -> None:
    cell = paths.guarded(name)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert paths.original(cell) == name
