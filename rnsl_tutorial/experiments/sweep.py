"""Sweeps: every combination of a grid, run by several workers, and one table of what came out.

A cell is one combination. What it reached is a file of its own, named after a hash of all that
decides the outcome: a sweep that was stopped, or a grid that grew, runs only what is missing.

    DIR/cells/NAME-HASH.json    what a cell reached, or why it failed
    DIR/cells/HASH/             checkpoints of a network on pixels, until it is trained
    DIR/results.csv             a row a cell
    DIR/results.json            for `rnsl report`
    DIR/results.md, *.png       tables and figures

Nothing but the driver writes into DIR, but for checkpoints. On a cluster, archives and features
that are named by a path must lie on a file system that all machines share; so must DIR, if a
training that was cut off is to go on from its checkpoints.
"""

import hashlib
import io
import json
import math
import os
import re
import shutil
import socket
import tomllib
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, fields, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from rich.console import Console

from rnsl_tutorial import __version__, datasets, noise
from rnsl_tutorial._files import (
    DAMAGE,
    alone,
    check_output,
    csv_text,
    in_one_line,
    lock_of,
    opened,
    printable,
    shipped,
    typed,
    written_whole,
)
from rnsl_tutorial.datasets import download
from rnsl_tutorial.experiments import grid, heads, images, report
from rnsl_tutorial.experiments.config import PRESETS, Config, _told
from rnsl_tutorial.experiments.results import Result, load_results, save_results
from rnsl_tutorial.training import devices
from rnsl_tutorial.training.devices import Hardware
from rnsl_tutorial.training.settings import check_names, parse

__all__ = ["Cell", "Outcome", "make_cells", "read", "read_grid", "run_sweep"]

_SECTIONS = {
    "preset": str,
    "precision": str,
    "settings": dict,
    "grid": dict,
    "roots": dict,
    "features": dict,
}
"""What a grid file may hold."""

_ALWAYS_SHOWN = ("dataset", "noise", "rate", "loss", "seed")
"""Columns of `results.csv` even where all cells are alike in them."""

_MOST_BYTES = 2**20
"""Of a grid file."""

_SUMMARIZED = ("noise", "rate", "loss", "q", "k", "seed")
"""What `results.summarize` tells apart, or takes the mean over."""


# ------------------------------------------------------------------ the grid


