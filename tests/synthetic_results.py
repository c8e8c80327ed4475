"""Results that no run reached."""

from collections.abc import Iterable
from typing import Any

from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.results import Result


def runs(
    loss: str,
    values: Iterable[float],
    seeds: Iterable[int] | None = None,
    metric: str = "knn_clean",
    **settings: Any,
) -> list[Result]:
    """A run of each value, at seeds 0, 1, ..., with half of the labels wrong."""
    values = list(values)
    given = {"rate": 0.5, **settings}
    return [
        Result(Config(loss=loss, seed=seed, **given), {metric: value}, 1.0)
        for seed, value in zip(range(len(values)) if seeds is None else seeds, values, strict=True)
    ]
