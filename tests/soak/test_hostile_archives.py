"""Hostile archives against `rnsl audit` and `rnsl data`: one clear line, or a right result.

The commands run in this process, with a scorer that takes milliseconds in the place of trained
heads. Limits on sizes are lowered, so that archives that are made to fill a disk need not be large.
"""

import contextlib
import csv
import hashlib
import io
import os
import re
import stat
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import hostile
import numpy as np
import pytest
from hostile import Case
from hypothesis import event, example, given
from numpy.typing import NDArray
from stub_scorer import by_class_means
from typer.testing import CliRunner, Result

from rnsl_tutorial import datasets
from rnsl_tutorial.audit import outputs, pipeline, scores
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import _packed, _stored, download

MEGABYTES = 1500  # on top of what the process had
LIMITS = {(_packed, "_MAX_FILE_BYTES"): 2**20, (_stored, "_MAX_UNPACKED_BYTES"): 2**22}
EARLIER = b"the list of an earlier run"
RESULTS = ("doubtful.csv", "doubtful.html")
GOOD = Case("a good one", lambda folder: hostile.unpacked(folder, hostile.members()), True)


# ------------------------------------------------------------------ the surroundings


class Place(NamedTuple):
    """The surroundings of a trial: what may be written to lies beside what may not."""

    base: Path
    given: Path
    work: Path
    cache: Path
    secret: Path

    def kept(self) -> bool:
        """Whether the list of the earlier run is as it was."""
        results = [self.work / name for name in RESULTS]
        return all(path.is_file() and path.read_bytes() == EARLIER for path in results)

    def snapshot(self) -> dict[str, str]:
        """What lies where the command has no business."""
        found = {}
        for path in sorted(self.base.rglob("*")):
            if not (path.is_relative_to(self.work) or path.is_relative_to(self.cache)):
                mode = path.lstat().st_mode
                content = path.read_bytes() if stat.S_ISREG(mode) else b""
                found[str(path)] = f"{mode:o} {hashlib.sha256(content).hexdigest()}"
        return found


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """Make a new one, with a list of an earlier run; it vanishes at the end."""
    with tempfile.TemporaryDirectory(prefix="rnsl-soak-", ignore_cleanup_errors=True) as name:
        base = Path(name).resolve()
        deep = base / "a" / "b"
        secret = deep / "outside" / "secret.png"
        made = Place(base, deep / "given", deep / "work", deep / "cache", secret)
        for folder in (made.given, made.work, made.cache, made.secret.parent):
            folder.mkdir(parents=True)
        made.secret.write_bytes(hostile.members()[0][1])
        (made.secret.parent / "canary.png").write_bytes(b"alive")
        for result in RESULTS:
            (made.work / result).write_bytes(EARLIER)
        yield made


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
    def on(self, around: Place) -> Iterator[None]:
        """Watch for a while."""
        self.secret, self.seen = str(around.secret), ""
        self.allowed = (f"{around.work}{os.sep}", f"{around.cache}{os.sep}", "/dev/")
        try:
            yield
        finally:
            self.allowed = None


@cache
def watch() -> Watch:
    return Watch()


# ------------------------------------------------------------------ running the command


def pixel_features(archive: datasets.Archive, *_: object, **__: object) -> NDArray[np.float32]:
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


@contextlib.contextmanager
def stubs(archive: Path, damage: str) -> Iterator[None]:
    """Put what is quick and stays on this machine in the place of heads, network and hub."""
    hub = Hub(archive.read_bytes() if archive.is_file() else b"", damage)
    digest = hashlib.sha256(hub.archive).hexdigest()
    pin = download.Pin("scenes", "MIT", "nobody/scenes", "0" * 40, "s.zip", {"sha256": digest})
    with contextlib.ExitStack() as stack:
        for module, name, value in (
            (scores, "score_labels", by_class_means),
            (pipeline, "archive_features", pixel_features),
            (download, "PINS", {"scenes": pin}),
            (download, "get_hf_file_metadata", hub.metadata),
            (download, "http_get", hub.send),
            *((*limit, value) for limit, value in LIMITS.items()),
        ):
            stack.enter_context(mock.patch.object(module, name, value))
        yield


