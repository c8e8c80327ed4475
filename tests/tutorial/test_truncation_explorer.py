"""The explorer of truncation holds what the library computes, for each k and q."""

from pathlib import Path

import numpy as np
import pytest
import torch
from explorer_checks import lacks, refuses, unpacked
from printed_table import rows_of
from synthetic_log_p import small_run

from rnsl_tutorial import experiments, losses
from rnsl_tutorial.evaluation.embedding import flip_detection
from rnsl_tutorial.experiments import report
from rnsl_tutorial.tutorial import curves, plots
from rnsl_tutorial.tutorial.explorers import TruncationExplorer, standalone_html

ROOT = Path(__file__).parent.parent.parent
NO_FLIPS = np.zeros(3, dtype=bool)


@pytest.fixture
def explorer() -> TruncationExplorer:
    [log_p], flipped = small_run()
    return TruncationExplorer(log_p, flipped)


@pytest.mark.parametrize("k", [0.02, 0.1, 0.5, 0.98])
def test_the_measures_are_those_of_flip_detection(explorer: TruncationExplorer, k: float) -> None:
    [log_p], flipped = small_run()
    left_out = np.exp(log_p.astype(float)) <= k
    found = flip_detection(-log_p, flipped, left_out)
    shown = unpacked(explorer, "measures")[0, :, round(50 * k)]
    np.testing.assert_allclose(
        shown, [found.precision, found.recall, 1 - left_out.mean()], rtol=1e-6
    )


def test_k_0_leaves_nobody_out_and_has_no_precision(explorer: TruncationExplorer) -> None:
    precision, recall, kept = unpacked(explorer, "measures")[0, :, 0]
    assert np.isnan(precision)
    assert (recall, kept) == (0, 1)
    assert "leaves nobody out" in explorer._table["told"][0]


def test_who_is_left_out_is_who_t_rnsl_leaves_out() -> None:
    embeddings = torch.nn.functional.normalize(
        torch.randn(200, 8, generator=torch.Generator().manual_seed(0)), dim=1
    )
    prototypes, labels = torch.eye(5, 8), torch.arange(200) % 5
    log_p = losses.label_log_probability(embeddings, prototypes, labels, 0.3)
    explorer = TruncationExplorer(log_p, np.zeros(200, dtype=bool))
    for q, k in ((0.5, 0.2), (1.0, 0.6)):
        cut = losses.truncated_rnsl(embeddings, prototypes, labels, q=q, k=k, temperature=0.3)
        kept = unpacked(explorer, "measures")[0, 2, round(50 * k)]
        assert kept == pytest.approx((cut != 0).float().mean().item())


def test_the_curves_are_those_of_the_losses(explorer: TruncationExplorer) -> None:
    p = unpacked(explorer, "p")
    for i, q in enumerate(explorer.controls["q"].values):
        uncut = curves.loss_of_p(torch.from_numpy(p.copy()), float(q))
        np.testing.assert_allclose(unpacked(explorer, "uncut")[i], uncut, atol=1e-6)
        for j in (0, 7, 25, 49):
            k = float(explorer.controls["k"].values[j])
            cut = unpacked(explorer, "cut")[i, j]
            expected = curves.loss_of_p(torch.from_numpy(p.copy()), float(q), k)
            np.testing.assert_allclose(cut, expected, atol=1e-6)
            level = unpacked(explorer, "levels")[i, j]
            assert level == pytest.approx((1 - k**q) / q, abs=1e-6)
            assert (cut[p <= k] == cut[0]).all()


def test_bars_are_roots_of_counts_up_for_right_and_down_for_wrong(
    explorer: TruncationExplorer,
) -> None:
    [log_p], flipped = small_run()
    right, wrong = unpacked(explorer, "heights")[0]
    bins = np.ceil(50 * np.exp(log_p.astype(float))).clip(1, 50).astype(int) - 1
    np.testing.assert_allclose(right**2, np.bincount(bins[~flipped], minlength=50), atol=1e-3)
    np.testing.assert_allclose(wrong**2, np.bincount(bins[flipped], minlength=50), atol=1e-3)
    assert (right >= 0).all()
    assert (wrong <= 0).all()


def test_an_image_at_the_threshold_is_left_out_and_p_0_is_counted() -> None:
    log_p = np.array([np.log(0.5), -np.inf, 0.0], dtype=np.float32)
    explorer = TruncationExplorer(log_p, np.array([True, True, False]))
    assert unpacked(explorer, "measures")[0, :, 25].tolist() == pytest.approx([1, 1, 1 / 3])
    right, wrong = unpacked(explorer, "heights")[0]
    assert (right[49], wrong[24], wrong[0]) == (1, -1, -1)


