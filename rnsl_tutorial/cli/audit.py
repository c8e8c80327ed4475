"""The command that lists doubtful labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnsl_tutorial.cli._options import (
    Backbone,
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

_BACKBONE, _PLANTED = "efficientnet_lite0", 0.05


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
    gallery: Annotated[
        Path | None, typer.Option(help="Page to write [default: beside OUT, .html].")
    ] = None,
    no_gallery: Annotated[bool, typer.Option("--no-gallery", help="Write no page.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Images in the page.")] = 500,
    backbone: Backbone = _BACKBONE,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Your own instead of the backbone's: npy, npz or parquet; see `read_features`."
        ),
    ] = None,
    size: Size = 150,
    folds: Annotated[
        int, typer.Option(help="Parts; each is judged by heads trained on the others.")
    ] = 3,
    plant: Annotated[
        float | None,
        typer.Option(
            help="Share of further flips to plant in memory, to estimate precision "
            f"[default: {_PLANTED}]."
        ),
    ] = None,
    no_plant: Annotated[
        bool, typer.Option("--no-plant", help="No estimate of precision, in half the time.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of folds, heads and planted flips.")] = 0,
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
    exclude_each_other(no_plant=no_plant, plant=plant is not None)
    page = None if no_gallery else gallery or out.with_suffix(".html")
    planted = 0.0 if no_plant else _PLANTED if plant is None else plant
    audit.check_settings(backbone, folds, planted, device, seed)
    own = datasets.read_features(features) if features else None
    outputs, reads = filter(None, (out, page, model)), [features, reading.labels]
    with claimed(*outputs, overwrite=overwrite, archive=root, reads=reads):
        archive = datasets.load_archive(root, size, reading, folds=folds)
        say_reading(archive)
        found = audit.audit_archive(
            archive, backbone=backbone, features=own and own.of(archive.files), folds=folds,
            seed=seed, plant=planted, device=device,
        )  # fmt: skip
        title = f"Doubtful labels in {root.resolve().name}"
        audit.write_outputs(found, out, page, archive.images, top=top, title=title)
        if model:
            features_NF = audit.archive_features(archive, backbone, device=device)
            labelled = archive._replace(labels=found.labels)
            audit.fit_model(labelled, features_NF, backbone, seed=seed).save(model)
    _show_audit(found)
    said = f"; {page}, to open in a browser" * bool(page) + f"; {model}" * bool(model)
    typer.echo(f"Written: {out}{said}")


def _show_audit(found: "Audit") -> None:
    from rich.console import Console
    from rich.table import Table

    from rnsl_tutorial import audit

    count, classes, estimate = len(found.files), len(found.class_names), found.precision
    said = f"{count:,} images, {classes} classes; about {found.noise_rate:.1%} of the labels wrong"
    if estimate:
        said += f" ({estimate.low[0]:.1%} to {estimate.high[0]:.1%})"
    typer.echo(said + ("." if estimate else ", if the heads' own probabilities are right."))
    worst = found.class_noise.argsort()[::-1][:5]
    shares = (f"{printable(found.class_names[c])} {found.class_noise[c]:.0%}" for c in worst)
    typer.echo(f"Most wrong labels, of those given the name: {', '.join(shares)}.")
    if estimate is None:
        typer.echo("No precision is estimated: no flips, or too few, were planted.")
        return
    columns = ("look at the first", "doubt at least", "of these wrong", "of all wrong ones found")
    table = Table(*columns)
    for look in audit.how_many(estimate):
        numbers = (f"{look.images:,}", f"{look.threshold:.4f}")
        table.add_row(*numbers, f"about {look.precision:.0%}", f"{look.found:.0%}")
    Console(width=100, markup=False).print(table)
    typer.echo(
        f"Estimated from {estimate.planted:,} flips that were planted in memory and looked for. "
        "Wrong labels that are harder to see than planted ones are missed more often; the range in "
        "brackets does not cover that. A doubtful label is a question: look at the image."
    )
