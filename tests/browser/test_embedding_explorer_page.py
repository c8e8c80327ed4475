"""The explorer of embeddings in a plain page: no JupyterLab, no kernel, no network."""

import numpy as np
import pytest
from harness import SCREENSHOTS, Open, box_of, curve, px_of
from playwright.sync_api import Locator, Page, expect
from synthetic_maps import IMAGES, small_maps

from rnsl_tutorial.tutorial.explorers import EmbeddingExplorer
from rnsl_tutorial.tutorial.tables import EmbeddingMaps

MAPS = small_maps()
MARGIN = 10  # px around the coordinates' box on the canvas, as in map.js
PALE = 60  # an alpha, of 255, that only what is faded stays below
Cell = tuple[int, int, int]  # positions of noise, rate and loss

# Alpha and brightness, each 0 to 255 and the largest, of the pixels at a place of the canvas.
INK = """(canvas, [x, y]) => {
    const scale = canvas.width / canvas.clientWidth;
    const [left, top, size] = [x - 1, y - 1, 3].map(value => Math.round(value * scale));
    const copy = new OffscreenCanvas(size, size).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, -left, -top);
    const { data } = copy.getImageData(0, 0, size, size);
    const pixels = Array.from({ length: size * size }, (_, i) => data.slice(4 * i, 4 * i + 4));
    const seen = pixels.filter(([, , , alpha]) => alpha > 100);
    return {
        alpha: Math.max(...pixels.map(([, , , alpha]) => alpha)),
        brightness: Math.max(0, ...seen.map(([r, g, b]) => Math.max(r, g, b))),
    };
}"""


class Shown:
    """One explorer on a page."""

    def __init__(self, page: Page, number: int = 0) -> None:
        self.page = page
        self.root = page.locator(".rnsl-explorer").nth(number)
        self.slider = self.root.get_by_role("slider", name="Wrong labels")
        self.menu = self.root.get_by_role("combobox", name="Kind of label noise")
        self.readout = self.root.locator(".rnsl-readout")
        self.canvas = self.root.locator("canvas")
        self.tip = self.root.locator(".rnsl-map .rnsl-tip")
        expect(self.readout).not_to_be_empty()

    def radio(self, name: str) -> Locator:
        return self.root.get_by_role("radio", name=name, exact=True)

    def place(self, image: int, cell: Cell) -> dict[str, float]:
        """Where the table says that an image lies, in px of the canvas."""
        side = self.canvas.evaluate("canvas => canvas.clientWidth") - 2 * MARGIN
        x, y = MAPS.coordinates[cell][image] / 65535
        return {"x": MARGIN + side * x, "y": MARGIN + side * (1 - y)}

    def ink(self, image: int, cell: Cell) -> dict[str, int]:
        found: dict[str, int] = self.canvas.evaluate(INK, list(self.place(image, cell).values()))
        return found

    def wait_for_ink(self, image: int, cell: Cell, condition: str) -> None:
        """Wait until a JavaScript condition on ``ink`` holds where the image has to lie."""
        self.page.wait_for_function(
            f"([canvas, place]) => {{ const ink = ({INK})(canvas, place); return {condition}; }}",
            arg=[self.canvas.element_handle(), list(self.place(image, cell).values())],
        )


@pytest.fixture
def shown(open_page: Open) -> Shown:
    return Shown(open_page(EmbeddingExplorer(MAPS)))


def headline(cell: Cell) -> str:
    """What the readout must say, written out once more from the table."""
    names, other = ("NSL", "RNSL", "t-RNSL"), 0 if cell[2] else 2
    here, there = (f"{MAPS.accuracy[(*cell[:2], loss)]:.1%}" for loss in (cell[2], other))
    return (
        f"{names[cell[2]]} at {MAPS.rates[cell[1]]:.0%} wrong labels: {here} of test images find "
        f"their class ({names[other]}: {there})"
    )


# ------------------------------------------------------------------ controls by keyboard


def assert_shows(shown: Shown, cell: Cell, before: Cell) -> None:
    expect(shown.readout).to_have_text(headline(cell))
    shown.wait_for_ink(0, cell, "ink.alpha > 100")
    shown.wait_for_ink(0, before, "ink.alpha === 0")
    is_found = MAPS.predicted[cell][0] == MAPS.labels[0]
    assert (shown.ink(0, cell)["brightness"] > 120) == is_found  # a coloured dot or a dark cross


