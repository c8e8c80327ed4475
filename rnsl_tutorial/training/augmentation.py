"""Random changes to training images: drawn on the CPU, applied on the device, each image its own.

The recipe ``reference`` is that of the authors' code, as torchvision words it:

    RandomGrayscale(p=0.2)
    ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.4)
    RandomHorizontalFlip(p=0.5)

It has the same distribution, image by image: every image has its own factors and its own order of
the four jitter operations. Colours stay floating point from one operation to the next, where PIL
rounds to 8 bits after each.

What happens to an image is drawn from a CPU generator, apart from the pixels. So a run sees the
same augmentation on every device, and a batch that is shared out among processes (`Drawn.take`)
the same as a whole one.

Shapes: B images in a batch, 3 channels (red, green, blue), H x W pixels, J = 4 jitter operations.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from rnsl_tutorial.losses import _check_dense

__all__ = ["Drawn", "apply", "draw"]

_NAMES = ("none", "flip", "reference")
"""No change; left and right exchanged for half of the images; the reference's recipe."""

_OPERATIONS = ("brightness", "contrast", "saturation", "hue")
"""The jitter operations; `Drawn.order` and `Drawn.factors` number them so."""

_GREY_SHARE = 0.2
_FLIP_SHARE = 0.5
_JITTER = 0.4

_CONTRAST, _SATURATION, _HUE = 1, 2, 3
_NEUTRAL = (1.0, 1.0, 1.0, 0.0)
_BLOCK_VALUES = 2**20  # 4 MB, see _blocks


class Drawn(NamedTuple):
    """What shall happen to each image of a batch, in the order of the fields; CPU tensors.

    Attributes:
        grey: bool [B], whether the colours are replaced by their brightness.
        order: int64 [B, J], which of `_OPERATIONS` comes first, second, third and fourth.
        factors: float32 [B, J], of each operation, in the order of `_OPERATIONS`: >= 0 for the
            first three, where 1 changes nothing; a share of the colour circle in [-0.5, 0.5] for
            the hue.
        flip: bool [B], whether left and right are exchanged.
    """

    grey: Tensor
    order: Tensor
    factors: Tensor
    flip: Tensor

    def take(self, rows: slice | Tensor) -> "Drawn":
        """Return what was drawn for some of the images: a slice, or int64 or bool positions."""
        return Drawn(*(field[rows] for field in self))


def draw(name: str, count: int, generator: torch.Generator) -> Drawn:
    """Draw what shall happen to each image.

    Brightness, contrast and saturation factors are uniform in [0.6, 1.4], hue factors in
    [-0.4, 0.4]; all 24 orders are equally likely.

    Args:
        name: one of `_NAMES`; "none" draws nothing and leaves the generator as it is.
        count: B.
        generator: on the CPU.

    Raises:
        ValueError: unknown name.
    """
    if name not in _NAMES:
        raise ValueError(f"There is no augmentation {name!r}; choose one of {', '.join(_NAMES)}.")
    unchanged = Drawn(
        grey=torch.zeros(count, dtype=torch.bool),
        order=torch.arange(len(_OPERATIONS)).expand(count, -1),
        factors=torch.tensor(_NEUTRAL).expand(count, -1),
        flip=torch.zeros(count, dtype=torch.bool),
    )
    if name == "none":
        return unchanged
    flip_B = torch.rand(count, generator=generator) < _FLIP_SHARE
    if name == "flip":
        return unchanged._replace(flip=flip_B)
    offsets_BJ = torch.rand(count, len(_OPERATIONS), generator=generator) * 2 - 1
    return Drawn(
        grey=torch.rand(count, generator=generator) < _GREY_SHARE,
        order=torch.rand(count, len(_OPERATIONS), generator=generator).argsort(dim=1),
        factors=unchanged.factors + _JITTER * offsets_BJ,
        flip=flip_B,
    )


