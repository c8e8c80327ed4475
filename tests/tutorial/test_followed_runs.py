import numpy as np
import pytest
import torch

from rnsl_tutorial import datasets, experiments, losses
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.tutorial.tables import FollowedRuns


@pytest.fixture(scope="module")
def shipped() -> FollowedRuns:
    return FollowedRuns.shipped()


def test_wrong_labels_are_those_of_the_config(shipped: FollowedRuns) -> None:
    aid = datasets.load_shipped_features("aid")
    true = aid.labels[aid.split.train]
    np.testing.assert_array_equal(shipped.labels, true)
    config = Config(**shipped.made_with["config"])
    given = experiments.corrupt(aid, config)
    generator = torch.Generator().manual_seed(config.seed)
    order = torch.randperm(len(true), generator=generator)[: len(shipped.given)].sort().values
    np.testing.assert_array_equal(shipped.given, given.labels[order])
    np.testing.assert_array_equal(shipped.flipped, given.flipped[order])


def test_beliefs_are_those_of_the_embeddings(shipped: FollowedRuns) -> None:
    kept = shipped.log_p_of("rnsl")[list(shipped.moments)][:, shipped.batch]
    labels = torch.from_numpy(shipped.given[shipped.batch]).long()
    temperature = shipped.made_with["config"]["temperature"]
    for log_p, embeddings, prototypes in zip(
        kept, shipped.embeddings, shipped.prototypes, strict=True
    ):
        points, places = torch.from_numpy(embeddings).float(), torch.from_numpy(prototypes).float()
        again = losses.label_log_probability(points, places, labels, temperature).numpy()
        np.testing.assert_allclose(log_p, again, atol=0.03)  # float16, divided by T


def test_shapes_agree(shipped: FollowedRuns) -> None:
    (images,), (audited,) = shipped.given.shape, shipped.doubt.shape
    assert shipped.log_p.shape == (len(shipped.losses), len(shipped.kept), images)
    assert shipped.kept.shape[1] == images
    assert shipped.embeddings.shape[:2] == (len(shipped.moments), len(shipped.batch))
    temperatures, epochs, on_sphere, axes = shipped.sphere_embeddings.shape
    classes = len(shipped.sphere_classes)
    assert shipped.sphere_prototypes.shape == (temperatures, epochs, classes, axes)
    assert (temperatures, on_sphere) == (len(shipped.temperatures), len(shipped.sphere_labels))
    assert shipped.audited.shape == shipped.wrong.shape == (audited,)
    np.testing.assert_allclose(shipped.neighborhoods.sum(axis=1), 1, rtol=1e-5)
    assert len({curve.shape for curve in shipped.estimate}) == 1
