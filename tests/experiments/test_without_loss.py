"""What needs no loss: each row against a slow one, and beside the losses in runs and tables."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from printed_table import rows_of
from synthetic_cells import C, make_clouds
from synthetic_results import runs

from rnsl_tutorial import experiments
from rnsl_tutorial.datasets import FeatureSet
from rnsl_tutorial.experiments import heads, report, without_loss
from rnsl_tutorial.experiments.config import WITHOUT_LOSS, Config


@pytest.fixture(scope="module")
def clouds() -> FeatureSet:
    return make_clouds(400)


def unit(x: NDArray[np.floating]) -> NDArray[np.floating]:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def parts(clouds: FeatureSet, rate: float = 0.4) -> tuple[NDArray[np.generic], ...]:
    """Features, true and given labels of the training images; features and labels of test."""
    train, test = clouds.split.train, clouds.split.test
    given = heads.corrupt(clouds, Config(rate=rate)).labels
    x, y = clouds.features, clouds.labels
    return x[train], y[train], given, x[test], y[test]


def test_every_name_has_a_row(clouds: FeatureSet) -> None:
    found = without_loss.rows(*parts(clouds))
    assert tuple(found) == WITHOUT_LOSS
    for name, row in found.items():
        said = {metric for metric, value in row.metrics.items() if not math.isnan(value)}
        neighbors = name.startswith("no_training")
        own = {"knn_clean", "knn_noisy"} if neighbors else {"prototype", "memorized"}
        assert said == {*own, "realized_rate"}
        for metric, hit_M in row.hits.items():
            assert row.metrics[metric] == hit_M.mean()
            assert hit_M.mean() > 1.5 / C, "better than chance"


@pytest.mark.parametrize(("name", "k"), [("no_training", 10), ("no_training_k100", 100)])
def test_without_training_the_nearest_images_vote(clouds: FeatureSet, name: str, k: int) -> None:
    index, true, given, queries, labels = parts(clouds)
    row = without_loss.rows(index, true, given, queries, labels, [name])[name]
    index, queries = unit(index), unit(queries)
    for metric, told in (("knn_clean", true), ("knn_noisy", given)):
        for query, label, hit in zip(queries, labels, row.hits[metric], strict=True):
            distances = np.linalg.norm(index - query, axis=1)
            votes = np.zeros(C)
            for place in np.argsort(distances)[:k]:
                votes[told[place]] += 1 / distances[place]
            assert hit == (votes.argmax() == label)


def test_class_means_by_a_slow_loop(clouds: FeatureSet) -> None:
    index, true, given, queries, labels = parts(clouds)
    row = without_loss.rows(index, true, given, queries, labels, ["class_means"])["class_means"]
    means = [unit(index)[given == c].sum(axis=0) for c in range(C)]
    for query, label, hit in zip(queries, labels, row.hits["prototype"], strict=True):
        cosines = [query @ mean / np.linalg.norm(mean) for mean in means]
        assert hit == (int(np.argmax(cosines)) == label)


def test_lda_is_the_normal_rule_with_a_shrunk_covariance(clouds: FeatureSet) -> None:
    """log of the class's share, and the distance in the pooled covariance by Ledoit and Wolf."""
    from sklearn.covariance import ledoit_wolf

    index, true, given, queries, labels = parts(clouds)
    row = without_loss.rows(index, true, given, queries, labels, ["lda"])["lda"]
    index, queries = unit(index), unit(queries)
    share = np.bincount(given) / len(given)
    pooled = np.zeros((index.shape[1],) * 2)
    for c in range(C):
        of_class = index[given == c]
        scale = of_class.std(axis=0)
        shrunk = ledoit_wolf((of_class - of_class.mean(axis=0)) / scale)[0]
        pooled += share[c] * scale[:, None] * shrunk * scale
    inverse = np.linalg.inv(pooled)
    for query, label, hit in zip(queries, labels, row.hits["prototype"], strict=True):
        away = [query - index[given == c].mean(axis=0) for c in range(C)]
        scores = [math.log(share[c]) - away[c] @ inverse @ away[c] / 2 for c in range(C)]
        assert hit == (int(np.argmax(scores)) == label)


