"""Bad arguments to every public function that takes arrays, and spoiled files of every type.

*Clear*: a result, or one line of our own that names what was given; for a file one that names it.
*Unclear*: several lines. *Traceback*: somebody else's error, or one that nobody raised on purpose.
*No end*: longer than a minute. *Lost*: the file that was read is another one afterwards. Files are
drawn by a seeded generator; beside them stand pipes, devices, folders, links in a circle, names
that steer a terminal, and a file of a terabyte in the place of each.
"""

import resource
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import doors
import foreign
import numpy as np
import pytest

OUTCOMES = ("clear", "unclear", "traceback", "no end", "lost")
FILES = 300  # of each type
MEGABYTES = 400  # on top of what the process had

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]


def row(name: str, found: Counter[str]) -> dict[str, object]:
    return {"tried": name, "tries": found.total(), **{said: found[said] for said in OUTCOMES}}


def failed(what: str, said: tuple[str, str]) -> list[str]:
    return [] if said[0] == "clear" else [f"{what}: {said}"]


ROOMS = (
    "losses",
    "noise",
    "evaluation",
    "datasets",
    "training",
    "experiments",
    "audit",
    "tutorial",
)


@pytest.mark.part("doors")
@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.filterwarnings("ignore")
def test_no_argument_ends_in_somebody_elses_words(
    room: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    found, wrong = Counter[str](), list[str]()
    for name, door in doors.doors(tmp_path).items():
        if name.startswith(f"{room}."):
            assert doors.outcome(partial(door.call, **door.given)) == ("clear", "a result"), name
            for what, given in doors.tries(door):
                said = doors.outcome(partial(door.call, **given))
                found[said[0]] += 1
                wrong += failed(f"{name}, {what}", said)
    record_property("row", row(room, found))
    assert wrong == []


@pytest.mark.part("foreign")
@pytest.mark.parametrize("kind", foreign.TYPES)
@pytest.mark.filterwarnings("ignore")
def test_no_file_ends_in_somebody_elses_words(
    kind: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    kept = foreign.TYPES[kind]
    path, found, wrong = tmp_path / kept.name, Counter[str](), list[str]()
    kept.make(path)
    good, before = path.read_bytes(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert foreign.tried(kind, path) == ("clear", "a result")
    rng = np.random.default_rng(0)
    for i in range(FILES):
        path.write_bytes(kept.spoil(good, rng))
        said = foreign.tried(kind, path)
        found[said[0]] += 1
        wrong += failed(f"file {i}", said)
        if said[1] != "a result" and kept.name not in said[1]:
            wrong.append(f"file {i} is not named: {said}")
    for place in foreign.odd_places(tmp_path, kept.name, good):
        said = foreign.tried(kind, place)
        found[said[0]] += 1
        wrong += failed(ascii(place.name), said)
    record_property("row", row(kind, found))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MEGABYTES, f"reading them took {grown:.0f} MB"
    assert wrong == []
