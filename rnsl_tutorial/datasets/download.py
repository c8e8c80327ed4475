"""Image archives: fetched from their public repositories, checked, and unpacked.

A pin says which file of which revision is meant, and what its checksum is; another is refused. A
download that was stopped goes on where it stopped, also in a later process. The folder of a data
set appears whole or not at all.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from huggingface_hub import get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import http_get
from tqdm.auto import tqdm

from rnsl_tutorial._files import (
    alone,
    cache_dir,
    check_vacant,
    folder_made_whole,
    require_room,
    written_whole,
)
from rnsl_tutorial.datasets import _packed

__all__ = ["PINS", "Pin", "describe", "find", "get", "images_of"]

_MARKER = ".rnsl-data.json"  # says which pin a folder was made from; image archives pass it over
_MAX_EXPANSION = 20  # times its own size; images are compressed already, so 1 is usual

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Pin(NamedTuple):
    """One file of one revision of a data set repository on the Hugging Face Hub.

    Attributes:
        title: name and contents, for the reader.
        licence: what may be done with the images, as the data set's card states it.
        repository: "owner/name".
        revision: the commit.
        file: the zip file's name in the repository.
        checksums: name of the algorithm, as hashlib knows it -> hexadecimal digest.
        size: bytes; None where it is not known beforehand.
    """

    title: str
    licence: str
    repository: str
    revision: str
    file: str
    checksums: Mapping[str, str]
    size: int | None = None


PINS: Mapping[str, Pin] = MappingProxyType(
    {
        "aid": Pin(
            title="AID, 10,000 aerial scenes of 30 classes",
            licence="for research, not for commercial use; the images are from Google Earth",
            repository="isaaccorley/aid",
            revision="e6767964e40f567a18eac6e6ca5fce397e4ce411",
            file="AID.zip",
            checksums={
                "sha256": "79345ef1766e85f7b92cf556c809c4f32ff24228ae71aadf96780f74f48c26a4",
            },
        ),
        "nwpu45": Pin(
            title="NWPU-RESISC45, 31,500 aerial scenes of 45 classes",
            licence="for research, not for commercial use",
            repository="torchgeo/resisc45",
            revision="a826b44d938a883185f11ebe3d512d38b464312f",
            file="NWPU-RESISC45.zip",
            checksums={
                "sha256": "beeecd0b63656290ae6d65cf7763185b0c1c4c54a753ef8088d6fba3faaf1f53",
                "md5": "75206b2e16446591afa88e2628744886",
            },
            size=427_389_445,
        ),
        "eurosat": Pin(
            title="EuroSAT RGB, 27,000 Sentinel-2 scenes of 10 classes",
            licence="MIT",
            repository="torchgeo/eurosat",
            revision="c877bcd43f099cd0196738f714544e355477f3fd",
            file="EuroSAT.zip",
            checksums={"md5": "c8fa014336c82ac7804f0398fcb19387"},
        ),
    }
)


# ------------------------------------------------------------------ what the reader calls


def get(name: str, to: Path | None = None, *, progress: bool = True) -> Path:
    """Fetch a data set, unless it is there already, and return its folder.

    Every name in the archive is checked before anything is written. Refused is what would leave the
    folder (absolute names, "..", drive letters, backslashes), what is neither file nor folder
    (links, devices), two files of one name (also on disks that ignore case), and what unpacks to
    more than 20 times its size.

    Args:
        name: a key of `PINS`.
        to: the folder to make, new or empty; default ``datasets/NAME`` in the cache
            folder.
        progress: whether a progress bar is shown; without a terminal there is none.

    Returns:
        The folder, which ``datasets.load_archive`` reads.

    Raises:
        ValueError: there is no such data set; the archive is damaged, encrypted or refused; or the
            file that arrived is not the pinned one, in which case it was removed.
        FileExistsError: the folder exists and holds something else.
        OSError: no connection, no such file in the repository, no room, or another process is
            fetching; what was downloaded is kept, and the next call goes on from there.
    """
    pin, target = _pin(name), _target(name, to)
    if not _holds(target, pin):
        check_vacant(target)
        with _alone():
            archive = _fetch(pin, progress)
            _unpack(archive, target, pin)
            archive.unlink()
    return target


def find(name: str, to: Path | None = None) -> Path | None:
    """Return the folder of a data set that `get` fetched before, or None.

    Args, Raises: as `get`. Nothing is downloaded.
    """
    pin, target = _pin(name), _target(name, to)
    return target if _holds(target, pin) else None


def images_of(name: str) -> Path | None:
    """Return where the images of a data set lie on this machine, or None.

    Args:
        name: of a data set, one of `PINS` or any other. For "aid" that is what the environment
            variable RNSL_AID names, a folder, tar or zip, else what `get` fetched.
    """
    named = os.environ.get("RNSL_AID") if name == "aid" else None
    if named:
        return Path(named)
    return find(name) if name in PINS else None


def describe(name: str) -> str:
    """Say what `get` would fetch: contents, source, size and licence; asks the hub for the size.

    Raises:
        ValueError: there is no such data set, or the hub's file has not the pinned size.
        OSError: no connection, or no such file in the repository.
    """
    pin = _pin(name)
    return (
        f"{pin.title}\n"
        f"Source:  https://huggingface.co/datasets/{pin.repository}, {pin.file}\n"
        f"Size:    {_size(pin) / 1e6:.1f} MB, and about as much again while it is unpacked\n"
        f"Licence: {pin.licence}"
    )


# ------------------------------------------------------------------ folders


def _pin(name: str) -> Pin:
    if name not in PINS:
        raise ValueError(f"There is no data set {name!r}; choose one of {', '.join(PINS)}.")
    return PINS[name]


def _target(name: str, to: Path | None) -> Path:
    folder = cache_dir() / "datasets" / name if to is None else to.expanduser()
    return folder.absolute()


def _identity(pin: Pin) -> dict[str, object]:
    return {
        "repository": pin.repository,
        "revision": pin.revision,
        "file": pin.file,
        "checksums": dict(pin.checksums),
    }


def _holds(target: Path, pin: Pin) -> bool:
    """Whether the folder was made from this pin."""
    try:
        found: object = json.loads((target / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return found == _identity(pin)


def _alone() -> AbstractContextManager[None]:
    """Hold the lock of the download folder, which processes that share a cache share too."""
    lock = _downloads() / "lock"
    busy = f"Another process is fetching a data set (it holds {lock}). Wait for it, then run this"
    return alone(lock, f"{busy} again.")


def _downloads() -> Path:
    return cache_dir() / "downloads"


@contextmanager
def _full_disk_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(
            errno.ENOSPC,
            f"The disk is full ({error.strerror}). Make room, or point RNSL_CACHE or --to to "
            f"another disk. What was downloaded is kept in {_downloads()} for the next try",
            str(folder),
        ) from error


# ------------------------------------------------------------------ fetching


def _fetch(pin: Pin, progress: bool) -> Path:
    """Download what is still missing of the archive, and check it."""
    size = _size(pin)
    path = _downloads() / f"{next(iter(pin.checksums.values()))}-{pin.file}.part"
    done = path.stat().st_size if path.exists() else 0
    if done > size:
        path.unlink()
        done = 0
    with _full_disk_explained(path.parent), _explained(pin), path.open("ab") as file:
        require_room(path.parent, size - done)
        bar = None if progress else _NoBar  # None: the hub's own bar, which knows about terminals
        http_get(_url(pin), file, resume_size=done, expected_size=size, tqdm_class=bar)
    _check_sums(pin, path)
    return path


class _NoBar(tqdm):  # type: ignore[type-arg]
    """A progress bar that is never shown."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "disable": True})


