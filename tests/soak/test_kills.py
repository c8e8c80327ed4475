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
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hub_server import REVISION, fetching, serving, zipped
from PIL import Image

from rnsl_tutorial.datasets import scenes

KILLS = int(os.environ.get("RNSL_KILLS", "20"))  # of each command in each way
MOST_S = 1800
UNFINISHED = (".tmp", ".unpacking", ".part", ".lock")
VOLATILE = ("seconds", "attempts", "worker", "device")  # columns that no two runs share
PNG_END = b"IEND\xaeB`\x82"
SMALL = {"scenes": 160, "image_size": 32, "batch_size": 32, "embedding_dim": 16, "prune_from": 2}
EPOCHS = 16
RNSL = (sys.executable, "-m", "rnsl_tutorial")


class Subject(NamedTuple):
    """A command that is killed.

    Attributes:
        words: folder -> its words. The same words go on after a kill.
        results: patterns of the files that must be the same in the end.
        environment: for it.
        trains: whether its log shows epochs, and its folder holds their checkpoints.
    """

    words: Callable[[Path], Sequence[str | Path]]
    results: tuple[str, ...]
    environment: Mapping[str, str] = {}
    trains: bool = False


# ------------------------------------------------------------------ files


def unreadable(folder: Path) -> list[str]:
    """Name the files of a folder that are broken, and why; unfinished ones are passed over."""
    problems = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not is_unfinished(path.relative_to(folder)):
            try:
                READERS.get(path.suffix, Path.read_bytes)(path)
            except FileNotFoundError:
                continue  # a process that outlives the command may still tidy up
            except Exception as error:  # a reader raises anything on bytes that it does not know
                problems.append(f"{path.name}: {' '.join(str(error).split())[:80]}")
    return problems


def is_unfinished(path: Path) -> bool:
    return any(part.endswith(UNFINISHED) for part in path.parts)


def read_state(path: Path) -> None:
    data = path.read_bytes()
    sidecar = path.with_name(f"{path.name}.sha256")
    if path.name.startswith("epoch-") and hashlib.sha256(data).hexdigest() not in (
        sidecar.read_text()
    ):
        raise ValueError("it is not what its checksum says")
    torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def read_table(path: Path) -> None:
    widths = {len(row) for row in csv.reader(path.read_text(encoding="utf-8").splitlines())}
    if len(widths) != 1 or not path.read_text(encoding="utf-8").endswith("\n"):
        raise ValueError(f"rows of {sorted(widths)} cells, or a last line that is cut")


def read_arrays(path: Path) -> None:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        for name in arrays:
            arrays[name]


def read_picture(path: Path) -> None:
    if not path.read_bytes().endswith(PNG_END):
        raise ValueError("the picture has no end")  # which Pillow would not miss
    with Image.open(path) as picture:
        picture.load()


