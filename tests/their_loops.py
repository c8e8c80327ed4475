"""README's loop for t-RNSL, in one process and in plain DDP on two gloo ranks.

Each process writes the weights, the prototypes and the mask to a folder.
"""

import os
import socket
from pathlib import Path

import torch
from pytorch_metric_learning.utils.distributed import DistributedLossWrapper
from torch import Tensor, distributed, nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from rnsl_tutorial.losses import (
    RobustNormalizedSoftmaxLoss,
    TruncatedRobustNormalizedSoftmaxLoss,
)
from rnsl_tutorial.training import Indexed, as_pml

N, C, D, EPOCHS = 48, 3, 16, 20


def wrongly_labelled() -> TensorDataset:
    """48 images of 3 classes; the first six have a wrong label."""
    true = torch.arange(N) % C
    images = 3 * nn.functional.one_hot(true, 5) + torch.rand(N, 5, generator=torch.manual_seed(0))
    given = true.clone()
    given[:6] = (true[:6] + 1) % C
    return TensorDataset(images.double(), given)


class Objective(nn.Module):
    """Network and loss in one module, as DDP wants it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.network = nn.Linear(5, D, dtype=torch.float64)
        self.loss = TruncatedRobustNormalizedSoftmaxLoss(C, D, N, temperature=0.2).double()

    def forward(self, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        value: Tensor = self.loss(self.network(images), labels, indices)
        return value


def write(out: Path, rank: int, model: Objective) -> None:
    torch.save(model.state_dict(), out / f"{rank}.pt")


def plain_loop(rank: int, world: int, out: Path) -> None:
    """README's second loop, each process with its share of every batch."""
    model = Objective()
    dataset = Indexed(wrongly_labelled())
    sampler = DistributedSampler(dataset, world, rank, shuffle=False) if world > 1 else None
    loader = DataLoader(dataset, batch_size=24 // world, sampler=sampler)
    parallel = nn.parallel.DistributedDataParallel(model) if world > 1 else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(EPOCHS):
        if epoch >= EPOCHS // 2 and epoch % 5 == 0:
            with torch.no_grad():
                for images, labels, indices in loader:
                    model.loss.update_kept(model.network(images), labels, indices)
        for images, labels, indices in loader:
            value = parallel(images, labels, indices)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    write(out, rank, model)


def wrapped_loss(rank: int, out: Path) -> None:
    """pytorch-metric-learning's wrapper shows each process the images of all."""
    loss = RobustNormalizedSoftmaxLoss(C, 5, generator=torch.manual_seed(2)).double()
    images, labels = wrongly_labelled().tensors
    value = DistributedLossWrapper(as_pml(loss))(images[rank::2], labels[rank::2])
    torch.save(
        {"wrapped": value.detach(), "whole": loss(images, labels).detach()}, out / f"pml{rank}.pt"
    )


def of_two(rank: int, port: int, out: Path) -> None:
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    distributed.init_process_group("gloo", rank=rank, world_size=2)
    plain_loop(rank, 2, out)
    wrapped_loss(rank, out)
    distributed.destroy_process_group()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port