class _Grid(NamedTuple):
    """What a grid file asks for.

    Attributes:
        configs: one for every combination, each once; what the file names last varies fastest.
        roots: data set -> folder, tar or zip of its images.
        features: data set -> file of features.
        precision: of networks on pixels, as `training.devices.Hardware` takes it.
    """

    configs: tuple[Config, ...]
    roots: Mapping[str, Path]
    features: Mapping[str, Path]
    precision: str = "32"

    def check_folder(self, out: Path, file: Path) -> None:
        """Refuse a folder for the sweep, before any image is read.

        Args:
            out: the folder.
            file: that the grid was read from.

        Raises:
            ValueError: it lies in an archive, what is read lies where results are written, or the
                folder holds results that no sweep left there.
            OSError: it cannot be written to.
        """
        images_of = [self.roots.get(name) or download.images_of(name) for name in self.datasets]
        cells, reads = out / "cells", [file, *self.features.values()]
        for archive in images_of or [None]:
            check_output(cells, is_folder=True, archive=archive, reads=reads, other="--out")
        for name in ("results.csv", "results.json", "results.md"):
            check_output(out / name, overwrite=cells.is_dir(), reads=reads, other="--out")

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets, each once."""
        return list(dict.fromkeys(config.dataset for config in self.configs))


def read_grid(path: Path, roots: Sequence[str] = (), *, many: bool = False) -> _Grid:
    """Read a grid file.

    It is TOML, such as

        preset = "laptop"                  # optional, one of `config.PRESETS`
        precision = "bf16"                 # optional, of networks on pixels; default "32"
        [settings]                         # fields of `Config`
        epochs = 24
        [grid]                             # fields of `Config`: every combination is a cell
        dataset = ["aid", "scenes"]
        rate = [0.0, 0.2, 0.4]
        loss = ["nsl", "rnsl", "trnsl"]
        seed = [0, 1, 2]
        [roots]                            # images; default: `datasets.download.images_of`
        aid = "images/AID"
        [features]                         # for network "head"; default: those that are shipped
        aid = "aid/features.npz"

    Paths are relative to the file's folder. Several grids, each headed [[grid]], follow each other.

    Args:
        path: the file.
        roots: "NAME=PATH" each, relative to the working directory, instead of the file's.
        many: whether more than 10,000 cells are meant.

    Raises:
        ValueError: not TOML, more cells than are meant, or a section, field, value or data set that
            cannot be.
        OSError: the file cannot be read.
    """
    try:
        return _grid_of(path, _parsed(path), roots, many)
    except ValueError as error:
        shown = printable(str(path))
        raise ValueError(str(error) if shown in str(error) else f"{shown}: {error}") from error


def _grid_of(path: Path, document: Mapping[str, Any], roots: Sequence[str], many: bool) -> _Grid:
    base = _preset(document.get("preset"))
    grids = document.get("grid", {})
    all_axes = [
        _axes(document.get("settings", {}), grid)
        for grid in (grids if isinstance(grids, list) else [grids])
    ]
    heads._check_runs(sum(math.prod(map(len, axes.values())) for axes in all_axes), many)
    configs = tuple(
        Config(**_told({**base, **dict(zip(axes, values, strict=True))}))
        for axes in all_axes
        for values in product(*axes.values())
    )
    given = _named_paths(roots)
    found = _Grid(
        tuple(dict.fromkeys(configs)),
        _paths(path.parent, document.get("roots", {})) | given,
        _paths(path.parent, document.get("features", {})),
        Hardware(precision=document.get("precision", "32")).precision,
    )
    _check(found)
    return found


def _parsed(path: Path) -> dict[str, Any]:
    with opened(path, _MOST_BYTES) as file:
        data = file.read()
    try:
        document = typed(tomllib.loads(data.decode("utf-8-sig")), dict[str, Any])
    except (ValueError, RecursionError) as error:
        hint = " Put a path of Windows into single quotes." * ("\\" in str(error))
        said = f"{printable(str(path))} is not a TOML file: {in_one_line(error)}"
        raise ValueError(f"{said}.{hint}") from error
    for name, value in document.items():
        if name not in _SECTIONS:
            raise ValueError(f"{path} has {name!r}; a grid file has {', '.join(_SECTIONS)}.")
        tables = name == "grid" and isinstance(value, list)
        if not all(isinstance(v, _SECTIONS[name]) for v in (value if tables else [value])):
            wanted = "a name in quotes" if _SECTIONS[name] is str else f"a section [{name}]"
            raise ValueError(f"{name} is {value!r} in {path}; it must be {wanted}.")
    return document


def _preset(name: str | None) -> Mapping[str, Any]:
    if name is None:
        return {}
    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def _axes(settings: Mapping[str, Any], grid: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Field of `Config` -> the values it takes, each once."""
    for name in settings:
        if name in grid:
            raise ValueError(f"{name} stands in [settings] and in [grid]; name it once.")
        if isinstance(settings[name], list):
            raise ValueError(f"{name} is a list in [settings]; lists belong into [grid].")
    return {name: _values(name, value) for name, value in {**settings, **grid}.items()}


def _values(name: str, value: Any) -> list[Any]:
    check_names([name], Config)
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, str | int | float) for v in values):
        raise ValueError(f"{name} is {value!r}; give a value, or a list of values in [grid].")
    return list(dict.fromkeys(parse([f"{name}={v}"], Config)[name] for v in values))


