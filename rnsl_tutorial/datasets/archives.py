"""Image archives on disk become uint8 arrays, labels and class names.

Shapes: N images, each with 3 channels (red, green, blue) and S x S pixels.
"""

import json
import os
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm.auto import tqdm

from rnsl_tutorial._arrays import is_number, is_whole
from rnsl_tutorial._files import (
    DAMAGE,
    cache_dir,
    escaped,
    printable,
    require_room,
    written_whole,
)
from rnsl_tutorial.datasets import _listing
from rnsl_tutorial.datasets._decoding import Span, is_deep, sampled, scaling, span_of, squared
from rnsl_tutorial.datasets._labels import labelled_by, read_table
from rnsl_tutorial.datasets._listing import EXPECTED, Found
from rnsl_tutorial.datasets._stored import LINK, digest, read

__all__ = ["Archive", "Reading", "check_folds", "load_archive"]

_MAX_SIZE = 2048  # pixels: one image then takes 12.6 MB
_FINITE = (-1e300, 1e300)
_MAX_BANDS = 2**16  # as many as a TIFF can say
_SAMPLED, _LEAST_SAMPLED = 2**22, 16  # values that a range is found by: of an archive, of an image
_MAX_NAMED = 10  # broken images in a message

_DECODER = "3"  # part of the cache key: raise it when the same files shall give other pixels
_SETTLED_NS = 2_000_000_000  # a time stamp younger than this may hide a change that follows at once


_Made = TypeVar("_Made")


class Reading(NamedTuple):
    """How an archive is read.

    Attributes:
        bands: which bands are red, green and blue, counted from 1 as GDAL does, such as
            (4, 3, 2); empty for those that a file of 1 or 3 bands has.
        span: what becomes black and what becomes white in images of more than 8 bits; None for the
            range of the archive's own.
        nested: whether images in folders within a class folder count, too.
        skip_broken: whether images that cannot be used, or have no label in the table, and class
            folders without images are passed over, and not refused.
        labels: csv or parquet with the columns file and label, where folders are no classes; images
            then lie in whatever folders. A row belongs to the image of its path in the archive, or
            else to the only one that ends alike, at least in its bare name.
    """

    bands: tuple[int, ...] = ()
    span: tuple[float, float] | None = None
    nested: bool = False
    skip_broken: bool = False
    labels: Path | None = None

    def told(self) -> dict[str, list[float]]:
        """Return what other images must be read by, too, for a file: bands and span, if any."""
        kept = {"bands": self.bands, "span": self.span}
        return {name: [*numbers] for name, numbers in kept.items() if numbers}


_PLAIN = Reading()


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
        reading: how they were read; its ``span`` is the one that was found, unless all values were
            the same, so that other images can be read alike.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    digests: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    reading: Reading = _PLAIN

    def stored(self, root: Path) -> Iterator[tuple[str, Path | bytes]]:
        """Yield the files in stored order: where each lies, or its bytes in a tar or zip.

        Args:
            root: the folder, tar or zip that was loaded.

        Yields:
            The name, as in ``files``, and the path or the bytes.

        Raises:
            ValueError: it changed since, or cannot be read.
        """
        yield from _read_files(root, self)


class _Asked(NamedTuple):
    """What a caller of `load_archive` asks for."""

    root: Path
    size: int
    reading: Reading
    table: Mapping[str, str] | None
    labelled: bool
    progress: bool
    workers: int


