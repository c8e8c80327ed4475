"""Record the moving picture of the README: the explorer of notebook 00, moved by a mouse.

Usage: python docs/moving_picture.py [OUT]

A headless Chromium shows the explorer as a plain page, and every movement is a real one: the mouse
drags the slider, clicks on a loss and on a point of the chart. Only the arrow is drawn on top: such
a browser shows none. The page's clock stands still between two frames, so that a slow machine
records the same picture as a fast one. Writes an animated WebP and prints its size.
"""

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Locator, Page

from rnsl_tutorial._files import written_whole
from rnsl_tutorial.tutorial.explorers import EmbeddingExplorer, standalone_html
from rnsl_tutorial.tutorial.tables import EmbeddingMaps
from tests.browser.harness import chromium, px_of

OUT = Path(__file__).with_name("rnsl_tutorial.webp")
TICK_MS = 60
WIDTH, HEIGHT = 830, 610  # CSS px, the first as wide as a README on GitHub
PIXELS = 1.5  # of the picture, for each CSS px
START = (0.47, 0.93)  # where the mouse rests at first, as shares of the page

# Shows where the mouse is; a ring tells that it is pressed.
ARROW = """() => {
    document.body.insertAdjacentHTML("beforeend", `
        <svg id="arrow" width="44" height="44" viewBox="-22 -22 44 44" style="position: fixed;
            left: -22px; top: -22px; z-index: 9; pointer-events: none; overflow: visible">
          <circle r="15" fill="#0969da" opacity="0"/>
          <path d="M0,0V17.5L4.1,13.8 6.8,19.8 9.6,18.6 7,12.7H12.4Z" fill="#1f2328"
            stroke="#ffffff" stroke-width="1.6" stroke-linejoin="round"/>
        </svg>`);
    const arrow = document.getElementById("arrow");
    const ring = arrow.querySelector("circle");
    const press = (opacity) => () => ring.setAttribute("opacity", opacity);
    addEventListener("mousemove", ({ clientX, clientY }) => {
        arrow.style.transform = `translate(${clientX}px, ${clientY}px)`;
    }, true);
    addEventListener("mousedown", press(0.3), true);
    addEventListener("mouseup", press(0), true);
}"""

# CSS transitions have a clock of their own, which is halted: they are moved on with the page's.
GLIDE = """(elapsed) => {
    for (const animation of document.getAnimations()) animation.currentTime += elapsed;
}"""


class Frame(NamedTuple):
    """What is seen, and for how many ms."""

    image: Image.Image
    duration: int


class Hand:
    """A mouse on a page whose time stands still but for its movements, of which it takes frames.

    Attributes:
        frames: taken so far; what does not move is one long frame.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frames: list[Frame] = []
        page.evaluate(ARROW)
        self._x, self._y = START[0] * WIDTH, START[1] * HEIGHT
        page.mouse.move(self._x, self._y)
        self.page.clock.run_for(1000)

    def rest(self, duration: int) -> None:
        """Let time pass."""
        for _ in range(duration // TICK_MS):
            self.page.clock.run_for(TICK_MS)
            self.page.evaluate(GLIDE, TICK_MS)
            self._take()

    def go(self, x: float, y: float, duration: int) -> None:
        """Move the mouse on a straight line, slowly at both ends."""
        start_x, start_y = self._x, self._y
        steps = duration // TICK_MS
        for step in range(1, steps + 1):
            share = (step / steps) ** 2 * (3 - 2 * step / steps)
            self._x, self._y = start_x + share * (x - start_x), start_y + share * (y - start_y)
            self.page.mouse.move(self._x, self._y)
            self.rest(TICK_MS)

    def click(self, target: Locator, duration: int = 600) -> None:
        """Go to an element and click, beside its middle, where the arrow hides no text."""
        box = _box(target)
        self.press(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"], duration)

    def press(self, x: float, y: float, duration: int) -> None:
        """Go to a place and click."""
        self.go(x, y, duration)
        self.page.mouse.down()
        self.rest(2 * TICK_MS)
        self.page.mouse.up()

    def drag(self, slider: Locator, places: Sequence[int], duration: int = 480) -> None:
        """Go to a slider's thumb, and drag it from place to place, with a rest at each."""
        self.go(*_thumb(slider, places[0]), duration=duration)
        self.page.mouse.down()
        self.rest(2 * TICK_MS)
        for place in places[1:]:
            self.go(*_thumb(slider, place), duration=duration)
            self.rest(duration)
        self.page.mouse.up()

    def _take(self) -> None:
        image = Image.open(io.BytesIO(self.page.screenshot(type="png"))).convert("RGB")
        if self.frames and self.frames[-1].image.tobytes() == image.tobytes():
            self.frames[-1] = Frame(image, self.frames[-1].duration + TICK_MS)
        else:
            self.frames.append(Frame(image, TICK_MS))


