"""The numbered notebooks as tests run them, and what their solutions add to the learner's run."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from notebooks import build

SOURCES = sorted((build.FOLDER / "source").glob("[0-9][0-9]_*.py"))
MOST_MEMORY = 1.1e9  # bytes; a Binder has 2 GB for the kernel, its libraries and JupyterLab
# Without the pages of files, above all torch's libraries: 0.4 to 0.6 GB where they have CUDA. How
# many of them count depends on what the system has read before.
PEAK_MEMORY = """
import psutil
from rnsl_tutorial.training import devices
files = getattr(psutil.Process().memory_info(), "shared", 0)
print(devices.memory("cpu").process_peak_bytes - files)
"""
PICTURES = (
    "image/",
    "application/vnd.jupyter.widget-view+json",
    "application/vnd.plotly.v1+json",
)


def small(source: Path, *, solutions: bool = False) -> NotebookNode:
    """A notebook with the smaller constants that its cells name for tests."""
    notebook = nbformat.reads(build.build(source, solutions=solutions), as_version=4)
    build.shrink(notebook)
    return notebook


def solved_cells(source: Path) -> list[str]:
    """The cells to run after the learner's version, so that all of the solution has been run.

    They are the solved exercises, and all that depends on them: a cell that uses the name of an
    exercise, or a name that such a cell assigns.
    """
    notebook, touched, found = small(source, solutions=True), set[str](), list[str]()
    for cell in notebook.cells:
        if cell.cell_type == "code" and "colab" not in cell.metadata.get("tags", []):
            used, assigned = names(cell.source)
            if "exercise" in cell.metadata.get("tags", []) or used & touched:
                touched |= assigned
                found.append(cell.source)
    return found


def names(code: str) -> tuple[set[str], set[str]]:
    """The names that a cell uses, and those that it defines at its outermost level."""
    tree = ast.parse(code)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return used, set(_assigned(tree.body))


def _assigned(statements: Iterable[ast.stmt]) -> Iterator[str]:
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def shows_a_picture(kinds_of_cells: Iterable[Iterable[str]]) -> bool:
    """Whether one of the first three code cells does; the kinds of outputs, for each cell."""
    first = [kind for kinds in list(kinds_of_cells)[:3] for kind in kinds]
    return any(kind.startswith(PICTURES) for kind in first)
