"""What `make site` makes of notebooks, formulas and docstrings, before Sphinx writes the pages."""

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbformat import NotebookNode
from site_notebook import OPENING, small_notebook
from synthetic_maps import small_maps

from docs import build as site
from docs import executed, extension
from docs.mathml import mathml
from rnsl_tutorial.tutorial.explorers import one_page, page

ROOT = executed.ROOT


# ------------------------------------------------------------------ executed notebooks


@pytest.fixture(scope="module")
def notebook() -> NotebookNode:
    return executed.executed(small_notebook())


def outputs(notebook: NotebookNode) -> str:
    return json.dumps([cell.get("outputs", []) for cell in notebook.cells])


def test_each_view_is_a_mount_and_each_explorer_one_model(notebook: NotebookNode) -> None:
    mounts = re.findall(r'data-explorer=\\"(\w+)', outputs(executed.for_page(notebook)))
    scripts = page.scripts(executed.explorer_models(notebook))
    models = re.findall(
        r'<script type="application/json" data-model="(\w+)">(.*?)</script>', scripts
    )
    assert [mounts.count(name) for name, _ in models] == [2, 1]
    assert mounts[0] == mounts[1] == models[0][0]
    states = [json.loads(text)["state"] for _, text in models]
    assert "0.55" in outputs(notebook)  # a later cell set it, which moves no explorer above it
    assert [(state["rate"], state["loss"]) for state in states] == [(0.3, "nsl"), (0.0, "rnsl")]
    own = {"noise", "rate", "loss", "guess", "_controls", "_guessing", "_table"}
    assert set(states[0]) == own
    packed = states[0]["_table"]["coordinates"]["data"]["base64"]
    assert base64.b64decode(packed) == small_maps().coordinates.tobytes()


def test_what_needs_a_kernel_or_hides_the_claim_is_left_out(notebook: NotebookNode) -> None:
    text = nbformat.writes(executed.for_page(notebook))
    assert text.count("needs a kernel") == 1  # the lonely slider
    for absent in ("0/3", "the claim", "held", "on Colab", "FloatProgress", "widget-view"):
        assert absent not in text, absent
    assert "your_turn" in text
    assert "widget-view" in nbformat.writes(notebook)  # which stays as it is


def test_results_are_kept_until_the_notebook_or_the_project_changes(
    notebook: NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, other = small_notebook(), small_notebook()
    other.cells[-1].source += "  # changed"
    kept = executed.Kept(tmp_path / "kept")
    assert kept.find("one", plain) is None
    monkeypatch.setattr(executed, "executed", lambda given: notebook)
    assert kept.execute("one", plain) == notebook != plain
    assert kept.find("one", plain) == notebook
    assert kept.find("two", plain) is None
    assert kept.find("one", other) is None
    monkeypatch.setattr(executed, "_of_the_project", lambda: "another version")
    assert kept.find("one", plain) is None
    kept.execute("one", plain)
    assert len(list(kept.folder.iterdir())) == 1  # the earlier one went


@pytest.mark.parametrize("source", site.sources(), ids=lambda source: source.stem)
def test_every_notebook_says_its_title_question_and_time(source: Path) -> None:
    of = executed.about(site.learners(source))
    assert re.match(r"(\d+|Appendix)\. \w", of.title)
    assert of.question.endswith("?")
    assert re.fullmatch(r"\d+ min", of.time)


def test_a_notebook_that_does_not_say_so_is_named() -> None:
    cells = [nbformat.v4.new_markdown_cell("# 1. Silent\nThe question: **why?**")]
    with pytest.raises(ValueError, match="names no time: '# 1"):
        executed.about(nbformat.v4.new_notebook(cells=cells))


# ------------------------------------------------------------------ which are executed


def test_only_the_chosen_notebooks_are_executed_and_the_others_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executed, "executed", lambda notebook: notebook)
    sources = [tmp_path / f"{name}.py" for name in ("01_one", "02_two")]
    for source in sources:
        source.write_text("# %% [markdown]\n# " + OPENING.replace("\n", "\n# "))
    told: list[str] = []
    kept = executed.Kept(tmp_path / "kept")
    made = site.run_all(sources, kept, ("02",), told.append)
    assert list(made) == ["01_one", "02_two"]
    assert told[0] == "01_one: not executed, a page without results"
    assert told[1].startswith("02_two: executed in ")
    site.run_all(sources, kept, ("",), told.append)
    assert told[2].startswith("01_one: executed in ")
    assert told[3] == "02_two: unchanged since it was last executed"


def test_a_page_says_whether_its_notebook_was_run(notebook: NotebookNode, tmp_path: Path) -> None:
    unrun = small_notebook()
    site.lay_out({"01_run": notebook, "02_unrun": unrun}, tmp_path)
    run, plain = (
        nbformat.read(tmp_path / "notebooks" / f"{name}.ipynb", as_version=4)
        for name in ("01_run", "02_unrun")
    )
    for made, words in ((run, "make lab"), (plain, "was not run")):
        kinds = [cell.cell_type for cell in made.cells]
        [note] = [i for i, cell in enumerate(made.cells) if words in cell.source]
        assert note == kinds.index("code") + 1, "below the first picture"
    assert (tmp_path / "notebooks" / "01_run.end.html").exists()
    assert not (tmp_path / "notebooks" / "02_unrun.end.html").exists()


