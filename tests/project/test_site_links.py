"""What the check of the built site finds."""

from pathlib import Path

import pytest

from docs import links


def written(folder: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return list(links.broken(folder))


def test_links_that_lead_somewhere_are_no_fault(tmp_path: Path) -> None:
    page = """<h1 id="top">x</h1><a href="#top">up</a><a href="more/other.html#b%20c">on</a>
    <a href="https://doi.org/1">paper</a><a href="more/table.csv">table</a>
    <img src="data:image/png;base64,AA"><img src="more/a%20b.png?digest=1">
    <link rel="stylesheet" href="site.css"><style>a { background: url(#here) }</style>"""
    files = {
        "index.html": page,
        "more/other.html": '<a id="b c" href="../index.html">x</a>',
        "more/a b.png": "",
        "more/table.csv": "",
        "site.css": "@font-face { src: url('font.woff2') } a { background: url(data:,x) }",
        "font.woff2": "",
        "_static/template.html": "<link href=\"{{ pathto('x') }}\">",
    }
    assert written(tmp_path, files) == []


@pytest.mark.parametrize(
    "wrong",
    [
        '<a href="absent.html">',
        '<a href="#absent">',
        '<a href="index.html#absent">',
        '<a href="../outside.html">',
        '<a href="folder">',
    ],
)
def test_a_link_that_leads_nowhere_is_named(wrong: str, tmp_path: Path) -> None:
    (tmp_path / "outside.html").touch()
    found = written(tmp_path / "site", {"index.html": wrong, "folder/x.html": ""})
    assert found == [f"index.html links to {wrong[9:-2]}"]


@pytest.mark.parametrize(
    "text",
    [
        '<script src="{}"></script>',
        '<img src="{}">',
        '<img srcset="{}">',
        '<link rel="stylesheet" href="{}">',
        "<style>@import '{}';</style>",
        "<style>body {{ background: url({}) }}</style>",
        '<p style="background: url({})">',
    ],
)
@pytest.mark.parametrize("address", ["https://cdn.invalid/a.js", "//cdn.invalid/a.js", "absent.js"])
def test_what_a_page_would_load_from_elsewhere_is_named(
    text: str, address: str, tmp_path: Path
) -> None:
    found = written(tmp_path, {"index.html": text.format(address)})
    assert found == [f"index.html loads {address}"]


def test_what_a_style_sheet_would_load_is_named(tmp_path: Path) -> None:
    assert written(tmp_path, {"a/site.css": "a { background: url(//cdn.invalid/b) }"}) == [
        "a/site.css loads //cdn.invalid/b"
    ]
