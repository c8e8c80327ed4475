"""What Python has of the playground: its settings, its traits, its page, the command."""

import re
import shutil
import subprocess
import webbrowser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from sklearn.decomposition import PCA
from typer.testing import CliRunner

from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.tutorial.explorers import Playground
from rnsl_tutorial.tutorial.playground import embeddings_address, page_html, widget


def test_settings_are_named_as_in_the_page_or_with_an_underscore() -> None:
    made = Playground(rate=0.25, n=40, shape="twins", b_loss="trnsl", b_q=0.5)
    assert made.settings == {
        "rate": 0.25, "n": 40, "shape": "twins", "b.loss": "trnsl", "b.q": 0.5,
    }  # fmt: skip
    assert made.q == 0.5
    made.settings = {"a.k": 0.9}
    assert made.settings == {"a.k": 0.9}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rates": 1}, "There is no setting 'rates'; there are T, a.k,"),
        ({"q": 0.5}, "There is no setting 'q'"),
        ({"rate": 1.5}, r"rate is 1.5; it must lie in \[0, 1\]"),
        ({"n": 0}, r"n is 0; it must lie in \[1, inf\]"),
        ({"T": float("nan")}, "T is nan"),
        ({"shape": "cube"}, "shape is 'cube'; choose one of blobs, rings, spirals, twins, own"),
        ({"b_loss": "gce"}, "b.loss is 'gce'; choose one of nsl, rnsl, trnsl"),
    ],
)
def test_a_setting_that_is_none_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(traitlets.TraitError, match=message):
        Playground(**settings)


def test_python_knows_the_engines_settings_and_no_others() -> None:
    text = widget._static("engine.js")
    found = re.search(r"const DEFAULTS = \{(.*?)\};", text, re.DOTALL)
    assert found
    known = {*widget._CHOICES, *widget._RANGES}
    assert set(re.findall(r"(\w+): ", found[1])) == known
    for kind in ("shape", "noise"):
        name = {"shape": "SHAPES", "noise": "NOISES"}[kind]
        block = re.search(rf"const {name} = \{{(.*?)\n  \}};", text, re.DOTALL)
        assert block
        assert set(re.findall(r"^    (\w+): ", block[1], re.MULTILINE)) == set(
            widget._CHOICES[kind]
        ) - {"own"}


def test_points_and_labels_are_taken_as_arrays() -> None:
    made = Playground()
    made.points, made.labels = np.zeros((3, 2), np.float32), np.array([0, 1, 1])
    assert made.points == [[0, 0]] * 3
    assert made.labels == [0, 1, 1]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("points", [[1, 2, 3]], r"points are \[1, 3\]; give finite numbers \[N, 2\]"),
        ("points", [[1, float("nan")]], "finite"),
        ("labels", [0.5], "whole numbers"),
        ("labels", [-1], "a class from 0 to 25"),
        ("q", 1.5, "q"),
    ],
)
def test_what_is_none_is_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(Playground(), name, value)


def test_the_page_is_one_file_that_may_load_nothing() -> None:
    page = page_html()
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|\bsrc=|\bimport\b", page)


def test_what_is_left_out_of_the_modules_is_no_code(tmp_path: Path) -> None:
    told = "/** a\n b */\nlet x = '=  ='; // gone\n  // gone\n  const f = (a, b) => a - -b;\n"
    assert widget._lean(told) == "let x='=  =';\nconst f=(a,b)=>a - -b;"
    nested = "say(`${n} points ${names.map((x) => `${x} = 1`)}`) // gone"
    assert widget._lean(nested) == nested.removesuffix(" // gone")
    if (node := shutil.which("node")) is None:
        pytest.skip("no node to parse it with; the browser tests run it")
    module = tmp_path / "playground.mjs"
    module.write_text(str(Playground._esm), encoding="utf-8")
    subprocess.run([node, "--check", str(module)], check=True)


def saved(path: Path, classes: int, each: int) -> Path:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, 16))
    embeddings = np.repeat(centres, each, axis=0) + rng.normal(size=(classes * each, 16)) / 10
    files = [f"class {i // each}/{i}.jpg" for i in range(classes * each)]
    np.savez(path, embeddings=embeddings.astype(np.float32), files=files)
    return path


def test_embeddings_become_the_points_of_their_first_two_components(tmp_path: Path) -> None:
    address = embeddings_address(saved(tmp_path / "own.npz", 3, 20))
    found = re.fullmatch(r"shape=own&classes=3&rate=0&own=(.*)", address)
    assert found
    rows = np.array([row.split(",") for row in found[1].split("_")], dtype=float)
    assert rows.shape == (60, 3)
    assert np.abs(rows[:, :2]).max() == 1
    assert rows[:, 2].tolist() == [0] * 20 + [1] * 20 + [2] * 20
    embeddings = np.load(tmp_path / "own.npz")["embeddings"]
    scores = PCA(2).fit_transform(embeddings)
    for axis in range(2):
        assert abs(np.corrcoef(scores[:, axis], rows[:, axis])[0, 1]) > 0.9999


def test_of_many_embeddings_the_largest_classes_are_shown_evenly(tmp_path: Path) -> None:
    address = embeddings_address(saved(tmp_path / "own.npz", 12, 300))
    labels = [row.rsplit(",")[-1] for row in address.split("own=")[1].split("_")]
    assert len(labels) <= 1000
    assert [labels.count(str(c)) for c in range(8)] == [100] * 8


def test_embeddings_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(ValueError, match="holds no embeddings; write them with `rnsl embed`"):
        embeddings_address(tmp_path / "text.npz")
    with pytest.raises(ValueError, match="one folder alone"):
        embeddings_address(saved(tmp_path / "one.npz", 1, 5))
    with pytest.raises(FileNotFoundError):
        embeddings_address(tmp_path / "absent.npz")


def test_the_command_writes_the_page_and_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    page = tmp_path / "mine.html"
    assert CliRunner().invoke(cli.app, ["playground", str(page)]).stdout == f"Written: {page}\n"
    assert page.read_text(encoding="utf-8") == page_html()
    assert shown == [page.as_uri()]
    own = saved(tmp_path / "own.npz", 2, 3)
    given = ["playground", str(page), "--no-browser", "--embeddings", str(own), "--overwrite"]
    CliRunner().invoke(cli.app, given)
    assert page.read_text(encoding="utf-8") == page_html(embeddings_address(own))
    assert f'"{embeddings_address(own)}"' in page_html(embeddings_address(own))
    assert len(shown) == 1
