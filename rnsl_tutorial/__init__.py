"""Noisy-label deep metric learning on satellite and aerial images.

Start with ``losses`` (the mathematics of the paper), ``noise`` (wrong labels on purpose),
``training`` (helpers to train with them) and the numbered notebooks, which ``rnsl lab`` opens.
Each room is imported when it is first asked for, and pulls nothing of the others that it does not
need: ``import rnsl_tutorial as rt``, then ``rt.losses``, ``rt.noise``, ``rt.training`` ...
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnsl_tutorial import audit, datasets, evaluation, experiments, losses, noise, training

__version__: str
__all__ = ["audit", "datasets", "evaluation", "experiments", "losses", "noise", "training"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    if name == "__version__":  # a fifth of the time that `rnsl --help` takes
        return import_module("importlib.metadata").version("rnsl-tutorial")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
