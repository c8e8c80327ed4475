"""The explorer of fine-tuning: means over seeds, its sentence, its traits."""

from dataclasses import replace

import numpy as np
import pytest
from explorer_checks import lacks, unpacked
from synthetic_epochs import nothing_trained, watched

from rnsl_tutorial.tutorial.explorers import FineTuningExplorer

LOSSES = ("nsl", "rnsl", "trnsl")


@pytest.fixture
def explorer() -> FineTuningExplorer:
    runs = [watched(loss, seed) for loss in LOSSES for seed in (0, 1)]
    other = [watched(loss, noise="pair_flip", rate=0.4) for loss in LOSSES]
    return FineTuningExplorer([*runs, *other, watched("nsl", rate=0.3), nothing_trained()])


def test_the_table_holds_means_over_seeds_in_percent(explorer: FineTuningExplorer) -> None:
    curves = unpacked(explorer, "curves")
    assert curves.shape == (3, 2, 3, 3), "rate 0.3 has no run of RNSL and is left out"
    np.testing.assert_allclose(curves[0, 0, :, 2], [60.5, 100.5, 100.5], rtol=1e-6)
    np.testing.assert_allclose(curves[0, 1, 0], [80, 70, 60], rtol=1e-6)
    np.testing.assert_allclose(curves[1, 0, 0], [10, 50, 90], rtol=1e-6)
    assert np.isnan(curves[2, 0, :2]).all(), "only t-RNSL leaves images out"
    np.testing.assert_allclose(curves[2, 0, 2], [100, 50, 50])
    assert explorer._table["untrained"] == pytest.approx(75)
    assert "means of 1-2 seeds" in explorer._table["note"]


def test_the_sentence_follows_epoch_and_noise(explorer: FineTuningExplorer) -> None:
    assert explorer.reading == (
        "After epoch 3: NSL 60.5%, RNSL 100.5%, t-RNSL 100.5% of the test images find their class "
        "(no training: 75.0%). NSL knows 90% of the wrong labels by heart, RNSL 3%."
    )
    explorer.epoch, explorer.noise = 1, "pair_flip 0.4"
    assert explorer.reading.startswith("After epoch 1: NSL 80.0%, RNSL 80.0%")
    assert explorer._table["headlines"][1][0] == explorer.reading
    lacks(explorer, epoch=4, noise="symmetric 0.3")


def test_without_an_untrained_row_there_is_no_line() -> None:
    explorer = FineTuningExplorer([watched(loss) for loss in LOSSES])
    assert explorer._table["untrained"] is None
    assert "no training" not in explorer.reading
    assert "one seed" in explorer._table["note"]


def test_runs_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="no kind of noise at which runs of nsl, rnsl, trnsl"):
        FineTuningExplorer([watched("nsl"), watched("rnsl")])
    unwatched = [replace(watched(loss), curves={}) for loss in LOSSES]
    with pytest.raises(ValueError, match="--set watch=true"):
        FineTuningExplorer(unwatched)
    with pytest.raises(ValueError, match="differ in temperature"):
        FineTuningExplorer([watched(loss, temperature=1 + i) for i, loss in enumerate(LOSSES)])


def test_the_shipped_runs_are_shown() -> None:
    explorer = FineTuningExplorer()
    assert explorer.curves.shape[1:3] == (len(explorer.controls["noise"].values), 3)
    assert "(no training: 83.8%)" in explorer.reading or "(no training: 83.7%)" in explorer.reading
