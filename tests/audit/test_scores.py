"""Labels ranked by doubt: wrong ones come first, and no head judges what it was trained on."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score

from rnsl_tutorial import noise
from rnsl_tutorial.audit import _evidence
from rnsl_tutorial.audit import scores as scoring
from rnsl_tutorial.audit._transition import estimate_joint, likely_flips, log_odds

N, F, C, FLIPS = 240, 12, 4, 24


def clusters(count: int = N, dims: int = F, seed: int = 0) -> tuple[Any, Any]:
    """Clusters around C random centres, somewhat apart: features [N, F] and labels [N]."""
    rng = np.random.default_rng(seed)
    labels_N = np.arange(count) % C
    centres_CF = rng.normal(size=(C, dims))
    features_NF = centres_CF[labels_N] + 0.4 * rng.normal(size=(count, dims))
    return features_NF.astype(np.float32), labels_N


@pytest.fixture(scope="module")
def data() -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Features, true labels, and the same with the first `FLIPS` wrong."""
    features_NF, true_N = clusters()
    given_N = true_N.copy()
    given_N[:FLIPS] = (true_N[:FLIPS] + 1) % C
    return features_NF, true_N, given_N


@pytest.fixture(scope="module")
def scores(data: Any) -> scoring.Scores:
    """With the seed 1, as `by_repeat`."""
    return scoring.score_labels(data[0], data[2], C, seed=1)


@pytest.fixture(scope="module")
def by_repeat(data: Any) -> NDArray[np.float32]:
    return scoring.out_of_fold(data[0], data[2], C, seed=1, repeats=2)


def test_wrong_labels_are_the_most_doubtful_and_the_right_ones_are_suggested(
    data: Any, scores: scoring.Scores
) -> None:
    _, true_N, given_N = data
    assert average_precision_score(given_N != true_N, scores.doubt) > 0.99
    assert (scores.suggested == true_N).mean() > 0.98
    assert (scores.doubt[:FLIPS] > 0.5).mean() > 0.9


def test_where_no_label_is_wrong_none_is_doubted(data: Any) -> None:
    features_NF, true_N, _ = data
    scores = scoring.score_labels(features_NF, true_N, C)
    assert (scores.suggested == true_N).mean() > 0.99
    assert (scores.doubt > 0.5).mean() < 0.01


@pytest.mark.slow
def test_the_scores_are_what_the_docstring_says(
    data: Any, scores: scoring.Scores, by_repeat: NDArray[np.float32]
) -> None:
    given_N = data[2]
    witnesses = scoring._witnesses(data[0], given_N, C, seed=1, repeats=2)
    np.testing.assert_allclose(witnesses[0], by_repeat.mean(axis=0), atol=1e-6)
    h_NC, k_NC, d_NC = (p_NC.astype(np.float64) for p_NC in witnesses)
    expected_NC = ((h_NC + 1e-4) * np.sqrt((k_NC + 0.02) * (d_NC + 1e-4))) ** 0.75
    expected_NC /= expected_NC.sum(axis=1, keepdims=True)
    found = scoring.score_labels(data[0], given_N, C, seed=1, repeats=2)
    np.testing.assert_allclose(found.probabilities, expected_NC, atol=1e-5)
    transition_CC = likely_flips(expected_NC, estimate_joint(expected_NC, given_N))
    odds_N, suggested_N = log_odds(expected_NC, given_N, transition_CC)
    np.testing.assert_allclose(found.log_odds, odds_N, atol=1e-3)
    np.testing.assert_allclose(found.doubt, 1 / (1 + np.exp(-odds_N)), atol=1e-5)
    np.testing.assert_array_equal(found.suggested, suggested_N)
    assert (found.doubt.dtype, found.suggested.dtype) == (np.float32, np.int64)
    assert found.log_odds.dtype == found.probabilities.dtype == np.float32


def test_the_odds_of_other_labels_need_no_further_training(
    data: Any, scores: scoring.Scores
) -> None:
    given_N = data[2]
    np.testing.assert_array_equal(scores.log_odds_under(given_N, given_N), scores.log_odds)
    moved = scores.log_odds_under((given_N + 1) % C, given_N)
    assert (moved[FLIPS:] > scores.log_odds[FLIPS:]).mean() > 0.99
    np.testing.assert_allclose(scores.flips(given_N).sum(axis=1), 1)
    np.testing.assert_allclose(scores.flips_on_paper(given_N).sum(axis=1), 1)


