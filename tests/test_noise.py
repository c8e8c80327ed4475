import json
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare, truncnorm

from rnsl_tutorial import _files as paths
from rnsl_tutorial import noise
from rnsl_tutorial.evaluation import class_margins

PAPER = {"aid": 30, "nwpu45": 45}
DATASETS = {**PAPER, "scenes": 16}
TABLES = json.loads(paths.shipped("data", "noise", "label_dependent.json").read_text("utf-8"))
RATES = [0.0, 0.1, 0.3, 0.5, 0.7]


def labels_of(num_classes, count, seed=0):
    return np.random.default_rng(seed).integers(num_classes, size=count)


def matrices(rate):
    yield noise.symmetric_transition(7, rate)
    yield noise.symmetric_transition(2, rate)
    yield noise.pair_flip_transition(7, rate)
    for dataset in DATASETS:
        yield noise.label_dependent_transition(dataset, rate)


# ------------------------------------------------------------------ transition matrices


def test_symmetric_shares_the_rate_among_all_other_classes():
    transition = noise.symmetric_transition(5, 0.3)
    for i in range(5):
        for j in range(5):
            assert transition[i, j] == (1.0 - 0.3 if i == j else 0.3 / 4)


def test_pair_flip_goes_to_the_next_class_and_from_the_last_to_the_first():
    expected = [[1.0 - 0.3, 0.3, 0], [0, 1.0 - 0.3, 0.3], [0.3, 0, 1.0 - 0.3]]
    assert noise.pair_flip_transition(3, 0.3).tolist() == expected


@pytest.mark.parametrize("dataset", DATASETS)
def test_label_dependent_holds_exactly_rate_times_share(dataset):
    shares = json.loads(paths.shipped("data", "noise", "label_dependent.json").read_text())[dataset]
    classes = noise.label_dependent_classes(dataset)
    for rate in (0.1, 0.3, 0.7, 0.123):
        transition = noise.label_dependent_transition(dataset, rate)
        for i, right in enumerate(classes):
            for j, wrong in enumerate(classes):
                if i != j:
                    share = shares["flip_shares"][right].get(wrong, 0.0)
                    assert transition[i, j] == rate * share


def test_every_table_is_known_here():
    assert {name: len(table["classes"]) for name, table in TABLES.items()} == DATASETS


@pytest.mark.parametrize("dataset", TABLES)
def test_the_table_is_whole(dataset):
    table = TABLES[dataset]
    classes = noise.label_dependent_classes(dataset)
    assert list(classes) == sorted(classes) == table["classes"]
    for name, shares in table["flip_shares"].items():
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-12)
        assert set(shares) <= set(classes) - {name}


@pytest.mark.parametrize(
    ("dataset", "rate", "right"),
    [
        ("aid", 0.7, 0.3),
        ("nwpu45", 0.7, 0.30000000000000004),
        ("aid", 0.9, 0.1),
        ("nwpu45", 0.9, 0.09999999999999998),
        ("aid", 0.1, 0.9),
        ("nwpu45", 0.1, 0.9),
    ],
)
def test_the_last_bit_of_the_diagonal_is_the_reference_tables(dataset, rate, right):
    diagonal = noise.label_dependent_transition(dataset, rate).diagonal()
    assert set(diagonal.tolist()) == {right}
    as_numpy_scalar = noise.label_dependent_transition(dataset, np.float64(rate))
    assert set(as_numpy_scalar.diagonal().tolist()) == {right}


@pytest.mark.parametrize("percent", range(100))
def test_every_rate_gives_rows_that_sum_to_one_and_that_multinomial_takes(percent):
    stream = np.random.RandomState(0)
    for transition in matrices(percent / 100):
        assert transition.dtype == np.float64
        assert (transition >= 0).all()
        np.testing.assert_allclose(transition.sum(axis=1), 1.0, rtol=0, atol=1e-14)
        for row in transition:
            assert stream.multinomial(1, row).sum() == 1


