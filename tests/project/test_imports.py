"""Imports run one way, as CONTRIBUTING.md says, and heavy packages wait until they are needed."""

import ast
import graphlib
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import rnsl_tutorial

PACKAGE = Path(rnsl_tutorial.__file__).parent
HEAVY = {
    "torch",
    "torchvision",
    "timm",
    "lightning_fabric",
    "huggingface_hub",
    "ray",
    "matplotlib",
    "plotly",
    "sklearn",
    "umap",
    "jupyterlab",
    "voila",
}

GUIDE = PACKAGE.parent / "CONTRIBUTING.md"
COMMAND_LINE = {"__main__", "cli", "lab", "explore", "doctor"}


def names_in(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def rules_of(guide: str) -> list[tuple[set[str], set[str]]]:
    """Read the table of the guide: for each row its modules, and what they may import."""
    cells = [line.strip("|").split("|") for line in guide.splitlines() if line.startswith("| `")]
    rules: list[tuple[set[str], set[str]]] = []
    for modules, _, limit in (row for row in cells if len(row) == 3 and is_limit(row[2].strip())):
        above = set().union(*(earlier for earlier, _ in rules))
        allowed = above - names_in(limit) if "all above" in limit else names_in(limit)
        rules.append((names_in(modules), allowed))
    return rules


def is_limit(text: str) -> bool:
    name = r"`\w+`"
    return bool(re.fullmatch(rf"nothing|{name}(, {name})*|all above( but {name})?", text))


def files_of(module: str) -> list[Path]:
    """The file of a module, or all files of a module that is a folder."""
    return sorted((PACKAGE / module).glob("*.py")) or [PACKAGE / f"{module}.py"]


def imports_of(module: str) -> set[str]:
    """Names of the package's other modules that a module imports, anywhere in its text."""
    texts = [path.read_text(encoding="utf-8") for path in files_of(module)]
    return {name for text in texts for name in imported(text)} - {module}


def imported(text: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "rnsl_tutorial":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rnsl_tutorial."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {
                a.name.split(".")[1] for a in node.names if a.name.startswith("rnsl_tutorial.")
            }
    return found & MODULES


FOLDERS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
MODULES = {path.stem for path in PACKAGE.glob("*.py")} | FOLDERS
GRAPH = {module: imports_of(module) for module in MODULES}


RULES = rules_of(GUIDE.read_text(encoding="utf-8"))
ALLOWED = {module: allowed for modules, allowed in RULES for module in modules}


def test_every_module_stands_once_in_the_guide() -> None:
    named = Counter(module for modules, _ in RULES for module in modules)
    assert named == Counter(MODULES)
    assert set().union(*ALLOWED.values()) <= MODULES


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_what_its_row_allows(module: str) -> None:
    assert GRAPH[module] - ALLOWED[module] == set()


def test_nobody_imports_the_command_line() -> None:
    assert not {name for name in MODULES - COMMAND_LINE if GRAPH[name] & COMMAND_LINE}


def test_a_row_that_is_out_of_place_is_seen() -> None:
    table = "| `a` | x | nothing |\n| `b`, `c` | x | `a` |\n| `d` | x | all above but `b` |\n"
    assert rules_of(table) == [({"a"}, set()), ({"b", "c"}, {"a"}), ({"d"}, {"a", "c"})]


def test_no_circle() -> None:
    assert set(graphlib.TopologicalSorter(GRAPH).static_order()) == MODULES


def test_the_package_and_the_command_line_import_nothing_heavy() -> None:
    code = (
        "import sys, rnsl_tutorial.cli.main; print(*{name.split('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "rnsl_tutorial" in loaded.stdout.split()
    assert not HEAVY & set(loaded.stdout.split())
