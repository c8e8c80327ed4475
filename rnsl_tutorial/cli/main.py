"""The command ``rnsl``: options and printing; the work is done by the library.

Each command imports what it needs inside, so that ``rnsl --help`` answers at once.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from rnsl_tutorial import __version__
from rnsl_tutorial.experiments.config import BASELINES, LOSSES, NOISES

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from rnsl_tutorial.audit.outputs import Audit


class OneLineErrors(TyperGroup):
    """Commands whose expected errors become one line, unless ``--debug`` is given."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
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


def _in_one_line(error: Exception) -> str:
    said = str(error)
    if isinstance(error, OSError) and error.filename and error.strerror:
        said = f"{error.filename}: {error.strerror}."  # Python's own begins with "[Errno"
    return _printable(" ".join(said.split()))


def _printable(text: str) -> str:
    """Escape what could steer a terminal, or what is no text, in the name of a file or folder."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def _who() -> str:
    """Name the process that speaks: where there are several, all may have the same to say."""
    rank = os.environ.get("RANK") or os.environ.get("LOCAL_RANK", "0")
    return "rnsl" if rank == "0" else f"rnsl, process {rank}"


app = typer.Typer(
    cls=OneLineErrors,
    rich_markup_mode="markdown",  # "rich" would take [brackets] for markup and swallow them
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rnsl-tutorial {__version__}")
        raise typer.Exit


@app.callback()
def options(
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


@app.command(context_settings={"ignore_unknown_options": True})
def lab(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[DIR] [JUPYTER OPTIONS]...", show_default=False)
    ] = None,
) -> None:
    """Copy the notebooks into DIR (default ./rnsl-tutorial) and open JupyterLab there.

    A notebook that you changed is never replaced. Options after DIR go to JupyterLab, for example:
    rnsl lab my-notebooks --no-browser --port 8890
    """
    from rnsl_tutorial import _files as paths
    from rnsl_tutorial.cli import lab as notebooks

    arguments = arguments or []
    named = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    folder = Path(*named or ["rnsl-tutorial"])
    copied = notebooks.copy_notebooks(paths.shipped("notebooks"), folder)
    typer.echo(f"Notebooks in {folder}: {len(copied.written)} new or updated.")
    for name in copied.kept:
        typer.echo(f"{name} is yours and was kept. For our newer one, rename or delete it first.")
    notebooks.start(folder, arguments[len(named) :])


@app.command(context_settings={"ignore_unknown_options": True})
def explore(
    ip: Annotated[str, typer.Option(help="0.0.0.0 lets other computers in.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="If it is taken, the next free one.", min=1, max=65535)
    ] = 8866,
    options: Annotated[
        list[str] | None, typer.Argument(metavar="[VOILA OPTIONS]...", show_default=False)
    ] = None,
) -> None:
    """Open the explorers alone, without code, as one page in the browser, for a lecture.

    Further options go to Voila, for example: rnsl explore --no-browser --show_tracebacks=True. Each
    open page runs a Python of its own on this computer. For many viewers take the tutorial's site,
    whose pages need none (in a clone: `make site`).
    """
    from rnsl_tutorial import _files as paths
    from rnsl_tutorial.cli import explore as page

    page.start(paths.shipped("notebooks", page.NOTEBOOK), ip, port, options or [])


@app.command()
def doctor() -> None:
    """Report versions, devices, memory, data sets and weights, and what to do about gaps."""
    from rnsl_tutorial.cli import doctor as machine

    checks = machine.report()
    machine.show(checks)
    raise typer.Exit(0 if machine.ready(checks) else 1)


features_app = typer.Typer(no_args_is_help=True, help="Features of a frozen network.")
app.add_typer(features_app, name="features")


@features_app.command("build")
def build_features(
    root: Annotated[
        Path,
        typer.Option(help="Folder of class folders, or a tar or zip of one.", show_default=False),
    ],
    dataset: Annotated[
        str,
        typer.Option(help="Name; aid and nwpu45 get the paper's split, others a stratified one."),
    ] = "aid",
    out: Annotated[
        Path | None, typer.Option(help="File to write [default: data/DATASET/features.npz].")
    ] = None,
    backbone: Annotated[
        str, typer.Option(help="efficientnet_lite0, resnet18 or resnet50.")
    ] = "efficientnet_lite0",
    size: Annotated[int, typer.Option(help="Side of the images in pixels.")] = 150,
    dim: Annotated[int, typer.Option(help="Principal components to keep.")] = 256,
    device: Annotated[str, typer.Option(help="As torch names it: cpu, cuda, mps.")] = "cpu",
) -> None:
    """Extract, standardise and reduce the features of an archive's images."""
    from rnsl_tutorial.datasets import archives as datasets
    from rnsl_tutorial.datasets import features
    from rnsl_tutorial.training import networks as backbones

    backbones.check(backbone, device)
    archive = datasets.load_archive(root, size)
    split = features.split_for(dataset, archive)
    built = features.build(archive, split, backbone, dim=dim, device=device)
    path = out or Path("data", dataset, "features.npz")
    features.save(path, built)
    typer.echo(
        f"{len(built.labels)} images, {len(built.class_names)} classes, {dim} components: "
        f"{path} ({path.stat().st_size / 1e6:.1f} MB)"
    )


