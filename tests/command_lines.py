"""Command lines over all commands and options of the CLI, and what becomes of each.

A command is cut short where its work would begin: what it refuses, and in which words, is looked
at, and whether a file of the user is lost.
"""

import functools
import inspect
import itertools
import os
import re
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path
from stat import S_ISREG
from types import SimpleNamespace
from typing import Any, NamedTuple, get_type_hints

import numpy as np
import pytest
import torch
import typer.main
from PIL import Image
from synthetic_cells import make_clouds
from synthetic_results import runs
from typer.testing import CliRunner

from rnsl_tutorial import datasets, experiments
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.experiments import images
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import devices, networks

MOST_S = 30.0

BASE: dict[str, list[str]] = {
    "lab": ["new"],
    "explore": [],
    "playground": ["new.html", "--no-browser"],
    "doctor": [],
    "experiment": [
        *("--out=new", "--features=inputs/features.npz", "--loss=nsl", "--epochs=1", "--seeds=1"),
    ],
    "train": [
        *("--out=new", "--preset=scenes", "--accelerator=cpu", "--set=scenes=160"),
        *("--set=image_size=32", "--set=epochs=1"),
    ],
    "sweep": ["inputs/grid.toml", "--out=new"],
    "report": ["inputs/results.json"],
    "embed": [
        *("inputs/model.pt", "--root=inputs/archive", "--out=new.npz", "--accelerator=cpu"),
    ],
    "predict": ["inputs/model.pt", "inputs/archive", "--out=new.csv", "--accelerator=cpu"],
    "audit": ["inputs/archive", "--out=new.csv", "--size=8"],
    "apply": ["inputs/decisions.csv", "inputs/archive", "--to=new", "--size=8", "--yes"],
    "features build": [
        *("--root=inputs/archive", "--dataset=mine", "--out=new.npz", "--size=8", "--dim=4"),
    ],
    "data get": ["aid", "--to=new", "--yes"],
}
"""Command -> words with which it comes to its work."""

WORK = (
    "rnsl_tutorial.audit._copies.write_copy",
    "rnsl_tutorial.audit.archive_features",
    "rnsl_tutorial.audit.audit_archive",
    "rnsl_tutorial.cli.lab.start",
    "rnsl_tutorial.datasets.build_features",
    "rnsl_tutorial.datasets.download.describe",
    "rnsl_tutorial.experiments.grid.calls",
    "rnsl_tutorial.experiments.images.Training.run",
    "rnsl_tutorial.experiments.inference.embed_archive",
    "rnsl_tutorial.experiments.inference.save_predictions",
)
"""Where work begins."""


class Begins(BaseException):
    """The work of a command would begin."""


class NoEnd(BaseException):
    """A command has not come to an end in time."""


# ------------------------------------------------------------------ commands and their options


class Param(NamedTuple):
    """An option or argument of a command.

    Attributes:
        command: its words, such as "features build".
        name: as the function has it.
        called: as the command line has it; of an argument "".
        off: what turns a flag off, if anything does.
        kind: type of the value: bool, int, float, str or Path.
        many: whether it may be given several times.
    """

    command: str
    name: str
    called: str
    off: str
    kind: type
    many: bool


def commands() -> dict[str, Any]:
    """Every command of the CLI by its words."""
    found: dict[str, Any] = {}

    def walk(group: Any, words: tuple[str, ...]) -> None:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                walk(command, (*words, name))
            else:
                found[" ".join((*words, name))] = command

    walk(typer.main.get_command(cli.app), ())
    return found


def params() -> list[Param]:
    """Every option and argument of every command."""
    return [
        Param(
            words,
            param.name,
            param.opts[0] if param.param_type_name == "option" else "",
            "".join(param.secondary_opts),
            kind_of(hints[param.name]),
            "list" in str(hints[param.name]),
        )
        for words, command in commands().items()
        for hints in [get_type_hints(inspect.unwrap(command.callback))]
        for param in command.params
        if param.name in hints
    ]


def kind_of(hint: Any) -> type:
    """The type of a value, such as int for int | None and for list[int]."""
    return next(kind for kind in (Path, bool, int, float, str) if kind.__name__ in str(hint))


# ------------------------------------------------------------------ a folder to work in


