"""The explorers of maps in a plain page: linked maps, selection by mouse and by keyboard."""

import csv
from pathlib import Path

import numpy as np
import pytest
from asking import asking_page
from harness import SCREENSHOTS, Open, box_of
from playwright.sync_api import Browser, Locator, Page, expect
from synthetic_umap_maps import FULL_SCALE, IMAGES, small_umap_maps

from rnsl_tutorial.tutorial.explorers import EpochMapsExplorer, UmapSettingsExplorer

TABLE = small_umap_maps()
MARGIN = 10  # px around the coordinates' box on the canvas, as in map.js
SHADES = np.linspace(0, 255, IMAGES).astype(np.uint8)
SCENES = np.broadcast_to(SHADES[:, None, None, None], (IMAGES, 3, 16, 16))

# Largest alpha of the pixels at a place of the canvas, 0 to 255.
ALPHA = """(canvas, [x, y]) => {
    const scale = canvas.width / canvas.clientWidth;
    const [left, top] = [x - 1, y - 1].map(value => Math.round(value * scale));
    const copy = new OffscreenCanvas(3, 3).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, -left, -top);
    return Math.max(...copy.getImageData(0, 0, 3, 3).data.filter((_, i) => i % 4 === 3));
}"""


def settle(page: Page) -> None:
    """Wait until nothing glides any more."""
    page.wait_for_timeout(700)


def place_of(canvas: Locator, coordinates: np.ndarray) -> tuple[float, float]:
    """Where an image lies on a canvas, px."""
    side = canvas.evaluate("canvas => canvas.clientWidth") - 2 * MARGIN
    x, y = coordinates / FULL_SCALE
    return MARGIN + side * x, MARGIN + side * (1 - y)


def alpha(canvas: Locator, coordinates: np.ndarray) -> int:
    found: int = canvas.evaluate(ALPHA, list(place_of(canvas, coordinates)))
    return found


def drag(page: Page, canvas: Locator, low: tuple[float, float], high: tuple[float, float]) -> None:
    """Drag a rectangle between two corners in shares of the map, y upwards."""
    canvas.scroll_into_view_if_needed()
    box = box_of(canvas)
    corners = [place_of(canvas, np.array(corner) * FULL_SCALE) for corner in (low, high)]
    (left, bottom), (right, top) = [(box["x"] + x, box["y"] + y) for x, y in corners]
    page.mouse.move(left, bottom)
    page.mouse.down()
    page.mouse.move((left + right) / 2, (top + bottom) / 2)
    page.mouse.move(right, top)
    page.mouse.up()


def test_the_epoch_moves_the_images_on_every_map(open_page: Open) -> None:
    page = open_page(EpochMapsExplorer(TABLE))
    slider = page.get_by_role("slider", name="Epochs of training")
    expect(page.locator(".rnsl-map")).to_have_count(3)
    slider.press("Home")
    expect(page.locator(".rnsl-readout")).to_contain_text("Before training")
    slider.press("ArrowRight")
    expect(page.locator(".rnsl-readout")).to_contain_text("After epoch 1")
    settle(page)
    for i, canvas in enumerate(page.locator("canvas").all()):
        assert alpha(canvas, TABLE.over_epochs[i, 1, 0]) > 100, "image 0 is there"
        assert alpha(canvas, TABLE.over_epochs[i, 0, 0]) == 0, "and no longer there"
        trust = TABLE.measured_over_epochs[i, 1, 0]
        expect(page.locator(".rnsl-map").nth(i)).to_contain_text(f"{trust:.3f}")


@pytest.mark.parametrize(("slider", "moved"), [("n_neighbors", (1, 0)), ("min_dist", (0, 1))])
def test_settings_move_umap_and_leave_pca(
    open_page: Open, slider: str, moved: tuple[int, int]
) -> None:
    page = open_page(UmapSettingsExplorer(TABLE, loss="nsl"))
    umap, pca = page.locator("canvas").all()
    before = pca.evaluate("canvas => canvas.toDataURL()")
    page.get_by_role("slider", name=slider).press("ArrowRight")
    settle(page)
    assert alpha(umap, TABLE.over_settings[(0, *moved, 0)]) > 100
    assert pca.evaluate("canvas => canvas.toDataURL()") == before