def arguments(kind: str, archive: Path, out: Path) -> list[str]:
    """What to give `rnsl`, so that all results come into a folder."""
    if kind == "data":
        return ["data", "get", "scenes", "--to", str(out / "scenes")]
    return [
        "audit", str(archive), "--out", str(out / "doubtful.csv"), "--overwrite",
        "--size", "8", "--folds", "2",
    ]  # fmt: skip


def run(kind: str, archive: Path, around: Place, damage: str) -> Result:
    command = arguments(kind, archive, around.work)
    with (
        stubs(archive, damage),
        mock.patch.dict(os.environ, {"RNSL_CACHE": str(around.cache)}),
        contextlib.chdir(around.work),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        for _ in range(2 if "again" in damage else 1):
            with watch().on(around):
                result = CliRunner().invoke(cli.app, command)
    assert [str(warning.message) for warning in warned] == []
    return result


def peak_megabytes() -> float:
    resource = pytest.importorskip("resource", reason="memory is measured as Unix does")
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


# ------------------------------------------------------------------ what may come of it


def try_one(kind: str, case: Case) -> str:
    """Run the command on one archive, and fail if anything is wrong with what it did.

    Returns:
        "refused" or "accepted".
    """
    with place() as around:
        archive = case.make(around.given)
        before, held = around.snapshot(), peak_megabytes()
        result = run(kind, archive, around, case.damage)
        assert watch().seen == "", "it escaped"
        assert around.snapshot() == before, "it escaped"
        assert peak_megabytes() - held < MEGABYTES
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        left = [path.name for path in around.work.rglob("*")]
        assert not [name for name in left if name.endswith((".tmp", "packing"))]
        accepted = result.exit_code == 0
        assert case.accepted in (None, accepted), result.output
        if accepted and kind == "audit":
            check_list(around.work, case.listed)
        elif accepted:
            check_folder(around.work / "scenes", case.listed)
        else:
            check_refusal(result.exit_code, result.output, around)
        return "accepted" if accepted else "refused"


def check_refusal(status: int, said: str, around: Place) -> None:
    """One line says why, and nothing was lost or begun."""
    lines = [line for line in said.splitlines() if line.startswith("rnsl: ")]
    assert (status, len(lines)) == (1, 1), said
    assert "Traceback" not in said
    assert around.kept(), "the earlier list is lost"
    assert not (around.work / "scenes").exists()


def check_folder(folder: Path, listed: str) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    named = {path.relative_to(folder).as_posix() for path in files}
    assert len(named) >= 3
    assert not listed or listed in named


def check_list(work: Path, listed: str) -> None:
    """Every image stands in it under its name, and no name is a formula or markup."""
    rows = outputs.read_csv(work / "doubtful.csv")
    named = {row["file"] for row in rows}
    assert len(named) == len(rows) > 0
    assert not listed or listed in named
    with (work / "doubtful.csv").open(errors="surrogateescape", newline="") as opened:
        numbers = re.compile(r"-?\d+(\.\d+)?")
        cells = [c for row in csv.reader(opened) for c in row if not numbers.fullmatch(c)]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    page = (work / "doubtful.html").read_text(encoding="utf-8")
    assert page.count("<script") == 2


# ------------------------------------------------------------------ the archives


def cases(kind: str) -> list[Any]:
    """The fixed list, a test each."""
    return [
        pytest.param(kind, case, id=f"{kind}: {case.damage}", marks=pytest.mark.part(kind))
        for case in hostile.cases(kind)
    ]


@pytest.mark.parametrize(("kind", "case"), [*cases("audit"), *cases("data")])
def test_a_hostile_archive_is_refused_in_one_line_or_gives_a_right_result(
    kind: str, case: Case
) -> None:
    try_one(kind, case)


@pytest.mark.part("audit")
@given(hostile.damaged_archives(("zip", "tar", "tar.gz", "tar.xz")))
def test_audit_refuses_a_damaged_archive_or_lists_what_it_can_read(
    archive: tuple[str, bytes],
) -> None:
    event(try_one("audit", Case("", hostile.holding(*archive), None)))


@pytest.mark.part("data")
@given(hostile.damaged_archives(("zip",)))
@example(("zip", hostile.packed("zip", hostile.members())))
def test_data_refuses_a_damaged_archive_or_unpacks_the_whole(
    archive: tuple[str, bytes],
) -> None:
    event(try_one("data", Case("", hostile.holding(*archive), None)))


@pytest.mark.slow
def test_in_a_process_of_its_own_it_is_the_same() -> None:
    """As a user runs it, with nothing replaced."""
    case = next(case for case in hostile.cases("audit") if "hard link out" in case.damage)
    with place() as around:
        archive = case.make(around.given)
        before = around.snapshot()
        done = subprocess.run(
            [sys.executable, "-m", "rnsl_tutorial", *arguments("audit", archive, around.work)],
            cwd=around.work, env={**os.environ, "RNSL_CACHE": str(around.cache)},
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        assert around.snapshot() == before
        check_refusal(done.returncode, done.stdout + done.stderr, around)
        assert "cannot be read to its end" in done.stdout + done.stderr


# ------------------------------------------------------------------ what the trial notices


def spoiled(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object], case: Case = GOOD
) -> str:
    """Audit an archive while something else happens; act gets the folder of the trial."""
    honest = pipeline.audit_archive

    def audit_archive(*args: Any, **options: Any) -> pipeline.Audit:
        act(Path.cwd().parent)
        return honest(*args, **options)

    monkeypatch.setattr(pipeline, "audit_archive", audit_archive)
    return try_one("audit", case)


ESCAPES: Mapping[str, Callable[[Path], object]] = {
    "new": lambda around: (around / "new").write_bytes(b""),
    "overwritten": lambda around: (around / "outside" / "canary.png").write_bytes(b"dead"),
    "changed": lambda around: next((around / "given").rglob("*.png")).write_bytes(b"changed"),
    "removed": lambda around: next((around / "given").rglob("*.png")).unlink(),
    "read": lambda around: (around / "outside" / "secret.png").read_bytes(),
    "link": lambda around: (around / "given" / "link").symlink_to("nowhere"),
    "folder": lambda around: (around / "outside" / "new").mkdir(),
}


@pytest.mark.parametrize("act", ESCAPES.values(), ids=ESCAPES)
def test_what_is_touched_outside_is_an_escape(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object]
) -> None:
    with pytest.raises(AssertionError, match="it escaped"):
        spoiled(monkeypatch, act)


def test_a_file_in_another_folder_is_an_escape(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also far from the surroundings that are compared, and where it is gone again at the end."""

    def write(around: Path) -> None:
        (tmp_path / "x").write_bytes(b"")
        (tmp_path / "x").unlink()

    with pytest.raises(AssertionError, match="it escaped"):
        spoiled(monkeypatch, write)


def test_an_earlier_list_that_is_lost_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(around: Path) -> None:
        (around / "work" / "doubtful.csv").unlink()
        raise ValueError("no")

    with pytest.raises(AssertionError, match="the earlier list is lost"):
        spoiled(monkeypatch, fail, GOOD._replace(accepted=False))


def test_a_path_that_is_followed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `rnsl data` would do without its checks, by a writer that trusts names."""

    def trusting(archive: Path, folder: Path) -> None:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                path = folder / member.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(opened.read(member))

    monkeypatch.setattr(download, "_extract", trusting)
    leading_out = [case for case in hostile.cases("data") if case.damage == "name: leads out"]
    assert any(escapes(case) for case in leading_out)


def escapes(case: Case) -> bool:
    try:
        try_one("data", case)
    except AssertionError as error:
        return "it escaped" in str(error)
    return False
