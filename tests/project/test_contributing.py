"""CONTRIBUTING.md names what is there."""

import re
import tomllib
from pathlib import Path

import pytest

from rnsl_tutorial import noise
from rnsl_tutorial.datasets import download
from rnsl_tutorial.experiments import config, style
from rnsl_tutorial.training import baselines

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FOLDERS = "rnsl_tutorial|notebooks|tests|benchmarks|data|docs"


def test_the_files_to_touch_exist() -> None:
    named = set(re.findall(rf"`((?:{FOLDERS})/[^` ]*)`", GUIDE))
    fixed = {name for name in named if "NAME" not in name and "NN_name" not in name}
    assert len(fixed) > 10
    assert {name for name in fixed if not (ROOT / name).exists()} == set()


def test_the_names_to_add_to_exist() -> None:
    owners = [baselines, download, noise, style]
    for name in ("_BASELINES", "BASELINES", "_BASELINE_STYLES", "_TRANSITIONS", "NOISE_NAMES",
                 "PINS", "Pin", "_check_rate", "_check_num_classes"):  # fmt: skip
        assert f"`{name}`" in GUIDE
        assert any(hasattr(owner, name) for owner in owners)


def test_every_target_of_make_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    documented = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
    assert documented == set(phony)
    assert set(re.findall(r"(?:`|^    )make ([a-z-]+)", GUIDE, re.MULTILINE)) <= documented


def test_the_clone_comes_from_the_projects_address() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"git clone {project['urls']['Repository']} " in GUIDE


@pytest.mark.parametrize("name", config.BASELINES)
def test_a_loss_has_what_its_recipe_says(name: str) -> None:
    assert name in baselines.RECIPES
    assert name in style._BASELINE_STYLES


@pytest.mark.parametrize("name", config.NOISES)
def test_a_noise_kind_has_what_its_recipe_says(name: str) -> None:
    assert any(function.startswith(name) for function in noise.__all__)
    assert name in style.NOISE_NAMES
