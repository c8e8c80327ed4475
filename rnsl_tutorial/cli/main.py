"""The command ``rnsl``: what all commands have in common; each room has a file of its own.

Each command imports what it needs inside, so that ``rnsl --help`` answers at once.
"""

import os
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rnsl_tutorial.cli import audit, datasets, decisions, experiments, predict, training, tutorial
from rnsl_tutorial.cli._options import Command, NamesInHelp, printable

__all__ = ["app"]


class _OneLineErrors(TyperGroup):
    """Commands whose expected errors become one line, unless ``--debug`` is given."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        for stream in (sys.stdout, sys.stderr):  # a file in a code page may lack a class's signs
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        warnings.formatwarning = _one_line
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, ArithmeticError) as error:
            if ctx.params["debug"]:
                raise
            typer.echo(f"{_who()}: {_in_one_line(error)}", err=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as stop:
            typer.echo(f"{_who()}: Stopped.", err=True)
            raise typer.Exit(130) from stop


def _one_line(message: Warning | str, *_: object, **__: object) -> str:
    """Say a warning as errors are said: what torch and others advise runs over many lines."""
    return f"{_who()}: {printable(' '.join(str(message).split()))}\n"


def _in_one_line(error: Exception) -> str:
    said = str(error)
    if isinstance(error, IsADirectoryError) and error.filename:
        said = f"{error.filename} is a folder, and a file is needed."
    elif isinstance(error, OSError) and error.filename and error.strerror:
        said = f"{error.filename}: {error.strerror}."  # Python's own begins with "[Errno"
    return printable(" ".join(said.split()))


def _who() -> str:
    """Name the process that speaks: where there are several, all may have the same to say."""
    rank = os.environ.get("RANK") or os.environ.get("LOCAL_RANK", "0")
    return "rnsl" if rank == "0" else f"rnsl, process {rank}"


def _print_version(wanted: bool) -> None:
    if wanted:
        from rnsl_tutorial import __version__

        typer.echo(f"rnsl-tutorial {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it, exit."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar="RNSL_DEBUG", help="Show the traceback of an error."),
    ] = False,
) -> None:
    """Noisy-label deep metric learning on satellite and aerial images."""


def _new_app() -> typer.Typer:
    """Return an app without commands, which has the options of all, and errors in one line."""
    made = typer.Typer(
        cls=_OneLineErrors,
        rich_markup_mode=None,  # rich takes longer to load than all else, and reads markup
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    made.callback()(_options)
    return made


app = _new_app()
_pass_on = {"ignore_unknown_options": True}
app.command(cls=Command, context_settings=_pass_on)(tutorial.lab)
app.command(cls=Command)(tutorial.explore)
app.command(cls=Command)(tutorial.playground)
app.command(cls=Command)(tutorial.doctor)
app.command(cls=NamesInHelp)(experiments.experiment)
app.command(cls=NamesInHelp)(training.train)
app.command(cls=Command)(experiments.sweep)
app.command(cls=Command)(predict.predict)
app.command("embed", cls=Command)(training.embed_images)
app.command("audit", cls=Command)(audit.audit_labels)
app.command("apply", cls=Command)(decisions.apply_decisions)
app.command("report", cls=Command)(experiments.show_report)

_features = typer.Typer(no_args_is_help=True, help="Features of a frozen network.")
_features.command("build", cls=Command)(datasets.build_features)
app.add_typer(_features, name="features")

_data = typer.Typer(no_args_is_help=True, help="Image archives from their public repositories.")
_data.command("get", cls=Command)(datasets.get_data)
app.add_typer(_data, name="data")
