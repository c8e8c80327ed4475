"""A plain page whose explorer asks the one in this process, as it would ask a kernel."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from rnsl_tutorial.tutorial.explorers import Explorer, standalone_html

# Takes the place of the page's model, which has nobody to ask.
_SEND = """save_changes() {}

  send(content) {
    const { _controls } = this.#state;
    const chosen = Object.keys(_controls).map((name) => [name, this.#state[name]]);
    window.ask(content, Object.fromEntries(chosen)).then((answers) => {
      for (const [told, buffers] of answers) {
        const bytes = buffers.map((text) => decoded("", { base64: text }));
        for (const callback of [...this.#of("msg:custom")]) callback(told, bytes);
      }
    });
  }"""


def asking_page(browser: Browser, explorer: Explorer, folder: Path, **options: Any) -> Page:
    """Open an explorer that may ask for pictures; what it asks is answered at once."""
    html = standalone_html(explorer)
    assert html.count("save_changes() {}") == 1
    file = folder / "asking.html"
    file.write_text(html.replace("save_changes() {}", _SEND), encoding="utf-8")
    page = browser.new_page(**options)
    page.expose_function("ask", answering(explorer))
    page.goto(file.as_uri())
    expect(page.locator(".rnsl-readout")).not_to_be_empty()
    return page


def answering(explorer: Explorer) -> Callable[[Any, Any], list[Any]]:
    """Return what takes a message and the values chosen, and returns what the explorer sends."""

    def answer(content: Any, chosen: Any) -> list[Any]:
        answers: list[Any] = []
        send = lambda told, buffers=(): answers.append(  # noqa: E731
            (told, [base64.b64encode(part).decode() for part in buffers])
        )
        explorer.send, original = send, explorer.send
        try:
            explorer.set_state(chosen)
            explorer._handle_custom_msg(content, [])
        finally:
            explorer.send = original
        return answers

    return answer
