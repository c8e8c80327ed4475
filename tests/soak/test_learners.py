"""All notebooks in sequence, run as a learner does: in JupyterLab in Chromium, from its menu.

The environment is a fresh clone of the last commit with a `.venv` that `make` builds, and a home
folder in which nothing is yet; it is kept from notebook to notebook. Each notebook has its full
constants, is run by Run > Run All Cells and saved, and its kernel is shut down before the next one
is opened. Memory is looked at ten times a second, a shared page counted once; *at most* is the sum
of each process's own peak. The part `memory` has 2000 MB for server and kernel together:
RLIMIT_DATA of each process, and a watchdog over the proportional set size of all, which kills the
largest (no cgroup). There the notebooks' folder and its files cannot be written, and JupyterLab
runs without the rights of root: so Ctrl-S is answered with JupyterLab's own message.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import limits
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.harness import JupyterLab, chromium, chromium_path, lab_server

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
LIMIT_MB = 2000  # what a Binder has
RUN_S, SAVE_S = 1200, 20
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "OMP_NUM_THREADS")  # of the environment

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(2 * RUN_S),
    pytest.mark.skipif(chromium_path() is None, reason="no chromium on the PATH"),
]


class Lab(NamedTuple):
    """A JupyterLab of a learner."""

    browser: Browser
    address: str
    watchdog: limits.Watchdog
    notebooks: Path


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last commit, its environment built as `make lab` does."""
    folder = tmp_path_factory.mktemp("soak") / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    subprocess.run(["make", "-s", "notebooks"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="module")
def limit_mb(request: pytest.FixtureRequest) -> float | None:
    limit: float | None = request.param
    if limit and limits.problem():
        pytest.skip(limits.problem())
    return limit


@pytest.fixture(scope="module")
def lab(
    clone: Path, limit_mb: float | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """A JupyterLab with a fresh home, under the limit if there is one."""
    home, notebooks = tmp_path_factory.mktemp("home"), clone / "notebooks"
    if limit_mb:
        notebooks = tmp_path_factory.mktemp("read-only")
        for path in (clone / "notebooks").glob("*.ipynb"):
            shutil.copy(path, notebooks)
        limits.make_read_only(notebooks)

    def command(options: Sequence[str]) -> list[str]:
        words = [str(clone / ".venv/bin/python"), *options]
        return limits.unprivileged(limits.limited(words, limit_mb)) if limit_mb else words

    variables = {name: os.environ[name] for name in KEPT if name in os.environ}
    arguments = [f"--ServerApp.root_dir={notebooks}"]
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        environment = {**variables, "HOME": str(home)}
        server = stack.enter_context(
            lab_server(home, arguments, command=command, environment=environment)
        )
        watchdog = stack.enter_context(limits.Watchdog(server.pid, limit_mb))
        yield Lab(browser, server.address, watchdog, notebooks)
    notebooks.chmod(0o755)


@pytest.mark.parametrize("name", NOTEBOOKS)
@pytest.mark.parametrize(
    "limit_mb",
    [
        pytest.param(None, id="notebooks", marks=pytest.mark.part("notebooks")),
        pytest.param(LIMIT_MB, id="memory", marks=pytest.mark.part("memory")),
    ],
    indirect=True,
)
def test_a_notebook_runs_to_its_end(
    lab: Lab,
    limit_mb: float | None,
    name: str,
    record_property: Callable[[str, object], None],
) -> None:
    page = lab.browser.new_page(viewport={"width": 1400, "height": 1000})
    opened, notebook = JupyterLab(page, lab.address), lab.notebooks / f"{name}.ipynb"
    before = notebook.stat().st_mtime_ns
    lab.watchdog.take_peak()
    opened.open(notebook.name)
    cells, start = opened.state()["waiting"], time.monotonic()
    problems = opened.run_all(RUN_S)
    seconds = time.monotonic() - start
    saved = save(page, notebook, before)
    opened.shut_down()
    page.close()
    peak = lab.watchdog.take_peak()
    row = {
        "notebook": name, "code cells": cells, "failed": len(problems), "s": round(seconds, 1),
        "server and kernel, MB": round(peak.together), "kernel MB": round(peak.child),
        "at most MB": round(peak.at_most), "saved": saved,
    }  # fmt: skip
    record_property("row", row)
    assert problems + lab.watchdog.killed == []
    assert "read-only" in saved if limit_mb else saved == "yes"


def save(page: Page, notebook: Path, before: int) -> str:
    """Press Ctrl-S; return "yes" once the file is another, else what JupyterLab says."""
    page.keyboard.press("Control+s")
    deadline = time.monotonic() + SAVE_S
    while time.monotonic() < deadline:
        if notebook.stat().st_mtime_ns != before:
            return "yes"
        said = page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts()
        if said:
            return " ".join(said[0].split())
        page.wait_for_timeout(100)
    return "no"
