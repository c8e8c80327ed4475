r"""Write each notebook as one web page that needs no kernel and no network; ``make site`` calls this.

Each notebook is built from its source (the learner's version), executed, and written to
``build/site/NN_name.html``, with an ``index.html`` that lists the pages. A page holds everything in
itself, and its Content-Security-Policy forbids it to ask for anything else.

- **Explorers** move: the state that the kernel sent is saved in the page, and the explorer's own ES
  module runs over it (see `rnsl_tutorial.explorers.page`). Views of one explorer move together;
  explorers that Python ties together with ``ipywidgets.link`` do not, since Python is not there.
- **Progress bars** are left out, and so are cells tagged ``hidden-assert``. Any other widget gives
  way to a line that says that it needs a kernel.
- **Mathematics** becomes MathML while the page is written, by latex2mathml: browsers draw it without
  a script, screen readers read it, and a formula takes a few hundred bytes. KaTeX or MathJax would
  add a script and fonts, 0.6 to 2 MB, to each page. LaTeX that latex2mathml does not know is an
  error here, not a blank on the page.
"""

import argparse
import base64
import html
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import reduce
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import latex2mathml.converter
import nbformat
from jinja2 import pass_context
from jinja2.runtime import Context
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from notebooks import build
from rnsl_tutorial.explorers import page

SITE = build.FOLDER.parent / "build" / "site"
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
MOST_S = 600  # for one cell
NEEDS_KERNEL = '<p class="note">What stands here in the notebook needs a kernel.</p>'
FIGURE = "Figure that the code above draws."


class About(NamedTuple):
    """What a notebook's opening cell says of it."""

    title: str
    question: str
    time: str


def about(notebook: NotebookNode) -> About:
    """Read title, question and time from a notebook's opening cell.

    Raises:
        ValueError: one of them is not there.
    """
    opening = notebook.cells[0].source
    patterns = {
        "title": r"^# ([^\n]+)",
        "question": r"question:\s+\*\*(.+?)\*\*",
        "time": r"\*\*Time\*\* (.+?)\.",
    }
    found = {name: re.search(p, opening, re.DOTALL | re.IGNORECASE) for name, p in patterns.items()}
    missing = [name for name, match in found.items() if match is None]
    if missing:
        raise ValueError(f"The first cell names no {' and no '.join(missing)}: {opening[:60]!r}")
    return About(**{name: " ".join(match[1].split()) for name, match in found.items() if match})


# ------------------------------------------------------------------ mathematics


UNKNOWN = re.compile(r"\\\w+")
# What latex2mathml leaves to the browser, which then sets "= -x" as if it were "a - x" and "q log p"
# as if it were one word.
SIGN = re.compile(r"(<mo>&#x000(?:3[CDE]|2C);</mo>|<mspace width=\"[12]em\" />)<mo>(?=&#x02212;)")
FUNCTION = r"<mi>(?:log|ln|exp|max|min|arg|sin|cos|tan|arccos|softmax|dim|lim)</mi>"
SPACE = '<mspace width="0.167em" />'
BEFORE_FUNCTION = re.compile(rf"(?<=</mi>|</mn>)(?={FUNCTION})|(?<=</msup>|</msub>)(?={FUNCTION})")
AFTER_FUNCTION = re.compile(rf"({FUNCTION})(?=<(?:mi|mn|mfrac|ms\w+|mover)\b)")


def mathml(latex: str, *, display: bool = False) -> str:
    """Return MathML for LaTeX without its dollars.

    Raises:
        ValueError: latex2mathml does not know or cannot read it.
    """
    if latex.count("{") - latex.count(r"\{") != latex.count("}") - latex.count(r"\}"):
        raise ValueError(f"This formula's braces do not match: {latex}")
    try:
        made = latex2mathml.converter.convert(latex, display="block" if display else "inline")
    except Exception as error:
        raise ValueError(f"This formula cannot be read ({error!r}): {latex}") from error
    if unknown := UNKNOWN.search(html.unescape(made)):
        raise ValueError(f"latex2mathml does not know {unknown[0]} in this formula: {latex}")
    made = made.replace("<mo>&#x0221E;</mo>", "<mi>&#x0221E;</mi>")  # infinity is no operator
    made = SIGN.sub(r'\1<mo form="prefix">', made)
    return AFTER_FUNCTION.sub(rf"\1{SPACE}", BEFORE_FUNCTION.sub(SPACE, made))


