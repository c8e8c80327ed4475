"""The explorer of embeddings: test images on a map, and accuracy over the noise rate.

Shapes: K noise kinds, R rates, L losses, M test images, C classes.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial._album import Album
from rnsl_tutorial.tutorial.explorers._pictures import Pictured
from rnsl_tutorial.tutorial.explorers.base import Choice, Control, Guess, module
from rnsl_tutorial.tutorial.tables import EmbeddingMaps

__all__ = ["EmbeddingExplorer"]


class EmbeddingExplorer(Pictured):
    """Test images on a map of their embedding, at one noise rate and under one loss.

    Beside the map stands k-NN accuracy over the noise rate. Where the images lie on this machine, a
    point that is looked at shows its own. ``noise``, ``rate`` and ``loss`` are
    traitlets: setting one moves the control, moving the control sets it, and
    ``ipywidgets.link`` ties them to those of another widget.

    Attributes:
        noise: one of ``maps.noises``.
        rate: share of wrong labels in training, one of ``maps.rates``.
        loss: one of ``maps.losses``.
        maps: the table that is shown.
    """

    _esm = module("embedding.js")

    noise = Choice().tag(sync=True)
    rate = Choice().tag(sync=True)
    loss = Choice().tag(sync=True)

    steps: ClassVar = {
        "All right": {"rate": 0.0, "loss": "nsl", "noise": "symmetric"},
        "NSL, 50%": {"rate": 0.5, "loss": "nsl", "noise": "symmetric"},
        "RNSL, 50%": {"rate": 0.5, "loss": "rnsl", "noise": "symmetric"},
        "t-RNSL, 70%": {"rate": 0.7, "loss": "trnsl", "noise": "symmetric"},
        "NSL, look-alikes": {"rate": 0.7, "loss": "nsl", "noise": "label_dependent"},
    }

    def __init__(self, maps: EmbeddingMaps, **chosen: float | str | None) -> None:
        """Show a table of maps.

        Args:
            maps: what to show.
            chosen: what to begin with, by the name of the attribute; by default the first of each;
                ``guess=True`` asks for a guess first.

        Raises:
            ValueError: arrays of the table whose shapes disagree.
            traitlets.TraitError: a noise, rate or loss that the table does not have.
        """
        _check(maps)
        self.maps, self._album = maps, Album(maps.files)
        super().__init__(_controls(maps), _table(maps), chosen, _asked(maps))


# ------------------------------------------------------------------ the table for the page


def _controls(maps: EmbeddingMaps) -> dict[str, Control]:
    styles = plots.loss_styles(maps.losses)
    return {
        "rate": Control("Wrong labels", maps.rates, tuple(f"{_percent(r)} %" for r in maps.rates)),
        "loss": Control("Loss", maps.losses, tuple(style.label for style in styles)),
        "noise": Control("Kind of label noise", maps.noises, tuple(map(_noise_name, maps.noises))),
    }


def _table(maps: EmbeddingMaps) -> dict[str, Any]:
    """What the ES module looks up: see the type ``Table`` in ``static/embedding.js``."""
    return {
        "percents": [float(_percent(rate)) for rate in maps.rates],
        "losses": [
            {"id": name, **style._asdict()}
            for name, style in zip(maps.losses, plots.loss_styles(maps.losses), strict=True)
        ],
        "class_names": maps.class_names,
        "class_colors": plots.class_colors(len(maps.class_names)),
        "files": maps.files,
        "headlines": [_headline(maps, *place) for place in np.ndindex(maps.accuracy.shape)],
        "captions": [_caption(maps, place) for place in np.ndindex(maps.accuracy.shape)],
        "named": [_named(maps, place) for place in np.ndindex(maps.accuracy.shape)],
        "accuracy": (100.0 * maps.accuracy.astype(float)).tolist(),
        "spread": np.nan_to_num(100.0 * maps.spread.astype(float)).tolist(),
        "axes": _axes(maps),
        "chart_note": _chart_note(maps.seeds),
        "coordinates": maps.coordinates,
        "medians": _medians(maps.coordinates, maps.labels, len(maps.class_names)),
        "predicted": maps.predicted,
        "labels": maps.labels,
    }


def _asked(maps: EmbeddingMaps) -> Guess | None:
    """Ask for the accuracy of the first loss over the rate, with the first kind of noise."""
    if len(maps.rates) < 2 or not np.isfinite(maps.accuracy[0]).all():
        return None
    percents = [float(_percent(rate)) for rate in maps.rates]
    measured = (100.0 * maps.accuracy[0].astype(float)).tolist()
    loss, *_, last = plots.loss_styles((*maps.losses, maps.losses[-1]))
    return Guess(
        "curve",
        f"How many of 100 new images find their class, when labels are wrong in training? Draw it "
        f"for {loss.label}.",
        plots.axis("wrong labels in training (%)", 0, percents[-1] or 1, ticks=percents),
        plots.axis("of 100 new images find their class", 0, 100, ticks=range(0, 101, 20)),
        percents[1:],
        [at_rate[0] for at_rate in measured[1:]],
        f"With {{at}}% wrong labels you drew {{drawn}}, {loss.label} has {{measured}}: {{off}}. "
        "On average you are {mean} off.",
        start=[percents[0], measured[0][0]],
        then=[
            {
                "mark": "line",
                "style": {**last._asdict(), "name": "other", "marker": ""},
                "shows": [percents, [at_rate[-1] for at_rate in measured]],
            }
        ],
    )


def _headline(maps: EmbeddingMaps, k: int, r: int, i: int) -> str:
    """What is shown in one sentence, beside the first loss (the last, where the first is shown)."""
    labels = [style.label for style in plots.loss_styles(maps.losses)]
    j = 0 if i > 0 else len(labels) - 1
    shown, other = (f"{maps.accuracy[k, r, loss]:.1%}" for loss in (i, j))
    beside = f" ({labels[j]}: {other})" if i != j else ""
    return (
        f"{labels[i]} at {_percent(maps.rates[r])}% wrong labels: "
        f"{shown} of test images find their class{beside}"
    )


def _caption(maps: EmbeddingMaps, place: tuple[int, ...]) -> str:
    """What is counted on one map: of one seed, where the headline has the mean of several."""
    found, images = int((maps.predicted[place] == maps.labels).sum()), len(maps.labels)
    seed = "" if maps.seeds == 1 else "This seed: "
    return f"{seed}● {found:,} find their class ({found / images:.1%}), ✕ {images - found:,} do not"


def _named(maps: EmbeddingMaps, place: tuple[int, ...]) -> list[int]:
    """The classes whose images mostly find their class, the best first."""
    found = maps.labels[maps.predicted[place] == maps.labels]
    total_C, found_C = (
        np.bincount(labels, minlength=len(maps.class_names)) for labels in (maps.labels, found)
    )
    share_C = found_C / np.maximum(total_C, 1)
    return [int(c) for c in np.argsort(-share_C, kind="stable") if share_C[c] >= 0.5]


def _axes(maps: EmbeddingMaps) -> dict[str, plots.Axis]:
    percents = [float(_percent(rate)) for rate in maps.rates]
    low, high = plots.whole_tens(maps.accuracy, maps.spread)
    return {
        "x": plots.axis("wrong labels in training (%)", 0, percents[-1] or 1, ticks=percents),
        "y": plots.axis("% of test images", low, high, ticks=range(low, high + 1, 10)),
    }


def _chart_note(seeds: int) -> str:
    if seeds == 1:
        return "One seed."
    return f"Mean of {seeds} seeds; bars: ± 1 standard deviation. The map shows one of them."


def _noise_name(noise: str) -> str:
    return plots.NOISE_NAMES.get(noise, noise)


def _percent(rate: float) -> str:
    return f"{100 * rate:g}"


def _medians(
    coordinates: NDArray[np.uint16], labels: NDArray[np.integer], num_classes: int
) -> NDArray[np.uint16]:
    """The middle of each class's cloud on each map: the median of both coordinates, [..., C, 2]."""
    medians = np.zeros((*coordinates.shape[:-2], num_classes, 2))
    for c in np.unique(labels):
        medians[..., c, :] = np.median(coordinates[..., labels == c, :], axis=-2)
    return medians.astype(np.uint16)


def _check(maps: EmbeddingMaps) -> None:
    """Refuse a table whose arrays do not belong together."""
    cells = (len(maps.noises), len(maps.rates), len(maps.losses))
    images = len(maps.files)
    shapes = {
        "coordinates": (*cells, images, 2),
        "predicted": (*cells, images),
        "labels": (images,),
        "accuracy": cells,
        "spread": cells,
    }
    for name, shape in shapes.items():
        given = getattr(maps, name).shape
        if given != shape:
            raise ValueError(
                f"{name} has shape {given}; {cells[0]} noises, {cells[1]} rates, {cells[2]} "
                f"losses and {images} files need {shape}. Make the maps anew."
            )
    classes = len(maps.class_names)
    for name in ("labels", "predicted"):
        largest = getattr(maps, name).max()
        if largest >= classes:
            raise ValueError(
                f"{name} holds class {largest}; {classes} class names allow 0 to {classes - 1}. "
                "Make the maps anew."
            )
