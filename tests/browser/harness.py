"""What a test does with JupyterLab in a browser: start, open, run, look, move a slider."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import (
    Browser,
    Error,
    FloatRect,
    Locator,
    Page,
    Route,
    expect,
    sync_playwright,
)

from benchmarks.lab import PICTURE, free_port, wait_for_answer

ROOT = Path(__file__).parent.parent.parent
SCREENSHOTS = ROOT / "build" / "screenshots"
ARRIVED = "arrived"  # in the server's folder: notebooks as a learner gets them
HOST = "127.0.0.1"
TOKEN = "for-the-tests"
START_S, RUN_S, REDRAW_S = 60, 300, 30
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

# What the notebook in front says of itself: path, kernel's state, cells not run yet, errors, what
# was written to stderr, and the kinds of each cell's outputs.
STATE = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    const models = panel?.content?.widgets?.map(cell => cell.model) ?? [];
    const code = models.filter(model => model.type === "code");
    const outputs = code.flatMap(model => model.outputs.toJSON());
    return {
        path: panel?.context?.path,
        idle: panel?.sessionContext?.session?.kernel?.status === "idle",
        waiting: code.filter(model => model.executionCount === null).length,
        errors: outputs.filter(o => o.output_type === "error").map(o => `${o.ename}: ${o.evalue}`),
        stderr: outputs.filter(o => o.name === "stderr").map(o => [o.text].flat().join("")),
        kinds: code.map(model => model.outputs.toJSON().flatMap(o => Object.keys(o.data ?? {}))),
    };
}"""
READY = f"notebook => ({STATE})().path === notebook && ({STATE})().idle"
FINISHED = f"""() => {{
    const state = ({STATE})();
    return state.idle && (state.waiting === 0 || state.errors.length > 0);
}}"""
# Opens a notebook in a JupyterLab that is there, which takes seconds less than to load it anew.
OPEN = """async path => {
    await window.jupyterapp.commands.execute("docmanager:open", { path });
}"""
CLOSE = """async () => {
    for (const panel of [...(window.jupyterapp?.shell.widgets("main") ?? [])]) {
        if (panel.context) panel.context.model.dirty = false;  // else it asks whether to save
        panel.close();
    }
    await window.jupyterapp?.serviceManager.sessions.shutdownAll();
}"""


