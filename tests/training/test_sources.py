"""Placed images: both kinds give the same batches, and the reading thread ends with them."""

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rnsl_tutorial.training import sources
from rnsl_tutorial.training.sources import Resident, Streamed, place

N, M = 40, 25
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(256, size=(N, 3, 6, 5), dtype=np.uint8)
POSITIONS = RNG.permutation(N)[:M]
SHARES = {"resident": 1.0, "streamed": 0.0}


def some_batches(count: int = M, size: int = 4) -> list[Tensor]:
    return list(torch.randperm(count, generator=torch.Generator().manual_seed(1)).split(size))


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("images")]


def strides_that_matter(batch: Tensor) -> list[int]:
    """Strides of the dimensions along which there is anywhere to go."""
    sizes = batch.shape if len(batch) else []
    return [stride for stride, size in zip(batch.stride(), sizes, strict=False) if size > 1]


@pytest.fixture(params=["array", "memory map", "tensor"])
def images(request: pytest.FixtureRequest, tmp_path: Path) -> np.ndarray | Tensor:
    """The same images in each of the forms that can be placed."""
    if request.param == "tensor":
        return torch.from_numpy(IMAGES)
    if request.param == "array":
        return IMAGES
    np.save(tmp_path / "images.npy", IMAGES)
    return np.load(tmp_path / "images.npy", mmap_mode="r")


