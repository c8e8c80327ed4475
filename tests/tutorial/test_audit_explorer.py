"""The explorer of an audit holds what was counted and estimated, for each threshold."""

from typing import Any

import numpy as np
import pytest
from explorer_checks import lacks, refuses, unpacked
from synthetic_doubts import CLASSES, small_audit, small_doubts, small_estimate

from rnsl_tutorial.evaluation.embedding import flip_detection
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers import AuditExplorer, standalone_html

DOUBT, LABELS, WRONG = small_doubts()
ROWS = ("precision", "recall", "low", "high", "true precision", "true recall", "share flagged")


@pytest.fixture
def explorer() -> AuditExplorer:
    return AuditExplorer(**small_audit())


def row(explorer: AuditExplorer, name: str) -> Any:
    return unpacked(explorer, "curves")[ROWS.index(name)]


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 0.99, 0.999])
def test_the_true_curves_are_those_of_flip_detection(
    explorer: AuditExplorer, threshold: float
) -> None:
    k = explorer.controls["threshold"].values.index(threshold)
    flagged = DOUBT.astype(float) >= threshold
    found = flip_detection(DOUBT, WRONG, flagged)
    for name, expected in (
        ("true precision", found.precision),
        ("true recall", found.recall),
        ("share flagged", flagged.mean()),
    ):
        assert row(explorer, name)[k] == pytest.approx(expected, rel=1e-6)


def test_the_estimates_are_those_that_were_given_and_end_where_they_end(
    explorer: AuditExplorer,
) -> None:
    estimate = small_estimate()
    for name in ("precision", "recall", "low", "high"):
        np.testing.assert_allclose(row(explorer, name)[:91], getattr(estimate, name), rtol=1e-6)
        assert np.isnan(row(explorer, name)[91:]).all()


def test_bars_are_roots_of_counts_up_for_right_and_down_for_wrong(explorer: AuditExplorer) -> None:
    right, wrong = unpacked(explorer, "heights")
    bins = np.minimum(np.floor(50 * DOUBT.astype(float)), 49).astype(int)
    np.testing.assert_allclose(right**2, np.bincount(bins[~WRONG], minlength=50), atol=1e-3)
    np.testing.assert_allclose(wrong**2, np.bincount(bins[WRONG], minlength=50), atol=1e-3)
    assert (wrong <= 0).all()


def test_classes_come_by_their_estimated_noise_with_shares_of_their_images(
    explorer: AuditExplorer,
) -> None:
    assert explorer._table["names"] == ["Forest", "River", "Pond", "Beach"]
    np.testing.assert_allclose(unpacked(explorer, "class_estimated"), [0.4, 0.3, 0.2, 0.1])
    for place, label in enumerate((1, 3, 2, 0)):
        of_class = label == LABELS
        assert unpacked(explorer, "class_true")[place] == pytest.approx(WRONG[of_class].mean())
        for k in (10, 50, 90):
            flagged = DOUBT[of_class].astype(float) >= k / 100
            shown = unpacked(explorer, "class_flagged")[k, place]
            assert shown == pytest.approx(flagged.mean(), rel=1e-6)


def test_no_more_classes_are_shown_than_fit_and_an_empty_class_has_no_share() -> None:
    labels = np.arange(400) % 29
    shown = AuditExplorer(DOUBT, labels, [f"class {i}" for i in range(30)])
    assert len(shown._table["names"]) == 16
    two = AuditExplorer(DOUBT, np.zeros(400, dtype=int), ["full", "empty"])
    flagged = unpacked(two, "class_flagged")[50]
    place = two._table["names"].index("empty")
    assert np.isnan(flagged[place])
    assert flagged[1 - place] == pytest.approx((DOUBT >= 0.5).mean())


def test_the_sentence_tells_what_is_estimated_and_what_is_true(explorer: AuditExplorer) -> None:
    flagged = DOUBT >= 0.5
    start = f"Threshold 0.5: {flagged.sum()} of 400 images are flagged."
    truth = f"In truth: {WRONG[flagged].mean():.0%} and {flagged[WRONG].mean():.0%}."
    guess = "Estimated: 60% of them are wrong (50% to 70%), and they are 80% of all wrong labels."
    assert explorer._table["told"][50] == f"{start} {guess} {truth}"
    assert AuditExplorer(**small_audit(estimate=None))._table["told"][50] == f"{start} {truth}"
    unknown = AuditExplorer(**small_audit(wrong=None))
    assert unknown._table["told"][50] == f"{start} {guess}"
    clean = AuditExplorer(**small_audit(estimate=None, wrong=np.zeros(400, dtype=bool)))
    assert clean._table["told"][50] == f"{start} In truth: 0%, no label is wrong."


