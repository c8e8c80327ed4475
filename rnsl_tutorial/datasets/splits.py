"""Which images are for training, for validation and for the test.

Shapes: N images.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import train_test_split

from rnsl_tutorial._arrays import array, check_seed
from rnsl_tutorial.datasets.archives import Archive

__all__ = ["Split", "paper_split", "split_for", "stratified_split"]

_PAPER_DATASETS = ("aid", "nwpu45")  # whose results are compared with the paper's, on its split

_Part = TypeVar("_Part")


class Split(NamedTuple, Generic[_Part]):
    """Three disjoint parts that together hold every image."""

    train: _Part
    val: _Part
    test: _Part


def _check_split(split: Split[NDArray[np.int64]], num_images: int) -> None:
    """Refuse a split whose parts overlap, are empty, or hold what is no image.

    Args:
        split: int64 places of its images in [0, N).
        num_images: N.

    Raises:
        ValueError: one of these.
    """
    for name, part in split._asdict().items():
        if part.ndim != 1 or not part.size or part.dtype.kind not in "iu":
            raise ValueError(
                f"The part {name} of the split is {part.dtype} {list(part.shape)}; integers of "
                "shape [M] are needed, at least one."
            )
        if part.min() < 0 or part.max() >= num_images:
            raise ValueError(
                f"The part {name} of the split holds places from {part.min()} to {part.max()}; "
                f"there are {num_images} images, 0 to {num_images - 1}."
            )
    places, counts = np.unique(np.concatenate(split), return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"Image {places[counts.argmax()]} is in the split {counts.max()} times; each belongs "
            "into one part, once."
        )


def paper_split(files_by_class: Mapping[str, Sequence[str]]) -> Split[list[str]]:
    """Split as the reference implementation of the paper does, file for file.

    In each class the n paths are sorted as strings, shuffled by a fresh ``random.Random(42)`` and
    cut at ``int(0.7 * n)`` and ``int(0.8 * n)``. These products are binary floats, which ``int``
    truncates: 0.7 * 700 is 489.99999999999994, so of the 700 images of each class of NWPU-RESISC45
    489 are for training and 71 for validation, not 490 and 70. We keep that, so that results
    compare with the reference. AID: 6993 / 1007 / 2000; NWPU-RESISC45: 22005 / 3195 / 6300.

    Args:
        files_by_class: class name -> relative paths of its images, in any order.

    Returns:
        train, val, test: relative paths; classes sorted, shuffled order within a class.

    Raises:
        ValueError: no class, a class without images, or a path given twice in a class.
    """
    _check_groups(files_by_class)
    split: Split[list[str]] = Split([], [], [])
    for name in sorted(files_by_class):
        files = sorted(files_by_class[name])
        random.Random(42).shuffle(files)
        first_val, first_test = int(0.7 * len(files)), int(0.8 * len(files))
        split.train.extend(files[:first_val])
        split.val.extend(files[first_val:first_test])
        split.test.extend(files[first_test:])
    return split


def stratified_split(
    labels: ArrayLike, fractions: tuple[float, float, float] = (0.7, 0.1, 0.2), *, seed: int
) -> Split[NDArray[np.int64]]:
    """Split at random, with the same class proportions in each part (scikit-learn's work).

    Args:
        labels: [N], the class of each image.
        fractions: shares of train, val and test: each above 0, together 1.
        seed: 0 to 2**32 - 1; the same seed gives the same split.

    Returns:
        train, val, test: int64 indices, ascending. val and test hold round(fraction * N) images.

    Raises:
        ValueError: labels not of shape [N], fractions or seed out of range, or a class too small to
            have an image in each part.
    """
    check_seed(seed, 2**32 - 1)
    labels_N = array("labels", labels, "biufU")
    if labels_N.ndim != 1 or labels_N.size == 0:
        raise ValueError(f"labels have shape {labels_N.shape}; give a list of one label an image.")
    if len(fractions) != 3 or min(fractions) <= 0 or not abs(sum(fractions) - 1) <= 1e-9:
        raise ValueError(f"fractions are {fractions}; give three above 0 that add up to 1.")
    state = np.random.RandomState(seed)
    num_val, num_test = (round(fraction * labels_N.size) for fraction in fractions[1:])
    try:
        rest, test = _stratify(np.arange(labels_N.size), num_test, labels_N, state)
        train, val = _stratify(rest, num_val, labels_N, state)
    except ValueError as error:
        raise _too_small(labels_N, fractions) from error
    if any(np.setdiff1d(labels_N, labels_N[part]).size for part in (train, val, test)):
        raise _too_small(labels_N, fractions)
    return Split(train, val, test)


def split_for(dataset: str, archive: Archive, seed: int = 42) -> Split[NDArray[np.int64]]:
    """Return index arrays: the paper's split for its data sets, else a stratified one.

    Args:
        dataset: a name; "aid" and "nwpu45" get `paper_split`.
        archive: whose images are split.
        seed: of the stratified split.
    """
    if dataset not in _PAPER_DATASETS:
        named = np.array(archive.class_names)[archive.labels]  # so that an error can say which
        return stratified_split(named, seed=seed)
    place = {name: i for i, name in enumerate(archive.files)}
    files = np.array(archive.files, dtype=object)
    classes = enumerate(archive.class_names)
    parts = paper_split({name: [*files[archive.labels == c]] for c, name in classes})
    return Split(*(np.array([place[name] for name in part], dtype=np.int64) for part in parts))


def _stratify(
    indices: NDArray[np.int64],
    num_second: int,
    labels_N: NDArray[np.generic],
    state: np.random.RandomState,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, second = train_test_split(
        indices, test_size=num_second, stratify=labels_N[indices], random_state=state
    )
    return np.sort(first), np.sort(second)


def _too_small(labels_N: NDArray[np.generic], fractions: Sequence[float]) -> ValueError:
    classes, counts = np.unique(labels_N, return_counts=True)
    return ValueError(
        f"Class {classes[counts.argmin()]} has {counts.min()} of {labels_N.size} images, too few "
        f"for parts of {fractions}: each part needs one of every class. Add images, leave the "
        "class out, or make the smallest part larger."
    )


def _check_groups(groups: Mapping[str, Sequence[str]]) -> None:
    if not groups:
        raise ValueError("There are no classes to split; give a dict from class name to paths.")
    for name, files in groups.items():
        if not files:
            raise ValueError(f"Class {name!r} has no images; add their paths or leave it out.")
        if len(set(files)) < len(files):
            raise ValueError(f"Class {name!r} holds a path twice; give each image once.")
