"""Procedural aerial scenes: sixteen classes, any number of images, nothing to download.

Each scene is drawn from a row of uniform random numbers that belongs to its seed and its position:
a ground, then shapes by their signed distances (negative inside), then trees, light, haze and
sensor noise. Repeated things (houses, cars, fields) cost no more than one: the plane is folded into
cells, and a cell finds its own random numbers in a table.

A scene is 2 units wide, x and y run from -1 to 1, whatever its size in pixels.

Shapes: N images, n images of one class drawn together, S x S pixels, U random numbers an image,
C classes.
"""

import json
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from rnsl_tutorial._arrays import array, check_seed, is_number, is_whole
from rnsl_tutorial._files import shipped
from rnsl_tutorial.datasets.archives import Archive

__all__ = ["CLASSES", "make_scenes"]

_MIN_SIZE, _MAX_SIZE = 32, 256  # pixels: below, cars and boats vanish; above, no more is to be seen

_BLOCK = 1024  # images whose random numbers are drawn together; another number, other images
_NUMBERS = 96  # random numbers an image, more than any scene asks for
_PIXELS_AT_ONCE = 1 << 16  # drawn together: larger arrays fall out of the processor's cache

_FAR = np.float32(9)  # added to a distance, it takes a shape out of the scene

_Array = NDArray[Any]  # float32; numpy's types lose that wherever a Python number takes part


