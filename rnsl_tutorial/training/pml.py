"""The paper's losses as pytorch-metric-learning wants them, and its losses as ours want them."""

from typing import Any

import torch
from pytorch_metric_learning import losses as library
from pytorch_metric_learning.losses import BaseMetricLossFunction
from pytorch_metric_learning.utils import common_functions, loss_and_miner_utils
from torch import Tensor

from rnsl_tutorial.losses import NormalizedSoftmaxLoss

__all__ = ["as_pml", "library_loss"]

_OFF_THE_END = 1e-7
"""Of a cosine: the arc cosine has no slope at -1 and 1."""


def as_pml(loss: NormalizedSoftmaxLoss, **settings: Any) -> BaseMetricLossFunction:
    """Return a loss that pytorch-metric-learning's miners, reducers, wrappers and trainers take.

    It is called as ``adapted(embeddings, labels, indices_tuple)``. What a miner returns weights the
    images by how often they were mined, as in the library's own NormalizedSoftmaxLoss; the reducer
    is given one value an image. Its parameters are those of the loss, which is trained.

    t-RNSL has to know which image is which, and the library's calls have no room for that: set
    ``adapted.indices`` (int64 [B]) before each call, in a trainer by its data_and_label_getter.

    Args:
        loss: NSL, RNSL, t-RNSL, or any loss with ``per_image`` and ``prototypes`` as theirs.
        settings: of the library's base class: reducer, distance, embedding_regularizer ...

    Raises:
        TypeError: a loss that does not tell its value for each image.
    """
    return _AsPML(loss, **settings)


class _AsPML(BaseMetricLossFunction):  # type: ignore[misc]  # the library has no types
    def __init__(self, loss: NormalizedSoftmaxLoss, **settings: Any) -> None:
        if not isinstance(loss, NormalizedSoftmaxLoss):
            raise TypeError(
                f"loss is a {type(loss).__name__}; give one of rnsl_tutorial.losses, or a subclass."
            )
        super().__init__(**settings)
        self.loss = loss
        self.indices: Tensor | None = None

    def compute_loss(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: Any,
        ref_emb: Tensor | None,
        ref_labels: Tensor | None,
    ) -> dict[str, dict[str, Any]]:
        common_functions.ref_not_supported(embeddings, labels, ref_emb, ref_labels)
        indices, self.indices = self.indices, None  # they are of one batch
        losses_B = self.loss.per_image(embeddings, labels, indices)
        weights_B = loss_and_miner_utils.convert_to_weights(
            indices_tuple, labels, dtype=losses_B.dtype
        )
        places_B = torch.arange(len(losses_B), device=losses_B.device)
        return {
            "loss": {
                "losses": losses_B * weights_B,
                "indices": places_B,
                "reduction_type": "element",
            }
        }


def library_loss(kind: str, *args: Any, **settings: Any) -> BaseMetricLossFunction:
    """Build a loss of the library by the name of its class; others as for that class."""
    return (_FINITE.get(kind) or getattr(library, kind))(*args, **settings)


class _ArcFace(library.ArcFaceLoss):  # type: ignore[misc]  # the library has no types
    """The library's, with a finite gradient where an image lies on its prototype."""

    def get_angles(self, cosines: Tensor) -> Tensor:
        angles: Tensor = super().get_angles(cosines.clamp(-1 + _OFF_THE_END, 1 - _OFF_THE_END))
        return angles


class _SubCenterArcFace(library.SubCenterArcFaceLoss, _ArcFace):  # type: ignore[misc]
    """The same, for its kin."""


_FINITE = {"ArcFaceLoss": _ArcFace, "SubCenterArcFaceLoss": _SubCenterArcFace}
