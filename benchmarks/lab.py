"""Measure how long the second `make lab` takes until a learner has moved a slider.

Usage: python benchmarks/lab.py [--repeats 5]

Needs an environment that `make lab` or `make test` has built. Starts `make lab` on a free port,
asks its address /api until it answers, opens the first notebook in a headless Chromium (which is
there already, as a learner's browser is), and runs nothing: it waits until the notebook's cells
stand, presses an arrow key on the first slider of its opening, and waits until the picture has
changed. Prints a Markdown table of the seconds since `make lab`.
"""

import http.client
import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser

from benchmarks import frame

ROOT = Path(__file__).parent.parent
MOST_S = 120
PORTS = 20_000, 32_000
TOKEN = "bench"
PICTURE = """explorer => [
    ...Array.from(explorer.querySelectorAll("canvas"), canvas => canvas.toDataURL()),
    ...Array.from(explorer.querySelectorAll("svg"), svg => svg.outerHTML),
].join()"""


def free_port() -> int:
    """Return a port that nobody listens on.

    Drawn from below the ports that systems hand out themselves (from 32768 on Linux, 49152
    elsewhere): a kernel that starts meanwhile cannot get it before JupyterLab listens there.
    """
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe, suppress(OSError):  # taken
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def second_make_lab() -> Iterator[str]:
    """Start `make lab`, yield its address once it answers, and stop it."""
    port = free_port()
    root = " --allow-root" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    arguments = f"--no-browser --port {port} --ServerApp.port_retries=0{root}"
    process = subprocess.Popen(
        ["make", "lab", f"ARGS={arguments} --IdentityProvider.token={TOKEN}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for_answer(f"{address}/api", process, MOST_S)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for_answer(address: str, process: "subprocess.Popen[bytes]", most_s: float) -> None:
    """Wait until the server that a process starts is there.

    Raises:
        TimeoutError: the process has ended, or time is over.
    """
    deadline = time.monotonic() + most_s
    while not answers(address):
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"JupyterLab has ended, or did not answer within {most_s} s.")
        time.sleep(0.05)


def answers(address: str) -> bool:
    """Whether a server is there that speaks HTTP."""
    try:
        with urllib.request.urlopen(address, timeout=1):
            return True
    except (OSError, http.client.HTTPException):
        return False


class Arrived(NamedTuple):
    """Seconds since `make lab`, until ..."""

    answers: float
    cells_stand: float
    slider_moved: float

    @property
    def after_cells(self) -> float:
        """Seconds from the cells to the moved slider."""
        return self.slider_moved - self.cells_stand


def arrive(browser: Browser) -> Arrived:
    """Start `make lab`, open the first notebook, and move a slider of its opening."""
    start = time.perf_counter()
    page = browser.new_page(viewport={"width": 1300, "height": 800})
    page.set_default_timeout(1000 * MOST_S)
    with second_make_lab() as address:
        answers_s = time.perf_counter() - start
        page.goto(f"{address}/lab/tree/00_start_here.ipynb?reset&token={TOKEN}")
        page.locator(".jp-NotebookPanel:visible h1").first.wait_for()
        cells_s = time.perf_counter() - start
        explorer = page.locator("[data-explorer][data-alive]").first
        before = explorer.evaluate(PICTURE)
        explorer.locator("input[type=range]").first.press("ArrowRight")
        page.wait_for_function(f"([e, before]) => ({PICTURE})(e) !== before", arg=[
            explorer.element_handle(), before,
        ])  # fmt: skip
        moved_s = time.perf_counter() - start
        page.close()
    return Arrived(answers_s, cells_s, moved_s)


def main() -> None:
    """Measure and print."""
    from tests.browser.harness import chromium  # here: the harness takes `free_port` from this

    parser = frame.parser(__doc__, repeats=5)
    args = parser.parse_args()
    with chromium() as browser:
        arrive(browser)  # copies the notebooks, where there are no copies yet
        arrived = [arrive(browser) for _ in range(args.repeats)]
    print(frame.machine("jupyterlab"), end="\n\n")
    print(
        frame.header("seconds since the second `make lab`", "repeats", "median s", "min to max s")
    )
    for name, words in {
        "answers": "JupyterLab answers",
        "cells_stand": "the cells of notebook 00 stand",
        "slider_moved": "a slider of its opening has been moved, and the picture changed",
        "after_cells": "of these, after the cells",
    }.items():
        seconds = [getattr(one, name) for one in arrived]
        print(frame.row(words, len(seconds), frame.spread(seconds)))


if __name__ == "__main__":
    main()
