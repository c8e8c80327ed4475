"""A stand-in for NWPU-RESISC45, where its images are not at hand.

It has the 45 class names of NWPU-RESISC45, and no image of it. Every class is played by images of
AID (`CAST`):

    24 classes  by the AID class of the same kind: airport by Airport, lake by Pond. Where that
                class was halved, by its first half.
    21 classes  by the other six AID classes, one of which was halved, and by the 14 second halves;
                chosen by looks, so that classes which the noise table takes for each other look
                alike. Some fit (mobile_home_park by a half of Parking), some names say nothing
                about the images (cloud by a half of Park).

Halved are the 15 AID classes with the most images, at the median of the first principal axis of
their training images. So 30 of the 45 classes have a neighbour that people would call the same.

Shapes: N images, D feature dimensions.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from rnsl_tutorial.datasets.features import FeatureSet

__all__ = ["BY_LOOKS", "CAST", "NAME", "NAMESAKES", "Actor", "members", "stand_in"]

NAME = "nwpu45_stand_in"
"""Of what was measured on the stand-in, so that nobody takes it for NWPU-RESISC45."""


class Actor(NamedTuple):
    """Who plays a class: an AID class, or one half of it.

    Attributes:
        aid_class: its name in AID.
        half: 1 (beyond the median of the first principal axis) or 2; None for the whole class.
    """

    aid_class: str
    half: int | None = None

    def __str__(self) -> str:
        return self.aid_class if self.half is None else f"{self.aid_class}, half {self.half}"


NAMESAKES: Mapping[str, Actor] = MappingProxyType(
    {
        "airport": Actor("Airport", 1),
        "baseball_diamond": Actor("BaseballField"),
        "beach": Actor("Beach", 1),
        "bridge": Actor("Bridge", 1),
        "church": Actor("Church"),
        "commercial_area": Actor("Commercial", 1),
        "dense_residential": Actor("DenseResidential", 1),
        "desert": Actor("Desert"),
        "forest": Actor("Forest"),
        "ground_track_field": Actor("Playground", 1),
        "harbor": Actor("Port", 1),
        "industrial_area": Actor("Industrial", 1),
        "lake": Actor("Pond", 1),
        "meadow": Actor("Meadow"),
        "medium_residential": Actor("MediumResidential"),
        "mountain": Actor("Mountain"),
        "overpass": Actor("Viaduct", 1),
        "parking_lot": Actor("Parking", 1),
        "railway_station": Actor("RailwayStation"),
        "rectangular_farmland": Actor("Farmland", 1),
        "river": Actor("River", 1),
        "sparse_residential": Actor("SparseResidential"),
        "stadium": Actor("Stadium"),
        "storage_tank": Actor("StorageTanks", 1),
    }
)
"""Classes that NWPU-RESISC45 and AID share."""

BY_LOOKS: Mapping[str, Actor] = MappingProxyType(
    {
        "airplane": Actor("Airport", 2),
        "basketball_court": Actor("Playground", 2),
        "chaparral": Actor("BareLand"),
        "circular_farmland": Actor("Farmland", 2),
        "cloud": Actor("Park", 2),
        "freeway": Actor("Viaduct", 2),
        "golf_course": Actor("Port", 2),
        "intersection": Actor("Commercial", 2),
        "island": Actor("Beach", 2),
        "mobile_home_park": Actor("Parking", 2),
        "palace": Actor("DenseResidential", 2),
        "railway": Actor("Industrial", 2),
        "roundabout": Actor("School"),
        "runway": Actor("Square"),
        "sea_ice": Actor("Resort"),
        "ship": Actor("Bridge", 2),
        "snowberg": Actor("Park", 1),
        "tennis_court": Actor("Center"),
        "terrace": Actor("River", 2),
        "thermal_power_station": Actor("StorageTanks", 2),
        "wetland": Actor("Pond", 2),
    }
)
"""The others. `python benchmarks/nwpu45.py --cast` searches for them again."""

CAST: Mapping[str, Actor] = MappingProxyType(dict(sorted({**NAMESAKES, **BY_LOOKS}.items())))
"""Who plays which class, in class order."""


def stand_in(aid: FeatureSet) -> FeatureSet:
    """Return AID's features with 45 labels in place of 30; images and split stay as they are.

    Args:
        aid: the features of AID, with all of its classes.

    Raises:
        ValueError: a class of `CAST` is not there.
    """
    missing = {actor.aid_class for actor in CAST.values()} - set(aid.class_names)
    if missing:
        raise ValueError(
            f"The features lack {', '.join(sorted(missing))}; the stand-in is made of those of AID."
        )
    labels_N = np.empty_like(aid.labels)
    for label, actor in enumerate(CAST.values()):
        labels_N[members(aid, actor)] = label
    played = "45, played by those of AID: see nwpu45_stand_in.CAST"
    return aid._replace(
        labels=labels_N,
        class_names=tuple(CAST),
        made_with={**aid.made_with, "classes": played},
    )


def members(aid: FeatureSet, actor: Actor) -> NDArray[np.bool_]:
    """Return which images an actor plays with, bool [N].

    Args:
        aid: the features of AID.
        actor: its class must be there.
    """
    own_N: NDArray[np.bool_] = aid.labels == aid.class_names.index(actor.aid_class)
    if actor.half is None:
        return own_N
    train_N = np.zeros_like(own_N)
    train_N[aid.split.train] = own_N[aid.split.train]
    axis = PCA(1, svd_solver="covariance_eigh").fit(aid.features[train_N])  # its sign is fixed
    score_N = axis.transform(aid.features)[:, 0]
    beyond_N = score_N > np.median(score_N[train_N])
    half_N: NDArray[np.bool_] = own_N & (beyond_N if actor.half == 1 else ~beyond_N)
    return half_N
