"""Build the site: ``make site`` executes the notebooks and writes all pages to build/site.

The pages lie as their sources do in the repository, so that a link which holds there holds here:
the notebooks, the texts beside them, and what stands in ``docs/``: the start page and the API.
Sphinx makes the pages, from a folder in which all of them are laid out. A warning is an error, and
so is a link that leads nowhere. Executed notebooks are kept in build/executed (`executed.Kept`).
"""

import argparse
import html
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from docs import executed, links
from notebooks import build
from rnsl_tutorial.tutorial.explorers import Playground, one_page, page
from rnsl_tutorial.tutorial.explorers.base import static
from rnsl_tutorial.tutorial.playground import page_html

ROOT = executed.ROOT
DOCS = Path(__file__).parent
SITE = ROOT / "build" / "site"
KEPT = ROOT / "build" / "executed"
TEXTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/*.md",
    "data/**/*.md",
    "data/**/*.png",
    "notebooks/*.md",
    "docs/**/*.md",
    "docs/*.webp",
)
NOT_RUN = """:::{warning}
This notebook was not run when the site was built: its figures and explorers are missing.
:::"""
NOTE = """:::{note}
A page to read: its explorers move, but its code does not run here. To run it, open it on Binder or
Colab (the rocket above), or get the project and type `make lab` in its folder (without make: `pip
install .`, then `rnsl lab`).
:::"""


def sources() -> list[Path]:
    """Return the notebooks' sources."""
    return sorted((build.FOLDER / "source").glob("*.py"))


def learners(source: Path) -> NotebookNode:
    """Return a notebook as its learner gets it."""
    return nbformat.reads(build.build(source), as_version=4)


def run_all(
    sources: Iterable[Path], kept: executed.Kept, only: tuple[str, ...], tell: Callable[[str], None]
) -> dict[str, NotebookNode]:
    """Return notebooks, executed where that was asked for or done before.

    Args:
        sources: py:percent files.
        kept: earlier results.
        only: what the names of those that are executed now begin with.
        tell: gets a line a notebook.
    """
    made = {}
    for source in sources:
        notebook = learners(source)
        found, start = kept.find(source.stem, notebook), time.perf_counter()
        if found:
            tell(f"{source.stem}: unchanged since it was last executed")
        elif source.name.startswith(only):
            found = kept.execute(source.stem, notebook)
            tell(f"{source.stem}: executed in {time.perf_counter() - start:.0f} s")
        else:
            tell(f"{source.stem}: not executed, a page without results")
        made[source.stem] = found or notebook
    return made


# ------------------------------------------------------------------ laying out


def lay_out(notebooks: dict[str, NotebookNode], folder: Path) -> None:
    """Put all that pages are made of into a folder."""
    for path in (path for pattern in TEXTS for path in ROOT.glob(pattern)):
        _copy(path, folder / path.relative_to(ROOT))
    _lay_out_start(notebooks, folder)
    for name, notebook in notebooks.items():
        _lay_out_notebook(notebook, folder / "notebooks" / name)


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)


def _lay_out_start(notebooks: dict[str, NotebookNode], folder: Path) -> None:
    """Complete the start page: the playground, tiles of the explorers, a list of notebooks."""
    start = folder / "docs" / "index.md"
    text = start.read_text(encoding="utf-8").replace("<!-- notebooks -->", listed(notebooks))
    text = text.replace("<!-- explorers -->", tiles())
    start.unlink()
    (folder / "index.md").write_text(text, encoding="utf-8")
    state = {**Playground().get_state(), "playing": True}  # the first picture moves
    _add_explorers({"playground": page.model(state)}, folder / "index")


def listed(notebooks: dict[str, NotebookNode]) -> str:
    """Return the table of notebooks, questions and times."""
    rows = (
        f"| [{of.title}](notebooks/{name}.ipynb) | {of.question} | {of.time} |"
        for name, of in ((name, executed.about(made)) for name, made in notebooks.items())
    )
    return "\n".join(["| notebook | the question | time |", "|---|---|---|", *rows])


