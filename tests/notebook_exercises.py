"""The exercises of the notebooks as their sources hold them: the solution, and its check."""

import ast
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import nbformat
import notebook_parts
import numpy as np
import torch

from notebooks import assignment, build
from rnsl_tutorial.tutorial import exercises

_LOG_P = np.log(np.array([0.001, 0.01, 0.02, 0.2, 0.55, 0.8, 0.9, 0.95, 0.97, 0.99]))
FROM_A_RUN = {  # what a check is handed beside the function, where the notebook has it from a run
    "history": SimpleNamespace(log_p=[torch.from_numpy(_LOG_P)] * 41),
    "wrong": np.arange(10) < 4,
    "measured": {0.5: 0.85},
}


class Exercise(NamedTuple):
    """An exercise: its solution, and the call of its check, in the names of its notebook."""

    name: str
    solution: Callable[..., Any]
    call: str
    names: dict[str, Any]

    def check(self, answer: Any) -> bool:
        """Check an answer as the notebook checks the learner's."""
        found: bool = eval(self.call, {**self.names, self.name: answer})
        return found

    def cases(self) -> list[dict[str, Any]]:
        """The arguments at which the check tries an answer."""
        seen: list[dict[str, Any]] = []

        def recorded(**case: Any) -> Any:
            seen.append(case)
            return self.solution(**case)

        assert self.check(recorded)
        return seen


@cache
def of_all_notebooks() -> dict[str, Exercise]:
    """Every exercise that has a check, by its name."""
    found = {}
    for source in notebook_parts.SOURCES:
        notebook = nbformat.reads(build.build(source, solutions=True), as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.id != "colab"]
        solved = [cell.source for cell in code if "exercise" in cell.metadata.get("tags", [])]
        names = {"exercises": exercises, **FROM_A_RUN, **_imported(code, solved)}
        for text in solved:
            exec(text, names)
        for cell in code:
            for name, call in assignment.checks_of(cell):
                found[name] = Exercise(name, names[name], call, names)
    return found


def _imported(code: list[Any], solved: list[str]) -> dict[str, Any]:
    """What the solutions use of what the notebook imports."""
    used = set[str]().union(*(notebook_parts.names(text)[0] for text in solved))
    imports: dict[str, Any] = {}
    for cell in code:
        for node in ast.parse(cell.source).body:
            named = node.names if isinstance(node, ast.Import | ast.ImportFrom) else []
            if used & {alias.asname or alias.name for alias in named}:
                exec(ast.unparse(node), imports)
    return imports
