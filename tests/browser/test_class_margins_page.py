"""The explorer of class margins in a plain page: no kernel, no network."""

import numpy as np
import pytest
from harness import SCREENSHOTS, Open, curve, press, px_of
from numpy.typing import NDArray
from playwright.sync_api import Locator, expect
from synthetic_class_margins import NAMES, PREDICTIONS, T, small_drops, small_explorer

from rnsl_tutorial.evaluation import class_margins

DESERT, STADIUM = NAMES.index("desert"), NAMES.index("stadium")


def points(root: Locator, mark: str) -> NDArray[np.float64]:
    """Places of small marks: each is drawn by one absolute place and relative ones."""
    path = str(root.locator(f'[data-mark="{mark}"]').get_attribute("d") or "")
    return (
        curve(root, mark)[:: len(curve(root, mark)) // path.count("M")]
        if path
        else np.empty((0, 2))
    )


def shown(rate: int, loss: str, prediction: str = "the matrix alone") -> NDArray[np.float64]:
    drops = 100 * small_drops()[loss]["prototype"][rate]
    return np.stack([class_margins.margins(PREDICTIONS[prediction][rate]), drops], axis=1)


def assert_places(found: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(found[:, 0], expected[:, 0], atol=5e-3)
    np.testing.assert_allclose(found[:, 1], expected[:, 1], atol=0.5)


def test_the_rate_moves_the_classes_and_marks_the_lost_ones(open_page: Open) -> None:
    root = open_page(small_explorer(row="stadium")).locator(".rnsl-explorer")
    assert_places(points(root, "safe"), shown(0, "nsl"))
    press(root, "Noise rate", "End")
    expect(root.locator(".rnsl-readout")).to_contain_text("70% wrong labels")
    lost = class_margins.dominated_classes(T[2])
    assert_places(points(root, "lost"), shown(2, "nsl")[lost])
    assert_places(points(root, "safe"), np.delete(shown(2, "nsl"), lost, axis=0))
    assert_places(curve(root, "chosen"), shown(2, "nsl")[[STADIUM]])


def test_the_chosen_class_shows_its_labels(open_page: Open) -> None:
    root = open_page(small_explorer(rate=0.7, row="stadium")).locator(".rnsl-explorer")
    assert curve(root, "own")[1, 0] == pytest.approx(0.3, abs=5e-3)
    lengths = curve(root, "others").reshape(-1, 4, 2)[:, 1, 0]
    np.testing.assert_allclose(lengths[:3], [0.42, 0.28, 0], atol=5e-3)
    assert root.locator('[data-mark="label-1"]').inner_html() == "basketball_court 42%"
    root.get_by_role("combobox", name="Class").select_option("desert")
    expect(root.locator(".rnsl-note")).to_contain_text("desert: margin -0.12, place")
    expect(root.locator(".rnsl-note")).to_contain_text("Measured on: made up.")
    assert_places(curve(root, "chosen"), shown(2, "nsl")[[DESERT]])


def test_a_click_chooses_the_nearest_class(open_page: Open) -> None:
    page = open_page(small_explorer(rate=0.7))
    chart = page.locator(".rnsl-plot svg").first
    x, y = shown(2, "nsl")[STADIUM]
    chart.click(position={"x": px_of(chart, "x", x), "y": px_of(chart, "y", y)})
    expect(page.get_by_role("combobox", name="Class")).to_have_value("stadium")


def test_loss_judge_and_prediction_choose_what_is_shown(open_page: Open) -> None:
    root = open_page(small_explorer()).locator(".rnsl-explorer")
    root.get_by_role("radio", name="RNSL", exact=True).check(force=True)
    assert_places(points(root, "safe"), shown(0, "rnsl"))
    root.get_by_role("combobox", name="Predicted from").select_option("matrix and neighbors")
    expect(root.locator(".rnsl-readout")).to_contain_text("from matrix and neighbors agrees")
    mixed = shown(0, "rnsl", "matrix and neighbors")
    assert_places(points(root, "safe"), mixed[mixed[:, 0] >= 0])
    root.get_by_role("combobox", name="Judged by").select_option("knn_noisy")
    expect(root.locator(".rnsl-readout")).to_contain_text("judged by neighbors, given labels")


@pytest.mark.parametrize(("width", "scheme"), [(480, "light"), (720, "dark"), (1400, "light")])
def test_it_fits_the_width(open_page: Open, width: int, scheme: str) -> None:
    explorer = small_explorer(rate=0.7, row="thermal_power_station")
    page = open_page(explorer, width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width == 720:
        assert page.evaluate("document.documentElement.scrollHeight") <= 720
    page.screenshot(path=SCREENSHOTS / f"class_margins_{width}_{scheme}.png", full_page=True)
