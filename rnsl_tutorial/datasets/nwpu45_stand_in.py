"""NWPU-RESISC45 where its images are there, and a stand-in of its 45 classes where they are not.

The stand-in has the 45 class names of NWPU-RESISC45, and no image of it. Every class is played by
images of AID (`CAST`):

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
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from rnsl_tutorial import noise
from rnsl_tutorial._files import cache_dir, shipped
from rnsl_tutorial.datasets import archives as datasets
from rnsl_tutorial.datasets import download, features
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.experiments import heads as experiments

NAME = "nwpu45"
"""Of the data set, by which `noise.label_dependent_transition` knows the table."""
STAND_IN = "nwpu45_stand_in"
"""Of what was measured on the stand-in, so that nobody takes it for NWPU-RESISC45."""


class Part(NamedTuple):
    """Who plays a class: an AID class, or one half of it.

    Attributes:
        aid_class: its name in AID.
        half: 1 (beyond the median of the first principal axis) or 2; None for the whole class.
    """

    aid_class: str
    half: int | None = None

    def __str__(self) -> str:
        return self.aid_class if self.half is None else f"{self.aid_class}, half {self.half}"


NAMESAKES: Mapping[str, Part] = MappingProxyType(
    {
        "airport": Part("Airport", 1),
        "baseball_diamond": Part("BaseballField"),
        "beach": Part("Beach", 1),
        "bridge": Part("Bridge", 1),
        "church": Part("Church"),
        "commercial_area": Part("Commercial", 1),
        "dense_residential": Part("DenseResidential", 1),
        "desert": Part("Desert"),
        "forest": Part("Forest"),
        "ground_track_field": Part("Playground", 1),
        "harbor": Part("Port", 1),
        "industrial_area": Part("Industrial", 1),
        "lake": Part("Pond", 1),
        "meadow": Part("Meadow"),
        "medium_residential": Part("MediumResidential"),
        "mountain": Part("Mountain"),
        "overpass": Part("Viaduct", 1),
        "parking_lot": Part("Parking", 1),
        "railway_station": Part("RailwayStation"),
        "rectangular_farmland": Part("Farmland", 1),
        "river": Part("River", 1),
        "sparse_residential": Part("SparseResidential"),
        "stadium": Part("Stadium"),
        "storage_tank": Part("StorageTanks", 1),
    }
)
"""Classes that NWPU-RESISC45 and AID share."""

BY_LOOKS: Mapping[str, Part] = MappingProxyType(
    {
        "airplane": Part("Airport", 2),
        "basketball_court": Part("Playground", 2),
        "chaparral": Part("BareLand"),
        "circular_farmland": Part("Farmland", 2),
        "cloud": Part("Park", 2),
        "freeway": Part("Viaduct", 2),
        "golf_course": Part("Port", 2),
        "intersection": Part("Commercial", 2),
        "island": Part("Beach", 2),
        "mobile_home_park": Part("Parking", 2),
        "palace": Part("DenseResidential", 2),
        "railway": Part("Industrial", 2),
        "roundabout": Part("School"),
        "runway": Part("Square"),
        "sea_ice": Part("Resort"),
        "ship": Part("Bridge", 2),
        "snowberg": Part("Park", 1),
        "tennis_court": Part("Center"),
        "terrace": Part("River", 2),
        "thermal_power_station": Part("StorageTanks", 2),
        "wetland": Part("Pond", 2),
    }
)
"""The others. `python benchmarks/nwpu45.py --cast` searches for them again."""

CAST: Mapping[str, Part] = MappingProxyType(dict(sorted({**NAMESAKES, **BY_LOOKS}.items())))
"""Who plays which class, in class order."""


class Source(NamedTuple):
    """Features with 45 classes, and what they are.

    Attributes:
        features: labels are numbered as `noise.label_dependent_classes("nwpu45")`.
        name: "nwpu45", or "nwpu45_stand_in".
        title: what to write on every figure, in a few words.
    """

    features: FeatureSet
    name: str
    title: str


def load(*, progress: bool = True) -> Source:
    """Take NWPU-RESISC45 if ``rnsl data get nwpu45`` has fetched it, else the stand-in.

    The features of the images are extracted the first time, which takes minutes, and kept in the
    cache.

    Args:
        progress: show bars while features are extracted.

    Raises:
        ValueError: the images are not those of the 45 classes.
        ConnectionError: the weights of the backbone cannot be downloaded.
    """
    images = download.find(NAME)
    if images is None:
        features_45 = stand_in(features.load_shipped("aid"))
        return Source(features_45, STAND_IN, "stand-in for NWPU45")
    return Source(_extracted(images, progress), NAME, "NWPU-RESISC45")


def measured(source: Source) -> experiments.Record | None:
    """Return the runs of `python benchmarks/nwpu45.py` on a source; None where there are none.

    Those of the stand-in come with the package.
    """
    try:
        return experiments.load(shipped("data", "results", source.name, "results.json"))
    except FileNotFoundError:
        return None


def _extracted(images: Path, progress: bool) -> FeatureSet:
    """Extract the features of the fetched images, or read them where that was done before."""
    path = cache_dir() / "features" / f"{NAME}_{download.PINS[NAME].revision[:12]}.npz"
    if path.exists():
        return features.load(path)
    archive = datasets.load_archive(images, progress=progress)
    if archive.class_names != noise.label_dependent_classes(NAME):
        raise ValueError(
            f"{images} holds {len(archive.class_names)} classes, {archive.class_names[0]} to "
            f"{archive.class_names[-1]}, not the 45 of NWPU-RESISC45. Remove the folder and fetch "
            "it again with `rnsl data get nwpu45`."
        )
    split = features.split_for(NAME, archive)
    built = features.build(archive, split, progress=progress)
    features.save(path, built)
    return built


# ------------------------------------------------------------------ the stand-in


def stand_in(aid: FeatureSet) -> FeatureSet:
    """Return AID's features with 45 labels in place of 30; images and split stay as they are.

    Args:
        aid: the features of AID, with all of its classes.

    Raises:
        ValueError: a class of `CAST` is not there.
    """
    missing = {part.aid_class for part in CAST.values()} - set(aid.class_names)
    if missing:
        raise ValueError(
            f"The features lack {', '.join(sorted(missing))}; the stand-in is made of those of AID."
        )
    labels_N = np.empty_like(aid.labels)
    for label, part in enumerate(CAST.values()):
        labels_N[members(aid, part)] = label
    return aid._replace(
        labels=labels_N,
        class_names=tuple(CAST),
        made_with={**aid.made_with, "classes": "45, played by those of AID: see nwpu45.CAST"},
    )


def members(aid: FeatureSet, part: Part) -> NDArray[np.bool_]:
    """Return which images play a part, bool [N].

    Args:
        aid: the features of AID.
        part: its class must be there.
    """
    own_N: NDArray[np.bool_] = aid.labels == aid.class_names.index(part.aid_class)
    if part.half is None:
        return own_N
    train_N = np.zeros_like(own_N)
    train_N[aid.split.train] = own_N[aid.split.train]
    axis = PCA(1, svd_solver="covariance_eigh").fit(aid.features[train_N])  # its sign is fixed
    score_N = axis.transform(aid.features)[:, 0]
    beyond_N = score_N > np.median(score_N[train_N])
    half_N: NDArray[np.bool_] = own_N & (beyond_N if part.half == 1 else ~beyond_N)
    return half_N
