"""The pages of `make site`: what is in them, what is not, and that they load nothing."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from site_notebook import OPENING, small_notebook
from synthetic_maps import small_maps

from notebooks import build, export

SOURCES = sorted((build.FOLDER / "source").glob("[0-9][0-9]_*.py"))


class Text(HTMLParser):
    """The words of a page, without code, scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.hidden, self.words = 0, ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.hidden += tag in ("code", "pre", "script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("code", "pre", "script", "style")

    def handle_data(self, data: str) -> None:
        self.words += "" if self.hidden else data


@pytest.fixture(scope="module")
def notebook() -> NotebookNode:
    return export.executed(small_notebook())


@pytest.fixture(scope="module")
def page(notebook: NotebookNode) -> str:
    return export.notebook_page(notebook)


# ------------------------------------------------------------------ a page


def test_each_view_is_a_mount_and_each_explorer_one_model(page: str) -> None:
    mounts = re.findall(r'data-explorer="(\w+)"', page)
    models = re.findall(r'<script type="application/json" data-model="(\w+)">(.*?)</script>', page)
    assert [mounts.count(name) for name, _ in models] == [2, 1]
    assert mounts[0] == mounts[1] == models[0][0]
    states = [json.loads(text)["state"] for _, text in models]
    assert "<pre>0.55</pre>" in page  # a later cell set it, which moves no explorer above it
    assert [(state["rate"], state["loss"]) for state in states] == [(0.3, "nsl"), (0.0, "rnsl")]
    assert set(states[0]) == {"noise", "rate", "loss", "_controls", "_table"}
    packed = states[0]["_table"]["coordinates"]["data"]["base64"]
    assert base64.b64decode(packed) == small_maps().coordinates.tobytes()


def test_what_needs_a_kernel_or_hides_the_claim_is_left_out(page: str) -> None:
    assert page.count("needs a kernel") == 1  # the lonely slider
    assert "0/3" not in page
    for absent in ("lonely</", "the claim", "held", "FloatProgress", "widget-view", "widget-state"):
        assert absent not in page, absent
    assert "your_turn" in page


def test_a_page_says_what_it_is_and_how_to_run_it(page: str) -> None:
    assert page.startswith("<!doctype html>")
    assert '<html lang="en">' in page
    assert "<title>7. A small page</title>" in page
    assert "make lab" in page
    assert "&lt;b&gt;p&lt;/b&gt; &amp; $q$" in page
    assert 'src="data:image/png;base64,' in page
    assert "No description has been provided" not in page


def test_mathematics_is_mathml_also_in_tables_and_answers(page: str) -> None:
    assert page.count("<math") == 5
    assert len(re.findall('<math[^>]* display="block"', page)) == 1
    assert '<mo form="prefix">' in page
    assert Text(page).words.count("$") == 1  # that of a price


def test_links_lead_to_the_other_pages_and_load_nothing(page: str) -> None:
    assert 'href="00_start_here.html"' in page
    assert 'href="https://doi.org/10.1109/TGRS.2020.3042607"' in page
    assert export.loaded_from_elsewhere(page) == []


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.invalid/a.js"></script>',
        '<img src="//cdn.invalid/a.js">',
        '<link rel="stylesheet" href="https://cdn.invalid/a.js">',
        "<style>@import 'https://cdn.invalid/a.js';</style>",
        "<style>body { background: url(https://cdn.invalid/a.js) }</style>",
        '<p style="background: url(https://cdn.invalid/a.js)">',
    ],
)
def test_what_a_page_would_load_is_found_and_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [a.removeprefix("https:") for a in export.loaded_from_elsewhere(text)] == [
        "//cdn.invalid/a.js"
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(OPENING + text)])
    with pytest.raises(ValueError, match=r"'7. A small page' would load .*cdn.invalid/a.js"):
        export.notebook_page(notebook)


def test_the_policy_of_a_page_allows_nothing_from_a_network(page: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert policy[1].split() == ["default-src", "'unsafe-inline'", "data:", "blob:"]


# ------------------------------------------------------------------ mathematics


@pytest.mark.parametrize(
    ("latex", "message"),
    [
        (r"\unheardof{x}", r"latex2mathml does not know \\unheardof"),
        (r"\frac{1", "braces do not match"),
        ("a_", "cannot be read"),
    ],
)
def test_a_formula_that_cannot_be_read_is_refused(latex: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        export.markdown_html(f"Here: ${latex}$.")


def test_functions_stand_apart_from_letters_but_not_from_brackets() -> None:
    assert re.sub("<[^m/].*?>", "", export.mathml(r"q \log p")).count("<mspace") == 2
    assert export.mathml(r"\log(p)").count("<mspace") == 0


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_every_formula_of_a_notebook_becomes_mathml(source: Path) -> None:
    cells = nbformat.reads(build.build(source, solutions=True), as_version=4).cells
    made = [export.markdown_html(cell.source) for cell in cells if cell.cell_type == "markdown"]
    assert any("<math" in text for text in made)
    words = "\n".join(Text(text).words for text in made)
    assert re.findall(r".*\$.*|.*\\[a-z]+.*", words) == []


# ------------------------------------------------------------------ the index and the folder


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_every_notebook_says_its_title_question_and_time(source: Path) -> None:
    of = export.about(nbformat.reads(build.build(source), as_version=4))
    assert re.match(r"\d+\. \w", of.title)
    assert of.question.endswith("?")
    assert re.fullmatch(r"\d+ min", of.time)


def test_a_notebook_that_does_not_say_so_is_named() -> None:
    cells = [nbformat.v4.new_markdown_cell("# 1. Silent\nThe question: **why?**")]
    with pytest.raises(ValueError, match="names no time: '# 1"):
        export.about(nbformat.v4.new_notebook(cells=cells))


def test_the_site_is_one_page_a_notebook_and_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "executed", lambda notebook: notebook)
    sources = [tmp_path / f"{name}.py" for name in ("01_one", "02_two")]
    for source in sources:
        number = source.stem[1]
        text = OPENING.replace("# 7. A small", f"# {number}. <Small>").replace("\n", "\n# ")
        source.write_text(f"# %% [markdown]\n# {text}")
    told: list[str] = []
    export.write_site(sources, tmp_path / "site", told.append)
    names = ["01_one.html", "02_two.html"]
    assert sorted(p.name for p in (tmp_path / "site").iterdir()) == [*names, "index.html"]
    assert [line.split(":")[0] for line in told[:2]] == names
    assert all(" MB, written in " in line for line in told[:2])
    assert told[2] == f"Open {tmp_path / 'site' / 'index.html'}"
    index = (tmp_path / "site" / "index.html").read_text()
    for number, name in zip("12", names, strict=True):
        assert f'<a href="{name}">{number}. &lt;Small&gt; page</a>' in index
    assert index.count("5 min") == index.count("<math") == 2
    told.clear()
    (tmp_path / "site" / names[0]).write_text("as it was")
    export.write_site(sources, tmp_path / "site", told.append, only=("02",))
    assert [line.split(":")[0] for line in told[:-1]] == names[1:]
    assert (tmp_path / "site" / names[0]).read_text() == "as it was"
    assert (tmp_path / "site" / "index.html").read_text() == index
