"""The explorers of the down-weighting in a plain page: no JupyterLab, no kernel, no network."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import SCREENSHOTS, Open, box_of, curve, px_of
from numpy.testing import assert_allclose
from playwright.sync_api import Locator, expect
from synthetic_batch import small_batch

from rnsl_tutorial import experiments
from rnsl_tutorial.tutorial.explorers import DownWeightingExplorer, QExplorer, down_weighting
from rnsl_tutorial.tutorial.explorers.down_weighting import _QS, _TEMPERATURES

BATCH = small_batch()
BATCH_EXPLORER = DownWeightingExplorer(**BATCH)
SCORES = BATCH_EXPLORER.scores
TABLE = experiments.shipped_over_q()
OpenRoot = Callable[..., Locator]

# The colour of the canvas behind a chart, where its axes have a place.
COLOR = """(canvas, [x, y]) => {
    const { dataset } = canvas.parentElement.querySelector("svg");
    const px = (value, axis) => {
        const [low, high, from, to] = axis.split(" ").map(Number);
        return from + ((value - low) / (high - low)) * (to - from);
    };
    const scale = canvas.width / canvas.clientWidth;
    const place = [px(x, dataset.x), px(y, dataset.y)].map(value => Math.round(value * scale));
    const copy = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, -place[0], -place[1]);
    return Array.from(copy.getImageData(0, 0, 1, 1).data).slice(0, 3);
}"""


@pytest.fixture
def open_root(open_page: Open) -> OpenRoot:
    """Open a page of one explorer, and return where it lies."""

    def opened(explorer: DownWeightingExplorer | QExplorer, **options: Any) -> Locator:
        return open_page(explorer, **({"width": 1100} | options)).locator(".rnsl-explorer")

    return opened


def slider(root: Locator, name: str) -> Locator:
    return root.get_by_role("slider", name=name, exact=True)


def color_at(root: Locator, q: float, temperature: int) -> list[int]:
    found: list[int] = root.locator('[data-mark="surface"]').evaluate(COLOR, [q, temperature])
    return found


def assert_batch_is_shown(root: Locator, surface: int, m: int, t: int, q: int) -> None:
    """Everything on the page is what the library computes at this place."""
    headline = BATCH_EXPLORER._headline(m, t, q)
    expect(root.locator(".rnsl-readout")).to_have_text(headline)
    assert_allclose(curve(root, "here"), [[_QS[q], t]], atol=0.02)
    typical = curve(root, "typical")
    assert_allclose(typical[:, 0], SCORES.line_margins[m], atol=1e-3)
    assert_allclose(typical[:, 1], SCORES.line_weights[m, t, q], atol=1e-3)
    crosses = curve(root, "wrong")[::5]  # a cross is drawn in five moves
    chosen = BATCH["flipped"].numpy()
    assert_allclose(crosses[:, 1], SCORES.weights[m, t, q, chosen], atol=2e-3)
    value = (SCORES.wrong, SCORES.right)[surface][m, 11, 20]
    expected = down_weighting._share_colors()[round(255 * float(value))].tolist()
    assert color_at(root, 1.0, 11) == expected


def test_every_slider_moves_what_it_must(open_root: OpenRoot) -> None:
    root = open_root(BATCH_EXPLORER)
    t, q = _TEMPERATURES.index(0.07), _QS.index(0.7)
    assert_batch_is_shown(root, 0, 0, t, q)
    slider(root, "q").press("ArrowLeft")
    assert_batch_is_shown(root, 0, 0, t, q - 1)
    slider(root, "Temperature T").press("ArrowRight")
    assert_batch_is_shown(root, 0, 0, t + 1, q - 1)
    slider(root, "After epoch").press("ArrowRight")
    assert_batch_is_shown(root, 0, 1, t + 1, q - 1)
    root.get_by_role("radio", name="share of the pull from wrong labels").press("ArrowRight")
    assert_batch_is_shown(root, 1, 1, t + 1, q - 1)
    expect(root.locator(".rnsl-heat-map .rnsl-chart-title")).to_have_text(
        "Pull that right labels keep"
    )


def test_q_leaves_the_map_and_the_images_margins_as_they_are(open_root: OpenRoot) -> None:
    root = open_root(BATCH_EXPLORER)
    before = [curve(root, mark) for mark in ("wrong", "levels")]
    slider(root, "q").press("Home")
    after = [curve(root, mark) for mark in ("wrong", "levels")]
    assert_allclose(after[1], before[1])
    assert_allclose(after[0][::5, 0], before[0][::5, 0])
    assert_allclose(after[0][::5, 1], 1, atol=1e-3)  # NSL hears everybody


def test_a_press_on_the_map_chooses_both(open_root: OpenRoot) -> None:
    root = open_root(BATCH_EXPLORER)
    drawing = root.locator(".rnsl-heat-map .rnsl-plot svg")
    drawing.click(position={"x": px_of(drawing, "x", 0.31), "y": px_of(drawing, "y", 2.2)})
    assert_batch_is_shown(root, 0, 0, 2, _QS.index(0.3))
    expect(slider(root, "q")).to_have_attribute("aria-valuetext", "0.30")
    expect(slider(root, "Temperature T")).to_have_attribute("aria-valuetext", "0.04")


def assert_runs_are_shown(root: Locator, k: int, r: int, i: int) -> None:
    charts = root.locator(".rnsl-chart").all()
    for chart, means in zip(charts, (TABLE.accuracy, TABLE.memorized), strict=True):
        line = curve(chart, "line")
        known = np.isfinite(means[k, r])
        expected = np.stack([TABLE.qs, 100 * means[k, r]], axis=1)[known]
        assert_allclose(line, expected, atol=0.15)
        assert_allclose(curve(chart, "chosen")[:, 0], TABLE.qs[i], atol=0.01)
        if known[i]:
            assert_allclose(curve(chart, "here"), expected[[i]], atol=0.15)
    best = int(TABLE.accuracy[k, r].argmax())
    ring = [[TABLE.qs[best], 100 * TABLE.accuracy[k, r, best]]]
    assert_allclose(curve(charts[0], "best"), ring, atol=0.15)
    ends = curve(charts[0], "spread line").reshape(-1, 2, 2)
    assert_allclose(np.diff(ends[:, :, 1])[:, 0] / 2, 100 * TABLE.accuracy_spread[k, r], atol=0.15)


def test_rate_q_and_noise_choose_among_the_runs(open_root: OpenRoot) -> None:
    root = open_root(QExplorer(**TABLE._asdict(), q=0.7, rate=0.5))
    assert_runs_are_shown(root, 0, 3, 4)
    slider(root, "Loss").press("ArrowRight")
    assert_runs_are_shown(root, 0, 3, 5)
    slider(root, "Wrong labels").press("ArrowRight")
    assert_runs_are_shown(root, 0, 4, 5)
    root.get_by_role("combobox", name="Kind of label noise").press("ArrowDown")
    assert_runs_are_shown(root, 1, 4, 5)
    slider(root, "Wrong labels").press("Home")  # no label is wrong, so none is memorized
    assert_runs_are_shown(root, 1, 0, 5)
    expect(root.locator(".rnsl-readout")).not_to_contain_text("memorized")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "columns"), [(480, 1), (720, 2), (1400, 2)])
def test_both_fit_the_width(open_root: OpenRoot, width: int, columns: int, scheme: str) -> None:
    for name, explorer in (
        ("down_weighting", DownWeightingExplorer(**BATCH, epoch=10)),
        ("accuracy_over_q", QExplorer(**TABLE._asdict(), q=0.7, rate=0.5)),
    ):
        root = open_root(explorer, width=width, color_scheme=scheme)
        left, right = map(box_of, root.locator(".rnsl-chart").all())
        assert (right["x"] >= left["x"] + left["width"]) == (columns == 2)
        assert root.page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 720:
            assert box_of(root)["height"] <= 620
        file = SCREENSHOTS / f"{name}_{width}_{scheme}.png"
        root.page.screenshot(path=file, full_page=True)
