"""The explorers of the down-weighting and of accuracy over q: tables, traits, figures, numbers."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import traitlets
from explorer_checks import array, refuses, unpacked
from matplotlib.colors import to_hex
from printed_table import rows_of
from synthetic_batch import EPOCHS, IMAGES, small_batch

from rnsl_tutorial import experiments
from rnsl_tutorial.experiments import report
from rnsl_tutorial.tutorial.explorers import (
    DownWeightingExplorer,
    QExplorer,
    down_weighting,
    standalone_html,
)
from rnsl_tutorial.tutorial.explorers.down_weighting import _QS, _TEMPERATURES

ROOT = Path(__file__).parent.parent.parent
BATCH = small_batch()
TABLE = experiments.shipped_over_q()
RIGHT = ~BATCH["flipped"]


@pytest.fixture(scope="module")
def explorer() -> DownWeightingExplorer:
    return DownWeightingExplorer(**BATCH)


def p_by_hand(moment: int, temperature: float) -> torch.Tensor:
    """From the equation, image by image, in float64."""
    values = []
    for x, label in zip(BATCH["embeddings"][moment].double(), BATCH["labels"], strict=True):
        cosines = [x @ w / (x.norm() * w.norm()) for w in BATCH["prototypes"][moment].double()]
        powers = torch.stack(cosines).div(temperature).exp()
        values.append(powers[label] / powers.sum())
    return torch.stack(values)


# ------------------------------------------------------------------ scores


@pytest.mark.parametrize(
    ("m", "t", "q"), [(0, 0, 0), (0, 4, 14), (1, 4, 14), (1, 0, 20), (1, 11, 7)]
)
def test_scores_are_those_of_the_equation(
    explorer: DownWeightingExplorer, m: int, t: int, q: int
) -> None:
    p = p_by_hand(m, _TEMPERATURES[t])
    pull = p ** _QS[q] * (1 - p)
    scores = explorer.scores
    assert scores.wrong[m, t, q] == pytest.approx((pull[~RIGHT].sum() / pull.sum()).item())
    assert scores.right[m, t, q] == pytest.approx((pull[RIGHT].sum() / (1 - p)[RIGHT].sum()).item())
    np.testing.assert_allclose(scores.weights[m, t, q], p ** _QS[q], rtol=1e-5, atol=1e-7)


def test_margins_tell_on_which_side_an_image_lies(explorer: DownWeightingExplorer) -> None:
    cosines = F.normalize(BATCH["embeddings"][1], dim=1) @ BATCH["prototypes"][1].T
    is_nearest = (cosines.argmax(dim=1) == BATCH["labels"]).numpy()
    np.testing.assert_array_equal(explorer.scores.margins[1] > 0, is_nearest)
    assert explorer.scores.margins.min() > -2


def test_the_line_runs_from_another_prototype_to_that_of_the_label(
    explorer: DownWeightingExplorer,
) -> None:
    scores = explorer.scores
    nearness = BATCH["prototypes"][1] @ BATCH["prototypes"][1].T - 2 * torch.eye(5)
    typical = nearness.max(dim=1).values.median().item()
    np.testing.assert_allclose(scores.line_margins[1, [0, -1]], [typical - 1, 1 - typical], 1e-4)
    assert (np.diff(scores.line_margins[1]) > 0).all()
    assert (np.diff(scores.line_weights[1, 4, 14]) > 0).all()


def test_extreme_temperatures_leave_no_nan() -> None:
    batch = BATCH | {"embeddings": BATCH["prototypes"][:, BATCH["labels"]]}
    explorer = DownWeightingExplorer(**batch)
    for scores in explorer.scores:
        assert np.isfinite(scores).all()


# ------------------------------------------------------------------ the table for the page


def test_the_table_holds_the_scores(explorer: DownWeightingExplorer) -> None:
    table, scores = explorer._table, explorer.scores
    surfaces = array(table["surfaces"])[:, :, ::-1] / 255
    np.testing.assert_allclose(surfaces[0], scores.wrong, atol=0.5 / 255)
    np.testing.assert_allclose(surfaces[1], scores.right, atol=0.5 / 255)
    for name in ("weights", "line_weights"):
        found = array(table[name]) / 65535
        np.testing.assert_allclose(found, getattr(scores, name), atol=1e-5)
    np.testing.assert_array_equal(array(table["flipped"]), BATCH["flipped"])


def test_headlines_tell_the_shares(explorer: DownWeightingExplorer) -> None:
    headlines = np.array(explorer._table["headlines"]).reshape(explorer.scores.wrong.shape)
    wrong, right = explorer.scores.wrong[1, 4], explorer.scores.right[1, 4]
    assert headlines[1, 4, 14] == (
        f"q = 0.70, T = 0.07: wrong labels are 25% of the batch and {wrong[14]:.0%} of the pull "
        f"(NSL: {wrong[0]:.0%}); right labels keep {right[14]:.0%} of theirs"
    )


def test_level_lines_run_where_the_surface_has_that_level() -> None:
    surface = np.tile(np.linspace(0, 1, 5), (3, 1))
    line = down_weighting._level_line([0, 0.25, 0.5, 0.75, 1], surface, 0.6)
    np.testing.assert_allclose(line[:, 0], 0.6)
    assert sorted(line[:, 1]) == [0, 1, 2]
    hill = np.array([[0, 1, 0, 1, 0]] * 2)
    pieces = down_weighting._level_line([0, 1, 2, 3, 4], hill, 0.5)
    assert np.isnan(pieces).any(axis=1).sum() == 3  # four lines across the two hills
    assert down_weighting._level_line([0, 1], np.zeros((2, 2)), 0.5).shape == (0, 2)


def test_colors_grow_evenly_lighter(explorer: DownWeightingExplorer) -> None:
    colors = unpacked(explorer, "colors")
    brightness = colors @ [0.2126, 0.7152, 0.0722]
    assert colors.shape == (256, 3)
    assert (np.diff(brightness[::8]) > 0).all()
    stops = explorer._table["color_stops"]
    assert (stops[0], stops[-1]) == (to_hex(colors[0] / 255), to_hex(colors[-1] / 255))


def test_a_full_size_table_stays_below_two_megabytes() -> None:
    repeat = 7
    batch = BATCH | {
        "embeddings": BATCH["embeddings"].repeat(3, repeat, 1)[:, :256],
        "prototypes": BATCH["prototypes"].repeat(3, 1, 1),
        "labels": BATCH["labels"].repeat(repeat)[:256],
        "flipped": BATCH["flipped"].repeat(repeat)[:256],
        "epochs": (1, 2, 5, 10, 20, 40),
    }
    assert len(standalone_html(DownWeightingExplorer(**batch))) < 2e6


# ------------------------------------------------------------------ choosing


def test_it_begins_at_the_paper_q_and_takes_its_own_values(explorer: DownWeightingExplorer) -> None:
    other = DownWeightingExplorer(**BATCH, q=0.15, temperature=0.1, epoch=10, surface="right")
    assert (explorer.q, explorer.temperature, explorer.epoch) == (0.7, 0.07, 1)
    assert (other.q, other.temperature, other.epoch, other.surface) == (0.15, 0.1, 10, "right")
    other.q = 0.1 + 0.2
    assert other.q == 0.3
    with pytest.raises(
        traitlets.TraitError, match=r"temperature is 0\.06; this explorer has 0\.02"
    ):
        other.temperature = 0.06
    assert other.reading.startswith("q = 0.30, T = 0.1:")


test_batches_that_disagree_are_refused = refuses(
    lambda **changes: DownWeightingExplorer(**(BATCH | changes)),
    ({"epochs": (1,)}, "epochs 1; they must be"),
    ({"labels": BATCH["labels"][1:]}, r"labels \[39\]"),
    ({"prototypes": BATCH["prototypes"][:, :, 1:]}, r"prototypes \[2, 5, 7\]"),
    ({"flipped": torch.zeros(IMAGES, dtype=torch.bool)}, "marks 0 of 40 labels"),
)


def test_the_axis_of_margins_widens_where_a_margin_needs_it() -> None:
    assert down_weighting._weight_axes(np.array([-0.9, 0.7]))[0].range == (-1, 1)
    assert down_weighting._weight_axes(np.array([-1.1, 0.7]))[0].range == (-1.5, 1)


# ------------------------------------------------------------------ accuracy over q


def test_the_shipped_table_is_what_was_measured() -> None:
    assert TABLE.noises == ("symmetric", "label_dependent")
    assert TABLE.rates == (0.0, 0.1, 0.3, 0.5, 0.7)
    assert TABLE.qs == (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
    assert TABLE.seeds == 3
    for folder, loss, q in (("aid", "nsl", 0.0), ("aid_q", "rnsl", 0.9)):
        results = experiments.load_results(ROOT / f"data/results/{folder}/results.json").results
        runs = [
            r.metrics
            for r in results
            if (r.config.noise, r.config.rate, r.config.loss) == ("symmetric", 0.5, loss)
            and q in (0.0, r.config.q)
        ]
        place = (0, 3, TABLE.qs.index(q))
        found = [run["knn_clean"] for run in runs]
        assert TABLE.accuracy[place] == pytest.approx(np.mean(found))
        assert TABLE.accuracy_spread[place] == pytest.approx(np.std(found, ddof=1))
        assert TABLE.memorized[place] == pytest.approx(np.mean([r["memorized"] for r in runs]))
    assert np.isnan(TABLE.memorized[:, 0]).all()


def test_a_missing_run_is_named() -> None:
    results = experiments.load_results(ROOT / "data/results/aid_q/results.json").results
    kept = [
        r for r in results if (r.config.noise, r.config.rate, r.config.q) != ("symmetric", 0.3, 0.9)
    ]
    with pytest.raises(
        ValueError, match=r"no run of NSL or RNSL for \[\('symmetric', 0.3, 0.9\)\]"
    ):
        experiments.over_q(kept)
    with pytest.raises(ValueError, match="no run of NSL or RNSL for anything"):
        experiments.over_q([replace(r, config=replace(r.config, loss="trnsl")) for r in results])


def test_headlines_name_the_best_q() -> None:
    explorer = QExplorer(**TABLE._asdict())
    headlines = np.array(explorer._table["headlines"]).reshape(TABLE.accuracy.shape)
    best, other = TABLE.accuracy[0, 3, [4, 5]]
    told = "of test images find their class"
    assert headlines[0, 3, 4] == (
        f"q = 0.7 with 50% wrong labels, {TABLE.memorized[0, 3, 4]:.0%} of them memorized: "
        f"{best:.1%} {told} (the best here)"
    )
    assert headlines[0, 3, 5].endswith(f"{other:.1%} {told} (best: {best:.1%} at q = 0.7)")
    assert headlines[1, 0, 0] == (
        f"NSL (q → 0) with 0% wrong labels: {TABLE.accuracy[1, 0, 0]:.1%} {told} (the best here)"
    )


def test_the_table_of_q_is_in_percent_and_free_of_nan_where_json() -> None:
    table = QExplorer(**TABLE._asdict())._table
    np.testing.assert_allclose(array(table["accuracy"]), 100 * TABLE.accuracy, rtol=1e-6)
    np.testing.assert_allclose(array(table["memorized"]), 100 * TABLE.memorized, rtol=1e-6)
    assert table["best"] == TABLE.accuracy.argmax(axis=2).tolist()
    for k, axis in enumerate(table["accuracy_axes"]):
        low, high = axis["range"]
        assert low <= 100 * TABLE.accuracy[k].min()
        assert high >= 100 * TABLE.accuracy[k].max()


def test_tables_over_q_that_disagree_are_refused() -> None:
    tables = TABLE._asdict()
    with pytest.raises(ValueError, match=r"7 values of q need \(2, 5, 7\)"):
        QExplorer(**(tables | {"memorized": TABLE.memorized[:, 1:]}))
    with pytest.raises(traitlets.TraitError, match=r"q is 0\.6; this explorer has 0\.0, 0\.1"):
        QExplorer(**tables, q=0.6)


# ------------------------------------------------------------------ what is written about them


def test_the_section_on_q_says_what_was_measured() -> None:
    text = (ROOT / "data/results/README.md").read_text(encoding="utf-8")
    record = experiments.load_results(ROOT / "data/results/aid_q/results.json")
    for row in rows_of(report.table_over_rates(record.results, "knn_clean")):
        assert row in text
    assert report.caption(record.results, record.provenance) in text
    said = " ".join(text.split())
    for sentence in (
        f"(q = 0.1 at 50% symmetric noise: {TABLE.memorized[0, 3, 1]:.0%} of the wrong labels)",
        f"q = 1 underfits ({TABLE.accuracy[0, 0, -1]:.1%} without any wrong label, where NSL "
        f"reaches {TABLE.accuracy[0, 0, 0]:.1%})",
    ):
        assert sentence in said
    best = np.array(TABLE.qs)[TABLE.accuracy.argmax(axis=2)]
    assert set(best[:, 1:].ravel()) == {0.5, 0.7}, "The top lies at q = 0.5 or 0.7"


def test_the_numbers_of_the_notebook() -> None:
    source = ROOT / "notebooks/source/04_box_cox_down_weighting.py"
    text = re.sub(r"\s+#? ?", " ", source.read_text(encoding="utf-8"))
    clean, half, most = TABLE.accuracy[0, 0], TABLE.accuracy[0, 3], TABLE.accuracy[:, 4]
    for said in (
        f"NSL has learned {TABLE.memorized[0, 3, 0]:.0%} of the wrong labels by heart",
        f"{half[0]:.0%} of the test images find their class",
        f"only {TABLE.memorized[0, 3, -1]:.0%} of the wrong labels are memorized",
        f"from {half[4]:.0%} at $q = 0.7$ to {half[-1]:.0%}",
        f"$q = 0$: {clean[0]:.1%}, and {clean[-1]:.1%} at $q = 1$",
    ):
        assert said in text
    lost = 100 * (TABLE.accuracy.max(axis=2, keepdims=True) - TABLE.accuracy)
    assert 0.3 < lost[0, 0, 4] < 0.8, "about half a point on a clean archive"
    assert most[0].argmax() == 4, "still the best for symmetric noise"
    assert 0.6 < lost[1, 4, 4] < 1.4, "about one point at 70% label-dependent noise"
    assert 4.5 < lost[0, 3, 2] < 5.5, "q = 0.3 loses about five points"
    assert 2.8 < lost[0, 3, -1] < 3.7, "q = 1 loses about three"


def test_the_explorers_are_small_and_know_their_moments(explorer: DownWeightingExplorer) -> None:
    assert explorer.controls["epoch"].values == EPOCHS
    assert len(standalone_html(QExplorer(**TABLE._asdict()))) < 2e5
