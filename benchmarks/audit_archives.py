"""Archives whose wrong labels are known, for the benchmarks of the audit.

Whole ones and parts of them, small, uneven, of few classes. Their images are AID's, as shipped
features, procedural scenes, and what RNSL_ARCHIVES lists; their labels are true as far as anybody
knows, until they are made wrong here.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import frame
from rnsl_tutorial import audit, datasets, noise

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

NOISES = ("symmetric", "pair_flip", "look_alike", "instance_dependent")
SCENES, SIZE, SCENES_SEED = 1600, 96, 0


class Source(NamedTuple):
    """Images to cut archives from: features [N, F], true labels [N], names of C classes."""

    features: Floats
    labels: Labels
    class_names: tuple[str, ...]


class Cut(NamedTuple):
    """Which part of a source an archive is.

    Attributes:
        source: its name, see `sources`.
        classes: so many, drawn; 0 for all.
        images: of each class at most; 0 for all. Negative, -20 say: the largest class has 200, the
            smallest a twentieth, the others lie between them in even ratios.
    """

    source: str
    classes: int = 0
    images: int = 0

    def __str__(self) -> str:
        classes = f"{self.classes} classes" if self.classes else ""
        each = (
            f"{self.images} each" if self.images > 0 else f"1 : {-self.images}" * (self.images < 0)
        )
        return ", ".join(filter(None, (self.source, classes, each)))


class Case(NamedTuple):
    """An archive with wrong labels: features [N, F], given and true labels [N]."""

    features: Floats
    given: Labels
    true: Labels
    class_names: tuple[str, ...]


def shipped() -> Source:
    """Return AID, of which the package has features."""
    aid = datasets.load_shipped_features("aid")
    return Source(aid.features, aid.labels, aid.class_names)


def sources() -> dict[str, Source]:
    """Return all images that there are."""
    found = {"aid": shipped()}
    made = datasets.make_scenes(SCENES, SIZE, difficulty=0.7, seed=SCENES_SEED)
    archives = {"scenes": made}
    archives |= {n: datasets.load_archive(p) for n, p in frame.further_archives().items()}
    for name, archive in archives.items():
        features = audit.archive_features(archive, "efficientnet_lite0", progress=False)
        found[name] = Source(features, archive.labels, archive.class_names)
    return found


def make(source: Source, cut: Cut, kind: str, rate: float, seed: int) -> Case:
    """Cut an archive and make a share of its labels wrong; of each class 3 images are left."""
    rng = np.random.default_rng(seed)
    number = len(source.class_names)
    chosen = np.sort(rng.choice(number, cut.classes or number, replace=False))
    places, true = [], []
    for label, (name, most) in enumerate(zip(chosen, _most(cut, len(chosen)), strict=True)):
        of_class = rng.permutation(np.flatnonzero(source.labels == name))[:most]
        places.append(of_class)
        true.append(np.full(len(of_class), label))
    order = np.argsort(np.concatenate(places))
    features, true_N = source.features[np.concatenate(places)[order]], np.concatenate(true)[order]
    given_N = corrupt(features, true_N, kind, rate, seed)
    for label in np.flatnonzero(np.bincount(given_N, minlength=len(chosen)) < 3):
        given_N[np.flatnonzero(true_N == label)[:3]] = label
    return Case(features, given_N, true_N, tuple(source.class_names[c] for c in chosen))


def _most(cut: Cut, classes: int) -> list[int]:
    if cut.images < 0:
        counts = np.geomspace(200 // -cut.images, 200, classes).round()
        return [int(count) for count in counts]
    return [cut.images or 10**9] * classes


def corrupt(features: Floats, true_N: Labels, kind: str, rate: float, seed: int) -> Labels:
    """Make labels wrong: one of `NOISES`."""
    classes = int(true_N.max()) + 1
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    if kind == "look_alike":
        transition = look_alike(scaled, true_N, classes, rate)
        return noise.corrupt_labels(true_N, transition, seed).labels
    more = {"features": scaled} if kind == "instance_dependent" else {}
    return noise.corrupt(true_N, kind, rate, seed=seed, num_classes=classes, **more).labels


def look_alike(features: Floats, true_N: Labels, classes: int, rate: float) -> NDArray[np.float64]:
    """A class is taken for the three whose mean features are the most alike: 6, 3, 1 of 10."""
    mean_CF = np.stack([features[true_N == c].mean(axis=0) for c in range(classes)])
    mean_CF /= np.linalg.norm(mean_CF, axis=1, keepdims=True)
    alike_CC = mean_CF @ mean_CF.T - 9 * np.eye(classes)
    transition_CC = (1 - rate) * np.eye(classes)
    shares = np.array([0.6, 0.3, 0.1])[: classes - 1]
    for label in range(classes):
        others = np.argsort(-alike_CC[label])[: len(shares)]
        transition_CC[label, others] += rate * shares / shares.sum()
    return transition_CC
