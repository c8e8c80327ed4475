import json
import re
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from explorer_checks import refuses, unpacked
from synthetic_spheres import small_runs

from rnsl_tutorial import losses
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers import SphereExplorer, SphereTrainingExplorer, standalone_html

STATES = [(0.02, 30.0), (0.05, 50.0), (0.1, 2.0), (1.0, 60.0), (1.0, 180.0)]


@pytest.fixture
def explorer() -> SphereExplorer:
    return SphereExplorer()


@pytest.fixture
def training() -> SphereTrainingExplorer:
    return SphereTrainingExplorer(*small_runs())


# ------------------------------------------------------------------ forces


def autograd(explorer: SphereExplorer, temperature: float, angle: float) -> tuple[Any, Any, float]:
    """-T dL/dx and -T dL/dw of one image, and its loss, from the library's loss alone."""
    x = torch.tensor(explorer.forces.images[round(angle / 2)][None], requires_grad=True)
    w = torch.tensor(explorer.prototypes, requires_grad=True)
    loss = losses.nsl(x, w, torch.tensor([explorer.own]), temperature=temperature)
    step_x, step_w = torch.autograd.grad(loss.sum(), (x, w))
    return -temperature * step_x[0].numpy(), -temperature * step_w.numpy(), loss.item()


@pytest.mark.parametrize(("temperature", "angle"), STATES)
def test_arrows_and_loss_are_what_autograd_finds(
    explorer: SphereExplorer, temperature: float, angle: float
) -> None:
    explorer.temperature, explorer.angle = temperature, angle
    place = (explorer.place("temperature"), explorer.place("angle"))
    on_image, on_prototypes, loss = autograd(explorer, temperature, angle)
    parts = unpacked(explorer, "on_image")[place]
    np.testing.assert_allclose(parts.sum(axis=0), on_image, atol=1e-6)
    np.testing.assert_allclose(unpacked(explorer, "total")[place], on_image, atol=1e-6)
    np.testing.assert_allclose(unpacked(explorer, "on_prototypes")[place], on_prototypes, atol=1e-6)
    assert unpacked(explorer, "loss")[place] == pytest.approx(loss, rel=1e-6, abs=1e-6)
    lengths = unpacked(explorer, "lengths")[place[0], :, place[1]]
    np.testing.assert_allclose(lengths, np.linalg.norm(parts, axis=1), atol=1e-6)


def test_own_pulls_and_the_others_push_along_the_sphere(explorer: SphereExplorer) -> None:
    forces = explorer.forces
    towards = np.einsum("taci,ci->tac", forces.on_image, explorer.prototypes)
    assert (towards[..., 0] >= 0).all()
    assert (towards[..., 1:] <= 0).all()
    along = np.einsum("taci,ai->tac", forces.on_image, forces.images)
    np.testing.assert_allclose(along, 0, atol=1e-12)


def test_the_image_lies_at_its_angle_on_the_way_to_the_rival() -> None:
    explorer = SphereExplorer(own=2, rival=4)
    own, rival = explorer.prototypes[2], explorer.prototypes[4]
    for place, angle in ((0, 0), (20, 40), (90, 180)):
        image = explorer.forces.images[place]
        assert np.linalg.norm(image) == pytest.approx(1)
        assert image @ own == pytest.approx(np.cos(np.radians(angle)))
        assert np.linalg.det([own, rival, image]) == pytest.approx(0)
    between = np.degrees(np.arccos(own @ rival))
    nearest = explorer.forces.images[round(between / 2)]
    assert nearest @ rival > np.cos(np.radians(1.01))


def test_at_a_small_temperature_one_rival_pushes_and_at_a_large_one_all_do(
    explorer: SphereExplorer,
) -> None:
    explorer.angle = 60
    a = explorer.place("angle")
    shares = {}
    for temperature in (0.05, 1.0):
        explorer.temperature = temperature
        pushes = explorer.forces.lengths[explorer.place("temperature"), 1:, a]
        shares[temperature] = pushes / pushes.sum()
    assert shares[0.05][0] > 0.99
    assert shares[1.0].argmax() == 1  # C, though B is nearer
    assert shares[1.0].max() < 0.45


def test_prototypes_of_any_length_are_taken() -> None:
    given = 3 * SphereExplorer().prototypes[:3]
    explorer = SphereExplorer(given, ("Beach", "Pond", "Port"), own=1, rival=0, angle=20)
    np.testing.assert_allclose(explorer.prototypes, given / 3)
    assert explorer._sentences[0].startswith("T = 0.02, 0° from its own prototype Pond: p = 1.00.")
    assert explorer.controls["angle"].label == "Angle from its own prototype Pond"


# ------------------------------------------------------------------ sentences, sizes, errors


def test_the_sentence_tells_p_the_pull_and_who_pushes_hardest(explorer: SphereExplorer) -> None:
    place = 11 * 91 + 30
    parts = explorer.forces.on_image[11, 30]
    pull, *pushes = np.linalg.norm(parts, axis=1)
    p = np.exp(-autograd(explorer, 1.0, 60.0)[2])
    assert explorer._table["sentences"][place] == (
        f"T = 1, 60° from its own prototype A: p = {p:.2f}. A pulls with {pull:.2f}/T, "
        f"C does {pushes[1] / sum(pushes):.0%} of the pushing."
    )
    assert explorer._table["sentences"][0].endswith("Next to nothing pulls or pushes.")


