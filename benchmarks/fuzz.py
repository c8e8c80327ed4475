"""Fuzz `rnsl audit` and `rnsl data` with damaged archives and hostile names.

Usage: python benchmarks/fuzz.py --kind audit --n 200 --seed 0 [--processes 2]

A fixed list of hostile archives, then --n archives of procedural scenes that a seeded generator
damages. The command runs in this process, with a scorer that takes milliseconds in the place of
trained heads; --processes runs hostile archives through a process of their own, as a user would.
Prints a Markdown table by kind of damage:

    tried     archives
    refused   one clear line, exit status 1, and the files of an earlier run as they were
    accepted  a list of doubtful labels that reads back (audit), a whole folder (data)
    crashed   anything else: another exception, a warning, a hang, memory, half-written files
    escaped   something was written, changed or read outside of --out and the cache
    lost      not accepted, and the files of an earlier run are no longer as they were

An archive that crashed can count as escaped and as lost too. Limits on sizes are lowered while it
runs, so that archives that are made to fill a disk need not be large.
"""

import argparse
import contextlib
import csv
import gzip
import hashlib
import io
import itertools
import lzma
import os
import platform
import random
import resource
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner, Result

from rnsl_tutorial import datasets
from rnsl_tutorial.audit import outputs as audit
from rnsl_tutorial.audit import scores as doubt
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import _packed, archives, download, scenes

KINDS = ("audit", "data")
SIDE = 32
SECONDS = 60.0
"""A command that takes longer hangs."""
THREAD = "the fuzzed command"
MEGABYTES = 1500
"""More than this on top of what the process had is a crash."""
LIMITS = {(_packed, "_MAX_FILE_BYTES"): 2**20, (archives, "_MAX_UNPACKED_BYTES"): 2**22}
EARLIER = b"the list of an earlier run"
RESULTS = ("doubtful.csv", "doubtful.html")

Members = Sequence[tuple[str, bytes]]


class Outcome(NamedTuple):
    """Counts of archives; see the text at the top."""

    tried: int
    refused: int
    accepted: int
    crashed: int
    escaped: int
    lost: int


class Trial(NamedTuple):
    """What came of one archive.

    Attributes:
        damage: what was done to it.
        accepted: whether the command went through.
        crash: what is wrong with how it ended; "" if nothing.
        escape: what was touched that is none of its business; "" if nothing.
        lost: whether the files of an earlier run are gone or changed, and none took their place.
        said: what the command printed.
    """

    damage: str
    accepted: bool
    crash: str
    escape: str
    lost: bool
    said: str


class Case(NamedTuple):
    """A hostile archive.

    Attributes:
        damage: its name in the table.
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


# ------------------------------------------------------------------ random damage

NASTY = (
    "../", "/", "\\", "C:", "..", "\0", "\n", "\r", "\x1b[2J", "=1+1", "'", '"', "<script>",
    "\udcff", "\u202e", "é", "e\u0301", " ", ".", "~", "%00", "x" * 300, "NUL", "-", "@",
)  # fmt: skip


def _flip(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _splice(data: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(data)), rng.choice((1, 4, 512, 4096))
    other = rng.choice((bytes(length), rng.randbytes(length), data[:length], data[-length:]))
    return data[:at] + other + data[at + rng.choice((0, length)) :]


def _join(data: bytes, rng: random.Random) -> bytes:
    return data + rng.choice((data, rng.randbytes(100), packed("zip", members()[:3]), bytes(512)))


def _field(data: bytes, rng: random.Random) -> bytes:
    """Write an extreme number over some bytes, as sizes and offsets are stored."""
    at = rng.randrange(max(1, len(data) - 12))
    number = rng.choice(
        (struct.pack("<I", 2**32 - 1), struct.pack("<q", -1), b"77777777777\0", b"\xff" * 12)
    )
    return data[:at] + number + data[at + len(number) :]


DAMAGES: Mapping[str, Callable[[bytes, random.Random], bytes]] = {
    "bits flipped": _flip,
    "cut off": _cut,
    "bytes spliced in": _splice,
    "something appended": _join,
    "a field overwritten": _field,
}


def damaged(kind: str, rng: random.Random) -> Case:
    """A case of random damage: to the archive's bytes, to an image in it, or to names."""
    form = "zip" if kind == "data" else rng.choice(("zip", "tar", "tar.gz", "tar.xz"))
    damage = rng.choice((*DAMAGES, "an image damaged", "names changed"))
    content = list(members())
    place = rng.randrange(len(content))
    name, data = content[place]
    if damage == "an image damaged":
        content[place] = (name, rng.choice(list(DAMAGES.values()))(data, rng))
    elif damage == "names changed":
        at = rng.randrange(len(name) + 1)
        content[place] = (name[:at] + rng.choice(NASTY) + name[at:], data)
    archive = _packed_anyway(form, content)
    if damage in DAMAGES:
        archive = DAMAGES[damage](archive, rng)
    return Case(f"{damage}", lambda folder: written(folder, f"archive.{form}", archive), None)


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
            "x.tif", encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]), True,
        ),
        "16 bits": ("x.png", encoded(grey16, "PNG"), True),
        "CMYK": ("x.jpg", encoded(rgb.convert("CMYK"), "JPEG"), True),
        "palette": ("x.png", encoded(rgb.convert("P"), "PNG", transparency=0), True),
        "turned by EXIF": ("x.jpg", encoded(rgb, "JPEG", exif=rotated), True),
    }  # fmt: skip
    for what, (name, data, fine) in odd.items():
        content = (*members(), (f"Beach/{name}", data))
        yield Case(
            f"image: {what}",
            lambda folder, content=content: unpacked(folder, content),
            fine,
            f"Beach/{name}" if fine else "",
        )


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
        data = packed(form, [*members(), *twins])
        yield Case(
            f"name: {what}",
            lambda folder, data=data, form=form: written(folder, f"archive.{form}", data),
            fine,
            "/".join(name.split("/")[-2:]) if fine else "",
        )
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
    yield Case("name: no text", lambda folder: written(folder, "archive.zip", _no_text("zip")))
    yield Case(
        "name: no text", lambda folder: written(folder, "archive.tar", _no_text("tar")), True
    )
    yield Case("name: zero byte", _zero_byte, None)
    doubled = [*members(), members()[0]]
    for form in ("zip", "tar"):
        data = packed(form, doubled)
        yield Case(
            "name: there twice",
            lambda folder, data=data, form=form: written(folder, f"archive.{form}", data),
            True,
            "Beach/00.png",
        )


