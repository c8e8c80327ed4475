"""`rnsl explore` as a teacher starts it: the page in a browser, each slider, and the end."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil
import pytest
from boxes import SIZES, TWO_FRAMES, texts_of
from harness import HOST, SCREENSHOTS, Explorer
from playwright.sync_api import Browser, Locator, Page, expect

from rnsl_tutorial.tutorial import explorers
from rnsl_tutorial.tutorial.explorers.one_page import EXPLORERS

NAMES = [place.name for place in EXPLORERS]
ALIVE = ".rnsl-explorer, .rnsl-playground[data-step]"
STEPS = ".rnsl-step"
PRESSED = """section => Array.from(section.querySelectorAll(".rnsl-step"), step => {
    step.click();
    const sliders = Array.from(section.querySelectorAll('input[type="range"]'));
    const places = Object.fromEntries(sliders.map(({ name, value }) => [name, Number(value)]));
    return [step.textContent, step.ariaPressed, places];
})"""  # each step: its name, whether it is taken, and where the sliders stand then
KINDS = [
    kind
    for kind in vars(explorers).values()
    if isinstance(kind, type) and issubclass(kind, explorers.Explorer)
]
START_MS = 120_000  # all tables are computed before the first answer

# A shell may have started the tests in the background, where Ctrl-C is ignored.
HEARS_CTRL_C = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("rnsl_tutorial", run_name="__main__")
"""


class Served(NamedTuple):
    """A running `rnsl explore`."""

    process: subprocess.Popen[str]
    address: str
    taken: int
    log: Path


