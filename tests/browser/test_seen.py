"""What a saved notebook shows in the place of an explorer: what was last seen of it."""

import base64
import io
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from harness import SCREENSHOTS, Explorer, JupyterLab
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, Page, expect

from notebooks import build
from rnsl_tutorial.cli import _contents
from rnsl_tutorial.tutorial.explorers import one_page
from rnsl_tutorial.tutorial.explorers.base import static
from tools.pictures import farthest

SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"
SCROLL = "n => document.querySelectorAll('.jp-CodeCell')[n].scrollIntoView()"
GLIDE_MS = 600  # until points have arrived
SEEN_S = 60  # until pictures have come, on a busy machine
BLUR, SAME = 3, 20.0  # px; mean difference of a tile in levels of 255, if it is alike
MAKE = "from rnsl_tutorial.tutorial.explorers import one_page\none_page.EXPLORERS[{n}].make()"
PLACES = one_page.EXPLORERS

DRAW = """async () => {
  const file = (color) => {
    const canvas = new OffscreenCanvas(20, 20);
    const context = canvas.getContext("2d");
    context.fillStyle = color;
    context.fillRect(0, 0, 20, 20);
    return canvas.convertToBlob().then((blob) => URL.createObjectURL(blob));
  };
  const [theirs, ours] = [await file("#f00"), await file("#0f0")];
  const shown = document.createElement("div");
  shown.innerHTML = `
    <div style="width: 100px; height: 60px; background: #fff">
      <i style="background-image: url(${theirs}); display: block; width: 20px; height: 20px"></i>
      <img src="${theirs}"><svg width="20" height="20"><image href="${theirs}" width="20"/></svg>
      <svg width="20" height="20"><image data-own="" href="${ours}" width="20" height="20"/></svg>
      <canvas width="20" height="20"></canvas>
    </div>`;
  const context = shown.querySelector("canvas").getContext("2d");
  context.fillStyle = "#00f";
  context.fillRect(0, 0, 20, 20);
  return new Promise((done) => {
    const send = (content, callbacks, [bytes]) => done([...new Uint8Array(bytes)]);
    const get = () => ".none {}"; // of _css
    const render = ({ el }) => el.append(shown);
    standing(render)({ el: document.body, model: { get, send, on() {}, off() {} } });
  });
}"""


@pytest.fixture(scope="module")
def shown(browser: Browser, server: str, notebooks: Path) -> Iterator[JupyterLab]:
    """A notebook with every explorer, run."""
    cells = [nbformat.v4.new_code_cell(MAKE.format(n=n)) for n in range(len(PLACES))]
    written = nbformat.v4.new_notebook(cells=cells, metadata=build.KERNEL)
    nbformat.write(written, notebooks / "seen.ipynb")
    page = browser.new_page(viewport={"width": 1300, "height": 1800})
    lab = JupyterLab(page, server)
    lab.open("seen.ipynb")
    assert lab.run_all() == []
    yield lab
    lab.shut_down()
    page.close()


def saved(lab: JupyterLab, path: Path) -> list[tuple[str, Image.Image]]:
    """Save, and return the words and the picture of each output as they lie on the disk."""
    lab.page.evaluate(SAVE)
    outputs = [cell.outputs[-1].data for cell in nbformat.read(path, as_version=4).cells]
    files = [io.BytesIO(base64.b64decode(data["image/png"])) for data in outputs]
    pictures = [Image.open(file).convert("RGB") for file in files]
    return list(zip((data["text/plain"] for data in outputs), pictures, strict=True))


@pytest.mark.timeout(240)
def test_a_saved_notebook_shows_every_explorer_as_it_was_last_seen(
    shown: JupyterLab, notebooks: Path
) -> None:
    path, seen = notebooks / "seen.ipynb", []
    for n, place in enumerate(PLACES):
        shown.page.evaluate(SCROLL, n)
        root = shown.page.locator(".jp-CodeCell").nth(n).locator(".jp-OutputArea-output > *").last
        expect(root.locator("svg:visible, canvas:visible").first).to_be_visible()
        if place.name == "wrong-labels":  # what comes with an animation is there, too
            root.get_by_role("button", name="Show", exact=True).click()
        slider = [one for one in Explorer(root).sliders() if one.is_visible()][-1]
        Explorer(root).step(slider)
        slider.blur()
        shown.page.mouse.move(0, 0)
        shown.page.wait_for_timeout(GLIDE_MS)
        png = root.screenshot(animations="disabled")
        seen.append(Image.open(io.BytesIO(png)).convert("RGB"))
    deadline = time.monotonic() + SEEN_S
    while apart := {
        place.name: how
        for place, screen, told in zip(PLACES, seen, saved(shown, path), strict=True)
        if (how := differs(place.name, screen, *told))
    }:
        assert time.monotonic() < deadline, apart
        time.sleep(2)
    assert path.stat().st_size < 3_000_000


def differs(name: str, screen: Image.Image, words: str, picture: Image.Image) -> str:
    """In what a saved picture is not what was seen; nothing if it is."""
    screen.save(SCREENSHOTS / f"seen_{name}.png")
    picture.save(SCREENSHOTS / f"seen_{name}_saved.png")
    if words != _contents._SEEN:
        return words
    if max(abs(a - b) for a, b in zip(screen.size, picture.size, strict=True)) > 1:
        return f"{picture.size} px, not {screen.size}"
    far = farthest(*(one.filter(ImageFilter.BoxBlur(BLUR)) for one in (picture, screen)))
    return "" if far < SAME else f"{far:.0f} levels"


def test_of_pictures_only_our_own_get_into_a_file(browser: Browser) -> None:
    """Those of an archive are the learner's, or nobody's to hand on."""
    page: Page = browser.new_page()
    page.set_content(f"<script>{static('standing.js')}</script>")
    png = page.evaluate(DRAW)
    page.close()
    picture = Image.open(io.BytesIO(bytes(png))).convert("RGB")
    colors = {color for _, color in picture.getcolors(1 << 16)}
    assert {(0, 255, 0), (0, 0, 255)} <= colors
    assert (255, 0, 0) not in colors
