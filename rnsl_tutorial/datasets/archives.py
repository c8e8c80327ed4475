"""Image archives on disk become uint8 arrays, labels and class names.

Shapes: N images, each with 3 channels (red, green, blue) and S x S pixels.
"""

import hashlib
import json
import os
import time
import warnings
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
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
    printable,
    require_room,
    written_whole,
)
from rnsl_tutorial.datasets import _packed
from rnsl_tutorial.datasets._packed import Member

__all__ = ["Archive", "check_folds", "load_archive", "read_files"]

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
_MAX_SIZE = 2048  # pixels: one image then takes 12.6 MB
_MAX_EXPANSION = 100  # of a tar or zip, and at least _MAX_UNPACKED_BYTES; images hardly compress
_MAX_UNPACKED_BYTES = 2**31

_EXPECTED = (
    "a folder with one folder for each class and its images in there "
    f"({', '.join(_IMAGE_SUFFIXES)}), or a tar or zip file of it"
)
_DECODER = "2"  # part of the cache key: raise it when the same files shall give other pixels
_SETTLED_NS = 2_000_000_000  # a time stamp younger than this may hide a change that follows at once


class Archive(NamedTuple):
    """An image archive; only the images that are touched take memory.

    Attributes:
        images: uint8 [N, 3, S, S], a read-only memory map of the cache file.
        labels: int64 [N], positions in ``class_names``.
        class_names: names of the class folders, sorted.
        files: such as ``"Airport/airport_1.jpg"``, relative to the folder of class folders;
            classes sorted, in a class names sorted as strings.
        digests: hash of the bytes of each file, 32 hexadecimal digits: an image is known by it
            after it was moved or renamed. Empty where images were made and not read.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    digests: tuple[str, ...] = ()


@escaped()
def load_archive(
    root: str | Path,
    size: int = 150,
    *,
    cache: Path | None = None,
    progress: bool = True,
    workers: int | None = None,
    folds: int = 1,
) -> Archive:
    """Load the images of an archive as square RGB pixels; they are decoded the first time only.

    An archive is a folder of class folders, or a tar (of any compression that ``tarfile`` reads)
    or zip of one. Folders around it, such as ``AID/`` in ``AID/Airport/airport_1.jpg``, are looked
    through. It is read in place: nothing is unpacked, nothing is written into it. Passed over are
    hidden names, ``__MACOSX``, files of other types, folders within a class folder, and in a tar
    or zip symbolic links and devices.

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
        cache: folder for the decoded images, 3 * S * S bytes each; default
            ``$RNSL_CACHE`` where that is set, else the platform's cache folder.
        progress: whether progress bars are shown while images are read and decoded.
        workers: number of decoding threads, at least 1; default one for each processor.
        folds: into which the images are going to be parted: each class needs as many.

    Returns:
        images, labels, class names and file names.

    Raises:
        FileNotFoundError: ``root`` does not exist.
        ValueError: ``size`` or ``workers`` out of range; the cache lies inside the archive; no
            class folders, a single one, one without images or with fewer than folds; an image or
            archive that is damaged, too large, of another type, unreadable, or changes while it is
            read.
        OSError: the cache cannot be written or its disk is full; nothing half-written is kept.
    """
    root = Path(root).expanduser()
    folder = (cache_dir() if cache is None else cache.expanduser()) / "archives"
    workers = (os.cpu_count() or 1) if workers is None else workers
    _check_arguments(root, size, folder, workers)
    if root.is_dir():
        check_folds(_counted(_class_images(root, partial(_list_on_disk, root))), folds)

    fingerprint, settled = _fingerprint(root)
    memo = folder / f"{fingerprint}.key"
    archive = _find_cache(folder, _remembered_key(memo), size)
    if archive is not None:
        return archive
    digests = _digests(root, progress)
    check_folds(_counted(digests), folds)
    key = _hash([_DECODER, *([_relative(path), digests[path]] for path in digests)])
    archive = _find_cache(folder, key, size)
    if archive is None:
        num_bytes = len(digests) * 3 * size * size
        with _explained(folder, num_bytes):
            folder.mkdir(parents=True, exist_ok=True)
            require_room(folder, num_bytes)
            _build_cache(_stem(folder, key, size), root, digests, size, progress, workers)
            archive = _open_cache(folder, key, size)
    if settled:
        with suppress(OSError), written_whole(memo) as file:
            file.write(key.encode())
    return archive


def read_files(root: Path, archive: Archive) -> Iterator[tuple[str, Path | bytes]]:
    """Yield the files of an archive in stored order: where each lies, or its bytes in a tar or zip.

    Args:
        root: the folder, tar or zip that was loaded.
        archive: what `load_archive` made of it.

    Yields:
        The name, as in ``archive.files``, and the path or the bytes.

    Raises:
        ValueError: it changed since, or cannot be read.
    """
    missing = dict(zip(archive.files, archive.digests, strict=True))
    stored: Iterable[tuple[str, Path | bytes | None]] = (
        ((path, root / path) for path in _class_images(root, partial(_list_on_disk, root)))
        if root.is_dir()
        else _read(root)
    )
    with escaped():
        for path, found in stored:
            file = _relative(path)
            # a tar may hold a file twice: the later one counts, and has the digest
            if found is None or (isinstance(found, bytes) and missing.get(file) != _digest(found)):
                continue
            if missing.pop(file, None):
                yield file, found
        if missing:
            raise ValueError(f"{root / min(missing)} changed while it was read. Load again.")


def _check_arguments(root: Path, size: int, folder: Path, workers: int) -> None:
    if not 1 <= size <= _MAX_SIZE:
        raise ValueError(f"size is {size}; give a side of 1 to {_MAX_SIZE} pixels.")
    if workers < 1:
        raise ValueError(f"workers is {workers}; give at least 1, or None for all processors.")
    if not root.exists():
        raise FileNotFoundError(f"{root} does not exist. Give {_EXPECTED}.")
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


# Finding the images. Paths are relative to the root, with "/" on every platform. The last two parts
# of an image's path are class and name; a folder's path ends in "/", except for the root's: "".


class _Listing(NamedTuple):
    """What counts in one folder: names of subfolders and of images, both sorted."""

    folders: list[str]
    images: list[str]


def _counted(paths: Iterable[str]) -> Mapping[str, int]:
    """Class name -> number of its images."""
    return Counter(path.split("/")[-2] for path in paths)


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def _is_image(name: str) -> bool:
    return name.lower().endswith(_IMAGE_SUFFIXES)


def _relative(path: str) -> str:
    """Return the path from the folder of class folders on."""
    return "/".join(path.split("/")[-2:])


def _list_on_disk(root: Path, folder: str) -> _Listing:
    with os.scandir(root / folder) as entries:
        visible = [entry for entry in entries if _is_visible(entry.name)]
    folders = {entry.name for entry in visible if entry.is_dir()}
    # a dangling link counts as a file, so that reading it fails: no image is lost in silence
    files = {entry.name for entry in visible if entry.is_file() or entry.is_symlink()} - folders
    return _Listing(sorted(folders), sorted(filter(_is_image, files)))


def _list_members(paths: Iterable[str]) -> Callable[[str], _Listing]:
    """Return a function that lists a folder of the tar or zip that has these paths."""
    folders: dict[str, set[str]] = defaultdict(set)
    images: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder = ""
        *parents, name = path.split("/")
        for parent in parents:
            folders[folder].add(parent)
            folder += f"{parent}/"
        if name:
            images[folder].add(name)
    return lambda folder: _Listing(sorted(folders[folder]), sorted(images[folder]))


def _class_images(root: Path, list_folder: Callable[[str], _Listing]) -> list[str]:
    """Return the path of every image, by class and name."""
    base, classes = "", list_folder("").folders
    while len(classes) == 1:
        inner = list_folder(f"{base}{classes[0]}/")
        if inner.images or not inner.folders:
            break
        base, classes = f"{base}{classes[0]}/", inner.folders
    if not classes:
        raise ValueError(f"{root / base} holds no class folders. Give {_EXPECTED}.")
    paths = []
    for folder in (f"{base}{name}/" for name in classes):
        listing = list_folder(folder)
        if not listing.images:
            raise ValueError(_no_images(root / folder, listing.folders))
        paths += [folder + name for name in listing.images]
    if len(classes) == 1:
        raise ValueError(
            f"{root / base} holds one class folder only ({classes[0]}); at least two are needed. "
            f"Give {_EXPECTED}."
        )
    return paths


def _no_images(folder: Path, folders: Sequence[str]) -> str:
    if folders:
        return (
            f"Class folder {folder} holds no images, only folders such as {folders[0]}. If those "
            "are the classes, give an archive of this folder alone."
        )
    return (
        f"Class folder {folder} holds no images ({', '.join(_IMAGE_SUFFIXES)}). Add images to it, "
        "or remove it."
    )


# Reading them, always one after the other in stored order, as compressed archives want it.


def _read(root: Path) -> Iterator[tuple[str, bytes | None]]:
    """Yield the path of every image and its bytes; for folders of a tar or zip, None."""
    with _packed.explained(root):
        if root.is_dir():
            for path in _class_images(root, partial(_list_on_disk, root)):
                yield path, _read_file(root / path)
        elif root.is_file() and _packed.is_packed(root):
            yield from _read_packed(root)
        else:
            raise ValueError(
                f"{root} is no folder, tar or zip, or it is incomplete. Give {_EXPECTED}."
            )


def _read_file(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is a device or pipe, no image. Remove it.")
    _packed.check_bytes(path, path.stat().st_size)
    return path.read_bytes()


def _read_packed(root: Path) -> Iterator[tuple[str, bytes | None]]:
    stored = _packed.read(
        root, lambda member: _plain_path(member) != "",
        expansion=_MAX_EXPANSION, at_least=_MAX_UNPACKED_BYTES,
    )  # fmt: skip
    for member, data in stored:
        path = _plain_path(member)
        if path:
            yield path, None if member.is_folder else data


def _plain_path(member: Member) -> str:
    """Return the member's path without "." and root; "" for what is passed over."""
    parts = [part for part in PurePosixPath(member.name).parts if part != "/"]
    if not parts or not all(map(_is_visible, parts)):
        return ""
    if member.is_folder:
        return "/".join(parts) + "/"
    return "/".join(parts) if member.is_file and _is_image(parts[-1]) else ""


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _hash(value: object) -> str:
    return _digest(json.dumps(value).encode())