def furnish(place: Path) -> None:
    """Write what commands read, and files of a user who wants to keep them."""
    inputs, mine = place / "inputs", place / "mine"
    for label, name in enumerate("ab"):
        (inputs / "archive" / name).mkdir(parents=True)
        for i in range(12):
            noise = np.random.default_rng([label, i]).integers(0, 120, (8, 8, 3))
            image = Image.fromarray((noise + 100 * label).astype(np.uint8))
            image.save(inputs / "archive" / name / f"{i}.png")
    datasets.save_features(inputs / "features.npz", make_clouds(200))
    results = [*runs("rnsl", [0.8, 0.7]), *runs("nsl", [0.6, 0.5])]
    experiments.save_results(inputs / "results.json", results, {})
    save_model(inputs / "model.pt")
    files = np.array([f"{name}/{i}.png" for name in "ab" for i in range(3)])
    np.savez(inputs / "points.npz", embeddings=np.random.default_rng(0).random((6, 4)), files=files)
    (inputs / "decisions.csv").write_text("file,decision,label\na/0.png,relabel,b\n")
    (inputs / "grid.toml").write_text(
        '[settings]\nepochs = 1\n[grid]\nloss = ["nsl", "rnsl"]\n[features]\naid = "features.npz"\n'
    )
    (mine / "folder").mkdir(parents=True)
    for file in ("file", "file.csv", "file.html", "folder/keep.txt"):
        (mine / file).write_text("mine")
    os.mkfifo(mine / "fifo")
    for link, target in {"link": "file", "dangling": "nothing", "loop": "loop"}.items():
        (mine / link).symlink_to(target)


def save_model(path: Path) -> None:
    config = Config(network="small", image_size=32, embedding_dim=4)
    network, loss = images.build(config, 2, 24)
    saved = {
        "config": asdict(config), "class_names": ["a", "b"],
        "network": network.state_dict(), "prototypes": loss.prototypes.detach(),
    }  # fmt: skip
    torch.save(saved, path)


def state(place: Path) -> dict[str, tuple[object, ...]]:
    """What lies in a folder: kinds, sizes, times and identities."""
    found = {path: path.lstat() for path in sorted(place.rglob("*"))}
    return {
        str(path.relative_to(place)): (
            (s.st_mode, s.st_size, s.st_mtime_ns, s.st_ino) if S_ISREG(s.st_mode) else (s.st_mode,)
        )
        for path, s in found.items()
    }


@contextmanager
def cut_short(place: Path, work: Callable[..., Any] | None = None) -> Iterator[None]:
    """Work in a folder, and let no command begin its work; or do something else in its place."""

    def begins(*_: object, **__: object) -> None:
        raise Begins

    made, launched = networks.create, devices.launch
    drawn = functools.lru_cache(maxsize=4)(scenes.make_scenes)

    def backbone(name: str, **settings: bool) -> Any:
        if "pretrained" not in settings:
            return SimpleNamespace(feature_dim=1280)
        return begins() if settings["pretrained"] else made(name, **settings)

    with pytest.MonkeyPatch.context() as patch:
        for target in WORK:
            patch.setattr(target, work or begins)
        explorers = "rnsl_tutorial.tutorial.explorers"
        patch.setattr(f"{explorers}.one_page.all_html", lambda: "<p>All.</html>")
        served = SimpleNamespace(serve=work or begins)
        patch.setitem(sys.modules, "rnsl_tutorial.cli.explore", served)
        patch.delattr("rnsl_tutorial.cli.explore", raising=False)
        patch.setattr(networks, "create", backbone)
        patch.setattr(scenes, "make_scenes", drawn)
        patch.setattr(devices, "launch", lambda h: begins() if h.distributed else launched(h))
        patch.setattr("webbrowser.open", lambda _: True)
        patch.setattr("rnsl_tutorial.cli.doctor.report", list)  # of this computer
        for name, value in {"HOME": "home", "RNSL_CACHE": "cache"}.items():
            folder = place.with_name(f"{place.name}-{value}")
            folder.mkdir(exist_ok=True)
            patch.setenv(name, str(folder))
        patch.delenv("RNSL_AID", raising=False)
        patch.chdir(place)
        yield


# ------------------------------------------------------------------ what becomes of a line


