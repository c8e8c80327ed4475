"""Image archives on disk become uint8 arrays, labels and class names.

Shapes: N images, each with 3 channels (red, green, blue) and S x S pixels.
"""

import hashlib
import json
import os
import time
import warnings
from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from tqdm.auto import tqdm

from rnsl_tutorial._files import (
    DAMAGE,
    cache_dir,
    escaped,
    in_one_line,
    printable,
    require_room,
    written_whole,
)
from rnsl_tutorial.datasets import _listing, _packed
from rnsl_tutorial.datasets._listing import EXPECTED, Found
from rnsl_tutorial.datasets._packed import Member

__all__ = ["Archive", "Reading", "check_folds", "load_archive"]

_MAX_SIZE = 2048  # pixels: one image then takes 12.6 MB
_MAX_EXPANSION = 100  # of a tar or zip, and at least _MAX_UNPACKED_BYTES; images hardly compress
_MAX_UNPACKED_BYTES = 2**31
_MAX_NAMED = 10  # broken images in a message
_LINK = "a link or device in a tar or zip"

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
_DECODER = "3"  # part of the cache key: raise it when the same files shall give other pixels
_SETTLED_NS = 2_000_000_000  # a time stamp younger than this may hide a change that follows at once


class Archive(NamedTuple):
    """An image archive; only the images that are touched take memory.

    Attributes:
        images: uint8 [N, 3, S, S], a read-only memory map of the cache file.
        labels: int64 [N], positions in ``class_names``; -1 where there are no labels.
        class_names: names of the class folders, sorted; none where there are no labels.
        files: such as ``"Airport/airport_1.jpg"``, relative to the folder of class folders;
            sorted by class and name, part by part as strings.
        digests: hash of the bytes of each file, 32 hexadecimal digits: an image is known by it
            after it was moved or renamed. Empty where images were made and not read.
        skipped: name and reason of each file or folder that was passed over, hidden ones excepted.
        notes: sentences on how the images were read, for whoever looks at them.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    digests: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


class Reading(NamedTuple):
    """How an archive is read.

    Attributes:
        nested: whether images in folders within a class folder count, too.
        skip_broken: whether images that cannot be read are passed over, and not refused.
    """

    nested: bool = False
    skip_broken: bool = False


_PLAIN = Reading()


class _Asked(NamedTuple):
    """What is read: the place, how, and whether its folders are classes."""

    root: Path
    reading: Reading
    labelled: bool


class _Survey(NamedTuple):
    """What an archive holds, before an image is decoded.

    Attributes:
        found: its images.
        digests: by path, in order; "" for what cannot be read.
        broken: path and reason of those that cannot be read.
    """

    found: Found
    digests: Mapping[str, str]
    broken: Mapping[str, str]


@escaped()
def load_archive(
    root: str | Path,
    size: int = 150,
    reading: Reading = _PLAIN,
    *,
    labelled: bool = True,
    cache: Path | None = None,
    progress: bool = True,
    workers: int | None = None,
    folds: int = 1,
) -> Archive:
    """Load the images of an archive as square RGB pixels; they are decoded the first time only.

    An archive is a folder of class folders, or a tar (of any compression that ``tarfile`` reads)
    or zip of one. Folders around it, such as ``AID/`` in ``AID/Airport/airport_1.jpg``, are looked
    through. It is read in place: nothing is unpacked, nothing is written into it. Passed over, and
    told in ``skipped``, are files of other types, folders within a class folder, and in a tar or
    zip symbolic links and devices; in silence hidden names and ``__MACOSX``.

    Refused, so that a small archive cannot fill the memory or the disk, are an encoded image above
    512 MiB or of more pixels than Pillow's limit (89 million), a tar or zip that unpacks to more
    than 100 times its size and more than 2 GiB or holds more than 1 million files, a zip packed by
    other methods than deflate, and names of more than 4096 characters.

    Images are squashed to S x S with antialiased bilinear interpolation, as torchvision's
    ``Resize((S, S))`` does; a JPEG of 4 S or more is first shrunk to at least 2 S by its decoder.
    Alpha is dropped, 16-bit grey keeps its upper 8 bits, EXIF orientation is not applied.

    The pixels stay in the cache under a hash of names and contents, so a moved or copied archive is
    found again and a changed one is decoded anew. While names, sizes, time stamps and inodes are as
    they were, the contents are not even read.

    Args:
        root: the folder, tar or zip.
        size: S, the side of the images in pixels, 1 to 2048.
        reading: what else is read, and how.
        labelled: whether the images have labels. If not, all are taken, in whatever folders they
            lie: ``labels`` are then -1, and there are no ``class_names``.
        cache: folder for the decoded images, 3 * S * S bytes each; default
            ``$RNSL_CACHE`` where that is set, else the platform's cache folder.
        progress: whether progress bars are shown while images are read and decoded.
        workers: number of decoding threads, at least 1; default one for each processor.
        folds: into which the images are going to be parted: each class needs as many.

    Returns:
        images, labels, class names, file names, and what is to be said of the reading.

    Raises:
        FileNotFoundError: ``root`` does not exist.
        ValueError: ``size`` or ``workers`` out of range; the cache lies inside the archive; no
            class folders, a single one, one without images or with fewer than folds; images that
            are damaged, too large, of another type or unreadable, all of them at once; an archive
            that is damaged, or changes while it is read.
        OSError: the cache cannot be written or its disk is full; nothing half-written is kept.
    """
    root = Path(root).expanduser()
    folder = (cache_dir() if cache is None else cache.expanduser()) / "archives"
    workers = (os.cpu_count() or 1) if workers is None else workers
    _check_arguments(root, size, folder, workers)
    asked = _Asked(root, reading, labelled)
    listed = _found(asked, _listing.list_on_disk(root)) if root.is_dir() else None
    check_folds(Counter(listed.labels.values() if listed else ()), folds)
    fingerprint, settled = _fingerprint(asked, listed)
    memo = folder / f"{fingerprint}.key"
    known = _remembered(memo)
    archive = known and _find_cache(folder, known, size, reading)
    if archive is None:
        survey = _survey(asked, listed, progress)
        check_folds(Counter(survey.found.labels.values()), folds)
        known = _summary(survey)
        archive = _find_cache(folder, known, size, reading)
        if archive is None:
            num_bytes = len(survey.digests) * 3 * size * size
            with _explained(folder, num_bytes):
                folder.mkdir(parents=True, exist_ok=True)
                require_room(folder, num_bytes)
                _build_cache(_stem(folder, known.key, size), asked, survey, size, progress, workers)
                archive = _open_cache(folder, known, size, reading)
        if settled:
            with suppress(OSError), written_whole(memo) as file:
                file.write(json.dumps(known).encode())
    _check_left(archive, folds)
    return archive


def _check_arguments(root: Path, size: int, folder: Path, workers: int) -> None:
    if not 1 <= size <= _MAX_SIZE:
        raise ValueError(f"size is {size}; give a side of 1 to {_MAX_SIZE} pixels.")
    if workers < 1:
        raise ValueError(f"workers is {workers}; give at least 1, or None for all processors.")
    if not root.exists():
        raise FileNotFoundError(f"{root} does not exist. Give {EXPECTED}.")
    if folder.resolve().is_relative_to(root.resolve()):
        raise ValueError(
            f"The image cache {folder} lies inside the archive {root}, which has to stay as it is. "
            "Set RNSL_CACHE to a folder outside of it."
        )


def check_folds(counts: Mapping[str, int], folds: int) -> None:
    """Refuse classes that have too few images to be parted into folds, all of them at once.

    Args:
        counts: class name -> number of its images.
        folds: each class needs as many images.

    Raises:
        ValueError: a class has fewer.
    """
    few = [name for name, count in counts.items() if count < folds]
    if few:
        others = ", ".join(f"{name!r} ({counts[name]})" for name in few[1:])
        raise ValueError(
            f"Class {few[0]!r} has {counts[few[0]]} images; {folds} folds need at least {folds} of "
            f"each class{', and too few have also ' * bool(others)}{others}. Add images, leave the "
            f"class{'es' * bool(others)} out, or ask for fewer folds."
        )


def _check_left(archive: Archive, folds: int) -> None:
    """Refuse classes of which broken images leave too few, or none: ValueError."""
    counts = np.bincount(archive.labels[archive.labels >= 0], minlength=len(archive.class_names))
    check_folds(dict(zip(archive.class_names, counts.tolist(), strict=True)), max(folds, 1))


# Reading them, always one after the other in stored order, as compressed archives want it.


def _found(asked: _Asked, list_folder: _listing.List) -> Found:
    return _listing.find(
        asked.root, list_folder, classes=asked.labelled, nested=asked.reading.nested
    )


def _read(root: Path, images: Sequence[str] | None) -> Iterator[tuple[str, bytes | str | None]]:
    """Yield the path of every image, with its bytes or why it has none that can be read.

    Of a tar or zip, where the images are not known yet, also those of other files and of folders,
    with None.
    """
    with _packed.explained(root):
        if images is not None:
            yield from ((path, _read_file(root / path)) for path in images)
        elif root.is_file() and _packed.is_packed(root):
            yield from _read_packed(root)
        else:
            raise ValueError(
                f"{root} is no folder, tar or zip, or it is incomplete. Give {EXPECTED}."
            )


def _read_file(path: Path) -> bytes | str:
    try:
        if path.exists() and not path.is_file():
            return "a device or pipe"
        _packed.check_bytes(path, path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        return f"{error.strerror}"
    except ValueError as error:
        return str(error).removeprefix(f"{path} ").partition(". ")[0]


def _read_packed(root: Path) -> Iterator[tuple[str, bytes | str | None]]:
    stored = _packed.read(
        root, lambda member: _listing.is_image(_plain_path(member)),
        expansion=_MAX_EXPANSION, at_least=_MAX_UNPACKED_BYTES,
    )  # fmt: skip
    for member, data in stored:
        path = _plain_path(member)
        if path and not (member.is_file or member.is_folder):
            yield path, _LINK
        elif path:
            yield path, data if _listing.is_image(path) else None


def _plain_path(member: Member) -> str:
    """Return the member's path without "." and root; "" for what is hidden."""
    parts = [part for part in PurePosixPath(member.name).parts if part != "/"]
    if not parts or not all(map(_listing.is_visible, parts)):
        return ""
    return "/".join(parts) + "/" * member.is_folder


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _hash(value: object) -> str:
    return _digest(json.dumps(value).encode())


