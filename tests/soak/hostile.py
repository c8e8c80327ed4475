"""Archives that are hostile: a fixed list, and strategies that damage good ones."""

import gzip
import io
import itertools
import lzma
import os
import stat
import struct
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from rnsl_tutorial.datasets import scenes

SIDE = 32

Members = Sequence[tuple[str, bytes]]


class Case(NamedTuple):
    """A hostile archive.

    Attributes:
        damage: what is wrong with it.
        make: writes it into a folder and returns its path.
        accepted: what should come of it; None if both are right.
        listed: a file that must be in the result of an accepted one.
    """

    damage: str
    make: Callable[[Path], Path]
    accepted: bool | None = False
    listed: str = ""


# ------------------------------------------------------------------ valid archives


@cache
def members() -> tuple[tuple[str, bytes], ...]:
    """Eight PNG scenes of each of three classes, with their names in an archive."""
    drawn = scenes.make_scenes(24, SIDE, seed=0, labels=np.repeat([0, 1, 2], 8))
    names = ("Beach", "Farm land", "Forest")
    return tuple(
        (f"{names[label]}/{i:02}.png", png(pixels))
        for i, (pixels, label) in enumerate(zip(drawn.images, drawn.labels, strict=True))
    )


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 [3, S, S]."""
    return encoded(Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))), "PNG")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Encode an image as bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def packed(kind: str, content: Members) -> bytes:
    """Pack members as "zip", "tar", "tar.gz" or "tar.xz", the same bytes each time."""
    buffer = io.BytesIO()
    if kind == "zip":
        with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
            warnings.simplefilter("ignore")  # names that are there twice
            for name, data in content:
                archive.writestr(zipfile.ZipInfo(name), data)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in content:
            add(tar, tarfile.TarInfo(name), data)
    compress = {"tar": bytes, "tar.gz": partial(gzip.compress, mtime=0), "tar.xz": lzma.compress}
    return compress[kind](buffer.getvalue())


def add(archive: tarfile.TarFile, info: tarfile.TarInfo, data: bytes = b"") -> None:
    """Add a member of any type."""
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def unpacked(folder: Path, content: Members) -> Path:
    """Write members as files of a new folder."""
    root = folder / "archive"
    for name, data in content:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def written(folder: Path, name: str, data: bytes) -> Path:
    """Write an archive and return its path."""
    path = folder / name
    path.write_bytes(data)
    return path


def holding(form: str, data: bytes) -> Callable[[Path], Path]:
    """Return what writes an archive of this form with these bytes."""
    return lambda folder: written(folder, f"archive.{form}", data)


# ------------------------------------------------------------------ random damage

NASTY = (
    "../", "/", "\\", "C:", "..", "\0", "\n", "\r", "\x1b[2J", "=1+1", "'", '"', "<script>",
    "\udcff", "\u202e", "é", "e\u0301", " ", ".", "~", "%00", "x" * 300, "NUL", "-", "@",
)  # fmt: skip
FIELDS = (struct.pack("<I", 2**32 - 1), struct.pack("<q", -1), b"77777777777\0", b"\xff" * 12)
"""Extreme numbers, as sizes and offsets are stored."""


@st.composite
def damaged_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with bits flipped, cut off, or with something spliced in, appended or written over."""
    kind = draw(st.sampled_from(("flipped", "cut", "spliced", "appended", "overwritten")))
    at = draw(st.integers(0, len(data) - 1))
    if kind == "cut":
        return data[:at]
    if kind == "flipped":
        flipped = bytearray(data)
        for place in draw(st.sets(st.integers(0, len(data) - 1), min_size=1, max_size=64)):
            flipped[place] ^= 1 << draw(st.integers(0, 7))
        return bytes(flipped)
    known = (*FIELDS, bytes(512), data[:4096], data[-4096:], packed("zip", members()[:3]))
    new = draw(st.sampled_from(known) | st.binary(min_size=1, max_size=4096))
    at = len(data) if kind == "appended" else at
    return data[:at] + new + data[at + len(new) * (kind == "overwritten") :]


