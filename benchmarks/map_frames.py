"""Measure what a frame of the explorers' map costs while all its images move.

Usage: python benchmarks/map_frames.py [--images 2000 20000] [--frames 120]

Opens an explorer of one map of made-up images in a headless Chromium, zooms it a little before each
frame, and prints for each number of images the time between two frames, and how long the page's
thread worked for a frame. That is CPU time, which other programs on the machine do not change much:
60 frames a second need less than 16.7 ms of it. Chromium paints without a GPU.
"""

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.sync_api import Browser, CDPSession

from benchmarks import frame
from rnsl_tutorial.tutorial.explorers import EmbeddingExplorer, standalone_html
from rnsl_tutorial.tutorial.tables import EmbeddingMaps
from tests.browser.harness import chromium

CLASSES = 30

# Zooms with the wheel before each frame; answers with the ms between frames.
RUN = """async ([canvas, frames]) => {
    const { left, top, width } = canvas.getBoundingClientRect();
    const turn = (i) => canvas.dispatchEvent(new WheelEvent("wheel", {
        deltaY: i % 20 < 10 ? -20 : 20, clientX: left + width / 2, clientY: top + width / 2,
        bubbles: true, cancelable: true,
    }));
    const times = [];
    let last = await new Promise(requestAnimationFrame);
    for (let i = 0; i < frames; i++) {
        turn(i);
        const now = await new Promise(requestAnimationFrame);
        times.push(now - last);
        last = now;
    }
    return times;
}"""


def maps_of(images: int) -> EmbeddingMaps:
    """Return one made-up map of so many images, a tenth of which k-NN does not find."""
    rng = np.random.default_rng(0)
    labels = rng.integers(CLASSES, size=images).astype(np.uint8)
    predicted = np.where(rng.random(images) < 0.1, (labels + 1) % CLASSES, labels)
    cell = (1, 1, 1)
    return EmbeddingMaps(
        noises=("symmetric",),
        rates=(0.0,),
        losses=("nsl",),
        class_names=tuple(f"class {c}" for c in range(CLASSES)),
        files=tuple(map(str, range(images))),
        coordinates=rng.integers(65536, size=(*cell, images, 2)).astype(np.uint16),
        predicted=predicted.astype(np.uint8).reshape(*cell, images),
        labels=labels,
        accuracy=np.full(cell, 0.9, np.float32),
        spread=np.full(cell, np.nan, np.float32),
        seeds=1,
    )


def measured(browser: Browser, images: int, frames: int) -> tuple[float, float]:
    """Return the median of the ms between two frames, and the CPU ms that a frame costs."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "map.html"
        file.write_text(standalone_html(EmbeddingExplorer(maps_of(images))), encoding="utf-8")
        page = browser.new_page(viewport={"width": 1300, "height": 800})
        page.goto(file.as_uri())
        canvas = page.locator("canvas").first
        canvas.wait_for()
        page.wait_for_timeout(1000)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        before = _worked(session)
        times = page.evaluate(RUN, [canvas.element_handle(), frames])
        worked = _worked(session) - before
        page.close()
    return statistics.median(times), 1000 * worked / frames


def _worked(session: CDPSession) -> float:
    """CPU seconds of the page's thread so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__)
    parser.add_argument("--images", nargs="+", type=int, default=[2000, 20000])
    parser.add_argument("--frames", type=int, default=120)
    args = parser.parse_args()
    with chromium() as browser:
        print(f"{frame.machine('playwright')}, Chromium {browser.version} without a GPU\n")
        print(frame.header("images", "ms between frames, median", "CPU ms a frame"))
        for images in args.images:
            between, worked = measured(browser, images, args.frames)
            print(frame.row(f"{images:,}", f"{between:.1f}", f"{worked:.1f}"))


if __name__ == "__main__":
    main()
