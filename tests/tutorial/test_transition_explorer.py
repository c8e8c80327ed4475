"""The explorer of transition matrices: its table, its traits, its figure."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import traitlets
from explorer_checks import array
from numpy.typing import NDArray

from rnsl_tutorial import noise
from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers import TransitionExplorer, transition

Floats = NDArray[np.float64]

AID = noise.label_dependent_classes("aid")
COUNTS = np.arange(150, 150 + 30 * 5, 5)  # images of each class, all different
LABELS = np.repeat(np.arange(30), COUNTS)
CLASSES = {"aid": 30, "nwpu45": 45}


@pytest.fixture(scope="module")
def shared() -> TransitionExplorer:
    return TransitionExplorer(LABELS)


@pytest.fixture
def explorer(shared: TransitionExplorer) -> TransitionExplorer:
    start = {"dataset": "aid", "noise": "label_dependent", "rate": 0.7, "aid_row": "Airport"}
    for name, value in (start | {"view": "nominal", "concentration": 0.0}).items():
        setattr(shared, name, value)
    shared.nwpu45_row = "airplane"
    return shared


def matrix(dataset: str, kind: str, rate: float) -> Floats:
    makers = {
        "label_dependent": lambda: noise.label_dependent_transition(dataset, rate),
        "symmetric": lambda: noise.symmetric_transition(CLASSES[dataset], rate),
        "pair_flip": lambda: noise.pair_flip_transition(CLASSES[dataset], rate),
    }
    return makers[kind]()


SPOTS = [
    ("aid", 0.7, 0.0, 1),
    ("aid", 0.3, -0.4, 4),
    ("nwpu45", 0.65, 0.3, 44),
    ("aid", 0.5, 1.0, 0),
]


def spots(explorer: TransitionExplorer) -> Iterator[tuple[Any, ...]]:
    """Some places of the table: view, position there, edited matrix, row."""
    for dataset, rate, amount, row in SPOTS:
        for k, kind in enumerate(transition._NOISES):
            r, a = transition._RATES.index(rate), transition._AMOUNTS.index(amount)
            published = matrix(dataset, kind, rate)
            edited = class_margins.concentrate(published, row, amount)
            view = explorer._table["datasets"][dataset]["nominal"]
            yield view, (k, r, a, row), published, edited


# ------------------------------------------------------------------ the table


def test_the_bars_of_the_table_are_the_largest_shares_of_the_edited_row(
    explorer: TransitionExplorer,
) -> None:
    for view, (k, _, a, row), published, edited in spots(explorer):
        order = array(view["order"])[k, row].astype(int)
        shares = array(view["shares"])[k, a, row]
        wrong = np.delete(edited[row], row) / np.delete(edited[row], row).sum()
        largest = np.sort(wrong)[::-1][: transition._BARS]
        np.testing.assert_allclose(shares[:-1], largest, atol=1e-6)
        np.testing.assert_allclose(shares.sum(), 1, atol=1e-5)
        assert row not in order
        assert len(set(order)) == transition._BARS
        assert (np.diff(published[row, order]) <= 0).all()


def test_the_table_says_which_classes_are_lost_as_the_library_does(
    explorer: TransitionExplorer,
) -> None:
    for view, (k, r, a, row), published, edited in spots(explorer):
        lost = class_margins.dominated_classes(edited)
        over = array(view["over"])[k, r]
        assert (over[a, row] > 0) == (row in lost)
        published_lost = np.flatnonzero(over[transition._AMOUNTS.index(0.0)])
        assert published_lost.tolist() == class_margins.dominated_classes(published).tolist()
        assert array(view["lost"])[k, r, a, row] == len(lost)
        most = np.delete(edited[row], row).max()
        assert array(view["most"])[k, r, a, row] == pytest.approx(most, abs=1e-6)


def test_the_colours_of_the_table_are_those_of_the_matrix(explorer: TransitionExplorer) -> None:
    table = explorer._table
    for view, (k, r, a, row), _, edited in spots(explorer):
        shares = array(view["codes"])[k, a, row].astype(int)
        codes = array(table["codes_at_rate"])[r, shares]
        expected = 255 * np.sqrt(edited[row])
        wrong = np.arange(len(codes)) != row
        np.testing.assert_allclose(codes[wrong], expected[wrong], atol=1.01)  # rounded twice
        assert table["right_codes"][r] == round(expected[row])
    assert table["colors"]["shape"] == [256, 3]


def test_a_draw_is_that_of_corrupt_labels(explorer: TransitionExplorer) -> None:
    labels = {"aid": LABELS, "nwpu45": np.repeat(np.arange(45), int(0.7 * 700))}
    for dataset, rate, _, row in SPOTS:
        for k, kind in enumerate(transition._NOISES):
            r = transition._RATES.index(rate)
            true, classes = labels[dataset], CLASSES[dataset]
            given = noise.corrupt_labels(true, matrix(dataset, kind, rate), 42, method="vectorized")
            counts = np.bincount(given.labels[true == row], minlength=classes)
            right, wrong = counts[row], np.delete(counts, row)
            view = explorer._table["datasets"][dataset]["drawn"]
            place = (k, r, row)
            shares = array(view["shares"])[place]
            largest = np.sort(wrong)[::-1][: transition._BARS] / wrong.sum()
            np.testing.assert_allclose(shares[:-1], largest, atol=1e-6)
            assert array(view["rules"])[place] == pytest.approx(right / wrong.sum(), rel=1e-6)
            assert array(view["over"])[place] == (wrong > right).sum()
            expected = np.rint(255 * np.sqrt(counts / counts.sum()))
            np.testing.assert_array_equal(array(view["codes"])[place], expected)
            note = explorer._table["notes"][dataset][k][r]
            assert f"Nominal rate {rate:.0%}." in note
            assert f"{len(true):,} images: {given.flipped.mean():.1%} wrong; 10 draws" in note


def test_the_line_lies_at_the_right_labels_per_wrong_one(explorer: TransitionExplorer) -> None:
    rules = array(explorer._table["rules"])
    assert rules[0] == np.inf
    for rate, rule in zip(transition._RATES[1:], rules[1:], strict=True):
        assert rule == pytest.approx((1 - rate) / rate, rel=1e-6)


def size(part: Any) -> int:
    if isinstance(part, dict):
        return sum(map(size, part.values()))
    return len(part) if isinstance(part, bytes) else 0


def test_the_table_is_small(explorer: TransitionExplorer) -> None:
    assert 0 < size(explorer._table) < 2_000_000


# ------------------------------------------------------------------ choosing


def test_it_begins_where_it_is_told_to() -> None:
    other = TransitionExplorer(
        LABELS, dataset="nwpu45", noise="pair_flip", rate=0.55, row="harbor", view="drawn"
    )
    assert (other.dataset, other.noise, other.rate) == ("nwpu45", "pair_flip", 0.55)
    assert (other.row, other.nwpu45_row, other.aid_row) == ("harbor", "harbor", "Airport")
    assert other.view == "drawn"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("dataset", "AID", "'aid', 'nwpu45'"),
        ("noise", "instance_dependent", "'label_dependent', 'symmetric', 'pair_flip'"),
        ("rate", 0.93, "0.0, 0.05, 0.1, ... to 0.9"),
        ("view", "exact", "'nominal', 'drawn'"),
        ("concentration", 1.1, "-1.0, -0.9, -0.8, ... to 1.0"),
        ("row", "harbor", "'Airport', 'BareLand', 'BaseballField', ... to 'Viaduct'"),
    ],
)
def test_what_cannot_be_shown_is_refused_and_the_choices_are_named(
    explorer: TransitionExplorer, name: str, value: Any, allowed: str
) -> None:
    with pytest.raises(traitlets.TraitError, match=allowed):
        setattr(explorer, name, value)


def test_each_data_set_keeps_its_row(explorer: TransitionExplorer) -> None:
    explorer.row = "Bridge"
    explorer.dataset = "nwpu45"
    assert explorer.row == "airplane"
    explorer.row = "palace"
    explorer.dataset = "aid"
    assert (explorer.row, explorer.aid_row, explorer.nwpu45_row) == ("Bridge", "Bridge", "palace")


@pytest.mark.parametrize("labels", [LABELS[: -COUNTS[-1]], np.arange(31), LABELS.reshape(1, -1)])
def test_labels_that_are_not_aids_are_refused(labels: Any) -> None:
    with pytest.raises(ValueError, match=r"shape \(.*training labels of AID.* from 0 to 29"):
        TransitionExplorer(labels)


# ------------------------------------------------------------------ what is shown


def test_a_matrix_stands_beside_the_wrong_labels_of_a_row() -> None:
    matrix, i = noise.label_dependent_transition("aid", 0.7), AID.index("Playground")
    wrong = np.where(np.arange(30) == i, 0, matrix[i])
    lost = class_margins.dominated_classes(matrix)
    heat, bars, _ = plots.transition_beside_row(matrix, wrong / wrong.sum(), AID, i, lost).axes
    np.testing.assert_array_equal(heat.images[0].get_array(), matrix)
    np.testing.assert_allclose(heat.lines[0].get_ydata(), lost + 0.5)
    heights = sorted((patch.get_height() for patch in bars.patches), reverse=True)
    np.testing.assert_allclose(
        heights, np.sort(wrong / wrong.sum())[::-1][: transition._BARS], atol=1e-9
    )
    assert bars.lines[0].get_ydata()[0] == pytest.approx(matrix[i, i] / wrong.sum())


def test_where_no_label_is_wrong_there_is_no_line() -> None:
    shares = np.where(np.arange(30) == 3, 0.8, 0.2 / 29)
    bars = plots.transition_beside_row(np.eye(30), shares, AID, 0).axes[1]
    assert max(patch.get_height() for patch in bars.patches) == pytest.approx(0.8)
    assert bars.lines[0].get_ydata()[0] > bars.get_ylim()[1]
    assert bars.get_legend().get_texts()[0].get_text() == "no label is wrong"


@pytest.mark.parametrize(
    ("shares", "row", "message"),
    [(np.zeros(3), 0, r"shares \(3,\); 2 class names"), (np.zeros(2), 2, "row is 2; 2 classes")],
)
def test_a_figure_of_what_disagrees_is_refused(shares: Floats, row: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plots.transition_beside_row(np.eye(2), shares, ["a", "b"], row)


def test_heat_colours_rise_in_brightness() -> None:
    brightness = plots.heat_colors() @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(brightness) > -0.5).all()
    assert plots.heat_codes([0, 0.25, 1]).tolist() == [0, 128, 255]
    assert plots.heat_codes(transition._heat_values()).tolist() == list(range(256))
