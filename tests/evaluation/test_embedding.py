import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from sklearn.neighbors import KNeighborsClassifier

from rnsl_tutorial.evaluation import embedding as evaluate


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def random_rows(count, dimensions, seed):
    return np.random.default_rng(seed).standard_normal((count, dimensions))


def clusters(count, dimensions, seed, spread=0.5, num_classes=6):
    """Embeddings around one center a class, and their labels."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(0).standard_normal((num_classes, dimensions))
    labels = rng.integers(num_classes, size=count)
    return centers[labels] + spread * rng.standard_normal((count, dimensions)), labels


def lattice(count, dimensions, seed):
    """Few integer points: exact distances, nearly all of them tied."""
    return np.random.default_rng(seed).integers(0, 3, size=(count, dimensions)).astype(float)


def index_and_queries(kind, dimensions):
    make = {"random": random_rows, "lattice": lattice}.get(kind)
    if make is not None:
        return make(900, dimensions, 1), make(200, dimensions, 2)
    if kind == "clustered":
        return clusters(900, dimensions, 1)[0], clusters(200, dimensions, 2)[0]
    if kind == "queries in the index":
        index = random_rows(900, dimensions, 1)
        return index, index[:200].copy()
    if kind == "duplicates":
        index = np.tile(random_rows(300, dimensions, 1), (3, 1))
        return index, np.concatenate([index[:100], random_rows(100, dimensions, 2)])
    sphere = unit(random_rows(1100, dimensions, 1))
    return sphere[:900], sphere[900:]


KINDS = ["random", "lattice", "clustered", "queries in the index", "duplicates", "sphere"]
WITHOUT_TIES = ["random", "clustered", "queries in the index", "sphere"]


def by_sklearn(index, labels, queries, k=10, **options):
    classifier = KNeighborsClassifier(k, weights="distance", **options)
    return classifier.fit(index, labels).predict(queries)


def predict_in_blocks(index, labels, queries, k=10):
    """The accelerator's way, run on the CPU."""
    found = evaluate._nearest_in_blocks(torch.tensor(index), torch.tensor(queries), k)
    return evaluate._vote(labels[found.positions], found.distances)


# ------------------------------------------------------------------ k-NN classification


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dimensions", [3, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_those_of_scikit_learn(kind, dimensions, dtype):
    index, queries = (rows.astype(dtype) for rows in index_and_queries(kind, dimensions))
    labels = np.random.default_rng(3).integers(8, size=len(index))
    predicted = evaluate.knn_predict(index, labels, queries)
    assert predicted.dtype == torch.int64
    assert predicted.tolist() == by_sklearn(index, labels, queries).tolist()


@pytest.mark.parametrize("k", [1, 2, 5, 10, 40])
def test_every_k_predicts_as_scikit_learn(k):
    index, labels = clusters(40, 16, seed=1, spread=2.0)
    queries, _ = clusters(100, 16, seed=2, spread=2.0)
    predicted = evaluate.knn_predict(index, labels, queries, k=k)
    assert predicted.tolist() == by_sklearn(index, labels, queries, k).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dimensions", [3, 64])
@pytest.mark.parametrize("kind", WITHOUT_TIES)
def test_blocks_predict_as_scikit_learn_does(kind, dimensions, dtype):
    index, queries = (rows.astype(dtype) for rows in index_and_queries(kind, dimensions))
    labels = np.random.default_rng(3).integers(8, size=len(index))
    predicted = predict_in_blocks(index, labels, queries)
    assert predicted.tolist() == by_sklearn(index, labels, queries).tolist()


@pytest.mark.parametrize("dimensions", [3, 64])
def test_blocks_see_identical_images_at_distance_zero(dimensions):
    """scikit-learn's tree has exact distances, so conflicting duplicates are decided alike."""
    index = np.tile(unit(random_rows(300, dimensions, 1)).astype(np.float32), (3, 1))
    labels = np.random.default_rng(3).integers(8, size=900)
    found = evaluate._nearest_in_blocks(torch.tensor(index), torch.tensor(index[:100]), 10)
    assert (found.distances[:, :3] == 0).all()
    assert (found.distances[:, 3:] > 0).all()
    expected = by_sklearn(index, labels, index[:100], algorithm="kd_tree")
    assert predict_in_blocks(index, labels, index[:100]).tolist() == expected.tolist()


