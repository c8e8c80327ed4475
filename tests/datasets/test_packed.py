"""Tars and zips that are made to do harm: refused where they are read, and where unpacked."""

import io
import stat
import string
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
from damages import damages, same_folder
from hub_server import leavings, scenes, zipped
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rnsl_tutorial.datasets import _packed, archives, download
from rnsl_tutorial.datasets.archives import Archive, load_archive

TYPES = {
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}
Packed = Sequence[tuple[str, bytes, int]]


@cache
def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2), (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


def images(*names: str) -> Packed:
    return [(name, png(shade), 0) for shade, name in enumerate(names)]


def pack_zip(path: Path, members: Packed) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content, kind in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name  # the constructor would mend some names
            info.external_attr = (kind | 0o777) << 16 if kind else 0
            archive.writestr(info, content)
    return path


def pack_tar(path: Path, members: Packed) -> Path:
    with tarfile.open(path, mode="w") as archive:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type = TYPES.get(kind, tarfile.REGTYPE)
            info.linkname = "elsewhere" if kind else ""
            info.size = 0 if kind else len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


PACKERS = pytest.mark.parametrize("pack", [pack_zip, pack_tar])
Pack = Callable[[Path, Packed], Path]


def load(root: Path, cache: Path) -> Archive:
    return load_archive(root, 2, cache=cache, progress=False, workers=1)


# ------------------------------------------------------------------ unpacked


@PACKERS
@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "//server/share/x",
        "../outside",
        "Beach/../../outside",
        "Beach/..",
        "..",
        "C:/outside",
        "C:outside",
        "Beach/a.png:stream",
        "..\\outside",
        "Beach\\..\\..\\outside",
        "\\\\server\\share\\x",
        "/",
        ".",
    ],
)
def test_names_that_lead_out_are_refused_before_anything_is_written(
    tmp_path: Path, name: str, pack: Pack
) -> None:
    archive = pack(tmp_path / "evil", images("Beach/beach_1.png", name))
    inside = tmp_path / "a" / "b"
    with pytest.raises(ValueError, match=r"evil holds .*Nothing was unpacked"):
        download.unpack(archive, inside / "target")
    assert leavings(tmp_path) == [archive]
    assert list(inside.iterdir()) == []


def test_a_name_that_is_cut_at_a_zero_byte_is_refused(tmp_path: Path) -> None:
    archive = pack_zip(tmp_path / "evil.zip", images("Beach/a?.png.exe"))
    archive.write_bytes(archive.read_bytes().replace(b"a?.png", b"a\0.png"))
    with pytest.raises(ValueError, match="may lead out of the folder"):
        download.unpack(archive, tmp_path / "target")


@pytest.mark.parametrize("kind", TYPES)
@PACKERS
def test_links_and_devices_are_refused(tmp_path: Path, kind: int, pack: Pack) -> None:
    archive = pack(tmp_path / "evil", [("Beach/link", b"/etc/passwd", kind)])
    with pytest.raises(ValueError, match="holds 'Beach/link', a link or device"):
        download.unpack(archive, tmp_path / "target")
    assert leavings(tmp_path) == [archive]


@pytest.mark.parametrize("name", ["Beach/beach_1.png", "Beach/BEACH_1.PNG", "Beach/./beach_1.png"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
@PACKERS
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path, name: str, pack: Pack) -> None:
    archive = pack(tmp_path / "evil", images("Beach/beach_1.png", name))
    with pytest.raises(ValueError, match="twice, or with other capitals"):
        download.unpack(archive, tmp_path / "target")


@PACKERS
def test_names_that_differ_only_in_how_a_letter_is_written_are_refused(
    tmp_path: Path, pack: Pack
) -> None:
    archive = pack(tmp_path / "evil", images("Zo\u00eb.png", "Zoe\u0308.png"))
    with pytest.raises(ValueError, match="twice"):
        download.unpack(archive, tmp_path / "target")


@PACKERS
def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path, pack: Pack) -> None:
    archive = pack(tmp_path / "evil", images("Beach/beach_1.png", "beach"))
    with pytest.raises(ValueError, match="holds beach as a file and as a folder"):
        download.unpack(archive, tmp_path / "target")