def test_where_nobody_is_flagged_nothing_is_claimed() -> None:
    explorer = AuditExplorer([0.1, 0.2], [0, 1], ["a", "b"], wrong=[True, False])
    assert explorer._table["told"][30] == "Threshold 0.3: 0 of 2 images are flagged."
    assert np.isnan(row(explorer, "true precision")[30])


def test_without_truth_all_images_are_alike() -> None:
    explorer = AuditExplorer(**small_audit(wrong=None))
    right, wrong = unpacked(explorer, "heights")
    assert right.astype(float) @ right == pytest.approx(400, rel=1e-6)
    assert not wrong.any()
    assert explorer._table["axes"]["counts"]["range"][0] == 0
    assert not explorer._table["known"]
    assert np.isnan(unpacked(explorer, "class_true")).all()


def test_the_threshold_takes_the_values_of_its_control(explorer: AuditExplorer) -> None:
    explorer.threshold = 0.1 + 0.2
    assert explorer.threshold == pytest.approx(0.3)
    lacks(explorer, threshold=1.5)


def test_the_table_is_small_for_any_number_of_images() -> None:
    doubts = small_doubts(20_000)
    explorer = AuditExplorer(doubts.doubt, doubts.labels, CLASSES, wrong=doubts.wrong)
    assert len(standalone_html(explorer)) < 4e5


test_arguments_that_disagree_are_named = refuses(
    lambda **changes: AuditExplorer(**small_audit(**changes)),
    ({"labels": LABELS[:3]}, r"doubt has shape \(400,\) and labels \(3,\)"),
    ({"doubt": np.array([]), "labels": np.array([], int)}, r"both must be \[images\]"),
    ({"doubt": DOUBT + 1}, r"doubt runs from 1.* must lie in \[0, 1\]"),
    ({"doubt": np.full(400, np.nan)}, "doubt runs from nan"),
    ({"labels": LABELS + 1}, r"from 1 to 4; with 4 class names"),
    ({"labels": LABELS.astype(float)}, "labels are float64"),
    ({"wrong": WRONG.astype(int)}, r"wrong is int64 \(400,\); give bool \(400,\)"),
    ({"wrong": WRONG[:5]}, r"wrong is bool \(5,\)"),
    ({"class_noise": np.zeros(3)}, r"class_noise has shape \(3,\); 4 class names"),
)


# ------------------------------------------------------------------ figures


def test_thumbnails_are_captioned_and_marked() -> None:
    images = np.zeros((5, 3, 8, 8), dtype=np.uint8)
    captions = [f"caption {i}" for i in range(5)]
    figure = plots.doubtful_images(images, captions, columns=3, title="Five")
    assert [cell.get_title() for cell in figure.axes] == [*captions, ""]
    assert [len(cell.images) for cell in figure.axes] == [1, 1, 1, 1, 1, 0]
    wrong = [True, False, True, False, False]
    marked = plots.doubtful_images(images, captions, wrong=wrong)
    assert [cell.texts[0].get_text() for cell in marked.axes[:5]] == [
        "wrong" if is_wrong else "right" for is_wrong in wrong
    ]


@pytest.mark.parametrize(
    ("images", "captions", "wrong", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), ["a", "b"], None, r"must be \[K, 3, S, S\]"),
        (np.zeros((0, 3, 8, 8), np.uint8), [], None, "K >= 1"),
        (np.zeros((2, 3, 8, 8), np.uint8), ["a"], None, "1 captions for 2 images"),
        (np.zeros((2, 3, 8, 8), np.uint8), ["a", "b"], [True], "1 wrong for 2 images"),
    ],
)
def test_thumbnails_refuse_what_does_not_fit(
    images: Any, captions: list[str], wrong: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plots.doubtful_images(images, captions, wrong=wrong)


def test_transition_matrices_stand_side_by_side() -> None:
    matrices = {"true": np.eye(4), "estimated": np.full((4, 4), 0.25)}
    figure = plots.transitions_side_by_side(matrices, CLASSES)
    left, right, _ = figure.axes
    assert [axes.get_title(loc="left") for axes in (left, right)] == ["true", "estimated"]
    np.testing.assert_array_equal(left.images[0].get_array(), np.eye(4))
    assert [text.get_text() for text in left.get_yticklabels()] == list(CLASSES)
    with pytest.raises(ValueError, match=r"'true' has shape \(4, 4\); 3 class names"):
        plots.transitions_side_by_side(matrices, CLASSES[:3])
