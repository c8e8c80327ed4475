"""Sweeps in processes of their own that are killed or stopped, and one on a cluster."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from synthetic_cells import QUICK, Here, cloud_cells, grid_file

from rnsl_tutorial import datasets, experiments
from rnsl_tutorial.experiments import images, sweep

SCENES = QUICK + 'dataset = "scenes"\nnetwork = "small"\nimage_size = 32\nscenes = 400\n'


class Swept:
    """A sweep in a process of its own, in a session of its own as in a terminal."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "out"
        command = [*(sys.executable, "-m", "rnsl_tutorial", "sweep"), folder / "grid.toml"]
        self.process = subprocess.Popen(
            [*command, "--out", self.out, "--jobs", "1"],
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def wait_for(self, pattern: str) -> None:
        end = time.monotonic() + 200
        while not list(self.out.glob(pattern)):
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < end, f"no {pattern} came"
            time.sleep(0.02)

    def stop(self, number: signal.Signals) -> str:
        """Signal it, with its children where that is Ctrl-C, and return what it said."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        (os.killpg if number == signal.SIGINT else os.kill)(self.process.pid, number)
        said = self.process.communicate(timeout=200)[1]
        assert not psutil.wait_procs(children, timeout=50)[1], "workers are left behind"
        return said


def test_a_sweep_that_is_killed_goes_on(tmp_path: Path, clouds: Path, here: Here) -> None:
    longer = QUICK.replace("epochs = 3", "epochs = 60")
    cells = cloud_cells(tmp_path, clouds, f"seed = {list(range(8))}", longer)
    swept = Swept(tmp_path)
    swept.wait_for("cells/*.json")
    swept.stop(signal.SIGKILL)
    before = {path: path.stat().st_mtime_ns for path in (swept.out / "cells").glob("*.json")}
    assert 1 <= len(before) < len(cells)
    outcomes = sweep.run_sweep(cells, swept.out)
    assert len(here.called) == len(cells) - len(before)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {outcome.attempts for outcome in outcomes} == {1}
    assert len({outcome.worker for outcome in outcomes}) == 2


def test_ctrl_c_leaves_a_checkpoint_that_the_next_sweep_goes_on_from(
    tmp_path: Path, here: Here
) -> None:
    text = f"[settings]\n{SCENES}".replace("epochs = 3", "epochs = 25")
    cells = sweep.make_cells(sweep.read_grid(grid_file(tmp_path, text)))
    swept = Swept(tmp_path)
    swept.wait_for("cells/*/checkpoints/*.pt")
    said = swept.stop(signal.SIGINT)
    assert swept.process.returncode == 130
    assert said.splitlines()[-1] == "rnsl: Stopped. The same command goes on from here."
    assert "Traceback" not in said
    folder = swept.out / "cells" / cells[0].key
    assert list((folder / "checkpoints").glob("*.pt"))
    assert not list(swept.out.glob("cells/*.json"))

    epochs: list[int] = []
    run = images.Run.run

    def watched(*args: Any, **options: Any) -> experiments.Result:
        return run(*args, **options, on_epoch=lambda report: epochs.append(report.epoch))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images.Run, "run", watched)
        (outcome,) = sweep.run_sweep(cells, swept.out)
    assert not outcome.error, outcome.traceback
    assert epochs[-1] == 24
    assert epochs[0] > 0, "it started anew"
    assert not folder.exists()
    row = json.loads(next(swept.out.glob("cells/*.json")).read_text())
    assert row["config"]["network"] == "small"


@pytest.mark.soak
def test_a_sweep_on_a_cluster(tmp_path: Path, clouds: Path) -> None:
    if find_spec("ray") is None:
        pytest.skip("Ray is an extra")
    cells = cloud_cells(tmp_path, clouds, "loss = 'nsl'\ntemperature = [0.1, 2e-38]")
    try:
        done, failed = sweep.run_sweep(cells, tmp_path, ray="local")
    except ConnectionError as error:
        if "timed out during startup" not in str(error):
            raise
        pytest.skip("Ray gives itself 30 s to start, which this machine did not keep")
    import ray  # here: where it listens is settled when it is first imported

    assert not ray.is_initialized()
    assert done.result is not None
    expected = experiments.run(datasets.load_features(clouds), cells[0].config).metrics
    assert done.result.metrics == pytest.approx(expected, nan_ok=True, abs=0)
    assert done.worker.split(":")[1] != str(os.getpid())
    assert failed.error.startswith("FloatingPointError")
