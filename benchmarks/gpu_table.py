"""A part of `gpu.py`: a whole network is fine-tuned under wrong labels, as many cells as fit.

EfficientNet-Lite0 from ImageNet weights, no block frozen, each loss with the same settings. The
most telling cells come first. What is finished stands in a file for `rnsl report`, with the curves
of each run over its epochs, and is not run again.
"""

import math
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from benchmarks import frame
from benchmarks.gpu_job import Job, OutOfTime
from rnsl_tutorial import noise
from rnsl_tutorial.experiments import grid, images, results
from rnsl_tutorial.experiments.config import LOSSES, Config, from_preset
from rnsl_tutorial.experiments.results import Result, Summary
from rnsl_tutorial.training import devices
from rnsl_tutorial.training.devices import Hardware

CELLS = (
    ("symmetric", 0.5),
    ("label_dependent", 0.5),
    ("symmetric", 0.0),
    ("symmetric", 0.7),
    ("symmetric", 0.3),
    ("pair_flip", 0.4),
    ("label_dependent", 0.3),
)
"""Kind of noise and rate, the most telling first."""

COLUMNS = ("knn_clean", "knn_noisy", "prototype", "memorized", "kept")


class Task(NamedTuple):
    """One run, as a worker is told of it.

    Attributes:
        config: of the run.
        root: of the images; None for scenes.
        device: "cpu" or "cuda".
        precision: as `training.Hardware` takes it.
        start_by: seconds since the epoch; a run that would end later is not begun.
        end: seconds since the epoch; a run that would end later is given up.
    """

    config: Config
    root: Path | None
    device: str
    precision: str
    start_by: float
    end: float


def planned(job: Job, dataset: str) -> list[Config]:
    """All runs on a data set, the most telling first: cell by cell for one seed, then the next."""
    cells = [
        cell
        for cell in CELLS[: job.scale.cells]
        if cell[0] != "label_dependent" or _has_table(dataset)
    ]
    given = {"dataset": dataset, **job.scale.table, **job.settings}
    return [
        from_preset(
            "finetune", **{**given, "noise": kind, "rate": rate, "loss": loss, "seed": seed}
        )
        for seed in range(job.scale.seeds)
        for kind, rate in cells
        for loss in LOSSES
    ]


def _has_table(dataset: str) -> bool:
    try:
        noise.label_dependent_classes(dataset)
    except ValueError:
        return False
    return True


# ------------------------------------------------------------------ what a worker does

_seconds: dict[str, float] = {}
"""Data set -> how long a run on it takes, as far as this process has seen one."""


def run(task: Task) -> Result | str:
    """Train and measure; or say why it came to nothing: empty where the time did not suffice."""
    started = time.time()
    if started + _seconds.get(task.config.dataset, 0.0) > task.start_by:
        return ""
    try:
        made = _train(task)
    except OutOfTime:
        return ""
    except Exception as error:  # whatever it is, the other runs go on
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    _seconds[task.config.dataset] = time.time() - started
    return made


def _train(task: Task) -> Result:
    data = images._loaded(task.config, task.root)
    hardware = Hardware(accelerator=task.device, precision=task.precision)
    left, before = task.config.epochs, time.time()

    def give_up(_: object) -> None:
        nonlocal left, before
        now = time.time()
        left, took, before = left - 1, now - before, now
        first = left == task.config.epochs - 1  # it warms up, and tells nothing of the others
        if now + (0 if first else left * took) > task.end:
            _seconds[task.config.dataset] = took * task.config.epochs
            raise OutOfTime(f"{left} epochs of {took:.1f} s are left")

    return images.Run(data, task.config, hardware).run(on_epoch=give_up)


# ------------------------------------------------------------------ what the driver does


