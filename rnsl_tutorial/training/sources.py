"""Training images where the training needs them: all on the device, or read in batch by batch.

Whatever hands out its inputs batch by batch is a `Source`. `place` decides by the free memory.
Both its answers, `Resident` and `Streamed`, hand out the same batches bit for bit, so a data set
that outgrows a device changes the speed of a run alone. `Fetched` reads torch's data sets, and
`Indexed` is one whose items know their place, as t-RNSL needs it.

Shapes: N images given, M of them placed, B in a batch; the shape of an image is [3, H, W], and
anything else, such as features [D], works too.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from rnsl_tutorial._arrays import array, is_number, is_whole
from rnsl_tutorial.losses import _check_dense
from rnsl_tutorial.training.devices import free_memory

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = [
    "Fetched", "Indexed", "Inputs", "Resident", "Source", "Streamed",
    "as_inputs", "as_labels", "batches", "place",
]  # fmt: skip

_BLOCK_BYTES = 2**26  # read at a time while a device is filled
_OF_INPUTS = (RuntimeError, IndexError, TypeError, NotImplementedError)
"""What torch's layers raise on inputs of another type or shape, and none of their subclasses."""
_AHEAD = 2  # batches that wait while the device works on another


class Source(Protocol):
    """Inputs that come batch by batch on the device, such as `Resident`."""

    device: torch.device

    def __len__(self) -> int:
        """N."""

    def batches(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield the inputs [B, ...] of each batch, int64 [B] of places on the CPU."""


Inputs: TypeAlias = Tensor | NDArray[Any] | Source | Dataset[Any] | DataLoader[Any]


class _Placed:
    """What both kinds have in common.

    Args:
        images: [N, ...], of the type in which they are kept or come.
        device: where they go.
        positions: int64 [M] in [0, N), which of them.
        channels_last: whether images [3, H, W] are kept, or come, with their channels innermost.

    Attributes:
        device: where the batches come out.
        positions: int64 [M]; place i of the source is images[positions[i]].
        image_shape: of one image, such as (3, H, W).
        channels_last: whether the channels lie innermost in memory.
    """

    def __init__(
        self,
        images: NDArray[Any] | Tensor,
        device: torch.device,
        positions: NDArray[np.int64],
        channels_last: bool = False,
    ) -> None:
        self.device = device
        self.positions = positions
        self.image_shape = tuple(images.shape[1:])
        self.channels_last = channels_last and images.ndim == 4
        self._take(images)

    def __len__(self) -> int:
        """M."""
        return len(self.positions)

    def batches(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """Hand out the inputs [B, ...] of each batch, on the device.

        Args:
            batches: int64 [B] each, on the CPU: places in [0, M).

        Raises:
            ValueError: indices of another type, shape or device.
            IndexError: a place that is not there.
            OSError: images that are streamed can no longer be read.
        """
        return self._handed(map(self._checked, batches))

    def _checked(self, indices: Tensor) -> Tensor:
        allowed = f"int64 [B] on the CPU, in 0..{len(self) - 1}"
        if indices.dtype != torch.int64 or indices.ndim != 1 or indices.device.type != "cpu":
            raise ValueError(
                f"Indices are {indices.dtype} {list(indices.shape)} on {indices.device}; "
                f"{allowed} is needed."
            )
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(self):
            raise IndexError(
                f"Indices run from {indices.min()} to {indices.max()}; {allowed} is needed."
            )
        return indices

    def _take(self, images: NDArray[Any] | Tensor) -> None:
        raise NotImplementedError

    def _handed(self, batches: Iterator[Tensor]) -> Iterator[Tensor]:
        raise NotImplementedError


class Resident(_Placed):
    """Images that lie on the device, as one tensor."""

    def _take(self, images: NDArray[Any] | Tensor) -> None:
        shape = self.image_shape
        if self.channels_last:
            shape = (*shape[1:], shape[0])
        dtype = _read(images, self.positions[:0]).dtype
        self._stored = torch.empty((len(self), *shape), dtype=dtype, device=self.device)
        stored, start = self._as_images(self._stored), 0
        count = max(1, _bytes(images, self.positions) // _BLOCK_BYTES)
        for block in np.array_split(self.positions, count):
            stored[start : start + len(block)] = _read(images, block)
            start += len(block)

    def _as_images(self, rows: Tensor) -> Tensor:
        return rows.permute(0, 3, 1, 2) if self.channels_last else rows

    def _handed(self, batches: Iterator[Tensor]) -> Iterator[Tensor]:
        for indices in batches:
            # index_select copies whole images; stored[indices] goes element by element.
            rows = self._stored.index_select(0, _send(indices, self.device))
            yield self._as_images(rows)


class Streamed(_Placed):
    """Images that stay where they are, such as in a memory map, and are read batch by batch.

    A thread reads ahead while the device works. It ends with the iterator: at the last batch, when
    the iterator is closed, and when the loop around it is left by a break or an error. What goes
    wrong in it is raised at the batch that it belongs to.
    """

    def _take(self, images: NDArray[Any] | Tensor) -> None:
        self._images = images

    def _handed(self, batches: Iterator[Tensor]) -> Iterator[Tensor]:
        waiting: deque[Future[Tensor]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="images") as reader:
            try:
                for indices in batches:
                    waiting.append(reader.submit(self._fetch, indices))
                    if len(waiting) > _AHEAD:
                        yield self._arrive(waiting.popleft())
                while waiting:
                    yield self._arrive(waiting.popleft())
            finally:
                for future in waiting:
                    future.cancel()

    def _fetch(self, indices: Tensor) -> Tensor:
        """Read a batch, in the thread; into memory from which a GPU can fetch by itself."""
        rows = _read(self._images, self.positions[indices.numpy()])
        if self.device.type != "cuda" or rows.device.type != "cpu":
            return rows
        with torch.cuda.device(self.device):
            return rows.pin_memory()

    def _arrive(self, future: Future[Tensor]) -> Tensor:
        rows = _send(future.result(), self.device)
        return rows.contiguous(memory_format=torch.channels_last) if self.channels_last else rows


class Fetched:
    """The images of one of torch's map-style data sets, collated batch by batch.

    Args:
        dataset: dataset[i] is an image, or a tuple that begins with one, such as (image, label);
            or a `DataLoader` of such a data set, whose workers and collation are used, while the
            order and size of its batches give way to the training's.
        device: where the batches go.

    Raises:
        ValueError: a data set that cannot be asked for its i-th image.
    """

    def __init__(
        self, dataset: Dataset[Any] | DataLoader[Any], device: torch.device | str = "cpu"
    ) -> None:
        loader = dataset if isinstance(dataset, DataLoader) else None
        self.dataset: Any = loader.dataset if loader else dataset
        self.device = torch.device(device)
        self._collate: Callable[..., Any] | None = loader.collate_fn if loader else None
        self._workers = loader.num_workers if loader else 0
        if isinstance(self.dataset, IterableDataset) or not hasattr(self.dataset, "__len__"):
            raise ValueError(
                f"{type(self.dataset).__name__} hands out images in its own order only; pass a "
                "map-style data set, with __getitem__ and __len__."
            )

    def __len__(self) -> int:
        """N."""
        return len(self.dataset)

    def batches(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """Hand out the inputs [B, ...] of each batch, on the device.

        Args:
            batches: int64 [B] each, on the CPU: places in [0, N).
        """
        loader: Iterable[Any] = DataLoader(
            self.dataset,
            batch_sampler=[places_B.tolist() for places_B in batches],
            num_workers=self._workers,
            collate_fn=self._collate,
            generator=torch.Generator().manual_seed(0),  # the global one is left as it is
        )
        for batch in loader:
            images = batch[0] if isinstance(batch, list | tuple) else batch
            yield _send(images, self.device)


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


# ------------------------------------------------------------------ whatever is handed over


def as_inputs(
    inputs: Inputs, network: torch.nn.Module, fabric: "Fabric | None" = None
) -> Tensor | Source:
    """Take inputs as they come: tensors and sources as they are, arrays and data sets adapted.

    Args:
        inputs: [N, ...]. Real numbers of an array come as torch's default type, since numpy's is
            float64, which hardly any network takes.
        network: inputs that are on no device go to that of the network.
        fabric: or to that of the Fabric, if there is one.

    Raises:
        ValueError: no inputs at all, or something else.
    """
    weights = network.parameters()
    device = fabric.device if fabric else next((w.device for w in weights), torch.device("cpu"))
    if isinstance(inputs, np.ndarray):
        inputs = inputs if isinstance(inputs, np.memmap) else array("inputs", inputs)
        real = np.issubdtype(inputs.dtype, np.floating)
        if isinstance(inputs, np.memmap) and not real:
            inputs = Streamed(inputs, device, np.arange(len(inputs)))
        else:
            copied = torch.tensor(inputs)
            inputs = copied.to(device, torch.get_default_dtype() if real else copied.dtype)
    elif isinstance(inputs, Dataset | DataLoader):
        inputs = Fetched(inputs, device)
    elif not isinstance(inputs, Tensor) and not hasattr(inputs, "batches"):
        raise ValueError(
            f"inputs are a {type(inputs).__name__}; pass a tensor or array [N, ...], a source, or "
            "a map-style data set of torch."
        )
    if isinstance(inputs, Tensor):
        _check_dense(inputs=inputs)
        if not inputs.ndim:
            raise ValueError("inputs are a single number; pass [N, ...].")
    if not len(inputs):
        raise ValueError("There are no inputs; pass at least one.")
    return inputs


def as_labels(labels: Tensor | NDArray[Any], num_inputs: int, num_classes: int) -> Tensor:
    """Take labels as they come, as int64 [N].

    Raises:
        ValueError: another number or type of them, or a class that has no prototype.
    """
    labels_N = torch.from_numpy(np.array(array("labels", labels)))
    if labels_N.ndim != 1 or labels_N.is_floating_point() or labels_N.dtype == torch.bool:
        raise ValueError(
            f"labels are {labels_N.dtype} {list(labels_N.shape)}; pass whole numbers [N], such as "
            "int64."
        )
    if not (is_whole(num_inputs) and is_whole(num_classes, 1)):
        raise ValueError(
            f"num_inputs is {num_inputs!r} and num_classes {num_classes!r}; give whole numbers."
        )
    if len(labels_N) != num_inputs:
        raise ValueError(
            f"There are {len(labels_N)} labels for {num_inputs} inputs; pass one each."
        )
    low, high = int(labels_N.min()), int(labels_N.max())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"labels run from {low} to {high}, and the loss has {num_classes} classes; they must "
            f"be in 0..{num_classes - 1}."
        )
    return labels_N.long()


def batches(inputs: Tensor | Source, places: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yield the inputs [B, ...] of each batch, int64 [B] of places on the CPU."""
    if isinstance(inputs, Tensor):
        return (inputs[places_B] for places_B in places)
    return inputs.batches(places)


def place(
    images: NDArray[Any] | Tensor,
    device: torch.device | str,
    *,
    positions: NDArray[np.int64] | None = None,
    share: float = 0.5,
    channels_last: bool = False,
) -> Resident | Streamed:
    """Put images onto a device if they fit, else make them ready to be streamed there.

    They fit if they take at most a share of the memory that is free on the device. Several
    processes on one machine each decide, and each keep their own copy.

    Args:
        images: [N, ...], uint8 images [N, 3, H, W] in an array, memory map or tensor, or features
            [N, D]; batches have the same type. Read once now or batch by batch later: do not change
            them.
        device: as torch names it.
        positions: int64 [M] in [0, N), which images, and in which order; None takes all.
        share: in [0, 1], of the free memory; 0 always streams.
        channels_last: whether batches of images have channels_last strides, which convolutions
            prefer. Other inputs are left as they are.

    Raises:
        ValueError: share, positions or the shape of the images out of range.
    """
    device = torch.device(device)
    if not is_number(share, 0, 1):
        raise ValueError(f"share is {share}; it must be in [0, 1].")
    if isinstance(images, Tensor) and not images.is_meta:
        _check_dense(images=images)
    elif not hasattr(images, "ndim") or type(images) in (np.ndarray, Tensor):
        images = array("images", images)
    if images.ndim < 2:
        raise ValueError(f"images have shape {list(images.shape)}; [N, ...] is needed.")
    chosen = _checked(positions, len(images))
    fit = _bytes(images, chosen) <= share * free_memory(device)
    kind = Resident if share and fit else Streamed
    return kind(images, device, chosen, channels_last)


def _checked(positions: NDArray[np.int64] | None, count: int) -> NDArray[np.int64]:
    if positions is None:
        return np.arange(count)
    positions = array("positions", positions)
    if positions.ndim != 1 or positions.dtype != np.int64:
        raise ValueError(
            f"positions are {positions.dtype} {list(positions.shape)}; int64 [M] is needed."
        )
    if len(positions) and not 0 <= positions.min() <= positions.max() < count:
        raise ValueError(
            f"positions run from {positions.min()} to {positions.max()}; {count} images allow "
            f"0 to {count - 1}."
        )
    return positions.copy()


def _bytes(images: NDArray[Any] | Tensor, positions: NDArray[np.int64]) -> int:
    return int(np.prod(images.shape[1:])) * images.dtype.itemsize * len(positions)


def _read(images: NDArray[Any] | Tensor, positions: NDArray[np.int64]) -> Tensor:
    """Copy some images out of the source."""
    if isinstance(images, Tensor):
        return images.index_select(0, torch.from_numpy(positions).to(images.device))
    return torch.from_numpy(images[positions])


def _send(values: Tensor, device: torch.device) -> Tensor:
    return values.to(device, non_blocking=device.type == "cuda")


def _passed(network: torch.nn.Module, batch: Tensor) -> Tensor:
    """Return what a network makes of a batch.

    Raises:
        ValueError: it does not take inputs of this type or shape.
    """
    try:
        made: Tensor = network(batch)
        return made
    except (RuntimeError, IndexError, TypeError) as error:
        said = str(error).partition("\n")[0][:160]
        if type(error) not in _OF_INPUTS or "memory" in said:
            raise
        raise ValueError(
            f"The network takes no inputs that are {batch.dtype} [B, "
            f"{', '.join(map(str, batch.shape[1:]))}]: {said}."
        ) from error
