"""Tars and zips that are made to do harm: refused where they are read, and where unpacked."""

import io
import stat
import string
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

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
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
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


def unpack(archive: Path, target: Path) -> None:
    download._unpack(archive, target, download.PINS["aid"])


def assert_refused(archive: Path, said: str) -> None:
    """Nothing is written beside it."""
    folder = archive.parent
    with pytest.raises(ValueError, match=said):
        unpack(archive, folder / "a" / "b" / "target")
    assert leavings(folder) == [archive]
    assert list((folder / "a" / "b").iterdir()) == []


LEADING_OUT = (
    *("/etc/passwd", "//server/share/x", "../outside", "Beach/../../outside", "Beach/..", ".."),
    *("C:/outside", "C:outside", "Beach/a.png:stream", "..\\outside", "Beach\\..\\..\\outside"),
    *("\\\\server\\share\\x", "/", "."),
)
TWICE = ("Beach/beach_1.png", "Beach/BEACH_1.PNG", "Beach/./beach_1.png")
HARMFUL = [
    *((images("Beach/beach_1.png", name), "Nothing was unpacked") for name in LEADING_OUT),
    *(([("Beach/x", b"/etc/passwd", kind)], "'Beach/x', a link or device") for kind in TYPES),
    *((images("Beach/beach_1.png", name), "twice, or with other capitals") for name in TWICE),
    (images("Zo\u00eb.png", "Zoe\u0308.png"), "twice"),
    (images("Beach/beach_1.png", "beach"), "beach as a file and as a folder"),
]


@PACKERS
@pytest.mark.parametrize(("members", "said"), HARMFUL)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_links_and_doubles_that_do_harm_are_refused_before_anything_is_written(
    tmp_path: Path, members: Packed, said: str, pack: Pack
) -> None:
    assert_refused(pack(tmp_path / "evil", members), f"evil holds .*{said}")


