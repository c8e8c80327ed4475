"""Tune every loss with the same budget, and compare what each reaches then.

Usage: python benchmarks/tuning.py [--out build/tuning] [--trials 10] [--loss gce ...]
       python benchmarks/tuning.py --final [--seeds 5]
       python benchmarks/tuning.py --report

Every loss, the paper's too, gets the same number of trials: the recipe that it has in
`rnsl_tutorial.training.baselines` or `config.Config`, then draws from a seeded list over its weight
(which under SGD is a learning rate of its own), its temperature, and settings of its own. A trial
is a head on AID's frozen features under symmetric and label-dependent noise, half of the labels
wrong, two seeds each. It counts by what somebody without clean labels can see: the accuracy of its
prototypes for VALIDATION images under NOISY labels, mean over the four runs. True labels and test
images are not looked at. Trials come in rounds, one of each loss, so that losses have equal budgets
wherever it is stopped; each leaves a JSON file in the folder, and what is there is not run again.

--final runs the recipe chosen for each loss on the test images at all rates, one file a run, and
gathers them in results.json for `rnsl report` after each. --report prints what was chosen
from as many rounds as all losses have.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import frame
from rnsl_tutorial import datasets, experiments
from rnsl_tutorial._files import written_whole
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.experiments import heads
from rnsl_tutorial.experiments.config import BASELINES, LOSSES, Config
from rnsl_tutorial.losses import NormalizedSoftmaxLoss
from rnsl_tutorial.training import baselines, embed

Settings = dict[str, float]
NAMES = tuple(name for name in (*LOSSES, *BASELINES) if name != "nsl_tuned")  # nsl is that search
WEIGHTS = (0.1, 0.3, 1.0, 3.0)  # times the present one
TEMPERATURES = (0.05, 0.07, 0.1, 0.2)
OWN: dict[str, dict[str, Sequence[float]]] = {
    "rnsl": {"q": (0.3, 0.5, 0.7, 0.9)},
    "trnsl": {"q": (0.3, 0.5, 0.7, 0.9), "k": (0.1, 0.5, 0.9)},
    "label_smoothing": {"smoothing": (0.1, 0.3, 0.5)},
    "gce": {"q": (0.3, 0.5, 0.7, 0.9)},
    "sce": {"alpha": (0.1, 0.3, 1.0), "beta": (0.1, 0.3, 1.0)},
    "nce_rce": {"alpha": (1.0, 3.0, 10.0), "beta": (0.1, 0.3, 1.0)},
    "elr": {"strength": (1.0, 3.0, 7.0), "momentum": (0.5, 0.7, 0.9)},
    "prism": {"noise_rate": (0.1, 0.3, 0.5, 0.7)},
    "proxy_anchor": {"margin": (0.0, 0.1, 0.2), "alpha": (7.0, 14.0, 32.0)},
    "arcface": {"margin": (5.7, 11.5, 28.6), "scale": (7.0, 14.0, 32.0, 64.0)},
    "subcenter_arcface": {
        "margin": (5.7, 11.5, 28.6),
        "scale": (7.0, 14.0, 32.0, 64.0),
        "sub_centers": (2, 3),
    },
}
NO_TEMPERATURE = ("ce", "gce", "proxy_anchor", "arcface", "subcenter_arcface")
CELLS = tuple(product(("symmetric", "label_dependent"), (0, 1)))  # noise, seed
RATE = 0.5
FINAL_NOISES, FINAL_RATES = ("symmetric", "label_dependent"), (0.5, 0.3, 0.7, 0.1, 0.0)


def main() -> None:
    """Run what is missing, or print what is there."""
    parser = frame.parser(__doc__, trials=10, seeds=5, epochs=Config.epochs)
    parser.add_argument("--out", type=Path, default=Path("build/tuning"), help="its folder")
    parser.add_argument("--loss", nargs="+", default=NAMES, choices=NAMES, help="default all")
    parser.add_argument("--final", action="store_true", help="run what was chosen, on test images")
    parser.add_argument("--report", action="store_true", help="print what was chosen, run nothing")
    args = parser.parse_args()
    if not args.report:
        data = datasets.load_shipped_features("aid")
        if args.final:
            run_final(data, args.out, args.loss, args.seeds, args.epochs)
        else:
            run_trials(data, args.out, args.loss, args.trials, args.epochs)
    print(report(args.out, args.loss))


# ------------------------------------------------------------------ trials


def draws(loss: str, count: int) -> list[Settings]:
    """The first `count` trials of a loss: its present recipe, then draws without repetition."""
    recipe = present_recipe(loss)
    weights = [round(weight * recipe["weight"], 6) for weight in WEIGHTS]
    axes: dict[str, Sequence[float]] = {"weight": weights, **OWN.get(loss, {})}
    if loss not in NO_TEMPERATURE:
        axes["temperature"] = TEMPERATURES
    present = {name: recipe[name] for name in axes}
    drawn = random.Random(loss)
    found = [present]
    combinations = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    drawn.shuffle(combinations)
    found += [settings for settings in combinations if settings != present]
    return found[:count]


def present_recipe(loss: str) -> Mapping[str, float]:
    """What the package gives a loss without being asked."""
    shared = {"weight": 1.0, "temperature": Config.temperature, "q": Config.q, "k": Config.k}
    return {**shared, **baselines.RECIPES.get(loss, {})}


def run_trials(
    data: FeatureSet, folder: Path, losses: Sequence[str], count: int, epochs: int
) -> None:
    """Run the trials that are missing, round by round."""
    for place, loss in product(range(count), losses):
        path, known = trial_file(folder, loss, place), draws(loss, count)
        if place >= len(known) or path.exists():
            continue
        settings = known[place]
        runs = [trial(data, loss, settings, noise, seed, epochs) for noise, seed in CELLS]
        save(path, {"loss": loss, "settings": settings, "epochs": epochs, "runs": runs})
        print(path.name, settings, f"{np.mean([r['prototype'] for r in runs]):.4f}", flush=True)


def trial(
    data: FeatureSet, loss: str, settings: Settings, noise: str, seed: int, epochs: int
) -> dict[str, float]:
    """One run, judged by validation images under noisy labels."""
    config = Config(loss=loss, noise=noise, rate=RATE, seed=seed, epochs=epochs)
    given = heads.corrupt(data, config, "val").labels

    def noisy(fitted: heads.Fitted, features: FeatureSet, part: str) -> dict[str, float]:
        embeddings = embed(fitted.network, heads.standardized(features))
        train_N, part_M = features.split.train, getattr(features.split, part)
        said = heads.predictions(
            fitted, embeddings[train_N], features.labels[train_N], embeddings[part_M]
        )
        return {name: float((said[name] == given).mean()) for name in ("knn_noisy", "prototype")}

    build = partial(built, settings=settings)
    try:
        return dict(experiments.run(data, config, "val", None, build, noisy).metrics)
    except FloatingPointError:  # it diverged
        return {"knn_noisy": 0.0, "prototype": 0.0}


def built(
    config: Config,
    num_classes: int,
    num_samples: int,
    generator: torch.Generator,
    *,
    settings: Settings,
) -> NormalizedSoftmaxLoss:
    """A loss by its settings; the paper's, too, are multiplied by their weight."""
    given = {"temperature": config.temperature, "q": config.q, "k": config.k}
    own = config.loss in LOSSES
    shared = {name: settings.get(name, value) for name, value in given.items()}
    loss = baselines.build_loss(
        config.loss,
        num_classes,
        num_samples,
        generator,
        embedding_dim=config.embedding_dim,
        recipe={} if own else settings,
        **shared,
    )
    if own:
        forward, weight = loss.forward, settings["weight"]
        vars(loss)["forward"] = lambda *batch: weight * forward(*batch)
    return loss


