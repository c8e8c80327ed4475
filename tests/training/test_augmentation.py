"""Augmentation: torchvision's operations, each image its own, drawn apart from the pixels."""

import itertools
from collections import Counter

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from rnsl_tutorial.training import augmentation
from rnsl_tutorial.training.augmentation import Drawn

BY_TORCHVISION = [getattr(functional, f"adjust_{name}") for name in augmentation._OPERATIONS]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_images(count: int, height: int = 10, width: int = 12) -> Tensor:
    """Random colours, and after them grey, black, white and pure ones, and ties of two channels."""
    images = torch.randint(256, (count, 3, height, width), dtype=torch.uint8, generator=generator())
    colours = [(77,) * 3, (0,) * 3, (255,) * 3, (255, 0, 0), (0, 255, 0), (0, 0, 255)]
    colours += [(200, 200, 10), (10, 200, 200), (200, 10, 200), (200, 10, 10), (10, 10, 200)]
    for image, colour in zip(images, colours, strict=False):
        image[:, ::2] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
    return images


def changed_by_torchvision(image: Tensor, drawn: Drawn) -> Tensor:
    """What the recipe makes of one image: grey, then jitter in the drawn order, then flip."""
    pixels = functional.to_dtype(image, torch.float32, scale=True)
    if drawn.grey:
        pixels = functional.rgb_to_grayscale(pixels, num_output_channels=3)
    for operation in drawn.order.tolist():
        pixels = BY_TORCHVISION[operation](pixels, drawn.factors[operation].item())
    return functional.horizontal_flip(pixels) if drawn.flip else pixels


def row(drawn: Drawn, i: int) -> Drawn:
    return Drawn(*(field[i] for field in drawn))


