"""The site of `make site`: built whole, then read in Chromium without a kernel or a network."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from harness import ROOT, SCREENSHOTS, box_of
from playwright.sync_api import Browser, Locator, Page, expect
from site_notebook import small_notebook
from synthetic_maps import small_maps

from docs import build as site
from docs import executed
from docs.extension import REPOSITORY
from rnsl_tutorial.tutorial.explorers import one_page

MAPS = small_maps()
SMALL = "notebooks/00_start_here.html"  # the small notebook stands in the place of a real one
PAGES = ["index.html", "README.html", SMALL, "docs/api/losses.html", "data/results/README.html"]
POLICY = ["default-src", "'self'", "'unsafe-inline'", "data:", "blob:"]
BRIGHTNESS = """(element, name) =>
    Math.max(...getComputedStyle(element)[name].match(/[\\d.]+/g).slice(0, 3))"""


class Site(NamedTuple):
    """What was built, and what was wrong with it."""

    folder: Path
    wrong: list[str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The whole site: a notebook that was executed, and the real ones that were not."""
    folder = tmp_path_factory.mktemp("site")
    notebooks = {source.stem: site.learners(source) for source in site.sources()}
    notebooks["00_start_here"] = executed.executed(small_notebook())
    site.lay_out(notebooks, folder / "laid_out")
    return Site(folder / "site", site.write_pages(folder / "laid_out", folder / "site"))


# ------------------------------------------------------------------ as it lies in the folder


