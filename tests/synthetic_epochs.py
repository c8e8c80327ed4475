"""Watched runs of fine-tuning, made up: in three epochs NSL falls and learns labels by heart."""

from typing import Any

from rnsl_tutorial.experiments.config import Config, from_preset
from rnsl_tutorial.experiments.results import Result


def watched(loss: str = "nsl", seed: int = 0, **settings: Any) -> Result:
    """NSL falls from 0.8 by 0.1 an epoch, others rise by it; each seed adds 0.01."""
    slope = -0.1 if loss == "nsl" else 0.1
    curves = {
        "knn_clean": [round(0.8 + slope * epoch + seed / 100, 6) for epoch in range(3)],
        "memorized": [0.1, 0.5, 0.9] if loss == "nsl" else [0.01, 0.02, 0.03],
        "val_given": [0.3, 0.4, 0.4],
    }
    if loss == "trnsl":
        curves["kept"] = [1.0, 0.5, 0.5]
    config = from_preset("finetune", loss=loss, seed=seed, epochs=3, **{"rate": 0.5, **settings})
    metrics = {name: values[-1] for name, values in curves.items()}
    return Result(config, metrics, 1.0, curves=curves)


def nothing_trained() -> Result:
    """The row beside them that needs no training."""
    return Result(Config(loss="no_training", rate=0.5), {"knn_clean": 0.75}, 0.0)
