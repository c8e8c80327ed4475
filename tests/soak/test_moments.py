"""Commands that are killed (SIGKILL) at the very moment at which a temporary file exists.

Each command that writes is killed when the temporary of a file is just made, when it is full and
not yet on disk, and when it is on disk and not yet in its place: for each of the first files that
it writes, caches included. Afterwards every file has to be whole, the same command has to come to
its end, and no temporary may be left. What takes time and writes nothing is left out of the work.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import moments
import pytest
from test_kills import unreadable

MOST_S = 300
MOST_FILES = 16
SOAK = Path(__file__).parent
PYTHONPATH = os.pathsep.join(map(str, (SOAK.parent.parent, SOAK.parent, SOAK)))

Record = Callable[[str, object], None]


@pytest.mark.soak
@pytest.mark.part("moments")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("command", moments.LINES)
def test_a_kill_while_a_temporary_exists_costs_nothing(
    command: str, place: Path, record_property: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["moments"])

    def run(moment: str, number: int) -> tuple[int, int] | None:
        here, there = server.Pipe(duplex=False)
        child = server.Process(target=moments.run, args=(command, place, moment, number, there))
        child.start()
        there.close()
        child.join(MOST_S)
        assert child.exitcode is not None, "it has no end"
        return here.recv() if child.exitcode != -signal.SIGKILL else None

    assert run("", 0) is not None
    kills, unfinished, broken = 0, 0, list[str]()
    for moment in moments.MOMENTS:
        for number in range(1, MOST_FILES + 1):
            if run(moment, number) is not None:
                break
            kills += 1
            broken += unreadable(place / "out")
            ended = run("", 0)
            unfinished += ended is None or ended[0] != 0
    left = [path.name for path in place.rglob("*.tmp")]
    row = {
        "command": f"rnsl {command}", "killed": kills, "broken files": len(broken),
        "not finished afterwards": unfinished, "left behind": len(left),
    }  # fmt: skip
    record_property("row", row)
    assert (broken, left, unfinished) == ([], [], 0)
    assert kills
