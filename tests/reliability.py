"""A plugin of pytest for `make soak`: writes what was tried and what failed into a file.

A test belongs to the part of the file that its mark `part` names, a property to "properties". A row
of the part's table is what a test hands to `record_property("row", {column: value})`. Parts that
were not tried keep their sections; each says when and where it was made.
"""

import os
import platform
import re
import subprocess
import time
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest

from rnsl_tutorial._files import written_whole

ROOT = Path(__file__).parent.parent
INTRO = (
    "# Reliability\n\n`make soak` tries to break the tutorial and writes this file, and `make soak "
    'ARGS="-k PART"` one part of it. *Failed* is whatever did not end as it should.'
)
PARTS = (
    *("notebooks", "memory", "kills", "moments", "commands"),
    *("audit", "data", "doors", "foreign", "properties"),
)
VERDICT = re.compile(r"^\*\*Tried (.+?), failed (\d+)[.,].*\*\*$", re.MULTILINE)


class Part:
    """What is known of a part while its tests run."""

    def __init__(self, about: str) -> None:
        self.about, self.began = " ".join(about.split()), time.monotonic()
        self.tests, self.examples, self.failed = 0, 0, list[str]()
        self.rows: list[dict[str, object]] = []

    def add(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> None:
        """Count a test that was run."""
        self.tests += 1
        drawn = re.findall(
            r"(\d+) passing, (\d+) failing", getattr(item, "hypothesis_statistics", "")
        )
        self.examples += sum(int(count) for pair in drawn for count in pair)
        self.rows += [dict(value) for name, value in report.user_properties if name == "row"]
        if report.failed:
            said = str(call.excinfo.value if call.excinfo else report.outcome).partition("\n")[0]
            self.failed.append(f"- {item.name}: {said}")

    def section(self, name: str) -> str:
        """Return what was found, how, when and where, as Markdown."""
        tried = f"{self.tests} tests" + f" and {self.examples:,} drawn examples" * bool(
            self.examples
        )
        verdict = f"**Tried {tried}, failed {len(self.failed)}.**"
        body = "\n".join([*table(self.rows), *([""] if self.rows else []), *self.failed]).strip()
        made = provenance(time.monotonic() - self.began)
        return "\n\n".join(filter(None, (f"## {name}", verdict, self.about, body, made)))


PARTS_TRIED: dict[str, Part] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the file."""
    parser.addoption("--reliability", type=Path, help="file whose sections are replaced")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count each test once: where it was called, or failed before or after."""
    report = yield
    mark = item.get_closest_marker("part")
    name = mark.args[0] if mark else "properties" if "properties" in item.path.stem else ""
    if name and (report.when == "call" or report.failed) and not report.skipped:
        part = PARTS_TRIED.setdefault(name, Part(str(item.module.__doc__)))
        part.add(item, call, report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the file."""
    out: Path | None = session.config.getoption("--reliability")
    if out and PARTS_TRIED:
        old = out.read_text(encoding="utf-8") if out.exists() else ""
        made = {name: part.section(name) for name, part in PARTS_TRIED.items()}
        with written_whole(out) as file:
            file.write(merged(old, made).encode())


def table(rows: list[dict[str, object]]) -> list[str]:
    """Lay out rows, as Markdown."""
    lines = [row.values() for row in rows]
    head = [rows[0].keys(), ["---"] * len(rows[0])] if rows else []
    return [f"| {' | '.join(map(str, line))} |" for line in (*head, *lines)]


def provenance(seconds: float) -> str:
    """Say when and where a section was made."""
    names = ("torch", "jupyterlab", "hypothesis", "rnsl-tutorial")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    command = ["git", "describe", "--always", "--dirty=, with changes"]
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return (
        f"*{seconds / 60:.0f} minutes, n = 1; {os.cpu_count()} processors ({platform.machine()}), "
        f"{os.environ.get('OMP_NUM_THREADS', 'all')} threads, {platform.system()}, Python "
        f"{platform.python_version()}, {versions}; commit {commit.strip()}, "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC*"
    )


def merged(old: str, new: Mapping[str, str]) -> str:
    """Return the file: a table of all sections, the new ones and those of the old file."""
    parts = re.split(r"^(?=## )", old, flags=re.MULTILINE)[1:]
    known = {part.splitlines()[0].removeprefix("## "): part.strip() for part in parts}
    sections = {name: text for name in PARTS if (text := {**known, **new}.get(name))}
    rows = ["| part | tried | failed |", "|---|---|---|"]
    for name, text in sections.items():
        rows += [f"| [{name}](#{name}) | {' | '.join(m)} |" for m in VERDICT.findall(text)]
    return "\n\n".join((INTRO, "\n".join(rows), *sections.values())) + "\n"
