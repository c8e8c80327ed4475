"""What import-linter cannot see of the rooms: what is loaded at run time, what is public."""

import ast
import functools
import importlib
import resource
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import rnsl_tutorial

PACKAGE = Path(rnsl_tutorial.__file__).parent
HEAVY = {
    *("torch", "torchvision", "timm", "lightning_fabric", "pytorch_metric_learning", "ray"),
    *("matplotlib", "plotly", "sklearn", "scipy", "umap", "jupyterlab"),
    "huggingface_hub",
}
ROOMS = ("losses", "noise", "evaluation", "datasets", "training", "experiments", "audit")
PRIVATE = {"_arrays", "_files", "_lazy", "_tables"}
SMALL_MODULE = "losses noise training.loop"
ASKED = (*ROOMS, SMALL_MODULE)
FORGETTING = """
import importlib, sys
for asked in sys.argv[1:]:
    for name in [name for name in sys.modules if name.startswith("rnsl_tutorial")]:
        del sys.modules[name]
    if asked in importlib.import_module("rnsl_tutorial").__all__:
        getattr(sys.modules["rnsl_tutorial"], asked)
    else:
        [importlib.import_module(f"rnsl_tutorial.{module}") for module in asked.split()]
    print(*sys.modules)
"""
PUBLIC_NAMES = 400
LINES_OF_THE_SMALL_MODULE = 1_500


@functools.cache
def loaded_by(code: str) -> set[str]:
    """Names of the modules that a new Python has loaded after this code."""
    told = f"import sys; {code}; print(*sys.modules)"
    command = [sys.executable, "-c", told]
    return {*subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()}


def rooms(modules: set[str]) -> set[str]:
    return {name.split(".")[1] for name in modules if name.startswith("rnsl_tutorial.")}


@cache
def loaded_by_each() -> dict[str, set[str]]:
    """What is loaded after each of `ASKED`, by one Python that forgets our own in between."""
    command = [sys.executable, "-c", FORGETTING, *ASKED]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {a: {*line.split()} for a, line in zip(ASKED, printed.splitlines(), strict=True)}


def test_the_package_and_the_command_line_import_nothing_heavy() -> None:
    modules = loaded_by("import rnsl_tutorial.cli.main")
    assert rooms(modules) == {"cli"}
    assert not HEAVY & modules


def test_the_losses_need_torch_alone() -> None:
    assert ASKED[0] == "losses"
    modules = loaded_by_each()["losses"]
    assert rooms(modules) == {"losses"}
    assert HEAVY & modules == {"torch"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_that_is_asked_for_brings_no_other(room: str) -> None:
    assert rooms(loaded_by_each()[room]) - PRIVATE == {room}


def test_help_takes_less_than_half_a_second() -> None:
    assert min(cpu_seconds("-m", "rnsl_tutorial", "--help") for _ in range(3)) < 0.5


def cpu_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


# ------------------------------------------------------------------ what is public


def modules() -> list[str]:
    """Every module of the package that is none of its private ones."""
    paths = [path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py")]
    names = [".".join(path.parts).removesuffix(".__init__") for path in sorted(paths)]
    return [name for name in names if "._" not in name]


def defined_in(module: str) -> set[str]:
    """Public names that a module defines or assigns at its top level."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in found if not name.startswith("_")}


@pytest.mark.parametrize("module", [m for m in modules() if not m.endswith("__main__")])
def test_a_module_names_what_is_public(module: str) -> None:
    imported = importlib.import_module(module)
    named = getattr(imported, "__all__", [])
    assert [name for name in named if not hasattr(imported, name)] == []
    assert len(set(named)) == len(named)
    assert defined_in(module) - {*named} == set()


def test_the_public_names_can_be_held_in_the_head() -> None:
    assert sum(len(defined_in(module)) for module in modules()) <= PUBLIC_NAMES


def test_the_small_module_is_an_evenings_reading_and_stands_alone() -> None:
    small = ("losses.py", "noise.py", "training/loop.py")
    lines = sum(len((PACKAGE / name).read_text().splitlines()) for name in small)
    assert lines <= LINES_OF_THE_SMALL_MODULE
    assert rooms(loaded_by_each()[SMALL_MODULE]) <= {"losses", "noise", "training", *PRIVATE}
