"""The explorer of losses in a plain page: each slider moves its curves, and no others."""

import numpy as np
import pytest
from harness import SCREENSHOTS, Open, box_of, curve, press, px_of
from playwright.sync_api import Locator, Page, expect

from rnsl_tutorial.tutorial import curves
from rnsl_tutorial.tutorial.explorers import LossExplorer


@pytest.fixture
def page(open_page: Open) -> Page:
    return open_page(LossExplorer())


def chart(page: Page, title: str) -> Locator:
    return page.locator(".rnsl-chart", has_text=title)


def test_q_moves_the_curve_of_rnsl_to_what_the_library_computes(page: Page) -> None:
    costs, pulls = chart(page, "What the image costs"), chart(page, "over p")
    before = curve(costs, "NSL")
    press(page.locator(".rnsl-explorer"), "q of RNSL", "Home")
    press(page.locator(".rnsl-explorer"), "q of RNSL", "ArrowRight", 15)
    expect(page.locator(".rnsl-readout")).to_contain_text("RNSL (q = 0.30)")
    p, loss = curve(costs, "RNSL").T
    np.testing.assert_allclose(loss, curves.loss_of_p(p.clip(0, 1), 0.3), atol=0.03)
    p, pull = curve(pulls, "RNSL").T
    np.testing.assert_allclose(
        pull, -curves.gradient_wrt_logit(p.clip(0, 1), 0.3).numpy(), atol=0.01
    )
    np.testing.assert_array_equal(curve(costs, "NSL"), before)


def test_temperature_moves_only_what_is_over_the_cosine(page: Page) -> None:
    pulls, turned = chart(page, "over p"), chart(page, "over the cosine")
    before = curve(pulls, "RNSL")
    page.get_by_role("slider", name="Temperature").press("End")
    expect(page.get_by_role("slider", name="Temperature")).to_have_attribute("aria-valuetext", "1")
    cosine, pull = curve(turned, "NSL").T
    np.testing.assert_allclose(pull, 1 - 1 / (1 + 29 * np.exp(-cosine)), atol=0.01)
    np.testing.assert_array_equal(curve(pulls, "RNSL"), before)


def test_the_marked_image_is_moved_by_slider_and_by_pointer(page: Page) -> None:
    page.get_by_role("slider", name="Marked image").press("End")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".rnsl-readout")).to_contain_text(
        "p = 0.99: NSL pulls with 0.01, RNSL (q = 0.70) with 0.01. NSL pulls 1.0 times"
    )
    pulls = chart(page, "over p")
    drawing = pulls.locator(".rnsl-plot svg")
    drawing.click(position={"x": px_of(drawing, "x", 0.4), "y": 50})
    expect(page.locator(".rnsl-readout")).to_contain_text("p = 0.40")
    at, height = curve(pulls, "RNSL marked")[0]
    assert (at, height) == pytest.approx((0.4, 0.4**0.7 * 0.6), abs=0.005)


def test_a_finger_taps_and_draws_sideways_and_else_scrolls(open_page: Open) -> None:
    page = open_page(LossExplorer(), width=480, has_touch=True)
    slider = page.get_by_role("slider", name="Marked image")
    drawing = chart(page, "What the image costs").locator(".rnsl-plot svg")
    drawing.scroll_into_view_if_needed()
    drawing.tap(position={"x": 100, "y": 60})
    expect(page.locator(".rnsl-readout")).to_contain_text("p = 0.11")
    tapped = slider.input_value()
    swipe(page, drawing, 80, 0)
    expect(slider).not_to_have_value(tapped)
    sideways = slider.input_value()
    swipe(page, drawing, 0, -80)
    page.wait_for_function("scrollY > 20")
    expect(slider).to_have_value(sideways)


def swipe(page: Page, element: Locator, right: float, down: float) -> None:
    """Move a finger from the middle of an element."""
    box = box_of(element)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)
    for kind, part in [("touchStart", 0.0), *(("touchMove", i / 8) for i in range(1, 9))]:
        points = [{"x": x + part * right, "y": y + part * down}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [480, 700, 1400])
def test_it_fits(page: Page, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 620})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width >= 700:
        assert page.evaluate("document.documentElement.scrollHeight") <= 620
    page.screenshot(path=SCREENSHOTS / f"loss_{width}_{scheme}.png", full_page=True)