def test_the_sentence_tells_the_numbers(explorer: TruncationExplorer) -> None:
    [log_p], flipped = small_run()
    out = log_p <= np.log(0.5)
    told = explorer._table["told"][25]
    assert told == (
        f"k = 0.50 leaves out {out.sum()} of 400 images: {(out & flipped).sum() / out.sum():.0%} "
        f"of them have a wrong label, and they are {(out & flipped).sum() / flipped.sum():.0%} of "
        "all that have one"
    )
    clean = TruncationExplorer(log_p, np.zeros(400, dtype=bool))
    assert "no label is wrong" in clean._table["told"][25]
    assert np.isnan(unpacked(clean, "measures")[0, 1]).all()


def test_traits_take_the_values_of_their_controls(explorer: TruncationExplorer) -> None:
    assert (explorer.q, explorer.k) == (0.7, 0.5)
    explorer.k, explorer.q = 0.1 + 0.2, 1
    assert (explorer.k, explorer.q) == (0.3, 1.0)
    lacks(explorer, k=-0.1, q=0.0)
    lacks(explorer, k=1.0)


def test_the_table_is_small_for_any_number_of_images() -> None:
    [log_p], flipped = small_run(images=20_000)
    assert len(standalone_html(TruncationExplorer(log_p, flipped))) < 4e5


test_arguments_that_disagree_are_named = refuses(
    lambda log_p, flipped=NO_FLIPS: TruncationExplorer(log_p, flipped),
    ({"log_p": np.zeros(4)}, r"log_p has shape \(4,\), flipped is bool \(3,\)"),
    ({"log_p": np.zeros((2, 3))}, r"must be \[images\]"),
    (
        {"log_p": np.zeros(3), "flipped": np.zeros(3)},
        r"flipped is float64 \(3,\); .* flipped bool",
    ),
    ({"log_p": np.array([0.3, 0.4, 0.5])}, "runs from 0.3 to 0.5; .* at most 0"),
    ({"log_p": np.array([np.nan, -1, 0])}, "at most 0"),
)


@pytest.mark.parametrize("largest", [0, 1, 7, 60, 3160])
def test_the_axis_of_counts_holds_them_and_names_counts(largest: float) -> None:
    axis = plots.mirrored_axis(largest)
    assert -axis.range[0] == axis.range[1] >= np.sqrt(largest)
    assert max(axis.ticks) <= axis.range[1]
    np.testing.assert_allclose(np.square(axis.ticks), [float(text) for text in axis.texts])


# ------------------------------------------------------------------ what is written about k


def test_the_section_on_k_says_what_was_measured() -> None:
    text = (ROOT / "data/results/README.md").read_text(encoding="utf-8")
    record = experiments.load_results(ROOT / "data/results/aid_k/results.json")
    for metric in ("knn_clean", "precision", "recall"):
        for row in rows_of(report.table_over_rates(record.results, metric)):
            assert row in text
    assert report.caption(record.results, record.provenance) in text
    cells = {(s.noise, s.rate, s.k): s.mean for s in experiments.summarize(record.results)}
    half = [cells["symmetric", 0.5, k] for k in (0.1, 0.9)]
    clean = [1 - cells["symmetric", 0.0, k]["kept"] for k in (0.1, 0.9)]
    alike = [cells["label_dependent", 0.5, k]["recall"] for k in (0.1, 0.5, 0.9)]
    prototype = [cells["label_dependent", 0.5, k]["prototype"] for k in (0.1, 0.9)]
    said = " ".join(text.split())
    for sentence in (
        f"from k = 0.1 to 0.9 precision falls from {half[0]['precision']:.1%} to "
        f"{half[1]['precision']:.1%}, and recall rises from {half[0]['recall']:.1%} to "
        f"{half[1]['recall']:.1%}",
        f"leaves out {clean[0]:.1%} (k = 0.1) to {clean[1]:.1%} (k = 0.9) of the images",
        f"recall is {alike[0]:.1%}, {alike[1]:.1%} and {alike[2]:.1%} at k = 0.1, 0.5 and 0.9",
        f"gains from a large k there: {prototype[0]:.1%} at k = 0.1, {prototype[1]:.1%} at k = 0.9",
    ):
        assert sentence in said
    for kind in ("symmetric", "label_dependent"):
        for rate in (0.0, 0.1, 0.3, 0.5, 0.7):
            reached = [cells[kind, rate, k]["knn_clean"] for k in (0.1, 0.3, 0.5, 0.7, 0.9)]
            assert max(reached) - min(reached) < 0.01, "accuracy moves by less than one point"
