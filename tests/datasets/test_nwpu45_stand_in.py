"""The stand-in for NWPU-RESISC45."""

import numpy as np
import pytest

from rnsl_tutorial import datasets, noise
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.datasets.nwpu45_stand_in import BY_LOOKS, CAST, Actor, members, stand_in
from rnsl_tutorial.evaluation import class_margins

NAMES = noise.label_dependent_classes("nwpu45")
TABLE = ("nwpu45", 0.5)


@pytest.fixture(scope="module")
def aid() -> FeatureSet:
    return datasets.load_shipped_features("aid")


@pytest.fixture(scope="module")
def played(aid: FeatureSet) -> FeatureSet:
    return stand_in(aid)


@pytest.mark.slow
def test_every_class_is_played_and_every_image_plays_once(
    aid: FeatureSet, played: FeatureSet
) -> None:
    assert tuple(CAST) == NAMES == played.class_names
    assert len(set(CAST.values())) == 45
    assert {actor.aid_class for actor in CAST.values()} == set(aid.class_names)
    images = np.stack([members(aid, actor) for actor in CAST.values()])
    np.testing.assert_array_equal(images.sum(axis=0), 1)
    np.testing.assert_array_equal(images.argmax(axis=0), played.labels)
    assert np.shares_memory(played.features, aid.features)
    assert played.split is aid.split


@pytest.mark.slow
def test_halved_are_the_15_largest_classes_each_into_two(aid: FeatureSet) -> None:
    images = np.bincount(aid.labels)
    largest = {aid.class_names[i] for i in np.argsort(-images, kind="stable")[:15]}
    halves = [actor for actor in CAST.values() if actor.half]
    assert {actor.aid_class for actor in halves} == largest
    assert {half for actor in halves for half in [actor.half]} == {1, 2}
    train = np.zeros(len(aid.labels), dtype=bool)
    train[aid.split.train] = True
    for name in largest:
        one, two = (members(aid, Actor(name, half)) & train for half in (1, 2))
        assert 0 <= two.sum() - one.sum() <= 1


def test_a_half_does_not_depend_on_test_images(aid: FeatureSet) -> None:
    moved = aid.features.copy()
    moved[aid.split.test] *= -3
    train = aid.split.train
    one, other = (
        members(data, Actor("Airport", 1))[train] for data in (aid, aid._replace(features=moved))
    )
    np.testing.assert_array_equal(one, other)


def test_classes_that_the_table_confuses_look_more_alike_than_in_any_other_cast(
    played: FeatureSet,
) -> None:
    looks, taken = class_margins.neighborhoods(played), noise.label_dependent_transition(*TABLE)
    looks, taken = looks + looks.T, taken + taken.T
    np.fill_diagonal(taken, 0)
    free = [NAMES.index(name) for name in BY_LOOKS]
    generator = np.random.default_rng(0)

    def alike(order: np.ndarray) -> float:  # type: ignore[type-arg]
        return float((taken * looks[np.ix_(order, order)]).sum())

    others = []
    for _ in range(200):
        order = np.arange(45)
        order[free] = generator.permutation(free)
        others.append(alike(order))
    swapped = []
    for a in free:
        for b in free:
            order = np.arange(45)
            order[[a, b]] = b, a
            swapped.append(alike(order))
    chosen = alike(np.arange(45))
    assert chosen > 1.5 * max(others)
    assert chosen >= max(swapped) - 1e-9, "no exchange of two would look more alike"


def test_an_actor_says_who_it_is() -> None:
    assert str(CAST["church"]) == "Church"
    assert str(CAST["airplane"]) == "Airport, half 2"


def test_features_of_another_archive_are_refused(aid: FeatureSet) -> None:
    names = ("Harbour", *aid.class_names[1:])
    with pytest.raises(ValueError, match="lack Airport; the stand-in is made of those of AID"):
        stand_in(aid._replace(class_names=names))
