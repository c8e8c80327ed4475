import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import typer
from PIL import Image
from synthetic_results import runs
from typer.testing import CliRunner

from rnsl_tutorial import __version__, experiments
from rnsl_tutorial import _files as paths
from rnsl_tutorial.cli import doctor, lab
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.experiments.config import BASELINES, LOSSES, WITHOUT_LOSS

run = CliRunner().invoke


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, list[str]]]:
    """Folders and options that JupyterLab would have been started with."""
    calls: list[tuple[Path, list[str]]] = []
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    nbformat.write(nbformat.v4.new_notebook(), shipped / lab._FIRST)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
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
    assert nbformat.read(Path(folder) / lab._FIRST, as_version=4).cells == []
    assert f"Notebooks in {folder}: 1 new or updated." in result.output


def test_lab_says_how_to_get_the_newer_notebook(started: list[tuple[Path, list[str]]]) -> None:
    Path("mine").mkdir()
    Path("mine", lab._FIRST).write_text("my answers")
    assert f"{lab._FIRST} is yours and was kept" in run(cli.app, ["lab", "mine"]).output


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
    app, sub = cli._new_app(), typer.Typer()
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


@pytest.mark.slow
def test_features_build_then_experiment_then_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a folder of images to a table, with nothing but the command line."""
    rng = np.random.default_rng(0)
    for c, color in enumerate(((200, 60, 60), (60, 200, 60), (60, 60, 200))):
        folder = tmp_path / "archive" / f"class{c}"
        folder.mkdir(parents=True)
        for i in range(20):
            pixels = np.clip(rng.normal(color, 40, (40, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{i:02}.png")
    monkeypatch.setenv("RNSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    build = ["features", "build", "--dataset", "mine", "--root", "archive"]
    built = run(cli.app, [*build, "--size", "32", "--dim", "8"])
    assert built.exit_code == 0, built.output
    assert "60 images, 3 classes, 8 components: data/mine/features.npz" in built.output
    experiment = ["experiment", "--dataset", "mine", "--features", "data/mine/features.npz"]
    options = ["--rate", "0.3", "--loss", "rnsl", "--seeds", "2"]
    options += ["--epochs", "3", "--out", "out", "--jobs", "1"]
    done = run(cli.app, [*experiment, *options])
    assert done.exit_code == 0, done.output
    assert "| symmetric | 0.3  | RNSL |" in done.output
    assert Path("out/results.json").is_file()
    assert Path("out/results_symmetric.png").stat().st_size > 10_000
    again = run(cli.app, [*experiment, *options])
    assert again.exit_code == 1
    assert "results.json exists; choose another --out, or pass --overwrite" in again.stderr
    shown = run(cli.app, ["report", "out/results.json"])
    assert shown.stdout.splitlines()[1:4] == done.stdout.splitlines()[1:4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["experiment", "--out", "o", "--loss", "softmax"], "loss is 'softmax'"),
        (["experiment", "--out", "o", "--rate", "1.5"], "rate is 1.5"),
        (["experiment", "--out", "o", "--noise", "salt"], "noise is 'salt'; it must be one of"),
        (["experiment", "--out", "o", "--dataset", "eurosat"], "No features of 'eurosat'"),
        (["experiment", "--out", "o", "--seeds", "0"], "seeds is 0"),
        (["experiment", "--out", "o", "--q", "2"], "q is 2.0"),
        (["features", "build", "--root", ".", "--backbone", "vit"], "no backbone 'vit'"),
        (["features", "build", "--root", ".", "--device", "warp"], "device 'warp'"),
        (["experiment", "--out", "o", "--part", "train"], "part is 'train'"),
        (["features", "build", "--root", "nowhere"], "nowhere"),
        (["report", "nowhere.json"], "nowhere.json"),
    ],
)
def test_errors_of_the_commands_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(cli.app, arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    said = [line for line in result.stderr.splitlines() if line and "run/s" not in line]
    assert len(said) == 1, "one line beside the progress bar"
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_an_error_of_the_system_is_told_without_its_number(tmp_path: Path) -> None:
    missing = tmp_path / "none.json"
    shown = run(cli.app, ["report", str(missing)])
    assert (shown.exit_code, shown.output) == (1, f"rnsl: {missing}: No such file or directory.\n")


def test_signs_that_a_code_page_lacks_do_not_fail_a_finished_command(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    experiments.save_results(file, runs("nsl", [0.5, 0.6]), {})
    shown = CliRunner(charset="ascii").invoke(cli.app, ["report", str(file)])
    assert shown.exit_code == 0, shown.output
    assert "0.550 \\xb1 0.071" in shown.output


def test_a_warning_is_one_line_that_steers_no_terminal() -> None:
    said = cli._one_line(UserWarning("two\n  lines \x1b[2J"), UserWarning, "x.py", 1)
    assert said == "rnsl: two lines \\x1b[2J\n"


def test_report_reads_several_files_and_compares_their_losses(tmp_path: Path) -> None:
    from rnsl_tutorial import experiments

    for loss, value in (("rnsl", 0.8), ("gce", 0.7)):
        results = runs(loss, [value, value + 1])
        experiments.save_results(tmp_path / f"{loss}.json", results, {})
    files = [str(tmp_path / f"{loss}.json") for loss in ("rnsl", "gce")]
    shown = run(cli.app, ["report", *files])
    assert "RNSL" in shown.output
    assert "GCE" in shown.output
    made = ["--compare", "rnsl", "--figures", str(tmp_path / "figures")]
    compared = run(cli.app, ["report", *files, *made])
    assert "minus RNSL" in compared.output
    assert "-10.0 to -10.0" in compared.output
    assert (tmp_path / "figures" / "rnsl_symmetric.png").exists()
    judged = run(cli.app, ["report", *files, "--compare", "rnsl", "--margin", "0.2"])
    assert "within 20" in judged.output
    assert "equal, p < 0.001" in judged.output
    alone = run(cli.app, ["report", *files, "--margin", "0.2"])
    assert alone.exit_code == 1
    assert "give --compare LOSS too" in alone.output
    refused = run(cli.app, ["report", files[0], "--compare", "rnsl"])
    assert refused.exit_code == 1
    assert "Cannot compare with 'rnsl'" in refused.output


def test_an_unknown_loss_gives_the_list(tmp_path: Path) -> None:
    asked = ["experiment", "--loss", "focal", "--out", str(tmp_path / "out")]
    shown = run(cli.app, asked)
    assert shown.exit_code == 1
    named = ", ".join((*LOSSES, *BASELINES, *WITHOUT_LOSS))
    assert f"it must be one of {named}, or own:NAME" in shown.output
