"""A small batch in mid-training, for the tests of the explorers that score one."""

from typing import Any

import torch
import torch.nn.functional as F

IMAGES, CLASSES, DIMENSIONS = 40, 5, 8
EPOCHS = (1, 10)


def small_batch() -> dict[str, Any]:
    """Two moments: at the second, images lie closer to the prototypes of their true classes."""
    generator = torch.Generator().manual_seed(0)
    prototypes = F.normalize(torch.randn(2, CLASSES, DIMENSIONS, generator=generator), dim=2)
    true = torch.arange(IMAGES) % CLASSES
    flipped = torch.arange(IMAGES) % 4 == 3
    labels = torch.where(flipped, (true + 1) % CLASSES, true)
    clouds = torch.randn(2, IMAGES, DIMENSIONS, generator=generator)
    nearness = torch.tensor([0.5, 2.0])[:, None, None]
    return {
        "embeddings": nearness * prototypes[:, true] + 0.4 * clouds,
        "prototypes": prototypes,
        "labels": labels,
        "flipped": flipped,
        "epochs": EPOCHS,
    }
