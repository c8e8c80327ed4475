"""One plain training loop, for a head on features and for a network on pixels.

It alternates the two steps of the paper: train on the images that are kept, and, for t-RNSL, decide
every few epochs which images to keep. Devices, precision and processes are Lightning Fabric's work.

Shapes: N training images, B images in a batch, C classes, D embedding dimensions.
"""

import hashlib
import math
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeGuard, cast

import torch
from torch import Tensor, nn

from rnsl_tutorial import losses
from rnsl_tutorial.experiments.config import BASELINES, LOSSES, OWN, Config
from rnsl_tutorial.training import augmentation, baselines, checkpoints
from rnsl_tutorial.training.devices import Hardware, Stopwatch, launch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = [
    "LOSSES",
    "Config",
    "EpochReport",
    "Source",
    "Training",
    "build_loss",
    "embed",
    "kept_share",
    "prune",
    "train",
]

CHECK_EVERY = 50
"""Batches from one look at whether the loss is finite to the next: a look stalls an accelerator."""

AGREE_EVERY = 10
"""Batches after which several processes ask each other whether to stop, which stalls them too."""


class Source(Protocol):
    """Inputs that come batch by batch on the device, such as `placement.Resident`."""

    device: torch.device

    def __len__(self) -> int:
        """N."""

    def batches(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield the inputs [B, ...] of each batch, int64 [B] of places on the CPU."""


Inputs: TypeAlias = Tensor | Source


class EpochReport(NamedTuple):
    """What the loop tells after each epoch.

    Attributes:
        epoch: its number, from 0.
        loss: mean over the training images, each as it was when its batch came.
        kept: share of the training images that the loss listens to; 1 for all but t-RNSL.
        learning_rate: at the end of the epoch.
        seconds: that it took, pruning and validation included; where it was stopped and resumed,
            of the last part.
        validation: what `validate` returned, None where it was not asked.
    """

    epoch: int
    loss: float
    kept: float
    learning_rate: float = math.nan
    seconds: float = math.nan
    validation: float | None = None


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

    Raises:
        ValueError: a loss of the learner's own, which no name can build.
    """
    if config.loss.startswith(OWN):
        raise ValueError(
            f"{config.loss!r} is a loss of your own; hand the function that builds it to "
            "experiments.run or run_grid, as build_loss."
        )
    if config.loss in BASELINES:
        return baselines.build(config, num_classes, generator)
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
    inputs: Inputs,
    labels: Tensor,
    config: Config,
    on_epoch: Callable[[EpochReport], None] | None = None,
    *,
    fabric: "Fabric | None" = None,
    validate: "Callable[[Training], float] | None" = None,
    folder: Path | None = None,
    resume: bool = False,
) -> "Training":
    """Train a network and the prototypes of its loss, in place.

    Args:
        network: inputs [B, ...] -> embeddings [B, D].
        loss: from `build_loss`.
        inputs: [N, ...], features or pixels; what does not fit into memory comes as a `Source`.
        labels: int64 [N], possibly wrong; true labels are never seen here.
        config: the settings of optimiser, pruning, augmentation and selection are read, and the
            seed, which decides the order of the batches and their augmentation.
        on_epoch: called after each epoch.
        fabric: from `devices.launch`; by default the device of the inputs, in float32.
        validate: judges the weights as they are, higher is better; asked after every epoch unless
            config.selection is "last".
        folder: where a checkpoint is written after every epoch, and where Ctrl-C or a request to
            terminate stops the run at the end of a batch; of several processes, within
            `AGREE_EVERY` batches.
        resume: go on from the newest usable checkpoint in the folder, if there is one.

    Returns:
        The finished training, with its history.

    Raises:
        FloatingPointError: the loss or a weight is no longer finite.
        KeyboardInterrupt: stopped, after a checkpoint was written.
        ValueError: checkpoints are there, but none can be used; there are not as many labels as
            inputs; or config.selection needs validate.
    """
    training = Training(network, loss, inputs, labels, config, fabric=fabric, validate=validate)
    training.run(on_epoch, folder=folder, resume=resume)
    return training


