"""A grid of heads on frozen features, trained as one batched model.

M heads of one shape differ in their labels, initial weights, order of batches and loss. Stacked,
one step of all of them is a few batched matrix products. This is meant for accelerators, which a
single head is too small to keep busy. A processor's core is busy with one head: there the batched
model is about as fast as one run after the other, and runs side by side are faster.

The three losses are one expression here, L_q(p) times kept, because the constant L_q(k) of t-RNSL
has no gradient. NSL is q = 0, and NSL and RNSL keep every image.

Shapes: M heads, N training images, B images in a batch, C classes, F features, H hidden units,
D embedding dimensions.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from rnsl_tutorial import losses
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.experiments import heads as experiments
from rnsl_tutorial.experiments.config import LOSSES, Config
from rnsl_tutorial.experiments.heads import Fitted, Result
from rnsl_tutorial.training.devices import Hardware, launch
from rnsl_tutorial.training.loop import build_loss, embed, prune

OWN = ("noise", "rate", "loss", "q", "k", "seed")
"""Settings in which the heads of one batched model may differ."""
GROUP = 64
"""Heads trained at a time: with the default config on 256 features they take about 0.5 GB."""


def run_grid(
    features: FeatureSet,
    configs: Sequence[Config],
    part: str = "test",
    *,
    device: str = "cpu",
    group: int = GROUP,
    on_result: Callable[[Result], object] | None = None,
) -> list[Result]:
    """Run every config, as `experiments.run_grid` does, many at a time in one batched model.

    Configs that agree in all settings but `OWN` are trained together. The company changes a result
    by rounding only, which a large learning rate amplifies.

    Args:
        features: of the data set.
        configs: from `experiments.grid`.
        part: see `experiments.measure`.
        device: cpu, cuda, mps, or auto for the best that torch finds.
        group: heads trained at a time, at most; memory grows with it.
        on_result: called as each run has been measured, group by group.

    Returns:
        Results in the order of the configs; seconds are those of the group, divided by its size.

    Raises:
        ValueError: group below 1, an unknown part, a device that is not there, noise that
            `experiments.corrupt` refuses, or a config that `fit` refuses.
        FloatingPointError: the loss of a head is no longer finite.
    """
    if group < 1:
        raise ValueError(f"group is {group}; at least 1 head is trained at a time.")
    experiments.check_part(part)
    for config in {(c.dataset, c.noise, c.rate): c for c in configs}.values():
        experiments.corrupt(features, config)
    for config in configs:
        _check_batchable(config)
    found: dict[int, Result] = {}
    where = launch(Hardware(accelerator=device)).device
    inputs_NF = experiments.standardized(features).to(where)
    with experiments.one_thread():
        for places in _groups(configs, group):
            heads = fit(features, [configs[place] for place in places], where)
            for place, fitted in zip(places, heads, strict=True):
                metrics = _measured(fitted, features, inputs_NF, part)
                found[place] = Result(configs[place], metrics, fitted.seconds)
                if on_result:
                    on_result(found[place])
    return [found[place] for place in range(len(configs))]


def _groups(configs: Sequence[Config], size: int) -> Iterator[list[int]]:
    """Split the places of the configs into groups that can be trained together."""
    alike: dict[Config, list[int]] = {}
    for place, config in enumerate(configs):
        alike.setdefault(_shared(config), []).append(place)
    for places in alike.values():
        for start in range(0, len(places), size):
            yield places[start : start + size]


def _shared(config: Config) -> Config:
    """Return the config without what heads of one batched model may differ in."""
    return replace(config, **{name: getattr(Config, name) for name in OWN})


def _measured(
    fitted: Fitted, features: FeatureSet, inputs_NF: Tensor, part: str
) -> dict[str, float]:
    """As `experiments.measure`, on the device of the inputs."""
    embeddings_ND = embed(fitted.network, inputs_NF)
    index, queries = features.split.train, getattr(features.split, part)
    return experiments.judge(
        fitted, embeddings_ND[torch.from_numpy(index)], features.labels[index],
        embeddings_ND[torch.from_numpy(queries)], features.labels[queries],
    )  # fmt: skip


# ------------------------------------------------------------------ training


def fit(
    features: FeatureSet, configs: Sequence[Config], device: torch.device | str = "cpu"
) -> list[Fitted]:
    """Train a projection head for every config, all at once.

    Initial weights, labels and the order of the batches are those of `experiments.fit`. On the CPU
    what dropout silences is too, so that each head is the same up to rounding; another device draws
    dropout from its own generator.

    Args:
        features: of the data set.
        configs: equal in all settings but `OWN`.
        device: to train on.

    Returns:
        Heads on the device, in the order of the configs; seconds are the time of all, divided by
        their number.

    Raises:
        ValueError: configs that cannot be trained together, or not in a batched model.
        FloatingPointError: the loss of a head is no longer finite.
    """
    _check_together(configs)
    train_N = torch.from_numpy(features.split.train)
    inputs_NF = experiments.standardized(features)[train_N].to(device)
    given = [experiments.corrupt(features, config) for config in configs]
    labels_MN = torch.from_numpy(np.stack([corrupted.labels for corrupted in given])).to(device)
    with experiments.one_thread():
        heads = _Heads(configs, inputs_NF, len(features.class_names))
        start = time.perf_counter()
        _train(heads, inputs_NF, labels_MN)
        seconds = (time.perf_counter() - start) / len(configs)
    return [
        Fitted(network, loss, corrupted, seconds)
        for network, loss, corrupted in zip(heads.networks, heads.losses, given, strict=True)
    ]


def _train(heads: "_Heads", inputs_NF: Tensor, labels_MN: Tensor) -> None:
    """What `train.train` does to one head, done to all."""
    config = heads.configs[0]
    optimizer = torch.optim.SGD(
        heads.parameters,
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.momentum > 0,
        weight_decay=config.weight_decay,
        fused=True,
    )
    steps = config.epochs * math.ceil(len(inputs_NF) / config.batch_size)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generators = [torch.Generator().manual_seed(c.seed) for c in heads.configs]
    for epoch in range(config.epochs):
        if config.prunes_before(epoch):
            heads.prune(inputs_NF, labels_MN)
        orders = [torch.randperm(len(inputs_NF), generator=generator) for generator in generators]
        order_MN = torch.stack(orders).to(labels_MN.device)
        total_M = torch.zeros(len(labels_MN), device=labels_MN.device)
        for indices_MB in torch.split(order_MN, config.batch_size, dim=1):
            values_M = heads.objective(
                inputs_NF[indices_MB], labels_MN.gather(1, indices_MB), indices_MB
            )
            optimizer.zero_grad()
            # No weight is shared: each head gets the gradient of its own loss.
            torch.autograd.backward(values_M.sum())
            optimizer.step()
            scheduler.step()
            total_M += values_M.detach()
        _check_finite(total_M, heads.configs, epoch)


class _Heads:
    """M heads and their losses, stacked; each is also there alone, as views of the stacks.

    Args:
        configs: of the heads.
        inputs_NF: training features, for their number, dimensions and device.
        num_classes: C.

    Attributes:
        configs: those given.
        networks: M modules of `projection_head`.
        losses: M modules of `build_loss`.
        parameters: their parameters, stacked: weight [M, H, F], bias [M, H], weight [M, D, H],
            bias [M, D], prototypes [M, C, D].
        kept_MN: bool [M, N], what each loss listens to.
    """

    def __init__(self, configs: Sequence[Config], inputs_NF: Tensor, num_classes: int) -> None:
        device, (num_samples, num_features) = inputs_NF.device, inputs_NF.shape
        drawn = [torch.Generator().manual_seed(config.seed) for config in configs]
        self.configs = configs
        self.networks = [
            experiments.build_head(config, num_features, generator).to(device)
            for config, generator in zip(configs, drawn, strict=True)
        ]
        self.losses = [
            build_loss(config, num_classes, num_samples, generator).to(device)
            for config, generator in zip(configs, drawn, strict=True)
        ]
        self.parameters = self._stack()
        self.kept_MN = self._stack_kept(num_samples)
        self._q_M1 = torch.tensor([[0.0 if c.loss == "nsl" else c.q] for c in configs]).to(device)
        self._generators = drawn
        if device.type != "cpu":
            self._generators = [torch.Generator(device).manual_seed(c.seed) for c in configs]

    def _stack(self) -> list[Tensor]:
        """Stack the parameters, and let those of each head be views of the stacks."""
        heads = [nn.ModuleList(pair) for pair in zip(self.networks, self.losses, strict=True)]
        stacks = []
        for parameters in zip(*(head.parameters() for head in heads), strict=True):
            stacks.append(torch.stack(parameters).detach().requires_grad_())
            for m, parameter in enumerate(parameters):
                parameter.data = stacks[-1].data[m]
        return stacks

    def _stack_kept(self, num_samples: int) -> Tensor:
        kept_MN = torch.ones(len(self.losses), num_samples, dtype=torch.bool)
        kept_MN = kept_MN.to(self.parameters[0].device)
        for m, loss in enumerate(self.losses):
            if isinstance(loss, losses.TruncatedRobustNormalizedSoftmaxLoss):
                loss.kept = kept_MN[m]
        return kept_MN

    def objective(self, inputs_MBF: Tensor, labels_MB: Tensor, indices_MB: Tensor) -> Tensor:
        """Return what each head trains on, float [M]: the mean of L_q(p) over kept images."""
        config, prototypes_MCD = self.configs[0], self.parameters[-1]
        embeddings_MBD = self._embed(inputs_MBF)
        log_p_MB = losses.label_log_probability(
            embeddings_MBD, prototypes_MCD, labels_MB, config.temperature
        )
        values_MB = losses.negative_box_cox(log_p_MB, self._q_M1)
        return (values_MB * self.kept_MN.gather(1, indices_MB)).mean(dim=1)

    def _embed(self, inputs_MBF: Tensor) -> Tensor:
        config = self.configs[0]
        w_MHF, b_MH, w_MDH, b_MD, _ = self.parameters
        inputs_MBF = self._drop(inputs_MBF, config.input_dropout)
        hidden_MBH = torch.baddbmm(b_MH[:, None], inputs_MBF, w_MHF.mT).relu()
        hidden_MBH = self._drop(hidden_MBH, config.dropout)
        return torch.baddbmm(b_MD[:, None], hidden_MBH, w_MDH.mT)

    def _drop(self, values_MBX: Tensor, share: float) -> Tensor:
        """Silence a share at random, by the draws of each head's own generator."""
        if share == 0:
            return values_MBX
        kept_MBX = torch.empty_like(values_MBX)
        for kept_BX, generator in zip(kept_MBX, self._generators, strict=True):
            kept_BX.bernoulli_(1 - share, generator=generator)
        return values_MBX * kept_MBX / (1 - share)

    def prune(self, inputs_NF: Tensor, labels_MN: Tensor) -> None:
        """Let every t-RNSL choose anew which images to keep."""
        for network, loss, labels_N in zip(self.networks, self.losses, labels_MN, strict=True):
            if isinstance(loss, losses.TruncatedRobustNormalizedSoftmaxLoss):
                prune(network, loss, inputs_NF, labels_N, self.configs[0].prune_rule)


