"""The image for Binder, as far as it can be checked without Docker.

What repo2docker would build is read from the Dockerfile that it prints. What happens in there is
tried in an empty environment: without the conda packages that the image starts with, and with
the PyTorch of the lock instead of the one for CPUs, which comes from an index of its own.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
import working_tree
from nbformat.sign import NotebookNotary
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent.parent
BINDER = ROOT / "binder"
FIRST = "/lab/tree/notebooks/00_start_here.ipynb"
OWN_SETTINGS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_PATH", "PYTHONPATH")

# What a server that starts with these arguments shows at its address.
SERVER = """
from {module} import {app}
print({app}.initialize_server(["--no-browser", "--port=0", "--allow-root"]).default_url)
"""


class Image(NamedTuple):
    """A clone in which postBuild ran, and the environment that it filled.

    Attributes:
        clone: the files of the project.
        prefix: of the environment.
        variables: of its processes; the home folder is an own one.
    """

    clone: Path
    prefix: Path
    variables: dict[str, str]

    def run(self, *command: str) -> str:
        """Run a command by way of `binder/start` in the clone; return what it prints."""
        return run([str(self.clone / "binder" / "start"), *command], self.clone, self.variables)


def run(command: Sequence[str], folder: Path, variables: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the project that are, or would be, committed."""
    return working_tree.copy_to(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def image(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Run postBuild on notebooks cut down to an import or nothing: other tests run them whole."""
    if sys.platform != "linux":
        pytest.skip("the image is one of Linux")
    if version("torch").endswith("+cpu"):
        pytest.skip("built with TORCH=cpu: the locked PyTorch would be downloaded for this test")
    for path in (clone / "notebooks").glob("[0-9]*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        notebook.cells = code[: 2 if FIRST.endswith(path.name) else 1]
        nbformat.write(notebook, path)
    folder = tmp_path_factory.mktemp("image")
    made = Image(clone, folder / "env", variables_of(folder))
    uv = [sys.executable, "-m", "uv"]
    run([*uv, "venv", "-q", "--python", sys.executable, str(made.prefix)], folder)
    own = ["--python", str(made.prefix), "-r", "binder/requirements.txt"]
    run([*uv, "pip", "install", "-q", *own], clone, made.variables)
    run(["binder/postBuild"], clone, made.variables)
    return made


def variables_of(folder: Path) -> dict[str, str]:
    """The variables of an image, with uv's cache of the machine that stands in for it."""
    inherited = {name: os.environ[name] for name in os.environ if name not in OWN_SETTINGS}
    return inherited | {
        "HOME": str(folder / "home"),
        "PATH": f"{folder / 'env' / 'bin'}:{os.defpath}",
        "TORCH": "default",
        "UV_CACHE_DIR": run([sys.executable, "-m", "uv", "cache", "dir"], folder).strip(),
        "UV_COMPILE_BYTECODE": "0",
        "UV_NO_CACHE": "0",
    }


def test_repo2docker_builds_what_is_in_the_folder(clone: Path) -> None:
    options = ["--no-build", "--debug", "--user-id", "1000", "--user-name", "jovyan"]
    dockerfile = run([sys.executable, "-m", "repo2docker", *options, str(clone)], clone)
    lines = [line.strip() for line in dockerfile.splitlines()]
    installs = '${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir -r "binder/requirements.txt"'
    in_order = [
        f"RUN {installs}",
        "COPY --chown=1000:1000 src/ ${REPO_DIR}/",
        "RUN ./binder/postBuild",
        'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
    ]
    assert [line for line in lines if line in in_order] == in_order
    assert "environment.yml" not in dockerfile, "conda's is another route"
    assert "py-2d3-2e11-2d" in dockerfile, "the Python of runtime.txt"


def test_the_folder_agrees_with_the_project_and_its_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    name, version = (BINDER / "runtime.txt").read_text().strip().split("-")
    assert name == "python"
    assert version in SpecifierSet(project["requires-python"])
    locked = (ROOT / "requirements.lock").read_text().split()
    for line in (BINDER / "requirements.txt").read_text().splitlines():
        assert str(Requirement(line)) in locked
    assert "-c requirements.lock" in (BINDER / "postBuild").read_text()


def test_the_folder_holds_no_addresses_and_its_scripts_can_be_run() -> None:
    texts = {path.name: path.read_text() for path in BINDER.iterdir()}
    assert [name for name, text in texts.items() if "://" in text] == []
    scripts = {name for name, text in texts.items() if text.startswith("#!")}
    assert scripts == {"postBuild", "start"}
    assert all(os.access(BINDER / name, os.X_OK) for name in scripts)
    assert all("\nset -euo pipefail\n" in texts[name] for name in scripts)


def test_kernels_whose_notebook_was_closed_give_their_memory_back() -> None:
    """Three kernels do not fit into 2 GB; one that a page is connected to is never ended."""
    culled = json.loads((BINDER / "jupyter_server_config.json").read_text())["MappingKernelManager"]
    assert 0 < culled["cull_interval"] < culled["cull_idle_timeout"] <= 300
    assert "cull_connected" not in culled


def test_start_hands_the_command_on_and_keeps_to_one_core() -> None:
    print_it = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]))"
    command = [str(BINDER / "start"), sys.executable, "-c", print_it, "one two", ""]
    variables, arguments = json.loads(run(command, ROOT, {"OTHER": "stays"}))
    assert arguments == ["one two", ""]
    assert variables["OMP_NUM_THREADS"] == variables["NUMBA_NUM_THREADS"] == "1"
    assert variables["OTHER"] == "stays"
    failing = subprocess.run([*command[:3], "raise SystemExit(3)"], check=False)
    assert failing.returncode == 3