class Tried(NamedTuple):
    """What became of a command line.

    Attributes:
        words: of it.
        verdict: "accepted", where it came to its work or to its end, "clear" or "unclear" where it
            was refused, "traceback", "no end" or "lost".
        said: what it printed, or what was lost.
    """

    words: Sequence[str]
    verdict: str
    said: str


VAGUE = re.compile(
    r"Errno|Traceback|NoneType|has no attribute|too large to convert|codec can't encode"
    r"|not enough values|null byte|invalid literal|unhashable|__|<class|INTERNAL ASSERT"
    r"|weights_only|positional arg|not supported between|out of bounds|out of range|verflow"
    r"|unexpected keyword|subscriptable|object is not|cannot be interpreted|report a bug"
)


def tried(words: Sequence[str], place: Path) -> Tried:
    """Run a command line in a furnished folder, inside of `cut_short`."""
    before = state(place)
    verdict, said = outcome(words)
    if verdict == "no end":  # this computer may have stood still
        verdict, said = outcome(words)
    after = state(place)
    gone = [name for name, was in before.items() if after.get(name) != was]
    allowed = "--overwrite" in words
    read = "none/" if words[:1] == ["explore"] else "inputs"  # which reads nothing
    if lost := [name for name in gone if name.startswith(read) or not allowed]:
        verdict, said = "lost", f"{', '.join(lost)}; {said}"
    left = [name for name in after if name not in before]
    if verdict in ("clear", "unclear") and left:
        verdict, said = "unclear", f"refused, and left {', '.join(left)}; {said}"
    if leavings := [name for name in left if name.endswith(".tmp")]:
        verdict, said = "lost", f"left {', '.join(leavings)}; {said}"
    if verdict == "accepted" and must_be_refused(words):
        verdict, said = "unclear", f"accepted; {said}"
    tidy(place, left, anew=bool(gone))
    return Tried(words, verdict, said)


def tidy(place: Path, left: Sequence[str], *, anew: bool) -> None:
    """Remove what a command left in a furnished folder; furnish it anew if something is gone."""
    for path in [place / name for name in reversed(left)] + [*place.iterdir()] * anew:
        with suppress(FileNotFoundError):
            remove = shutil.rmtree if path.is_dir() and not path.is_symlink() else os.unlink
            remove(path)
    if anew:
        furnish(place)


