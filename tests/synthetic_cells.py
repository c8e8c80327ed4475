"""Cells of a sweep on four clouds, and workers that run them in this process."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Self

import numpy as np

from rnsl_tutorial import datasets
from rnsl_tutorial.datasets.splits import stratified_split
from rnsl_tutorial.experiments import sweep
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.sweep import Cell, Outcome, Task

C, D, N = 4, 12, 200
QUICK = "epochs = 3\nbatch_size = 64\nhidden_dim = 16\nembedding_dim = 8\nlearning_rate = 0.1\n"


def save_clouds(folder: Path) -> Path:
    """Write a file of features."""
    rng = np.random.default_rng(0)
    labels = np.arange(N) % C
    values = 2 * np.eye(C, D)[labels] + 0.5 * rng.normal(size=(N, D))
    path = folder / "features.npz"
    datasets.save_features(
        path,
        datasets.FeatureSet(
            features=values.astype(np.float32),
            labels=labels.astype(np.int64),
            class_names=("a", "b", "c", "d"),
            files=tuple(f"{'abcd'[y]}/{i}.png" for i, y in enumerate(labels)),
            split=stratified_split(labels, seed=0),
            step=np.full(D, 0.1, np.float32),
            reduction=datasets.Reduction(np.zeros(D, np.float32), np.eye(D, dtype=np.float16)),
            made_with={"backbone": "none"},
        ),
    )
    return path


def grid_file(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return path


def cloud_cells(folder: Path, clouds: Path, axes: str, settings: str = QUICK) -> list[Cell]:
    text = f'[settings]\n{settings}[grid]\n{axes}\n[features]\naid = "{clouds.as_posix()}"\n'
    return sweep.make_cells(sweep.read_grid(grid_file(folder, text)))


class Here:
    """Workers that call at once, in this process; some calls die first.

    Args:
        deaths: seed of a cell -> how often its worker dies.
    """

    def __init__(self, deaths: dict[int, int] | None = None) -> None:
        self.deaths = Counter(deaths or {})
        self.called: list[Config] = []
        self.sound: list[bool] = []
        self.at_once, self.most = 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...

    def submit(self, function: Callable[[Task], Outcome], task: Task) -> "Future[Outcome]":
        self.called.append(task.cell.config)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        future: Future[Outcome] = Future()
        if self.deaths[task.cell.config.seed] > 0:
            self.deaths[task.cell.config.seed] -= 1
            future.set_exception(BrokenProcessPool("it was terminated abruptly"))
        else:
            future.set_result(function(task))
        return future

    def release(self, future: "Future[Any]", *, sound: bool) -> None:
        self.at_once -= 1
        self.sound.append(sound)
