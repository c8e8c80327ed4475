"""How the reference implementation prunes, faults included: setting pruning "reference".

It scores randomly augmented images, by network and prototypes of the epoch that did best on clean
validation labels; then the network goes back to the last epoch, while the prototypes stay at the
best epoch's. So clean labels steer the training, an image's fate hangs on a draw of its colours,
and network and prototypes come from different epochs.

A fault that is not repeated: its `--resume` restores the optimiser but not the schedule, so that
the learning rate falls every 30 epochs counted from where the run went on. Ours goes on as if it
had not been stopped, see `checkpoints`.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rnsl_tutorial import losses
from rnsl_tutorial.training import augmentation

if TYPE_CHECKING:
    from rnsl_tutorial.training.loop import Training

__all__ = ["prune"]


def prune(
    training: "Training",
    loss: losses.TruncatedRobustNormalizedSoftmaxLoss,
    selected: dict[str, Any],
    generator: torch.Generator,
) -> None:
    """Choose the images to keep as the reference does, and leave its mixed pair of weights behind.

    Args:
        training: its settings, inputs and labels are read, the weights of its network and loss set.
        loss: of the training.
        selected: weights of the epoch that did best, as `Training.weights` gives them.
        generator: draws the augmentation.
    """
    settings, last = training.settings, training.weights()
    training.load_weights(selected)
    network = training.network
    if settings.augmentation != "none":
        network = _Augmenting(network, settings.augmentation, generator)
    embeddings_ND = training.embed(training.inputs, network)
    loss.update_kept(embeddings_ND, training.labels, rule=settings.prune_rule)
    training.network.load_state_dict(last["network"])  # but not the prototypes


class _Augmenting(nn.Module):
    """A network that sees its inputs augmented."""

    def __init__(self, network: nn.Module, name: str, generator: torch.Generator) -> None:
        super().__init__()
        self.network, self.name, self.generator = network, name, generator

    def forward(self, inputs_B: Tensor) -> Tensor:
        drawn = augmentation.draw(self.name, len(inputs_B), self.generator)
        embeddings: Tensor = self.network(augmentation.apply(inputs_B, drawn))
        return embeddings
