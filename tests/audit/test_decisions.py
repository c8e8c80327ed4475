"""What was decided comes back: read from a file, matched to images also after they moved."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rnsl_tutorial import audit
from rnsl_tutorial._files import csv_text
from rnsl_tutorial.datasets import Archive

A, B, D = ("0123456789abcdef" * 2, "f" * 32, "d" * 32)
HEAD = ("digest", "file", "given", "decision", "label")


def archive(files: Sequence[str], digests: Sequence[str] = ()) -> Archive:
    names = tuple(sorted({file.partition("/")[0] for file in files}))
    labels_N = np.array([names.index(file.partition("/")[0]) for file in files], np.int64)
    return Archive(np.empty((0, 3, 0, 0), np.uint8), labels_N, names, (*files,), (*digests,))


def written(path: Path, *rows: Sequence[str], head: Sequence[str] = HEAD) -> Path:
    path.write_bytes(csv_text([head, *rows]).encode())
    return path


def row(*cells: str) -> dict[str, str]:
    return dict(zip(HEAD, cells, strict=True))


# ------------------------------------------------------------------ the file


def test_decisions_are_read_and_rows_without_one_are_passed_over(tmp_path: Path) -> None:
    rows = [
        (A, "=a/1.png", "=a", "keep", "=a"),
        ("", "=a/2.png", "=a", "relabel", "b;=1"),
        (B, "b/3.png", "b", "", ""),
        (D, "b/4.png", "b", "discard", ""),
    ]
    path = written(tmp_path / "decisions.csv", *rows)
    assert b"'=a" in path.read_bytes(), "no spreadsheet computes a name"
    assert audit.read_decisions(path) == [row(*rows[i]) for i in (0, 1, 3)]


def test_a_file_that_a_spreadsheet_saved_is_read_and_needs_no_digest(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes(b"\xef\xbb\xbffile;rank;decision;label\r\na/1.png;7;Relabel ;b\r\n;;;\r\n")
    assert audit.read_decisions(path) == [row("", "a/1.png", "", "relabel", "b")]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(A, "a/1", "a", "wrong", "")], "row 1: decision is 'wrong'; choose one of keep, relabel"),
        ([(A, "a/1", "a", "", "b")], "row 1: decision is ''; choose one of keep"),
        ([("1.2E+31", "a/1", "a", "keep", "")], "digest is '1.2E.31', and not 32 hexadecimal"),
        ([("", "", "a", "keep", "")], "neither digest nor file is given"),
        ([(A, "a/1", "a", "relabel", "")], "label is empty; relabel needs the name of a class"),
        ([(A, "a/1", "a", "keep", "b")], "label is 'b' and given 'a'; to change it, use relabel"),
        (
            [(A, "a/1", "a", "keep", ""), (B, "a/2", "", "keep", ""), (A, "a/1", "", "unsure", "")],
            "rows 1 and 3 decide differently about 'a/1'. Keep one of them",
        ),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_is_named(
    tmp_path: Path, rows: list[tuple[str, ...]], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        audit.read_decisions(written(tmp_path / "decisions.csv", *rows))


def test_the_list_of_an_audit_holds_no_decisions(tmp_path: Path) -> None:
    path = written(tmp_path / "list.csv", ("1", "a/1.png"), head=("rank", "file"))
    with pytest.raises(ValueError, match="has no column 'decision', only rank, file"):
        audit.read_decisions(path)


def test_the_same_decision_twice_is_one(tmp_path: Path) -> None:
    ways = [("a", "keep", ""), ("a", "keep", "a"), ("", "relabel", "a")]
    said = [(A, "a/1", *way) for way in ways]
    path = written(tmp_path / "decisions.csv", *said)
    assert audit.read_decisions(path) == [row(*said[0])]


# ------------------------------------------------------------------ the archive


def test_an_image_keeps_its_decision_wherever_it_lies_now() -> None:
    held = archive(["a/new.png", "a/stays.png", "b/changed.png"], [A, B, "0" * 32])
    rows = [
        row(A, "b/old.png", "b", "relabel", "a"),
        row(B, "a/stays.png", "a", "unsure", ""),
        row(D, "b/changed.png", "b", "discard", ""),
    ]
    found = audit.decide(rows, held)
    assert found.decisions == ("relabel", "unsure", "")
    assert found.labels.tolist() == [0, 0, 1]
    assert found.unmatched == (rows[2],), "its content is another now"
    assert found.unclear == ()
    assert found.undecided().tolist() == [1, 2]
    assert found.trusted().tolist() == [0]


def test_a_decision_is_a_class_also_where_the_file_was_moved_since() -> None:
    found = audit.decide([row(A, "a/1", "a", "keep", "a")], archive(["a/0", "b/1"], [B, A]))
    assert found.labels.tolist() == [0, 0]
    gone = audit.decide([row(A, "z/1", "z", "keep", "z")], archive(["a/0", "b/1"], [B, A]))
    assert gone.labels.tolist() == [0, 1]


def test_copies_of_one_image_are_told_apart_by_name_then_by_class() -> None:
    rows = [row(A, "a/1", "a", "keep", ""), row(A, "b/1", "b", "discard", "")]
    for files in (["a/1", "b/1"], ["a/moved", "b/other"], ["b/1", "a/other"]):
        held = archive(files, [A, A])
        words = audit.decide(rows, held).decisions
        assert words == tuple("keep" if file[0] == "a" else "discard" for file in files)
    one_left = audit.decide(rows, archive(["a/1", "b/2"], [A, B]))
    assert one_left.decisions == ("keep", "")
    assert one_left.unmatched == (rows[1],)


@pytest.mark.filterwarnings("ignore:None of the decisions")
def test_what_no_name_tells_apart_is_not_decided() -> None:
    rows = [row(A, "a/1", "a", "keep", ""), row(A, "a/2", "a", "discard", "")]
    found = audit.decide(rows, archive(["a/3", "a/4", "b/5"], [A, A, B]))
    assert found.decisions == ("", "", "")
    assert found.unclear == tuple(rows)
    alike = [row(A, "x/1", "x", "relabel", "b"), row(A, "x/2", "x", "relabel", "b")]
    assert audit.decide(alike, archive(["a/3", "a/4", "b/5"], [A, A, B])).decisions[:2] == (
        "relabel",
        "relabel",
    )


@pytest.mark.filterwarnings("ignore:None of the decisions")
def test_without_digests_the_name_decides_and_a_contradiction_is_told() -> None:
    rows = [row(A, "a/1", "a", "discard", ""), row("", "a/2", "a", "relabel", "b")]
    found = audit.decide(rows, archive(["a/1", "a/2", "b/1"]))
    assert found.decisions == ("discard", "relabel", "")
    assert found.labels.tolist() == [0, 1, 1]
    both = [row(A, "a/1", "a", "discard", ""), row("", "a/1", "a", "keep", "")]
    told = audit.decide(both, archive(["a/1", "b/1"], [A, B]))
    assert told.decisions == ("", "")
    assert {r["decision"] for r in told.unclear} == {"discard", "keep"}


def test_a_new_class_comes_last_and_has_the_name_of_a_folder() -> None:
    held = archive(["a/1", "b/1"], [A, B])
    found = audit.decide([row(A, "a/1", "a", "relabel", "Quarry")], held)
    assert found.class_names == ("a", "b", "Quarry")
    assert found.labels.tolist() == [2, 1]
    for name in ("..", "c/d", ".hidden", "__MACOSX", "\x1b[2J", "n" * 300):
        with pytest.raises(ValueError, match="cannot be the name of a class folder"):
            audit.decide([row(A, "a/1", "a", "relabel", name)], held)
