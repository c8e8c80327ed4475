"""Measure how long the page of `rnsl explore` takes, and what each of its viewers costs.

Usage: python benchmarks/explore.py [--viewers 3]

Starts `rnsl explore` on a free port, opens its page in a headless Chromium, once for each viewer,
one after the other while the earlier ones stay open, and prints a Markdown table. The clock of a
page starts with its request; "first" and "all" are when so many explorers are drawn. Memory is what
a viewer's kernel holds for itself (USS: what closing it would free), and the server's beside it.
"""

import subprocess
import sys
import time
from typing import NamedTuple

import psutil
from playwright.sync_api import Browser

from benchmarks import frame
from rnsl_tutorial.tutorial import explorers
from tests.browser.harness import chromium, chromium_path

NUMBER = len(explorers.__all__) - 2  # without the base class and `standalone_html`
MOST_MS = 300_000
DRAWN = "number => document.querySelectorAll('.rnsl-readout:not(:empty)').length >= number"


class Viewer(NamedTuple):
    """Seconds until explorers are drawn."""

    first: float
    all: float


def opened(browser: Browser, address: str) -> Viewer:
    """Open the page in a window that stays open."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    start = time.perf_counter()
    page.goto(address, timeout=MOST_MS, wait_until="commit")
    times = []
    for number in (1, NUMBER):
        page.wait_for_function(DRAWN, arg=number, timeout=MOST_MS)
        times.append(time.perf_counter() - start)
    return Viewer(*times)


def megabytes(process: psutil.Process) -> float:
    """Return what a process holds for itself alone."""
    return float(process.memory_full_info().uss) / 1e6


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, viewers=3)
    args = parser.parse_args()
    if chromium_path() is None:
        sys.exit("No chromium on the PATH (Debian and Ubuntu: apt install chromium).")
    command = [sys.executable, "-m", "rnsl_tutorial", "explore", "--no-browser"]
    start = time.perf_counter()
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        chromium() as browser,
    ):
        assert process.stdout
        try:
            address = process.stdout.readline().split()[1]
            ready = time.perf_counter() - start
            viewers = [opened(browser, address) for _ in range(args.viewers)]
            server = psutil.Process(process.pid)
            kernels = [megabytes(kernel) for kernel in server.children(recursive=True)]
            of_server = megabytes(server)
        finally:
            process.terminate()
    print(f"{NUMBER} explorers; {frame.machine('voila', 'torch')}\n")
    times = ("first explorer s", "min to max", "all s", "min to max")
    memory = ("MB a viewer", "min to max", "MB server")
    print(frame.header("server answers s", "viewers", *times, *memory))
    seconds = [frame.spread(column) for column in zip(*viewers, strict=True)]
    held = (frame.spread(kernels, 0), f"{of_server:.0f}")
    print(frame.row(f"{ready:.1f}", len(viewers), *seconds, *held))


if __name__ == "__main__":
    main()
