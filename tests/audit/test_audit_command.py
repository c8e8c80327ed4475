"""``rnsl audit``: what it writes, what it refuses, and that the archive stays as it is."""

import csv
import hashlib
import json
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from stub_scorer import by_class_means
from typer.testing import CliRunner, Result

from rnsl_tutorial._files import csv_text
from rnsl_tutorial.audit import outputs, scores
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import archives

NAMES = ("Bare, land", 'The "Beach"', "Wald und Flußufer")
SHADES = ((200, 160, 120), (90, 120, 200), (60, 110, 60))
PER_CLASS = 40


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Images of three colours, of several sizes and modes, four of them in a wrong folder."""
    rng = np.random.default_rng(0)
    root = tmp_path / "archive"
    for label, name in enumerate(NAMES):
        (root / name).mkdir(parents=True)
        for i in range(PER_CLASS):
            shade = SHADES[(label + (i < 4)) % 3]
            pixels = rng.normal(shade, 25, size=(10 + i % 3, 12, 3)).clip(0, 255)
            image = Image.fromarray(pixels.astype(np.uint8))
            mode = "RGBA" if i % 5 == 0 else "RGB"
            image.convert(mode).save(root / name / f"<script>{i:02}, {label}.png")
    return root


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A scorer and features in no time; a cache and a working folder of the test's own."""

    def extract(images: NDArray[np.uint8], *_: object, **__: object) -> NDArray[np.float32]:
        return (images.reshape(len(images), -1) / 64).astype(np.float32)

    monkeypatch.setattr(scores, "score_labels", by_class_means)
    monkeypatch.setattr("rnsl_tutorial.audit.pipeline.cached_features", extract)
    monkeypatch.setattr("rnsl_tutorial.training.networks.create", lambda name, **_: name)
    monkeypatch.setenv("RNSL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def run(*arguments: str | Path, size: int = 8) -> Result:
    return CliRunner().invoke(cli.app, ["audit", *map(str, arguments), "--size", str(size)])


def state(root: Path) -> dict[str, Any]:
    """Everything that is in a folder: names, contents, times."""
    paths = sorted(root.rglob("*"))
    return {
        str(path.relative_to(root)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None,
        )
        for path in [root, *paths]
    }


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


# ------------------------------------------------------------------ what it writes


def test_list_page_and_summary(archive: Path) -> None:
    before = state(archive)
    result = run(archive)
    assert result.exit_code == 0, result.output
    rows = table(Path("doubtful.csv"))
    assert len(rows) == 3 * PER_CLASS
    wrong = {row["file"] for row in rows[:12]}
    assert all(int(name.split(">")[1][:2]) < 4 for name in wrong), "those in a wrong folder"
    assert all(row["suggested"] != row["given"] for row in rows[:12])
    assert {row["given"] for row in rows} == set(NAMES)
    page = Path("doubtful.html").read_text(encoding="utf-8")
    assert "Doubtful labels in archive" in page
    assert page.count("<script") == 2, "no file name became markup"
    assert "120 images, 3 classes." in result.output
    assert "Written: doubtful.csv; doubtful.json; doubtful.html" in result.output
    document = json.loads(Path("doubtful.json").read_text(encoding="utf-8"))
    assert (document["images"], document["classes"], document["skipped"]) == (120, 3, [])
    low, high = (document["share_wrong"][end] for end in ("low", "high"))
    share = f"At most {high:.1%}" if low == 0 else f"{low:.1%} to {high:.1%}"
    assert f"{share} of the labels are wrong" in result.output
    assert ("Doubted most often, of those given the name: " in result.output) == (low > 0)
    for look in document["look"]:
        told = f"{look['low']:.0%} to {look['high']:.0%}"
        assert told in result.output
        assert f"<td>{look['first']:,}</td><td>{told}</td>" in page
    assert f"{share} of the labels are wrong" in page
    assert state(archive) == before


def test_options_for_the_page_and_the_estimate(archive: Path) -> None:
    result = run(archive, "--out", "new/list.csv", "--no-gallery", "--json", "told.json")
    assert result.exit_code == 0, result.output
    assert [path.name for path in Path("new").iterdir()] == ["list.csv"]
    assert json.loads(Path("told.json").read_text(encoding="utf-8"))["images"] == 120
    result = run(archive, "--out", "new/two.csv", "--gallery", "pages/page.html", "--top", "3")
    assert result.exit_code == 0, result.output
    assert Path("pages/page.html").read_text(encoding="utf-8").count('"ranked": 3,') == 1


def test_features_of_ones_own_take_the_place_of_the_backbones(archive: Path) -> None:
    """The same, given by name in another order, make the same list."""
    assert run(archive, "--out", "first.csv", "--no-gallery").exit_code == 0
    loaded = archives.load_archive(archive, 8, progress=False)
    values = (loaded.images.reshape(len(loaded.images), -1) / 64).astype(np.float32)[::-1]
    np.savez("own.npz", features=values, files=loaded.files[::-1])
    given = ("--features", "own.npz", "--no-gallery", "--out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnsl_tutorial.audit.pipeline.archive_features", None)
        result = run(archive, *given, "second.csv")
    assert result.exit_code == 0, result.output
    assert Path("first.csv").read_bytes() == Path("second.csv").read_bytes()
    both = run(archive, *given, "third.csv", "--backbone", "resnet18")
    assert both.exit_code == 1
    assert "--features and --backbone exclude each other" in both.output


def test_a_tar_gives_the_same_list_as_the_folder(archive: Path) -> None:
    with tarfile.open("archive.tar", "w") as tar:
        tar.add(archive, "archive")
    packed = Path("archive.tar").read_bytes()
    for root, out in ((archive, "folder.csv"), (Path("archive.tar"), "tar.csv")):
        assert run(root, "--out", out, "--no-gallery").exit_code == 0
    assert Path("folder.csv").read_bytes() == Path("tar.csv").read_bytes()
    assert Path("archive.tar").read_bytes() == packed


def test_a_folder_that_may_only_be_read_is_audited(archive: Path) -> None:
    folders = [archive, *(path for path in archive.iterdir() if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert run(archive).exit_code == 0
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_images_that_are_there_twice_get_the_same_doubt_up_to_the_folds(archive: Path) -> None:
    name = sorted(path.name for path in (archive / NAMES[0]).iterdir())[10]
    (archive / NAMES[0] / "copy.png").write_bytes((archive / NAMES[0] / name).read_bytes())
    assert run(archive).exit_code == 0
    doubts = {row["file"].split("/")[1]: float(row["doubt"]) for row in table(Path("doubtful.csv"))}
    assert doubts["copy.png"] == pytest.approx(doubts[name], abs=0.1)


def test_a_second_round_begins_where_the_first_ended(archive: Path) -> None:
    """Also after the images were renamed: what is decided is known by content."""
    assert run(archive).exit_code == 0
    rows = table(Path("doubtful.csv"))[:12]
    words = ["discard"] * 3 + ["relabel"] * 6 + ["unsure"] * 3
    said = [
        [hashlib.blake2b((archive / row["file"]).read_bytes(), digest_size=16).hexdigest(),
         row["file"], row["given"], word, row["suggested"] * (word == "relabel")]
        for row, word in zip(rows, words, strict=True)
    ]  # fmt: skip
    said.append(["0" * 32, "gone.png", "", "discard", ""])
    head = ["digest", "file", "given", "decision", "label"]
    Path("decisions.csv").write_text(csv_text([head, *said]), encoding="utf-8")
    for i, row in enumerate(rows):
        (archive / row["file"]).rename(archive / row["given"] / f"renamed {i}.png")
    refused(run(archive, "--decisions", "decisions.csv", "--out", "decisions.csv", "--overwrite"),
            "decisions.csv is what is read")  # fmt: skip
    result = run(archive, "--decisions", "decisions.csv", "--overwrite")
    assert result.exit_code == 0, result.output
    assert "9 of 120 images are decided; what follows is about the others." in result.output
    assert "1 decisions were not followed: 1 about images that are not here, 0" in result.output
    assert "111 images, 3 classes" in result.output
    listed = [Path(row["file"]).stem for row in table(Path("doubtful.csv"))]
    assert len(listed) == 111
    assert {name for name in listed if name.startswith("renamed")} == {
        f"renamed {i}" for i in (9, 10, 11)
    }, "those that are unsure are judged again"
    page = Path("doubtful.html").read_text(encoding="utf-8")
    assert page.count('"decision": ') == 13


# ------------------------------------------------------------------ what it refuses


def refused(result: Result, said: str) -> None:
    assert result.exit_code == 1, result.output
    assert said in " ".join(result.output.split())
    lines = result.output.strip().splitlines()
    assert [line.startswith("rnsl: ") for line in lines].count(True) == 1
    assert "Traceback" not in result.output


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is decoded before the files to write are known to be in order."""
    monkeypatch.setattr(archives, "load_archive", None)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("place", ["doubtful.csv", "Wald und Flußufer/list.csv", "new/list.csv"])
def test_nothing_is_written_into_the_archive(archive: Path, place: str) -> None:
    before = state(archive)
    said = "lies in the archive"
    refused(run(archive, "--out", archive / place), said)
    refused(run(archive, "--gallery", archive / place), said)
    refused(run(archive / ".." / archive.name, "--out", archive / place, "--overwrite"), said)
    Path("link").symlink_to(archive)
    refused(run(archive, "--out", Path("link") / place), said)
    refused(run("link", "--out", archive / place), said)
    assert state(archive) == before


@pytest.mark.usefixtures("no_work")
def test_the_audited_tar_is_not_replaced(archive: Path) -> None:
    with tarfile.open("archive.tar", "w") as tar:
        tar.add(archive, "archive")
    result = run("archive.tar", "--out", "archive.tar", "--overwrite")
    refused(result, "lies in the archive")


@pytest.mark.usefixtures("no_work")
def test_files_that_exist_are_kept(archive: Path) -> None:
    Path("doubtful.csv").write_text("mine")
    refused(run(archive), "doubtful.csv exists; choose another name, or pass --overwrite")
    Path("other.html").write_text("mine")
    refused(run(archive, "--out", "other.csv"), "other.html exists")
    assert Path("doubtful.csv").read_text() == Path("other.html").read_text() == "mine"


@pytest.mark.usefixtures("no_work")
def test_a_home_folder_that_the_shell_left_alone_is_found(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(archive.parent))
    monkeypatch.setenv("USERPROFILE", str(archive.parent))
    refused(run("~/archive", "--out", archive / "list.csv"), "lies in the archive")


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes exist on Linux")
def test_an_archive_whose_name_is_no_text_gets_its_page(archive: Path) -> None:
    root = archive.rename(os.fsdecode(bytes(archive.parent) + b"/\xff"))
    assert run(root).exit_code == 0
    assert "Doubtful labels in ?" in Path("doubtful.html").read_text(encoding="utf-8")


def test_overwrite_replaces_them(archive: Path) -> None:
    Path("doubtful.csv").write_text("mine")
    Path("doubtful.html").write_text("mine")
    assert run(archive, "--overwrite").exit_code == 0
    assert table(Path("doubtful.csv"))
    assert Path("doubtful.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.usefixtures("no_work")
def test_places_that_cannot_be_written_are_refused_at_once(archive: Path) -> None:
    Path("folder").mkdir()
    refused(run(archive, "--out", "folder"), "folder is a folder; give the name of a file")
    Path("file").write_text("mine")
    refused(run(archive, "--out", "file/list.csv"), "is no folder")
    refused(run(archive, "--out", "a.html"), "a.html is named for two outputs")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
@pytest.mark.usefixtures("no_work")
def test_a_folder_that_may_not_be_written_is_refused_at_once(archive: Path) -> None:
    Path("closed").mkdir(mode=0o555)
    refused(run(archive, "--out", "closed/list.csv"), "You may not write there")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--backbone", "small"], "no ImageNet weights for the backbone 'small'"),
        (["--folds", "1"], "folds is 1"),
        (["--device", "abacus"], "torch cannot use the device 'abacus'"),
    ],
)
@pytest.mark.usefixtures("no_work")
def test_bad_options_are_refused_at_once(archive: Path, options: list[str], said: str) -> None:
    refused(run(archive, *options), said)


def test_archives_that_cannot_be_loaded(archive: Path, tmp_path: Path) -> None:
    """With the words of the data layer; nothing is written."""
    said = {tmp_path / "missing": "missing does not exist"}
    said[tmp_path / "text"] = "text is no folder, tar or zip"
    (tmp_path / "text").write_text("no archive")
    (tmp_path / "one" / "Bare").mkdir(parents=True)
    (tmp_path / "one" / "Bare" / "a.png").write_bytes(b"")
    said[tmp_path / "one"] = "holds one class folder only (Bare)"
    for root, message in said.items():
        refused(run(root), message)
    assert not list(Path().iterdir())


def test_classes_and_images_that_cannot_be_used_are_named(archive: Path) -> None:
    (archive / "Park").mkdir()
    assert "Park holds no images" in run(archive).output
    passed = run(archive, "--out", "without.csv", "--skip-broken")
    assert passed.exit_code == 0, passed.output
    assert passed.output.count("(a class folder without images): Park/") == 1
    for path in Path().iterdir():
        path.unlink()
    good = next((archive / NAMES[0]).iterdir()).read_bytes()
    for name in ("a.png", "b.png"):
        (archive / "Park" / name).write_bytes(good)
    assert "Class 'Park' has 2 images; 3 folds need at least 3" in run(archive).output
    (archive / "Park" / "c.png").write_bytes(good[:50])
    assert "c.png (cannot be decoded" in " ".join(run(archive).output.split())
    assert not list(Path().iterdir())


def test_a_stop_leaves_nothing_behind(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for place in (
        "rnsl_tutorial.audit.scores.score_labels",
        "rnsl_tutorial.audit.outputs.page_html",
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, stop)
            result = run(archive)
        assert result.exit_code == 130
        assert "Stopped." in result.output
        assert not list(Path().iterdir())


def test_a_failure_while_writing_leaves_neither_file(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "csv_bytes", lambda _: None)
    assert run(archive).exit_code == 1
    assert not list(Path().iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such file")
@pytest.mark.usefixtures("no_work")
def test_a_device_is_not_replaced(archive: Path) -> None:
    """Who writes whole files replaces what is there; as root even /dev/null."""
    refused(
        run(archive, "--out", "/dev/null", "--no-gallery", "--overwrite"), "is a device or pipe"
    )


def test_names_cannot_steer_the_terminal(archive: Path) -> None:
    (archive / NAMES[0]).rename(archive / "\x1b[2JBeach")
    (archive / "\x1b[2JBeach" / "\x1b[2Jnotes.txt").write_text("no image")
    result = run(archive)
    assert result.exit_code == 0, result.output
    assert "\x1b[2J" not in result.output
    assert r"\x1b[2JBeach/\x1b[2Jnotes.txt" in result.output


def test_a_name_that_is_a_formula_is_text_in_the_list(archive: Path) -> None:
    name = "=HYPERLINK(1)"
    (archive / NAMES[0]).rename(archive / name)
    assert run(archive, "--no-gallery").exit_code == 0
    raw = table(Path("doubtful.csv"))
    assert f"'{name}" in {row["given"] for row in raw}
    assert not [cell for row in raw for cell in row.values() if cell.startswith("=")]
    read = outputs.read_csv(Path("doubtful.csv"))
    assert name in {row["given"] for row in read}
    assert all((archive / row["file"]).is_file() for row in read)
