"""A map of one's own to keep: points in two or three dimensions, drawn by plotly.

Shapes: N images, D = 2 or 3 dimensions, C classes, S x S pixels.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from rnsl_tutorial._arrays import array, finite, labels_in
from rnsl_tutorial._files import PACKAGE
from rnsl_tutorial.experiments.style import INK, QUIET, class_colors
from rnsl_tutorial.tutorial._album import Album

__all__ = ["scatter"]

_SIZE = {2: 6, 3: 3}  # px of a point
_FLAT_BY_GPU = 5000  # points from which on a flat map is drawn by WebGL
_SCALE = ((0.0, "#0072B2"), (1.0, "#D55E00"))  # of numbers, low to high
_NO_AXIS = {"showticklabels": False, "title": "", "zeroline": False, "showgrid": False}


class _Scatter(anywidget.AnyWidget):
    """A figure, and beside it the picture of the image that is pointed at.

    Pictures and plotly's own code come as messages, so that no state keeps them.

    Attributes:
        figure: plotly's `Figure`; ``figure.write_html(path)`` keeps it as a page that moves.
        selected: int64, the images in the last lasso or rectangle, ascending.
    """

    _esm = (PACKAGE / "tutorial" / "static" / "scatter.js").read_text(encoding="utf-8")
    _drawn = traitlets.Dict().tag(sync=True)

    def __init__(self, figure: Any, album: Album) -> None:
        self.figure, self._album = figure, album
        self.selected: NDArray[np.int64] = np.empty(0, np.int64)
        super().__init__(_drawn=json.loads(figure.to_json()))
        self.on_msg(self._answer)

    def _answer(self, _: object, content: Any, __: object) -> None:
        """Answer what the page asks; anything else is left alone."""
        if not isinstance(content, dict):
            return
        if content.get("plotly"):
            from plotly.offline import get_plotlyjs  # here, because it takes half a second

            self.send({"plotly": True}, [get_plotlyjs().encode()])
        if type(place := content.get("hover")) is int:
            self.send({"hover": place}, [self._album.picture(place)])
        if isinstance(places := content.get("selected"), list):
            self.selected = np.array(sorted(i for i in places if type(i) is int), np.int64)


def scatter(
    map: ArrayLike,  # noqa: A002 - what it is called everywhere else
    color: ArrayLike,
    class_names: Sequence[str] = (),
    *,
    files: Sequence[str] = (),
    images: NDArray[np.uint8] | None = None,
    title: str = "",
    measure: str = "",
) -> _Scatter:
    """Draw a map that can be turned, zoomed, selected on and kept.

    A pointer tells the class and the file of an image, and shows its picture where there are
    images and a kernel. A flat map has a lasso and a rectangle; a click in the legend hides a
    class. The camera in the corner saves a PNG, ``.figure.write_html("map.html")`` a page that
    moves without a kernel and without a network.

    Args:
        map: float [N, 2] or [N, 3], such as of `evaluation.umap.umap_map` or of a sphere.
        color: integers [N] in [0, C) with ``class_names``: a colour a class. Without: numbers [N],
            such as doubts, from blue (low) to vermilion (high).
        class_names: C names.
        files: N names; none by default.
        images: uint8 [N, 3, S, S], shown where one points; by default those of the data set on this
            machine that has these files.
        title: above the map.
        measure: what the numbers of ``color`` are.

    Returns:
        a widget with ``.figure``, plotly's own, and ``.selected``, the images in the last lasso.

    Raises:
        ValueError: shapes that disagree.
    """
    map_ND = finite("map", array("map", map))
    color_N = array("color", color)
    _check(map_ND, color_N, files, images)
    texts = files or [f"image {i}" for i in range(len(map_ND))]
    if class_names:
        groups = _classes(labels_in(len(class_names), color_N), class_names)
    else:
        groups = {measure: (np.arange(len(map_ND)), _scale(finite("color", color_N), measure))}
    return _Scatter(_figure(map_ND, groups, texts, title), Album(files, images))


_Group = tuple[NDArray[np.int64], Mapping[str, Any]]
"""Images, and plotly's look of their markers."""


def _classes(labels_N: NDArray[Any], class_names: Sequence[str]) -> dict[str, _Group]:
    colors = class_colors(len(class_names))
    return {
        class_names[c]: (np.flatnonzero(labels_N == c), {"color": colors[c]})
        for c in np.unique(labels_N)
    }


def _scale(values_N: NDArray[Any], measure: str) -> dict[str, Any]:
    bar = {"title": {"text": measure}}
    return {"color": values_N, "colorscale": _SCALE, "showscale": True, "colorbar": bar}


def _figure(
    map_ND: NDArray[Any], groups: Mapping[str, _Group], texts: Sequence[str], title: str
) -> Any:
    import plotly.graph_objects as go  # here, because it takes half a second

    dims = map_ND.shape[1]
    flat = go.Scattergl if len(map_ND) > _FLAT_BY_GPU else go.Scatter
    kind = go.Scatter3d if dims == 3 else flat
    traces = [
        kind(
            **dict(zip("xyz", map_ND[found].T, strict=False)),
            mode="markers",
            name=_plain(name),
            marker={"size": _SIZE[dims], **look},
            customdata=found,
            text=[_plain(texts[i]) for i in found],
            hovertemplate=_told(name, look),
        )
        for name, (found, look) in groups.items()
    ]
    return go.Figure(traces, _layout(title, dims))


def _told(name: str, look: Mapping[str, Any]) -> str:
    value = ": %{marker.color:.3g}" if "colorscale" in look else ""
    return f"<b>{_plain(name)}{value}</b><br>%{{text}}<extra></extra>"


def _layout(title: str, dims: int) -> dict[str, Any]:
    axes = dict.fromkeys("xyz"[:dims], _NO_AXIS)
    places = {f"{axis}axis": look for axis, look in axes.items()}
    if dims == 2:
        places["yaxis"] = {**_NO_AXIS, "scaleanchor": "x"}
    return {
        "title": {"text": _plain(title)},
        "font": {"color": INK},
        "modebar": {"color": QUIET},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "dragmode": "lasso" if dims == 2 else "turntable",
        "legend": {"itemsizing": "constant"},
        "margin": {"l": 10, "r": 10, "t": 40, "b": 10},
        "width": 760,
        "height": 560,
        **(places if dims == 2 else {"scene": {**places, "aspectmode": "data"}}),
    }


def _plain(text: str) -> str:
    """Text in which plotly finds neither a tag nor a place to fill."""
    given = str(text).encode("utf-8", "replace").decode()
    return given.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "%&#123;")


def _check(
    map_ND: NDArray[Any],
    color_N: NDArray[Any],
    files: Sequence[str],
    images: NDArray[np.uint8] | None,
) -> None:
    if map_ND.ndim != 2 or map_ND.shape[1] not in (2, 3) or not len(map_ND):
        raise ValueError(f"map is {list(map_ND.shape)}; it must be [N, 2] or [N, 3], N >= 1.")
    count = len(map_ND)
    if color_N.shape != (count,) or len(files) not in (0, count):
        raise ValueError(
            f"There are {list(color_N.shape)} colors and {len(files)} files for {count} points; "
            "give one for each."
        )
    if images is not None and (
        images.dtype != np.uint8 or images.ndim != 4 or images.shape[:2] != (count, 3)
    ):
        raise ValueError(
            f"images are {images.dtype} {list(images.shape)}; uint8 [{count}, 3, S, S] is needed."
        )