def test_both_tables_are_small_and_the_rest_is_json(
    explorer: SphereExplorer, training: SphereTrainingExplorer
) -> None:
    for one in (explorer, training):
        assert len(standalone_html(one)) < 2e6
        text = {name: v for name, v in one._table.items() if not isinstance(v, dict)}
        assert json.loads(json.dumps(text, allow_nan=False))["view"] == list(one.view)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("temperature", 0.06, "temperature is 0.06; this explorer has 0.02, 0.03, 0.04, 0.05"),
        ("angle", 181, "angle is 181; this explorer has 0, 2, 4, ... to 180"),
    ],
)
def test_what_the_table_lacks_is_refused(
    explorer: SphereExplorer, name: str, value: float, message: str
) -> None:
    before = getattr(explorer, name)
    with pytest.raises(traitlets.TraitError, match=re.escape(message)):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before


test_arguments_that_disagree_are_named = refuses(
    lambda **changes: SphereExplorer(**changes),
    ({"prototypes": np.eye(4)}, r"shape \[4, 4\] and there are 5 names"),
    ({"prototypes": np.eye(3)}, r"shape \[3, 3\] and there are 5 names"),
    ({"prototypes": np.zeros((2, 3)), "names": "AB"}, "length is 0"),
    ({"own": 1}, "own is 1, rival is 1; they must be two classes of 0 to 4"),
    ({"rival": 5}, "rival is 5"),
    ({"prototypes": [[0, 0, 1], [0, 0, -1]], "names": "AB"}, "lie on one line"),
    (
        {"prototypes": np.ones((7, 3)) + np.eye(7, 3), "names": "ABCDEFG"},
        "7 classes; at most 6",
    ),
)


# ------------------------------------------------------------------ training


def test_training_begins_where_it_is_told(training: SphereTrainingExplorer) -> None:
    assert (training.temperature, training.epoch) == (0.05, 0)
    other = SphereTrainingExplorer(*small_runs(), temperature=1.0, epoch=3)
    assert (other.temperature, other.epoch) == (1.0, 3)
    with pytest.raises(traitlets.TraitError, match=re.escape("epoch is 4; this explorer has 0, 1")):
        training.epoch = 4


def test_training_tells_the_angles_and_p_of_the_library(training: SphereTrainingExplorer) -> None:
    runs = small_runs()
    images, directions = runs.embeddings[1, 2], runs.prototypes[1, 2]
    cosines = [[float(x @ w) for w in directions] for x in images]
    own = [np.degrees(np.arccos(c[y])) for c, y in zip(cosines, runs.labels, strict=True)]
    rival = [
        np.degrees(np.arccos(max(c[:y] + c[y + 1 :])))
        for c, y in zip(cosines, runs.labels, strict=True)
    ]
    loss = losses.nsl(*map(torch.tensor, (images, directions, runs.labels)), temperature=1.0)
    p = (-loss).exp().mean().item()
    np.testing.assert_allclose(unpacked(training, "own")[1, 2], np.median(own), rtol=1e-4)
    np.testing.assert_allclose(unpacked(training, "rival")[1, 2], np.median(rival), rtol=1e-4)
    assert training._table["sentences"][4 + 2] == (
        f"T = 1, after 2 epochs: half of the images lie within {np.median(own):.0f}° of their "
        f"prototype; p = {p:.2f} on average."
    )
    assert training._table["sentences"][0].startswith("T = 0.05, before training: half")
    assert training._table["sentences"][1].startswith("T = 0.05, after 1 epoch: half")


def test_training_hands_the_points_over(training: SphereTrainingExplorer) -> None:
    runs = small_runs()
    np.testing.assert_array_equal(unpacked(training, "embeddings"), runs.embeddings)
    np.testing.assert_array_equal(unpacked(training, "prototypes"), runs.prototypes)
    np.testing.assert_array_equal(unpacked(training, "labels"), runs.labels)


test_runs_that_disagree_are_named = refuses(
    lambda **changes: SphereTrainingExplorer(*small_runs()._replace(**changes)),
    ({"embeddings": small_runs().embeddings[:, :, :-1]}, r"embeddings have .*\[2, 4, 30, 3\]"),
    ({"prototypes": small_runs().prototypes[:, 1:]}, r"prototypes have .*\[2, 4, 3, 3\]"),
    ({"temperatures": (0.05,)}, r"1 temperatures, .* need \[1, 4, 30, 3\]"),
    ({"labels": small_runs().labels + 1}, "labels run from 1 to 3; 3 names allow 0 to 2"),
    ({"names": tuple("ABCDEFG")}, "7 classes; at most 6"),
    ({"embeddings": np.ones(3)}, r"embeddings have the shape \[3\]"),
)


# ------------------------------------------------------------------ figures


def test_spheres_side_by_side_have_their_titles() -> None:
    runs = small_runs()
    titles = ["small T", "large T"]
    figure = plots.images_on_spheres(
        runs.embeddings[:, -1], runs.prototypes[:, -1], runs.labels, runs.names, titles, view=(0, 0)
    )
    assert [axes.get_title(loc="left") for axes in figure.axes] == titles
    assert {text.get_text() for text in figure.axes[0].texts} == set(runs.names)


@pytest.mark.parametrize("view", [(0.0, 0.0), (35.0, 20.0), (-100.0, 80.0)])
def test_a_view_is_a_rotation_that_looks_along_its_angles(view: tuple[float, float]) -> None:
    seen = plots.sphere_view(*view)
    np.testing.assert_allclose(seen @ seen.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(seen) == pytest.approx(1)
    azimuth, elevation = np.radians(view)
    eye = [
        np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation),
    ]  # fmt: skip
    assert seen @ eye == pytest.approx([0, 0, 1])
    assert seen[1] @ [0, 0, 1] >= 0  # north is up
