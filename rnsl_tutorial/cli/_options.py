"""What all commands share: options that mean the same in each, what none accepts, printed names."""

import math
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

Archive = Annotated[
    Path, typer.Option(help="Folder of class folders, or a tar or zip of one.", show_default=False)
]
Backbone = Annotated[
    str,
    typer.Option(help="efficientnet_lite0, resnet18, resnet50, or timm:NAME for one of timm's."),
]
Size = Annotated[int, typer.Option(help="Side of the images in pixels.")]
Device = Annotated[str, typer.Option(help="As torch names it: cpu, cuda, mps.")]
Accelerator = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Precision = Annotated[str, typer.Option(help="32, bf16 or fp16.")]
Decisions = Annotated[
    Path | None,
    typer.Option(
        help="CSV of decisions that the page saved: go on from there.", show_default=False
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist already.")]


def printable(text: str) -> str:
    """Escape what could steer a terminal, or what is no text, in the name of a file or folder."""
    from rnsl_tutorial import _files  # here, so that the command's help loads no more than it needs

    return _files.printable(text)


class Command(TyperCommand):
    """A command that refuses what no command accepts, and finds a home folder that is called ~.

    Refused are an option with a value that is given twice, an empty text, and numbers that are
    infinite or none, devices and pipes. A shell does not expand ~ within a word, as in
    --out=~/doubtful.csv.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line."""
        given, _, order = self.make_parser(ctx).parse_args(args=list(args))
        _check_once(order)
        names = {param.name: _called(param) for param in self.params}
        for name, values in given.items():
            if "" in _each(values):
                raise ValueError(f"{names[name]} is empty; give a value, or leave it out.")
        left = super().parse_args(ctx, args)
        _check_finite(ctx.params, names)
        ctx.params = {name: found(value) for name, value in ctx.params.items()}
        return left


def _called(param: Any) -> str:
    """What the reader calls an option or argument."""
    return (
        str(param.opts[0])
        if param.param_type_name == "option"
        else str(param.metavar or param.name).upper()
    )


def _check_once(order: list[Any]) -> None:
    for param, count in Counter(order).items():
        flag = getattr(param, "is_flag", False) and not param.secondary_opts
        if count > 1 and param.param_type_name == "option" and not (param.multiple or flag):
            raise ValueError(f"{_called(param)} is given {count} times; give it once.")


def _check_finite(values: Mapping[str, Any], names: Mapping[str, str]) -> None:
    for name, value in values.items():
        for number in _each(value):
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f"{names[name]} is {number}; give a finite number.")


def _each(values: Any) -> Iterator[Any]:
    yield from values if isinstance(values, list | tuple) else [values]


def exclude_each_other(**given: Any) -> None:
    """Refuse options of which one says that there is no use for the other.

    Raises:
        ValueError: two are given.
    """
    names = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if len(names) > 1:
        raise ValueError(f"{' and '.join(names)} exclude each other; give one of them.")


def found(value: Any) -> Any:
    """Return a path, or a list of such, with the home folder for ~; any other value as it is.

    Raises:
        ValueError: there is no such home folder, or the path is a device or pipe.
        OSError: a name is too long, or a link leads to itself.
    """
    if isinstance(value, list):
        return [found(inner) for inner in value]
    if not isinstance(value, Path):
        return value
    try:
        path = value.expanduser()
    except RuntimeError:
        raise ValueError(f"{value} names a home folder that is not there.") from None
    with suppress(FileNotFoundError, NotADirectoryError):
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ValueError(f"{path} is a device or pipe; give a file or a folder.")
    return path


class NamesInHelp(Command):
    """A command whose help holds <NOISES>, <LOSSES>, <BASELINES> or <WITHOUT_LOSS>.

    The names are looked up when the help is shown: where they stand, torch is imported.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Fill the names in, and show the help."""
        from rnsl_tutorial.experiments import config

        for kind in ("NOISES", "LOSSES", "BASELINES", "WITHOUT_LOSS"):
            names = ", ".join(getattr(config, kind))
            for option in self.params:
                if said := getattr(option, "help", None):
                    option.help = said.replace(f"<{kind}>", names)  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)
