"""The builder of the notebooks on small sources, and every notebook itself, executed."""

import base64
import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.font_manager  # noqa: F401  (builds the font cache, which says so on stderr)
import nbformat
import notebook_parts
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from notebook_parts import SOURCES
from packaging.requirements import Requirement
from PIL import Image, PngImagePlugin

from notebooks import build

OPENING = ("You will be able to", "**Time**", "**Runs on**", "**Needs**")
# Runs a cell as IPython does, with or without Colab, and prints what is asked of pip.
RUN_CELL = """
import sys, types
from IPython.core.interactiveshell import InteractiveShell

source, *modules = sys.argv[1:]
sys.modules.update({name: types.ModuleType(name) for name in modules})
shell = InteractiveShell()
shell.register_magic_function(print, "line", "pip")
shell.run_cell(source).raise_error()
"""

EXERCISE = '''\
# %% tags=["exercise"]
def double(x):
    """Twice x."""
    # solution
    y = x + x

    return y
'''


def built(tmp_path: Path, text: str, *, solutions: bool = False) -> NotebookNode:
    source = tmp_path / "00_small.py"
    source.write_text(text)
    return nbformat.reads(build.build(source, solutions=solutions), as_version=4)


def cells_of(tmp_path: Path, text: str, *, solutions: bool = False) -> list[NotebookNode]:
    """The cells that a source makes, without the one for Colab."""
    made = built(tmp_path, text, solutions=solutions).cells
    return [cell for cell in made if cell.id != "colab"]


def test_the_learner_gets_a_turn_and_the_instructor_the_solution(tmp_path: Path) -> None:
    start = 'def double(x):\n    """Twice x."""\n    '
    [cell] = cells_of(tmp_path, EXERCISE)
    assert cell.source == start + 'raise NotImplementedError("Your turn: write this function.")'
    [cell] = cells_of(tmp_path, EXERCISE, solutions=True)
    assert cell.source == start + "y = x + x\n\n    return y"


def test_a_self_check_shows_its_words_and_not_what_it_returns(tmp_path: Path) -> None:
    for text, shown in (("check(f)", "check(f);"), ("solved = check(f)", "solved = check(f)")):
        [cell] = cells_of(tmp_path, f'# %% tags=["self-check"]\n{text}\n')
        assert cell.source == shown


def test_answers_are_folded_for_the_learner_and_open_for_the_instructor(tmp_path: Path) -> None:
    text = "# %% [markdown]\n# <details><summary>Answer</summary>\n#\n# 42\n# </details>\n"
    folded = "<details><summary>Answer</summary>\n\n42\n</details>"
    assert cells_of(tmp_path, text)[0].source == folded
    [cell] = cells_of(tmp_path, text, solutions=True)
    assert cell.source == folded.replace("<details>", "<details open>")


def test_what_follows_the_end_mark_stays(tmp_path: Path) -> None:
    text = EXERCISE + "    # end solution\n\n\ntwice = double(2)\n"
    assert cells_of(tmp_path, text)[0].source.endswith('function.")\n\n\ntwice = double(2)')
    solved = cells_of(tmp_path, text, solutions=True)[0].source
    assert solved.endswith("return y\n\n\ntwice = double(2)")


def test_cells_keep_their_metadata_and_hidden_asserts_are_folded(tmp_path: Path) -> None:
    text = '# %% tags=["parameters"] ci={"SEEDS": 1}\nSEEDS = 3\n\n\n\n\n'
    text += '# %% tags=["hidden-assert"]\nassert SEEDS\n'
    parameters, claim = cells_of(tmp_path, text)
    assert parameters.metadata == {"tags": ["parameters"], "ci": {"SEEDS": 1}}
    assert claim.metadata == {"tags": ["hidden-assert"], "jupyter": {"source_hidden": True}}
    assert claim.source == "assert SEEDS"


