"""All notebooks in sequence, run as a learner does: in JupyterLab in Chromium, from its menu.

The environment is a fresh clone of the last commit with a `.venv` that `make` builds, and a home
folder in which nothing is yet; it is kept from notebook to notebook. Each notebook has the
constants that the learner's has. Its kernel is shut down before the next one is opened.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as PageError

from benchmarks.lab import free_port, wait_for_answer
from benchmarks.reliability_memory import (
    Peak,
    Watchdog,
    end,
    limited,
    make_read_only,
    problem,
    unprivileged,
)
from tests.browser.harness import STATE, TOKEN, JupyterLab, chromium, chromium_path

ROOT = Path(__file__).parent.parent
LIMIT_MB = 2000  # what a Binder has
START_S, RUN_S, SAVE_S = 180, 1200, 20
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "OMP_NUM_THREADS")  # of the environment

HEADER = (
    "| notebook | code cells | failed | s | server and kernel, MB | kernel MB | at most MB "
    "| saved |\n" + "|---" * 8 + "|"
)


class Environment(NamedTuple):
    """Where the notebooks run.

    Attributes:
        python: of the environment.
        notebooks: the folder of the notebooks.
        home: what the server takes for the home folder.
    """

    python: Path
    notebooks: Path
    home: Path


class Row(NamedTuple):
    """What became of a notebook.

    Attributes:
        name: of the file, without its ending.
        cells: code cells.
        problems: a line for each cell that failed, and for all else that went wrong.
        seconds: from the choice of Run All to the last output.
        peak: memory while it was open.
        saved: what Ctrl-S did: "yes", or what JupyterLab says.
    """

    name: str
    cells: int
    problems: list[str]
    seconds: float
    peak: Peak
    saved: str


# ------------------------------------------------------------------ the environment


@contextmanager
def fresh_environment() -> Iterator[Environment]:
    """Clone the last commit into a new folder and build its environment as `make lab` does."""
    with tempfile.TemporaryDirectory(prefix="rnsl-soak-") as name:
        clone = Path(name, "clone")
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        subprocess.run(
            ["make", "-s", "notebooks"], cwd=clone, check=True, stdout=subprocess.DEVNULL
        )
        yield Environment(clone / ".venv/bin/python", clone / "notebooks", fresh_home(Path(name)))


def fresh_home(folder: Path) -> Path:
    """Make a new home folder below a folder."""
    return Path(tempfile.mkdtemp(prefix="home-", dir=folder))


def read_only_copy(environment: Environment) -> Environment:
    """Return an environment whose notebooks cannot be written, with another fresh home."""
    home = fresh_home(environment.home.parent)
    notebooks = home.parent / f"{home.name}-notebooks"
    notebooks.mkdir()
    for path in environment.notebooks.glob("*.ipynb"):
        shutil.copy(path, notebooks)
    make_read_only(notebooks)
    return environment._replace(notebooks=notebooks, home=home)


# ------------------------------------------------------------------ running


class Server(NamedTuple):
    """A JupyterLab that answers."""

    address: str
    pid: int


@contextmanager
def served(environment: Environment, limit_mb: float | None = None) -> Iterator[Server]:
    """Start JupyterLab, with a limit on the memory of each process and no rights of root if given.

    Raises:
        TimeoutError: it does not answer.
    """
    port = free_port()
    command = [
        *(str(environment.python), "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *(f"--ServerApp.root_dir={environment.notebooks}", f"--port={port}"),
        *("--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"),
        "--LabApp.expose_app_in_browser=True",
    ]
    if limit_mb:
        command = unprivileged(limited(command, limit_mb))
    variables = {name: os.environ[name] for name in KEPT if name in os.environ}
    with (environment.home / "jupyter.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=environment.notebooks,
            env={**variables, "HOME": str(environment.home)},
            stdout=log,
            stderr=log,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for_answer(f"{address}/api?token={TOKEN}", process, START_S)
            yield Server(address, process.pid)
        finally:
            if process.poll() is None:
                end(psutil.Process(process.pid))
            process.wait()


def run_all(
    environment: Environment, limit_mb: float | None = None, only: Sequence[str] = ("",)
) -> Iterator[Row]:
    """Run the notebooks of an environment one after the other in one JupyterLab.

    Args:
        environment: with the notebooks.
        limit_mb: for server and kernels together; None for no limit.
        only: how the names of the notebooks begin that are run.
    """
    names = [p.name for p in sorted(environment.notebooks.glob("*.ipynb"))]
    with (
        chromium() as browser,
        served(environment, limit_mb) as server,
        Watchdog(server.pid, limit_mb) as watchdog,
    ):
        for name in names:
            if name.startswith(tuple(only)):
                yield run_one(browser, server, watchdog, environment.notebooks / name)


def run_one(browser: Browser, server: Server, watchdog: Watchdog, notebook: Path) -> Row:
    """Open a notebook, choose Run All Cells, save, and shut its kernel down."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    lab = JupyterLab(page, server.address)
    before, killed = notebook.stat().st_mtime_ns, len(watchdog.killed)
    watchdog.take_peak()
    start, saved, cells, problems = time.monotonic(), "-", 0, list[str]()
    try:
        lab.open(notebook.name)
        cells = page.evaluate(STATE)["waiting"]
        start = time.monotonic()
        problems = run_cells(page, watchdog)
        seconds = time.monotonic() - start
        saved = save(page, notebook, before)
        lab.shut_down()
    except PageError as error:
        problems.append(str(error).splitlines()[0])
        seconds = time.monotonic() - start
    page.close()
    problems += watchdog.killed[killed:]
    return Row(notebook.stem, cells, problems, seconds, watchdog.take_peak(), saved)


def run_cells(page: Page, watchdog: Watchdog) -> list[str]:
    """Choose Run > Run All Cells; wait for the end, an error or a kill, and return the errors."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    deadline, killed = time.monotonic() + RUN_S, len(watchdog.killed)
    while time.monotonic() < deadline:
        state = page.evaluate(STATE)
        errors: list[str] = state["errors"]
        if errors or len(watchdog.killed) > killed or (state["idle"] and not state["waiting"]):
            return errors
        page.wait_for_timeout(500)
    return [f"Not at its end after {RUN_S} s."]


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


# ------------------------------------------------------------------ the tables


def row(done: Row) -> str:
    """Return a row of the table."""
    peak = " | ".join(f"{value:.0f}" for value in done.peak)
    return (
        f"| {done.name} | {done.cells} | {len(done.problems)} | {done.seconds:.1f} "
        f"| {peak} | {done.saved} |"
    )


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the table, and what failed."""
    failed = [f"- {one.name}: {said}" for one in rows for said in one.problems]
    return [HEADER, *map(row, rows), *([""] if failed else []), *failed]


def cannot() -> str:
    """Say in one line why notebooks cannot be run here; nothing if they can."""
    return "" if chromium_path() else "No chromium on the PATH (Debian: apt install chromium)."


def cannot_limited() -> str:
    """As `cannot`, for those that are run under a limit."""
    return cannot() or problem()
