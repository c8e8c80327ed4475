"""What a training needs before it begins: an optimiser, a schedule, and what goes together."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn

from rnsl_tutorial import losses
from rnsl_tutorial._arrays import is_whole
from rnsl_tutorial.training import sources
from rnsl_tutorial.training.settings import Settings

if TYPE_CHECKING:
    from rnsl_tutorial.training.loop import Training

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
        ValueError: the one that is given would not train the prototypes, or there is nothing to
            train.
    """
    parameters = [*network.parameters(), *loss.parameters()]
    if not any(weight.requires_grad for weight in parameters):
        raise ValueError(
            "Nothing can be trained: no weight of network and loss requires a gradient. Call "
            "requires_grad_() on those that shall learn."
        )
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
    if not isinstance(kept, Tensor):
        raise TypeError(f"prune returned a {type(kept).__name__}; give a torch tensor of bool.")
    if not is_whole(num_images):
        raise ValueError(f"num_images is {num_images!r}; give a whole number.")
    if kept.dtype != torch.bool or kept.shape != (num_images,) or kept.layout != torch.strided:
        raise ValueError(
            f"prune returned {kept.dtype} {list(kept.shape)}; it must return which images to keep, "
            f"torch.bool [{num_images}], or None."
        )


# ------------------------------------------------------------------ while it runs


class _Objective(nn.Module):
    """Network and loss as one module, as a strategy for several processes wants it."""

    def __init__(self, network: nn.Module, loss: losses.NormalizedSoftmaxLoss) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, inputs_B: Tensor, labels_B: Tensor, indices_B: Tensor) -> Tensor:
        value: Tensor = self.loss(sources._passed(self.network, inputs_B), labels_B, indices_B)
        if not isinstance(value, Tensor) or value.ndim or not value.requires_grad:
            shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(
                f"{type(self.loss).__name__} returned {shape}; the mean over the batch is needed, "
                "a tensor of shape [] that hangs on weights to train."
            )
        return value


_LEAST_RATE = 1e-12
"""Smaller learning rates move no weight of float32, whatever its gradient."""


def _state_of(module: nn.Module) -> list[Tensor]:
    """The sum of each weight that is trained: what tells whether any of them moves."""
    trained = (weight.detach() for weight in module.parameters() if weight.requires_grad)
    return [w.float().sum() if w.device.type == "mps" else w.double().sum() for w in trained]


def _check_moved(begun: list[Tensor], module: nn.Module, settings: Settings) -> None:
    """Refuse to go on where the first epoch left every weight as it was: ValueError."""
    flat = all(weight.grad is None or not weight.grad.any() for weight in module.parameters())
    can_move = settings.learning_rate >= _LEAST_RATE and not flat
    if not can_move and all(map(torch.equal, begun, _state_of(module))):
        raise ValueError(
            "Nothing is trained: after the first epoch every weight is as it was drawn. Raise "
            f"learning_rate ({settings.learning_rate}), or look whether the loss has a gradient."
        )


def _check_any_kept(loss: losses.TruncatedRobustNormalizedSoftmaxLoss, epoch: int) -> None:
    """Refuse to go on where every image is left out: ValueError."""
    if not loss.kept.any():
        raise ValueError(
            f"All {len(loss.kept)} images are left out before epoch {epoch}, and nothing more is "
            f"learned: no image fits its label (k = {loss.k}). Prune later (prune_from), lower k, "
            "or use prune_rule 'ratio'."
        )


def _diverged(training: "Training", what: str, where: str) -> FloatingPointError:
    """What to raise where something is no longer finite."""
    saved = f" The last good checkpoint is {training._last_checkpoint}."
    rate = training._optimizer.param_groups[0]["initial_lr"]
    return FloatingPointError(
        f"{what} is no longer finite in epoch {training.epoch}, {where} (counted from 0). "
        f"Lower learning_rate ({rate}) or raise temperature ({training.loss.temperature})."
        f"{saved if training._last_checkpoint else ''}"
    )
