"""The explorer of class margins holds the margins of the library, and what was measured."""

import numpy as np
import pytest
from explorer_checks import lacks, refuses, unpacked
from scipy.stats import spearmanr
from synthetic_class_margins import NAMES, PREDICTIONS, RATES, T, small_drops, small_explorer

from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.tutorial.explorers import ClassMarginsExplorer, standalone_html
from rnsl_tutorial.tutorial.explorers.class_margins import _LABELS_SHOWN


def test_margins_and_drops_are_those_of_the_library() -> None:
    explorer, drops = small_explorer(), small_drops()
    for p, shares in enumerate(PREDICTIONS.values()):
        np.testing.assert_allclose(
            unpacked(explorer, "margins")[p], class_margins.margins(shares), rtol=1e-6
        )
    for place, (loss, judge) in enumerate((a, b) for a in drops for b in drops[a]):
        shown = unpacked(explorer, "drops").reshape(-1, 3, 45)[place]
        np.testing.assert_allclose(shown, 100 * drops[loss][judge], rtol=1e-5)


def test_agreement_is_the_rank_correlation_of_what_is_shown() -> None:
    explorer = small_explorer(rate=0.5, loss="rnsl", judge="knn_noisy")
    for prediction, shares in PREDICTIONS.items():
        explorer.prediction = prediction
        wanted = spearmanr(
            -class_margins.margins(shares[1]), small_drops()["rnsl"]["knn_noisy"][1]
        ).statistic
        assert explorer.agreement == pytest.approx(wanted)
        told = explorer._table["told"][explorer.place("prediction")][1][1][1]
        assert f"correlation {wanted:+.2f}" in told
        assert "RNSL, 50% wrong labels, judged by neighbors, given labels" in told
        assert f"from {prediction} agrees" in told


def test_the_labels_around_a_class_begin_with_its_own_and_fall() -> None:
    explorer = small_explorer()
    order, shares = unpacked(explorer, "order"), unpacked(explorer, "shares")
    assert order.shape == (2, 3, 45, _LABELS_SHOWN)
    np.testing.assert_array_equal(order[..., 0], np.broadcast_to(np.arange(45), (2, 3, 45)))
    assert (np.diff(shares[..., 1:]) <= 1e-7).all()
    for p, predicted in enumerate(PREDICTIONS.values()):
        expected = np.take_along_axis(predicted, order[p].astype(int), axis=-1)
        np.testing.assert_allclose(shares[p], expected, atol=1e-6)
    desert = NAMES.index("desert")
    assert [NAMES[i] for i in order[0, 0, desert, :3]] == ["desert", "chaparral", "terrace"]


def test_ranks_count_from_1_and_equal_classes_share_the_best() -> None:
    drops = {"rnsl": {"prototype": np.tile([0.3, 0.1, 0.3, 0.2], (1, 1))}}
    shares = np.full((1, 4, 4), 0.1) + 0.6 * np.eye(4)
    explorer = ClassMarginsExplorer("abcd", (0.4,), {"even": shares}, drops, about="made up")
    assert unpacked(explorer, "drop_ranks").ravel().tolist() == [1, 4, 1, 3]
    assert unpacked(explorer, "margin_ranks").ravel().tolist() == [1, 1, 1, 1]
    assert np.isnan(explorer.agreement)
    assert "all are equal" in explorer._table["told"][0][0][0][0]


def test_traits_take_the_values_of_their_controls() -> None:
    explorer = small_explorer(rate=0.7, row="desert")
    assert (explorer.rate, explorer.loss, explorer.row) == (0.7, "nsl", "desert")
    lacks(explorer, rate=0.4, loss="trnsl", judge="knn_clean", row="x")


def test_what_the_data_are_stands_in_the_picture_and_the_table_is_small() -> None:
    explorer = small_explorer(rate=0.7, row="stadium")
    assert explorer._table["axes"]["drop"]["label"] == "points lost (made up)"
    assert len(standalone_html(explorer)) < 4e5


ARGUMENTS = {"predictions": PREDICTIONS, "drops": small_drops(), "about": "made up"}
test_arguments_that_disagree_are_named = refuses(
    lambda **changes: ClassMarginsExplorer(NAMES, RATES, **(ARGUMENTS | changes)),
    ({"predictions": {"x": T[:2]}}, r"prediction 'x' has shape \(2, 45, 45\); 3 rates and 45"),
    ({"predictions": {"x": 2 * T}}, "sums to 2; the shares"),
    ({"drops": {"rnsl": {"prototype": np.zeros((3, 44))}}}, r"'rnsl' judged by 'prototype'"),
    (
        {"drops": {"rnsl": {"a": np.zeros((3, 45))}, "nsl": {"b": np.zeros((3, 45))}}},
        "not the same judges",
    ),
)
