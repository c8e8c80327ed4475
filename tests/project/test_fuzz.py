"""Hostile archives against `rnsl audit` and `rnsl data`; that the fuzz notices what it should."""

import random
import threading
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("resource", reason="the fuzz measures memory as Unix does")

from benchmarks import fuzz
from rnsl_tutorial.audit import outputs as audit
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import download

RANDOM = 20
GOOD = fuzz.Case("a good one", lambda folder: fuzz.unpacked(folder, fuzz.members()), True)
PACKED = fuzz.Case(
    "a good one", lambda folder: fuzz.written(folder, "a.zip", fuzz.packed("zip", fuzz.members()))
)

# ------------------------------------------------------------------ what the commands do


def told(trial: fuzz.Trial) -> str:
    return f"{trial.damage}: {trial.crash or '-'}; {trial.escape or '-'}\n{trial.said[-600:]}"


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_every_archive_is_refused_in_one_line_or_gives_a_right_result(kind: str) -> None:
    found = list(fuzz.trials(kind, RANDOM, seed=0))
    assert not [told(trial) for trial in found if trial.crash or trial.escape]
    counted = fuzz.count(found)
    assert counted.tried == len(fuzz.hostile(kind)) + RANDOM
    assert counted == (counted.tried, counted.refused, counted.accepted, 0, 0, 0)
    assert min(counted.refused, counted.accepted) > 10


def test_in_a_process_of_its_own_it_is_the_same() -> None:
    """As a user runs it, with nothing replaced."""
    case = next(case for case in fuzz.hostile("audit") if "hard link out" in case.damage)
    trial = fuzz.try_in_process("audit", case)
    assert not trial.crash + trial.escape, told(trial)
    assert "cannot be read to its end" in trial.said


def test_the_same_seed_damages_alike(tmp_path: Path) -> None:
    """Of all kinds of damage and of all forms; the next seed damages otherwise."""
    for number, seed in enumerate((0, 0, 1)):
        rng = random.Random(seed)
        folder = tmp_path / str(number)
        folder.mkdir()
        for i in range(40):
            case = fuzz.damaged("audit", rng)
            case.make(folder).rename(folder / f"{i}")
    first, again, other = (
        [(tmp_path / number / str(i)).read_bytes() for i in range(40)] for number in "012"
    )
    assert first == again
    assert first != other


# ------------------------------------------------------------------ what the fuzz notices


def spoiled(monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object]) -> fuzz.Trial:
    """Audit a good archive while something else happens; act gets the folder of the trial."""
    honest = audit.audit_archive

    def audit_archive(*args: Any, **options: Any) -> audit.Audit:
        act(Path.cwd().parent)
        return honest(*args, **options)

    monkeypatch.setattr(audit, "audit_archive", audit_archive)
    return fuzz.try_one("audit", GOOD)


def test_a_good_archive_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = spoiled(monkeypatch, lambda around: None)
    assert fuzz.count([trial]) == (1, 0, 1, 0, 0, 0), told(trial)


def test_whatever_else_is_raised_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(around: Path) -> None:
        raise KeyError("beach")

    trial = spoiled(monkeypatch, fail)
    assert fuzz.count([trial]) == (1, 0, 0, 1, 0, 0)
    assert "KeyError" in trial.crash


def test_a_warning_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = spoiled(monkeypatch, lambda around: warnings.warn("odd", stacklevel=1))
    assert trial.crash == "warned: odd"


def test_a_hang_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(fuzz, "SECONDS", 0.05)
        trial = spoiled(patch, lambda around: released.wait(60))
    released.set()
    assert trial.crash == "no end after 0 s"
    for thread in threading.enumerate():
        if thread.name == fuzz.THREAD:
            thread.join(60)


def test_much_memory_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "MEGABYTES", -1)
    assert "MB" in fuzz.try_one("audit", GOOD).crash


