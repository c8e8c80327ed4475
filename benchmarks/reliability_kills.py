"""Commands that are killed (SIGKILL) at random moments and go on.

A moment is drawn evenly over the time that the command takes when nobody kills it, so that it may
lie in its start, in its work, or while it writes; for many kills in a row, over the first part of
that time. Every second time the command alone is killed, not the processes that it started. After
each kill every file is read again, but for those whose names say that they are unfinished, and the
same command goes on. What it reaches in the end must have the same bits as what the undisturbed
command reached. An epoch is lost if the training had reported it and no checkpoint holds it; the
epoch that was under way always begins anew.
"""

import csv
import hashlib
import io
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from rnsl_tutorial.datasets import scenes
from tests.datasets.test_download import REVISION, Hub, zipped

MOST_S = 1800
UNFINISHED = (".tmp", ".unpacking", ".part", ".lock")
VOLATILE = ("seconds", "attempts", "worker", "device")  # columns that no two runs share
PNG_END = b"IEND\xaeB`\x82"
SMALL = {"scenes": 160, "image_size": 32, "batch_size": 32, "embedding_dim": 16, "prune_from": 2}
EPOCHS = 16
HEADER = (
    "| command | how | killed | ended before | unreadable | not finished | differs "
    "| finished epochs lost, mean (max) | left behind | s |\n" + "|---" * 10 + "|"
)


class Subject(NamedTuple):
    """A command that is killed.

    Attributes:
        name: as a reader knows it.
        command: folder -> its words. The same words go on after a kill.
        results: patterns of the files that must be the same in the end.
        environment: for it.
        trains: whether its log shows epochs, and its folder holds their checkpoints.
    """

    name: str
    command: Callable[[Path], Sequence[str | Path]]
    results: tuple[str, ...]
    environment: Mapping[str, str] = {}
    trains: bool = False


class Tally(NamedTuple):
    """What came of some kills of a command.

    Attributes:
        killed: kills that met it alive.
        ended: times that it had ended before its moment came.
        unreadable: files that were broken under their final names, with the reason.
        unfinished: runs that did not come to their end when they were let go on.
        different: runs that ended with other bits.
        lost: whole epochs that were trained and had to be trained again, for each kill of a
            training.
        left: temporary files that were still there in the end.
        seconds: all of it.
    """

    name: str
    how: str
    killed: int
    ended: int
    unreadable: list[str]
    unfinished: int
    different: int
    lost: list[int]
    left: int
    seconds: float

    @property
    def sound(self) -> bool:
        """Whether nothing was lost but time."""
        return not (self.unreadable or self.unfinished or self.different)


# ------------------------------------------------------------------ files


def unreadable(folder: Path) -> list[str]:
    """Name the files of a folder that are broken, and why; unfinished ones are passed over."""
    problems = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _is_unfinished(path.relative_to(folder)):
            try:
                READERS.get(path.suffix, Path.read_bytes)(path)
            except FileNotFoundError:
                continue  # a process that outlives the command may still tidy up
            except Exception as error:  # a reader raises anything on bytes that it does not know
                problems.append(f"{path.name}: {' '.join(str(error).split())[:80]}")
    return problems


def _is_unfinished(path: Path) -> bool:
    return any(part.endswith(UNFINISHED) for part in path.parts)


def _read_state(path: Path) -> None:
    data = path.read_bytes()
    sidecar = path.with_name(f"{path.name}.sha256")
    if path.name.startswith("epoch-") and hashlib.sha256(data).hexdigest() not in (
        sidecar.read_text()
    ):
        raise ValueError("it is not what its checksum says")
    torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _read_table(path: Path) -> None:
    widths = {len(row) for row in csv.reader(path.read_text(encoding="utf-8").splitlines())}
    if len(widths) != 1 or not path.read_text(encoding="utf-8").endswith("\n"):
        raise ValueError(f"rows of {sorted(widths)} cells, or a last line that is cut")


def _read_arrays(path: Path) -> None:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        for name in arrays:
            arrays[name]


def _read_picture(path: Path) -> None:
    if not path.read_bytes().endswith(PNG_END):
        raise ValueError("the picture has no end")  # which Pillow would not miss
    with Image.open(path) as picture:
        picture.load()