class _Renderer(IPythonRenderer):
    """Markdown as nbconvert renders it, with MathML for mathematics."""

    def inline_math(self, body: str) -> str:
        return mathml(body)

    def block_math(self, body: str) -> str:
        return mathml(body, display=True)

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", display=True)


def markdown_html(source: str) -> str:
    """Return a markdown cell's HTML, with MathML for mathematics."""
    made = MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True))
    return re.sub(r'href="(\d\d_\w+)\.ipynb', r'href="\1.html', made.render(source))


class _Exporter(HTMLExporter):
    """The body of a page: cells and their outputs, without prompts, scripts and styles."""

    template_name = "basic"
    exclude_input_prompt = exclude_output_prompt = True

    @pass_context
    def markdown2html(self, context: Context, source: str) -> str:
        return markdown_html(source)


# ------------------------------------------------------------------ explorers


def executed(notebook: NotebookNode) -> NotebookNode:
    """Run a notebook in a kernel of its own and keep the state of its widgets.

    An explorer stands as at the end of the cell that made it, whatever later cells set: a page is
    read from the top, and what stands above it speaks of that state.
    """
    began: dict[str, dict[str, Any]] = {}

    def remember(**_: Any) -> None:
        for name, state in client.widget_state.items():
            chosen = {control: state[control] for control in state.get("_controls", {})}
            began.setdefault(name, chosen)

    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=MOST_S,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--IPKernelApp.log_level=40"],  # a notebook's errors come as outputs
            on_cell_executed=remember,
        )
        client.execute()
    for name, widget in _widgets(notebook).items():
        widget["state"].update(began.get(name, {}))
    return notebook


def explorer_models(notebook: NotebookNode) -> dict[str, page.Model]:
    """Return the explorers among an executed notebook's widgets, by the ids of their models."""
    return {
        name: page.model(_with_buffers(widget))
        for name, widget in _widgets(notebook).items()
        if {"_esm", "_controls"} <= widget["state"].keys()
    }


def mount_explorers(notebook: NotebookNode) -> None:
    """Put, in the outputs of an executed notebook, mounts in the place of widgets."""
    explorers, widgets = explorer_models(notebook), _widgets(notebook)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if VIEW in data:
                name = data[VIEW]["model_id"]
                output.data = {"text/html": _mounts(name, explorers, widgets)}
            elif "image/png" in data:
                output.metadata.setdefault("image/png", {})["alt"] = FIGURE


def _widgets(notebook: NotebookNode) -> dict[str, Any]:
    state: dict[str, Any] = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    return state


def _with_buffers(widget: dict[str, Any]) -> dict[str, Any]:
    """The state of a widget, with the bytes that were sent beside it where they belong."""
    state = nbformat.from_dict(widget["state"])
    for buffer in widget.get("buffers", []):
        *path, last = buffer["path"]
        reduce(lambda part, key: part[key], path, state)[last] = base64.b64decode(buffer["data"])
    return state


def _mounts(name: str, explorers: dict[str, Any], widgets: dict[str, Any]) -> str:
    """The mounts of what a widget holds: of itself, or of the explorers in a box."""
    held = list(_tree(name, widgets))
    inside = [page.mount(name) for name in held if name in explorers]
    is_progress = any(widgets[name]["model_name"] == "FloatProgressModel" for name in held)
    return "\n".join(inside) if inside or is_progress else NEEDS_KERNEL


def _tree(name: str, widgets: dict[str, Any]) -> Iterator[str]:
    """A widget and, where it is a box, all that lies in it."""
    if name in widgets:
        yield name
        for child in widgets[name]["state"].get("children", []):
            yield from _tree(child.removeprefix("IPY_MODEL_"), widgets)


# ------------------------------------------------------------------ pages


def notebook_page(notebook: NotebookNode) -> str:
    """Return an executed notebook as a page that stands alone.

    Raises:
        ValueError: a formula that cannot be read, or something that the page would have to load.
    """
    notebook, models = deepcopy(notebook), explorer_models(notebook)
    mount_explorers(notebook)
    notebook.metadata.pop("widgets", None)
    notebook.cells = [
        c for c in notebook.cells if "hidden-assert" not in c.metadata.get("tags", [])
    ]
    body, _ = _Exporter().from_notebook_node(notebook)
    return _page(
        about(notebook).title, NOTE + body, page.style_sheet(models.values()), page.scripts(models)
    )