def test_what_is_selected_on_one_map_stands_out_on_all(open_page: Open) -> None:
    page = open_page(EpochMapsExplorer(TABLE), height=900)
    canvases = page.locator("canvas").all()
    drag(page, canvases[0], (0.0, 0.0), (0.45, 1.0))  # image 0 is alone there
    settle(page)
    expect(page.locator(".rnsl-selection")).to_contain_text("1 selected, given labels Forest 1.")
    expect(page.locator(".rnsl-selection")).to_contain_text("1 labels are wrong")
    card = page.locator(".rnsl-card")
    expect(card).to_have_count(1)
    expect(card).to_contain_text("✕ is Beach")
    expect(card).to_contain_text("0.jpg")
    for i, canvas in enumerate(canvases):
        others = [alpha(canvas, TABLE.over_epochs[i, 2, other]) for other in range(1, 20)]
        assert alpha(canvas, TABLE.over_epochs[i, 2, 0]) > 150
        assert sum(other > 110 for other in others) <= 1, "a class's name may lie on one"
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".rnsl-selection")).to_contain_text("Nothing is selected")
    expect(card).to_have_count(0)


def test_a_square_selects_by_keyboard(open_page: Open) -> None:
    page = open_page(EpochMapsExplorer(TABLE), height=900)
    canvas = page.locator("canvas").first
    said = page.locator(".rnsl-selection")
    canvas.focus()
    for key in ["Shift+ArrowLeft"] + 14 * ["+"]:
        page.keyboard.press(key)
    places = TABLE.over_epochs[0, 2] / FULL_SCALE
    half = (0.16 + 14 * 0.04) / 2
    inside = (np.abs(places - 0.5) <= half).all(axis=1).sum()
    assert 0 < inside < IMAGES
    expect(said).to_contain_text(f"{inside} selected")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowUp")
    inside = (np.abs(places - [0.5, 0.7]) <= half).all(axis=1).sum()
    expect(said).to_contain_text(f"{inside} selected")
    page.keyboard.press("Escape")
    expect(said).to_contain_text("Nothing is selected")


def test_the_arrow_keys_go_from_class_to_class(open_page: Open) -> None:
    page = open_page(EpochMapsExplorer(TABLE), height=900)
    page.locator("canvas").first.focus()
    for key, name in (("ArrowRight", "Beach"), ("ArrowRight", "Forest")):
        page.keyboard.press(key)
        expect(page.locator(".rnsl-tip:visible strong")).to_have_text(name)
    expect(page.locator(".rnsl-selection")).to_contain_text(f"{(TABLE.labels == 1).sum()} selected")


def test_the_wheel_zooms_to_the_pointer_and_a_button_shows_all_again(open_page: Open) -> None:
    page = open_page(EpochMapsExplorer(TABLE), height=900)
    canvas, reset = page.locator("canvas").first, page.get_by_role("button", name="show all").first
    canvas.scroll_into_view_if_needed()
    settle(page)
    whole = canvas.evaluate("canvas => canvas.toDataURL()")
    x, y = place_of(canvas, TABLE.over_epochs[0, 2, 0])
    canvas.hover(position={"x": x, "y": y})
    expect(reset).to_be_hidden()
    for _ in range(4):
        page.mouse.wheel(0, -120)
    expect(reset).to_be_visible()
    settle(page)
    assert alpha(canvas, TABLE.over_epochs[0, 2, 0]) > 100, "what the pointer is at stays there"
    assert alpha(canvas, TABLE.over_epochs[0, 2, 1]) == 0, "what is elsewhere moves away"
    canvas.click(position={"x": x, "y": y})
    expect(page.locator(".rnsl-selection")).to_contain_text("1 selected")
    page.get_by_role("slider", name="Epochs of training").press("ArrowLeft")
    expect(page.locator(".rnsl-selection")).to_contain_text("1 selected")
    expect(reset).to_be_visible()
    page.get_by_role("slider", name="Epochs of training").press("ArrowRight")
    page.get_by_role("button", name="Clear").click()
    canvas.focus()
    page.keyboard.press("0")
    page.mouse.move(5, 5)
    settle(page)
    expect(reset).to_be_hidden()
    assert canvas.evaluate("canvas => canvas.toDataURL()") == whole


