"""An audit: planted flips, what they tell of precision, confused classes, the list."""

import csv
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from stub_scorer import by_class_means

from rnsl_tutorial import noise
from rnsl_tutorial.audit import outputs as audit
from rnsl_tutorial.audit import scores as doubt
from rnsl_tutorial.datasets import archives as datasets

NAMES = ("Bare", "Beach", "Forest", "Park")
RNG = np.random.default_rng


def clusters(
    count: int = 1200, spread: float = 1.2, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features around one axis a class, and their true labels."""
    rng = RNG(seed)
    labels_N = np.arange(count) % len(NAMES)
    features_ND = rng.normal(size=(count, 8)) * spread + 3 * np.eye(len(NAMES), 8)[labels_N]
    return features_ND.astype(np.float32), labels_N.astype(np.int64)


def pairs(rate: float) -> NDArray[np.float64]:
    """Each class is taken for the next one."""
    return noise.pair_flip_transition(len(NAMES), rate)


def audited(labels_N: NDArray[np.int64], **options: Any) -> audit.Audit:
    files = [f"{NAMES[y]}/{i:04}.jpg" for i, y in enumerate(labels_N)]
    return audit.audit_features(clusters()[0], labels_N, NAMES, files, **options)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubt, "score_labels", by_class_means)


# ------------------------------------------------------------------ confused classes


def test_joint_is_found_from_the_probabilities_of_the_classes() -> None:
    rng = RNG(0)
    true_N = rng.integers(4, size=20_000)
    given_N = noise.corrupt_labels(true_N, pairs(0.2), 0, method="vectorized").labels
    probabilities_NC = 0.02 / 3 + (0.98 - 0.02 / 3) * np.eye(4)[true_N]
    found = audit.estimate_joint(probabilities_NC, given_N)
    np.testing.assert_allclose(found, pairs(0.2) / 4, atol=0.015)
    np.testing.assert_allclose(found.sum(axis=0), np.bincount(given_N) / len(given_N))


def test_joint_maximizes_the_likelihood() -> None:
    rng = RNG(1)
    probabilities_NC = rng.dirichlet(np.full(3, 0.4), size=300)
    labels_N = rng.integers(3, size=300)

    def likelihood(transition_CC: NDArray[np.float64]) -> float:
        return float(np.log((probabilities_NC * transition_CC.T[labels_N]).sum(axis=1)).sum())

    joint_CC = audit.estimate_joint(probabilities_NC, labels_N)
    best_CC = joint_CC / joint_CC.sum(axis=1, keepdims=True)
    for _ in range(50):
        other_CC = 0.97 * best_CC + 0.03 * rng.dirichlet(np.ones(3), size=3)
        assert likelihood(other_CC) < likelihood(best_CC) + 1e-2


# ------------------------------------------------------------------ planting


def test_planted_flips_are_as_many_and_of_the_kind_that_was_asked_for() -> None:
    labels_N = clusters()[1]
    planted = audit.plant_flips(labels_N, pairs(0.3), 0.1, keep=3, seed=0)
    assert planted.flipped.sum() == 120
    np.testing.assert_array_equal(planted.flipped, planted.labels != labels_N)
    moved = (planted.labels - labels_N)[planted.flipped] % 4
    assert (moved == 1).all(), "to the next class, as the transition has it"
    again = audit.plant_flips(labels_N, pairs(0.3), 0.1, keep=3, seed=0)
    np.testing.assert_array_equal(again.labels, planted.labels)
    other = audit.plant_flips(labels_N, pairs(0.3), 0.1, keep=3, seed=1)
    assert (other.labels != planted.labels).any()


def test_without_any_noise_flips_are_planted_everywhere() -> None:
    labels_N = clusters()[1]
    planted = audit.plant_flips(labels_N, np.eye(4), 0.2, keep=3, seed=0)
    assert planted.flipped.sum() == 240
    assert len(np.unique((planted.labels - labels_N) % 4)) == 4
    counts_C = np.bincount(labels_N[planted.flipped])
    assert counts_C.min() > 35


def test_a_noisier_class_gets_more_flips_but_no_class_none() -> None:
    labels_N = clusters()[1]
    transition_CC = np.eye(4)
    transition_CC[0] = [0.4, 0.6, 0, 0]
    flipped = audit.plant_flips(labels_N, transition_CC, 0.2, keep=3, seed=0).flipped
    counts_C = np.bincount(labels_N[flipped], minlength=4)
    assert counts_C[0] > 3 * counts_C[1:].max()
    assert counts_C[1:].min() > 5


def test_no_flip_is_planted_on_a_label_that_is_wrong_already() -> None:
    corrupted = noise.corrupt_labels(clusters()[1], pairs(0.3), 0, method="exact")
    right_N = (~corrupted.flipped).astype(np.float64)
    planted = audit.plant_flips(corrupted.labels, pairs(0.3), 0.2, right_N=right_N, keep=3, seed=0)
    assert planted.flipped.sum() == 240
    assert not (planted.flipped & corrupted.flipped).any()


def test_labels_that_are_probably_right() -> None:
    probabilities_NC = np.array([[0.98, 0.02], [0.02, 0.98], [0.5, 0.5]], dtype=np.float32)
    scores = doubt.from_probabilities(probabilities_NC, np.zeros(3, dtype=np.int64))
    transition_CC = np.array([[0.9, 0.1], [0.3, 0.7]])
    found = audit.probably_right(scores, np.zeros(3, dtype=np.int64), transition_CC)
    expected = 0.9 * probabilities_NC[:, 0] / (probabilities_NC @ [0.9, 0.3])
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_small_class_keeps_enough_for_the_folds() -> None:
    labels_N = np.array([0] * 60 + [1] * 4)
    for seed in range(20):
        planted = audit.plant_flips(labels_N, pairs(0.3)[:2, :2] * 0 + 0.5, 0.5, keep=3, seed=seed)
        assert (planted.labels[labels_N == 1] == 1).sum() >= 3


# ------------------------------------------------------------------ precision


def drawn(
    wrong: float, planted: int, count: int = 4000, seed: int = 0
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Wrong and planted labels have doubts from one distribution, right ones from another.

    As in `audit.plant_flips`, none is planted on a wrong label.
    """
    rng = RNG(seed)
    is_wrong_N = np.arange(count) < wrong * count
    planted_N = np.zeros(count, dtype=bool)
    planted_N[rng.choice(np.flatnonzero(~is_wrong_N), planted, replace=False)] = True

    def doubts(high_N: NDArray[np.bool_]) -> NDArray[np.float32]:
        return np.where(high_N, rng.beta(6, 2, count), rng.beta(1, 6, count)).astype(np.float32)

    return is_wrong_N, doubts(is_wrong_N), doubts(is_wrong_N | planted_N), planted_N


@pytest.mark.parametrize("wrong", [0.02, 0.1, 0.3])
def test_precision_is_estimated_where_planted_flips_look_like_wrong_labels(wrong: float) -> None:
    is_wrong_N, first_N, again_N, planted_N = drawn(wrong, planted=2000, count=20_000)
    found = audit.read_precision(first_N, again_N, planted_N)
    flagged_TN = first_N >= found.thresholds[:, None]
    np.testing.assert_array_equal(found.flagged, flagged_TN.sum(axis=1))
    assert found.planted == 2000
    many = found.flagged >= is_wrong_N.sum() / 3
    true_T = (flagged_TN & is_wrong_N).sum(axis=1) / found.flagged
    recall_T = (flagged_TN & is_wrong_N).sum(axis=1) / is_wrong_N.sum()
    np.testing.assert_allclose(found.precision[many], true_T[many], atol=0.12)
    np.testing.assert_allclose(found.recall[many], recall_T[many], atol=0.08)
    assert found.precision[0] == pytest.approx(wrong, abs=0.03), "at 0, the share of wrong labels"


@pytest.mark.parametrize("planted", [1000, 4000, 9000])
def test_the_share_of_wrong_labels_does_not_grow_with_what_is_planted(planted: int) -> None:
    found = audit.read_precision(*drawn(0.1, planted, count=20_000)[1:])
    assert found.precision[0] == pytest.approx(0.1, abs=0.015)


def test_the_interval_holds_the_truth_nine_times_out_of_ten() -> None:
    held = []
    for seed in range(40):
        is_wrong_N, first_N, again_N, planted_N = drawn(0.15, planted=200, seed=seed)
        found = audit.read_precision(first_N, again_N, planted_N, seed=seed)
        at = int(np.abs(found.flagged - 800).argmin())
        true = is_wrong_N[first_N >= found.thresholds[at]].mean()
        held.append(found.low[at] <= true <= found.high[at])
    assert np.mean(held) >= 0.8


def test_more_planted_flips_make_the_interval_narrower() -> None:
    few = audit.read_precision(*drawn(0.1, planted=30)[1:])
    many = audit.read_precision(*drawn(0.1, planted=800)[1:])
    assert (many.high - many.low).mean() < 0.6 * (few.high - few.low).mean()


def test_an_estimate_is_in_range_and_ordered_whatever_the_doubts() -> None:
    rng = RNG(0)
    planted_N = np.arange(300) < 15
    for doubt_N in (np.zeros(300), np.ones(300), rng.integers(2, size=300), rng.random(300)):
        first_N = doubt_N.astype(np.float32)
        found = audit.read_precision(first_N, first_N[::-1].copy(), planted_N)
        assert found.thresholds[0] == 0
        assert found.flagged[0] == 300
        assert (np.diff(found.thresholds) > 0).all()
        assert found.flagged.min() >= 1
        for values in (found.precision, found.recall, found.low, found.high):
            assert values.shape == found.thresholds.shape
            assert ((values >= 0) & (values <= 1)).all()
        assert (found.low <= found.precision).all()
        assert (found.precision <= found.high).all()
        assert found.high[0] - found.low[0] > 0.1 * found.precision[0], "15 flips tell little"


def test_how_many_to_look_at() -> None:
    estimate = audit.PrecisionEstimate(
        np.array([0.0, 0.4, 0.8]), np.array([100, 40, 10]), np.array([0.3, 0.6, 0.95]),
        np.array([1.0, 0.8, 0.3]), 20, np.zeros(3), np.ones(3),
    )  # fmt: skip
    looks = audit.how_many(estimate, (0.97, 0.9, 0.5))
    assert looks == [audit.Look(0.9, 10, 0.8, 0.3), audit.Look(0.5, 40, 0.4, 0.8)]


# ------------------------------------------------------------------ the whole of it


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_an_audit_finds_noise_rate_and_confusions(rate: float) -> None:
    corrupted = noise.corrupt_labels(clusters()[1], pairs(rate), 0, method="exact")
    calls: list[None] = []
    found = audited(corrupted.labels, plant=0.1, on_fit=lambda: calls.append(None))
    assert len(calls) == audit.num_fits(3, 0.1) == 2 * doubt.num_fits(3)
    assert found.noise_rate == pytest.approx(rate, abs=0.06)
    np.testing.assert_allclose(found.transition.sum(axis=1), 1)
    np.testing.assert_allclose(found.transition, pairs(rate), atol=0.12)
    given_C = np.bincount(corrupted.labels) / 1200
    assert found.class_noise @ given_C == pytest.approx(found.noise_rate)
    assert found.precision is not None
    assert found.precision.planted == 120
    first = found.ranking()[: corrupted.flipped.sum() // 2]
    assert corrupted.flipped[first].mean() > 0.8


@pytest.mark.usefixtures("fast")
def test_where_no_label_is_wrong_little_is_claimed() -> None:
    found = audited(clusters()[1], plant=0.1)
    assert found.noise_rate < 0.05


@pytest.mark.usefixtures("fast")
def test_without_planting_nothing_is_said_of_precision() -> None:
    calls: list[None] = []
    found = audited(clusters()[1], plant=0, on_fit=lambda: calls.append(None))
    assert found.precision is None
    assert len(calls) == audit.num_fits(3, 0) == doubt.num_fits(3)
    assert 0 <= found.noise_rate < 0.2


@pytest.mark.usefixtures("fast")
def test_too_few_planted_flips_give_no_estimate() -> None:
    assert audited(clusters()[1], plant=0.005).precision is None


@pytest.mark.usefixtures("fast")
def test_labels_are_left_as_they_are_and_the_same_seed_gives_the_same_audit() -> None:
    labels_N = clusters()[1]
    before = labels_N.copy()
    one, two = audited(labels_N, seed=3), audited(labels_N, seed=3)
    np.testing.assert_array_equal(labels_N, before)
    assert one.precision is not None
    assert two.precision is not None
    for first, second in zip(one.precision, two.precision, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_an_audit_by_the_heads_themselves() -> None:
    features_ND, true_N = clusters(320)
    corrupted = noise.corrupt_labels(true_N, pairs(0.2), 0, method="exact")
    files = [str(i) for i in range(320)]
    found = audit.audit_features(features_ND, corrupted.labels, NAMES, files, folds=2, plant=0.15)
    assert found.noise_rate == pytest.approx(0.2, abs=0.1)
    assert corrupted.flipped[found.ranking()[:40]].mean() > 0.8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"folds": 1}, "folds is 1; it must be at least 2"),
        ({"folds": 400}, "Class 'Bare' has 300 images; 400 folds need at least 400"),
        ({"plant": 0.6}, r"plant is 0.6; give a share of the images in \[0, 0.5\]"),
        ({"plant": -0.1}, r"plant is -0.1"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        audited(clusters()[1], **options)


# ------------------------------------------------------------------ features of an archive


def write_archive(root: Path, names: tuple[str, ...] = ("a", "b"), count: int = 4) -> Path:
    for shade, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = RNG(10 * shade + i).integers(0, 60, (9, 12, 3), dtype=np.uint8) + 90 * shade
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i}.png")
    return root


def test_features_are_extracted_once_for_each_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def extract(images: NDArray[np.uint8], *_: object, **__: object) -> NDArray[np.float32]:
        calls.append(len(images))
        return images.reshape(len(images), -1).astype(np.float32)

    monkeypatch.setattr("rnsl_tutorial.datasets.features.extract", extract)
    monkeypatch.setattr("rnsl_tutorial.training.networks.create", lambda name: name)
    cache, root = tmp_path / "cache", write_archive(tmp_path / "archive")

    def features_of(root: Path, backbone: str = "resnet18") -> NDArray[np.float32]:
        archive = datasets.load_archive(root, 8, cache=cache, progress=False)
        return audit.archive_features(archive, backbone, cache=cache)

    first = features_of(root)
    np.testing.assert_array_equal(features_of(root.rename(tmp_path / "moved")), first)
    assert calls == [8], "a moved archive is found again"
    features_of(tmp_path / "moved", "resnet50")
    assert calls == [8, 8]
    (stored,) = (cache / "features").glob("*resnet18.npy")
    stored.write_bytes(b"damaged")
    np.testing.assert_array_equal(features_of(tmp_path / "moved"), first)
    (tmp_path / "moved" / "a" / "0.png").unlink()
    assert len(features_of(tmp_path / "moved")) == 7
    assert calls == [8, 8, 8, 7]


def test_a_small_class_is_named_before_any_feature_is_extracted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnsl_tutorial.datasets.features.extract", None)
    root = write_archive(tmp_path / "archive")
    for name in ("2.png", "3.png"):
        (root / "b" / name).unlink()
    with pytest.raises(ValueError, match="Class 'b' has 2 images; 3 folds need at least 3"):
        audit.audit_folder(root, size=8, cache=tmp_path / "cache", progress=False)


def test_an_untrained_backbone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="backbone is 'small'; choose one with pretrained weights"):
        audit.audit_folder(tmp_path / "missing", backbone="small")


