"""How fast the playground trains and draws, how large it is, how far it is from torch.

`benchmarks/ui.py` prints this after its own table. "steps a second" is that of each of the two runs
at the fastest speed, both in workers; "longest frame" the longest time between two frames then.
The goals are 400 steps, 17 ms, 60 kB; the errors of losses and gradients 1e-9 over random cases,
and 1e-6 over 200 steps of each preset, with pruning and without.
"""

import statistics
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks import frame
from rnsl_tutorial.tutorial.playground import Playground, page_html
from tests.browser.playground_parity import (
    engine_in,
    parity,
    presets,
    settings_of,
    training_error,
)

ADDRESS = "n=500&hidden=32&at=0"
WARM_S, COUNTED_S = 2, 8
CASES, STEPS = 1000, 200
PRUNED = {"loss": "trnsl", "start": 40, "every": 20}
COLUMNS = ("measured", "n", "found", "goal")


def pace(browser: Browser) -> tuple[float, list[float]]:
    """Return steps a second of each run, and the times between frames in ms."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "playground.html"
        file.write_text(page_html(), encoding="utf-8")
        page = browser.new_page(viewport={"width": 1300, "height": 800})
        page.goto(f"{file.as_uri()}#{ADDRESS}")
        page.wait_for_selector(".rnsl-playground[data-step]")
        page.get_by_role("slider", name="Speed").press("End")
        page.get_by_role("button", name="Play").click()
        page.wait_for_timeout(1000 * WARM_S)
        now = "[performance.now(), playground.world.step, playground.frames.splice(0).length]"
        start, before, _ = page.evaluate(now)
        page.wait_for_timeout(1000 * COUNTED_S)
        end, after, frames = page.evaluate(
            "[performance.now(), playground.world.step, playground.frames]"
        )
        page.close()
    return 1000 * (after - before) / (end - start), frames


def worst_training(browser: Browser) -> float:
    """Return the largest error after the steps, over the presets, their runs, and pruning."""
    with engine_in(browser) as lab:
        return max(
            training_error(lab, settings_of(lab, preset, which, **changes), STEPS)
            for preset in presets(lab)
            for which in "ab"
            for changes in ({}, PRUNED)
        )


def rows(browser: Browser) -> Iterator[tuple[str, ...]]:
    """Measure; yield the rows of the table."""
    steps, frames = pace(browser)
    yield "steps a second of each run", "1", f"{steps:.0f}", "at least 400"
    yield "median frame, ms", str(len(frames)), f"{statistics.median(frames):.1f}", "17"
    yield "longest frame, ms", str(len(frames)), f"{max(frames):.1f}", "17"
    kilobytes = len(str(Playground._esm).encode()) / 1000
    yield "all modules, kB", "1", f"{kilobytes:.1f}", "60"
    with engine_in(browser) as lab, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of trainings that leave everything out
        error = max(parity(lab, CASES, seed=1).values())
    yield "error of losses and gradients", f"{CASES:,}", f"{error:.1e}", "1e-9"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield f"error after {STEPS} steps", "20", f"{worst_training(browser):.1e}", "1e-6"


def show(browser: Browser) -> None:
    """Print the table."""
    print("\n500 points, two runs, 2 x 32 hidden units, 1300 x 800 px\n")
    print(frame.header(*COLUMNS), flush=True)
    for cells in rows(browser):
        print(frame.row(*cells), flush=True)