def test_tests_run_a_notebook_with_smaller_constants(tmp_path: Path) -> None:
    text = '# %% tags=["parameters"] ci={"SEEDS": 1, "RATE": 0.5}\nRATE, SEEDS = 0.3, 9  # slow\n'
    notebook = built(tmp_path, text)
    build.shrink(notebook)
    space: dict[str, object] = {}
    exec(notebook.cells[1].source, space)
    assert (space["RATE"], space["SEEDS"]) == (0.5, 1)
    notebook.cells[1].metadata["ci"] = {"NOBODY": 1}
    with pytest.raises(ValueError, match="to set NOBODY"):
        build.shrink(notebook)


def test_a_notebook_is_clean_valid_and_built_alike_again(tmp_path: Path) -> None:
    text = "# ---\n# jupyter:\n#   extra: 1\n# ---\n# %% [markdown]\n# Hi\n" + "# %%\n1 + 1\n" * 2
    notebook = built(tmp_path, text)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata == build.KERNEL
    assert [cell.get("outputs", []) for cell in notebook.cells] == [[]] * 4
    assert [cell.get("execution_count") for cell in notebook.cells] == [None] * 4
    assert len({cell.id for cell in notebook.cells}) == 4
    assert built(tmp_path, text) == notebook
    assert build.build(tmp_path / "00_small.py").endswith("}\n")


def test_the_opening_is_folded_shows_its_picture_and_stands_after_colabs_cell(
    tmp_path: Path,
) -> None:
    text = "# %% [markdown]\n# Hi\n# %%\n1 + 1\n# %%\n2\n"
    about = PngImagePlugin.PngInfo()
    about.add_text("Description", "Two dots.")
    Image.new("1", (2, 1)).save(tmp_path / "00_small.png", pnginfo=about)
    notebook = built(tmp_path, text)
    assert [cell.id == "colab" for cell in notebook.cells] == [False, True, False, False]
    opening, other = notebook.cells[2:]
    assert opening.metadata == {"jupyter": {"source_hidden": True}}
    assert (opening.execution_count, other.outputs, other.metadata) == (None, [], {})
    shown = base64.b64decode(opening.outputs[0].data["image/png"])
    assert shown == (tmp_path / "00_small.png").read_bytes()
    assert opening.outputs[0].data["text/plain"] == "Two dots."
    assert built(tmp_path, text) == notebook


def test_a_cell_keeps_its_id_when_another_is_inserted_before_it(tmp_path: Path) -> None:
    before = built(tmp_path, "# %%\nx = 1\n").cells[-1]
    assert built(tmp_path, "# %% [markdown]\n# New\n# %%\nx = 1\n").cells[-1].id == before.id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('# %% tags=["exercise"]\ndef f(): ...\n', r"00_small.py, cell 1: .* belong together"),
        ("# %%\n1\n# %%\n# solution\nx = 1\n", r"00_small.py, cell 2: .* belong together"),
        ("# %%\n" + "x = 1\n" * 31, r"00_small.py, cell 1 has more than 30 lines"),
    ],
)
def test_a_faulty_source_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        built(tmp_path, text)


def test_check_names_what_is_stale_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "00_small.py").write_text(EXERCISE)
    notebook = tmp_path / "00_small.ipynb"
    assert build.main(["--check"]) == 1
    assert "00_small.ipynb differs" in capsys.readouterr().out
    assert not notebook.exists()
    assert build.main([]) == 0
    assert build.main(["--check"]) == 0
    notebook.write_text(notebook.read_text().replace("Twice", "Two times"))
    assert build.main(["--check"]) == 1
    assert build.main(["--instructor", str(tmp_path / "solved")]) == 0
    assert "y = x + x" in (tmp_path / "solved" / "00_small.ipynb").read_text()
    assert "y = x + x" not in notebook.read_text()


def test_a_notebook_that_was_run_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "00_small.py").write_text(EXERCISE)
    assert build.main([]) == 0
    path = tmp_path / "00_small.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].execution_count = 1
    notebook.cells[1].source = "def double(x):\n    return 2 * x"
    nbformat.write(notebook, path)
    assert build.main([]) == 1
    assert "holds results and was left alone" in capsys.readouterr().out
    assert "return 2 * x" in path.read_text()
    assert build.main(["--force"]) == 0
    assert "return 2 * x" not in path.read_text()