def index_page(pages: dict[str, About]) -> str:
    """Return the page that lists the others.

    Args:
        pages: by file name.
    """
    entries = (
        f'<li><a href="{file}">{html.escape(of.title)}</a> <span class="time">'
        f"{html.escape(of.time)}</span><br>{markdown_html(of.question)[3:-5]}</li>"
        for file, of in pages.items()
    )
    listed = f'<ul class="index">{"".join(entries)}</ul>'
    return _page("Learning from wrong labels", f"<h1>Learning from wrong labels</h1>{NOTE}{listed}")


def loaded_from_elsewhere(text: str) -> list[str]:
    """Return the addresses that a page would load something from, instead of holding it."""
    finder = _Finder()
    finder.feed(text)
    return finder.found


class _Finder(HTMLParser):
    """Collects what a page loads: sources, style sheets, and what style sheets name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.is_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        loading = {"src", "srcset", "poster", "data", "background"}
        loading |= {"href", "xlink:href"} if tag != "a" else set()
        for name, value in attrs:
            if name in loading and value and not value.startswith(("data:", "#")):
                self.found.append(value)
            if name == "style" and value:
                self._look_at_style(value)
        self.is_style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self.is_style:
            self._look_at_style(data)

    def _look_at_style(self, text: str) -> None:
        named = re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", text)
        self.found += [a or b for a, b in named if not (a or b).startswith(("data:", "#"))]


NOTE = """<p class="note">Pages to read: you can move their explorers, but their code does not run here.
To run it, get the project and type <code>make lab</code> in its folder (without make: <code>pip
install .</code>, then <code>rnsl lab</code>).</p>
"""


def _page(title: str, body: str, styles: str = "", scripts: str = "") -> str:
    made = _PAGE.format(
        title=html.escape(title), styles=f"{styles}\n{_styles()}", body=body, scripts=scripts
    )
    if elsewhere := loaded_from_elsewhere(made):
        raise ValueError(f"{title!r} would load {', '.join(elsewhere)}; a page holds all it needs.")
    return made


def _styles() -> str:
    """Style sheet of all pages: light, and dark where the system is."""
    own = (build.FOLDER / "export.css").read_text(encoding="utf-8")
    light, dark = (
        HtmlFormatter(style=name).get_style_defs(".highlight")
        for name in ("default", "github-dark")
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'unsafe-inline' data: blob:">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{styles}
</style>
</head>
<body>
<main>
{body}
</main>
{scripts}
</body>
</html>
"""


def write_site(
    sources: list[Path], folder: Path, tell: Callable[[str], None], only: tuple[str, ...] = ("",)
) -> None:
    """Execute notebooks, write their pages, and an index of all pages that are there.

    Args:
        sources: py:percent files.
        folder: made if it is not there.
        tell: gets one line a page.
        only: what the names of those that are executed begin with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pages = {}
    for source in sources:
        notebook = nbformat.reads(build.build(source), as_version=4)
        file = folder / f"{source.stem}.html"
        if source.name.startswith(only):
            start = time.perf_counter()
            file.write_text(notebook_page(executed(notebook)), encoding="utf-8", newline="\n")
            size, seconds = file.stat().st_size / 1e6, time.perf_counter() - start
            tell(f"{file.name}: {size:.1f} MB, written in {seconds:.0f} s")
        if file.exists():
            pages[file.name] = about(notebook)
    (folder / "index.html").write_text(index_page(pages), encoding="utf-8", newline="\n")
    tell(f"Open {folder / 'index.html'}")


def main(arguments: list[str] | None = None) -> int:
    """Write the site."""
    parser = argparse.ArgumentParser(description="Write each notebook as a page that stands alone.")
    parser.add_argument("--only", nargs="+", default=[""], metavar="NN", help="notebooks' numbers")
    parser.add_argument("--out", type=Path, default=SITE, help="folder, default build/site")
    options = parser.parse_args(arguments)
    sources = sorted((build.FOLDER / "source").glob("[0-9][0-9]_*.py"))
    write_site(sources, options.out, lambda line: print(line, flush=True), only=tuple(options.only))
    return 0


if __name__ == "__main__":
    sys.exit(main())
