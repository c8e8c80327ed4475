"""Explorers: pictures that a learner moves.

An explorer computes its whole table once, in Python and through the library's own functions, hands
it over as bytes, and leaves looking up and drawing to a small ES module in ``static``. Without a
kernel the same module runs in a plain page, see `standalone_html`.

Shapes: K noise kinds, R rates, L losses, M test images, C classes.
"""

import base64
import html
import json
import math
import re
from typing import Any

import anywidget
import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rnsl_tutorial import plots
from rnsl_tutorial.maps import EmbeddingMaps
from rnsl_tutorial.paths import PACKAGE

__all__ = ["EmbeddingExplorer", "standalone_html"]


def _static(name: str) -> str:
    return (PACKAGE / "static" / name).read_text(encoding="utf-8")


def _module(*names: str) -> str:
    """Join ES modules of the folder ``static`` into one, what is imported first.

    anywidget loads an explorer's module as one blob, which has no address that a relative import
    could start from. So the imports between the files are taken out, and each file sees the names
    of those before it.
    """
    imports = re.compile(r'^import \{[^}]*\} from "\./\w+\.js";\n', re.MULTILINE)
    return "\n".join(imports.sub("", _static(name)) for name in names)


class EmbeddingExplorer(anywidget.AnyWidget):
    """Test images on a map of their embedding, at one noise rate and under one loss.

    Beside the map stands k-NN accuracy over the noise rate. ``noise``, ``rate`` and ``loss`` are
    traitlets: setting one moves the control, moving the control sets it, and
    ``ipywidgets.link`` ties them to those of another widget.

    Attributes:
        noise: one of ``maps.noises``.
        rate: share of wrong labels in training, one of ``maps.rates``.
        loss: one of ``maps.losses``.
        maps: the table that is shown.
    """

    _esm = _module("widgets.js", "accuracy_chart.js", "embedding_map.js", "embedding.js")
    _css = _static("explorers.css")

    noise = traitlets.Unicode().tag(sync=True)
    rate = traitlets.Float().tag(sync=True)
    loss = traitlets.Unicode().tag(sync=True)
    _table = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        maps: EmbeddingMaps,
        *,
        noise: str | None = None,
        rate: float | None = None,
        loss: str | None = None,
    ) -> None:
        """Show a table of maps.

        Args:
            maps: what to show.
            noise: to begin with; by default the first.
            rate: to begin with; by default the first.
            loss: to begin with; by default the first.

        Raises:
            ValueError: arrays of the table whose shapes disagree.
            traitlets.TraitError: a noise, rate or loss that the table does not have.
        """
        _check(maps)
        self.maps = maps
        super().__init__(
            noise=maps.noises[0] if noise is None else noise,
            rate=maps.rates[0] if rate is None else rate,
            loss=maps.losses[0] if loss is None else loss,
            _table=_table(maps),
        )

    def figure(self) -> Figure:
        """Return the picture that is shown now as a static figure."""
        maps, (k, r, i) = self.maps, self._place()
        return plots.embedding_beside_accuracy(
            maps.coordinates[k, r, i],
            maps.labels,
            maps.predicted[k, r, i],
            maps.class_names,
            maps.rates,
            maps.accuracy[k].T,
            maps.spread[k].T,
            maps.losses,
            current=(i, r),
            title=f"{_headline(maps, k, r, i)}\nnoise: {_noise_name(self.noise)}",
        )

    def _place(self) -> tuple[int, int, int]:
        maps = self.maps
        return (
            maps.noises.index(self.noise),
            maps.rates.index(self.rate),
            maps.losses.index(self.loss),
        )

    @traitlets.validate("noise", "loss")
    def _known_name(self, proposal: Any) -> str:
        name = proposal["trait"].name
        allowed = self.maps.noises if name == "noise" else self.maps.losses
        if proposal["value"] not in allowed:
            raise _unknown(name, proposal["value"], allowed)
        return str(proposal["value"])

    @traitlets.validate("rate")
    def _known_rate(self, proposal: Any) -> float:
        for rate in self.maps.rates:
            if math.isclose(rate, proposal["value"], abs_tol=1e-9):
                return rate
        raise _unknown("rate", proposal["value"], self.maps.rates)


