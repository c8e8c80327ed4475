"""Measure every class under NWPU45's label-dependent noise: the images, or else their stand-in.

Usage: python benchmarks/nwpu45.py [--seeds 3] [--out data/results/nwpu45_stand_in]
       python benchmarks/nwpu45.py --report data/results/nwpu45_stand_in/results.json
       python benchmarks/nwpu45.py --cast

Trains three losses at rates 0, 0.3, 0.5 and 0.7, and once more under symmetric noise 0.5; writes
results.json with the accuracy of each class, and prints tables. --report prints the tables again.
--cast searches for who plays which class of the stand-in, as `nwpu45_stand_in.BY_LOOKS` has it.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy.optimize import quadratic_assignment
from scipy.stats import spearmanr
from tqdm import tqdm

from benchmarks import frame
from rnsl_tutorial import datasets, experiments, noise
from rnsl_tutorial.datasets.nwpu45_stand_in import CAST, NAMESAKES, Actor, members
from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.experiments import class_accuracy, report
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.named_features import NamedFeatures, nwpu45_or_stand_in
from rnsl_tutorial.experiments.results import Result

LOSSES = ("nsl", "rnsl", "trnsl")
RATES = (0.0, 0.3, 0.5, 0.7)
SEARCHES = 10


def configs(seeds: int) -> list[Config]:
    """Return the grid, seed by seed; symmetric noise, for comparison, comes last."""
    cells = {"label_dependent": RATES, "symmetric": (0.5,)}
    return [
        Config(dataset="nwpu45", noise=kind, rate=rate, loss=loss, seed=seed)
        for kind, rates in cells.items()
        for seed in range(seeds)
        for rate in rates
        for loss in LOSSES
    ]


def measure(source: NamedFeatures, seeds: int, path: Path) -> None:
    """Run the grid; after each run the file holds all so far, under the name of the source."""
    done: list[Result] = []
    for config in tqdm(configs(seeds), unit="run"):
        result = experiments.run(source.features, config, measure=class_accuracy.measure_classes)
        done.append(replace(result, config=replace(config, dataset=source.name)))
        experiments.save_results(path, done, source.features.made_with)


def show(record: experiments.Record, source: NamedFeatures) -> None:
    """Print the tables of what was measured."""
    Console(width=200).print(report.table(record.results))
    print(f"\n*{report.caption(record.results, record.provenance)}*\n")
    print_predictions(record.results, source)


def print_predictions(results: list[Result], source: NamedFeatures) -> None:
    """Print how well both predictions rank the classes by what they lose."""
    names, mixed_CC = source.features.class_names, class_margins.neighborhoods(source.features)
    predicted = ("from M", "chance", "from N M", "chance")
    print(frame.header("rate", "loss", "judge", "lost on average", *predicted))
    for rate in RATES[1:]:
        T = noise.label_dependent_transition("nwpu45", rate)
        scores = [-class_margins.margins(T), -class_margins.margins(mixed_CC @ T)]
        for loss in LOSSES:
            for judge in class_accuracy.JUDGES:
                clean, noisy = (
                    class_accuracy.accuracies(results, names, loss, r, judge).mean(axis=0)
                    for r in (0.0, rate)
                )
                drop = clean - noisy
                found = "".join(
                    f" {spearmanr(score, drop).statistic:+.2f} |"
                    f" {class_margins.chance(score, drop, seed=0):.4f} |"
                    for score in scores
                )
                print(f"| {rate:g} | {loss} | {judge} | {drop.mean():.3f} |{found}")


def cast() -> None:
    """Search for the cast that lets classes look alike which the table takes for each other."""
    aid = datasets.load_shipped_features("aid")
    halved = {p.aid_class for p in CAST.values() if p.half}
    parts = [Actor(n, h) for n in aid.class_names for h in ((1, 2) if n in halved else (None,))]
    labels_N = np.empty_like(aid.labels)
    for label, part in enumerate(parts):
        labels_N[members(aid, part)] = label
    looks_CC = class_margins.neighborhoods(
        aid._replace(labels=labels_N, class_names=tuple(map(str, parts)))
    )
    taken_CC = noise.label_dependent_transition("nwpu45", 0.5)
    np.fill_diagonal(taken_CC, 0)
    roles = noise.label_dependent_classes("nwpu45")
    fixed = [(roles.index(role), parts.index(part)) for role, part in NAMESAKES.items()]
    found = [
        _search(taken_CC + taken_CC.T, looks_CC + looks_CC.T, fixed, s) for s in range(SEARCHES)
    ]
    print("sums of", SEARCHES, "searches:", ", ".join(f"{total:.4f}" for total, _ in found))
    for role, place in zip(roles, max(found, key=lambda f: f[0])[1], strict=True):
        if role not in NAMESAKES:
            print(f"{role:22} {parts[place]}")


def _search(
    taken_CC: np.ndarray, looks_CC: np.ndarray, fixed: list[tuple[int, int]], seed: int
) -> tuple[float, np.ndarray]:
    """Maximize sum_ij taken[i, j] looks[p(i), p(j)] over permutations p that keep what is fixed."""
    shared = {
        "maximize": True,
        "partial_match": np.array(fixed),
        "rng": np.random.default_rng(seed),
    }
    rough = quadratic_assignment(taken_CC, looks_CC, options={**shared, "P0": "randomized"})
    guess = np.stack([np.arange(len(taken_CC)), rough.col_ind], axis=1)
    fine = quadratic_assignment(
        taken_CC, looks_CC, method="2opt", options={**shared, "partial_guess": guess}
    )
    return float(fine.fun), fine.col_ind


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, seeds=3)
    parser.add_argument("--out", type=Path, help="default data/results/NAME of what is measured")
    parser.add_argument("--report", type=Path, help="print the tables of this file again")
    parser.add_argument("--cast", action="store_true", help="search for the stand-in's cast")
    args = parser.parse_args()
    if args.cast:
        cast()
        return
    source = nwpu45_or_stand_in()
    path = args.report or (args.out or Path("data", "results", source.name)) / "results.json"
    if not args.report:
        measure(source, args.seeds, path)
    show(experiments.load_results(path), source)


if __name__ == "__main__":
    main()
