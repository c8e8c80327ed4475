"""What the soak counts is counted, its limit bites, and its Markdown is whole."""

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import nbformat
import numpy as np
import psutil
import pytest
import torch
import typer.main
from PIL import Image

from benchmarks import reliability, reliability_kills, reliability_memory, reliability_notebooks
from benchmarks.reliability_kills import Subject, Tally
from benchmarks.reliability_memory import Peak, Watchdog
from benchmarks.reliability_notebooks import Environment, Row
from notebooks import build
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.experiments.config import Config, parse_settings

MB = 10**6
needs_limit = pytest.mark.skipif(
    bool(reliability_memory.problem()), reason=reliability_memory.problem()
)

# ------------------------------------------------------------------ the limit

HOLD = "held = b'x' * {bytes}\nimport sys\nsys.stdin.read()"
"""Takes memory, and waits until nobody writes to it any more."""
TWO = """
import subprocess, sys
children = [subprocess.Popen([sys.executable, "-c", {hold!r}], stdin=sys.stdin) for _ in "ab"]
print(*(child.wait() for child in children))
"""


@needs_limit
def test_a_process_that_takes_more_than_the_limit_fails() -> None:
    for megabytes, expected in [(20, 0), (400, 1)]:
        command = [sys.executable, "-c", HOLD.format(bytes=megabytes * MB)]
        done = subprocess.run(
            reliability_memory.limited(command, 200), input="\n", text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == expected, done.stderr
        assert ("MemoryError" in done.stderr) == bool(expected)


def held_by_two(limit_mb: float | None) -> tuple[list[str], Peak, str]:
    """Two children with 150 MB each; what was killed, the peak, how they ended."""
    code = TWO.format(hold=HOLD.format(bytes=150 * MB))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        watchdog = Watchdog(process.pid, limit_mb)  # whose thread would look, and kill, beside us
        while not watchdog.killed and watchdog.look().together < 300:
            assert process.poll() is None
        ended = process.communicate()[0]
        return watchdog.killed, watchdog.take_peak(), ended.splitlines()[-1]


@needs_limit
def test_processes_that_together_take_more_than_the_limit_lose_one() -> None:
    killed, peak, ended = held_by_two(250)
    assert sorted(ended.split()) == ["-9", "0"]
    assert re.fullmatch(r"\d+ MB together: process \d+ was killed", killed[0])
    assert peak.together > 250
    assert 0 < peak.child < peak.together <= peak.at_most


@needs_limit
def test_processes_below_the_limit_are_left_alone() -> None:
    killed, peak, ended = held_by_two(None)
    assert killed == []
    assert ended.split() == ["0", "0"]
    assert 300 < peak.together <= peak.at_most


@needs_limit
def test_nothing_can_be_written_into_a_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "a").write_text("as it was")
    reliability_memory.make_read_only(folder)
    for attempt in ("echo new > a", "echo new > b", "rm a", "mv a b", "chmod 777 . && touch b"):
        command = reliability_memory.unprivileged(["sh", "-c", attempt])
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        if not attempt.startswith("chmod") or reliability_memory.is_root():  # else it is theirs
            assert done.returncode != 0, attempt
            assert [path.name for path in folder.iterdir()] == ["a"]
            assert (folder / "a").read_text() == "as it was"
    folder.chmod(0o755)


# ------------------------------------------------------------------ notebooks


@pytest.fixture
def small_notebooks(tmp_path: Path) -> Environment:
    folder, home = tmp_path / "notebooks", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    for name, sources in {"0_sound": ["1 + 1"], "1_faulty": ["1", "1 / 0", "2"]}.items():
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=build.KERNEL)
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return Environment(Path(sys.executable), folder, home)


