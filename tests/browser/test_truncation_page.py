"""The explorers of truncation and of pruning in a plain page: no kernel, no network."""

from typing import Any

import numpy as np
import pytest
import torch
from harness import SCREENSHOTS, Open, box_of, curve, press, px_of
from playwright.sync_api import Locator, expect
from synthetic_log_p import small_run

from rnsl_tutorial.evaluation.embedding import flip_detection
from rnsl_tutorial.tutorial import curves
from rnsl_tutorial.tutorial.explorers import (
    PruningExplorer,
    TruncationExplorer,
)

LOG_P, FLIPPED = small_run(moments=9, images=2000)
P = np.arange(101) / 100
MARKS = ("uncut", "cut loss", "k on the loss", "right", "wrong", "precision", "recall", "kept")


def measures(moment: int, k: float) -> list[float]:
    left_out = np.exp(LOG_P[moment].astype(float)) <= k
    found = flip_detection(-LOG_P[moment], FLIPPED, left_out)
    return [found.precision, found.recall, 1 - left_out.mean()]


def loss(q: float, k: float) -> Any:
    return curves.loss_of_p(torch.from_numpy(P), q, k).numpy()


def dots(root: Locator) -> list[float]:
    return [float(curve(root, f"{name} now")[0, 1]) for name in ("precision", "recall", "kept")]


# ------------------------------------------------------------------ truncation


def test_k_moves_the_plateau_the_threshold_and_the_dots(open_page: Open) -> None:
    root = open_page(TruncationExplorer(LOG_P[5], FLIPPED)).locator(".rnsl-explorer")
    np.testing.assert_allclose(curve(root, "cut loss"), np.stack([P, loss(0.7, 0.5)], 1), atol=0.01)
    before = {name: curve(root, name) for name in MARKS}
    press(root, "Threshold k", "ArrowLeft", 10)
    expect(root.locator(".rnsl-readout")).to_contain_text("k = 0.30 leaves out")
    np.testing.assert_allclose(curve(root, "cut loss"), np.stack([P, loss(0.7, 0.3)], 1), atol=0.01)
    assert curve(root, "k on the loss")[0] == pytest.approx([0.3, (1 - 0.3**0.7) / 0.7], abs=0.01)
    for threshold in root.locator('[data-mark="threshold"]').all():
        assert curve(threshold.locator(".."), "threshold")[:, 0] == pytest.approx(0.3, abs=2e-3)
    assert dots(root) == pytest.approx(measures(5, 0.3), abs=5e-3)
    for name in set(MARKS) - {"cut loss", "k on the loss"}:
        np.testing.assert_array_equal(curve(root, name), before[name])


def test_q_moves_the_loss_and_nobody_across_the_threshold(open_page: Open) -> None:
    root = open_page(TruncationExplorer(LOG_P[5], FLIPPED)).locator(".rnsl-explorer")
    told = root.locator(".rnsl-readout").inner_text()
    before = {name: curve(root, name) for name in MARKS}
    press(root, "q of the loss", "End", 1)
    expect(root.locator(".rnsl-value").nth(1)).to_have_text("1.0")
    np.testing.assert_allclose(curve(root, "cut loss"), np.stack([P, loss(1, 0.5)], 1), atol=0.01)
    np.testing.assert_allclose(curve(root, "uncut"), np.stack([P, 1 - P], 1), atol=0.01)
    assert root.locator(".rnsl-readout").inner_text() == told
    for name in ("right", "wrong", "precision", "recall", "kept"):
        np.testing.assert_array_equal(curve(root, name), before[name])


def test_the_threshold_can_be_dragged(open_page: Open) -> None:
    page = open_page(TruncationExplorer(LOG_P[5], FLIPPED))
    chart = page.locator(".rnsl-plot").nth(1).locator("svg").first
    box = box_of(chart)
    places = [box["x"] + px_of(chart, "x", k) for k in (0.2, 0.8)]
    page.mouse.move(places[0], box["y"] + 60)
    page.mouse.down()
    expect(page.get_by_role("slider", name="Threshold k")).to_have_value("10")
    page.mouse.move(places[1], box["y"] + 90)
    page.mouse.up()
    expect(page.get_by_role("slider", name="Threshold k")).to_have_value("40")
    assert dots(page.locator(".rnsl-explorer")) == pytest.approx(measures(5, 0.8), abs=5e-3)


# ------------------------------------------------------------------ pruning


def tops(root: Locator, mark: str) -> Any:
    """The heights of the bars: each bar has four corners, the second is its upper left one."""
    return curve(root, mark).reshape(-1, 4, 2)[:, 1, 1]


def bars(moment: int, side: Any) -> Any:
    bins = np.ceil(50 * np.exp(LOG_P[moment, side].astype(float))).clip(1, 50).astype(int) - 1
    return np.sqrt(np.bincount(bins, minlength=50))


def test_the_epoch_moves_the_bars_and_k_the_curves(open_page: Open) -> None:
    root = open_page(PruningExplorer(LOG_P, FLIPPED)).locator(".rnsl-explorer")
    recall = curve(root, "recall")
    press(root, "Epochs of training", "ArrowRight", 4)
    expect(root.locator(".rnsl-readout")).to_contain_text("After epoch 4, k = 0.50 leaves out")
    np.testing.assert_allclose(tops(root, "right"), bars(4, ~FLIPPED), atol=0.2)
    np.testing.assert_allclose(tops(root, "wrong"), -bars(4, FLIPPED), atol=0.2)
    assert dots(root) == pytest.approx(measures(4, 0.5), abs=5e-3)
    np.testing.assert_array_equal(curve(root, "recall"), recall)
    right = tops(root, "right")
    press(root, "Threshold k", "ArrowLeft", 10)
    expect(root.locator(".rnsl-readout")).to_contain_text("k = 0.30")
    for i, name in enumerate(("precision", "recall", "kept")):
        expected = [[epoch, measures(epoch, 0.3)[i]] for epoch in range(9)]
        np.testing.assert_allclose(curve(root, name), expected, atol=0.02)
    np.testing.assert_array_equal(tops(root, "right"), right)


def test_the_play_button_goes_to_the_last_epoch_and_prunings_are_marked(open_page: Open) -> None:
    kept = np.ones(LOG_P.shape, dtype=bool)
    kept[4:, 0] = False
    explorer = PruningExplorer(LOG_P, FLIPPED, kept, epoch=6)
    root = open_page(explorer).locator(".rnsl-explorer")
    assert curve(root, "pruned")[:, 0] == pytest.approx([3, 3], abs=0.02)
    root.get_by_role("button", name="Play: Epochs of training").click()
    expect(root.get_by_role("slider", name="Epochs of training")).to_have_value("8")
    expect(root.get_by_role("button", name="Play: Epochs of training")).to_be_visible()
    assert dots(root) == pytest.approx(measures(8, 0.5), abs=5e-3)


# ------------------------------------------------------------------ themes and sizes


@pytest.mark.parametrize(("width", "scheme"), [(480, "light"), (720, "dark"), (1400, "light")])
def test_they_fit_the_width(open_page: Open, width: int, scheme: str) -> None:
    explorers = {
        "truncation": TruncationExplorer(LOG_P[5], FLIPPED),
        "pruning": PruningExplorer(LOG_P, FLIPPED, epoch=5),
    }
    for name, explorer in explorers.items():
        page = open_page(explorer, width=width, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 720:
            assert page.evaluate("document.documentElement.scrollHeight") <= 620
        page.screenshot(path=SCREENSHOTS / f"{name}_{width}_{scheme}.png", full_page=True)
