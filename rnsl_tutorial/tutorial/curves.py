"""The losses as curves over p, the probability of the label, and their slopes: what is drawn.

L_q(p) = (1 - p**q) / q (Kang et al., TGRS 2020), its limit -log p for q = 0, and its plateau below
k.
"""

from numbers import Real

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial._arrays import array

__all__ = ["gradient_wrt_logit", "gradient_wrt_p", "loss_of_p"]


def loss_of_p(p: Tensor | NDArray[np.floating] | float, q: float, k: float | None = None) -> Tensor:
    """The loss as a function of p: L_q(p) = (1 - p**q) / q, cut off at L_q(k) where k is given.

    With k this is min(L_q(p), L_q(k)), the curve with the plateau: t-RNSL up to the constant
    L_q(k), which no gradient sees.

    Args:
        p: probabilities in [0, 1], any shape.
        q: in [0, 1]; 0 stands for the limit, -log p.
        k: in [0, 1), or None for no truncation.

    Returns:
        float, of the shape of p; at least float32.

    Raises:
        ValueError: p, q or k out of range.
    """
    p = _check_curve(p, q, k)
    values = losses.negative_box_cox(p.log(), q)
    return values if k is None else values.clamp(max=losses._truncation_level(values, q, k))


def gradient_wrt_p(
    p: Tensor | NDArray[np.floating] | float, q: float, k: float | None = None
) -> Tensor:
    """The slope of `loss_of_p`: dL/dp = -p**(q - 1), and 0 where p <= k.

    Args, Raises: as `loss_of_p`.

    Returns:
        float, of the shape of p; -inf at p = 0 for q < 1.
    """
    p = _check_curve(p, q, k)
    return _truncate(-(p ** (q - 1)), p, k)


def gradient_wrt_logit(
    p: Tensor | NDArray[np.floating] | float, q: float, k: float | None = None
) -> Tensor:
    """How hard an image pulls on the logit of its label: dL/dz = -p**q (1 - p), 0 where p <= k.

    z = w_y . x / T is the logit of the label. The factor p**q is what separates RNSL from NSL
    (q = 0), whose pull 1 - p is strongest on exactly the images that disagree.

    Args, Raises: as `loss_of_p`.

    Returns:
        float, of the shape of p, in [-1, 0].
    """
    p = _check_curve(p, q, k)
    return _truncate(-(p**q) * (1 - p), p, k)


def _truncate(gradient: Tensor, p: Tensor, k: float | None) -> Tensor:
    return gradient if k is None else torch.where(p > k, gradient, 0.0)


def _check_curve(p: Tensor | NDArray[np.floating] | float, q: float, k: float | None) -> Tensor:
    if not isinstance(q, Real) or q != 0:  # a curve may show the limit, which is NSL
        losses.check_q(q)
    if k is not None:
        losses.check_k(k)
    if not isinstance(p, Tensor | np.ndarray | Real):
        raise TypeError(f"p is a {type(p).__name__}; give a number or a tensor of probabilities.")
    p = p if isinstance(p, Tensor) else torch.as_tensor(array("p", p))
    losses._check_dense(p=p)
    if p.is_meta:
        raise ValueError("p lies on the meta device, which holds no values.")
    p = p.to(torch.promote_types(p.dtype, torch.float32))  # in half precision q log p underflows
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(
            f"p runs from {p.min().item():g} to {p.max().item():g}; a probability lies in [0, 1]."
        )
    return p
