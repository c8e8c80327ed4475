"""``rnsl apply``: a copy with the decided labels, whole or not at all; the archive stays."""

import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from rnsl_tutorial import audit, datasets
from rnsl_tutorial._files import csv_text
from rnsl_tutorial.audit import _copies
from rnsl_tutorial.cli import main as cli

HEAD = ("digest", "file", "given", "decision", "label")
FILES = ("Beach/1.png", "Beach/2.png", "Park/1.png", "Park/3.PNG", "Port/1.png")


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of five images, and decisions about four that one file holds."""
    for i, file in enumerate(FILES):
        path = tmp_path / "archive" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(path)
    (tmp_path / "archive" / "Beach" / "notes.txt").write_text("no image")
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("RNSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    decided(
        (0, "relabel", "Park"),
        (1, "unsure", ""),
        (3, "discard", ""),
        (4, "relabel", "Park"),
    )
    return tmp_path


def digest(file: str, root: str = "archive") -> str:
    return hashlib.blake2b(Path(root, file).read_bytes(), digest_size=16).hexdigest()


def decided(*rows: tuple[int, str, str]) -> None:
    """Write decisions about images that had other names then."""
    said = [
        (digest(FILES[i]), f"old/{i}.png", FILES[i].partition("/")[0], decision, label)
        for i, decision, label in rows
    ]
    Path("decisions.csv").write_text(csv_text([HEAD, *said]))


def run(*options: str, root: str = "archive", to: str = "copy") -> Result:
    words = ["apply", "decisions.csv", root, "--to", to, "--size", "8", *options]
    return CliRunner().invoke(cli.app, words)


def held(folder: str) -> dict[str, bytes]:
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def images(folder: str) -> dict[str, str]:
    """The digests of the images of a folder."""
    return {name: digest(name, folder) for name in held(folder) if "/" in name}


CORRECTED = {
    "Park/1-2.png": "Beach/1.png", "Beach/2.png": "Beach/2.png", "Park/1.png": "Park/1.png",
    "Park/1-3.png": "Port/1.png",
}  # fmt: skip


def test_it_shows_what_it_would_do_and_writes_nothing() -> None:
    before = held(".")
    result = run()
    assert result.exit_code == 0, result.output
    said = [
        " ".join(line.strip(" │").replace("│", " ").split()) for line in result.output.split("\n")
    ]
    for line in (
        "2 moved to another class:",
        "1 from Beach to Park",
        "1 from Port to Park",
        "1 left out: thrown away",
        "1 unsure: left where they are",
        "1 not decided: left where they are",
        "2 renamed, because their class has a file of the name",
        "1 classes without an image left: Port",
    ):
        assert line in said
    assert "Nothing is written yet. With --yes this becomes" in " ".join(said)
    cached = [name for name in held(".") if name.startswith("cache/")]
    assert {name: data for name, data in held(".").items() if name not in cached} == before


def test_the_copy_holds_the_decided_labels_as_links_and_the_archive_is_as_it_was() -> None:
    before = held("archive")
    result = run("--yes")
    assert result.exit_code == 0, result.output
    assert "copy, 4 images, 4 of them hard links." in result.output.replace("\n", "")
    assert held("archive") == before
    assert images("copy") == {new: digest(old) for new, old in CORRECTED.items()}
    for new, old in CORRECTED.items():
        assert Path("copy", new).samefile(Path("archive", old))
        assert not Path("copy", new).is_symlink()


def test_the_lists_say_the_old_and_the_new_label_of_every_image() -> None:
    assert run("--yes").exit_code == 0
    rows = {row["file"]: row for row in audit.read_csv(Path("copy/labels.csv"))}
    assert {*rows} == {*FILES}
    told = [tuple(row[c] for c in ("given", "decision", "label", "copy")) for row in rows.values()]
    assert told[0] == ("Beach", "relabel", "Park", "Park/1-2.png")
    assert told[3] == ("Park", "discard", "", "")
    assert [row["digest"] for row in rows.values()] == [digest(file) for file in FILES]
    listed = json.loads(Path("copy/labels.json").read_text())
    assert listed == {
        "classes": ["Beach", "Park"],
        "labels": {"Beach/2": 0, "Park/1": 1, "Park/1-2": 1, "Park/1-3": 1},
    }
    loaded = datasets.load_archive("copy", 8, progress=False)
    assert loaded.class_names == tuple(listed["classes"])
    in_order = [listed["labels"][file.rpartition(".")[0]] for file in loaded.files]
    assert in_order == loaded.labels.tolist()


def test_the_copy_needs_no_further_decision() -> None:
    """The second round begins where the first ended: moved and renamed files are known."""
    assert run("--yes").exit_code == 0
    assert run("--yes", root="copy", to="again").exit_code == 0
    assert images("again") == images("copy")
    rows = audit.read_decisions(Path("decisions.csv"))
    found = audit.decide(rows, datasets.load_archive("copy", 8, progress=False))
    assert [row["decision"] for row in found.unmatched] == ["discard"]


@pytest.mark.parametrize("kind", ["tar", "gztar", "zip"])
def test_a_tar_or_zip_becomes_a_folder_of_the_same_images(kind: str) -> None:
    packed = shutil.make_archive("packed", kind, ".", "archive")
    assert run("--yes", root=packed).exit_code == 0
    assert images("copy") == {new: digest(old) for new, old in CORRECTED.items()}


def test_of_a_file_that_a_tar_holds_twice_the_later_one_is_copied() -> None:
    with tarfile.open("packed.tar", "w") as tar:
        for old, new in (("Beach/2.png", "Port/1.png"), *((file, file) for file in FILES)):
            tar.add(Path("archive", old), Path("top", new).as_posix())
    assert run("--yes", root="packed.tar").exit_code == 0
    assert images("copy") == {new: digest(old) for new, old in CORRECTED.items()}


def test_unsure_images_can_be_left_out() -> None:
    assert run("--yes", "--leave-out-unsure").exit_code == 0
    assert {*images("copy")} == {*CORRECTED} - {"Beach/2.png"}


def test_where_the_disk_has_no_links_files_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    result = run("--yes")
    assert "4 images, 0 of them hard links" in result.output.replace("\n", "")
    assert images("copy") == {new: digest(old) for new, old in CORRECTED.items()}
    assert not Path("copy/Park/1.png").samefile("archive/Park/1.png")


def test_a_link_in_the_archive_becomes_the_image_that_it_leads_to() -> None:
    Path("outside.png").write_bytes(Path("archive/Beach/2.png").read_bytes())
    Path("archive/Beach/2.png").unlink()
    Path("archive/Beach/2.png").symlink_to(Path("outside.png").absolute())
    assert run("--yes").exit_code == 0
    assert not Path("copy/Beach/2.png").is_symlink()
    assert Path("copy/Beach/2.png").samefile("outside.png")


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_copy_that_fails_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    put = _copies._put

    def fail(found: Path | bytes, path: Path) -> bool:
        if path.name == "1.png":
            raise stop
        return put(found, path)

    before = {path.name for path in Path().iterdir()}
    monkeypatch.setattr(_copies, "_put", fail)
    assert run("--yes", to="new/copy").exit_code in (1, 130)
    assert {path.name for path in Path().iterdir()} - before <= {"new"}
    assert not list(Path().glob("new/*"))


def test_what_a_killed_process_left_is_removed() -> None:
    left, others = Path(f".copy.{'a' * 32}.unpacking"), Path(f".mine.{'a' * 32}.unpacking")
    for folder in (left, others):
        (folder / "Park").mkdir(parents=True)
    assert run("--yes").exit_code == 0
    assert not left.exists()
    assert others.exists()


def test_a_folder_that_holds_something_and_one_around_the_archive_are_refused() -> None:
    Path("copy").mkdir()
    assert run("--yes").exit_code == 0, "an empty one is taken"
    for to, said in (
        ("copy", "copy exists and holds something else. Name a new folder"),
        ("archive/Beach/new", "archive/Beach/new lies in the archive archive"),
        (".", "is what is read"),
    ):
        before = held(".")
        result = run("--yes", to=to)
        assert result.exit_code == 1
        assert said in " ".join(result.output.split())
        assert held(".") == before
    swapped = CliRunner().invoke(cli.app, ["apply", "archive", "decisions.csv", "--to", "new"])
    assert "The CSV of decisions comes first" in swapped.output


def test_decisions_of_another_archive_are_told() -> None:
    Path("decisions.csv").write_text(csv_text([HEAD, ("0" * 32, FILES[0], "", "discard", "")]))
    with pytest.warns(UserWarning, match="None of the decisions .1. is about an image of this"):
        result = run()
    assert result.exit_code == 0
    assert "decisions about images that are not in the archive" in result.output


# ------------------------------------------------------------------ names


def test_names_that_differ_in_case_alone_are_parted_and_long_ones_fit() -> None:
    names = _copies._Names()
    long = "n" * 250 + ".tif"
    for name, free in (
        ("1.png", "1.png"),
        ("1.PNG", "1-2.PNG"),
        ("1-2.png", "1-2-2.png"),
        ("1.png", "1-3.png"),
        (long, long),
        (long, "n" * 200 + "-2.tif"),
    ):
        assert names.free("Park", name) == free
    assert names.free("Port", "1.png") == "1.png", "another class"


@pytest.mark.parametrize("label", ["labels.csv", ".."])
def test_a_class_that_cannot_lie_in_a_copy_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match="cannot lie in a copy of the archive"):
        _copies._Names().free(label, "1.png")
