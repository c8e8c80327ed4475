"""What a training needs before it begins: an optimiser, a schedule, and what goes together."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from rnsl_tutorial import losses
from rnsl_tutorial.training.settings import Settings

__all__ = ["Optimizer", "build_optimizer", "build_schedule", "check", "check_kept"]

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


def check(
    loss: losses.NormalizedSoftmaxLoss,
    settings: Settings,
    num_images: int,
    *,
    validated: bool,
    pruned: bool,
) -> None:
    """Refuse settings that would be ignored or lack what they need, and a loss of other images.

    Args:
        loss: to train with.
        settings: those of a training.
        num_images: N, training images.
        validated: whether there is a function to choose an epoch by.
        pruned: whether there is a rule of the caller's own.

    Raises:
        ValueError: one of these.
    """
    if type(settings) is not Settings:
        hint = "; pass its .settings" if isinstance(settings, Settings) else ""
        raise ValueError(
            f"settings is a {type(settings).__name__}, and all but training.Settings would be "
            f"ignored here, such as loss, q, k and temperature{hint}."
        )
    if settings.selection != "last" and not validated:
        raise ValueError(
            f"selection is {settings.selection!r}, which needs a validate function to choose an "
            "epoch by; pass one, or selection 'last'."
        )
    if isinstance(loss, losses.TruncatedRobustNormalizedSoftmaxLoss):
        if len(loss.kept) != num_images:
            raise ValueError(
                f"The loss was built for {len(loss.kept)} training images, and here are "
                f"{num_images}; build it with num_samples={num_images}."
            )
    elif pruned:
        raise ValueError(
            f"prune is given, and a {type(loss).__name__} leaves no image out; pass a "
            "TruncatedRobustNormalizedSoftmaxLoss, or no prune."
        )


def check_kept(kept: Tensor, num_images: int) -> None:
    """Refuse what a caller's own rule returned, if it is no mask: ValueError."""
    if kept.dtype != torch.bool or kept.shape != (num_images,):
        raise ValueError(
            f"prune returned {kept.dtype} {list(kept.shape)}; it must return which images to keep, "
            f"torch.bool [{num_images}], or None."
        )
