"""Encoded images become square RGB pixels of 8 bits.

What has 8 bits is decoded by Pillow. What has more, or floating-point numbers, is scaled over a
range that the caller gives: the same for all images of an archive, or bright scenes and dark ones
would look alike.

Shapes: K bands of H x W pixels; S x S pixels as they are returned.
"""

import itertools
import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from rnsl_tutorial._files import in_one_line

if TYPE_CHECKING:
    from tifffile import TiffFile

__all__ = ["Deep", "Span", "is_deep", "sampled", "scaling", "span_of", "squared"]

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG, _PNG_DEPTH = b"\x89PNG\r\n\x1a\n", 24  # where the bits of a sample stand
_MAX_BYTES = 2**28  # of a decoded TIFF: as many as those of the largest image that Pillow decodes
_MAX_PAGES = 1024
_AT_ONCE = 2**20  # pixels that are scaled together: they take 8 bytes each for a while
_BOTH_BYTES = {
    "RGB;16B": ("RGB;16B", "RGB;16L"),
    "RGBA;16B": ("RGBA;16B", "RGBA;16L"),
    "LA;16B": ("RGBA",),
}
"""Of PNGs of 16 bits: ways in which Pillow unpacks the upper bytes, then the lower ones."""
_SILENT = logging.NullHandler()  # tifffile raises its errors as well
_NODATA = 42113  # GDAL's tag
_ALPHA = ((1,), (2,))  # at the end of TIFF's ExtraSamples
_SAME = {"u1": ("L", "RGB"), "u2": ("I;16", "I;16B"), "i2": ("I",), "i4": ("I",), "f4": ("F",)}
"""Modes in which Pillow keeps numbers as they are stored."""
_PLAIN = (0, 1, 2)  # in TIFF's PhotometricInterpretation: grey, inverted or not, and RGB
_QUANTILES = (0.001, 0.999)


class Span(NamedTuple):
    """What becomes black, and what becomes white."""

    low: float
    high: float


class Deep(NamedTuple):
    """An image of more than 8 bits.

    Attributes:
        values: [K, H, W], numbers as they are stored, 1 or 3 bands.
        valid: which of them are finite, and not what stands for "no data".
        inverted: whether low values are bright.
    """

    values: NDArray[Any]
    valid: NDArray[np.bool_]
    inverted: bool = False


def is_deep(data: bytes) -> bool:
    """Whether an encoded image may have more than 8 bits, by its first bytes."""
    return data.startswith(_TIFF) or _is_deep_png(data)


def _is_deep_png(data: bytes) -> bool:
    return data.startswith(_PNG) and data[_PNG_DEPTH : _PNG_DEPTH + 1] == b"\x10"


def sampled(data: bytes, bands: Sequence[int], count: int) -> tuple[str, NDArray[Any]] | str | None:
    """Look at an image that `is_deep`.

    Args:
        data: the encoded image.
        bands: that are red, green and blue, counted from 1; none for those that the file names.
        count: of values that are returned at most.

    Returns:
        The type of its values and some of them, drawn at random; None if it has 8 bits after all;
        or why it cannot be read.
    """
    try:
        image = _opened(data, bands)
    except Exception as error:
        return _reason(error)
    if not isinstance(image, Deep):
        return None
    values = image.values[image.valid]
    if not len(values):
        return "no finite number in it"
    if len(values) > count:
        values = values[np.random.RandomState(0).randint(0, len(values), count)]
    return str(image.values.dtype), values


def span_of(values: NDArray[Any]) -> Span:
    """Return the range that values are scaled over: between their quantiles .001 and .999.

    Where these are one, as of a few bright dots on a flat ground, from the least to the largest.
    """
    low, high = np.quantile(values, _QUANTILES, method="nearest")
    if low == high:
        low, high = values.min(), values.max()
    return Span(*(float(f"{value:.6g}") for value in (low, high)))


def scaling(which: str, first: Mapping[str, str], span: Span, *, found: bool) -> str:
    """Say how images of more than 8 bits are scaled.

    Args:
        which: images have them, as the beginning of a sentence.
        first: a file of each type of values, as `sampled` tells it.
        span: what they are scaled over.
        found: whether that is by `span_of`, and not given.

    Raises:
        ValueError: whole numbers beside floating-point ones, which no one factor fits.
    """
    kinds = {np.dtype(name).kind == "f": (name, file) for name, file in first.items()}
    if len(kinds) > 1:
        (one, a), (two, b) = kinds.values()
        raise ValueError(
            f"The archive holds images of {one} ({a}) and of {two} ({b}), and all are scaled by "
            "one factor. Store them in one type, or give an archive of each."
        )
    low, high = (f"{value:.6g}" for value in span)
    how = (
        f"the quantiles {' and '.join(map(str, _QUANTILES))} of their values; --range {low},{high} "
        "reads other images alike"
    )
    return (
        f"{which} have more than 8 bits ({', '.join(sorted(first))}) and are scaled by one factor "
        f"for all: {low} becomes black, {high} white "
        f"({how if found else 'as the range says that was given'})."
    )


