"""The commands that fetch images, and that make features of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnsl_tutorial.cli._options import (
    Archive,
    Backbone,
    Device,
    Overwrite,
    Size,
    reads_archive,
    say_reading,
)

if TYPE_CHECKING:
    from rnsl_tutorial.datasets import Reading

__all__ = ["build_features", "get_data"]


@reads_archive()
def build_features(
    root: Archive,
    dataset: Annotated[
        str,
        typer.Option(help="Name; aid and nwpu45 get the paper's split, others a stratified one."),
    ] = "aid",
    out: Annotated[
        Path | None, typer.Option(help="File to write [default: data/DATASET/features.npz].")
    ] = None,
    backbone: Backbone = "efficientnet_lite0",
    size: Size = 150,
    dim: Annotated[int, typer.Option(help="Principal components to keep.")] = 256,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    *,
    reading: "Reading",
) -> None:
    """Extract, standardise and reduce features of images."""
    from rnsl_tutorial import datasets
    from rnsl_tutorial._files import claimed
    from rnsl_tutorial.experiments.config import Config
    from rnsl_tutorial.training import networks

    networks.check(backbone, device, pretrained=True)
    name = Config(dataset=dataset).dataset  # a plain name, or refused
    path = out or Path("data", name, "features.npz")
    with claimed(path, overwrite=overwrite, archive=root, reads=[reading.labels]):
        network = networks.create(backbone, size=size)
        if not 1 <= dim <= network.feature_dim:
            raise ValueError(
                f"dim is {dim}; {backbone} has {network.feature_dim} features, so it can be 1 to "
                f"{network.feature_dim}."
            )
        archive = datasets.load_archive(root, size, reading)
        say_reading(archive)
        split = datasets.split_for(dataset, archive)
        built = datasets.build_features(
            archive, split, network, name=backbone, dim=dim, device=device
        )
        datasets.save_features(path, built)
    typer.echo(
        f"{len(built.labels)} images, {len(built.class_names)} classes, {dim} components: "
        f"{path} ({path.stat().st_size / 1e6:.1f} MB)"
    )


def get_data(
    name: Annotated[str, typer.Argument(help="aid, nwpu45 or eurosat.", show_default=False)],
    to: Annotated[
        Path | None, typer.Option(help="New folder [default: in the cache].", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Fetch a data set of images, check it and unpack it.

    Source, size and licence are shown first. On a terminal you are asked whether to go on; in a
    script or notebook nobody could answer, so it goes on. A download that was stopped goes on where
    it stopped.
    """
    import shlex
    import sys

    from rnsl_tutorial._files import check_output
    from rnsl_tutorial.datasets import download

    if to:
        check_output(to, is_folder=True, other="--to")
    folder = download.find(name, to)
    if folder is None:
        typer.echo(download.describe(name))
        if sys.stdin.isatty() and not yes:
            typer.confirm("Download it?", abort=True)
        try:
            folder = download.get(name, to)
        except KeyboardInterrupt:
            typer.echo("rnsl: stopped. Run this again to go on from here.", err=True)
            raise typer.Exit(130) from None
    typer.echo(f"{name} is in {folder}")
    typer.echo(f"Train on it: rnsl train --dataset {name} --root {shlex.quote(str(folder))}")