GOOD = zipped(scenes(""))
BOMB = zipped({"Beach/a.png": bytes(1_000_000)})
MIDDLE = len(GOOD) // 2
DAMAGED = {
    "cut at a zero byte": (
        zipped({"Beach/a?.png.exe": b"x"}).replace(b"a?.png", b"a\0.png"),
        "holds .* may lead out of the folder",
    ),
    "grows too much": (BOMB, r"has 1,\d+ bytes and unpacks to more than 2"),
    "lies about its size": (  # it says 1000 bytes, and would give a million
        BOMB.replace((1_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")),
        r"cannot be read to its end \(Bad CRC",
    ),
    "no zip": (b"<html>Please log in</html>", "cannot be read to its end"),
    "cut": (GOOD[:MIDDLE], "cannot be read to its end"),
    "flipped": (
        GOOD[:MIDDLE] + bytes([GOOD[MIDDLE] ^ 255]) + GOOD[MIDDLE + 1 :],
        "cannot be read to its end",
    ),
}


@pytest.mark.parametrize(("data", "said"), DAMAGED.values(), ids=DAMAGED)
def test_a_zip_of_such_bytes_is_refused_and_leaves_nothing(
    tmp_path: Path, data: bytes, said: str
) -> None:
    archive = tmp_path / "evil.zip"
    archive.write_bytes(data)
    assert_refused(archive, rf"evil\.zip {said}")


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
        unpack(archive, target)
    except (ValueError, OSError):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["packed"]
    else:
        assert target.is_dir()
        target.rename(tmp_path.parent / f"{tmp_path.name}-{len(list(tmp_path.parent.iterdir()))}")


@pytest.mark.parametrize("name", ["scenes.zip", "scenes.tar", "scenes.tar.gz"])
def test_a_tar_is_unpacked_as_a_zip_is(tmp_path: Path, name: str) -> None:
    pack, target = pack_zip if name.endswith("zip") else pack_tar, tmp_path / "new" / "target"
    members = [(name, content, 0) for name, content in scenes("AID/").items()]
    unpack(pack(tmp_path / name, members), target)
    found = {path.relative_to(target).as_posix(): path for path in target.rglob("*.png")}
    assert {name: path.read_bytes() for name, path in found.items()} == scenes("AID/")


# ------------------------------------------------------------------ read where they lie

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12
).filter(lambda name: not name.startswith(".") and name != "__MACOSX")


@PACKERS
@given(files=st.dictionaries(NAMES, st.sets(NAMES, min_size=1, max_size=3), min_size=2, max_size=4))
@same_folder
@pytest.mark.slow
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
        with pytest.raises(ValueError, match=r"1\.png \(?has .* bytes or more; an image may"):
            load(root, tmp_path / "cache")


TOO_MUCH = {
    "unpacks to far more": (
        {(archives, "_MAX_UNPACKED_BYTES"): 100, (archives, "_MAX_EXPANSION"): 0.01},
        images(*(f"{x}/{i}.png" for x in "AB" for i in range(9))),
        "full has .* and unpacks to more than",
    ),
    "of far more files": (  # also of files that are passed over: they take memory too
        {(_packed, "_MAX_MEMBERS"): 3},
        images("A/1.png", "B/1.png", "readme.txt", "more.txt"),
        "full holds more than 3 files and folders",
    ),
    "of a name longer than any path": (  # listing its folders would take the square of its length
        {},
        images("A/1.png", f"{'/'.join(string.ascii_lowercase * 100)}.png"),
        "a name of 5,203 characters, 'a/b/c.*4,096 are allowed",
    ),
}


@PACKERS
@pytest.mark.parametrize(("limits", "members", "said"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_holds_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Pack, limits: Any, members: Packed,
    said: str,
) -> None:  # fmt: skip
    for (module, name), value in limits.items():
        monkeypatch.setattr(module, name, value)
    with pytest.raises(ValueError, match=said):
        load(pack(tmp_path / "full", members), tmp_path / "cache")


@PACKERS
def test_as_many_files_as_are_allowed_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Pack
) -> None:
    monkeypatch.setattr(_packed, "_MAX_MEMBERS", 3)
    root = pack(tmp_path / "full", images("A/1.png", "B/1.png", "readme.txt"))
    assert len(load(root, tmp_path / "cache").files) == 2


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_is_not_packed_by_deflate_is_neither_read_nor_unpacked(
    tmp_path: Path, method: int
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content, _ in images("A/1.png", "B/1.png"):
            archive.writestr(name, content)
    said = rf"1\.png is packed by method {method}, not by deflate"
    assert_refused(path, said)
    with pytest.raises(ValueError, match=said):
        load(path, tmp_path / "cache")


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


def test_what_is_read_of_a_tar_beside_its_files_counts_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long names, and what lies before a file that hard links lead back to."""
    monkeypatch.setattr(archives, "_MAX_UNPACKED_BYTES", 20_000)
    monkeypatch.setattr(archives, "_MAX_EXPANSION", 0.01)
    small = images("A/1.png", "B/1.png")
    named, linked = tmp_path / "named.tar", tmp_path / "linked.tar"
    pack_tar(named, [*small, *((f"{i}{'x' * 3000}.txt", b"", 0) for i in range(9))])
    pack_tar(linked, [("filler.txt", bytes(9000), 0), *small])
    assert len(load(linked, tmp_path / "cache").files) == 2
    with tarfile.open(linked, "a") as archive:
        for i in range(3):
            info = tarfile.TarInfo(f"A/2{i}.png")
            info.type, info.linkname = tarfile.LNKTYPE, "A/1.png"
            archive.addfile(info)
    for path in (named, linked):
        with pytest.raises(ValueError, match="unpacks to more than"):
            load(path, tmp_path / "cache")


def test_a_hard_link_is_the_file_that_it_links_to_and_keeps_no_member(tmp_path: Path) -> None:
    path = pack_tar(tmp_path / "a.tar.gz", images("A/1.png", "B/1.png"))
    plain = pack_tar(tmp_path / "a.tar", images("A/1.png", "B/1.png"))
    with tarfile.open(plain, "a") as archive:
        for name, target in (("A/2.png", "B/1.png"), ("A/3.png", "A/2.png")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.LNKTYPE, target
            archive.addfile(info)
    found = load(plain, tmp_path / "cache")
    assert found.images[:, 0, 0, 0].tolist() == [0, 1, 1, 1]
    assert len(load(path, tmp_path / "cache").files) == 2
