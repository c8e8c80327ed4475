"""The limit of memory bites, and nothing can be written into a folder that is read-only."""

import re
import subprocess
import sys
from pathlib import Path

import limits
import pytest
from limits import Peak, Watchdog

MB = 10**6
HOLD = "held = b'x' * {bytes}\nimport sys\nsys.stdin.read()"
"""Takes memory, and waits until nobody writes to it any more."""
TWO = """
import subprocess, sys
children = [subprocess.Popen([sys.executable, "-c", {hold!r}], stdin=sys.stdin) for _ in "ab"]
print(*(child.wait() for child in children))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(limits.problem()), reason=limits.problem() or "-"),
]


def test_a_process_that_takes_more_than_the_limit_fails() -> None:
    for megabytes, expected in [(20, 0), (400, 1)]:
        command = [sys.executable, "-c", HOLD.format(bytes=megabytes * MB)]
        done = subprocess.run(
            limits.limited(command, 200), input="\n", text=True, capture_output=True, check=False
        )
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


def test_processes_that_together_take_more_than_the_limit_lose_one() -> None:
    killed, peak, ended = held_by_two(250)
    assert sorted(ended.split()) == ["-9", "0"]
    assert re.fullmatch(r"\d+ MB together: process \d+ was killed", killed[0])
    assert peak.together > 250
    assert 0 < peak.child < peak.together <= peak.at_most


def test_processes_below_the_limit_are_left_alone() -> None:
    killed, peak, ended = held_by_two(None)
    assert killed == []
    assert ended.split() == ["0", "0"]
    assert 300 < peak.together <= peak.at_most


def test_nothing_can_be_written_into_a_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "a").write_text("as it was")
    limits.make_read_only(folder)
    for attempt in ("echo new > a", "echo new > b", "rm a", "mv a b", "chmod 777 . && touch b"):
        command = limits.unprivileged(["sh", "-c", attempt])
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        if not attempt.startswith("chmod") or limits.is_root():  # else it is theirs
            assert done.returncode != 0, attempt
            assert [path.name for path in folder.iterdir()] == ["a"]
            assert (folder / "a").read_text() == "as it was"
    folder.chmod(0o755)