def _named_paths(texts: Iterable[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise ValueError(f"--root is {text!r}; give NAME=PATH, such as aid=/data/AID.")
        if name in found:
            raise ValueError(f"--root is given twice for {name!r}; give one path.")
        found[name] = Path(path).expanduser().absolute()
    return found


def _paths(folder: Path, section: Mapping[str, Any]) -> dict[str, Path]:
    wrong = [name for name, path in section.items() if not isinstance(path, str)]
    if wrong:
        raise ValueError(f"The path of {wrong[0]} is {section[wrong[0]]!r}; put it in quotes.")
    return {
        name: folder.joinpath(Path(path).expanduser()).absolute() for name, path in section.items()
    }


def _check(grid: _Grid) -> None:
    """Refuse data sets that are not of the grid, and noise that cannot be."""
    for name in (*grid.roots, *grid.features):
        if name not in grid.datasets:
            known = ", ".join(grid.datasets)
            raise ValueError(f"A path is given for {name!r}; the grid has {known}.")
    for kind, dataset in {(config.noise, config.dataset) for config in grid.configs}:
        if kind == "label_dependent":
            noise.label_dependent_classes(dataset)  # there is a table


# ------------------------------------------------------------------ cells


class _Source(NamedTuple):
    """The data of a cell.

    Attributes:
        path: of the images or features; None for scenes, and for the features that are shipped.
        fingerprint: of what lies there.
        inputs: how it was made, for the results.
    """

    path: Path | None
    fingerprint: str
    inputs: Mapping[str, Any]


class Cell(NamedTuple):
    """One combination of a grid, with its data."""

    config: Config
    source: _Source

    @property
    def key(self) -> str:
        """Hash of what decides the outcome: config, data and version of this package."""
        precision = self.source.inputs.get("precision", "32")
        decisive = [asdict(self.config), self.source.fingerprint, precision, __version__]
        return _hash(json.dumps(decisive))

    @property
    def name(self) -> str:
        """For the reader; the key makes it unique."""
        c = self.config
        words = (c.dataset, c.network, c.noise, f"{c.rate:g}", c.loss, f"seed{c.seed}", self.key)
        return _plain("-".join(words))


def make_cells(grid: _Grid) -> list[Cell]:
    """Load the data that a grid needs, so that archives are decoded once, before workers start.

    Raises:
        ValueError: data that is not given, or is damaged.
        OSError: data that is not there, or a cache that cannot be written.
    """
    sources: dict[Config | str, _Source] = {}
    cells = []
    for config in grid.configs:
        images_of = images._of_images(config) if config.on_pixels else config.dataset
        if images_of not in sources:
            sources[images_of] = _source(config, grid)
        cells.append(Cell(config, sources[images_of]))
    return cells


def _source(config: Config, grid: _Grid) -> _Source:
    if not config.on_pixels:
        path = grid.features.get(config.dataset)
        same = [c for c in grid.configs if not c.on_pixels and c.dataset == config.dataset]
        heads._check_sizes(_features(config.dataset, path), same)
        return _features_source(config.dataset, path)
    if config.dataset == "scenes":
        return _Source(None, "", {"images": config.scenes, "precision": grid.precision})
    root = grid.roots.get(config.dataset) or download.images_of(config.dataset)
    archive = images.load_images(replace(config, freeze=0), root).archive
    some = archive.images[np.linspace(0, len(archive.images) - 1, 64).astype(int)]
    names = "\n".join((*archive.class_names, *archive.files))
    inputs = {"images": len(archive.images), "precision": grid.precision}
    return _Source(root, _hash(names, some.tobytes()), inputs)


def _features_source(dataset: str, path: Path | None) -> _Source:
    data = _features(dataset, path)
    file = path or shipped("data", dataset, "features.npz")
    return _Source(path, _hash(file.read_bytes()), data.made_with)


def _hash(*parts: str | bytes) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()


def _plain(name: str) -> str:
    """As a part of a file's name."""
    return re.sub(r"[^\w.=-]", "_", name)


# ------------------------------------------------------------------ what a worker does


class Outcome(NamedTuple):
    """What became of a cell.

    Attributes:
        result: what it reached; None where it failed.
        error: why it failed, in one line; empty where it did not.
        traceback: of the error, if it was raised.
        worker: "HOST:PROCESS" that ran it.
        device: that it ran on.
        threads: of the processor that it could use.
        attempts: how often this sweep tried it.
    """

    result: Result | None
    error: str = ""
    traceback: str = ""
    worker: str = ""
    device: str = ""
    threads: int = 1
    attempts: int = 1


_Task: TypeAlias = tuple[Cell, Path]
"""A cell, and the folder for its checkpoints, used by workers that see it."""


def _run_cell(task: _Task) -> Outcome:
    """Run a cell, and catch its error, so that the others go on."""
    cell, folder = task
    on_pixels = cell.config.on_pixels
    ran = Outcome(
        None,
        worker=f"{socket.gethostname()}:{os.getpid()}",
        device=devices.report(devices.find_device()).name if on_pixels else "cpu",
        threads=torch.get_num_threads() if on_pixels else 1,
    )
    try:
        return ran._replace(result=_result(cell, folder))
    except Exception as error:  # whatever it is, it is this cell's
        _end_if_broken()
        said = f"{type(error).__name__}: {in_one_line(error)}"
        return ran._replace(error=said, traceback=traceback.format_exc())


def _end_if_broken() -> None:
    """End a process whose GPU answers no more, which would fail all cells that come to it."""
    try:
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.synchronize()
    except RuntimeError:
        os._exit(1)


def _result(cell: Cell, folder: Path) -> Result:
    config, path = cell.config, cell.source.path
    if not config.on_pixels:
        return heads.run(_features(config.dataset, path), config)
    data = images._loaded(config, path)
    run = images.Run(data, config, Hardware(precision=cell.source.inputs["precision"]))
    return run.run(folder if folder.is_dir() else None, resume=True)


@lru_cache(maxsize=1)
def _features(dataset: str, path: Path | None) -> datasets.FeatureSet:
    return datasets.load_features(path) if path else datasets.load_shipped_features(dataset)


# ------------------------------------------------------------------ a sweep


def run_sweep(
    cells: Sequence[Cell],
    out: Path,
    *,
    jobs: int = 2,
    ray: str | None = None,
    on_outcome: Callable[[Cell, Outcome], object] | None = None,
) -> list[Outcome]:
    """Run the cells that are not finished, and write the tables of all that are.

    Args:
        cells: from `make_cells`.
        out: folder of the sweep.
        jobs: cells at a time. They share the processor's threads, and without Ray the first GPU.
        ray: address of a Ray cluster, or "local" for one of this machine alone; None for processes.
        on_outcome: called as each cell ends, in no fixed order.

    Returns:
        What became of each cell, in the order of the cells.

    Raises:
        ValueError: jobs below 1, or Ray is not installed.
        BlockingIOError: another sweep is at work in this folder.
        OSError: the folder cannot be written to, or no cluster answers.
        KeyboardInterrupt: stopped; the workers have ended and what is finished is kept.
    """
    grid._check_jobs(jobs)
    for config in {cell.config for cell in cells if cell.config.on_pixels}:
        images._check_sizes(config)
    with _locked(out):
        todo = _unfinished(cells, out)
        for config, path in {(images._of_images(c.config), c.source.path) for c in todo}:
            if config.freeze:
                images.load_images(config, path)  # once, not by every worker
        try:
            _run(todo, out, jobs, ray or "processes", on_outcome or (lambda *_: None))
        finally:
            _write_tables(cells, out)
    return [outcome for outcome in read(cells, out) if outcome]


def _unfinished(cells: Sequence[Cell], out: Path) -> list[Cell]:
    """Cells to run; of the others, checkpoints that a crash may have left behind are removed."""
    todo = []
    for cell, outcome in zip(cells, read(cells, out), strict=True):
        if outcome is None or outcome.error:
            todo.append(cell)
        else:
            shutil.rmtree(_folder(cell, out), ignore_errors=True)
    return todo


def _run(
    cells: Sequence[Cell],
    out: Path,
    jobs: int,
    where: str,
    on_outcome: Callable[[Cell, Outcome], object],
) -> None:
    tasks = [(cell, _folder(cell, out)) for cell in cells]
    for cell, folder in tasks:
        if cell.config.on_pixels:
            folder.mkdir(parents=True, exist_ok=True)
    with closing(grid.calls(_run_cell, tasks, jobs, where)) as ended:
        for call in ended:
            cell, folder = tasks[call.place]
            outcome = Outcome(None, _obituary(call)) if call.death else call.made
            _write(_file(cell, out), cell, outcome._replace(attempts=call.attempts))
            if not outcome.error:
                shutil.rmtree(folder, ignore_errors=True)
            on_outcome(cell, outcome)


def _obituary(call: grid.Ended) -> str:
    said = f"Its worker died {call.attempts} times, killed or out of memory; try fewer jobs."
    return f"{said} {in_one_line(call.death or Exception())}"


def _locked(out: Path) -> AbstractContextManager[object]:
    """Keep other sweeps out of the folder, until the end of a with statement."""
    busy = f"Another sweep is at work in {out}. Wait until it ends, or choose another --out."
    return alone(lock_of(out / "results.json"), busy)


# ------------------------------------------------------------------ outcomes on disk


def read(cells: Iterable[Cell], out: Path) -> list[Outcome | None]:
    """Read what became of cells; None for those that have not ended, or whose file is damaged."""
    return [_read(_file(cell, out)) for cell in cells]


def _folder(cell: Cell, out: Path) -> Path:
    return out.absolute() / "cells" / cell.key


def _file(cell: Cell, out: Path) -> Path:
    return out / "cells" / f"{cell.name}.json"


def _write(path: Path, cell: Cell, outcome: Outcome) -> None:
    row = {**outcome._asdict(), "config": asdict(cell.config)}
    if outcome.result:
        row |= outcome.result.as_row()
    del row["result"]
    with written_whole(path) as file:
        file.write(json.dumps(row, indent=1, allow_nan=False).encode())


def _read(path: Path) -> Outcome | None:
    try:
        with opened(path) as file:
            row = json.loads(file.read())
        result = None if row["error"] else Result.from_row(row)
        known = {name: row[name] for name in Outcome._fields if name in row}
        return Outcome(result, **known)
    except (*DAMAGE, RecursionError):
        return None


# ------------------------------------------------------------------ tables


def _write_tables(cells: Sequence[Cell], out: Path) -> None:
    """Write `results.csv`, `results.json`, `results.md` and the figures from what is finished.

    Cells that differ in more than noise, rate, loss, q, k and seed do not belong into one mean:
    then each such study has a table, figures and a file for `rnsl report` of its own.
    """
    ended = [(c, o) for c, o in zip(cells, read(cells, out), strict=True) if o and o.result]
    if not ended:
        return
    _write_csv(out / "results.csv", ended)
    _save(out / "results.json", ended)
    sections = [f"# Results\n\n{len(ended)} of {len(cells)} cells are finished."]
    for name, study in _studies(ended).items():
        stem = f"results_{name}" if name else "results"
        _save(out / f"{stem}.json", study)
        sections.append(_section(name, out / f"{stem}.json"))
    with written_whole(out / "results.md") as file:
        file.write("\n\n".join(sections).encode() + b"\n")


_Ended = Sequence[tuple[Cell, Outcome]]


def _results(ended: _Ended) -> list[Result]:
    return [outcome.result for _, outcome in ended if outcome.result]


def _varying(ended: _Ended) -> list[str]:
    """Fields of `Config` in which cells differ."""
    configs = [asdict(cell.config) for cell, _ in ended]
    return [f.name for f in fields(Config) if len({config[f.name] for config in configs}) > 1]


def _studies(ended: _Ended) -> dict[str, list[tuple[Cell, Outcome]]]:
    """Part cells by the fields that `results.summarize` does not tell apart."""
    apart = [name for name in _varying(ended) if name not in _SUMMARIZED]
    studies: dict[str, list[tuple[Cell, Outcome]]] = {}
    for cell, outcome in ended:
        values = {name: getattr(cell.config, name) for name in apart}
        words = [str(v) if isinstance(v, str) else f"{name}={v}" for name, v in values.items()]
        studies.setdefault(_plain("_".join(words)), []).append((cell, outcome))
    return studies


def _save(path: Path, ended: _Ended) -> None:
    inputs = {cell.config.dataset: cell.source.inputs for cell, _ in ended}
    save_results(
        path,
        _results(ended),
        next(iter(inputs.values())) if len(inputs) == 1 else inputs,
        device=", ".join(dict.fromkeys(outcome.device for _, outcome in ended)),
        threads=max(outcome.threads for _, outcome in ended),
    )


def _write_csv(path: Path, ended: _Ended) -> None:
    shown = dict.fromkeys((*_ALWAYS_SHOWN, *_varying(ended)))
    rows = [
        {name: getattr(cell.config, name) for name in shown}
        | {name: "" if math.isnan(x) else x for name, x in result.metrics.items()}
        | {"seconds": round(result.seconds, 3)}
        | {name: getattr(outcome, name) for name in ("attempts", "worker", "device")}
        for (cell, outcome), result in zip(ended, _results(ended), strict=True)
    ]
    columns = [*dict.fromkeys(name for row in rows for name in row)]
    lines = ([row.get(name, "") for name in columns] for row in rows)
    with written_whole(path) as file:
        file.write(csv_text([columns, *lines], "\n").encode())


def _section(name: str, saved: Path) -> str:
    """Draw the figures of a study beside its file, and return its part of the Markdown."""
    results, provenance = load_results(saved)
    lines = [f"## {name}"] if name else []
    for kind, figure in report.accuracy_figures(results).items():
        picture = saved.with_name(f"{saved.stem}_{kind}.png")
        with written_whole(picture) as file:
            figure.savefig(file, format="png", dpi=130)
        lines.append(f"![k-NN accuracy over the share of wrong labels, {kind}]({picture.name})")
    drawn = io.StringIO()
    Console(file=drawn, width=1000, markup=False).print(report.table(results))
    table = "\n".join(line.rstrip() for line in drawn.getvalue().strip().splitlines())
    said = f"`rnsl report {saved.name}` prints this table again."
    return "\n\n".join((*lines, table, f"*{report.caption(results, provenance)}*", said))