def test_the_rate_slider_steps_through_the_rates(shown: Shown) -> None:
    expect(shown.readout).to_have_text(headline((0, 0, 0)))
    shown.slider.focus()
    for step, key in enumerate(("ArrowRight", "ArrowRight", "ArrowLeft")):
        before, now = ((0, 1), (1, 2), (2, 1))[step]
        shown.page.keyboard.press(key)
        assert_shows(shown, (0, now, 0), before=(0, before, 0))
        expect(shown.root.locator(".rnsl-value")).to_have_text(("0 %", "30 %", "55 %")[now])
        expect(shown.slider).to_have_attribute("aria-valuetext", ("0 %", "30 %", "55 %")[now])


def test_the_loss_is_chosen_with_the_arrow_keys(shown: Shown) -> None:
    shown.radio("NSL").focus()
    for loss, name in ((1, "RNSL"), (2, "t-RNSL")):
        shown.page.keyboard.press("ArrowRight")
        expect(shown.radio(name)).to_be_checked()
        assert_shows(shown, (0, 0, loss), before=(0, 0, loss - 1))


def test_the_noise_is_chosen_in_the_menu(shown: Shown) -> None:
    line = shown.root.locator('.rnsl-chart [data-mark="NSL"]')
    before = line.get_attribute("d")
    shown.menu.focus()
    shown.page.keyboard.press("ArrowDown")
    assert_shows(shown, (1, 0, 0), before=(0, 0, 0))
    expect(shown.menu.locator("option:checked")).to_have_text("label-dependent")
    assert line.get_attribute("d") != before


def test_every_control_is_reached_by_tab_and_has_a_label(shown: Shown) -> None:
    names = []
    for _ in range(6):
        shown.page.keyboard.press("Tab")
        names.append(shown.page.evaluate("document.activeElement.tagName"))
    steps = ["BUTTON"] * shown.root.locator(".rnsl-steps > *").count()
    assert names == ["INPUT", "INPUT", "SELECT", *steps, "CANVAS"]
    expect(shown.root.get_by_role("group", name="Loss").get_by_role("radio")).to_have_count(3)


def test_the_first_frame_after_a_choice_has_moved(shown: Shown) -> None:
    start = (0, 0, 0)
    shown.wait_for_ink(0, start, "ink.alpha > 100")
    step = f"""async ([slider, canvas, place]) => {{
        const frame = () => new Promise(requestAnimationFrame);
        for (let i = 0; i < 5; i++) await frame();  // until nothing is drawn any more
        slider.value = 2;
        slider.dispatchEvent(new Event("input"));
        await frame();
        return ({INK})(canvas, place).alpha;
    }}"""
    elements = [shown.slider.element_handle(), shown.canvas.element_handle()]
    assert shown.page.evaluate(step, [*elements, list(shown.place(0, start).values())]) == 0


def test_a_choice_on_the_way_to_another_ends_where_the_last_one_says(shown: Shown) -> None:
    shown.slider.focus()
    for key in ("End", "Home", "ArrowRight"):
        shown.page.keyboard.press(key)
    assert_shows(shown, (0, 1, 0), before=(0, 2, 0))


def test_nothing_glides_for_those_who_ask_for_less_motion(open_page: Open) -> None:
    shown = Shown(open_page(EmbeddingExplorer(MAPS), reduced_motion="reduce"))
    shown.slider.press("ArrowRight")
    shown.page.evaluate("new Promise(requestAnimationFrame)")
    assert shown.ink(0, (0, 1, 0))["alpha"] > 100


# ------------------------------------------------------------------ looking at images and classes


def test_hover_tells_what_an_image_is_and_fades_the_other_classes(open_page: Open) -> None:
    cell = (0, 2, 0)
    shown = Shown(open_page(EmbeddingExplorer(MAPS, rate=0.55)))
    missed = int(np.flatnonzero((MAPS.predicted[cell] != MAPS.labels) & (MAPS.labels == 3))[0])
    shown.canvas.hover(position=shown.place(missed, cell))
    told = ["<b>Pond</b>", "k-NN says Beach", f"<b>Pond</b>/{missed}.jpg"]
    assert shown.tip.inner_text().splitlines() == told
    shown.wait_for_ink(0, cell, f"ink.alpha < {PALE}")
    shown.page.mouse.move(0, 0)
    expect(shown.tip).to_be_hidden()
    shown.wait_for_ink(0, cell, "ink.alpha > 100")