def _box(target: Locator) -> Any:
    box = target.bounding_box()
    assert box is not None, "the explorer shows no such control"
    return box


def _thumb(slider: Locator, place: int) -> tuple[float, float]:
    """Where the thumb of a slider lies on the page when the slider stands at a place."""
    box, last = _box(slider), int(slider.get_attribute("max") or 1)
    radius = 8  # of Chromium's thumb
    x = box["x"] + radius + place / last * (box["width"] - 2 * radius)
    return x, box["y"] + box["height"] / 2


# ------------------------------------------------------------------ what is told


def tell(hand: Hand) -> None:
    """Half of the labels go wrong and NSL's classes dissolve; RNSL's stand; back to the start."""
    page = hand.page
    hand.rest(720)
    hand.drag(page.get_by_role("slider", name="Wrong labels"), [0, 1, 2, 3])
    hand.rest(600)
    hand.click(page.get_by_role("radio", name="RNSL", exact=True), 720)
    hand.rest(2100)
    maps = EmbeddingMaps.shipped()
    hand.press(*_place(page, 0, 100 * maps.accuracy[0, 0, maps.losses.index("trnsl")]), 900)
    hand.rest(900)
    hand.click(page.get_by_role("radio", name="NSL", exact=True), 720)
    hand.rest(600)
    hand.go(START[0] * WIDTH, START[1] * HEIGHT, 600)


def _place(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a point of the chart lies on the page."""
    drawing = page.locator(".rnsl-plot svg")
    box = _box(drawing)
    return box["x"] + px_of(drawing, "x", x), box["y"] + px_of(drawing, "y", float(y))


# ------------------------------------------------------------------ how it is recorded


@contextmanager
def still_page(
    explorer: EmbeddingExplorer, browser: Browser, pixels: float = PIXELS
) -> Iterator[Page]:
    """Open an explorer in a page whose time passes only when it is told to."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "explorer.html")
        file.write_text(standalone_html(explorer), encoding="utf-8")
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT},
            device_scale_factor=pixels,
            color_scheme="light",
        )
        page.clock.install(time=0)
        page.goto(file.as_uri())
        page.add_style_tag(content=".rnsl-steps { display: none; }")  # more than the hand needs
        page.locator(".rnsl-readout", has_text="%").wait_for()
        page.clock.pause_at(10_000)
        inspector = page.context.new_cdp_session(page)
        inspector.send("Animation.enable")
        inspector.send("Animation.setPlaybackRate", {"playbackRate": 0})
        yield page
        page.close()


def record(
    explorer: EmbeddingExplorer,
    browser: Browser,
    tell: Callable[[Hand], None] = tell,
    pixels: float = PIXELS,
) -> list[Frame]:
    """Let a hand move an explorer; return the frames.

    Args:
        explorer: as it stands at first.
        browser: opens the explorer in a page of its own.
        tell: moves the hand.
        pixels: of the frames, for each CSS px.
    """
    with still_page(explorer, browser, pixels) as page:
        hand = Hand(page)
        tell(hand)
    return hand.frames


def save(path: Path, frames: Sequence[Frame], quality: int = 50) -> None:
    """Write frames as an animated WebP that begins anew for ever."""
    first, *others = (frame.image for frame in frames)
    with written_whole(path) as file:
        first.save(
            file, "WEBP", save_all=True, append_images=others, loop=0, method=4, quality=quality,
            duration=[frame.duration for frame in frames],
            kmin=len(frames), kmax=len(frames) + 1,  # no key frames, which would double the size
        )  # fmt: skip


def main() -> None:
    """Record the picture and print how large it is."""
    parser = argparse.ArgumentParser(description="Record the moving picture of the README.")
    parser.add_argument("out", nargs="?", type=Path, default=OUT)
    out: Path = parser.parse_args().out
    with chromium() as browser:
        frames = record(EmbeddingExplorer(EmbeddingMaps.shipped(), loss="nsl"), browser)
    save(out, frames)
    seconds = sum(frame.duration for frame in frames) / 1000
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB, {len(frames)} frames, {seconds:.1f} s")


if __name__ == "__main__":
    main()
