"""The gallery of an audit in a browser: threshold, filters, decisions; no network."""

import csv
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from harness import SCREENSHOTS
from playwright.sync_api import Browser, Page, expect
from synthetic_audit import IMAGES, NAMES, make_audit

from rnsl_tutorial import audit

OpenGallery = Callable[..., Page]


@pytest.fixture
def open_gallery(browser: Browser, tmp_path: Path) -> Iterator[OpenGallery]:
    """Open galleries; none may ask for anything outside or report a problem."""
    pages: list[Page] = []
    problems: list[str] = []
    requests: list[str] = []
    file = tmp_path / "gallery.html"

    def opened(found: audit.Audit | None = None, width: int = 1000, **options: Any) -> Page:
        audit.write_outputs(found or make_audit(), file.with_suffix(".csv"), file, IMAGES, top=150)
        page = browser.new_page(viewport={"width": width, "height": 700}, **options)
        pages.append(page)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        expect(page.locator("#readout")).not_to_be_empty()
        return page

    yield opened
    for page in pages:
        page.close()
    assert problems == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def flagged(found: audit.Audit, at: int) -> int:
    return int(audit.thresholds(found.scores.doubt)[1][at])


def test_the_threshold_moves_by_keyboard_and_says_what_is_above_it(
    open_gallery: OpenGallery,
) -> None:
    found, page = make_audit(), open_gallery()
    slider = page.locator("#threshold")
    slider.focus()
    slider.press("End")
    expect(page.locator("#readout")).to_contain_text("1 image with a doubt of")
    expect(page.locator(".card")).to_have_count(1)
    for _ in range(20):
        slider.press("ArrowLeft")
    at = int(slider.input_value())
    expect(page.locator("#readout")).to_contain_text(f"{flagged(found, at)} images with")
    expect(page.locator(".card")).to_have_count(flagged(found, at))
    slider.press("Home")
    expect(page.locator("#readout")).to_contain_text("The first 150 are in this page.")


def test_cards_come_as_they_are_scrolled_to(open_gallery: OpenGallery) -> None:
    page = open_gallery()
    page.locator("#threshold").press("Home")
    assert page.locator(".card").count() < 150
    for _ in range(6):
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.wait_for_timeout(50)
    expect(page.locator(".card")).to_have_count(150)
    expect(page.locator("#more")).to_be_hidden()


def test_classes_and_pairs_are_filtered(open_gallery: OpenGallery) -> None:
    found, page = make_audit(), open_gallery()
    page.locator("#threshold").press("Home")
    page.locator("#given").select_option(label="Beach")
    first = found.ranking()[:150]
    given_N, suggested_N = found.labels[first], found.scores.suggested[first]
    expect(page.locator("#shown")).to_contain_text(f"{(given_N == 1).sum()} of the 150")
    page.get_by_text("Which classes are confused").click()
    page.locator('td.pair[data-given="2"][data-suggested="3"]').click()
    count = int(((given_N == 2) & (suggested_N == 3)).sum())
    assert count > 0
    expect(page.locator(".card")).to_have_count(count)
    expect(page.locator(".card .labels").first).to_have_text("Forest → Park")
    expect(page.locator("#given")).to_have_value("2")
    page.locator('td.pair[data-given="2"][data-suggested="3"]').click()
    expect(page.locator("#shown")).to_contain_text("150 of the 150")


def test_decisions_are_kept_and_downloaded(open_gallery: OpenGallery) -> None:
    odd = 'Bare, "<b>\nland'
    found = make_audit(names=(odd, *NAMES[1:]))
    page = open_gallery(found)
    page.locator("#threshold").press("Home")
    page.locator("#given").select_option(index=1)
    expect(page.locator("#download")).to_be_disabled()
    cards = page.locator(".card")
    cards.nth(0).get_by_text("wrong").click()
    cards.nth(1).get_by_text("wrong").click()
    cards.nth(1).get_by_text("right").click()
    cards.nth(2).get_by_text("right").click()
    cards.nth(2).get_by_text("right").click()
    expect(page.locator("#download")).to_have_text("Download decisions (2)")
    page.reload()
    page.locator("#threshold").press("Home")
    page.locator("#given").select_option(index=1)
    for i, decision in enumerate(["wrong", "right", ""]):
        expect(cards.nth(i)).to_have_attribute("data-decision", decision)
    with page.expect_download() as download:
        page.locator("#download").click()
    text = Path(download.value.path()).read_bytes().decode()
    head, *rows = csv.reader(StringIO(text, newline=""))
    assert head == ["file", "given", "suggested", "decision"]
    first = [i for i in found.ranking()[:150] if found.labels[i] == 0][:2]
    assert [row[0] for row in rows] == [found.files[i] for i in first]
    assert [row[1] for row in rows] == [odd, odd]
    assert [row[3] for row in rows] == ["wrong", "right"]


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1000, "light"), (1000, "dark")])
def test_it_fits_the_width(open_gallery: OpenGallery, width: int, scheme: str) -> None:
    page = open_gallery(width=width, color_scheme=scheme)
    page.get_by_text("Which classes are confused").click()
    page.get_by_text("What these numbers can and cannot tell").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#download").evaluate("one => one.scrollWidth <= one.clientWidth")
    page.screenshot(path=SCREENSHOTS / f"gallery_{width}_{scheme}.png", full_page=True)