def chromium_path() -> str | None:
    """Return where the system's Chromium is, if it has one."""
    return shutil.which("chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_OPTIONS)
        yield browser
        with suppress(Error):  # it may have gone with a signal to all processes
            browser.close()


class Server(NamedTuple):
    """A JupyterLab that answers."""

    address: str
    pid: int


@contextmanager
def lab_server(
    folder: Path,
    arguments: Sequence[str],
    *,
    command: Callable[[list[str]], list[str]] = lambda options: [sys.executable, *options],
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Start a JupyterLab, and end it with all that it started.

    Args:
        folder: for its log, and for its settings.
        arguments: of its command line.
        command: what runs ``-m jupyterlab`` and its options; this Python by default.
        environment: by default this one's, with settings in ``folder`` and one thread.

    Raises:
        TimeoutError: it does not answer; with the log as a note.
    """
    port = free_port()
    options = [
        *("-m", "jupyterlab", *arguments, "--no-browser", f"--port={port}"),
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}",
        "--LabApp.expose_app_in_browser=True",
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    ]
    if environment is None:
        own = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        folders = {variable: str(folder / variable) for variable in own}
        environment = {**os.environ, **folders, "OMP_NUM_THREADS": "1"}  # several tests may run
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command(options), env=environment, stdout=log, stderr=log)
        try:
            wait_for_answer(f"http://{HOST}:{port}/api?token={TOKEN}", process, START_S)
            yield Server(f"http://{HOST}:{port}", process.pid)
        except TimeoutError as error:
            error.add_note((folder / "log").read_text())
            raise
        finally:
            process.terminate()
            process.wait()


def curve(root: Locator, mark: str) -> NDArray[np.float64]:
    """Return what a mark of a chart draws, [points, 2], in the units of its axes.

    Read back from the path on the page, which is drawn to a hundredth of a px. For bars and small
    marks the path also holds their corners.
    """
    drawn = root.locator(f'[data-mark="{mark}"]').evaluate(
        """mark => ({
            path: mark.getAttribute("d"), turn: mark.getAttribute("transform"),
            x: mark.ownerSVGElement.dataset.x, y: mark.ownerSVGElement.dataset.y,
        })"""
    )
    numbers = re.findall(r"-?[\d.]+(?:e-?\d+)?", drawn["turn"] or drawn["path"] or "")
    places = np.array(numbers, dtype=float).reshape(-1, 2)
    return np.stack([_unscaled(places[:, i], drawn[axis]) for i, axis in enumerate("xy")], axis=1)


def px_of(drawing: Locator, axis: str, value: float) -> float:
    """Return where a value on the x or y axis of a chart lies in its drawing, px."""
    low, high, low_px, high_px = map(float, str(drawing.get_attribute(f"data-{axis}")).split())
    return low_px + (value - low) / (high - low) * (high_px - low_px)


def box_of(element: Locator) -> FloatRect:
    """Return where an element lies on the page, px."""
    box = element.bounding_box()
    assert box
    return box


def press(root: Locator, slider: str, key: str, times: int = 1) -> None:
    """Press a key on a slider, again and again."""
    for _ in range(times):
        root.get_by_role("slider", name=slider, exact=True).press(key)


def _unscaled(places: NDArray[Any], axis: str) -> NDArray[np.float64]:
    low, high, low_px, high_px = map(float, axis.split())
    return low + (places - low_px) / (high_px - low_px) * (high - low)


# Runs code in the kernel of the notebook in front; answers with what it prints.
KERNEL = """async code => {
    const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
    const future = kernel.requestExecute({ code, store_history: false });
    let printed = "";
    future.onIOPub = ({ header, content }) => {
        if (content.name === "stdout") printed += content.text;
        if (content.name === "stderr") throw new Error(content.text);
        if (header.msg_type === "error") throw new Error(content.traceback.join("\\n"));
    };
    const { content } = await future.done;
    if (content.status !== "ok") throw new Error(`${content.ename}: ${content.evalue}`);
    return printed;
}"""


Open = Callable[..., Page]
"""Opens explorers in a plain page: the fixture `open_page`."""


class Explorer:
    """An explorer on the page: its sliders, and the picture that they change."""

    def __init__(self, element: Locator) -> None:
        self.element = element

    def answers(self) -> bool:
        """Guess by a key where it asks for a guess, look at the answer, and go on."""
        keys = self.element.get_by_role("slider", name="Your guess")
        if not keys.count():
            return False
        keys.press("ArrowUp")
        self.element.get_by_role("button", name="Show", exact=True).click()
        self.element.get_by_role("button", name="Explore", exact=True).click()
        return True

    def sliders(self) -> list[Locator]:
        return self.element.locator('input[type="range"]').all()

    def changes_with(self, slider: Locator) -> bool:
        """Move a slider by one step with the keyboard; say whether the picture changes.

        JupyterLab keeps the arrow keys for itself, unless the slider (and not only what it lies in)
        has the attribute ``data-lm-suppress-shortcuts``.
        """
        before = self.element.evaluate(PICTURE)
        self.step(slider)
        deadline = time.monotonic() + REDRAW_S
        while self.element.evaluate(PICTURE) == before:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def step(self, slider: Locator) -> None:
        """Move a slider by one step with the keyboard, back where it stands at its end."""
        at_end = slider.input_value() == slider.get_attribute("max")
        slider.press("ArrowLeft" if at_end else "ArrowRight")


class JupyterLab:
    """JupyterLab in one browser tab.

    Attributes:
        outside: addresses beyond this machine that the page asked for; all were refused.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.outside: list[str] = []
        page.route("**/*", self._refuse_what_is_outside)
        page.on("websocket", lambda socket: self._is_outside(socket.url))

    def open(self, notebook: str) -> None:
        """Open a notebook, and wait for its kernel."""
        if self.page.evaluate("window.jupyterapp !== undefined") and not self.interruptions():
            self.page.evaluate(OPEN, notebook)
        else:
            self.page.goto(f"{self.address}/lab/tree/{notebook}?reset&token={TOKEN}")
        self.page.wait_for_function(READY, arg=notebook, timeout=START_S * 1000)

    def run_all(self, most_s: float = RUN_S) -> list[str]:
        """Choose Run > Run All Cells, wait until all is done, and return the errors."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(FINISHED, timeout=most_s * 1000)
        errors: list[str] = self.state()["errors"]
        return errors

    def state(self) -> dict[str, Any]:
        """Return what the notebook in front says of itself."""
        state: dict[str, Any] = self.page.evaluate(STATE)
        return state

    def interruptions(self) -> list[str]:
        """Return what stands in the learner's way: the texts of dialogs and notifications."""
        return self.page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts()

    def explorers(self) -> list[Explorer]:
        """Return the notebook's explorers, from top to bottom."""
        return [Explorer(element) for element in self.page.locator(".rnsl-explorer").all()]

    def kernel(self, code: str) -> str:
        """Run code in the notebook's kernel, beside its cells, and return what it prints."""
        printed: str = self.page.evaluate(KERNEL, code)
        return printed

    def show(self, explorer: Explorer) -> None:
        """Bring an explorer into view, and wait until JupyterLab has drawn the cells there."""
        readout = explorer.element.locator(".rnsl-readout")
        deadline = time.monotonic() + REDRAW_S
        while True:  # cells above that are drawn only now may push it out again
            readout.scroll_into_view_if_needed()
            try:
                expect(readout).to_be_in_viewport(timeout=1000)
                break
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
        for _ in range(3):
            self.page.evaluate("new Promise(requestAnimationFrame)")

    def screenshot(self, name: str) -> None:
        """Save what is seen now as build/screenshots/NAME.png."""
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def shut_down(self) -> None:
        """Close all notebooks and end all kernels, which hold up to a GB each."""
        self.page.evaluate(CLOSE)

    def _refuse_what_is_outside(self, route: Route) -> None:
        if self._is_outside(route.request.url):
            route.abort()
        else:
            route.continue_()

    def _is_outside(self, url: str) -> bool:
        outside = urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).hostname != HOST
        if outside:
            self.outside.append(url)
        return outside