def _url(pin: Pin) -> str:
    return hf_hub_url(pin.repository, pin.file, repo_type="dataset", revision=pin.revision)


def _size(pin: Pin) -> int:
    """Ask the hub for the archive's size in bytes."""
    with _explained(pin):
        size = get_hf_file_metadata(_url(pin), token=False).size
    if size is None or size != (pin.size or size):
        raise ValueError(
            f"{pin.file} in {pin.repository} has {size} bytes, not {pin.size}: it is another file "
            "than the one that is pinned. Nothing was downloaded."
        )
    return size


def _check_sums(pin: Pin, path: Path) -> None:
    for algorithm, expected in pin.checksums.items():
        with path.open("rb") as file:
            new = partial(hashlib.new, algorithm, usedforsecurity=False)
            found = hashlib.file_digest(file, new).hexdigest()
        if found != expected:
            path.unlink()
            raise ValueError(
                f"{pin.file} arrived with the {algorithm} {found}, not {expected}: it is damaged, "
                "or another file than the one that is pinned. It was removed. Run this again."
            )


@contextmanager
def _explained(pin: Pin) -> Iterator[None]:
    """Turn what goes wrong between here and the hub into one sentence that says what to do."""
    where = f"{pin.file} of the data set repository {pin.repository}"
    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        kind = FileNotFoundError if status in (401, 403, 404) else ConnectionError
        raise kind(
            f"The hub answers {status} for {where}. If this lasts, the file is no longer public at "
            f"revision {pin.revision[:12]}."
        ) from error
    except Exception as error:  # the hub's client may raise what its HTTP library raises
        if isinstance(error, OSError) and error.errno in _FULL:
            raise
        raise ConnectionError(
            f"{where} cannot be fetched ({' '.join(str(error).split())[:200]}). Check the "
            "connection and run this again: it goes on where it stopped."
        ) from error


# ------------------------------------------------------------------ unpacking


def _unpack(archive: Path, target: Path, pin: Pin) -> None:
    """Unpack a zip or tar into a new or empty folder, with a marker of its pin."""
    with _full_disk_explained(target.parent), folder_made_whole(target) as folder:
        _extract(archive, folder)
        with written_whole(folder / _MARKER) as file:
            file.write(json.dumps(_identity(pin), indent=1).encode())


def _extract(archive: Path, folder: Path) -> None:
    members = _packed.names_checked(archive, expansion=_MAX_EXPANSION)
    require_room(folder, sum(member.size for member in members))
    for member, data in _packed.read(archive, lambda _: True, expansion=_MAX_EXPANSION):
        path = folder / member.name
        if member.is_folder:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
