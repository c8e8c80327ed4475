"""A part of `gpu.py`: heads on frozen features, trained one at a time and thousands as one model.

Every head has initial weights and wrong labels of its own; they share the batches. Their parameters
lie in one tensor each, `torch.func.vmap` runs all heads, and one optimiser steps all. The losses
are summed, so each head gets the gradient of its own loss alone, and is trained as if by itself.

Shapes: H heads, N training images, B images in a batch, F features, C classes, D dimensions.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.gpu_job import Job, Row
from rnsl_tutorial import datasets, losses
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.evaluation import embedding as evaluate
from rnsl_tutorial.experiments import heads
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import Training, embed, prepare
from rnsl_tutorial.training.devices import Stopwatch

CONFIG = Config(loss="rnsl", noise="symmetric", rate=0.5)
JUDGED = 20  # heads whose accuracy is looked at


class Stack(NamedTuple):
    """Many heads as one model.

    Attributes:
        head: one of them, for its layers alone.
        weights: name of a layer's parameter -> [H, ...].
        prototypes: float [H, C, D].
        labels: int64 [H, N], as each head was given them.
    """

    head: nn.Module
    weights: dict[str, Tensor]
    prototypes: Tensor
    labels: Tensor

    def copy(self) -> "Stack":
        """The same heads again, to be trained apart from these."""
        weights = {name: _parameter(values.clone()) for name, values in self.weights.items()}
        return self._replace(weights=weights, prototypes=_parameter(self.prototypes.clone()))

    def embedded(self, inputs: Tensor, some: slice = slice(None)) -> Tensor:
        """Embeddings [H, B, D] of inputs [B, F] by some of the heads."""
        weights = {name: values[some] for name, values in self.weights.items()}
        return torch.func.vmap(self._call, in_dims=(0, None))(weights, inputs)

    def _call(self, weights: dict[str, Tensor], inputs: Tensor) -> Tensor:
        made: Tensor = torch.func.functional_call(self.head, weights, (inputs,))
        return made


def build(features: FeatureSet, configs: Sequence[Config], device: str) -> Stack:
    """Stack the heads, each as `experiments.heads` begins it; dropout is applied to the batch."""
    made, prototypes, labels = [], [], []
    for config in configs:
        generator = torch.Generator().manual_seed(config.seed)
        plain = replace(config, input_dropout=0.0, dropout=0.0)
        made.append(heads.build_head(plain, features.features.shape[1], generator))
        loss = heads.build_loss(config, len(features.class_names), 1, generator)
        prototypes.append(loss.prototypes.detach())
        labels.append(torch.from_numpy(heads.corrupt(features, config).labels))
    stacked, _ = torch.func.stack_module_state(made)
    weights = {name: _parameter(values.to(device)) for name, values in stacked.items()}
    prototypes_HCD = _parameter(torch.stack(prototypes).to(device))
    return Stack(made[0], weights, prototypes_HCD, torch.stack(labels).to(device))


def _parameter(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach())


def train(stack: Stack, inputs: Tensor, config: Config) -> None:
    """Train all heads to the end, by the settings of one config, on inputs [N, F] on the device."""
    parameters = [*stack.weights.values(), stack.prototypes]
    steps = -(-len(inputs) // config.batch_size)
    optimizer = torch.optim.SGD(
        parameters,
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=True,
        weight_decay=config.weight_decay,
    )
    schedule = prepare.build_schedule(optimizer, config.settings, steps)
    order = torch.Generator().manual_seed(config.seed)
    dropped = torch.Generator(inputs.device).manual_seed(config.seed)
    per_image = partial(losses.rnsl, q=config.q, temperature=config.temperature)
    of_each = torch.func.vmap(per_image)
    for _ in range(config.epochs):
        for batch_B in torch.randperm(len(inputs), generator=order).split(config.batch_size):
            batch_B = batch_B.to(inputs.device)
            seen_BF = _dropout(inputs[batch_B], config.input_dropout, dropped)
            values_HB = of_each(stack.embedded(seen_BF), stack.prototypes, stack.labels[:, batch_B])
            optimizer.zero_grad()
            values_HB.mean(dim=1).sum().backward()
            optimizer.step()
            schedule.step()


def _dropout(inputs: Tensor, share: float, generator: torch.Generator) -> Tensor:
    if share == 0:
        return inputs
    kept = torch.empty_like(inputs).bernoulli_(1 - share, generator=generator)
    return inputs * kept / (1 - share)


# ------------------------------------------------------------------ what is measured


def many(job: Job) -> Iterator[Row]:
    """Heads a second, one at a time and as one model, and what they reach."""
    features = datasets.load_shipped_features("aid")
    config = replace(CONFIG, epochs=job.scale.head_epochs)
    speeds, reached = _alone(features, config, job)
    yield Row("one at a time", "heads/s", speeds)
    yield Row("one at a time, k-NN accuracy", "", reached)
    for count in job.scale.heads:
        speed, reached = _as_one(features, config, count, job)
        yield Row(f"{count} as one model", "heads/s", [speed])
        yield Row(f"{count} as one model, k-NN accuracy", "", reached)
        yield Row(f"{count} as one model / one at a time", "", [speed / statistics.median(speeds)])


def _alone(features: FeatureSet, config: Config, job: Job) -> tuple[list[float], list[float]]:
    """Train heads one at a time on the device, by our loop: heads/s and accuracy of each."""
    inputs_ND = heads.standardized(features).to(job.device)
    speeds, reached = [], []
    for seed in range(job.scale.alone):
        job.clock.require(1 / speeds[-1] if speeds else 0.0, "a head")
        fitted, seconds = _fit(features, replace(config, seed=seed), inputs_ND)
        speeds.append(1 / seconds)
        reached.append(_accuracy(features, embed(fitted.network, inputs_ND)))
    return speeds, reached


def _fit(features: FeatureSet, config: Config, inputs: Tensor) -> tuple[Training, float]:
    generator = torch.Generator().manual_seed(config.seed)
    network = heads.build_head(config, inputs.shape[1], generator)
    train_N = torch.from_numpy(features.split.train).to(inputs.device)
    loss = heads.build_loss(config, len(features.class_names), len(train_N), generator)
    labels_N = heads.corrupt(features, config).labels
    training = Training(network, loss, inputs[train_N], labels_N, config.settings)
    with Stopwatch(inputs.device) as watch:
        training.run()
    return training, watch.seconds


def _as_one(
    features: FeatureSet, config: Config, count: int, job: Job
) -> tuple[float, list[float]]:
    """Train many heads at once: heads/s, and the accuracy of the first of them.

    A tenth of an epoch tells beforehand whether the time suffices.
    """
    configs = [replace(config, seed=seed) for seed in range(count)]
    inputs_ND = heads.standardized(features).to(job.device)
    train_ND = inputs_ND[torch.from_numpy(features.split.train).to(job.device)]
    stack = build(features, configs, job.device)
    with Stopwatch(job.device) as tried:
        train(stack.copy(), train_ND[: len(train_ND) // 10], replace(config, epochs=1))
    job.clock.require(10 * config.epochs * tried.seconds, f"{count} heads as one model")
    with Stopwatch(job.device) as watch:
        train(stack, train_ND, config)
    with torch.inference_mode():
        judged = [stack.embedded(inputs_ND, slice(h, h + 1))[0] for h in range(min(count, JUDGED))]
    return count / watch.seconds, [_accuracy(features, one) for one in judged]


def _accuracy(features: FeatureSet, embedded: Tensor) -> float:
    """k-NN accuracy of the test images among the training images, under true labels."""
    unit_ND = nn.functional.normalize(embedded, dim=1)
    parts: list[Any] = []
    for part_M in (features.split.train, features.split.test):
        parts += [unit_ND[torch.from_numpy(part_M).to(unit_ND.device)], features.labels[part_M]]
    return evaluate.knn_accuracy(*parts)