class _Survey(NamedTuple):
    """What an archive holds, before an image is decoded.

    Attributes:
        found: its images.
        digests: by path, in order; "" for what cannot be read.
        deep: those of them that may have more than 8 bits.
        broken: path and reason of those that cannot be read.
    """

    found: Found
    digests: Mapping[str, str]
    deep: Mapping[str, str]
    broken: Mapping[str, str]

    def named(self, by_path: Mapping[str, str]) -> list[tuple[str, str]]:
        """What is known of paths, with their names in the archive."""
        return [(self.found.name(path), known) for path, known in by_path.items()]


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
    told in ``skipped``, are files of other types, what lies beside the class folders, folders
    within one, and in a tar or zip symbolic links and devices; in silence hidden names and
    ``__MACOSX``. Other ways to lie and to be labelled: `Reading`, and ``labelled``.

    Refused, so that a small archive cannot fill the memory or the disk, are an encoded image above
    512 MiB or of more pixels than Pillow's limit (89 million), a tar or zip that unpacks to more
    than 100 times its size and more than 2 GiB or holds more than 1 million files, a zip packed by
    other methods than deflate, and names of more than 4096 characters.

    JPEG, PNG, TIFF, WebP and BMP are read; of an animation the first picture. TIFFs and PNGs of
    more than 8 bits, or of floating-point numbers, are scaled over the archive's own range, by one
    factor for all of their images and bands: v becomes 255 (v - low) / (high - low), clipped, where
    low and high are the quantiles .001 and .999 of a sample of values of all such images (4 million
    in all, and at least 16 of an image). Neither numbers that are not finite nor GDAL's "no data"
    count; they become black. ``notes`` says so. Images of 8 bits beside them stay as they are.
    Pages of one size are bands of a TIFF; 2 or more than 3 bands need ``reading.bands``.

    Images are squashed to S x S with antialiased bilinear interpolation, as torchvision's
    ``Resize((S, S))`` does; a JPEG of 4 S or more is first shrunk to at least 2 S by its decoder.
    Alpha is dropped, EXIF orientation is not applied.

    The pixels stay in the cache under a hash of names, contents, bands and range, so a moved or
    copied archive is found again and a changed one is decoded anew. While names, sizes, time stamps
    and inodes are as they were, the contents are not even read.

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
    _check_reading(reading)
    table = read_table(reading.labels) if reading.labels and labelled else None
    archive = _loaded(
        _Asked(root, size, reading, table, labelled, progress, workers), folder, folds
    )
    _check_left(archive, folds)
    return archive


def _loaded(asked: _Asked, folder: Path, folds: int) -> Archive:
    """Take the archive from the cache, by its files' state or by their contents, or build it."""
    root = asked.root
    listed = _found(asked, _listing.list_on_disk(root)) if root.is_dir() else None
    check_folds(Counter(listed.labels.values() if listed else ()), folds)
    fingerprint, settled = _fingerprint(asked, listed)
    memo = folder / f"{fingerprint}.key"
    known = _remembered(memo)
    archive = known and _find_cache(folder, known, asked)
    if archive is None:
        survey = _survey(asked, listed)
        check_folds(Counter(survey.found.labels.values()), folds)
        known = _summary(survey, asked.reading)
        archive = _find_cache(folder, known, asked)
        if archive is None:
            num_bytes = len(survey.digests) * 3 * asked.size**2
            with _explained(folder, num_bytes):
                folder.mkdir(parents=True, exist_ok=True)
                require_room(folder, num_bytes)
                _build_cache(_stem(folder, known.key, asked.size), asked, survey)
                archive = _open_cache(folder, known, asked)
        if settled:
            with suppress(OSError), written_whole(memo) as file:
                file.write(json.dumps(known).encode())
    return archive


def _read_files(root: Path, archive: Archive) -> Iterator[tuple[str, Path | bytes]]:
    missing = dict(zip(archive.files, archive.digests, strict=True))
    classes = bool(archive.class_names) and archive.reading.labels is None
    with escaped():
        if root.is_dir():
            listing = _listing.list_on_disk(root)
        else:
            listing = _listing.list_members(path for path, _ in read(root, None))
        found = _listing.find(
            root, listing, classes=classes, nested=archive.reading.nested,
            skip_broken=archive.reading.skip_broken,
        )  # fmt: skip
        in_folder = ((path, root / path) for path in found.images)
        for path, data in in_folder if root.is_dir() else read(root, None):
            file = found.name(path)
            # a tar may hold a file twice: the later one counts, and has the digest
            if isinstance(data, bytes) and missing.get(file) != digest(data):
                continue
            if isinstance(data, bytes | Path) and missing.pop(file, ""):
                yield file, data
        if missing:
            raise ValueError(f"{root / min(missing)} changed while it was read. Load again.")


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


def _check_reading(reading: Reading) -> None:
    """Refuse bands that are none, and a range without width: ValueError."""
    bands, span = reading.bands, reading.span
    if bands and not (len(bands) == 3 and all(is_whole(band, 1, _MAX_BANDS) for band in bands)):
        raise ValueError(
            f"bands is {bands!r:.80}; give three numbers, of the bands for red, green and blue, "
            "such as (4, 3, 2). The first band is 1."
        )
    if span and not (
        len(span) == 2 and all(is_number(v, *_FINITE) for v in span) and span[0] < span[1]
    ):
        raise ValueError(
            f"range is {span!r:.80}; give two numbers, the value that becomes black and a larger "
            "one that becomes white."
        )


