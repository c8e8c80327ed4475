"""Where texts stand on the page of all explorers: whether two overlap, or one leaves its frame."""

from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Page

SIZES = ((1920, 1080), (1024, 768), (390, 844))

TEXTS = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


class Texts(NamedTuple):
    """What was seen of an explorer in all its states.

    Attributes:
        number: of texts.
        overlaps: pairs of texts.
        outside: texts that leave their frame.
    """

    number: int
    overlaps: list[str]
    outside: list[str]


def texts_of(page: Page, name: str) -> Texts:
    """Show an explorer of the page as it begins, then with each of its sliders at both ends."""
    page.evaluate("name => (location.hash = name)", name)
    section = page.locator(f"section#{name}")
    section.locator(".rnsl-explorer, .rnsl-playground[data-step]").wait_for()
    page.evaluate(TWO_FRAMES)
    number, overlaps, outside = section.evaluate(TEXTS)
    return Texts(number, overlaps, outside)
