"""The explorer of transition matrices in a plain page: no JupyterLab, no kernel, no network."""

import numpy as np
import pytest
from harness import SCREENSHOTS, Open, box_of, curve, px_of
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from rnsl_tutorial import noise
from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers import TransitionExplorer, transition

LABELS = np.repeat(np.arange(30), 233)
AID = noise.label_dependent_classes("aid")
NWPU45 = noise.label_dependent_classes("nwpu45")
BARELAND = AID.index("BareLand")


class Shown:
    """The explorer on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator(".rnsl-explorer")
        self.readout = self.root.locator(".rnsl-readout")
        self.note = self.root.locator(".rnsl-note")
        self.heat = self.root.locator(".rnsl-heat svg[role=img]")
        expect(self.readout).not_to_be_empty()

    def slider(self, name: str) -> Locator:
        return self.root.get_by_role("slider", name=name)

    def bars(self) -> list[float]:
        """Lengths of all bars, those that outnumber the right label first."""
        corners = np.concatenate([curve(self.root, mark) for mark in ("over", "wrong")])
        lengths: list[float] = corners[1::4, 0].tolist()
        return lengths

    def rule(self) -> float:
        return float(curve(self.root, "rule")[0, 0])

    def lost(self) -> list[int]:
        """Classes with a cross: each is drawn by one absolute and four relative places."""
        return [int(y) for y in curve(self.root, "lost")[::5, 1]]

    def color(self, i: int, j: int) -> list[int]:
        """The colour of a cell of the heat map."""
        x, y = px_of(self.heat, "x", j + 0.5), px_of(self.heat, "y", i + 0.5)
        found: list[int] = self.root.locator("canvas[data-mark=matrix]").evaluate(
            """(canvas, [x, y]) => {
                const copy = new OffscreenCanvas(1, 1).getContext("2d");
                copy.drawImage(canvas, -Math.round(x), -Math.round(y));
                return Array.from(copy.getImageData(0, 0, 1, 1).data.slice(0, 3));
            }""",
            [x, y],
        )
        return found

    def click_row(self, i: int, *, press: bool = True) -> None:
        box = box_of(self.heat)
        x, y = box["x"] + 160, box["y"] + px_of(self.heat, "y", i + 0.5)
        self.page.mouse.move(x, y)
        if press:
            self.page.mouse.click(x, y)


@pytest.fixture(scope="module")
def explorer() -> TransitionExplorer:
    return TransitionExplorer(LABELS, row="BareLand")


@pytest.fixture
def shown(open_page: Open, explorer: TransitionExplorer) -> Shown:
    return Shown(open_page(explorer, width=720))


def shares(row: NDArray[np.float64], own: int) -> NDArray[np.float64]:
    """The largest shares of a row's wrong labels, those above 0."""
    wrong = np.delete(row, own)
    largest = np.sort(wrong / wrong.sum())[::-1][: transition._BARS]
    return largest[largest > 0]


def heat_color(probability: float) -> list[int]:
    color: list[int] = plots.heat_colors()[plots.heat_codes(probability)].tolist()
    return color


def test_the_rate_moves_the_line_and_the_lost_classes_and_no_bar(shown: Shown) -> None:
    before = shown.bars()
    slider = shown.slider("Noise rate")
    for key, rate in (("ArrowLeft", 0.65), ("ArrowLeft", 0.6), ("ArrowRight", 0.65)):
        slider.press(key)
        expect(slider).to_have_attribute("aria-valuetext", f"{rate:.0%}")
        matrix = noise.label_dependent_transition("aid", rate)
        lost = class_margins.dominated_classes(matrix)
        expect(shown.readout).to_contain_text(f"{len(lost)} of 30 classes are lost. BareLand is ")
        expect(shown.note).to_contain_text(f"Nominal rate {rate:.0%}.")
        assert shown.rule() == pytest.approx((1 - rate) / rate, abs=0.003)
        assert shown.lost() == lost.tolist()
        assert sorted(shown.bars()) == pytest.approx(sorted(before), abs=0.003)
        assert shown.color(3, 3) == heat_color(1 - rate)


def test_concentration_edits_the_row_and_the_class_tips_over(shown: Shown) -> None:
    slider, published = shown.slider("Concentration"), noise.label_dependent_transition("aid", 0.7)
    rule, other = shown.rule(), shown.color(0, 12)
    for presses, amount, is_lost in ((3, -0.3, True), (3, -0.6, False), (4, -1.0, False)):
        for _ in range(presses):
            slider.press("ArrowLeft")
        edited = class_margins.concentrate(published, BARELAND, amount)
        assert (BARELAND in class_margins.dominated_classes(edited)) == is_lost
        says = "is one of them: " if is_lost else "is not: "
        expect(shown.readout).to_contain_text(
            f"{9 + is_lost} of 30 classes are lost. BareLand {says}"
        )
        expect(shown.readout).to_contain_text(f"{np.delete(edited[1], 1).max():.1%} ")
        np.testing.assert_allclose(shown.bars(), shares(edited[1], 1), atol=0.003)
        assert shown.rule() == pytest.approx(rule)
        assert shown.color(0, 12) == other
        assert (BARELAND in shown.lost()) == is_lost
    expect(slider).to_have_attribute("aria-valuetext", "evenly spread")
    spread = np.array(shown.color(BARELAND, 20)) - heat_color(0.7 / 29)
    assert np.abs(spread).max() <= 3  # the code of a colour is rounded twice