class Training:
    """A training that can be watched, stopped, saved and resumed.

    With config.pruning "reference", pruning repeats what the reference implementation does: it
    scores randomly augmented images, by network and prototypes of the epoch that did best on clean
    validation labels; then the network goes back to the last epoch, while the prototypes stay at
    the best epoch's. So clean labels steer the training, an image's fate hangs on a draw of its
    colours, and network and prototypes come from different epochs.

    Args:
        network, loss, inputs, labels, config, fabric, validate: as for `train`.

    Attributes:
        epoch: epochs that are done.
        step: batches that are done in the epoch at hand.
        history: the reports so far.
        stop: set it, from any thread, to end `epochs` after the batch at hand; once cleared,
            `epochs` goes on from there, bit for bit.
        embeddings: those of the training images as they are now, see `embed_training`.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: losses.NormalizedSoftmaxLoss,
        inputs: Inputs,
        labels: Tensor,
        config: Config,
        *,
        fabric: "Fabric | None" = None,
        validate: "Callable[[Training], float] | None" = None,
    ) -> None:
        if config.selection != "last" and validate is None:
            raise ValueError(
                f"selection is {config.selection!r}, which needs a validate function to choose an "
                "epoch by; pass one, or selection 'last'."
            )
        if len(labels) != len(inputs):
            raise ValueError(
                f"There are {len(labels)} labels for {len(inputs)} inputs; pass one each."
            )
        self.network, self.loss, self.inputs = network, loss, inputs
        self.config, self.validate = config, validate
        self.fabric = fabric or launch(Hardware(accelerator=inputs.device.type))
        self.labels = labels.to(self.fabric.device)
        self.epoch = self.step = 0
        self.history: list[EpochReport] = []
        self.stop = threading.Event()
        self._optimizer = _optimizer(network, loss, config)
        self._scheduler = _scheduler(self._optimizer, config, self._steps)
        self._objective, self._fabric_optimizer = self.fabric.setup(
            _Objective(network, loss), self._optimizer
        )
        self._order_generator = torch.Generator().manual_seed(config.seed)
        self._augmentation_generator = torch.Generator().manual_seed(config.seed)
        self._order_N = torch.arange(len(labels))  # drawn anew for every epoch
        self._losses_S = torch.zeros(self._steps, device=self.fabric.device)
        self._selected: dict[str, Any] | None = None
        self._embeddings_ND: Tensor | None = None
        self._last_checkpoint: Path | None = None

    @property
    def finished(self) -> bool:
        """Whether every epoch is done."""
        return self.epoch == self.config.epochs

    @property
    def _steps(self) -> int:
        return math.ceil(len(self.labels) / self.config.batch_size)

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
        """Train to the end and take the selected weights; arguments and errors as for `train`."""
        if folder and resume:
            self.restore(folder)
        with _stopped_by_signals(self.stop) if folder else nullcontext():
            for report in self.epochs(folder):
                if on_epoch:
                    on_epoch(report)
        if not self.finished:
            raise KeyboardInterrupt(f"Stopped in epoch {self.epoch} after {self.step} batches.")
        self.take_selected()

    def epochs(self, folder: Path | None = None) -> Iterator[EpochReport]:
        """Train from where it stands to the end, or until `stop` is set; yield after each epoch.

        Args:
            folder: where a checkpoint is written after every epoch, and when it is stopped.

        Raises:
            FloatingPointError: the loss or a weight is no longer finite.
        """
        while not self.finished:
            with Stopwatch(self.fabric.device) as watch:
                if self.step == 0:
                    self._begin_epoch()
                if not self._train_on_the_rest():
                    self._check_finite()
                    self._save(folder)
                    return
                report = self._end_epoch()
            self.history.append(report._replace(seconds=watch.seconds))
            self._save(folder)
            yield self.history[-1]

    def _begin_epoch(self) -> None:
        if _truncated(self.loss) and self.config.prunes_before(self.epoch):
            self._prune(self.loss)
        self._order_N = torch.randperm(len(self.labels), generator=self._order_generator)
        self._losses_S.zero_()

    def _train_on_the_rest(self) -> bool:
        """Train on the batches that are left of the epoch; False where it was stopped."""
        self.network.train()
        self._embeddings_ND = None
        batches = torch.split(self._order_N, self.config.batch_size)[self.step :]
        shards = [self._shard(batch_B) for batch_B in batches]
        for batch_B, shard_B, inputs_B in zip(
            batches, shards, _batches(self.inputs, shards), strict=True
        ):
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
        if self.step % CHECK_EVERY == 0:
            self._check_losses()

    def _augmented(self, inputs_B: Tensor, batch_size: int) -> Tensor:
        """Augment this process's share of a batch, by draws for the whole batch."""
        if self.config.augmentation == "none":
            return inputs_B
        drawn = augmentation.draw(
            self.config.augmentation, batch_size, self._augmentation_generator
        )
        return augmentation.apply(inputs_B, drawn.take(self._shard(torch.arange(batch_size))))

    def _end_epoch(self) -> EpochReport:
        report = EpochReport(
            self.epoch,
            self._check_finite().sum().item() / len(self.labels),
            kept_share(self.loss),
            float(self._scheduler.get_last_lr()[0]),
            validation=self._select() if self.config.selection != "last" else None,
        )
        self.epoch, self.step = self.epoch + 1, 0
        return report

    def _select(self) -> float:
        assert self.validate is not None
        score: float = self.fabric.broadcast(self.validate(self))
        if self._selected is None or score > self._selected["score"]:
            self._selected = {"score": score, **self._weights()}
        return score

    def take_selected(self) -> None:
        """Go back to the weights of the epoch that was selected; none was for "last"."""
        if self._selected is not None:
            self._load_weights(self._selected)

    # -------------------------------------------------------------- pruning and embeddings

    def _prune(self, loss: losses.TruncatedRobustNormalizedSoftmaxLoss) -> None:
        if self.config.pruning == "reference" and self._selected is not None:
            self._prune_as_the_reference_does(loss, self._selected)
        else:
            loss.update_kept(self.embed_training(), self.labels, rule=self.config.prune_rule)

    def _prune_as_the_reference_does(
        self, loss: losses.TruncatedRobustNormalizedSoftmaxLoss, selected: dict[str, Any]
    ) -> None:
        last = self._weights()
        self._load_weights(selected)
        embeddings_ND = self._embed(self.inputs, augmented=self.config.augmentation != "none")
        loss.update_kept(embeddings_ND, self.labels, rule=self.config.prune_rule)
        self.network.load_state_dict(last["network"])  # but not the prototypes

    def embed_training(self) -> Tensor:
        """Return the embeddings [N, D] of the training images, without augmentation.

        They are computed once for a state of the weights, however often they are asked for.
        """
        if self._embeddings_ND is None:
            self._embeddings_ND = self._embed(self.inputs)
        return self._embeddings_ND

    def embed(self, inputs: Inputs) -> Tensor:
        """Return the embeddings of other inputs, see `embed`, the work shared by all processes."""
        return self._embed(inputs)

    def _embed(self, inputs: Inputs, *, augmented: bool = False) -> Tensor:
        network = self.network
        if augmented:
            network = _Augmenting(network, self.config.augmentation, self._augmentation_generator)
        size = self.config.batch_size if self.config.on_pixels else 4096
        return embed(network, inputs, batch_size=size, fabric=self.fabric)

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
        if self.step % AGREE_EVERY and self.step < self._steps:
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
            raise self._diverged("The loss", f"batch {int(finite_S.int().argmin())}")
        return losses_S

    def _check_finite(self) -> Tensor:
        """As `_check_losses`, and the last step of the optimiser may have left no weight broken."""
        losses_S = self._check_losses()
        if not all(weight.isfinite().all() for weight in self._objective.parameters()):
            raise self._diverged("A weight", f"after batch {self.step - 1}")
        return losses_S

    def _diverged(self, what: str, where: str) -> FloatingPointError:
        saved = f" The last good checkpoint is {self._last_checkpoint}."
        return FloatingPointError(
            f"{what} is no longer finite in epoch {self.epoch}, {where} (counted from 0). "
            f"Lower learning_rate ({self.config.learning_rate}) or raise temperature "
            f"({self.config.temperature}).{saved if self._last_checkpoint else ''}"
        )

    # -------------------------------------------------------------- checkpoints

    def restore(self, folder: Path) -> None:
        """Go on from the newest usable checkpoint in a folder; warn of those that are not.

        Raises:
            ValueError: there are checkpoints, but none can be used; or several processes found
                different ones.
        """
        found = checkpoints.latest(folder, self._settings())
        self._check_agreement(folder, found)
        if found is None:
            return
        for problem in found.problems:
            warnings.warn(problem, stacklevel=2)
        self.load_state(found.state)
        self._last_checkpoint = found.path

    def _check_agreement(self, folder: Path, found: checkpoints.Found | None) -> None:
        """Refuse to go on from different checkpoints, as machines do that share no folder."""
        if self.fabric.world_size == 1:
            return
        place = [found.state["epoch"], found.state["step"]] if found else [0, 0]
        places = self.fabric.all_gather(torch.tensor(place, device=self.fabric.device))
        assert isinstance(places, Tensor)
        if (places != places[0]).any():
            raise ValueError(
                f"The processes found checkpoints of different [epoch, step] in {folder}: "
                f"{places.tolist()}. Resume from a folder that all machines share."
            )

    def _save(self, folder: Path | None) -> None:
        if folder is None:
            return
        state = self.state()
        if self.fabric.is_global_zero:
            self._last_checkpoint = checkpoints.save(folder, state)
        self.fabric.barrier()

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs to go on bit for bit, in plain tensors and numbers.

        Several processes have to ask for it together, and all get the same. It shares memory with
        the training: write it down before going on.
        """
        return {
            "config": self._settings(),
            "epoch": self.epoch,
            "step": self.step,
            "order": self._order_N,
            "losses": self._sum(self._losses_S.clone()),
            "history": [list(report) for report in self.history],
            **self._weights(),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "selected": self._selected,
            "rng": checkpoints.rng_state(),
            "generators": [generator.get_state() for generator in self._generators()],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave.

        Raises:
            ValueError: it is of another number of training images.
        """
        if len(state["order"]) != len(self.labels):
            raise ValueError(
                f"The checkpoint is of {len(state['order'])} training images, and here are "
                f"{len(self.labels)}. Resume with the images that it was made with."
            )
        self.epoch, self.step = state["epoch"], state["step"]
        self._order_N = state["order"]
        self._losses_S.copy_(state["losses"])
        if not self.fabric.is_global_zero:
            self._losses_S.zero_()  # they are those of all processes, and are summed up again
        self.history = [EpochReport(*report) for report in state["history"]]
        self._load_weights(state, kept=True)
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        self.fabric.strategy.precision.load_state_dict(state["scaler"])
        self._selected = state["selected"]
        checkpoints.set_rng_state(state["rng"])
        for generator, saved in zip(self._generators(), state["generators"], strict=True):
            generator.set_state(saved)

    def _settings(self) -> dict[str, Any]:
        """What must be the same where a run goes on: the config, the precision, the data."""
        precision = str(self.fabric.strategy.precision.precision)
        return {**asdict(self.config), "precision": precision, "data": self._data}

    @cached_property
    def _data(self) -> str:
        """A hash of the labels and of some of the inputs."""
        some = torch.linspace(0, len(self.labels) - 1, 64).long()
        (inputs,) = _batches(self.inputs, [some])
        parts = (self.labels, inputs.contiguous())
        data = b"".join(part.cpu().numpy().tobytes() for part in parts)
        return hashlib.blake2b(data, digest_size=8).hexdigest()

    def _weights(self) -> dict[str, dict[str, Tensor]]:
        """Copies of the weights of network and loss."""
        modules = {"network": self.network, "loss": self.loss}
        return {
            name: {key: value.detach().clone() for key, value in module.state_dict().items()}
            for name, module in modules.items()
        }

    def _load_weights(self, saved: dict[str, Any], *, kept: bool = False) -> None:
        """Take over weights and prototypes, and which images are kept only where that is asked."""
        self.network.load_state_dict(saved["network"])
        loss = dict(saved["loss"])
        if not kept and "kept" in loss:
            loss["kept"] = self.loss.state_dict()["kept"]
        self.loss.load_state_dict(loss)
        self._embeddings_ND = None

    def _generators(self) -> list[torch.Generator]:
        """The loop's generators, and those that the network's layers draw from, each once."""
        own = [getattr(module, "generator", None) for module in self.network.modules()]
        used = [self._order_generator, self._augmentation_generator, *own]
        return list(dict.fromkeys(g for g in used if isinstance(g, torch.Generator)))