@app.command()
def experiment(
    out: Annotated[
        Path, typer.Option(help="Folder for results.json and the figures.", show_default=False)
    ],
    dataset: Annotated[str, typer.Option(help="Whose features and noise.")] = "aid",
    features_file: Annotated[
        Path | None,
        typer.Option("--features", help="From `rnsl features build` [default: shipped]."),
    ] = None,
    noise: Annotated[
        list[str],
        typer.Option(help=f"{', '.join(NOISES)}; repeatable."),
    ] = ["symmetric"],  # noqa: B006 - typer copies it
    rate: Annotated[list[float], typer.Option(help="Share of wrong labels; repeatable.")] = [0.5],  # noqa: B006
    loss: Annotated[
        list[str],
        typer.Option(help=f"{', '.join(LOSSES)}; to compare: {', '.join(BASELINES)}; repeatable."),
    ] = ["nsl", "rnsl", "trnsl"],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Runs of each cell.")] = 3,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    temperature: Annotated[float | None, typer.Option(help="T of the softmax.")] = None,
    q: Annotated[list[float], typer.Option(help="Of RNSL and t-RNSL; repeatable.")] = [0.7],  # noqa: B006
    k: Annotated[
        list[float], typer.Option(help="Of t-RNSL: images with p <= k are left out; repeatable.")
    ] = [0.5],  # noqa: B006
    part: Annotated[str, typer.Option(help="test, or val while choosing a recipe.")] = "test",
    jobs: Annotated[int, typer.Option(help="Runs at a time, one on a core.")] = 2,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that OUT holds already.")
    ] = False,
) -> None:
    """Train a head with each loss on frozen features under wrong labels; print what it reached.

    What is not given is as in rnsl_tutorial.experiments.config.Config, the same for every loss.
    """
    from tqdm.auto import tqdm

    from rnsl_tutorial.datasets import features
    from rnsl_tutorial.experiments import heads as experiments

    path = out / "results.json"
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists; choose another --out, or pass --overwrite to replace it.")
    data = features.load(features_file) if features_file else features.load_shipped(dataset)
    given = {"epochs": epochs, "temperature": temperature}
    settings = {name: value for name, value in given.items() if value is not None}
    configs = experiments.grid(noise, rate, loss, seeds, q, k, dataset=dataset, **settings)
    done: list[experiments.Result] = []
    with tqdm(total=len(configs), unit="run") as bar:

        def keep(result: experiments.Result) -> None:
            done.append(result)
            experiments.save(path, done, data.made_with)
            bar.update()

        results = experiments.run_grid(data, configs, part, jobs=jobs, on_result=keep)
    experiments.save(path, results, data.made_with)
    _show([path], out)


def _images_of(dataset: str) -> Path | None:
    """Return where the images of a data set lie, if RNSL_AID or an earlier download tells it."""
    from rnsl_tutorial.datasets import download

    named = os.environ.get("RNSL_AID") if dataset == "aid" else None
    fetched = download.find(dataset) if dataset in download.PINS else None
    return Path(named) if named else fetched


