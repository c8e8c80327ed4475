"""Try to break the tutorial, and count what fails and what is lost.

Usage: python benchmarks/reliability.py [--only kills audit] [--small] [--out RELIABILITY.md]

Prints Markdown, a section for each part:

    notebooks   all notebooks in sequence, in one fresh environment
    memory      the same under 2 GB of memory, in a folder that is read-only
    kills       commands that are killed at random moments and go on
    audit       `rnsl audit` with damaged archives and hostile names
    data        `rnsl data` with damaged archives and hostile names
    properties  the property-based tests with many more examples than `make test` draws

With --out the sections of a file are replaced by those that were made, and the others stay: each
says when and where it was made. --small tries each part on little and shows that it works, no more.
A whole run takes about 35 minutes on two quiet cores. The exit status is 1 if anything failed.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from benchmarks import reliability_kills as kills
from benchmarks import reliability_notebooks as notebooks
from rnsl_tutorial._files import written_whole

ROOT = Path(__file__).parent.parent
SEED = 0
TITLE = "# Reliability"
INTRO = (
    "`make soak` tries to break the tutorial and writes this file, and `python "
    "benchmarks/reliability.py --only PART --out benchmarks/RELIABILITY.md` one part of it. "
    "*Failed* is whatever did not end as it should, *lost* what a user would have to make again."
)
VERDICT = re.compile(r"^\*\*Tried (.+), failed (\d+), lost (.+)\.\*\*$", re.MULTILINE)


class Part(NamedTuple):
    """What a part found.

    Attributes:
        tried: what was tried, counted in words.
        failed: how much of it did not end as it should.
        lost: in words.
        about: how it was tried.
        lines: of Markdown: tables, and what failed.
    """

    tried: str
    failed: int
    lost: str
    about: str
    lines: list[str]


# ------------------------------------------------------------------ the parts


def try_notebooks(small: bool) -> Part:
    """All notebooks in sequence in one fresh environment."""
    with notebooks.fresh_environment() as environment:
        about = (
            "A fresh clone of the last commit, its environment built by `make`, a fresh home "
            "folder. Each notebook is opened in one JupyterLab in Chromium, run by Run > Run All "
            "Cells with its full constants, saved, and its kernel shut down. Memory is looked at "
            "ten times a second, a shared page counted once; *at most* is the sum of each "
            "process's own peak."
        )
        return _of_notebooks(environment, None, small, about)


def try_memory(small: bool) -> Part:
    """All notebooks in sequence under a limit of memory, in a folder that is read-only."""
    with notebooks.fresh_environment() as environment:
        about = (
            f"As for `notebooks`, with {notebooks.LIMIT_MB} MB for server and kernel together. The "
            "limit in force: RLIMIT_DATA of each process, and a watchdog over the proportional set "
            "size of all, which kills the largest (no cgroup). The notebooks' folder and its files "
            "cannot be written, and JupyterLab runs without the rights of root: so Ctrl-S is "
            "answered with JupyterLab's own message."
        )
        return _of_notebooks(
            notebooks.read_only_copy(environment), notebooks.LIMIT_MB, small, about
        )


def _of_notebooks(
    environment: notebooks.Environment, limit_mb: float | None, small: bool, about: str
) -> Part:
    only = ["00_"] if small else [""]
    rows = list(notebooks.run_all(environment, limit_mb, only))
    failed = [row for row in rows if row.problems]
    cells = sum(row.cells for row in rows)
    tried = f"{len(rows)} notebooks with {cells} code cells"
    unsaved = 0 if limit_mb else sum(row.saved != "yes" for row in rows)  # there read-only
    lost = f"{unsaved} notebooks that were not saved" if unsaved else "nothing"
    return Part(tried, len(failed), lost, about, notebooks.table(rows))


def try_kills(small: bool) -> Part:
    """Commands that are killed at random moments and go on."""
    with tempfile.TemporaryDirectory() as folder:
        count = 2 if small else 20
        tallies = list(kills.trials(Path(folder), kills=count, small=small, seed=SEED))
    met = sum(tally.killed for tally in tallies)
    broken = sum(len(tally.unreadable) for tally in tallies)
    epochs = sum(sum(tally.lost) for tally in tallies)
    about = " ".join(str(kills.__doc__).split("\n\n")[1].split())
    failed = sum(not tally.sound for tally in tallies)
    lost = f"{broken} files and {epochs} finished epochs"
    return Part(f"{met} kills of {len(tallies)} kinds", failed, lost, about, kills.table(tallies))


def try_audit(small: bool) -> Part:
    """Damaged archives and hostile names for `rnsl audit`."""
    return _fuzzed("audit", 10 if small else 400)


def try_data(small: bool) -> Part:
    """Damaged archives and hostile names for `rnsl data`."""
    return _fuzzed("data", 10 if small else 400)


def _fuzzed(kind: str, count: int) -> Part:
    from benchmarks import fuzz

    found = fuzz.run(kind, count, SEED)
    about = (
        f"The fixed list of `benchmarks/fuzz.py` and {count} archives that a seeded generator "
        "damaged. *Refused*: one clear line. *Escaped*: something was written or read outside of "
        "the folders that the command may use. *Lost*: the list of an earlier run, where none took "
        "its place."
    )
    lost = f"{found.lost} earlier lists" if found.lost else "nothing"
    lines = [
        "| archives | refused | accepted | crashed | escaped | lost |",
        "|---|---|---|---|---|---|",
        "| " + " | ".join(map(str, found)) + " |",
    ]
    return Part(f"{found.tried} archives", found.crashed + found.escaped, lost, about, lines)


def try_properties(small: bool) -> Part:
    """The property-based tests."""
    profile = "ci" if small else "soak"
    files = sorted((ROOT / "tests").glob("test_properties_*.py"))[: 1 if small else None]
    command = [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=line"),
        *("--timeout=0", f"--hypothesis-profile={profile}", "--hypothesis-show-statistics"),
    ]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    return counted(done.stdout, f"hypothesis with the profile `{profile}`, {len(files)} files.")


def counted(printed: str, about: str) -> Part:
    """Count the properties and examples in what pytest printed.

    Raises:
        RuntimeError: pytest printed no statistics.
    """
    counts = re.findall(r"(\d+) passing, (\d+) failing, and (\d+) invalid", printed)
    passing, failing, invalid = (sum(int(count[i]) for count in counts) for i in range(3))
    properties = len(re.findall(r"^tests/\S+::\S.*:$", printed, re.MULTILINE))
    if not (properties and passing):
        raise RuntimeError(f"pytest printed no statistics:\n{printed[-1500:]}")
    failed = re.findall(r"^(?:FAILED|ERROR) (.*)", printed, re.MULTILINE)
    lines = [
        "| properties | examples that hold | examples that fail | drawn and set aside |",
        "|---|---|---|---|",
        f"| {properties} | {passing:,} | {failing:,} | {invalid:,} |",
        *(["", *(f"- {line}" for line in failed)] if failed else []),
    ]
    tried = f"{properties} properties with {passing + failing:,} examples"
    return Part(tried, len(failed), "nothing", about, lines)


PARTS: Mapping[str, Callable[[bool], Part]] = {
    "notebooks": try_notebooks,
    "memory": try_memory,
    "kills": try_kills,
    "audit": try_audit,
    "data": try_data,
    "properties": try_properties,
}
CANNOT = {"notebooks": notebooks.cannot, "memory": notebooks.cannot_limited}


# ------------------------------------------------------------------ the file


def section(name: str, small: bool) -> str:
    """Try a part, and return its section: what was found, how, when and where."""
    begun = time.monotonic()
    problem = CANNOT.get(name, lambda: "")()
    if problem:
        return f"## {name}\n\n**Tried nothing, failed 0, lost nothing.**\n\n{problem}"
    try:
        part = PARTS[name](small)
    except Exception as error:  # the other parts are worth their time
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        part = Part("the part itself", 1, "all of it", said, [])
    verdict = f"**Tried {part.tried}, failed {part.failed}, lost {part.lost}.**"
    made = provenance(time.monotonic() - begun, small)
    body = "\n".join(part.lines)
    return "\n\n".join(filter(None, (f"## {name}", verdict, part.about, body, made)))


def provenance(seconds: float, small: bool) -> str:
    """Say when and where a section was made."""
    names = ("torch", "jupyterlab", "hypothesis", "rnsl-tutorial")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        "*" + "Small: shows that it works, no figure. " * small + f"{seconds / 60:.0f} minutes, "
        f"seed {SEED}, n = 1; {os.cpu_count()} processors ({platform.machine()}), "
        f"{os.environ.get('OMP_NUM_THREADS', 'all')} threads, {platform.system()}, Python "
        f"{platform.python_version()}, {versions}; commit {_commit()}, "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC*"
    )


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty=, with changes"]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()


def merged(old: str, new: Mapping[str, str]) -> str:
    """Return the file: a table of all sections, the new ones and those of the old file.

    Args:
        old: the file as it was, or nothing.
        new: name of a part -> its section.
    """
    parts = re.split(r"^(?=## )", old, flags=re.MULTILINE)[1:]
    known = {part.splitlines()[0].removeprefix("## "): part.strip() for part in parts}
    sections = {name: text for name in PARTS if (text := {**known, **new}.get(name))}
    rows = ["| part | tried | failed | lost |", "|---|---|---|---|"]
    for name, text in sections.items():
        rows += [f"| [{name}](#{name}) | {' | '.join(m)} |" for m in VERDICT.findall(text)]
    return "\n\n".join((TITLE, INTRO, "\n".join(rows), *sections.values())) + "\n"


def failures(text: str) -> int:
    """Return how many failures the sections of a text tell of."""
    return sum(int(failed) for _, failed, _ in VERDICT.findall(text))


def main() -> None:
    """Try, print, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--small", action="store_true", help="try each part on little")
    parser.add_argument("--out", type=Path, help="file whose sections are replaced")
    args = parser.parse_args()
    made: dict[str, str] = {}
    for name in args.only:
        print(f"{datetime.now():%H:%M} {name}", file=sys.stderr, flush=True)
        made[name] = section(name, args.small)
        if args.out:
            old = args.out.read_text(encoding="utf-8") if args.out.exists() else ""
            with written_whole(args.out) as file:
                file.write(merged(old, made).encode())
    print(merged("", made), end="")
    sys.exit(1 if failures("\n".join(made.values())) else 0)


if __name__ == "__main__":
    main()
