"""Command lines over the whole CLI, and two processes at once.

Every option of every command is left out, given twice, empty, of another type, at and beyond every
boundary, huge, in odd signs, and as every kind of path: a file, folder, pipe, device, link, a name
that is too long, what is read, a place in the archive. Each line works in a folder with files of a
user, and is cut short where its work would begin. *Clear*: refused in one line, and nothing is left
behind. *Lost*: a file of the user is changed without --overwrite, or a temporary file stays.

Then two processes of each command that writes meet in one place. Where its work takes time, the
second has to say so, and once the first is killed the third has to come to its work. Where it takes
none, both come at once: what lies there in the end is whole.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_lines import BASE, commands, cut_short, lines, tried
from test_kills import unreadable

SOAK = Path(__file__).parent
PYTHONPATH = os.pathsep.join(map(str, (SOAK.parent.parent, SOAK.parent, SOAK)))
VERDICTS = ("accepted", "clear", "unclear", "traceback", "no end", "lost")
MOST_S = 300
CLAIMING = ("experiment", "train", "sweep", "embed", "predict", "audit", "apply", "features build")
CHILD = """
import sys, time
from pathlib import Path
import command_lines as c
def work(*_, **__):
    print("works", flush=True)
    time.sleep(600)
with c.cut_short(Path(sys.argv[1]), work):
    c.cli.app(sys.argv[2:], prog_name="rnsl")
"""

AT_ONCE = {
    "lab": ["lab", "out"],
    "playground": ["playground", "out/page.html", "--no-browser", "--overwrite"],
    "explore": ["explore", "--out=out/page.html", "--no-browser", "--overwrite"],
    "report": ["report", "inputs/results.json", "--figures=out", "--overwrite"],
}
AT_ONCE_CHILD = """
import sys
from pathlib import Path
import command_lines as c
with c.cut_short(Path(sys.argv[1]), lambda *_, **__: None):
    c.cli.app(sys.argv[2:], prog_name="rnsl")
"""

Record = Callable[[str, object], None]


@pytest.mark.soak
@pytest.mark.part("commands")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("command", commands())
def test_no_line_is_unclear_or_loses_a_file(
    command: str, place: Path, record_property: Record
) -> None:
    head = command.split()
    with cut_short(place):
        found = [tried(line, place) for line in lines() if line[: len(head)] == head]
    counts = Counter(each.verdict for each in found)
    row = {"command": f"rnsl {command}", "tried": len(found)}
    record_property("row", {**row, **{verdict: counts[verdict] for verdict in VERDICTS}})
    assert [each for each in found if each.verdict not in ("accepted", "clear")] == []


@contextmanager
def started(place: Path, words: list[str], child: str = CHILD) -> "Iterator[subprocess.Popen[str]]":
    """A command line in a process of its own, which stands still where its work begins."""
    with subprocess.Popen(
        [sys.executable, "-c", child, str(place), *words],
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.soak
@pytest.mark.part("commands")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("command", CLAIMING)
def test_the_second_of_two_processes_says_so_until_the_first_is_killed(
    command: str, place: Path
) -> None:
    words = [*command.split(), *BASE[command]]
    with started(place, words) as first:
        until(first, "works")
        with started(place, words) as second:
            _, said = second.communicate(timeout=MOST_S)
        assert second.returncode == 1
        assert "Wait until it ends, or choose another" in said
    with started(place, words) as third:
        until(third, "works")


@pytest.mark.soak
@pytest.mark.part("commands")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("command", AT_ONCE)
def test_two_processes_at_once_leave_whole_files(command: str, place: Path) -> None:
    for _ in range(3):
        with (
            started(place, AT_ONCE[command], AT_ONCE_CHILD) as one,
            started(place, AT_ONCE[command], AT_ONCE_CHILD) as other,
        ):
            said = [process.communicate(timeout=MOST_S)[1] for process in (one, other)]
        assert 0 in (one.returncode, other.returncode), said
        for process, told in zip((one, other), said, strict=True):
            assert process.returncode == 0 or told.startswith("rnsl: Another process"), told
        files = [path for path in (place / "out").rglob("*") if path.is_file()]
        assert files
        assert unreadable(place / "out") == []
        assert [path for path in files if path.suffix == ".tmp" or not path.stat().st_size] == []


def until(process: "subprocess.Popen[str]", word: str) -> None:
    """Read what a process prints up to a line."""
    assert process.stdout
    assert process.stderr
    for line in process.stdout:
        if line.strip() == word:
            return
    raise AssertionError(process.stderr.read())
