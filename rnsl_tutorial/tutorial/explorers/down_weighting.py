"""What the Box-Cox transform trades: who is heard at each q and temperature, and what comes of it.

Shapes: M moments of a run, T temperatures, Q values of q, B images, C classes, D dimensions, P
points of a line; K noise kinds, R noise rates.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import contourpy
import matplotlib as mpl
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial._arrays import takes
from rnsl_tutorial.tutorial import curves, plots
from rnsl_tutorial.tutorial._album import Album
from rnsl_tutorial.tutorial.explorers._pictures import Pictured
from rnsl_tutorial.tutorial.explorers.base import (
    Choice,
    Control,
    Explorer,
    Guess,
    module,
    number_control,
)

__all__ = ["DownWeightingExplorer", "QExplorer"]

_HEAT_MAP = "cividis"  # even steps look even, also to the colour-blind and in black and white
_QS = tuple(round(0.05 * i, 2) for i in range(21))
_TEMPERATURES = (0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)
_SURFACES = {
    "wrong": "share of the pull from wrong labels",
    "right": "pull that right labels keep",
}
_LEVELS = (0.25, 0.5, 0.75)
_LINE_POINTS = 61
_NOTE = (
    f"Lines on the map: {', '.join(f'{level:.0%}' for level in _LEVELS)}. Each dot or cross is an "
    "image of one real batch. The curve: an embedding on its way from the prototype of another "
    "class to that of its label. Moving q or T scores the same embeddings anew; nothing is trained "
    "again."
)


class DownWeightingExplorer(Pictured):
    """Who is heard on one real batch, at every q and temperature.

    A heat map over q and temperature shows the share of the pull that comes from wrong labels, or
    what right labels keep of the pull that NSL gives them; pressing it chooses q and temperature.
    Beside it stands the weight p**q of each image over its margin. Embeddings and prototypes stay
    as they are: another q or temperature scores them anew and trains nothing.

    Attributes:
        q: 0, 0.05, ... to 1; at first 0.7.
        temperature: one of twelve from 0.02 to 1; at first 0.07.
        epoch: one of the given moments; at first the first.
        surface: what the heat map shows, "wrong" (at first) or "right".
    """

    _esm = module("down_weighting.js")

    q = Choice().tag(sync=True)
    temperature = Choice().tag(sync=True)
    epoch = Choice().tag(sync=True)
    surface = Choice().tag(sync=True)

    steps: ClassVar = {
        "q = 0: all are heard": {"q": 0.0, "temperature": 0.07, "epoch": 10, "surface": "wrong"},
        "q = 0.7": {"q": 0.7, "temperature": 0.07, "epoch": 10, "surface": "wrong"},
        "T = 1: none stands out": {"q": 0.7, "temperature": 1.0, "epoch": 10, "surface": "wrong"},
        "The price": {"q": 1.0, "temperature": 0.07, "epoch": 1, "surface": "right"},
    }

    def __init__(
        self,
        embeddings: Tensor,
        prototypes: Tensor,
        labels: Tensor,
        flipped: Tensor,
        epochs: Sequence[int],
        *,
        files: Sequence[str] = (),
        **chosen: float | str | None,
    ) -> None:
        """Score a batch at every q and temperature.

        Args:
            embeddings: float [M, B, D], of the same images at M moments of a run; B about 256.
            prototypes: float [M, C, D], at the same moments.
            labels: int64 [B] in [0, C), as given, some of them wrong.
            flipped: bool [B], True where the label is wrong.
            epochs: [M], after which the moments were seen.
            files: B names; where a data set on this machine has them, pictures are shown.
            chosen: what to begin with, by the name of the attribute.

        Raises:
            ValueError: shapes that disagree, or a batch without right or without wrong labels.
            traitlets.TraitError: a value to begin with that the explorer does not have.
        """
        _check_batch(embeddings, prototypes, labels, flipped, epochs)
        self.flipped = flipped.numpy()
        self._album = Album(files, wrong=self.flipped)
        self.scores = _score(embeddings.detach(), prototypes.detach(), labels, flipped)
        start = {"q": 0.7, "temperature": 0.07}
        super().__init__(_batch_controls(epochs), self._lookup(), {**start, **chosen})

    def _near(self) -> tuple[str, NDArray[np.int64]]:
        at = (self.place("epoch"), self.place("temperature"), self.place("q"))
        title = "Heard least, by what they show; below an orange line the label is wrong"
        return title, np.argsort(self.scores.weights[at], kind="stable")

    def _lookup(self) -> dict[str, Any]:
        """What the ES module looks up: see the type ``Table`` in ``static/down_weighting.js``."""
        surfaces = (self.scores.wrong, self.scores.right)
        return {
            "map_axes": dict(zip("xy", _surface_axes(_QS, _TEMPERATURES), strict=True)),
            "weight_axes": dict(zip("xy", _weight_axes(self.scores.margins), strict=True)),
            "surfaces": np.round(255 * np.stack(surfaces)[:, :, ::-1]).astype(np.uint8),
            "levels": [[_packed_levels(moment) for moment in surface] for surface in surfaces],
            "level_texts": [f"{level:.0%}" for level in _LEVELS],
            "level_places": [
                [[_level_place(moment, level) for level in _LEVELS] for moment in surface]
                for surface in surfaces
            ],
            "titles": [text[0].upper() + text[1:] for text in _SURFACES.values()],
            "colors": _share_colors(),
            "color_stops": _color_stops(),
            "color_texts": ["0%", *(f"{level:.0%}" for level in _LEVELS), "100%"],
            "weights": np.round(65535 * self.scores.weights).astype(np.uint16),
            "line_weights": np.round(65535 * self.scores.line_weights).astype(np.uint16),
            "margins": self.scores.margins,
            "line_margins": self.scores.line_margins,
            "flipped": self.flipped,
            "styles": [plots.RIGHT, plots.WRONG],
            "headlines": [self._headline(*place) for place in np.ndindex(surfaces[0].shape)],
            "note": _NOTE,
        }

    def _headline(self, m: int, t: int, q: int) -> str:
        wrong, right = self.scores.wrong[m, t], self.scores.right[m, t]
        return (
            f"q = {_QS[q]:.2f}, T = {_TEMPERATURES[t]:g}: wrong labels are "
            f"{self.flipped.mean():.0%} of the batch and {wrong[q]:.0%} of the pull "
            f"(NSL: {wrong[0]:.0%}); right labels keep {right[q]:.0%} of theirs"
        )

    @property
    def reading(self) -> str:
        """What is shown now, in one sentence."""
        return self._headline(self.place("epoch"), self.place("temperature"), self.place("q"))


class _Scores(NamedTuple):
    """A batch at M moments, scored at every temperature and q of the explorer.

    Attributes:
        wrong: [M, T, Q], share of the pull that comes from wrong labels.
        right: [M, T, Q], pull of the right labels as a share of what NSL gives them.
        weights: [M, T, Q, B], weight p**q of each image.
        margins: [M, B], cosine to the label's prototype minus that to the best other.
        line_weights: [M, T, Q, P], weights along the line.
        line_margins: [M, P], along the line.
    """

    wrong: NDArray[np.float32]
    right: NDArray[np.float32]
    weights: NDArray[np.float32]
    margins: NDArray[np.float32]
    line_weights: NDArray[np.float32]
    line_margins: NDArray[np.float32]


def _score(embeddings: Tensor, prototypes: Tensor, labels: Tensor, flipped: Tensor) -> _Scores:
    """Score a batch at every temperature and q, through the library's own losses.

    The pull is `curves.gradient_wrt_logit`, p**q (1 - p); the weight is its ratio to NSL's, p**q,
    taken in float64, where p does not underflow.

    The line follows an embedding from the prototype of one class to that of another: of all classes
    with the class nearest to them, the pair that is in the middle by nearness.

    Args, shapes: as `DownWeightingExplorer`.
    """
    images = len(labels)
    parts: list[tuple[Tensor, ...]] = []
    for x_BD, w_CD in zip(embeddings.double(), prototypes.double(), strict=True):
        line_PD, line_class = _line(w_CD)
        x_ND = torch.cat([x_BD, line_PD])
        labels_N = torch.cat([labels, torch.full([len(line_PD)], line_class)])
        pull_TQN, weight_TQN = _pulls_and_weights(x_ND, w_CD, labels_N)
        pull_TQB, margin_N = pull_TQN[..., :images], _margins(x_ND, w_CD, labels_N)
        right_TQ, all_TQ = pull_TQB[..., ~flipped].sum(-1), pull_TQB.sum(-1)
        parts.append(
            (
                1 - right_TQ / all_TQ,
                right_TQ / right_TQ[:, :1],
                weight_TQN[..., :images],
                margin_N[:images],
                weight_TQN[..., images:],
                margin_N[images:],
            )
        )
    return _Scores(*(torch.stack(part).float().numpy() for part in zip(*parts, strict=True)))


def _pulls_and_weights(x_ND: Tensor, w_CD: Tensor, labels_N: Tensor) -> tuple[Tensor, Tensor]:
    """Pull and weight of each image, [T, Q, N] each."""
    pulls, weights = [], []
    for temperature in _TEMPERATURES:
        p_N = losses.label_log_probability(x_ND, w_CD, labels_N, temperature).exp()
        plain_N = curves.gradient_wrt_p(p_N, 0)
        pulls.append(torch.stack([-curves.gradient_wrt_logit(p_N, q) for q in _QS]))
        weights.append(torch.stack([curves.gradient_wrt_p(p_N, q) / plain_N for q in _QS]))
    return torch.stack(pulls), torch.stack(weights)


def _margins(x_ND: Tensor, w_CD: Tensor, labels_N: Tensor) -> Tensor:
    """Cosine to the label's prototype minus the largest cosine to another, [N]."""
    cosine_NC = F.normalize(x_ND, dim=1) @ F.normalize(w_CD, dim=1).T
    own_N1 = cosine_NC.gather(1, labels_N[:, None])
    other_NC = cosine_NC.scatter(1, labels_N[:, None], -torch.inf)
    return own_N1[:, 0] - other_NC.max(dim=1).values