def _survey(asked: _Asked, listed: Found | None, progress: bool) -> _Survey:
    """Read every image once, for its digest."""
    digests: dict[str, str] = {}
    broken: dict[str, str] = {}
    links: dict[str, str] = {}
    stored = _read(asked.root, listed and listed.images)
    title = f"Reading {printable(asked.root.name)}"
    for path, data in tqdm(stored, title, unit="file", disable=not progress):
        if data == _LINK:
            links[path] = _LINK
            continue
        digests[path] = _digest(data) if isinstance(data, bytes) else ""
        if isinstance(data, str):
            broken[path] = data
    found = listed or _found(asked, _listing.list_members(digests))
    found = found._replace(passed=[*found.passed, *links.items()])
    return _Survey(found, {path: digests[path] for path in found.images}, broken)


def _fingerprint(asked: _Asked, listed: Found | None) -> tuple[str, bool]:
    """Return a hash of what decides the archive, and whether a change from now on must alter it."""
    now = time.time_ns()
    paths = listed.images if listed else [""]
    try:
        stats = [(asked.root / path).stat() for path in paths]
    except OSError:  # a link to nowhere: it may lead somewhere at any time
        return "", False
    states = [[stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for stat in stats]
    settled = now - max(stat.st_ctime_ns for stat in stats) > _SETTLED_NS
    return _hash([asked.reading, asked.labelled, listed, states]), settled


# Decoding.


def _decode(data: bytes, size: int) -> bytes | str:
    """Return the pixels uint8 [3, S, S] of an encoded image, or why there are none."""
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            image.draft(None, (2 * size, 2 * size))
            rgb = _to_rgb(image)
    except UnidentifiedImageError:
        return "no JPEG, PNG, TIFF, WebP or BMP image"
    except Exception as error:  # decoders raise nearly anything on damaged bytes
        return f"cannot be decoded: {in_one_line(error)}"
    square = rgb.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(square).transpose(2, 0, 1).tobytes()


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose range is not known")
    if image.mode.startswith("I"):
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError("its pixels are integers beyond 16 bits, whose range is not known")
        image = Image.fromarray((pixels >> 8).astype(np.uint8))
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns on the direct way
    return image.convert("RGB")


def _decoded(
    root: Path, digests: Mapping[str, str], size: int, workers: int
) -> Generator[tuple[str, bytes | str]]:
    """Yield path and pixels of every image in stored order, with few of them in memory."""
    missing = set(digests)
    queue: deque[tuple[str, Future[bytes | str]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for path, data in _read(root, [*digests] if root.is_dir() else None):
            # a tar may hold a file twice: the later one counts, and has the digest
            if not isinstance(data, bytes) or path not in missing or digests[path] != _digest(data):
                continue
            missing.remove(path)
            queue.append((path, pool.submit(_decode, data, size)))
            if len(queue) > 2 * workers:
                path, future = queue.popleft()
                yield path, future.result()
        for path, future in queue:
            yield path, future.result()
    if missing:
        raise ValueError(f"{root / min(missing)} changed while it was read. Load again.")


class _BrokenError(Exception):
    """Images that cannot be decoded: path and reason."""


def _refused(root: Path, broken: Mapping[str, str], count: int) -> ValueError:
    """What to raise where images cannot be used: all of them at once, the first ones by name."""
    by_reason: dict[str, list[str]] = {}
    for name in sorted(broken)[:_MAX_NAMED]:
        by_reason.setdefault(broken[name], []).append(name)
    named = "; ".join(f"{', '.join(names)} ({why})" for why, names in by_reason.items())
    more = f"; and {len(broken) - _MAX_NAMED:,} more" if len(broken) > _MAX_NAMED else ""
    return ValueError(
        f"{len(broken):,} of {count:,} images in {root} cannot be used: {named}{more}. Replace or "
        "remove them, or go on without them by --skip-broken."
    )


# The cache: <key>-<size>.npy with the pixels, then <key>-<size>.json with names and digests, which
# says that the pixels are complete, and which files have none; <fingerprint>.key remembers what an
# unchanged archive holds.


class _Remembered(NamedTuple):
    """What an archive holds: key of its pixels, class of each file, what was passed over."""

    key: str
    labels: Mapping[str, str]
    passed: Sequence[tuple[str, str]]


def _summary(survey: _Survey) -> _Remembered:
    name, found = survey.found.name, survey.found
    return _Remembered(
        _hash([_DECODER, *([name(path), digest] for path, digest in survey.digests.items())]),
        {name(path): label for path, label in found.labels.items()},
        [(name(path), why) for path, why in found.passed],
    )


def _stem(folder: Path, key: str, size: int) -> Path:
    return folder / f"{key}-{size}"


def _remembered(memo: Path) -> _Remembered | None:
    try:
        return _Remembered(*json.loads(memo.read_text(encoding="utf-8")))
    except DAMAGE:
        return None


def _find_cache(folder: Path, known: _Remembered, size: int, reading: Reading) -> Archive | None:
    try:
        return _open_cache(folder, known, size, reading)
    except DAMAGE:
        return None


def _open_cache(folder: Path, known: _Remembered, size: int, reading: Reading) -> Archive:
    """Map the cached pixels; raises one of `DAMAGE` if they are missing, short or damaged."""
    stem = _stem(folder, known.key, size)
    listed = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    if listed["broken"] and not reading.skip_broken:
        raise ValueError("Images are missing that nobody wanted to miss.")
    files, digests = zip(*listed["files"], strict=True)
    images = np.lib.format.open_memmap(stem.with_suffix(".npy"), mode="r")
    if images.dtype != np.uint8 or images.shape != (len(files), 3, size, size):
        raise ValueError(f"{stem}.npy does not hold {len(files)} images of {size} pixels.")
    class_names = tuple(sorted({*known.labels.values()}))
    label_of = {name: label for label, name in enumerate(class_names)}
    labels = [label_of[known.labels[file]] if class_names else -1 for file in files]
    skipped = tuple(sorted((file, why) for file, why in [*listed["broken"], *known.passed]))
    return Archive(images, np.array(labels, np.int64), class_names, files, digests, skipped)


def _build_cache(
    stem: Path, asked: _Asked, survey: _Survey, size: int, progress: bool, workers: int
) -> None:
    """Decode all images; where some cannot be, refuse them, or begin again without them."""
    broken, write = survey.broken, partial(_write_pixels, stem, asked, survey, size, progress)
    try:
        write(workers, broken)
    except _BrokenError as error:
        broken = error.args[0]
        if not asked.reading.skip_broken or len(broken) == len(survey.digests):
            named = {survey.found.name(path): why for path, why in broken.items()}
            raise _refused(asked.root, named, len(survey.digests)) from error
        write(workers, broken)
    name = survey.found.name
    listed = {
        "files": [(name(path), d) for path, d in survey.digests.items() if path not in broken],
        "broken": [(name(path), why) for path, why in broken.items()],
    }
    with written_whole(stem.with_suffix(".json")) as file:
        file.write(json.dumps(listed, indent=0).encode())


def _write_pixels(
    stem: Path, asked: _Asked, survey: _Survey, size: int, progress: bool, workers: int,
    broken: Mapping[str, str],
) -> None:  # fmt: skip
    whole = {path: digest for path, digest in survey.digests.items() if path not in broken}
    rows, further = {path: row for row, path in enumerate(whole)}, {}
    with (
        warnings.catch_warnings(),
        written_whole(stem.with_suffix(".npy")) as file,
        closing(_decoded(asked.root, whole, size, workers)) as decoded,
        tqdm(
            decoded,
            f"Decoding {printable(asked.root.name)}",
            len(rows),
            unit="image",
            disable=not progress,
        ) as bar,
    ):
        # half of what Pillow refuses by itself: such an image takes 268 MB in each worker
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        shape = (len(rows), 3, size, size)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        for path, pixels in bar:
            if isinstance(pixels, str):
                further[path] = pixels
            else:
                file.seek(start + rows[path] * len(pixels))
                file.write(pixels)
        if further or (broken and not asked.reading.skip_broken):
            raise _BrokenError({**broken, **further})


@contextmanager
def _explained(folder: Path, num_bytes: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno,
            f"The image cache cannot be written ({error.strerror}). It needs {num_bytes / 1e6:.1f} "
            "MB. Make room, or set RNSL_CACHE to a folder that you may write to",
            str(folder),
        ) from error
