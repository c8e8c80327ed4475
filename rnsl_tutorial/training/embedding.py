"""What a network makes of its inputs: embeddings, by all processes together.

Shapes: N inputs, of which this process takes M, B in a batch, D embedding dimensions.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rnsl_tutorial._arrays import is_whole
from rnsl_tutorial.training import sources
from rnsl_tutorial.training.sources import Inputs

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["embed"]


def embed(
    network: nn.Module,
    inputs: Inputs,
    *,
    batch_size: int = 4096,
    fabric: "Fabric | None" = None,
) -> Tensor:
    """Return the unit-length embeddings [N, D] of all inputs, the network in evaluation mode.

    Afterwards every layer is in the mode that it had.

    Args:
        network: inputs [B, ...] -> embeddings [B, D].
        inputs: [N, ...], as for `train`, N >= 1.
        batch_size: B.
        fabric: gives the precision; several processes share the work, and each gets the whole.

    Raises:
        ValueError: inputs that are none or that the network does not take, or a batch_size below 1.
    """
    if not is_whole(batch_size, 1):
        raise ValueError(f"batch_size is {batch_size!r}; give a whole number of at least 1.")
    batch_size = min(int(batch_size), 2**31)
    inputs = sources.as_inputs(inputs, network, fabric)
    rank, world = (fabric.global_rank, fabric.world_size) if fabric else (0, 1)
    share = math.ceil(len(inputs) / world)
    places_M = torch.arange(rank * share, (rank + 1) * share).clamp(max=len(inputs) - 1)
    autocast, start = fabric.autocast() if fabric else nullcontext(), 0
    embeddings_MD = torch.empty(0)
    with _evaluating(network), autocast:
        for batch in sources.batches(inputs, torch.split(places_M, batch_size)):
            with torch.inference_mode():
                rows_BD = sources._passed(network, batch)
            rows_BD = rows_BD.to(torch.promote_types(rows_BD.dtype, torch.float32))
            if not start:  # in place: beside large inputs, a list of parts would double the memory
                embeddings_MD = rows_BD.new_empty(len(places_M), *rows_BD.shape[1:])
            end = start + len(rows_BD)
            embeddings_MD[start:end] = nn.functional.normalize(rows_BD, dim=1)
            start = end
    if fabric and world > 1:
        gathered = fabric.all_gather(embeddings_MD)
        assert isinstance(gathered, Tensor)
        embeddings_MD = gathered.flatten(end_dim=1)
    return embeddings_MD[: len(inputs)]


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
