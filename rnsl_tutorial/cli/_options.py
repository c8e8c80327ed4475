"""What all commands share: options that mean the same in each, what none accepts, printed names."""

import inspect
import math
import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

_DAMAGED = "cannot be decoded"  # for reasons that differ from file to file
_MAX_NAMED = 3  # files that are named of those passed over

if TYPE_CHECKING:
    from rnsl_tutorial import datasets

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


_READING: dict[str, Any] = {
    "labels": Annotated[
        Path | None,
        typer.Option(
            help="csv or parquet with columns file and label, where folders are no classes.",
            show_default=False,
        ),
    ],
    "bands": Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B",
            help="Bands that are red, green and blue, the first being 1, such as 4,3,2.",
            show_default=False,
        ),
    ],
    "span": Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="LOW,HIGH",
            help="Values that become black and white in images of more than 8 bits "
            "[default: the archive's own range].",
        ),
    ],
    "nested": Annotated[
        bool, typer.Option("--nested", help="Read folders within class folders, too.")
    ],
    "skip_broken": Annotated[
        bool,
        typer.Option(
            "--skip-broken",
            help="Go on without images that cannot be used and empty class folders, and say so.",
        ),
    ],
}
"""The options of how an archive is read."""


def reads_archive(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of how an archive is read, and their values as ``reading``.

    Args:
        without: options that have no meaning for it.
    """
    options = {name: kind for name, kind in _READING.items() if name not in without}

    def give(command: Callable[..., None]) -> Callable[..., None]:
        def with_options(**given: Any) -> None:
            reading = _reading(**{name: given.pop(name) for name in options})
            command(**given, reading=reading)

        own = dict(inspect.signature(command).parameters)
        del own["reading"]
        for name, kind in options.items():
            default = None if "None" in str(kind) else False
            own[name] = inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind
            )
        with_options.__name__, with_options.__doc__ = command.__name__, command.__doc__
        with_options.__signature__ = inspect.Signature([*own.values()])  # type: ignore[attr-defined]
        with_options.__annotations__ = {name: param.annotation for name, param in own.items()}
        return with_options

    return give


def _reading(
    bands: str | None = None, span: str | None = None, **others: Any
) -> "datasets.Reading":
    from rnsl_tutorial import datasets

    ends = _numbers("--range", span, float, "LOW,HIGH", "0,2047")
    return datasets.Reading(
        bands=_numbers("--bands", bands, int, "R,G,B", "4,3,2"),
        span=(ends[0], ends[1]) if ends else None,
        **others,
    )


def _numbers(option: str, text: str | None, kind: type, form: str, such: str) -> tuple[Any, ...]:
    """Read numbers that are parted by commas, as many as the form has."""
    if text is None:
        return ()
    parts = text.split(",")
    try:
        numbers = tuple(map(kind, parts))
    except ValueError:
        numbers = ()
    if len(numbers) != form.count(",") + 1:
        raise ValueError(f"{option} is {text!r:.80}; give {form}, such as {such}.")
    return numbers


def say_reading(archive: "datasets.Archive") -> None:
    """Say how the images were read, and what was passed over."""
    for note in archive.notes:
        typer.echo(printable(note))
    by_reason: dict[str, list[str]] = defaultdict(list)
    for file, why in archive.skipped:
        by_reason[_DAMAGED if why.startswith(_DAMAGED) else why].append(file)
    for why, files in by_reason.items():
        more = ", ..." if len(files) > _MAX_NAMED else ""
        named = ", ".join(files[:_MAX_NAMED])
        typer.echo(printable(f"Passed over: {len(files):,} ({why}): {named}{more}"))


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
