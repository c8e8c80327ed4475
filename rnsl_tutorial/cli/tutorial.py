"""The commands that open the tutorial, and that look whether it can run."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from rnsl_tutorial.cli._options import Overwrite, found

__all__ = ["doctor", "explore", "lab", "playground"]


def lab(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[DIR] [JUPYTER OPTIONS]...", show_default=False)
    ] = None,
) -> None:
    """Copy the notebooks into DIR and open JupyterLab there.

    DIR is ./rnsl-tutorial by default. A notebook that you changed is never replaced. Options after
    DIR go to JupyterLab, for example: rnsl lab my-notebooks --no-browser --port 8890
    """
    from rnsl_tutorial import _files as paths
    from rnsl_tutorial.cli import lab as notebooks

    arguments = arguments or []
    named = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    folder = found(Path(*named or ["rnsl-tutorial"]))
    copied = notebooks.copy_notebooks(paths.shipped("notebooks"), folder)
    typer.echo(f"Notebooks in {folder}: {len(copied.written)} new or updated.")
    for name in copied.kept:
        typer.echo(f"{name} is yours and was kept. For our newer one, rename or delete it first.")
    notebooks.start(folder, arguments[len(named) :])


def explore(
    ip: Annotated[str, typer.Option(help="0.0.0.0 lets other computers in.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="If it is taken, the next free one.", min=1, max=65535)
    ] = 8866,
    options: Annotated[
        list[str] | None, typer.Argument(metavar="[VOILA OPTIONS]...", show_default=False)
    ] = None,
) -> None:
    """Open the explorers alone, as one page, for a lecture.

    The page holds no code. Further options go to Voila, for example: rnsl explore --no-browser
    --show_tracebacks=True. Each open page runs a Python of its own on this computer. For many
    viewers take the tutorial's site, whose pages need none (in a clone: `make site`).
    """
    from rnsl_tutorial import _files as paths
    from rnsl_tutorial.cli import explore as page

    page.start(paths.shipped("notebooks", page.NOTEBOOK), ip, port, options or [])


def playground(
    out: Annotated[Path, typer.Argument(metavar="FILE", show_default=True)] = Path(
        "playground.html"
    ),
    embeddings: Annotated[
        Path | None, typer.Option(help="An .npz of `rnsl embed`: the points are your images.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open it.")] = True,
    overwrite: Overwrite = False,
) -> None:
    """Write the playground as one page, and open it.

    A loss trains there under your hand, on labels that may be wrong, without Python and without a
    network. The page can be sent to anybody.
    """
    from rnsl_tutorial._files import check_output
    from rnsl_tutorial.tutorial.playground import embeddings_address, page_html

    check_output(out, overwrite=True, reads=[embeddings])
    start = embeddings_address(embeddings) if embeddings else ""
    _write_page(page_html(start), out, overwrite=overwrite, browser=browser, reads=[embeddings])


def _write_page(
    page: str, out: Path, *, overwrite: bool, browser: bool, reads: Iterable[Path | None] = ()
) -> None:
    """Write a page, unless it is there from an earlier call, and open it."""
    import webbrowser

    from rnsl_tutorial._files import claimed, written_whole

    content = page.encode()
    if not (out.is_file() and out.read_bytes() == content):
        with claimed(out, overwrite=overwrite, reads=reads), written_whole(out) as part:
            part.write(content)
    typer.echo(f"Written: {out}")
    if browser:
        webbrowser.open(out.resolve().as_uri())


def doctor() -> None:
    """Report what this machine has, and what to do about gaps.

    It looks at versions, devices, memory, data sets and weights.
    """
    from rnsl_tutorial.cli import doctor as machine

    checks = machine.report()
    machine.show(checks)
    raise typer.Exit(0 if machine.ready(checks) else 1)