@pytest.mark.parametrize("share", SHARES.values(), ids=SHARES)
@pytest.mark.parametrize("channels_last", [False, True])
def test_batches_hold_the_images_at_their_positions(
    images: np.ndarray | Tensor, share: float, channels_last: bool
) -> None:
    source = place(images, "cpu", positions=POSITIONS, share=share, channels_last=channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    batches = some_batches()
    handed = list(source.batches(batches))
    assert [len(batch) for batch in handed] == [4] * 6 + [1]
    for batch, indices in zip(handed, batches, strict=True):
        assert torch.equal(batch, torch.from_numpy(IMAGES[POSITIONS[indices.numpy()]]))
        assert batch.is_contiguous(memory_format=layout)
        assert batch.dtype == torch.uint8


def test_both_kinds_tell_the_same_of_themselves() -> None:
    for share, kind in ((1.0, Resident), (0.0, Streamed)):
        source = place(IMAGES, "cpu", positions=POSITIONS, share=share)
        assert type(source) is kind
        assert len(source) == M
        assert source.device == torch.device("cpu")
        assert source.image_shape == (3, 6, 5)
        assert np.array_equal(source.positions, POSITIONS)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shape", [(8, 3, 6, 5), (8, 1, 4, 4), (8, 3, 1, 1), (8, 7), (8, 2, 3)])
def test_both_kinds_agree_in_values_and_strides(
    shape: tuple[int, ...], channels_last: bool
) -> None:
    inputs = RNG.standard_normal(shape).astype(np.float32)
    batches = [torch.tensor([5, 5, 0]), torch.tensor([3]), torch.arange(8), torch.arange(0)]
    handed = [
        list(place(inputs, "cpu", share=share, channels_last=channels_last).batches(batches))
        for share in SHARES.values()
    ]
    for resident, streamed, indices in zip(*handed, batches, strict=True):
        assert torch.equal(resident, streamed)
        assert torch.equal(resident, torch.from_numpy(inputs)[indices])
        assert strides_that_matter(resident) == strides_that_matter(streamed)


@pytest.mark.parametrize("share", SHARES.values(), ids=SHARES)
def test_no_positions_mean_all_images(share: float) -> None:
    source = place(IMAGES, "cpu", share=share)
    (batch,) = source.batches([torch.arange(N)])
    assert torch.equal(batch, torch.from_numpy(IMAGES))


@pytest.mark.parametrize("share", SHARES.values(), ids=SHARES)
def test_an_empty_choice_is_a_source_without_images(share: float) -> None:
    source = place(IMAGES, "cpu", positions=POSITIONS[:0], share=share)
    assert type(source) is (Resident if share else Streamed)
    assert len(source) == 0
    assert list(source.batches([])) == []


def test_what_fits_stays_and_what_does_not_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = IMAGES[POSITIONS].nbytes
    monkeypatch.setattr(sources, "free_memory", lambda _: 2 * needed)
    assert isinstance(place(IMAGES, "cpu", positions=POSITIONS, share=0.5), Resident)
    assert isinstance(place(IMAGES, "cpu", positions=POSITIONS, share=0.49), Streamed)
    assert isinstance(place(IMAGES, "cpu", share=0.5), Streamed)
    as_float = IMAGES.astype(np.float32)
    assert isinstance(place(as_float, "cpu", positions=POSITIONS, share=0.5), Streamed)


def test_a_device_is_filled_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 4 * IMAGES[0].nbytes
    monkeypatch.setattr(sources, "_BLOCK_BYTES", largest)
    recorder = Recorder()
    source = Resident(recorder, torch.device("cpu"), POSITIONS)  # type: ignore[arg-type]
    assert max(len(places) for places in recorder.asked) <= 5
    (batch,) = source.batches([torch.arange(M)])
    assert torch.equal(batch, torch.from_numpy(IMAGES[POSITIONS]))


def test_later_changes_of_the_positions_do_not_matter() -> None:
    positions = POSITIONS.copy()
    source = place(IMAGES, "cpu", positions=positions, share=0)
    positions[:] = 0
    (batch,) = source.batches([torch.arange(M)])
    assert torch.equal(batch, torch.from_numpy(IMAGES[POSITIONS]))


# ------------------------------------------------------------------ the reading thread


class Recorder:
    """Images that tell what was asked of them, and that fail after some reads."""

    shape, dtype, ndim = IMAGES.shape, IMAGES.dtype, IMAGES.ndim

    def __init__(self, reads: int = 10**9) -> None:
        self.reads = reads
        self.asked: list[np.ndarray] = []

    def __len__(self) -> int:
        return N

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        self.asked.append(places)
        if len(self.asked) > self.reads:
            raise OSError("the disk is gone")
        return IMAGES[places]


def streamed(recorder: Recorder) -> Iterator[Tensor]:
    return place(recorder, "cpu", share=0).batches(some_batches(N))  # type: ignore[arg-type]


def test_it_reads_ahead_but_not_far() -> None:
    recorder = Recorder()
    handed = streamed(recorder)
    assert recorder.asked == []
    for done in range(1, 4):
        next(handed)
        assert done <= len(recorder.asked) <= done + 2
    handed.close()  # type: ignore[attr-defined]


def test_the_thread_ends_with_the_last_batch() -> None:
    assert len(list(streamed(Recorder()))) == 10
    assert not readers()


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_the_thread_ends_when_the_loop_is_left_or_fails(error: type[BaseException] | None) -> None:
    recorder = Recorder()
    with nullcontext() if error is None else pytest.raises(error):
        for _ in streamed(recorder):
            assert len(readers()) == 1
            if error:
                raise error
            break
    assert not readers()
    assert len(recorder.asked) <= 3


def test_the_thread_ends_when_the_iterator_is_closed() -> None:
    handed = streamed(Recorder())
    next(handed)
    handed.close()  # type: ignore[attr-defined]
    assert not readers()


def test_an_error_in_the_thread_reaches_the_batch_it_belongs_to() -> None:
    handed = streamed(Recorder(reads=3))
    for _ in range(3):
        next(handed)
    with pytest.raises(OSError, match="the disk is gone"):
        next(handed)
    assert not readers()


def test_two_iterators_over_one_source_do_not_disturb_each_other() -> None:
    source = place(IMAGES, "cpu", share=0)
    batches = some_batches(N)
    pairs = zip(source.batches(batches), source.batches(batches[::-1]), strict=True)
    for (first, second), one, other in zip(pairs, batches, batches[::-1], strict=True):
        assert torch.equal(first, torch.from_numpy(IMAGES[one.numpy()]))
        assert torch.equal(second, torch.from_numpy(IMAGES[other.numpy()]))


# ------------------------------------------------------------------ at the door


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"share": 1.5}, r"share is 1.5; it must be in \[0, 1\]"),
        ({"share": float("nan")}, "share is nan"),
        ({"positions": np.array([0, N])}, f"positions run from 0 to {N}; {N} images allow 0 to 39"),
        ({"positions": np.array([-1, 3])}, "positions run from -1 to 3"),
        ({"positions": np.array([0.5])}, r"positions are float64 \[1\]; int64 \[M\] is needed"),
        ({"positions": np.array([[1]])}, r"positions are int64 \[1, 1\]"),
        ({"images": IMAGES[:, 0, 0, 0]}, r"images have shape \[40\]; \[N, ...\] is needed"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        place(**{"images": IMAGES, "device": "cpu"} | arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", SHARES.values(), ids=SHARES)
@pytest.mark.parametrize(
    ("indices", "error", "message"),
    [
        (torch.tensor([0, N]), IndexError, "run from 0 to 40; int64.*in 0..39 is needed"),
        (torch.tensor([-1, 3]), IndexError, "run from -1 to 3"),
        (torch.tensor([1.0]), ValueError, r"Indices are torch.float32 \[1\] on cpu"),
        (torch.tensor([[1]]), ValueError, r"Indices are torch.int64 \[1, 1\]"),
        (torch.arange(N) == 3, ValueError, "Indices are torch.bool"),
    ],
)
def test_indices_out_of_range_are_refused(
    share: float, indices: Tensor, error: type[Exception], message: str
) -> None:
    handed = place(IMAGES, "cpu", share=share).batches([torch.arange(3), indices])
    with pytest.raises(error, match=message):
        list(handed)
    assert not readers()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_gpu_gets_the_same(channels_last: bool) -> None:
    batches = some_batches()
    for share in SHARES.values():
        source = place(
            IMAGES, "cuda", positions=POSITIONS, share=share, channels_last=channels_last
        )
        for batch, indices in zip(source.batches(batches), batches, strict=True):
            assert batch.is_cuda
            assert torch.equal(batch.cpu(), torch.from_numpy(IMAGES[POSITIONS[indices.numpy()]]))