def make_scenes(
    count: int,
    size: int = 64,
    *,
    difficulty: float = 0.5,
    seed: int,
    labels: ArrayLike | None = None,
    out: NDArray[np.uint8] | None = None,
) -> Archive:
    """Draw procedural aerial scenes.

    Image i depends on the seed, i, its class, the size and the difficulty, on nothing else: the
    first images of a longer series are the images of a shorter one, in classes too. Without
    ``labels`` every 16 images in a row, counted from the first, hold each class once in an order
    that the seed shuffles, so any series is balanced to within one image. Another processor or
    version of numpy may round a few pixels otherwise. Beyond the images, memory stays at some tens
    of MB, however many there are.

    Args:
        count: N, at least 1.
        size: S, the side in pixels, 32 to 256. At another size a scene has the same parts in the
            same places, and other textures.
        difficulty: 0 to 1. It widens the ranges of colour, season, light and scale until
            neighbouring classes overlap, lets a scene of such a class begin at one side, and adds
            clouds, haze and sensor noise.
        seed: integer >= 0.
        labels: integers [N] in [0, 16), which class each image shall show; None for balance.
        out: uint8 [N, 3, S, S] to write the images into, such as a memory map; None for new.

    Returns:
        images uint8 [N, 3, S, S] in red, green, blue; labels; ``CLASSES``; and invented file names
        such as ``"Beach/beach_1.png"``, numbered within a class.

    Raises:
        ValueError: an argument out of range, or labels or out of another shape or type.
    """
    _check_arguments(count, size, difficulty, seed)
    labels_N = _balanced_labels(count, seed) if labels is None else _checked_labels(labels, count)
    images = np.empty((count, 3, size, size), np.uint8) if out is None else out
    _check_out(images, (count, 3, size, size))
    for start in range(0, count, _BLOCK):
        numbers = _stream(seed, 1, start // _BLOCK).random((_BLOCK, _NUMBERS), np.float32)
        for label, other, places in _groups(labels_N[start : start + _BLOCK], numbers[:, 0], size):
            canvas = _Canvas(numbers[places, 1:], size, difficulty)
            _DRAWN[CLASSES[label]](canvas)
            _neighbour(canvas, _DRAWN[CLASSES[other]])
            images[start + places] = canvas.finished()
    return Archive(images, labels_N, CLASSES, _file_names(labels_N))


def _stream(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _balanced_labels(count: int, seed: int) -> NDArray[np.int64]:
    """Every class once in each round, shuffled; a longer series begins with the shorter one."""
    rounds = -(-count // len(CLASSES))
    order = _stream(seed, 0).random((rounds, len(CLASSES))).argsort(axis=1)
    return order.astype(np.int64).ravel()[:count]


def _groups(
    labels_N: NDArray[np.int64], draws: _Array, size: int
) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
    """Yield a class, a class that lies beside it, and places: few enough to be drawn together."""
    cumulative_CC = _shares_alike().cumsum(axis=1)
    others_N = (cumulative_CC[labels_N] <= draws[: len(labels_N), None]).sum(axis=1)
    pairs_N = labels_N * len(CLASSES) + others_N
    together = max(1, _PIXELS_AT_ONCE // size**2)
    for pair in np.unique(pairs_N):
        places = np.flatnonzero(pairs_N == pair)
        for start in range(0, len(places), together):
            yield *divmod(int(pair), len(CLASSES)), places[start : start + together]


@lru_cache(maxsize=1)
def _shares_alike() -> NDArray[np.float64]:
    """Return how often class j lies beside class i, [C, C]: as often as noise takes i for j."""
    table = json.loads(shipped("data", "noise", "label_dependent.json").read_text("utf-8"))
    shares = table["scenes"]["flip_shares"]
    return np.array([[shares[name].get(other, 0.0) for other in CLASSES] for name in CLASSES])


def _file_names(labels_N: NDArray[np.int64]) -> tuple[str, ...]:
    seen = dict.fromkeys(range(len(CLASSES)), 0)
    names = []
    for label in labels_N.tolist():
        seen[label] += 1
        names.append(f"{CLASSES[label]}/{CLASSES[label].lower()}_{seen[label]}.png")
    return tuple(names)


# ------------------------------------------------------------------ checks


def _check_arguments(count: int, size: int, difficulty: float, seed: int) -> None:
    if not is_whole(count, 1):
        raise ValueError(f"count is {count}; give the number of images, at least 1.")
    if not is_whole(size, _MIN_SIZE, _MAX_SIZE):
        raise ValueError(f"size is {size}; give a side of {_MIN_SIZE} to {_MAX_SIZE} pixels.")
    if not is_number(difficulty, 0, 1):
        raise ValueError(f"difficulty is {difficulty}; give a number from 0 (easy) to 1 (hard).")
    check_seed(seed)


def _checked_labels(labels: ArrayLike, count: int) -> NDArray[np.int64]:
    given = array("labels", labels)
    if given.shape != (count,) or given.dtype.kind not in "iu":
        raise ValueError(
            f"labels have shape {given.shape} and type {given.dtype}; give {count} integers, "
            "one for each image."
        )
    if given.min() < 0 or given.max() >= len(CLASSES):
        raise ValueError(
            f"labels run from {given.min()} to {given.max()}; scenes have {len(CLASSES)} classes, "
            f"numbered 0 to {len(CLASSES) - 1} (scenes.CLASSES)."
        )
    return given.astype(np.int64)


def _check_out(out: NDArray[np.uint8], shape: tuple[int, ...]) -> None:
    if not isinstance(out, np.ndarray) or not out.flags.writeable:
        raise TypeError(f"out is a {type(out).__name__}; give an array that can be written to.")
    if out.shape != shape or out.dtype != np.uint8:
        raise ValueError(f"out is {out.dtype} {list(out.shape)}; give uint8 {list(shape)}.")


# ------------------------------------------------------------------ textures


class _Textures(NamedTuple):
    """Periodic tiles, twice as wide as a scene, of which a scene takes a window; K tiles a kind."""

    relief: _Array  # [K, 2S, 2S], large forms over small ones, mean 0 and standard deviation 1
    patches: _Array  # about 3 waves a scene, mean 0 and standard deviation 1
    grain: _Array  # about 14 waves a scene, mean 0 and standard deviation 1
    pixels: _Array  # independent pixels, mean 0 and standard deviation 1
    crown: _Array  # height of a wood's crowns: 1 at the middle of a tree, 0 where two meet
    tree: _Array  # a number in [0, 1) for each tree, the same all over its crown


@lru_cache(maxsize=4)
def _textures(size: int) -> _Textures:
    rng, side = np.random.default_rng(0), 2 * size
    waves = size * np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))  # a scene
    spectra = (
        np.where(waves > 0, np.maximum(waves, 1.0) ** -1.7, 0.0),
        np.exp(-(((waves - 3.0) / 1.5) ** 2)),
        np.exp(-(((waves - 14.0) / 5.0) ** 2)),
        np.ones_like(waves),
    )
    return _Textures(*(_tiles(spectrum, rng) for spectrum in spectra), *_wood(side, rng))


def _tiles(spectrum: NDArray[np.float64], rng: np.random.Generator, count: int = 4) -> _Array:
    """Return noise with this spectrum, mean 0 and standard deviation 1."""
    side = len(spectrum)
    white = np.fft.rfft2(rng.standard_normal((count, side, side)))
    tiles = np.fft.irfft2(white * spectrum, s=(side, side))
    tiles -= tiles.mean(axis=(1, 2), keepdims=True)
    tiles /= tiles.std(axis=(1, 2), keepdims=True)
    return tiles.astype(np.float32)


def _wood(side: int, rng: np.random.Generator, trees: int = 900, count: int = 2) -> list[_Array]:
    """Return crowns and tree numbers: to each pixel the tree that stands nearest."""
    pixels = (np.indices((side, side)).reshape(2, -1).T + 0.5) / side
    crowns, numbers = [], []
    for _ in range(count):
        distance, nearest = KDTree(rng.random((trees, 2)), boxsize=1.0).query(pixels)
        crowns.append(np.maximum(0, 1 - (distance * trees**0.5 / 0.75) ** 2))
        numbers.append(rng.random(trees)[nearest])
    shape = (count, side, side)
    return [np.asarray(tiles, np.float32).reshape(shape) for tiles in (crowns, numbers)]


# ------------------------------------------------------------------ the canvas

_COLOURS = {
    name: np.array(rgb, np.float32)[:, None, None] / 255
    for name, rgb in {
        "grass": (92, 128, 66),
        "straw": (168, 156, 98),
        "leaf": (40, 78, 38),
        "autumn": (104, 92, 44),
        "soil": (150, 118, 84),
        "clay": (184, 148, 112),
        "ochre": (196, 172, 128),
        "sand": (218, 202, 164),
        "water": (44, 82, 104),
        "murk": (74, 96, 76),
        "lagoon": (62, 138, 148),
        "foam": (232, 236, 232),
        "asphalt": (92, 92, 94),
        "concrete": (160, 158, 152),
        "paint": (226, 226, 220),
        "tile": (164, 88, 66),
        "slate": (112, 108, 112),
        "sheet": (206, 208, 208),
        "blue": (84, 124, 176),
        "shadow": (30, 34, 40),
        "car": (40, 44, 56),
    }.items()
}

_TABLE = np.random.default_rng(0).random(1 << 16, np.float32)  # where cells find their numbers


class _Cells(NamedTuple):
    """The plane folded into cells: where a pixel lies in its cell, and its cell's numbers."""

    u: _Array  # [n, S, S], from the middle of the cell, in units of the scene
    v: _Array
    keys: NDArray[np.int32]  # [n, S, S]

    def number(self, salt: int) -> _Array:
        """Return uniform numbers in [0, 1), one a cell; another salt, other numbers."""
        drawn: _Array = _TABLE[(self.keys + salt * 311) & 0xFFFF]
        return drawn

    def missing(self, salt: int, share: _Array | float) -> _Array:
        """Return what to add to a shape's distance so that a share of the cells goes without."""
        apart: _Array = _FAR * (self.number(salt) < share)
        return apart


class _Canvas:
    """n images of one class under the brush, and the random numbers that they have not used yet.

    Args:
        numbers: float32 [n, U] in [0, 1).
        size: S.
        difficulty: in [0, 1].
    """

    def __init__(self, numbers: _Array, size: int, difficulty: float) -> None:
        self.difficulty = difficulty
        self.size = size
        self._numbers = iter(numbers.T[:, :, None, None])
        self._textures = _textures(size)
        self.image = np.empty((len(numbers), 3, size, size), np.float32)
        axis = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
        self.height = np.exp(self.around(0, 0.5))  # of the camera: how wide the scene is
        self.x, self.y = axis[None, None, :] * self.height, axis[None, :, None] * self.height
        self.season = self.between(0, 0.15 + 0.85 * difficulty)

    # Numbers, [n, 1, 1]

    def between(self, low: float, high: float) -> _Array:
        """Draw evenly from [low, high)."""
        drawn: _Array = low + (high - low) * next(self._numbers)
        return drawn

    def around(self, middle: float, spread: float) -> _Array:
        """Draw from middle +- spread at difficulty 1, from less below it."""
        return self.between(middle - self.difficulty * spread, middle + self.difficulty * spread)

    def angle(self) -> _Array:
        """Draw an angle, in radians."""
        return self.between(0, 2 * np.pi)

    # Fields, [n, S, S]

    def texture(self, kind: str) -> _Array:
        """Cut a window at random from a texture's tiles."""
        return self.textures(kind)[0]

    def textures(self, *kinds: str) -> list[_Array]:
        """Cut the same window from the tiles of several kinds."""
        tile, top, left = (next(self._numbers)[:, 0, 0] for _ in range(3))
        cut = []
        for tiles in (getattr(self._textures, kind) for kind in kinds):
            windows = np.lib.stride_tricks.sliding_window_view(tiles, (self.size,) * 2, axis=(1, 2))
            places_n3 = np.stack([tile, top, left], axis=1) * windows.shape[:3]
            cut.append(windows[tuple(places_n3.astype(np.intp).T)])
        return cut

    def turned(self, angle: _Array | None = None, shift: float = 1.0) -> tuple[_Array, _Array]:
        """Return coordinates turned (by a drawn angle) about a point within +- shift."""
        angle = self.angle() if angle is None else angle
        x, y = self.x - self.between(-shift, shift), self.y - self.between(-shift, shift)
        cosine, sine = np.cos(angle), np.sin(angle)
        return cosine * x + sine * y, cosine * y - sine * x

    def cells(self, u: _Array, v: _Array, width: _Array | float, height: _Array | float) -> _Cells:
        """Fold the plane (u, v) into cells."""
        column, row = np.floor(u / width), np.floor(v / height)
        offset = (next(self._numbers) * 65536).astype(np.int32)
        keys = column.astype(np.int32) * 1087 + row.astype(np.int32) * 7919 + offset
        return _Cells(u - (column + 0.5) * width, v - (row + 0.5) * height, keys)

    def inside(self, distance: _Array, softness: float = 1.0) -> _Array:
        """Return how much of each pixel lies inside a shape, from its signed distance."""
        return np.clip(0.5 - distance * (self.size / (2 * softness * self.height)), 0, 1)

    # The brush

    def colour(self, first: str, second: str, share: _Array | None = None) -> _Array:
        """Mix two colours, [n, 3, ...]: in a drawn proportion, or pixel by pixel."""
        share = self.between(0, 0.3 + 0.7 * self.difficulty) if share is None else share
        return _COLOURS[first] + (_COLOURS[second] - _COLOURS[first]) * share[:, None]

    def fill(self, colour: _Array) -> None:
        """Cover everything."""
        self.image[:] = colour

    def paint(self, cover: _Array, colour: _Array) -> None:
        """Cover in part: 0 leaves a pixel as it is, 1 gives it the colour."""
        self.image += cover[:, None] * (colour - self.image)

    def shade(self, change: _Array) -> None:
        """Darken (below 0) or lighten (above 0) by a share of the brightness."""
        self.image *= 1 + change[:, None]

    def finished(self) -> NDArray[np.uint8]:
        """Return the pixels, uint8 [n, 3, S, S], after light, haze and noise."""
        _clutter(self)
        _light(self)
        np.clip(self.image, 0, 1, out=self.image)
        return (self.image * 255 + 0.5).astype(np.uint8)


# ------------------------------------------------------------------ what scenes have in common


def _vegetation(canvas: _Canvas) -> None:
    """Grass, dry in some seasons."""
    canvas.fill(canvas.colour("grass", "straw", canvas.season))
    canvas.shade(0.06 * canvas.texture("relief") + 0.04 * canvas.texture("grain"))


def _paved(canvas: _Canvas) -> None:
    """Asphalt or concrete, with stains."""
    canvas.fill(canvas.colour("asphalt", "concrete"))
    canvas.shade(0.06 * canvas.texture("relief") + 0.04 * canvas.texture("grain"))


def _water(canvas: _Canvas, distance: _Array) -> None:
    """Water inside a shape, with a pale bank around it."""
    canvas.paint(0.6 * canvas.inside(distance - 0.05, 2), canvas.colour("sand", "soil"))
    canvas.paint(canvas.inside(distance), canvas.colour("water", "murk"))


def _trees(canvas: _Canvas, density: _Array, where: _Array | float = 1.0) -> None:
    """Trees on a share of the ground, each with a lit side by its height."""
    crown, tree = canvas.textures("crown", "tree")
    cover = np.clip((crown - 0.25) * 5, 0, 1) * (tree < density) * where
    leaves = canvas.colour("leaf", "autumn", 0.6 * canvas.season)
    canvas.paint(cover, leaves * (0.55 + 0.75 * crown + 0.3 * tree)[:, None])


def _box(u: _Array, v: _Array, width: _Array | float, height: _Array | float) -> _Array:
    """Signed distance to a rectangle of half sides width and height (from outside: the larger)."""
    return np.maximum(np.abs(u) - width, np.abs(v) - height)


def _neighbour(canvas: _Canvas, draw: Callable[[_Canvas], None]) -> None:
    """Let another scene begin at one side: up to a quarter at difficulty 0.5, half at 1."""
    if canvas.difficulty == 0:
        return
    scene = canvas.image.copy()
    draw(canvas)
    _, v = canvas.turned(shift=0)
    border = v / canvas.height - canvas.between(1 - canvas.difficulty, 1.2)
    canvas.paint(canvas.inside(border + 0.03 * canvas.texture("patches")), scene)


def _clutter(canvas: _Canvas) -> None:
    """What happens to be there: a track, a cloud, the shadow of another."""
    _, v = canvas.turned()
    present = canvas.between(0, 1) < 0.5 * canvas.difficulty
    canvas.paint(0.8 * canvas.inside(np.abs(v) - 0.04) * present, canvas.colour("soil", "asphalt"))
    cloud = np.clip(canvas.texture("relief") - canvas.between(0.5, 4), 0, 1)
    canvas.paint(canvas.difficulty * cloud, _COLOURS["foam"])
    canvas.shade(-0.6 * canvas.difficulty * np.roll(cloud, canvas.size // 4, axis=(1, 2)))


def _light(canvas: _Canvas) -> None:
    """Slope of the light, colour cast, haze and sensor noise."""
    slope, _ = canvas.turned(shift=0)
    canvas.shade(canvas.around(0, 0.5) + canvas.around(0, 0.3) * slope)
    cast = np.concatenate([canvas.around(1, 0.2) for _ in range(3)], axis=1)[..., None]
    haze = canvas.between(0, 0.7 * canvas.difficulty)
    canvas.image *= cast * (1 - haze[:, None])
    noise = (0.01 + 0.09 * canvas.difficulty) * canvas.texture("pixels")
    canvas.image += (0.75 * haze + noise)[:, None]


# ------------------------------------------------------------------ land


def _bare_land(canvas: _Canvas) -> None:
    canvas.fill(canvas.colour("clay", "soil"))
    relief, patches = canvas.textures("relief", "patches")
    canvas.shade(0.12 * relief - 0.25 * np.exp(-((6 * patches) ** 2)))
    dry = np.clip(0.4 * canvas.texture("patches") + canvas.around(-0.3, 0.4), 0, 0.8)
    canvas.paint(dry, canvas.colour("straw", "grass"))


def _farmland(canvas: _Canvas) -> None:
    u, v = canvas.turned()
    width, height = canvas.around(0.75, 0.3), canvas.around(0.55, 0.2)
    field = canvas.cells(u + 0.1 * canvas.texture("relief"), v, width, height)
    canvas.fill(canvas.colour("grass", "ochre", np.clip(1.4 * field.number(0) - 0.2, 0, 1)))
    canvas.shade(0.4 * (field.number(1) - 0.5))
    along = np.where(field.number(2) < 0.5, u, v)
    furrows = np.abs((along * canvas.around(8, 3)) % 1 - 0.5) - 0.25
    canvas.shade(furrows * canvas.around(0.7, 0.4) + 0.04 * canvas.texture("grain"))
    path = np.minimum(width / 2 - np.abs(field.u), height / 2 - np.abs(field.v))
    canvas.paint(0.7 * canvas.inside(path - 0.02), canvas.colour("soil", "leaf"))


def _forest(canvas: _Canvas) -> None:
    _vegetation(canvas)
    canvas.shade(canvas.between(-0.5, -0.3))
    gaps = np.clip(2 - canvas.around(0.6, 0.5) * canvas.texture("patches"), 0, 1)
    _trees(canvas, canvas.around(0.9, 0.15), gaps)
    canvas.shade(0.12 * canvas.texture("relief"))


def _meadow(canvas: _Canvas) -> None:
    _vegetation(canvas)
    patches = np.clip(0.25 * canvas.texture("patches") + canvas.around(0.1, 0.3), 0, 1)
    canvas.paint(patches, canvas.colour("straw", "soil"))
    u, _ = canvas.turned()
    mown = np.abs((u * canvas.around(4, 2)) % 1 - 0.5) - 0.25
    canvas.shade(mown * canvas.between(0, 0.35 * canvas.difficulty))
    _trees(canvas, canvas.between(0, 0.1 + 0.2 * canvas.difficulty))


# ------------------------------------------------------------------ homes


def _residential(canvas: _Canvas, lot: float, built: float, green: float) -> None:
    """Lots along streets.

    Args:
        canvas: what to draw on.
        lot: the usual width of a lot, in units of the scene.
        built: the usual share of a lot's width that its house takes.
        green: the usual share of ground under trees.
    """
    _vegetation(canvas)
    u, v = canvas.turned()
    u = u + canvas.between(0, 0.06) * canvas.texture("relief")
    width = np.exp(canvas.around(float(np.log(lot)), 0.4))
    block = canvas.cells(u, v, 4 * width + 0.12, 2 * width + 0.12)
    street = np.minimum(2 * width + 0.06 - np.abs(block.u), width + 0.06 - np.abs(block.v))
    _trees(canvas, canvas.around(green, 0.2))
    canvas.paint(canvas.inside(street - 0.06), canvas.colour("asphalt", "concrete"))
    lots = canvas.cells(block.u, block.v, width, width)
    lots = lots._replace(keys=lots.keys + 13 * block.keys)
    _houses(canvas, lots, 0.5 * width, canvas.around(built, 0.12))


def _houses(canvas: _Canvas, lots: _Cells, half: _Array, built: _Array) -> None:
    """A house on most lots: its shadow, and a roof with a lit and a dark side."""
    room = half * (1 - built)
    u = lots.u - room * (lots.number(0) - 0.5)
    v = lots.v - room * (lots.number(1) - 0.5)
    width, height = (half * built * (0.75 + 0.4 * lots.number(salt)) for salt in (2, 3))
    missing = lots.missing(4, 0.07)
    shadow = canvas.inside(_box(u - 0.03, v - 0.03, width, height) + missing)
    canvas.paint(0.6 * shadow, _COLOURS["shadow"])
    roof = canvas.colour("slate", "tile", canvas.between(0.2, 1) * lots.number(5))
    lit = 0.95 + 0.35 * lots.number(6) + 0.16 * np.sign(np.where(width > height, v, u))
    canvas.paint(canvas.inside(_box(u, v, width, height) + missing), roof * lit[:, None])


# ------------------------------------------------------------------ water


def _winding(canvas: _Canvas, along: _Array, sway: float) -> _Array:
    """A smooth curve over a coordinate: two waves of drawn length, height and phase."""
    first = np.sin(along * canvas.between(1, 2) + canvas.angle())
    second = np.sin(along * canvas.between(3, 5) + canvas.angle())
    winding: _Array = canvas.between(0.5, 1) * first + canvas.between(0.1, 0.4) * second
    return sway * winding


def _beach(canvas: _Canvas) -> None:
    _vegetation(canvas)
    _trees(canvas, canvas.between(0.1, 0.7))
    u, v = canvas.turned(shift=0.4)
    coast = v + _winding(canvas, u, 0.2) + 0.02 * canvas.texture("patches")
    canvas.paint(canvas.inside(coast - canvas.around(0.5, 0.3), 3), canvas.colour("sand", "ochre"))
    sea = canvas.colour("lagoon", "water", np.clip(0.2 - 0.8 * coast, 0, 1))
    canvas.paint(canvas.inside(coast), sea)
    wave = np.abs(coast + canvas.between(0.05, 0.2)) - 0.02 + 0.02 * canvas.texture("patches")
    canvas.paint(0.8 * canvas.inside(wave, 2), _COLOURS["foam"])


def _pond(canvas: _Canvas) -> None:
    _vegetation(canvas)
    _trees(canvas, canvas.between(0, 0.6))
    u, v = canvas.turned(shift=0.4)
    length = canvas.between(1, 1.2 + 1.8 * canvas.difficulty)
    shore = np.hypot(u, v * length) + 0.12 * canvas.texture("patches")
    _water(canvas, shore - canvas.around(0.5, 0.2))


def _port(canvas: _Canvas) -> None:
    canvas.fill(canvas.colour("water", "lagoon"))
    canvas.shade(0.03 * canvas.texture("grain"))
    u, v = canvas.turned(shift=0.5)
    berth = canvas.cells(u, v, canvas.around(0.2, 0.06), canvas.around(0.55, 0.1))
    canvas.paint(canvas.inside(np.abs(berth.v) - 0.06), canvas.colour("concrete", "soil"))
    beam, length = 0.035 + 0.03 * berth.number(0), 0.1 + 0.06 * berth.number(1)
    # A hull narrows towards bow and stern like a parabola.
    hull = np.abs(berth.u) / beam + ((np.abs(berth.v) - 0.165) / length) ** 2 - 1
    boat = canvas.inside(0.05 * hull + berth.missing(2, canvas.around(0.25, 0.2)))
    canvas.paint(boat * (v > 0), canvas.colour("sheet", "blue", berth.number(3)))
    canvas.paint(canvas.inside(v), canvas.colour("concrete", "asphalt"))
    _yard(canvas, u, v + canvas.between(0.3, 0.5), v)


def _yard(canvas: _Canvas, u: _Array, v: _Array, quay: _Array) -> None:
    """Stacked goods behind a quay."""
    stack = canvas.cells(u, v, canvas.between(0.2, 0.35), canvas.between(0.15, 0.3))
    cover = canvas.inside(_box(stack.u, stack.v, 0.09, 0.06) + stack.missing(0, 0.4))
    canvas.paint(cover * (quay < -0.15), canvas.colour("tile", "blue", stack.number(1)))


def _river(canvas: _Canvas) -> None:
    _vegetation(canvas)
    _trees(canvas, canvas.between(0, 0.6))
    u, v = canvas.turned(shift=0.4)
    middle = v + _winding(canvas, u, 0.4) + 0.02 * canvas.texture("patches")
    _water(canvas, np.abs(middle) - canvas.around(0.17, 0.1))


# ------------------------------------------------------------------ works and traffic


def _industrial(canvas: _Canvas) -> None:
    _paved(canvas)
    u, v = canvas.turned()
    width, height = canvas.around(0.95, 0.3), canvas.around(0.65, 0.15)
    hall = canvas.cells(u, v, width, height)
    half_u = width * (0.3 + 0.17 * hall.number(0))
    half_v = height * (0.28 + 0.17 * hall.number(1))
    missing = hall.missing(2, 0.15)
    shadow = canvas.inside(_box(hall.u - 0.05, hall.v - 0.05, half_u, half_v) + missing)
    canvas.paint(0.6 * shadow, _COLOURS["shadow"])
    roof = canvas.colour("sheet", "blue", np.clip(2 * hall.number(3) - 0.9, 0, 1))
    ribs = 0.85 + 0.3 * np.abs((hall.u * 7) % 1 - 0.5) + 0.2 * (hall.number(4) - 0.7)
    canvas.paint(
        canvas.inside(_box(hall.u, hall.v, half_u, half_v) + missing), roof * ribs[:, None]
    )


def _parking(canvas: _Canvas) -> None:
    _paved(canvas)
    u, v = canvas.turned()
    aisle = canvas.cells(np.zeros_like(u), v, 1.0, canvas.around(0.62, 0.08))  # strips, no columns
    width, length = canvas.around(0.13, 0.02), canvas.around(0.2, 0.02)
    bay = canvas.cells(u, np.abs(aisle.v) - 0.02, width, length)
    bay = bay._replace(keys=bay.keys + 17 * aisle.keys + 5 * (aisle.v > 0))
    double_row = np.abs(aisle.v) < 0.21
    canvas.paint(0.5 * canvas.inside(0.055 - np.abs(bay.u)) * double_row, _COLOURS["paint"])
    car = _box(bay.u, bay.v, 0.042, 0.075) + bay.missing(0, canvas.around(0.25, 0.25))
    canvas.paint(canvas.inside(car) * double_row, canvas.colour("car", "paint", bay.number(1)))


def _storage_tanks(canvas: _Canvas) -> None:
    _paved(canvas)
    canvas.paint(canvas.between(0, 0.7), canvas.colour("soil", "grass"))
    u, v = canvas.turned()
    pitch = canvas.around(0.6, 0.15)
    tank = canvas.cells(u, v, pitch, pitch)
    radius = pitch * (0.28 + 0.17 * tank.number(0)) - tank.missing(1, 0.15)
    shadow = np.hypot(tank.u - 0.06, tank.v - 0.06) - radius
    wall = np.hypot(tank.u, tank.v) - radius
    canvas.paint(0.7 * canvas.inside(shadow), _COLOURS["shadow"])
    canvas.paint(canvas.inside(wall), canvas.colour("sheet", "concrete", tank.number(2)))
    canvas.paint(0.7 * canvas.inside(np.abs(wall + 0.04) - 0.01), _COLOURS["slate"])


def _runway(canvas: _Canvas) -> None:
    _vegetation(canvas)
    u, v = canvas.turned(shift=0.3)
    half = canvas.around(0.3, 0.1)
    canvas.paint(canvas.inside(np.abs(v) - half), canvas.colour("asphalt", "concrete"))
    canvas.paint(0.8 * canvas.inside(np.abs(np.abs(v) - half + 0.05) - 0.012), _COLOURS["paint"])
    dashes = _box((u % 0.4) - 0.2, v, 0.12, 0.02)
    canvas.paint(0.9 * canvas.inside(dashes), _COLOURS["paint"])
    end = u - canvas.between(-0.5, 1)
    bars = np.maximum(np.abs(end) - 0.12, 0.025 - np.abs((v % 0.1) - 0.05))
    canvas.paint(0.9 * canvas.inside(bars) * (np.abs(v) < half - 0.08), _COLOURS["paint"])


def _viaduct(canvas: _Canvas) -> None:
    _vegetation(canvas)
    _trees(canvas, canvas.between(0, 0.5))
    road = canvas.colour("asphalt", "concrete")
    angle = canvas.angle()
    u, v = canvas.turned(angle, shift=0.3)
    across, _ = canvas.turned(angle + canvas.between(-0.4, 0.4), shift=0.3)
    ramp = np.abs(np.hypot(np.abs(u) - 0.55, np.abs(v) - 0.55) - canvas.around(0.42, 0.08)) - 0.07
    for distance in (ramp, np.abs(across) - 0.15, np.abs(v) - 0.17):
        canvas.paint(0.5 * canvas.inside(distance - 0.06, 2), _COLOURS["shadow"])
        canvas.paint(canvas.inside(distance), road)
        canvas.paint(0.7 * canvas.inside(np.abs(distance + 0.13) - 0.012), _COLOURS["paint"])


_DRAWN: dict[str, Callable[[_Canvas], None]] = {
    "BareLand": _bare_land,
    "Beach": _beach,
    "DenseResidential": partial(_residential, lot=0.2, built=0.85, green=0.05),
    "Farmland": _farmland,
    "Forest": _forest,
    "Industrial": _industrial,
    "Meadow": _meadow,
    "MediumResidential": partial(_residential, lot=0.31, built=0.65, green=0.3),
    "Parking": _parking,
    "Pond": _pond,
    "Port": _port,
    "River": _river,
    "Runway": _runway,
    "SparseResidential": partial(_residential, lot=0.55, built=0.42, green=0.45),
    "StorageTanks": _storage_tanks,
    "Viaduct": _viaduct,
}

CLASSES: tuple[str, ...] = tuple(_DRAWN)
