"""One plain training loop, for a head on features and for a network on pixels.

It alternates the two steps of the paper: train on the images that are kept, and, for t-RNSL, decide
every few epochs which images to keep. Devices, precision and processes are Lightning Fabric's work.

Shapes: N training images, B images in a batch, C classes, D embedding dimensions.
"""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnsl_tutorial import losses
from rnsl_tutorial.losses import TruncatedRobustNormalizedSoftmaxLoss as Truncated
from rnsl_tutorial.training import augmentation, checkpoints, devices, prepare, reference, sources
from rnsl_tutorial.training.embedding import embed
from rnsl_tutorial.training.prepare import Optimizer
from rnsl_tutorial.training.settings import Settings
from rnsl_tutorial.training.sources import Inputs

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["EpochReport", "Training", "train"]

_CHECK_EVERY = 50
"""Batches from one look at whether the loss is finite to the next: a look stalls an accelerator."""
_AGREE_EVERY = 10
"""Batches after which several processes ask each other whether to stop, which stalls them too."""
_Prune: TypeAlias = Callable[[Truncated, Tensor, Tensor], Tensor | None]


class EpochReport(NamedTuple):
    """What the loop tells after each epoch.

    Attributes:
        epoch: its number, from 0.
        loss: mean over the training images, each as it was when its batch came.
        kept: share of the training images that the loss listens to; 1 for all but t-RNSL.
        learning_rate: at the end of the epoch.
        seconds: that it took, pruning and validation included; where it was stopped and resumed,
            of the last part.
        validation, measured: what `validate` and `measure` returned, None where not asked.
    """

    epoch: int
    loss: float
    kept: float
    learning_rate: float = math.nan
    seconds: float = math.nan
    validation: float | None = None
    measured: Mapping[str, float] | None = None


def train(
    network: nn.Module,
    loss: losses.NormalizedSoftmaxLoss,
    inputs: Inputs,
    labels: Tensor | NDArray[Any],
    settings: Settings = Settings(),  # noqa: B008  # frozen
    *,
    optimizer: Optimizer | None = None,
    prune: _Prune | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    fabric: "Fabric | None" = None,
    validate: "Callable[[Training], float] | None" = None,
    folder: Path | None = None,
    resume: bool = False,
) -> "Training":
    """Train a network and the prototypes of its loss, in place; it ends in evaluation mode.

    Args:
        network: inputs [B, ...] -> embeddings [B, D].
        loss: from `losses` or `build_loss`, or one like them; t-RNSL for these N images.
        inputs: [N, ...], features or pixels, a tensor or an array; what does not fit into memory
            comes as a `Source`, or as torch's map-style data set or `DataLoader`, see
            `sources.Fetched`.
        labels: whole numbers [N] in [0, C), possibly wrong; true labels are never seen here.
        settings: of optimiser, schedule, augmentation, pruning and selection; the seed decides the
            order of the batches and their augmentation.
        optimizer: one that holds the parameters of network and loss, or a function that builds it
            from them; by default SGD by the settings. The schedule is the settings' all the same.
        prune: chooses in place of settings.prune_rule: from t-RNSL, the embeddings [N, D] and the
            labels [N] it returns which images to keep, bool [N], or None to leave it at that.
        on_epoch: called after each epoch.
        fabric: from `devices.launch`; by default the device of the inputs, in float32.
        validate: judges the weights as they are, higher is better; asked after every epoch unless
            settings.selection is "last".
        folder: where a checkpoint is written after every epoch, and where Ctrl-C or a request to
            terminate stops the run at the end of a batch; of several processes, within ten
            batches.
        resume: go on from the newest usable checkpoint in the folder, if there is one.

    Returns:
        The finished training, with its history.

    Raises:
        FloatingPointError: the loss or a weight is no longer finite.
        KeyboardInterrupt: stopped, after a checkpoint was written.
        ValueError: inputs, labels, loss, settings and optimizer that do not go together, or
            checkpoints of which none can be used.
    """
    training = Training(
        network,
        loss,
        inputs,
        labels,
        settings,
        optimizer=optimizer,
        prune=prune,
        fabric=fabric,
        validate=validate,
    )
    training.run(on_epoch, folder=folder, resume=resume)
    return training