@needs_limit
@pytest.mark.skipif(
    bool(reliability_notebooks.cannot()), reason=reliability_notebooks.cannot() or "-"
)
def test_a_notebook_that_fails_is_counted_and_named_and_none_can_be_saved_where_it_is_read_only(
    small_notebooks: Environment,
) -> None:
    environment = reliability_notebooks.read_only_copy(small_notebooks)
    sound, faulty = reliability_notebooks.run_all(environment, 1500)
    assert (sound.name, sound.cells, sound.problems) == ("0_sound", 1, [])
    assert (faulty.cells, faulty.problems) == (3, ["ZeroDivisionError: division by zero"])
    assert "read-only" in sound.saved
    assert 20 < sound.peak.child < sound.peak.together <= sound.peak.at_most
    table = reliability_notebooks.table([sound, faulty])
    assert table[-1] == "- 1_faulty: ZeroDivisionError: division by zero"
    assert not list(environment.notebooks.rglob(".*"))
    environment.notebooks.chmod(0o755)


def test_a_part_of_notebooks_counts_those_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Row("a", 3, [], 1.0, Peak(), "yes"), Row("b", 4, ["Broken: x"], 1.0, Peak(), "no")]
    monkeypatch.setattr(reliability_notebooks, "run_all", lambda *_: iter(rows))
    nowhere = Environment(Path(), Path(), Path())
    part = reliability._of_notebooks(nowhere, None, small=False, about="")
    assert (part.tried, part.failed) == ("2 notebooks with 7 code cells", 1)
    assert part.lost == "1 notebooks that were not saved"
    assert reliability._of_notebooks(nowhere, 2000, small=False, about="").lost == "nothing"
    assert part.lines[-1] == "- b: Broken: x"
    assert_whole(part.lines)


# ------------------------------------------------------------------ kills


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """One sound file of each kind that is read."""
    (tmp_path / "a.json").write_text(json.dumps({"x": [1, 2]}))
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "a.html").write_text("<html></html>\n")
    np.save(tmp_path / "a.npy", np.arange(9))
    np.savez(tmp_path / "a.npz", x=np.arange(9))
    torch.save({"x": torch.arange(9)}, tmp_path / "a.pt")
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    return tmp_path


def test_every_kind_of_file_that_is_cut_is_named(files: Path) -> None:
    assert reliability_kills.unreadable(files) == []
    assert {path.suffix for path in files.iterdir()} == set(reliability_kills.READERS)
    for path in files.iterdir():
        path.write_bytes(path.read_bytes()[:-5])
    named = [said.split(":")[0] for said in reliability_kills.unreadable(files)]
    assert named == sorted(path.name for path in files.iterdir())


def test_a_checkpoint_is_held_against_its_checksum_and_unfinished_files_are_not_read(
    files: Path,
) -> None:
    (files / "a.json.0123.tmp").write_text("{")
    (files / ".aid.0123.unpacking").mkdir()
    (files / ".aid.0123.unpacking" / "a.png").write_text("")
    assert reliability_kills.unreadable(files) == []
    (files / "a.pt").rename(files / "epoch-0001-step-00000000.pt")
    (files / "epoch-0001-step-00000000.pt.sha256").write_text("0123  epoch")
    [said] = reliability_kills.unreadable(files)
    assert said == "epoch-0001-step-00000000.pt: it is not what its checksum says"


