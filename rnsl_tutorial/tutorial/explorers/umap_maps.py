"""The explorers of maps: maps of the same images, in which a selection is seen everywhere.

Shapes: P panels, L losses, E moments, N images, S x S pixels.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import traitlets
from numpy.typing import NDArray

from rnsl_tutorial.experiments.style import _GREY, _VERMILION
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial._album import Album
from rnsl_tutorial.tutorial.explorers._pictures import Pictured
from rnsl_tutorial.tutorial.explorers.base import Choice, Control, module, number_control
from rnsl_tutorial.tutorial.explorers.embedding import _medians
from rnsl_tutorial.tutorial.tables import MEASURES, UmapMaps

__all__ = ["EpochMapsExplorer", "UmapSettingsExplorer"]

_P_STEPS = 256  # colours from p = 0 to p = 1
_P_ENDS = ((0.86, 0.24, 0.05), (0.58, 0.50, 0.20), (0.20, 0.50, 0.85))  # red, sand, blue
_KEPT_COLORS = (_VERMILION, _GREY)  # left out, kept
_MARKS = ("nothing", "wrong labels")
_COLORS = {
    "given": "given label",
    "true": "true label",
    "p": "p of the given label",
    "kept": "kept",
}


class _Panel(NamedTuple):
    """One map of the explorer, for every choice of some of its controls.

    Attributes:
        title: above the map.
        axes: names of the controls that choose the map, in the order of the arrays' axes.
        maps: uint16 [..., N, 2].
        captions: one a map, in the same order.
    """

    title: str
    axes: tuple[str, ...]
    maps: NDArray[np.uint16]
    captions: list[str]


class _Codes(NamedTuple):
    """Codes of images, for every choice of some controls; "panel" is one more of them."""

    axes: tuple[str, ...]
    codes: NDArray[np.uint8]  # [..., N]


class _LinkedMaps(Pictured):
    """Maps of the same images side by side; a selection on one is seen on all.

    Attributes:
        color: what the colour says: "given", "true", "p" or "kept".
        mark: what is drawn as a cross: "nothing" (at first) or "wrong labels".
        selected: places of the images that are selected.
        table: what is shown.
    """

    _esm = module("umap_maps.js")

    color = Choice().tag(sync=True)
    mark = Choice().tag(sync=True)
    selected = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(
        self,
        table: UmapMaps,
        controls: Mapping[str, Control],
        panels: Sequence[_Panel],
        told: tuple[tuple[str, ...], list[str]],
        probability: _Codes,
        kept: _Codes,
        chosen: Mapping[str, float | str | None],
        images: NDArray[np.uint8] | None,
        **handed: Any,
    ) -> None:
        """Hand over what a subclass puts together."""
        _check(table)
        self.table, self._album = table, Album(table.files, _checked(images, len(table.files)))
        colors = {
            "color": Control("Colour", tuple(_COLORS), tuple(_COLORS.values())),
            "mark": Control("Crosses", _MARKS, _MARKS),
        }
        own = {
            "panels": [_with_medians(panel, table) for panel in panels],
            "told": {"axes": told[0], "texts": told[1]},
            "colorings": _colorings(table, probability, kept),
            "labels": table.labels,
            "given": table.given,
            "class_names": table.class_names,
            "files": table.files,
            "wrong_color": plots.WRONG.color,
            **handed,
        }
        super().__init__({**controls, **colors}, own, chosen)

    @traitlets.validate("selected")
    def _check_selected(self, proposal: Mapping[str, Any]) -> list[int]:
        images = len(self.table.files)
        outside = [i for i in proposal["value"] if not 0 <= i < images]
        if outside:
            raise traitlets.TraitError(
                f"selected holds {outside[0]}; there are {images} images, 0 to {images - 1}."
            )
        return sorted(set(proposal["value"]))


class EpochMapsExplorer(_LinkedMaps):
    """The same training images under each loss, epoch after epoch, on maps that were made together.

    Attributes:
        epoch: one of ``table.epochs``; at first the last.
        color: as the others; at first "given".
    """

    epoch = Choice().tag(sync=True)

    steps: ClassVar = {
        "Before training": {"epoch": 0, "color": "true", "mark": "nothing"},
        "After 5 epochs": {"epoch": 5, "color": "true", "mark": "nothing"},
        "After 40": {"epoch": 40, "color": "true", "mark": "nothing"},
        "By given label": {"epoch": 40, "color": "given", "mark": "wrong labels"},
    }

    def __init__(
        self,
        table: UmapMaps,
        *,
        images: NDArray[np.uint8] | None = None,
        **chosen: float | str | None,
    ) -> None:
        """Show a table.

        Args:
            table: what to show.
            images: uint8 [N, 3, S, S], the scenes themselves, in the order of ``table.files``;
                by default those of the data set on this machine that has these files.
            chosen: what to begin with, by the name of the attribute.

        Raises:
            ValueError: arrays whose shapes disagree.
            traitlets.TraitError: a value that its control does not have.
        """
        panels = [
            _Panel(style.label, ("epoch",), maps, [*map(_caption, measured)])
            for style, maps, measured in zip(
                plots.loss_styles(table.losses),
                table.over_epochs,
                table.measured_over_epochs,
                strict=True,
            )
        ]
        super().__init__(
            table,
            {"epoch": number_control("Epochs of training", table.epochs, "{:.0f}")},
            panels,
            (("epoch",), _epochs_told(table)),
            _Codes(("panel", "epoch"), table.p),
            _Codes(("panel", "epoch"), table.kept.astype(np.uint8)),
            {"epoch": table.epochs[-1], **chosen},
            images,
            players=["epoch"],
        )


class UmapSettingsExplorer(_LinkedMaps):
    """The same embedding under many settings of UMAP, beside PCA.

    An image that is pointed at is joined with its nearest neighbours in all dimensions.

    Attributes:
        loss: one of ``table.losses``; at first the last.
        n_neighbors: one of ``table.n_neighbors``; at first the first.
        min_dist: one of ``table.min_dists``; at first the first.
        color: as the others; at first "true".
    """

    loss = Choice().tag(sync=True)
    n_neighbors = Choice().tag(sync=True)
    min_dist = Choice().tag(sync=True)

    steps: ClassVar = {
        "4 neighbours": {"n_neighbors": 4, "min_dist": 0.1},
        "15, as usual": {"n_neighbors": 15, "min_dist": 0.1},
        "150 neighbours": {"n_neighbors": 150, "min_dist": 0.1},
        "Spread out": {"n_neighbors": 15, "min_dist": 0.9},
    }

    def __init__(
        self,
        table: UmapMaps,
        *,
        images: NDArray[np.uint8] | None = None,
        **chosen: float | str | None,
    ) -> None:
        """Show a table.

        Args:
            table: what to show.
            images: as in `EpochMapsExplorer`.
            chosen: what to begin with, by the name of the attribute.

        Raises:
            ValueError: arrays whose shapes disagree.
            traitlets.TraitError: a value that its control does not have.
        """
        axes = ("loss", "n_neighbors", "min_dist")
        measured = table.measured_over_settings.reshape(-1, len(MEASURES))
        panels = [
            _Panel("UMAP", axes, table.over_settings, [*map(_caption, measured)]),
            _Panel("PCA", ("loss",), table.pca, [*map(_caption, table.measured_of_pca)]),
        ]
        last = len(table.epochs) - 1
        super().__init__(
            table,
            {
                "n_neighbors": number_control("n_neighbors", table.n_neighbors, "{:.0f}"),
                "min_dist": number_control("min_dist", table.min_dists, "{:g}"),
                "loss": Control("Loss", table.losses, _labels(table)),
            },
            panels,
            (axes, _settings_told(table)),
            _Codes(("loss",), table.p[:, last]),
            _Codes(("loss",), table.kept[:, last].astype(np.uint8)),
            {"loss": table.losses[-1], "color": "true", **chosen},
            images,
            sliders=["n_neighbors", "min_dist"],
            menus=["loss"],
            neighbors={"axes": ["loss"], "places": table.neighbors},
        )


# ------------------------------------------------------------------ the table for the page


def _checked(images: NDArray[np.uint8] | None, count: int) -> NDArray[np.uint8] | None:
    if images is None or (
        images.dtype == np.uint8 and images.shape[:2] == (count, 3) and images.ndim == 4
    ):
        return images
    raise ValueError(
        f"images are {images.dtype} {images.shape}; uint8 ({count}, 3, S, S) is needed, in the "
        "order of the table's files."
    )


def _with_medians(panel: _Panel, table: UmapMaps) -> dict[str, Any]:
    """A map with the places of its classes' names."""
    medians = _medians(panel.maps, table.labels, len(table.class_names))
    return {**panel._asdict(), "medians": medians}