@st.composite
def damaged_archives(draw: st.DrawFn, forms: Sequence[str]) -> tuple[str, bytes]:
    """The form of an archive, and its bytes: with damage to them, to an image, or to a name."""
    form = draw(st.sampled_from(forms))
    damage = draw(st.sampled_from(("bytes", "image", "name")))
    content = list(members())
    place = draw(st.integers(0, len(content) - 1))
    name, data = content[place]
    if damage == "image":
        content[place] = (name, draw(damaged_bytes(data)))
    elif damage == "name":
        at = draw(st.integers(0, len(name)))
        content[place] = (name[:at] + draw(st.sampled_from(NASTY)) + name[at:], data)
    archive = _packed_anyway(form, content)
    return form, draw(damaged_bytes(archive)) if damage == "bytes" else archive


def _packed_anyway(form: str, content: Members) -> bytes:
    try:
        return packed(form, content)
    except UnicodeEncodeError:  # a zip stores no name that is no text
        return packed("tar", content)


# ------------------------------------------------------------------ hostile archives


def _image_cases() -> Iterator[Case]:
    """One odd image among good ones, in a folder."""
    rgb = Image.new("RGB", (SIDE, SIDE), (90, 120, 60))
    rotated = Image.Exif()
    rotated[0x0112] = 6
    frames = [Image.new("RGB", (SIDE, SIDE), (i, i, i)) for i in range(3)]
    bomb = bytearray(encoded(rgb, "PNG"))
    bomb[16:24] = struct.pack(">II", 100_000, 100_000)
    large = encoded(Image.new("1", (10_000, 10_000)), "PNG")
    jpeg = encoded(rgb, "JPEG")
    grey16 = Image.fromarray(np.full((SIDE, SIDE), 40_000, np.uint16))
    odd: dict[str, tuple[str, bytes, bool]] = {
        "empty": ("x.png", b"", False),
        "text": ("x.jpg", b"no image", False),
        "header alone": ("x.png", encoded(rgb, "PNG")[:40], False),
        "truncated JPEG": ("x.jpg", jpeg[: len(jpeg) // 2], False),
        "GIF by another name": ("x.png", encoded(rgb, "GIF"), False),
        "PNG named JPEG": ("x.jpg", encoded(rgb, "PNG"), True),
        "10^10 pixels declared": ("x.png", bytes(bomb), False),
        "10^8 pixels": ("x.png", large, False),
        "more bytes than allowed": ("x.tif", encoded(rgb, "TIFF") + bytes(2**20), False),
        "animated PNG": (
            "x.png", encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]), True,
        ),
        "pages of a TIFF": (
            "x.tif", encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]), False,
        ),
        "16 bits": ("x.png", encoded(grey16, "PNG"), True),
        "CMYK": ("x.jpg", encoded(rgb.convert("CMYK"), "JPEG"), True),
        "palette": ("x.png", encoded(rgb.convert("P"), "PNG", transparency=0), True),
        "turned by EXIF": ("x.jpg", encoded(rgb, "JPEG", exif=rotated), True),
    }  # fmt: skip
    for what, (name, data, fine) in odd.items():
        make = partial(unpacked, content=(*members(), (f"Beach/{name}", data)))
        yield Case(f"image: {what}", make, fine, f"Beach/{name}" if fine else "")


