"""The builder of the table of scenes: a small one is made anew."""

from dataclasses import asdict

import numpy as np

from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.experiments.config import Config
from tools import spotted_scenes

SMALL = Config(
    **{**asdict(spotted_scenes.CONFIG), "scenes": 320, "epochs": 2, "image_size": 32, "rate": 0.3}
)


def test_a_table_is_drawn_by_chance_from_the_runs() -> None:
    epochs = []
    run = spotted_scenes.followed(SMALL, lambda: epochs.append(1))
    assert len(epochs) == 2 * len(spotted_scenes.LOSSES)
    assert run.log_p.shape == (2, 2, len(run.true))
    assert (run.log_p <= 0).all()
    table = spotted_scenes.spotted(SMALL, [run, run])
    assert table.true.shape == (2, 2, 24)
    assert ((table.true != table.given).sum(axis=2) == 6).all()
    at = spotted_scenes.drawn(run, SMALL.seed)
    assert len(np.unique(at)) == at.size
    np.testing.assert_array_equal(table.log_p[0], run.log_p[:, :, at].astype(np.float16))
    all_true = scenes.make_scenes(320, 32, seed=0).labels
    np.testing.assert_array_equal(all_true[run.places[at]], table.true[0])
    doubted = run.log_p[:, -1] <= np.log(0.5)
    wrong = run.true != run.given
    np.testing.assert_allclose(table.shares[0, 0], doubted[:, wrong].mean(axis=1))
    np.testing.assert_allclose(table.shares[0, 1], doubted[:, ~wrong].mean(axis=1))
    assert table.lengths.sum() == table.pictures.size