WRITE = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
(folder / "x.tmp").write_text({content})
os.replace(folder / "x.tmp", folder / "x.csv")
"""


def writing(content: str) -> Subject:
    command = (sys.executable, "-S", "-c", WRITE.format(content=content))
    return Subject("writes", lambda folder: [*command, folder], ("x.csv",))


def test_a_command_that_writes_the_same_whole_file_is_sound(tmp_path: Path) -> None:
    tally = reliability_kills.trial(writing("'x,y\\n'"), tmp_path, 3, 2, random.Random(0))
    assert tally.sound
    assert tally.killed + tally.ended == 6
    assert "| writes | 2 runs, each once |" in reliability_kills.row(tally)
    assert_whole(reliability_kills.table([tally]))


def test_a_command_that_ends_otherwise_each_time_is_not(tmp_path: Path) -> None:
    other = writing("f'x\\n{time.time_ns()}\\n'")
    tally = reliability_kills.trial(other, tmp_path, 1, 2, random.Random(0))
    assert (tally.sound, tally.different, tally.unfinished) == (False, 2, 0)


def test_a_command_that_cuts_its_file_is_not(tmp_path: Path) -> None:
    tally = reliability_kills.trial(writing("'x,'"), tmp_path, 1, 1, random.Random(0))
    assert not tally.sound
    assert tally.unreadable[-1].startswith("x.csv: ")
    assert reliability_kills.table([tally])[-1] == f"- writes: {tally.unreadable[-1]}"


def test_a_command_that_fails_by_itself_is_no_trial(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)although nobody kills it: .*ZeroDivision"):
        reliability_kills.trial(writing("str(1 / 0)"), tmp_path, 1, 1, random.Random(0))


def ends(pid: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while psutil.pid_exists(pid):
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("whole", [True, False])
def test_a_command_is_killed_with_or_without_what_it_started(tmp_path: Path, whole: bool) -> None:
    code = (
        "import pathlib, subprocess, sys\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "pathlib.Path(sys.argv[1], 'pid').write_text(str(child.pid))\n"
        "child.wait()"
    )
    command = (sys.executable, "-S", "-c", code)
    waits = Subject("waits", lambda folder: [*command, folder], ())
    seconds = 0.5
    while not (tmp_path / "own" / "pid").exists() or not (tmp_path / "own" / "pid").read_text():
        assert reliability_kills.kill_at(waits, tmp_path / "own", seconds, whole=whole)
        seconds *= 2
    child = int((tmp_path / "own" / "pid").read_text())
    if whole:
        assert ends(child, within_s=60)  # a signal to several processes reaches each in its time
    else:
        assert not ends(child, within_s=0)
        psutil.Process(child).kill()


def test_epochs_are_lost_that_were_shown_and_are_in_no_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    (folder / "checkpoints").mkdir(parents=True)
    log = tmp_path / "own.log"
    log.write_text("scenes: 112 training images")
    assert reliability_kills.epochs_lost(folder) == []
    log.write_text("  0%| | 0/16 [00:00\r 12%|# | 2/16 [00:01\r 18%|# | 3/16 [00:02")
    assert reliability_kills.epochs_lost(folder) == [3]
    (folder / "checkpoints" / "epoch-0002-step-00000000.pt").touch()
    assert reliability_kills.epochs_lost(folder) == [1]
    (folder / "checkpoints" / "epoch-0003-step-00000000.pt").touch()
    assert reliability_kills.epochs_lost(folder) == [0]


def test_columns_that_no_two_runs_share_are_not_compared(tmp_path: Path) -> None:
    digests = []
    for seconds, accuracy in [(1, 0.5), (2, 0.5), (1, 0.6)]:
        (tmp_path / "results.csv").write_text(f"knn,seconds\n{accuracy},{seconds}\n")
        digests.append(reliability_kills.fingerprints(tmp_path, ("*.csv",))["results.csv"])
    assert digests[0] == digests[1] != digests[2]


def commands(tmp_path: Path) -> Iterator[Subject]:
    images = reliability_kills.write_images(tmp_path / "images")
    yield reliability_kills.training()
    yield reliability_kills.sweeping(tmp_path)
    yield reliability_kills.auditing(images)
    yield reliability_kills.building(images)


def test_the_commands_that_are_killed_are_those_of_rnsl(tmp_path: Path) -> None:
    """Their options are read as `rnsl` reads them; nothing runs."""
    for subject in commands(tmp_path):
        group = typer.main.get_command(cli.app)
        words = [str(word) for word in subject.command(tmp_path / "out")][3:]
        said = subject.name.split()[1:]
        assert words[: len(said)] == said
        for name in said:
            group = group.commands[name]  # type: ignore[attr-defined]
        group.make_context(subject.name, words[len(said) :])
    words = [str(word) for word in reliability_kills.training().command(tmp_path)]
    settings = [word.removeprefix("--set=") for word in words if word.startswith("--set=")]
    assert Config(**parse_settings(settings), loss="trnsl").prunes_before(2)


# ------------------------------------------------------------------ Markdown


def assert_whole(lines: list[str]) -> None:
    """Every row of the table has as many cells as its header."""
    rows = [line for text in lines for line in text.splitlines() if line.startswith("|")]
    assert len(rows) >= 3
    assert len({row.count("|") for row in rows}) == 1


PRINTED = """
tests/test_properties_noise.py::test_one:

  - during generate phase (1.71 seconds):
    - 40 passing, 0 failing, and 2 invalid test cases

