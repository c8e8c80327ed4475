"""Which training images t-RNSL keeps: the paper's rule, and one that asks how sure the network is.

Shapes: N training images, C classes, D embedding dimensions.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from rnsl_tutorial import losses

RULES = ("paper", "ratio")


def update_kept(
    loss: losses.TruncatedRobustNormalizedSoftmaxLoss,
    embeddings: Tensor,
    labels: Tensor,
    rule: str = "paper",
) -> None:
    """Decide anew, for all training images, which the loss keeps.

    "paper" keeps an image where p, the probability of its label, exceeds k (Kang et al., TGRS
    2020). "ratio" keeps it where p exceeds k times the largest probability that any class gets,
    see `kept_by_ratio`.

    Args:
        loss: its `kept` is set; prototypes, k and temperature are read.
        embeddings: float [N, D], best computed without augmentation and by the network in the state
            that the prototypes were trained with.
        labels: int64 [N] in [0, C), possibly wrong.
        rule: one of `RULES`.

    Raises:
        ValueError: another rule, or shapes that disagree.
    """
    if rule not in RULES:
        raise ValueError(f"There is no pruning rule {rule!r}; choose one of {', '.join(RULES)}.")
    if rule == "paper":
        loss.update_kept(embeddings, labels, torch.arange(len(labels), device=labels.device))
    elif labels.shape != loss.kept.shape:
        raise ValueError(
            f"labels are {list(labels.shape)}; give those of all {len(loss.kept)} training images."
        )
    else:
        kept_N = kept_by_ratio(
            embeddings, loss.prototypes, labels, k=loss.k, temperature=loss.temperature
        )
        loss.kept.copy_(kept_N)


@torch.no_grad()
def kept_by_ratio(
    embeddings: Tensor, prototypes: Tensor, labels: Tensor, *, k: float, temperature: float
) -> Tensor:
    """Keep the images whose label no other class beats by a factor of 1/k: p > k max_c p_c.

    The denominator of the softmax cancels, and what is left compares two cosines, of the label's
    prototype w_y and of the nearest one:

        x . w_y > max_c x . w_c - T log(1/k)

    Where the network is sure, max_c p_c is 1 and the rule is the paper's, p > k. Where it is not,
    as from scratch or with many classes, p is small for right labels too; the paper's rule then
    leaves out what the network has not learned yet, this one only what it contradicts. No image
    with p > k / (1 + k) is left out.

    Args:
        embeddings: float [N, D], normalized here.
        prototypes: float [C, D], normalized here.
        labels: int64 [N] in [0, C), possibly wrong.
        k: in [0, 1).
        temperature: > 0.

    Returns:
        bool [N].

    Raises:
        ValueError: k or temperature out of range, or shapes that disagree.
    """
    losses.check_k(k)
    losses.check_temperature(temperature)
    losses.check_batch(embeddings, prototypes, labels)
    cosines_NC = F.normalize(embeddings, dim=1) @ F.normalize(prototypes, dim=1).T
    label_N = cosines_NC.gather(1, labels[:, None]).squeeze(1)
    margin = temperature * math.log(1 / k) if k > 0 else math.inf
    return label_N > cosines_NC.amax(dim=1) - margin
