"""The explorer of pruning holds each moment of a run, and marks where the run itself pruned."""

import numpy as np
import pytest
from explorer_checks import lacks, unpacked
from numpy.typing import NDArray
from synthetic_log_p import small_run

from rnsl_tutorial.evaluation.embedding import flip_detection
from rnsl_tutorial.tutorial.explorers import PruningExplorer, TruncationExplorer, standalone_html


def pruned_at(*moments: int, shape: tuple[int, int] = (9, 400)) -> NDArray[np.bool_]:
    """A history of kept in which another image is left out after each of these moments."""
    kept = np.ones(shape, dtype=bool)
    for image, moment in enumerate(moments):
        kept[moment + 1 :, image] = False
    return kept


@pytest.fixture
def explorer() -> PruningExplorer:
    log_p, flipped = small_run(moments=9)
    return PruningExplorer(log_p, flipped, pruned_at(3, 5))


@pytest.mark.parametrize(("epoch", "k"), [(0, 0.5), (4, 0.1), (8, 0.9)])
def test_the_measures_are_those_of_flip_detection(
    explorer: PruningExplorer, epoch: int, k: float
) -> None:
    log_p, flipped = small_run(moments=9)
    left_out = np.exp(log_p[epoch].astype(float)) <= k
    found = flip_detection(-log_p[epoch], flipped, left_out)
    shown = unpacked(explorer, "measures")[round(50 * k), :, epoch]
    np.testing.assert_allclose(
        shown, [found.precision, found.recall, 1 - left_out.mean()], rtol=1e-6
    )


def test_each_moment_has_the_bars_of_the_explorer_of_truncation(explorer: PruningExplorer) -> None:
    log_p, flipped = small_run(moments=9)
    for epoch in (0, 4, 8):
        other = TruncationExplorer(log_p[epoch], flipped)
        np.testing.assert_array_equal(
            unpacked(explorer, "heights")[epoch], unpacked(other, "heights")[0]
        )


def test_it_knows_where_the_run_pruned(explorer: PruningExplorer) -> None:
    log_p, flipped = small_run(moments=9)
    assert explorer.pruned == (3, 5)
    assert explorer._table["pruned"] == [3, 5]
    assert PruningExplorer(log_p, flipped).pruned == ()
    assert PruningExplorer(log_p, flipped, pruned_at()).pruned == ()


def test_the_sentence_tells_the_numbers(explorer: PruningExplorer) -> None:
    log_p, flipped = small_run(moments=9)
    out = log_p[2] <= np.log(0.5)
    found = (out & flipped).sum()
    assert explorer._table["told"][2][25] == (
        f"After epoch 2, k = 0.50 leaves out {out.mean():.0%} of the images: "
        f"{found / out.sum():.0%} of them have a wrong label, and they are "
        f"{found / flipped.sum():.0%} of all that have one"
    )
    assert explorer._table["told"][0][0] == "Before training, k = 0.00 leaves nobody out"
    clean = PruningExplorer(log_p, np.zeros(400, dtype=bool))
    assert clean._table["told"][8][25].endswith("of the images; no label is wrong")


def test_traits_take_the_values_of_their_controls(explorer: PruningExplorer) -> None:
    assert (explorer.epoch, explorer.k) == (0, 0.5)
    explorer.epoch = 8.0
    assert range(9)[explorer.epoch] == 8, "an epoch can index an array"
    lacks(explorer, epoch=9, k=1.1)
    lacks(explorer, epoch=1.5)


def test_a_long_run_of_many_images_stays_below_two_megabytes() -> None:
    log_p, flipped = small_run(moments=101, images=2000)
    assert len(standalone_html(PruningExplorer(log_p, flipped))) < 2e6


def test_arguments_that_disagree_are_named() -> None:
    log_p, flipped = small_run(moments=9)
    with pytest.raises(ValueError, match=r"must be \[moments, images\]"):
        PruningExplorer(log_p[0], flipped)
    with pytest.raises(ValueError, match=r"flipped is bool \(399,\)"):
        PruningExplorer(log_p, flipped[:-1])
    with pytest.raises(ValueError, match=r"kept is bool \(8, 400\); give bool \(9, 400\)"):
        PruningExplorer(log_p, flipped, pruned_at()[:-1])
    with pytest.raises(ValueError, match="kept is int64"):
        PruningExplorer(log_p, flipped, pruned_at().astype(np.int64))