class Training(checkpoints.Resumable):
    """A training that can be watched, stopped, saved and resumed.

    Args:
        network, loss, inputs, labels, settings, optimizer, prune, fabric, validate: as for `train`.
        measure: asked after every epoch, for the history alone; its time does not count.
        made_with: what else has to be the same where a run goes on from a checkpoint.

    Attributes:
        epoch: epochs that are done.
        step: batches that are done in the epoch at hand.
        history: the reports so far.
        stop: set it, from any thread, to end `epochs` after the batch at hand; once cleared,
            `epochs` goes on from there, bit for bit.
    """

    _report = EpochReport

    def __init__(
        self,
        network: nn.Module,
        loss: losses.NormalizedSoftmaxLoss,
        inputs: Inputs,
        labels: Tensor | NDArray[Any],
        settings: Settings = Settings(),  # noqa: B008  # frozen
        *,
        optimizer: Optimizer | None = None,
        prune: _Prune | None = None,
        fabric: "Fabric | None" = None,
        validate: "Callable[[Training], float] | None" = None,
        measure: "Callable[[Training], Mapping[str, float]] | None" = None,
        made_with: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.network, self.loss, self.settings = network, loss, settings
        self.prune, self.validate, self.measure = prune, validate, measure
        self.made_with = made_with
        self.inputs = sources.as_inputs(inputs, network, fabric)
        self.fabric = fabric or devices.launch(self.inputs.device)
        labels_N = sources.as_labels(labels, len(self.inputs), len(loss.prototypes))
        self.labels = labels_N.to(self.fabric.device)
        said = {"validated": validate is not None, "pruned": prune is not None}
        prepare.check(loss, settings, len(labels_N), **said)
        self.epoch = self.step = 0
        self.history: list[EpochReport] = []
        self.stop = threading.Event()
        self._optimizer = prepare.build_optimizer(network, loss, settings, optimizer)
        self._scheduler = prepare.build_schedule(self._optimizer, settings, self._steps)
        self._objective, self._fabric_optimizer = self.fabric.setup(
            prepare._Objective(network, loss), self._optimizer
        )
        self._begun = prepare._state_of(self._objective)
        self._order_generator = torch.Generator().manual_seed(settings.seed)
        self._augmentation_generator = torch.Generator().manual_seed(settings.seed)
        self._order_N = torch.arange(len(labels_N))  # drawn anew for every epoch
        self._losses_S = torch.zeros(self._steps, device=self.fabric.device)
        self._selected: dict[str, Any] | None = None
        self._embeddings_ND: Tensor | None = None
        self._last_checkpoint: Path | None = None

    @property
    def finished(self) -> bool:
        """Whether every epoch is done."""
        return self.epoch == self.settings.epochs

    @property
    def _steps(self) -> int:
        return math.ceil(len(self.labels) / self.settings.batch_size)

    @property
    def seconds(self) -> float:
        """Time spent on the epochs that are done, pruning and validation included."""
        return sum(report.seconds for report in self.history)

    # -------------------------------------------------------------- the algorithm

    def run(
        self,
        on_epoch: Callable[[EpochReport], None] | None = None,
        *,
        folder: Path | None = None,
        resume: bool = False,
    ) -> None:
        """Train to the end and take the selected weights; arguments and errors as for `train`.

        The network ends in evaluation mode.
        """
        if folder and resume:
            self.restore(folder)
        with checkpoints.saved_on_signals(self.stop) if folder else nullcontext():
            for report in self.epochs(folder):
                if on_epoch:
                    on_epoch(report)
        if not self.finished:
            raise KeyboardInterrupt(f"Stopped in epoch {self.epoch} after {self.step} batches.")
        self.take_selected()
        self.network.eval()

    def epochs(self, folder: Path | None = None) -> Iterator[EpochReport]:
        """Train from where it stands to the end, or until `stop` is set; yield after each epoch.

        Args:
            folder: where a checkpoint is written after every epoch, and when it is stopped.

        Raises:
            FloatingPointError: the loss or a weight is no longer finite.
        """
        while not self.finished:
            with devices.Stopwatch(self.fabric.device) as watch:
                if self.step == 0:
                    self._begin_epoch()
                if not self._train_on_the_rest():
                    self._check_finite()
                    self._save(folder)
                    return
                report = self._end_epoch()
            measured = self.measure(self) if self.measure else None
            self.history.append(report._replace(seconds=watch.seconds, measured=measured))
            self._save(folder)
            yield self.history[-1]

    def _begin_epoch(self) -> None:
        if isinstance(self.loss, Truncated) and self.settings.prunes_before(self.epoch):
            self._prune(self.loss)
        self._order_N = torch.randperm(len(self.labels), generator=self._order_generator)
        self._losses_S.zero_()

    def _train_on_the_rest(self) -> bool:
        """Train on the batches that are left of the epoch; False where it was stopped."""
        self.network.train()
        self._embeddings_ND = None
        batches = torch.split(self._order_N, self.settings.batch_size)[self.step :]
        shards = [self._shard(batch_B) for batch_B in batches]
        inputs = sources.batches(self.inputs, shards)
        for batch_B, shard_B, inputs_B in zip(batches, shards, inputs, strict=True):
            self._train_on(self._augmented(inputs_B, len(batch_B)), shard_B, len(batch_B))
            if self._is_stopped():
                return False
        return True

    def _train_on(self, inputs_B: Tensor, indices_B: Tensor, batch_size: int) -> None:
        """One step of SGD on this process's share of a batch.

        The strategy averages gradients over processes, so that each counts by its share of images.
        """
        share = len(range(self.fabric.global_rank, batch_size, self.fabric.world_size)) / batch_size
        indices_B = indices_B.to(self.fabric.device, non_blocking=True)
        value = self._objective(inputs_B, self.labels[indices_B], indices_B)
        self._fabric_optimizer.zero_grad()
        self.fabric.backward(value * (share * self.fabric.world_size))
        self._fabric_optimizer.step()
        self._scheduler.step()
        self._losses_S[self.step] = value.detach() * (share * batch_size)
        self.step += 1
        if self.step % _CHECK_EVERY == 0:
            self._check_losses()

    def _augmented(self, inputs_B: Tensor, batch_size: int) -> Tensor:
        """Augment this process's share of a batch, by draws for the whole batch."""
        name, generator = self.settings.augmentation, self._augmentation_generator
        if name == "none":
            return inputs_B
        drawn = augmentation.draw(name, batch_size, generator)
        return augmentation.apply(inputs_B, drawn.take(self._shard(torch.arange(batch_size))))

    def _end_epoch(self) -> EpochReport:
        if self.epoch == 0:
            prepare._check_moved(self._begun, self._objective, self.settings)
        report = EpochReport(
            self.epoch,
            self._check_finite().sum().item() / len(self.labels),
            self._kept_share(),
            float(self._scheduler.get_last_lr()[0]),
            validation=self._select() if self.settings.selection != "last" else None,
        )
        self.epoch, self.step = self.epoch + 1, 0
        return report

    def _select(self) -> float:
        assert self.validate is not None
        score: float = self.fabric.broadcast(self.validate(self))
        if self._selected is None or score > self._selected["score"]:
            self._selected = {"score": score, **self.weights()}
        return score

    def take_selected(self) -> None:
        """Go back to the weights of the epoch that was selected; none was for "last"."""
        if self._selected is not None:
            self.load_weights(self._selected)

    # -------------------------------------------------------------- pruning and embeddings

    def _prune(self, loss: Truncated) -> None:
        if self.settings.pruning == "reference" and self._selected is not None:
            reference.prune(self, loss, self._selected, self._augmentation_generator)
        elif self.prune is None:
            loss.update_kept(self.embed_training(), self.labels, rule=self.settings.prune_rule)
        else:
            kept_N = self.prune(loss, self.embed_training(), self.labels)
            if kept_N is not None:
                prepare.check_kept(kept_N, len(self.labels))
                loss.kept.copy_(kept_N)
        prepare._check_any_kept(loss, self.epoch)

    def _kept_share(self) -> float:
        return self.loss.kept.float().mean().item() if isinstance(self.loss, Truncated) else 1.0

    def embed_training(self) -> Tensor:
        """Return the embeddings [N, D] of the training images, without augmentation.

        They are computed once for a state of the weights, however often they are asked for.
        """
        if self._embeddings_ND is None:
            self._embeddings_ND = self.embed(self.inputs)
        return self._embeddings_ND

    def embed(self, inputs: Inputs, network: nn.Module | None = None) -> Tensor:
        """Return the embeddings of other inputs, see `embed`, the work shared by all processes.

        Args:
            inputs: [M, ...].
            network: in place of this one.
        """
        flat = isinstance(inputs, Tensor) and inputs.ndim == 2  # features, which take little memory
        size = 4096 if flat else self.settings.batch_size
        return embed(network or self.network, inputs, batch_size=size, fabric=self.fabric)

    # -------------------------------------------------------------- several processes

    def _shard(self, batch_B: Tensor) -> Tensor:
        """This process's share of a batch, at least one image, as every process has to take part.

        Where a batch has fewer images than there are processes, the others take its first one: the
        loss does not count it, but batch normalisation does.
        """
        mine = batch_B[self.fabric.global_rank :: self.fabric.world_size]
        return mine if len(mine) else batch_B[:1]

    def _is_stopped(self) -> bool:
        """Whether any process was asked to stop."""
        if self.fabric.world_size == 1:
            return self.stop.is_set()
        if self.step % _AGREE_EVERY and self.step < self._steps:
            return False
        flag = torch.tensor(float(self.stop.is_set()), device=self.fabric.device)
        return bool(self._sum(flag) > 0)

    def _sum(self, values: Tensor) -> Tensor:
        return cast(Tensor, self.fabric.all_reduce(values, reduce_op="sum"))

    def _check_losses(self) -> Tensor:
        """Return the summed losses of each batch so far; raise where one is not finite."""
        losses_S = self._sum(self._losses_S[: self.step].clone())
        finite_S = losses_S.isfinite()
        if not finite_S.all():
            raise prepare._diverged(self, "The loss", f"batch {int(finite_S.int().argmin())}")
        return losses_S

    def _check_finite(self) -> Tensor:
        """As `_check_losses`, and the last step of the optimiser may have left no weight broken."""
        losses_S = self._check_losses()
        if not all(weight.isfinite().all() for weight in self._objective.parameters()):
            raise prepare._diverged(self, "A weight", f"after batch {self.step - 1}")
        return losses_S