class Opened(NamedTuple):
    """Its page, what it asked of anybody after it came, and the errors that it told."""

    page: Page
    asked: list[str]
    errors: list[str]

    def shown(self) -> Locator:
        """The one screen that is seen, which must be alive."""
        section = self.page.locator("main > section:not([hidden])")
        section.locator(ALIVE).wait_for()
        return section

    def go(self, name: str) -> Locator:
        """Go to an explorer by its address."""
        self.page.evaluate("name => (location.hash = name)", name)
        return self.at(name)

    def at(self, name: str) -> Locator:
        """Wait until this explorer is the one that is seen: an address is followed later."""
        self.page.locator(f"#{name}:not([hidden])").wait_for()
        return self.shown()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("explore")
    with socket.create_server((HOST, 0)) as taken, (folder / "log").open("w") as log:
        port = taken.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-c", HEARS_CTRL_C, "explore", "--no-browser", "--port", str(port)],
            text=True, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
        assert process.stdout
        said = process.stdout.readline()
        assert said.startswith("Explorers: http://"), (folder / "log").read_text()
        yield Served(process, said.split()[1], port, folder / "log")
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def file(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, saved."""
    path = tmp_path_factory.mktemp("saved") / "explorers.html"
    path.write_bytes(urlopen(served.address).read())
    return path


@pytest.fixture(scope="module")
def opened(browser: Browser, served: Served) -> Iterator[Opened]:
    page = browser.new_page(viewport={"width": 1280, "height": 720})  # a projector's
    made = Opened(page, [], [])
    page.on("pageerror", lambda error: made.errors.append(str(error)))
    page.on("console", lambda said: said.type == "error" and made.errors.append(said.text))
    page.on("request", lambda request: made.asked.append(request.url))
    page.goto(served.address, timeout=START_MS)
    made.shown()
    yield made
    page.close()


def walk(page: Page, key: str, times: int) -> None:
    for _ in range(times):
        page.keyboard.press(key)
        page.evaluate(TWO_FRAMES)  # the address is followed later


def test_only_the_explorer_in_view_is_made_alive(opened: Opened) -> None:
    assert opened.shown().get_attribute("id") == NAMES[0]
    assert opened.page.locator(".rnsl-explorer, .rnsl-playground").count() == 1


def test_each_has_an_address_a_question_and_a_notebook_and_each_slider_moves_it(
    opened: Opened,
) -> None:
    for place in EXPLORERS:
        section = opened.go(place.name)
        assert section.get_attribute("id") == place.name
        assert opened.page.title() == section.locator("h1").inner_text() == place.question
        assert f"Explained in notebook {place.notebook}." in section.inner_text()
        if place.name == "playground":  # which has tests of its own
            continue
        expect(section.locator(".rnsl-readout")).not_to_be_empty()
        explorer = Explorer(section.locator(".rnsl-explorer"))
        assert explorer.sliders(), place.name
        for slider in explorer.sliders():
            assert slider.evaluate("slider => slider.labels.length || slider.ariaLabel")
            assert explorer.changes_with(slider), (place.name, slider.get_attribute("name"))
    opened.page.screenshot(path=SCREENSHOTS / "explore.png")


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [("gradient-share", "q", "down-weighting"), ("pruning", "k", "truncation")],
)
def test_sliders_that_belong_together_move_together(
    opened: Opened, name: str, value: str, other: str
) -> None:
    slider = opened.go(name).locator(f'input[type="range"][name="{value}"]')
    last = slider.get_attribute("max")
    slider.press("Home")
    slider.press("ArrowRight")
    moved = opened.go(other).locator(f'input[type="range"][name="{value}"]')
    assert moved.get_attribute("max") == last
    expect(moved).to_have_value("1")


def test_keys_go_from_one_to_the_next_and_leave_sliders_their_arrows(opened: Opened) -> None:
    page = opened.page
    opened.go(NAMES[1])
    page.locator("h1:visible").click()
    walk(page, "ArrowRight", opened.shown().locator(STEPS).count() + 1)
    opened.at(NAMES[2])
    walk(page, "ArrowRight", opened.shown().locator(STEPS).count() + 1)
    opened.at(NAMES[3])
    page.keyboard.press("ArrowLeft")
    opened.at(NAMES[2])
    slider = opened.shown().locator('input[type="range"]').first
    end = str(slider.get_attribute("max"))
    expect(slider).to_have_value(end)  # the steps have led there
    slider.press("ArrowLeft")
    expect(slider).not_to_have_value(end)
    assert opened.shown().get_attribute("id") == NAMES[2]
    page.set_viewport_size({"width": 1280, "height": 400})  # lower than the explorer
    slider.press("PageDown")
    assert page.evaluate("scrollY") > 0, "what is below comes first"
    assert opened.shown().get_attribute("id") == NAMES[2]
    page.set_viewport_size({"width": 1280, "height": 2000})
    slider.press("PageDown")
    assert opened.shown().get_attribute("id") == NAMES[3]
    page.keyboard.press("ArrowLeft")
    opened.at(NAMES[2])
    assert opened.shown().get_attribute("id") == NAMES[2], "no slider keeps the focus"
    page.set_viewport_size({"width": 1280, "height": 720})


def test_arrows_go_through_the_steps_and_then_on(opened: Opened) -> None:
    page = opened.page
    section = opened.go("losses")
    steps = section.locator(STEPS).all_inner_texts()
    assert steps == list(explorers.LossExplorer.steps)
    chosen = section.locator(f"{STEPS}[aria-pressed=true]")
    page.locator("h1:visible").click()
    for step in steps:
        page.keyboard.press("ArrowRight")
        expect(chosen).to_have_text(step)
    page.keyboard.press("ArrowLeft")
    expect(chosen).to_have_text(steps[-2])
    section.get_by_role("button", name=steps[0]).click()
    page.keyboard.press("ArrowLeft")
    assert opened.at(NAMES[NAMES.index("losses") - 1])


def test_every_step_is_offered_and_is_where_it_says(opened: Opened, file: Path) -> None:
    """Each explorer has three to five, of values that its controls have."""
    found = re.findall(r'data-model="([^"]+)">(.*?)</script>', file.read_text("utf-8"))
    states = {name: json.loads(text)["state"] for name, text in found}
    own = {tuple(kind.steps) for kind in KINDS}
    opened.page.emulate_media(reduced_motion="reduce")
    for name in NAMES:
        if name == "playground":  # which has sentences of its own
            continue
        offered = states[name]["_table"]["steps"]
        assert tuple(step["name"] for step in offered) in own, name
        assert 3 <= len(offered) <= 5, name
        for step, (told, pressed, places) in zip(
            offered, opened.go(name).evaluate(PRESSED), strict=True
        ):
            assert (told, pressed) == (step["name"], "true"), name
            shared = places.keys() & step["places"].keys()
            assert {at: places[at] for at in shared} == {at: step["places"][at] for at in shared}
    opened.page.emulate_media(reduced_motion="no-preference")


def test_a_step_glides_and_the_first_thumb_nudges_once(browser: Browser, file: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{file.as_uri()}#losses")
        slider = page.locator('#losses input[type="range"]').first
        expect(slider).to_have_class("rnsl-nudge")
        expect(slider).to_have_class("")
        page.evaluate("""() => {
            const seen = (window.seen = new Set());
            const slider = document.querySelector('#losses input[name="p"]');
            const look = () => (seen.add(slider.value), requestAnimationFrame(look));
            look();
        }""")
        page.get_by_role("button", name="Believed: p = 0.9").click()
        expect(page.locator('#losses input[name="p"]')).to_have_value("89")
        assert page.evaluate("seen.size") > 3, "it passes other values"
        page.goto(f"{file.as_uri()}#accuracy-over-q")
        page.reload()
        expect(page.locator("#accuracy-over-q .rnsl-readout")).not_to_be_empty()
        page.evaluate(TWO_FRAMES)
        assert page.locator(".rnsl-nudge").count() == 0, "somebody has seen it"


def test_the_bar_goes_to_an_explorer_and_the_ends_are_ends(opened: Opened) -> None:
    page = opened.page
    choice = page.get_by_role("combobox", name="Explorer", exact=True)
    told = [f"{place.notebook} · {place.question}" for place in EXPLORERS]
    assert choice.locator("option").all_inner_texts() == told
    choice.select_option(index=len(NAMES) - 1)
    opened.at(NAMES[-1])
    page.get_by_role("button", name="Next explorer").click()
    expect(page.get_by_role("button", name="Next explorer")).to_be_focused()
    assert opened.at(NAMES[-1]).get_attribute("id") == NAMES[-1]
    page.get_by_role("button", name="Explorer before").press("Enter")
    opened.at(NAMES[-2])
    assert urlsplit(page.url).fragment == NAMES[-2]
    page.go_back()
    opened.at(NAMES[-1])
    expect(choice).to_have_value(NAMES[-1])


def test_the_playground_rests_while_it_is_not_seen(opened: Opened) -> None:
    playground = opened.go("playground")
    playground.get_by_role("button", name="Play", exact=True).click()
    expect(playground.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    opened.go(NAMES[1])
    opened.go("playground")
    expect(playground.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_light_and_dark_by_system_and_by_button(opened: Opened) -> None:
    page = opened.page
    explorer = opened.go(NAMES[2]).locator(".rnsl-explorer")
    page.emulate_media(color_scheme="dark")
    expect(explorer).to_have_css("background-color", "rgb(13, 17, 23)")
    expect(page.locator("body")).to_have_css("background-color", "rgb(13, 17, 23)")
    page.screenshot(path=SCREENSHOTS / "explore_dark.png")
    page.get_by_role("button", name="Light or dark").click()
    expect(explorer).to_have_css("background-color", "rgb(255, 255, 255)")


def test_nothing_was_asked_of_anybody_and_nothing_failed(opened: Opened, served: Served) -> None:
    assert opened.errors == []
    others = [url for url in opened.asked if not url.startswith(("data:", "blob:"))]
    assert others == [served.address]
    attempt = "fetch('/').then(() => 'answered', () => 'refused')"
    assert opened.page.evaluate(attempt) == "refused", "by the page's policy"


@pytest.mark.parametrize("size", [*SIZES[:2], (1300, 800)])
def test_an_explorer_fills_the_screen_and_no_more(opened: Opened, size: tuple[int, int]) -> None:
    opened.page.set_viewport_size({"width": size[0], "height": size[1]})
    height = "document.documentElement.scrollHeight"
    found = {name: opened.go(name) and opened.page.evaluate(height) for name in NAMES[1:]}
    assert {name: found for name, found in found.items() if found > size[1]} == {}
    opened.page.set_viewport_size({"width": 1280, "height": 720})


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_no_text_overlaps_another_or_leaves_its_frame(
    browser: Browser, file: Path, size: tuple[int, int]
) -> None:
    """From a file, with the network cut."""
    viewport = {"width": size[0], "height": size[1]}
    with browser.new_context(viewport=viewport, offline=True) as context:
        page = context.new_page()
        page.goto(file.as_uri())
        found = {name: texts_of(page, name) for name in NAMES}
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    wrong = {name: texts for name, texts in found.items() if texts.overlaps or texts.outside}
    number = sum(texts.number for texts in found.values())
    assert wrong == {}, f"overlaps found: {len(wrong)} of {number}"
    assert number > 1000


# ------------------------------------------------------------------ where it listens, and its end


def test_it_listens_for_this_computer_alone_at_another_port_if_one_is_taken(
    opened: Opened, served: Served
) -> None:
    process = psutil.Process(served.process.pid)
    connections = process.net_connections("tcp")
    listening = [at.laddr for at in connections if at.status == psutil.CONN_LISTEN]
    assert listening == [(HOST, urlsplit(served.address).port)]
    assert urlsplit(served.address).port != served.taken
    assert process.children(recursive=True) == [], "no viewer starts anything"


def test_ctrl_c_ends_it_quietly(opened: Opened, served: Served) -> None:
    served.process.send_signal(2)
    assert served.process.wait(timeout=60) == 0
    assert served.log.read_text() == ""
