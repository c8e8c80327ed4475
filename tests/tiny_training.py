"""A training small enough for tests: 90 images of 8 px, 3 classes, a network of two convolutions.

Run as a script it trains with checkpoints, goes on where it was stopped, and writes what it
reached, one training after the other: `python tiny_training.py PROCESSES FOLDER [--group-norm]
[--slow SECONDS] [--stop-after BATCHES] [--set NAME=VALUE]... [--then FOLDER ...]...`
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rnsl_tutorial import losses
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.heads import build_loss
from rnsl_tutorial.training import Training
from rnsl_tutorial.training.devices import Hardware, close, launch
from rnsl_tutorial.training.settings import parse

if TYPE_CHECKING:
    from lightning_fabric import Fabric

N, C, D = 90, 3, 8
SETTINGS = {
    "loss": "trnsl",
    "epochs": 6,
    "batch_size": 16,
    "embedding_dim": D,
    "learning_rate": 0.1,
    "temperature": 0.2,
    "augmentation": "reference",
    "network": "small",
    "prune_from": 2,
    "prune_every": 2,
}


def make_images() -> tuple[Tensor, Tensor, Tensor]:
    """Images uint8 [N, 3, 8, 8] of three colours with noise, given labels, true labels."""
    generator = torch.Generator().manual_seed(0)
    true = torch.arange(N) % C
    colours = 100 + 100 * torch.eye(C)
    images = colours[true][:, :, None, None] + 40 * torch.randn(N, 3, 8, 8, generator=generator)
    flipped = torch.rand(N, generator=generator) < 0.3
    return images.clamp(0, 255).to(torch.uint8), torch.where(flipped, (true + 1) % C, true), true


class Scaled(nn.Module):
    """uint8 images as they come from evaluation, float ones as they come from augmentation."""

    def forward(self, images: Tensor) -> Tensor:
        return images / 255 if images.dtype == torch.uint8 else images


def build(config: Config, norm: nn.Module) -> tuple[nn.Module, losses.NormalizedSoftmaxLoss]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = nn.Sequential(
            Scaled(), nn.Conv2d(3, 8, 3, stride=2), norm, nn.ReLU(),
            nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8, config.embedding_dim),
        )  # fmt: skip
        return network, build_loss(config, C, N)


def make(config: Config, fabric: "Fabric | None" = None, norm: nn.Module | None = None) -> Training:
    """A training of the images; a validation that counts prototypes of given labels."""
    images, given, _ = make_images()
    network, loss = build(config, norm or nn.BatchNorm2d(8))

    def validate(training: Training) -> float:
        nearest = training.embed(images[:30]) @ nn.functional.normalize(loss.prototypes).T
        return float((nearest.argmax(dim=1) == given[:30]).float().mean())

    return Training(network, loss, images, given, config.settings, fabric=fabric, validate=validate)


class StoppingAfter:
    """Inputs that ask the training to stop while they hand out a batch."""

    device = torch.device("cpu")

    def __init__(self, training: Training, batches: int) -> None:
        assert isinstance(training.inputs, Tensor)
        self.inputs, self.left, self.training = training.inputs, batches, training

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        for places_B in batches:
            self.left -= 1
            if self.left == 0:
                self.training.stop.set()
            yield self.inputs[places_B]


def outcome(training: Training) -> dict[str, Tensor]:
    """Everything that a run reached."""
    return {
        **training.network.state_dict(),
        **training.loss.state_dict(),
        "losses": torch.tensor([report.loss for report in training.history]),
        "embeddings": training.embed_training(),
    }


def fingerprint(training: Training) -> str:
    """A hash of every bit of the outcome."""
    digest = hashlib.sha256()
    for name, value in outcome(training).items():
        digest.update(name.encode() + value.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def run(fabric: "Fabric", words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--group-norm", action="store_true")
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--stop-after", type=int, default=0)
    parser.add_argument("--set", action="append", default=[])
    args = parser.parse_args(words)
    norm = nn.GroupNorm(2, 8) if args.group_norm else None
    training = make(Config(**{**SETTINGS, **parse(args.set, Config)}), fabric, norm)
    if args.stop_after and not fabric.is_global_zero:  # one process tells the others
        training.inputs = StoppingAfter(training, args.stop_after)
    checkpoints = args.folder / "checkpoints"
    with suppress(KeyboardInterrupt):
        training.run(lambda _: time.sleep(args.slow), folder=checkpoints, resume=True)
    reached = outcome(training)
    if fabric.is_global_zero and not training.finished:
        (args.folder / "stopped").write_text(max(checkpoints.glob("*.pt")).name)
    elif fabric.is_global_zero:
        (args.folder / "fingerprint").write_text(fingerprint(training))
        torch.save(reached, args.folder / "outcome.pt")


def main(words: Sequence[str]) -> None:
    torch.set_num_threads(1)
    fabric = launch(Hardware(accelerator="cpu", devices=int(words[0])))
    while words:
        job = list(takewhile(lambda word: word != "--then", words[1:]))
        run(fabric, job)
        words = words[1 + len(job) :]
    close(fabric)


if __name__ == "__main__":
    main(sys.argv[1:])
