"""Draw the maps that the explorer of notebook 00 shows, from the runs of a full grid.

Usage: python tools/embedding_maps.py [data/results/aid/results.json]
    [--out data/aid/embedding_maps.npz] [--rate 0.5]

Shapes: M test images.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm.auto import tqdm

from rnsl_tutorial import datasets, experiments, training
from rnsl_tutorial._files import written_whole
from rnsl_tutorial._tables import save_table
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.evaluation import embedding, umap
from rnsl_tutorial.experiments import heads
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.tables import EmbeddingMaps


def build(
    features: FeatureSet,
    results: Sequence[experiments.Result],
    on_map: Callable[[Config], object] | None = None,
) -> EmbeddingMaps:
    """Repeat the runs with seed 0 of a full grid, and draw a map of the test images from each.

    Every map starts from that of the first run (the first noise and loss at the lowest rate) and is
    laid onto it, so that a point stays where it was unless the embedding moved it.

    Args:
        features: of the data set.
        results: every combination of some noises, rates and losses, each with the same seeds.
        on_map: called after each map with its config.

    Raises:
        ValueError: a combination is missing.
    """
    cells = {(s.noise, s.rate, s.loss): s for s in experiments.summarize(results)}
    firsts = [result.config for result in results if result.config.seed == 0]
    configs = {(config.noise, config.rate, config.loss): config for config in firsts}
    axes = [list(dict.fromkeys(values)) for values in zip(*cells, strict=True)]
    shape = tuple(len(axis) for axis in axes)
    missing = [cell for cell in product(*axes) if cell not in cells or cell not in configs]
    if missing or not cells:
        raise ValueError(f"The grid has no run with seed 0 for {missing[:3] or 'anything'}.")
    drawn = list(_draw(features, [configs[cell] for cell in product(*axes)], on_map))
    return EmbeddingMaps(
        noises=tuple(axes[0]),
        rates=tuple(axes[1]),
        losses=tuple(axes[2]),
        coordinates=_quantized(np.stack([d.coordinates for d in drawn])).reshape(*shape, -1, 2),
        predicted=np.stack([d.predicted for d in drawn]).astype(np.uint8).reshape(*shape, -1),
        labels=features.labels[features.split.test].astype(np.uint8),
        class_names=features.class_names,
        files=tuple(features.files[i] for i in features.split.test),
        accuracy=_table(cells, axes, "mean"),
        spread=_table(cells, axes, "spread"),
        seeds=min(s.seeds for s in cells.values()),
    )


class _Drawn(NamedTuple):
    coordinates: NDArray[np.float32]  # [M, 2]
    predicted: NDArray[np.int64]  # [M]


def _draw(
    features: FeatureSet, configs: Sequence[Config], on_map: Callable[[Config], object] | None
) -> Iterator[_Drawn]:
    first = None
    train, test = features.split.train, features.split.test
    for config in configs:
        network = heads.fit(features, config).network
        embeddings = training.embed(network, heads.standardized(features)).numpy()
        coordinates = umap.umap_map(embeddings[test], min_dist=0.5, like=first)
        first = coordinates if first is None else first
        predicted = embedding.knn_predict(
            embeddings[train], features.labels[train], embeddings[test]
        )
        yield _Drawn(coordinates, predicted.numpy())
        if on_map:
            on_map(config)


def _quantized(coordinates: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Put all maps [..., 2] into one square of 0..65535, without stretching them."""
    low, high = coordinates.min(axis=(0, 1)), coordinates.max(axis=(0, 1))
    codes: NDArray[np.uint16] = ((coordinates - low) / (high - low).max() * 65535).astype(np.uint16)
    return codes


def _table(
    cells: dict[tuple[Any, ...], experiments.Summary], axes: Sequence[Sequence[Any]], field: str
) -> NDArray[np.float32]:
    values = [getattr(cells[cell], field)["knn_clean"] for cell in product(*axes)]
    return np.array(values, dtype=np.float32).reshape([len(axis) for axis in axes])


def picture(maps: EmbeddingMaps, noise: str, rate: float) -> Figure:
    """Draw the maps of all losses side by side, at one rate of one noise.

    Raises:
        ValueError: the maps do not hold that noise or rate.
    """
    if noise not in maps.noises or rate not in maps.rates:
        raise ValueError(f"There is no map of {noise} at {rate}: {maps.noises}, {maps.rates}.")
    place = maps.noises.index(noise), maps.rates.index(rate)
    labels = [style.label for style in plots.loss_styles(maps.losses)]
    classes, predicted_LM = len(maps.class_names), maps.predicted[place]
    return plots.maps_side_by_side(
        list(maps.coordinates[place].astype(float)),
        plots.Coloring(
            np.where(predicted_LM == maps.labels, maps.labels, classes).astype(int),
            [*plots.class_colors(classes), "#000000"],
            [(classes, "k-NN does not find the class; colours: true classes")],
        ),
        titles=[f"{label}, {rate:.0%} wrong labels" for label in labels],
        captions=[f"k-NN accuracy {accuracy:.1%}" for accuracy in maps.accuracy[place]],
        same_scale=True,
    )


def main() -> None:
    """Train, map, write the table and a picture of it, and say how large it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "results", type=Path, nargs="?", default=Path("data", "results", "aid", "results.json")
    )
    parser.add_argument("--out", type=Path, default=Path("data", "aid", "embedding_maps.npz"))
    parser.add_argument("--rate", type=float, default=0.5, help="of the picture beside it")
    args = parser.parse_args()
    runs, provenance = experiments.load_results(args.results)
    data = datasets.load_shipped_features(runs[0].config.dataset)
    if provenance["features"] != dict(data.made_with):
        parser.error(f"{args.results} was made with other features than those that are shipped.")
    if args.rate not in {run.config.rate for run in runs}:
        parser.error(f"{args.results} has no run at rate {args.rate}; choose another --rate.")
    with tqdm(total=len(experiments.summarize(runs)), unit="map") as bar:
        built = build(data, runs, on_map=lambda _: bar.update())
    save_table(args.out, built)
    with written_whole(args.out.with_suffix(".png")) as opened:
        picture(built, built.noises[0], args.rate).savefig(opened, format="png", dpi=130)
    print(f"Written: {args.out} ({args.out.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