@torch.no_grad()
def apply(images: Tensor, drawn: Drawn) -> Tensor:
    """Change each image as drawn, on the device where the images lie.

    Every decision is taken on the CPU, where the parameters are: a GPU is never waited for.

    Args:
        images: uint8 [B, 3, H, W] in 0..255, or float [B, 3, H, W] in 0..1; left as they are. Or
            the maps [B, 2, ...] that a frozen network made of each image and of its mirror image,
            see `datasets.cached_maps`: of these flipping takes one, and nothing else can be drawn.
        drawn: from `draw`, B rows.

    Returns:
        float32 [B, 3, H, W] in [0, 1], with channels_last strides where the images have them; of
        maps one view each, [B, ...].

    Raises:
        ValueError: shape or type of the images, or another number of them than was drawn for.
    """
    _check_dense(images=images)
    if images.ndim == 5:
        return _view(images, drawn)
    _check(images, drawn)
    if not (_jitters(drawn) or drawn.grey.any() or drawn.flip.any()):
        return _unit_range(images, torch.preserve_format)
    changed = torch.empty_like(images, dtype=torch.float32, memory_format=_layout(images))
    for rows in _blocks(images):
        changed[rows] = _changed(images[rows], drawn.take(rows))
    return changed


def _view(maps: Tensor, drawn: Drawn) -> Tensor:
    """Take the maps of the image, or of its mirror image where it is flipped."""
    if _jitters(drawn) or drawn.grey.any():
        raise ValueError(
            "The maps of a frozen network know an image and its mirror image alone; augmentation "
            "must be 'none' or 'flip'."
        )
    places_B = torch.arange(len(maps), device=maps.device)
    return maps[places_B, _send(drawn.flip.long(), maps)]


def _changed(images: Tensor, drawn: Drawn) -> Tensor:
    pixels = _unit_range(images, torch.contiguous_format)  # whole planes are fastest on a CPU
    _make_grey(pixels, _rows(drawn.grey, pixels))
    if _jitters(drawn):
        _jitter(pixels, drawn)
    _flip(pixels, _rows(drawn.flip, pixels))
    return pixels


def _jitters(drawn: Drawn) -> bool:
    return bool((drawn.factors != torch.tensor(_NEUTRAL)).any())


def _blocks(images: Tensor) -> Iterator[slice]:
    """Cut a batch so that a CPU keeps what it works on in its cache; a GPU takes it whole."""
    size = len(images)
    if images.device.type == "cpu":
        size = _BLOCK_VALUES // max(1, images.shape[1:].numel())
    size = max(1, size)
    return (slice(start, start + size) for start in range(0, len(images), size))


def _check(images: Tensor, drawn: Drawn) -> None:
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images have shape {list(images.shape)}; [B, 3, H, W] is needed.")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(
            f"images are {images.dtype}; uint8 in 0..255 or floating point in 0..1 is needed."
        )
    if len(images) != len(drawn.flip):
        raise ValueError(
            f"There are {len(images)} images, but changes were drawn for {len(drawn.flip)}. "
            "Draw for as many, or take the rows of these images with drawn.take(rows)."
        )


def _layout(images: Tensor) -> torch.memory_format:
    plain = images.is_contiguous()
    last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last and not plain else torch.contiguous_format


def _unit_range(images: Tensor, layout: torch.memory_format) -> Tensor:
    pixels = images.to(torch.float32, copy=True, memory_format=layout)
    return pixels.div_(255) if images.dtype == torch.uint8 else pixels


def _rows(flags: Tensor, pixels: Tensor) -> Tensor:
    """Positions of the images that are flagged, on the device of the pixels."""
    return _send(flags.nonzero().squeeze(1), pixels)


def _send(values: Tensor, pixels: Tensor) -> Tensor:
    return values.to(pixels.device, non_blocking=pixels.is_cuda)


# ------------------------------------------------------------------ in place, on float [B, 3, H, W]


def _make_grey(pixels: Tensor, rows: Tensor) -> None:
    if len(rows):
        grey = _in_grey(pixels.index_select(0, rows))
        pixels.index_copy_(0, rows, grey.expand(-1, 3, -1, -1))


def _flip(pixels: Tensor, rows: Tensor) -> None:
    if len(rows):
        pixels.index_copy_(0, rows, pixels.index_select(0, rows).flip(3))


