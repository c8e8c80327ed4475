"""Features with the name that results carry: NWPU-RESISC45's where it is, else its stand-in's."""

from typing import NamedTuple

from rnsl_tutorial import noise
from rnsl_tutorial.datasets import download, nwpu45_stand_in
from rnsl_tutorial.datasets.archives import load_archive
from rnsl_tutorial.datasets.features import FeatureSet, build_features, load_shipped_features
from rnsl_tutorial.datasets.splits import split_for
from rnsl_tutorial.experiments.results import Record, shipped_results
from rnsl_tutorial.training import networks

__all__ = ["NamedFeatures", "nwpu45_or_stand_in", "shipped_runs"]

_NWPU45, _BACKBONE = "nwpu45", "efficientnet_lite0"


class NamedFeatures(NamedTuple):
    """Features with the 45 classes of NWPU-RESISC45, and what they are.

    Attributes:
        features: labels are numbered as `noise.label_dependent_classes("nwpu45")`.
        name: "nwpu45", or "nwpu45_stand_in".
        title: what to write on every figure, in a few words.
    """

    features: FeatureSet
    name: str
    title: str


def nwpu45_or_stand_in(*, progress: bool = True) -> NamedFeatures:
    """Take NWPU-RESISC45 if ``rnsl data get nwpu45`` has fetched it, else the stand-in.

    The features of the images are extracted the first time, which takes minutes, and kept in the
    cache.

    Args:
        progress: show bars while images are read and features are extracted.

    Raises:
        ValueError: the images are not those of the 45 classes.
    """
    images = download.find(_NWPU45)
    if images is None:
        features = nwpu45_stand_in.stand_in(load_shipped_features("aid"))
        return NamedFeatures(features, nwpu45_stand_in.NAME, "stand-in for NWPU45")
    archive = load_archive(images, progress=progress)
    if archive.class_names != noise.label_dependent_classes(_NWPU45):
        raise ValueError(
            f"{images} holds {len(archive.class_names)} classes, {archive.class_names[0]} to "
            f"{archive.class_names[-1]}, not the 45 of NWPU-RESISC45. Remove the folder and fetch "
            "it again with `rnsl data get nwpu45`."
        )
    backbone, split = networks.create(_BACKBONE), split_for(_NWPU45, archive)
    features = build_features(archive, split, backbone, name=_BACKBONE, progress=progress)
    return NamedFeatures(features, _NWPU45, "NWPU-RESISC45")


def shipped_runs(name: str) -> Record | None:
    """Return the runs of `python benchmarks/nwpu45.py` that come with the package; None if none do.

    Args:
        name: of the features, as `NamedFeatures` has it.
    """
    try:
        return shipped_results(name)
    except FileNotFoundError:
        return None
