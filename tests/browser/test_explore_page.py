"""`rnsl explore` as a teacher starts it: the page in a browser, each slider, and the end."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest
from harness import HOST, SCREENSHOTS, Explorer, box_of
from playwright.sync_api import Browser, Locator, Page, expect

from rnsl_tutorial.tutorial import explorers

NUMBER = len(explorers.__all__) - 2  # without the base class and `standalone_html`
OPEN_MS = 240_000  # a kernel has to start and to import all that it needs


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
    """Its page, what it asked of other servers (all refused), and the errors that it told."""

    page: Page
    outside: list[str]
    errors: list[str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("explore")
    own = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    folders = {variable: str(folder / variable) for variable in own}
    with socket.create_server((HOST, 0)) as taken, (folder / "log").open("w") as log:
        port = taken.getsockname()[1]
        options = ["--no-browser", "--port", str(port)]
        process = subprocess.Popen(
            [sys.executable, "-c", HEARS_CTRL_C, "explore", *options],
            cwd=folder, env={**os.environ, **folders},
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
def opened(browser: Browser, served: Served) -> Iterator[Opened]:
    page = browser.new_page(viewport={"width": 1280, "height": 720})  # a projector's
    outside: list[str] = []
    errors: list[str] = []

    def is_outside(url: str) -> bool:
        here = urlsplit(url).scheme in ("data", "blob") or urlsplit(url).hostname == HOST
        if not here:
            outside.append(url)
        return not here

    page.route("**/*", lambda r: r.abort() if is_outside(r.request.url) else r.continue_())
    page.on("websocket", lambda socket: is_outside(socket.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: said.type == "error" and errors.append(said.text))
    page.goto(served.address, timeout=OPEN_MS)
    expect(page.locator(".rnsl-readout")).to_have_count(NUMBER - 1, timeout=OPEN_MS)
    expect(page.locator(".rnsl-playground")).to_have_count(1, timeout=OPEN_MS)
    page.locator(".rnsl-explorer").first.wait_for(timeout=OPEN_MS)
    yield Opened(page, outside, errors)
    page.close()


def test_every_explorer_is_shown_and_no_code(opened: Opened) -> None:
    for readout in opened.page.locator(".rnsl-readout").all():
        expect(readout).not_to_be_empty()
    assert opened.page.locator(".jp-InputArea-editor, .highlight, .jp-InputPrompt").count() == 0
    assert "import" not in opened.page.locator("#rendered_cells").inner_text()
    opened.page.screenshot(path=SCREENSHOTS / "explore.png")


def test_each_explorer_moves_by_keyboard(opened: Opened) -> None:
    for element in opened.page.locator(".rnsl-explorer").all():
        explorer = Explorer(element)
        slider = explorer.sliders()[0]
        assert slider.evaluate("slider => slider.labels.length || slider.ariaLabel"), "has a name"
        told = element.locator(".rnsl-readout").inner_text()
        assert explorer.changes_with(slider), told


def test_sliders_that_belong_together_move_together(opened: Opened) -> None:
    q = opened.page.locator('input[type="range"][name="q"]')
    share = q.and_(opened.page.get_by_role("slider", name="Measured with q", exact=True))
    heard = q.and_(opened.page.get_by_role("slider", name="q", exact=True))
    share.press("ArrowLeft")
    expect(heard).to_have_value(share.input_value())


def test_the_bar_goes_to_an_explorer_and_follows(opened: Opened) -> None:
    page = opened.page
    choice = page.get_by_role("combobox", name="Explorer", exact=True)
    assert choice.locator("option").count() == NUMBER
    choice.focus()
    choice.select_option(index=6)
    expect_below_the_bar(page, page.locator("h2").nth(6))
    page.get_by_role("button", name="Next explorer").press("Enter")
    expect_below_the_bar(page, page.locator("h2").nth(7))
    page.locator("h2").nth(3).evaluate("heading => heading.scrollIntoView()")
    page.wait_for_function("document.querySelector('.app-bar select').selectedIndex === 3")


def expect_below_the_bar(page: Page, heading: Locator) -> None:
    expect(heading).to_be_in_viewport()
    bar, place = box_of(page.locator(".app-bar")), box_of(heading)
    assert bar["y"] == 0
    assert bar["height"] <= place["y"] < 2 * bar["height"]


def test_light_and_dark_by_system_and_by_button(opened: Opened) -> None:
    page = opened.page
    explorer = page.locator(".rnsl-explorer").first
    page.emulate_media(color_scheme="dark")
    expect(explorer).to_have_css("background-color", "rgb(13, 17, 23)")
    expect(page.locator("body")).to_have_css("background-color", "rgb(13, 17, 23)")
    expect(page.locator("#rendered_cells")).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    page.screenshot(path=SCREENSHOTS / "explore_dark.png")
    page.get_by_role("button", name="Light or dark").click()
    expect(explorer).to_have_css("background-color", "rgb(255, 255, 255)")


def test_the_page_fits_a_phone(opened: Opened) -> None:
    opened.page.set_viewport_size({"width": 400, "height": 800})
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 400
    opened.page.screenshot(path=SCREENSHOTS / "explore_narrow.png")


def test_nothing_was_asked_of_another_server_and_nothing_failed(opened: Opened) -> None:
    assert opened.outside == []
    assert opened.errors == []
    attempt = "fetch('http://tiles.invalid/0.png').then(() => 'answered', () => 'refused')"
    assert opened.page.evaluate(attempt) == "refused"
    assert opened.outside == [], "the page's policy refuses it, before anything is asked"


def test_only_this_computer_is_listened_to_at_another_port_if_one_is_taken(
    opened: Opened, served: Served
) -> None:
    main = psutil.Process(served.process.pid)
    listening = [
        place.laddr
        for process in (main, *main.children(recursive=True))
        for place in process.net_connections("tcp")
        if place.status == psutil.CONN_LISTEN
    ]
    assert urlsplit(served.address).port in {address.port for address in listening}
    assert {address.ip for address in listening} == {HOST}
    assert urlsplit(served.address).port != served.taken


def test_ctrl_c_ends_it_quietly_with_its_kernels(opened: Opened, served: Served) -> None:
    kernels = psutil.Process(served.process.pid).children(recursive=True)
    assert len(kernels) == 1
    served.process.send_signal(2)
    assert served.process.wait(timeout=60) == 0
    gone, alive = psutil.wait_procs(kernels, timeout=20)
    assert (len(gone), alive) == (1, [])
    assert served.log.read_text() == ""