def test_two_fingers_zoom(open_page: Open) -> None:
    page = open_page(EpochMapsExplorer(TABLE), height=900)
    canvas = page.locator("canvas").first
    canvas.evaluate("""canvas => {
        const { left, top } = canvas.getBoundingClientRect();
        const send = (kind, pointerId, x) => canvas.dispatchEvent(new PointerEvent(kind, {
            pointerId, pointerType: "touch", clientX: left + x, clientY: top + 100, bubbles: true,
        }));
        send("pointerdown", 1, 80);
        send("pointerdown", 2, 120);
        send("pointermove", 2, 200);
        send("pointerup", 1, 80);
        send("pointerup", 2, 200);
    }""")
    expect(page.get_by_role("button", name="show all").first).to_be_visible()
    expect(page.locator(".rnsl-selection")).to_contain_text("Nothing is selected")


def test_a_lasso_selects_what_it_goes_around(open_page: Open) -> None:
    page = open_page(EpochMapsExplorer(TABLE), height=900)
    canvas = page.locator("canvas").first
    page.get_by_role("button", name="lasso").first.click()
    canvas.scroll_into_view_if_needed()
    box, corners = box_of(canvas), [(0.45, 0), (1, 0), (1, 0.5), (0.76, 0.5), (0.76, 1), (0.45, 1)]
    places = [place_of(canvas, np.array(corner) * FULL_SCALE) for corner in corners]
    for step, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x, box["y"] + y)
        if not step:
            page.mouse.down()
    page.mouse.up()
    x, y = (TABLE.over_epochs[0, 2] / FULL_SCALE).T
    inside = (x > 0.45) & ((y < 0.5) | (x < 0.76))
    assert inside.sum() < (x > 0.45).sum(), "a rectangle would hold more"
    expect(page.locator(".rnsl-selection")).to_contain_text(f"{inside.sum()} selected")


