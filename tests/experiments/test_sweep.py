"""Grids, cells that go wrong, tables: on four clouds, in this process."""

import csv
import itertools
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image
from synthetic_cells import Here, cloud_cells, grid_file
from typer.testing import CliRunner

from rnsl_tutorial import datasets, experiments
from rnsl_tutorial._files import lock_of
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.experiments import heads, images, sweep
from rnsl_tutorial.experiments.config import PRESETS, Config
from rnsl_tutorial.experiments.sweep import Cell, Outcome

# ------------------------------------------------------------------ the grid


def test_every_combination_is_a_config(tmp_path: Path) -> None:
    text = """
    preset = "laptop"
    [settings]
    epochs = 7
    [grid]
    dataset = ["aid", "scenes"]
    rate = [0, 0.2, 0.20]
    prune_from = ["none", 3]
    seed = 5
    [roots]
    aid = "images/AID"
    """
    asked = sweep.read_grid(grid_file(tmp_path, text))
    fixed = {**PRESETS["laptop"], "epochs": 7, "seed": 5}
    assert asked.configs == tuple(
        Config(**{**fixed, "dataset": d, "rate": r, "prune_from": p})
        for d, r, p in itertools.product(["aid", "scenes"], [0.0, 0.2], [None, 3])
    )
    assert {type(config.rate) for config in asked.configs} == {float}
    assert asked.roots == {"aid": tmp_path / "images" / "AID"}
    other = sweep.read_grid(tmp_path / "grid.toml", ["aid=elsewhere"])
    assert other.roots == {"aid": Path.cwd() / "elsewhere"}


