"""A small archive and a backbone of a line, for whoever needs features in no time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnsl_tutorial.datasets import Archive, FeatureSet, Reduction, Split
from rnsl_tutorial.training import networks


class Averages(nn.Module):
    """Each channel's mean, and its mean square."""

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.cat([pixels.mean(dim=(2, 3)), pixels.square().mean(dim=(2, 3))], dim=1)


def tiny_backbone(*_: object, **__: object) -> networks.Backbone:
    return networks.Backbone(Averages(), 6, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def make_features(
    values: NDArray[np.floating], labels: NDArray[np.int64], split: Split[NDArray[np.int64]]
) -> FeatureSet:
    """A feature set of these values [N, D], in steps of 0.5; classes a, b, c, ..."""
    dims, names = values.shape[1], tuple("abcdefgh"[: labels.max() + 1])
    return FeatureSet(
        features=values.astype(np.float32),
        labels=labels.astype(np.int64),
        class_names=names,
        files=tuple(f"{names[y]}/{i}.png" for i, y in enumerate(labels)),
        split=split,
        step=np.full(dims, 0.5, np.float32),
        reduction=Reduction(np.zeros(dims, np.float32), np.eye(dims, dtype=np.float16)),
        made_with={"backbone": "none"},
    )


def make_archive(count: int = 60) -> Archive:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), count // 3)
    images = rng.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    files = tuple(f"{'abc'[y]}/{i:03}.png" for i, y in enumerate(labels))
    return Archive(images, labels.astype(np.int64), ("a", "b", "c"), files)