def _check_left(archive: Archive, folds: int) -> None:
    """Refuse classes of which broken images leave too few, or none: ValueError."""
    counts = np.bincount(archive.labels[archive.labels >= 0], minlength=len(archive.class_names))
    left = dict(zip(archive.class_names, counts.tolist(), strict=True))
    if gone := [repr(name) for name, count in left.items() if not count]:
        raise ValueError(
            f"All images of {', '.join(gone)} are broken, and passed over. Replace them, or leave "
            "the class out."
        )
    check_folds(left, folds)


# What an archive holds.


def _found(asked: _Asked, list_folder: _listing.List) -> Found:
    """Find the images, and their labels if they have any."""
    root, reading = asked.root, asked.reading
    classes = asked.labelled and reading.labels is None
    found = _listing.find(
        root, list_folder, classes=classes, nested=reading.nested, skip_broken=reading.skip_broken
    )
    if asked.table is None or reading.labels is None:
        return found
    return labelled_by(found, asked.table, root, reading.labels, skip=reading.skip_broken)


def _hash(value: object) -> str:
    return digest(json.dumps(value).encode())


def _survey(asked: _Asked, listed: Found | None) -> _Survey:
    """Read every image once, for its digest."""
    digests: dict[str, str] = {}
    deep: set[str] = set()
    broken: dict[str, str] = {}
    links: dict[str, str] = {}
    stored = read(asked.root, listed and listed.images)
    for path, data in _bar(asked, "Reading", stored):
        if data == LINK:
            links[path] = LINK
            continue
        digests[path] = digest(data) if isinstance(data, bytes) else ""
        if isinstance(data, str):
            broken[path] = data
        elif data and is_deep(data):
            deep.add(path)
    found = listed or _found(asked, _listing.list_members(digests))
    found = found._replace(passed=[*found.passed, *links.items()])
    digests = {path: digests[path] for path in found.images}
    return _Survey(found, digests, {p: d for p, d in digests.items() if p in deep}, broken)


def _bar(
    asked: _Asked, doing: str, items: Iterable[_Made], total: int | None = None
) -> "tqdm[_Made]":
    title, unit = f"{doing} {printable(asked.root.name)}", "image" if total else "file"
    return tqdm(items, title, total or None, unit=unit, disable=not asked.progress)


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
    how = [asked.reading._replace(labels=None), asked.table, asked.labelled]
    return _hash([*how, listed, states]), settled


# Decoding.


def _decoded(
    asked: _Asked, digests: Mapping[str, str], decode: Callable[[bytes], _Made]
) -> Generator[tuple[str, _Made]]:
    """Yield path and what is made of each image in stored order, with few of them in memory."""
    missing, root = set(digests), asked.root
    queue: deque[tuple[str, Future[_Made]]] = deque()
    with ThreadPoolExecutor(asked.workers) as pool:
        for path, data in read(root, [*digests] if root.is_dir() else None):
            # a tar may hold a file twice: the later one counts, and has the digest
            if not isinstance(data, bytes) or path not in missing or digests[path] != digest(data):
                continue
            missing.remove(path)
            queue.append((path, pool.submit(decode, data)))
            if len(queue) > 2 * asked.workers:
                path, future = queue.popleft()
                yield path, future.result()
        for path, future in queue:
            yield path, future.result()
    if missing:
        raise ValueError(f"{root / min(missing)} changed while it was read. Load again.")


class _Look(NamedTuple):
    """What images of more than 8 bits are scaled over, what is said of it, and what is broken."""

    span: Span | None
    notes: list[str]
    broken: dict[str, str]


