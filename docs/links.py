"""Whether a folder of pages stands alone: its links lead somewhere, and it loads nothing else."""

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADING = {"src", "srcset", "poster", "data", "background"}
NAMED_IN_STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class _Page(HTMLParser):
    """What a page refers to.

    Attributes:
        ids: what a fragment may name.
        links: where its links lead.
        loads: what a browser asks for when it opens the page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self._is_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif tag in ("a", "area") and name == "href" and value:
                self.links.append(value)
            elif name in LOADING or (name in ("href", "xlink:href") and tag != "a"):
                self.loads += _outside(value or "")
            elif name == "style":
                self.loads += _in_style(value or "")
        self._is_style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self._is_style:
            self.loads += _in_style(data)


def _in_style(text: str) -> list[str]:
    named = [a or b for a, b in NAMED_IN_STYLE.findall(text)]
    return [address for name in named for address in _outside(name)]


def _outside(address: str) -> list[str]:
    """The address, unless the page itself holds what it names."""
    return [] if address.startswith(("data:", "#")) or not address else [address]


def broken(folder: Path) -> Iterator[str]:
    """Yield, for each link or picture of the pages below a folder that leads nowhere, where it is.

    Whatever a page loads must lie in the folder. A link may lead elsewhere: to the web.
    """
    for file in sorted(folder.rglob("*.html")):
        if "_static" in file.parts:
            continue  # the theme's own templates
        page = _page(file)
        for address in page.loads:
            if _is_elsewhere(address) or not _leads(file, address, folder):
                yield f"{file.relative_to(folder)} loads {address}"
        for address in page.links:
            if not _is_elsewhere(address) and not _leads(file, address, folder):
                yield f"{file.relative_to(folder)} links to {address}"
    for file in sorted(folder.rglob("*.css")):
        for address in _in_style(file.read_text(encoding="utf-8")):
            if _is_elsewhere(address) or not _leads(file, address, folder):
                yield f"{file.relative_to(folder)} loads {address}"


def _is_elsewhere(address: str) -> bool:
    return bool(urlsplit(address).scheme or urlsplit(address).netloc)


def _leads(file: Path, address: str, folder: Path) -> bool:
    """Whether a relative address leads to a file of the folder, and to an id in it."""
    path, fragment = unquote(urlsplit(address).path), unquote(urlsplit(address).fragment)
    target = (file.parent / path).resolve() if path else file.resolve()
    if not target.is_file() or not target.is_relative_to(folder.resolve()):
        return False
    return not fragment or target.suffix != ".html" or fragment in _page(target).ids


@cache
def _page(file: Path) -> _Page:
    return _Page(file.read_text(encoding="utf-8"))