def outcome(words: Sequence[str]) -> tuple[str, str]:
    """Run a command line: what became of it, and what it said."""
    try:
        with in_time(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = CliRunner().invoke(cli.app, words)
    except Begins:
        return "accepted", ""
    except NoEnd:
        return "no end", ""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return "traceback", repr(result.exception)
    if result.exit_code == 0:
        return "accepted", result.output
    said = [line.split("\r")[-1] for line in result.stderr.splitlines()]
    return "clear" if is_clear(result.exit_code, said) else "unclear", " | ".join(said)


def is_clear(code: int, said: Sequence[str]) -> bool:
    """Whether one line says what was wrong; those of the option parser say how to call it, too."""
    if code == 2:
        return any(line.startswith(("Error: ", "Usage: ")) for line in said)
    ours = [line for line in said if line.strip() and not re.search(r"/s\]|%\|", line)]
    return (
        len(ours) == 1
        and ours[0].startswith("rnsl: ")
        and len(ours[0]) > 20
        and not VAGUE.search(ours[0])
    )


@contextmanager
def in_time() -> Iterator[None]:
    """Interrupt what takes too long."""

    def stop(*_: object) -> None:
        raise NoEnd

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, MOST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ------------------------------------------------------------------ lines of every kind

NUMBERS = (
    *(
        "",
        "abc",
        "1.5",
        "0",
        "-1",
        "-0.0",
        "1",
        "2",
        "1e308",
        "1e400",
        "1e-320",
        "nan",
        "inf",
        "-inf",
    ),
    *("2147483648", "4294967296", "9223372036854775807", "9" * 19, "9" * 40, "9" * 5000, "0x10"),
    *("1_000", "١٢", " 3", "1,5", "none"),
)
TEXTS = (
    *(
        "",
        " ",
        "abc",
        "x" * 5000,
        "Flußufer",
        "☃",
        "\u202eabc",
        "\udcff",
        "\x1b[2J",
        "a\nb",
        "a\tb",
    ),
    *("-", "--", "=", "a=b", "a/b", "..", "../../etc", "%s{}", "own:", "own:mine", "none", "None"),
    *("cuda", "cuda:99", "hpu", "meta", "mps", "cpu:7", "aid", "scenes", "nan", "0"),
)
PATHS = (
    *("", "mine/file", "mine/file.csv", "mine/folder", "mine/fifo", "/dev/null", "/dev/full"),
    *("mine/link", "mine/dangling", "mine/loop", "mine/nothing/deep/new", "mine/file/below"),
    *("inputs/archive", "inputs/archive/a", "inputs/archive/new.csv", "inputs/archive/a/0.png"),
    *("inputs/results.json", "inputs/features.npz", "inputs/model.pt", "inputs/grid.toml"),
    *(
        ".",
        "..",
        "/proc",
        "~",
        "~/new",
        "~no-such-user/new",
        "n" * 240,
        "n" * 256,
        "n/" * 2100,
    ),
    *("Flußufer ☃.csv", "\udcff.csv", "\x1b[2J.csv", "a\nb.csv", " ", "-", "/proc/self/new"),
    *("/proc/nothing/new", "inputs/points.npz", "inputs/../inputs/archive/x"),
)
SETTINGS = (
    *("0", "-1", "nan", "inf", "1e308", "9" * 13, "9" * 25, "abc", "", "1.5", "none", "True"),
)


def lines() -> Iterator[list[str]]:
    """Yield command lines: each option absent, twice, empty, of another type, at every boundary."""
    for command in commands():
        yield [*command.split(), *BASE[command]]
        yield command.split()
        yield [*command.split(), "--no-such-option"]
        yield [*command.split(), *BASE[command], "--overwrite"]
    for param in params():
        yield from lines_of(param)
    yield from lines_of_settings()


def lines_of(param: Param) -> Iterator[list[str]]:
    """Yield the lines of one option or argument."""
    words = [word for word in BASE[param.command] if word.split("=")[0] != param.called]
    head = param.command.split()
    if param.kind is bool:
        for flags in ([], [param.called], [param.called] * 2, [f"{param.called}=1"]):
            yield [*head, *words, *flags]
        if param.off:
            yield [*head, *words, param.called, param.off]
        return
    values = PATHS if param.kind is Path else TEXTS if param.kind is str else NUMBERS
    if not param.called:
        place = next((i for i, word in enumerate(words) if not word.startswith("-")), 0)
        for value in values:
            yield [*head, *words[:place], "--", value] if not words else [
                *head, *words[place + 1 :], "--", *words[:place], value,
            ]  # fmt: skip
        return
    yield [*head, *words]
    for value in values:
        yield [*head, *words, f"{param.called}={value}"]
        if param.kind is Path and "overwrite" in {p.name for p in params_of(param.command)}:
            yield [*head, *words, f"{param.called}={value}", "--overwrite"]
    for pair in itertools.product(values[2:4], values[2:4]):
        yield [*head, *words, *(f"{param.called}={value}" for value in pair)]


def params_of(command: str) -> list[Param]:
    """The options and arguments of one command."""
    return [param for param in params() if param.command == command]


def lines_of_settings() -> Iterator[list[str]]:
    """Yield lines of `rnsl train --set`."""
    for field in fields(Config):
        words = [word for word in BASE["train"] if not word.startswith(f"--set={field.name}=")]
        for value in SETTINGS:
            yield ["train", *words, f"--set={field.name}={value}"]
        yield ["train", *words, f"--set={field.name}=1", f"--set={field.name}=1"]
    for setting in ("epoch=3", "epochs", "=3", "=", "epochs==3", "EPOCHS=3", "x" * 3000):
        yield ["train", *BASE["train"][:-1], f"--set={setting}"]


def must_be_refused(words: Sequence[str]) -> bool:
    """Whether a line holds a number that is none, or an option that is empty."""
    of_numbers = {p.called for p in params() if p.kind in (int, float)} | {"--set"}
    given = [word.partition("=") for word in words if word.startswith("--") and "=" in word]
    return any(
        not value
        or (option in of_numbers and value.rpartition("=")[2] in ("nan", "inf", "-inf", "1e400"))
        for option, _, value in given
    )
