"""A guess drawn by hand or by keys, before the answer: in a plain page, without a kernel."""

import re
from typing import Any

import numpy as np
import pytest
from guessing_explorers import MAKERS, q_explorer
from harness import SCREENSHOTS, Open, box_of, curve, px_of
from playwright.sync_api import Locator, Page, expect

CHART = ".rnsl-guess svg[role=img]"


def asked(explorer: Any) -> dict[str, Any]:
    found: dict[str, Any] = explorer._table["asked"]
    return found


def draw(page: Page, places: list[tuple[float, float]]) -> None:
    """Drag over the chart, from place to place in the units of its axes."""
    chart = page.locator(CHART)
    box = box_of(chart)
    for number, (x, y) in enumerate(places):
        at = box["x"] + px_of(chart, "x", x), box["y"] + px_of(chart, "y", y)
        page.mouse.move(*at)
        if not number:
            page.mouse.down()
    page.mouse.up()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def keys(page: Page) -> Locator:
    return page.get_by_role("slider", name="Your guess")


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_of_the_answer_is_there_until_show(open_page: Open, name: str) -> None:
    explorer = MAKERS[name](guess=True)
    page = open_page(explorer)
    root, guess = page.locator(".rnsl-explorer"), asked(explorer)
    expect(root.locator(".rnsl-readout")).to_have_text(guess["question"])
    marks = {mark["style"]["name"] for mark in guess["given"]}
    seen = root.locator("[data-mark]").evaluate_all(
        """all => all.filter(one => one.checkVisibility()
            && (one.getAttribute("d") || one.textContent)).map(one => one.dataset.mark)"""
    )
    yours = {"guess", "guess points", "guess place", "start"}
    assert set(seen) - yours == marks
    assert root.locator(".rnsl-panels > *:visible, .rnsl-embedding > *:visible").count() == 2
    told = root.get_by_role("img").evaluate_all("all => all.map(one => one.ariaLabel)")
    assert told == [f"{guess['y']['label']} over {guess['x']['label']}: empty, for your guess"]
    expect(page.get_by_role("button", name="Show", exact=True)).to_be_disabled()
    press(page, "Skip")
    expect(root.locator(".rnsl-readout")).not_to_have_text(guess["question"])
    assert page.locator(".rnsl-guess").count() == 0
    assert root.get_by_role("slider").count() >= 1
    expect(root.locator("input, select").first).to_be_focused()


def test_a_curve_is_drawn_by_hand_and_what_was_measured_grows_over_it(open_page: Open) -> None:
    page = open_page(q_explorer(rate=0.5, guess=True))
    root = page.locator(".rnsl-explorer")
    draw(page, [(0.3, 40), (1.0, 82)])
    points = curve(root, "guess")
    np.testing.assert_allclose(points, [(0, 50), (0.3, 40), (0.7, 64), (1, 82)], atol=0.02 * 41)
    press(page, "Show")
    np.testing.assert_allclose(
        curve(root, "measured"), [(0, 50), (0.3, 60), (0.7, 80), (1, 75)], atol=0.3
    )
    expect(root.locator(".rnsl-readout")).to_have_text(
        "At q = 0.3 you drew 40%, measured are 60%: 20 points too low. On average you are 14 off."
    )
    expect(root.locator('[data-mark="measured"]')).to_have_class("rnsl-grows")
    assert root.locator('[data-mark="off"]').evaluate("band => band.getBBox().height") > 20
    expect(page.get_by_role("button", name="Explore")).to_be_focused()
    before = curve(root, "guess")
    draw(page, [(0.3, 10), (1.0, 10)])
    np.testing.assert_array_equal(curve(root, "guess"), before)
    press(page, "Guess again")
    expect(root.locator(".rnsl-readout")).to_contain_text("Draw it.")
    expect(keys(page)).to_be_focused()
    assert len(curve(root, "guess")) == 1, "where it starts"
    draw(page, [(0.3, 60), (0.7, 80), (1.0, 75)])
    press(page, "Show")
    expect(root.locator(".rnsl-readout")).to_contain_text("Well guessed! ")
    press(page, "Explore")
    expect(root.locator(".rnsl-readout")).to_contain_text("with 50% wrong labels")
    press(page, "Guess first")
    expect(root.locator(".rnsl-readout")).to_contain_text("Draw it.")
    expect(keys(page)).to_be_focused()


def test_a_curve_is_drawn_by_keys_place_by_place(open_page: Open) -> None:
    page = open_page(q_explorer(rate=0.5, guess=True))
    root, slider = page.locator(".rnsl-explorer"), keys(page)
    expect(slider).to_have_attribute("aria-valuetext", "q (0: NSL) 0.3: nothing drawn")
    slider.press("ArrowUp")
    expect(slider).to_have_attribute("aria-valuetext", "q (0: NSL) 0.3: 52")
    slider.press("ArrowRight")
    slider.press("PageDown")
    expect(slider).to_have_attribute("aria-valuetext", "q (0: NSL) 0.7: 42")
    np.testing.assert_allclose(curve(root, "guess")[1:], [(0.3, 52), (0.7, 42)], atol=0.3)
    ring = curve(root, "guess place")
    np.testing.assert_allclose(ring, [(0.7, 42)], atol=0.3)
    press(page, "Show")
    expect(root.locator(".rnsl-readout")).to_contain_text("At q = 0.7 you drew 42%, measured")


def test_a_bar_is_lifted_and_a_place_is_set_by_hand_and_by_keys(open_page: Open) -> None:
    page = open_page(MAKERS["transition"](guess=True))
    root = page.locator(".rnsl-explorer")
    draw(page, [(0.5, 5), (0.5, 42)])
    assert curve(root, "guess")[:, 1].max() == pytest.approx(42, abs=0.5)
    keys(page).press("ArrowUp")
    assert curve(root, "guess")[:, 1].max() == pytest.approx(42.7, abs=0.5)
    press(page, "Show")
    expect(root.locator(".rnsl-readout")).to_have_text(
        re.compile("^You said 43; 28 are called Pond: 15 too high. Bridge is not lost: 30 are")
    )
    assert curve(root, "measured")[:, 1].max() == pytest.approx(28, abs=0.5)

    page = open_page(MAKERS["truncation"](guess=True))
    root = page.locator(".rnsl-explorer")
    keys(page).press("ArrowRight")
    expect(keys(page)).to_have_attribute("aria-valuetext", "0.51")
    draw(page, [(0.2, 0.7), (0.8, 0.7)])
    np.testing.assert_allclose(curve(root, "guess")[:, 0], [0.8, 0.8], atol=0.006)
    press(page, "Show")
    (k,) = asked(MAKERS["truncation"]())["measured"]
    told = f"k = {k:.2f} is the largest at which at least 95 of 100"
    expect(root.locator(".rnsl-readout")).to_contain_text(told)
    np.testing.assert_allclose(curve(root, "measured")[:, 0], [k, k], atol=0.006)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(open_page: Open, scheme: str) -> None:
    page = open_page(q_explorer(rate=0.5, guess=True), width=390, height=844, color_scheme=scheme)
    draw(page, [(0.3, 40), (1.0, 82)])
    press(page, "Show")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=SCREENSHOTS / f"guess_390_{scheme}.png")
