"""Explorers of the unit sphere: what the normalized softmax loss pulls and pushes.

The sphere is a small drawing of our own: a plotly scene needs WebGL, brings 5 MB of JavaScript to
the page and does not live without a kernel in a page of its own.

Shapes: T temperatures, A angles, C classes, G points of a circle, E moments of a training run,
B images; a point or arrow has 3 coordinates.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial._arrays import array, finite, tamed
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers.base import Choice, Explorer, module, number_control

__all__ = ["SphereExplorer", "SphereTrainingExplorer"]

_Floats = NDArray[np.float64]

_TEMPERATURES = (0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)
_ANGLES = np.arange(0.0, 181.0, 2.0)
_NAMES = ("A", "B", "C", "D", "E")
_PLACES = ((90, 0), (5, 0), (15, 80), (-45, 160), (-10, 270))
"""Latitude and longitude in degrees of the prototypes that the explorer begins with."""

_LENGTH_AXIS = plots.axis("force times T", 0, 1)
_DEGREES = (0, 30, 60, 90, 120, 150, 180)
_ARROW_SCALE = 0.75
"""Radii that an arrow of length 1 is drawn with."""
_NOTHING = 0.005
"""A force times T below which no arrow is seen and none is told of."""


class _Forces(NamedTuple):
    """What the loss does at every temperature and angle; all steps are times T.

    Attributes:
        images: [A, 3], where the image lies.
        circle: [G, 3], the great circle that it moves on.
        log_p: [T, A], of its own class.
        on_image: [T, A, C, 3], the part of each prototype in the step -dL/dx on the image.
        total: [T, A, 3], all of that step.
        on_prototypes: [T, A, C, 3], the steps -dL/dw on the prototypes.
        lengths: [T, C, A], of on_image.
    """

    images: _Floats
    circle: _Floats
    log_p: _Floats
    on_image: _Floats
    total: _Floats
    on_prototypes: _Floats
    lengths: _Floats


class SphereExplorer(Explorer):
    """One image between prototypes, with the gradient step on it as arrows.

    The image lies on the great circle from its own prototype through a rival. The arrows are the
    step -dL/dx of NSL, split into the part of each prototype: its own pulls with (1 - p_y) w_y / T,
    each other pushes with -p_c w_c / T, both projected to the tangent plane at x since x has unit
    length. The thin arrows are the steps -dL/dw on the prototypes. All are drawn times T, so that
    they can be compared from one temperature to another.

    Attributes:
        temperature: T, one of twelve from 0.02 to 1; at first 0.05.
        angle: from the image to its own prototype, 0 to 180 degrees in steps of 2; at first 50.
        forces: the table that is shown.
    """

    _esm = module("sphere.js")

    temperature = Choice().tag(sync=True)
    angle = Choice().tag(sync=True)

    steps: ClassVar = {
        "Almost there": {"temperature": 0.05, "angle": 20},
        "At 60°, T = 0.05": {"temperature": 0.05, "angle": 60},
        "At 60°, T = 1": {"temperature": 1.0, "angle": 60},
        "Among others": {"temperature": 0.05, "angle": 120},
    }

    def __init__(
        self,
        prototypes: ArrayLike | None = None,
        names: Sequence[str] = _NAMES,
        *,
        own: int = 0,
        rival: int = 1,
        **chosen: float | None,
    ) -> None:
        """Compute the forces and show them.

        Args:
            prototypes: float [C, 3], normalized here, 2 to 6 of them; None for five of our own.
            names: C, of their classes.
            own: the class of the image.
            rival: the class whose prototype the image's great circle passes.
            chosen: what to begin with, by the name of the attribute.

        Raises:
            ValueError: shapes or classes that disagree.
            traitlets.TraitError: a temperature or an angle that its control does not have.
        """
        self.prototypes = _checked_prototypes(prototypes, names, own, rival)
        self.names, self.own = tuple(names), own
        self.forces = _forces(self.prototypes, own, rival)
        self.view = _view(self.prototypes[own] + self.prototypes[rival])
        self._sentences = _sentences(self.forces, self.names, own)
        label = f"Angle from its own prototype {names[own]}"
        controls = {
            "temperature": number_control("Temperature T", _TEMPERATURES, "{:g}"),
            "angle": number_control(label, _ANGLES, "{:.0f}°", snaps=True),
        }
        super().__init__(controls, self._lookup(), {"temperature": 0.05, "angle": 50, **chosen})

    def _lookup(self) -> dict[str, Any]:
        """What the ES module looks up: see the type ``Table`` in ``static/sphere.js``."""
        forces = self.forces
        return {
            "names": self.names,
            "own": self.own,
            "styles": plots.prototype_styles(len(self.names)),
            "view": self.view,
            "scale": _ARROW_SCALE,
            "nothing": _NOTHING,
            "sentences": self._sentences,
            "angles": _ANGLES,
            "prototypes": self.prototypes,
            "loss": -forces.log_p,
            "p_texts": [[_p_text(p) for p in row] for row in np.exp(forces.log_p)],
            "loss_axes": [_loss_axis(log_p) for log_p in forces.log_p],
            "length_axis": _LENGTH_AXIS,
            "angle_axis": plots.axis(
                f"angle from {self.names[self.own]} (degrees)", 0, 180, ticks=_DEGREES
            ),
            **forces._asdict(),
        }


# ------------------------------------------------------------------ forces


def _checked_prototypes(
    prototypes: ArrayLike | None, names: Sequence[str], own: int, rival: int
) -> _Floats:
    """The prototypes at unit length; refuses what no great circle can be laid through."""
    given = _on_globe(_PLACES)
    if prototypes is not None:
        _, (given,) = tamed(
            finite("prototypes", array("prototypes", prototypes).astype(np.float64))
        )
    if given.ndim != 2 or given.shape[1] != 3 or len(given) != len(names) or len(given) < 2:
        raise ValueError(
            f"prototypes have the shape {list(given.shape)} and there are {len(names)} names; "
            "[C, 3] and C names are needed, C at least 2."
        )
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("A prototype has no direction: its length is 0 or not finite.")
    if not (own in range(len(given)) and rival in range(len(given)) and own != rival):
        raise ValueError(
            f"own is {own}, rival is {rival}; they must be two classes of 0 to {len(given) - 1}."
        )
    unit: _Floats = given / lengths
    if abs(unit[own] @ unit[rival]) > 1 - 1e-6:
        raise ValueError("The prototypes of own and rival lie on one line; choose another rival.")
    return unit


def _on_globe(places: Sequence[tuple[float, float]]) -> _Floats:
    """Points at latitudes and longitudes in degrees, [C, 3]."""
    latitude, longitude = np.radians(np.array(places, dtype=np.float64)).T
    east, north = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude)
    return np.stack([east, north, np.sin(latitude)], axis=1)


def _great_circle(start: _Floats, through: _Floats, degrees: _Floats) -> _Floats:
    """Points [A, 3] at these angles from the start, on the way through another point."""
    tangent = through - start * (start @ through)
    tangent /= np.linalg.norm(tangent)
    radians = np.radians(degrees)[:, None]
    return np.asarray(np.cos(radians) * start + np.sin(radians) * tangent)


def _forces(prototypes: _Floats, own: int, rival: int) -> _Forces:
    images_A3 = _great_circle(prototypes[own], prototypes[rival], _ANGLES)
    circle_G3 = _great_circle(prototypes[own], prototypes[rival], np.arange(0.0, 361.0, 2.0))
    images, directions = torch.from_numpy(images_A3), torch.from_numpy(prototypes)
    steps = [_steps(images, directions, own, temperature) for temperature in _TEMPERATURES]
    log_p, on_image, total, on_prototypes = (np.stack(parts) for parts in zip(*steps, strict=True))
    lengths = np.linalg.norm(on_image, axis=-1).swapaxes(1, 2)
    return _Forces(images_A3, circle_G3, log_p, on_image, total, on_prototypes, lengths)


def _steps(
    images: Tensor, prototypes: Tensor, own: int, temperature: float
) -> tuple[NDArray[Any], ...]:
    """log_p [A], and times T: parts of the step on x [A, C, 3], their sum, steps on w [A, C, 3].

    The sum is autograd's. Its parts follow from the slope of the loss along each cosine, which is
    (p_c - [c = y]) / T, and from what moves a cosine: w - cos x moves x, and x - cos w moves w.
    """
    labels = torch.full((len(images),), own)
    log_p_CA = torch.stack(
        [
            losses.label_log_probability(images, prototypes, labels * 0 + c, temperature)
            for c in range(len(prototypes))
        ]
    )
    pull_AC1 = (torch.eye(len(prototypes))[own][:, None] - log_p_CA.exp()).T[..., None]
    cosines_AC1 = (images @ prototypes.T)[..., None]
    images_A13 = images[:, None]
    on_image = pull_AC1 * (prototypes - cosines_AC1 * images_A13)
    on_prototypes = pull_AC1 * (images_A13 - cosines_AC1 * prototypes)
    total = temperature * _step_on_images(images, prototypes, labels, temperature)
    return tuple(part.numpy() for part in (log_p_CA[own], on_image, total, on_prototypes))


def _step_on_images(
    images: Tensor, prototypes: Tensor, labels: Tensor, temperature: float
) -> Tensor:
    """-dL/dx of `losses.nsl` by autograd, [A, 3]."""
    images = images.clone().requires_grad_()
    loss_A = losses.nsl(images, prototypes, labels, temperature=temperature)
    (gradient,) = torch.autograd.grad(loss_A.sum(), images)
    return -gradient


def _view(middle: _Floats) -> tuple[float, float]:
    """Azimuth and elevation of an eye that looks past the middle of what matters, degrees."""
    azimuth = np.degrees(np.arctan2(middle[1], middle[0]))
    elevation = np.degrees(np.arctan2(middle[2], np.hypot(middle[0], middle[1])))
    return round(float(azimuth) + 25, 1), round(float(np.clip(elevation - 15, -75, 75)), 1)


def _loss_axis(log_p: _Floats) -> plots.Axis:
    return plots.axis("loss, -log p", 0, 1.05 * float(-log_p.min()))


def _sentences(forces: _Forces, names: Sequence[str], own: int) -> list[str]:
    """What is seen, in one sentence for each temperature and angle."""
    return [
        f"T = {_TEMPERATURES[t]:g}, {_ANGLES[a]:.0f}° from its own prototype {names[own]}: "
        f"{_p_text(float(np.exp(forces.log_p[t, a])))}. {_who(forces.lengths[t, :, a], names, own)}"
        for t, a in np.ndindex(forces.log_p.shape)
    ]


def _p_text(p: float) -> str:
    """A probability in words that never call a small one 0."""
    return f"p = {p:.2f}" if p >= 0.005 else "p < 0.01"


def _who(lengths: _Floats, names: Sequence[str], own: int) -> str:
    if lengths.max() < _NOTHING:
        return "Next to nothing pulls or pushes."
    pushes = np.where(np.arange(len(names)) == own, 0.0, lengths)
    hardest = int(pushes.argmax())
    share = pushes[hardest] / pushes.sum()
    return (
        f"{names[own]} pulls with {lengths[own]:.2f}/T, "
        f"{names[hardest]} does {share:.0%} of the pushing."
    )


# ------------------------------------------------------------------ a training run


class _Gathering(NamedTuple):
    """Where the images of a run stand, at every temperature T and moment E.

    Attributes:
        own: [T, E], median angle of an image to its own prototype, degrees.
        rival: [T, E], median angle of an image to the nearest other prototype, degrees.
        p: [T, E], mean probability of the label.
    """

    own: _Floats
    rival: _Floats
    p: _Floats


class SphereTrainingExplorer(Explorer):
    """Real images on the sphere while they are trained, at several temperatures.

    Beside the sphere stand the median angle of an image to its own prototype and to the nearest
    other one, over the epochs.

    Attributes:
        temperature: T, one of those that were trained with; at first the first.
        epoch: 0 (at first) is before training.
        gathering: what the chart shows.
    """

    _esm = module("sphere_training.js")

    temperature = Choice().tag(sync=True)
    epoch = Choice().tag(sync=True)

    steps: ClassVar = {
        "Before training": {"temperature": 0.05, "epoch": 0},
        "T = 0.05, trained": {"temperature": 0.05, "epoch": 30},
        "T = 0.3, trained": {"temperature": 0.3, "epoch": 30},
        "T = 1, trained": {"temperature": 1.0, "epoch": 30},
    }

    def __init__(
        self,
        embeddings: ArrayLike,
        prototypes: ArrayLike,
        labels: ArrayLike,
        names: Sequence[str],
        temperatures: Sequence[float],
        **chosen: float | None,
    ) -> None:
        """Show runs that `experiments.follow` saw with ``embedding_dim=3``.

        Args:
            embeddings: float [T, E, B, 3], of unit length.
            prototypes: float [T, E, C, 3], of unit length.
            labels: integers [B] in [0, C).
            names: C, of the classes, at most 6.
            temperatures: T, that the runs were trained with.
            chosen: what to begin with, by the name of the attribute.

        Raises:
            ValueError: shapes that disagree, or labels without a name.
            traitlets.TraitError: a temperature or an epoch that was not run.
        """
        self.embeddings = np.asarray(embeddings, dtype=np.float32)
        self.prototypes = np.asarray(prototypes, dtype=np.float32)
        self.labels, self.names = np.asarray(labels, dtype=np.int64), tuple(names)
        _check_runs(self.embeddings, self.prototypes, self.labels, self.names, temperatures)
        self.gathering = _gathering(self.embeddings, self.prototypes, self.labels, temperatures)
        self.view = _view(_middle(self.prototypes[0, -1]) + _middle(self.embeddings[0, -1]))
        self._sentences = _progress(self.gathering, temperatures)
        epochs = range(self.embeddings.shape[1])
        self._axes = (
            plots.axis("epoch", 0, max(1, len(epochs) - 1)),
            plots.axis("angle (degrees), median", 0, 120, ticks=_DEGREES[:5]),
        )
        controls = {
            "temperature": number_control("Temperature T", temperatures, "{:g}"),
            "epoch": number_control("Epoch", epochs, "{:g}"),
        }
        super().__init__(controls, self._lookup(), chosen)

    def _lookup(self) -> dict[str, Any]:
        """What the ES module looks up: see ``Table`` in ``static/sphere_training.js``."""
        return {
            "names": self.names,
            "styles": plots.prototype_styles(len(self.names)),
            "view": self.view,
            "sentences": self._sentences,
            "curve_names": _CURVES,
            "axes": self._axes,
            "embeddings": self.embeddings,
            "prototypes": self.prototypes,
            "labels": self.labels,
            "own": self.gathering.own,
            "rival": self.gathering.rival,
        }


_CURVES = ("to its own prototype", "to the nearest other one")


def _check_runs(
    embeddings: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    labels: NDArray[np.int64],
    names: Sequence[str],
    temperatures: Sequence[float],
) -> None:
    plots.prototype_styles(len(names))
    runs, moments = len(temperatures), embeddings.shape[1] if embeddings.ndim > 1 else 0
    wanted = {
        "embeddings": (embeddings.shape, (runs, moments, len(labels), 3)),
        "prototypes": (prototypes.shape, (runs, moments, len(names), 3)),
    }
    for name, (given, needed) in wanted.items():
        if given != needed or moments == 0:
            raise ValueError(
                f"{name} have the shape {list(given)}; {runs} temperatures, {len(labels)} labels "
                f"and {len(names)} names need {list(needed)}."
            )
    if labels.min() < 0 or labels.max() >= len(names):
        raise ValueError(
            f"labels run from {labels.min()} to {labels.max()}; {len(names)} names allow 0 to "
            f"{len(names) - 1}."
        )


def _gathering(
    embeddings: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    labels: NDArray[np.int64],
    temperatures: Sequence[float],
) -> _Gathering:
    cosines_TEBC = np.clip(embeddings @ prototypes.swapaxes(-1, -2), -1, 1)
    degrees_TEBC = np.degrees(np.arccos(cosines_TEBC.astype(np.float64)))
    is_own_BC = labels[:, None] == np.arange(prototypes.shape[2])
    own_TEB = np.where(is_own_BC, degrees_TEBC, 0.0).sum(axis=-1)
    rival_TEB = np.where(is_own_BC, np.inf, degrees_TEBC).min(axis=-1)
    p = [
        [_mean_p(x_B3, w_C3, labels, T) for x_B3, w_C3 in zip(images, directions, strict=True)]
        for images, directions, T in zip(embeddings, prototypes, temperatures, strict=True)
    ]
    return _Gathering(np.median(own_TEB, axis=-1), np.median(rival_TEB, axis=-1), np.array(p))


def _mean_p(
    embeddings: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    labels: NDArray[np.int64],
    temperature: float,
) -> float:
    x_B3, w_C3, y_B = (torch.tensor(array) for array in (embeddings, prototypes, labels))
    return losses.label_log_probability(x_B3, w_C3, y_B, temperature).exp().mean().item()


def _middle(points: NDArray[np.float32]) -> _Floats:
    """The direction, of unit length, in which most of the points lie."""
    mean = points.mean(axis=0, dtype=np.float64)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9))


def _progress(gathering: _Gathering, temperatures: Sequence[float]) -> list[str]:
    return [
        f"T = {temperatures[t]:g}, {_moment(e)}: half of the images lie within "
        f"{gathering.own[t, e]:.0f}° of their prototype; "
        f"{_p_text(float(gathering.p[t, e]))} on average."
        for t, e in np.ndindex(gathering.p.shape)
    ]


def _moment(epoch: int) -> str:
    if epoch == 0:
        return "before training"
    return f"after {epoch} epoch{'s' if epoch > 1 else ''}"