HOSTILE_NAMES: Mapping[str, tuple[str, bool]] = {
    "a formula": ('=HYPERLINK("http:x","y")/+1.png', True),
    "formulas of other signs": ("@SUM(A1)/-1+cmd.png", True),
    "an apostrophe": ("'quoted/'x.png", True),
    "HTML": ("<script>alert(1)<!--/<img src=x onerror=alert(1)>.png", True),
    "quotes and commas": ('a","b/"",.png', True),
    "control characters": ("\x1b[2J\x07/\x08\x7f.png", True),
    "line breaks": ("two\nlines/a\r\nb.png", True),
    "right to left": ("\u202egnp/\u2066x.png", True),
    "300 characters": ("y" * 300 + "/" + "x" * 300 + ".png", True),
    "60,000 characters": ("y" * 30_000 + "/" + "x" * 30_000 + ".png", False),
    "5,000 folders deep": ("d/" * 5000 + "x.png", False),
    "a drive letter": ("C:/x.png", True),
    "backslashes": ("Beach\\..\\..\\x/x.png", True),
    "the same in capitals": ("BEACH/00.PNG", True),
    "a class named as an image": ("Beach.png/x.png", True),
}
"""As the only differing class of a packed archive: it is read in place, so most names are fine."""
LEADING_OUT = ("../x.png", "../../outside/canary.png", "Beach/../../x.png")


def _name_cases() -> Iterator[Case]:
    for form, (what, (name, fine)) in itertools.product(("zip", "tar"), HOSTILE_NAMES.items()):
        twins = [(name, members()[0][1]), (f"{name.removesuffix('.png')}2.png", members()[1][1])]
        make = holding(form, packed(form, [*members(), *twins]))
        yield Case(f"name: {what}", make, fine, "/".join(name.split("/")[-2:]) if fine else "")
    for form, name in itertools.product(("zip", "tar"), (*LEADING_OUT, "{outside}/canary.png")):
        yield Case(
            "name: leads out",
            lambda folder, form=form, name=name: written(
                folder,
                f"archive.{form}",
                packed(form, [*members(), (name.format(outside=_outside(folder)), b"overwritten")]),
            ),
            None,  # passed over, or refused as the odd class that it makes
        )
    yield Case("name: no text", holding("zip", _no_text("zip")))
    yield Case("name: no text", holding("tar", _no_text("tar")), True)
    yield Case("name: zero byte", holding("zip", _zero_byte()), None)
    for form in ("zip", "tar"):
        doubled = holding(form, packed(form, [*members(), members()[0]]))
        yield Case("name: there twice", doubled, True, "Beach/00.png")


def _no_text(form: str) -> bytes:
    """A name of bytes that are no UTF-8."""
    data = packed(form, [*members(), ("Beach/\u00e9\u00e9.png", members()[0][1])])
    return data.replace("\u00e9\u00e9".encode(), b"\xff\xfe\xff\xfe")


def _zero_byte() -> bytes:
    data = packed("zip", [*members(), ("Beach/aZb.png", members()[0][1])])
    return data.replace(b"aZb", b"a\0b")


def _outside(folder: Path) -> Path:
    return folder.parent / "outside"


def _tar_of(*infos: tuple[tarfile.TarInfo, bytes]) -> Callable[[Path], Path]:
    """A good tar with further members of any type; {outside} in a link's target is filled in."""

    def make(folder: Path) -> Path:
        path = folder / "archive.tar"
        path.write_bytes(packed("tar", members()))
        with tarfile.open(path, "a") as archive:
            for info, data in infos:
                info.linkname = info.linkname.format(outside=_outside(folder))
                add(archive, info, data)
        return path

    return make


