"""What the benchmarks measure; never how long it takes."""

import subprocess
import sys
import time

import pytest
from synthetic_maps import small_maps

from benchmarks import notebook_runs, ui
from rnsl_tutorial import explorers

EXPLORERS = {
    name
    for name, member in vars(explorers).items()
    if isinstance(member, type) and issubclass(member, explorers.Explorer)
} - {"Explorer"}


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
    arrays = [value["data"] for value in explorer._table.values() if isinstance(value, dict)]
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
    with notebook_runs.memory_watched() as peak:
        subprocess.run([sys.executable, "-c", hold], check=True)
        time.sleep(2 * notebook_runs.LOOK_S)
    assert 80 < peak[0] < 300
