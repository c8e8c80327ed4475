"""Compare recipes for the head on AID features, on the validation split.

Usage: python benchmarks/recipe.py [--seeds 2] [--jobs 2]

Prints a Markdown table: k-NN accuracy (index with true labels), mean over seeds, for every recipe,
loss and noise. A recipe is shared by all losses; what it changes from `train.Config` is named. The
test split is not looked at. Takes about a minute a recipe on two cores.
"""

from typing import Any

from benchmarks import frame
from rnsl_tutorial import datasets, experiments
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.tutorial.plots import LOSS_STYLES

RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "temperature 0.05": {"temperature": 0.05},
    "temperature 0.1": {"temperature": 0.1},
    "no input dropout": {"input_dropout": 0.0},
    "input dropout 0.2, dropout 0.3": {"input_dropout": 0.2, "dropout": 0.3},
    "learning rate 0.014": {"learning_rate": 0.014},
    "pruning from epoch 10": {"prune_from": 10},
}
CELLS = [(noise, rate) for noise in ("symmetric", "label_dependent") for rate in (0.1, 0.5)]


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, seeds=2, jobs=2)
    args = parser.parse_args()
    data = datasets.load_shipped_features("aid")
    print(frame.header("recipe", "loss", *(f"{noise} {rate}" for noise, rate in CELLS)))
    for name, settings in RECIPES.items():
        for loss, style in LOSS_STYLES.items():
            configs = [
                Config(noise=noise, rate=rate, loss=loss, seed=seed, **settings)
                for noise, rate in CELLS
                for seed in range(args.seeds)
            ]
            results = experiments.run_grid(data, configs, "val", jobs=args.jobs)
            means = [s.mean["knn_clean"] for s in experiments.summarize(results)]
            values = (f"{mean:.3f}" for mean in means)
            print(frame.row(name, style.label, *values), flush=True)
    print(
        f"\n{len(data.split.val)} validation images, {args.seeds} seeds; {experiments.provenance()}"
    )


if __name__ == "__main__":
    main()
