"""Imports run one way, and heavy packages wait until they are needed."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

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
}

# What a module may import from the package, where that is limited. The others may import any but
# the command line, as long as there is no circle.
ALLOWED = {
    "__init__": set(),
    "paths": set(),
    "losses": set(),
    "config": set(),
    "devices": set(),
    "augmentation": set(),
    "noise": {"paths"},
    "datasets": {"paths"},
    "scenes": {"paths"},
    "checkpoints": {"paths"},
    "download": {"paths"},
    "placement": {"devices"},
    "pruning": {"losses"},
    "baselines": {"losses", "config"},
    "plots": {"paths"},
    "maps": {"paths"},
    "projections": {"paths"},
    "explorers": {"paths", "losses", "noise", "maps", "projections", "plots"},
}
COMMAND_LINE = {"__main__", "cli", "lab", "doctor"}


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


def test_imports_run_one_way() -> None:
    wrong = {name: GRAPH[name] - ALLOWED[name] for name in ALLOWED.keys() & GRAPH.keys()}
    assert not {name: extra for name, extra in wrong.items() if extra}
    assert not {name for name in MODULES - COMMAND_LINE if GRAPH[name] & COMMAND_LINE}


def test_no_circle() -> None:
    assert set(graphlib.TopologicalSorter(GRAPH).static_order()) == MODULES


def test_the_package_and_the_command_line_import_nothing_heavy() -> None:
    code = "import sys, rnsl_tutorial.cli; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "rnsl_tutorial" in loaded.stdout.split()
    assert not HEAVY & set(loaded.stdout.split())