def _read_page(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("the page has no end")


READERS: Mapping[str, Callable[[Path], object]] = {
    ".pt": _read_state,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".csv": _read_table,
    ".npz": _read_arrays,
    ".npy": lambda path: np.load(path, allow_pickle=False),
    ".png": _read_picture,
    ".html": _read_page,
}


def fingerprints(folder: Path, patterns: Sequence[str]) -> dict[str, str]:
    """Return a hash of each file that matches, without what no two runs share."""
    found = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    return {str(path.relative_to(folder)): _digest(path) for path in found if path.is_file()}


def _digest(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".csv":
        rows = csv.DictReader(io.StringIO(data.decode(), newline=""))
        shared = [[(k, v) for k, v in row.items() if k not in VOLATILE] for row in rows]
        data = repr((rows.fieldnames, shared)).encode()
    return hashlib.sha256(data).hexdigest()


# ------------------------------------------------------------------ killing


def run(subject: Subject, folder: Path) -> bool:
    """Let the command come to its end; say whether it does."""
    process = _started(subject, folder)
    try:
        return process.wait(MOST_S) == 0
    except subprocess.TimeoutExpired:
        _kill(process, whole=True)
        return False


def kill_at(subject: Subject, folder: Path, seconds: float, *, whole: bool) -> bool:
    """Start the command and kill it after so many seconds; False if it has ended before.

    Args:
        subject: the command.
        folder: that it writes into.
        seconds: from its start.
        whole: with all processes that it started.
    """
    process = _started(subject, folder)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        _kill(process, whole=whole)
        return True
    return False


def _started(subject: Subject, folder: Path) -> "subprocess.Popen[bytes]":
    folder.mkdir(parents=True, exist_ok=True)
    with _log(folder).open("wb") as log:
        return subprocess.Popen(
            [str(word) for word in subject.command(folder)],
            env={**os.environ, **subject.environment, "RNSL_CACHE": str(folder / "cache")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _kill(process: "subprocess.Popen[bytes]", *, whole: bool) -> None:
    with suppress(ProcessLookupError):
        (os.killpg if whole else os.kill)(process.pid, signal.SIGKILL)
    process.wait()


def _log(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.log")


def epochs_lost(folder: Path) -> list[int]:
    """Return how many epochs a killed training had reported that no checkpoint holds.

    Nothing where it was killed before it trained.
    """
    shown = re.findall(rb"\| (\d+)/\d+ \[", _log(folder).read_bytes())
    kept = re.findall(r"epoch-(\d+)", " ".join(p.name for p in folder.glob("checkpoints/*.pt")))
    return [max(0, max(map(int, shown)) - max(map(int, kept), default=0))] if shown else []


# ------------------------------------------------------------------ trials


class Run(NamedTuple):
    """What came of one run; the names are those of `Tally`."""

    killed: int
    unreadable: list[str]
    lost: list[int]
    finished: bool
    files: dict[str, str]


def trial(
    subject: Subject, folder: Path, kills: int, runs: int, rng: random.Random, share: float = 1.0
) -> Tally:
    """Kill a command again and again, let it end, and compare it with one that nobody killed.

    Args:
        subject: the command.
        folder: empty.
        kills: of each run, one after the other.
        runs: each in a folder of its own.
        rng: for the moments.
        share: of the undisturbed command's time over which the moments are drawn.

    Raises:
        RuntimeError: the command fails although nobody kills it.
    """
    begun = time.monotonic()
    wanted = undisturbed(subject, folder / "whole")
    longest = (time.monotonic() - begun) * share
    done = []
    for number in range(runs):
        moments = [rng.uniform(0, longest) for _ in range(kills)]
        done.append(killed_run(subject, folder / str(number), moments, number))
    killed = sum(one.killed for one in done)
    return Tally(
        name=subject.name,
        how=f"{kills} in a row, then to its end" if runs == 1 else f"{runs} runs, each once",
        killed=killed,
        ended=kills * runs - killed,
        unreadable=[said for one in done for said in one.unreadable],
        unfinished=sum(not one.finished for one in done),
        different=sum(one.files != wanted for one in done),
        lost=[epochs for one in done for epochs in one.lost],
        left=sum(_is_unfinished(p) and p.suffix != ".lock" for p in folder.rglob("*")),
        seconds=time.monotonic() - begun,
    )


def undisturbed(subject: Subject, folder: Path) -> dict[str, str]:
    """Run a command that nobody kills, and return the fingerprints of its files."""
    finished = run(subject, folder)
    files = fingerprints(folder, subject.results)
    if not (finished and files):
        said = _log(folder).read_text(errors="replace").strip()[-300:]
        raise RuntimeError(f"{subject.name} fails although nobody kills it: {said}")
    return files


def killed_run(subject: Subject, folder: Path, moments: Sequence[float], number: int) -> Run:
    """Kill a command at some moments, one start after the other, then let it end."""
    killed, problems, lost = 0, list[str](), list[int]()
    for kill, seconds in enumerate(moments):
        killed += kill_at(subject, folder, seconds, whole=(number + kill) % 2 == 0)
        problems += unreadable(folder)
        lost += epochs_lost(folder) if subject.trains else []
    finished = run(subject, folder)
    problems += unreadable(folder)
    return Run(killed, problems, lost, finished, fingerprints(folder, subject.results))


def trials(folder: Path, *, kills: int, small: bool, seed: int = 0) -> Iterator[Tally]:
    """Try all commands.

    Args:
        folder: empty.
        kills: of each command in each way.
        small: only the training, once.
        seed: of the moments.
    """
    rng = random.Random(seed)
    yield trial(training(), folder / "row", kills, 1, rng, share=0.6)
    if small:
        return
    yield trial(training(), folder / "once", 1, kills, rng)
    yield trial(sweeping(folder), folder / "sweep", kills, 1, rng, share=0.6)
    images = write_images(folder / "images")
    yield trial(auditing(images), folder / "audit", kills, 1, rng)
    yield trial(building(images), folder / "features", kills, 1, rng)
    with hub() as server:
        yield trial(fetching(server, images), folder / "data", 1, kills, rng)


# ------------------------------------------------------------------ the commands


RNSL = (sys.executable, "-m", "rnsl_tutorial")


def training() -> Subject:
    """A short run on procedural scenes with t-RNSL."""
    settings = [f"--set={name}={value}" for name, value in {**SMALL, "epochs": EPOCHS}.items()]
    words = (*RNSL, "train", "--preset", "scenes", "--rate", "0.4", "--loss", "trnsl", *settings)
    return Subject(
        "rnsl train",
        lambda folder: [*words, "--accelerator=cpu", "--resume", "--out", folder],
        ("model.pt", "training.csv"),
        trains=True,
    )


def sweeping(folder: Path) -> Subject:
    """Four short runs, one after the other in a worker process."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {**SMALL, "epochs": 4, "rate": 0.4}
    lines = [f"{name} = {value}" for name, value in settings.items()]
    grid = folder / "grid.toml"
    grid.write_text(
        'preset = "scenes"\n[settings]\n' + "\n".join(lines)
        + '\n[grid]\nloss = ["rnsl", "trnsl"]\nseed = [0, 1]\n'
    )  # fmt: skip
    words = (*RNSL, "sweep", grid, "--jobs=1", "--out")
    return Subject("rnsl sweep", lambda folder: [*words, folder], ("results.csv",))


def auditing(images: Path) -> Subject:
    """An audit that replaces what an earlier one wrote."""
    words = (*RNSL, "audit", images, "--size=32", "--overwrite", "--out")
    return Subject("rnsl audit", lambda folder: [*words, folder / "doubtful.csv"], ("doubtful.*",))


def building(images: Path) -> Subject:
    """Features of an archive."""
    words = (*RNSL, "features", "build", "--root", images, "--dataset=own", "--size=32", "--dim=8")
    return Subject(
        "rnsl features build", lambda folder: [*words, "--out", folder / "f.npz"], ("f.npz",)
    )


FETCH = """
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import download
pin = download.PINS["aid"]._replace(
    repository="somebody/aid", revision={revision!r}, file="aid.zip", size={size},
    checksums={{"sha256": {sha256!r}}},
)
download.PINS = {{"aid": pin}}
cli.app(["data", "get", "aid", "--to", {folder!r}])
"""


def fetching(server: Hub, images: Path) -> Subject:
    """A download from a hub on this machine, unpacked into a new folder."""
    names = {str(path.relative_to(images)): path for path in sorted(images.rglob("*.png"))}
    data = zipped({name: path.read_bytes() for name, path in names.items()})
    server.files[f"/datasets/somebody/aid/resolve/{REVISION}/aid.zip"] = data
    known = {"revision": REVISION, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def command(folder: Path) -> list[str]:
        return [sys.executable, "-c", FETCH.format(**known, folder=str(folder / "aid"))]

    hidden = {"HF_ENDPOINT": server.address, "NO_PROXY": "127.0.0.1"}
    return Subject("rnsl data get", command, ("aid/**/*",), hidden)


@contextmanager
def hub() -> Iterator[Hub]:
    """Serve a hub on this machine."""
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def write_images(folder: Path) -> Path:
    """Write an archive of 160 procedural scenes as class folders."""
    made = scenes.make_scenes(160, 32, seed=0)
    for image, label, number in zip(made.images, made.labels, range(160), strict=True):
        path = folder / made.class_names[label] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(path)
    return folder


# ------------------------------------------------------------------ the table


def row(tally: Tally) -> str:
    """Return a row of the table."""
    lost = f"{statistics.mean(tally.lost):.2f} ({max(tally.lost)})" if tally.lost else "-"
    numbers = (tally.killed, tally.ended, len(tally.unreadable), tally.unfinished, tally.different)
    counts = " | ".join(map(str, numbers))
    return (
        f"| {tally.name} | {tally.how} | {counts} | {lost} | {tally.left} | {tally.seconds:.0f} |"
    )


def table(tallies: Sequence[Tally]) -> list[str]:
    """Return the lines of the table, and what is unreadable."""
    broken = [f"- {tally.name}: {said}" for tally in tallies for said in tally.unreadable]
    return [HEADER, *map(row, tallies), *([""] if broken else []), *broken]