def asked_of_pip(tmp_path: Path, *modules: str) -> list[list[str]]:
    """What the first cell of a notebook asks of pip where these modules are loaded."""
    first = built(tmp_path, EXERCISE).cells[0]
    run = subprocess.run(
        [sys.executable, "-c", RUN_CELL, first.source, *modules],
        env={"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    return [shlex.split(line) for line in run.stdout.splitlines()]


def test_the_first_cell_is_folded_in_jupyter_and_on_colab(tmp_path: Path) -> None:
    for solutions in (False, True):
        first = built(tmp_path, EXERCISE, solutions=solutions).cells[0]
        assert first.metadata.tags == ["colab"]
        assert first.metadata.jupyter == {"source_hidden": True}
        assert first.metadata.cellView == "form"


def test_on_colab_the_first_cell_installs_the_tutorial_beside_colabs_jupyter(
    tmp_path: Path,
) -> None:
    own, needed = asked_of_pip(tmp_path, "google.colab")
    address = build.PROJECT["urls"]["Repository"]
    assert own == ["install", "-q", "--no-deps", f"rnsl-tutorial @ git+{address}"]
    assert needed[:2] == ["install", "-q"]
    left = {*build.PROJECT["dependencies"]} - {*needed}
    assert {Requirement(text).name for text in left} == build.COLABS_OWN
    assert len(needed) == 2 + len(build.PROJECT["dependencies"]) - len(left)


def test_anywhere_else_the_first_cell_does_nothing(tmp_path: Path) -> None:
    assert asked_of_pip(tmp_path) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_no_notebook_is_stale(source: Path) -> None:
    """In the working tree or in the last commit: a learner may have run and changed the former."""
    notebook = build.FOLDER / f"{source.stem}.ipynb"
    show = ["git", "show", f"HEAD:./{notebook.name}"]
    committed = subprocess.run(show, cwd=build.FOLDER, capture_output=True, text=True, check=False)
    found = (notebook.read_text(encoding="utf-8"), committed.stdout)
    assert build.build(source) in found, f"{notebook.name} is stale: make notebooks"


@pytest.mark.parametrize(
    ("code", "taken", "set_there"),
    [
        ("for k in x:\n    a = f(k)\n    a", {"x", "f"}, {"k", "a"}),
        ("if c:\n    d = 1\nd", {"c", "d"}, {"d"}),
        ("x += 1", {"x"}, {"x"}),
        ("a[i] = 3", {"a", "i"}, {"a"}),
        ("m = {k: k + n for k in y}", {"n", "y"}, {"m"}),
        ("def f(u):\n    v = u + w\n    return v", {"w"}, {"f"}),
        ("with o() as (p, q):\n    r = p\nr", {"o", "r"}, {"p", "q", "r"}),
        ("b, c = c, b", {"b", "c"}, {"b", "c"}),
    ],
)
def test_what_a_cell_takes_from_others(code: str, taken: set[str], set_there: set[str]) -> None:
    assert notebook_parts.names(code) == (taken, set_there)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_notebook_opens_and_closes_as_agreed(source: Path) -> None:
    cells = nbformat.reads(build.build(source), as_version=4).cells
    kinds = [cell.cell_type for cell in cells[:4]]
    assert kinds == ["markdown", "code", "code", "markdown"], "question, Colab, picture, the rest"
    assert re.match(r"# .+\nThe question: \*\*.+\?\*\*\n", cells[0].source)
    assert cells[1].id == "colab"
    assert [words for words in OPENING if words not in cells[3].source] == []
    assert any("hidden-assert" in cell.metadata.get("tags", []) for cell in cells)


MOST_BYTES = 1_500_000  # of a notebook


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_the_picture_of_the_opening_is_the_one_output_that_is_committed(source: Path) -> None:
    text = build.build(source)
    assert len(text.encode()) <= MOST_BYTES
    cells = [cell for cell in nbformat.reads(text, as_version=4).cells if cell.get("outputs")]
    assert [cell.metadata.jupyter.source_hidden for cell in cells] == [True]
    [output] = cells[0].outputs
    assert set(output.data) == {"image/png", "text/plain"}
    assert "Run this cell to move it." in output.data["text/plain"]
    with Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))) as picture:
        assert picture.width > 800


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("chromium") is not None, reason="it runs in JupyterLab, see tests/browser"
)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
@pytest.mark.timeout(300)
def test_a_notebook_runs(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The learner's version, then in the same kernel what the solution adds to it."""
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # several tests may run at a time
    notebook = notebook_parts.small(source)
    added = [*notebook_parts.solved_cells(source), notebook_parts.PEAK_MEMORY]
    notebook.cells += [nbformat.v4.new_code_cell(code) for code in added]
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, kernel_name="python3", timeout=300, resources=resources).execute()
    assert int(notebook.cells.pop().outputs[0].text) < notebook_parts.MOST_MEMORY
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.id != "colab"]
    assert [output.text for cell in code for output in cell.outputs if is_stderr(output)] == []
    kinds = ((kind for output in cell.outputs for kind in output.get("data", {})) for cell in code)
    assert notebook_parts.shows_a_picture(kinds)


