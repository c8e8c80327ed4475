"""What an audit writes: the list of all images, which is read again whatever the names are."""

import csv
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from damages import same_folder
from hypothesis import given
from hypothesis import strategies as st
from stub_scorer import from_probabilities

from rnsl_tutorial import audit
from rnsl_tutorial.audit import outputs


def small_audit(files: tuple[str, ...], names: tuple[str, ...] = ("a", "b")) -> audit.Audit:
    count, classes = len(files), len(names)
    probabilities_NC = np.zeros((count, classes), np.float32)
    probabilities_NC[:, 0] = np.linspace(0.1, 0.9, count)
    probabilities_NC[:, 1] = 1 - probabilities_NC[:, 0]
    labels_N = np.zeros(count, dtype=np.int64)
    scores = from_probabilities(probabilities_NC, labels_N)
    return audit.Audit(
        files, names, labels_N, scores, np.eye(classes), 0.0, np.zeros(classes), None
    )


def test_the_list_holds_every_image_and_survives_odd_names(tmp_path: Path) -> None:
    files = ("a/z,1.jpg", 'a/"quoted".jpg', "a/two\nlines.jpg", "a/ĝoja 🛰.jpg", "a/<script>.jpg")
    path = tmp_path / "new" / "doubtful.csv"
    audit.write_outputs(small_audit(files), path)
    with path.open(encoding="utf-8", newline="") as opened:
        head, *rows = csv.reader(opened)
    assert tuple(head) == outputs._COLUMNS
    assert [row[1] for row in rows] == list(files), "already from the most doubtful on"
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert rows[0][2:] == ["a", "b", "0.9000", "2.2", "0.1000", "0.9000"]
    assert rows[4][2:] == ["a", "a", "0.1000", "-2.2", "0.9000", "0.9000"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes exist on Linux")
def test_a_name_that_is_no_text_is_written_as_the_file_system_has_it(tmp_path: Path) -> None:
    audit.write_outputs(small_audit((os.fsdecode(b"a/\xff.jpg"), "a/2.jpg")), tmp_path / "list.csv")
    assert b"a/\xff.jpg" in (tmp_path / "list.csv").read_bytes()


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(st.lists(CELLS, min_size=1, unique=True), st.lists(CELLS, min_size=2, unique=True))
@same_folder
def test_every_name_comes_back_from_the_list(
    tmp_path: Path, files: list[str], names: list[str]
) -> None:
    """Also one with a lone carriage return, which ends a line to a spreadsheet and to Python."""
    audit.write_outputs(small_audit(tuple(files), tuple(names)), tmp_path / "list.csv")
    rows = audit.read_csv(tmp_path / "list.csv")
    assert [row["file"] for row in rows] == files
    assert {row["given"] for row in rows} <= set(names)
    assert tuple(rows[0]) == outputs._COLUMNS


def test_a_list_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    """With a byte order mark, and without the empty cells at the end of a row."""
    (tmp_path / "list.csv").write_bytes(b"\xef\xbb\xbffile,given,decision\r\n'=1,\r\n")
    [row] = audit.read_csv(tmp_path / "list.csv")
    assert row == {"file": "=1", "given": "", "decision": ""}


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "a,b\n", ""])
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ValueError, match=r"list\.csv has no column 'file'"):
        audit.read_csv(tmp_path / "list.csv")
