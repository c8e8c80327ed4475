"""The explorers of the down-weighting in a plain page: no JupyterLab, no kernel, no network."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import SCREENSHOTS, curve
from numpy.testing import assert_allclose
from playwright.sync_api import Browser, Locator, Page, expect
from synthetic_batch import small_batch

from rnsl_tutorial import experiments
from rnsl_tutorial.tutorial.explorers import (
    DownWeightingExplorer,
    QExplorer,
    down_weighting,
    standalone_html,
)
from rnsl_tutorial.tutorial.explorers.down_weighting import _QS, _TEMPERATURES

BATCH = small_batch()
BATCH_EXPLORER = DownWeightingExplorer(**BATCH)
SCORES = BATCH_EXPLORER.scores
TABLE = experiments.shipped_over_q()
Open = Callable[..., Locator]

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
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open a page of one explorer; it may ask for nothing outside and report no problem."""
    pages: list[Page] = []
    problems: list[str] = []
    requests: list[str] = []

    def opened(
        explorer: DownWeightingExplorer | QExplorer, width: int = 1100, **options: Any
    ) -> Locator:
        file = tmp_path / "explorer.html"
        file.write_text(standalone_html(explorer), encoding="utf-8")
        page = browser.new_page(viewport={"width": width, "height": 620}, **options)
        pages.append(page)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        root = page.locator(".rnsl-explorer")
        expect(root.locator(".rnsl-readout")).not_to_be_empty()
        return root

    yield opened
    for page in pages:
        page.close()
    assert problems == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


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


def test_every_slider_moves_what_it_must(open_page: Open) -> None:
    root = open_page(BATCH_EXPLORER)
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


def test_q_leaves_the_map_and_the_images_margins_as_they_are(open_page: Open) -> None:
    root = open_page(BATCH_EXPLORER)
    before = [curve(root, mark) for mark in ("wrong", "levels")]
    slider(root, "q").press("Home")
    after = [curve(root, mark) for mark in ("wrong", "levels")]
    assert_allclose(after[1], before[1])
    assert_allclose(after[0][::5, 0], before[0][::5, 0])
    assert_allclose(after[0][::5, 1], 1, atol=1e-3)  # NSL hears everybody


def test_a_press_on_the_map_chooses_both(open_page: Open) -> None:
    root = open_page(BATCH_EXPLORER)
    drawing = root.locator(".rnsl-heat-map .rnsl-plot svg")
    low, high, left, right = map(float, (drawing.get_attribute("data-x") or "").split())
    bottom_row, top_row, bottom, top = map(float, (drawing.get_attribute("data-y") or "").split())
    x = left + (0.31 - low) / (high - low) * (right - left)
    y = bottom + (2.2 - bottom_row) / (top_row - bottom_row) * (top - bottom)
    drawing.click(position={"x": x, "y": y})
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
    ends = curve(charts[0], "bars").reshape(-1, 2, 2)
    assert_allclose(np.diff(ends[:, :, 1])[:, 0] / 2, 100 * TABLE.accuracy_spread[k, r], atol=0.15)


def test_rate_q_and_noise_choose_among_the_runs(open_page: Open) -> None:
    root = open_page(QExplorer(**TABLE._asdict(), q=0.7, rate=0.5))
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
def test_both_fit_the_width(open_page: Open, width: int, columns: int, scheme: str) -> None:
    for name, explorer in (
        ("down_weighting", DownWeightingExplorer(**BATCH, epoch=10)),
        ("accuracy_over_q", QExplorer(**TABLE._asdict(), q=0.7, rate=0.5)),
    ):
        root = open_page(explorer, width=width, color_scheme=scheme)
        left, right = (chart.bounding_box() for chart in root.locator(".rnsl-chart").all())
        assert left
        assert right
        assert (right["x"] >= left["x"] + left["width"]) == (columns == 2)
        assert root.page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 720:
            box = root.bounding_box()
            assert box
            assert box["height"] <= 620
        file = SCREENSHOTS / f"{name}_{width}_{scheme}.png"
        root.page.screenshot(path=file, full_page=True)
