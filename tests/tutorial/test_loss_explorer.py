"""The explorer of losses hands over what the closed forms say."""

import numpy as np
import pytest
import traitlets
from explorer_checks import unpacked

from rnsl_tutorial.tutorial.explorers import LossExplorer, standalone_html


@pytest.fixture(scope="module")
def explorer() -> LossExplorer:
    return LossExplorer()


def test_loss_and_pull_are_the_closed_forms(explorer: LossExplorer) -> None:
    p = unpacked(explorer, "p").astype(float)
    for place, q in [(5, 0.1), (35, 0.7), (50, 1.0)]:
        np.testing.assert_allclose(unpacked(explorer, "loss")[place], (1 - p**q) / q, atol=1e-6)
        np.testing.assert_allclose(unpacked(explorer, "pull")[place], p**q * (1 - p), atol=1e-6)
    np.testing.assert_allclose(unpacked(explorer, "loss")[0], -np.log(p), rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.02, 0.07, 1.0])
def test_over_the_cosine_there_are_29_rivals_at_a_right_angle(
    explorer: LossExplorer, temperature: float
) -> None:
    t = explorer.controls["temperature"].values.index(temperature)
    cosines = unpacked(explorer, "cosines").astype(float)
    p = 1 / (1 + 29 * np.exp(-cosines / temperature))
    np.testing.assert_allclose(unpacked(explorer, "pull_at")[35, t], p**0.7 * (1 - p), atol=1e-5)


def test_the_marker_lies_where_p_is_reached(explorer: LossExplorer) -> None:
    t = explorer.controls["temperature"].values.index(0.05)
    cosine = unpacked(explorer, "cosine")[t]
    p = unpacked(explorer, "p")[:-1].astype(float)
    np.testing.assert_allclose(cosine[:-1], 0.05 * np.log(29 * p / (1 - p)), atol=5e-4)
    hottest = unpacked(explorer, "cosine")[-1]
    assert np.isnan(hottest[40:]).all(), "at T = 1 no image reaches p = 0.2"


def test_how_many_times_as_hard_nsl_pulls(explorer: LossExplorer) -> None:
    p = unpacked(explorer, "p")[:-1].astype(float)
    harder = unpacked(explorer, "harder")
    np.testing.assert_allclose(harder[35, :-1], p**-0.7, rtol=1e-4)
    assert np.isnan(harder[:, -1]).all(), "at p = 1 none pulls"
    marked = unpacked(explorer, "p")[explorer._table["marked"]]
    np.testing.assert_allclose(marked, explorer.controls["p"].values, rtol=1e-6)


def test_the_controls_are_traits(explorer: LossExplorer) -> None:
    other = LossExplorer(q=0.3, temperature=0.1, p=0.5)
    assert (other.q, other.temperature, other.p) == (0.3, 0.1, 0.5)
    other.q = 1
    assert other.q == 1.0
    with pytest.raises(traitlets.TraitError, match=r"q is 1\.33; this explorer has 0\.0, 0\.02"):
        other.q = 1.33
    with pytest.raises(traitlets.TraitError, match=r"temperature is 7; this explorer has 0\.02, "):
        LossExplorer(temperature=7)


def test_it_is_small(explorer: LossExplorer) -> None:
    assert len(standalone_html(explorer)) < 2e6
