"""Results of runs: what is kept of each, means over seeds, and files that hold them.

A mean is taken over seeds, and over nothing else: runs that differ in epochs, network, features or
whatever else is no axis of a table are refused, and so is a run that is given twice.
"""

import json
import math
import platform
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from rnsl_tutorial import __version__
from rnsl_tutorial._files import made_earlier, shipped, typed, written_whole
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import baselines
from rnsl_tutorial.training.settings import check_names

__all__ = [
    "OverQ",
    "Record",
    "Result",
    "Summary",
    "check_alike",
    "gathered",
    "load_results",
    "over_q",
    "provenance",
    "save_results",
    "shipped_over_q",
    "shipped_results",
    "summarize",
]

_AXES = ("noise", "rate", "loss", "q", "k", "seed")
"""Settings that a table tells apart, or that a mean is taken over."""
_UNTOLD = ("watch",)
"""Settings that change nothing in what a run reaches."""
_VERSIONS = ("python", "numpy", "torch")
"""What inputs were made with, and what changes them by rounding only."""
_MOST_BYTES = 2**28
"""Of a file of results: about a million runs."""


class _Row(msgspec.Struct):
    """A run as a file holds it, see `Result`; null stands for NaN."""

    config: dict[str, Any]
    metrics: dict[str, float | None]
    seconds: Annotated[float, msgspec.Meta(ge=0)]
    part: Annotated[str, msgspec.Meta(pattern="^(test|val)$")] = "test"
    curves: dict[str, list[float | None]] = {}
    hits: dict[str, str | int] = {}


class _Provenance(msgspec.Struct):
    """What every file of results tells; versions and machines may tell more."""

    device: str
    cores: int | None
    system: str
    python: str
    torch: str
    made: str
    features: dict[str, Any] = {}
    baselines: dict[str, dict[str, float]] = {}


class _File(msgspec.Struct):
    """A file of results."""

    results: list[dict[str, Any]]
    provenance: _Provenance


@dataclass(frozen=True)
class Result:
    """What one run reached.

    Attributes:
        config: of the run.
        metrics: see `heads.measure`.
        seconds: of training alone.
        part: of the split that was measured.
        inputs: how the inputs were made, and on what was computed: as far as the file tells it.
        curves: name of a metric -> its value after each epoch, where a run was watched.
        file: that it was read from; empty for a run of this process.
        hits: name of an accuracy among the metrics -> bool [M], which of the part's images it got
            right, in the order of the part; empty where nobody kept them.
    """

    config: Config
    metrics: Mapping[str, float]
    seconds: float
    part: str = "test"
    inputs: Mapping[str, Any] = field(default_factory=dict, compare=False)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    file: str = field(default="", compare=False)
    hits: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict, compare=False)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Result":
        """Return the result that `as_row` wrote; other entries of the row are left alone.

        Raises:
            ValueError: a field is missing, or of another type or out of range.
        """
        known = {name: row[name] for name in _Row.__struct_fields__ if name in row}
        told = typed(known, _Row)
        check_names(told.config, Config)
        if len({len(values) for values in told.curves.values()}) > 1:
            raise ValueError("curves are of several lengths; one value an epoch is expected")
        return cls(
            Config(**told.config),
            {name: _or_nan(value) for name, value in told.metrics.items()},
            told.seconds,
            told.part,
            curves={name: [_or_nan(x) for x in values] for name, values in told.curves.items()},
            hits=_unpacked(told.hits),
        )

    def as_row(self) -> dict[str, Any]:
        """Return what JSON holds of it, which has no NaN."""
        curves = {
            name: [None if math.isnan(x) else round(x, 6) for x in values]
            for name, values in self.curves.items()
        }
        return {
            "config": asdict(self.config),
            "metrics": {name: None if math.isnan(x) else x for name, x in self.metrics.items()},
            "seconds": self.seconds,
            "part": self.part,
            **({"curves": curves} if curves else {}),
            **({"hits": _packed(self.hits)} if self.hits else {}),
        }


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _packed(hits: Mapping[str, NDArray[np.bool_]]) -> dict[str, Any]:
    """Name -> bits in base64, most significant first; "images" says how many of them there are."""
    bits = {name: b64encode(np.packbits(hit_M).tobytes()).decode() for name, hit_M in hits.items()}
    return {"images": len(next(iter(hits.values()))), **bits}