# ------------------------------------------------------------------ checks


def _check_together(configs: Sequence[Config]) -> None:
    if len({_shared(config) for config in configs}) != 1:
        raise ValueError(
            f"{len(configs)} configs were given that cannot be trained together; at least one is "
            f"needed, and all must agree in all but {', '.join(OWN)}. batched.run_grid groups them."
        )
    _check_batchable(configs[0])


def _check_batchable(config: Config) -> None:
    if config.loss not in LOSSES:
        raise ValueError(
            f"loss is {config.loss!r}; a batched model is trained with {', '.join(LOSSES)} only. "
            "Run this config one by one."
        )
    for name in ("network", "augmentation", "schedule", "pruning", "selection"):
        given, allowed = getattr(config, name), getattr(Config, name)
        if given != allowed:
            raise ValueError(
                f"{name} is {given!r}; a batched model is trained with {allowed!r} only. Run this "
                "config one by one."
            )


def _check_finite(total_M: Tensor, configs: Sequence[Config], epoch: int) -> None:
    for config, finite in zip(configs, total_M.isfinite().tolist(), strict=True):
        if not finite:
            raise FloatingPointError(
                f"The loss of {config.loss} under {config.noise} noise {config.rate}, seed "
                f"{config.seed}, is no longer finite in epoch {epoch}, counted from 0. Lower "
                f"learning_rate ({config.learning_rate}) or raise temperature "
                f"({config.temperature})."
            )
