"""The playground as a page: what a hand and a keyboard do, and what the address repeats."""

import csv
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import SCREENSHOTS, box_of
from playwright.sync_api import Browser, Page, expect

from rnsl_tutorial.tutorial.explorers import Playground, standalone_html
from rnsl_tutorial.tutorial.playground import page_html

OpenPage = Callable[..., Page]
SMALL = "n=30&hidden=8"  # trains fast
MOST_S = 60
STATE = """() => {
    const { world } = window.playground;
    const run = ({ unit, prototypes, kept, labels }) =>
        [unit, prototypes, kept, labels].map((values) => Array.from(values));
    return { step: world.step, a: run(world.now.a), b: run(world.now.b), history: world.history };
}"""


@pytest.fixture
def open_playground(browser: Browser, tmp_path: Path) -> Iterator[OpenPage]:
    """Open the page as a file, offline; it may ask for nothing and complain of nothing."""
    problems: list[str] = []
    asked: list[str] = []
    contexts = []
    file = tmp_path / "playground.html"
    file.write_text(page_html(), encoding="utf-8")

    def opened(hash_: str = "at=0", *, text: str = "", script: str = "", **options: Any) -> Page:
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text))
        page.on("request", lambda request: asked.append(request.url))
        if script:
            page.add_init_script(script)
        if text:
            file.write_text(text, encoding="utf-8")
        page.goto(f"{file.as_uri()}{'#' * bool(hash_)}{hash_}")
        page.wait_for_selector(".rnsl-playground[data-step]", state="attached")
        if not text:
            page.evaluate("window.playground.ready")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def step_of(page: Page) -> int:
    return int(str(page.locator(".rnsl-playground").get_attribute("data-step")))


def until(page: Page, condition: str) -> None:
    """Wait for what a script says; the page's policy lets nobody evaluate a text within it."""
    deadline = time.monotonic() + MOST_S
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def settled(page: Page) -> None:
    """Wait until all that was asked of the runs is done."""
    page.evaluate("window.playground.world.look({})")


# ------------------------------------------------------------------ playing


def test_it_plays_by_itself_and_pauses_steps_and_resets(open_playground: OpenPage) -> None:
    page = open_playground("")
    until(page, "window.playground.world.step > 20")
    page.get_by_role("button", name="Pause").click()
    settled(page)
    step = step_of(page)
    assert page.evaluate("window.playground.world.now.b.step") == step > 20
    page.get_by_role("button", name="One step").click()
    expect(page.locator(".rnsl-playground")).to_have_attribute("data-step", str(step + 1))
    page.get_by_role("button", name="Reset to step 0").click()
    expect(page.locator(".rnsl-playground")).to_have_attribute("data-step", "0")


def test_who_wants_less_motion_sees_none_before_pressing_play(open_playground: OpenPage) -> None:
    page = open_playground("", reduced_motion="reduce")
    page.wait_for_timeout(300)
    assert step_of(page) == 0
    page.locator(".pg-ball").first.focus()
    page.keyboard.press("Space")
    until(page, "window.playground.world.step > 3")


def test_a_preset_is_a_click_and_says_its_sentence(open_playground: OpenPage) -> None:
    page = open_playground()
    page.get_by_role("button", name="One wrong label among twelve").click()
    expect(page.locator(".pg-told")).to_contain_text("NSL bends the map")
    until(page, "window.playground.world.now.a.labels.length === 12")
    until(page, "window.playground.world.step > 3")


@pytest.mark.parametrize("name", ["T", "lr", "rate", "n", "classes", "hidden"])
def test_every_slider_answers_the_arrow_keys(open_playground: OpenPage, name: str) -> None:
    page = open_playground(f"{SMALL}&at=0", viewport={"width": 1300, "height": 800})
    before = page.evaluate(f"({{...window.playground.world.current()}})['{name}']")
    page.locator(f'input[data-name="{name}"]').press("ArrowRight")
    settled(page)
    assert page.evaluate("window.playground.world.current()")[name] != before
    assert f"{name}=" in page.url


# ------------------------------------------------------------------ the address


def test_an_address_repeats_a_run_bit_for_bit_with_all_that_was_changed_on_the_way(
    open_playground: OpenPage,
) -> None:
    page = open_playground(f"{SMALL}&b.loss=trnsl&b.start=20&at=40")
    page.evaluate("""async () => {
        const { set, world } = window.playground;
        await set("b.q", 0.35);
        await world.advance(13, {});
        await set("flips", [[3, 1], [7, 0]]);
        await set("own", [[0.25, -0.125, 2]]);
        await world.advance(12, {});
        await set("rate", 0.2);
        await world.advance(7, {});
        window.playground.play(true);
    }""")
    until(page, "window.playground.world.step > 75")
    page.get_by_role("button", name="Pause").click()
    settled(page)
    state, address = page.evaluate(STATE), page.url
    assert address.endswith(f"at={state['step']}")
    again = open_playground(address.split("#")[1])
    assert again.evaluate(STATE) == state
    assert again.url.split("#")[1] == address.split("#")[1]


