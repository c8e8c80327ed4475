"""Write the learner's notebooks from their sources; ``make notebooks`` calls this.

``notebooks/source/NN_name.py`` is py:percent text with the solutions. The learner's
``notebooks/NN_name.ipynb`` has them cut out; ``--instructor DIR`` writes notebooks that keep them.

A code cell tagged ``exercise`` marks its solution so, up to the end of the cell or to the end mark:

    def keep_mask(log_p, k):
        # solution
        return log_p > np.log(k)
        # end solution

A cell tagged ``hidden-assert`` is folded away, and runs like any other. What stands in ``<details>``
is folded for the learner and open for the instructor.

The first code cell is the **opening**: it makes an explorer from what is shipped, needs no other
cell, and is folded away. Its output is the picture ``notebooks/source/NN_name.png`` (``make
pictures`` draws it), the one output that is committed; ``rnsl lab`` turns it into an explorer that
moves. Before the opening stands a cell, folded away and tagged ``colab``, that installs the tutorial
on Google Colab and does nothing elsewhere; in the copies of ``rnsl lab`` it stands after it.
"""

import argparse
import ast
import base64
import hashlib
import re
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode
from packaging.requirements import Requirement
from PIL import Image

FOLDER = Path(__file__).parent
PROJECT = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MOST_LINES = 30
KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
MARK = re.compile(r"^ *# (?:end )?solution\n", re.MULTILINE)
SOLUTION = re.compile(r"^( *)# solution\n.*?(?:^ *# end solution\n|\Z)", re.MULTILINE | re.DOTALL)
YOUR_TURN = r'\1raise NotImplementedError("Your turn: write this function.")' + "\n"

# Colab's kernel stands on these: it warns that a newer one may crash it, and would have to restart.
COLABS_OWN = {"ipykernel", "ipywidgets", "jupyterlab"}
ON_COLAB = """\
# @title On Colab, this cell installs the tutorial; anywhere else it does nothing
import sys

if "google.colab" in sys.modules:
    %pip install -q --no-deps "{name} @ git+{address}"
    %pip install -q \\
{needed}"""


def build(source: Path, *, solutions: bool = False) -> str:
    """Return the text of the notebook that a source makes.

    Args:
        source: a py:percent file.
        solutions: keep them, for the instructor; else the learner's turn is marked in their place.

    Raises:
        ValueError: a code cell is too long, or is an exercise without a solution, or has a solution
            and is no exercise.
    """
    cells = jupytext.read(source, fmt="py:percent").cells
    colab = colab_cell(PROJECT)
    ids = {colab.id}
    for number, cell in enumerate(cells, start=1):
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's note on blank lines
        if cell.cell_type == "code":
            _finish_code(cell, f"{source.name}, cell {number}", solutions=solutions)
        elif solutions:
            cell.source = cell.source.replace("<details>", "<details open>")
        cell.id = _unused_id(cell, ids)
    kinds = [cell.cell_type for cell in cells]
    opening = kinds.index("code") if "code" in kinds else 0
    if (picture := source.with_suffix(".png")).exists():
        _open_with(picture, cells[opening])
    cells.insert(opening, colab)
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=KERNEL)
    nbformat.validate(notebook)
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def colab_cell(project: dict[str, Any]) -> NotebookNode:
    """Return the cell that installs the tutorial on Colab, beside the Jupyter that Colab has.

    pip leaves alone what is there and new enough, above all PyTorch.

    Args:
        project: the table ``project`` of pyproject.toml.
    """
    needed = (text for text in project["dependencies"] if Requirement(text).name not in COLABS_OWN)
    lines = textwrap.wrap(" ".join(f'"{text}"' for text in needed), 80, break_on_hyphens=False)
    source = ON_COLAB.format(
        name=project["name"],
        address=project["urls"]["Repository"],
        needed=textwrap.indent(" \\\n".join(lines), " " * 8),
    )
    # Jupyter folds it by source_hidden, Colab by cellView.
    folded = {"tags": ["colab"], "cellView": "form", "jupyter": {"source_hidden": True}}
    return nbformat.v4.new_code_cell(source, id="colab", metadata=folded)


