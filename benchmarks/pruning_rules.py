"""Compare the rules that say which images t-RNSL leaves out, at every rate, trained three ways.

Usage: python benchmarks/pruning_rules.py [--seeds 1] [--jobs 2] [--only heads scenes aid]

Heads on the shipped features of AID (as after fine-tuning, the network is sure); the small network
on procedural scenes; and, where RNSL_AID names its images, the small network on AID at 32 pixels
from scratch (where it is not). RNSL prunes nothing and is what a rule must not fall behind. Every
figure is of validation images, k-NN accuracy with a clean index; beside it the share kept, which
would be 1 - rate for a rule that knew.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks import frame
from rnsl_tutorial import datasets, experiments
from rnsl_tutorial.experiments import config, images
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training.devices import Hardware

NOISES = (
    *(("symmetric", rate) for rate in (0.0, 0.2, 0.4, 0.6)),
    ("label_dependent", 0.4),
)
ROWS = {
    "RNSL": {"loss": "rnsl"},
    "paper, from 1/2": {"prune_rule": "paper", "prune_from": 0.5},
    "ratio, from 1/2": {"prune_rule": "ratio", "prune_from": 0.5},
    "paper, from 3/4": {"prune_rule": "paper", "prune_from": 0.75},
    "ratio, from 3/4": {"prune_rule": "ratio", "prune_from": 0.75},
    "paper, from 0.3": {"prune_rule": "paper", "prune_from": 0.3},
    "ratio, from 0.3": {"prune_rule": "ratio", "prune_from": 0.3},
}
BASES = {
    "heads": (Config(), ("RNSL", "paper, from 1/2", "ratio, from 1/2")),
    "scenes": (
        config.from_preset("scenes"),
        ("RNSL", "paper, from 0.3", "ratio, from 0.3", "paper, from 3/4", "ratio, from 3/4"),
    ),
    "aid": (
        config.from_preset("laptop", image_size=32, epochs=20),
        ("RNSL", "paper, from 1/2", "ratio, from 1/2", "paper, from 3/4", "ratio, from 3/4"),
    ),
}


class Reached(NamedTuple):
    """What a run reached on validation images, and the share of images that it kept."""

    accuracy: float
    kept: float


def configs(data: str, row: str, kind: str, rate: float, seeds: int) -> list[Config]:
    """Return the runs of one cell of a table."""
    cell = replace(BASES[data][0], **{"loss": "trnsl", **ROWS[row]})  # type: ignore[arg-type]
    return [replace(cell, noise=kind, rate=rate, seed=seed) for seed in range(seeds)]


def run(chosen: Config) -> Reached:
    """Train one network, on one thread, and judge it on validation images."""
    torch.set_num_threads(1)
    if not chosen.on_pixels:
        metrics = experiments.run(datasets.load_shipped_features("aid"), chosen, "val").metrics
    else:
        root = None if chosen.dataset == "scenes" else Path(os.environ["RNSL_AID"])
        data = images._loaded(chosen, root)
        made = images.Run(data, chosen, Hardware(accelerator="cpu"))
        made.training.run()
        metrics = made.measure("val")
    return Reached(metrics["knn_clean"], metrics.get("kept", 1.0))


def shown(reached: Sequence[Reached]) -> str:
    """Return mean accuracy and mean share kept."""
    accuracy, kept = np.mean(reached, axis=0)
    return f"{accuracy:.3f} ({kept:.2f})"


def print_table(data: str, seeds: int, pool: ProcessPoolExecutor) -> None:
    """Run and print one table."""
    base, rows = BASES[data]
    named = f"{base.network} on {base.dataset}" + f", {base.image_size} px" * base.on_pixels
    print(f"{named}, {base.epochs} epochs, k = {base.k:g}; seeds: {seeds}\n")
    print(frame.header("rule", *(f"{kind} {rate:g}" for kind, rate in NOISES)))
    waiting = {
        row: [
            [pool.submit(run, chosen) for chosen in configs(data, row, kind, rate, seeds)]
            for kind, rate in NOISES
        ]
        for row in rows
    }
    for row, cells in waiting.items():
        reached = (shown([run.result() for run in runs]) for runs in cells)
        print(frame.row(row, *reached), flush=True)
    print()


def main() -> None:
    """Compare and print."""
    parser = frame.parser(__doc__, seeds=1, jobs=2)
    parser.add_argument("--only", nargs="*", choices=list(BASES), default=list(BASES))
    args = parser.parse_args()
    print(f"one thread a run; {frame.machine('torch')}\n")
    with ProcessPoolExecutor(args.jobs, get_context("spawn")) as pool:
        for data in args.only:
            if data == "aid" and "RNSL_AID" not in os.environ:
                print("AID from scratch: left out, because RNSL_AID is not set.")
            else:
                print_table(data, args.seeds, pool)


if __name__ == "__main__":
    main()
