"""The dashboard: recorded curves in a plain page, and a live training in JupyterLab."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from harness import ROOT, SCREENSHOTS, JupyterLab, Open, box_of, curve
from playwright.sync_api import Browser, Locator, expect
from tiny_scenes import tiny_run

from docs import executed
from notebooks import build
from rnsl_tutorial.tutorial.dashboard import Dashboard
from rnsl_tutorial.tutorial.explorers.page import _page_of

LIVE_MS = 60_000
EPOCHS = 160  # seconds more than the tests take from a start to a pause

CELLS = [
    f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
    "from tiny_scenes import tiny_run, same_bits\n"
    "from rnsl_tutorial.tutorial.dashboard import Dashboard\n"
    f"EPOCHS = {EPOCHS}\n"
    "dashboard = Dashboard({n: tiny_run(loss=n, epochs=EPOCHS) for n in ('nsl', 'trnsl')})\n"
    "dashboard",
    "print(6 * 7)",
]


@pytest.fixture(scope="module")
def dashboard() -> Dashboard:
    made = Dashboard({name: tiny_run(loss=name) for name in ("nsl", "rnsl", "trnsl")})
    made.wait()
    return made


# ------------------------------------------------------------------ without a kernel


def note_of(root: Locator) -> Locator:
    """Where it is told how far the runs are."""
    return root.locator(".rnsl-dashboard > .rnsl-note")


def chart(root: Locator, title: str) -> Locator:
    return root.locator(".rnsl-chart", has_text=title)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_plain_page_shows_the_recorded_curves_and_says_that_the_button_needs_a_kernel(
    dashboard: Dashboard, open_page: Open, scheme: str
) -> None:
    page = open_page(dashboard, color_scheme=scheme, height=800)
    page.screenshot(path=SCREENSHOTS / f"dashboard_{scheme}.png")
    root = page.locator(".rnsl-explorer")
    expect(note_of(root)).to_contain_text("the button needs a running kernel")
    expect(root.locator(".rnsl-chart:visible")).to_have_count(2)
    root.get_by_text("All measures").click()
    expect(root.locator(".rnsl-chart:visible")).to_have_count(9)
    expect(root.get_by_role("button", name="Stop")).to_be_disabled()
    for field, title in (
        ("memorized", "Wrong labels memorized"),
        ("loss", "Loss"),
        ("images_per_s", "Images per second"),
    ):
        for name, label in (("nsl", "NSL"), ("rnsl", "RNSL"), ("trnsl", "t-RNSL")):
            values = [getattr(m, field) for m in dashboard.lives[name].moments]
            expected = np.stack([[1, 2, 3], values], axis=1)
            scale = max(1.0, *values)
            drawn = curve(chart(root, title), label)
            np.testing.assert_allclose(drawn, expected, atol=0.01 * scale)


def test_the_slider_looks_back_and_the_radio_buttons_choose_the_run(
    dashboard: Dashboard, open_page: Open
) -> None:
    root = open_page(dashboard).locator(".rnsl-explorer")
    root.get_by_text("All measures").click()
    root.get_by_role("slider", name="Look at epoch").press("Home")
    expect(root.locator(".rnsl-readout")).to_contain_text("NSL, epoch 1:")
    root.get_by_role("radio", name="NSL", exact=True).press("ArrowLeft")  # around to the last
    expect(root.locator(".rnsl-readout")).to_contain_text("t-RNSL, epoch 1:")
    [[at, height]] = curve(chart(root, "Right labels learned"), "shown")
    moment = dashboard.lives["trnsl"].moments[0]
    assert (at, height) == pytest.approx((1, moment.learned), abs=0.01)


def test_the_wall_is_a_film_that_runs_both_ways(dashboard: Dashboard, open_page: Open) -> None:
    root = open_page(dashboard, height=800).locator(".rnsl-explorer")
    wall, run = root.locator(".rnsl-wall"), dashboard.lives["trnsl"]
    root.get_by_role("radio", name="t-RNSL", exact=True).check(force=True)
    slider = root.get_by_role("slider", name="Look at epoch")
    for key, epoch in (("Home", 0), ("ArrowRight", 1), ("End", 2), ("ArrowLeft", 1)):
        slider.press(key)
        believed, kept = (shown[dashboard._wall.rows] for shown in run.minds[epoch])
        expect(wall.locator(".rnsl-wall-believed")).to_have_count(int(believed.sum()))
        expect(wall.locator(".rnsl-wall-out")).to_have_count(int((~kept).sum()))
        memorized = believed[24:].sum()
        expect(wall).to_contain_text(f"{memorized} of 24 wrong labels memorized")
    expect(wall.locator(".rnsl-scene:visible")).to_have_count(48)
    slider.press("End")
    for name, end in (("Play backward", "1"), ("Play", "3")):
        root.get_by_role("button", name=name, exact=True).click()
        expect(root.locator(".rnsl-control .rnsl-value")).to_have_text(end)
    expect(root.get_by_role("button", name="Play backward")).to_be_enabled()


def test_the_slider_ends_at_the_last_epoch_that_is_done(open_page: Open) -> None:
    fresh = Dashboard({"nsl": tiny_run(loss="nsl")})
    root = open_page(fresh).locator(".rnsl-explorer")
    slider = root.get_by_role("slider", name="Look at epoch")
    expect(root.locator(".rnsl-value")).to_have_text("none yet")
    expect(slider).to_have_attribute("max", "0")
    fresh.start("nsl")
    fresh.wait()
    root = open_page(fresh).locator(".rnsl-explorer")
    done = len(fresh.lives["nsl"].moments)
    expect(root.locator(".rnsl-value")).to_have_text(str(done))
    expect(root.locator(".rnsl-readout")).to_contain_text(f"NSL, epoch {done}:")


def test_it_fits_on_a_narrow_screen(dashboard: Dashboard, open_page: Open) -> None:
    page = open_page(dashboard, width=380, height=900)
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    page.screenshot(path=SCREENSHOTS / "dashboard_narrow.png", full_page=True)


@pytest.mark.parametrize("width", [640, 740, 860, 1000])
def test_the_slider_leaves_the_buttons_free(
    dashboard: Dashboard, open_page: Open, width: int
) -> None:
    root = open_page(dashboard, width=width).locator(".rnsl-explorer")
    slider = box_of(root.locator(".rnsl-control", has=root.page.get_by_role("slider")))
    for button in root.locator("button:not(.rnsl-saving *)").all():
        box = box_of(button)
        assert (
            box["x"] + box["width"] <= slider["x"]
            or box["y"] + box["height"] <= slider["y"]
            or box["y"] >= slider["y"] + slider["height"]
        ), (box, slider)


def test_an_exported_notebook_keeps_the_curves_of_a_run_that_it_waited_for(
    open_page: Open, tmp_path: Path, browser: Browser
) -> None:
    made = CELLS[0].replace(f"EPOCHS = {EPOCHS}", "EPOCHS = 3")
    code = [made, "moments = dashboard.wait()", "1 + 1"]
    cells = [nbformat.v4.new_code_cell(cell) for cell in code]
    notebook = executed.executed(nbformat.v4.new_notebook(cells=cells))
    file = tmp_path / "06.html"
    file.write_text(_page_of(executed.explorer_models(notebook)), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    note = note_of(page.locator(".rnsl-explorer"))
    expect(note).to_contain_text("NSL: finished, 3 of 3 epochs done; t-RNSL: finished, 3 of 3")
    page.get_by_text("All measures").click()
    assert len(curve(chart(page.locator(".rnsl-explorer"), "learned"), "t-RNSL")) == 3
    page.close()


# ------------------------------------------------------------------ in JupyterLab


@pytest.fixture
def live_lab(jupyterlab: JupyterLab, notebooks: Path) -> JupyterLab:
    """JupyterLab with a small notebook open and run: nothing trains yet."""
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=build.KERNEL)
    nbformat.write(notebook, notebooks / "live.ipynb")
    jupyterlab.open("live.ipynb")
    assert jupyterlab.run_all() == []
    jupyterlab.page.locator(".rnsl-dashboard .rnsl-readout").wait_for()
    return jupyterlab


def points(root: Locator, run: str = "NSL") -> int:
    return len(curve(chart(root, "Loss"), run))


def until(jupyterlab: JupyterLab, holds: Callable[[], bool]) -> None:
    for _ in range(LIVE_MS // 100):
        if holds():
            return
        jupyterlab.page.wait_for_timeout(100)
    raise TimeoutError


def test_buttons_work_while_it_trains_and_the_kernel_answers_meanwhile(
    live_lab: JupyterLab,
) -> None:
    root = live_lab.page.locator(".rnsl-explorer")
    note = note_of(root)

    def press(name: str) -> None:
        root.get_by_role("button", name=name, exact=True).click()

    def ask(code: str) -> Any:
        return live_lab.kernel(code).strip()

    # start: the curve grows, and the kernel answers
    expect(note).to_have_text("NSL: not started; t-RNSL: not started")
    root.get_by_text("All measures").click()
    press("Start")
    until(live_lab, lambda: points(root) >= 2)
    assert ask("print(dashboard.lives['nsl'].state, 6 * 7)") == "running 42"
    grown = points(root)
    until(live_lab, lambda: points(root) > grown)
    live_lab.screenshot("dashboard_running")

    # pause: the curve stops
    press("Pause")
    expect(note).to_contain_text("NSL: paused", timeout=LIVE_MS)
    paused = points(root)
    live_lab.page.wait_for_timeout(1500)
    assert points(root) == paused < EPOCHS
    threads = "import threading; print([t.name for t in threading.enumerate()].count('training'))"
    assert ask(threads) == "0"
    expect(root.get_by_role("button", name="Pause", exact=True)).to_have_count(0)

    # resume: it goes on to the same bits; the other run is started meanwhile, and stopped
    press("Resume")
    until(live_lab, lambda: points(root) > paused)
    root.get_by_role("radio", name="t-RNSL", exact=True).click(force=True)
    press("Start")
    until(live_lab, lambda: points(root, "t-RNSL") >= 1)
    press("Stop")
    expect(note).to_contain_text("t-RNSL: stopped", timeout=LIVE_MS)
    ask("moments = dashboard.lives['nsl'].wait()")
    same = "alone = tiny_run(loss='nsl', epochs=EPOCHS); alone.training.run()\n"
    assert ask(same + "print(same_bits(dashboard.lives['nsl'].run, alone))") == "True"
    assert ask("print(len(dashboard.lives['trnsl'].run.training.state()['order']))") == "112"


def test_an_interrupt_pauses_what_a_cell_waits_for_and_a_restart_leaves_no_thread(
    live_lab: JupyterLab,
) -> None:
    root = live_lab.page.locator(".rnsl-explorer")
    waits = (
        "try:\n    dashboard.wait()\n"
        "except KeyboardInterrupt:\n    print('now', dashboard.lives['nsl'].state)"
    )
    live_lab.page.evaluate(
        """code => {
            const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
            window.future = kernel.requestExecute({ code });
            window.said = "";
            window.future.onIOPub = ({ header, content }) => {
                if (header.msg_type === "stream") window.said += content.text;
            };
        }""",
        waits,
    )
    until(live_lab, lambda: points(root) >= 2)
    live_lab.page.evaluate(
        "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()"
    )
    live_lab.page.wait_for_function("window.said.includes('now paused')", timeout=LIVE_MS)
    live_lab.kernel("dashboard.start()")
    process = int(live_lab.kernel("import os; print(os.getpid())"))
    live_lab.page.evaluate(
        "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    until(live_lab, lambda: not Path(f"/proc/{process}").exists())
    assert live_lab.kernel("import threading; print(threading.active_count() < 20)") == "True\n"