@app.command()
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
            help="aid, nwpu45, eurosat, scenes, or a name for your own [default: the preset's]."
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            help="Folder of class folders, or a tar or zip of one [default: what `rnsl data get` "
            "fetched, and for aid $RNSL_AID]. scenes needs none."
        ),
    ] = None,
    preset: Annotated[str, typer.Option(help="laptop, scenes or paper.")] = "laptop",
    noise: Annotated[
        str,
        typer.Option(
            help=f"{', '.join(NOISES)}; label_dependent for the classes of aid, nwpu45 and scenes."
        ),
    ] = "symmetric",
    rate: Annotated[float, typer.Option(help="Share of wrong labels.")] = 0.0,
    loss: Annotated[str, typer.Option(help="nsl, rnsl or trnsl.")] = "rnsl",
    seed: Annotated[int, typer.Option(help="Of noise, weights, batches, augmentation.")] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting of rnsl_tutorial.experiments.config.Config, such as epochs=10; "
            "repeatable.",
        ),
    ] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    devices: Annotated[int, typer.Option(help="Processes on each machine, one a device.")] = 1,
    num_nodes: Annotated[int, typer.Option(help="Machines.")] = 1,
    strategy: Annotated[str, typer.Option(help="Of Lightning Fabric: auto, ddp.")] = "auto",
    precision: Annotated[str, typer.Option(help="32, bf16 or fp16.")] = "32",
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
) -> None:
    """Train a network on images with wrong labels; print what it reached on val and test.

    The preset "laptop" trains a small network from scratch on AID in minutes on two cores, "scenes"
    on procedural scenes in under a minute; "paper" is the paper's protocol, for a GPU. A run that
    was stopped goes on with --resume, bit for bit on a CPU.
    """
    import warnings

    from rnsl_tutorial.cli import progress
    from rnsl_tutorial.experiments import config
    from rnsl_tutorial.experiments import images as pixels
    from rnsl_tutorial.training.devices import Hardware, close

    # What torch and Fabric are going to change is for us to follow, not for who trains with them.
    warnings.simplefilter("ignore", FutureWarning)
    settings = config.parse_settings(set_ or [])
    given = {"dataset": dataset, "noise": noise, "rate": rate, "loss": loss, "seed": seed}
    chosen = config.from_preset(preset, **{**given, **settings})
    hardware = Hardware(
        accelerator=accelerator, devices=devices, num_nodes=num_nodes, strategy=strategy,
        precision=precision, compile=compile_, memory_share=memory_share,
    )  # fmt: skip
    out = out or pixels.default_folder(chosen)
    pixels.check_folder(out, resume=resume, overwrite=overwrite)
    data = pixels.load(chosen, root or _images_of(chosen.dataset))
    made = pixels.Run(data, chosen, hardware)
    first = made.fabric.is_global_zero
    if first:
        typer.echo(made.describe())
    if overwrite and not resume:
        made.clear(out)
    try:
        with (
            _torch_explained(),
            progress.shown(chosen.epochs, out / "logs", disable=not first) as on_epoch,
        ):
            made.run(out, resume=resume, on_epoch=on_epoch)
        close(made.fabric)
    except KeyboardInterrupt as stop:
        if first:
            said = str(stop) or "Stopped."
            typer.echo(f"rnsl: {said} The same command with --resume goes on.", err=True)
        raise typer.Exit(130) from stop
    if first:
        _show([out / pixels.RESULTS], None)
        _show_validation(out / pixels.RESULTS)
        typer.echo(
            f"Written: {out / pixels.RESULTS}; beside it {pixels.MODEL}, {pixels.HISTORY}, and "
            f"{pixels.TRAINING} with the most doubtful labels first."
        )