def trial_file(folder: Path, loss: str, place: int) -> Path:
    """Where a trial lies."""
    return folder / "trials" / f"{place:02}-{loss}.json"


def save(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        file.write(json.dumps(document, indent=1).encode())


# ------------------------------------------------------------------ what was chosen


def trials(folder: Path, losses: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The trials of each loss, as many of each as all have that are not at an end."""
    found = {loss: list(read(folder, loss)) for loss in losses}
    open_ = [len(of) for loss, of in found.items() if len(draws(loss, len(of) + 1)) > len(of)]
    rounds = min(open_, default=None)
    return {loss: of[:rounds] for loss, of in found.items()}


def read(folder: Path, loss: str) -> Iterator[dict[str, Any]]:
    """Yield a loss's trials, up to the first that is missing."""
    place = 0
    while (path := trial_file(folder, loss, place)).exists():
        yield json.loads(path.read_text(encoding="utf-8"))
        place += 1


def best(tried: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The trial whose prototypes fit the noisy validation labels best."""
    return max(tried, key=score)


def score(tried: Mapping[str, Any], metric: str = "prototype") -> float:
    """What a trial reached, mean over its runs."""
    return float(np.mean([run[metric] for run in tried["runs"]]))


def report(folder: Path, losses: Sequence[str]) -> str:
    """Tabulate what was chosen for each loss, and how far its trials lie apart."""
    lines = [frame.header("loss", "chosen settings", "trials", "prototypes", "k-NN", "range")]
    for loss, tried in trials(folder, losses).items():
        if not tried:
            continue
        chosen, reached = best(tried), sorted(map(score, tried))
        said = ", ".join(f"{key} {value:g}" for key, value in chosen["settings"].items())
        lines.append(
            frame.row(
                loss, said, len(tried), f"{score(chosen):.3f}", f"{score(chosen, 'knn_noisy'):.3f}",
                f"{reached[0]:.3f} to {reached[-1]:.3f}",
            )
        )  # fmt: skip
    told = "accuracies for validation images under noisy labels; true ones would be higher"
    return "\n".join([*lines, "", f"{told}; {frame.machine('torch', 'numpy')}"])


# ------------------------------------------------------------------ on the test images


def run_final(
    data: FeatureSet, folder: Path, losses: Sequence[str], seeds: int, epochs: int
) -> None:
    """Run what was chosen on the test images, and write the results of all runs so far."""
    chosen = {loss: best(tried)["settings"] for loss, tried in trials(folder, losses).items()}
    for rate, noise, loss, seed in product(FINAL_RATES, FINAL_NOISES, losses, range(seeds)):
        path = folder / "final" / f"{noise}-{rate:g}-{loss}-{seed}.json"
        if path.exists():
            continue
        config = Config(loss=loss, noise=noise, rate=rate, seed=seed, epochs=epochs)
        build = partial(built, settings=chosen[loss])
        result = experiments.run(data, config, "test", None, build)
        save(path, {"row": result.as_row(), "settings": chosen[loss]})
        print(path.name, f"{result.metrics['knn_clean']:.4f}", flush=True)
        collect(data, folder)


def collect(data: FeatureSet, folder: Path) -> None:
    """Gather the runs on test images into results.json, cells with all seeds first."""
    saved = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((folder / "final").glob("*.json"))
    ]
    rows = [experiments.Result.from_row(one["row"]) for one in saved]
    order = [(noise, rate) for noise in FINAL_NOISES for rate in sorted(FINAL_RATES)]
    rows.sort(
        key=lambda r: (
            order.index((r.config.noise, r.config.rate)),
            NAMES.index(r.config.loss),
            r.config.seed,
        )
    )
    recipes = {one["row"]["config"]["loss"]: one["settings"] for one in saved}
    experiments.save_results(folder / "results.json", rows, data.made_with, recipes=recipes)


if __name__ == "__main__":
    main()