# ------------------------------------------------------------------ the list


def small_audit(files: tuple[str, ...], names: tuple[str, ...] = ("a", "b")) -> audit.Audit:
    count = len(files)
    probabilities_NC = np.stack([np.linspace(0.1, 0.9, count), np.linspace(0.9, 0.1, count)], 1)
    labels_N = np.zeros(count, dtype=np.int64)
    scores = doubt.from_probabilities(probabilities_NC.astype(np.float32), labels_N)
    return audit.Audit(files, names, labels_N, scores, np.eye(2), 0.0, np.zeros(2), None)


def test_the_list_holds_every_image_and_survives_odd_names(tmp_path: Path) -> None:
    files = ("a/z,1.jpg", 'a/"quoted".jpg', "a/two\nlines.jpg", "a/ĝoja 🛰.jpg", "a/<script>.jpg")
    path = tmp_path / "new" / "doubtful.csv"
    audit.write_csv(path, small_audit(files))
    with path.open(encoding="utf-8", newline="") as opened:
        head, *rows = csv.reader(opened)
    assert tuple(head) == audit.COLUMNS
    assert [row[1] for row in rows] == list(files), "already from the most doubtful on"
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert rows[0][2:] == ["a", "b", "0.9000", "0.1000", "0.9000"]
    assert rows[4][2:] == ["a", "a", "0.1000", "0.9000", "0.9000"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes exist on Linux")
def test_a_name_that_is_no_text_is_written_as_the_file_system_has_it(tmp_path: Path) -> None:
    audit.write_csv(tmp_path / "list.csv", small_audit((os.fsdecode(b"a/\xff.jpg"), "a/2.jpg")))
    assert b"a/\xff.jpg" in (tmp_path / "list.csv").read_bytes()
