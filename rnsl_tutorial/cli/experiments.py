"""The commands that train heads on features, many runs at once, and that show results."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnsl_tutorial.cli._options import Overwrite

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from rnsl_tutorial.experiments import Config, Record, Result

__all__ = ["experiment", "show_report", "show_results", "sweep"]

_Jobs = Annotated[int, typer.Option(help="Runs at a time, one on a core.", min=1, max=1024)]
_Yes = Annotated[bool, typer.Option("--yes", help="Go on even with more than 10,000 runs.")]


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
        typer.Option(help="<NOISES>; repeatable."),
    ] = ["symmetric"],  # noqa: B006 - typer copies it
    rate: Annotated[list[float], typer.Option(help="Share of wrong labels; repeatable.")] = [0.5],  # noqa: B006
    loss: Annotated[
        list[str],
        typer.Option(
            help="<LOSSES>; to compare: <BASELINES>; without a loss: <WITHOUT_LOSS>; repeatable."
        ),
    ] = ["nsl", "rnsl", "trnsl"],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Runs of each cell.")] = 3,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    temperature: Annotated[float | None, typer.Option(help="T of the softmax.")] = None,
    q: Annotated[list[float], typer.Option(help="Of RNSL and t-RNSL; repeatable.")] = [0.7],  # noqa: B006
    k: Annotated[
        list[float], typer.Option(help="Of t-RNSL: images with p <= k are left out; repeatable.")
    ] = [0.5],  # noqa: B006
    part: Annotated[str, typer.Option(help="test, or val while choosing a recipe.")] = "test",
    jobs: _Jobs = 2,
    yes: _Yes = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a head on frozen features under wrong labels.

    Print what it reached with each loss. What is not given is as in
    rnsl_tutorial.experiments.config.Config, the same for every loss. Of one noise, rate and loss
    the head of the first seed is kept: OUT/model.pt, for `rnsl predict`.
    """
    from rnsl_tutorial import experiments
    from rnsl_tutorial._files import check_output, claimed

    given = {"epochs": epochs, "temperature": temperature, "many": yes}
    settings = {name: value for name, value in given.items() if value is not None}
    configs = experiments.make_grid(noise, rate, loss, seeds, q, k, dataset=dataset, **settings)
    path, reads = out / "results.json", [features_file]
    model = out / "model.pt" if len(configs) == seeds and not configs[0].is_without_loss else None
    for written in (path, *filter(None, [model]), *(out / f"results_{kind}.png" for kind in noise)):
        check_output(written, overwrite=overwrite, reads=reads, other="--out")
    with claimed(path, overwrite=overwrite, reads=reads, other="--out"):
        _run(configs, features_file, part, jobs, path, model)
        show_results([path], out, overwrite=True)


def _run(
    configs: list["Config"],
    features_file: Path | None,
    part: str,
    jobs: int,
    path: Path,
    model: Path | None,
) -> None:
    from tqdm.auto import tqdm

    from rnsl_tutorial import datasets, experiments

    data = (
        datasets.load_features(features_file)
        if features_file
        else datasets.load_shipped_features(configs[0].dataset)
    )
    done: list[experiments.Result] = []
    heads: list[experiments.Fitted] = []
    with tqdm(total=len(configs), unit="run") as bar:

        def keep(result: experiments.Result) -> None:
            done.append(result)
            experiments.save_results(path, done, data.made_with)
            bar.update()

        def keep_head(config: experiments.Config, fitted: experiments.Fitted) -> None:
            if model and config.seed == 0:
                heads.append(fitted)

        results = experiments.run_grid(
            data, configs, part, jobs=jobs, on_result=keep, on_fit=keep_head
        )
    experiments.save_results(path, results, data.made_with)
    if heads and model:
        try:
            experiments.Model.of_head(heads[0], data, configs[0]).save(model)
        except (ValueError, ConnectionError) as error:
            typer.echo(f"rnsl: No {model.name} is kept. {error}", err=True)


