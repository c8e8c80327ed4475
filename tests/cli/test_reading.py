"""The options of how an archive is read, of every command that reads one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from command_lines import BASE, cut_short, furnish
from typer.testing import CliRunner

from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import Reading

OPTIONS = {
    "": Reading(),
    "--bands=4,3,2 --range=-5,2047.5": Reading(bands=(4, 3, 2), span=(-5, 2047.5)),
    "--nested --skip-broken": Reading(nested=True, skip_broken=True),
    "--labels=inputs/labels.csv": Reading(labels=Path("inputs/labels.csv")),
}
REFUSED = {
    "--bands=4,3": "--bands is '4,3'; give R,G,B, such as 4,3,2",
    "--bands=red": "--bands is 'red'; give",
    "--bands=0,1,2": "bands is (0, 1, 2)",
    "--range=1": "--range is '1'; give LOW,HIGH, such as 0,2047",
    "--range=5,5": "range is (5.0, 5.0)",
    "--range=1,inf": "range is (1.0, inf)",
    "--labels=inputs/nowhere.csv": "nowhere.csv",
    "--labels=inputs/archive": "inputs/archive",
}
READERS = {command: [*BASE[command]] for command in ("audit", "embed", "features build")}
READERS["train"] = ["--dataset=mine", "--root=inputs/archive", "--out=new", "--accelerator=cpu"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("furnished") / "work"
    folder.mkdir()
    furnish(folder)
    return folder


class Seen(BaseException):
    """How an archive would be read."""


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("command", READERS)
def test_every_command_that_reads_an_archive_reads_it_as_it_is_asked_to(
    place: Path, monkeypatch: pytest.MonkeyPatch, command: str, options: str
) -> None:
    def load(root: Path, size: int, reading: Reading, **_: Any) -> None:
        raise Seen(reading)

    monkeypatch.setattr("rnsl_tutorial.datasets.load_archive", load, raising=False)
    words = [*command.split(), *READERS[command], *options.split()]
    with cut_short(place), pytest.raises(Seen) as seen:
        CliRunner().invoke(cli.app, words)
    assert seen.value.args == (OPTIONS[options],)


@pytest.mark.parametrize("options", REFUSED)
@pytest.mark.parametrize("command", READERS)
def test_what_cannot_be_meant_is_refused_in_one_line(
    place: Path, command: str, options: str
) -> None:
    with cut_short(place):
        result = CliRunner().invoke(cli.app, [*command.split(), *READERS[command], options])
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("rnsl: ")]
    assert REFUSED[options] in line


@pytest.mark.parametrize("command", [name for name in READERS if name != "train"])
def test_the_table_of_labels_is_never_replaced(place: Path, command: str) -> None:
    table = place / "inputs" / "table.npz"
    table.write_text("file,label\n")
    words = [word for word in READERS[command] if not word.startswith("--out")]
    words += ["--labels=inputs/table.npz", "--out=inputs/table.npz", "--overwrite"]
    with cut_short(place):
        result = CliRunner().invoke(cli.app, [*command.split(), *words])
    assert result.exit_code == 1
    assert "inputs/table.npz is what is read" in result.stderr
    assert table.read_text() == "file,label\n"


def test_scenes_are_not_read(place: Path) -> None:
    with cut_short(place):
        result = CliRunner().invoke(cli.app, ["train", *BASE["train"], "--nested"])
    assert "scenes are drawn, not read; leave out what says how images are read" in result.stderr


@pytest.mark.parametrize("kind", ["flat", "nested"])
def test_an_audit_says_how_it_read_and_what_it_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """13 bands of 12 bits, in folders that are no classes; one is broken, one has no row."""
    seen = []

    def audited(archive: Any, **_: Any) -> None:
        seen.append(archive)
        raise ValueError("That is enough.")

    monkeypatch.setattr("rnsl_tutorial.audit.audit_archive", audited)
    monkeypatch.setenv("RNSL_CACHE", str(tmp_path / "cache"))
    rng, root = np.random.RandomState(0), tmp_path / "images"
    rows = []
    for i in range(14):
        path = root / (f"{i % 3}/{i}.tif" if kind == "nested" else f"{i}.tif")
        path.parent.mkdir(parents=True, exist_ok=True)
        bands = rng.randint(0, 4096, (8, 8, 13)).astype(np.uint16)
        tifffile.imwrite(path, bands, photometric="minisblack", planarconfig="contig")
        rows.append(f"{path.relative_to(root)};{'ab'[i % 2]}\n")
    path.write_bytes(path.read_bytes()[:300])
    (root / "notes.txt").write_text("field work")
    table = tmp_path / "labels.csv"
    table.write_text("\ufefffile;label\n" + "".join(rows[1:]), encoding="utf-8")
    words = ["audit", str(root), f"--labels={table}", "--bands=4,3,2", "--skip-broken", "--size=8"]
    result = CliRunner().invoke(cli.app, [*words, f"--out={tmp_path / 'doubtful.csv'}"])
    said = " ".join(result.stdout.split())
    assert "12 of 13 images have more than 8 bits (uint16) and are scaled by one factor" in said
    assert "Passed over: 1 (no image, by its name): notes.txt" in said
    assert f"Passed over: 1 (no label in labels.csv): {rows[0].split(';')[0]}" in said
    assert "Passed over: 1 (cannot be decoded:" in said
    assert seen[0].class_names == ("a", "b")
    assert len(seen[0].files) == 12