def test_the_start_page_lists_notebooks_and_explorers(tmp_path: Path) -> None:
    site.lay_out({"07_small": small_notebook()}, tmp_path)
    start = (tmp_path / "index.md").read_text()
    row = "| [7. A small page](notebooks/07_small.ipynb) | does $q$ move? | 5 min |"
    assert row in start
    for place in one_page.EXPLORERS:
        assert place.question in start or place.name == "playground"
        link, tile = (f'"{page}{place.name}' for page in ("explorers.html#", "tiles/"))
        assert (link in start) == (tile in start) == (place.name != "playground")
    assert 'data-explorer="playground"' in start.split("##")[0]
    assert 'data-model="playground"' in (tmp_path / "index.end.html").read_text()


@pytest.mark.parametrize("wrong", [[], ["index.html links to absent"]])
def test_a_fault_of_the_pages_fails_the_build(
    wrong: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(site, "run_all", lambda *_: {})
    monkeypatch.setattr(site, "lay_out", lambda *_: None)
    monkeypatch.setattr(site, "write_pages", lambda *_: wrong)
    assert site.main(["--out", str(tmp_path)]) == len(wrong)
    assert capsys.readouterr().out.splitlines() == [*wrong, f"Open {tmp_path / 'index.html'}"]


def test_a_folder_with_something_else_is_not_emptied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(SystemExit):
        site.main(["--out", str(tmp_path)])
    assert "holds something else than a site" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").exists()
    with pytest.raises(SystemExit):
        site.main(["--out", str(tmp_path / "thesis.txt")])
    assert "holds something else than a site" in capsys.readouterr().err


# ------------------------------------------------------------------ formulas


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
        mathml(latex)


def test_functions_stand_apart_from_letters_but_not_from_brackets() -> None:
    assert re.sub("<[^m/].*?>", "", mathml(r"q \log p")).count("<mspace") == 2
    assert mathml(r"\log(p)").count("<mspace") == 0
    assert '<mo form="prefix">' in mathml("L = -x")


# ------------------------------------------------------------------ docstrings


def test_a_docstring_means_what_it_says() -> None:
    said = r"""Take \*labels and p**q.

The |x| of ``a**b`` and `c_`, which fits left_:

    p**q = exp(q log p)

      q_

It is ce_, then:
    not set apart**
"""
    shown = r"""Take \*labels and p\**q.

The \|x\| of ``a**b`` and `c_`, which fits left\_::

    p**q = exp(q log p)

      q_

It is ce\_, then:
    not set apart\**
"""
    said = said.replace(r"\*labels", "*labels")
    assert "\n".join(extension.plain(said.split("\n"))) == shown


def test_every_module_is_in_the_reference() -> None:
    pages = "\n".join(path.read_text() for path in (ROOT / "docs" / "api").glob("*.md"))
    documented = re.findall(r"(?:automodule:: rnsl_tutorial\.|^% modules of )(\w+)$", pages, re.M)
    package = (ROOT / "rnsl_tutorial").glob("[a-z]*")
    modules = [p.stem for p in package if p.suffix == ".py" or (p / "__init__.py").exists()]
    assert sorted(documented) == sorted(modules)


def test_a_page_has_a_section_for_each_module_of_its_room() -> None:
    shown = extension.modules_of("evaluation")
    assert ".. automodule:: rnsl_tutorial.evaluation\n   :no-members:\n" in shown
    files = (ROOT / "rnsl_tutorial" / "evaluation").glob("[a-z]*.py")
    assert re.findall(r"^## (.*)$", shown, re.M) == sorted(path.stem for path in files)


# ------------------------------------------------------------------ workflows


def workflow(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return loaded


def steps(job: dict[str, Any], key: str) -> list[str]:
    return [step[key] for step in job["steps"] if key in step]


def test_the_workflow_publishes_what_make_site_writes() -> None:
    jobs = workflow("pages.yml")["jobs"]
    assert "make site TORCH=cpu" in steps(jobs["build"], "run")
    uploaded = [step["with"]["path"] for step in jobs["build"]["steps"] if "pages" in str(step)]
    assert [ROOT / path for path in uploaded] == [site.SITE]
    assert re.search("^site:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"pages": "write", "id-token": "write"}


def test_the_workflow_publishes_nothing_that_failed_its_tests() -> None:
    published, tests = workflow("pages.yml"), workflow("tests.yml")
    begins = published[True]  # what YAML 1.1 takes "on" for
    assert set(begins) == {"workflow_run", "workflow_dispatch"}
    assert begins["workflow_run"] == {
        "workflows": [tests["name"]],
        "branches": tests[True]["push"]["branches"],
        "types": ["completed"],
    }
    build = published["jobs"]["build"]
    assert "workflow_run.conclusion == 'success'" in build["if"]
    assert "workflow_run.event == 'push'" in build["if"]
    assert "workflow_run.head_sha" in build["steps"][0]["with"]["ref"]


def test_the_workflow_of_the_tests_runs_the_gate() -> None:
    commands = steps(workflow("tests.yml")["jobs"]["test"], "run")
    assert commands[-1] == ".ci/run"
    assert shutil.which(str(ROOT / commands[-1]))


@pytest.mark.parametrize("name", ["pages.yml", "tests.yml"])
def test_a_workflow_reads_only_takes_nothing_that_changes_and_keeps_no_token(name: str) -> None:
    loaded = workflow(name)
    assert loaded["permissions"] == {"contents": "read"}
    for job in loaded["jobs"].values():
        assert re.search(r"@sha256:[0-9a-f]{64}$", job.get("container", f"@sha256:{'0' * 64}"))
        for step in job["steps"]:
            assert re.search(r"@[0-9a-f]{40}$", step.get("uses", f"@{'0' * 40}"))
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