tests/test_properties_noise.py::test_two[a]:

  - during reuse phase (0.01 seconds):
    - 1 passing, 0 failing, and 0 invalid test cases
  - during generate phase (1.71 seconds):
    - 38 passing, 1 failing, and 0 invalid test cases
FAILED tests/test_properties_noise.py::test_two[a] - ValueError
"""


def test_properties_and_their_examples_are_counted() -> None:
    part = reliability.counted(PRINTED, "")
    assert (part.tried, part.failed) == ("2 properties with 80 examples", 1)
    assert "| 2 | 79 | 1 | 2 |" in part.lines
    assert part.lines[-1] == "- tests/test_properties_noise.py::test_two[a] - ValueError"
    assert_whole(part.lines)
    with pytest.raises(RuntimeError, match="no statistics"):
        reliability.counted("22 passed", "")


def found(failed: int) -> reliability.Part:
    return reliability.Part("7 things", failed, "2 files", "How.", ["| a |", "|---|", "| 1 |"])


def test_a_file_keeps_the_sections_that_were_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "RELIABILITY.md"

    def broken(small: bool) -> reliability.Part:
        raise OSError("no room\nat all")

    monkeypatch.setattr(
        reliability,
        "PARTS",
        {"notebooks": lambda _: found(0), "kills": broken, "data": lambda _: found(0)},
    )
    monkeypatch.setattr(reliability, "CANNOT", {})
    assert run_main(monkeypatch, "--out", str(out)) == 1
    before = out.read_text()
    rows = [line for line in before.splitlines() if line.startswith("| [")]
    assert rows == [
        "| [notebooks](#notebooks) | 7 things | 0 | 2 files |",
        "| [kills](#kills) | the part itself | 1 | all of it |",
        "| [data](#data) | 7 things | 0 | 2 files |",
    ]
    assert "OSError: no room at all" in before
    monkeypatch.setitem(reliability.PARTS, "kills", lambda _: found(0))  # type: ignore[arg-type]
    assert run_main(monkeypatch, "--only", "kills", "--small", "--out", str(out)) == 0
    after = out.read_text()
    assert "OSError" not in after
    assert "*Small: shows that it works, no figure." in after
    assert after.count("\n## ") == before.count("\n## ") == 3
    assert after.split("## kills")[0].count("7 things") == 4
    assert capsys.readouterr().out.startswith("# Reliability\n")


def run_main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["reliability.py", *words])
    with pytest.raises(SystemExit) as ended:
        reliability.main()
    return int(str(ended.value.code))


def test_what_cannot_be_tried_here_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(reliability.CANNOT, "memory", lambda: "There is no Chromium.")  # type: ignore[arg-type]
    text = reliability.section("memory", small=True)
    assert text.endswith("There is no Chromium.")
    assert "| [memory](#memory) | nothing | 0 | nothing |" in reliability.merged(
        "", {"memory": text}
    )


def test_kills_sum_up_over_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    tallies = [
        Tally("a", "one way", 20, 0, [], 0, 0, [0, 1, 1], 0, 9.0),
        Tally("b", "one way", 19, 1, ["x.csv: cut"], 0, 0, [], 2, 9.0),
    ]
    monkeypatch.setattr(reliability_kills, "trials", lambda *_, **__: iter(tallies))
    part = reliability.try_kills(small=False)
    assert (part.tried, part.failed) == ("39 kills of 2 kinds", 1)
    assert part.lost == "1 files and 2 finished epochs"
    assert "| a | one way | 20 | 0 | 0 | 0 | 0 | 0.67 (1) | 0 | 9 |" in part.lines
    assert_whole(part.lines)


def test_what_the_fuzz_counts_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    fuzz = pytest.importorskip("benchmarks.fuzz")
    monkeypatch.setattr(fuzz, "run", lambda kind, n, seed: fuzz.Outcome(50, 40, 8, 1, 1, 1))
    part = reliability.try_audit(small=True)
    assert (part.tried, part.failed, part.lost) == ("50 archives", 2, "1 earlier lists")
    assert part.lines[-1] == "| 50 | 40 | 8 | 1 | 1 | 1 |"
    assert_whole(part.lines)
