"""Which classes suffer: what is predicted, what is measured, and how both are compared."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic_features import make_features

from rnsl_tutorial import experiments, noise
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.datasets.splits import Split
from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.evaluation import embedding as evaluate
from rnsl_tutorial.experiments import class_accuracy
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.results import Result

CLASSES, DIM = 4, 6
TINY = Config(noise="symmetric", rate=0.2, epochs=3, hidden_dim=8, embedding_dim=4, batch_size=32)


def small_features() -> FeatureSet:
    """Four classes around four axes, the last two close to each other."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), 30)
    centers = 3 * np.eye(CLASSES, DIM)
    centers[3] = centers[2] + 0.5 * np.eye(DIM)[5]
    features = centers[labels] + generator.normal(0, 0.5, (120, DIM))
    order = generator.permutation(120)
    return make_features(features, labels, Split(order[:80], order[80:90], order[90:]))


# ------------------------------------------------------------------ predicted


def neighborhoods_by_loop(features: FeatureSet, k: int) -> NDArray[np.float64]:
    x = features.features[features.split.train].astype(float)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    labels = features.labels[features.split.train]
    counts = np.zeros((CLASSES, CLASSES))
    for i, row in enumerate(x @ x.T):
        row[i] = -np.inf
        for j in np.argsort(-row)[:k]:
            counts[labels[i], labels[j]] += 1
    shares: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    return shares


def test_neighborhoods_are_those_of_a_slow_loop() -> None:
    features = small_features()
    found = class_margins.neighborhoods(features, k=5)
    np.testing.assert_allclose(found, neighborhoods_by_loop(features, 5))
    assert found[0, 0] > 0.95, "class a lies apart"
    assert found[2, 3] > 0.2, "classes c and d lie together"


def test_an_image_is_no_neighbor_of_its_own_even_if_it_has_a_double() -> None:
    features = small_features()
    doubles = features.split.train[:20]
    alike, labels = features.features.copy(), np.zeros_like(features.labels)
    alike[doubles] = [5, 0, 0, 0, 0, -5]
    labels[doubles[7]] = 1
    doubled = features._replace(features=alike, labels=labels, class_names=("a", "b"))
    np.testing.assert_array_equal(class_margins.neighborhoods(doubled, k=19)[1], [1, 0])


def test_neighborhoods_look_at_training_images_alone() -> None:
    features = small_features()
    spoiled = features.features.copy()
    spoiled[features.split.test] = 99
    np.testing.assert_array_equal(
        class_margins.neighborhoods(features),
        class_margins.neighborhoods(features._replace(features=spoiled)),
    )


# ------------------------------------------------------------------ measured


@pytest.fixture(scope="module")
def result() -> Result:
    return experiments.run(small_features(), TINY, measure=class_accuracy.measure_classes)


def test_a_run_is_that_of_experiments_with_each_class_beside_it(result: Result) -> None:
    plain = experiments.run(small_features(), TINY)
    assert {k: result.metrics[k] for k in plain.metrics} == plain.metrics
    labels = small_features().labels[small_features().split.test]
    images = np.bincount(labels, minlength=CLASSES)
    for judge in class_accuracy.JUDGES:
        each = [result.metrics[f"{judge}: {name}"] for name in "abcd"]
        assert np.dot(each, images) / images.sum() == pytest.approx(result.metrics[judge])


def test_a_loss_without_prototypes_is_judged_by_class_means() -> None:
    features, config = small_features(), replace(TINY, loss="supcon")
    measure = class_accuracy.measure_classes
    metrics = experiments.run(features, config, measure=measure).metrics
    labels = features.labels[features.split.test]
    each = [metrics[f"prototype: {name}"] for name in "abcd"]
    assert np.dot(each, np.bincount(labels)) / len(labels) == pytest.approx(metrics["prototype"])


def test_predictions_are_of_the_part_that_is_asked_for() -> None:
    features = small_features()
    fitted = experiments.fit(features, TINY)
    for part in ("val", "test"):
        labels = features.labels[getattr(features.split, part)]
        whole = experiments.measure(fitted, features, part)
        for judge, predicted in class_accuracy.class_predictions(fitted, features, part).items():
            assert (predicted == labels).mean() == pytest.approx(whole[judge])
    with pytest.raises(ValueError, match="part is 'train'"):
        class_accuracy.class_predictions(fitted, features, "train")


