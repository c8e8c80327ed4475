from pathlib import Path

import numpy as np
import pytest
import torch

from rnsl_tutorial import losses
from rnsl_tutorial.datasets import features
from rnsl_tutorial.experiments import heads as experiments
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.tutorial.tables import followed_runs as watched


@pytest.fixture(scope="module")
def shipped() -> watched.Watched:
    return watched.load_shipped()


def test_wrong_labels_are_those_of_the_config(shipped: watched.Watched) -> None:
    aid = features.load_shipped("aid")
    true = aid.labels[aid.split.train]
    np.testing.assert_array_equal(shipped.labels, true)
    config = Config(**shipped.made_with["config"])
    given = experiments.corrupt(aid, config)
    generator = torch.Generator().manual_seed(config.seed)
    order = torch.randperm(len(true), generator=generator)[: len(shipped.given)].sort().values
    np.testing.assert_array_equal(shipped.given, given.labels[order])
    np.testing.assert_array_equal(shipped.flipped, given.flipped[order])


def test_beliefs_are_those_of_the_embeddings(shipped: watched.Watched) -> None:
    kept = shipped.log_p_of("rnsl")[list(shipped.moments)][:, shipped.batch]
    labels = torch.from_numpy(shipped.given[shipped.batch]).long()
    temperature = shipped.made_with["config"]["temperature"]
    for log_p, embeddings, prototypes in zip(
        kept, shipped.embeddings, shipped.prototypes, strict=True
    ):
        points, places = torch.from_numpy(embeddings).float(), torch.from_numpy(prototypes).float()
        again = losses.label_log_probability(points, places, labels, temperature).numpy()
        np.testing.assert_allclose(log_p, again, atol=0.03)  # float16, divided by T


def test_shapes_agree(shipped: watched.Watched) -> None:
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
    np.testing.assert_array_equal(shipped.estimated.recall, shipped.estimate[2])


def test_what_is_saved_is_loaded(shipped: watched.Watched, tmp_path: Path) -> None:
    watched.save(tmp_path / "new" / "w.npz", shipped)
    again = watched.load(tmp_path / "new" / "w.npz")
    for name, value in shipped._asdict().items():
        np.testing.assert_equal(getattr(again, name), value, err_msg=name)


@pytest.mark.parametrize("content", [b"", b"PK not a zip", b"{}"])
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"w.npz is damaged .*python benchmarks/watched.py"):
        watched.load(tmp_path / "w.npz")
    with pytest.raises(FileNotFoundError):
        watched.load(tmp_path / "none.npz")
