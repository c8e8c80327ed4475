"""One plain training loop, for a head on features and for a network on pixels.

It alternates the two steps of the paper: train on the images that are kept, and, for t-RNSL, decide
every few epochs which images to keep.

Shapes: N training images, B images in a batch, C classes, D embedding dimensions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

from rnsl_tutorial import losses

LOSSES = ("nsl", "rnsl", "trnsl")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides the outcome of a run.

    The defaults suit a head on frozen features and are the same for every loss. They were chosen on
    the validation split of AID, see `benchmarks/recipe.py`; the paper fine-tunes a whole network,
    at temperature 0.05.

    Attributes:
        dataset: name of the data, for the record.
        noise: kind of label noise, see `experiments.NOISES`.
        rate: share of labels that the noise flips, in [0, 1).
        loss: "nsl", "rnsl" or "trnsl".
        seed: of the noise, the initial weights and the order of the batches.
        epochs: passes over the training set.
        batch_size: images a step.
        hidden_dim: width of the head's hidden layer.
        embedding_dim: D.
        input_dropout: share of the features silenced at random in training.
        dropout: share of the head's hidden units silenced at random in training.
        learning_rate: of SGD with Nesterov momentum at the start; falls to 0 along a cosine.
        momentum: of SGD.
        weight_decay: of network and prototypes alike, as in the paper.
        temperature: T of the softmax.
        q: of RNSL and t-RNSL.
        k: of t-RNSL.
        prune_from: epoch, from 1, before which the images to keep are chosen for the first time;
            None for half of the epochs.
        prune_every: epochs from one choice to the next.
    """

    dataset: str = "aid"
    noise: str = "symmetric"
    rate: float = 0.0
    loss: str = "rnsl"
    seed: int = 0
    epochs: int = 40
    batch_size: int = 256
    hidden_dim: int = 512
    embedding_dim: int = 128
    input_dropout: float = 0.1
    dropout: float = 0.0
    learning_rate: float = 0.007
    momentum: float = 0.9
    weight_decay: float = 1e-4
    temperature: float = 0.07
    q: float = 0.7
    k: float = 0.5
    prune_from: int | None = None
    prune_every: int = 5

    def __post_init__(self) -> None:
        """Refuse values that no run could make sense of."""
        if self.loss not in LOSSES:
            raise ValueError(f"There is no loss {self.loss!r}; choose one of {', '.join(LOSSES)}.")
        for name in ("epochs", "batch_size", "hidden_dim", "embedding_dim", "prune_every"):
            self._require(name, "at least 1", getattr(self, name) >= 1)
        self._require("prune_from", "at least 1", self.prune_from is None or self.prune_from >= 1)
        self._require("rate", "in [0, 1)", 0 <= self.rate < 1)
        self._require("learning_rate", "above 0", self.learning_rate > 0)
        self._require("temperature", "above 0", self.temperature > 0)
        self._require("q", "in (0, 1]", 0 < self.q <= 1)
        self._require("k", "in [0, 1)", 0 <= self.k < 1)

    def _require(self, name: str, allowed: str, holds: bool) -> None:
        if not holds:
            raise ValueError(f"{name} is {getattr(self, name)}; it must be {allowed}.")

    def prunes_before(self, epoch: int) -> bool:
        """Whether the images to keep are chosen anew before this epoch, counted from 0."""
        start = max(1, self.epochs // 2) if self.prune_from is None else self.prune_from
        return epoch >= start and (epoch - start) % self.prune_every == 0


class EpochReport(NamedTuple):
    """What `train` tells after each epoch: its number from 0, the mean loss, the share kept."""

    epoch: int
    loss: float
    kept: float


def build_loss(
    config: Config,
    num_classes: int,
    num_samples: int,
    generator: torch.Generator | None = None,
) -> losses.NormalizedSoftmaxLoss:
    """Build the loss that the config names, with fresh prototypes.

    Args:
        config: loss, embedding_dim, temperature, q and k are read.
        num_classes: C.
        num_samples: N.
        generator: draws the prototypes; None for torch's global one.
    """
    sizes = (num_classes, config.embedding_dim)
    if config.loss == "nsl":
        return losses.NormalizedSoftmaxLoss(*sizes, config.temperature, generator=generator)
    if config.loss == "rnsl":
        return losses.RobustNormalizedSoftmaxLoss(
            *sizes, config.temperature, config.q, generator=generator
        )
    return losses.TruncatedRobustNormalizedSoftmaxLoss(
        *sizes, num_samples, config.temperature, config.q, config.k, generator=generator
    )


def train(
    network: nn.Module,
    loss: losses.NormalizedSoftmaxLoss,
    inputs: Tensor,
    labels: Tensor,
    config: Config,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> None:
    """Train a network and the prototypes of its loss, in place.

    Args:
        network: inputs [B, ...] -> embeddings [B, D].
        loss: from `build_loss`.
        inputs: [N, ...], features or pixels.
        labels: int64 [N], possibly wrong; true labels are never seen here.
        config: the optimiser's and the pruning's settings are read, and the seed, which decides
            the order of the batches.
        on_epoch: called after each epoch.

    Raises:
        FloatingPointError: the loss is no longer finite.
    """
    generator = torch.Generator().manual_seed(config.seed)
    optimizer = torch.optim.SGD(
        [*network.parameters(), *loss.parameters()],
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=True,
        weight_decay=config.weight_decay,
    )
    steps = config.epochs * math.ceil(len(labels) / config.batch_size)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(config.epochs):
        if _truncated(loss) and config.prunes_before(epoch):
            prune(network, loss, inputs, labels)
        network.train()
        order_N = torch.randperm(len(labels), generator=generator)
        total = torch.zeros((), device=labels.device)
        for indices_B in torch.split(order_N, config.batch_size):
            value = loss(network(inputs[indices_B]), labels[indices_B], indices_B)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            scheduler.step()
            total += value.detach() * len(indices_B)
        if not total.isfinite():
            raise FloatingPointError(
                f"The loss is {total.item()} in epoch {epoch}. Lower learning_rate "
                f"({config.learning_rate}) or raise temperature ({config.temperature})."
            )
        if on_epoch:
            on_epoch(EpochReport(epoch, total.item() / len(labels), kept_share(loss)))


def prune(
    network: nn.Module,
    loss: losses.TruncatedRobustNormalizedSoftmaxLoss,
    inputs: Tensor,
    labels: Tensor,
) -> None:
    """Choose anew which training images to keep: those with p > k, seen without augmentation.

    Network and prototypes are both taken as they stand now. (The reference implementation scores
    augmented images, goes back to the last epoch's network, and leaves the prototypes at the best
    epoch's.)
    """
    loss.update_kept(
        embed(network, inputs), labels, torch.arange(len(labels), device=labels.device)
    )


@torch.no_grad()
def embed(network: nn.Module, inputs: Tensor, *, batch_size: int = 4096) -> Tensor:
    """Return the unit-length embeddings [N, D] of all inputs, the network in evaluation mode."""
    network.eval()
    embeddings = [network(batch) for batch in torch.split(inputs, batch_size)]
    return nn.functional.normalize(torch.cat(embeddings), dim=1)


def kept_share(loss: losses.NormalizedSoftmaxLoss) -> float:
    """Share of the training images that the loss listens to; 1 for all but t-RNSL."""
    return loss.kept.float().mean().item() if _truncated(loss) else 1.0


def _truncated(
    loss: losses.NormalizedSoftmaxLoss,
) -> TypeGuard[losses.TruncatedRobustNormalizedSoftmaxLoss]:
    return isinstance(loss, losses.TruncatedRobustNormalizedSoftmaxLoss)