def _line(w_CD: Tensor) -> tuple[Tensor, int]:
    """Directions [P, D] from one prototype to another, and the class of the other."""
    cosine_CC = F.normalize(w_CD, dim=1) @ F.normalize(w_CD, dim=1).T
    nearest_C = cosine_CC.fill_diagonal_(-torch.inf).max(dim=1)
    label = int(nearest_C.values.argsort()[len(w_CD) // 2])
    start, end = w_CD[nearest_C.indices[label]], w_CD[label]
    steps_P1 = torch.linspace(0, 1, _LINE_POINTS, dtype=w_CD.dtype)[:, None]
    return torch.lerp(F.normalize(start, dim=0), F.normalize(end, dim=0), steps_P1), label


def _batch_controls(epochs: Sequence[int]) -> dict[str, Control]:
    return {
        "q": number_control("q", _QS, snaps=True),
        "temperature": number_control("Temperature T", _TEMPERATURES, "{:g}"),
        "epoch": number_control("After epoch", epochs, "{:g}"),
        "surface": Control("The map shows", tuple(_SURFACES), tuple(_SURFACES.values())),
    }


def _packed_levels(surface: NDArray[np.float32]) -> dict[str, Any]:
    gap = np.full((1, 2), np.nan)
    lines = [part for level in _LEVELS for part in (_level_line(_QS, surface, level), gap)]
    x, y = np.concatenate(lines).T
    return {"x": x, "y": y}


def _level_place(surface: NDArray[np.float32], level: float) -> tuple[float, float]:
    """Where a level is named: in the middle of its line; beyond the map where it has none."""
    line_N2 = _level_line(_QS, surface, level)
    line_N2 = line_N2[np.isfinite(line_N2).all(axis=1)]
    x, y = line_N2[len(line_N2) // 2] if len(line_N2) else (-1.0, -10.0)
    return float(x), float(y)


def _color_stops() -> list[str]:
    return ["#" + bytes(color).hex() for color in _share_colors()[::15]]


def _share_colors() -> NDArray[np.uint8]:
    """Return the 256 colours of a heat map from low to high, uint8 [256, 3]."""
    colors: NDArray[np.float64] = mpl.colormaps[_HEAT_MAP](np.linspace(0, 1, 256))[:, :3]
    return np.round(255 * colors).astype(np.uint8)


def _weight_axes(margins: NDArray[Any]) -> tuple[plots.Axis, plots.Axis]:
    """Return the axes of weights over margins: from -1 to 1, wider in halves where margins are."""
    low, high = (math.floor(2 * margins.min()) / 2, math.ceil(2 * margins.max()) / 2)
    return (
        plots.axis("margin: own cosine − best other", min(low, -1), max(high, 1)),
        plots.axis("weight (NSL: 100%)", 0, 1, text="{:.0%}"),
    )


def _surface_axes(
    qs: Sequence[float], temperatures: Sequence[float]
) -> tuple[plots.Axis, plots.Axis]:
    """Return the axes of a heat map whose cells are centred at each q and each temperature.

    The temperatures, which need not be evenly spaced, lie one step apart.
    """
    step = (qs[-1] - qs[0]) / max(len(qs) - 1, 1) / 2
    x = plots.axis("q", qs[0] - step, qs[-1] + step)
    y = plots.axis("temperature T", -0.5, len(temperatures) - 0.5, ticks=range(len(temperatures)))
    return x, y._replace(texts=tuple(f"{t:g}" for t in temperatures))


def _level_line(qs: Sequence[float], surface: NDArray[Any], level: float) -> NDArray[np.float64]:
    """Return where a surface [T, Q] crosses a level: places [N, 2] on the axes of `_surface_axes`.

    NaN stands between pieces of the line that do not touch.
    """
    rows = np.arange(len(surface))
    pieces = contourpy.contour_generator(np.asarray(qs), rows, surface).lines(level)
    gap = np.full((1, 2), np.nan)
    joined = [part for piece in pieces for part in (gap, np.asarray(piece))]
    return np.concatenate(joined[1:] or [np.empty((0, 2))])


def _check_batch(
    embeddings: Tensor, prototypes: Tensor, labels: Tensor, flipped: Tensor, epochs: Sequence[int]
) -> None:
    given = {"embeddings": embeddings, "prototypes": prototypes, "labels": labels}
    losses._check_dense(**given, flipped=flipped)
    if embeddings.ndim != 3 or prototypes.ndim != 3 or flipped.dtype != torch.bool:
        raise ValueError(
            f"embeddings are {list(embeddings.shape)}, prototypes {list(prototypes.shape)} and "
            f"flipped {flipped.dtype}; give [M, B, D], [M, C, D] and bools."
        )
    moments, images, dimensions = embeddings.shape
    if (
        (moments, dimensions) != (prototypes.shape[0], prototypes.shape[2])
        or labels.shape != (images,)
        or flipped.shape != (images,)
        or len(epochs) != moments
    ):
        raise ValueError(
            f"embeddings are {list(embeddings.shape)}, prototypes {list(prototypes.shape)}, labels "
            f"{list(labels.shape)}, flipped {list(flipped.shape)}, epochs {len(epochs)}; they must "
            "be [M, B, D], [M, C, D], [B], [B] and M."
        )
    if not 0 < int(flipped.sum()) < images:
        raise ValueError(
            f"flipped marks {int(flipped.sum())} of {images} labels as wrong; give a batch that "
            "has right and wrong ones."
        )


# ------------------------------------------------------------------ accuracy over q


class QExplorer(Explorer):
    """Measured accuracy over q, at each noise rate; beside it the memorized share.

    Attributes:
        q: one of the measured values; 0 stands for NSL.
        rate: share of wrong labels in training.
        noise: kind of label noise.
    """

    _esm = module("down_weighting_q.js")

    q = Choice().tag(sync=True)
    rate = Choice().tag(sync=True)
    noise = Choice().tag(sync=True)

    steps: ClassVar = {
        "All right": {"q": 0.0, "rate": 0.0, "noise": "symmetric"},
        "Half wrong, NSL": {"q": 0.0, "rate": 0.5, "noise": "symmetric"},
        "Half wrong, q = 0.7": {"q": 0.7, "rate": 0.5, "noise": "symmetric"},
        "Half wrong, q = 1": {"q": 1.0, "rate": 0.5, "noise": "symmetric"},
        "70% look-alikes": {"q": 0.5, "rate": 0.7, "noise": "label_dependent"},
    }

    @takes(
        accuracy="drawn ...",
        accuracy_spread="drawn ...",
        memorized="drawn ...",
        memorized_spread="drawn ...",
    )
    def __init__(
        self,
        noises: Sequence[str],
        rates: Sequence[float],
        qs: Sequence[float],
        accuracy: NDArray[np.float64],
        accuracy_spread: NDArray[np.float64],
        memorized: NDArray[np.float64],
        memorized_spread: NDArray[np.float64],
        seeds: int,
        **chosen: float | str | None,
    ) -> None:
        """Show a table of measured runs, such as that of `experiments.over_q`.

        Args:
            noises: K names.
            rates: [R], shares of wrong labels in [0, 1).
            qs: [Q], ascending; 0 stands for NSL.
            accuracy: [K, R, Q], mean k-NN accuracy in [0, 1].
            accuracy_spread: [K, R, Q], its standard deviation.
            memorized: [K, R, Q], mean share of wrong labels that were memorized; NaN where none is
                wrong.
            memorized_spread: [K, R, Q], its standard deviation.
            seeds: the fewest behind any mean.
            chosen: what to begin with, by the name of the attribute; by default the first of each;
                ``guess=True`` asks for a guess first, at that rate.

        Raises:
            ValueError: shapes that disagree.
            traitlets.TraitError: a value to begin with that the table does not have.
        """
        self.tables = (accuracy, accuracy_spread, memorized, memorized_spread)
        shape = (len(noises), len(rates), len(qs))
        if any(table.shape != shape for table in self.tables):
            raise ValueError(
                f"The tables have the shapes {[table.shape for table in self.tables]}; {shape[0]} "
                f"noises, {shape[1]} rates and {shape[2]} values of q need {shape} each."
            )
        self.controls = _over_q_controls(noises, rates, qs)
        super().__init__(
            self.controls, self._lookup(seeds), chosen, self._asked(chosen.get("rate"))
        )

    def _lookup(self, seeds: int) -> dict[str, Any]:
        """What the ES module looks up: see the type ``Table`` in ``static/down_weighting_q.js``."""
        accuracy, spread, memorized, memorized_spread = (100 * table for table in self.tables)
        qs = self.controls["q"].values
        return {
            "x": _q_axis([float(q) for q in qs]),
            "accuracy_axes": [
                _accuracy_axis(*tables) for tables in zip(*self.tables[:2], strict=True)
            ],
            "memorized_axis": plots.axis("memorized (% of the wrong labels)", 0, 100),
            "accuracy": accuracy,
            "accuracy_spread": np.nan_to_num(spread),
            "memorized": memorized,
            "memorized_spread": memorized_spread,
            "best": accuracy.argmax(axis=2).tolist(),
            "headlines": [self._headline(*place) for place in np.ndindex(accuracy.shape)],
            "note": f"Head on frozen features. Mean of {seeds} seeds or more; bars: ± 1 standard "
            "deviation. Ring: the best q.",
        }

    def _asked(self, rate: float | str | None) -> Guess | None:
        """Ask for the accuracy over q at one rate, the first by default, with the first noise."""
        rates, qs = self.controls["rate"], [float(q) for q in self.controls["q"].values]
        if len(qs) < 2:
            return None
        r = rates.values.index(rate) if rate in rates.values else 0
        first, *measured = (100 * self.tables[0][0, r]).tolist()
        if not np.isfinite([first, *measured]).all():
            return None
        return Guess(
            "curve",
            f"With q = 0 and {rates.texts[r]} wrong labels, {first:.0f} of 100 test images find "
            "their class. What happens as q grows to 1? Draw it.",
            plots.axis("q (0: NSL)" if qs[0] == 0 else "q", qs[0], qs[-1], ticks=qs),
            plots.axis("k-NN accuracy (% of test images)", 0, 100, ticks=range(0, 101, 20)),
            qs[1:],
            measured,
            "At q = {at} you drew {drawn}%, measured are {measured}%: {off}. "
            "On average you are {mean} off.",
            start=[qs[0], first],
        )

    def _headline(self, k: int, r: int, i: int) -> str:
        """What is reached at one noise, rate and q, beside the best q."""
        accuracy, _, memorized, _ = (table[k, r] for table in self.tables)
        qs, best = self.controls["q"].texts, int(accuracy.argmax())
        learned = "" if np.isnan(memorized[i]) else f", {memorized[i]:.0%} of them memorized"
        beside = "the best here" if i == best else f"best: {accuracy[best]:.1%} at {qs[best]}"
        share = self.controls["rate"].texts[r]
        return (
            f"{qs[i]} with {share} wrong labels{learned}: {accuracy[i]:.1%} of test images find "
            f"their class ({beside})"
        )


def _over_q_controls(
    noises: Sequence[str], rates: Sequence[float], qs: Sequence[float]
) -> dict[str, Control]:
    texts = tuple("NSL (q → 0)" if q == 0 else f"q = {q:g}" for q in qs)
    kinds = tuple(plots.NOISE_NAMES.get(noise, noise) for noise in noises)
    return {
        "q": Control("Loss", tuple(map(float, qs)), texts),
        "rate": number_control("Wrong labels", rates, "{:.0%}"),
        "noise": Control("Kind of label noise", tuple(noises), kinds),
    }


def _q_axis(qs: Sequence[float]) -> plots.Axis:
    """Return the axis of the measured values of q, with room at the left for the lines' names."""
    low, high = min(qs), max(qs)
    label = "q (0: NSL)" if low == 0 else "q"
    return plots.axis(label, low - 0.17 * (high - low), high + 0.03 * (high - low), ticks=qs)


def _accuracy_axis(accuracy: NDArray[Any], spread: NDArray[Any]) -> plots.Axis:
    """Return the axis of accuracy in percent."""
    return plots.axis("k-NN accuracy (% of test images)", *plots.whole_tens(accuracy, spread))
