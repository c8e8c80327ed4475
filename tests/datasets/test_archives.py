import errno
import io
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import textwrap
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from aid_counts import AID_COUNTS, GOLDEN_FINGERPRINT, files_by_class, fingerprint_of
from PIL import Image

from rnsl_tutorial.datasets import _listing, archives
from rnsl_tutorial.datasets.archives import Archive, Reading, load_archive
from rnsl_tutorial.datasets.features import load_shipped_features
from rnsl_tutorial.datasets.splits import paper_split, stratified_split

SIDE = 12
FILES = (
    "Airport/airport_1.png",
    "Airport/airport_10.png",
    "Airport/airport_2.png",
    "Beach/beach_1.png",
    "Beach/beach_2.png",
)


def pixels_of(file: str) -> np.ndarray:
    """The pixels uint8 [12, 12, 3] of a file: noise, seeded by its name."""
    return np.random.RandomState(zlib.crc32(file.encode())).randint(
        0, 256, (SIDE, SIDE, 3), dtype=np.uint8
    )


def expected_images() -> np.ndarray:
    return np.stack([pixels_of(file) for file in FILES]).transpose(0, 3, 1, 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two class folders, alone in its parent."""
    root = tmp_path / "unpacked" / "AID"
    for file in reversed(FILES):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels_of(file)).save(path)
    return root


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def load(root: Path, cache: Path, size: int = SIDE, **kwargs) -> Archive:
    return load_archive(root, size, cache=cache, **{"progress": False, "workers": 2, **kwargs})


def pack(folder: Path, kind: str, top: str = "") -> Path:
    """Pack the folder, its contents below ``top``, beside its parent; "folder" leaves it alone."""
    if kind == "folder":
        return folder
    path = folder.parent.parent / f"packed.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.rglob("*"), reverse=True):
                archive.write(file, top + file.relative_to(folder).as_posix())
    else:
        with tarfile.open(path, "w:" + kind.partition(".")[2]) as archive:
            archive.add(folder, top or ".")
    return path


def add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(pixels: np.ndarray, **options) -> bytes:
    return encoded(Image.fromarray(pixels), "PNG", **options)


def tiff(pixels: np.ndarray) -> bytes:
    return encoded(Image.fromarray(pixels), "TIFF")


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def cached(cache: Path, suffix: str = "") -> list[Path]:
    return sorted(cache.glob(f"archives/*{suffix}"))


def forbid(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*args, **kwargs):
        raise AssertionError(f"{name} was called")

    monkeypatch.setattr(archives, name, fail)


def trust_young_time_stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_SETTLED_NS", -(10**18))


def assert_expected(archive: Archive) -> None:
    assert archive.files == FILES
    assert archive.class_names == ("Airport", "Beach")
    np.testing.assert_array_equal(archive.labels, [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(archive.images, expected_images())


# --- What an archive is ---------------------------------------------------------------------------


@pytest.mark.parametrize("top", ["", "./", "AID/", "data/AID/", "/abs/AID/"])
@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_packed_archive(folder, cache, kind, top):
    archive = load(pack(folder, kind, top), cache)
    assert_expected(archive)


@pytest.mark.parametrize("levels_up", [0, 1])
def test_folder(folder, cache, levels_up):
    archive = load([folder, folder.parent][levels_up], cache)
    assert_expected(archive)
    assert archive.images.dtype == np.uint8
    assert archive.labels.dtype == np.int64
    assert isinstance(archive.images, np.memmap)
    assert not archive.images.flags.writeable


def test_root_may_be_a_string_and_the_cache_follows_the_environment(folder, cache, monkeypatch):
    monkeypatch.setenv("RNSL_CACHE", str(cache))
    assert_expected(load_archive(str(folder), SIDE, progress=False))
    assert len(cached(cache, ".npy")) == 1


def test_every_packing_shares_one_cache_file(folder, cache):
    for root in [folder, pack(folder, "tar"), pack(folder, "zip", "AID/")]:
        load(root, cache)
    assert len(cached(cache, ".npy")) == 1


def test_an_image_is_known_by_its_bytes_after_a_move(folder, cache):
    digests = dict(zip(FILES, load(folder, cache).digests, strict=True))
    (folder / FILES[0]).rename(folder / "Beach" / "moved.png")
    moved = load(folder, cache)
    assert len({*digests.values()}) == len(FILES)
    assert moved.digests[moved.files.index("Beach/moved.png")] == digests[FILES[0]]
    assert load(folder, cache).digests == moved.digests, "the cache has them too"


def test_two_sizes_are_two_cache_files(folder, cache):
    assert load(folder, cache, 5).images.shape == (5, 3, 5, 5)
    assert load(folder, cache, 7).images.shape == (5, 3, 7, 7)
    assert load(folder, cache, 5).images.shape == (5, 3, 5, 5)
    assert len(cached(cache, ".npy")) == 2


def scatter_strays(folder: Path) -> None:
    (folder / "Airport" / "more").mkdir()
    (folder / ".hidden").mkdir()
    (folder / "__MACOSX").mkdir()
    image = folder / FILES[0]
    for stray in ["more/deep.png", "._airport_1.png", ".DS_Store", "Thumbs.db", "notes.txt"]:
        shutil.copy(image, folder / "Airport" / stray)
    for stray in ["overview.png", ".DS_Store", ".hidden/a.png", "__MACOSX/a.png", "readme.md"]:
        shutil.copy(image, folder / stray)


NESTED = "a folder within a class folder; --nested reads its images"
STRAYS = {
    "overview.png": "beside the class folders",
    "readme.md": "beside the class folders",
    "Airport/Thumbs.db": "no image, by its name",
    "Airport/notes.txt": "no image, by its name",
}


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
def test_strays_are_passed_over_and_told(folder, cache, kind, again, monkeypatch):
    scatter_strays(folder)
    root = pack(folder, kind, "top/" if again else "")
    if again:
        trust_young_time_stamps(monkeypatch)
        load(root, cache)
        forbid(monkeypatch, "read")
    archive = load(root, cache)
    assert_expected(archive)
    assert dict(archive.skipped) == {"Airport/more/": NESTED, **STRAYS}


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
def test_nested_folders_count_where_they_are_asked_for(folder, cache, kind):
    scatter_strays(folder)
    root = pack(folder, kind)
    archive = load(root, cache, reading=Reading(nested=True))
    assert archive.files == (*FILES[:3], "Airport/more/deep.png", *FILES[3:])
    assert archive.labels.tolist() == [0, 0, 0, 0, 1, 1]
    assert dict(archive.skipped) == STRAYS
    assert_expected(load(root, cache))


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
@pytest.mark.parametrize("flat", [False, True])
def test_images_without_labels_may_lie_anywhere(folder, cache, kind, flat):
    """In class folders, or in one folder of all images."""
    scatter_strays(folder)
    if flat:
        for path in [*folder.glob("[A-Z]*/**/[a-z]*.png")]:
            shutil.move(path, folder / path.name)
    archive = load(pack(folder, kind, "top/"), cache, labelled=False)
    files = (*FILES[:3], "Airport/more/deep.png", *FILES[3:], "overview.png")
    expected = tuple(sorted(file.split("/")[-1] for file in files)) if flat else files
    assert archive.files == expected
    assert archive.class_names == ()
    assert archive.labels.tolist() == [-1] * 7
    assert archive.images[archive.files.index(expected[-1])].tobytes() in {
        image.tobytes() for image in expected_images()
    }
    assert {why for _, why in archive.skipped} == {"no image, by its name"}


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="there are no links here")
def test_a_link_that_leads_back_is_followed_once(folder, cache):
    (folder / "Airport" / "back").symlink_to(folder)
    archive = load(folder, cache, labelled=False)
    assert archive.files == FILES
    assert archive.skipped == (("Airport/back/", "a link to a folder around it"),)


def test_suffixes_count_in_any_case(folder, cache):
    names = {"a.JPG": "JPEG", "b.Jpeg": "JPEG", "c.TIF": "TIFF", "d.tiff": "TIFF"}
    for name, kind in names.items():
        Image.fromarray(pixels_of(FILES[0])).save(folder / "Beach" / name, kind)
    beaches = files_by_class(load(folder, cache).files)["Beach"]
    assert [Path(file).name for file in beaches] == [
        *("a.JPG", "b.Jpeg", "beach_1.png", "beach_2.png", "c.TIF", "d.tiff")
    ]


def test_linked_class_folders_and_images_count(folder, cache, tmp_path):
    (folder / "Beach").rename(tmp_path / "elsewhere")
    (folder / "Beach").symlink_to(tmp_path / "elsewhere")
    (folder / FILES[0]).rename(tmp_path / "first.png")
    (folder / FILES[0]).symlink_to(tmp_path / "first.png")
    assert_expected(load(folder, cache))


def test_a_dangling_link_is_not_lost_in_silence(folder, cache):
    (folder / "Beach" / "gone.png").symlink_to("nowhere.png")
    with pytest.raises(ValueError, match=r"Beach/gone\.png \(No such file or directory\)"):
        load(folder, cache)


def test_a_folder_without_an_end_is_refused(folder, cache, monkeypatch):
    monkeypatch.setattr(_listing, "_MAX_ENTRIES", 6)
    with pytest.raises(ValueError, match="AID holds more than 6 files and folders"):
        load(folder, cache, labelled=False)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_link_to_a_pipe_is_not_waited_for(folder, cache, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (folder / "Beach" / "2.png").symlink_to(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"Beach/2\.png \(a device or pipe\)"):
        load(folder, cache)


def test_links_and_doubles_in_a_tar(folder, cache):
    path = pack(folder, "tar")
    with tarfile.open(path, "a") as archive:
        for name, kind in {"symbolic": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}.items():
            info = tarfile.TarInfo(f"./Beach/{name}.png")
            info.type, info.linkname = kind, "./" + FILES[0]
            archive.addfile(info)
        device = tarfile.TarInfo("./Beach/device.png")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
        add_bytes(archive, "./" + FILES[1], (folder / FILES[0]).read_bytes())
    archive = load(path, cache)
    assert archive.files == (*FILES, "Beach/hard.png")
    expected = expected_images()
    expected[1] = expected[0]  # the later of two members of one name is the one that counts
    np.testing.assert_array_equal(archive.images, [*expected, expected[0]])


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
@pytest.mark.parametrize("options", [{}, {"reading": Reading(nested=True)}, {"labelled": False}])
def test_the_files_of_an_archive_are_found_again(folder, cache, kind, options):
    scatter_strays(folder)
    root = pack(folder, kind, "top/")
    archive = load(root, cache, **options)
    found = dict(archive.stored(root))
    assert {*found} == {*archive.files}
    for file, data in found.items():
        assert (data.read_bytes() if kind == "folder" else data) == (folder / file).read_bytes()
    with pytest.raises(ValueError, match=r"gone\.png changed while it was read"):
        [*archive._replace(files=("gone.png", *archive.files[1:])).stored(root)]


def test_odd_names_survive_the_cache(folder, cache):
    (folder / "Beach").rename(folder / "Plage d'été")
    odd = os.fsdecode(b"latin\xe9.png")
    shutil.copy(folder / FILES[0], folder / "Airport" / odd)
    first, second = load(folder, cache), load(folder, cache)
    assert first.files == second.files
    assert f"Airport/{odd}" in first.files
    assert first.class_names == ("Airport", "Plage d'été")


@pytest.mark.parametrize("kind", ["folder", "tar.gz", "zip"])
def test_nothing_is_written_beside_the_archive(folder, cache, tmp_path, kind):
    root = pack(folder, kind)
    cache.mkdir()
    before = snapshot(tmp_path)
    load(root, cache)
    after = snapshot(tmp_path)
    assert len(after) > len(before)
    beside = [name for name in after if not name.startswith(str(cache))]
    assert {name: after[name] for name in beside} == {name: before[name] for name in beside}
    assert [name for name in before if not name.startswith(str(cache))] == beside


def test_progress_bar_only_where_wanted(folder, cache, capsys):
    load(folder, cache, progress=False)
    assert capsys.readouterr().err == ""
    load(folder, cache, size=5, progress=True)
    assert "Decoding AID: 100%" in capsys.readouterr().err


def test_global_random_state_is_untouched(folder, cache):
    before = random.getstate(), np.random.get_state()[1].tolist()
    files = load(folder, cache).files
    paper_split(files_by_class(files))
    stratified_split([0] * 10 + [1] * 10, seed=0)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


# --- Pixels ---------------------------------------------------------------------------------------

RAMP = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE)
RGB = np.stack([RAMP, RAMP + 1, RAMP + 2])


def palette_image() -> Image.Image:
    image = Image.fromarray(RAMP % 4)
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7])
    return image


def bmp_of_4_bits() -> bytes:
    """The palette image by hand: Pillow reads BMPs of 4 bits and writes none."""
    rows = (RAMP[::-1] % 4).reshape(SIDE, SIDE // 2, 2) @ np.array([16, 1], np.uint8)
    pixels = np.pad(rows, ((0, 0), (0, 2))).tobytes()  # rows of whole 4 bytes
    colours = b"".join(bytes([*colour[::-1], 0]) for colour in COLOURS.tolist())
    head = struct.pack("<IIiHHIIiiII", 40, SIDE, SIDE, 1, 4, 0, len(pixels), 0, 0, 4, 4)
    offset = 14 + len(head) + len(colours)
    return struct.pack("<2sIII", b"BM", offset + len(pixels), 0, offset) + head + colours + pixels


GREY = np.stack([RAMP] * 3)
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 8, 7]], np.uint8)
PALETTE = COLOURS[RAMP % 4].transpose(2, 0, 1)
BILEVEL = np.stack([(RAMP > 70).astype(np.uint8) * 255] * 3)
IMAGES = {
    "grey png": (png(RAMP), GREY),
    "grey tiff": (tiff(RAMP), GREY),
    "grey with transparent value": (png(RAMP, transparency=7), GREY),
    "grey with alpha": (encoded(Image.fromarray(np.dstack([RAMP, RAMP]), "LA"), "PNG"), GREY),
    "bilevel": (png(RAMP > 70), BILEVEL),
    "palette": (encoded(palette_image(), "PNG"), PALETTE),
    "palette with alpha": (
        encoded(palette_image(), "PNG", transparency=bytes([0, 9, 255, 3])),
        PALETTE,
    ),
    "rgba": (
        png(np.dstack([*RGB, RAMP])),
        RGB,
    ),
    "cmyk tiff": (
        encoded(Image.fromarray(np.dstack([RAMP, RAMP // 2, RAMP * 0, RAMP * 0]), "CMYK"), "TIFF"),
        np.stack([255 - RAMP, 255 - RAMP // 2, RAMP * 0 + 255]),
    ),
    **{
        f"bmp of {bits} bits": (encoded(image, "BMP"), pixels)
        for bits, image, pixels in (
            (1, Image.fromarray(RAMP > 70), BILEVEL),
            (8, Image.fromarray(RAMP), GREY),
            ("8, in colours", palette_image(), PALETTE),
            (24, Image.fromarray(np.dstack(RGB)), RGB),
            (32, Image.fromarray(np.dstack([*RGB, RAMP]), "RGBA"), RGB),
        )
    },
    "bmp of 4 bits": (bmp_of_4_bits(), PALETTE),
    "webp": (encoded(Image.fromarray(np.dstack(RGB)), "WEBP", lossless=True), RGB),
    "webp with alpha": (
        encoded(Image.fromarray(np.dstack([*RGB, RAMP | 1])), "WEBP", lossless=True, exact=True),
        RGB,
    ),
    "webp that moves": (
        encoded(
            Image.fromarray(np.dstack(RGB)),
            "WEBP",
            lossless=True,
            save_all=True,
            append_images=[Image.fromarray(RAMP)],
        ),
        RGB,
    ),
    "tiff of two pages, the second smaller": (
        encoded(
            Image.fromarray(np.dstack(RGB)),
            "TIFF",
            save_all=True,
            append_images=[Image.fromarray(RAMP[:4, :4])],
        ),
        RGB,
    ),
    "tiff of one bit, CCITT": (
        encoded(Image.fromarray(RAMP > 70), "TIFF", compression="group4"),
        BILEVEL,
    ),
    "tiff of a palette": (encoded(palette_image(), "TIFF"), PALETTE),
}


def replace_first(folder: Path, data: bytes) -> None:
    (folder / FILES[0]).write_bytes(data)


@pytest.mark.parametrize("kind", IMAGES)
def test_every_kind_of_image_becomes_rgb(folder, cache, kind):
    data, expected = IMAGES[kind]
    replace_first(folder, data)
    np.testing.assert_array_equal(load(folder, cache).images[0], expected)


def test_cmyk_jpeg(folder, cache):
    image = Image.new("CMYK", (SIDE, SIDE), (255, 0, 255, 0))
    replace_first(folder, encoded(image, "JPEG", quality=100))
    pixels = load(folder, cache).images[0].astype(int)
    assert abs(pixels - np.array([0, 255, 0])[:, None, None]).max() <= 3


def test_jpeg_of_the_wanted_size_is_decoded_as_pillow_does(folder, cache):
    data = encoded(Image.fromarray(pixels_of("any")), "JPEG")
    replace_first(folder, data)
    expected = np.asarray(Image.open(io.BytesIO(data))).transpose(2, 0, 1)
    np.testing.assert_array_equal(load(folder, cache).images[0], expected)


@pytest.mark.parametrize(("width", "height", "size"), [(50, 30, 8), (5, 9, 16), (1, 1, 4)])
def test_images_are_squashed_by_antialiased_bilinear_interpolation(
    folder, cache, width, height, size
):
    image = Image.fromarray(np.random.RandomState(0).randint(0, 256, (height, width, 3), np.uint8))
    replace_first(folder, encoded(image, "PNG"))
    expected = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(load(folder, cache, size).images[0], expected.transpose(2, 0, 1))


def test_a_fine_checkerboard_becomes_grey(folder, cache):
    board = (np.indices((96, 96)).sum(axis=0) % 2 * 255).astype(np.uint8)
    replace_first(folder, encoded(Image.fromarray(board), "PNG"))
    pixels = load(folder, cache).images[0]
    assert pixels.min() >= 120
    assert pixels.max() <= 135


def test_a_large_jpeg_shrunk_by_its_decoder_stays_close(folder, cache):
    row, column = np.indices((400, 400))
    scene = np.dstack([row * 255 // 400, column * 255 // 400, (row + column) % 200])
    data = encoded(Image.fromarray(scene.astype(np.uint8)), "JPEG", quality=95)
    replace_first(folder, data)
    full = Image.open(io.BytesIO(data)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    difference = load(folder, cache).images[0] - np.asarray(full, int).transpose(2, 0, 1)
    assert abs(difference).mean() < 2


# --- The cache ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "tar.gz", "zip"])
def test_an_unchanged_archive_is_not_even_read(folder, cache, monkeypatch, kind):
    trust_young_time_stamps(monkeypatch)
    root = pack(folder, kind)
    load(root, cache)
    forbid(monkeypatch, "read")
    assert_expected(load(root, cache))


def test_young_time_stamps_are_not_trusted(folder, cache, monkeypatch):
    monkeypatch.setattr(archives, "_SETTLED_NS", 10**18)
    load(folder, cache)
    assert cached(cache, ".key") == []


def test_a_moved_or_copied_archive_is_not_decoded_again(folder, cache, tmp_path, monkeypatch):
    load(folder, cache)
    forbid(monkeypatch, "squared")
    assert_expected(load(shutil.copytree(folder, tmp_path / "copy"), cache))
    assert_expected(load(folder.rename(tmp_path / "moved"), cache))


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_changed_content_with_the_same_size_and_time_is_seen(folder, cache, monkeypatch, kind):
    trust_young_time_stamps(monkeypatch)
    first, other = (encoded(Image.new("RGB", (SIDE, SIDE), c), "TIFF") for c in ("red", "blue"))
    replace_first(folder, first)
    root = pack(folder, kind)
    assert tuple(load(root, cache).images[0, :, 0, 0]) == (255, 0, 0)

    changed = root / FILES[0] if kind == "folder" else root
    data = changed.read_bytes().replace(first, other)
    before = changed.stat()
    with changed.open("r+b") as file:
        file.write(data)
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = changed.stat()
    assert (after.st_size, after.st_ino) == (before.st_size, before.st_ino)
    assert after.st_mtime_ns == before.st_mtime_ns
    assert tuple(load(root, cache).images[0, :, 0, 0]) == (0, 0, 255)


@pytest.mark.parametrize("change", ["add", "remove", "rename", "rename class"])
def test_changed_names_are_seen(folder, cache, monkeypatch, change):
    trust_young_time_stamps(monkeypatch)
    load(folder, cache)
    path = folder / FILES[-1]
    if change == "add":
        shutil.copy(path, path.with_name("beach_3.png"))
    elif change == "remove":
        path.unlink()
    elif change == "rename":
        path.rename(path.with_name("beach_3.png"))
    else:
        path.parent.rename(folder / "Coast")
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    archive = load(folder, cache)
    assert list(archive.files) == found
    np.testing.assert_array_equal(
        archive.images[-1], np.asarray(Image.open(folder / found[-1])).transpose(2, 0, 1)
    )


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def damage_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(12)
        file.write(b"????????")


def leave_a_bracket_open(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b")", b" ", 1))


def other_shape(path: Path) -> None:
    np.save(path, np.zeros((4, 3, SIDE, SIDE), np.uint8))


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".npy", Path.unlink),
        (".npy", shorten),
        (".npy", damage_header),
        (".npy", other_shape),
        (".npy", lambda path: path.write_bytes(b"")),
        (".npy", leave_a_bracket_open),
        (".json", Path.unlink),
        (".json", shorten),
        (".json", lambda path: path.write_text("[1, 2]")),
        (".json", lambda path: path.write_bytes(b"\xff")),
        (".key", Path.unlink),
        (".key", lambda path: path.write_bytes(b"\xff\x00")),
        (".key", lambda path: path.write_text("0123")),
    ],
)
def test_a_damaged_cache_is_built_again(folder, cache, monkeypatch, suffix, damage):
    trust_young_time_stamps(monkeypatch)
    load(folder, cache)
    (path,) = cached(cache, suffix)
    damage(path)
    assert_expected(load(folder, cache))
    assert path.exists()
    forbid(monkeypatch, "read")
    assert_expected(load(folder, cache))


def test_a_read_only_cache_still_serves(folder, cache, monkeypatch):
    load(folder, cache)
    trust_young_time_stamps(monkeypatch)

    def deny(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(archives, "written_whole", deny)
    assert_expected(load(folder, cache))


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_an_image_that_changes_while_it_is_read_is_refused(folder, cache, monkeypatch, kind):
    root = pack(folder, kind)
    survey = archives._survey

    def survey_then_change(*args: object) -> object:
        surveyed = survey(*args)
        shutil.copy(folder / FILES[1], folder / FILES[0])
        pack(folder, "tar")
        return surveyed

    monkeypatch.setattr(archives, "_survey", survey_then_change)
    with pytest.raises(ValueError, match=r"airport_1\.png changed while it was read. Load again"):
        load(root, cache)
    assert cached(cache) == []


def run_child(code: str, *args: object, **kwargs) -> subprocess.Popen[str]:
    prelude = "import sys; from pathlib import Path\nfrom rnsl_tutorial.datasets import archives\n"
    return subprocess.Popen(
        [sys.executable, "-c", prelude + textwrap.dedent(code), *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


@pytest.mark.slow
def test_a_killed_build_is_not_taken_for_a_cache(folder, cache, monkeypatch):
    code = """
        import itertools, os, signal
        decode, calls = archives.squared, itertools.count()
        def decode_three(*args, **options):
            if next(calls) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return decode(*args, **options)
        archives.squared = decode_three
        archives.load_archive(sys.argv[1], 12, cache=Path(sys.argv[2]), workers=1)
    """
    child = run_child(code, folder, cache)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    (left,) = cached(cache)
    assert left.suffix == ".tmp"

    assert_expected(load(folder, cache))
    assert not left.exists(), "nobody is at work on it any more"


@pytest.mark.slow
def test_two_processes_build_the_same_cache(folder, cache):
    code = """
        import time
        print("ready", flush=True)
        sys.stdin.readline()
        decode = archives.squared
        def slowly(*args, **options):
            time.sleep(0.05)
            return decode(*args, **options)
        archives.squared = slowly
        archive = archives.load_archive(sys.argv[1], 12, cache=Path(sys.argv[2]), progress=False)
        print(int(archive.images.astype(int).sum()), len(archive.files))
    """
    children = [run_child(code, folder, cache, stdin=subprocess.PIPE) for _ in range(2)]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        out, error = child.communicate()
        assert out.split() == [str(expected_images().astype(int).sum()), "5"], error
    assert {path.suffix for path in cached(cache)} - {".key"} == {".json", ".npy"}
    assert len(cached(cache, ".npy")) == 1
    assert_expected(load(folder, cache))


# --- Disks that fail ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_disk_that_fills_up_in_mid_write(folder, cache):
    code = """
        import errno, resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            archives.load_archive(sys.argv[1], 150, cache=Path(sys.argv[2]), progress=False)
        except OSError as error:
            print(error, type(error.__cause__).__name__, error.errno == errno.EFBIG)
    """
    child = run_child(code, folder, cache)
    out, error = child.communicate()
    assert (
        "cannot be written (File too large). It needs 0.3 MB. Make room, or set RNSL_CACHE" in out
    )
    assert str(cache) in out
    assert out.endswith("OSError True\n"), error
    assert cached(cache) == []


def no_space(*args) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("good_syncs", [0, 1])
def test_a_disk_that_is_found_full_at_the_end(folder, cache, monkeypatch, good_syncs):
    syncs = iter([os.fsync] * good_syncs + [no_space])
    with monkeypatch.context() as patch:
        patch.setattr(archives.os, "fsync", lambda fd: next(syncs)(fd))
        with pytest.raises(OSError, match=r"No space left on device.*RNSL_CACHE") as caught:
            load(folder, cache)
    assert caught.value.errno == errno.ENOSPC
    assert [path.suffix for path in cached(cache)] == [".npy"] * good_syncs
    assert_expected(load(folder, cache))


def test_an_interrupted_build_leaves_nothing(folder, cache, monkeypatch):
    def interrupt(fd: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(archives.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(folder, cache)
    assert cached(cache) == []


def test_a_cache_that_is_a_file(folder, cache):
    cache.write_text("not a folder")
    with pytest.raises(OSError, match=r"cannot be written.*RNSL_CACHE.*cache/archives"):
        load(folder, cache)


def test_a_cache_without_write_permission(folder, cache):
    cache.mkdir(mode=0o500)
    if os.access(cache, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(PermissionError, match=r"cannot be written.*RNSL_CACHE"):
        load(folder, cache)


# --- Bad input ------------------------------------------------------------------------------------


def test_missing_root(tmp_path, cache):
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist\. Give a folder with"):
        load(tmp_path / "nowhere", cache)


def test_a_file_that_is_no_archive(tmp_path, cache):
    path = tmp_path / "aid.tar"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"aid\.tar is no folder, tar or zip"):
        load(path, cache)


def only_an_image(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    Image.fromarray(RAMP).save(folder / "a.png")


def one_folder_too_high(folder: Path) -> None:
    shutil.copytree(folder / "Beach", folder / "AID" / "Airport")


MISLAID = {
    r"holds no class folders\. Give a folder with one folder.* by --labels\.$": only_an_image,
    r"/Desert holds no images \(\.jpg": lambda folder: (folder / "Desert").mkdir(),
    r"holds one class folder only \(Airport\)": lambda folder: shutil.rmtree(folder / "Beach"),
    "Class folder .*AID holds no images, only folders such as Airport": one_folder_too_high,
}


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
@pytest.mark.parametrize("said", MISLAID)
def test_folders_that_are_no_classes_are_named(folder, cache, kind, said):
    MISLAID[said](folder)
    with pytest.raises(ValueError, match=said):
        load(pack(folder, kind), cache)


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
def test_empty_class_folders_are_passed_over_where_that_is_asked_for(folder, cache, kind):
    before = load(folder, cache)
    (folder / "Desert").mkdir()
    (folder / "Park").mkdir()
    (folder / "Park" / "notes.txt").write_text("none yet")
    skipping = Reading(skip_broken=True)
    packed = pack(folder, kind)
    after = load(packed, cache, reading=skipping)
    assert (after.class_names, after.files) == (before.class_names, before.files)
    passed = dict(after.skipped)
    assert passed["Desert/"] == passed["Park/"] == "a class folder without images"
    shutil.rmtree(folder / "Beach")
    if kind == "folder":
        with pytest.raises(ValueError, match=r"holds one class folder only \(Airport\)"):
            load(folder, cache, reading=skipping)


def half(kind: str) -> bytes:
    data = encoded(Image.fromarray(pixels_of("any")).resize((90, 90)), kind)
    return data[: len(data) // 2]


UNDECODABLE = {
    r"\((cannot be decoded|no JPEG)": [half(kind) for kind in ("JPEG", "PNG", "TIFF")],
    r"\(no JPEG, PNG, TIFF, WebP or BMP image\)\. Replace or remove": [
        *(b"", b"hello", encoded(Image.fromarray(RAMP), "GIF"))
    ],
}


@pytest.mark.parametrize("kind", ["folder", "tar.gz", "zip"])
@pytest.mark.parametrize("said", UNDECODABLE)
def test_an_image_that_cannot_be_decoded_is_named(folder, cache, kind, said):
    for data in UNDECODABLE[said]:
        replace_first(folder, data)
        with pytest.raises(ValueError, match=rf" Airport/airport_1\.png {said}") as caught:
            load(pack(folder, kind), cache)
        assert caught.value.__cause__ is not None
        assert cached(cache) == []


def break_many(folder: Path, count: int) -> None:
    for i in range(count):
        (folder / "Airport" / f"broken_{i:02}.jpg").write_bytes(half("JPEG") if i % 2 else b"")


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
def test_all_broken_images_are_named_at_once(folder, cache, kind):
    break_many(folder, 14)
    said = (
        r"^14 of 19 images in .* cannot be used: Airport/broken_00\.jpg, Airport/broken_02.*"
        r"Airport/broken_09\.jpg \(cannot be decoded: .*\); and 4 more\. .* by --skip-broken\.$"
    )
    with pytest.raises(ValueError, match=said):
        load(pack(folder, kind), cache)
    assert cached(cache) == []


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
def test_it_goes_on_without_the_broken_ones_where_that_is_asked_for(
    folder, cache, kind, monkeypatch
):
    break_many(folder, 4)
    trust_young_time_stamps(monkeypatch)
    root = pack(folder, kind)
    for _ in range(2):  # the second time from the cache
        archive = load(root, cache, reading=Reading(skip_broken=True))
        assert_expected(archive)
        assert [file for file, _ in archive.skipped] == [
            f"Airport/broken_{i:02}.jpg" for i in range(4)
        ]
    with pytest.raises(ValueError, match=r"^4 of 9 images"):
        load(root, cache)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (FILES, "^5 of 5 images"),
        (FILES[3:], "All images of 'Beach' are broken, and passed over"),
        (FILES[:2], "^$"),
    ],
)
def test_so_many_are_broken_that_nothing_can_be_done(folder, cache, files, said):
    for file in files:
        (folder / file).write_bytes(b"")
    if said == "^$":
        assert load(folder, cache, reading=Reading(skip_broken=True)).files == FILES[2:]
        said = "Class 'Airport' has 1 images"
    with pytest.raises(ValueError, match=said):
        load(folder, cache, reading=Reading(skip_broken=True), folds=2)


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.95])
@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_a_truncated_archive(folder, cache, kind, keep):
    for name in range(40):
        shutil.copy(folder / FILES[0], folder / "Airport" / f"more_{name}.png")
    path = pack(folder, kind)
    length = (folder / FILES[0]).stat().st_size * 40 if kind == "tar" else path.stat().st_size
    os.truncate(path, int(length * keep))
    said = rf"packed\.{kind} (cannot be read to its end|is no folder)"
    with pytest.raises(ValueError, match=said):
        load(path, cache)
    assert cached(cache) == []


def member_offsets(path: Path) -> list[int]:
    with tarfile.open(path) as archive:
        return [member.offset for member in archive]


def cut_before_the_last(path: Path) -> None:
    os.truncate(path, member_offsets(path)[-1])


def damage_the_last_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(member_offsets(path)[-1] + 148)
        file.write(b"?" * 8)


def damage_a_file(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"IHDR") + 20] ^= 255
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("kind", "damage", "said"),
    [
        ("tar", cut_before_the_last, "no end-of-archive mark"),
        ("tar", damage_the_last_header, "no end-of-archive mark"),
        ("zip", damage_a_file, r"packed\.zip cannot be read to its end \(Bad CRC-32"),
    ],
)
def test_a_damaged_archive(folder, cache, kind, damage, said):
    path = pack(folder, kind)
    damage(path)
    with pytest.raises(ValueError, match=said):
        load(path, cache)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        *(({"size": s}, f"size is {s}; give a side of 1 to 2048 pixels") for s in (0, -1, 2049)),
        ({"workers": 0}, "workers is 0; give at least 1"),
    ],
)
def test_options_out_of_range(folder, cache, options, said):
    with pytest.raises(ValueError, match=said):
        load(folder, cache, **options)


def test_a_cache_inside_the_archive(folder):
    before = snapshot(folder)
    with pytest.raises(ValueError, match=r"lies inside the archive .*AID.*Set RNSL_CACHE"):
        load(folder, folder / "Airport" / "cache")
    assert snapshot(folder) == before


# --- The real AID ---------------------------------------------------------------------------------


@pytest.fixture
def aid() -> Path:
    path = os.environ.get("RNSL_AID")
    if not path:
        pytest.skip("RNSL_AID is not set: the path of a tar of the AID images")
    return Path(path)


def test_aid(aid, cache):
    code = """
        import resource
        archives.load_archive(sys.argv[1], 4, cache=Path(sys.argv[2]), progress=False)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        archives.load_archive(sys.argv[1], 150, cache=Path(sys.argv[2]), progress=False)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    child = run_child(code, aid, cache)
    out, error = child.communicate()
    assert child.returncode == 0, error
    assert int(out) < 100_000, "KiB more, where the decoded images take 659,180"

    archive = load(aid, cache, 150)
    assert archive.images.shape == (10_000, 3, 150, 150)
    assert archive.class_names == tuple(AID_COUNTS)
    assert np.bincount(archive.labels).tolist() == list(AID_COUNTS.values())
    shipped = load_shipped_features("aid")
    assert archive.files == shipped.files
    np.testing.assert_array_equal(archive.labels, shipped.labels)
    with tarfile.open(aid) as tar:
        for index in (0, 4_321, 9_999):
            file = tar.extractfile(f"AID/{archive.files[index]}")
            expected = np.asarray(Image.open(file)).transpose(2, 0, 1)
            np.testing.assert_array_equal(archive.images[index], expected)
    assert fingerprint_of(paper_split(files_by_class(archive.files))) == GOLDEN_FINGERPRINT