def _info(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def _link_cases() -> Iterator[Case]:
    secret = "{outside}/secret.png"
    for what, kind, fine in (
        ("a symbolic link out of a tar", tarfile.SYMTYPE, True),
        ("a hard link out of a tar", tarfile.LNKTYPE, False),
    ):
        for target in (secret, "../../outside/secret.png", "missing.png"):
            yield Case(what, _tar_of((_info("Beach/link.png", kind, target), b"")), fine)
    for what, kind in (
        ("a device in a tar", tarfile.CHRTYPE),
        ("a device in a tar", tarfile.BLKTYPE),
        ("a pipe in a tar", tarfile.FIFOTYPE),
    ):
        yield Case(what, _tar_of((_info("Beach/odd.png", kind), b"")), True)
    there_and_back = (
        (_info("Beach/a.png", tarfile.SYMTYPE, "b.png"), b""),
        (_info("Beach/b.png", tarfile.LNKTYPE, "Beach/a.png"), b""),
    )
    yield Case("links in a circle in a tar", _tar_of(*there_and_back))
    to_folder = (
        (_info("Beach/inner", tarfile.DIRTYPE), b""),
        (_info("Beach/a.png", tarfile.LNKTYPE, "Beach/inner"), b""),
    )
    yield Case("a hard link to a folder in a tar", _tar_of(*to_folder))


def _size_cases() -> Iterator[Case]:
    def declares(size: int) -> Callable[[Path], Path]:
        def make(folder: Path) -> Path:
            info = tarfile.TarInfo("Beach/huge.png")
            info.size = size
            header = info.tobuf(tarfile.GNU_FORMAT)
            data = packed("tar", members())
            return written(folder, "archive.tar", data[:-10240] + header + data[-10240:])

        return make

    for size in (2**40, 2**62, -512, -(2**33)):
        yield Case(f"a tar that declares {'a huge' if size > 0 else 'a negative'} size",
                   declares(size))  # fmt: skip
    comment = b"2097152 comment=".ljust(2**21 - 1, b"x") + b"\n"
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE):
        another = (_info("Beach/x.png", tarfile.REGTYPE), members()[0][1])
        yield Case("a bomb: one huge header", _tar_of((_info("pax", kind), comment), another))
    zeros = [*members(), ("Beach/zeros.png", bytes(2**21))]
    yield Case("a bomb: one huge image", holding("tgz", packed("tar.gz", zeros)))
    many = [*members(), *((f"Beach/z{i}.png", bytes(2**20)) for i in range(6))]
    yield Case("a bomb: many images", holding("tgz", packed("tar.gz", many)))
    yield from _lying_cases()
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield Case("a zip packed by bzip2 or LZMA", _packed_by(method))
    nested = packed("zip", [("inner.zip", packed("zip", members()))])
    yield Case("an archive in an archive", holding("zip", nested))


def _lying_cases() -> Iterator[Case]:
    """Zips whose first image has another size than they say, here and there."""
    true = struct.pack("<I", len(members()[0][1]))
    for size in (10, 2**31):
        data = packed("zip", members()).replace(true, struct.pack("<I", size))
        yield Case("a zip that lies about a size", holding("zip", data))


def _packed_by(method: int) -> Callable[[Path], Path]:
    """A zip that Python would unpack to its end before it looks at the declared size."""
    info = zipfile.ZipInfo("Beach/x.png")
    info.compress_type = method
    return _zip_of((info, members()[0][1]))


def _folder_cases() -> Iterator[Case]:
    def with_(change: Callable[[Path], object]) -> Callable[[Path], Path]:
        def make(folder: Path) -> Path:
            root = unpacked(folder, members())
            change(root)
            return root

        return make

    def link(name: str, target: str) -> Callable[[Path], object]:
        return lambda root: (root / name).symlink_to(target)

    few = members()[:9]
    yield Case("folder: nothing in it", lambda folder: unpacked(folder, ()) or folder)
    yield Case("folder: one class", lambda folder: unpacked(folder, members()[:8]))
    yield Case("folder: a class of one image", lambda folder: unpacked(folder, few))
    yield Case("folder: an empty class", with_(lambda root: (root / "Empty").mkdir()))
    yield Case("folder: read-only", with_(lambda root: (root / "Beach").chmod(0o555)), True)
    yield Case("folder: a link to itself", with_(link("loop", ".")))
    yield Case("folder: a link to a circle", with_(link("Beach/a.png", "a.png")))
    yield Case("folder: a link to nothing", with_(link("Beach/a.png", "nowhere.png")))
    yield Case("folder: a link to /dev/zero", with_(link("Beach/a.png", "/dev/zero")))
    yield Case("folder: a pipe", with_(lambda root: os.mkfifo(root / "Beach/a.png")), True)
    piped = with_(lambda root: (os.mkfifo(root / "p"), link("Beach/a.png", "../p")(root)))
    yield Case("folder: a link to a pipe", piped)
    litter = (".DS_Store", "Beach/Thumbs.db", "Beach/._0.png")
    content = (*members(), *((name, b"\0") for name in litter))
    yield Case("folder: litter", lambda folder: unpacked(folder, content), True)
    if sys.platform == "linux":
        bytes_ = with_(lambda root: (root / os.fsdecode(b"\xff")).mkdir() or [
            (root / os.fsdecode(b"\xff") / f"{i}.png").write_bytes(members()[i][1])
            for i in range(3)
        ])  # fmt: skip
        yield Case("folder: a name that is no text", bytes_, True)
    yield Case("no archive", holding("zip", b"no archive"))
    yield Case("no archive", holding("tar", b""))


