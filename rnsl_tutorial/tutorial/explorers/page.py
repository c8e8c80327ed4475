"""Explorers in a plain page: no kernel, no network.

A page holds, for each explorer, one model (the ES module and the saved state) and one or more
mounts, the places where it is shown. What is moved at one mount moves at the others of its model.
"""

import base64
import gzip
import html
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import anywidget

from rnsl_tutorial.tutorial._standing import _as_shipped
from rnsl_tutorial.tutorial.explorers.base import static

__all__ = ["Model", "model", "mount", "scripts", "standalone_html", "style_sheet"]


class Model(NamedTuple):
    """What a page needs of an explorer: its ES module, its style sheet, the state of its own."""

    module: str
    style: str
    state: dict[str, Any]


def model(state: Mapping[str, Any]) -> Model:
    """Return the model that the whole state of an explorer makes.

    Args:
        state: of ``explorer.get_state()``, or as a notebook keeps it; arrays as bytes.
    """
    shared = {*anywidget.AnyWidget.class_trait_names(), "_esm", "_css", "_anywidget_id"}
    own = {name: value for name, value in state.items() if name not in shared}
    return Model(_as_shipped(str(state["_esm"])), str(state["_css"]), own)


def mount(name: str, until_then: str = "") -> str:
    """Return the place in a page where the explorer of a model is shown, and what stands before."""
    return f'<div data-explorer="{html.escape(name)}">{until_then}</div>'


def style_sheet(models: Iterable[Model]) -> str:
    """Return the CSS that models need, each style sheet once."""
    return "\n".join(dict.fromkeys(model.style for model in models))


def scripts(models: Mapping[str, Model], then: str = "") -> str:
    """Return the scripts that fill the mounts of these models; they stand at a page's end.

    Args:
        models: by the names of their mounts.
        then: JavaScript that goes on; mounts in hidden elements are left to it.
    """
    return "\n".join([*(_data(name, model) for name, model in models.items()), _script(then)])


def _script(then: str = "") -> str:
    return f'<script type="module">\n{static("page.js")}{then}\n</script>'


def _arriving_html(name: str, model: Model, picture: str, sentence: str) -> str:
    """Return what a notebook keeps of an explorer, so that it moves before anything was run.

    Where scripts run (JupyterLab runs those of notebooks that it trusts, and so do the pages that
    nbconvert writes) the explorer takes the place of its picture. Anywhere else the picture stays.

    Args:
        name: of its mount, one of its own.
        model: of the explorer.
        picture: a PNG in base64.
        sentence: what it says to those who do not see it.
    """
    image = f'<img alt="{html.escape(sentence)}" src="data:image/png;base64,{picture}">'
    style, data = f"<style>\n{model.style}\n</style>", _data(name, model, packed=True)
    return "\n".join([mount(name, image), style, data, _script()])


def standalone_html(*explorers: anywidget.AnyWidget, title: str = "Explorer") -> str:
    """Return a web page in which explorers move without a kernel and without a network.

    Args:
        explorers: to be shown one below the other, each as it stands now.
        title: of the page.
    """
    models = {str(i): model(explorer.get_state()) for i, explorer in enumerate(explorers)}
    return _page_of(models, title=title)


def _page_of(models: Mapping[str, Model], *, title: str = "Explorer", then: str = "") -> str:
    """Return a web page in which the explorers of these models stand one below the other.

    Args:
        models: by the names of their mounts.
        title: of the page.
        then: as in `scripts`.
    """
    return _PAGE.format(
        title=html.escape(title),
        styles=style_sheet(models.values()),
        explorers="\n".join(map(mount, models)),
        scripts=scripts(models, then),
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
{scripts}
</body>
</html>
"""


def _data(name: str, model: Model, *, packed: bool = False) -> str:
    data = json.dumps({"module": model.module, "state": model.state}, default=_encoded)
    data, kind = data.replace("<", r"\u003c"), "json"
    if packed:
        data, kind = base64.b64encode(gzip.compress(data.encode(), mtime=0)).decode(), "gzip"
    name = html.escape(name)
    return f'<script type="application/{kind}" data-model="{name}">{data}</script>'


def _encoded(value: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}
