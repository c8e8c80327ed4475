"""What this machine has, and what to do about what it lacks: the report of ``rnsl doctor``."""

import importlib.metadata
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import psutil
from packaging.requirements import Requirement
from rich.console import Console
from rich.table import Table

from rnsl_tutorial import _files as paths

__all__ = ["Check", "ready", "report", "show"]

_PACKAGE = "rnsl-tutorial"
_MEMORY_NEEDED_GB = 1.8  # what is left of 2 GB once the system has taken its part
_DISK_ADVISED_GB = 2.0
_STYLES = {"ok": "green", "optional": "yellow", "missing": "bold red"}


class Check(NamedTuple):
    """One line of the report.

    Attributes:
        name: what was looked for.
        status: ``"ok"``, ``"optional"`` (the tutorial runs without it) or ``"missing"``.
        detail: what was found.
        advice: what to do; empty if nothing.
    """

    name: str
    status: Literal["ok", "optional", "missing"]
    detail: str
    advice: str = ""


def report() -> list[Check]:
    """Look at the packages, the devices, memory and disk, the data sets and the weights."""
    features = _shipped("AID features", "data", "aid", "features.npz")
    maps = _shipped("AID maps", "data", "aid", "embedding_maps.npz")
    return [*_packages(), _memory(), _disk(), *_torch(), features, maps, _aid_images()]


def show(checks: list[Check]) -> None:
    """Print the checks as a table, and below it one line of advice for each that has some."""
    console = Console(markup=False)  # details and paths may hold square brackets
    table = Table(title=f"{_PACKAGE} {_version(_PACKAGE)}")
    table.add_column("")
    table.add_column("What", no_wrap=True)
    table.add_column("Found", overflow="fold")
    for check in checks:
        table.add_row(check.status, check.name, check.detail, style=_STYLES[check.status])
    console.print(table)
    for check in checks:
        if check.advice:
            console.print(f"{check.name} ({check.status}): {check.advice}", soft_wrap=True)
    console.print("The tutorial can run." if ready(checks) else "The tutorial cannot run yet.")


def ready(checks: list[Check]) -> bool:
    """Whether nothing is missing that the tutorial needs."""
    return all(check.status != "missing" for check in checks)


def _packages() -> Iterator[Check]:
    """Python, and every package that the tutorial depends on, by its own metadata."""
    yield Check(
        "Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    for requirement in map(Requirement, importlib.metadata.requires(_PACKAGE) or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _package(requirement)


def _package(requirement: Requirement) -> Check:
    found = _version(requirement.name)
    if found and requirement.specifier.contains(found, prereleases=True):
        return Check(requirement.name, "ok", found)
    detail = f"{found}, but {requirement.specifier} is needed" if found else "not installed"
    return Check(requirement.name, "missing", detail, f'pip install "{requirement}"')


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _memory() -> Check:
    memory = psutil.virtual_memory()
    detail = f"{memory.available / 1e9:.1f} GB free of {memory.total / 1e9:.1f} GB"
    if memory.total / 1e9 >= _MEMORY_NEEDED_GB:
        return Check("memory", "ok", detail)
    advice = f"The notebooks need {_MEMORY_NEEDED_GB:.0f} GB: use a machine that has more."
    return Check("memory", "missing", detail, advice)


def _disk() -> Check:
    folder = paths.cache_dir()
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = psutil.disk_usage(str(existing)).free / 1e9
    detail = f"{free:.1f} GB free for the cache in {folder}"
    if free >= _DISK_ADVISED_GB and os.access(existing, os.W_OK):
        return Check("disk", "ok", detail)
    advice = (
        f"A decoded archive may need {_DISK_ADVISED_GB:.0f} GB: set RNSL_CACHE to a folder that "
        "has them and that you may write to."
    )
    return Check("disk", "optional", detail, advice)


def _shipped(name: str, *parts: str) -> Check:
    try:
        return Check(name, "ok", paths.shipped(*parts).name)
    except FileNotFoundError as error:
        return Check(name, "missing", "not found", str(error))


def _aid_images() -> Check:
    advice = (
        "Needed only to compute the features anew and to train from pixels: `rnsl data get aid` "
        "fetches them, or set RNSL_AID to the folder or tar file of AID (Xia et al. 2017)."
    )
    root = os.environ.get("RNSL_AID")
    if not root:
        return Check("AID images", "optional", "RNSL_AID is not set", advice)
    if not Path(root).exists():
        return Check("AID images", "optional", f"RNSL_AID names {root}, which is not there", advice)
    return Check("AID images", "ok", root)


def _torch() -> Iterator[Check]:
    """Devices and weights; or why a package cannot tell them."""
    for name, look in (("devices", _devices), ("weights", _weights)):
        try:
            yield from look()
        except (ImportError, OSError, RuntimeError) as error:
            advice = "Install this package and what it needs again: pip install --force-reinstall ."
            yield Check(name, "missing", f"cannot be found out: {error}", advice)


def _devices() -> Iterator[Check]:
    import torch

    yield Check("CPU", "ok", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads in torch")
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        yield Check("GPU", "ok", f"{gpu.name}, {gpu.total_memory / 1e9:.0f} GB (CUDA)")
    elif torch.backends.mps.is_available():
        yield Check("GPU", "ok", "Apple silicon (MPS)")
    else:
        advice = "The notebooks run on the CPU; only fine-tuning a whole network wants a GPU."
        yield Check("GPU", "optional", "none that torch can use", advice)


def _weights() -> Iterator[Check]:
    from rnsl_tutorial.training import networks

    for name in networks.names(pretrained=True):
        path = networks.weights_file(name)
        if path.exists():
            yield Check(f"{name} weights", "ok", path.name)
        else:
            advice = f"Downloaded when first used, or put {path.name} into {path.parent}."
            yield Check(f"{name} weights", "optional", "not at hand", advice)