@app.command()
def sweep(
    grid: Annotated[Path, typer.Argument(help="TOML file.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder of the sweep.", show_default=False)],
    jobs: Annotated[int, typer.Option(help="Cells at a time.")] = 2,
    root: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH", help="Images of a data set, instead of the grid's; repeatable."
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(help="Run on a Ray cluster: local starts one; auto; ray://HOST:10001."),
    ] = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="Print the cells and which are done; run nothing.")
    ] = False,
) -> None:
    """Run every combination of a grid that is not done yet; write one table of all.

    The TOML file holds a preset, a section "settings" of what all cells share, a section "grid" of
    lists, and paths by data set in the sections "roots" (images) and "features". A sweep that was
    stopped goes on with the same command, and a grid that grew runs only what is new.
    """
    from tqdm.auto import tqdm

    from rnsl_tutorial.experiments import sweep as sweeps

    cells = sweeps.make_cells(sweeps.read_grid(grid, root or []))
    done = [outcome is not None and not outcome.error for outcome in sweeps.read(cells, out)]
    if list_only:
        for cell, is_done in zip(cells, done, strict=True):
            typer.echo(f"{'done' if is_done else 'open'}  {cell.name}")
    typer.echo(f"{len(cells)} cells, {sum(done)} of them done; {jobs} at a time.")
    if list_only:
        return
    failed: list[str] = []
    with tqdm(total=len(cells), initial=sum(done), unit="cell") as bar:

        def show(cell: sweeps.Cell, outcome: sweeps.Outcome) -> None:
            failed.extend([f"{cell.name}: {outcome.error}"] * bool(outcome.error))
            bar.set_postfix(failed=len(failed), refresh=False)
            bar.update(not outcome.error)

        try:
            outcomes = sweeps.run(cells, out, jobs=jobs, ray=ray, on_outcome=show)
        except KeyboardInterrupt:
            bar.close()
            typer.echo("rnsl: Stopped. The same command goes on from here.", err=True)
            raise typer.Exit(130) from None
    if any(outcome.result for outcome in outcomes):
        typer.echo(f"Written: {out / 'results.md'}; beside it results.csv, results.json, figures.")
    for line in failed:
        typer.echo(f"rnsl: {line}", err=True)
    if failed:
        typer.echo(f"The tracebacks are in {out / 'cells'}; run it again to retry.", err=True)
        raise typer.Exit(1)


@app.command("embed")
def embed_images(
    model: Annotated[Path, typer.Argument(help="model.pt of `rnsl train`.", show_default=False)],
    root: Annotated[
        Path,
        typer.Option(help="Folder of class folders, or a tar or zip of one.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="File to write, .npz.", show_default=False)],
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="32, bf16 or fp16.")] = "32",
) -> None:
    """Write the embeddings of an archive's images, by a network that `rnsl train` trained.

    The file holds embeddings, the class of the nearest prototype with its probability, and files.
    """
    from rnsl_tutorial.datasets import archives as datasets
    from rnsl_tutorial.experiments import images as pixels
    from rnsl_tutorial.experiments import inference
    from rnsl_tutorial.training.devices import Hardware

    trained = pixels.load_model(model)
    archive = datasets.load_archive(root, trained.config.image_size)
    hardware = Hardware(accelerator=accelerator, precision=precision)
    embedded = inference.embed_archive(trained, archive, hardware)
    inference.save(out, embedded)
    typer.echo(f"{len(embedded.files)} embeddings of {embedded.embeddings.shape[1]} numbers: {out}")


@app.command("audit")
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
    backbone: Annotated[
        str, typer.Option(help="efficientnet_lite0, resnet18 or resnet50.")
    ] = "efficientnet_lite0",
    size: Annotated[int, typer.Option(help="Side of the images in pixels.")] = 150,
    folds: Annotated[
        int, typer.Option(help="Parts; each is judged by heads trained on the others.")
    ] = 3,
    plant: Annotated[
        float,
        typer.Option(help="Share of further flips to plant in memory, to estimate precision."),
    ] = 0.05,
    no_plant: Annotated[
        bool, typer.Option("--no-plant", help="No estimate of precision, in half the time.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of folds, heads and planted flips.")] = 0,
    device: Annotated[str, typer.Option(help="As torch names it: cpu, cuda, mps.")] = "cpu",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT and the page.")
    ] = False,
) -> None:
    """List the images of an archive whose labels are doubtful, with a page to look through them.

    The labels are the names of the class folders. Heads are trained with the truncated loss on a
    part of the archive and judge the rest. Nothing in the archive is changed.
    """
    from rnsl_tutorial._files import written_whole
    from rnsl_tutorial.audit import outputs as audits
    from rnsl_tutorial.audit.page import gallery_html, page_bytes
    from rnsl_tutorial.datasets import archives as datasets

    page = None if no_gallery else gallery or out.with_suffix(".html")
    plant = 0.0 if no_plant else plant
    audits.check_outputs(root, *filter(None, (out, page)), overwrite=overwrite)
    audits.check_settings(backbone, folds, plant, device)
    archive = datasets.load_archive(root, size)
    found = audits.audit_archive(
        archive, backbone=backbone, folds=folds, seed=seed, plant=plant, device=device
    )
    table = audits.csv_bytes(found)
    if page:
        title = f"Doubtful labels in {root.resolve().name}"
        shown = gallery_html(found, archive.images, top=top, title=title)
        with written_whole(out) as first, written_whole(page) as second:  # both or neither
            first.write(table)
            second.write(page_bytes(shown))
    else:
        with written_whole(out) as first:
            first.write(table)
    _show_audit(found)
    typer.echo(f"Written: {out}" + f"; {page}, to open in a browser" * bool(page))