def _digests(root: Path, progress: bool) -> dict[str, str]:
    """Return the digest of every image by its path, by class and name."""
    found = {}
    stored = _read(root)
    for path, data in tqdm(
        stored, f"Reading {printable(root.name)}", unit="file", disable=not progress
    ):
        found[path] = "" if data is None else _digest(data)
    return {path: found[path] for path in _class_images(root, _list_members(found))}


def _fingerprint(root: Path) -> tuple[str, bool]:
    """Return a hash of the files' state, and whether a change from now on must alter it."""
    now = time.time_ns()
    paths = _class_images(root, partial(_list_on_disk, root)) if root.is_dir() else [""]
    stats = [(root / path).stat() for path in paths]
    states = [[stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for stat in stats]
    settled = now - max(stat.st_ctime_ns for stat in stats) > _SETTLED_NS
    return _hash([paths, states]), settled


# Decoding.


def _decode(data: bytes, size: int, name: Path) -> bytes:
    """Return the pixels uint8 [3, S, S] of an encoded image."""
    try:
        with Image.open(BytesIO(data), formats=("JPEG", "PNG", "TIFF")) as image:
            image.draft(None, (2 * size, 2 * size))
            rgb = _to_rgb(image)
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is no JPEG, PNG or TIFF image. Replace or remove it.") from error
    except Exception as error:  # decoders raise nearly anything on damaged bytes
        raise ValueError(f"{name} cannot be decoded: {error}. Replace or remove it.") from error
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
) -> Generator[tuple[str, bytes]]:
    """Yield path and pixels of every image in stored order, with few of them in memory."""
    missing = set(digests)
    queue: deque[tuple[str, Future[bytes]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for path, data in _read(root):
            # a tar may hold a file twice: the later one counts, and has the digest
            if data is None or path not in missing or digests[path] != _digest(data):
                continue
            missing.remove(path)
            queue.append((path, pool.submit(_decode, data, size, root / path)))
            if len(queue) > 2 * workers:
                path, future = queue.popleft()
                yield path, future.result()
        for path, future in queue:
            yield path, future.result()
    if missing:
        raise ValueError(f"{root / min(missing)} changed while it was read. Load again.")


# The cache: <key>-<size>.npy with the pixels, then <key>-<size>.json with names and digests, which
# says that the pixels are complete; <fingerprint>.key remembers the key of an unchanged archive.


def _stem(folder: Path, key: str, size: int) -> Path:
    return folder / f"{key}-{size}"


def _remembered_key(memo: Path) -> str:
    try:
        return memo.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _find_cache(folder: Path, key: str, size: int) -> Archive | None:
    try:
        return _open_cache(folder, key, size)
    except DAMAGE:
        return None


def _open_cache(folder: Path, key: str, size: int) -> Archive:
    """Map the cached pixels; raises one of `DAMAGE` if they are missing, short or damaged."""
    stem = _stem(folder, key, size)
    listed = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    files, digests = zip(*listed, strict=True)
    images = np.lib.format.open_memmap(stem.with_suffix(".npy"), mode="r")
    if images.dtype != np.uint8 or images.shape != (len(files), 3, size, size):
        raise ValueError(f"{stem}.npy does not hold {len(files)} images of {size} pixels.")
    names = [file.partition("/")[0] for file in files]
    class_names = tuple(sorted(set(names)))
    label_of = {name: label for label, name in enumerate(class_names)}
    labels = np.array([label_of[name] for name in names], dtype=np.int64)
    return Archive(images, labels, class_names, files, digests)


def _build_cache(
    stem: Path, root: Path, digests: Mapping[str, str], size: int, progress: bool, workers: int
) -> None:
    rows = {path: row for row, path in enumerate(digests)}
    shape = (len(rows), 3, size, size)
    with (
        warnings.catch_warnings(),
        written_whole(stem.with_suffix(".npy")) as file,
        closing(_decoded(root, digests, size, workers)) as decoded,
        tqdm(
            decoded,
            f"Decoding {printable(root.name)}",
            len(rows),
            unit="image",
            disable=not progress,
        ) as bar,
    ):
        # half of what Pillow refuses by itself: such an image takes 268 MB in each worker
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        for path, pixels in bar:
            file.seek(start + rows[path] * len(pixels))
            file.write(pixels)
    with written_whole(stem.with_suffix(".json")) as file:
        listed = [(_relative(path), digest) for path, digest in digests.items()]
        file.write(json.dumps(listed, indent=0).encode())


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