def _unpacked(packed: Mapping[str, str | int]) -> dict[str, NDArray[np.bool_]]:
    """Read what `_packed` wrote.

    Raises:
        ValueError: the bits are of another number of images than is said.
    """
    images = packed.get("images", 0)
    found = {}
    for name, bits in packed.items():
        if name != "images":
            hit = np.frombuffer(b64decode(str(bits), validate=True), np.uint8)
            if not isinstance(images, int) or len(hit) != -(-images // 8):
                raise ValueError(
                    f"hits.{name} has {8 * len(hit)} bits; {images} images are expected"
                )
            found[name] = np.unpackbits(hit, count=images).astype(bool)
    return found


class Summary(NamedTuple):
    """Several seeds of one cell of the grid: mean and sample standard deviation of each metric."""

    noise: str
    rate: float
    loss: str
    q: float
    k: float
    seeds: int
    mean: dict[str, float]
    spread: dict[str, float]


# ------------------------------------------------------------------ means over seeds


def summarize(results: Iterable[Result]) -> list[Summary]:
    """Gather the seeds of each (noise, rate, loss, q, k), in the order in which they first come.

    The spread is the sample standard deviation (n - 1); with one seed it is NaN.

    Raises:
        ValueError: see `check_alike`.
    """
    results = list(results)
    check_alike(results)
    cells: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        cells.setdefault(_cell(result)[:-1], []).append(result)
    return [_summary(cell, alike) for cell, alike in cells.items()]


def check_alike(results: Iterable[Result]) -> None:
    """Refuse results that no mean may be taken over, or that no table may hold side by side.

    Raises:
        ValueError: they differ in more than noise, rate, loss, q, k and seed; or a seed comes twice
            in a cell.
    """
    results = list(results)
    found = _differing(results)
    if found:
        said = "; ".join(f"{name} ({', '.join(values)})" for name, values in found.items())
        raise ValueError(
            f"The results differ in {said}. Give those that are alike in all but "
            f"{', '.join(_AXES[:-1])} and {_AXES[-1]}, one such study at a time."
        )
    seen: dict[tuple[object, ...], Result] = {}
    for result in results:
        first = seen.setdefault(_cell(result), result)
        if first is not result:
            pairs = zip(_AXES, _cell(result), strict=True)
            named = ", ".join(f"{name} {value}" for name, value in pairs)
            files = " and ".join(filter(None, (first.file, result.file)))
            raise ValueError(
                f"A run comes twice{f', in {files}' if files else ''}: {named}. Give each once; a "
                "repeated run is no further seed."
            )


def _differing(results: Iterable[Result]) -> dict[str, list[str]]:
    """Return in what results differ that is no axis of a table: name -> values, as text.

    Of what a file does not tell nothing is said.
    """
    values: dict[str, dict[str, None]] = {}
    for result in results:
        for name, value in _settings(result).items():
            values.setdefault(name, {})[str(value)] = None
    return {name: list(told) for name, told in values.items() if len(told) > 1}


def _settings(result: Result) -> dict[str, Any]:
    """What has to agree; where nothing is trained, no setting of a training."""
    apart = (*_AXES, *_UNTOLD)
    config = {name: value for name, value in asdict(result.config).items() if name not in apart}
    if result.config.is_without_loss:
        config = {"dataset": result.config.dataset}
    inputs = {name: value for name, value in result.inputs.items() if name not in _VERSIONS}
    return {**config, "part": result.part, **{f"inputs: {k}": v for k, v in inputs.items()}}


def _cell(result: Result) -> tuple[Any, ...]:
    return tuple(getattr(result.config, name) for name in _AXES)


def _summary(cell: tuple[Any, ...], results: list[Result]) -> Summary:
    names = dict.fromkeys(name for r in results for name in r.metrics)
    values = {name: [r.metrics.get(name, math.nan) for r in results] for name in names}
    mean = {name: float(np.mean(v)) for name, v in values.items()}
    spread = dict.fromkeys(values, math.nan)
    if len(results) > 1:
        spread = {name: float(np.std(v, ddof=1)) for name, v in values.items()}
    named = dict(zip(_AXES[:-1], cell, strict=True))
    return Summary(**named, seeds=len(results), mean=mean, spread=spread)


def gathered(
    cells: Mapping[tuple[Any, ...], Summary], axes: Sequence[Sequence[Any]], metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lay the mean and the spread of a metric out along axes, float64 [each axis]; else NaN.

    Args:
        cells: place on the axes -> summary.
        axes: the values along each.
        metric: one of `measure`.
    """
    mean, spread = (np.full([len(axis) for axis in axes], np.nan) for _ in range(2))
    for place, summary in cells.items():
        index = tuple(axis.index(value) for axis, value in zip(axes, place, strict=True))
        mean[index] = summary.mean.get(metric, np.nan)
        spread[index] = summary.spread.get(metric, np.nan)
    return mean, spread


# ------------------------------------------------------------------ one metric over q


class OverQ(NamedTuple):
    """What NSL and RNSL reach at every noise, rate and q; NSL is the end q = 0.

    Shapes: K noise kinds, R rates, Q values of q.

    Attributes:
        noises: K names.
        rates: [R], ascending.
        qs: [Q], ascending.
        accuracy: float64 [K, R, Q], mean over seeds of `measure`'s knn_clean.
        accuracy_spread: float64 [K, R, Q], its standard deviation over seeds.
        memorized: float64 [K, R, Q], mean over seeds; NaN where no label is wrong.
        memorized_spread: float64 [K, R, Q].
        seeds: the fewest in any cell.
    """

    noises: tuple[str, ...]
    rates: tuple[float, ...]
    qs: tuple[float, ...]
    accuracy: NDArray[np.float64]
    accuracy_spread: NDArray[np.float64]
    memorized: NDArray[np.float64]
    memorized_spread: NDArray[np.float64]
    seeds: int


def over_q(results: Iterable[Result]) -> OverQ:
    """Gather the runs of NSL and RNSL by noise, rate and q; other losses are left out.

    Args:
        results: every combination of some noises, rates and values of q.

    Raises:
        ValueError: a combination is missing.
    """
    cells = {
        (s.noise, s.rate, 0.0 if s.loss == "nsl" else s.q): s
        for s in summarize(results)
        if s.loss in ("nsl", "rnsl")
    }
    noises = tuple(dict.fromkeys(noise for noise, _, _ in cells))
    rates = tuple(sorted({rate for _, rate, _ in cells}))
    qs = tuple(sorted({q for _, _, q in cells}))
    places = list(product(noises, rates, qs))
    missing = [place for place in places if place not in cells]
    if missing or not cells:
        raise ValueError(f"There is no run of NSL or RNSL for {missing[:3] or 'anything'}.")
    accuracy, memorized = (
        gathered(cells, (noises, rates, qs), name) for name in ("knn_clean", "memorized")
    )
    seeds = min(summary.seeds for summary in cells.values())
    return OverQ(noises, rates, qs, *accuracy, *memorized, seeds)


def shipped_over_q() -> OverQ:
    """Read what was measured on AID: RNSL at six values of q (3 seeds), NSL (5 seeds) as q = 0."""
    plain, robust = (shipped_results(name).results for name in ("aid", "aid_q"))
    return over_q([*(r for r in plain if r.config.loss == "nsl"), *robust])


# ------------------------------------------------------------------ results on disk


def provenance(device: str = "cpu", threads: int = 1) -> dict[str, Any]:
    """Return what a figure needs beside it: versions, machine and time.

    Args:
        device: what the runs ran on.
        threads: of the processor, for each run.
    """
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "rnsl_tutorial": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scikit-learn": version("scikit-learn"),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": psutil.cpu_count(logical=True),
        "processor": platform.processor() or platform.machine(),
        "threads_a_run": threads,
        "device": device,
    }


def save_results(
    path: Path,
    results: Iterable[Result],
    features: Mapping[str, Any],
    *,
    device: str = "cpu",
    threads: int = 1,
    recipes: Mapping[str, Mapping[str, float]] = baselines.RECIPES,
) -> None:
    """Write results as JSON with their provenance, whole or not at all.

    Args:
        path: the file.
        results: of `run` or `run_grid`.
        features: how the inputs were made, such as `FeatureSet.made_with`; for several data sets
            one such mapping each, by name.
        device: what the runs ran on.
        threads: of the processor, for each run.
        recipes: loss -> settings that it had beyond its config.

    Raises:
        OSError: the folder cannot be written to.
    """
    rows = [result.as_row() for result in results]
    used = {row["config"]["loss"] for row in rows}
    settings = {name: dict(recipes[name]) for name in sorted(used & {*recipes})}
    document = {
        "provenance": {
            **provenance(device, threads),
            "features": dict(features),
            **({"baselines": settings} if settings else {}),
        },
        "results": rows,
    }
    with written_whole(path) as file:
        file.write(json.dumps(document, indent=1, allow_nan=False).encode())


class Record(NamedTuple):
    """Results as they were saved, with the provenance that `provenance` gave then."""

    results: list[Result]
    provenance: dict[str, Any]


def load_results(path: Path) -> Record:
    """Read results that `save_results` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a file of results.
    """
    said = "holds no results of `rnsl experiment`", "Run it again with --out."
    with made_earlier(path, *said, _MOST_BYTES) as file:
        document = msgspec.json.decode(file.read())
        rows, made = typed(document, _File).results, document["provenance"]
        results = [_told(i, row) for i, row in enumerate(rows)]
        record = Record(
            [replace(r, inputs=_inputs(r.config, made), file=str(path)) for r in results], made
        )
    if not record.results:
        raise ValueError(f"{path} holds no results: no run ended. Run it again with --out.")
    return record


def _told(place: int, row: Mapping[str, Any]) -> Result:
    try:
        return Result.from_row(row)
    except ValueError as error:
        raise ValueError(f"results[{place}]: {error}") from error


def shipped_results(name: str) -> Record:
    """Read results that come with the package, such as "aid" or "nwpu45_stand_in".

    Raises:
        FileNotFoundError: none of that name come with it.
    """
    return load_results(shipped("data", "results", name, "results.json"))


def _inputs(config: Config, made: Mapping[str, Any]) -> dict[str, Any]:
    """What the provenance of a file tells of the inputs of one of its runs."""
    features = made.get("features", {})
    own = features.get(config.dataset)
    recipe = made.get("baselines", {}).get(config.loss)
    return {
        **(own if isinstance(own, Mapping) else features),
        **({f"recipe of {config.loss}": recipe} if recipe else {}),
    }
