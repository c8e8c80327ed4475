"""The command ``rnsl``: options and printing; the work is done by the library.

Each command imports what it needs inside, so that ``rnsl --help`` answers at once.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from rnsl_tutorial import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class OneLineErrors(TyperGroup):
    """Commands whose expected errors become one line, unless ``--debug`` is given."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, ArithmeticError) as error:
            if ctx.params["debug"]:
                raise
            typer.echo(f"rnsl: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=OneLineErrors,
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
    from rnsl_tutorial import lab as notebooks
    from rnsl_tutorial import paths

    arguments = arguments or []
    named = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    folder = Path(*named or ["rnsl-tutorial"])
    copied = notebooks.copy_notebooks(paths.shipped("notebooks"), folder)
    typer.echo(f"Notebooks in {folder}: {len(copied.written)} new or updated.")
    for name in copied.kept:
        typer.echo(f"{name} is yours and was kept. For our newer one, rename or delete it first.")
    notebooks.start(folder, arguments[len(named) :])


@app.command()
def doctor() -> None:
    """Report versions, devices, memory, data sets and weights, and what to do about gaps."""
    from rnsl_tutorial import doctor as machine

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
    from rnsl_tutorial import backbones, datasets, features

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
        typer.Option(
            help="symmetric, pair_flip, label_dependent or instance_dependent; repeatable."
        ),
    ] = ["symmetric"],  # noqa: B006 - typer copies it
    rate: Annotated[list[float], typer.Option(help="Share of wrong labels; repeatable.")] = [0.5],  # noqa: B006
    loss: Annotated[list[str], typer.Option(help="nsl, rnsl, trnsl; repeatable.")] = [  # noqa: B006
        "nsl",
        "rnsl",
        "trnsl",
    ],
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

    What is not given is as in rnsl_tutorial.train.Config, the same for every loss.
    """
    from tqdm.auto import tqdm

    from rnsl_tutorial import experiments, features

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
    _show(path, out)


@app.command("report")
def show_report(
    file: Annotated[
        Path, typer.Argument(help="results.json of `rnsl experiment`.", show_default=False)
    ],
    figures: Annotated[
        Path | None, typer.Option(help="Folder for a figure of each kind of noise.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="One metric over the rates, such as knn_clean [default: all]."),
    ] = None,
) -> None:
    """Print results as a Markdown table, with mean and spread over seeds."""
    _show(file, figures, metric)


def _show(file: Path, figures: Path | None, metric: str | None = None) -> None:
    from rich.console import Console

    from rnsl_tutorial import experiments, report

    results, provenance = experiments.load(file)
    table = report.table_over_rates(results, metric) if metric else report.table(results)
    Console(width=160).print(table)
    typer.echo(report.caption(results, provenance))
    if figures:
        for kind, figure in report.accuracy_figures(results).items():
            _save_figure(figure, figures / f"{file.stem}_{kind}.png")


def _save_figure(figure: "Figure", path: Path) -> None:
    from rnsl_tutorial.paths import written_whole

    with written_whole(path) as opened:
        figure.savefig(opened, format="png", dpi=130)
    typer.echo(f"Written: {path}")


@app.command("maps")
def build_maps(
    results: Annotated[Path, typer.Argument(help="results.json of a full grid.")],
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("data", "aid", "maps.npz"),
    rate: Annotated[float, typer.Option(help="Of the picture beside it.")] = 0.5,
) -> None:
    """Draw the UMAP maps that the explorer of notebook 00 shows."""
    from tqdm.auto import tqdm

    from rnsl_tutorial import experiments, features, maps, report

    runs, provenance = experiments.load(results)
    data = features.load_shipped(runs[0].config.dataset)
    if provenance["features"] != dict(data.made_with):
        raise ValueError(f"{results} was made with other features than those that are shipped.")
    if rate not in {run.config.rate for run in runs}:
        raise ValueError(f"{results} has no run at rate {rate}; choose another --rate.")
    with tqdm(total=len(experiments.summarize(runs)), unit="map") as bar:
        built = experiments.build_maps(data, runs, on_map=lambda _: bar.update())
    maps.save(out, built)
    typer.echo(f"Written: {out} ({out.stat().st_size / 1e6:.1f} MB)")
    _save_figure(report.maps_figure(built, built.noises[0], rate), out.with_suffix(".png"))
