"""Runs on few and small procedural scenes, for what trains live."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from rnsl_tutorial.experiments import images
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training.devices import Hardware

TINY = Config(
    dataset="scenes", scenes=160, image_size=32, difficulty=0.0, network="small", epochs=3,
    batch_size=16, embedding_dim=16, learning_rate=0.05, temperature=0.1, noise="symmetric",
    rate=0.4, loss="trnsl", prune_from=1, prune_every=1, prune_rule="ratio",
)  # fmt: skip


@cache
def tiny_data() -> images.Data:
    return images.load_images(TINY)


def tiny_run(**settings: Any) -> images.Run:
    """112 training images, 7 batches an epoch."""
    return images.Run(tiny_data(), replace(TINY, **settings), Hardware(accelerator="cpu"))


def bits(run: images.Run) -> list[Tensor]:
    """All that a run reached: weights, prototypes, who is kept, losses."""
    losses = torch.tensor([report.loss for report in run.training.history])
    return [*run.network.state_dict().values(), *run.loss.state_dict().values(), losses]


def same_bits(one: images.Run, other: images.Run) -> bool:
    return all(torch.equal(a, b) for a, b in zip(bits(one), bits(other), strict=True))


class CallingAt:
    """Inputs that call back when they hand out a training batch of this number, from 1."""

    def __init__(self, run: images.Run, batch: int, callback: Callable[[], object]) -> None:
        self.inputs: Any = run.training.inputs
        self.device = self.inputs.device
        self.run, self.batch, self.callback, self.seen = run, batch, callback, 0

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        for inputs_B in self.inputs.batches(batches):
            is_batch = len(inputs_B) <= self.run.config.batch_size  # not the sample for a hash
            if self.run.network.training and is_batch:
                self.seen += 1
                if self.seen == self.batch:
                    self.callback()
            yield inputs_B