def _colorings(table: UmapMaps, probability: _Codes, kept: _Codes) -> dict[str, Any]:
    classes = plots.class_colors(len(table.class_names))
    p_legend = {round(p * (_P_STEPS - 1)): f"p = {p:g}" for p in (0, 0.25, 0.5, 0.75, 1)}
    return {
        "given": _coloring(_Codes((), table.given), classes),
        "true": _coloring(_Codes((), table.labels), classes),
        "p": _coloring(probability, _p_colors(), p_legend),
        "kept": _coloring(kept, _KEPT_COLORS, {0: "left out", 1: "kept"}),
    }


def _coloring(
    codes: _Codes, colors: Sequence[str], legend: Mapping[int, str] | None = None
) -> dict[str, Any]:
    explained = [{"color": colors[code], "text": text} for code, text in (legend or {}).items()]
    return {**codes._asdict(), "colors": colors, "legend": explained}


def _p_colors() -> list[str]:
    """Return P_STEPS colours for p: red where the prototypes doubt the label, blue where not."""
    places = np.linspace(0, 1, _P_STEPS)
    parts = [np.interp(places, (0, 0.5, 1), end) for end in np.transpose(_P_ENDS)]
    return ["#" + "".join(f"{round(255 * v):02x}" for v in rgb) for rgb in np.transpose(parts)]


