"""What stands where a widget cannot live: GitHub, a printed page, a notebook nobody trusts."""

import base64
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import anywidget
from PIL import Image

from rnsl_tutorial import _files as paths

__all__: list[str] = []

_FOLDER = paths.PACKAGE / "tutorial" / "static" / "pictures"
_plain: dict[str, str] = {}  # by what `_keeping` made of them, the modules of the classes


class _Standing(anywidget.AnyWidget):
    """A widget whose output also holds a picture of its kind, and how to make it move.

    The picture of a class is ``static/pictures/CLASS.png``; ``make pictures`` draws it. Where a
    program keeps notebooks that asks for pictures of what was seen (``rnsl lab``), the page sends
    one each time that it has come to rest, and that program puts it into what it saves.
    """

    _esm: Any  # the ES module, as the class names it

    def __init__(self, **traits: Any) -> None:
        self._seen_in = os.environ.get(paths.SEEN, "")
        if self._seen_in:
            self._esm = _keeping(str(self._esm))
            self.on_msg(self._keep)
        super().__init__(**traits)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = super()._repr_mimebundle_(**kwargs)
        assert bundle is not None, "every explorer has a view"
        return bundle[0] | _picture_of(type(self).__name__), bundle[1]

    def _keep(self, _: object, content: Any, buffers: Sequence[Any]) -> None:
        """Put down what is seen, where the notebook is saved from."""
        if not (isinstance(content, dict) and content.get("seen") and len(buffers) == 1):
            return
        path = paths.seen_in(self._seen_in, self.model_id)
        if path and path.parent.is_dir():
            with suppress(OSError):  # no picture, or no room for it: the last one stays
                with Image.open(io.BytesIO(buffers[0])) as image:
                    few = image.convert("RGB").quantize()
                with paths.written_whole(path) as file:
                    few.save(file, "PNG", optimize=True)


@cache
def _keeping(module: str) -> str:
    """An ES module of a widget, so that the page also sends what is seen of it."""
    standing = (paths.PACKAGE / "tutorial" / "static" / "standing.js").read_text(encoding="utf-8")
    around = f"(() => {{\n{standing}return standing;\n}})()"  # its names are its own
    own, default = module.rsplit("export default", 1)
    shown = f"{{ render: {around}(rnslShown.render) }}"
    kept = f"{own}const rnslShown =\n{default}\nexport default {shown};\n"
    _plain[kept] = module
    return kept


def _as_shipped(module: str) -> str:
    """The ES module of a widget without what `_keeping` put around it: a page has no kernel."""
    return _plain.get(module, module)


@cache
def _picture_of(name: str) -> dict[str, str]:
    """The picture of a class and what stands below it, as parts of an output; or neither."""
    path = _FOLDER / f"{name}.png"
    if not path.exists():
        return {}
    with Image.open(path) as image:
        sentence = image.info["Description"]
    return {"image/png": base64.b64encode(path.read_bytes()).decode(), "text/plain": sentence}
