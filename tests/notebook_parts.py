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
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
SCOPES = ast.FunctionDef | ast.ClassDef | ast.Lambda | COMPREHENSIONS
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

    They are the solved exercises, and all that depends on them: a cell with a statement that takes
    the name of an exercise, or a name that such a statement sets.
    """
    notebook, touched, found = small(source, solutions=True), set[str](), list[str]()
    for cell in notebook.cells:
        if cell.cell_type == "code" and "colab" not in cell.metadata.get("tags", []):
            own, is_exercise = set[str](), "exercise" in cell.metadata.get("tags", [])
            depends = False
            for statement in ast.parse(cell.source).body:
                if is_exercise or touched.intersection(_taken([statement], own)):
                    depends, touched = True, touched | _stored(statement)
            if depends:
                found.append(cell.source)
    return found


def names(code: str) -> tuple[set[str], set[str]]:
    """The names that a cell takes from others, and those that it sets at its outermost level.

    A name that the cell has surely set before it reads it is its own: a loop's, say.
    """
    statements = ast.parse(code).body
    return set(_taken(statements, set())), set().union(*map(_stored, statements))


def _taken(statements: Iterable[ast.stmt], own: set[str]) -> Iterator[str]:
    """Names that are read before they are set; `own` grows by those that are surely set."""
    for statement in statements:
        blocks = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
        if isinstance(statement, SCOPES) or not any(blocks):
            yield from _read(statement) - own
            own |= _stored(statement)
            continue
        inner = [child for block in blocks for child in block]
        parts = [child for child in ast.iter_child_nodes(statement) if child not in inner]
        yield from set().union(*map(_read, parts)) - own
        inside = own.union(*map(_stored, parts))  # what a loop or a `with` binds
        for block in blocks:
            yield from _taken(block, set(inside))


def _read(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Load) else set()
    found = set().union(*map(_read, ast.iter_child_nodes(node)))
    if isinstance(node, ast.AugAssign):
        return found | set().union(*map(_stored, [node.target]))
    return found - _bound(node) if isinstance(node, SCOPES) else found


def _bound(scope: ast.AST) -> set[str]:
    """Names that belong to a function or a comprehension alone."""
    nodes = list(ast.walk(scope))
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored | {n.arg for n in nodes if isinstance(n, ast.arg)}


def _stored(node: ast.AST) -> set[str]:
    """What is set, also by an item or an attribute of it."""
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
        return {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    if isinstance(node, SCOPES):
        return {node.name} if isinstance(node, ast.FunctionDef | ast.ClassDef) else set()
    return set().union(*map(_stored, ast.iter_child_nodes(node)))


def shows_a_picture(kinds_of_cells: Iterable[Iterable[str]]) -> bool:
    """Whether one of the first three code cells does; the kinds of outputs, for each cell."""
    first = [kind for kinds in list(kinds_of_cells)[:3] for kind in kinds]
    return any(kind.startswith(PICTURES) for kind in first)