class _Objective(nn.Module):
    """Network and loss as one module, as a strategy for several processes wants it."""

    def __init__(self, network: nn.Module, loss: losses.NormalizedSoftmaxLoss) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, inputs_B: Tensor, labels_B: Tensor, indices_B: Tensor) -> Tensor:
        value: Tensor = self.loss(self.network(inputs_B), labels_B, indices_B)
        return value


class _Augmenting(nn.Module):
    """A network that sees its inputs augmented."""

    def __init__(self, network: nn.Module, name: str, generator: torch.Generator) -> None:
        super().__init__()
        self.network, self.name, self.generator = network, name, generator

    def forward(self, inputs_B: Tensor) -> Tensor:
        drawn = augmentation.draw(self.name, len(inputs_B), self.generator)
        embeddings: Tensor = self.network(augmentation.apply(inputs_B, drawn))
        return embeddings


def _optimizer(
    network: nn.Module, loss: losses.NormalizedSoftmaxLoss, config: Config
) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        [*network.parameters(), *loss.parameters()],
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.momentum > 0,
        weight_decay=config.weight_decay,
    )


def _scheduler(
    optimizer: torch.optim.Optimizer, config: Config, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate's schedule, one step a batch."""
    if config.schedule == "step":
        return torch.optim.lr_scheduler.StepLR(
            optimizer, steps * config.step_epochs, config.step_factor
        )
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps * config.epochs)


