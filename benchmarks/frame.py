"""What the benchmarks do alike: options, archives, fresh processes, the machine, tables."""

import argparse
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def parser(doc: str | None, **numbers: int) -> argparse.ArgumentParser:
    """Return a parser whose help is the script's docstring.

    Args:
        doc: ``__doc__`` of the script.
        numbers: option -> default, of the options that are integers.
    """
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, number in numbers.items():
        option = f"--{name.replace('_', '-')}"
        made.add_argument(option, type=int, default=number, help=f"default {number}")
    return made


def further_archives() -> dict[str, Path]:
    """Data set -> folder, tar or zip of its images, as RNSL_ARCHIVES lists them.

    Entries stand side by side as in PATH. One is a path, which names the data set by its last part
    without an ending, or NAME=PATH.

    Raises:
        ValueError: one of them is not there, or two have one name.
    """
    found: dict[str, Path] = {}
    for entry in filter(None, os.environ.get("RNSL_ARCHIVES", "").split(os.pathsep)):
        before, equals, after = entry.partition("=")
        path = Path(after if equals else entry).expanduser()
        name = before if equals else path.name.partition(".")[0].lower()
        if not path.exists() or name in found:
            wrong = "is named twice" if path.exists() else "does not exist"
            raise ValueError(f"RNSL_ARCHIVES lists {entry!r}, which {wrong}; mend the list.")
        found[name] = path
    return found


def machine(*packages: str) -> str:
    """Name processors, system and versions, also our own; of PyTorch its threads and its GPU."""
    parts = [f"{os.cpu_count()} processors ({platform.machine()})"]
    if "torch" in packages:
        import torch  # here: what does without it is measured without it

        parts.append(f"{torch.get_num_threads()} threads")
        if torch.cuda.is_available():
            parts.append(torch.cuda.get_device_name())
    parts += [platform.system(), f"Python {platform.python_version()}"]
    versions = (f"{name} {version(name)}" for name in (*packages, "rnsl-tutorial"))
    return ", ".join([*parts, *versions])


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a new interpreter."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def row(*cells: object) -> str:
    """Return one line of a Markdown table; a cell may be several, with ``|`` between."""
    return "|" + "".join(f" {cell} |" if cell != "" else " |" for cell in cells)


def header(*columns: str) -> str:
    """Return the two lines that a Markdown table begins with."""
    return f"{row(*columns)}\n|{'---|' * len(columns)}"


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return the median and the range as two cells."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):,.{digits}f} | {low:,.{digits}f} to {high:,.{digits}f}"