def _open_with(picture: Path, cell: NotebookNode) -> None:
    """Fold the opening's code away, and let it show the picture of what it makes."""
    with Image.open(picture) as image:
        sentence = image.info["Description"]
    data = {"image/png": base64.b64encode(picture.read_bytes()).decode(), "text/plain": sentence}
    cell.outputs = [nbformat.v4.new_output("display_data", data)]
    cell.metadata["jupyter"] = {"source_hidden": True}


def _finish_code(cell: NotebookNode, where: str, *, solutions: bool) -> None:
    tags = cell.metadata.get("tags", [])
    text = cell.source + "\n"
    if len(text.splitlines()) > MOST_LINES:
        raise ValueError(f"{where} has more than {MOST_LINES} lines: one idea a cell, split it.")
    if ("exercise" in tags) != bool(SOLUTION.search(text)):
        raise ValueError(f'{where}: the tag "exercise" and a line "# solution" belong together.')
    text = MARK.sub("", text) if solutions else SOLUTION.sub(YOUR_TURN, text)
    cell.source = text.rstrip("\n")
    if "self-check" in tags and isinstance(ast.parse(text).body[-1], ast.Expr):
        cell.source += ";"  # the check speaks; whether it returned True is for programs
    if "hidden-assert" in tags:
        cell.metadata["jupyter"] = {"source_hidden": True}


def _unused_id(cell: NotebookNode, used: set[str]) -> str:
    """Return an id made from what the cell says, so that building again changes nothing."""
    digest = hashlib.sha1(f"{cell.cell_type} {cell.source}".encode()).hexdigest()[:8]
    candidate, copies = digest, 1
    while candidate in used:
        copies += 1
        candidate = f"{digest}-{copies}"
    used.add(candidate)
    return candidate


def shrink(notebook: NotebookNode) -> None:
    """Let a notebook run with the smaller constants that its cells name for tests.

    They stand in a cell's metadata: ``# %% tags=["parameters"] ci={"SEEDS": 1}``.

    Raises:
        ValueError: a cell names a constant that it does not set.
    """
    for cell in notebook.cells:
        for name, value in cell.metadata.get("ci", {}).items():
            if not re.search(rf"^[\w, ]*\b{name}\b[\w, ]* =", cell.source, re.MULTILINE):
                raise ValueError(f"The cell that is to set {name} for tests does not set it.")
            cell.source += f"\n{name} = {value!r}"


def main(arguments: list[str] | None = None) -> int:
    """Write the notebooks, or with ``--check`` name those that differ from their source."""
    parser = argparse.ArgumentParser(description="Write the notebooks from their sources.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")
    parser.add_argument(
        "--instructor", type=Path, metavar="DIR", help="write the solved ones there"
    )
    parser.add_argument("--force", action="store_true", help="also over notebooks that were run")
    options = parser.parse_args(arguments)
    folder = options.instructor or FOLDER
    built = {
        folder / f"{source.stem}.ipynb": build(source, solutions=options.instructor is not None)
        for source in sorted((FOLDER / "source").glob("*.py"))
    }
    stale = [path for path, text in built.items() if not path.exists() or _read(path) != text]
    kept = False
    for path in stale:
        if options.check:
            print(f"{path} differs from its source; make notebooks writes it anew")
        elif path.exists() and not options.force and _was_run(path):
            print(f"{path} holds results and was left alone; --force writes over it")
            kept = True
        else:
            print(f"writing {path}")
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(built[path], encoding="utf-8", newline="\n")
    return 1 if kept or (options.check and stale) else 0


def _was_run(path: Path) -> bool:
    """Whether somebody ran the notebook: it may hold answers that nobody wants to lose."""
    cells = nbformat.reads(_read(path), as_version=4).cells
    return any(cell.get("execution_count") for cell in cells)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
