"""What does not go together in a training is refused before it begins."""

from typing import TypeGuard

import torch
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial.training.settings import Settings

__all__ = ["check_kept", "check_pruning", "check_settings", "is_truncated"]


def check_settings(settings: Settings, *, validated: bool) -> None:
    """Refuse settings that would be ignored, or that lack what they need: ValueError.

    Args:
        settings: those of a training.
        validated: whether there is a function to choose an epoch by.
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


def check_pruning(loss: losses.NormalizedSoftmaxLoss, num_images: int, *, pruned: bool) -> None:
    """Refuse a loss that was built for other images, or a rule for one that keeps all: ValueError.

    Args:
        loss: to train with.
        num_images: N, training images.
        pruned: whether there is a rule of the caller's own.
    """
    if not is_truncated(loss):
        if pruned:
            raise ValueError(
                f"prune is given, and a {type(loss).__name__} leaves no image out; pass a "
                "TruncatedRobustNormalizedSoftmaxLoss, or no prune."
            )
    elif len(loss.kept) != num_images:
        raise ValueError(
            f"The loss was built for {len(loss.kept)} training images, and here are {num_images}; "
            f"build it with num_samples={num_images}."
        )


def check_kept(kept: Tensor, num_images: int) -> None:
    """Refuse what a caller's own rule returned, if it is no mask: ValueError."""
    if kept.dtype != torch.bool or kept.shape != (num_images,):
        raise ValueError(
            f"prune returned {kept.dtype} {list(kept.shape)}; it must return which images to keep, "
            f"torch.bool [{num_images}], or None."
        )


def is_truncated(
    loss: losses.NormalizedSoftmaxLoss,
) -> TypeGuard[losses.TruncatedRobustNormalizedSoftmaxLoss]:
    """Whether a loss leaves images out."""
    return isinstance(loss, losses.TruncatedRobustNormalizedSoftmaxLoss)