def _look(asked: _Asked, survey: _Survey) -> _Look:
    """Find the range of the images that have more than 8 bits, by a sample of each."""
    count = max(_LEAST_SAMPLED, _SAMPLED // max(len(survey.deep), 1))
    decode = partial(sampled, bands=asked.reading.bands, count=count)
    first: dict[str, str] = {}
    broken: dict[str, str] = {}
    samples = []
    if not survey.deep:
        return _Look(None, [], broken)
    with (
        closing(_decoded(asked, survey.deep, decode)) as seen,
        _bar(asked, "Finding the range of", seen, len(survey.deep)) as bar,
    ):
        for path, found in bar:
            if isinstance(found, str):
                broken[path] = found
            elif found is not None:
                first.setdefault(found[0], survey.found.name(path))
                samples.append(found[1])
    if not samples:
        return _Look(None, [], broken)
    span = Span(*asked.reading.span) if asked.reading.span else span_of(np.concatenate(samples))
    which = f"{len(samples):,} of {len(survey.digests):,} images"
    notes = [scaling(which, first, span, found=asked.reading.span is None)]
    if others := len(survey.digests) - len(samples):
        notes = [f"{notes[0]} The other {others:,} are taken as they are."]
    return _Look(span, notes, broken)


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


def _summary(survey: _Survey, reading: Reading) -> _Remembered:
    how = [_DECODER, reading.bands, reading.span]
    key = _hash([*how, *survey.named(survey.digests)])
    return _Remembered(
        key, dict(survey.named(survey.found.labels)), survey.named(dict(survey.found.passed))
    )


def _stem(folder: Path, key: str, size: int) -> Path:
    return folder / f"{key}-{size}"


def _remembered(memo: Path) -> _Remembered | None:
    try:
        return _Remembered(*json.loads(memo.read_text(encoding="utf-8")))
    except DAMAGE:
        return None


def _find_cache(folder: Path, known: _Remembered, asked: _Asked) -> Archive | None:
    try:
        return _open_cache(folder, known, asked)
    except DAMAGE:
        return None


def _open_cache(folder: Path, known: _Remembered, asked: _Asked) -> Archive:
    """Map the cached pixels; raises one of `DAMAGE` if they are missing, short or damaged."""
    size, stem = asked.size, _stem(folder, known.key, asked.size)
    listed = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    if listed["broken"] and not asked.reading.skip_broken:
        raise ValueError("Images are missing that nobody wanted to miss.")
    files, digests = zip(*listed["files"], strict=True)
    images = np.lib.format.open_memmap(stem.with_suffix(".npy"), mode="r")
    if images.dtype != np.uint8 or images.shape != (len(files), 3, size, size):
        raise ValueError(f"{stem}.npy does not hold {len(files)} images of {size} pixels.")
    class_names = tuple(sorted({*known.labels.values()}))
    label_of = {name: label for label, name in enumerate(class_names)}
    labels = [label_of[known.labels[file]] if class_names else -1 for file in files]
    skipped = tuple(sorted((file, why) for file, why in [*listed["broken"], *known.passed]))
    notes, reading = tuple(map(str, listed["notes"])), asked.reading
    if listed["span"] and listed["span"][0] < listed["span"][1]:
        reading = reading._replace(span=Span(*map(float, listed["span"])))
    return Archive(
        images, np.array(labels, np.int64), class_names, files, digests, skipped, notes, reading
    )


def _build_cache(stem: Path, asked: _Asked, survey: _Survey) -> None:
    """Decode all images; where some cannot be, refuse them, or begin again without them."""
    with warnings.catch_warnings():
        # half of what Pillow refuses by itself: such an image takes 268 MB in each worker
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        look = _look(asked, survey)
        broken = {**survey.broken, **look.broken}
        try:
            _write_pixels(stem, asked, survey, look.span, broken)
        except _BrokenError as error:
            broken = error.args[0]
            if not asked.reading.skip_broken or len(broken) == len(survey.digests):
                named = dict(survey.named(broken))
                raise _refused(asked.root, named, len(survey.digests)) from error
            _write_pixels(stem, asked, survey, look.span, broken)
    whole = {path: digest for path, digest in survey.digests.items() if path not in broken}
    listed = {
        "files": survey.named(whole),
        "broken": survey.named(broken),
        "notes": look.notes,
        "span": look.span,
    }
    with written_whole(stem.with_suffix(".json")) as file:
        file.write(json.dumps(listed, indent=0).encode())


def _write_pixels(
    stem: Path, asked: _Asked, survey: _Survey, span: Span | None, broken: Mapping[str, str]
) -> None:
    """Write the pixels of all images but the broken ones.

    Raises:
        _BrokenError: further ones are broken, or any where they are not to be skipped.
    """
    whole = {path: digest for path, digest in survey.digests.items() if path not in broken}
    rows = {path: row for row, path in enumerate(whole)}
    decode = partial(squared, size=asked.size, bands=asked.reading.bands, span=span)
    further = {}
    with (
        written_whole(stem.with_suffix(".npy")) as file,
        closing(_decoded(asked, whole, decode)) as decoded,
        _bar(asked, "Decoding", decoded, len(rows)) as bar,
    ):
        shape = (len(rows), 3, asked.size, asked.size)
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
