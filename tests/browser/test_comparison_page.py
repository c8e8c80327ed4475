"""The explorer of measured losses in a plain page: no kernel, no network."""

import numpy as np
import pytest
from harness import SCREENSHOTS, Open, curve
from playwright.sync_api import Locator, expect
from synthetic_comparison import small_comparison

from rnsl_tutorial.tutorial.explorers import ComparisonExplorer

TABLE = small_comparison()
LABELS = ("RNSL", "NSL", "GCE")


def shown(root: Locator, metric: int, noise: int, rate: int) -> None:
    """What is drawn is what the table holds, up to the rounding of the drawing."""
    for i, label in enumerate(LABELS):
        heights = 100 * TABLE.mean[metric, noise, :, i]
        measured = ~np.isnan(heights)
        expected = np.stack([[0, 30, 50], heights], axis=1)[measured]
        np.testing.assert_allclose(curve(root, label), expected, atol=0.1)
        if np.isnan(TABLE.mean[metric, noise, rate, i]):
            assert curve(root, f"interval {label}").size == 0
            continue
        ends = [100 * ends[metric, noise, rate, i] for ends in (TABLE.low, TABLE.high)]
        found = curve(root, f"interval {label}")
        np.testing.assert_allclose(found, np.stack([ends, [i, i]], axis=1), atol=0.1)
        middle = 100 * TABLE.difference[metric, noise, rate, i]
        np.testing.assert_allclose(curve(root, f"difference {label}")[0], [middle, i], atol=0.1)


def test_slider_and_menus_move_the_picture(open_page: Open) -> None:
    root = open_page(ComparisonExplorer(TABLE, rate=0.5, loss="gce")).locator(".rnsl-explorer")
    shown(root, 0, 0, 2)
    told = root.locator(".rnsl-readout")
    expect(told).to_contain_text("GCE at 50% wrong labels: 82.0%")
    slider = root.get_by_role("slider", name="Wrong labels")
    slider.press("ArrowLeft")
    expect(told).to_contain_text("not measured")
    shown(root, 0, 0, 1)
    assert curve(root, "rate")[:, 0] == pytest.approx(30, abs=0.1)
    root.get_by_label("Metric", exact=True).select_option("wrong labels learned by heart")
    root.get_by_label("Kind of label noise", exact=True).select_option("label-dependent")
    shown(root, 1, 1, 1)
    root.get_by_label("Loss that stands out", exact=True).select_option("NSL")
    expect(told).to_contain_text("NSL at 30% wrong labels: 58.0%, -8.0 points from RNSL")


def test_the_loss_that_is_chosen_stands_out(open_page: Open) -> None:
    root = open_page(ComparisonExplorer(TABLE, loss="nsl")).locator(".rnsl-explorer")

    def width(label: str) -> str | None:
        return root.locator(f'[data-mark="{label}"]').get_attribute("stroke-width")

    assert [width(label) for label in LABELS] == ["2.8", "2.8", "1.2"]
    root.get_by_label("Loss that stands out", exact=True).select_option("GCE")
    assert [width(label) for label in LABELS] == ["2.8", "1.2", "2.8"]


@pytest.mark.parametrize("width", [1000, 380])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_follows_the_theme(open_page: Open, scheme: str, width: int) -> None:
    page = open_page(
        ComparisonExplorer(TABLE, rate=0.5, loss="gce"), width=width, color_scheme=scheme
    )
    fits = "document.documentElement.scrollWidth <= window.innerWidth"
    assert page.evaluate(fits)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"comparison_{scheme}_{width}.png", full_page=True)