@pytest.mark.timeout(900)  # of which nearly all is installing what uv does not have in its cache
@pytest.mark.soak
def test_the_image_can_run_the_tutorial(image: Image) -> None:
    assert "The tutorial can run." in image.run("rnsl", "doctor")
    where = image.run("python", "-c", "import rnsl_tutorial as r; print(r.__file__)").strip()
    assert Path(where) == image.clone / "rnsl_tutorial" / "__init__.py"


@pytest.mark.soak
def test_the_image_has_the_locked_versions(image: Image) -> None:
    installed = image.run("uv", "pip", "freeze", "--exclude-editable").splitlines()
    locked = (ROOT / "requirements.lock").read_text().split()
    beside = [line for line in installed if line not in locked]
    assert [Requirement(line).name for line in beside] == ["notebook"]


@pytest.mark.soak
def test_the_kernel_of_the_notebooks_is_the_environments_own(image: Image) -> None:
    specs = json.loads(image.run("jupyter", "kernelspec", "list", "--json"))["kernelspecs"]
    assert [*specs] == ["python3"]
    python = Path(specs["python3"]["spec"]["argv"][0])
    assert python.parent == image.prefix / "bin"


@pytest.mark.soak
def test_the_notebooks_are_trusted(image: Image) -> None:
    notary = NotebookNotary(data_dir=image.run("jupyter", "--data-dir").strip())
    notebooks = [*(image.clone / "notebooks").glob("*.ipynb")]
    assert len(notebooks) > 10
    for path in notebooks:
        assert notary.check_signature(nbformat.read(path, as_version=4)), path.name
    notary.store.close()


@pytest.mark.parametrize(
    ("module", "app"),
    [("jupyterlab.labapp", "LabApp"), ("notebook.app", "JupyterNotebookApp")],
)
@pytest.mark.soak
def test_a_server_opens_on_the_first_notebook(image: Image, module: str, app: str) -> None:
    printed = image.run("python", "-c", SERVER.format(module=module, app=app))
    assert printed.splitlines()[-1] == FIRST
    assert (image.clone / FIRST.removeprefix("/lab/tree/")).is_file()


@pytest.mark.soak
def test_jupyterlab_asks_nothing_about_news(image: Image) -> None:
    overrides = image.prefix / "share" / "jupyter" / "lab" / "settings" / "overrides.d"
    settings = json.loads((overrides / "rnsl-tutorial.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"] == {"fetchNews": "false"}