def test_accuracies_come_by_seed_and_at_rate_0_from_any_noise(result: Result) -> None:
    second = replace(result, config=replace(TINY, seed=1), metrics={
        name: 1 - value for name, value in result.metrics.items()
    })  # fmt: skip
    clean = replace(result, config=replace(TINY, rate=0.0, noise="pair_flip"))
    both = [second, clean, result]
    found = class_accuracy.accuracies(both, "abcd", "rnsl", 0.2, "prototype", "symmetric")
    first = [result.metrics[f"prototype: {name}"] for name in "abcd"]
    np.testing.assert_allclose(found, [first, 1 - np.array(first)])
    np.testing.assert_allclose(
        class_accuracy.accuracies(both, "abcd", "rnsl", 0.0, "prototype"), [first]
    )


@pytest.mark.parametrize(
    ("names", "loss", "judge", "missing"),
    [
        ("abcd", "nsl", "prototype", "No run of nsl under symmetric noise 0.2"),
        ("abcx", "rnsl", "prototype", "'prototype: x'"),
        ("abcd", "rnsl", "jury", "judges are prototype, knn_noisy, knn_clean"),
    ],
)
def test_what_was_not_measured_is_named(
    result: Result, names: str, loss: str, judge: str, missing: str
) -> None:
    with pytest.raises(ValueError, match=missing):
        class_accuracy.accuracies([result], names, loss, 0.2, judge, "symmetric")


# ------------------------------------------------------------------ compared


def test_chance_is_small_for_the_same_order_and_large_for_the_opposite() -> None:
    values = np.arange(12.0)
    assert class_margins.chance(values, values**3, seed=0, draws=999) == 1 / 1000
    assert class_margins.chance(values, -values, seed=0, draws=999) == 1
    generator = np.random.default_rng(1)
    pairs = generator.normal(size=(80, 2, 12))
    p_values = [class_margins.chance(a, b, seed=0, draws=199) for a, b in pairs]
    assert 0.35 < np.mean(p_values) < 0.65, "without a relation they are spread over [0, 1]"


def test_hits_count_what_both_have_at_the_top() -> None:
    assert class_margins.hits([3, 2, 1, 0], [0.9, 0.1, 0.8, 0.2], 2) == 1
    assert class_margins.hits([3, 2, 1, 0], [3, 2, 1, 0], 3) == 3
    assert class_margins.hits([1, 1, 0], [1, 0, 1], 1) == 1, "of equal values the first counts"


# ------------------------------------------------------------------ what it stands on


def test_margins_of_a_matrix_and_of_several() -> None:
    T = np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.25, 0.5, 0.25]])
    np.testing.assert_allclose(class_margins.margins(T), [0.2, -0.3, -0.25])
    np.testing.assert_allclose(class_margins.margins([T, T.T])[1], class_margins.margins(T.T))
    for rate in (0.3, 0.5, 0.7):
        T = noise.label_dependent_transition("nwpu45", rate)
        np.testing.assert_array_equal(
            np.flatnonzero(class_margins.margins(T) < 0), class_margins.dominated_classes(T)
        )
    for shape in [(3,), (2, 3), (1, 1)]:
        with pytest.raises(ValueError, match=r"give \[C, C\] with C at least 2"):
            class_margins.margins(np.ones(shape))


def test_class_accuracy_is_the_share_of_each_class() -> None:
    labels, predicted = [0, 0, 0, 2, 2], [0, 1, 0, 2, 0]
    found = evaluate.class_accuracy(np.array(predicted), np.array(labels), 4)
    np.testing.assert_allclose(found, [2 / 3, np.nan, 1 / 2, np.nan])
    with pytest.raises(ValueError, match="labels run from 0 to 2; 2 classes allow 0 to 1"):
        evaluate.class_accuracy(np.array(predicted), np.array(labels), 2)
    with pytest.raises(ValueError, match="predicted have shape"):
        evaluate.class_accuracy(np.array(predicted[:4]), np.array(labels), 3)