class Words(HTMLParser):
    """The words of a page's article, without code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inside, self.hidden, self.text = 0, 0, ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.inside += tag == "article"
        self.hidden += tag in ("code", "pre", "script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.inside -= tag == "article"
        self.hidden -= tag in ("code", "pre", "script", "style")

    def handle_data(self, data: str) -> None:
        self.text += data if self.inside and not self.hidden else ""


def test_nothing_is_wrong_with_references_formulas_links_and_what_pages_load(built: Site) -> None:
    assert built.wrong == []


def test_every_notebook_and_text_is_a_page(built: Site) -> None:
    expected = {f"notebooks/{source.stem}.html" for source in site.sources()}
    expected |= {*PAGES, "CONTRIBUTING.html", "CHANGELOG.html", "notebooks/TEACHING.html"}
    expected |= {"playground.html", "explorers.html"}
    pages = {file.relative_to(built.folder).as_posix() for file in built.folder.rglob("*.html")}
    assert expected <= pages


def test_formulas_of_every_notebook_are_mathml(built: Site) -> None:
    for source in site.sources():
        page = (built.folder / "notebooks" / f"{source.stem}.html").read_text()
        words = Words(page).text
        prices = ["costs $5"] * (source.stem == "00_start_here")  # of OPENING
        assert re.findall(r"\S*\s\S*\$\S*|\\[a-z]+", words) == prices, source.stem
        assert "<math" in page, source.stem


def test_pages_tell_nothing_of_the_machine_that_built_them(built: Site) -> None:
    for file in built.folder.rglob("*.html"):
        text = file.read_text().replace(f"'{ROOT}/tests'", "")  # the small notebook's own code
        for told in (str(ROOT), str(built.folder)):
            assert told not in text, (file, told)


def test_a_relative_link_to_a_file_without_a_page_leads_to_the_repository(built: Site) -> None:
    text = (built.folder / "README.html").read_text()
    assert f'href="{REPOSITORY}/blob/main/rnsl_tutorial/losses.py"' in text
    assert 'href="notebooks/05_truncation.html"' in text


def test_every_page_forbids_requests_to_others(built: Site) -> None:
    for file in built.folder.rglob("*.html"):
        if "_static" not in file.parts:
            policy = re.search(r'Content-Security-Policy" content="([^"]*)"', file.read_text())
            assert policy, file
            is_tile = file.parent.name == "tiles"
            if is_tile or file.name in (
                "playground.html",
                "explorers.html",
            ):  # they ask for nothing
                assert "default-src 'none'" in policy[1]
                assert not re.search(r"'self'|https?:|\*", policy[1])
            else:
                assert policy[1].split() == POLICY


def test_the_reference_shows_types_and_what_belongs_to_a_class(built: Site) -> None:
    text = (built.folder / "docs" / "api" / "losses.html").read_text()
    assert 'id="rnsl_tutorial.losses.rnsl"' in text
    assert "losses.py#L" in text
    tutorial = Words((built.folder / "docs" / "api" / "tutorial.html").read_text()).text
    assert "SphereExplorer" in tutorial
    assert "A trait which" not in tutorial  # what traitlets and anywidget say of themselves
    for page in (built.folder / "docs" / "api").glob("*.html"):
        assert "Alias for field number" not in page.read_text(), page


# ------------------------------------------------------------------ in the browser


@contextmanager
def opened(file: Path, browser: Browser, query: str = "", **options: Any) -> Iterator[Page]:
    """A page without a network, which must ask for nothing else and complain of nothing."""
    problems: list[str] = []
    asked: list[str] = []
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True, **options)
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type != "log" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri() + query)
    yield page
    context.close()
    assert problems == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture
def page(built: Site, browser: Browser) -> Iterator[Page]:
    with opened(built.folder / SMALL, browser) as page:
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


def test_tiles_are_loaded_as_they_come_into_view_and_move_while_pointed_at(
    built: Site, browser: Browser
) -> None:
    with opened(built.folder / "index.html", browser, color_scheme="dark") as page:
        assert len(page.frames) < 1 + len(one_page.EXPLORERS), "those far below are not loaded"
        tile = page.locator('.tile[href="explorers.html#transition"]')
        tile.scroll_into_view_if_needed()
        inside = page.frame_locator('iframe[data-src="tiles/transition.html"]')
        slider = inside.locator('input[name="rate"]')
        expect(inside.locator("svg").first).to_be_visible()
        expect(slider).to_be_hidden()
        start = slider.input_value()
        tile.hover()
        expect(slider).not_to_have_value(start)
        expect(inside.locator("html")).to_have_attribute("data-theme", "dark")
        page.screenshot(path=SCREENSHOTS / "site_tiles.png")
        tile.click()
        page.wait_for_url("**/explorers.html#transition")


def test_tiles_move_on_a_touch_screen_though_they_came_into_view_before_they_were_loaded(
    built: Site, browser: Browser
) -> None:
    with opened(built.folder / "index.html", browser, is_mobile=True, has_touch=True) as page:
        page.locator('.tile[href="explorers.html#transition"]').scroll_into_view_if_needed()
        inside = page.frame_locator('iframe[data-src="tiles/transition.html"]')
        slider = inside.locator('input[name="rate"]')
        expect(inside.locator("svg").first).to_be_visible()
        expect(slider).not_to_have_value(slider.input_value())


def test_formulas_are_drawn_and_answers_stay_folded(page: Page) -> None:
    sizes = page.locator("article math").evaluate_all(
        "all => all.filter(math => math.checkVisibility()).map(math => math.clientHeight)"
    )
    assert len(sizes) == 4  # one waits in an answer that is closed
    assert min(sizes) > 10
    assert box_of(page.locator('math[display="block"]'))["height"] > 40  # two lines
    framed = "fold => [!!fold.closest('article'), getComputedStyle(fold).borderTopWidth !== '0px']"
    folds = [fold.evaluate(framed) for fold in page.locator("details").all()]
    assert sorted(folds) == [[False, False], [True, True]]  # the list of pages, an answer


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_and_explorers_follow_the_theme_s_switch(
    scheme: str, built: Site, browser: Browser
) -> None:
    other = {"light": "dark", "dark": "light"}[scheme]
    with opened(built.folder / SMALL, browser, color_scheme=scheme) as page:
        readouts(page)
        for chosen in (scheme, other):
            if chosen == other:  # than the system's
                page.locator(".theme-switch-container button").first.click()
                page.locator(f'.theme-change-button[data-mode="{chosen}"]').click()
            for name in ("body", ".rnsl-explorer"):
                element = page.locator(name).first
                shown = element.evaluate(BRIGHTNESS, "backgroundColor")
                text = element.evaluate(BRIGHTNESS, "color")
                assert (shown < text) == (chosen == "dark"), (name, chosen)
            page.screenshot(path=SCREENSHOTS / f"site_{scheme}_{chosen}.png")


@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_its_window(name: str, built: Site, browser: Browser) -> None:
    with opened(built.folder / name, browser) as page:
        for width in (400, 800, 1600):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_sheet_of_formulas_prints_on_two_pages(built: Site, browser: Browser) -> None:
    with opened(built.folder / "docs/formulas.html", browser) as page:
        printed = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 2


def test_the_search_finds_notebooks_and_functions(built: Site, browser: Browser) -> None:
    with opened(built.folder / "index.html", browser) as page:
        page.keyboard.press("Control+k")
        page.get_by_role("searchbox").last.fill("truncated_rnsl")
        page.keyboard.press("Enter")
        found = page.locator("#search-results li a")
        expect(found.filter(has_text="rnsl_tutorial.losses.truncated_rnsl").first).to_be_visible()
    with opened(built.folder / "search.html", browser, "?q=truncation") as page:
        expect(page.locator("#search-results li a", has_text="5. Truncation")).to_be_visible()