def _batches(inputs: Inputs, places: Sequence[Tensor]) -> Iterator[Tensor]:
    if isinstance(inputs, Tensor):
        return (inputs[places_B] for places_B in places)
    return inputs.batches(places)


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and requests to terminate set the event; a second one interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def request(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def prune(
    network: nn.Module,
    loss: losses.TruncatedRobustNormalizedSoftmaxLoss,
    inputs: Inputs,
    labels: Tensor,
    rule: str = "paper",
) -> None:
    """Choose anew which training images to keep, see `pruning`, seen without augmentation.

    Network and prototypes are both taken as they stand now. (For what the reference implementation
    does instead, see `Training`.)
    """
    loss.update_kept(embed(network, inputs), labels, rule=rule)


def embed(
    network: nn.Module,
    inputs: Inputs,
    *,
    batch_size: int = 4096,
    fabric: "Fabric | None" = None,
) -> Tensor:
    """Return the unit-length embeddings [N, D] of all inputs, the network in evaluation mode.

    Args:
        network: inputs [B, ...] -> embeddings [B, D].
        inputs: [N, ...].
        batch_size: B.
        fabric: gives the precision; several processes share the work, and each gets the whole.
    """
    network.eval()
    rank, world = (fabric.global_rank, fabric.world_size) if fabric else (0, 1)
    share = math.ceil(len(inputs) / world)
    places_M = torch.arange(rank * share, (rank + 1) * share).clamp(max=len(inputs) - 1)
    with torch.inference_mode(), fabric.autocast() if fabric else nullcontext():
        blocks = [network(batch) for batch in _batches(inputs, torch.split(places_M, batch_size))]
    embeddings_MD = torch.cat(blocks)
    dtype = torch.promote_types(embeddings_MD.dtype, torch.float32)
    embeddings_MD = nn.functional.normalize(embeddings_MD.to(dtype), dim=1)
    if fabric and world > 1:
        gathered = fabric.all_gather(embeddings_MD)
        assert isinstance(gathered, Tensor)
        embeddings_MD = gathered.flatten(end_dim=1)
    return embeddings_MD[: len(inputs)]


def kept_share(loss: losses.NormalizedSoftmaxLoss) -> float:
    """Share of the training images that the loss listens to; 1 for all but t-RNSL."""
    return loss.kept.float().mean().item() if _truncated(loss) else 1.0


def _truncated(
    loss: losses.NormalizedSoftmaxLoss,
) -> TypeGuard[losses.TruncatedRobustNormalizedSoftmaxLoss]:
    return isinstance(loss, losses.TruncatedRobustNormalizedSoftmaxLoss)
