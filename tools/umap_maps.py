"""Draw the maps that the explorers of notebook 09 show: three losses, epochs, settings of UMAP.

Usage: python tools/umap_maps.py [--out data/aid/umap_maps.npz] [--noise symmetric] [--rate 0.5]

Each loss trains from the same weights, the same images are followed, and mapped again and again.

Shapes: L losses, E moments, H values of n_neighbors, M values of min_dist, N images, D dimensions,
K neighbors.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import product, repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from rnsl_tutorial import datasets, experiments
from rnsl_tutorial._tables import save_table
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.evaluation import embedding, umap
from rnsl_tutorial.experiments import heads
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.tutorial.tables import UmapMaps

FULL_SCALE = 65535  # of coordinates
MOST_P = 255  # the code of p = 1

Floats = NDArray[np.float32]
OnMap = Callable[[str], object]


@dataclass(frozen=True)
class Plan:
    """What `build` draws.

    Attributes:
        losses: to train with.
        epochs: moments to show, ascending; the last is the length of the training.
        images: how many training images to follow.
        n_neighbors: values of the grid.
        min_dists: values of the grid.
        default: n_neighbors and min_dist of the map that those with other settings start from; one
            of the grid. The maps over epochs have the same n_neighbors, see
            `umap.umap_sequence`.
        neighbors: K, of the measures and of the table.
    """

    losses: tuple[str, ...] = ("nsl", "rnsl", "trnsl")
    epochs: tuple[int, ...] = (0, 1, 2, 3, 5, 8, 12, 20, 30, 40)
    images: int = 2000
    n_neighbors: tuple[int, ...] = (4, 15, 50, 150)
    min_dists: tuple[float, ...] = (0.0, 0.1, 0.4, 0.9)
    default: tuple[int, float] = (15, 0.1)
    neighbors: int = 10

    def __post_init__(self) -> None:
        if self.default not in self.grid():
            raise ValueError(
                f"The default {self.default} is not in the grid of n_neighbors {self.n_neighbors} "
                f"and min_dist {self.min_dists}; add it."
            )

    def grid(self) -> list[tuple[int, float]]:
        """Every n_neighbors with every min_dist."""
        return list(product(self.n_neighbors, self.min_dists))

    def count(self) -> int:
        """How many times `build` tells of progress: a sequence of maps, or one of the grid."""
        return len(self.losses) * (1 + len(self.grid()))


class _Run(NamedTuple):
    """What the table holds of one run, and what is the same for all."""

    over_epochs: Floats  # [E, N, 2]
    over_settings: Floats  # [H, M, N, 2]
    pca: Floats  # [N, 2]
    measured_over_epochs: Floats  # [E, 3]
    measured_over_settings: Floats  # [H, M, 3]
    measured_of_pca: Floats  # [3]
    same_class: Floats  # [E]
    p: NDArray[np.uint8]  # [E, N]
    kept: NDArray[np.bool_]  # [E, N]
    neighbors: NDArray[np.uint16]  # [N, K]
    given: NDArray[np.uint8]  # [N]
    batch: NDArray[np.int64]  # [N], places in the training split


def build(
    data: FeatureSet,
    config: Config,
    plan: Plan | None = None,
    on_map: OnMap = lambda _: None,
) -> UmapMaps:
    """Train with each loss from one seed, and draw maps of the same images.

    All losses begin with the same weights. The maps of one loss over the epochs are made together,
    so that points glide; then all of them are turned so that the first lies on the first of the
    first loss. The maps with other settings start from that with the default ones.

    Args:
        data: features of the data set.
        config: of the runs; its loss and epochs are those of the plan.
        plan: what to draw; by default what comes with the package.
        on_map: called `Plan.count` times, with what was drawn.
    """
    plan = plan or Plan()
    config = replace(config, epochs=plan.epochs[-1])
    runs: list[_Run] = []
    for loss in plan.losses:
        like = runs[0].over_epochs[0] if runs else None
        runs.append(_run(data, replace(config, loss=loss), plan, like, on_map))
    rows_N = data.split.train[runs[0].batch]
    return UmapMaps(
        losses=plan.losses,
        epochs=plan.epochs,
        n_neighbors=plan.n_neighbors,
        min_dists=plan.min_dists,
        over_epochs=_boxed(np.stack([run.over_epochs for run in runs])),
        over_settings=np.stack([_boxed(run.over_settings) for run in runs]),
        pca=np.stack([_boxed(run.pca) for run in runs]),
        labels=data.labels[rows_N].astype(np.uint8),
        given=runs[0].given,
        class_names=data.class_names,
        files=tuple(data.files[i] for i in rows_N),
        made_with=_made_with(data, config, plan),
        **{name: np.stack([getattr(run, name) for run in runs]) for name in _STACKED},
    )


_STACKED = (
    "measured_over_epochs", "measured_over_settings", "measured_of_pca", "same_class",
    "p", "kept", "neighbors",
)  # fmt: skip


def _run(
    features: FeatureSet, config: Config, plan: Plan, like: Floats | None, on_map: OnMap
) -> _Run:
    fitted, history = heads.follow(features, config, plan.images)
    moments, batch_N = list(plan.epochs), history.batch.numpy()
    embeddings_END = history.embeddings[moments].numpy()
    last_ND = embeddings_END[-1]
    labels_N = features.labels[features.split.train[batch_N]]
    over_epochs = umap.umap_sequence(embeddings_END, n_neighbors=plan.default[0], like=like)
    on_map(f"{config.loss}, epochs")
    over_settings = _over_settings(last_ND, config, plan, on_map)
    pca = umap.pca_map(last_ND)
    grid = (len(plan.n_neighbors), len(plan.min_dists))

    def measured(maps: Iterable[Floats], embeddings: Iterable[Floats]) -> Floats:
        pairs = zip(embeddings, maps, strict=False)
        return _floats([_measured(e, m, labels_N, plan.neighbors) for e, m in pairs])

    return _Run(
        over_epochs=over_epochs,
        over_settings=over_settings.reshape(*grid, -1, 2),
        pca=pca,
        measured_over_epochs=measured(over_epochs, embeddings_END),
        measured_over_settings=measured(over_settings, repeat(last_ND)).reshape(*grid, -1),
        measured_of_pca=measured([pca], [last_ND])[0],
        same_class=_floats(
            [embedding.precision_at_k(e, labels_N, k=plan.neighbors) for e in embeddings_END]
        ),
        p=(history.log_p[moments][:, batch_N].exp() * MOST_P).round().byte().numpy(),
        kept=history.kept[moments][:, batch_N].numpy(),
        neighbors=umap.neighbors(last_ND, plan.neighbors).astype(np.uint16),
        given=fitted.given.labels[batch_N].astype(np.uint8),
        batch=batch_N,
    )


def _measured(
    embeddings_ND: Floats, map_N2: Floats, labels_N: NDArray[np.int64], k: int
) -> tuple[float, ...]:
    """What `tables.MEASURES` names."""
    faith = umap.faithfulness(embeddings_ND, map_N2, k)
    return *faith, embedding.precision_at_k(map_N2, labels_N, k=k)


def _over_settings(embeddings_ND: Floats, config: Config, plan: Plan, on_map: OnMap) -> Floats:
    """The maps of the grid, float32 [H * M, N, 2]."""

    def drawn(settings: tuple[int, float], like: Floats | None = None) -> Floats:
        n_neighbors, min_dist = settings
        return umap.umap_map(embeddings_ND, n_neighbors=n_neighbors, min_dist=min_dist, like=like)

    default_N2 = drawn(plan.default)
    maps = []
    for settings in plan.grid():
        maps.append(default_N2 if settings == plan.default else drawn(settings, default_N2))
        on_map(f"{config.loss}, n_neighbors and min_dist {settings}")
    return np.stack(maps)


def _floats(values: object) -> Floats:
    return np.asarray(values, dtype=np.float32)


def _made_with(features: FeatureSet, config: Config, plan: Plan) -> dict[str, object]:
    used = experiments.provenance() | {"umap-learn": version("umap-learn")}
    return {
        "config": asdict(config),
        "plan": asdict(plan),
        "alignment": umap._ALIGNMENT,
        "features": dict(features.made_with),
        "provenance": used,
    }


def _boxed(maps: Floats) -> NDArray[np.uint16]:
    """Put maps [..., N, 2] into one square of 0 to 65535, without stretching them."""
    points_N2 = maps.reshape(-1, 2)
    low, high = points_N2.min(axis=0), points_N2.max(axis=0)
    middle, side = (low + high) / 2, (high - low).max()
    codes: Floats = ((maps - middle) / side + 0.5) * FULL_SCALE
    return codes.round().clip(0, FULL_SCALE).astype(np.uint16)


def main() -> None:
    """Train, map, write, and say how large it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("data", "aid", "umap_maps.npz"))
    parser.add_argument("--noise", default="symmetric")
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    config, plan = Config(noise=args.noise, rate=args.rate, seed=args.seed), Plan()
    with tqdm(total=plan.count(), unit="map") as bar:
        built = build(datasets.load_shipped_features("aid"), config, plan, lambda _: bar.update())
    save_table(args.out, built)
    print(f"Written: {args.out} ({args.out.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
