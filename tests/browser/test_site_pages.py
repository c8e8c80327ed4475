"""A page of `make site` in Chromium, without a kernel and without a network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness import SCREENSHOTS, Explorer
from playwright.sync_api import Browser, Locator, Page, expect
from site_notebook import notebook_of_all_explorers, small_notebook
from synthetic_maps import small_maps

from benchmarks.ui import explorers_to_measure
from notebooks import export

MAPS = small_maps()


@contextmanager
def opened(file: Path, browser: Browser, **options: Any) -> Iterator[Page]:
    """A page without a network, which must ask for nothing and complain of nothing."""
    problems: list[str] = []
    asked: list[str] = []
    context = browser.new_context(viewport={"width": 1000, "height": 800}, offline=True, **options)
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    yield page
    context.close()
    assert problems == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [file.as_uri()]


@pytest.fixture(scope="module")
def file(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site") / "07_small.html"
    notebook = export.executed(small_notebook())
    path.write_text(export.notebook_page(notebook), encoding="utf-8")
    return path


@pytest.fixture(params=["light", "dark"])
def page(file: Path, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    with opened(file, browser, color_scheme=request.param) as page:
        yield page


def readouts(page: Page) -> list[Locator]:
    expect(page.locator(".rnsl-readout")).to_have_count(3)
    return page.locator(".rnsl-readout").all()


def told(rate: int, loss: int) -> str:
    """How the readout begins, from the table."""
    name = ("NSL", "RNSL", "t-RNSL")[loss]
    found = MAPS.accuracy[0, rate, loss]
    return f"{name} at {MAPS.rates[rate]:.0%} wrong labels: {found:.1%} of test images"


def test_a_slider_moves_all_views_of_its_explorer_and_no_other(page: Page) -> None:
    first, again, other = readouts(page)
    for readout, rate, loss in ((first, 1, 0), (again, 1, 0), (other, 0, 1)):
        expect(readout).to_contain_text(told(rate, loss))
    slider = page.get_by_role("slider", name="Wrong labels").first
    slider.press("ArrowRight")
    for readout, rate, loss in ((first, 2, 0), (again, 2, 0), (other, 0, 1)):
        expect(readout).to_contain_text(told(rate, loss))
    page.get_by_role("radio", name="RNSL", exact=True).nth(1).press("ArrowRight")
    for readout, rate, loss in ((first, 2, 2), (again, 2, 2), (other, 0, 1)):
        expect(readout).to_contain_text(told(rate, loss))


def test_formulas_are_drawn_and_nothing_is_wider_than_the_page(page: Page) -> None:
    sizes = page.locator("math").evaluate_all(
        "all => all.filter(math => math.checkVisibility()).map(math => math.clientHeight)"
    )
    assert len(sizes) == 4  # one waits in an answer that is closed
    assert min(sizes) > 10
    cases = page.locator('math[display="block"]').bounding_box()
    assert cases
    assert cases["height"] > 40  # two lines
    for width in (480, 1000, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    scheme = (
        "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    )
    page.screenshot(path=SCREENSHOTS / f"site_{scheme}.png", full_page=True)


def test_colours_follow_the_system(page: Page) -> None:
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    brightness = (
        """element => Math.max(...getComputedStyle(element)[NAME].match(/\\d+/g).slice(0, 3))"""
    )
    body = page.locator("body")
    background = body.evaluate(brightness.replace("NAME", '"backgroundColor"'))
    text = page.locator("p").first.evaluate(brightness.replace("NAME", '"color"'))
    assert (background < 60) == is_dark
    assert (text > 150) == is_dark
    code = page.locator(".highlight .kn").first.evaluate(brightness.replace("NAME", '"color"'))
    assert (code > 200) == is_dark


def test_every_slider_of_every_explorer_moves_its_picture(browser: Browser, tmp_path: Path) -> None:
    names = list(explorers_to_measure())
    notebook = export.executed(notebook_of_all_explorers(names))
    file = tmp_path / "all.html"
    file.write_text(export.notebook_page(notebook), encoding="utf-8")
    with opened(file, browser) as page:
        expect(page.locator(".rnsl-explorer")).to_have_count(len(names))
        for name, element in zip(names, page.locator(".rnsl-explorer").all(), strict=True):
            explorer = Explorer(element)
            assert explorer.sliders(), name
            for slider in explorer.sliders():
                assert explorer.changes_with(slider), (name, slider.get_attribute("name"))