def _caption(measured: NDArray[np.float32]) -> str:
    trust, overlap, _ = measured
    return f"trustworthiness {trust:.3f}; neighbours kept {overlap:.0%}"


def _moment(epoch: int) -> str:
    return f"After epoch {epoch}" if epoch else "Before training"


def _labels(table: UmapMaps) -> tuple[str, ...]:
    return tuple(style.label for style in plots.loss_styles(table.losses))


def _epochs_told(table: UmapMaps) -> list[str]:
    """What is true in all dimensions, whatever the maps look like."""
    nearest = table.neighbors.shape[-1]
    told = []
    for epoch, same_L in zip(table.epochs, table.same_class.T, strict=True):
        shares = [f"{name} {same:.0%}" for name, same in zip(_labels(table), same_L, strict=True)]
        told.append(
            f"{_moment(epoch)}: so many of an image's {nearest} nearest neighbours, in all "
            f"dimensions, are of its true class: {', '.join(shares)}"
        )
    return told


def _settings_told(table: UmapMaps) -> list[str]:
    told = []
    overlaps = table.measured_over_settings[..., MEASURES.index("overlap")]
    for (i, h, m), overlap in np.ndenumerate(overlaps):
        of_pca = table.measured_of_pca[i, MEASURES.index("overlap")]
        told.append(
            f"{_labels(table)[i]}, n_neighbors {table.n_neighbors[h]}, min_dist "
            f"{table.min_dists[m]:g}: of an image's {table.neighbors.shape[-1]} nearest "
            f"neighbours, UMAP keeps {overlap:.0%} and PCA {of_pca:.0%}"
        )
    return told


def _check(table: UmapMaps) -> None:
    """Refuse a table whose arrays do not belong together."""
    losses, epochs, images = len(table.losses), len(table.epochs), len(table.files)
    grid = (losses, len(table.n_neighbors), len(table.min_dists))
    shapes = {
        "over_epochs": (losses, epochs, images, 2),
        "over_settings": (*grid, images, 2),
        "pca": (losses, images, 2),
        "measured_over_epochs": (losses, epochs, len(MEASURES)),
        "measured_over_settings": (*grid, len(MEASURES)),
        "measured_of_pca": (losses, len(MEASURES)),
        "same_class": (losses, epochs),
        "p": (losses, epochs, images),
        "kept": (losses, epochs, images),
        "labels": (images,),
        "given": (images,),
    }
    for name, shape in shapes.items():
        found = getattr(table, name).shape
        if found != shape:
            raise ValueError(
                f"{name} has shape {found}; {losses} losses, {epochs} moments, a grid of "
                f"{grid[1]} x {grid[2]} and {images} files need {shape}. Make the table anew."
            )
