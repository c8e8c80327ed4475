"""What ``make assignment`` writes: nbgrader takes it, and the solution alone gets points."""

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import nbformat
import notebook_exercises
import pytest
from nbformat import NotebookNode

from notebooks import assignment

# A copy of nbgrader/nbgraderformat/v3.json of nbgrader 0.9.6 (BSD 3-Clause), so that the tests need
# neither its web server nor its database.
SOURCES = assignment.sources()
SCHEMA = json.loads(Path(__file__).with_name("nbgrader_v3.json").read_text(encoding="utf-8"))
FOUND = {
    (source.stem, release): assignment.assignment(source, release=release)
    for source in SOURCES
    for release in (False, True)
}


def graded(notebook: NotebookNode) -> list[tuple[NotebookNode, dict[str, Any]]]:
    """The cells that nbgrader looks at, each with what they say to it."""
    pairs = ((cell, cell.metadata.get("nbgrader")) for cell in notebook.cells)
    return [(cell, said) for cell, said in pairs if said]


def points(notebook: NotebookNode) -> tuple[float, float]:
    """What nbgrader gives: the points of the tests that raise nothing; and what can be had."""
    got = total = 0.0
    exercises = notebook_exercises.of_all_notebooks()
    names: dict[str, Any] = {}
    for cell, said in graded(notebook):
        if said["solution"]:
            names = exercises[said["grade_id"]].names | names
        if said["solution"] or said["grade"]:
            total += said.get("points", 0)
            with contextlib.suppress(AssertionError):
                exec(cell.source, names)
                got += said.get("points", 0)
    return got, total


@pytest.mark.parametrize("key", FOUND)
def test_the_metadata_are_those_of_nbgrader(key: tuple[str, bool]) -> None:
    notebook = FOUND[key]
    nbformat.validate(notebook)
    ids = [said["grade_id"] for _, said in graded(notebook)]
    assert len(set(ids)) == len(ids) > 0
    for cell, said in graded(notebook):
        jsonschema.validate(said, SCHEMA)
        assert said["grade"] == ("points" in said)
        assert cell.cell_type == "code"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_the_solution_gets_all_points(source: Path) -> None:
    got, total = points(FOUND[source.stem, False])
    assert got == total > 0


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_who_solves_nothing_gets_no_points(source: Path) -> None:
    """Learners hand in the release; nbgrader puts the teacher's tests back in."""
    solved, release = FOUND[source.stem, False], copy.deepcopy(FOUND[source.stem, True])
    for theirs, own in zip(solved.cells, release.cells, strict=True):
        if own.metadata.get("nbgrader", {}).get("grade"):
            own.source = theirs.source
    assert points(release)[0] == 0


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_the_release_holds_neither_solutions_nor_tests_nor_answers(source: Path) -> None:
    solved, release = FOUND[source.stem, False], FOUND[source.stem, True]
    assert "### BEGIN SOLUTION" in nbformat.writes(solved)
    assert "### BEGIN HIDDEN TESTS" in nbformat.writes(solved)
    text = nbformat.writes(release)
    for word in ("# solution", "### BEGIN", "assert exercises.", "<summary>Solution"):
        assert word not in text
    assert [said for _, said in graded(release)] == [said for _, said in graded(solved)]


def test_points_are_the_lines_of_the_solution_unless_the_source_says(tmp_path: Path) -> None:
    source = tmp_path / "00_small.py"
    lines = "".join(f"    x += {i}\n" for i in range(9))
    source.write_text(
        '# %% tags=["exercise"]\ndef short(x):\n    # solution\n    return x\n'
        f'# %% tags=["exercise"]\ndef long(x):\n    # solution\n{lines}    return x\n'
        '# %% tags=["exercise"] points=7\ndef told(x):\n    # solution\n    return x\n'
        '# %% tags=["exercise"]\ndef by_hand(x):\n    # solution\n    return x\n'
        '# %% tags=["self-check"]\nexercises.check_all(short)\nexercises.check_all(long)\n'
        "exercises.check_all(told)\n"
    )
    said = {s["grade_id"]: s for _, s in graded(assignment.assignment(source, release=True))}
    given = {name: s["points"] for name, s in said.items() if s["grade"]}
    assert given == {"by_hand": 1, "test_short": 1, "test_long": 5, "test_told": 7}
    assert said["by_hand"]["solution"]


def test_a_folder_of_a_course_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source" / "00_small.py"
    source.parent.mkdir()
    source.write_text('# %% tags=["exercise"]\ndef f(x):\n    # solution\n    return x\n')
    monkeypatch.setattr(assignment, "FOLDER", tmp_path)
    assert assignment.main([str(tmp_path / "course")]) == 0
    assert capsys.readouterr().out == "00_small: 1 points\n"
    for kind in ("source", "release"):
        path = tmp_path / "course" / kind / "00_small" / "00_small.ipynb"
        nbformat.validate(nbformat.read(path, as_version=4))