def _zip_of(*infos: tuple[zipfile.ZipInfo, bytes], more: Members = ()) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        data = io.BytesIO(packed("zip", [*members(), *more]))
        with warnings.catch_warnings(), zipfile.ZipFile(data, "a") as archive:
            warnings.simplefilter("ignore")
            for info, content in infos:
                info.filename = info.filename.format(outside=_outside(folder))
                archive.writestr(info, content)
        return written(folder, "archive.zip", data.getvalue())

    return make


def _special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (mode | 0o644) << 16
    return info


def _data_cases() -> Iterator[Case]:
    """Zips that `rnsl data` has to unpack."""
    yield Case("a good one", _zip_of(), True)
    for name in (*LEADING_OUT, "{outside}/canary.png", "C:\\x.png", "C:x.png", "a\\..\\..\\x.png"):
        yield Case("name: leads out", _zip_of((zipfile.ZipInfo(name), b"overwritten")))
    yield Case("name: zero byte", holding("zip", _zero_byte()))
    yield Case("name: no text", holding("zip", _no_text("zip")))
    yield Case("name: there twice", _zip_of(more=[members()[0]]))
    yield Case("name: the same in capitals", _zip_of(more=[("BEACH/00.PNG", b"")]))
    yield Case(
        "name: written in two ways", _zip_of(more=[("\u00e9.png", b""), ("e\u0301.png", b"")])
    )
    yield Case("name: a file and a folder", _zip_of(more=[("Beach/00.png/x.png", b"")]))
    yield Case("name: 300 characters", _zip_of(more=[("x" * 300, b"")]))
    yield Case("name: 5,000 folders deep", _zip_of(more=[("d/" * 5000 + "x", b"")]))
    for what in ("a formula", "HTML", "control characters", "line breaks", "quotes and commas"):
        name = HOSTILE_NAMES[what][0].replace(":", "")
        yield Case(f"name: {what}", _zip_of(more=[(name, b"x")]), True, name)
    for what, mode in (
        ("a symbolic link", stat.S_IFLNK), ("a device", stat.S_IFCHR), ("a pipe", stat.S_IFIFO),
    ):  # fmt: skip
        yield Case(what, _zip_of((_special("Beach/odd", mode), b"{outside}/secret.png")))
    bomb = zipfile.ZipInfo("zeros.png")
    bomb.compress_type = zipfile.ZIP_DEFLATED
    yield Case("a bomb", _zip_of((bomb, bytes(2**24))))
    yield from _lying_cases()
    yield Case("an encrypted one", holding("zip", _encrypted()))
    yield Case("no zip", holding("zip", b"no archive"))
    for fault in ("other content", "cut off"):
        yield Case(f"download: {fault}", _zip_of())
    yield Case("download: stopped, then again", _zip_of(), True)


def _encrypted() -> bytes:
    flagged = bytearray(packed("zip", members()))
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        flagged[flagged.index(signature) + offset] |= 1
    return bytes(flagged)


def cases(kind: str) -> list[Case]:
    """The fixed list."""
    if kind == "data":
        return list(_data_cases())
    makers = (_image_cases, _name_cases, _link_cases, _size_cases, _folder_cases)
    return [case for make in makers for case in make()]
