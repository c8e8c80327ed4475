"""The explorer of fine-tuning in a plain page: epochs by slider and pointer, noise by menu."""

import numpy as np
import pytest
from harness import SCREENSHOTS, Open, curve, px_of
from playwright.sync_api import expect
from synthetic_epochs import nothing_trained, watched

from rnsl_tutorial.tutorial.explorers import FineTuningExplorer

LOSSES = {"nsl": "NSL", "rnsl": "RNSL", "trnsl": "t-RNSL"}


def explorer() -> FineTuningExplorer:
    symmetric = [watched(loss) for loss in LOSSES]
    paired = [watched(loss, noise="pair_flip", rate=0.4, seed=1) for loss in LOSSES]
    return FineTuningExplorer([*symmetric, *paired, nothing_trained()])


def test_slider_menu_and_pointer_move_the_picture(open_page: Open) -> None:
    shown = explorer()
    root = open_page(shown).locator(".rnsl-explorer")
    charts = [root.locator(".rnsl-chart").nth(i) for i in range(3)]

    def holds(noise: int, epoch: int) -> None:
        for kind, chart in enumerate(charts):
            for loss, label in enumerate(LOSSES.values()):
                heights = shown.curves[kind, noise, loss]
                drawn = curve(chart, label)
                if np.isnan(heights).all():
                    assert drawn.size == 0
                    continue
                expected = np.stack([[1, 2, 3], heights], axis=1)
                np.testing.assert_allclose(drawn, expected[: epoch + 1], atol=0.3)
                now = curve(chart, f"{label} now")[0]
                np.testing.assert_allclose(now, expected[epoch], atol=0.3)

    told = root.locator(".rnsl-readout")
    expect(told).to_contain_text("After epoch 3: NSL 60.0%")
    holds(0, 2)
    np.testing.assert_allclose(curve(charts[0], "untrained")[:, 1], 75, atol=0.3)
    root.get_by_role("slider", name="After epoch").press("ArrowLeft")
    expect(told).to_contain_text("After epoch 2: NSL 70.0%")
    holds(0, 1)
    root.get_by_label("Wrong labels", exact=True).select_option("40% pair flip")
    expect(told).to_contain_text("After epoch 2: NSL 71.0%")
    holds(1, 1)
    drawing = charts[1].locator(".rnsl-plot svg")
    drawing.click(position={"x": px_of(drawing, "x", 1), "y": 50})
    expect(told).to_contain_text("After epoch 1: NSL 81.0%")


@pytest.mark.parametrize("width", [1000, 380])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_follows_the_theme(open_page: Open, scheme: str, width: int) -> None:
    page = open_page(explorer(), width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"fine_tuning_{scheme}_{width}.png", full_page=True)
