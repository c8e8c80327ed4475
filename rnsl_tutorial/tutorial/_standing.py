"""What stands where a widget cannot live: GitHub, a printed page, a notebook nobody trusts."""

import base64
from functools import cache
from typing import Any

import anywidget
from PIL import Image

from rnsl_tutorial._files import PACKAGE

__all__: list[str] = []

_FOLDER = PACKAGE / "tutorial" / "static" / "pictures"


class _Standing(anywidget.AnyWidget):
    """A widget whose output also holds a picture of its kind, and how to make it move.

    The picture of a class is ``static/pictures/CLASS.png``; ``make pictures`` draws it.
    """

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = super()._repr_mimebundle_(**kwargs)
        assert bundle is not None, "every explorer has a view"
        return bundle[0] | _picture_of(type(self).__name__), bundle[1]


@cache
def _picture_of(name: str) -> dict[str, str]:
    """The picture of a class and what stands below it, as parts of an output; or neither."""
    path = _FOLDER / f"{name}.png"
    if not path.exists():
        return {}
    with Image.open(path) as image:
        sentence = image.info["Description"]
    return {"image/png": base64.b64encode(path.read_bytes()).decode(), "text/plain": sentence}
