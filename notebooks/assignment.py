"""Write the notebooks as assignments for nbgrader; ``make assignment`` calls this.

The folder is that of a course: ``source/NN_name/NN_name.ipynb`` is for the teacher and for
``nbgrader generate_assignment``, with solutions and hidden tests; ``release/`` has what learners
get. Both come from ``notebooks/source``, and hold no answers but hints. Metadata of cells follow
nbgrader's schema 3:

- An exercise is an answer that is graded by its test. It gives a point for each line of its
  solution, at most 5; ``# %% tags=["exercise"] points=3`` in the source says otherwise.
- Its self-check stays, locked. The cell that gives the points stands after it: the same check,
  hidden, with what the notebook may have made of ``exercises`` put right.
- An exercise without a check is graded by hand.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))  # for "python notebooks/assignment.py"

from notebooks import build

MOST_POINTS = 5
ANSWERS = re.compile(r"<details><summary>(?!Hint).*?</details>\n*", re.DOTALL)
HIDDEN = re.compile(r"^ *### BEGIN HIDDEN TESTS\n.*?^ *### END HIDDEN TESTS\n?", re.M | re.DOTALL)
TEST = """\
# This cell gives the points of {name}.
### BEGIN HIDDEN TESTS
from rnsl_tutorial.tutorial import exercises

assert {check}
### END HIDDEN TESTS"""


def assignment(source: Path, *, release: bool) -> NotebookNode:
    """Return the notebook of a source as an assignment.

    Args:
        source: a py:percent file with solutions.
        release: for learners; else with solutions and hidden tests, for the teacher.
    """
    notebook = nbformat.reads(build.build(source), as_version=4)
    raws = iter(jupytext.read(source, fmt="py:percent").cells)
    checks = {name: call for cell in notebook.cells for name, call in checks_of(cell)}
    points: dict[str, int] = {}
    graded = []
    for cell in notebook.cells:
        graded.append(cell)
        if "colab" in cell.metadata.get("tags", []):
            continue  # of no source
        raw = next(raws)
        if cell.cell_type == "markdown":
            cell.source = ANSWERS.sub("", cell.source)
        elif "exercise" in cell.metadata.get("tags", []):
            name = _finish_exercise(cell, raw.source + "\n", checks, release=release)
            points[name] = cell.metadata.pop("points")
        for name, call in checks_of(cell):
            cell.metadata.nbgrader = _metadata(f"check_{name}", locked=True)
            graded.append(_test(name, call, points[name], release=release))
    notebook.cells = graded
    nbformat.validate(notebook)
    return notebook


def sources() -> list[Path]:
    """The sources of the numbered notebooks that have an exercise."""
    numbered = sorted((FOLDER / "source").glob("[0-9][0-9]_*.py"))
    return [path for path in numbered if 'tags=["exercise"]' in path.read_text(encoding="utf-8")]


def checks_of(cell: NotebookNode) -> Iterator[tuple[str, str]]:
    """The exercises that a cell checks, each with the call."""
    if "self-check" in cell.metadata.get("tags", []):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("exercises.check_"):
                yield ast.unparse(node.args[0]), ast.unparse(node)


def _finish_exercise(
    cell: NotebookNode, text: str, checks: dict[str, str], *, release: bool
) -> str:
    """Give an exercise its marks and its metadata, and return its name."""
    name = next(node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    [found] = build.SOLUTION.finditer(text)
    solution = build.MARK.sub("", found[0])
    if not release:
        marked = f"{found[1]}### BEGIN SOLUTION\n{solution}{found[1]}### END SOLUTION\n"
        cell.source = f"{text[: found.start()]}{marked}{text[found.end() :]}".rstrip("\n")
    lines = sum(bool(line.strip()) for line in solution.splitlines())
    cell.metadata.setdefault("points", min(lines, MOST_POINTS))
    by_hand = {} if name in checks else {"grade": True, "points": cell.metadata.points}
    cell.metadata.nbgrader = _metadata(name, solution=True) | by_hand
    return name


def _test(name: str, check: str, points: int, *, release: bool) -> NotebookNode:
    text = TEST.format(name=name, check=check)
    graded = _metadata(f"test_{name}", locked=True, grade=True) | {"points": points}
    return nbformat.v4.new_code_cell(
        HIDDEN.sub("", text).rstrip("\n") if release else text,
        id=f"test-{name}".replace("_", "-"),
        metadata={"nbgrader": graded},
    )


def _metadata(name: str, **roles: bool) -> dict[str, Any]:
    unset = {"grade": False, "locked": False, "solution": False, "task": False}
    return {"schema_version": 3, "grade_id": name, **unset, **roles}


def main(arguments: list[str] | None = None) -> int:
    """Write the assignments of all notebooks to a folder, and say how many points there are."""
    parser = argparse.ArgumentParser(description="Write the notebooks as assignments for nbgrader.")
    parser.add_argument("folder", type=Path, help="a course folder of nbgrader")
    folder = parser.parse_args(arguments).folder
    for source in sources():
        for kind in ("source", "release"):
            notebook = assignment(source, release=kind == "release")
            path = folder / kind / source.stem / f"{source.stem}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
        points = sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in notebook.cells)
        print(f"{source.stem}: {points} points")
    return 0


if __name__ == "__main__":
    sys.exit(main())