def test_a_zip_that_grows_too_much_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    archive.write_bytes(zipped({"Beach/a.png": bytes(1_000_000)}))
    with pytest.raises(ValueError, match=r"bomb.zip has 1,\d+ bytes and unpacks to more than 2"):
        download.unpack(archive, tmp_path / "target")
    assert leavings(tmp_path) == [archive]


def test_a_zip_that_lies_about_its_size_yields_no_more_than_it_says(tmp_path: Path) -> None:
    """The central directory promises 1000 bytes, the data would give a million."""
    data = bytearray(zipped({"Beach/a.png": bytes(1_000_000)}))
    place = data.rindex(b"PK\x01\x02") + 24
    assert int.from_bytes(data[place : place + 4], "little") == 1_000_000
    data[place : place + 4] = (1000).to_bytes(4, "little")
    archive = tmp_path / "liar.zip"
    archive.write_bytes(data)
    with pytest.raises(ValueError, match=r"liar.zip cannot be read to its end \(Bad CRC"):
        download.unpack(archive, tmp_path / "target")
    assert leavings(tmp_path) == [archive]


@pytest.mark.parametrize("damage", ["no zip", "cut", "flipped"])
def test_a_damaged_zip_leaves_nothing(tmp_path: Path, damage: str) -> None:
    data = bytearray(zipped(scenes("")))
    if damage == "no zip":
        data = bytearray(b"<html>Please log in</html>")
    elif damage == "cut":
        data = data[: len(data) // 2]
    else:
        data[len(data) // 2] ^= 255
    archive = tmp_path / "damaged.zip"
    archive.write_bytes(data)
    with pytest.raises(ValueError, match=r"damaged.zip cannot be read to its end"):
        download.unpack(archive, tmp_path / "new" / "target")
    assert leavings(tmp_path) == [archive]
    assert list((tmp_path / "new").iterdir()) == []


@PACKERS
@given(damage=damages())
@same_folder
def test_what_is_damaged_is_unpacked_whole_or_not_at_all(
    tmp_path: Path, damage: Callable[[bytes], bytes], pack: Pack
) -> None:
    archive = pack(tmp_path / "packed", images("A/1.png", "A/2.png", "B/1.png"))
    archive.write_bytes(damage(archive.read_bytes()))
    target = tmp_path / "unpacked"
    try:
        download.unpack(archive, target)
    except (ValueError, OSError):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["packed"]
    else:
        assert target.is_dir()
        target.rename(tmp_path.parent / f"{tmp_path.name}-{len(list(tmp_path.parent.iterdir()))}")


@pytest.mark.parametrize("packing", ["zip", "tar", "tar.gz"])
def test_a_tar_is_unpacked_as_a_zip_is(tmp_path: Path, packing: str) -> None:
    path = tmp_path / f"scenes.{packing}"
    if packing == "zip":
        path.write_bytes(zipped(scenes("AID/")))
    else:
        with tarfile.open(path, "w:" + packing.partition(".")[2]) as archive:
            for name, content in scenes("AID/").items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    target = tmp_path / "target"
    download.unpack(path, target)
    found = {file.relative_to(target).as_posix(): file.read_bytes() for file in target.rglob("*.*")}
    assert found == scenes("AID/")


# ------------------------------------------------------------------ read where they lie

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12
).filter(lambda name: not name.startswith(".") and name != "__MACOSX")


@PACKERS
@given(files=st.dictionaries(NAMES, st.sets(NAMES, min_size=1, max_size=3), min_size=2, max_size=4))
@same_folder
def test_any_name_that_is_text_comes_back_in_order(
    pack: Pack, tmp_path: Path, files: dict[str, set[str]]
) -> None:
    """Classes sorted, in a class names sorted; every image under the label of its folder."""
    names = [f"{folder}/{name}.png" for folder in files for name in files[folder]]
    archive = load(pack(tmp_path / "archive", images(*names)), tmp_path / "cache")
    assert list(archive.files) == sorted(names, key=lambda file: file.split("/"))
    assert archive.class_names == tuple(sorted(files))
    shades = [names.index(file) for file in archive.files]
    assert archive.images[:, 0, 0, 0].tolist() == shades
    labels = [archive.class_names.index(file.split("/")[0]) for file in archive.files]
    assert archive.labels.tolist() == labels


def test_a_file_that_no_image_can_be_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder, in a zip, and in a tar by a hard link, which does not tell its size."""
    monkeypatch.setattr(_packed, "_MAX_FILE_BYTES", len(png(0)) - 1)
    members = images("A/1.png", "B/1.png")
    for name, content, _ in members:
        (tmp_path / "folder" / name).parent.mkdir(parents=True)
        (tmp_path / "folder" / name).write_bytes(content)
    for root in (
        tmp_path / "folder",
        pack_zip(tmp_path / "a.zip", members),
        pack_tar(tmp_path / "a.tar", members),
    ):
        with pytest.raises(ValueError, match=r"1\.png has .* bytes or more; an image may have"):
            load(root, tmp_path / "cache")


@PACKERS
def test_an_archive_that_unpacks_to_far_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Pack
) -> None:
    monkeypatch.setattr(archives, "_MAX_UNPACKED_BYTES", 100)
    monkeypatch.setattr(archives, "_MAX_EXPANSION", 0.01)
    root = pack(tmp_path / "bomb", images(*(f"{x}/{i}.png" for x in "AB" for i in range(9))))
    with pytest.raises(ValueError, match=r"bomb has .* and unpacks to more than"):
        load(root, tmp_path / "cache")


@PACKERS
def test_an_archive_of_far_more_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Pack
) -> None:
    """Also of files that are passed over: they take memory too."""
    monkeypatch.setattr(_packed, "_MAX_MEMBERS", 3)
    root = pack(tmp_path / "full", images("A/1.png", "B/1.png", "readme.txt"))
    assert len(load(root, tmp_path / "cache").files) == 2
    root = pack(tmp_path / "fuller", images("A/1.png", "B/1.png", "readme.txt", "more.txt"))
    with pytest.raises(ValueError, match=r"fuller holds more than 3 files and folders"):
        load(root, tmp_path / "cache")


@PACKERS
def test_a_name_longer_than_any_path_is_refused(tmp_path: Path, pack: Pack) -> None:
    """Listing its folders one in the other would take the square of its length."""
    deep = "/".join(string.ascii_lowercase * 100)
    root = pack(tmp_path / "deep", images("A/1.png", f"{deep}.png"))
    with pytest.raises(ValueError, match=r"a name of 5,203 characters, 'a/b/c.*4,096 are allowed"):
        load(root, tmp_path / "cache")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_is_not_packed_by_deflate_is_neither_read_nor_unpacked(
    tmp_path: Path, method: int
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content, _ in images("A/1.png", "B/1.png"):
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=rf"1\.png is packed by method {method}, not by deflate"):
        load(path, tmp_path / "cache")
    with pytest.raises(ValueError, match=rf"1\.png is packed by method {method}, not by deflate"):
        download.unpack(path, tmp_path / "target")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("kind", TYPES)
@PACKERS
def test_links_and_devices_are_passed_over_where_nothing_is_written(
    tmp_path: Path, kind: int, pack: Pack
) -> None:
    members = [*images("A/1.png", "B/1.png"), ("A/2.png", b"../B/1.png", kind)]
    assert load(pack(tmp_path / "a", members), tmp_path / "cache").files == ("A/1.png", "B/1.png")


def test_a_negative_size_does_not_run_in_a_circle(tmp_path: Path) -> None:
    info = tarfile.TarInfo("A/0.png")
    info.size = -1024
    root = pack_tar(tmp_path / "a.tar", images("A/1.png", "B/1.png"))
    root.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + root.read_bytes())
    with pytest.raises(ValueError, match=r"cannot be read to its end|is no folder, tar or zip"):
        load(root, tmp_path / "cache")
