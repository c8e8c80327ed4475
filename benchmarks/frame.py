"""What the benchmarks do alike: their options, fresh processes, the machine, rows of a table."""

import argparse
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
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