@pytest.mark.parametrize("rate", [np.nextafter(1, 0), 1e-300, 1 / 3])
def test_extreme_rates_stay_transition_matrices(rate):
    labels = labels_of(2, 50)
    for transition in matrices(rate):
        noise.corrupt_labels(labels, transition)
        np.testing.assert_allclose(transition.sum(axis=1), 1.0, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dataset", PAPER)
def test_at_rate_07_ten_classes_of_either_data_set_are_dominated(dataset):
    dominated = class_margins.dominated_classes(noise.label_dependent_transition(dataset, 0.7))
    assert dominated.dtype == np.int64
    assert len(dominated) == 10
    classes = noise.label_dependent_classes(dataset)
    if dataset == "aid":
        expected = (
            "BareLand Center Church Desert MediumResidential Playground RailwayStation "
            "SparseResidential Stadium Viaduct"
        )
        assert [classes[i] for i in dominated] == expected.split()
    assert len(class_margins.dominated_classes(noise.label_dependent_transition(dataset, 0.4))) == 0


def test_a_class_is_dominated_above_the_boundary_and_not_on_it():
    on_it = [[0.5, 0.5, 0.0], [0.2, 0.8, 0.0], [0.25, 0.25, 0.5]]
    assert class_margins.dominated_classes(on_it).tolist() == []
    above = [[0.4, 0.6, 0.0], [0.2, 0.8, 0.0], [0.3, 0.4, 0.3]]
    assert class_margins.dominated_classes(above).tolist() == [0, 2]


# ------------------------------------------------------------------ the reference's labels


@pytest.mark.parametrize("seed", [42, 0, 2**32 - 1])
@pytest.mark.parametrize("rate", RATES)
def test_reference_is_one_multinomial_per_label_from_one_stream(rate, seed):
    for transition in matrices(rate):
        labels = labels_of(len(transition), 300, seed=1)
        stream = np.random.RandomState(seed)
        expected = []
        for label in labels:
            one_hot = stream.multinomial(1, transition[label])
            expected.append(int(np.flatnonzero(one_hot)[0]))
        corrupted, flipped = noise.corrupt_labels(labels, transition, seed)
        assert corrupted.tolist() == expected
        assert flipped.tolist() == (labels != np.array(expected)).tolist()


def test_reference_on_the_written_out_matrix_of_three_classes():
    rows = [[0.3, 0.7 * 0.6, 0.7 * 0.4], [0.7 * 0.2, 0.3, 0.7 * 0.8], [0.7 * 0.5, 0.7 * 0.5, 0.3]]
    labels = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    stream = np.random.RandomState(42)
    expected = [stream.multinomial(1, rows[label]).tolist().index(1) for label in labels]
    assert noise.corrupt_labels(labels, rows).labels.tolist() == expected


# RandomState(42).multinomial, two labels of each class in order, rate 0.7, from tables V and VI.
REFERENCE_LABELS = {
    "aid": (
        "1 0 9 9 2 10 4 3 20 20 6 6 5 6 26 5 5 5 9 1 11 10 10 11 12 12 2 10 25 25 1 13 24 24 0 21 "
        "18 27 4 23 19 19 26 21 5 6 23 23 27 26 25 25 0 0 18 18 17 0 26 26"
    ),
    "nwpu45": (
        "1 0 40 14 2 15 16 16 17 32 5 4 6 12 27 10 8 31 9 9 7 10 24 19 12 12 13 15 26 14 22 2 16 "
        "41 36 24 40 33 26 33 4 20 4 20 22 13 23 16 10 24 37 37 19 14 27 27 34 34 14 29 30 30 31 "
        "44 21 44 16 33 34 1 35 9 5 5 9 9 22 38 39 41 18 40 2 3 42 31 18 18 44 44"
    ),
}


@pytest.mark.parametrize("dataset", PAPER)
def test_the_reference_labels_are_these(dataset):
    labels = np.repeat(np.arange(DATASETS[dataset]), 2)
    transition = noise.label_dependent_transition(dataset, 0.7)
    corrupted = noise.corrupt_labels(labels, transition).labels
    assert corrupted.tolist() == [int(number) for number in REFERENCE_LABELS[dataset].split()]


@pytest.mark.parametrize(("dataset", "changed"), [("aid", 674), ("nwpu45", 9633)])
def test_the_last_bit_of_the_diagonal_changes_many_labels(dataset, changed):
    """Why the diagonals are kept to the last bit."""
    transition = noise.label_dependent_transition(dataset, 0.7)
    other = transition.copy()
    np.fill_diagonal(other, 1.0 - 0.7 if dataset == "aid" else 0.3)
    labels = np.repeat(np.arange(DATASETS[dataset]), 300)
    kept, moved = (noise.corrupt_labels(labels, matrix).labels for matrix in (transition, other))
    assert (kept != moved).sum() == changed


# ------------------------------------------------------------------ concentrating a row


def edited_by_a_loop(transition, i, amount):
    """concentrate's equation, entry by entry."""
    row, classes = transition[i].copy(), len(transition)
    wrong = [j for j in range(classes) if j != i]
    rate, favourite = sum(row[j] for j in wrong), max(wrong, key=lambda j: (row[j], -j))
    for j in wrong:
        goal = rate / (classes - 1) if amount < 0 else rate * (j == favourite)
        row[j] = (1 - abs(amount)) * row[j] + abs(amount) * goal
    return row


@pytest.mark.parametrize("amount", [-1, -0.5, 0, 0.3, 1])
def test_concentrate_follows_its_equation_and_edits_one_row(amount):
    for transition in matrices(0.7):
        before = transition.copy()
        for i in (0, len(transition) - 1):
            edited = class_margins.concentrate(transition, i, amount)
            expected = edited_by_a_loop(transition, i, amount)
            np.testing.assert_allclose(edited[i], expected, rtol=0, atol=1e-15)
            assert np.array_equal(np.delete(edited, i, axis=0), np.delete(before, i, axis=0))
            assert not np.shares_memory(edited, transition)
        assert np.array_equal(transition, before)


@pytest.mark.parametrize("amount", [-1, -0.4, 0, 0.9, 1])
def test_concentrate_keeps_the_rate_and_a_transition_matrix(amount):
    for rate in (0.0, 0.1, 0.7):
        for transition in matrices(rate):
            edited = class_margins.concentrate(transition, None, amount)
            assert edited.diagonal().tolist() == transition.diagonal().tolist()
            noise.corrupt_labels([0, 1], edited)
            rows = [
                class_margins.concentrate(transition, i, amount)[i] for i in range(len(transition))
            ]
            assert np.array_equal(edited, rows)


def test_concentrate_reaches_the_other_noises_at_its_ends():
    transition = noise.label_dependent_transition("aid", 0.7)
    spread = class_margins.concentrate(transition, None, -1)
    np.testing.assert_allclose(spread, noise.symmetric_transition(30, 0.7), atol=1e-15)
    pair = noise.pair_flip_transition(30, 0.7)
    np.testing.assert_allclose(class_margins.concentrate(pair, None, 1), pair, atol=1e-15)
    assert len(class_margins.dominated_classes(spread)) == 0
    piled = class_margins.concentrate(transition, None, 1)
    assert len(class_margins.dominated_classes(piled)) == 30


@pytest.mark.parametrize("dataset", DATASETS)
def test_concentrate_loses_no_class_at_the_rate_of_a_half(dataset):
    """There the best that a wrong label can reach is a tie."""
    transition = noise.label_dependent_transition(dataset, 0.5)
    for amount in np.linspace(-1, 1, 21):
        edited = class_margins.concentrate(transition, None, amount)
        assert len(class_margins.dominated_classes(edited)) == 0


def test_a_row_tips_over_as_it_is_concentrated():
    """Bridge at 0.7: 0.28 of its labels say Pond, 0.30 say Bridge; 0.7 * (0.4 + 0.6 a) > 0.3."""
    bridge = noise.label_dependent_classes("aid").index("Bridge")
    transition = noise.label_dependent_transition("aid", 0.7)
    for amount, is_lost in ((0.04, False), (0.05, True)):
        edited = class_margins.concentrate(transition, bridge, amount)
        assert (bridge in class_margins.dominated_classes(edited)) == is_lost


@pytest.mark.parametrize(
    ("row", "amount", "message"),
    [
        (3, 0, "row is 3; 3 classes allow 0 to 2"),
        (-1, 0, "row is -1; 3 classes"),
        (0, 1.1, r"amount is 1\.1; give a number from -1 .* to 1"),
        (None, float("nan"), "amount is nan"),
    ],
)
def test_concentrate_refuses_what_is_out_of_range(row, amount, message):
    with pytest.raises(ValueError, match=message):
        class_margins.concentrate(noise.symmetric_transition(3, 0.5), row, amount)


# ------------------------------------------------------------------ every method


@pytest.mark.parametrize("method", ["reference", "vectorized", "exact"])
class TestEveryMethod:
    def test_rate_0_leaves_every_label(self, method):
        for transition in matrices(0.0):
            labels = labels_of(len(transition), 500)
            corrupted, flipped = noise.corrupt_labels(labels, transition, method=method)
            assert corrupted.tolist() == labels.tolist()
            assert not flipped.any()

    def test_another_seed_draws_other_labels(self, method):
        labels, transition = labels_of(7, 500), noise.symmetric_transition(7, 0.5)
        first, other = (
            noise.corrupt_labels(labels, transition, seed, method=method).labels for seed in (3, 4)
        )
        assert first.tolist() != other.tolist()

    @pytest.mark.parametrize("rate", [0.1, 0.7])
    def test_labels_go_where_the_row_sends_them(self, method, rate):
        """A chi-square test per class: rows with p < 1e-4 would be a rare accident."""
        transition = noise.label_dependent_transition("aid", rate)
        labels = np.repeat(np.arange(30), 2000)
        np.random.default_rng(0).shuffle(labels)
        corrupted = noise.corrupt_labels(labels, transition, 5, method=method).labels
        for i in range(30):
            counts = np.bincount(corrupted[labels == i], minlength=30)
            possible = transition[i] > 0
            assert counts[~possible].sum() == 0
            expected = transition[i, possible] / transition[i, possible].sum() * 2000
            assert chisquare(counts[possible], expected).pvalue > 1e-4

    def test_the_realized_rate_is_the_rate(self, method):
        labels, transition = labels_of(10, 20_000), noise.symmetric_transition(10, 0.3)
        realized = noise.corrupt_labels(labels, transition, method=method).flipped.mean()
        four_sigma = 4 * np.sqrt(0.3 * 0.7 / 20_000)
        assert abs(realized - 0.3) < four_sigma


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.25, 0.3, 0.5, 0.7, 0.99])
@pytest.mark.parametrize("count", [1, 2, 5, 10, 15, 30, 999, 1000])
def test_exact_flips_the_rounded_number(rate, count):
    for transition in matrices(rate):
        labels = labels_of(len(transition), count)
        flipped = noise.corrupt_labels(labels, transition, method="exact").flipped
        assert flipped.sum() == round(round(rate * count, 9))