def test_several_grids_follow_each_other_and_a_cell_comes_once(tmp_path: Path) -> None:
    text = """
    [settings]
    epochs = 2
    [[grid]]
    rate = 0.5
    loss = ["rnsl", "nsl"]
    [[grid]]
    noise = ["pair_flip", "symmetric"]
    rate = 0.5
    loss = "nsl"
    """
    found = sweep.read_grid(grid_file(tmp_path, text)).configs
    assert [(c.noise, c.rate, c.loss, c.epochs) for c in found] == [
        ("symmetric", 0.5, "rnsl", 2),
        ("symmetric", 0.5, "nsl", 2),
        ("pair_flip", 0.5, "nsl", 2),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grid = [1]", r"grid is \[1\] in .*; it must be a section \[grid\]"),
        ("[grid", "grid.toml is not a TOML file"),
        (
            "loss = 1",
            "has 'loss'; a grid file has preset, precision, settings, grid, roots, features",
        ),
        ('precision = "64"', "precision is '64'; it must be one of 32, bf16, fp16"),
        ("grid = 1", r"grid is 1 in .*; it must be a section \[grid\]"),
        ("preset = 1", "preset is 1 in .*; it must be a name in quotes"),
        ("preset = 'big'", "no preset 'big'; choose one of paper, laptop"),
        ("[grid]\nlos = ['nsl']", r"no setting los; did you mean loss\?"),
        ("[grid]\nloss = ['nsl', 'mse']", "loss is 'mse'; it must be one of nsl, rnsl, trnsl"),
        ("[grid]\nrate = [0.5, 1.0]", r"rate is '1\.0'; it must be a number in \[0, 1\)"),
        ("[grid]\nnoise = ['salt']", "noise is 'salt'; it must be one of symmetric"),
        ("[grid]\nnoise = ['label_dependent']\ndataset = ['mine']", "dataset is 'mine'"),
        ("[grid]\nepochs = ['many']", "epochs is 'many'; it must be a whole number"),
        ("[grid]\nseed = []", r"seed is \[\]; give a value, or a list of values"),
        ("[grid]\nseed = [[1]]", r"seed is \[\[1\]\]; give a value, or a list of values"),
        ("[settings]\nseed = [1, 2]", r"lists belong into \[grid\]"),
        ("[settings]\nq = 1\n[grid]\nq = [1]", r"q stands in \[settings\] and in \[grid\]"),
        ("[roots]\neurosat = 'x'", "given for 'eurosat'; the grid has aid"),
        ("[features]\naid = 3", "path of aid is 3; put it in quotes"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sweep.read_grid(grid_file(tmp_path, text))


def test_data_that_are_not_there_are_refused_before_anything_runs(tmp_path: Path) -> None:
    asked = sweep.read_grid(grid_file(tmp_path, '[grid]\nnetwork = "small"\ndataset = "mine"'))
    with pytest.raises(ValueError, match="'mine' needs its images"):
        sweep.make_cells(asked)
    asked = sweep.read_grid(grid_file(tmp_path, '[grid]\ndataset = "mine"'))
    with pytest.raises(ValueError, match="No features of 'mine' come with the package"):
        sweep.make_cells(asked)
    with pytest.raises(ValueError, match="--root is 'aid'; give NAME=PATH"):
        sweep.read_grid(tmp_path / "grid.toml", ["aid"])


def test_a_cell_is_known_by_config_and_data(tmp_path: Path) -> None:
    base = Cell(Config(), sweep._Source(Path("a"), "data", {}))
    assert base.key == Cell(Config(), sweep._Source(Path("moved"), "data", {"more": 1})).key
    other = base._replace(config=replace(base.config, k=0.4))
    changed = base._replace(source=sweep._Source(Path("a"), "changed", {}))
    assert len({base.key, other.key, changed.key}) == 3
    odd = Cell(Config(dataset="my data 2"), base.source)
    assert odd.name == f"my_data_2-head-symmetric-0-rnsl-seed0-{odd.key}"


def test_an_archive_is_decoded_before_the_workers_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for name, i in itertools.product("ab", range(10)):
        (tmp_path / "mine" / name).mkdir(parents=True, exist_ok=True)
        pixels_SSC = rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels_SSC).save(tmp_path / "mine" / name / f"{i}.png")
    loaded = []
    load = images.load_images
    monkeypatch.setattr(
        images, "load_images", lambda c, root: loaded.append(c.image_size) or load(c, root)
    )
    text = '[grid]\ndataset = "mine"\nnetwork = "small"\nimage_size = [16, 20]\nseed = [0, 1]\n'
    asked = sweep.read_grid(grid_file(tmp_path, text + '[roots]\nmine = "mine"'))
    cells = sweep.make_cells(asked)
    assert loaded == [16, 20], "once for each size"
    assert len({cell.key for cell in cells}) == 4
    moved = shutil.move(tmp_path / "mine", tmp_path / "moved")
    again = sweep.make_cells(asked._replace(roots={"mine": Path(moved)}))
    assert [cell.key for cell in again] == [cell.key for cell in cells]
    (Path(moved) / "a" / "0.png").unlink()
    changed = sweep.make_cells(asked._replace(roots={"mine": Path(moved)}))
    assert not {cell.key for cell in changed} & {cell.key for cell in cells}


# ------------------------------------------------------------------ the sweep


def test_a_sweep_runs_each_cell_once(tmp_path: Path, clouds: Path, here: Here) -> None:
    cells = cloud_cells(tmp_path, clouds, "rate = [0.0, 0.3]\nseed = [0, 1]")
    seen: list[Config] = []
    outcomes = sweep.run_sweep(
        cells, tmp_path, jobs=3, on_outcome=lambda c, _: seen.append(c.config)
    )
    assert Counter(seen) == Counter(cell.config for cell in cells)
    assert here.jobs == 3
    data = datasets.load_features(clouds)
    for cell, outcome in zip(cells, outcomes, strict=True):
        assert outcome.result is not None
        assert outcome.result.config == cell.config
        expected = experiments.run(data, cell.config).metrics
        assert outcome.result.metrics == pytest.approx(expected, nan_ok=True, abs=0)
        assert outcome.attempts == 1
        assert outcome.worker.endswith(f":{os.getpid()}")
    grown = cloud_cells(tmp_path, clouds, "rate = [0.0, 0.3]\nseed = [0, 1, 2]")
    sweep.run_sweep(grown, tmp_path)
    assert Counter(here.called) == Counter(cell.config for cell in grown)


def test_a_cell_that_raises_is_recorded_and_retried_the_next_time(
    tmp_path: Path, clouds: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = cloud_cells(tmp_path, clouds, "loss = 'nsl'\ntemperature = [0.1, 2e-38]\nseed = [0, 1]")
    outcomes = sweep.run_sweep(cells, tmp_path)
    assert [outcome.error[:19] for outcome in outcomes] == ["", "", *["FloatingPointError:"] * 2]
    assert "_check_losses" in outcomes[2].traceback
    assert [outcome.attempts for outcome in outcomes] == [1] * 4
    assert "2 of 4 cells are finished" in (tmp_path / "results.md").read_text()
    here.called.clear()
    monkeypatch.setattr(heads, "run", lambda _, c: experiments.Result(c, {"knn_clean": 1.0}, 1.0))
    outcomes = sweep.run_sweep(cells, tmp_path)
    assert here.called == [cell.config for cell in cells[2:]]
    assert not any(outcome.error for outcome in outcomes)


def test_a_cell_whose_worker_dies_fails_alone(tmp_path: Path, clouds: Path, here: Here) -> None:
    here.deaths.add(2)
    cells = cloud_cells(tmp_path, clouds, "seed = [0, 1, 2, 3]")
    outcomes = sweep.run_sweep(cells, tmp_path)
    assert [outcome.attempts for outcome in outcomes] == [1, 1, 3, 1]
    assert [bool(outcome.error) for outcome in outcomes] == [False, False, True, False]
    assert "worker died 3 times" in outcomes[2].error
    assert "terminated abruptly" in outcomes[2].error
    here.deaths.clear()
    assert not sweep.run_sweep(cells, tmp_path)[2].error, "it is tried again"


def test_a_damaged_file_is_run_again(tmp_path: Path, clouds: Path, here: Here) -> None:
    cells = cloud_cells(tmp_path, clouds, "seed = [0, 1]")
    sweep.run_sweep(cells, tmp_path)
    for i, content in enumerate(["{", "[]", '{"error": ""}']):
        (tmp_path / "cells" / f"{cells[1].name}.json").write_text(content)
        assert sweep.read(cells, tmp_path)[1] is None
        assert sweep.run_sweep(cells, tmp_path)[1].result is not None
        assert here.called == [cells[0].config, *[cells[1].config] * (i + 2)]


def test_two_sweeps_do_not_share_a_folder(tmp_path: Path, clouds: Path, here: Here) -> None:
    cells = cloud_cells(tmp_path, clouds, "seed = [0]")
    with FileLock(lock_of(tmp_path / "results.json")):
        with pytest.raises(BlockingIOError, match=r"Another sweep is at work in .*another --out"):
            sweep.run_sweep(cells, tmp_path)
        assert not here.called
    sweep.run_sweep(cells, tmp_path)
    assert len(here.called) == 1
    with pytest.raises(ValueError, match="jobs is 0"):
        sweep.run_sweep(cells, tmp_path, jobs=0)


# ------------------------------------------------------------------ tables


def finished(config: Config, **metrics: float) -> tuple[Cell, Outcome]:
    cell = Cell(config, sweep._Source(None, config.dataset, {"images": 3}))
    return cell, Outcome(experiments.Result(config, metrics, 1.5), worker="host:1", device="cpu")


def write(folder: Path, ended: Iterable[tuple[Cell, Outcome]]) -> list[Cell]:
    ended = list(ended)
    for cell, outcome in ended:
        sweep._write(sweep._file(cell, folder), cell, outcome)
    cells = [cell for cell, _ in ended]
    sweep._write_tables(cells, folder)
    return cells


def test_the_table_is_tidy_and_report_reads_the_results(tmp_path: Path) -> None:
    write(
        tmp_path,
        [
            finished(Config(rate=r, loss=x, seed=s), knn_clean=0.5 + s / 10, memorized=math.nan)
            for r, x, s in itertools.product([0.0, 0.5], ["nsl", "rnsl"], [0, 1])
        ],
    )
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert rows[1] == {
        "dataset": "aid", "noise": "symmetric", "rate": "0.0", "loss": "nsl", "seed": "1",
        "knn_clean": "0.6", "memorized": "", "seconds": "1.5", "attempts": "1",
        "worker": "host:1", "device": "cpu",
    }  # fmt: skip
    record = experiments.load_results(tmp_path / "results.json")
    assert len(record.results) == 8
    assert record.provenance["features"] == {"images": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cells", "results.csv", "results.json", "results.md", "results_symmetric.png",
    ]  # fmt: skip
    told = (tmp_path / "results.md").read_text()
    assert "8 of 8 cells" in told
    assert re.search(r"\| symmetric +\| 0.5 +\| RNSL +\| +0\.550 ± 0\.071", told)
    printed = CliRunner().invoke(cli.app, ["report", str(tmp_path / "results.json")])
    assert "0.550 ± 0.071" in printed.output


def test_what_does_not_belong_into_one_mean_is_kept_apart(tmp_path: Path) -> None:
    ended = [
        finished(Config(dataset=d, temperature=t, rate=0.5, seed=s), knn_clean=value + s / 10)
        for (d, t), value in {("aid", 0.1): 0.2, ("aid", 0.5): 0.4, ("my own", 0.1): 0.6}.items()
        for s in (0, 1)
    ]
    write(tmp_path, ended)
    stems = ["aid_temperature=0.1", "aid_temperature=0.5", "my_own_temperature=0.1"]
    told = (tmp_path / "results.md").read_text()
    for stem, mean in zip(stems, ["0.250", "0.450", "0.650"], strict=True):
        assert len(experiments.load_results(tmp_path / f"results_{stem}.json").results) == 2
        assert (tmp_path / f"results_{stem}_symmetric.png").exists()
        section = told.split(f"## {stem}\n")[1].split("## ")[0]
        assert mean in section
        assert f"(results_{stem}_symmetric.png)" in section
    together = experiments.load_results(tmp_path / "results.json")
    assert len(together.results) == 6
    assert together.provenance["features"] == {"aid": {"images": 3}, "my own": {"images": 3}}


# ------------------------------------------------------------------ from the command line


def test_cells_are_listed_and_not_run(tmp_path: Path, clouds: Path, here: Here) -> None:
    cells = cloud_cells(tmp_path, clouds, "seed = [0, 1]")
    out = tmp_path / "out"
    sweep.run_sweep(cells[:1], out)
    shown = CliRunner().invoke(
        cli.app, ["sweep", str(tmp_path / "grid.toml"), "--out", str(out), "--list"]
    )
    assert shown.exit_code == 0, shown.output
    assert shown.output.splitlines() == [
        f"done  {cells[0].name}", f"open  {cells[1].name}", "2 cells, 1 of them done; 2 at a time.",
    ]  # fmt: skip
    assert len(here.called) == 1


def test_failed_cells_are_named_and_make_the_command_fail(
    tmp_path: Path, clouds: Path, here: Here
) -> None:
    cells = cloud_cells(tmp_path, clouds, "loss = 'nsl'\ntemperature = [0.1, 2e-38]")
    command = ["sweep", str(tmp_path / "grid.toml"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 1
    assert f"rnsl: {cells[1].name}: FloatingPointError: The loss is no longer" in result.stderr
    assert cells[0].name not in result.stderr
    assert (tmp_path / "out" / "results.csv").exists()
