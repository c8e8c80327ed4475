"""Pictures of images, one by one: given ones, or those of a data set on this machine.

They go to a page as messages, which no state keeps: so an image of an archive never gets into a
notebook that is saved or a page that is published. Scenes of our own may be packed into a table.

Shapes: N images, S x S pixels.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rnsl_tutorial.datasets import _decoding, _single

__all__ = ["Album", "packed"]

_SIDE, _QUALITY = 128, 85  # of a picture that is sent
_PACKED_SIDE, _MOST_PACKED = 64, 1_500_000  # px; bytes
_QUALITIES = (85, 60, 40, 25, 10)

_Reader = Callable[[], bytes]


class Album:
    """Pictures of images by their places.

    Args:
        files: N names, such as "Airport/airport_1.jpg". Where a data set that has all of them lies
            on this machine (`datasets.download.images_of`), its images are shown.
        images: uint8 [N, 3, S, S], the images themselves, where they are at hand.
        wrong: bool [N], which labels are wrong, where that is known.
        words: N, what a strip writes below each; by default the folder of its file.
    """

    def __init__(
        self,
        files: Sequence[str] = (),
        images: NDArray[np.uint8] | None = None,
        wrong: NDArray[np.bool_] | None = None,
        words: Sequence[str] = (),
    ) -> None:
        self._files, self._images, self._wrong, self._words = files, images, wrong, words

    def picture(self, place: int) -> bytes:
        """Return a JPEG of at most 128 px a side; empty where there is no such image."""
        if not 0 <= place < (len(self._files) if self._images is None else len(self._images)):
            return b""
        if self._images is not None:
            return _jpeg(self._images[place])
        if not self._readers:
            return b""
        try:
            pixels = _decoding.squared(self._readers[self._files[place]](), _SIDE, (), None)
        except ValueError:  # it went since, or is damaged: its name tells enough
            return b""
        if isinstance(pixels, str):
            return b""
        return _jpeg(np.frombuffer(pixels, np.uint8).reshape(3, _SIDE, _SIDE))

    def told(self, place: int) -> tuple[int, str, bool]:
        """Return what a strip says of an image: its place, words, whether its label is wrong."""
        words = self._words or [file.partition("/")[0] for file in self._files]
        is_wrong = self._wrong is not None and bool(self._wrong[place])
        return place, words[place] if words else "", is_wrong

    def __bool__(self) -> bool:
        """Whether there are pictures; looks for their files."""
        return self._images is not None or bool(self._readers)

    @cached_property
    def _readers(self) -> Mapping[str, _Reader]:
        """Those of the archive that has all files; looked for when the first picture is asked."""
        from rnsl_tutorial.datasets import download  # here, since it loads what downloads

        for name in download.PINS if self._files else ():
            root = download.images_of(name)
            if root is None:
                continue
            try:
                found = _readers(root)
            except (OSError, ValueError):
                continue
            if all(file in found for file in self._files):
                return found
        return {}


@lru_cache(maxsize=4)
def _readers(root: Path) -> Mapping[str, _Reader]:
    return _single.readers(root)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    file, small = io.BytesIO(), Image.fromarray(image.transpose(1, 2, 0))
    small.thumbnail((_SIDE, _SIDE))
    small.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def packed(scenes: NDArray[np.uint8]) -> dict[str, Any]:
    """Return pictures of scenes of our own in one JPEG, row by row, and how to find one in it.

    Args:
        scenes: uint8 [N, 3, S, S], of `datasets.make_scenes`: they get into saved files.
    """
    columns = int(np.ceil(np.sqrt(len(scenes))))
    rows = -(-len(scenes) // columns)
    sheet = Image.new("RGB", (columns * _PACKED_SIDE, rows * _PACKED_SIDE))
    for i, scene in enumerate(scenes):
        small = Image.fromarray(scene.transpose(1, 2, 0)).resize((_PACKED_SIDE, _PACKED_SIDE))
        sheet.paste(small, (i % columns * _PACKED_SIDE, i // columns * _PACKED_SIDE))
    for quality in _QUALITIES:
        jpeg = io.BytesIO()
        sheet.save(jpeg, format="JPEG", quality=quality)
        if jpeg.tell() <= _MOST_PACKED:
            break
    return {"jpeg": jpeg.getvalue(), "columns": columns, "rows": rows}
