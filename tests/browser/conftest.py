"""A browser, a JupyterLab of its own, and both together."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from harness import ARRIVED, ROOT, JupyterLab, Open, chromium, chromium_path, lab_server
from playwright.sync_api import Browser, Page, expect

from notebooks import build
from rnsl_tutorial.cli import lab
from rnsl_tutorial.tutorial.explorers import Explorer, standalone_html


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if chromium_path() is None:
        pytest.skip("no chromium on the PATH (Debian and Ubuntu: apt install chromium)")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of the notebooks, with the smaller constants that the other tests of them use.

    In the folder `ARRIVED` they lie as a learner gets them, trusted by the server.
    """
    folder = tmp_path_factory.mktemp("jupyterlab") / "notebooks"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JUPYTER_DATA_DIR", str(folder.parent / "JUPYTER_DATA_DIR"))
        lab.copy_notebooks(ROOT / "notebooks", folder / ARRIVED)
    for arrived in (folder / ARRIVED).glob("*.ipynb"):
        path = folder / arrived.name
        shutil.copy(arrived, path)
        notebook = nbformat.read(path, as_version=4)
        build.shrink(notebook)
        nbformat.write(notebook, path)
    return folder


@pytest.fixture(scope="session")
def server(notebooks: Path) -> Iterator[str]:
    """Address of a JupyterLab on the notebooks, apart from the user's own settings."""
    with lab_server(notebooks.parent, lab._jupyter_arguments(notebooks)) as server:
        yield server.address


@pytest.fixture(scope="session")
def tab(browser: Browser, server: str) -> Iterator[JupyterLab]:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    yield JupyterLab(page, server)
    page.close()


@pytest.fixture
def jupyterlab(tab: JupyterLab) -> Iterator[JupyterLab]:
    """JupyterLab in the one tab that its tests share, with nothing open."""
    tab.outside.clear()
    yield tab
    tab.shut_down()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open explorers in plain pages; none may ask for anything outside or report a problem."""
    pages: list[Page] = []
    problems: list[str] = []
    requests: list[str] = []

    def opened(*explorers: Explorer, width: int = 1000, height: int = 620, **options: Any) -> Page:
        file = tmp_path / f"{len(pages)}.html"
        file.write_text(standalone_html(*explorers), encoding="utf-8")
        page = browser.new_page(viewport={"width": width, "height": height}, **options)
        pages.append(page)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        for number in range(len(explorers)):
            expect(page.locator(".rnsl-readout").nth(number)).not_to_be_empty()
        page.evaluate(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        return page

    yield opened
    for page in pages:
        page.close()
    assert problems == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
