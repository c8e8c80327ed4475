"""Measure how long the page of `rnsl explore` takes, and whether its texts stand clear.

Usage: python benchmarks/explore.py [--repeats 3]

Starts `rnsl explore` on a free port and prints how long it takes until it answers, how large the
page is, and what the server holds for itself (USS). Then it opens the page in a headless Chromium,
each time in a new window, and prints two Markdown tables. The first says when the page is alive:
from its request until the explorer in view has drawn itself and has moved under a key, for the
first explorer and for each of the others by its own address. The second says how many of all texts
overlap or leave their frame, at three sizes of the window: each explorer as it begins, then with
each of its sliders at both ends (tests/browser/boxes.py).
"""

import statistics
import subprocess
import sys
import time
from urllib.request import urlopen

import psutil
from playwright.sync_api import Browser, Page

from benchmarks import frame
from rnsl_tutorial.tutorial.explorers.one_page import EXPLORERS
from tests.browser.boxes import SIZES, texts_of
from tests.browser.harness import Explorer, chromium, chromium_path

GOAL_S = 3
MOST_MS = 120_000


def seconds_until_alive(browser: Browser, address: str, name: str) -> float:
    """Return the seconds from the request of an explorer's address until it moved."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    start = time.perf_counter()
    page.goto(f"{address}#{name}", timeout=MOST_MS, wait_until="commit")
    if name == "playground":  # which moves by itself
        page.locator(".rnsl-playground[data-step]").wait_for(timeout=MOST_MS)
    else:
        explorer = Explorer(page.locator(f"#{name} .rnsl-explorer"))
        explorer.element.wait_for(timeout=MOST_MS)
        if not explorer.changes_with(explorer.sliders()[0]):
            raise RuntimeError(f"{name} does not move")
    alive = time.perf_counter() - start
    page.close()
    return alive


def show_times(browser: Browser, address: str, repeats: int) -> None:
    """Print how long the first explorer, and then each of them, takes until it is alive."""
    names = [place.name for place in EXPLORERS]
    first = [seconds_until_alive(browser, address, names[0]) for _ in range(repeats)]
    each = {
        name: statistics.median(seconds_until_alive(browser, address, name) for _ in range(repeats))
        for name in names
    }
    slowest = max(each, key=lambda name: each[name])
    print(frame.header("alive", "n", "median s", "min to max", "goal s"))
    print(frame.row("first explorer", repeats, frame.spread(first, 2), GOAL_S))
    print(frame.row("each by its address", len(each), frame.spread(list(each.values()), 2), GOAL_S))
    print(f"\nThe slowest is {slowest}.\n")


def show_texts(page: Page, address: str) -> None:
    """Print how many texts overlap or leave their frame."""
    print(frame.header("window", "texts", "overlaps", "out of their frame"))
    number, wrong = 0, 0
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.goto(address)
        found = [texts_of(page, place.name) for place in EXPLORERS]
        sums = [
            sum(map(len, parts))
            for parts in ([f.overlaps for f in found], [f.outside for f in found])
        ]
        number, wrong = number + sum(f.number for f in found), wrong + sum(sums)
        print(frame.row(f"{width} x {height}", f"{sum(f.number for f in found):,}", *sums))
    print(f"\noverlaps found: {wrong} of {number:,}")


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, repeats=3)
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
            size = len(urlopen(address).read()) / 1e6
            held = psutil.Process(process.pid).memory_full_info().uss / 1e6
            machine = f"{frame.machine('anywidget')}, Chromium {browser.version}"
            print(f"{len(EXPLORERS)} explorers; {machine}\n")
            print(frame.header("server answers after s", "page MB", "server MB"))
            print(frame.row(f"{ready:.1f}", f"{size:.1f}", f"{held:.0f}"), end="\n\n")
            show_times(browser, address, args.repeats)
            show_texts(browser.new_page(), address)
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