def _no_text(form: str) -> bytes:
    """A name of bytes that are no UTF-8."""
    data = packed(form, [*members(), ("Beach/\u00e9\u00e9.png", members()[0][1])])
    return data.replace("\u00e9\u00e9".encode(), b"\xff\xfe\xff\xfe")


def _zero_byte(folder: Path) -> Path:
    data = packed("zip", [*members(), ("Beach/aZb.png", members()[0][1])])
    return written(folder, "archive.zip", data.replace(b"aZb", b"a\0b"))


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
    yield Case(
        "a bomb: one huge image",
        lambda folder: written(folder, "archive.tgz", gzip.compress(packed("tar", zeros))),
    )
    many = [*members(), *((f"Beach/z{i}.png", bytes(2**20)) for i in range(6))]
    yield Case(
        "a bomb: many images",
        lambda folder: written(folder, "archive.tgz", gzip.compress(packed("tar", many))),
    )
    yield Case("a zip that lies about a size", lambda folder: _lying_zip(folder, 10))
    yield Case("a zip that lies about a size", lambda folder: _lying_zip(folder, 2**31))
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield Case("a zip packed by bzip2 or LZMA", _packed_by(method))
    nested = packed("zip", [("inner.zip", packed("zip", members()))])
    yield Case("an archive in an archive", lambda folder: written(folder, "archive.zip", nested))


def _lying_zip(folder: Path, size: int) -> Path:
    """A zip whose first image has another size than it says, here and there."""
    data = packed("zip", members())
    true = struct.pack("<I", len(members()[0][1]))
    return written(folder, "archive.zip", data.replace(true, struct.pack("<I", size)))


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
    yield Case("no archive", lambda folder: written(folder, "archive.zip", b"no archive"))
    yield Case("no archive", lambda folder: written(folder, "archive.tar", b""))


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
    yield Case("name: zero byte", _zero_byte)
    yield Case("name: no text", lambda folder: written(folder, "archive.zip", _no_text("zip")))
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
    yield Case("a zip that lies about a size", lambda folder: _lying_zip(folder, 10))
    yield Case("a zip that lies about a size", lambda folder: _lying_zip(folder, 2**31))
    yield Case("an encrypted one", _encrypted)
    yield Case("no zip", lambda folder: written(folder, "archive.zip", b"no archive"))
    for fault in ("other content", "cut off"):
        yield Case(f"download: {fault}", _zip_of())
    yield Case("download: stopped, then again", _zip_of(), True)


def _encrypted(folder: Path) -> Path:
    data = packed("zip", members())
    flagged = bytearray(data)
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        flagged[data.index(signature) + offset] |= 1
    return written(folder, "archive.zip", bytes(flagged))


