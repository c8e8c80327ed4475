"""The grids that come with the project, each of which one command runs."""

from pathlib import Path

import numpy as np
import pytest

from rnsl_tutorial import noise
from rnsl_tutorial.datasets import download
from rnsl_tutorial.datasets.archives import Archive
from rnsl_tutorial.experiments import images, sweep
from rnsl_tutorial.experiments.config import LOSSES, PRESETS, Config

RESULTS = Path(__file__).parent.parent.parent / "data" / "results"
GRIDS = sorted(RESULTS.glob("*/grid.toml"))


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.parent.name)
def test_a_grid_that_comes_with_the_project_can_be_read_and_says_how_it_is_run(path: Path) -> None:
    assert sweep.read_grid(path).configs
    command = f"rnsl sweep {path.relative_to(RESULTS.parent.parent)}"
    assert command in path.read_text(encoding="utf-8")


def test_nwpu45_is_fine_tuned_on_as_it_was_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a root: it is looked for where `rnsl data get nwpu45` leaves it."""
    asked: list[tuple[Config, Path | None]] = []

    def load(config: Config, root: Path | None) -> images.Data:
        asked.append((config, root))
        names = noise.label_dependent_classes("nwpu45")
        pixels = np.zeros((len(names), 3, 4, 4), np.uint8)
        files = tuple(f"{name}/a.jpg" for name in names)
        archive = Archive(pixels, np.arange(len(names)), names, files)
        return images.Data(archive, ())

    monkeypatch.setattr(download, "find", lambda name: tmp_path / name)
    monkeypatch.setattr(images, "load_images", load)
    grid = sweep.read_grid(RESULTS / "nwpu45_finetune" / "grid.toml")
    cells = sweep.make_cells(grid)
    assert {(config.dataset, root) for config, root in asked} == {("nwpu45", tmp_path / "nwpu45")}
    assert len({cell.key for cell in cells}) == len(cells) == 2 * 2 * 3 * len(LOSSES)
    assert [cell.config.loss for cell in cells[:3]] == [*LOSSES]
    first = cells[0].config
    assert (first.noise, first.rate, first.seed) == ("label_dependent", 0.5, 0)
    preset = PRESETS["finetune"]
    assert all(getattr(cell.config, name) == preset[name] for cell in cells for name in preset)
