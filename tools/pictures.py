"""Draw the pictures that stand where explorers cannot move; ``make pictures`` calls this.

Usage: python tools/pictures.py [--check] [NAME ...]

One for the opening of each notebook, ``notebooks/source/NN_name.png``, and one for each class of
explorers, ``rnsl_tutorial/tutorial/static/pictures/CLASS.png``, as the page of all explorers shows
it. A headless Chromium takes them, so they are what a learner sees. One that looks as before keeps
its bytes: another version of Chromium or of its fonts changes nothing by itself.
"""

import argparse
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import anywidget
import nbformat
import numpy as np
from PIL import Image, PngImagePlugin
from playwright.sync_api import Browser, expect

from notebooks import build
from rnsl_tutorial._files import PACKAGE, written_whole
from rnsl_tutorial.cli import lab
from rnsl_tutorial.tutorial.explorers import one_page, standalone_html
from tests.browser.harness import chromium

OF_CLASSES = PACKAGE / "tutorial" / "static" / "pictures"
WIDTH, COLORS = 860, 64
TILE, SAME = 16, 12.0  # px; mean difference of a tile in levels of 255, up to which it looks alike
MOVES = "Run this cell to move it."
OPENING = f"A picture of something that moves. {MOVES}"
EXAMPLE = f"An example, and not what this cell has shown. {MOVES}"


class Sitter(NamedTuple):
    """Where a picture lies, what makes the explorer that it shows, and what stands below it."""

    path: Path
    make: Callable[[], anywidget.AnyWidget]
    sentence: str


def sitters() -> Iterator[Sitter]:
    """Yield what is to be drawn: the openings of notebooks, then the classes."""
    for source in sorted((build.FOLDER / "source").glob("[0-9]*.py")):
        yield Sitter(source.with_suffix(".png"), lambda source=source: opening(source), OPENING)
    for place in one_page.EXPLORERS:
        made = place.make()
        path = OF_CLASSES / f"{type(made).__name__}.png"
        yield Sitter(path, lambda made=made: made, EXAMPLE)


def opening(source: Path) -> anywidget.AnyWidget:
    """Return the explorer that the first code cell of a notebook makes."""
    first = lab._first_code(nbformat.reads(build.build(source), as_version=4))
    assert first is not None, f"{source} has no code"
    return lab._explorer_of(first.source)


def picture(explorer: anywidget.AnyWidget, sentence: str, browser: Browser) -> Image.Image:
    """Return what a learner sees of an explorer, and below it how to make it move."""
    caption = f'<p style="font: 600 15px sans-serif; margin: 6px 12px 10px">{sentence}</p>'
    page = browser.new_page(
        viewport={"width": WIDTH, "height": 700}, reduced_motion="reduce", color_scheme="light"
    )
    page.set_content(standalone_html(explorer).replace("</body>", f"{caption}</body>"))
    expect(page.locator("canvas:visible, svg:visible").first).to_be_visible()
    page.wait_for_timeout(500)
    shot = page.locator("body").screenshot()
    page.close()
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    return image.quantize(COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def looks_as(path: Path, image: Image.Image) -> bool:
    """Whether a picture that lies there looks like this one."""
    if not path.exists():
        return False
    with Image.open(path) as earlier:
        return image.size == earlier.size and farthest(earlier, image) <= SAME


def farthest(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference, in levels of 255, of the tile in which two pictures differ most.

    Of pictures of two sizes what both have is compared.
    """
    width, height = (min(sides) for sides in zip(one.size, other.size, strict=True))
    whole = (picture.crop((0, 0, width, height)).convert("RGB") for picture in (one, other))
    first, second = (np.asarray(picture, dtype=float) for picture in whole)
    apart = np.abs(first - second).mean(axis=2)
    tops, lefts = (range(0, side, TILE) for side in apart.shape)
    return float(max(apart[y : y + TILE, x : x + TILE].mean() for y in tops for x in lefts))


def main(arguments: list[str] | None = None) -> int:
    """Draw what looks different, and say what was written."""
    parser = argparse.ArgumentParser(description="Draw the pictures of the explorers.")
    parser.add_argument("names", nargs="*", help="what the files' names begin with; all by default")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")
    options = parser.parse_args(arguments)
    begins, stale = tuple(options.names) or ("",), []
    with chromium() as browser:
        for path, make, sentence in sitters():
            if not path.name.startswith(begins):
                continue
            if looks_as(path, image := picture(make(), sentence, browser)):
                continue
            if options.check:
                stale.append(path.name)
                print(f"{path.name} looks different now; make pictures draws it anew")
                continue
            about = PngImagePlugin.PngInfo()
            about.add_text("Description", sentence)
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as file:
                image.save(file, "PNG", optimize=True, pnginfo=about)
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