@pytest.mark.parametrize(
    "act",
    [
        lambda around: (around / "new").write_bytes(b""),
        lambda around: (around / "outside" / "canary.png").write_bytes(b"dead"),
        lambda around: next((around / "given").rglob("*.png")).write_bytes(b"changed"),
        lambda around: next((around / "given").rglob("*.png")).unlink(),
        lambda around: (around / "outside" / "secret.png").read_bytes(),
        lambda around: (around / "given" / "link").symlink_to("nowhere"),
        lambda around: (around / "outside" / "new").mkdir(),
    ],
    ids=["new", "overwritten", "archive changed", "archive removed", "read", "link", "folder"],
)
def test_what_is_touched_outside_is_an_escape(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object]
) -> None:
    trial = spoiled(monkeypatch, act)
    assert trial.escape, told(trial)
    assert fuzz.count([trial]).escaped == 1


def test_a_file_in_another_folder_is_an_escape(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also far from the surroundings that are compared, and where it is gone again at the end."""

    def write(around: Path) -> None:
        (tmp_path / "x").write_bytes(b"")
        (tmp_path / "x").unlink()

    assert str(tmp_path) in spoiled(monkeypatch, write).escape


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("csv_bytes", lambda found: b"rank,file\n1,=1+1\n"),
        ("csv_bytes", lambda found: b"rank,file\n"),
        ("csv_bytes", lambda found: b"rank,file\n1,a\n2,a\n"),
    ],
    ids=["a formula", "nothing", "a file twice"],
)
def test_a_wrong_list_is_a_crash(
    monkeypatch: pytest.MonkeyPatch, name: str, wrong: Callable[[object], bytes]
) -> None:
    monkeypatch.setattr(audit, name, wrong)
    assert fuzz.count([fuzz.try_one("audit", GOOD)]) == (1, 0, 0, 1, 0, 0)


def test_names_that_become_markup_are_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "rnsl_tutorial.audit.page.page_bytes", lambda page: b"<script><script><script"
    )
    assert fuzz.try_one("audit", GOOD).crash == "a name became markup"


def test_an_earlier_list_that_is_lost_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(around: Path) -> None:
        (around / "work" / "doubtful.csv").unlink()
        raise ValueError("no")

    trial = spoiled(monkeypatch, fail)
    assert (trial.crash, trial.lost) == ("should have been accepted", True)
    assert fuzz.count([trial]).lost == 1
    refused = fuzz.Case("", GOOD.make, None)
    assert fuzz.try_one("audit", refused).crash == "the earlier list is lost"


def test_several_lines_or_another_status_are_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_in_one_line", lambda error: "one\nrnsl: two")
    assert "2 lines" in fuzz.try_one("audit", fuzz.hostile("audit")[0]).crash


def test_a_path_that_is_followed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `rnsl data` would do without its checks, by a writer that trusts names."""

    def trusting(archive: Path, folder: Path) -> None:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                path = folder / member.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(opened.read(member))

    monkeypatch.setattr(download, "_extract", trusting)
    cases = [case for case in fuzz.hostile("data") if case.damage == "name: leads out"]
    assert any(fuzz.try_one("data", case).escape for case in cases)


def test_a_half_unpacked_folder_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_extract", lambda archive, folder: None)
    assert fuzz.try_one("data", PACKED._replace(accepted=True)).crash == "the folder is not whole"


# ------------------------------------------------------------------ the command


def test_the_table_counts_by_kind_of_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        fuzz.Trial("cut off", False, "", "", False, ""),
        fuzz.Trial("cut off", True, "", "", False, ""),
        fuzz.Trial("bits flipped", False, "KeyError", "new file", True, ""),
    ]
    assert fuzz.table(found).splitlines() == [
        "| damage | tried | refused | accepted | crashed | escaped | lost |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| cut off | 2 | 1 | 1 | 0 | 0 | 0 |",
        "| bits flipped | 1 | 0 | 0 | 1 | 1 | 1 |",
        "| **all** | 3 | 1 | 1 | 1 | 1 | 1 |",
    ]


def test_it_fails_where_something_crashed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz, "hostile", lambda kind: [GOOD._replace(accepted=False)])
    monkeypatch.setattr("sys.argv", ["fuzz.py", "--kind", "audit", "--n", "0"])
    with pytest.raises(SystemExit) as stopped:
        fuzz.main()
    assert stopped.value.code == 1
    assert "a good one: should have been refused; -" in capsys.readouterr().out
    with pytest.raises(ValueError, match="kind is 'train'; choose one of audit, data"):
        fuzz.run("train", 0, 0)
