"""The command that makes a copy of an archive with the labels that were decided."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnsl_tutorial.cli._options import Size, printable, reads_archive, say_reading

if TYPE_CHECKING:
    from rnsl_tutorial.datasets import Reading

__all__ = ["apply_decisions"]


@reads_archive()
def apply_decisions(
    decisions: Annotated[
        Path,
        typer.Argument(
            metavar="DECISIONS",
            help="CSV that the page of `rnsl audit` saved.",
            show_default=False,
        ),
    ],
    root: Annotated[
        Path,
        typer.Argument(
            metavar="ARCHIVE",
            help="Folder of class folders, or a tar or zip of one; it is only read.",
            show_default=False,
        ),
    ],
    to: Annotated[Path, typer.Option(help="New folder for the copy.", show_default=False)],
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Make the copy, and do not only show it.")
    ] = False,
    leave_out_unsure: Annotated[
        bool, typer.Option("--leave-out-unsure", help="Leave out images that are unsure, too.")
    ] = False,
    size: Size = 150,
    *,
    reading: "Reading",
) -> None:
    """Copy an archive with the labels that were decided on the page of an audit.

    First it is shown what becomes of the images; --yes makes the copy. The archive stays as it is.
    Images in the copy are hard links where the disk has them: the same bytes under a second name,
    which take no room, so do not edit them there. Beside the classes stand labels.csv, with the old
    and the new label of every image, and labels.json, which FiftyOne reads.
    """
    from rnsl_tutorial import audit, datasets
    from rnsl_tutorial._files import check_vacant, claimed
    from rnsl_tutorial.audit import _copies

    if decisions.is_dir():
        raise ValueError(
            f"DECISIONS is the folder {decisions}. The CSV of decisions comes first, then ARCHIVE."
        )
    to = to.absolute()
    with claimed(to, is_folder=True, archive=root, reads=[decisions, reading.labels], other="--to"):
        check_vacant(to)
        rows = audit.read_decisions(decisions)
        archive = datasets.load_archive(root, size, reading)
        say_reading(archive)
        decided = audit.decide(rows, archive)
        copied = _copies.plan(archive, decided, leave_out_unsure=leave_out_unsure)
        _show(_copies.said_of(copied, decided))
        if not yes:
            typer.echo(f"Nothing is written yet. With --yes this becomes {printable(str(to))}.")
            return
        linked = _copies.write_copy(root, archive, copied, to)
    count = sum(bool(one.copy) for one in copied)
    typer.echo(f"Written: {printable(str(to))}, {count:,} images, {linked:,} of them hard links.")


def _show(said: list[tuple[int, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("images", "what becomes of them")
    for count, what in said:
        table.add_row(f"{count:,}", printable(what))
    Console(width=100, markup=False).print(table)