def test_heads_prune_by_the_rule_of_their_recipe(data: Any) -> None:
    features_NF, _, given_N = data
    recipe = replace(scoring.recipe_for(N), k=0.9, epochs=3, prune_from=1, prune_every=1)
    found = [
        scoring.out_of_fold(features_NF, given_N, C, replace(recipe, prune_rule=rule), repeats=1)
        for rule in ("paper", "ratio")
    ]
    assert not np.array_equal(*found)


@pytest.mark.parametrize("witness", range(3))
def test_each_witness_can_be_left_out(data: Any, witness: int) -> None:
    rng, given_N = np.random.default_rng(0), data[2]
    found = [rng.dirichlet(np.ones(C), size=N).astype(np.float32) for _ in range(3)]
    other = found.copy()
    other[witness] = rng.dirichlet(np.ones(C), size=N).astype(np.float32)
    one, two = (scoring._judged_by(p, given_N, witness).log_odds for p in (found, other))
    np.testing.assert_array_equal(one, two)
    assert (scoring._judged_by(found, given_N).log_odds != one).any()


def test_of_a_class_with_few_images_nothing_is_said(data: Any) -> None:
    features_NF, true_N, _ = data
    kept = np.concatenate([np.flatnonzero(true_N > 0), np.flatnonzero(true_N == 0)[:5]])
    scores = scoring.score_labels(features_NF[kept], true_N[kept], C, repeats=1)
    rare_N = true_N[kept] == 0
    np.testing.assert_allclose(scores.log_odds[rare_N], np.median(scores.log_odds[~rare_N]))
    np.testing.assert_array_equal(scores.suggested[rare_N], 0)


# ------------------------------------------------------------------ witnesses


def test_neighbours_are_those_of_a_slow_loop() -> None:
    features_NF, labels_N = clusters(60)
    found = _evidence.neighbours(torch.from_numpy(features_NF), labels_N, C, seed=0)
    unit_ND = features_NF / np.linalg.norm(features_NF, axis=1, keepdims=True)
    for i in (0, 17, 59):
        alike_N = unit_ND @ unit_ND[i]
        alike_N[i] = -2
        nearest = np.argsort(-alike_N)[:20]
        weight_C = np.bincount(labels_N[nearest], np.maximum(alike_N[nearest], 1e-3), minlength=C)
        weight_C /= np.minimum(np.bincount(labels_N) - 1, 20)
        np.testing.assert_allclose(found[i], weight_C / weight_C.sum(), rtol=1e-4)


def test_of_many_images_some_are_the_neighbours_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    features_NF, labels_N = clusters(200)
    monkeypatch.setattr(_evidence, "_MOST_SEEN", 50)
    found = _evidence.neighbours(torch.from_numpy(features_NF), labels_N, C, seed=0)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert (found.argmax(axis=1) == labels_N).mean() > 0.9


def test_the_discriminant_is_that_of_its_equation() -> None:
    features_NF, labels_N = clusters(300)
    trained, held = np.arange(200), np.arange(200, 300)
    inputs_ND = torch.from_numpy(features_NF)
    found = _evidence.discriminant(inputs_ND, labels_N, C, [(trained, held)])
    assert not found[trained].any()
    given_M, inputs_MD = labels_N[trained], features_NF[trained].astype(np.float64)
    means_CD = np.stack([inputs_MD[given_M == c].mean(axis=0) for c in range(C)])
    cover_DD = LedoitWolf(assume_centered=True).fit(inputs_MD - means_CD[given_M]).covariance_
    log_NC = np.stack(
        [
            multivariate_normal(mean, cover_DD).logpdf(features_NF[held]) + np.log(share)
            for mean, share in zip(means_CD, np.bincount(given_M) / 200, strict=True)
        ],
        axis=1,
    )
    np.testing.assert_allclose(found[held], softmax(log_NC, axis=1), atol=1e-5)


def test_a_small_archive_is_divided_more_often() -> None:
    assert [_evidence.repeats_for(n) for n in (1, 3000, 5000, 10**6)] == [6, 6, 4, 2]
    assert [_evidence.components_for(n) for n in (10, 900, 10**4, 10**6)] == [32, 60, 200, 256]


# ------------------------------------------------------------------ out of fold