class Table:
    """The runs on every data set: those that stand in a file, that failed, that are to come.

    Args:
        job: whose data sets are taken one after the other.

    Raises:
        ValueError: settings that no run could make sense of, or a file with runs of others.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.planned = {name: planned(job, name) for name in job.roots or ("scenes",)}
        self.done = {name: self._finished(name) for name in self.planned}
        self.failed: dict[Config, str] = {}

    def file(self, dataset: str) -> Path:
        """Where the runs on a data set are written: `rnsl report` reads it."""
        first = dataset == next(iter(self.planned))
        return self.job.out / ("results.json" if first else f"results_{dataset}.json")

    def missing(self, dataset: str) -> list[Config]:
        """What is neither done nor failed."""
        ended = {one.config for one in self.done[dataset]} | {*self.failed}
        return [config for config in self.planned[dataset] if config not in ended]

    def left_out(self) -> dict[str, str]:
        """What is not done -> why, or how much of it; for the report."""
        found = {_name(config): f"failed ({why})" for config, why in self.failed.items()}
        for dataset in self.planned:
            if missing := self.missing(dataset):
                said = f"{len(missing)} for lack of time, the first {_name(missing[0])}"
                found[f"runs on {dataset}"] = said
        return found

    def fill(self, reserve: float, on_run: Callable[[str], object] = print) -> None:
        """Run what is missing, until the time is over but for a reserve; write after each run.

        Args:
            reserve: seconds to leave.
            on_run: told in a line what each run reached, or how it failed.
        """
        for dataset in self.planned:
            for config, made in self._run_all(dataset, reserve):
                if isinstance(made, Result):
                    self.done[dataset].append(made)
                    self._save(dataset)
                else:
                    self.failed[config] = made
                on_run(f"{_name(config)}: {_said(made)}")

    def _run_all(self, dataset: str, reserve: float) -> Iterator[tuple[Config, Result | str]]:
        job, root, configs = self.job, self.job.roots.get(dataset), self.missing(dataset)
        start_by, end = job.clock.end - reserve, job.clock.end
        if not configs or time.time() >= start_by:
            return
        if root is not None:  # decoded once, before workers ask for it
            images.load_images(configs[0], root)
        tasks = [Task(c, root, job.device, job.precision, start_by, end) for c in configs]
        where = "processes" if job.at_once > 1 else "threads"
        with closing(grid.calls(run, tasks, job.at_once, where)) as ended:
            for call in ended:
                made = f"its process died: {call.death}" if call.death else call.made
                if made:
                    yield configs[call.place], made

    def _finished(self, dataset: str) -> list[Result]:
        path = self.file(dataset)
        found = results.load_results(path).results if path.exists() else []
        others = [one.config for one in found if one.config not in self.planned[dataset]]
        if others:
            raise ValueError(
                f"{path} holds runs of other settings, such as {others[0]}; choose another --out."
            )
        return found

    def _save(self, dataset: str) -> None:
        done = self.done[dataset]
        inputs = {"images": done[-1].inputs["images"], "precision": self.job.precision}
        name = devices.report(self.job.device).name
        results.save_results(self.file(dataset), done, inputs, device=name)

    def lines(self, dataset: str) -> list[str]:
        """The runs on a data set as Markdown, means over seeds; empty where there are none."""
        done = self.done[dataset]
        if not done:
            return []
        first = done[0].config
        return [
            f"{first.network}, {first.image_size} px, {first.epochs} epochs, batches of "
            f"{first.batch_size}, {self.job.at_once} at a time. `rnsl report "
            f"{self.file(dataset).name}` prints spreads; the file holds curves over the epochs.\n",
            frame.header("noise", "rate", "loss", "seeds", *COLUMNS),
            *map(_row, results.summarize(done)),
        ]


def _row(summary: Summary) -> str:
    known = {name: value for name, value in summary.mean.items() if not math.isnan(value)}
    values = [f"{known[name]:.3f}" if name in known else "" for name in COLUMNS]
    return frame.row(summary.noise, f"{summary.rate:g}", summary.loss, summary.seeds, *values)


def _name(config: Config) -> str:
    c = config
    return f"{c.dataset}, {c.noise} {c.rate:g}, {c.loss}, seed {c.seed}"


def _said(made: Result | str) -> str:
    if isinstance(made, str):
        return made
    return f"k-NN {made.metrics['knn_clean']:.3f}, {made.seconds:.0f} s"