def test_exact_takes_a_half_for_a_half():
    """5 * 0.30000000000000004 is meant as 1.5, and rounds to 2 like 1.5."""
    transition = [[0.7, 0.30000000000000004], [0.30000000000000004, 0.7]]
    labels = [0, 1, 0, 1, 0]
    assert noise.corrupt_labels(labels, transition, method="exact").flipped.sum() == 2
    below = [[1 - 0.3, 0.3 - 1e-16], [0.3, 0.7]]
    assert noise.corrupt_labels(labels, below, method="exact").flipped.sum() == 2


def test_exact_picks_in_proportion_to_the_flip_probability():
    transition = np.array([[0.9, 0.1, 0.0], [0.0, 0.7, 0.3], [0.0, 0.0, 1.0]])
    labels = np.repeat([0, 1, 2], 2000)
    picked = Counter()
    for seed in range(5):
        corrupted, flipped = noise.corrupt_labels(labels, transition, seed, method="exact")
        assert flipped.sum() == 800
        assert (corrupted[flipped] == labels[flipped] + 1).all()
        picked.update(labels[flipped].tolist())
    assert picked[2] == 0
    assert 2.6 < picked[1] / picked[0] < 3.3


@pytest.mark.parametrize("uniform", [0.0, np.nextafter(1, 0)])
def test_no_draw_reaches_a_class_of_probability_zero(uniform):
    class Extreme:
        def random(self, size):
            return np.full(size, uniform)

    row = np.array([0.0, 0.3, 0.0, 0.7, 0.0])
    expected = 1 if uniform == 0 else 3
    assert noise._draw(np.array([2]), np.tile(row, (5, 1)), Extreme()).tolist() == [expected]
    assert noise._inverse_cdf(row[None], np.array([uniform])).tolist() == [expected]


