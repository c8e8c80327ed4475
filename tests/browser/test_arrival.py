"""What a learner meets before anything is run: a question, and a picture that moves."""

import json
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from harness import ARRIVED, PICTURE, START_S, TOKEN, Explorer, JupyterLab, box_of
from notebook_parts import SOURCES
from playwright.sync_api import Browser, Locator, expect

WIDTH, HEIGHT = 1300, 800
SEEN_MS = 30_000  # a busy machine takes its time
VIEW = "application/vnd.jupyter.widget-view+json"
OPEN = """async ([path, shouldStart]) => {
    const { commands, restored } = window.jupyterapp;
    await restored;
    await commands.execute("docmanager:open", { path, kernelPreference: { shouldStart } });
}"""
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"
CLOSE = "() => window.jupyterapp.shell.currentWidget?.dispose()"


class Learner(JupyterLab):
    """Who opens one notebook after the other, on a small laptop."""

    def look_at(self, path: str, *, kernel: bool = False) -> Locator:
        """Close what is open, open a notebook, and return its panel; a kernel only if asked for."""
        self.page.evaluate(CLOSE)
        self.page.evaluate(OPEN, [path, kernel])
        panel = self.page.locator(".jp-NotebookPanel:visible")
        expect(panel.locator("h1").first).to_be_visible(timeout=SEEN_MS)
        return panel


@pytest.fixture(scope="module")
def learner(browser: Browser, server: str) -> Iterator[Learner]:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    learner = Learner(page, server)
    page.goto(f"{server}/lab/tree/{ARRIVED}?reset&token={TOKEN}")
    page.wait_for_function("window.jupyterapp?.restored", timeout=START_S * 1000)
    yield learner
    learner.shut_down()
    page.close()


def alive(panel: Locator) -> Locator:
    return panel.locator("[data-explorer][data-alive]").first


@pytest.mark.parametrize("name", [source.stem for source in SOURCES])
def test_a_notebook_opens_on_its_question_and_a_picture_that_moves_without_a_kernel(
    learner: Learner, name: str
) -> None:
    panel = learner.look_at(f"{ARRIVED}/{name}.ipynb")
    opening = alive(panel)
    explorer = Explorer(opening)
    asked = panel.locator(".jp-RenderedMarkdown p", has_text="The question:").first
    picture = opening.locator("svg:visible, canvas:visible").first
    for seen in (panel.locator("h1").first, asked, picture):
        expect(seen).to_be_in_viewport(timeout=SEEN_MS)
    learner.screenshot(f"arrived_{name}")
    before = opening.evaluate(PICTURE)
    if (show := opening.get_by_role("button", name="Show", exact=True)).count():
        expect(show).to_be_in_viewport()
    if explorer.answers():  # it asks for a guess first: the hand moves that, and then it scrolls
        assert opening.evaluate(PICTURE) != before
    else:
        expect(opening.locator("input[type=range]").first).to_be_in_viewport()
    in_view = (one for one in explorer.sliders() if one.is_visible())
    if play := opening.get_by_role("button", name="Play", exact=True).all():
        play[0].click()  # of the playground, whose sliders tell a run how to go on
    slider = next(one for one in in_view if box_of(one)["y"] < HEIGHT)
    assert explorer.changes_with(slider)
    assert learner.page.evaluate("window.jupyterapp.serviceManager.sessions.running().next().done")
    assert learner.interruptions() == []
    assert learner.outside == []


def test_the_list_of_files_holds_the_notebooks_and_nothing_else(notebooks: Path) -> None:
    shown = [path.name for path in (notebooks / ARRIVED).iterdir() if path.name[0] != "."]
    assert sorted(shown) == [f"{source.stem}.ipynb" for source in SOURCES]


def test_an_untrusted_copy_shows_the_picture_and_how_to_move_it(
    learner: Learner, notebooks: Path
) -> None:
    notebook = nbformat.read(notebooks / ARRIVED / f"{SOURCES[7].stem}.ipynb", as_version=4)
    notebook.cells[0].source += " "
    nbformat.write(notebook, notebooks / "sent.ipynb")
    panel = learner.look_at("sent.ipynb")
    picture = panel.locator(".jp-OutputArea img").first
    expect(picture).to_be_in_viewport(timeout=SEEN_MS)
    assert "Run this cell to move it." in str(picture.get_attribute("alt"))
    assert picture.evaluate("image => image.naturalWidth") > 800
    assert alive(panel).count() == 0
    for words in ("Error", "inline scripts"):
        assert words not in panel.locator(".jp-OutputArea").first.inner_text()


def outputs_of(path: Path) -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata, "states would pile up"
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.mark.timeout(240)
def test_a_picture_stays_after_saving_running_and_the_day_after(
    learner: Learner, notebooks: Path
) -> None:
    path = notebooks / ARRIVED / f"{SOURCES[7].stem}.ipynb"
    name, page = f"{ARRIVED}/{path.name}", learner.page

    def saved(panel: Locator) -> nbformat.NotebookNode:
        """Save, and return the output of the opening as it lies on the disk."""
        page.evaluate(SAVE)
        return outputs_of(path)[0]

    assert "text/html" in saved(learner.look_at(name)).data
    expect(alive(learner.look_at(name))).to_be_visible()  # the next save took nothing away
    page.evaluate(CLOSE)
    learner.open(name)
    panel = page.locator(".jp-NotebookPanel:visible")
    for _ in range(2):
        panel.locator(".jp-CodeCell").first.click()
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
        expect(panel.locator(".jp-OutputArea .rnsl-explorer")).to_be_visible(timeout=60_000)
    assert set(saved(panel).data) == {"image/png", "text/plain"}
    assert len(outputs_of(path)) == 1
    panel = learner.look_at(name, kernel=True)  # whose kernel runs on
    expect(panel.locator(".jp-OutputArea .rnsl-explorer")).to_be_visible()
    learner.shut_down()
    panel = learner.look_at(name)
    expect(panel.locator(".jp-OutputArea img").first).to_be_visible()
    assert panel.get_by_text("Error displaying widget").count() == 0
    assert VIEW not in json.dumps(outputs_of(path)), "no other program misses a model either"