def test_hover_on_an_image_that_is_found(shown: Shown) -> None:
    shown.canvas.hover(position=shown.place(0, (0, 0, 0)))
    assert shown.tip.inner_text().splitlines() == ["Beach", "k-NN agrees", "Beach/0.jpg"]
    assert shown.ink(0, (0, 0, 0))["alpha"] > 100


def test_hover_on_a_name_tells_about_the_class(shown: Shown) -> None:
    side = shown.canvas.evaluate("canvas => canvas.clientWidth") - 2 * MARGIN
    x, y = np.median(MAPS.coordinates[0, 0, 0][MAPS.labels == 2], axis=0) / 65535
    shown.canvas.hover(position={"x": MARGIN + side * x, "y": MARGIN + side * (1 - y)})
    predicted = MAPS.predicted[0, 0, 0][MAPS.labels == 2]
    found, missed = int((predicted == 2).sum()), int((predicted == 3).sum())
    told = [
        "Port",
        f"{found} of {IMAGES // 4} images find their class",
        f"{missed} go to <b>Pond</b>",
    ]
    assert shown.tip.inner_text().splitlines() == told


def test_a_click_keeps_a_class_in_view_while_the_rate_moves(shown: Shown) -> None:
    shown.canvas.click(position=shown.place(1, (0, 0, 0)))
    shown.slider.press("ArrowRight")
    expect(shown.tip).to_contain_text("Forest")
    shown.wait_for_ink(0, (0, 1, 0), f"0 < ink.alpha && ink.alpha < {PALE}")
    shown.canvas.click(position={"x": 2, "y": 2})
    shown.wait_for_ink(0, (0, 1, 0), "ink.alpha > 100")


def test_arrow_keys_go_from_class_to_class_and_escape_ends(shown: Shown) -> None:
    shown.canvas.focus()
    for key, name in [("ArrowRight", "Beach"), ("ArrowRight", "Forest"), ("ArrowLeft", "Beach"),
                      ("ArrowLeft", "<b>Pond</b>")]:  # fmt: skip
        shown.page.keyboard.press(key)
        expect(shown.tip.locator("strong")).to_have_text(name)
    shown.wait_for_ink(0, (0, 0, 0), f"ink.alpha < {PALE}")
    shown.page.keyboard.press("Escape")
    expect(shown.tip).to_be_hidden()


def test_a_touch_tells_as_hover_does(open_page: Open) -> None:
    shown = Shown(open_page(EmbeddingExplorer(MAPS), has_touch=True))
    shown.canvas.tap(position=shown.place(0, (0, 0, 0)))
    expect(shown.tip).to_contain_text("Beach/0.jpg")


# ------------------------------------------------------------------ the chart


def test_a_point_of_the_chart_can_be_chosen_and_is_ringed(shown: Shown) -> None:
    drawing = shown.root.locator(".rnsl-plot > svg")
    accuracy = 100 * float(MAPS.accuracy[0, 1, 2])
    drawing.click(position={"x": px_of(drawing, "x", 30), "y": px_of(drawing, "y", accuracy)})
    expect(shown.readout).to_have_text(headline((0, 1, 2)))
    expect(shown.radio("t-RNSL")).to_be_checked()
    np.testing.assert_allclose(curve(shown.root, "chosen"), [[30, accuracy]], atol=0.1)


def test_the_chart_shows_the_accuracies_of_the_table(shown: Shown) -> None:
    for i, name in enumerate(("NSL", "RNSL", "t-RNSL")):
        expected = np.stack([[0, 30, 55], 100 * MAPS.accuracy[0, :, i]], axis=1)
        np.testing.assert_allclose(curve(shown.root, name), expected, atol=0.1)
    texts = shown.root.locator(".rnsl-chart").inner_text()
    assert "wrong labels in training (%)" in texts
    assert "k-NN accuracy (% of test images)" in texts
    for i in range(3):
        expect(shown.root.locator(f'[data-mark="name-{i}"]')).to_be_visible()


def test_a_pointer_on_the_chart_is_told_the_values(shown: Shown) -> None:
    drawing = shown.root.locator(".rnsl-plot > svg")
    drawing.hover(position={"x": px_of(drawing, "x", 29), "y": px_of(drawing, "y", 60)})
    told = shown.root.locator(".rnsl-chart .rnsl-tip").inner_text().splitlines()
    assert told[0] == "wrong labels in training (%): 30"
    for line, name, value in zip(
        told[1:], ("NSL", "RNSL", "t-RNSL"), MAPS.accuracy[0, 1], strict=True
    ):
        assert line == f"{name}: {float(f'{100 * value:.3g}'):g}"


