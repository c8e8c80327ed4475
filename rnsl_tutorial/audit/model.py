"""A model of all images of an archive, trained as the audit's heads are.

Shapes: N images, F features, M components.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from rnsl_tutorial._arrays import labels_in, takes
from rnsl_tutorial.audit import scores
from rnsl_tutorial.audit._evidence import components_for
from rnsl_tutorial.audit.decisions import Decided
from rnsl_tutorial.datasets.archives import Archive
from rnsl_tutorial.datasets.features import FeatureSet, Reduction
from rnsl_tutorial.datasets.splits import Split
from rnsl_tutorial.experiments import heads
from rnsl_tutorial.experiments.inference import Model

__all__ = ["fit_model"]

_MOST = 1e15  # whose square float32 still has


@takes(features_NF="numbers N F")
def fit_model(
    archive: Archive,
    features_NF: NDArray[np.float32],
    backbone: str,
    *,
    decided: Decided | None = None,
    seed: int = 0,
) -> Model:
    """Train one head on all images of an archive, by the recipe of the audit's heads.

    Those judge images that they never saw; this one judges images to come. It is trained with
    t-RNSL, which leaves out the labels that it finds wrong.

    Args:
        archive: with its given labels.
        features_NF: float32 [N, F], what the backbone makes of its images.
        backbone: one of `networks.names(pretrained=True)`.
        decided: what somebody decided; then its labels count, and discarded images do not.
        seed: of the head.

    Raises:
        ValueError: features that are none of the backbone's, or all alike.
        FloatingPointError: the loss is no longer finite.
    """
    labels_N = labels_in(len(archive.class_names), archive.labels)
    if len(labels_N) != len(features_NF):
        raise ValueError(f"There are {len(labels_N)} labels for features of {len(features_NF)}.")
    low, high = float(features_NF.min()), float(features_NF.max())
    if max(high, -low) > _MOST or (features_NF == features_NF[0]).all():
        raise ValueError("The features are all alike, or too large; no backbone makes such ones.")
    features_NF, names = features_NF.astype(np.float32, copy=False), archive.class_names
    if decided is not None:
        kept = np.union1d(decided.undecided(), decided.trusted())
        features_NF, labels_N, names = features_NF[kept], decided.labels[kept], decided.class_names
    reduction = _components(features_NF)
    nothing = np.zeros(0, np.int64)
    features = FeatureSet(
        features=reduction.apply(features_NF),
        labels=labels_N,
        class_names=names,
        files=tuple(map(str, range(len(labels_N)))),
        split=Split(np.arange(len(features_NF)), nothing, nothing),
        step=np.zeros(0, np.float32),
        reduction=reduction,
        made_with={
            "backbone": backbone,
            "image_size": archive.images.shape[-1],
            **archive.reading.told(),
        },
    )
    config = replace(scores.recipe_for(len(features_NF)), dataset="archive", seed=seed)
    return Model.of_head(heads.fit(features, config), features, config)


def _components(features_NF: NDArray[np.float32]) -> Reduction:
    """Principal components, as many as the audit's heads take."""
    dim = min(components_for(len(features_NF)), *features_NF.shape)
    pca = PCA(dim, svd_solver="covariance_eigh").fit(features_NF)
    return Reduction(pca.mean_.astype(np.float32), pca.components_.T.astype(np.float32))
