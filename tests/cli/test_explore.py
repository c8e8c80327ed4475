import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import psutil
import pytest
from typer.testing import CliRunner

from notebooks import build
from rnsl_tutorial import _files as paths
from rnsl_tutorial.cli import explore
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.tutorial import explorers

NOTEBOOK = build.FOLDER / explore.NOTEBOOK
NOT_SHOWN = {"Explorer", "standalone_html"}
START = """
import sys
from pathlib import Path
from rnsl_tutorial.cli import explore
explore.start(Path(sys.argv[1]), "127.0.0.1", 8866, ["--no-browser"])
"""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(explore, "start", lambda *given: calls.append(given))
    return calls


def test_only_this_computer_is_let_in_unless_told_otherwise(
    started: list[tuple[Any, ...]],
) -> None:
    assert CliRunner().invoke(cli.app, ["explore"]).exit_code == 0
    given = ["explore", "--ip", "0.0.0.0", "--port", "8890", "--no-browser", "--theme=dark"]
    assert CliRunner().invoke(cli.app, given).exit_code == 0
    assert started == [
        (NOTEBOOK, "127.0.0.1", 8866, []),
        (NOTEBOOK, "0.0.0.0", 8890, ["--no-browser", "--theme=dark"]),
    ]


def test_the_notebook_of_an_installed_wheel_is_found(
    started: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / explore.NOTEBOOK).touch()
    monkeypatch.setattr(paths, "PACKAGE", tmp_path)
    CliRunner().invoke(cli.app, ["explore"])
    assert started[0][0] == tmp_path / "notebooks" / explore.NOTEBOOK


def test_what_is_no_option_is_refused_in_one_line() -> None:
    result = CliRunner().invoke(cli.app, ["explore", "mine.ipynb"])
    assert result.exit_code == 1
    assert result.stderr.startswith("rnsl: 'mine.ipynb' is no option. rnsl explore shows its own")
    assert result.stderr.count("\n") == 1


def test_an_address_that_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def start() -> None:
        raise OSError(99, "Cannot assign requested address")

    server = SimpleNamespace(initialize=lambda _: None, start=start)
    monkeypatch.setattr(explore.Voila, "instance", lambda **_: server)
    monkeypatch.setattr(explore.IOLoop, "current", lambda: SimpleNamespace(add_callback=print))
    for variable in ("JUPYTER_PATH", "OMP_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")  # restored afterwards
    result = CliRunner().invoke(cli.app, ["explore", "--ip", "192.0.2.1"])
    assert result.exit_code == 1
    assert "Cannot serve at 192.0.2.1 (Cannot assign requested address)." in result.stderr


def test_options_come_last_so_that_they_win() -> None:
    made = explore._arguments(
        Path("x.ipynb"), "127.0.0.1", 8866, ["--no-browser", "--Voila.ip=::1"]
    )
    assert made == [
        "x.ipynb", "--Voila.ip=127.0.0.1", "--port=8866", "--no-browser", "--Voila.ip=::1"
    ]  # fmt: skip


@pytest.mark.parametrize(("ip", "is_open"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_letting_others_in_is_said_in_one_line(
    ip: str, is_open: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    explore._tell(SimpleNamespace(ip=ip, port=8866, display_url="http://here:8866/"))
    said = capsys.readouterr()
    assert said.out == "Explorers: http://here:8866/ (Ctrl-C ends them)\n"
    assert said.err == (explore._OPEN_TO_ALL.format(port=8866) + "\n" if is_open else "")


def test_every_explorer_has_its_place_and_says_which_notebook_explains_it() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells[1:]  # the first is for Colab
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    shown = re.findall(r"explorers\.(\w+)\(", code)
    assert sorted(shown) == sorted(set(explorers.__all__) - NOT_SHOWN)
    told = [cell.source for cell in cells if cell.source.startswith("## ")]
    assert len(told) == len(shown)
    for text in told:
        number = re.match(r"## (\d\d) · .*\?\n", text)
        assert number, f"wanted '## NN · A question?', found: {text}"
        assert f"Explained in notebook {number[1]}." in " ".join(text.split())
        assert list(build.FOLDER.glob(f"{number[1]}_*.ipynb"))


def test_the_notebook_is_what_its_source_makes_and_names_the_template() -> None:
    built = build.build(build.FOLDER / "source" / "explorers.py")
    show = ["git", "show", f"HEAD:./{NOTEBOOK.name}"]
    committed = subprocess.run(
        show, cwd=build.FOLDER, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    assert built in (NOTEBOOK.read_text(encoding="utf-8"), committed.stdout)
    assert json.loads(built)["metadata"]["voila"] == {"template": "rnsl"}
    assert (explore._SHARE / "voila" / "templates" / "rnsl" / "conf.json").exists()


def test_the_template_names_no_other_server() -> None:
    files = [path for path in explore._SHARE.rglob("*") if path.is_file()]
    assert len(files) >= 5
    named = [path.name for path in files if "://" in path.read_text(encoding="utf-8")]
    assert named == []


@pytest.mark.slow
def test_what_fails_is_one_line_on_the_page_and_the_rest_is_shown(tmp_path: Path) -> None:
    cells = ["raise ValueError('a secret')", "print(6 * 7, 'and on')"]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(text) for text in cells], metadata=build.KERNEL
    )
    nbformat.write(notebook, tmp_path / "broken.ipynb")
    command = [sys.executable, "-c", START, str(tmp_path / "broken.ipynb")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        try:
            address = process.stdout.readline().decode().split()[1]
            page = urllib.request.urlopen(address).read().decode()
            kernels = psutil.Process(process.pid).children(recursive=True)
        finally:
            process.terminate()
    assert explore._FAILED in page
    assert "42 and on" in page
    assert "secret" not in page
    assert "raise" not in page
    psutil.wait_procs(kernels, timeout=20)
    assert kernels
    assert not any(kernel.is_running() for kernel in kernels)