def _unknown(name: str, value: object, allowed: tuple[object, ...]) -> traitlets.TraitError:
    choices = ", ".join(map(repr, allowed))
    return traitlets.TraitError(f"{name} is {value!r}; this explorer has {choices}.")


# ------------------------------------------------------------------ the table for the page


def _table(maps: EmbeddingMaps) -> dict[str, Any]:
    """What the ES module looks up: see the type ``Table`` in ``static/embedding.js``."""
    return {
        "noises": [{"id": name, "label": _noise_name(name)} for name in maps.noises],
        "rates": list(maps.rates),
        "percents": [float(_percent(rate)) for rate in maps.rates],
        "losses": [
            {"id": name, **style._asdict()}
            for name, style in zip(maps.losses, plots.loss_styles(maps.losses), strict=True)
        ],
        "class_names": list(maps.class_names),
        "class_colors": plots.class_colors(len(maps.class_names)),
        "files": list(maps.files),
        "headlines": [_headline(maps, *place) for place in np.ndindex(maps.accuracy.shape)],
        "accuracy": (100.0 * maps.accuracy.astype(float)).tolist(),
        "spread": np.nan_to_num(100.0 * maps.spread.astype(float)).tolist(),
        "accuracy_range": plots.whole_tens(maps.accuracy, maps.spread),
        "chart_note": _chart_note(maps.seeds),
        "coordinates": _bytes(maps.coordinates, "<u2"),
        "medians": _bytes(_medians(maps), "<u2"),
        "predicted": _bytes(maps.predicted, "u1"),
        "labels": _bytes(maps.labels, "u1"),
    }


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


def _chart_note(seeds: int) -> str:
    if seeds == 1:
        return "One seed."
    return f"Mean of {seeds} seeds; bars: ± 1 standard deviation. The map shows one of them."


def _noise_name(noise: str) -> str:
    return plots.NOISE_NAMES.get(noise, noise)


def _percent(rate: float) -> str:
    return f"{100 * rate:g}"


def _medians(maps: EmbeddingMaps) -> NDArray[np.float64]:
    medians = plots.class_medians(maps.coordinates, maps.labels, len(maps.class_names))
    return np.nan_to_num(medians)


def _bytes(array: NDArray[Any], dtype: str) -> bytes:
    return array.astype(dtype).tobytes()


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


# ------------------------------------------------------------------ without a kernel


def standalone_html(*explorers: anywidget.AnyWidget, title: str = "Explorer") -> str:
    """Return a web page in which explorers move without a kernel and without a network.

    Args:
        explorers: to be shown one below the other, each as it stands now.
        title: of the page.
    """
    styles = "\n".join(dict.fromkeys(str(explorer._css) for explorer in explorers))
    return _PAGE.format(
        title=html.escape(title),
        styles=styles,
        explorers="\n".join(map(_mount, explorers)),
        script=_static("page.js"),
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{styles}
body {{ margin: 0; background: light-dark(#ffffff, #0d1117); }}
.rnsl-explorer {{ margin: 0 auto; }}
</style>
</head>
<body>
{explorers}
<script type="module">
{script}
</script>
</body>
</html>
"""


def _mount(explorer: anywidget.AnyWidget) -> str:
    """The place of one explorer in the page, with its module and the state that is its own."""
    shared = {*anywidget.AnyWidget.class_trait_names(), "_esm", "_css", "_anywidget_id"}
    state = {name: getattr(explorer, name) for name in explorer.keys if name not in shared}
    module = base64.b64encode(str(explorer._esm).encode()).decode()
    data = json.dumps({"module": module, "state": state}, default=_encoded).replace("<", r"\u003c")
    return f'<div data-explorer><script type="application/json">{data}</script></div>'


def _encoded(value: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}