def _show_audit(found: "Audit") -> None:
    from rich.console import Console
    from rich.table import Table

    from rnsl_tutorial.audit import outputs as audits

    count, classes, estimate = len(found.files), len(found.class_names), found.precision
    said = f"{count:,} images, {classes} classes; about {found.noise_rate:.1%} of the labels wrong"
    if estimate:
        said += f" ({estimate.low[0]:.1%} to {estimate.high[0]:.1%})"
    typer.echo(said + ("." if estimate else ", if the heads' own probabilities are right."))
    worst = found.class_noise.argsort()[::-1][:5]
    shares = (f"{_printable(found.class_names[c])} {found.class_noise[c]:.0%}" for c in worst)
    typer.echo(f"Most wrong labels, of those given the name: {', '.join(shares)}.")
    if estimate is None:
        typer.echo("No precision is estimated: no flips, or too few, were planted.")
        return
    columns = ("look at the first", "doubt at least", "of these wrong", "of all wrong ones found")
    table = Table(*columns)
    for look in audits.how_many(estimate):
        numbers = (f"{look.images:,}", f"{look.threshold:.4f}")
        table.add_row(*numbers, f"about {look.precision:.0%}", f"{look.found:.0%}")
    Console(width=100).print(table)
    typer.echo(
        f"Estimated from {estimate.planted:,} flips that were planted in memory and looked for. "
        "Wrong labels that are harder to see than planted ones are missed more often; the range in "
        "brackets does not cover that. A doubtful label is a question: look at the image."
    )


@app.command("report")
def show_report(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="results.json of `rnsl experiment`; several are shown as one table.",
            show_default=False,
        ),
    ],
    figures: Annotated[
        Path | None, typer.Option(help="Folder for a figure of each kind of noise.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="One metric over the rates, such as knn_clean [default: all]."),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="LOSS",
            help="Print differences from this loss instead, paired over seeds, with 95% intervals "
            "and p values; of --metric [default: knn_clean].",
        ),
    ] = None,
) -> None:
    """Print results as a Markdown table, with mean and spread over seeds."""
    if compare:
        _compare(files, compare, metric or "knn_clean", figures)
    else:
        _show(files, figures, metric)


def _show(files: list[Path], figures: Path | None, metric: str | None = None) -> None:
    from rnsl_tutorial.experiments import heads as experiments
    from rnsl_tutorial.experiments import report

    records = [experiments.load(file) for file in files]
    results = [result for record in records for result in record.results]
    _print_table(report.table_over_rates(results, metric) if metric else report.table(results))
    for record in records:
        typer.echo(report.caption(record.results, record.provenance))
    if figures:
        for kind, figure in report.accuracy_figures(results).items():
            _save_figure(figure, figures / f"{files[0].stem}_{kind}.png")


def _compare(files: list[Path], reference: str, metric: str, figures: Path | None) -> None:
    from rnsl_tutorial.experiments import heads as experiments
    from rnsl_tutorial.experiments import report

    results = [result for file in files for result in experiments.load(file).results]
    differences = report.differences(results, reference, metric)
    _print_table(report.table_of_differences(differences))
    typer.echo(report.caption_of_differences(differences, metric))
    if figures:
        for kind, figure in report.difference_figures(results, reference, metric).items():
            _save_figure(figure, figures / f"{files[0].stem}_{kind}.png")


def _print_table(table: "Table") -> None:
    from rich.console import Console

    Console(width=160).print(table)


def _show_validation(file: Path) -> None:
    from rnsl_tutorial.experiments import heads as experiments
    from rnsl_tutorial.experiments import report

    metrics = experiments.load(file)[0][0].metrics
    names = ("knn_clean", "knn_noisy", "prototype")
    said = [f"{report.COLUMNS[name]} {metrics[f'val_{name}']:.3f}" for name in names]
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


def _save_figure(figure: "Figure", path: Path) -> None:
    from rnsl_tutorial._files import written_whole

    with written_whole(path) as opened:
        figure.savefig(opened, format="png", dpi=130)
    typer.echo(f"Written: {path}")


data_app = typer.Typer(no_args_is_help=True, help="Image archives from their public repositories.")
app.add_typer(data_app, name="data")


@data_app.command("get")
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

    from rnsl_tutorial.datasets import download

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
