"""A chart is saved as a file that needs no page: a whole SVG, a PNG that is not empty."""

import csv
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from harness import Open, box_of
from PIL import Image
from playwright.sync_api import Page, expect
from synthetic_batch import small_batch

from rnsl_tutorial.tutorial.explorers import DownWeightingExplorer, LossExplorer, SphereExplorer

NAME = "{http://www.w3.org/2000/svg}"


def saved(page: Page, kind: str, chart: str, folder: Path) -> Path:
    """Press the button of a chart by the keyboard, and keep what is downloaded."""
    button = page.get_by_role("button", name=f"Save as {kind}: {chart}")
    button.focus()
    expect(button).to_have_css("opacity", "1")
    with page.expect_download() as download:
        button.press("Enter")
    assert download.value.suggested_filename.endswith(f".{kind.lower()}")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_an_svg_holds_marks_axes_words_and_paint(open_page: Open, tmp_path: Path) -> None:
    page = open_page(LossExplorer())
    root = ET.parse(saved(page, "SVG", "What the image costs", tmp_path)).getroot()
    assert root.tag == f"{NAME}svg"
    words = {text.text for text in root.iter(f"{NAME}text")}
    assert {"What the image costs", "p, belief in the label", "loss", "NSL", "MAE"} <= words
    shown = page.locator(".rnsl-chart", has_text="What the image costs")
    marks = {path.get("data-mark"): path for path in root.iter(f"{NAME}path")}
    for name in ("NSL", "RNSL", "MAE"):
        drawn = shown.locator(f'[data-mark="{name}"]').first.get_attribute("d")
        assert marks[name].get("d") == drawn
        assert "stroke: rgb" in str(marks[name].get("style"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_png_shows_the_chart_on_the_paper_of_the_page(
    open_page: Open, scheme: str, tmp_path: Path
) -> None:
    page = open_page(LossExplorer(), color_scheme=scheme)
    with Image.open(saved(page, "PNG", "What the image costs", tmp_path)) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=float)
    box = box_of(page.locator(".rnsl-chart", has_text="What the image costs"))
    assert pixels.shape[:2] == pytest.approx((2 * box["height"], 2 * box["width"]), abs=3)
    assert (pixels[2, 2].mean() > 200) == (scheme == "light")
    assert (np.abs(pixels - pixels[2, 2]).max(axis=2) > 60).mean() > 0.01, "something is drawn"


def test_a_table_holds_what_is_drawn(open_page: Open, tmp_path: Path) -> None:
    page = open_page(LossExplorer())
    path = saved(page, "CSV", "What the image costs", tmp_path)
    with path.open(newline="", encoding="utf-8") as file:
        heading, *rows = list(csv.reader(file))
    assert heading == ["mark", "p, belief in the label", "to", "loss", "to", "value"]
    mae = np.array([[row[1], row[3]] for row in rows if row[0] == "MAE"], dtype=float)
    assert len(mae) > 50
    np.testing.assert_allclose(mae[:, 1], 1 - mae[:, 0], atol=1e-6)


def test_a_sphere_is_saved_with_its_points(open_page: Open, tmp_path: Path) -> None:
    explorer = SphereExplorer()
    page = open_page(explorer)
    page.locator(".rnsl-sphere-view").hover()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV: Sphere").click()
    download.value.save_as(tmp_path / "sphere.csv")
    with (tmp_path / "sphere.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["mark"]: [float(row[axis]) for axis in "xyz"] for row in csv.DictReader(file)}
    np.testing.assert_allclose(rows["prototype A"], explorer.prototypes[0], atol=1e-6)
    assert np.linalg.norm(rows["image"]) == pytest.approx(1)


def test_the_cells_of_a_heat_map_are_saved_too(open_page: Open, tmp_path: Path) -> None:
    page = open_page(DownWeightingExplorer(**small_batch()))
    button = page.get_by_role("button", name="Save as SVG").first
    name = str(button.get_attribute("aria-label")).removeprefix("Save as SVG: ")
    root = ET.parse(saved(page, "SVG", name, tmp_path)).getroot()
    [cells] = root.iter(f"{NAME}image")
    assert str(cells.get("href")).startswith("data:image/png;base64,")