def test_every_repeat_judges_every_image_once_and_by_a_head_that_did_not_see_it(
    data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    features_NF, _, given_N = data
    inputs_ND = _evidence.principal(features_NF)
    place = {row.numpy().tobytes(): i for i, row in enumerate(inputs_ND)}
    trained: list[set[int]] = []
    judged: list[set[int]] = []
    embed = scoring.embed

    def places(inputs: torch.Tensor) -> set[int]:
        return {place[row.numpy().tobytes()] for row in inputs}

    def watched_train(network: Any, loss: Any, inputs: Any, *_: Any, **__: Any) -> None:
        trained.append(places(inputs))

    def watched_embed(network: Any, inputs: Any) -> torch.Tensor:
        judged.append(places(inputs))
        return embed(network, inputs)

    monkeypatch.setattr(scoring, "_JOBS", 1)
    monkeypatch.setattr(scoring, "train", watched_train)
    monkeypatch.setattr(scoring, "embed", watched_embed)
    scoring.out_of_fold(features_NF, given_N, C, folds=4, repeats=2)
    assert len(trained) == len(judged) == 4 * 2 == 8
    assert all(
        not one & other and one | other == set(range(N))
        for one, other in zip(trained, judged, strict=True)
    )
    assert set(Counter(i for one in judged for i in one).values()) == {2}
    assert judged[:4] != judged[4:]


def test_divisions_are_those_of_the_first_repeat_and_spread_each_class(data: Any) -> None:
    given_N = data[2]
    heads = list(scoring._heads(given_N, scoring._RECIPE, folds=3, repeats=2, seed=5))
    divisions = list(scoring.divisions(given_N, 3, seed=5))
    for head, (trained, held) in zip(heads[:3], divisions, strict=True):
        np.testing.assert_array_equal(head.trained, trained)
        np.testing.assert_array_equal(head.held, held)
        counts_C = np.bincount(given_N[held], minlength=C)
        assert np.abs(counts_C - np.bincount(given_N) / 3).max() < 1
    assert len({head.config.seed for head in heads}) == len(heads)


@pytest.mark.slow
def test_fewer_repeats_are_the_first_of_more(data: Any, by_repeat: NDArray[np.float32]) -> None:
    fewer = scoring.out_of_fold(data[0], data[2], C, seed=1, repeats=1)
    np.testing.assert_array_equal(by_repeat[:1], fewer)
    assert np.abs(by_repeat[1] - by_repeat[0]).max() > 1e-3


# ------------------------------------------------------------------ the same for the same seed


@pytest.mark.slow
def test_the_seed_decides_and_neither_jobs_nor_torchs_own_generator_do(
    data: Any, scores: scoring.Scores, monkeypatch: pytest.MonkeyPatch
) -> None:
    features_NF, _, given_N = data
    state = torch.manual_seed(7).get_state()
    monkeypatch.setattr(scoring, "_JOBS", 1)
    again = scoring.score_labels(features_NF, given_N, C, seed=1)
    np.testing.assert_array_equal(scores.probabilities, again.probabilities)
    assert torch.equal(torch.get_rng_state(), state)
    other = scoring.score_labels(features_NF, given_N, C, seed=2)
    assert np.abs(scores.doubt - other.doubt).max() > 1e-3


def test_the_arguments_stay_as_they_are(data: Any) -> None:
    features_NF, _, given_N = data
    copies = features_NF.copy(), given_N.copy()
    scoring.score_labels(features_NF, given_N, C, folds=2, repeats=1)
    np.testing.assert_array_equal(features_NF, copies[0])
    np.testing.assert_array_equal(given_N, copies[1])


def test_progress_is_told_once_a_head_by_the_calling_thread(data: Any) -> None:
    features_NF, _, given_N = data
    threads: list[threading.Thread] = []
    scoring.score_labels(
        features_NF, given_N, C, folds=2, on_fit=lambda: threads.append(threading.current_thread())
    )
    assert threads == [threading.current_thread()] * (2 * _evidence.repeats_for(N))


def test_an_interrupt_leaves_the_heads_untrained_that_wait(
    data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    features_NF, _, given_N = data
    begun: list[int] = []
    judge = scoring._judge

    def counted(*args: Any) -> torch.Tensor:
        begun.append(1)
        return judge(*args)

    def interrupt() -> None:
        raise KeyboardInterrupt

    threads = torch.get_num_threads()
    monkeypatch.setattr(scoring, "_judge", counted)
    with pytest.raises(KeyboardInterrupt):
        scoring.score_labels(features_NF, given_N, C, repeats=20, on_fit=interrupt)
    assert len(begun) < 3 * 20
    assert torch.get_num_threads() == threads


# ------------------------------------------------------------------ features


def test_neither_the_origin_nor_the_scale_of_the_features_matters(data: Any) -> None:
    features_NF, _, given_N = data
    plain = scoring.score_labels(features_NF, given_N, C, repeats=1)
    moved = scoring.score_labels(100 * features_NF + 50, given_N, C, repeats=1)
    np.testing.assert_allclose(plain.doubt, moved.doubt, atol=0.02)


@pytest.mark.slow
def test_wide_features_are_reduced_and_a_constant_one_does_no_harm() -> None:
    features_NF, labels_N = clusters(count=300, dims=400)
    features_NF[:, 7] = 3
    inputs_ND = _evidence.principal(features_NF)
    assert inputs_ND.shape == (300, _evidence.components_for(300))
    assert inputs_ND.square().mean().item() == pytest.approx(1, abs=1e-4)
    given_N, flipped_N = noise.corrupt_labels(labels_N, noise.symmetric_transition(C, 0.1), 0)
    scores = scoring.score_labels(features_NF, given_N, C)
    assert average_precision_score(flipped_N, scores.doubt) > 0.99


def test_the_reduction_of_wide_features_does_not_depend_on_the_cores() -> None:
    features_NF, _ = clusters(count=1000, dims=600)
    threads, found = torch.get_num_threads(), []
    try:
        for cores in (1, 2, 4):
            torch.set_num_threads(cores)
            found.append(_evidence.principal(features_NF))
            assert torch.get_num_threads() == cores
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("count", [500, 40])
def test_features_are_reduced_to_their_principal_components(count: int) -> None:
    """Also where there are more features than images."""
    features_NF, _ = clusters(count, dims=300)
    found_ND = _evidence.principal(features_NF).numpy()
    dim = _evidence.components_for(count)
    expected_ND = PCA(dim, svd_solver="full").fit_transform(features_NF.astype(np.float64))
    expected_ND /= np.sqrt(np.mean(expected_ND**2))
    few = C - 1  # those that the centres span; of the others some are too much alike to be told
    np.testing.assert_allclose(np.abs(found_ND[:, :few]), np.abs(expected_ND[:, :few]), atol=1e-3)
    np.testing.assert_allclose((found_ND**2).sum(axis=0), (expected_ND**2).sum(axis=0), rtol=1e-3)


@pytest.mark.slow
def test_a_class_a_tenth_as_large_as_the_others_is_learned_too() -> None:
    features_NF, labels_N = clusters(count=800)
    chosen = np.concatenate([np.flatnonzero(labels_N == 0)[:20], np.flatnonzero(labels_N)])
    true_N = labels_N[chosen]
    given_N = true_N.copy()
    wrong = np.arange(20, 50)
    given_N[wrong] = true_N[wrong] % (C - 1) + 1  # none of them becomes the rare class
    scores = scoring.score_labels(features_NF[chosen], given_N, C)
    assert average_precision_score(given_N != true_N, scores.doubt) > 0.9
    assert (scores.suggested == true_N).mean() > 0.95


def test_a_small_archive_gets_small_batches_and_a_large_one_those_of_the_recipe() -> None:
    assert scoring.recipe_for(10_000) == scoring._RECIPE
    assert [scoring.recipe_for(n).batch_size for n in (50, 1200, 10**6)] == [32, 50, 256]


# ------------------------------------------------------------------ what is refused


Change = Callable[[NDArray[np.float32], NDArray[np.int64]], tuple[Any, Any]]


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda x, y: (x, y[:-1]), {}, r"features are \[240, 12\] and labels \[239\]"),
        (lambda x, y: (x[0], y), {}, r"must be \[N, F\] and \[N\]"),
        (lambda x, y: (x[:0], y[:0]), {}, "not empty"),
        (lambda x, y: (np.where(x == x[5, 2], np.nan, x), y), {}, "of 1 images .* image 5 first"),
        (lambda x, y: (np.ones_like(x), y), {}, "all images are alike"),
        (lambda x, y: (x, y / 2), {}, "labels are float64; they must be integers"),
        (lambda x, y: (x, y - 1), {}, r"labels run from -1 to 2; .* \[0, 4\)"),
        (lambda x, y: (x, y + 1), {}, r"labels run from 1 to 4; .* \[0, 4\)"),
        (lambda x, y: (x, np.where(y == 2, 1, y)), {}, "Class 2 has 0 images, and 3 folds"),
        (lambda x, y: (x, y), {"folds": 61}, "Class 0 has 60 images, and 61 folds need at least"),
        (lambda x, y: (x, y), {"folds": 1}, "There are 1 folds"),
        (lambda x, y: (x, y), {"repeats": 0}, "0 repeats; at least 2, 2 and 1"),
        (lambda x, y: (x, y), {"num_classes": 1}, "1 classes"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    change: Change, settings: dict[str, int], message: str
) -> None:
    features_NF, labels_N = change(*clusters())
    with pytest.raises(ValueError, match=message):
        scoring.score_labels(features_NF, labels_N, **{"num_classes": C, **settings})