@pytest.mark.parametrize("name", augmentation._NAMES)
def test_every_image_becomes_what_torchvision_makes_of_it(name: str) -> None:
    images = make_images(100)
    drawn = augmentation.draw(name, 100, generator())
    expected = [changed_by_torchvision(image, row(drawn, i)) for i, image in enumerate(images)]
    torch.testing.assert_close(
        augmentation.apply(images, drawn), torch.stack(expected), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_operations_come_in_the_drawn_order(order: tuple[int, ...]) -> None:
    images = make_images(3)
    drawn = augmentation.draw("reference", 3, generator(2))
    drawn = drawn._replace(order=torch.tensor(order).expand(3, -1), grey=torch.zeros(3).bool())
    expected = [changed_by_torchvision(image, row(drawn, i)) for i, image in enumerate(images)]
    torch.testing.assert_close(
        augmentation.apply(images, drawn), torch.stack(expected), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("operation", range(4))
@pytest.mark.parametrize("factor", [-0.5, -0.11, 0.0, 0.3, 0.5])
def test_each_operation_alone_equals_torchvisions(operation: int, factor: float) -> None:
    images = make_images(12)
    drawn = augmentation.draw("none", 12, generator())
    factors = drawn.factors.clone()
    factors[:, operation] += factor
    expected = BY_TORCHVISION[operation](images / 255, factors[0, operation].item())
    changed = augmentation.apply(images, drawn._replace(factors=factors))
    torch.testing.assert_close(changed, expected, atol=2e-6, rtol=0)


def test_equal_images_of_a_batch_come_out_different() -> None:
    images = make_images(20)[-1:].expand(50, -1, -1, -1)
    changed = augmentation.apply(images, augmentation.draw("reference", 50, generator()))
    assert len(changed.flatten(1).unique(dim=0)) == 50


def test_results_lie_between_0_and_1() -> None:
    changed = augmentation.apply(
        make_images(200), augmentation.draw("reference", 200, generator(1))
    )
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 1


@pytest.mark.parametrize("name", augmentation._NAMES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_memory_layout_is_kept(name: str, layout: torch.memory_format) -> None:
    images = make_images(8)
    drawn = augmentation.draw(name, 8, generator())
    changed = augmentation.apply(images.contiguous(memory_format=layout), drawn)
    assert changed.is_contiguous(memory_format=layout)
    assert torch.equal(changed, augmentation.apply(images, drawn))


@pytest.mark.parametrize("name", augmentation._NAMES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_images_given_are_left_as_they_are(name: str, dtype: torch.dtype) -> None:
    images = make_images(20)
    images = images if dtype == torch.uint8 else images / 255
    before = images.clone()
    changed = augmentation.apply(images, augmentation.draw(name, 20, generator()))
    assert torch.equal(images, before)
    assert changed.data_ptr() != images.data_ptr()


def test_floating_point_images_give_the_same() -> None:
    images, drawn = make_images(20), augmentation.draw("reference", 20, generator())
    assert torch.equal(augmentation.apply(images / 255, drawn), augmentation.apply(images, drawn))


def test_none_only_scales_and_draws_nothing() -> None:
    images, source = make_images(5), generator()
    before = source.get_state()
    drawn = augmentation.draw("none", 5, source)
    assert torch.equal(augmentation.apply(images, drawn), images / 255)
    assert torch.equal(source.get_state(), before)


def test_a_batch_in_shards_equals_the_whole() -> None:
    images, drawn = make_images(30), augmentation.draw("reference", 30, generator())
    whole = augmentation.apply(images, drawn)
    for rows in (slice(0, 7), slice(1, None, 2), torch.tensor([4, 2, 29]), torch.arange(30) > 20):
        part = augmentation.apply(images[rows], drawn.take(rows))
        torch.testing.assert_close(part, whole[rows], atol=1e-6, rtol=0)


def test_a_cpu_works_block_by_block_with_the_same_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, drawn = make_images(30), augmentation.draw("reference", 30, generator())
    whole = augmentation.apply(images, drawn)
    for values in (1, 7 * images[0].numel()):
        monkeypatch.setattr(augmentation, "_BLOCK_VALUES", values)
        torch.testing.assert_close(augmentation.apply(images, drawn), whole, atol=1e-6, rtol=0)


def test_a_batch_may_be_empty() -> None:
    drawn = augmentation.draw("reference", 0, generator())
    assert augmentation.apply(make_images(0), drawn).shape == (0, 3, 10, 12)


# ------------------------------------------------------------------ what is drawn

COUNT = 48_000


@pytest.fixture(scope="module")
def many() -> Drawn:
    return augmentation.draw("reference", COUNT, generator())


def test_a_fifth_turns_grey_and_half_is_flipped(many: Drawn) -> None:
    for flags, share in ((many.grey, 0.2), (many.flip, 0.5)):
        deviation = (share * (1 - share) / COUNT) ** 0.5
        assert abs(flags.float().mean() - share) < 4 * deviation


@pytest.mark.parametrize(
    ("operation", "low", "high"), [(0, 0.6, 1.4), (1, 0.6, 1.4), (2, 0.6, 1.4), (3, -0.4, 0.4)]
)
def test_factors_are_uniform_in_their_range(
    many: Drawn, operation: int, low: float, high: float
) -> None:
    factors = many.factors[:, operation].double()
    assert low - 1e-6 <= factors.min() <= factors.max() <= high + 1e-6
    shares = factors.histc(20, low - 1e-6, high + 1e-6) / COUNT
    assert (shares - 1 / 20).abs().max() < 4.5 * (1 / 20 / COUNT) ** 0.5


def test_all_orders_are_equally_likely(many: Drawn) -> None:
    counts = Counter(map(tuple, many.order.tolist()))
    assert set(counts) == set(itertools.permutations(range(4)))
    expected = COUNT / 24
    assert max(abs(count - expected) for count in counts.values()) < 4.5 * expected**0.5


def test_draws_are_independent_of_each_other(many: Drawn) -> None:
    columns = [many.grey[:, None], many.flip[:, None], many.order, many.factors]
    matrix = torch.cat([column.double() for column in columns], dim=1).T
    correlations = torch.corrcoef(matrix)
    correlations[2:6, 2:6] = 0  # places in an order exclude each other
    correlations.fill_diagonal_(0)
    assert correlations.abs().max() < 4.5 / COUNT**0.5


def test_the_seed_decides() -> None:
    first, again = (augmentation.draw("reference", 9, generator(3)) for _ in range(2))
    other = augmentation.draw("reference", 9, generator(4))
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first.factors, other.factors)


def test_flip_leaves_the_colours_alone() -> None:
    drawn = augmentation.draw("flip", 1000, generator())
    assert 400 < drawn.flip.sum() < 600
    images = make_images(1000, 2, 3)
    changed = augmentation.apply(images, drawn)
    assert torch.equal(changed[drawn.flip], images[drawn.flip].flip(3) / 255)
    assert torch.equal(changed[~drawn.flip], images[~drawn.flip] / 255)


# ------------------------------------------------------------------ at the door


def test_of_two_views_flipping_takes_the_second() -> None:
    maps = torch.arange(6 * 2 * 3).reshape(6, 2, 3, 1, 1).half()
    drawn = augmentation.draw("flip", 6, torch.Generator().manual_seed(0))
    assert 0 < drawn.flip.sum() < 6
    chosen = augmentation.apply(maps, drawn)
    assert chosen.dtype == maps.dtype
    for place, flipped in enumerate(drawn.flip.tolist()):
        assert torch.equal(chosen[place], maps[place, int(flipped)])
    with pytest.raises(ValueError, match="augmentation must be 'none' or 'flip'"):
        augmentation.apply(
            maps, augmentation.draw("reference", 6, torch.Generator().manual_seed(0))
        )


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no augmentation 'mixup'; choose one of none, flip, ref"):
        augmentation.draw("mixup", 1, generator())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 1, 4, 4), r"shape \[2, 1, 4, 4\]; \[B, 3, H, W\] is needed"),
        (torch.zeros(3, 4, 4), r"shape \[3, 4, 4\]"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.int64), "images are torch.int64; uint8"),
        (torch.zeros(3, 3, 4, 4), "There are 3 images, but changes were drawn for 2"),
    ],
)
def test_images_that_do_not_fit_are_refused(images: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        augmentation.apply(images, augmentation.draw("none", 2, generator()))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_and_is_never_waited_for() -> None:
    images, drawn = make_images(64), augmentation.draw("reference", 64, generator())
    on_device = images.cuda()
    augmentation.apply(on_device, drawn)
    torch.cuda.set_sync_debug_mode("error")
    try:
        changed = augmentation.apply(on_device, drawn)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(changed.cpu(), augmentation.apply(images, drawn), atol=1e-5, rtol=0)