def squared(data: bytes, size: int, bands: Sequence[int], span: Span | None) -> bytes | str:
    """Return the pixels uint8 [3, S, S] of an encoded image, or why there are none.

    Args:
        data: the encoded image.
        size: S.
        bands: see `sampled`.
        span: of the images that have more than 8 bits.
    """
    try:
        image = _opened(data, bands, 2 * size)
        rgb = _scaled(image, span) if isinstance(image, Deep) else _to_rgb(image)
        rgb.load()
    except Exception as error:  # decoders raise nearly anything on damaged bytes
        return _reason(error)
    fits = rgb.size == (size, size)
    square = rgb if fits else rgb.resize((size, size), Image.Resampling.BILINEAR)
    return b"".join(square.tobytes("raw", band) for band in "RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no JPEG, PNG, TIFF, WebP or BMP image"
    if isinstance(error, _UnfitError):
        return str(error)
    return f"cannot be decoded: {in_one_line(error)}"


class _UnfitError(Exception):
    """The image is whole, and not what was asked for."""


class _Stored(NamedTuple):
    """All bands of an image, and what the file says of them."""

    values: NDArray[Any]
    bits: str
    alpha: bool = False
    inverted: bool = False
    nodata: float = np.nan


# ------------------------------------------------------------------ what is in the file


def _opened(data: bytes, bands: Sequence[int], draft: int = 0) -> Image.Image | Deep:
    """Open an image, of which 8 bits are not decoded yet."""
    if data.startswith(_TIFF):
        return _opened_tiff(data, bands)
    image = Image.open(BytesIO(data), formats=_FORMATS)
    if _is_deep_png(data):
        return _picked(_deep_png(data), bands)
    if draft:
        image.draft(None, (draft, draft))
    return _chosen(image, bands)


def _deep_png(data: bytes) -> _Stored:
    """Read both bytes of each number, of which Pillow keeps one in colours and beside alpha."""
    image = Image.open(BytesIO(data), formats=("PNG",))
    if not image.tile:
        raise ValueError("the PNG holds no pixels")
    packing = image.tile[0][3]
    if packing not in _BOTH_BYTES:
        return _Stored(np.asarray(image)[np.newaxis], "16 bits")
    decoded = [np.asarray(_unpacked(data, one)).astype(np.uint16) for one in _BOTH_BYTES[packing]]
    if packing == "LA;16B":  # as if grey and alpha had two bands of 8 bits each
        decoded = [decoded[0][..., :1], decoded[0][..., 1:2]]
    values_KHW = (decoded[0] * 256 + decoded[1]).transpose(2, 0, 1)
    return _Stored(values_KHW, "16 bits", alpha=len(values_KHW) == 4)


def _unpacked(data: bytes, packing: str) -> Image.Image:
    image = Image.open(BytesIO(data), formats=("PNG",))
    image.tile = [image.tile[0]._replace(args=packing)]
    return image


def _chosen(image: Image.Image, bands: Sequence[int]) -> Image.Image:
    """Take the bands of an image of 8 bits."""
    if not bands:
        return image
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = _to_rgb(image)
    parts = image.split()
    _check_bands(bands, len(parts))
    return Image.merge("RGB", [parts[band - 1] for band in bands])


def _to_rgb(image: Image.Image) -> Image.Image:
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns on the direct way
    return image if image.mode == "RGB" else image.convert("RGB")


def _check_bands(bands: Sequence[int], count: int) -> None:
    if max(bands) > count:
        raise _UnfitError(f"has {count} bands, no band {max(bands)}")


def _picked(stored: _Stored, bands: Sequence[int]) -> Image.Image | Deep:
    """Take the bands of numbers as they are stored."""
    values_KHW = stored.values
    if bands:
        _check_bands(bands, len(values_KHW))
        values_KHW = values_KHW[[band - 1 for band in bands]]
    else:
        _check_colours(len(values_KHW) - stored.alpha, stored.bits)
        values_KHW = values_KHW[: len(values_KHW) - stored.alpha]
    if values_KHW.dtype == np.uint8:
        return _image(255 - values_KHW if stored.inverted else values_KHW)
    valid_KHW = np.isfinite(values_KHW) & (values_KHW != stored.nodata)
    return Deep(values_KHW, valid_KHW, stored.inverted)


def _check_colours(count: int, bits: str) -> None:
    if count not in (1, 3):
        such = {2: "1,2,1", 4: "3,2,1"}.get(count, "4,3,2")
        raise _UnfitError(
            f"{count} bands of {bits}: choose red, green and blue, such as --bands {such}"
        )


def _scaled(image: Deep, span: Span | None) -> Image.Image:
    """Scale an image over a range: below is black, above is white, and no data is black."""
    assert span is not None  # it was looked for, in all images that `is_deep`
    width = span.high - span.low or math.inf
    pixels = np.zeros(image.values.shape, np.uint8)
    step = max(1, _AT_ONCE // image.values.shape[-1])
    for row in range(0, image.values.shape[-2], step):
        rows = (slice(None), slice(row, row + step))
        valid = np.where(image.valid[rows], image.values[rows], span.low).astype(np.float64)
        grey = np.rint(((valid - span.low) * 255 / width).clip(0, 255))
        np.copyto(pixels[rows], 255 - grey if image.inverted else grey, "unsafe", image.valid[rows])
    return _image(pixels)


def _image(pixels_KHW: NDArray[np.uint8]) -> Image.Image:
    """Turn 1 or 3 bands into red, green and blue."""
    rgb_3HW = np.broadcast_to(pixels_KHW, (3, *pixels_KHW.shape[1:]))
    return Image.fromarray(np.ascontiguousarray(rgb_3HW.transpose(1, 2, 0)))


# ------------------------------------------------------------------ TIFF


def _opened_tiff(data: bytes, bands: Sequence[int]) -> Image.Image | Deep:
    """Leave to Pillow what it reads in full, and that is all of 8 bits; take the rest by tifffile.

    Pages of one size are bands, unless they are reduced, as in a pyramid.
    """
    import tifffile  # here, as few archives hold such an image

    logging.getLogger("tifffile").addHandler(_SILENT)
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        pages = _whole_pages(tiff)
        page = pages[0]
        if page.photometric not in _PLAIN or page.dtype is None or page.bitspersample < 8:
            return _chosen(_by_pillow(page, data), bands)
        alpha = page.extrasamples[-1:] in _ALPHA
        bits = f"{page.bitspersample} bits" + ", floating-point" * (page.dtype.kind == "f")
        bits += f", in {len(pages)} pages" * (len(pages) > 1)
        if not bands:
            _check_colours(len(pages) * page.samplesperpixel - alpha, bits)
            if page.dtype == np.uint8 and len(pages) == 1:
                with suppress(_UnfitError):
                    return _by_pillow(page, data)
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        return _picked(_Stored(_values(pages, data), bits, alpha, inverted, _nodata(page)), bands)


def _by_pillow(page: Any, data: bytes) -> Image.Image:
    try:
        return Image.open(BytesIO(data), formats=("TIFF",))
    except UnidentifiedImageError as error:
        raise _UnfitError(
            f"a TIFF of {page.samplesperpixel} bands of {page.bitspersample} bits, colours "
            f"{getattr(page.photometric, 'name', page.photometric)}, which is not read"
        ) from error


def _whole_pages(tiff: "TiffFile") -> list[Any]:
    """The first page, and those that are like it."""
    try:
        first: Any = tiff.pages.first
    except IndexError as error:
        raise ValueError("the TIFF holds no image") from error
    like = (first.shape, first.dtype)
    _check_size(first, 1)
    others: Any = itertools.islice(tiff.pages, 1, _MAX_PAGES + 1)
    pages = [first, *(p for p in others if (p.shape, p.dtype) == like and not p.is_reduced)]
    _check_size(first, len(pages))
    return pages


def _check_size(page: Any, count: int) -> None:
    num_bytes = count * math.prod(page.shape) * getattr(page.dtype, "itemsize", 1)
    if num_bytes > _MAX_BYTES:
        raise _UnfitError(f"{num_bytes:,} bytes when decoded; {_MAX_BYTES:,} are allowed")


def _nodata(page: Any) -> float:
    """What stands for "no data", as GDAL writes it; none where nothing does."""
    with suppress(AttributeError, ValueError, TypeError):
        return float(page.tags.get(_NODATA).value)
    return math.nan


def _values(pages: Sequence[Any], data: bytes) -> NDArray[Any]:
    """Decode all bands [K, H, W]."""
    page = pages[0]
    if page.dtype.kind not in "uif":
        raise _UnfitError(f"{page.dtype} numbers; store real ones, such as their magnitude")
    try:
        return np.concatenate([_bands_first(page) for page in pages])
    except (ValueError, NotImplementedError, ImportError) as error:
        if "imagecodecs" not in str(error) and not isinstance(error, ImportError):
            raise
        with suppress(_UnfitError):
            if len(pages) == 1 and page.samplesperpixel in (1, 3) and page.photometric:
                image = _by_pillow(page, data)
                if image.mode in _SAME.get(page.dtype.str[1:], ()):
                    return np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)
        packing = getattr(page.compression, "name", page.compression)
        raise _UnfitError(
            f"{page.bitspersample} bits, compression {packing}: needs imagecodecs, "
            'pip install "rnsl-tutorial[tiff]"'
        ) from error


def _bands_first(page: Any) -> NDArray[Any]:
    """Decode a page to [K, H, W], however its bands are laid out."""
    at = (page.axes.index("Y"), page.axes.index("X"))
    values: NDArray[Any] = np.moveaxis(page.asarray(maxworkers=1), at, (-2, -1))
    return values.reshape(-1, *values.shape[-2:])