def sweep(
    grid: Annotated[Path, typer.Argument(help="TOML file.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder of the sweep.", show_default=False)],
    jobs: _Jobs = 2,
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
    yes: _Yes = False,
) -> None:
    """Run every combination of a grid that is not done yet.

    Write one table of all. The TOML file holds a preset, a section "settings" of what all cells
    share, a section "grid" of lists, and paths by data set in the sections "roots" (images) and
    "features". A sweep that was stopped goes on with the same command, and a grid that grew runs
    only what is new.
    """
    from tqdm.auto import tqdm

    from rnsl_tutorial.experiments import sweep as sweeps

    asked = sweeps.read_grid(grid, root or [], many=yes)
    if not list_only:
        asked.check_folder(out, grid)
    cells = sweeps.make_cells(asked)
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
            outcomes = sweeps.run_sweep(cells, out, jobs=jobs, ray=ray, on_outcome=show)
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
    rate: Annotated[
        list[float] | None,
        typer.Option(help="Only these shares of wrong labels; repeatable [default: all]."),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="With --compare: say too which losses are equal within this share, such as 0.01."
        ),
    ] = None,
    curves: Annotated[
        bool,
        typer.Option(
            "--curves",
            help="Print --metric after every epoch, of watched runs [default: knn_clean].",
        ),
    ] = False,
    stopped: Annotated[
        bool,
        typer.Option(
            "--stopped",
            help="Show each watched run as it stood after the epoch that noisy validation labels "
            "choose.",
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Print results as a table, with mean and spread over seeds.

    The table is Markdown.
    """
    if margin is not None and not compare:
        raise ValueError("--margin judges differences; give --compare LOSS too.")
    if curves and (stopped or compare):
        raise ValueError("--curves shows every epoch; leave out --stopped and --compare.")
    if curves:
        _show_curves(files, metric, figures, rate, overwrite)
    elif compare:
        _compare(files, compare, metric, margin, figures, rate, stopped, overwrite)
    else:
        show_results(
            files, figures, metric, stopped=stopped, rates=rate or None, overwrite=overwrite
        )


def show_results(
    files: list[Path],
    figures: Path | None,
    metric: str | None = None,
    *,
    stopped: bool = False,
    rates: list[float] | None = None,
    overwrite: bool = False,
) -> None:
    """Print results of several files as one table, and save a figure of each kind of noise."""
    from rnsl_tutorial.experiments import report

    records, results = _loaded(files, rates, stopped)
    drawn = report.accuracy_figures(results) if figures else {}
    with _saved(drawn, figures, files[0].stem, files, overwrite):
        _print_table(report.table_over_rates(results, metric) if metric else report.table(results))
        for record in records:
            typer.echo(report.caption(record.results, record.provenance))


def _loaded(
    files: list[Path], rates: list[float] | None, stopped: bool = False
) -> tuple[list["Record"], list["Result"]]:
    """Read files of results; of them those at some rates, as they ended or were to be stopped."""
    from rnsl_tutorial import experiments

    records = [experiments.load_results(file) for file in files]
    results = [result for record in records for result in record.results]
    chosen = [result for result in results if rates is None or result.config.rate in rates]
    if not chosen:
        raise ValueError(
            f"There is no run at rate {', '.join(map(str, rates or []))}; the files hold "
            f"{', '.join(map(str, sorted({result.config.rate for result in results})))}."
        )
    return records, [experiments.stopped(result) for result in chosen] if stopped else chosen


def _usual(results: list["Result"]) -> str:
    """The metric that is shown where none is named; of labels as given one without true labels."""
    return "knn_noisy" if all(r.config.as_given for r in results) else "knn_clean"


def _compare(
    files: list[Path],
    reference: str,
    metric: str | None,
    margin: float | None,
    figures: Path | None,
    rates: list[float] | None,
    stopped: bool,
    overwrite: bool,
) -> None:
    from rnsl_tutorial.experiments import report

    _, results = _loaded(files, rates, stopped)
    metric = metric or _usual(results)
    differences = report.differences(results, reference, metric)
    drawn = report.difference_figures(results, reference, metric) if figures else {}
    with _saved(drawn, figures, files[0].stem, files, overwrite):
        _print_table(report.table_of_differences(differences, margin))
        typer.echo(report.caption_of_differences(differences, metric, margin))


def _show_curves(
    files: list[Path],
    metric: str | None,
    figures: Path | None,
    rates: list[float] | None,
    overwrite: bool,
) -> None:
    from rnsl_tutorial import experiments
    from rnsl_tutorial.experiments import report

    records, results = _loaded(files, rates)
    metric = metric or _usual(results)
    drawn = experiments.epoch_figures(results, metric) if figures else {}
    with _saved(drawn, figures, metric, files, overwrite):
        _print_table(experiments.table_over_epochs(results, metric))
        for record in records:
            typer.echo(report.caption(record.results, record.provenance))


def _print_table(table: "Table") -> None:
    from rich.console import Console

    Console(width=160, markup=False).print(table)


@contextmanager
def _saved(
    drawn: Mapping[str, "Figure"],
    folder: Path | None,
    stem: str,
    reads: list[Path],
    overwrite: bool,
) -> Iterator[None]:
    """Look whether figures may be written, before the table is printed; write them afterwards."""
    from rnsl_tutorial._files import claimed, written_whole

    paths = [(folder or Path()) / f"{stem}_{name}.png" for name in drawn]
    with claimed(*paths, overwrite=overwrite, reads=reads, other="--figures"):
        yield
        for path, figure in zip(paths, drawn.values(), strict=True):
            with written_whole(path) as opened:
                figure.savefig(opened, format="png", dpi=130)
            typer.echo(f"Written: {path}")
