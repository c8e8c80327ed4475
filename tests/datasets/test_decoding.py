"""Images of more than 8 bits, of more than three bands, and bytes that are damaged."""

import importlib.util
import io
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from rnsl_tutorial.datasets import Archive, Reading, load_archive
from rnsl_tutorial.datasets._decoding import Span, sampled, squared

SIDE = 16
COUNT = 6
Values = NDArray[Any]  # [bands, H, W]


def drawn(kind: type, bands: int, low: float, high: float) -> list[Values]:
    """Six images, each of its own brightness."""
    rng = np.random.RandomState(0)
    shape = (bands, SIDE, SIDE)
    return [
        (low + (high - low) * rng.uniform(0, (i + 1) / COUNT, shape)).astype(kind)
        for i in range(COUNT)
    ]


def tiff(values: Values, *, last: bool = True, **options: Any) -> bytes:
    """Encode bands; ``last`` interleaves them."""
    buffer = io.BytesIO()
    laid_out = values.transpose(1, 2, 0) if last else values
    if len(values) == 1:
        laid_out = values[0]
    usual = {"photometric": "minisblack", **({"planarconfig": "contig"} if last else {})}
    tifffile.imwrite(buffer, laid_out, **{**usual, **options})
    return buffer.getvalue()


def png(values: Values) -> bytes:
    """Encode uint16 as PNG of 16 bits, which Pillow writes for grey alone."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values.transpose(1, 2, 0))
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 16, {1: 0, 2: 4, 3: 2, 4: 6}[len(values)], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def pillow(values: Values, kind: str = "TIFF", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = values[0] if len(values) == 1 else values.transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def written(folder: Path, images: Sequence[bytes], suffix: str = ".tif") -> Path:
    """An archive of two classes."""
    for i, data in enumerate(images):
        path = folder / "archive" / "ab"[i % 2] / f"{i}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / "archive"


def load(root: Path, *, size: int = SIDE, **reading: Any) -> Archive:
    return load_archive(
        root, size, Reading(**reading), cache=root.parent / "cache", progress=False, workers=2
    )


def in_order(archive: Archive) -> Sequence[Values]:
    """The images as they were drawn: by number, not by class."""
    order = np.argsort([int(Path(file).stem) for file in archive.files])
    return [archive.images[i] for i in order]


def scaled(images: Sequence[Values], low: float, high: float) -> list[Values]:
    """By the formula: one factor for all images and bands."""
    grey = [np.clip((image.astype(float) - low) * 255 / (high - low), 0, 255) for image in images]
    return [np.broadcast_to(np.rint(image), (3, SIDE, SIDE)).astype(np.uint8) for image in grey]


def quantiles(images: Sequence[Values]) -> tuple[float, float]:
    values = np.sort(np.concatenate([image[np.isfinite(image)] for image in images]))
    last = len(values) - 1
    low, high = values[round(0.001 * last)], values[round(0.999 * last)]
    return float(f"{low:.6g}"), float(f"{high:.6g}")


BITS_11 = drawn(np.uint16, 3, 40, 2047)
GREY_11 = drawn(np.uint16, 1, 40, 2047)
KINDS: dict[str, tuple[Callable[[Values], bytes], list[Values]]] = {
    "bands last": (lambda v: tiff(v, photometric="rgb"), BITS_11),
    "bands last, not said to be colours": (tiff, BITS_11),
    "bands first": (lambda v: tiff(v, last=False, planarconfig="separate"), BITS_11),
    "a page for each band": (lambda v: tiff(v, last=False, volumetric=False), BITS_11),
    "tiles": (lambda v: tiff(v, tile=(16, 16)), BITS_11),
    "strips, deflate, predictor": (lambda v: tiff(v, compression="zlib", rowsperstrip=5), BITS_11),
    "big TIFF": (lambda v: tiff(v, bigtiff=True), BITS_11),
    "the other byte order": (lambda v: tiff(v, byteorder=">"), BITS_11),
    "alpha": (
        lambda v: tiff(np.concatenate([v, v[:1]]), photometric="rgb", extrasamples=[2]),
        BITS_11,
    ),
    "grey": (tiff, GREY_11),
    "grey, LZW": (lambda v: pillow(v, compression="tiff_lzw"), GREY_11),
    "10 bits": (tiff, drawn(np.uint16, 3, 0, 1023)),
    "12 bits": (tiff, drawn(np.uint16, 3, 0, 4095)),
    "16 bits": (tiff, drawn(np.uint16, 3, 0, 65535)),
    "8 bits in 16": (tiff, drawn(np.uint16, 3, 0, 255)),
    "below zero": (tiff, drawn(np.int16, 3, -500, 2000)),
    "8 bits with a sign": (tiff, drawn(np.int8, 3, -100, 100)),
    "32 bits": (tiff, drawn(np.uint32, 3, 0, 4e9)),
    "64 bits": (tiff, drawn(np.int64, 1, -4e9, 4e9)),
    "half floats": (tiff, drawn(np.float16, 3, 0, 1)),
    "floats": (tiff, drawn(np.float32, 3, 0, 1)),
    "large floats": (tiff, drawn(np.float32, 1, -1e6, 1e6)),
    "doubles": (tiff, drawn(np.float64, 3, -2, 3)),
    "png": (png, BITS_11),
    "png, grey": (png, GREY_11),
    "png, grey, by Pillow": (lambda v: pillow(v, "PNG"), GREY_11),
    "png, alpha": (lambda v: png(np.concatenate([v, v[:1]])), BITS_11),
    "png, grey, alpha": (lambda v: png(np.concatenate([v, v[:1]])), GREY_11),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_more_than_8_bits_is_scaled_by_one_factor_for_all(tmp_path, kind):
    write, images = KINDS[kind]
    archive = load(written(tmp_path, [write(image) for image in images]))
    low, high = quantiles(images)
    np.testing.assert_array_equal(in_order(archive), scaled(images, low, high))
    (note,) = archive.notes
    assert note.startswith(f"6 of 6 images have more than 8 bits ({images[0].dtype}) and are ")
    assert archive.reading == Reading(span=(low, high))
    assert f"{low:.6g} becomes black, {high:.6g} white" in note
    assert archive.skipped == ()


def test_low_values_are_bright_where_the_file_says_so(tmp_path):
    root = written(tmp_path, [tiff(image, photometric="miniswhite") for image in GREY_11])
    expected = [255 - image.astype(int) for image in scaled(GREY_11, *quantiles(GREY_11))]
    assert np.abs(np.array(in_order(load(root)), int) - expected).max() <= 1, "rounding of halves"


@pytest.mark.parametrize("where", [np.nan, np.inf, -np.inf, -9999.0])
def test_what_is_no_number_or_no_data_is_black_and_does_not_widen_the_range(tmp_path, where):
    images = drawn(np.float32, 3, 0, 1)
    expected = scaled(images, *quantiles([image[:, 4:] for image in images]))
    for image, pixels in zip(images, expected, strict=True):
        image[:, :4] = where
        pixels[:, :4] = 0
    tag = {"extratags": [(42113, "s", 0, str(where), True)]} if where == -9999 else {}
    root = written(tmp_path, [tiff(image, **tag) for image in images])
    np.testing.assert_array_equal(in_order(load(root)), expected)


def test_a_hot_pixel_leaves_the_others_as_they_are(tmp_path):
    images = [image.copy() for image in BITS_11]
    images[2][:, 3, 3] = 65535
    pixels = in_order(load(written(tmp_path, [tiff(image) for image in images])))
    without = scaled(BITS_11, *quantiles(BITS_11))
    assert (pixels[2][:, 3, 3] == 255).all()
    assert np.abs(np.delete(pixels, 2, 0).astype(int) - np.delete(without, 2, 0)).max() <= 4


@pytest.mark.parametrize(("dots", "levels"), [(0, {0}), (1, {0, 255})])
def test_images_that_are_all_alike_are_black_but_for_their_dots(tmp_path, dots, levels):
    images = [np.full((1, SIDE, SIDE), 700, np.uint16) for _ in range(COUNT)]
    images[0][0, 0, :dots] = 900
    archive = load(written(tmp_path, [tiff(image) for image in images]))
    assert {*np.unique(archive.images).tolist()} == levels


def test_images_of_8_bits_beside_them_stay_as_they_are_and_that_is_said(tmp_path):
    eight = [(image // 8).astype(np.uint8) for image in BITS_11[3:]]
    data = [tiff(image) for image in BITS_11[:3]] + [pillow(image) for image in eight]
    archive = load(written(tmp_path, data))
    expected = [*scaled(BITS_11[:3], *quantiles(BITS_11[:3])), *eight]
    np.testing.assert_array_equal(in_order(archive), expected)
    assert archive.notes[0].startswith("3 of 6 images have more than 8 bits (uint16)")
    assert archive.notes[0].endswith(" The other 3 are taken as they are.")


def test_whole_numbers_and_floating_ones_have_no_factor_in_common(tmp_path):
    data = [tiff(image) for image in BITS_11[:3]] + [tiff(image / 2047) for image in BITS_11[3:]]
    with pytest.raises(ValueError, match=r"of uint16 \(a/0\.tif\) and of float64 \(a/4\.tif\)"):
        load(written(tmp_path, data))


def test_a_range_that_is_given_is_the_one_that_is_used(tmp_path):
    root = written(tmp_path, [tiff(image) for image in BITS_11])
    archive = load(root, span=(100, 900))
    np.testing.assert_array_equal(in_order(archive), scaled(BITS_11, 100, 900))
    assert archive.reading == Reading(span=(100, 900))
    assert "100 becomes black, 900 white (as the range says" in archive.notes[0]


# ------------------------------------------------------------------ bands

BANDS_13 = drawn(np.uint16, 13, 0, 10000)
BANDS_4 = [(image[:4] // 40).astype(np.uint8) for image in BANDS_13]
PLANAR = {"last": False, "planarconfig": "separate"}
MANY: dict[str, tuple[list[bytes], str]] = {
    "bands last": ([tiff(v) for v in BANDS_13], "13 bands of 16 bits: .*--bands 4,3,2"),
    "bands first": ([tiff(v, **PLANAR) for v in BANDS_13], "13 bands of 16 bits"),
    "pages": ([tiff(v, last=False, volumetric=False) for v in BANDS_13], "13 bands of 16 bits"),
    "floats": ([tiff(v.astype(np.float32)) for v in BANDS_13], "13 bands of 32 bits, floating"),
    "4 of 8 bits": ([tiff(v) for v in BANDS_4], "4 bands of 8 bits: .*--bands 3,2,1"),
    "4 of 8 bits, colours and one more": (
        [tiff(v, photometric="rgb", extrasamples=[0]) for v in BANDS_4],
        "4 bands of 8 bits",
    ),
    "4 pages of 8 bits": ([tiff(v, last=False, volumetric=False) for v in BANDS_4], "4 bands of 8"),
    "2 of 16 bits": ([tiff(v[:2]) for v in BANDS_13], "2 bands of 16 bits: .*--bands 1,2,1"),
    "2 of 8 bits": ([tiff(v[:2]) for v in BANDS_4], "2 bands of 8 bits"),
}


@pytest.mark.parametrize("kind", MANY)
def test_bands_whose_colours_are_not_known_are_refused_by_their_number(tmp_path, kind):
    data, said = MANY[kind]
    with pytest.raises(ValueError, match=rf"^6 of 6 images in .* cannot be used: .* \({said}"):
        load(written(tmp_path, data))


@pytest.mark.parametrize("kind", MANY)
def test_bands_that_are_chosen_are_taken_in_their_order(tmp_path, kind):
    data, _ = MANY[kind]
    wide = {"2": (2, 1, 2), "4": (4, 3, 2)}.get(kind[0], (4, 3, 13))
    archive = load(written(tmp_path, data), bands=wide)
    if "of 8 bits" in kind:
        expected = [image[[band - 1 for band in wide]] for image in BANDS_4]
        assert archive.notes == ()
    else:
        chosen = [image[[band - 1 for band in wide]] for image in BANDS_13]
        expected = scaled(chosen, *quantiles(chosen))
    np.testing.assert_array_equal(in_order(archive), expected)


@pytest.mark.parametrize(
    "write",
    [pillow, lambda v: pillow(v, "PNG"), lambda v: pillow(v, compression="tiff_lzw"), tiff],
)
def test_the_bands_of_any_image_of_8_bits_are_chosen(tmp_path, write):
    eight = [image[:3] for image in BANDS_4]
    archive = load(written(tmp_path, [write(image) for image in eight]), bands=(3, 1, 1))
    np.testing.assert_array_equal(in_order(archive), [image[[2, 0, 0]] for image in eight])


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        ({"bands": (1, 2, 14)}, r"^6 of 6 images .*/5\.tif \(has 13 bands, no band 14\)"),
        ({"bands": (1, 2)}, r"bands is \(1, 2\); give three numbers"),
        ({"bands": (0, 1, 2)}, r"bands is \(0, 1, 2\); .* The first band is 1"),
        ({"bands": (1, 2, 3.0)}, "bands is"),
        ({"span": (5, 5)}, r"range is \(5, 5\); give two numbers"),
        ({"span": (5, np.inf)}, "range is"),
        ({"span": (1, 2, 3)}, "range is"),
    ],
)
def test_bands_and_ranges_that_are_none(tmp_path, reading, said):
    root = written(tmp_path, [tiff(image) for image in BANDS_13])
    with pytest.raises(ValueError, match=said):
        load(root, **reading)


def test_bands_and_range_have_pixels_of_their_own_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("rnsl_tutorial.datasets.archives._SETTLED_NS", -(10**18))
    root = written(tmp_path, [tiff(image) for image in BANDS_13])
    asked = [
        {"bands": (1, 2, 3)}, {"bands": (3, 2, 1)}, {"bands": (1, 2, 3), "span": (0, 500)},
    ]  # fmt: skip
    first = [load(root, **reading) for reading in asked]
    monkeypatch.setattr("rnsl_tutorial.datasets.archives._read", None)  # nothing is read again
    again = [load(root, **reading) for reading in asked]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        assert one[3:] == other[3:]
    assert len({archive.images.tobytes() for archive in first}) == 3
    np.testing.assert_array_equal(first[0].images, first[1].images[:, ::-1])


# ------------------------------------------------------------------ what cannot be read

OTHERS = {
    "complex": (tiff(np.ones((1, SIDE, SIDE), np.complex64)), "complex64 numbers; store real ones"),
    "no finite value": (tiff(np.full((3, SIDE, SIDE), np.nan, np.float32)), "no finite number"),
    "no TIFF": (b"II*\0" + bytes(30), "cannot be decoded"),
    "cut": (tiff(BITS_11[0])[:700], "cannot be decoded"),
    "cut png": (png(BITS_11[0])[:300], "cannot be decoded"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_cannot_be_read_is_named_or_skipped(tmp_path, kind):
    data, said = OTHERS[kind]
    root = written(tmp_path, [data, *(tiff(image) for image in BITS_11[1:])])
    with pytest.raises(ValueError, match=rf"1 of 6 images .*: a/0\.tif \({said}"):
        load(root)
    archive = load(root, skip_broken=True)
    assert [file for file, _ in archive.skipped] == ["a/0.tif"]
    np.testing.assert_array_equal(in_order(archive), scaled(BITS_11[1:], *quantiles(BITS_11[1:])))


@pytest.mark.skipif(importlib.util.find_spec("imagecodecs") is not None, reason="it is there")
def test_a_compression_that_needs_more_names_what_it_needs(tmp_path):
    tag = struct.pack("<HHI", 259, 3, 1)
    data = [tiff(image).replace(tag + b"\1", tag + b"\5") for image in BITS_11]
    said = r'\(uint16 compressed by LZW needs imagecodecs: pip install "rnsl-tutorial\[tiff\]"\)'
    with pytest.raises(ValueError, match=said):
        load(written(tmp_path, data))


def test_a_small_file_that_says_it_is_large_is_not_decoded(tmp_path):
    data = tiff(BITS_11[0])
    for tag in (256, 257):  # width and height
        said, large = (struct.pack("<HHII", tag, 4, 1, side) for side in (SIDE, 65535))
        assert data.count(said) == 1
        data = data.replace(said, large)
    with pytest.raises(ValueError, match=r"25,769,017,350 bytes when decoded; 268,435,456 are"):
        load(written(tmp_path, [data] * 2))


WHOLE = {
    "JPEG": pillow(BANDS_4[0][:3], "JPEG"),
    "PNG": pillow(BANDS_4[0][:3], "PNG"),
    "TIFF": pillow(BANDS_4[0][:3]),
    "WebP": pillow(BANDS_4[0][:3], "WEBP"),
    "BMP": pillow(BANDS_4[0][:3], "BMP"),
    "PNG of 16 bits": png(BITS_11[0]),
    "TIFF of 16 bits": tiff(BITS_11[0], compression="zlib"),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_damaged_bytes_give_pixels_or_a_reason(kind):
    whole = np.frombuffer(WHOLE[kind], np.uint8)
    rng, reasons = np.random.RandomState(0), []
    for _ in range(200):
        damaged = whole.copy()
        damaged[rng.randint(0, damaged.size, 3)] = rng.randint(0, 256, 3)
        data = damaged.tobytes()
        seen, decoded = sampled(data, (), 10), squared(data, 8, (), Span(0, 2047))
        assert seen is None or isinstance(seen, str) or len(seen[1]) <= 10
        if isinstance(decoded, str):
            reasons.append(decoded)
        else:
            assert len(decoded) == 3 * 8 * 8
    assert all(reasons)
    assert kind == "BMP" or reasons
