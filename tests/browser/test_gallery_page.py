"""The page of an audit in a browser: filters, decisions, keys, a file; no network."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boxes import TEXTS
from harness import SCREENSHOTS
from playwright.sync_api import Browser, Locator, Page, expect
from synthetic_audit import IMAGES, NAMES, make_audit

from rnsl_tutorial import audit
from rnsl_tutorial.datasets import Archive

OpenGallery = Callable[..., Page]
DIGESTS = tuple(f"{i:032x}" for i in range(200))
COLUMNS = ("digest", "file", "given", "decision", "label")
FIRST, *_, LAST = make_audit().ranking().tolist()
PAIRS = np.array([[FIRST, LAST], [20, 21]])


def whole_audit(names: tuple[str, ...] = NAMES) -> audit.Audit:
    return make_audit(names)._replace(digests=DIGESTS, duplicates=PAIRS)


@pytest.fixture
def open_gallery(browser: Browser, tmp_path: Path) -> Iterator[OpenGallery]:
    """Open galleries; none may ask for anything outside or report a problem."""
    pages: list[Page] = []
    problems: list[str] = []
    requests: list[str] = []
    file = tmp_path / "gallery.html"

    def opened(
        found: audit.Audit | None = None,
        decided: audit.Decided | None = None,
        width: int = 1000,
        **options: Any,
    ) -> Page:
        found, out = found or whole_audit(), file.with_suffix(".csv")
        audit.write_outputs(found, out, file, IMAGES, decided=decided, top=150)
        page = browser.new_page(viewport={"width": width, "height": 844}, **options)
        pages.append(page)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        expect(page.locator("#readout")).not_to_be_empty()
        return page

    yield opened
    for page in pages:
        page.close()
    assert problems == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def flagged(found: audit.Audit, at: int) -> int:
    return int(found.precision.flagged[at])


def everything(page: Page) -> Locator:
    """Show all images of the page; return the cards of the list."""
    page.locator("#threshold").press("Home")
    return page.locator("main .card")


def decisions_of(cards: Locator, count: int) -> list[str | None]:
    return [cards.nth(i).get_attribute("data-decision") for i in range(count)]


def saved(page: Page, path: Path) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.locator("#download").click()
    download.value.save_as(path)
    return audit.read_decisions(path)


# ------------------------------------------------------------------ filters


def test_the_threshold_moves_by_keyboard_and_says_what_is_above_it(
    open_gallery: OpenGallery,
) -> None:
    found, page = make_audit(), open_gallery()
    slider, cards = page.locator("#threshold"), page.locator("main .card")
    slider.focus()
    slider.press("End")
    expect(page.locator("#readout")).to_contain_text("1 image with a doubt of")
    expect(cards).to_have_count(1)
    for _ in range(20):
        slider.press("ArrowLeft")
    at = int(slider.input_value())
    expect(page.locator("#readout")).to_contain_text(f"{flagged(found, at)} images with")
    expect(cards).to_have_count(flagged(found, at))
    below = page.locator("#below")
    below.focus()
    for _ in range(10):
        below.press("ArrowLeft")
    end = int(below.input_value())
    assert end > at
    expect(cards).to_have_count(flagged(found, at) - flagged(found, end))
    expect(cards.first).to_contain_text(found.files[found.ranking()[flagged(found, end)]])
    slider.press("Home")
    expect(page.locator("#readout")).to_contain_text("The first 150 are in this page.")


def test_cards_come_as_they_are_scrolled_to(open_gallery: OpenGallery) -> None:
    page = open_gallery()
    cards = everything(page)
    assert cards.count() < 150
    for _ in range(6):
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.wait_for_timeout(50)
    expect(cards).to_have_count(150)
    expect(page.locator("#more")).to_be_hidden()


def test_classes_and_pairs_are_filtered(open_gallery: OpenGallery) -> None:
    found, page = make_audit(), open_gallery()
    cards = everything(page)
    page.locator("#given").select_option(label="Beach")
    first = found.ranking()[:150]
    given_N, suggested_N = found.labels[first], found.scores.suggested[first]
    expect(page.locator("#shown")).to_contain_text(f"{(given_N == 1).sum()} of the 150")
    page.get_by_text("Which classes are confused").click()
    page.locator('td.pair[data-given="2"][data-suggested="3"]').click()
    count = int(((given_N == 2) & (suggested_N == 3)).sum())
    assert count > 0
    expect(cards).to_have_count(count)
    expect(cards.first.locator(".labels")).to_have_text("Forest → Park")
    expect(page.locator("#given")).to_have_value("2")
    page.locator('td.pair[data-given="2"][data-suggested="3"]').click()
    expect(page.locator("#shown")).to_contain_text("150 of the 150")


def test_what_is_decided_is_filtered_decided_as_one_and_undone(open_gallery: OpenGallery) -> None:
    page = open_gallery()
    cards = everything(page)
    cards.filter(has_not_text="Beach →").first.get_by_text("Discard").click()
    page.locator("#state").select_option("undecided")
    expect(page.locator("#shown")).to_contain_text("149 of the 150")
    page.locator("#given").select_option(label="Beach")
    count = int(page.locator("#shown").inner_text().split()[0])
    page.locator("#all").select_option("take")
    expect(page.locator("#decided")).to_have_text(f"{count + 1} of 150 decided")
    expect(page.locator("#said")).to_contain_text(f"Decided about {count} images in one step")
    page.locator("#state").select_option("decided")
    expect(page.locator("#shown")).to_contain_text(f"{count} of the 150")
    page.locator("#undo").click()
    expect(page.locator("#decided")).to_have_text("1 of 150 decided")
    page.locator("#undo").click()
    expect(page.locator("#decided")).to_have_text("0 of 150 decided")
    expect(page.locator("#undo")).to_be_disabled()


# ------------------------------------------------------------------ decisions


def test_each_decision_has_a_key_and_goes_on_to_the_next(open_gallery: OpenGallery) -> None:
    found, page = make_audit(), open_gallery()
    cards = everything(page)
    fifth = found.ranking()[4]
    other = ({*range(4)} - {int(found.labels[fifth]), int(found.scores.suggested[fifth])}).pop()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_contain_text("take the suggested label")
    page.keyboard.press("Escape")
    cards.nth(0).focus()
    for key in "ksud":
        page.keyboard.press(key)
    page.keyboard.press("c")
    page.keyboard.type(NAMES[other][:3].lower())
    page.keyboard.press("Enter")
    expect(cards.nth(5)).to_be_focused()
    wanted = ["keep", "relabel", "unsure", "discard", "relabel", ""]
    assert decisions_of(cards, 6) == wanted
    expect(cards.nth(4).locator(".choice[aria-pressed=true]")).to_have_text(NAMES[other])
    page.keyboard.press("z")
    expect(cards.nth(4)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("x")
    assert decisions_of(cards, 6) == [*wanted[:3], "", "", ""]
    page.keyboard.press("ArrowDown")
    expect(cards.nth(3)).not_to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(cards.nth(3)).to_be_focused()
    for _ in range(2):
        page.keyboard.press("Control+z")
    assert decisions_of(cards, 4) == ["keep", "relabel", "unsure", ""]
    expect(page.locator("#decided")).to_have_text("3 of 150 decided")
    page.mouse.wheel(0, 3000)
    expect(cards.nth(3)).not_to_be_in_viewport()
    page.keyboard.press("d")
    expect(page.locator("#decided")).to_have_text("4 of 150 decided")
    expect(page.locator('main .card[data-decision="discard"]')).to_be_in_viewport()


def test_a_picture_opens_with_images_of_both_classes(open_gallery: OpenGallery) -> None:
    found, page = make_audit(), open_gallery()
    cards, view = everything(page), page.locator("#view")
    cards.nth(1).locator(".picture").click()
    i = found.ranking()[1]
    names = [NAMES[label] for label in (found.labels[i], found.scores.suggested[i])]
    expect(view.locator(".full")).to_have_attribute("alt", found.files[i])
    expect(view.locator("figcaption")).to_have_text([f"{name}, doubted least" for name in names])
    expect(view.locator(".samples img")).to_have_count(8)
    small = cards.nth(1).locator("img").bounding_box()
    large = view.locator(".full").bounding_box()
    assert small is not None
    assert large is not None
    assert large["width"] > 2 * small["width"]
    page.keyboard.press("s")
    expect(view.locator(".full")).to_have_attribute("alt", found.files[found.ranking()[2]])
    view.get_by_text("Unsure").click()
    expect(view.locator(".choice[aria-pressed=true]")).to_have_text("Unsure")
    page.keyboard.press("ArrowLeft")
    expect(view.locator(".choice[aria-pressed=true]")).to_have_text("Take")
    page.keyboard.press("Escape")
    expect(view).to_be_hidden()
    expect(cards.nth(1)).to_be_focused()
    assert decisions_of(cards, 4) == ["", "relabel", "unsure", ""]


def test_the_same_picture_under_two_labels_stands_in_a_row(open_gallery: OpenGallery) -> None:
    found, page = make_audit(), open_gallery()
    everything(page)
    page.locator("#pairs summary").click()
    pairs = page.locator(".pair-of")
    expect(pairs).to_have_count(2)
    expect(pairs.nth(0).locator(".file")).to_have_text([found.files[i] for i in PAIRS[0]])
    pairs.nth(0).locator(".card").nth(0).get_by_text("Discard").click()
    expect(page.locator('.card[data-decision="discard"]')).to_have_count(2)
    expect(page.locator("main .card").first).to_have_attribute("data-decision", "discard")


# ------------------------------------------------------------------ the file


def test_decisions_are_kept_and_saved(open_gallery: OpenGallery, tmp_path: Path) -> None:
    odd = 'Bare, "<b>\n=land'
    found = whole_audit(names=(odd, *NAMES[1:]))
    page = open_gallery(found)
    cards = everything(page)
    page.locator("#given").select_option(index=1)
    expect(page.locator("#download")).to_be_disabled()
    for i, word in enumerate(["Take", "Keep", "Keep", "Unsure"]):
        cards.nth(i).get_by_text(word).click()
    cards.nth(2).get_by_text("Keep").click()
    expect(page.locator("#download")).to_have_text("Save (3)")
    page.reload()
    cards = everything(page)
    page.locator("#given").select_option(index=1)
    assert decisions_of(cards, 4) == ["relabel", "keep", "", "unsure"]
    path = tmp_path / "decisions.csv"
    rows = saved(page, path)
    first = [i for i in found.ranking()[:150] if found.labels[i] == 0]
    suggested = found.class_names[found.scores.suggested[first[0]]]
    assert rows == [
        dict(zip(COLUMNS, (DIGESTS[i], found.files[i], odd, word, label), strict=True))
        for i, word, label in (
            (first[0], "relabel", suggested), (first[1], "keep", odd), (first[3], "unsure", "")
        )
    ]  # fmt: skip
    assert path.read_bytes().startswith(b"digest,file,given,decision,label\r\n")


def test_a_file_is_loaded_by_content_and_what_is_not_here_is_kept(
    open_gallery: OpenGallery, tmp_path: Path
) -> None:
    """As a spreadsheet may have saved it; images were renamed since; in one step to undo."""
    found, page = make_audit(), open_gallery()
    cards = everything(page)
    a, b, c = found.ranking()[:3].tolist()
    path = tmp_path / "decisions.csv"
    path.write_bytes(
        "\ufeffdigest;file;given;decision;label\r\n"
        f"{DIGESTS[a]};old/a.jpg;{NAMES[found.labels[a]]};discard;\r\n"
        f'{DIGESTS[b]};"old/""b"".jpg";{NAMES[found.labels[b]]};relabel;Quarry\r\n'
        f"{'f' * 32};elsewhere/'=c.jpg;'=c;keep;'=c\r\n"
        f";{found.files[c]};;unsure;\r\n".encode()
    )
    page.locator("#file").set_input_files(path)
    expect(page.locator("#said")).to_have_text(
        "4 decisions were loaded, 3 of them about images in this page."
    )
    assert decisions_of(cards, 4) == ["discard", "relabel", "unsure", ""]
    expect(cards.nth(1).locator(".choice[aria-pressed=true]")).to_have_text("Quarry")
    rows = saved(page, tmp_path / "again.csv")
    assert [row["label"] for row in rows] == ["", "Quarry", "", "'=c".removeprefix("'")]
    assert rows[3]["file"] == "elsewhere/'=c.jpg"
    assert [row["file"] for row in rows[:3]] == [found.files[i] for i in (a, b, c)]
    page.locator("#undo").click()
    expect(page.locator("#download")).to_have_text("Save (0)")


def test_the_next_round_begins_with_what_was_decided(
    open_gallery: OpenGallery, tmp_path: Path
) -> None:
    """An image that was unsure is here again; a discarded one is gone and stays in the file."""
    found = whole_audit()
    rows = [
        (DIGESTS[FIRST], "old/name.jpg", "", "unsure", ""),
        ("f" * 32, "gone.jpg", "", "discard", ""),
    ]
    earlier = [dict(zip(COLUMNS, cells, strict=True)) for cells in rows]
    archive = Archive(IMAGES, found.labels, NAMES, found.files, DIGESTS)
    page = open_gallery(found, audit.decide(earlier, archive))
    cards = everything(page)
    assert decisions_of(cards, 2) == ["unsure", ""]
    expect(page.locator("#decided")).to_have_text("1 of 150 decided")
    cards.nth(0).get_by_text("Discard").click()
    page.reload()
    path = tmp_path / "decisions.csv"
    assert [(row["file"], row["decision"]) for row in saved(page, path)] == [
        (found.files[FIRST], "discard"), ("gone.jpg", "discard"),
    ]  # fmt: skip


def test_a_browser_that_remembers_nothing_says_so(open_gallery: OpenGallery) -> None:
    page = open_gallery()
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    page.locator("main .card").first.get_by_text("Keep").click()
    expect(page.locator("#said")).to_contain_text("save them before you close the page")
    expect(page.locator("#download")).to_have_text("Save (1)")


def test_a_file_of_another_kind_is_refused(open_gallery: OpenGallery, tmp_path: Path) -> None:
    page = open_gallery()
    for text, said in (
        ("a,b\n1,2\n", 'it has no column "file".'),
        ("file,decision\na,wrong\n", '"wrong" is no decision; these are: keep, relabel'),
        ("file,decision,label\na,relabel,\n", "a relabel has no label."),
    ):
        (tmp_path / "other.csv").write_text(text)
        page.locator("#file").set_input_files(tmp_path / "other.csv")
        expect(page.locator("#said")).to_contain_text(f"other.csv holds no decisions: {said}")
        expect(page.locator("#download")).to_have_text("Save (0)")


# ------------------------------------------------------------------ how it looks


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1000, "light")])
def test_it_fits_the_width_and_no_texts_overlap(
    open_gallery: OpenGallery, width: int, scheme: str
) -> None:
    long = ("Bare", "SparseResidentialWithALongName", "Forest", "Park")
    page = open_gallery(whole_audit(long), width=width, color_scheme=scheme)
    page.get_by_text("Which classes are confused").click()
    page.get_by_text("What these numbers can and cannot tell").click()
    page.locator("#pairs summary").click()
    cards = page.locator("main .card")
    for i, word in enumerate(["Keep", "Take", "Unsure", "Discard"]):
        cards.nth(i).get_by_text(word).click()
    page.evaluate("scrollTo(0, 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    number, overlaps, outside = page.locator("body").evaluate(TEXTS)
    assert number > 100
    assert overlaps == []
    assert outside == []
    page.screenshot(path=SCREENSHOTS / f"gallery_{width}_{scheme}.png", full_page=True)
    for name, open_it in (
        ("view", lambda: cards.nth(1).locator(".picture").click()),
        ("chooser", lambda: page.keyboard.press("c")),
    ):
        open_it()
        dialog = page.locator(f"#{name}")
        box = dialog.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        _, overlaps, outside = dialog.evaluate(TEXTS)
        assert overlaps == outside == []
        page.screenshot(path=SCREENSHOTS / f"gallery_{name}_{width}_{scheme}.png")
