"""The scenes with wrong labels in a plain page: struck out by hand, by keys, against the clock."""

import re
from collections.abc import Iterable

import numpy as np
import pytest
from harness import SCREENSHOTS, Open, press
from playwright.sync_api import Locator, Page, expect

from rnsl_tutorial.tutorial.explorers import SpotExplorer

TRUTH = re.compile("^Scene [0-9]+, labelled [a-z ]+, in truth [a-z ]+")


@pytest.fixture(scope="module")
def explorer() -> SpotExplorer:
    return SpotExplorer()


@pytest.fixture
def page(open_page: Open, explorer: SpotExplorer) -> Page:
    return open_page(explorer, width=1000, height=760)


def tiles(page: Page) -> Locator:
    return page.get_by_role("group", name="Scenes").get_by_role("button")


def strike(page: Page, places: Iterable[int]) -> None:
    for place in places:
        tiles(page).nth(place).click()


def show(page: Page) -> None:
    page.get_by_role("button", name="Show", exact=True).click()


def ringed(page: Page, loss: str) -> list[bool]:
    """Which pictures have the ring of a loss."""
    rings = page.locator(f'.rnsl-verdict[data-mark="{loss}"]')
    seen: list[bool] = rings.evaluate_all(
        "all => all.map(one => one.checkVisibility({ visibilityProperty: true }))"
    )
    return seen


def test_nothing_is_told_until_show_and_then_the_rings_are_the_losses_doubts(
    page: Page, explorer: SpotExplorer
) -> None:
    wrong = np.flatnonzero(explorer.wrong[0])
    right = np.flatnonzero(~explorer.wrong[0])
    assert not any(ringed(page, "NSL") + ringed(page, "t-RNSL"))
    assert page.locator(".rnsl-scene-picture b:visible, .rnsl-wrong").count() == 0
    strike(page, [*wrong[:5], right[0], right[1], right[1]])
    expect(page.locator(".rnsl-readout")).to_contain_text("Click the wrong ones. 6 struck out.")
    assert tiles(page).nth(int(wrong[0])).get_attribute("aria-pressed") == "true"
    told = tiles(page).evaluate_all("all => all.map(one => one.ariaLabel)")
    assert not any("truth" in text for text in told)
    show(page)
    for loss, doubted in zip(("NSL", "t-RNSL"), explorer.doubted[0, :, -1], strict=True):
        assert ringed(page, loss) == doubted.tolist()
    found = int((explorer.doubted[0, 1, -1] & explorer.wrong[0]).sum())
    expect(page.locator(".rnsl-readout")).to_have_text(
        "You found 5 of 6 and struck 1 falsely. "
        f"NSL 0 of 6; t-RNSL {found} of 6. t-RNSL was better."
    )
    expect(page.locator(".rnsl-wrong")).to_have_count(6)
    expect(tiles(page).nth(int(wrong[5]))).to_have_attribute("aria-label", TRUTH)
    expect(page.get_by_role("button", name="Next set")).to_be_focused()
    strike(page, right[2:4])
    expect(page.locator('[aria-pressed="true"].rnsl-scene-tile')).to_have_count(6)


def test_the_epoch_moves_the_rings_and_the_next_set_begins_anew(
    page: Page, explorer: SpotExplorer
) -> None:
    show(page)
    press(page.locator(".rnsl-explorer"), "Both losses, after epoch", "Home")
    for loss, doubted in zip(("NSL", "t-RNSL"), explorer.doubted[0, :, 0], strict=True):
        assert ringed(page, loss) == doubted.tolist()
    expect(page.locator(".rnsl-readout")).to_contain_text("After epoch 1: You found 0 of 6.")
    first = page.locator(".rnsl-scene-tile image").first.get_attribute("href")
    page.get_by_role("button", name="Next set").click()
    expect(page.get_by_role("slider", name="Set of scenes")).to_have_value("1")
    expect(page.locator(".rnsl-readout")).to_contain_text("Click the wrong ones.")
    assert page.locator(".rnsl-scene-tile image").first.get_attribute("href") != first
    assert not any(ringed(page, "NSL"))
    strike(page, np.flatnonzero(explorer.wrong[1]))
    show(page)
    expect(page.locator(".rnsl-readout")).to_contain_text("You found 6 of 6. NSL 0 of 6; t-RNSL 4")
    expect(page.locator(".rnsl-readout")).to_contain_text("You were better.")


def test_pictures_are_reached_and_struck_by_keys(page: Page) -> None:
    first, second = tiles(page).nth(0), tiles(page).nth(1)
    first.focus()
    first.press("ArrowRight")
    expect(second).to_be_focused()
    second.press("Space")
    expect(second).to_have_attribute("aria-pressed", "true")
    second.press("ArrowDown")
    expect(tiles(page).nth(9)).to_be_focused()
    assert page.locator('.rnsl-scene-tile[tabindex="0"]').count() == 1, "one stop for Tab"
    names = tiles(page).evaluate_all("all => all.map(one => one.ariaLabel)")
    assert len(set(names)) == 24
    assert names[0].startswith("Scene 1, labelled ")


def test_against_the_clock_a_minute_ends_it(page: Page) -> None:
    page.clock.install()
    page.get_by_role("button", name="Against the clock").click()
    expect(page.get_by_role("button", name="60 s left")).to_be_visible()
    page.clock.fast_forward(20_000)
    expect(page.get_by_role("button", name="40 s left")).to_be_visible()
    page.clock.fast_forward(41_000)
    expect(page.locator(".rnsl-readout")).to_contain_text("You found 0 of 6 in 61 s.")
    expect(page.get_by_role("button", name="Next set")).to_be_focused()
    press(page.locator(".rnsl-explorer"), "Both losses, after epoch", "Home")
    expect(page.locator(".rnsl-readout")).to_contain_text("You found 0 of 6 in 61 s.")
    page.get_by_role("button", name="Once more").click()
    show(page)
    expect(page.locator(".rnsl-readout")).to_contain_text("You found 0 of 6. ")


def test_another_set_is_another_though_nothing_was_struck_out(page: Page) -> None:
    sets = page.get_by_role("slider", name="Set of scenes")
    image = page.locator(".rnsl-scene-tile image").first
    first = image.get_attribute("href")
    sets.press("ArrowRight")
    second = image.get_attribute("href")
    assert second != first
    show(page)
    page.get_by_role("button", name="Play").click()
    sets.press("ArrowRight")
    assert image.get_attribute("href") not in (first, second)
    expect(sets).to_be_focused()
    expect(page.locator(".rnsl-readout")).to_have_attribute("aria-live", "polite")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1300, "dark")])
def test_it_fits(open_page: Open, explorer: SpotExplorer, width: int, scheme: str) -> None:
    page = open_page(explorer, width=width, height=844, color_scheme=scheme)
    show(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=SCREENSHOTS / f"spot_{width}_{scheme}.png", full_page=True)
