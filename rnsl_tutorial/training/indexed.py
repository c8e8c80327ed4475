"""A data set whose items know their place, as t-RNSL needs it."""

from collections.abc import Sized
from typing import Any

from torch.utils.data import Dataset

__all__ = ["Indexed"]


class Indexed(Dataset[tuple[Any, ...]]):
    """A data set that returns each item with its place in it: (image, label) -> (image, label, i).

    The place is that in the wrapped data set, whatever sampler draws it, so it stays the same from
    epoch to epoch and in every process.

    Args:
        dataset: map-style, such as ``torchvision.datasets.ImageFolder``: with a length, and items
            by number. An item that is no tuple or list is returned as (item, i).

    Attributes:
        dataset: the one that was given.

    Raises:
        TypeError: a data set without length or items, whose images have no place.
    """

    def __init__(self, dataset: Any) -> None:
        if not isinstance(dataset, Sized) or not hasattr(dataset, "__getitem__"):
            raise TypeError(
                f"{type(dataset).__name__} has no length or no items by number, so its images have "
                "no place; give a map-style data set."
            )
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        item = self.dataset[index]
        place = int(index) % len(self)  # -1 is the last
        return (*item, place) if isinstance(item, tuple | list) else (item, place)