def test_ties_within_the_k_go_to_the_smallest_class():
    """Eight corners of a square lattice around the query, equally many of each class."""
    index = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [5, 5]], float)
    labels = np.array([7, 2, 2, 7, 0])
    for predict in (evaluate.knn_predict, predict_in_blocks):
        assert predict(index, labels, np.zeros((1, 2)), k=4).tolist() == [2]


def test_only_images_at_distance_zero_vote_where_there_are_any():
    index = np.array([[0, 0], [1e-9, 0], [0, 1e-9], [1, 1]], float)
    labels = np.array([3, 1, 1, 1])
    for predict in (evaluate.knn_predict, predict_in_blocks):
        assert predict(index, labels, np.zeros((1, 2)), k=4).tolist() == [3]


def test_near_images_outvote_more_but_farther_ones():
    index = np.array([[1.0], [3.0], [-3.0]])
    for labels, k in (([0, 1, 1], 3), ([0, 1, 2], 2)):
        assert evaluate.knn_predict(index, np.array(labels), np.zeros((1, 1)), k=k).tolist() == [0]
    closer = np.array([[1.0], [1.5], [-1.5]])
    assert evaluate.knn_predict(closer, np.array([0, 1, 1]), np.zeros((1, 1)), k=3).tolist() == [1]


def test_the_size_of_a_block_changes_nothing(monkeypatch):
    index, queries = torch.tensor(random_rows(500, 32, 1)), torch.tensor(random_rows(101, 32, 2))
    whole = evaluate._nearest_in_blocks(index, queries, 10)
    for rows in (1, 7, 100, 101):
        monkeypatch.setattr(evaluate, "_BLOCK_BYTES", 8 * 500 * rows)
        assert evaluate._rows_per_block(500) == rows
        blocks = evaluate._nearest_in_blocks(index, queries, 10)
        assert (blocks.distances == whole.distances).all()
        assert (blocks.positions == whole.positions).all()


@pytest.mark.parametrize("columns", [1, 10, 7_000, 200_000, 1_280_000, 10**9])
def test_a_block_fits_its_bound(columns):
    rows = evaluate._rows_per_block(columns)
    assert rows >= 1
    assert rows == 1 or rows * columns * 8 <= evaluate._BLOCK_BYTES
    assert (rows + 1) * columns * 8 > evaluate._BLOCK_BYTES


def test_no_table_of_distances_is_larger_than_a_block(monkeypatch):
    monkeypatch.setattr(evaluate, "_BLOCK_BYTES", 8 * 3000)
    sizes = []
    cdist = torch.cdist

    def recording_cdist(*args, **options):
        distances = cdist(*args, **options)
        sizes.append(distances.numel() * distances.element_size())
        return distances

    monkeypatch.setattr(torch, "cdist", recording_cdist)
    predict_in_blocks(random_rows(300, 8, 1), np.zeros(300, int), random_rows(95, 8, 2))
    assert len(sizes) == 10
    assert max(sizes) <= evaluate._BLOCK_BYTES