def _jitter(pixels: Tensor, drawn: Drawn) -> None:
    """Apply the four operations, each image in its own order.

    In each of four steps all images are blended at once, each with the partner of its own
    operation; those that change hue in this step are blended with a share of 0, which leaves them
    as they are. So a step takes a few large operations in place of many small ones.
    """
    operation_JB, factor_JB = drawn.order.T, drawn.factors.gather(1, drawn.order).T
    hue_JB = operation_JB == _HUE
    share_JB = torch.where(hue_JB, 0.0, 1 - factor_JB)
    blends = torch.stack([operation_JB == _CONTRAST, operation_JB == _SATURATION, share_JB], dim=1)
    on_device = _send(blends[..., None, None, None], pixels)
    for step, (contrast, saturation, share) in enumerate(on_device.unbind()):
        _blend(pixels, contrast, saturation, share)
        changes_B = hue_JB[step] & ~drawn.grey  # grey has no hue
        _turn_hue(pixels, _rows(changes_B, pixels), _send(factor_JB[step][changes_B], pixels))


def _blend(pixels: Tensor, contrast: Tensor, saturation: Tensor, share: Tensor) -> None:
    """Mix each image with a share of its partner: x + share (partner - x), cut to [0, 1].

    The partner is black for brightness, the image's mean grey for contrast, the image in grey for
    saturation. The last three arguments are float [B, 1, 1, 1], the first two of them 0 or 1.
    """
    grey = _in_grey(pixels)
    mean = grey.mean(dim=(2, 3), keepdim=True) * contrast
    pixels.lerp_(grey.mul_(saturation).add_(mean), share).clamp_(0, 1)


def _in_grey(pixels: Tensor) -> Tensor:
    """Weighted sum of the channels [B, 1, H, W], as ITU-R BT.601 and torchvision weigh them."""
    red, green, blue = pixels[:, :1], pixels[:, 1:2], pixels[:, 2:]
    return red.mul(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def _turn_hue(pixels: Tensor, rows: Tensor, turns: Tensor) -> None:
    """Turn the hue of some images by shares of the colour circle; value and saturation stay.

    Args:
        pixels: float [B, 3, H, W] in [0, 1].
        rows: int64 [R], the images.
        turns: float [R].
    """
    if not len(rows):
        return
    red, green, blue = pixels.index_select(0, rows).unbind(1)
    hue, low, chroma = _hue(red, green, blue)
    hue = hue.div_(6).add_(turns[:, None, None])
    hue = hue.sub_(hue.floor()).mul_(6)
    waves = (
        (hue - 3).abs_().sub_(1),  # red: 1 around hue 0, 0 around 3
        torch.rsub((hue - 2).abs_(), 2),  # green: 1 around 2
        torch.rsub((hue - 4).abs_(), 2),  # blue: 1 around 4
    )
    turned = [torch.addcmul(low, chroma, wave.clamp_(0, 1)) for wave in waves]
    pixels.index_copy_(0, rows, torch.stack(turned, dim=1))


def _hue(red: Tensor, green: Tensor, blue: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue in [0, 6], smallest channel and chroma, by minima and maxima in place of branches.

    Sort green and blue, then red and the larger one; each exchange mirrors the circle, which the
    offset records: 0, -6, -2 or 4. (S. Hocevar, "Fast branchless RGB to HSV conversion in GLSL".)
    Where all channels are equal the hue means nothing and comes out finite.
    """
    larger, smaller = torch.maximum(green, blue), torch.minimum(green, blue)
    blue_first = (blue - green).gt_(0)
    red_behind = (larger - red).gt_(0)
    offset = (12 * red_behind).sub_(6).mul_(blue_first).sub_(red_behind, alpha=2)
    low = torch.minimum(red, smaller)
    chroma = torch.maximum(red, larger).sub_(low)
    signed = torch.minimum(red, larger).sub_(smaller)
    divisor = chroma.clamp_min(torch.finfo(chroma.dtype).tiny)
    return signed.div_(divisor).add_(offset).abs_(), low, chroma
