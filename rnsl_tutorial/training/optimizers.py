"""The optimiser of a training and the schedule of its learning rate."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch
from torch import nn

from rnsl_tutorial import losses
from rnsl_tutorial.training.settings import Settings

__all__ = ["Optimizer", "build_optimizer", "build_schedule"]

Optimizer: TypeAlias = (
    torch.optim.Optimizer | Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
)
"""One that holds the parameters of network and loss, or what builds it from them."""


def build_optimizer(
    network: nn.Module,
    loss: losses.NormalizedSoftmaxLoss,
    settings: Settings,
    given: Optimizer | None,
) -> torch.optim.Optimizer:
    """Build SGD with Nesterov momentum by the settings, or take the optimiser that is given.

    Raises:
        ValueError: the one that is given would not train the prototypes.
    """
    parameters = [*network.parameters(), *loss.parameters()]
    if given is None:
        return torch.optim.SGD(
            parameters,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            nesterov=settings.momentum > 0,
            weight_decay=settings.weight_decay,
        )
    made = given if isinstance(given, torch.optim.Optimizer) else given(parameters)
    held = {id(weight) for group in made.param_groups for weight in group["params"]}
    if any(weight.requires_grad and id(weight) not in held for weight in loss.parameters()):
        raise ValueError(
            "The optimizer does not hold the prototypes, which would stay as they were drawn; "
            "build it from [*network.parameters(), *loss.parameters()]."
        )
    return made


def build_schedule(
    optimizer: torch.optim.Optimizer, settings: Settings, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate's schedule, one step a batch."""
    if settings.schedule == "step":
        return torch.optim.lr_scheduler.StepLR(
            optimizer, steps * settings.step_epochs, settings.step_factor
        )
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps * settings.epochs)
