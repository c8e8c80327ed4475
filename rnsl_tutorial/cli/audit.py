"""The command that lists doubtful labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnsl_tutorial.cli._options import (
    Backbone,
    Decisions,
    Device,
    Overwrite,
    Size,
    exclude_each_other,
    printable,
    reads_archive,
    say_reading,
)

if TYPE_CHECKING:
    from rnsl_tutorial.audit import Audit
    from rnsl_tutorial.datasets import Reading

__all__ = ["audit_labels"]

_BACKBONE = "efficientnet_lite0"


@reads_archive()
def audit_labels(
    root: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder of class folders, or a tar or zip of one; it is only read.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="CSV to write: all images, most doubtful first.")
    ] = Path("doubtful.csv"),
    decisions: Decisions = None,
    gallery: Annotated[
        Path | None, typer.Option(help="Page to write [default: beside OUT, .html].")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Summary to write [default: beside OUT, .json].")
    ] = None,
    no_gallery: Annotated[bool, typer.Option("--no-gallery", help="Write no page.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Images in the page.")] = 500,
    backbone: Backbone = _BACKBONE,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Your own (npy, npz, parquet) for the backbone's: by file name, else in order."
        ),
    ] = None,
    size: Size = 150,
    folds: Annotated[
        int, typer.Option(help="Parts; each is judged by heads trained on the others.")
    ] = 3,
    seed: Annotated[int, typer.Option(help="Of folds and heads.")] = 0,
    model: Annotated[
        Path | None,
        typer.Option(help="File for a head that is trained on all images, for `rnsl predict`."),
    ] = None,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    *,
    reading: "Reading",
) -> None:
    """List the images of an archive whose labels are doubtful.

    Beside the list stands a page to look through them. The labels are the names of the class
    folders, or those of --labels. Heads are trained with the truncated loss on a part of the
    archive and judge the rest. Nothing in the archive is changed.
    """
    from rnsl_tutorial import audit, datasets
    from rnsl_tutorial._files import claimed

    exclude_each_other(no_gallery=no_gallery, gallery=gallery)
    exclude_each_other(features=features, backbone=backbone != _BACKBONE)
    exclude_each_other(features=features, model=model)
    page = None if no_gallery else gallery or out.with_suffix(".html")
    json = json or out.with_suffix(".json")
    audit.check_settings(backbone, folds, device, seed)
    own = datasets.read_features(features) if features else None
    outputs = [*filter(None, (out, page, json, model))]
    read = [decisions, features, reading.labels]
    with claimed(*outputs, overwrite=overwrite, archive=root, reads=read):
        rows = audit.read_decisions(decisions) if decisions else None
        archive = datasets.load_archive(root, size, reading, folds=1 if rows else folds)
        say_reading(archive)
        decided = None if rows is None else audit.decide(rows, archive)
        features_NF = own and own.of(archive.files)
        if model:  # which needs them, too; with --features there is none
            features_NF = audit.archive_features(archive, backbone, device=device)
        found = audit.audit_archive(
            archive, decided=decided, backbone=backbone, features=features_NF, folds=folds,
            seed=seed, device=device,
        )  # fmt: skip
        title = f"Doubtful labels in {root.resolve().name}"
        audit.write_outputs(
            found, out, page, archive.images, decided=decided, json=json, top=top, title=title
        )
        if model and features_NF is not None:
            audit.fit_model(archive, features_NF, backbone, decided=decided, seed=seed).save(model)
    if decided:
        typer.echo(
            f"{len(archive.files) - len(found.files):,} of {len(archive.files):,} images are "
            "decided; what follows is about the others."
        )
        if left := len(decided.unmatched) + len(decided.unclear):
            typer.echo(
                f"{left:,} decisions were not followed: {len(decided.unmatched):,} about images "
                f"that are not here, {len(decided.unclear):,} that contradict each other."
            )
    _show_audit(found._replace(skipped=(), notes=()))  # they were said before it
    said = f"; {page}, to open in a browser" * bool(page) + f"; {model}" * bool(model)
    typer.echo(f"Written: {out}; {json}{said}")


def _show_audit(found: "Audit") -> None:
    from rich.console import Console
    from rich.table import Table

    from rnsl_tutorial import audit

    for said in audit.sentences(found):
        typer.echo(printable(said))
    looks = found.precision.looks()
    if looks:
        table = Table("look at the first", "of these wrong", "about")
        for look in looks:
            table.add_row(
                f"{look.first:,}", f"{look.low:.0%} to {look.high:.0%}", f"{look.estimate:.0%}"
            )
        Console(width=100, markup=False).print(table)
    typer.echo(
        "The ranges are made to hold nine times in ten, on archives whose wrong labels are known. "
        "A doubtful label is a question: look at the image."
    )
