"""Runs epoch by epoch: tables and figures of curves, and where noisy validation says to stop."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from synthetic_epochs import nothing_trained, watched
from typer.testing import CliRunner

from rnsl_tutorial import experiments
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.experiments import epochs
from rnsl_tutorial.experiments.results import Result


def test_a_run_is_stopped_after_the_first_epoch_that_noisy_validation_likes_best() -> None:
    run = watched()
    early = epochs.stopped(replace(run, hits={"knn_clean": np.ones(3, dtype=bool)}))
    assert not early.hits, "they are of the last epoch"
    assert early.metrics == {"knn_clean": 0.7, "memorized": 0.5, "val_given": 0.4}
    assert early.curves["knn_clean"] == [0.8, 0.7]
    assert early.curves["val_given"] == [0.3, 0.4]
    assert early.config == run.config
    assert epochs.stopped(early) == early
    assert epochs.stopped(nothing_trained()) == nothing_trained()


def test_the_table_has_a_column_an_epoch_with_mean_and_spread() -> None:
    drawn = Console(width=120, record=True, file=None)
    with drawn.capture() as captured:
        drawn.print(epochs.table_over_epochs([watched(), watched(seed=1), watched("trnsl")]))
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in captured.get().splitlines()
    ]
    rows = [row for row in rows if row]
    assert rows[0] == ["noise", "rate", "loss", "1", "2", "3"]
    spread = f"{np.std([0.80, 0.81], ddof=1):.3f}"
    assert rows[2] == [
        "symmetric", "0.5", "NSL", *(f"{x:.3f} ± {spread}" for x in (0.805, 0.705, 0.605)),
    ]  # fmt: skip
    assert rows[3] == ["symmetric", "0.5", "t-RNSL", "0.800", "0.900", "1.000"]


def test_figures_one_a_cell_with_the_means_as_points() -> None:
    runs = [watched(loss, seed) for loss in ("nsl", "rnsl") for seed in (0, 1)]
    figures = epochs.epoch_figures([*runs, watched("rnsl", noise="pair_flip")])
    assert list(figures) == ["symmetric_0.5", "pair_flip_0.5"]
    lines = {
        line.get_label(): line.get_ydata()
        for line in figures["symmetric_0.5"].axes[0].lines
        if not str(line.get_label()).startswith("_")
    }
    np.testing.assert_allclose(lines["NSL"], [80.5, 70.5, 60.5])
    np.testing.assert_allclose(lines["RNSL"], [80.5, 90.5, 100.5])
    assert len(figures["symmetric_0.5"].axes[0].lines) == 6, "two means, and two seeds of each"


@pytest.mark.parametrize(
    ("runs", "metric", "said"),
    [
        ([replace(watched(), curves={})], "knn_clean", "run of nsl was not measured after every"),
        ([watched()], "speed", "no metric 'speed' in the curves; choose one of knn_clean, mem"),
        ([watched("rnsl"), watched("rnsl", q=0.3)], "knn_clean", "a loss comes at several q"),
        ([watched(), watched()], "knn_clean", "A run comes twice"),
    ],
)
def test_what_has_no_curves_is_refused(runs: list[Result], metric: str, said: str) -> None:
    for door in (epochs.table_over_epochs, epochs.epoch_figures):
        with pytest.raises(ValueError, match=f"(?i){said}"):
            door(runs, metric)


def test_the_command_prints_curves_and_stopped_runs(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("results")
    file = folder / "results.json"
    runs = [watched(loss, seed) for loss in ("nsl", "rnsl") for seed in (0, 1)]
    experiments.save_results(file, runs, {})
    curves = CliRunner().invoke(
        cli.app, ["report", str(file), "--curves", "--figures", str(folder)]
    )
    assert curves.exit_code == 0, curves.output
    assert (
        "| symmetric | 0.5  | NSL  | 0.805 ± 0.007 | 0.705 ± 0.007 | 0.605 ± 0.007 |"
        in curves.output
    )
    assert (folder / "knn_clean_symmetric_0.5.png").stat().st_size > 5_000
    early = CliRunner().invoke(cli.app, ["report", str(file), "--stopped"])
    assert "0.705" in early.output
    assert "0.605" not in early.output
    compared = CliRunner().invoke(
        cli.app, ["report", str(file), "--compare", "rnsl", "--stopped", "--metric", "memorized"]
    )
    assert compared.exit_code == 0, compared.output
    assert "+48.0" in compared.output, "0.5 less 0.02 after the second epoch, not 0.9 less 0.03"
    refused = CliRunner().invoke(cli.app, ["report", str(file), "--curves", "--stopped"])
    assert refused.exit_code == 1
    assert "--curves shows every epoch; leave out --stopped" in refused.output
