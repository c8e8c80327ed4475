"""The training helpers that a researcher reuses.

`train` fits a network and the prototypes of a loss by `Settings`, with checkpoints, on any device;
`embed` shows what it learned, and `Training` can be watched, stopped and resumed. `networks` has
backbones and heads, `build_loss` builds the paper's losses and others to compare them with,
`Hardware` and `launch` choose the machine, and a `Source` brings images that fit into no memory.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnsl_tutorial.training.baselines import build_loss
    from rnsl_tutorial.training.devices import Hardware, close, launch
    from rnsl_tutorial.training.embedding import embed
    from rnsl_tutorial.training.loop import EpochReport, Training, train
    from rnsl_tutorial.training.networks import create, embedding_head, embedding_network
    from rnsl_tutorial.training.settings import Settings
    from rnsl_tutorial.training.sources import Fetched, Source, place

__all__ = [
    "EpochReport", "Fetched", "Hardware", "Settings", "Source", "Training",
    "build_loss", "close", "create", "embed", "embedding_head", "embedding_network",
    "launch", "place", "train",
]  # fmt: skip

_HOMES = {
    "augmentation": (),
    "baselines": ("build_loss",),
    "checkpoints": (),
    "devices": ("Hardware", "close", "launch"),
    "embedding": ("embed",),
    "loop": ("EpochReport", "Training", "train"),
    "networks": ("create", "embedding_head", "embedding_network"),
    "settings": ("Settings",),
    "optimizers": (),
    "sources": ("Fetched", "Source", "place"),
}
"""Module -> what is taken from it, once it is asked for: torch and Fabric take seconds."""


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name == home or name in names:
            module = importlib.import_module(f"{__name__}.{home}")
            return module if name == home else getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_HOMES]