def hostile(kind: str) -> list[Case]:
    """The fixed list."""
    if kind == "data":
        return list(_data_cases())
    makers = (_image_cases, _name_cases, _link_cases, _size_cases, _folder_cases)
    return [case for make in makers for case in make()]


# ------------------------------------------------------------------ running the command


def _by_class_means(
    features: NDArray[np.float32], labels: NDArray[np.int64], num_classes: int, **_: object
) -> doubt.Scores:
    """In the place of trained heads: how near the mean features of each class are."""
    means_CF = np.stack([features[labels == label].mean(axis=0) for label in range(num_classes)])
    logits_NC = -np.square(features[:, None] - means_CF).mean(axis=2)
    weights_NC = np.exp(logits_NC - logits_NC.max(axis=1, keepdims=True))
    p_NC = weights_NC / weights_NC.sum(axis=1, keepdims=True)
    return doubt.from_probabilities(p_NC.astype(np.float32), labels)


def _pixel_features(archive: datasets.Archive, *_: object, **__: object) -> NDArray[np.float32]:
    """In the place of a network."""
    return np.asarray(archive.images, dtype=np.float32).reshape(len(archive.images), -1) / 64


class Hub:
    """In the place of the hub's client, and of what may go wrong between here and there."""

    def __init__(self, archive: bytes, fault: str) -> None:
        self.archive, self.fault = archive, fault
        self.stops = 1 if "stopped" in fault else 0

    def metadata(self, *_: object, **__: object) -> SimpleNamespace:
        """Tell the size, as `get_hf_file_metadata` does."""
        return SimpleNamespace(size=len(self.archive))

    def send(self, _: str, file: io.BufferedWriter, resume_size: int, **__: object) -> None:
        """Write the file from a place on, as `http_get` does."""
        data = self.archive if "content" not in self.fault else self.archive[::-1]
        if self.stops or "cut off" in self.fault:
            self.stops = 0
            file.write(data[resume_size : len(data) // 2])
            raise OSError("Consistency check failed: the file is shorter than it should be")
        file.write(data[resume_size:])


def _pin(archive: bytes) -> download.Pin:
    digest = hashlib.sha256(archive).hexdigest()
    return download.Pin("scenes", "MIT", "nobody/scenes", "0" * 40, "s.zip", {"sha256": digest})


@contextlib.contextmanager
def _stubs(archive: Path, damage: str) -> Iterator[None]:
    """Put what is quick and stays on this machine in the place of heads, network and hub."""
    hub = Hub(archive.read_bytes() if archive.is_file() else b"", damage)
    with contextlib.ExitStack() as stack:
        for place, name, value in (
            (doubt, "score_labels", _by_class_means),
            (audit, "archive_features", _pixel_features),
            (download, "PINS", {"scenes": _pin(hub.archive)}),
            (download, "get_hf_file_metadata", hub.metadata),
            (download, "http_get", hub.send),
            *((*limit, value) for limit, value in LIMITS.items()),
        ):
            stack.enter_context(mock.patch.object(place, name, value))
        yield


def arguments(kind: str, archive: Path, out: Path) -> list[str]:
    """What to give `rnsl`, so that all results come into a folder."""
    if kind == "data":
        return ["data", "get", "scenes", "--to", str(out / "scenes")]
    return [
        "audit", str(archive), "--out", str(out / "doubtful.csv"), "--overwrite",
        "--size", "8", "--folds", "2", "--plant", "0.5",
    ]  # fmt: skip


class Watch:
    """Notes which files this process opens that are none of its business."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] | None = None
        self.secret, self.seen = "", ""
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Python's hook: an event for each file that is opened, moved, linked or made."""
        if self.allowed is None or event not in ("open", "os.mkdir", "os.symlink", "os.link"):
            return
        path = args[1] if event in ("os.symlink", "os.link") else args[0]
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a file descriptor
        name = os.path.realpath(os.fsdecode(path))
        writes = event != "open" or args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if name == self.secret or (writes and not f"{name}{os.sep}".startswith(self.allowed)):
            self.seen = self.seen or f"{event} of {name}"

    @contextlib.contextmanager
    def on(self, allowed: Sequence[Path], secret: Path) -> Iterator[None]:
        """Watch for a while."""
        self.secret, self.seen = os.path.realpath(secret), ""
        self.allowed = (*(os.path.realpath(path) + os.sep for path in allowed), "/dev/")
        try:
            yield
        finally:
            self.allowed = None


@cache
def _watch() -> Watch:
    return Watch()


def _called(command: Callable[[], Result]) -> Result | str:
    """Run a command in a thread, which is given up when it hangs; say what went wrong."""
    done: list[Result] = []
    before = _peak_megabytes()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        thread = threading.Thread(target=lambda: done.append(command()), name=THREAD, daemon=True)
        thread.start()
        thread.join(SECONDS)
    if not done:
        return f"no end after {SECONDS:.0f} s"
    if _peak_megabytes() - before > MEGABYTES:
        return f"took more than {MEGABYTES} MB"
    return f"warned: {warned[0].message}" if warned else done[0]


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _snapshot(base: Path, *without: Path) -> dict[str, str]:
    """What lies in a folder, except in some of its folders."""
    found = {}
    for path in sorted(base.rglob("*")):
        if any(path.is_relative_to(folder) for folder in without):
            continue
        mode = path.lstat().st_mode
        content = path.read_bytes() if stat.S_ISREG(mode) else b""
        found[str(path)] = f"{mode:o} {hashlib.sha256(content).hexdigest()}"
    return found


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return f"changed: {', '.join(sorted(changed))}" if changed else ""


class Place(NamedTuple):
    """The surroundings of a trial: what may be written to lies beside what may not."""

    base: Path
    given: Path
    work: Path
    cache: Path
    secret: Path


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """Make a new one, with a list of an earlier run; it vanishes at the end."""
    with tempfile.TemporaryDirectory(prefix="rnsl-fuzz-", ignore_cleanup_errors=True) as name:
        base = Path(name).resolve()
        deep = base / "a" / "b"
        made = Place(
            base, deep / "given", deep / "work", deep / "cache", deep / "outside" / "secret.png"
        )
        for folder in (made.given, made.work, made.cache, made.secret.parent):
            folder.mkdir(parents=True)
        made.secret.write_bytes(members()[0][1])
        (made.secret.parent / "canary.png").write_bytes(b"alive")
        for result in RESULTS:
            (made.work / result).write_bytes(EARLIER)
        yield made


def try_one(kind: str, case: Case) -> Trial:
    """Run the command on one archive, and look at what it did."""
    with place() as around:
        archive = case.make(around.given)
        before = _snapshot(around.base, around.work, around.cache)
        result = _run_watched(kind, archive, around, case.damage)
        after = _snapshot(around.base, around.work, around.cache)
        escape = _watch().seen or _differences(before, after)
        crash = result if isinstance(result, str) else _fault(kind, result, around, case)
        accepted = not isinstance(result, str) and result.exit_code == 0
        said = result if isinstance(result, str) else result.output
        lost = not accepted and not _kept(around)
        return Trial(case.damage, accepted, crash, escape, lost, said)


def _run_watched(kind: str, archive: Path, around: Place, damage: str) -> Result | str:
    command = arguments(kind, archive, around.work)
    environment = {**os.environ, "RNSL_CACHE": str(around.cache)}
    runs = 2 if "again" in damage else 1
    with (
        _stubs(archive, damage),
        mock.patch.dict(os.environ, environment),
        contextlib.chdir(around.work),
    ):
        for _ in range(runs):
            with _watch().on((around.work, around.cache), around.secret):
                result = _called(lambda: CliRunner().invoke(cli.app, command))
    return result


def _fault(kind: str, result: Result, around: Place, case: Case) -> str:
    """Say what is wrong with how a command ended; "" if nothing is."""
    if not isinstance(result.exception, SystemExit | None):
        return f"{type(result.exception).__name__}: {result.exception}"
    left = [path.name for path in around.work.rglob("*") if path.name.endswith((".tmp", "packing"))]
    if left:
        return f"left behind: {left[0]}"
    if case.accepted is not None and case.accepted != (result.exit_code == 0):
        return f"should have been {'accepted' if case.accepted else 'refused'}"
    if result.exit_code == 0:
        return _fault_of_result(kind, around, case)
    lines = [line for line in result.output.splitlines() if line.startswith("rnsl: ")]
    if result.exit_code != 1 or len(lines) != 1 or "Traceback" in result.output:
        return f"exit status {result.exit_code} and {len(lines)} lines of explanation"
    return _fault_of_refusal(kind, around)


def _fault_of_refusal(kind: str, around: Place) -> str:
    if kind == "data":
        return "a folder is there" * (around.work / "scenes").exists()
    return "the earlier list is lost" * (not _kept(around))


def _kept(around: Place) -> bool:
    """Return whether the list of the earlier run is as it was."""
    results = [around.work / name for name in RESULTS]
    return all(path.is_file() and path.read_bytes() == EARLIER for path in results)


def _fault_of_result(kind: str, around: Place, case: Case) -> str:
    if kind == "data":
        files = [path for path in (around.work / "scenes").rglob("*") if path.is_file()]
        named = {path.relative_to(around.work / "scenes").as_posix() for path in files}
        fine = len(named) >= 3 and (not case.listed or case.listed in named)
        return "" if fine else "the folder is not whole"
    rows = audit.read_csv(around.work / "doubtful.csv")
    named = {row["file"] for row in rows}
    page = (around.work / "doubtful.html").read_text(encoding="utf-8")
    if len(named) != len(rows) or not rows or (case.listed and case.listed not in named):
        return "the list does not hold every image under its name"
    with (around.work / "doubtful.csv").open(errors="surrogateescape", newline="") as opened:
        cells = [cell for row in csv.reader(opened) for cell in row]
    if any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells):
        return "a cell is a formula"
    return "a name became markup" * (page.count("<script") != 2)


# ------------------------------------------------------------------ a process of its own


def try_in_process(kind: str, case: Case) -> Trial:
    """Run the command as a user does, on an archive that it refuses before anything is computed."""
    with place() as around:
        archive = case.make(around.given)
        before = _snapshot(around.base, around.work, around.cache)
        done = subprocess.run(
            [sys.executable, "-m", "rnsl_tutorial", *arguments(kind, archive, around.work)],
            cwd=around.work, env={**os.environ, "RNSL_CACHE": str(around.cache)},
            capture_output=True, text=True, errors="replace", timeout=5 * SECONDS, check=False,
        )  # fmt: skip
        escape = _differences(before, _snapshot(around.base, around.work, around.cache))
        said = done.stdout + done.stderr
        lines = [line for line in said.splitlines() if line.startswith("rnsl: ")]
        clear = done.returncode == 1 and len(lines) == 1 and "Traceback" not in said
        crash = _fault_of_refusal(kind, around) if clear else f"exit status {done.returncode}"
        return Trial("in a process of its own", False, crash, escape, not _kept(around), said)


# ------------------------------------------------------------------ counting


def trials(kind: str, n: int, seed: int, processes: int = 0) -> Iterator[Trial]:
    """Try all hostile archives, n damaged ones, and some in processes of their own.

    Args:
        kind: one of `KINDS`.
        n: archives of random damage.
        seed: of the damage.
        processes: of the hostile archives that are refused, how many.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}.")
    rng = random.Random(seed)
    cases = hostile(kind)
    for case in (*cases, *(damaged(kind, rng) for _ in range(n))):
        yield try_one(kind, case)
    refused = [case for case in cases if case.accepted is False]
    for case in rng.sample(refused, min(processes, len(refused))):
        yield try_in_process(kind, case)


def count(found: Sequence[Trial]) -> Outcome:
    """Add up."""
    crashed = [bool(trial.crash) for trial in found]
    accepted = [trial.accepted and not trial.crash for trial in found]
    return Outcome(
        tried=len(found),
        refused=len(found) - sum(crashed) - sum(accepted),
        accepted=sum(accepted),
        crashed=sum(crashed),
        escaped=sum(bool(trial.escape) for trial in found),
        lost=sum(trial.lost for trial in found),
    )


def run(kind: str, n: int, seed: int) -> Outcome:
    """Fuzz a command and return the counts.

    Args:
        kind: "audit" or "data".
        n: archives of random damage, on top of the fixed list.
        seed: of the damage.
    """
    return count(list(trials(kind, n, seed)))


def table(found: Sequence[Trial]) -> str:
    """Lay out the counts by kind of damage, as Markdown."""
    kinds = dict.fromkeys(trial.damage for trial in found)
    rows = [
        ("damage", *Outcome._fields),
        ("---",) * (1 + len(Outcome._fields)),
        *((kind, *count([trial for trial in found if trial.damage == kind])) for kind in kinds),
        ("**all**", *count(found)),
    ]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def main() -> None:
    """Print the table; exit status 1 if anything crashed or escaped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kind", choices=KINDS, default="audit")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=0)
    chosen = parser.parse_args()
    found = list(trials(chosen.kind, chosen.n, chosen.seed, chosen.processes))
    print(
        f"`rnsl {chosen.kind}`, {chosen.n} archives of random damage (seed {chosen.seed}) and the "
        f"fixed list; {platform.system()}, Python {platform.python_version()}, Pillow "
        f"{version('pillow')}, rnsl-tutorial {version('rnsl-tutorial')}\n"
    )
    print(table(found))
    bad = [trial for trial in found if trial.crash or trial.escape]
    for trial in bad:
        print(f"\n{trial.damage}: {trial.crash or '-'}; {trial.escape or '-'}\n{trial.said[-600:]}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
