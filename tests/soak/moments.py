"""Commands that kill themselves at the very moment at which a temporary file exists."""

import itertools
import os
import shutil
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_lines import BASE, cli
from numpy.typing import NDArray
from stub_scorer import by_class_means
from synthetic_cells import Here

from rnsl_tutorial import _files

MOMENTS = {
    "just made": ("rnsl_tutorial._files", "_locked_neighbour"),
    "full, not yet on disk": ("os", "fsync"),
    "on disk, not yet in its place": ("pathlib.Path", "replace"),
}
"""Moment -> what is called then, of each file that is written."""

LINES = {
    "lab": ["lab", "out"],
    "playground": ["playground", "out/page.html", "--no-browser", "--overwrite"],
    "explore": ["explore", "--out=out/explorers.html", "--no-browser", "--overwrite"],
    "experiment": ["experiment", *BASE["experiment"][1:], "--out=out", "--overwrite"],
    "train": [
        *("train", "--preset=scenes", "--accelerator=cpu", "--set=scenes=160"),
        *("--set=image_size=32", "--set=epochs=2", "--out=out", "--resume"),
    ],
    "train --overwrite": [
        *("train", "--preset=scenes", "--accelerator=cpu", "--set=scenes=160"),
        *("--set=image_size=32", "--set=epochs=2", "--out=out", "--overwrite"),
    ],
    "sweep": ["sweep", "inputs/grid.toml", "--out=out", "--jobs=1"],
    "report": ["report", "inputs/results.json", "--figures=out", "--overwrite"],
    "embed": ["embed", *BASE["embed"][:2], "--out=out/e.npz", "--accelerator=cpu", "--overwrite"],
    "predict": [
        *("predict", *BASE["predict"][:2], "--out=out/l.csv", "--accelerator=cpu", "--overwrite"),
    ],
    "audit": ["audit", *BASE["audit"][::2], "--out=out/doubtful.csv", "--overwrite"],
    "apply": ["apply", *BASE["apply"][:2], "--to=out/copy", "--size=8", "--yes"],
    "features build": [
        *("features", "build", "--root=inputs/archive", "--dataset=mine", "--size=8", "--dim=4"),
        *("--out=out/f.npz", "--overwrite"),
    ],
}
"""Command -> a line that writes into the folder `out`, and that goes on after a kill."""


class Colours:
    """A backbone in no time: pixels as they are."""

    feature_dim = 8

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return eight numbers an image."""
        return images.flatten(1)[:, :8].float()


def run(command: str, place: Path, moment: str, number: int, told: Connection) -> None:
    """Run a command in this process; kill it at a moment of the file of this number, from 1.

    Args:
        command: of `LINES`.
        place: a furnished folder.
        moment: of `MOMENTS`, or "" to let it end.
        number: of the file.
        told: gets the exit code, and how many files were written.
    """
    calls = itertools.count(1)
    module, _, name = ".".join(MOMENTS[moment or "just made"]).rpartition(".")
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch, place)
        if command == "sweep":
            patch.setattr("rnsl_tutorial.experiments.grid.calls", Here())
        if moment and command in (
            "lab",
            "playground",
            "explore",
            "apply",
        ):  # they leave what is there
            shutil.rmtree("out", ignore_errors=True)
        real: Callable[..., Any] = getattr(_resolved(module), name)

        def then(*given: Any, **named: Any) -> Any:
            made = real(*given, **named) if moment in ("", "just made") else None
            if next(calls) == number and moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **named) if made is None else made

        patch.setattr(_resolved(module), name, then)
        try:
            cli.app(LINES[command], prog_name="rnsl")
        except SystemExit as end:
            told.send((end.code, next(calls) - 1))


def _resolved(module: str) -> Any:
    return {"rnsl_tutorial._files": _files, "os": os, "pathlib.Path": Path}[module]


def quicken(patch: pytest.MonkeyPatch, place: Path) -> None:
    """Take the time out of what commands work at, and let them write what they write."""

    def pixels(images: NDArray[np.uint8], *_: object, **__: object) -> NDArray[np.float32]:
        return (images.reshape(len(images), -1) / 64).astype(np.float32)

    def create(name: str, **settings: bool) -> object:
        return networks_create(name, **settings) if "pretrained" in settings else Colours()

    from rnsl_tutorial.training import networks

    networks_create = networks.create
    torch.set_num_threads(1)
    patch.setattr("rnsl_tutorial.audit.scores.score_labels", by_class_means)
    patch.setattr("rnsl_tutorial.audit.pipeline.cached_features", pixels)
    patch.setattr("rnsl_tutorial.cli.lab.start", lambda *_: None)
    explorers = "rnsl_tutorial.tutorial.explorers"
    patch.setattr(f"{explorers}.one_page.all_html", lambda: "<p>All.</html>")
    patch.setattr(networks, "create", create)
    patch.setenv("RNSL_CACHE", str(place / "cache"))
    patch.chdir(place)