def test_noise_data_set_and_class_are_chosen_by_keyboard(shown: Shown) -> None:
    shown.root.get_by_role("combobox", name="Kind of label noise").press("p")
    expect(shown.readout).to_contain_text("30 of 30 classes are lost. BareLand is one of them: 70")
    assert shown.bars() == pytest.approx([1.0], abs=0.003)
    shown.root.get_by_role("radio", name="AID").press("ArrowRight")
    classes = shown.root.get_by_role("combobox", name="Class (row)")
    expect(classes).to_have_value("airplane")
    classes.press("ArrowDown")
    expect(shown.readout).to_contain_text("45 of 45 classes are lost. airport is one of them")
    assert (shown.heat.get_attribute("data-x") or "").startswith("0 45 ")
    assert shown.color(1, 2) == heat_color(0.7)
    assert shown.root.locator('[data-mark="name-0"]').text_content() == "baseball_diamond 1.00"


def test_one_draw_shows_what_was_drawn_and_its_row_is_not_edited(shown: Shown) -> None:
    shown.root.get_by_role("radio", name="probabilities").press("ArrowRight")
    expect(shown.readout).to_contain_text("In this draw ")
    expect(shown.slider("Concentration")).to_be_disabled()
    published = noise.label_dependent_transition("aid", 0.7)
    given = noise.corrupt_labels(LABELS, published, 42, method="vectorized").labels
    drawn = np.histogram2d(LABELS, given, np.arange(31))[0] / 233
    row, lost = drawn[BARELAND], class_margins.dominated_classes(drawn)
    np.testing.assert_allclose(shown.bars(), shares(row, BARELAND), atol=0.003)
    assert shown.rule() == pytest.approx(row[BARELAND] / (1 - row[BARELAND]), abs=0.003)
    assert shown.lost() == lost.tolist()
    expect(shown.readout).to_contain_text(f"{len(lost)} of 30 classes are lost")
    assert shown.color(BARELAND, BARELAND) == heat_color(row[BARELAND])


def test_a_row_is_read_by_hover_and_chosen_by_a_click(shown: Shown) -> None:
    named = shown.root.locator(".rnsl-cell-name")
    expect(named).to_have_text("BareLand")
    shown.click_row(27, press=False)
    first, second = (px_of(shown.heat, "x", column) for column in (0, 1))
    column = int((160 - first) / (second - first))
    share = noise.label_dependent_transition("aid", 0.7)[27, column]
    expect(named).to_have_text(f"Stadium, called {AID[column]}: {share:.2f}")
    shown.click_row(27)
    expect(shown.root.get_by_role("combobox", name="Class (row)")).to_have_value("Stadium")
    expect(shown.readout).to_contain_text("Stadium is one of them: 56.0% of its labels say Play")
    np.testing.assert_allclose(curve(shown.root, "row"), [[0, 27.5]], atol=0.1)
    expect(shown.heat.locator("text.rnsl-strong")).to_have_text("Stadium")
    shown.page.mouse.move(2, 2)
    expect(named).to_have_text("Stadium")


def test_every_control_has_a_label_and_is_reached_by_tab(shown: Shown) -> None:
    reached = []
    for _ in range(6):
        shown.page.keyboard.press("Tab")
        reached.append(
            shown.page.evaluate(
                """() => {
                    const { id } = document.activeElement;
                    const label = id && document.querySelector(`label[for="${id}"]`);
                    const group = document.activeElement.closest("fieldset");
                    return (label || group.querySelector("legend")).textContent;
                }"""
            )
        )
    assert reached == [
        "Noise rate", "Kind of label noise", "Data set", "Concentration", "Class (row)", "Show",
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [480, 720, 1400])
def test_it_fits_the_width_and_a_half_screen(
    open_page: Open, explorer: TransitionExplorer, width: int, scheme: str
) -> None:
    page = open_page(explorer, width=width, color_scheme=scheme)
    shown = Shown(page)
    assert (
        shown.lost()
        == class_margins.dominated_classes(noise.label_dependent_transition("aid", 0.7)).tolist()
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width == 720:
        assert page.evaluate("document.documentElement.scrollHeight") <= 620
    page.screenshot(path=SCREENSHOTS / f"transition_{width}_{scheme}.png", full_page=True)