def test_memorized_counts_wrong_labels_that_are_said_again(clouds: FeatureSet) -> None:
    index, true, given, *_ = parts(clouds)
    on_itself = without_loss.rows(index, true, given, index, given, ["logistic"])["logistic"]
    wrong = true != given
    assert on_itself.metrics["memorized"] == on_itself.hits["prototype"][wrong].mean()
    assert on_itself.metrics["realized_rate"] == wrong.mean()
    clean = without_loss.rows(index, true, true, index, true, ["logistic"])["logistic"]
    assert math.isnan(clean.metrics["memorized"])


def test_what_cannot_be_is_refused(clouds: FeatureSet) -> None:
    index, true, given, queries, labels = parts(clouds)
    with pytest.raises(ValueError, match="no row 'svm'; choose from no_training, no_training_k100"):
        without_loss.rows(index, true, given, queries, labels, ["svm"])
    with pytest.raises(ValueError, match=r"280 training images .* hold 279, 280, 80; give a label"):
        without_loss.rows(index, true[1:], given, queries, labels)
    with pytest.raises(ValueError, match="loss 'lda' trains nothing; choose network 'head'"):
        Config(loss="lda", network="small")
    with pytest.raises(ValueError, match=r"'lda' trains nothing; experiments\.run measures it"):
        heads.build_loss(Config(loss="lda"), C, 10)


# ------------------------------------------------------------------ beside the losses


def test_a_run_meets_the_labels_that_the_losses_meet(clouds: FeatureSet) -> None:
    settings = {"rate": 0.3, "seed": 2, "epochs": 2}
    lda = experiments.run(clouds, Config(loss="lda", **settings))
    rnsl = experiments.run(clouds, Config(loss="rnsl", **settings))
    assert lda.metrics["realized_rate"] == pytest.approx(rnsl.metrics["realized_rate"])
    expected = without_loss.rows(*_at(clouds, Config(**settings)), ["lda"])["lda"]
    assert lda.metrics["prototype"] == expected.metrics["prototype"]
    assert {"knn_clean", "knn_noisy", "prototype"} == set(rnsl.hits)
    for metric, hit_M in rnsl.hits.items():
        assert rnsl.metrics[metric] == pytest.approx(hit_M.mean())


def _at(clouds: FeatureSet, config: Config) -> tuple[NDArray[np.generic], ...]:
    index, true, _, queries, labels = parts(clouds)
    return index, true, heads.corrupt(clouds, config).labels, queries, labels


def test_the_tables_have_them_above_the_losses() -> None:
    results = [
        *runs("rnsl", [0.8, 0.9], metric="prototype"),
        *runs("lda", [0.7, 0.7], metric="prototype"),
        *runs("no_training", [math.nan] * 2, metric="prototype"),
        *runs("lda", [0.6, 0.6], metric="prototype", noise="pair_flip"),
    ]
    table = [line.split("|")[1:4] for line in rows_of(report.table(results))[2:]]
    assert [[cell.strip() for cell in row] for row in table] == [
        ["symmetric", "0.5", "shrinkage LDA"],
        ["symmetric", "0.5", "no training, k = 10"],
        ["symmetric", "0.5", "RNSL"],
        ["pair flip", "0.5", "shrinkage LDA"],
    ]
    table = rows_of(report.table_over_rates(results, "prototype"))[2:]
    assert ["shrinkage LDA" in row for row in table] == [True, False, True]


def test_a_comparison_leaves_out_what_a_metric_says_nothing_of() -> None:
    results = [
        *runs("rnsl", [0.8, 0.9]),
        *runs("lda", [math.nan, math.nan]),
        *runs("no_training", [0.7, 0.7]),
    ]
    found = report.differences(results, "rnsl")
    assert [difference.loss for difference in found] == ["no_training"]
    (figure,) = report.accuracy_figures(results).values()
    assert len(figure.axes[0].containers) == 2


def test_results_keep_their_hits_on_disk(clouds: FeatureSet, tmp_path: object) -> None:
    result = experiments.run(clouds, Config(loss="no_training", rate=0.3))
    again = experiments.Result.from_row(result.as_row())
    assert again.hits.keys() == result.hits.keys() == {"knn_clean", "knn_noisy"}
    for metric, hit_M in result.hits.items():
        np.testing.assert_array_equal(again.hits[metric], hit_M)
    without = experiments.Result(result.config, result.metrics, 1.0)
    assert "hits" not in without.as_row()
