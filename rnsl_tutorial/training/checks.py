"""What does not go together in a training is refused before it begins."""

import torch
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial.training.settings import Settings

__all__ = ["check", "check_kept"]


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