def read_page(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("the page has no end")


READERS: Mapping[str, Callable[[Path], object]] = {
    ".pt": read_state,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".csv": read_table,
    ".npz": read_arrays,
    ".npy": lambda path: np.load(path, allow_pickle=False),
    ".png": read_picture,
    ".html": read_page,
}


def fingerprints(folder: Path, patterns: Sequence[str]) -> dict[str, str]:
    """Return a hash of each file that matches, without what no two runs share."""
    found = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    return {str(path.relative_to(folder)): digest(path) for path in found if path.is_file()}


def digest(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".csv":
        rows = csv.DictReader(io.StringIO(data.decode(), newline=""))
        shared = [[(k, v) for k, v in row.items() if k not in VOLATILE] for row in rows]
        data = repr((rows.fieldnames, shared)).encode()
    return hashlib.sha256(data).hexdigest()


# ------------------------------------------------------------------ killing


def started(subject: Subject, folder: Path) -> "subprocess.Popen[bytes]":
    folder.mkdir(parents=True, exist_ok=True)
    with log_of(folder).open("wb") as log:
        return subprocess.Popen(
            [str(word) for word in subject.words(folder)],
            env={**os.environ, **subject.environment, "RNSL_CACHE": str(folder / "cache")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def log_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.log")


def run_to_its_end(subject: Subject, folder: Path) -> dict[str, str]:
    """Let the command come to its end; return the fingerprints of its files."""
    assert started(subject, folder).wait(MOST_S) == 0, log_of(folder).read_text(errors="replace")
    return fingerprints(folder, subject.results)


def kill_at(subject: Subject, folder: Path, seconds: float, *, whole: bool) -> bool:
    """Start the command and kill it after so many seconds; False if it has ended before.

    Args:
        subject: the command.
        folder: that it writes into.
        seconds: from its start.
        whole: with all processes that it started.
    """
    process = started(subject, folder)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            (os.killpg if whole else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def epochs_lost(folder: Path) -> int:
    """Return how many epochs a killed training had reported that no checkpoint holds."""
    shown = re.findall(rb"\| (\d+)/\d+ \[", log_of(folder).read_bytes())
    kept = re.findall(r"epoch-(\d+)", " ".join(p.name for p in folder.glob("checkpoints/*.pt")))
    return max(0, max(map(int, shown), default=0) - max(map(int, kept), default=0))


# ------------------------------------------------------------------ the commands


def training(folder: Path) -> Iterator[Subject]:
    """A short run on procedural scenes with t-RNSL."""
    settings = [f"--set={name}={value}" for name, value in {**SMALL, "epochs": EPOCHS}.items()]
    words = (*RNSL, "train", "--preset", "scenes", "--rate", "0.4", "--loss", "trnsl", *settings)
    yield Subject(
        lambda folder: [*words, "--accelerator=cpu", "--resume", "--out", folder],
        ("model.pt", "training.csv"),
        trains=True,
    )


def sweeping(folder: Path) -> Iterator[Subject]:
    """Four short runs, one after the other in a worker process."""
    settings = {**SMALL, "epochs": 4, "rate": 0.4}
    lines = [f"{name} = {value}" for name, value in settings.items()]
    grid = folder / "grid.toml"
    grid.write_text(
        'preset = "scenes"\n[settings]\n' + "\n".join(lines)
        + '\n[grid]\nloss = ["rnsl", "trnsl"]\nseed = [0, 1]\n'
    )  # fmt: skip
    words = (*RNSL, "sweep", grid, "--jobs=1", "--out")
    yield Subject(lambda folder: [*words, folder], ("results.csv",))


def auditing(folder: Path) -> Iterator[Subject]:
    """An audit that replaces what an earlier one wrote."""
    words = (*RNSL, "audit", written_images(folder), "--size=32", "--overwrite", "--out")
    yield Subject(lambda folder: [*words, folder / "doubtful.csv"], ("doubtful.*",))


def building(folder: Path) -> Iterator[Subject]:
    """Features of an archive."""
    images = written_images(folder)
    words = (*RNSL, "features", "build", "--root", images, "--dataset=own", "--size=32", "--dim=8")
    yield Subject(lambda folder: [*words, "--out", folder / "f.npz"], ("f.npz",))


def downloading(folder: Path) -> Iterator[Subject]:
    """A download from a hub on this machine, unpacked into a new folder."""
    images = written_images(folder)
    names = {str(path.relative_to(images)): path for path in sorted(images.rglob("*.png"))}
    data = zipped({name: path.read_bytes() for name, path in names.items()})
    with serving() as server:
        server.files[f"/datasets/somebody/aid/resolve/{REVISION}/aid.zip"] = data
        hidden = {"HF_ENDPOINT": server.address, "NO_PROXY": "127.0.0.1"}
        yield Subject(
            lambda folder: fetching(data, "--to", str(folder / "aid")), ("aid/**/*",), hidden
        )


def written_images(folder: Path) -> Path:
    """Write an archive of 160 procedural scenes as class folders."""
    made = scenes.make_scenes(160, 32, seed=0)
    for image, label, number in zip(made.images, made.labels, range(160), strict=True):
        path = folder / "images" / made.class_names[label] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(path)
    return folder / "images"


@pytest.fixture
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    yield from request.param(tmp_path)


# ------------------------------------------------------------------ the trials

WAYS = {
    "rnsl train, in a row": (training, KILLS, 1, 0.6),
    "rnsl train, each once": (training, 1, KILLS, 1.0),
    "rnsl sweep, in a row": (sweeping, KILLS, 1, 0.6),
    "rnsl audit, in a row": (auditing, KILLS, 1, 1.0),
    "rnsl features build, in a row": (building, KILLS, 1, 1.0),
    "rnsl data get, each once": (downloading, 1, KILLS, 1.0),
}


@pytest.mark.soak
@pytest.mark.part("kills")
@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    ("subject", "kills", "runs", "share"), WAYS.values(), ids=WAYS, indirect=["subject"]
)
def test_what_is_killed_goes_on_and_ends_with_the_same_bits(
    subject: Subject, kills: int, runs: int, share: float, tmp_path: Path,
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    """Kill a command again and again, let it end, and compare it with one that nobody killed."""
    rng, begun = random.Random(0), time.monotonic()
    wanted = run_to_its_end(subject, tmp_path / "whole")
    assert wanted
    longest = (time.monotonic() - begun) * share
    killed, lost = 0, 0
    for number in range(kills * runs):
        folder = tmp_path / str(number // kills)
        killed += kill_at(subject, folder, rng.uniform(0, longest), whole=number % 2 == 0)
        assert unreadable(folder) == []
        lost += epochs_lost(folder) if subject.trains else 0
        if number % kills == kills - 1:
            assert run_to_its_end(subject, folder) == wanted
            assert unreadable(folder) == []
    left = sum(is_unfinished(p) and p.suffix != ".lock" for p in tmp_path.rglob("*"))
    row = {
        "command": request.node.callspec.id, "killed": killed,
        "ended before": kills * runs - killed,
        "finished epochs lost": lost if subject.trains else "-", "left behind": left,
        "s": round(time.monotonic() - begun),
    }  # fmt: skip
    record_property("row", row)


# ------------------------------------------------------------------ what a trial notices


def test_every_kind_of_file_that_is_cut_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"x": [1, 2]}))
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "a.html").write_text("<html></html>\n")
    np.save(tmp_path / "a.npy", np.arange(9))
    np.savez(tmp_path / "a.npz", x=np.arange(9))
    torch.save({"x": torch.arange(9)}, tmp_path / "a.pt")
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    (tmp_path / "a.json.0123.tmp").write_text("{")  # unfinished, as its name says
    assert unreadable(tmp_path) == []
    whole = [path for path in sorted(tmp_path.iterdir()) if path.suffix != ".tmp"]
    assert {path.suffix for path in whole} == set(READERS)
    for path in whole:
        path.write_bytes(path.read_bytes()[:-5])
    assert [said.split(":")[0] for said in unreadable(tmp_path)] == [path.name for path in whole]


def test_a_checkpoint_is_held_against_its_checksum(tmp_path: Path) -> None:
    torch.save({"x": torch.arange(9)}, tmp_path / "epoch-0001-step-00000000.pt")
    (tmp_path / "epoch-0001-step-00000000.pt.sha256").write_text("0123  epoch")
    [said] = unreadable(tmp_path)
    assert said == "epoch-0001-step-00000000.pt: it is not what its checksum says"


def test_epochs_are_lost_that_were_shown_and_are_in_no_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    (folder / "checkpoints").mkdir(parents=True)
    log_of(folder).write_text("  0%| | 0/16 [00:00\r 12%|# | 2/16 [00:01\r 18%|# | 3/16 [00:02")
    assert epochs_lost(folder) == 3
    (folder / "checkpoints" / "epoch-0002-step-00000000.pt").touch()
    assert epochs_lost(folder) == 1


def test_columns_that_no_two_runs_share_are_not_compared(tmp_path: Path) -> None:
    digests = []
    for seconds, accuracy in [(1, 0.5), (2, 0.5), (1, 0.6)]:
        (tmp_path / "results.csv").write_text(f"knn,seconds\n{accuracy},{seconds}\n")
        digests.append(digest(tmp_path / "results.csv"))
    assert digests[0] == digests[1] != digests[2]
