"""The commands that train a network on images, and that use one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnsl_tutorial.cli._options import (
    Accelerator,
    Archive,
    Overwrite,
    Precision,
    reads_archive,
    say_reading,
)
from rnsl_tutorial.cli.experiments import show_results

if TYPE_CHECKING:
    from rnsl_tutorial.datasets import Reading
    from rnsl_tutorial.experiments.config import Config
    from rnsl_tutorial.experiments.images import Run
    from rnsl_tutorial.training.devices import Hardware

__all__ = ["embed_images", "train"]


@reads_archive()
def train(
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for checkpoints, the model, history and results "
            "[default: runs/DATASET-NOISE-RATE-LOSS-seedN]."
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="aid, nwpu45, eurosat, scenes, or a name for your own [default: the preset's; "
            "own, where --root is given]."
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            help="Folder of class folders, or a tar or zip of one [default: what `rnsl data get` "
            "fetched, and for aid $RNSL_AID]. scenes needs none."
        ),
    ] = None,
    preset: Annotated[str, typer.Option(help="laptop, scenes, finetune or paper.")] = "laptop",
    network: Annotated[
        str | None,
        typer.Option(
            help="small, resnet18, resnet50 or efficientnet_lite0 [default: the preset's]."
        ),
    ] = None,
    freeze: Annotated[
        int | None,
        typer.Option(
            help="First blocks of a pretrained network that stay as they are; what they make of "
            "the images is computed once [default: the preset's]."
        ),
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            help="<NOISES>; label_dependent for the classes of aid, nwpu45 and scenes "
            "[default: symmetric]."
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Share of labels to make wrong; 0: all are right [default: 0; for a data set of "
            "your own its labels are taken as given, right or wrong]."
        ),
    ] = None,
    loss: Annotated[str | None, typer.Option(help="nsl, rnsl or trnsl [default: rnsl].")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of noise, weights, batches, augmentation [default: 0].")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting of rnsl_tutorial.experiments.config.Config, such as epochs=10; "
            "repeatable.",
        ),
    ] = None,
    accelerator: Accelerator = "auto",
    devices: Annotated[int, typer.Option(help="Processes on each machine, one a device.")] = 1,
    num_nodes: Annotated[int, typer.Option(help="Machines.")] = 1,
    strategy: Annotated[str, typer.Option(help="Of Lightning Fabric: auto, ddp.")] = "auto",
    precision: Precision = "32",
    compile_: Annotated[
        bool, typer.Option("--compile", help="Let torch.compile work on the network.")
    ] = False,
    memory_share: Annotated[
        float, typer.Option(help="Share of the device's free memory that images may take.")
    ] = 0.5,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint in OUT.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew in a folder that holds a run.")
    ] = False,
    *,
    reading: "Reading",
) -> None:
    """Train a network on images with wrong labels, or with labels as they are given.

    Print what it reached on val and test. The preset "laptop" trains a small network from scratch
    on AID in minutes on two cores, "scenes" on procedural scenes in under a minute; "finetune" goes
    on from ImageNet with the last blocks of a network, in minutes as well; "paper" is the paper's
    protocol, for a GPU. A run that was stopped goes on with --resume, bit for bit on a CPU.
    """
    from rnsl_tutorial.datasets import download
    from rnsl_tutorial.experiments import config, images
    from rnsl_tutorial.training.devices import Hardware
    from rnsl_tutorial.training.settings import parse

    settings = parse(set_ or [], config.Config)
    given = {"dataset": dataset, "noise": noise, "rate": rate, "loss": loss, "seed": seed}
    given |= {"network": network, "freeze": freeze}
    for name in settings:
        if given.get(name) is not None:
            raise ValueError(f"--{name} and --set {name} are both given; give one of them.")
    if root and preset != "scenes" and "dataset" not in settings:
        given["dataset"] = dataset or "own"
    chosen = config.from_preset(preset, **{**given, **settings})
    hardware = Hardware(
        accelerator=accelerator, devices=devices, num_nodes=num_nodes, strategy=strategy,
        precision=precision, compile=compile_, memory_share=memory_share,
    )  # fmt: skip
    hardware.check()
    if chosen.dataset == "scenes" and reading != type(reading)():
        raise ValueError("scenes are drawn, not read; leave out what says how images are read.")
    if root and chosen.dataset == "scenes":
        raise ValueError(f"--root is {root}, and scenes are drawn, not read; leave it out.")
    out, root = out or images.default_folder(chosen), root or download.images_of(chosen.dataset)
    images.check_folder(out, resume=resume, overwrite=overwrite, archive=root)
    _train(chosen, hardware, root, reading, out, resume, overwrite)


def _train(
    chosen: "Config",
    hardware: "Hardware",
    root: Path | None,
    reading: "Reading",
    out: Path,
    resume: bool,
    overwrite: bool,
) -> None:
    import warnings

    from rnsl_tutorial import _files
    from rnsl_tutorial.experiments import images

    # What torch and Fabric are going to change is for us to follow, not for who trains with them.
    warnings.simplefilter("ignore", FutureWarning)
    results = out / images.Left.RESULTS
    claim = _files.claimed(
        results, overwrite=True, archive=root, reads=[reading.labels], other="--out"
    )
    with ExitStack() as held:
        if not hardware.distributed:
            held.enter_context(claim)
        data = images.load_images(chosen, root, reading)
        made = images.Run(data, chosen, hardware)
        first = made.fabric.is_global_zero
        if first:
            say_reading(data.archive)
        if hardware.distributed and first:
            held.enter_context(claim)
        if overwrite:
            made.clear(out)
        _run(made, out, resume)
    if first:
        show_results([results], None)
        _show_validation(results)
        left = images.Left
        typer.echo(
            f"Written: {results}; beside it {left.MODEL}, {left.HISTORY}, and {left.TRAINING} with "
            "the most doubtful labels first."
        )


def _run(made: "Run", out: Path, resume: bool) -> None:
    """Train to the end, in all processes; where it is stopped, say how it goes on."""
    from rnsl_tutorial.cli import progress
    from rnsl_tutorial.training.devices import close

    first = made.fabric.is_global_zero
    if first:
        typer.echo(made.describe())
    try:
        with (
            _torch_explained(),
            progress.shown(made.config.epochs, out / "logs", disable=not first) as on_epoch,
        ):
            made.run(out, resume=resume, on_epoch=on_epoch)
        close(made.fabric)
    except KeyboardInterrupt as stop:
        if first:
            said = str(stop) or "Stopped."
            typer.echo(f"rnsl: {said} The same command with --resume goes on.", err=True)
        raise typer.Exit(130) from stop


@reads_archive()
def embed_images(
    model: Annotated[Path, typer.Argument(help="As for `rnsl predict`.", show_default=False)],
    root: Archive,
    out: Annotated[Path, typer.Option(help="File to write, .npz.", show_default=False)],
    accelerator: Accelerator = "auto",
    precision: Precision = "32",
    overwrite: Overwrite = False,
    *,
    reading: "Reading",
) -> None:
    """Write the embeddings of an archive's images.

    The network is one that `rnsl train` trained, or a head behind its backbone. The file holds
    embeddings, the class of the nearest prototype with its probability, and files.
    """
    from rnsl_tutorial import datasets
    from rnsl_tutorial._files import claimed
    from rnsl_tutorial.experiments import inference
    from rnsl_tutorial.training.devices import Hardware

    hardware = Hardware(accelerator=accelerator, precision=precision)
    hardware.check()
    reads = [model, model / "model.pt", reading.labels]
    with claimed(out, overwrite=overwrite, archive=root, reads=reads):
        trained = inference.load_model(model)
        archive = datasets.load_archive(root, trained.config.image_size, trained.reads(reading))
        say_reading(archive)
        embedded = inference.embed_archive(trained, archive, hardware)
        embedded.save(out)
    typer.echo(f"{len(embedded.files)} embeddings of {embedded.embeddings.shape[1]} numbers: {out}")


def _show_validation(file: Path) -> None:
    from rnsl_tutorial import experiments
    from rnsl_tutorial.experiments import report

    results = experiments.load_results(file).results
    titles, metrics = report._columns(results), results[0].metrics
    names = [name for name in titles if f"val_{name}" in metrics]
    said = [f"{titles[name]} {metrics[f'val_{name}']:.3f}" for name in names]
    typer.echo(f"The table is of the test images. Validation: {'; '.join(said)}.")


@contextmanager
def _torch_explained() -> Iterator[None]:
    """Turn what a user can mend, and torch reports over many lines, into one."""
    import torch

    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OSError(
            f"The memory is full ({_first_line(error)}). Lower batch_size with --set, or "
            "--memory-share, so that images stream."
        ) from error
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        raise OSError(
            f"torch.compile failed ({_first_line(error)}). Leave out --compile, or install a C++ "
            "compiler that torch finds."
        ) from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
