"""Explorers in a plain page: no kernel, no network."""

import base64
import html
import json

import anywidget

from rnsl_tutorial.explorers.base import static


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
        script=static("page.js"),
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