@pytest.mark.slow
def test_memory_stays_bounded():
    """10,000 x 8,000 distances would take 0.64 GB; the whole process grows by less than 0.2."""
    pytest.importorskip("resource")
    program = """
import resource, sys
import numpy as np
from rnsl_tutorial.evaluation import embedding as evaluate
rng = np.random.default_rng(0)
index = rng.standard_normal((10_000, 16), dtype=np.float32)
queries = rng.standard_normal((8_000, 16), dtype=np.float32)
evaluate.knn_predict(index[:100], np.zeros(100, int), queries[:100])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
evaluate.knn_predict(index, np.arange(10_000) % 30, queries)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown * (1 if sys.platform == "darwin" else 1024))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 0.2e9


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", WITHOUT_TIES)
def test_a_gpu_predicts_as_scikit_learn_does(kind):
    index, queries = (rows.astype(np.float32) for rows in index_and_queries(kind, 64))
    labels = np.random.default_rng(3).integers(8, size=len(index))
    on_gpu = [torch.tensor(rows, device="cuda") for rows in (index, labels, queries)]
    predicted = evaluate.knn_predict(*on_gpu)
    assert predicted.device.type == "cuda"
    assert predicted.tolist() == by_sklearn(index, labels, queries).tolist()


def test_tensors_arrays_and_every_float_type_are_taken():
    index, labels = clusters(200, 16, seed=1)
    queries, _ = clusters(50, 16, seed=2)
    index, queries = index.astype(np.float16), queries.astype(np.float16)
    expected = by_sklearn(index.astype(np.float32), labels, queries.astype(np.float32)).tolist()
    read_only = index.copy()
    read_only.flags.writeable = False
    for given in (index, read_only, torch.tensor(index), index.astype(np.float64)):
        assert evaluate.knn_predict(given, labels, queries).tolist() == expected
        assert evaluate.knn_predict(given, torch.tensor(labels), queries).tolist() == expected
    trained = torch.tensor(queries).float().requires_grad_()
    assert evaluate.knn_predict(index, labels, trained).tolist() == expected
    fortran = np.asfortranarray(index.astype(np.float32))
    assert evaluate.knn_predict(fortran, labels, queries).tolist() == expected
    halves = torch.tensor(queries).bfloat16()
    rounded = by_sklearn(index.astype(np.float32), labels, halves.float().numpy())
    assert evaluate.knn_predict(index, labels, halves).tolist() == rounded.tolist()


def test_knn_accuracy_is_the_share_of_right_predictions():
    index, labels = clusters(300, 8, seed=1, spread=1.5)
    queries, truth = clusters(100, 8, seed=2, spread=1.5)
    expected = (by_sklearn(index, labels, queries) == truth).mean()
    assert 0.3 < expected < 1
    assert evaluate.knn_accuracy(index, labels, queries, truth) == expected
    as_tensors = [torch.tensor(array) for array in (index, labels, queries, truth)]
    assert evaluate.knn_accuracy(*as_tensors, k=10) == expected


def test_neighbors_are_nearest_first():
    index, queries = random_rows(200, 5, 1), random_rows(30, 5, 2)
    distances = np.linalg.norm(queries[:, None] - index[None], axis=2)
    found = evaluate.nearest_neighbors(index, queries, 7)
    assert (found.positions == distances.argsort(axis=1)[:, :7]).all()
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :7])


# ------------------------------------------------------------------ prototypes


def test_prototype_accuracy_is_the_largest_cosine():
    embeddings, labels = clusters(300, 8, seed=1, spread=1.5)
    embeddings *= np.random.default_rng(4).uniform(0.1, 10, size=(300, 1))
    prototypes = 5 * random_rows(6, 8, seed=0) * np.arange(1, 7)[:, None]
    right = 0
    for embedding, label in zip(embeddings, labels, strict=True):
        cosines = [
            embedding @ w / np.linalg.norm(embedding) / np.linalg.norm(w) for w in prototypes
        ]
        right += int(np.argmax(cosines) == label)
    assert 100 < right < 300
    expected = right / 300
    assert evaluate.prototype_accuracy(embeddings, prototypes, labels) == expected
    parameter = torch.nn.Parameter(torch.tensor(prototypes))
    accuracy = evaluate.prototype_accuracy(torch.tensor(embeddings), parameter, labels)
    assert accuracy == expected


# ------------------------------------------------------------------ retrieval


def loop_over_rankings(embeddings, labels):
    """Yield, for each image, whether each other image, nearest first, has its label."""
    for i, row in enumerate(embeddings):
        distances = np.linalg.norm(embeddings - row, axis=1)
        others = [j for j in distances.argsort(kind="stable") if j != i]
        yield [bool(labels[j] == labels[i]) for j in others]


def loop_map_at_r(embeddings, labels):
    averages = []
    for same in loop_over_rankings(embeddings, labels):
        r = sum(same)
        if r == 0:
            continue
        precisions = [sum(same[: i + 1]) / (i + 1) if same[i] else 0.0 for i in range(r)]
        averages.append(sum(precisions) / r)
    return sum(averages) / len(averages)


@pytest.mark.parametrize("k", [1, 10, 79])
def test_precision_at_k_against_a_loop(k):
    embeddings, labels = clusters(80, 8, seed=1, spread=1.5)
    expected = np.mean([np.mean(same[:k]) for same in loop_over_rankings(embeddings, labels)])
    assert evaluate.precision_at_k(embeddings, labels, k=k) == pytest.approx(expected, abs=1e-12)
    tensors = torch.tensor(embeddings), torch.tensor(labels)
    assert evaluate.precision_at_k(*tensors, k=k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("alone", [False, True])
def test_map_at_r_against_a_loop_and_pytorch_metric_learning(alone):
    embeddings, labels = clusters(120, 8, seed=1, spread=1.5)
    if alone:
        labels[:2] = 100, 50  # two images without a partner, and label numbers with gaps
    map_at_r = evaluate.map_at_r(embeddings, labels)
    assert map_at_r == pytest.approx(loop_map_at_r(embeddings, labels), abs=1e-12)
    calculator = AccuracyCalculator(
        include=("mean_average_precision_at_r",),
        k="max_bin_count",
        device=torch.device("cpu"),
        knn_func=CustomKNN(LpDistance(normalize_embeddings=False)),
    )
    theirs = calculator.get_accuracy(embeddings, labels)["mean_average_precision_at_r"]
    assert map_at_r == pytest.approx(theirs, abs=1e-6)


def test_map_at_r_worked_by_hand():
    """From 0: right, wrong -> 1/2 (1/1). From 1: 1/2 (1/1). From 4: wrong, right -> 1/2 (1/2)."""
    embeddings = np.array([[0.0], [1.0], [3.0], [4.1]])
    labels = np.array([0, 0, 1, 0])
    assert evaluate.map_at_r(embeddings, labels) == pytest.approx((1 / 2 + 1 / 2 + 1 / 4) / 3)


def test_separated_classes_are_retrieved_perfectly_and_duplicates_do_no_harm():
    embeddings = np.repeat(np.eye(5), 20, axis=0)
    labels = np.repeat(np.arange(5), 20)
    assert evaluate.precision_at_k(embeddings, labels, k=10) == 1.0
    assert evaluate.map_at_r(embeddings, labels) == 1.0


def test_blocks_of_images_change_no_retrieval_figure(monkeypatch):
    embeddings, labels = clusters(150, 8, seed=1, spread=1.5)
    whole = evaluate.precision_at_k(embeddings, labels, k=5), evaluate.map_at_r(embeddings, labels)
    monkeypatch.setattr(evaluate, "_BLOCK_BYTES", 8 * 6 * 7)
    assert evaluate._rows_per_block(6) == 7
    blocks = evaluate.precision_at_k(embeddings, labels, k=5), evaluate.map_at_r(embeddings, labels)
    assert blocks == pytest.approx(whole, abs=1e-12)


# ------------------------------------------------------------------ clustering


def test_clusters_that_are_there_are_found():
    embeddings, labels = clusters(300, 8, seed=1, spread=0.05)
    assert evaluate.clustering_nmi(embeddings, labels, seed=0) == pytest.approx(1.0)
    assert evaluate.clustering_nmi(torch.tensor(embeddings), labels + 3, seed=0) == pytest.approx(1)


@pytest.mark.slow
def test_labels_at_random_are_not_found_and_the_seed_decides():
    embeddings = random_rows(300, 8, seed=1)
    labels = np.random.default_rng(2).integers(6, size=300)
    first = evaluate.clustering_nmi(embeddings, labels, seed=0)
    assert first == evaluate.clustering_nmi(embeddings, labels, seed=0)
    assert 0 <= first < 0.1


# ------------------------------------------------------------------ finding the wrong labels


def test_flip_detection_by_hand():
    flipped = np.array([True, True, True, False, False, False, False, False])
    flagged = np.array([True, True, False, True, False, False, False, False])
    score = np.array([9.0, 8.0, 1.0, 7.0, 0.5, 1.0, 0.2, 0.1])
    found = evaluate.flip_detection(score, flipped, flagged)
    pairs = [(s > t) + 0.5 * (s == t) for s in score[flipped] for t in score[~flipped]]
    assert found == pytest.approx((2 / 3, 2 / 3, np.mean(pairs)))
    assert found == evaluate.flip_detection(*map(torch.tensor, (score, flipped, flagged)))


@pytest.mark.parametrize(
    ("flipped", "flagged", "expected"),
    [
        ([0, 0, 0], [0, 0, 0], (math.nan, math.nan, math.nan)),
        ([0, 0, 0], [0, 1, 0], (0.0, math.nan, math.nan)),
        ([0, 1, 0], [0, 0, 0], (math.nan, 0.0, 1.0)),
        ([1, 1, 1], [0, 1, 0], (1.0, 1 / 3, math.nan)),
    ],
)
def test_what_is_not_defined_is_nan_without_a_warning(flipped, flagged, expected):
    masks = np.array(flipped, bool), np.array(flagged, bool)
    found = evaluate.flip_detection(np.array([0.1, 0.9, 0.2]), *masks)
    assert found == pytest.approx(expected, nan_ok=True)


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize("k", [0, -1, 6])
def test_a_k_out_of_range_is_refused(k):
    with pytest.raises(ValueError, match=f"k is {k}; an index of 5 images allows 1 to 5"):
        evaluate.knn_predict(np.eye(5), np.arange(5), np.eye(5), k=k)


@pytest.mark.parametrize("k", [0, 5])
def test_a_k_beyond_the_others_is_refused(k):
    with pytest.raises(ValueError, match=f"k is {k}; an image among 5 has 4 others"):
        evaluate.precision_at_k(np.eye(5), np.arange(5), k=k)


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_shapes_and_values_that_disagree_are_refused(make):
    eye, labels = make(np.eye(3)), np.arange(3)
    with pytest.raises(ValueError, match=r"index_embeddings have shape \(3,\)"):
        evaluate.knn_predict(make(np.ones(3)), labels, eye, k=1)
    with pytest.raises(ValueError, match=r"queries have shape \(0, 3\)"):
        evaluate.knn_predict(eye, labels, make(np.ones((0, 3))), k=1)
    with pytest.raises(ValueError, match="have 3 dimensions, queries have 2"):
        evaluate.knn_predict(eye, labels, make(np.ones((4, 2))), k=1)
    with pytest.raises(ValueError, match="queries hold NaN"):
        evaluate.knn_predict(eye, labels, make(np.full((1, 3), np.nan)), k=1)
    with pytest.raises(ValueError, match="embeddings hold NaN"):
        evaluate.clustering_nmi(make(np.full((3, 3), np.inf)), labels, seed=0)
    with pytest.raises(ValueError, match=r"embeddings have shape \(\)"):
        evaluate.precision_at_k(make(1.0), labels, k=1)


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"index_labels have shape \(2,\).*shape \(3,\)"):
        evaluate.knn_predict(np.eye(3), np.arange(2), np.eye(3), k=1)
    with pytest.raises(ValueError, match=r"labels have .* float64"):
        evaluate.map_at_r(np.eye(3), np.zeros(3))
    with pytest.raises(ValueError, match=r"query_labels have shape \(1,\)"):
        evaluate.knn_accuracy(np.eye(3), np.arange(3), np.eye(3), np.array([1]), k=1)
    with pytest.raises(ValueError, match="prototypes have 3 dimensions, embeddings have 2"):
        evaluate.prototype_accuracy(np.ones((3, 2)), np.eye(3), np.arange(3))
    with pytest.raises(ValueError, match="from 0 to 3; 3 prototypes allow 0 to 2"):
        evaluate.prototype_accuracy(np.eye(3), np.eye(3), np.array([0, 1, 3]))
    with pytest.raises(ValueError, match="a class with at least two images"):
        evaluate.map_at_r(np.eye(3), np.arange(3))


def test_masks_and_scores_that_do_not_fit_are_refused():
    score, mask = np.array([0.1, 0.2]), np.array([True, False])
    with pytest.raises(ValueError, match=r"shapes \(2,\), \(2,\) and \(1,\)"):
        evaluate.flip_detection(score, mask, mask[:1])
    with pytest.raises(ValueError, match="types int64 and bool"):
        evaluate.flip_detection(score, np.array([1, 0]), mask)
    with pytest.raises(ValueError, match="score holds NaN or infinite"):
        evaluate.flip_detection(np.array([0.1, np.inf]), mask, mask)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_whose_squares_are_infinite_rank_as_smaller_ones(dtype):
    """Distances follow; in float64 up to 1e200, in float32 up to 1e30."""
    embeddings = np.random.default_rng(0).standard_normal((40, 5)).astype(dtype)
    labels, much = np.arange(40) % 4, dtype(1e200 if dtype is np.float64 else 1e30)
    for measure in (evaluate.precision_at_k, evaluate.map_at_r):
        assert measure(embeddings * much, labels) == measure(embeddings, labels)
    near, far = (evaluate.nearest_neighbors(x, x[:3], 5) for x in (embeddings, embeddings * much))
    assert np.array_equal(near.positions, far.positions)
    np.testing.assert_allclose(far.distances / float(much), near.distances, atol=1e-6)
