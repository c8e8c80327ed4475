import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from rnsl_tutorial import __version__, cli, doctor, lab, paths

run = CliRunner().invoke


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, list[str]]]:
    """Folders and options that JupyterLab would have been started with."""
    calls: list[tuple[Path, list[str]]] = []
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / lab.FIRST).write_text("start")
    monkeypatch.setattr(paths, "shipped", lambda *parts: shipped)
    monkeypatch.setattr(lab, "start", lambda folder, options: calls.append((folder, options)))
    monkeypatch.chdir(tmp_path)
    return calls


def test_help_names_the_commands_and_python_m_does_the_same() -> None:
    shown = run(cli.app, ["--help"])
    assert shown.exit_code == 0
    assert "lab" in shown.output
    assert "doctor" in shown.output
    module = [sys.executable, "-m", "rnsl_tutorial", "--help"]
    text = subprocess.run(module, capture_output=True, text=True, check=True).stdout
    assert "Usage: rnsl" in text


def test_version() -> None:
    assert run(cli.app, ["--version"]).output == f"rnsl-tutorial {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "folder", "options"),
    [
        ([], "rnsl-tutorial", []),
        (["mine"], "mine", []),
        (["--no-browser", "--port", "8890"], "rnsl-tutorial", ["--no-browser", "--port", "8890"]),
        (["mine", "--port=8890", "-y"], "mine", ["--port=8890", "-y"]),
    ],
)
def test_lab_copies_and_starts(
    started: list[tuple[Path, list[str]]], arguments: list[str], folder: str, options: list[str]
) -> None:
    result = run(cli.app, ["lab", *arguments])
    assert result.exit_code == 0, result.output
    assert started == [(Path(folder), options)]
    assert (Path(folder) / lab.FIRST).read_text() == "start"
    assert f"Notebooks in {folder}: 1 new or updated." in result.output


def test_lab_says_how_to_get_the_newer_notebook(started: list[tuple[Path, list[str]]]) -> None:
    Path("mine").mkdir()
    Path("mine", lab.FIRST).write_text("my answers")
    assert f"{lab.FIRST} is yours and was kept" in run(cli.app, ["lab", "mine"]).output


def test_an_error_is_one_line_without_a_traceback(
    started: list[tuple[Path, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("notes").touch()
    result = run(cli.app, ["lab", "notes"])
    assert result.exit_code == 1
    assert result.stderr == "rnsl: notes is a file. Name a folder: rnsl lab DIR\n"
    assert result.stdout == ""
    assert isinstance(run(cli.app, ["--debug", "lab", "notes"]).exception, NotADirectoryError)
    monkeypatch.setenv("RNSL_DEBUG", "1")
    assert isinstance(run(cli.app, ["lab", "notes"]).exception, NotADirectoryError)


def test_commands_of_a_sub_app_fail_in_one_line_too() -> None:
    app, sub = typer.Typer(cls=cli.OneLineErrors), typer.Typer()
    app.callback()(cli.options)
    app.add_typer(sub, name="sub")

    @sub.command()
    def fail() -> None:
        raise ValueError("rate is 2:\nallowed is 0 to 1")

    @sub.command()
    def crash() -> None:
        raise RuntimeError("a bug")

    result = run(app, ["sub", "fail"])
    assert (result.exit_code, result.stderr) == (1, "rnsl: rate is 2: allowed is 0 to 1\n")
    assert isinstance(run(app, ["sub", "crash"]).exception, RuntimeError)


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("optional", 0), ("missing", 1)])
def test_doctor_fails_when_something_necessary_is_missing(
    status: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = SimpleNamespace(name="thing", status=status, detail="seen", advice="buy one")
    monkeypatch.setattr(doctor, "report", lambda: [check])
    result = run(cli.app, ["doctor"])
    assert result.exit_code == code
    assert f"thing ({status}): buy one" in result.output
