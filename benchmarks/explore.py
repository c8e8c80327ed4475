"""Measure how long the page of `rnsl explore` takes, and what each of its viewers costs.

Usage: python benchmarks/explore.py [--viewers 3]

Starts `rnsl explore` on a free port, opens its page in a headless Chromium, once for each viewer,
one after the other while the earlier ones stay open, and prints a Markdown table. The clock of a
page starts with its request; "first" and "all" are when so many explorers are drawn. Memory is what
a viewer's kernel holds for itself (USS: what closing it would free), and the server's beside it.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from typing import NamedTuple

import psutil
from playwright.sync_api import Browser

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


def shown(numbers: list[float], digits: int) -> str:
    """Write a median and the range."""
    middle, low, high = statistics.median(numbers), min(numbers), max(numbers)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--viewers", type=int, default=3, help="default 3")
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
    print(
        f"{os.cpu_count()} processors ({platform.machine()}), Python {platform.python_version()}, "
        f"voila {version('voila')}, torch {version('torch')}, {NUMBER} explorers; "
        "median (min to max)\n"
    )
    print("| server answers s | viewers | first explorer s | all s | MB a viewer | MB server |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {ready:.1f} | {len(viewers)} | {shown([v.first for v in viewers], 1)} "
        f"| {shown([v.all for v in viewers], 1)} | {shown(kernels, 0)} | {of_server:.0f} |"
    )


if __name__ == "__main__":
    main()