def tiles() -> str:
    """Return a live tile for each explorer but the playground, which stands above them.

    A tile is a page of its own: site.js loads it when it is about to be seen, and lets it move
    while it is pointed at.
    """
    links = (
        f'<a class="tile" href="explorers.html#{place.name}">'
        f'<span class="tile-page"><iframe data-src="tiles/{place.name}.html" '
        f'title="{place.name}" tabindex="-1"></iframe></span>'
        f"<b>{html.escape(place.question)}</b><small>notebook {place.notebook}</small></a>"
        for place in _tiled()
    )
    return f'<div class="tiles">{"".join(links)}</div>'


def _tiled() -> list[one_page._Place]:
    return [place for place in one_page.EXPLORERS if place.name != "playground"]


def _write_tiles(folder: Path) -> None:
    folder.mkdir()
    style, script = (static(f"tile.{kind}") for kind in ("css", "js"))
    for place in _tiled():
        text = page._page_of({place.name: one_page._models()[place.name]}, then=script)
        made = text.replace("</head>", f"{one_page._POLICY}\n<style>\n{style}</style>\n</head>")
        (folder / f"{place.name}.html").write_text(made, encoding="utf-8")


def _lay_out_notebook(notebook: NotebookNode, path: Path) -> None:
    made = executed.for_page(notebook)
    was_run = any(cell.get("execution_count") for cell in made.cells)
    place = 1 + [cell.cell_type for cell in made.cells[:2]].count("code")  # below the first picture
    made.cells.insert(place, nbformat.v4.new_markdown_cell(NOTE if was_run else NOT_RUN))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, path.with_suffix(".ipynb"))
    _add_explorers(executed.explorer_models(notebook), path)


def _add_explorers(models: dict[str, page.Model], path: Path) -> None:
    """Write what a page's explorers need beside the page's source."""
    if models:
        style = f"<style>\n{page.style_sheet(models.values())}\n</style>"
        path.with_suffix(".head.html").write_text(style, encoding="utf-8")
        path.with_suffix(".end.html").write_text(page.scripts(models), encoding="utf-8")


# ------------------------------------------------------------------ pages


def write_pages(laid_out: Path, folder: Path) -> list[str]:
    """Let Sphinx write the pages; a site that is there stays until they are written.

    Args:
        laid_out: see `lay_out`.
        folder: of the site; an earlier site in it goes.

    Returns:
        What Sphinx warns of, and links that lead nowhere; nothing, if all is well.
    """
    said = StringIO()
    with TemporaryDirectory() as place, docutils_namespace(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Sphinx's parts deprecate each other; `said` is of pages
        made, trees = Path(place, "pages"), Path(place, "trees")
        app = Sphinx(laid_out, DOCS, made, trees, "html", status=None, warning=said)
        app.build()
        (made / "playground.html").write_text(page_html(), encoding="utf-8")
        _write_tiles(made / "tiles")
        (made / "explorers.html").write_text(one_page.all_html(), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        shutil.move(made, folder)
    return [*said.getvalue().splitlines(), *links.broken(folder)]


def main(arguments: list[str] | None = None) -> int:
    """Build the site; return 1 and say why if something is wrong with it."""
    parser = argparse.ArgumentParser(description="Execute the notebooks and build the site.")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="NN", help="execute these notebooks alone"
    )
    parser.add_argument("--out", type=Path, default=SITE, help="folder, default build/site")
    options = parser.parse_args(arguments)
    if _holds_something_else(options.out):
        parser.error(f"{options.out} holds something else than a site; name a new or empty folder")
    notebooks = run_all(sources(), executed.Kept(KEPT), tuple(options.only), _tell)
    with TemporaryDirectory() as laid_out:
        lay_out(notebooks, Path(laid_out))
        wrong = write_pages(Path(laid_out), options.out)
    _tell("\n".join([*wrong, f"Open {options.out / 'index.html'}"]))
    return 1 if wrong else 0


def _holds_something_else(folder: Path) -> bool:
    if not folder.is_dir():
        return folder.exists()
    return any(folder.iterdir()) and not (folder / ".buildinfo").exists()


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
