"""The two commands, run with stand-ins for Python, pip, uv and JupyterLab."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# A "python3" that answers `-c` as the real one does after PRELUDE. Its `-m venv` makes a folder of
# tools that only write down how they were called, and whether Python may not keep what it compiles.
# `uv` fails while the file "broken" is there.
PYTHON = """#!/bin/sh
case "$*" in
    "-c "*) exec {real} -c "import sys; {prelude}; exec(sys.argv[1])" "$2" ;;
    "-m venv"*)
        echo "venv $*" >> log
        rm -rf .venv && mkdir -p .venv/bin
        for tool in python uv rnsl ruff lint-imports mypy; do
            printf '#!/bin/sh\\necho "%s $*$PYTHONDONTWRITEBYTECODE" >> log\\n' \\
                $tool > .venv/bin/$tool
            chmod +x .venv/bin/$tool
        done
        echo 'test ! -e broken' >> .venv/bin/uv ;;
esac
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


class Clone:
    """A clone whose `python3` is a stand-in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("Makefile", "pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, folder)
        (folder / "path").mkdir()
        self.python()

    def python(self, prelude: str = "pass") -> None:
        path = self.folder / "path" / "python3"
        path.write_text(PYTHON.format(real=sys.executable, prelude=prelude))
        path.chmod(0o755)

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'path'}:{os.environ['PATH']}"
        return subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env={
                "PATH": path,
                "PYTHONDONTWRITEBYTECODE": "1",
            },  # without the variables of a make that runs these tests
            capture_output=True,
            text=True,
            check=False,
        )

    def log(self) -> list[str]:
        """Return what was called since the last look."""
        path = self.folder / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


OPEN = "rnsl lab my-notebooks{}"
INSTALL = "uv pip install --python .venv/bin/python -c requirements.lock {}-e .[dev]"


def test_lab_builds_once_and_then_only_opens(clone: Clone) -> None:
    assert clone.make("lab", "ARGS=--no-browser --port 8890").returncode == 0
    assert clone.log() == [
        "venv -m venv --clear .venv",
        "python -m pip install -q --disable-pip-version-check -r .venv/uv.txt",
        INSTALL.format(""),
        OPEN.format(" --no-browser --port 8890"),
    ]
    named, *hashes = (clone.folder / ".venv" / "uv.txt").read_text().splitlines()
    assert named.startswith("uv==")
    assert hashes
    assert all(line.startswith("    --hash=sha256:") for line in hashes)
    assert clone.make("lab").returncode == 0
    assert clone.log() == [OPEN.format("")]


def test_an_interrupted_build_is_repaired(clone: Clone) -> None:
    (clone.folder / "broken").touch()
    assert clone.make("lab").returncode != 0
    assert not any(line.startswith("rnsl") for line in clone.log())
    (clone.folder / "broken").unlink()
    assert clone.make("lab").returncode == 0
    assert len(clone.log()) == 4


def touch_later(clone: Clone, name: str) -> None:
    built = next((clone.folder / ".venv").glob(".built-*"))
    later = built.stat().st_mtime + 10
    os.utime(clone.folder / name, (later, later))


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock"])
def test_a_change_of_the_requirements_builds_again(clone: Clone, name: str) -> None:
    clone.make("lab")
    touch_later(clone, name)
    clone.log()
    clone.make("lab")
    assert INSTALL.format("") in clone.log()


def test_torch_is_handed_on_and_kept_until_clean(clone: Clone) -> None:
    clone.make("lab")
    clone.make("lab", "TORCH=cpu")
    assert INSTALL.format("--torch-backend cpu ") in clone.log()
    clone.make("lab")
    assert clone.log() == [OPEN.format("")]
    touch_later(clone, "requirements.lock")
    clone.make("lab")
    assert INSTALL.format("--torch-backend cpu ") in clone.log()
    clone.make("clean")
    clone.make("lab")
    assert INSTALL.format("") in clone.log()


def test_test_checks_style_and_types_before_the_tests(clone: Clone) -> None:
    clone.make("test", "ARGS=-k losses")
    tools = [
        "ruff check",
        "ruff format --check",
        "lint-imports --no-logo --no-cache",
        "mypy ",
        "uv pip install --python .venv/bin/python -c requirements.lock --no-deps -q "
        "--target .venv/lightning pytorch-lightning torchmetrics",
        "python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -k losses",
    ]
    assert clone.log()[3:] == tools


def test_the_coverage_is_that_of_all_tests(clone: Clone) -> None:
    clone.make("test")
    assert clone.log()[-1].endswith(" --cov")


def test_quick_leaves_out_what_is_slow_and_soak_takes_all(clone: Clone) -> None:
    clone.make("quick", "ARGS=-k losses")
    [quick] = [line for line in clone.log() if "pytest" in line]
    assert "-m not slow and not soak" in quick
    assert quick.endswith("tests/tutorial -k losses")
    (clone.folder / "tests" / "room").mkdir(parents=True)
    for name, mark in {"a": "given(x)", "b": "pytest.mark.soak", "c": "pytest.mark.slow"}.items():
        (clone.folder / "tests" / "room" / f"test_{name}.py").write_text(f"@{mark}\n")
    clone.make("soak", "ARGS=-k memory")
    [soak] = [line for line in clone.log() if "pytest" in line]
    assert "-p tests.reliability" in soak
    assert "--reliability benchmarks/RELIABILITY.md tests/soak" in soak
    beside = soak.partition(" tests/soak ")[2].split()
    assert sorted(beside) == ["-k", "memory", "tests/room/test_a.py", "tests/room/test_b.py"]


def test_notebooks_come_from_the_builder(clone: Clone) -> None:
    clone.make("notebooks")
    assert clone.log()[-1] == "python notebooks/build.py"


def test_the_instructor_is_told_where_the_solutions_are(clone: Clone) -> None:
    printed = clone.make("instructor").stdout
    assert clone.log()[-1] == "python notebooks/build.py --instructor build/instructor"
    assert "build/instructor" in printed
    assert "notebooks/TEACHING.md" in printed


def test_the_teacher_is_told_where_the_assignments_are(clone: Clone) -> None:
    printed = clone.make("assignment").stdout
    assert clone.log()[-1] == "python notebooks/assignment.py build/assignment"
    assert "nbgrader: build/assignment" in printed


@pytest.mark.parametrize(
    ("target", "script"),
    [
        ("site", "docs/build.py"),
        ("bench-ui", "benchmarks/ui.py"),
        ("bench-gpu", "benchmarks/gpu.py"),
    ],
)
def test_a_target_hands_its_arguments_to_its_script(clone: Clone, target: str, script: str) -> None:
    clone.make(target, "ARGS=--only x")
    assert clone.log()[-1] == f"python {script} --only x"
    assert (ROOT / script).exists()


def test_bench_runs_scripts_that_exist(clone: Clone) -> None:
    clone.make("bench")
    scripts = [line.removeprefix("python ") for line in clone.log() if "benchmarks/" in line]
    assert "benchmarks/notebook_runs.py" in scripts
    assert [script for script in scripts if not (ROOT / script).exists()] == []


def test_the_lock_is_compiled_without_addresses(clone: Clone) -> None:
    printed = clone.make("-n", "lock", "ARGS=--upgrade").stdout
    assert "-m venv --clear build/lock" in printed
    for option in ("--universal", "--python-version 3.11", "--no-emit-index-url", "--upgrade",
                   "--generate-hashes"):  # fmt: skip
        assert option in printed
    assert "pip install -q --disable-pip-version-check uv\n" in printed


@pytest.mark.parametrize(
    ("prelude", "advice"),
    [
        ("sys.version_info = (3, 10, 9)", "Python 3.11 or newer is needed"),
        ("sys.modules['ensurepip'] = None", "apt install python3-venv"),
        ("sys.modules['venv'] = None", "apt install python3-venv"),
    ],
)
@pytest.mark.parametrize("command", ["lab", "test"])
def test_an_unfit_python_gets_one_line(
    clone: Clone, command: str, prelude: str, advice: str
) -> None:
    clone.python(prelude)
    result = clone.make(command)
    assert result.returncode != 0
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert advice in result.stderr
    assert "install" in result.stderr
    assert not (clone.folder / ".venv").exists()


def test_a_python_that_is_not_there_gets_one_line(clone: Clone) -> None:
    result = clone.make("lab", "PYTHON=no-such-python")
    assert result.returncode != 0
    assert len(result.stderr.splitlines()) == 1
    assert '"no-such-python" is older or missing' in result.stderr


def test_make_alone_lists_the_commands(clone: Clone) -> None:
    text = clone.make().stdout
    assert text == clone.make("help").stdout
    targets = ("lab", "explore", "test", "notebooks", "site", "bench-ui", "bench-gpu")
    for word in (*(f"make {target} " for target in targets), "TORCH=cpu", "CUDA"):
        assert word in text


def test_continuous_integration_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert script.read_text().rstrip().endswith("exec make test")
