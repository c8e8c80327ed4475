"""What the benchmarks measure; never how long it takes."""

import importlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import Mock, call

import numpy as np
import pytest
import torch
from stub_loop import Stub
from stub_scorer import by_class_means
from synthetic_maps import small_maps
from torch import nn

from benchmarks import (
    audit,
    audit_archives,
    audit_ranges,
    audit_scale,
    epoch,
    frame,
    lab,
    memory,
    scale,
    turns,
    ui,
)
from benchmarks.audit_archives import Cut
from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.tutorial import explorers

EXPLORERS = {
    name
    for name, member in vars(explorers).items()
    if isinstance(member, type) and issubclass(member, explorers.Explorer)
} - {"Explorer"}


NAMES = sorted(path.stem for path in Path(frame.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_can_be_imported(name: str) -> None:
    assert importlib.import_module(f"benchmarks.{name}").__doc__


def test_every_explorer_is_measured_beside_a_bare_figure_widget() -> None:
    assert set(ui.explorers_to_measure()) == EXPLORERS
    assert set(ui.widgets()) == EXPLORERS | {"FigureWidget"}


@pytest.mark.parametrize("name", sorted(EXPLORERS))
def test_what_is_measured_can_be_made_and_is_no_larger_than_agreed(name: str) -> None:
    make = ui.explorers_to_measure()[name]
    explorer = make()
    assert type(explorer).__name__ == name
    assert explorer.controls
    assert 0 < ui.weigh(lambda: explorer).table_bytes < 2e6


def test_the_weight_of_a_table_counts_its_bytes_and_its_words() -> None:
    explorer = explorers.EmbeddingExplorer(small_maps())
    weight = ui.weigh(lambda: explorer)
    parts = explorer._table.values()
    arrays = [part["data"] for part in parts if isinstance(part, dict) and "data" in part]
    words = sum(map(len, explorer._table["headlines"]))
    assert weight.table_bytes > sum(map(len, arrays)) + words
    assert weight.module_bytes == len((str(explorer._esm) + str(explorer._css)).encode())


def test_a_row_shows_medians_and_the_slowest_tenth() -> None:
    reaction = ui.Reaction("q", [1.0, 2.0, 9.0], [10.0, 12.0, 20.0])
    row = ui.row("X", reaction, ui.Weight(0.126, 5400, 3200))
    assert row == ("X", "q", "3", "2.0", "12.0", "18.4", "0.13", "5", "3")
    assert len(row) == len(ui.COLUMNS)


def test_the_peak_of_a_child_that_has_given_its_memory_back_is_kept() -> None:
    hold = "import time; held = b'x' * 80_000_000; time.sleep(1.5); del held; time.sleep(0.5)"
    with memory.memory_watched() as peak:
        subprocess.run([sys.executable, "-c", hold], check=True)
        time.sleep(2 * memory.LOOK_S)
    assert 80 < peak[0] < 300


# ------------------------------------------------------------------ epoch.py


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> epoch.Task:
    """160 scenes of 32 px as JPEG files: 112 for training, 16 for validation."""
    folder = tmp_path_factory.mktemp("epoch")
    epoch.write_files(None, 160, 32, folder / "files")
    chosen = epoch.settings(
        dataset="scenes", network="small", image_size=32, batch_size=32, epochs=2, k=0.01,
        learning_rate=0.01,
    )  # fmt: skip
    return epoch.Task(folder / "files", folder / "cache", chosen)


def count_images(network: nn.Module) -> Counter[str]:
    """Count what goes through a network from now on, by its mode."""
    seen: Counter[str] = Counter()

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        seen["training" if module.training else "evaluation"] += len(inputs[0])

    network.register_forward_pre_hook(count)
    return seen


def test_both_loops_train_on_the_same_images_and_compute_the_same_and_ours_embeds_them_once(
    task: epoch.Task,
) -> None:
    """But for augmentation, which is drawn differently."""
    task = task._replace(config=replace(task.config, augmentation="none"))
    ours, plain = epoch.Ours(task), epoch.Plain(task)
    counts = [count_images(loop) for loop in (ours.run.network, plain.network)]
    first = [ours.epoch(), plain.epoch()]
    assert counts[0] == {"training": 112, "evaluation": 112 + 16}
    assert counts[1] == {"training": 112, "evaluation": 112 + 16}
    embeddings, _ = plain.embed(plain.index)
    torch.testing.assert_close(ours.run.embed("train"), embeddings, atol=1e-4, rtol=0)
    assert ours.run.training.history[0].validation == pytest.approx(plain.accuracy, abs=1 / 16)
    for seen in counts:
        seen.clear()
    second = [ours.epoch(), plain.epoch()]  # prunes first; batches come in another order now
    assert counts[0] == {"training": 112, "evaluation": 112 + 16}
    assert counts[1] == {"training": 112, "evaluation": 112 + (112 + 16)}
    kept, expected = (loop.state_dict()["kept"] for loop in (ours.run.loss, plain.loss))
    assert (kept == expected).float().mean() > 0.98  # rounding decides the closest
    assert 0.1 < kept.float().mean() < 0.9
    assert [one.images for one in (*first, *second)] == [112] * 4
    assert second[0].pruning_seconds == 0 < second[1].pruning_seconds < second[1].seconds


def measured(seconds: list[float], pruning: float = 0.0) -> turns.Measured:
    return turns.Measured([turns.Epoch(100, one, pruning, 0) for one in seconds], 500)


def test_ratios_are_taken_within_a_repeat_and_to_the_best_plain_loop() -> None:
    loops = {
        "ours, 32": measured([1, 2, 1]),
        "plain, 0 workers": measured([4, 4, 8], pruning=1),
        "plain, 2 workers": measured([9, 9, 9], pruning=1),
    }
    found = dict(zip(loops, epoch.rows(loops), strict=True))
    assert found["ours, 32"] == (
        "| ours, 32 | 100 | 3 | 100.0 | 50.0 to 100.0 | 4.00 | 2.00 to 8.00 "
        "| 3.00 | 1.50 to 7.00 | 500 |"
    )
    assert "| 1.00 | 1.00 to 1.00 |" in found["plain, 0 workers"]
    header = epoch.HEADER.splitlines()[0]
    assert all(row.count("|") == header.count("|") for row in found.values())


def test_loops_take_turns_each_in_a_process_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    found = turns.measure({name: partial(Stub, name, log) for name in "ab"}, repeats=2)
    done = log.read_text().split()
    assert [turn[0] for turn in done] == ["a", "b"] * 3
    assert len({*done}) == 2
    assert str(os.getpid()) not in {turn[1:] for turn in done}
    assert all(len(one.epochs) == 2 and one.peak_mb > 3 for one in found.values())


def test_a_loop_that_fails_ends_the_measurement(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="error stands above"):
        turns.measure({"a": partial(Stub, "a", None)}, repeats=1)
    assert "AssertionError" in capfd.readouterr().err


def test_an_archive_gives_equally_many_images_of_each_class(
    task: epoch.Task, tmp_path: Path
) -> None:
    epoch.write_files(task.files, 50, 32, tmp_path)
    found = Counter(path.parent.name for path in tmp_path.rglob("*.jpg"))
    assert found == dict.fromkeys(scenes.CLASSES, 3)


def test_a_zip_gives_the_same_files_as_the_folder(
    task: epoch.Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", task.files))
    monkeypatch.setenv("RNSL_AID", str(packed))
    assert epoch.named_archive() == packed
    for root, name in ((task.files, "a"), (packed, "b")):
        epoch.write_files(root, 50, 32, tmp_path / name)
    one, other = (
        {str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files}
        for name in "ab"
        for files in [(tmp_path / name).rglob("*.jpg")]
    )
    assert one == other
    assert len(one) == 48


def test_further_archives_are_those_that_the_environment_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RNSL_ARCHIVES", raising=False)
    assert frame.further_archives() == {}
    paths = [tmp_path / "EuroSAT", tmp_path / "PatternNet.tar.gz"]
    for path in paths:
        path.mkdir()
    listed = os.pathsep.join([str(paths[0]), f"nets={paths[1]}", str(paths[1])])
    monkeypatch.setenv("RNSL_ARCHIVES", listed)
    assert frame.further_archives() == {
        "eurosat": paths[0], "nets": paths[1], "patternnet": paths[1]
    }  # fmt: skip
    for wrong, said in ((tmp_path / "none", "does not exist"), (paths[0], "named twice")):
        monkeypatch.setenv("RNSL_ARCHIVES", os.pathsep.join([listed, str(wrong)]))
        with pytest.raises(ValueError, match=said):
            frame.further_archives()


def test_an_archive_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNSL_AID", str(tmp_path / "missing.tar"))
    with pytest.raises(ValueError, match="name a folder or a tar"):
        epoch.named_archive()


# ------------------------------------------------------------------ scale.py


def test_the_exponent_is_that_of_a_power_law() -> None:
    counts = [1000, 3200, 10_000]
    assert scale.exponent(counts, [2e-3 * n**1.5 for n in counts]) == pytest.approx(1.5)


@pytest.mark.parametrize(("share", "placement"), [(0.5, "resident"), (scale.NO_SHARE, "streamed")])
def test_scale_measures_every_step_where_the_images_are(share: float, placement: str) -> None:
    found = scale.measure(160, share)
    assert (found.count, found.placement) == (160, placement)
    assert min(getattr(found, step) for step in scale.STEPS) > 0
    assert found.total == found.drawing + found.training + found.pruning
    assert found.peak_mb > 100


def test_scale_prints_a_row_a_count_the_streamed_one_and_the_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def linear(_: object, count: int, memory_share: float = 0.5) -> scale.Measured:
        placement = "streamed" if memory_share < 0.5 else "resident"
        return scale.Measured(count, placement, count, count, count, 1, 0)

    monkeypatch.setattr(scale.frame, "in_fresh_process", linear)
    monkeypatch.setattr(sys, "argv", ["scale.py", "--counts", "1000", "2000", "--repeats", "2"])
    scale.main()
    printed = capsys.readouterr().out
    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    assert [row[:2] for row in rows[1:]] == [
        ["| 1,000", "resident"], ["| 2,000", "resident"], ["| 2,000", "streamed"]
    ]  # fmt: skip
    assert {len(row) for row in rows} == {len(rows[0])}
    assert printed.count("N^1.00 (1.00 to 1.00, repeats 2)") == len(scale.STEPS)


# ------------------------------------------------------------------ audit_scale.py


@pytest.mark.slow
def test_an_audit_of_made_features_finds_the_wrong_labels_step_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnsl_tutorial.audit.scores.score_labels", by_class_means)
    audit_scale.write_synthetic(tmp_path, 900)
    assert (tmp_path / "images.npy").stat().st_size > 900 * 3 * 150**2
    found = audit_scale.measure(tmp_path, 900)
    assert found.precision > 2 * audit_scale.WRONG
    assert min(found.reading, found.scoring, found.writing) > 0
    assert found.together == found.reading + found.scoring + found.writing
    assert (tmp_path / "list.csv").read_text().count("\n") == 901


def test_audit_scale_prints_a_row_a_count_and_the_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def linear(_: object, folder: Path, count: int) -> audit_scale.Measured:
        assert len(np.load(folder / "features.npy", mmap_mode="r")) == count
        return audit_scale.Measured(count, count, count, 0.5, 1)

    monkeypatch.setattr(audit_scale.frame, "in_fresh_process", linear)
    monkeypatch.setattr(sys, "argv", ["audit_scale.py", "--counts", "60", "120"])
    audit_scale.main()
    printed = capsys.readouterr().out
    assert "| 60 | 60.0 | 60.0 | 60.0 | 180.0 | 0.5000 | 1 |" in printed
    assert printed.count("seconds grow as N^1.00") == len(audit_scale.STEPS)


# ------------------------------------------------------------------ audit.py, audit_ranges.py


def audit_row(rate: float, seed: int, ranking: str, value: float) -> audit.Row:
    cell = ("aid, 10 each", "symmetric", rate, seed, "ours", 300, 30, 1.0)
    return {
        **dict(zip(audit._CELL, cell, strict=True)),
        "ranking": ranking,
        "average_precision": value,
        "suggested": value,
    }


def test_differences_are_paired_over_seeds_and_judged_by_their_error(tmp_path: Path) -> None:
    values = {"ours": (0.9, 0.8, 0.7), "close": (0.9, 0.7, 0.8), "far": (0.5, 0.4, 0.3)}
    rows = [
        audit_row(rate, seed, name, value)
        for rate in (0.05, 0.2)
        for name, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    cells = audit.by_cell(rows, "average_precision")
    assert [*cells] == [("aid, 10 each", "symmetric", rate) for rate in (0.05, 0.2)]
    mean, error = audit.difference(cells["aid, 10 each", "symmetric", 0.2], "close")
    assert (mean, error) == (pytest.approx(0), pytest.approx(0.1 / 3**0.5))
    assert audit.best_rival(cells["aid, 10 each", "symmetric", 0.05]) == "close"
    assert [audit.verdict(*pair) for pair in ((0.1, 0.1), (0.2, 0.1), (-0.2, 0.1))] == [
        "tie",
        "win",
        "loss",
    ]
    audit.save(tmp_path / "rows.json", rows)
    assert sorted(map(str, audit.load(tmp_path / "rows.json"))) == sorted(map(str, rows))
    assert "| far | +40.0 | +40.0 | 2 | 0 | 0 |" in audit.rival_table(rows)
    assert audit.by_cell(rows[1:], "average_precision").keys() == {
        ("aid, 10 each", "symmetric", 0.2)
    }, "a cell that lacks a run is left out"


def test_archives_are_cut_and_their_labels_made_wrong() -> None:
    source = audit_archives.shipped()
    for cut, counts in (
        (Cut("aid", 3, 20), [20, 20, 20]),
        (Cut("aid", 4, -20), [10, 27, 74, 200]),
    ):
        assert cut.images < 0 or str(cut) == "aid, 3 classes, 20 each"
        for kind in audit_archives.NOISES:
            case = audit_archives.make(source, cut, kind, 0.2, seed=1)
            np.testing.assert_array_equal(np.bincount(case.true), counts)
            assert 0.05 < (case.given != case.true).mean() < 0.4, kind
            assert np.bincount(case.given, minlength=len(counts)).min() >= 3
        again = audit_archives.make(source, cut, kind, 0.2, seed=1)
        np.testing.assert_array_equal(case.given, again.given)


def test_the_audit_benchmark_prints_its_tables_and_goes_on_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rows.json"
    monkeypatch.setattr(audit, "sources", lambda: {"aid": audit_archives.shipped()})
    monkeypatch.setattr(sys, "argv", ["audit.py", "--small", "--seeds", "1", "--out", str(out)])
    audit.main()
    printed = capsys.readouterr().out
    rows = audit.load(out)
    assert len({row["ranking"] for row in rows}) == 4 + 4 * 5 + 4 + 1
    ours = next(row for row in rows if row["ranking"] == audit.OURS)
    assert f"| aid, 3 classes, 20 each | {ours['average_precision']:.3f} |" in printed
    monkeypatch.setattr(audit, "METHODS", dict.fromkeys(audit.METHODS))  # none can be run again
    audit.main()
    assert capsys.readouterr().out.splitlines()[:8] == printed.splitlines()[:8]


def test_ranges_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {
        "number": 0, "archive": "aid, 3 classes", "noise": "clean", "concluded": True, "true": 0.1,
        "low": 0.05, "high": 0.15, "estimate": 0.12, "looks": [[5, 0.2, 0.6, 0.5, 0.4]],
    }  # fmt: skip
    missed = {**row, "noise": "hard", "true": 0.2, "looks": []}
    unsaid = {**row, "concluded": False}
    lines = audit_ranges.table([row, missed, unsaid]).splitlines()
    assert "| clean | 2 | 1 | 100% | 10.0 | 2.0 | 1 | 100% | 40.0 |" in lines
    assert "| hard | 1 | 1 | 0% | 10.0 | 8.0 | 0 | | |" in lines
    assert lines[-1].startswith("| all | 3 | 2 | 50% | 10.0 ")
    monkeypatch.setattr(audit_ranges, "sources", lambda: {"aid": audit_archives.shipped()})
    monkeypatch.setattr(audit_ranges, "draw", lambda *_: (Cut("aid", 3, 20), "hard", 0.2))
    out = tmp_path / "ranges.json"
    monkeypatch.setattr(sys, "argv", ["x", "--archives", "1", "--out", str(out)])
    audit_ranges.main()
    assert "| hard | 1 |" in capsys.readouterr().out
    (found,) = json.loads(out.read_text())["results"]
    assert found["true"] == pytest.approx(0.2)


def test_a_port_for_jupyterlab_is_free_and_none_that_a_system_hands_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = lab.free_port()
    drawn = Mock(side_effect=[first, first, first + 1])
    monkeypatch.setattr(random, "randrange", drawn)
    with socket.create_server(("127.0.0.1", lab.free_port())):
        assert lab.free_port() == first + 1
    assert drawn.mock_calls == [call(*lab.PORTS)] * 3
    assert lab.PORTS[1] < 32768  # where Linux begins


def test_who_answers_in_another_language_is_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        greeter = threading.Thread(target=lambda: greet(taken.accept()[0]))
        greeter.start()
        assert not lab.answers(f"http://127.0.0.1:{taken.getsockname()[1]}/api")
        greeter.join()


def greet(caller: socket.socket) -> None:
    with caller:
        caller.recv(1000)
        caller.sendall(b"\xff\0\0\0\0\0\0\0\1\x7f\n")  # as the socket of a kernel does
