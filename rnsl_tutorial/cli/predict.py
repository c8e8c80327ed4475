"""The command that says of what class images are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnsl_tutorial.cli._options import (
    Accelerator,
    Overwrite,
    Precision,
    reads_archive,
    say_reading,
)

if TYPE_CHECKING:
    from rnsl_tutorial.datasets import Reading

__all__ = ["predict"]


@reads_archive("labels", "nested")
def predict(
    model: Annotated[
        Path,
        typer.Argument(
            help="Folder of `rnsl train` or `rnsl experiment`, or a file of `rnsl audit --model`.",
            show_default=False,
        ),
    ],
    root: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGES",
            help="Folder of images, flat or not, or a tar or zip of one; it is only read.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="CSV to write: an image a row.")] = Path(
        "predicted.csv"
    ),
    accelerator: Accelerator = "auto",
    precision: Precision = "32",
    overwrite: Overwrite = False,
    *,
    reading: "Reading",
) -> None:
    """Say of what class images are, and how sure that is.

    Columns: file; label, the class of the nearest prototype; probability of it, softmax over the
    prototypes; doubt, 1 - probability of the given label, or where none is given of the predicted
    one; given, the name of its folder where that is a class of the model; digest, of its bytes.
    What is not said of bands and range is as it was with the training images.
    """
    from rnsl_tutorial import datasets, experiments
    from rnsl_tutorial._files import claimed
    from rnsl_tutorial.training.devices import Hardware

    hardware = Hardware(accelerator=accelerator, precision=precision)
    hardware.check()
    with claimed(out, overwrite=overwrite, archive=root, reads=[model, model / "model.pt"]):
        trained = experiments.load_model(model)
        archive = datasets.load_archive(
            root, trained.config.image_size, trained.reads(reading), labelled=False
        )
        say_reading(archive)
        labelled, same = experiments.save_predictions(out, trained, archive, hardware)
    said = f"{len(archive.files):,} images, {len(trained.class_names)} classes"
    if labelled:
        said += f"; {labelled:,} lie in a folder of a class's name, {same / labelled:.1%} of them "
        said += "are predicted to be of it"
    typer.echo(f"{said}. Written: {out}")
