"""Cells of a sweep on four clouds, and a grid that runs them in this process."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from synthetic_features import make_features

from rnsl_tutorial import datasets
from rnsl_tutorial.datasets.splits import stratified_split
from rnsl_tutorial.experiments import sweep
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.grid import Ended
from rnsl_tutorial.experiments.sweep import Cell, Outcome

C, D = 4, 12
QUICK = "epochs = 3\nbatch_size = 64\nhidden_dim = 16\nembedding_dim = 8\nlearning_rate = 0.1\n"


def make_clouds(count: int) -> datasets.FeatureSet:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % C
    values = 2 * np.eye(C, D)[labels] + 0.5 * rng.normal(size=(count, D))
    clouds = make_features(values, labels, stratified_split(labels, seed=0))
    return clouds._replace(step=np.full(D, 0.1, np.float32))


def save_clouds(folder: Path) -> Path:
    """Write a file of features."""
    path = folder / "features.npz"
    datasets.save_features(path, make_clouds(200))
    return path


def grid_file(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return path


def cloud_cells(folder: Path, clouds: Path, axes: str, settings: str = QUICK) -> list[Cell]:
    text = f'[settings]\n{settings}[grid]\n{axes}\n[features]\naid = "{clouds.as_posix()}"\n'
    return sweep.make_cells(sweep.read_grid(grid_file(folder, text)))


class Here:
    """Makes the calls of a grid in this process, in place of `grid.calls`; the workers of some die.

    Attributes:
        deaths: seeds of the cells whose workers die.
        called: configs of the cells, in order.
        jobs: that were asked for last.
    """

    def __init__(self) -> None:
        self.deaths: set[int] = set()
        self.called: list[Config] = []
        self.jobs = 0

    def __call__(
        self,
        function: Callable[..., Outcome],
        tasks: Sequence[tuple[Cell, Path]],
        jobs: int,
        _: str,
    ) -> Iterator[Ended]:
        self.jobs = jobs
        for place, task in enumerate(tasks):
            config = task[0].config
            self.called.append(config)
            if config.seed in self.deaths:
                yield Ended(place, None, BrokenProcessPool("it was terminated abruptly"), 3)
            else:
                yield Ended(place, function(task), None, 1)
