"""The explorer of an audit in a plain page: no kernel, no network."""

import numpy as np
import pytest
from harness import SCREENSHOTS, Open, box_of, curve, press, px_of
from playwright.sync_api import Locator, expect
from synthetic_doubts import small_audit, small_doubts, small_estimate

from rnsl_tutorial.tutorial.explorers import AuditExplorer

DOUBT, LABELS, WRONG = small_doubts()


def flagged_share(row: Locator) -> float:
    return float(str(row.get_attribute("data-share")))


def test_the_threshold_moves_the_line_the_dots_and_the_classes(open_page: Open) -> None:
    root = open_page(AuditExplorer(**small_audit())).locator(".rnsl-explorer")
    bars = curve(root, "right")
    press(root, "Threshold on the doubt", "ArrowRight", 20)
    expect(root.locator(".rnsl-readout")).to_contain_text("Threshold 0.7:")
    flagged = DOUBT.astype(float) >= 0.7
    for name, expected in (
        ("precision now", small_estimate().precision[70]),
        ("recall now", small_estimate().recall[70]),
        ("true precision now", WRONG[flagged].mean()),
        ("true recall now", flagged[WRONG].mean()),
    ):
        assert curve(root, name)[0] == pytest.approx([0.7, expected], abs=0.01), name
    band = curve(root, "interval")
    ends = small_estimate()
    np.testing.assert_allclose(band[:91], np.stack([ends.thresholds, ends.high], 1), atol=0.01)
    np.testing.assert_allclose(band[91:], np.stack([ends.thresholds, ends.low], 1)[::-1], atol=0.01)
    assert curve(root, "threshold")[:, 0] == pytest.approx(0.7, abs=0.01)
    assert curve(root, "flagged")[:, 0].min() == pytest.approx(0.7, abs=0.01)
    shown = [
        flagged_share(row) for row in root.locator(".rnsl-class-track > .rnsl-class-flagged").all()
    ]
    expected_shares = [flagged[label == LABELS].mean() for label in (1, 3, 2, 0)]
    assert shown == pytest.approx(expected_shares, abs=1e-6)
    np.testing.assert_array_equal(curve(root, "right"), bars)


def test_the_classes_are_drawn_to_the_scale_of_their_shares(open_page: Open) -> None:
    explorer = AuditExplorer(**small_audit())
    root = open_page(explorer).locator(".rnsl-explorer")
    top = explorer._table["axes"]["class_share"]["range"][1]
    track = root.locator(".rnsl-class-track").first
    width = track.evaluate("track => track.clientWidth")
    bar = track.locator(".rnsl-class-flagged")
    share = flagged_share(bar)
    assert bar.evaluate("bar => bar.offsetWidth") == pytest.approx(width * share / top, abs=1.5)
    estimated = track.locator(".rnsl-class-estimated")
    assert flagged_share(estimated) == pytest.approx(0.4)
    assert estimated.evaluate("e => e.offsetLeft") == pytest.approx(width * 0.4 / top, abs=1.5)


def test_the_threshold_can_be_dragged(open_page: Open) -> None:
    page = open_page(AuditExplorer(**small_audit()))
    chart = page.locator(".rnsl-plot").first.locator("svg").first
    chart.click(position={"x": px_of(chart, "x", 0.25), "y": 60})
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "0.25")


def test_without_truth_and_estimates_only_what_is_known_is_drawn(open_page: Open) -> None:
    explorer = AuditExplorer(**small_audit(wrong=None, estimate=None, class_noise=None))
    root = open_page(explorer).locator(".rnsl-explorer")
    for mark in ("wrong", "precision", "recall", "true precision", "interval"):
        expect(root.locator(f'[data-mark="{mark}"]')).to_have_count(0)
    for kind in ("estimated", "true"):
        expect(root.locator(f".rnsl-class-{kind}")).to_have_count(0)
    assert curve(root, "share flagged")[50, 1] == pytest.approx((DOUBT >= 0.5).mean(), abs=0.01)


def test_class_names_are_text_and_never_markup(open_page: Open) -> None:
    names = ("<img src=x onerror=alert(1)>", "A & B", '"quoted"', "\u00e9t\u00e9")
    root = open_page(AuditExplorer(**small_audit(class_names=names))).locator(".rnsl-explorer")
    assert sorted(root.locator(".rnsl-class-name").all_inner_texts()) == sorted(names)


def test_charts_in_a_row_begin_at_one_height(open_page: Open) -> None:
    page = open_page(AuditExplorer(**small_audit()), width=1200, height=1000)
    tops = [box_of(plot)["y"] for plot in page.locator(".rnsl-plot, .rnsl-class-rows").all()]
    heights = [box_of(legend)["height"] for legend in page.locator(".rnsl-legend").all()]
    assert len(tops) == len(heights) == 3
    assert tops[:2] == pytest.approx([tops[0]] * 2, abs=1)
    assert heights == pytest.approx([heights[0]] * 3, abs=1)


def test_a_pointer_is_told_how_many_images_a_bar_stands_for(open_page: Open) -> None:
    page = open_page(AuditExplorer(**small_audit()))
    drawing = page.locator(".rnsl-plot > svg").first
    drawing.hover(position={"x": px_of(drawing, "x", 0.03), "y": px_of(drawing, "y", 0.5)})
    wrong = np.asarray(WRONG, dtype=bool)
    in_bin = (DOUBT >= 0.02) & (DOUBT < 0.04)
    told = page.locator(".rnsl-tip:visible").inner_text()
    assert f"right label: {(in_bin & ~wrong).sum()}" in told
    assert f"wrong label: {(in_bin & wrong).sum()}" in told


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (720, "dark"), (1400, "light")])
def test_it_fits_the_width(open_page: Open, width: int, scheme: str) -> None:
    names = ("A class with quite a long name for a folder", "Forest", "Pond", "River")
    page = open_page(
        AuditExplorer(**small_audit(class_names=names)), width=width, color_scheme=scheme
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=SCREENSHOTS / f"audit_{width}_{scheme}.png", full_page=True)