# ------------------------------------------------------------------ pages, themes, sizes


def test_two_explorers_on_a_page_leave_each_other_alone(open_page: Open) -> None:
    page = open_page(EmbeddingExplorer(MAPS), EmbeddingExplorer(MAPS, loss="rnsl"))
    first, second = Shown(page), Shown(page, 1)
    second.wait_for_ink(0, (0, 0, 1), "ink.alpha > 100")
    first.radio("NSL").press("ArrowLeft")
    first.slider.press("ArrowRight")
    assert_shows(first, (0, 1, 2), before=(0, 0, 0))
    expect(second.readout).to_have_text(headline((0, 0, 1)))
    expect(second.radio("RNSL")).to_be_checked()
    assert second.ink(0, (0, 0, 1))["alpha"] > 100


def test_colours_follow_the_system_and_jupyterlab(open_page: Open) -> None:
    cell = (0, 0, 1)
    shown = Shown(open_page(EmbeddingExplorer(MAPS, loss="rnsl")))
    assert MAPS.predicted[cell][0] != MAPS.labels[0]  # a cross, in the colour of text
    shown.wait_for_ink(0, cell, "ink.alpha > 100 && ink.brightness < 60")
    shown.page.emulate_media(color_scheme="dark")
    shown.wait_for_ink(0, cell, "ink.brightness > 200")
    shown.page.evaluate("""() => {
        document.body.style.setProperty("--jp-content-font-color1", "#000000");
        document.body.dataset.jpThemeLight = "true";
    }""")
    shown.wait_for_ink(0, cell, "ink.brightness < 60")


def test_a_dense_screen_gets_more_pixels(open_page: Open) -> None:
    shown = Shown(open_page(EmbeddingExplorer(MAPS), device_scale_factor=2))
    shown.wait_for_ink(0, (0, 0, 0), "ink.alpha > 100")
    width, css_width = shown.canvas.evaluate("canvas => [canvas.width, canvas.clientWidth]")
    assert width == 2 * css_width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "columns"), [(480, 1), (720, 2), (1920, 2)])
def test_it_fits_the_width(open_page: Open, width: int, columns: int, scheme: str) -> None:
    explorer = EmbeddingExplorer(EmbeddingMaps.shipped(), rate=0.5)
    page = open_page(explorer, width=width, height=760, color_scheme=scheme)
    shown = Shown(page)
    chart, canvas = (box_of(shown.root.locator(css)) for css in (".rnsl-chart", "canvas"))
    assert (chart["x"] > canvas["x"] + canvas["width"]) == (columns == 2)
    assert canvas["width"] == pytest.approx(canvas["height"])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=SCREENSHOTS / f"embedding_{width}_{scheme}.png", full_page=True)


def test_an_explorer_that_is_taken_away_leaves_nothing_behind(open_page: Open) -> None:
    page = open_page()
    left = page.evaluate(
        """async source => {
        const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
        const { default: { render } } = await import(url);
        const data = new DataView(new ArrayBuffer(8));
        const zeros = (dtype, ...shape) => ({ dtype, shape, data });
        const axis = { label: "", range: [0, 100], ticks: [], texts: [] };
        const control = value => ({ label: value, values: [value], texts: [value] });
        const state = { noise: "n", rate: "r", loss: "l", _table: {
            percents: [0],
            losses: [{ id: "l", label: "l", color: "red", dash: [], marker: "o" }],
            class_names: ["c"], class_colors: ["red"], files: ["f"], headlines: ["told"],
            accuracy: [[[50]]], spread: [[[0]]], axes: { x: axis, y: axis }, chart_note: "",
            captions: [""], named: [[]],
            coordinates: zeros("u2", 1, 1, 1, 1, 2), medians: zeros("u2", 1, 1, 1, 1, 2),
            predicted: zeros("u1", 1, 1, 1, 1), labels: zeros("u1", 1),
        }, _controls: { noise: control("n"), rate: control("r"), loss: control("l") } };
        let listeners = 0;
        const model = {
            get: name => state[name], set() {}, save_changes() {},
            on: () => listeners++, off: () => listeners--,
        };
        const cleanUp = render({ model, el: document.body });
        const during = [listeners > 0, document.querySelector(".rnsl-readout").textContent];
        cleanUp();
        return [...during, listeners, document.querySelectorAll(".rnsl-explorer").length];
    }""",
        str(EmbeddingExplorer._esm),
    )
    assert left == [True, "told", 0, 0]