def test_vectorized_handles_a_large_archive_of_many_classes():
    labels = labels_of(1000, 1_280_000)
    transition = noise.symmetric_transition(1000, 0.3)
    corrupted, flipped = noise.corrupt_labels(labels, transition, method="vectorized")
    assert abs(flipped.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(labels))
    distance = (corrupted - labels)[flipped] % 1000
    counts = np.bincount(distance, minlength=1000)
    assert counts[0] == 0
    assert chisquare(counts[1:]).pvalue > 1e-4


# ------------------------------------------------------------------ instance-dependent noise


def loop_of_the_equations(features, labels, num_classes, rate, seed):
    """Xia et al. 2020 image by image, from the same random streams as the library."""
    rng = np.random.default_rng(seed)
    streams = rng.spawn(num_classes)
    shape = (features.shape[1], num_classes)
    weights = [stream.standard_normal(shape) for stream in streams]
    low, high = -rate / 0.1, (1 - rate) / 0.1
    q = truncnorm.ppf(rng.random(len(labels)), low, high, loc=rate, scale=0.1)
    uniform = rng.random(len(labels))
    corrupted = []
    for x, y, flip, u in zip(features, labels, q, uniform, strict=True):
        logits = x @ weights[y]
        exponentials = np.exp(logits - np.delete(logits, y).max())
        exponentials[y] = 0
        probability = flip * exponentials / exponentials.sum()
        probability[y] = 1 - flip
        corrupted.append(int(np.searchsorted(np.cumsum(probability), u, side="right")))
    return corrupted


