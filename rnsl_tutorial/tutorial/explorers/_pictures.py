"""Explorers whose page asks for pictures of images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial.tutorial._album import Album
from rnsl_tutorial.tutorial.explorers.base import Explorer

__all__ = ["Pictured"]

_ASKED_AT_ONCE, _IN_STRIP = 64, 12


class Pictured(Explorer):
    """An explorer whose page asks the kernel for pictures.

    Attributes:
        _album: the pictures; a subclass sets it before it calls this constructor.
    """

    _album = Album()

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.on_msg(self._answer)

    def _near(self) -> tuple[str, NDArray[np.integer]]:
        """What a strip of pictures shows at the current choice: a title, and places of images."""
        return "", np.empty(0, np.int64)

    def _answer(self, _: object, content: Any, __: object) -> None:
        """Answer what the page asks; anything else is left alone."""
        asked = content if isinstance(content, dict) else {}
        if asked.get("near") and self._album:
            title, near = self._near()
            told = [self._album.told(i) for i in near[:_IN_STRIP].tolist()]
            self.send({"near": {"title": title, "images": told}})
        if isinstance(places := asked.get("pictures"), list):
            places = [i for i in places[:_ASKED_AT_ONCE] if type(i) is int]
            self.send({"pictures": places}, [self._album.picture(i) for i in places])