def is_stderr(output: NotebookNode) -> bool:
    return output.output_type == "stream" and output.name == "stderr"


def test_what_the_solution_adds_is_its_exercises_and_what_depends_on_them(tmp_path: Path) -> None:
    source = tmp_path / "00_small.py"
    own = "# %%\nx = 1\n# %%\ny = [double(x) for k in 'a']\nz = k = 2\n# %%\nx\n# %%\nprint(y)\n"
    own += "# %%\nfor y in [x]:\n    print(y)\n# %%\nprint([y for y in 'a'], z)\n"
    source.write_text(EXERCISE + own)
    exercise, uses, depends = notebook_parts.solved_cells(source)
    assert exercise.startswith("def double(x)")
    assert uses.startswith("y = ")
    assert depends == "print(y)"


def exercises_of(source: Path) -> list[tuple[str, str]]:
    """Numbers and names of the functions that a notebook asks for, in its order."""
    text = source.read_text(encoding="utf-8")
    found = re.findall(r"^# #+ Exercise (\d)|tags=\[\"exercise\"\]\ndef (\w+)", text, re.MULTILINE)
    number, listed = "", []
    for heading, name in found:
        number = heading or number
        if name:
            listed.append((number, name))
    return listed


def test_the_lesson_plan_names_every_notebook_and_its_exercises() -> None:
    plan = (build.FOLDER / "TEACHING.md").read_text(encoding="utf-8")
    parts = re.split(r"^### .*`(\d\d_\w+)`.*$", plan, flags=re.MULTILINE)
    named = {
        name: re.findall(r"Exercise (\d), `(\w+)`", part.split("\n### ")[0])
        for name, part in zip(parts[1::2], parts[2::2], strict=True)
    }
    assert sorted(named) == [source.stem for source in SOURCES if source.stem < "06"]
    for source in SOURCES:
        if source.stem in named:
            assert sorted(named[source.stem]) == sorted(exercises_of(source)), source.stem


def test_the_lesson_plan_has_no_gaps_in_its_90_minutes() -> None:
    plan = (build.FOLDER / "TEACHING.md").read_text(encoding="utf-8")
    spans = re.findall(r"^### (\d+) to (\d+)", plan, re.MULTILINE)
    assert [start for start, _ in spans] == ["0", *(end for _, end in spans[:-1])]
    assert spans[-1][1] == "90"


def test_the_lesson_plan_lists_the_exercises_of_the_later_notebooks() -> None:
    plan = (build.FOLDER / "TEACHING.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\d\d_\w+)` \|.*\|([^|]+)\|$", plan, re.MULTILINE))
    later = {source.stem: exercises_of(source) for source in SOURCES if source.stem >= "06"}
    assert {name: re.findall(r"(\d) `(\w+)`", row) for name, row in rows.items()} == later
