"""The explorer of the gradient share in a plain page: no JupyterLab, no kernel, no network."""

import numpy as np
import pytest
from harness import SCREENSHOTS, Open, box_of, curve, px_of
from numpy.typing import NDArray
from playwright.sync_api import Locator, expect
from synthetic_gradients import EPOCHS, small_runs
from synthetic_log_p import small_run

from rnsl_tutorial.tutorial import curves
from rnsl_tutorial.tutorial.explorers import GradientShareExplorer, PruningExplorer

RUNS = small_runs()
WRONG = RUNS["flipped"]
BATCH = RUNS["batch"]


def explorer() -> GradientShareExplorer:
    return GradientShareExplorer(**RUNS, loss="rnsl", epoch=4, q=0.7)


def pulls(run: str, epoch: int, q: float) -> NDArray[np.float64]:
    """What the library computes for each image, epoch a position among EPOCHS."""
    p = np.exp(RUNS["log_p"][run][epoch])
    return np.array([-curves.gradient_wrt_logit(float(value), q).item() for value in p])


def share(run: str, epoch: int, q: float) -> float:
    pull = pulls(run, epoch, q)
    return float(100 * pull[WRONG].sum() / pull.sum())


def shown_is(root: Locator, run: str, epoch: int, q: float) -> None:
    """All marks stand where the library says."""
    pull = pulls(run, epoch, q)[BATCH]
    for mark, chosen, each in (("right", ~WRONG[BATCH], 9), ("wrong", WRONG[BATCH], 5)):
        drawn = curve(root, mark)[::each, 1]
        np.testing.assert_allclose(drawn, pull[chosen], atol=0.002)
    odds = 10 ** curve(root, "curve")[:, 0]
    p = np.clip(odds / (1 + odds), 0, 1)
    expected = [-curves.gradient_wrt_logit(float(value), q).item() for value in p]
    np.testing.assert_allclose(curve(root, "curve")[:, 1], expected, atol=0.003)
    over_epochs = [share(run, e, q) for e in range(len(EPOCHS))]
    np.testing.assert_allclose(curve(root, "share")[:, 1], over_epochs, atol=0.1)
    plain = [share(run, e, 0) for e in range(len(EPOCHS))]
    np.testing.assert_allclose(curve(root, "nsl")[:, 1], plain, atol=0.1)
    np.testing.assert_allclose(curve(root, "now"), [[EPOCHS[epoch], over_epochs[epoch]]], atol=0.1)
    expect(root.locator(".rnsl-readout")).to_contain_text(f"make {over_epochs[epoch]:.0f}% of")
    told = root.locator(".rnsl-split").inner_text().split("\n")
    assert told[-1] == f"{over_epochs[epoch]:.0f}% wrong"


def drawing(root: Locator, *marks: str) -> list[str | None]:
    return [root.locator(f'[data-mark="{mark}"]').get_attribute("d") for mark in marks]


def test_the_q_slider_moves_the_pull_and_the_share_and_nothing_else(open_page: Open) -> None:
    root = open_page(explorer()).locator(".rnsl-explorer")
    shown_is(root, "rnsl", 2, 0.7)
    still, moved = ("nsl-curve", "nsl", "rate"), ("curve", "right", "wrong", "share")
    before = drawing(root, *still), drawing(root, *moved)
    slider = root.get_by_role("slider", name="Measured with q")
    slider.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "0.65")
    shown_is(root, "rnsl", 2, 0.65)
    assert drawing(root, *still) == before[0]
    assert all(a != b for a, b in zip(drawing(root, *moved), before[1], strict=True))
    slider.press("Home")
    shown_is(root, "rnsl", 2, 0)
    expect(root.locator(".rnsl-readout")).to_contain_text("NSL (q = 0) after 4 epochs")
    slider.press("End")
    shown_is(root, "rnsl", 2, 1)


def test_the_epoch_slider_moves_the_images_along_the_curve(open_page: Open) -> None:
    root = open_page(explorer()).locator(".rnsl-explorer")
    still, moved = ("curve", "nsl-curve", "nsl", "share"), ("right", "wrong")
    before = drawing(root, *still), drawing(root, *moved)
    slider = root.get_by_role("slider", name="Epoch")
    for key, epoch in (("ArrowRight", 3), ("Home", 0)):
        slider.press(key)
        expect(slider).to_have_attribute("aria-valuetext", str(EPOCHS[epoch]))
        shown_is(root, "rnsl", epoch, 0.7)
        assert drawing(root, *still) == before[0]
        assert all(a != b for a, b in zip(drawing(root, *moved), before[1], strict=True))


def test_the_run_is_chosen_and_an_epoch_by_a_click_on_the_chart(open_page: Open) -> None:
    page = open_page(explorer())
    root = page.locator(".rnsl-explorer")
    root.get_by_role("radio", name="RNSL").press("ArrowLeft")
    expect(root.get_by_role("radio", name="NSL", exact=True)).to_be_checked()
    shown_is(root, "nsl", 2, 0.7)
    chart = root.locator("svg[data-x]").nth(1)
    chart.click(position={"x": px_of(chart, "x", 8.4), "y": 60})
    shown_is(root, "nsl", 3, 0.7)


def test_play_runs_to_the_last_epoch(open_page: Open) -> None:
    root = open_page(explorer()).locator(".rnsl-explorer")
    root.get_by_role("button", name="Play: Epoch").press("Enter")
    expect(root.get_by_role("slider", name="Epoch")).to_have_attribute("aria-valuetext", "9")
    shown_is(root, "rnsl", 3, 0.7)


@pytest.mark.parametrize(
    ("width", "height", "columns", "scheme"),
    [(480, 1000, 1, "light"), (700, 620, 2, "light"), (1400, 900, 2, "dark")],
)
def test_it_fits_the_screen(
    open_page: Open, width: int, height: int, columns: int, scheme: str
) -> None:
    page = open_page(explorer(), width=width, height=height, color_scheme=scheme)
    left, right = map(box_of, page.locator(".rnsl-chart").all())
    assert (right["x"] > left["x"] + left["width"] / 2) == (columns == 2)
    size = page.evaluate("[document.body.scrollWidth, document.body.scrollHeight]")
    assert size[0] <= width
    assert size[1] <= height
    page.screenshot(path=SCREENSHOTS / f"gradient_share_{width}_{scheme}.png")


def test_a_screen_reader_is_not_told_each_step_of_what_plays(open_page: Open) -> None:
    long_run = PruningExplorer(*small_run(moments=101))  # plays longer than a busy machine needs
    root = open_page(long_run).locator(".rnsl-explorer")
    expect(root.locator(".rnsl-readout")).to_have_attribute("aria-live", "polite")
    root.get_by_role("button", name="Play").press("Enter")
    expect(root.locator(".rnsl-readout")).to_have_attribute("aria-live", "off")
    root.get_by_role("button", name="Pause").press("Enter")
    expect(root.locator(".rnsl-readout")).to_have_attribute("aria-live", "polite")


def test_whatever_has_the_focus_keeps_its_keys_from_jupyterlab(open_page: Open) -> None:
    root = open_page(explorer()).locator(".rnsl-explorer")
    reached = root.locator("input, select, button, [tabindex]")
    assert reached.count() > 11
    expect(root.locator("[data-lm-suppress-shortcuts]")).to_have_count(reached.count())
    root.get_by_role("button", name="Guess first").press("Enter")
    expect(root.get_by_role("slider", name="Your guess")).to_have_attribute(
        "data-lm-suppress-shortcuts", "true"
    )
