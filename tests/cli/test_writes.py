"""Whatever a command writes: no file of the user is lost, and two processes do not write at once.

One list says of every path of the command line whether it is read or written; a path that is not
in it fails here, and so does a command that replaces what it finds.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from command_lines import BASE, Begins, commands, cut_short, furnish, lines, params, state, tried
from typer.testing import CliRunner, Result

from rnsl_tutorial import _files
from rnsl_tutorial.cli import lab
from rnsl_tutorial.cli import main as cli

READ = {
    *("playground --embeddings", "experiment --features", "train --root", "sweep grid"),
    *("report files", "embed model", "embed --root", "audit root", "features build --root"),
    *("apply decisions", "apply root", "audit --decisions", "audit --features"),
    *("predict model", "predict root"),
    *(f"{command} --labels" for command in ("apply", "audit", "embed", "features build", "train")),
}
"""Paths that are read."""


class Written(NamedTuple):
    """A path that is written.

    Attributes:
        replaced: whether --overwrite replaces what is there.
        within: of a folder, a file in it that is written.
        archive: whether the line reads the archive, into which nothing is written.
        claims: whether the work is kept from other processes.
    """

    replaced: bool = True
    within: str = ""
    archive: bool = False
    claims: bool = True


ARCHIVE = "--root=inputs/archive"
MODEL, POINTS = "inputs/model.pt", "inputs/points.npz"
WRITTEN = {
    "playground out": Written(claims=False),
    "explore --out": Written(claims=False),
    "experiment --out": Written(within="results.json"),
    "train --out": Written(within="model.pt"),
    "sweep --out": Written(replaced=False, within="results.md"),
    "report --figures": Written(within="results_symmetric.png", claims=False),
    "embed --out": Written(archive=True),
    "features build --out": Written(archive=True),
    "audit --out": Written(archive=True),
    "audit --gallery": Written(archive=True),
    "audit --json": Written(archive=True),
    "apply --to": Written(replaced=False, archive=True),
    "audit --model": Written(archive=True),
    "predict --out": Written(archive=True),
    "data get --to": Written(replaced=False, claims=False),
    "lab arguments": Written(replaced=False, within=lab._FIRST, claims=False),
}
"""Paths that are written; those of `rnsl lab` and `--root NAME=PATH` are texts to the parser."""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("furnished") / "work"
    place.mkdir()
    furnish(place)
    return place


@pytest.fixture
def place(furnished: Path) -> Iterator[Path]:
    with cut_short(furnished):
        yield furnished
    for path in furnished.iterdir():
        if path.name not in ("inputs", "mine"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def words(name: str, path: Path | str, *more: str) -> list[str]:
    """The command line that writes to a path, and comes to its work."""
    command, _, option = name.rpartition(" ")
    others = [word for word in BASE[command] if word.split("=")[0] != option]
    if option.startswith("--"):
        return [*command.split(), *others, f"{option}={path}", *more]
    return [*command.split(), *others[1:], *more, "--", str(path)]


def run(arguments: list[str]) -> Result | None:
    """What became of a command; None where it came to its work."""
    try:
        return CliRunner().invoke(cli.app, arguments)
    except Begins:
        return None


def refused(arguments: list[str], *said: str) -> None:
    result = run(arguments)
    assert result is not None, f"{arguments} came to its work"
    assert result.exit_code in (1, 2), result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("rnsl: ")]
    assert len(lines) == 1, result.output
    assert isinstance(result.exception, SystemExit)
    for word in said:
        assert word in lines[0]


# ------------------------------------------------------------------ the walk


def test_every_path_of_the_command_line_is_known_to_be_read_or_written() -> None:
    paths = {f"{p.command} {p.called or p.name}" for p in params() if p.kind is Path} | {
        "lab arguments"
    }
    assert paths == READ | {*WRITTEN}
    assert {*BASE} == {*commands()}


def test_every_command_that_replaces_files_has_the_same_option() -> None:
    flags = {p.command for p in params() if p.called == "--overwrite"}
    assert flags == {name.rpartition(" ")[0] for name, path in WRITTEN.items() if path.replaced}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_of_the_user_is_kept(name: str, place: Path) -> None:
    written, out = WRITTEN[name], Path("out")
    target = out / written.within if written.within else out
    target.parent.mkdir(exist_ok=True)
    target.write_text("mine")
    if name == "lab arguments":  # it keeps what is there, and goes on
        assert run(words(name, out)) is None
    else:
        refused(words(name, out), str(out), target.name if written.within else "out")
    assert target.read_text() == "mine"
    if written.replaced:
        result = run(words(name, out, "--overwrite"))
        assert result is None or result.exit_code == 0, result.output


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_no_file_is_never_replaced(name: str, place: Path) -> None:
    written, flag = WRITTEN[name], ["--overwrite"] * WRITTEN[name].replaced
    refused(words(name, "mine/fifo", *flag), "mine/fifo is a device or pipe")
    refused(words(name, "/dev/null", *flag), "/dev/null is a device or pipe")
    refused(words(name, "mine/file/below", *flag), "mine/file")
    if not written.within:
        return
    for make in (Path.mkdir, os.mkfifo):
        target = Path("out", written.within)
        target.parent.mkdir()
        make(target)
        refused(words(name, "out", *flag), str(target))
        shutil.rmtree("out")


@pytest.mark.parametrize("name", WRITTEN)
def test_names_that_cannot_be(name: str, place: Path) -> None:
    before = state(place)
    refused(words(name, ""), "is empty")
    refused(words(name, "n" * 256), "n" * 256, "File name too long")
    refused(words(name, "~no-such-user/x"), "home folder")
    refused(words(name, "mine/loop"), "mine/loop", "symbolic links")
    assert state(place) == before


@pytest.mark.parametrize("name", WRITTEN)
def test_a_full_disk_is_told_before_the_work(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(place)
    full = shutil._ntuple_diskusage(9, 9, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    refused(words(name, "new"), "MB are needed, 0.0 MB are free")
    assert state(place) == before


@pytest.mark.parametrize("name", WRITTEN)
def test_the_home_folder_is_found(name: str, place: Path) -> None:
    home = Path(os.environ["HOME"])
    (home / "file").write_text("mine")
    refused(words(name, "~/file/below"), str(home / "file"))


@pytest.mark.parametrize("name", [name for name, path in WRITTEN.items() if path.archive])
def test_nothing_is_written_into_the_archive(name: str, place: Path) -> None:
    flag = ["--overwrite"] * WRITTEN[name].replaced
    for path in ("inputs/archive/new", "inputs/archive/a/0.png", "inputs/archive/new/deep"):
        refused(words(name, path, *flag), f"{path} lies in the archive inputs/archive")


def test_runs_write_nothing_into_their_archives(place: Path) -> None:
    train = ["train", "--dataset=mine", ARCHIVE, "--out=inputs/archive/new"]
    refused(train, "lies in the archive inputs/archive")
    Path("checkpoints").mkdir()
    Path("inputs/archive").rename("checkpoints/archive")
    train = ["train", "--dataset=mine", "--root=checkpoints/archive", "--out=.", "--overwrite"]
    refused(train, "checkpoints is what is read (checkpoints/archive)")
    Path("checkpoints/archive").rename("inputs/archive")
    grid = Path("pixels.toml")
    grid.write_text(
        '[settings]\ndataset = "mine"\nnetwork = "small"\n[roots]\nmine = "inputs/archive"\n'
    )
    refused(["sweep", str(grid), "--out=inputs/archive"], "lies in the archive")


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (f"playground --no-browser --embeddings={POINTS} {POINTS}", POINTS),
        (f"embed {MODEL} {ARCHIVE} --out={MODEL}", MODEL),
        (f"embed {MODEL} {ARCHIVE} --out=inputs/../{MODEL}", MODEL),
        (f"embed {MODEL} {ARCHIVE} --out=linked.npz", MODEL),
        ("predict inputs inputs/archive --out=inputs/model.pt", MODEL),
    ],
)
def test_what_is_read_is_never_replaced(line: str, path: str, place: Path) -> None:
    os.link(MODEL, "linked.npz")
    before = state(place)
    refused([*line.split(), "--overwrite"], f"is what is read ({path})")
    assert state(place) == before


def test_results_that_are_read_are_not_replaced(place: Path) -> None:
    Path("out").mkdir()
    shutil.copy("inputs/features.npz", "out/results.json")
    line = ["experiment", "--features=out/results.json", "--out=out", "--overwrite"]
    refused(line, "out/results.json is what is read")
    shutil.copy("inputs/results.json", "out/results_symmetric.png")
    line = ["report", "out/results_symmetric.png", "--figures=out"]
    assert run(line).exit_code == 0  # type: ignore[union-attr]  # its figure has another name


def test_a_sweep_takes_no_folder_of_other_results_and_goes_on_in_its_own(place: Path) -> None:
    Path("out").mkdir()
    Path("out", "results.json").write_text("mine")
    refused(words("sweep --out", "out"), "out/results.json exists; choose another --out")
    Path("out", "cells").mkdir()
    assert run(words("sweep --out", "out")) is None


def test_train_goes_on_only_where_there_is_something_to_go_on_from(place: Path) -> None:
    refused(words("train --out", "out", "--resume", "--overwrite"), "--resume", "--overwrite")
    assert run(words("train --out", "out", "--resume")) is None
    Path("out").mkdir(exist_ok=True)
    Path("out", "results.json").write_text("mine")
    refused(words("train --out", "out", "--resume"), "no checkpoints to go on from")
    Path("out", "checkpoints").mkdir()
    assert run(words("train --out", "out", "--resume")) is None
    assert Path("out", "results.json").read_text() == "mine"


# ------------------------------------------------------------------ two processes


@pytest.mark.parametrize("name", [name for name, path in WRITTEN.items() if path.claims])
def test_a_second_process_says_so_and_a_dead_one_stops_nobody(name: str, furnished: Path) -> None:
    seconds: list[Result] = []
    line = words(name, "out", *["--overwrite"] * WRITTEN[name].replaced)

    def meanwhile(*_: object, **__: object) -> None:
        seconds.append(CliRunner().invoke(cli.app, line))
        raise Begins

    with cut_short(furnished, meanwhile):
        assert run(line) is None
        [second] = seconds
        assert second.exit_code == 1
        assert "Another " in second.stderr
        assert "Wait until it ends, or choose another" in second.stderr
        assert not Path("out").exists(), "nothing is left of a lock"
    target = furnished / "out" / ("results.json" if WRITTEN[name].within else "")
    dead = _files.lock_of(target)
    dead.parent.mkdir(exist_ok=True)
    dead.touch()
    with cut_short(furnished):
        assert run(line) is None
    assert not dead.exists()
    shutil.rmtree(furnished / "out", ignore_errors=True)


def test_a_file_that_another_process_has_just_written_is_kept(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = _files.alone

    @contextmanager
    def late(lock: Path, busy: str) -> Iterator[None]:
        Path("out.csv").write_text("theirs")
        with alone(lock, busy):
            yield

    monkeypatch.setattr(_files, "alone", late)
    refused(words("audit --out", "out.csv"), "out.csv exists")
    assert Path("out.csv").read_text() == "theirs"


# ------------------------------------------------------------------ refusals that come early


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("audit inputs/archive --seed=-1", "Seed must be between 0 and "),
        ("audit inputs/archive --device=hpu", "choose one of cpu, cuda, mps, xpu"),
        ("audit inputs/archive --device=cuda:9", "torch cannot use the device 'cuda:9'"),
        ("audit inputs/archive --folds=13", "'a' has 12 images; 13 folds need at least 13 of"),
        ("audit inputs/archive --folds=13", "and too few have also 'b' (12)"),
        ("audit inputs/archive --no-gallery --gallery=x", "--no-gallery and --gallery exclude"),
        (f"embed inputs/model.pt {ARCHIVE} --out=x --accelerator=cuda", "torch does not find"),
        (f"features build {ARCHIVE} --dataset=own --dim=1281", "it can be 1 to 1280"),
        (f"features build {ARCHIVE} --dataset=../own", "dataset is '../own'"),
        ("train --preset=scenes --set=epoch=3", "no setting epoch; did you mean epochs?"),
        ("train --preset=scenes --set=seed=1 --seed=2", "--seed and --set seed are both given"),
        ("train --preset=scenes --set=seed=1 --set=seed=2", "seed is set twice"),
        ("train --preset=scenes --seed=1 --seed=2", "--seed is given 2 times; give it once"),
        ("train --preset=scenes --accelerator=cuda", "accelerator is 'cuda', which torch does not"),
        (f"train --preset=scenes {ARCHIVE}", "scenes are drawn, not read"),
        ("train --preset=scenes --set=embedding_dim=100000000000", "embedding_dim 100000000000 w"),
        ("train --preset=scenes --set=scenes=1000000000", "scenes of 64 pixels would take"),
        ("train --preset=scenes --set=epochs=99999999999999999999", "epochs is '9999999999"),
        (f"train --dataset=mine {ARCHIVE} --set=image_size=4", "image_size is 4; network 'small'"),
        ("train --preset=scenes --rate=nan", "--rate is nan; give a finite number"),
        ("experiment --out=x --seeds=1000000", "has 3,000,000 runs, more than 10,000"),
        ("experiment --out=x --temperature=inf", "--temperature is inf"),
        ("sweep inputs/grid.toml --out=x --root=aid=a --root=aid=b", "--root is given twice"),
        ("audit inputs/archive --features=inputs/points.npz --model=x", "--features and --model"),
        ("report inputs/results.json --margin=nan --compare=rnsl", "--margin is nan"),
    ],
)  # fmt: skip
def test_what_can_be_known_is_refused_before_an_image_is_read(
    line: str, said: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnsl_tutorial.datasets.archives.read", None)
    monkeypatch.setattr("rnsl_tutorial.datasets.scenes.make_scenes", None)
    before = state(place)
    refused(line.split(), said)
    assert state(place) == before


def test_a_grid_that_nobody_means_is_counted_and_not_built(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Path("grid.toml")
    many = ", ".join(map(str, range(1, 1001)))
    grid.write_text(f"[grid]\nseed = [{many}]\nscenes = [{many}]\n")
    refused(["sweep", str(grid), "--out=x"], "The grid has 1,000,000 runs, more than 10,000")
    monkeypatch.setattr("rnsl_tutorial.experiments.heads._MOST_RUNS", 1)
    refused(
        words("sweep --out", "new"),
        "The grid has 2 runs, more than 1. Give fewer values, or pass --yes",
    )
    assert run([*words("sweep --out", "new"), "--yes"]) is None


def test_a_playground_that_is_there_already_is_shown_again(place: Path) -> None:
    line = ["playground", "page.html", "--no-browser"]
    assert run(line).exit_code == 0  # type: ignore[union-attr]
    before = state(place)
    assert run(line).exit_code == 0  # type: ignore[union-attr]
    assert state(place) == before
    refused([*line, "--embeddings=inputs/points.npz"], "page.html exists")


# ------------------------------------------------------------------ a few of the lines of the soak


def test_no_line_of_a_sample_ends_in_a_traceback_or_loses_a_file(place: Path) -> None:
    sample = [*lines()][7::360]
    found = [tried(words, place) for words in sample]
    assert [t for t in found if t.verdict not in ("accepted", "clear")] == []
    assert json.loads(Path("inputs/results.json").read_text())["results"]