def images(count, num_classes=6, dimensions=20, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=count)
    return rng.standard_normal((count, dimensions)).astype(np.float32), labels


@pytest.mark.parametrize("rate", [0.001, 0.05, 0.3, 0.9, 0.999])
def test_instance_dependent_flips_follow_the_equations(rate):
    features, labels = images(400)
    expected = loop_of_the_equations(features.astype(float), labels, 6, rate, 7)
    corrupted, flipped = noise.instance_dependent_flips(features, labels, 6, rate, 7)
    assert corrupted.tolist() == expected
    assert flipped.tolist() == (np.array(expected) != labels).tolist()
    assert corrupted.dtype == np.int64


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5])
def test_instance_dependent_rate_is_the_mean_of_the_truncated_normal(rate):
    features, labels = images(20_000)
    realized = noise.instance_dependent_flips(features, labels, 6, rate).flipped.mean()
    expected = truncnorm.mean(-rate / 0.1, (1 - rate) / 0.1, loc=rate, scale=0.1)
    assert abs(realized - expected) < 4 * np.sqrt(expected * (1 - expected) / 20_000)
    assert expected == pytest.approx({0.1: 0.129, 0.2: 0.206, 0.5: 0.5}[rate], abs=5e-4)


def test_instance_dependent_rate_0_flips_nothing():
    features, labels = images(2000)
    corrupted, flipped = noise.instance_dependent_flips(features, labels, 6, 0.0)
    assert not flipped.any()
    assert corrupted.tolist() == labels.tolist()
    assert not np.shares_memory(corrupted, labels)


def test_images_that_look_alike_go_wrong_alike():
    """Copies of one image of one class, if flipped, all go to the class its features pick."""
    one_image = np.random.default_rng(0).standard_normal(256)
    features = np.tile(10 * one_image, (500, 1))
    corrupted, flipped = noise.instance_dependent_flips(features, np.full(500, 3), 30, 0.5)
    assert 150 < flipped.sum() < 350
    assert len(set(corrupted[flipped].tolist())) == 1


def test_images_without_features_go_everywhere():
    labels = np.full(5000, 2)
    corrupted, flipped = noise.instance_dependent_flips(np.zeros((5000, 4)), labels, 5, 0.5)
    counts = np.bincount(corrupted[flipped], minlength=5)
    assert counts[2] == 0
    assert chisquare(counts[[0, 1, 3, 4]]).pvalue > 1e-4


def test_the_projection_depends_on_the_seed_alone():
    """Two splits corrupted with one seed share W: a strong image goes wrong alike in both."""
    image = 10 * np.random.default_rng(0).standard_normal((1, 256))
    targets = set()
    for count in (200, 300):
        labels = np.full(count, 1)
        features = np.repeat(image, count, axis=0)
        corrupted, flipped = noise.instance_dependent_flips(features, labels, 30, 0.5, 9)
        targets |= set(corrupted[flipped].tolist())
    assert len(targets) == 1


def test_another_seed_of_instance_dependent_noise_draws_other_labels():
    features, labels = images(500)
    first, other = (noise.instance_dependent_flips(features, labels, 6, 0.5, s) for s in (1, 2))
    assert first.labels.tolist() != other.labels.tolist()


# ------------------------------------------------------------------ errors


