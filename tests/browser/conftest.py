"""A browser, a JupyterLab of its own, and both together."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import HOST, ROOT, START_S, TOKEN, JupyterLab
from playwright.sync_api import Browser, sync_playwright

from rnsl_tutorial import lab

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on the PATH (Debian and Ubuntu: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a JupyterLab on copies of the notebooks, apart from the user's own settings."""
    folder = tmp_path_factory.mktemp("jupyterlab")
    lab.copy_notebooks(ROOT / "notebooks", folder / "notebooks")
    port = _free_port()
    options = [
        "--no-browser",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}",
        "--LabApp.expose_app_in_browser=True",
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    ]
    own = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    command = [sys.executable, "-m", "jupyterlab"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command + lab.jupyter_arguments(folder / "notebooks", options),
            env=os.environ | {variable: str(folder / variable) for variable in own},
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(f"http://{HOST}:{port}/api?token={TOKEN}", process, folder / "log")
            yield f"http://{HOST}:{port}"
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    return port


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"JupyterLab did not answer:\n{log.read_text()}")


@pytest.fixture
def jupyterlab(browser: Browser, server: str) -> Iterator[JupyterLab]:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    yield JupyterLab(page, server)
    page.close()
