"""Choose the settings of the baselines on the validation split, and try the paper's losses alike.

Usage: python benchmarks/recipe_baselines.py [--loss gce ...]

Each baseline begins with its paper's settings. First its weight is chosen, which under SGD is a
choice of its learning rate: among 0.3, 1, 3 and 10, and 0.1 or 30 where the best lies at that end.
Then its own settings are, among a few. The paper's losses get a learning rate
in the same way: that of `config.Config`, times the weight. Prints a Markdown table of k-NN accuracy
(index with true labels) at 30% symmetric noise, seed 0, and marks the best. The test split is not
looked at. What `rnsl_tutorial.training.baselines.RECIPES` holds was read from this table.
"""

from collections.abc import Iterator

import torch

from benchmarks import frame
from rnsl_tutorial import datasets, experiments
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.experiments.config import BASELINES, LOSSES, Config
from rnsl_tutorial.losses import NormalizedSoftmaxLoss
from rnsl_tutorial.training import baselines

Settings = dict[str, float]
PAPERS: dict[str, Settings] = {
    "ce": {},
    "gce": {"q": 0.7},
    "sce": {"alpha": 0.1, "beta": 1.0},
    "nce_rce": {"alpha": 1.0, "beta": 1.0},
    "proxy_anchor": {"margin": 0.1, "alpha": 32.0},
    "arcface": {"margin": 28.6, "scale": 64.0},
    "supcon": {"temperature": 0.1},
}
OTHERS: dict[str, list[Settings]] = {
    "gce": [{"q": 0.5}, {"q": 0.9}],
    "sce": [{"alpha": 1.0, "beta": 1.0}, {"alpha": 6.0, "beta": 0.1}],
    "nce_rce": [{"alpha": 1.0, "beta": 0.1}, {"alpha": 10.0, "beta": 0.1}],
    "proxy_anchor": [{"margin": 0.1, "alpha": 14.0}, {"margin": 0.0, "alpha": 32.0}],
    "arcface": [{"margin": 28.6, "scale": 14.0}, {"margin": 11.5, "scale": 14.0}],
    "supcon": [{"temperature": 0.07}, {"temperature": 0.2}],
}
WEIGHTS = (0.3, 1.0, 3.0, 10.0)
LIGHTER, HEAVIER = (0.1,), (30.0,)
RATE, SEED = 0.3, 0


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__)
    names = [name for name in (*LOSSES, *BASELINES) if name != "nsl_tuned"]  # nsl is that search
    parser.add_argument("--loss", nargs="+", default=names, choices=names, help="default all")
    args = parser.parse_args()
    data = datasets.load_shipped_features("aid")
    print(frame.header("loss", "settings", "k-NN accuracy", "best"))
    for name in args.loss:
        tried = list(search(data, name))
        best = max(reached for _, reached in tried)
        for settings, reached in tried:
            said = ", ".join(f"{key} {value:g}" for key, value in settings.items())
            print(frame.row(name, said, f"{reached:.4f}", "*" * (reached == best)), flush=True)
    print(f"\n{len(data.split.val)} validation images; {experiments.provenance()}")


def search(data: FeatureSet, loss: str) -> Iterator[tuple[Settings, float]]:
    """Yield each choice of settings that is tried, with the accuracy that it reached."""
    papers, reached = PAPERS.get(loss, {}), {}

    def try_(weight: float) -> tuple[Settings, float]:
        settings = {**papers, "weight": weight}
        reached[weight] = accuracy(data, loss, settings)
        return settings, reached[weight]

    for weight in WEIGHTS:
        yield try_(weight)
    for beyond in (LIGHTER, HEAVIER):
        for weight in beyond:
            best = max(reached, key=lambda tried: reached[tried])
            if best not in (min(reached), max(reached)) or (best < weight) != (beyond is HEAVIER):
                break
            yield try_(weight)
    best = max(reached, key=lambda tried: reached[tried])
    for others in OTHERS.get(loss, []):
        settings = {**others, "weight": best}
        yield settings, accuracy(data, loss, settings)


def accuracy(data: FeatureSet, loss: str, settings: Settings) -> float:
    """One run on the validation images: k-NN accuracy, index with true labels."""
    config = Config(rate=RATE, seed=SEED, loss=loss)
    if loss in LOSSES:
        rate = Config.learning_rate * settings["weight"]
        config = Config(rate=RATE, seed=SEED, loss=loss, learning_rate=rate)
        return experiments.run(data, config, "val").metrics["knn_clean"]

    def build(
        config: Config, num_classes: int, num_samples: int, generator: torch.Generator
    ) -> NormalizedSoftmaxLoss:
        return baselines.build_loss(
            config.loss,
            num_classes,
            num_samples,
            generator,
            embedding_dim=config.embedding_dim,
            temperature=config.temperature,
            recipe=settings,
        )

    return experiments.run(data, config, "val", build_loss=build).metrics["knn_clean"]


if __name__ == "__main__":
    main()