def test_an_unknown_data_set_is_refused():
    with pytest.raises(ValueError, match=r"'cifar'.*aid, nwpu45"):
        noise.label_dependent_transition("cifar", 0.3)
    with pytest.raises(ValueError, match=r"'AID'.*aid, nwpu45"):
        noise.label_dependent_classes("AID")


@pytest.mark.parametrize(
    ("transition", "message"),
    [
        ([0.5, 0.5], r"shape \(2,\)"),
        ([[0.5, 0.5]], r"shape \(1, 2\)"),
        ([[1.0]], r"shape \(1, 1\)"),
        ([[0.5, 0.5], [0.5, 0.6]], r"row 1 .* sums to 1\.1"),
        ([[np.nan, 0.5], [0.5, 0.5]], "row 0 .* sums to nan"),
        ([[1.2, -0.2], [0.0, 1.0]], r"transition\[0, 1\] is -0\.2"),
    ],
)
def test_what_is_no_transition_matrix_is_refused(transition, message):
    with pytest.raises(ValueError, match=message):
        noise.corrupt_labels([0, 1], transition)
    with pytest.raises(ValueError, match=message):
        class_margins.dominated_classes(transition)
    with pytest.raises(ValueError, match=message):
        class_margins.concentrate(transition, None, 0.5)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 1]], r"shape \(1, 2\)"),
        ([0.0, 1.0], "float64"),
        ([True, False], "bool"),
        ([0, 1, 3], r"labels\[2\] is 3; 3 classes allow 0 to 2"),
        ([0, -1], r"labels\[1\] is -1"),
    ],
)
def test_what_are_no_labels_is_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        noise.corrupt_labels(labels, noise.symmetric_transition(3, 0.2))
    with pytest.raises(ValueError, match=message):
        noise.instance_dependent_flips(np.zeros((2, 4)), labels, 3, 0.2)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="'fast'; choose one of reference, vectorized, exact"):
        noise.corrupt_labels([0], noise.symmetric_transition(3, 0.2), method="fast")


def test_bad_features_are_refused():
    with pytest.raises(ValueError, match=r"shape \(3, 4\); 2 labels need \[2, D\]"):
        noise.instance_dependent_flips(np.zeros((3, 4)), [0, 1], 3, 0.2)


# ------------------------------------------------------------------ any kind, in one call


@pytest.mark.parametrize("kind", noise.NOISES[:-1])
@pytest.mark.parametrize("method", ["reference", "vectorized", "exact"])
def test_corrupt_is_a_matrix_and_a_draw_from_it(kind, method):
    labels = labels_of(30, 500)
    transition = noise.transition_of(kind, 30, 0.4, "aid")
    expected = noise.corrupt_labels(labels, transition, 7, method=method)
    found = noise.corrupt(labels, kind, 0.4, seed=7, num_classes=30, dataset="aid", method=method)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert 0 < found.flipped.mean() < 1


def test_corrupt_draws_instance_dependent_noise_from_features():
    features, labels = images(200)
    found = noise.corrupt(labels, "instance_dependent", 0.3, num_classes=6, features=features)
    expected = noise.instance_dependent_flips(features, labels, 6, 0.3)
    np.testing.assert_array_equal(found.labels, expected.labels)


def test_corrupt_counts_the_classes_by_names_else_by_labels():
    labels = labels_of(4, 300)
    for given in ({"num_classes": 6}, {"class_names": list("abcdef")}):
        assert noise.corrupt(labels, "symmetric", 0.9, **given).labels.max() == 5
    assert noise.corrupt(labels, "symmetric", 0.9).labels.max() == 3


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("foo", {}, "no noise 'foo'; choose from symmetric, pair_flip, label_dependent, inst"),
        ("label_dependent", {}, "pass dataset, such as 'aid'"),
        ("label_dependent", {"dataset": "mine"}, "dataset is 'mine'; there are tables for aid"),
        ("label_dependent", {"dataset": "aid", "num_classes": 5}, "30 classes, and here are 5"),
        (
            "label_dependent",
            {"dataset": "aid", "class_names": ("sea", "sky")},
            "its own 30 classes, not for these 2: sea, sky",
        ),
        ("instance_dependent", {}, r"pass features \[N, D\]"),
        ("symmetric", {"num_classes": 1}, "num_classes is 1"),
    ],
)
def test_corrupt_says_what_a_kind_lacks(kind, given, message):
    with pytest.raises(ValueError, match=message):
        noise.corrupt([0, 1, 2], kind, 0.5, **given)
