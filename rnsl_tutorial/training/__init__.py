"""The training helpers that a researcher reuses.

`train` fits a network and the prototypes of a loss by `Settings`, with checkpoints, on any device;
`embed` shows what it learned, and `Training` can be watched, stopped and resumed. `networks` has
backbones and heads, `build_loss` builds the paper's losses and others to compare them with,
`Hardware` and `launch` choose the machine, and a `Source` brings images that fit into no memory.
`Indexed` and `as_pml` bring the losses into loops that are not ours.
"""

from typing import TYPE_CHECKING

from rnsl_tutorial._lazy import exported

if TYPE_CHECKING:
    from rnsl_tutorial.training.baselines import build_loss as build_loss
    from rnsl_tutorial.training.devices import Hardware as Hardware
    from rnsl_tutorial.training.devices import close as close
    from rnsl_tutorial.training.devices import launch as launch
    from rnsl_tutorial.training.embedding import embed as embed
    from rnsl_tutorial.training.loop import EpochReport as EpochReport
    from rnsl_tutorial.training.loop import Training as Training
    from rnsl_tutorial.training.loop import train as train
    from rnsl_tutorial.training.networks import create as create
    from rnsl_tutorial.training.networks import embedding_head as embedding_head
    from rnsl_tutorial.training.networks import embedding_network as embedding_network
    from rnsl_tutorial.training.pml import as_pml as as_pml
    from rnsl_tutorial.training.settings import Settings as Settings
    from rnsl_tutorial.training.sources import Fetched as Fetched
    from rnsl_tutorial.training.sources import Indexed as Indexed
    from rnsl_tutorial.training.sources import Source as Source
    from rnsl_tutorial.training.sources import place as place

__getattr__, __all__ = exported(
    __name__,
    augmentation="",
    baselines="build_loss",
    checkpoints="",
    devices="Hardware close launch",
    embedding="embed",
    loop="EpochReport Training train",
    networks="create embedding_head embedding_network",
    pml="as_pml",
    prepare="",
    settings="Settings",
    sources="Fetched Indexed Source place",
)