def test_without_workers_the_page_trains_by_itself_to_the_same_bit(
    open_playground: OpenPage,
) -> None:
    address = f"{SMALL}&at=30"
    with_workers = open_playground(address).evaluate(STATE)
    page = open_playground(address, script="delete window.Worker")
    assert page.evaluate("window.playground.world.runs.a.worker") is None
    assert page.evaluate(STATE) == with_workers


def test_what_an_address_says_wrongly_is_left_out(open_playground: OpenPage) -> None:
    page = open_playground("shape=cube&n=-4&T=none&own=a,b&q=2x&nothing=1&rate=0.25&at=0")
    now = page.evaluate("window.playground.world.current()")
    assert now["rate"] == 0.25
    assert {"shape", "n", "T", "q", "nothing"}.isdisjoint(now)
    assert now["own"] == []


def test_an_address_may_go_beyond_what_the_sliders_have(open_playground: OpenPage) -> None:
    page = open_playground("n=1500&hidden=70&classes=9&at=1")
    assert page.evaluate("window.playground.world.now.a.labels.length") == 1500
    assert page.evaluate("window.playground.world.now.a.prototypes.length") == 27


# ------------------------------------------------------------------ hands


def on_plane(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a place of the left plane lies on the page."""
    box = box_of(page.locator(".pg-plane").first)
    share = [(x / 1.12 + 1) / 2, (1 - y / 1.12) / 2]
    return box["x"] + box["width"] * share[0], box["y"] + box["height"] * share[1]


def point(page: Page, i: int) -> tuple[float, float]:
    points = page.evaluate("Array.from(window.playground.world.now.a.points)")
    return on_plane(page, points[2 * i], points[2 * i + 1])


def labels(page: Page) -> list[int]:
    found: list[int] = page.evaluate("Array.from(window.playground.world.now.a.labels)")
    return found


def test_a_click_flips_a_label_and_a_drag_paints_points(open_playground: OpenPage) -> None:
    page = open_playground("n=12&rate=0&at=0", viewport={"width": 1300, "height": 800})
    before = labels(page)
    page.mouse.click(*point(page, 5))
    until(page, "window.playground.world.current().flips.length === 1")
    settled(page)
    after = labels(page)
    assert [i for i in range(12) if after[i] != before[i]] == [5]
    page.get_by_role("combobox", name="What a press on the plane does").select_option("2")
    page.mouse.move(*on_plane(page, -0.9, -0.9))
    page.mouse.down()
    page.mouse.move(*on_plane(page, 0.9, -0.9), steps=20)
    page.mouse.up()
    until(page, "window.playground.world.current().own.length > 10")
    settled(page)
    assert set(labels(page)[12:]) == {2}
    assert "own=" in page.url
    assert "flips=5," in page.url


def test_a_place_under_the_pointer_tells_p_loss_and_pull_of_both_runs(
    open_playground: OpenPage,
) -> None:
    page = open_playground(f"{SMALL}&at=50", viewport={"width": 1300, "height": 800})
    page.mouse.move(*point(page, 4))
    tip = page.locator(".pg-tip")
    expect(tip).to_contain_text("Point 5: given")
    assert len(tip.locator(".pg-p").all()) == 8
    told = page.evaluate("""() => {
        const { a, b } = window.playground.world.now;
        return [a, b].map(({ probe }) => [probe.p.reduce((x, y) => x + y), probe.loss.length]);
    }""")
    assert told == [[pytest.approx(1, abs=1e-12), 4]] * 2
    expect(tip).to_contain_text(re.compile(r"loss \d+\.\d\d, pull \d\.\d\d"))
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()


def test_the_plane_and_the_sphere_answer_the_keyboard(open_playground: OpenPage) -> None:
    page = open_playground("n=12&rate=0&at=0", viewport={"width": 1300, "height": 800})
    page.locator(".pg-plane").first.focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator(".pg-tip")).to_be_visible()
    ball = page.locator(".pg-ball").first
    picture = ball.evaluate("canvas => canvas.toDataURL()")
    ball.focus()
    page.keyboard.press("ArrowLeft")
    deadline = time.monotonic() + MOST_S
    while ball.evaluate("canvas => canvas.toDataURL()") == picture:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1300, 800), (1920, 1080)])
def test_it_fits_a_phone_a_laptop_and_a_projector(
    open_playground: OpenPage, width: int, height: int, scheme: Any
) -> None:
    size = {"width": width, "height": height}
    page = open_playground("at=200", viewport=size, color_scheme=scheme, has_touch=width < 500)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    if width > 500:  # all of it on one screen
        assert page.evaluate("document.documentElement.scrollHeight") <= height
    assert box_of(page.locator(".pg-plane").last)["y"] < height / 1.5
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
    page.screenshot(path=SCREENSHOTS / f"playground_{width}_{scheme}.png")


OUTSIDE = """() => [...document.querySelectorAll(".pg-card")].flatMap((card) => {
    const frame = card.getBoundingClientRect();
    const parts = [...card.querySelectorAll("select, input, output, b, span, canvas")];
    return parts.map((part) => part.getBoundingClientRect())
        .filter(({ width }) => width)
        .filter(({ left, right }) => left < frame.left - 1 || right > frame.right + 1).length;
})"""


@pytest.mark.parametrize("width", [390, 560, 700, 860, 899, 1000, 1300])
def test_no_part_of_a_run_leaves_its_card(open_playground: OpenPage, width: int) -> None:
    page = open_playground(
        "n=12&a.loss=trnsl&b.loss=trnsl&at=0", viewport={"width": width, "height": 800}
    )
    assert page.evaluate(OUTSIDE) == [0, 0]
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_finger_paints_too(open_playground: OpenPage) -> None:
    page = open_playground(
        "n=12&rate=0&at=0", viewport={"width": 390, "height": 844}, has_touch=True
    )
    before = labels(page)
    page.touchscreen.tap(*point(page, 5))
    until(page, "window.playground.world.current().flips.length === 1")
    settled(page)
    assert labels(page) != before


def test_marks_and_text_stand_out_from_their_ground(open_playground: OpenPage) -> None:
    paints = open_playground().evaluate("window.playground.paints")
    for paint in paints.values():
        marks = [*paint["classes"], *paint["losses"].values(), paint["grey"]]
        assert min(contrast(mark, paint["paper"]) for mark in marks) >= 3
        for text in (paint["ink"], paint["quiet"]):
            assert contrast(text, paint["paper"]) >= 4.5
        for letter in paint["classes"]:  # of a prototype, on its disc
            assert contrast(paint["paper"], letter) >= 3


def contrast(one: str, other: str) -> float:
    """The ratio of two colours' luminances, of WCAG."""
    low, high = sorted(luminance(color) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# ------------------------------------------------------------------ data in and out

OWN = "name,x,y,label\n" + "\n".join(f"i{i},{i * 2},{i % 7},{'ab'[i % 2]}" for i in range(20))


def test_a_csv_of_ones_own_is_opened_and_pasted(open_playground: OpenPage, tmp_path: Path) -> None:
    page = open_playground()
    file = tmp_path / "own.csv"
    file.write_text(OWN)
    page.locator('input[type="file"]').set_input_files(file)
    expect(page.locator(".pg-told")).to_contain_text("20 points of yours, classes A = a, B = b")
    settled(page)
    found = page.evaluate("Array.from(window.playground.world.now.a.points)")
    assert max(found) == 1
    assert min(found) == -1
    assert page.evaluate("window.playground.world.current().shape") == "own"
    page.locator(".rnsl-playground").evaluate("""(root) => {
        const data = new DataTransfer();
        data.setData("text", "1,2,0\\n3,4,1\\n5,7,1\\n");
        root.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    }""")
    expect(page.locator(".pg-told")).to_contain_text("3 points of yours")


@pytest.mark.parametrize(
    ("text", "said"),
    [("x,y,label\n1,2,a\n1,?,b", 'Line 3 is no "x, y, label"'), ("1,2,a\n3,4,a", "1 classes")],
)
def test_a_csv_that_is_none_is_told(
    open_playground: OpenPage, tmp_path: Path, text: str, said: str
) -> None:
    page = open_playground()
    file = tmp_path / "wrong.csv"
    file.write_text(text)
    page.locator('input[type="file"]').set_input_files(file)
    expect(page.locator(".pg-told")).to_contain_text(f"Not read: {said}")


def test_points_and_history_go_out_as_csv_and_all_as_json(open_playground: OpenPage) -> None:
    page = open_playground(f"{SMALL}&at=25")
    page.locator(".pg-files summary").click()

    def saved(name: str) -> str:
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        return Path(download.value.path()).read_text()

    rows = list(csv.DictReader(saved("Save points").splitlines()))
    assert [int(row["label"]) for row in rows] == labels(page)
    history = list(csv.DictReader(saved("Save curves").splitlines()))
    assert [(row["run"], row["step"]) for row in history] == [
        (run, str(step)) for run in "ab" for step in (0, 10, 20)
    ]
    everything = json.loads(saved("Save all"))
    assert everything["link"] == page.url.split("#")[1]
    assert len(everything["points"]) == 60
    assert everything["labels"] == labels(page)


# ------------------------------------------------------------------ in a notebook

MODEL = """() => {
    const state = JSON.parse(document.querySelector("script[data-model]").textContent).state;
    return Object.keys(state);
}"""


def test_as_a_widget_it_moves_without_a_kernel(open_playground: OpenPage) -> None:
    made = Playground(n=40, rate=0.25, b_loss="trnsl", hidden=8)
    page = open_playground("", text=standalone_html(made))
    assert set(page.evaluate(MODEL)) == {
        *("_controls", "settings", "q", "points", "labels", "history", "step", "playing"),
    }
    assert step_of(page) == 0
    page.get_by_role("button", name="Play").click()
    until(page, "document.querySelector('.rnsl-playground').dataset.step > 5")
    expect(page.locator(".pg-card").last).to_have_attribute("data-loss", "trnsl")


# The widget on a model that stands in for a notebook's; `fromKernel` is what its Python sets.
WIDGET = """async ({ module, state }) => {
    const address = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
    const { default: widget } = await import(address);
    const heard = {};
    const set = (name, value) => (state[name] = value);
    const on = (event, callback) => (heard[event] = callback);
    const model = { get: (name) => state[name], set, on, save_changes() {} };
    window.state = state;
    window.fromKernel = (values) => {
        Object.assign(state, values);
        for (const name of Object.keys(values)) heard[`change:${name}`]?.();
    };
    window.end = widget.render({ model, el: document.body });
}"""


def test_a_notebook_reads_and_sets_q_points_labels_settings_and_history(browser: Browser) -> None:
    page = browser.new_page()
    state = {
        "settings": {"n": 20, "hidden": 8, "rate": 0},
        "q": 0.7,
        "playing": False,
        "points": [],
        "labels": [],
        "history": {},
        "step": 0,
    }
    page.evaluate(WIDGET, {"module": str(Playground._esm), "state": state})
    until(page, "state.labels.length === 20 && state.points.length === 20")
    page.evaluate("fromKernel({ q: 0.3 })")
    until(page, "state.settings['b.q'] === 0.3")
    page.evaluate("fromKernel({ playing: true })")
    until(page, "document.querySelector('.rnsl-playground').dataset.step > 10")
    page.evaluate("fromKernel({ playing: false })")
    until(page, "state.step > 10 && state.history.a.length > 1 && state.history.b.length > 1")
    page.evaluate("fromKernel({ labels: state.labels.map(() => 1) })")
    until(page, "state.settings && state.labels.every((label) => label === 1)")
    assert page.evaluate("state.step") > 10, "the run goes on"
    page.evaluate("fromKernel({ history: {} })")
    until(page, "state.step === 0")
    page.evaluate("fromKernel({ points: [[0, 0.5], [0.5, 0]], labels: [0, 2] })")
    until(page, "state.settings.shape === 'own' && state.settings.classes === 3")
    assert page.evaluate("[state.points, state.labels]") == [[[0, 0.5], [0.5, 0]], [0, 2]]
    page.evaluate("fromKernel({ settings: { n: 16, 'a.loss': 'trnsl' } })")
    until(page, "state.labels.length === 16")
    expect(page.locator(".pg-card").first).to_have_attribute("data-loss", "trnsl")
    page.evaluate("end()")
    expect(page.locator(".rnsl-playground")).to_have_count(0)
    page.close()


@pytest.mark.parametrize(
    ("gone", "back"),
    [
        ("main.style.display = 'none'", "main.style.display = ''"),
        ("main.remove()", "document.body.append(main)"),
    ],
)
def test_it_outlives_being_hidden_and_taken_out_of_the_page(
    open_playground: OpenPage, gone: str, back: str
) -> None:
    page = open_playground(SMALL + "&at=0")
    page.evaluate("() => { window.main = document.querySelector('main'); }")
    page.evaluate(f"() => {{ {gone}; document.body.className = 'x'; playground.step(); }}")
    page.evaluate("playground.frames.splice(0)")
    until(page, "playground.frames.length > 3 && playground.world.step === 1")
    page.evaluate(f"() => {{ {back}; playground.frames.splice(0); playground.step(); }}")
    until(page, "playground.frames.length > 3 && playground.world.step === 2")
    expect(page.locator(".pg-count")).to_have_text("step 2")


def test_all_modules_together_take_at_most_60_kb() -> None:
    assert len(str(Playground._esm).encode()) <= 60_000


def test_what_is_taken_off_the_page_trains_no_more(open_playground: OpenPage) -> None:
    page = open_playground(SMALL)
    until(page, "window.playground.playing")
    page.locator(".rnsl-playground").evaluate("all => all.remove()")
    until(page, "!window.playground.playing")
