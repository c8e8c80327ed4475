"""An audit from end to end: noise rate, confusions and precision; features of the right images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from stub_scorer import by_class_means
from synthetic_audit import NAMES, clusters, pairs
from synthetic_features import tiny_backbone

from rnsl_tutorial import audit, datasets, noise
from rnsl_tutorial.audit import _evidence, pipeline, scores
from rnsl_tutorial.datasets import Archive, features
from rnsl_tutorial.training import networks

RNG = np.random.default_rng


def audited(labels_N: NDArray[np.int64], **options: Any) -> audit.Audit:
    files = [f"{NAMES[y]}/{i:04}.jpg" for i, y in enumerate(labels_N)]
    return audit.audit_features(clusters()[0], labels_N, NAMES, files, **options)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "score_labels", by_class_means)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_an_audit_finds_noise_rate_and_confusions(rate: float) -> None:
    corrupted = noise.corrupt_labels(clusters()[1], pairs(rate), 0, method="exact")
    calls: list[None] = []
    found = audited(corrupted.labels, on_fit=lambda: calls.append(None))
    assert len(calls) == _evidence.repeats_for(1200) * 3
    assert found.noise_rate == pytest.approx(rate, abs=0.1)
    np.testing.assert_allclose(found.transition.sum(axis=1), 1)
    np.testing.assert_allclose(found.transition, pairs(rate), atol=0.15)
    given_C = np.bincount(corrupted.labels) / 1200
    assert found.class_noise @ given_C == pytest.approx(found.noise_rate)
    assert found.precision.low[0] - 0.03 < rate < found.precision.high[0] + 0.03
    first = found.ranking()[: corrupted.flipped.sum() // 2]
    assert corrupted.flipped[first].mean() > 0.8


@pytest.mark.usefixtures("fast")
def test_where_no_label_is_wrong_little_is_claimed() -> None:
    found = audited(clusters()[1])
    assert found.noise_rate < 0.05


@pytest.mark.usefixtures("fast")
def test_labels_are_left_as_they_are_and_the_same_seed_gives_the_same_audit() -> None:
    labels_N = clusters()[1]
    before = labels_N.copy()
    one, two = audited(labels_N, seed=3), audited(labels_N, seed=3)
    np.testing.assert_array_equal(labels_N, before)
    for first, second in zip(one.precision, two.precision, strict=True):
        np.testing.assert_array_equal(first, second)


# ------------------------------------------------------------------ with what is decided


def decided_about(archive: Archive, decisions: dict[int, tuple[str, str]]) -> audit.Decided:
    rows = [
        {"digest": "", "file": archive.files[i], "given": "", "decision": word, "label": label}
        for i, (word, label) in decisions.items()
    ]
    return audit.decide(rows, archive)


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch, fast: None) -> Archive:
    """Clusters of which a tenth has another label; features as if they were extracted."""
    labels_N = noise.corrupt_labels(clusters()[1], pairs(0.1), 0, method="exact").labels
    files = tuple(f"{NAMES[y]}/{i:04}.jpg" for i, y in enumerate(labels_N))
    monkeypatch.setattr(pipeline, "cached_features", lambda *_, **__: clusters()[0])
    monkeypatch.setattr(networks, "create", lambda name, **_: name)
    return Archive(np.zeros((1200, 3, 1, 1), np.uint8), labels_N, NAMES, files)


def test_decided_images_are_trained_with_and_never_listed_again(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_N, first = clusters()[1], audit.audit_archive(archive, progress=False)
    looked = first.ranking()[:200]
    said = {i: ("relabel", NAMES[true_N[i]]) for i in looked[20:].tolist()}
    said |= dict.fromkeys(looked[10:20].tolist(), ("discard", ""))
    said |= dict.fromkeys(looked[:10].tolist(), ("unsure", ""))
    trained: list[tuple[NDArray[np.float32], NDArray[np.int64]]] = []

    def scored(features: Any, labels: Any, *rest: Any, **options: Any) -> scores.Scores:
        trained.append((features, labels))
        return by_class_means(features, labels, *rest, **options)

    monkeypatch.setattr(scores, "score_labels", scored)
    decided = decided_about(archive, said)
    found = audit.audit_archive(archive, decided=decided, progress=False)
    judged = np.setdiff1d(np.arange(1200), looked[10:])
    assert found.files == tuple(archive.files[i] for i in judged), "unsure ones are judged again"
    assert len(found.scores.doubt) == len(found.labels) == 1010
    features_MF, labels_M = trained[0]
    order = np.concatenate([judged, np.sort(looked[20:])])
    np.testing.assert_array_equal(features_MF, clusters()[0][order])
    corrected_N = archive.labels.copy()
    corrected_N[looked[20:]] = true_N[looked[20:]]
    np.testing.assert_array_equal(labels_M, corrected_N[order])
    assert found.noise_rate < 0.04 < first.noise_rate, "a share of those that are undecided"
    assert found.precision.flagged[0] == 1010


def test_a_class_without_undecided_images_stays_and_one_without_images_goes(
    archive: Archive,
) -> None:
    ways = [("keep", ""), ("relabel", "Beach"), ("discard", "")]
    for (word, label), classes in zip(ways, (4, 3, 3), strict=True):
        bare = np.flatnonzero(archive.labels == 0).tolist()
        decided = decided_about(archive, dict.fromkeys(bare, (word, label)))
        found = audit.audit_archive(archive, decided=decided, progress=False)
        assert found.class_names == (NAMES if classes == 4 else NAMES[1:])
        assert {found.class_names[y] for y in found.labels} == {*NAMES[1:]}
        assert found.scores.probabilities.shape == (len(found.files), classes)
        assert np.isfinite(found.class_noise).all()
        assert np.isfinite(found.transition).all()


def test_where_all_is_decided_nothing_is_left_to_audit(archive: Archive) -> None:
    decided = decided_about(archive, dict.fromkeys(range(1200), ("keep", "")))
    with pytest.raises(ValueError, match="All 1,200 images of the archive are decided"):
        audit.audit_archive(archive, decided=decided, progress=False)
    few = decided_about(archive, {0: ("relabel", "New")})
    with pytest.raises(ValueError, match="Class 'New' has 1 images; 3 folds need at least 3"):
        audit.audit_archive(archive, decided=few, progress=False)


def test_near_duplicates_with_different_labels_are_in_the_audit(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    features_NF = RNG(0).normal(size=(1200, 64)).astype(np.float32)
    other = int(np.flatnonzero(archive.labels != archive.labels[3])[7])
    same = int(np.flatnonzero(archive.labels == archive.labels[3])[7])
    features_NF[[other, same]] = features_NF[3] + 0.01
    monkeypatch.setattr(pipeline, "cached_features", lambda *_, **__: features_NF)
    found = audit.audit_archive(archive, progress=False)
    assert sorted(found.duplicates.tolist()) == sorted([sorted([3, other]), sorted([other, same])])


@pytest.mark.slow
def test_an_audit_by_the_heads_themselves() -> None:
    features_ND, true_N = clusters(320)
    corrupted = noise.corrupt_labels(true_N, pairs(0.2), 0, method="exact")
    files = [str(i) for i in range(320)]
    found = audit.audit_features(features_ND, corrupted.labels, NAMES, files, folds=2)
    assert found.noise_rate == pytest.approx(0.2, abs=0.1)
    assert corrupted.flipped[found.ranking()[:40]].mean() > 0.8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"folds": 1}, "folds is 1; it must be at least 2"),
        ({"folds": 400}, "Class 'Bare' has 300 images; 400 folds need at least 400"),
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


def test_features_are_those_of_the_images_that_the_archive_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever file lies under them; of the same images extracted once, wherever they lie."""
    monkeypatch.setattr(networks, "create", tiny_backbone)
    cache, root = tmp_path / "cache", write_archive(tmp_path / "archive")

    def features_of(archive: Archive) -> NDArray[np.float32]:
        return audit.archive_features(archive, "resnet18", cache=cache, progress=False)

    archive = datasets.load_archive(root, 8, cache=cache, progress=False)
    whole = features_of(archive)
    for view in (slice(None, None, -1), slice(2, 7), [5, 1, 1], np.arange(8) % 3 == 0):
        part = archive._replace(
            images=archive.images[view],
            labels=archive.labels[view],
            files=tuple(np.array(archive.files)[view]),
        )
        np.testing.assert_allclose(features_of(part), whole[view], rtol=1e-5, atol=1e-6)
    renamed = archive._replace(class_names=("b", "a"), labels=1 - archive.labels)
    plain = archive._replace(images=np.array(archive.images))
    moved = datasets.load_archive(root.rename(tmp_path / "moved"), 8, cache=cache, progress=False)
    monkeypatch.setattr(features, "_extracted", None)
    for same in (renamed, plain, moved):
        np.testing.assert_array_equal(features_of(same), whole)


def test_a_small_class_is_named_before_any_feature_is_extracted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnsl_tutorial.datasets.features._extracted", None)
    root = write_archive(tmp_path / "archive")
    for name in ("2.png", "3.png"):
        (root / "b" / name).unlink()
    with pytest.raises(ValueError, match="Class 'b' has 2 images; 3 folds need at least 3"):
        audit.audit_folder(root, size=8, cache=tmp_path / "cache", progress=False)


def test_an_untrained_backbone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no ImageNet weights for the backbone 'small'"):
        audit.audit_folder(tmp_path / "missing", backbone="small")