def test_a_map_is_saved_as_a_table_of_its_images(open_page: Open, tmp_path: Path) -> None:
    page = open_page(EpochMapsExplorer(TABLE, mark="wrong labels"), height=900)
    page.locator(".rnsl-map").first.hover()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV: map NSL").click()
    download.value.save_as(tmp_path / "map.csv")
    with (tmp_path / "map.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == list(TABLE.files)
    assert [row["class"] for row in rows] == [TABLE.class_names[c] for c in TABLE.labels]
    np.testing.assert_allclose(
        [[float(row["x"]), float(row["y"])] for row in rows], TABLE.over_epochs[0, 2] / FULL_SCALE
    )
    assert [row["cross"] == "1" for row in rows] == (TABLE.labels != TABLE.given).tolist()


def test_markup_in_a_class_name_is_text(open_page: Open) -> None:
    page = open_page(EpochMapsExplorer(TABLE), height=900)
    drag(page, page.locator("canvas").first, (0.45, 0.0), (1.0, 1.0))
    expect(page.locator(".rnsl-selection")).to_contain_text(f"{IMAGES - 1} selected")
    expect(page.locator(".rnsl-selection")).to_contain_text("<b>Pond</b>")
    assert page.locator(".rnsl-explorer b", has_text="Pond").count() == 0
    expect(page.locator(".rnsl-card")).to_have_count(48)


def test_pointing_at_an_image_tells_its_labels_and_joins_its_neighbours(open_page: Open) -> None:
    page = open_page(UmapSettingsExplorer(TABLE, loss="nsl"), height=900)
    umap, pca = page.locator("canvas").all()
    umap.scroll_into_view_if_needed()
    x, y = place_of(umap, TABLE.over_settings[0, 0, 0, 0])
    umap.hover(position={"x": x, "y": y})
    tip = page.locator(".rnsl-tip:visible")
    expect(tip).to_have_count(1)
    expect(tip).to_contain_text("Forest")
    expect(tip).to_contain_text("is Beach")
    settle(page)
    for canvas, maps in ((umap, TABLE.over_settings[0, 0, 0]), (pca, TABLE.pca[0])):
        ends = maps[[0, TABLE.neighbors[0, 0, 0]]].astype(float)
        assert alpha(canvas, ends.mean(axis=0)) > 0, "a line joins them"
    page.mouse.move(5, 5)
    expect(page.locator(".rnsl-tip:visible")).to_have_count(0)


def test_thumbnails_show_the_scenes_that_the_kernel_sends(browser: Browser, tmp_path: Path) -> None:
    explorer = EpochMapsExplorer(TABLE, images=SCENES)
    page = asking_page(browser, explorer, tmp_path, viewport={"width": 1000, "height": 900})
    canvas = page.locator("canvas").first
    drag(page, canvas, (0.45, 0.0), (1.0, 1.0))
    scene = page.locator(".rnsl-card .rnsl-scene:visible")
    expect(scene).to_have_count(48)
    assert "blob:" in scene.first.evaluate("scene => getComputedStyle(scene).backgroundImage")
    x, y = place_of(canvas, TABLE.over_epochs[0, 2, 0])
    canvas.hover(position={"x": x, "y": y})
    expect(page.locator(".rnsl-tip:visible .rnsl-scene")).to_be_visible()
    expect(page.locator(".rnsl-tip:visible .rnsl-file")).to_be_hidden()
    page.screenshot(path=SCREENSHOTS / "map_with_pictures.png")
    page.close()


def test_without_a_kernel_the_file_is_named(open_page: Open) -> None:
    page = open_page(EpochMapsExplorer(TABLE, images=SCENES), height=900)
    canvas = page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    x, y = place_of(canvas, TABLE.over_epochs[0, 2, 0])
    canvas.hover(position={"x": x, "y": y})
    expect(page.locator(".rnsl-tip:visible .rnsl-file")).to_have_text("0.jpg")
    expect(page.locator(".rnsl-scene:visible")).to_have_count(0)


@pytest.mark.parametrize("color", ["given", "true", "p", "kept"])
def test_colours_change_the_maps(open_page: Open, color: str) -> None:
    page = open_page(EpochMapsExplorer(TABLE, color="p" if color == "true" else "true"))
    canvas = page.locator("canvas").first
    before = canvas.evaluate("canvas => canvas.toDataURL()")
    page.get_by_role("combobox", name="Colour").select_option(color)
    settle(page)
    assert canvas.evaluate("canvas => canvas.toDataURL()") != before
    expected = {"p": "p = 0.5", "kept": "left out"}.get(color, "a colour for each class")
    expect(page.locator(".rnsl-legend")).to_contain_text(expected)


def test_crosses_mark_wrong_labels(open_page: Open) -> None:
    page = open_page(EpochMapsExplorer(TABLE))
    canvas = page.locator("canvas").first
    before = canvas.evaluate("canvas => canvas.toDataURL()")
    page.get_by_role("radio", name="wrong labels").check()
    settle(page)
    expect(page.locator(".rnsl-legend")).to_contain_text("wrong label")
    assert canvas.evaluate("canvas => canvas.toDataURL()") != before


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 590, 1000])
def test_it_fits_into_the_page(open_page: Open, theme: str, width: int) -> None:
    made = EpochMapsExplorer(TABLE), UmapSettingsExplorer(TABLE, images=SCENES)
    made[1].selected = list(range(20))
    page = open_page(*made, width=width, color_scheme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=SCREENSHOTS / f"projection_{theme}_{width}.png", full_page=True)
