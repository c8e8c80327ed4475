"""Pictures come one by one, from where the images lie, and no state ever holds one."""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from synthetic_doubts import small_audit
from synthetic_maps import small_maps
from synthetic_umap_maps import small_umap_maps

from rnsl_tutorial.datasets import _single
from rnsl_tutorial.tutorial import _album, explorers
from rnsl_tutorial.tutorial.explorers import _pictures, standalone_html

CLASSES = ("Beach", "Forest", "Port", "River")
EMBEDDING, UMAPS = small_maps(), small_umap_maps()
JPEG = b"\xff\xd8\xff"


def files(labels: Any) -> tuple[str, ...]:
    return tuple(f"{CLASSES[c]}/{i}.jpg" for i, c in enumerate(labels))


def shade(i: int) -> int:
    return 2 * i + 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grey image of its own shade for each file."""
    root = tmp_path_factory.mktemp("archive") / "AID"
    for i, file in enumerate(files(EMBEDDING.labels)):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (shade(i),) * 3).save(root / file)
    return root


@pytest.fixture(params=["folder", "tar", "zip"])
def root(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Path:
    if request.param == "folder":
        return folder
    packed = tmp_path / f"AID.{request.param}"
    paths = [path for path in folder.rglob("*") if path.is_file()]
    if request.param == "tar":
        with tarfile.open(packed, "w") as tar:
            for path in paths:
                tar.add(path, path.relative_to(folder.parent))
    else:
        with zipfile.ZipFile(packed, "w") as pack:
            for path in paths:
                pack.write(path, path.relative_to(folder.parent))
    return packed


@dataclass
class Asked:
    """An explorer that is asked, and what it answered."""

    explorer: Any

    def __call__(self, content: Any) -> list[tuple[Any, list[bytes]]]:
        sent: list[tuple[Any, list[bytes]]] = []
        self.explorer.send = lambda told, buffers=(): sent.append((told, [*buffers]))
        self.explorer._handle_custom_msg(content, [])
        return sent


def embedding() -> explorers.EmbeddingExplorer:
    maps = EMBEDDING._replace(files=files(EMBEDDING.labels), class_names=CLASSES)
    return explorers.EmbeddingExplorer(maps)


def test_a_picture_is_that_of_the_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNSL_AID", str(root))
    [(told, jpegs)] = Asked(embedding())({"pictures": [5, 60, 1]})
    assert told == {"pictures": [5, 60, 1]}
    for i, jpeg in zip([5, 60, 1], jpegs, strict=True):
        with Image.open(io.BytesIO(jpeg)) as picture:
            np.testing.assert_allclose(np.asarray(picture), shade(i), atol=3)


@pytest.mark.parametrize("named", ["", "nowhere", "not_all"])
def test_without_the_images_there_are_no_pictures(
    named: str, monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("RNSL_CACHE", str(tmp_path))
    monkeypatch.setenv(
        "RNSL_AID", named and str(folder if named == "not_all" else tmp_path / named)
    )
    explorer = embedding()
    if named == "not_all":
        explorer._album = _album.Album(("Beach/0.jpg", "Airport/1.jpg"))
    asked = Asked(explorer)
    assert asked({"pictures": [0, 1]}) == [({"pictures": [0, 1]}, [b"", b""])]
    assert asked({"near": True}) == []


def test_a_file_that_went_or_is_damaged_has_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = tmp_path / "AID"
    for path in folder.rglob("*.jpg"):
        (root / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        (root / path.relative_to(folder)).write_bytes(path.read_bytes())
    monkeypatch.setenv("RNSL_AID", str(root))
    explorer = embedding()
    assert explorer._album
    gone, damaged, whole = (root / explorer.maps.files[i] for i in range(3))
    gone.unlink()
    damaged.write_bytes(b"no image")
    assert whole.exists()
    [(_, jpegs)] = Asked(explorer)({"pictures": [0, 1, 2, -1, 10_000]})
    assert [bool(jpeg) for jpeg in jpegs] == [False, False, True, False, False]


def test_of_a_damaged_zip_the_whole_images_are_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packed, first = tmp_path / "AID.zip", files(EMBEDDING.labels)[0]
    with zipfile.ZipFile(packed, "w") as pack:
        for path in folder.rglob("*.jpg"):
            pack.write(path, path.relative_to(folder.parent))
    bytes_of_first = (folder / first).read_bytes()
    packed.write_bytes(packed.read_bytes().replace(bytes_of_first, bytes(len(bytes_of_first)), 1))
    with pytest.raises(ValueError, match=r"cannot be read to its end .*CRC"):
        _single.readers(packed)[first]()
    monkeypatch.setenv("RNSL_AID", str(packed))
    [(_, jpegs)] = Asked(embedding())({"pictures": [0, 1]})
    assert [bool(jpeg) for jpeg in jpegs] == [False, True]


@pytest.mark.parametrize(
    "nonsense", [None, "pictures", {}, {"pictures": 3}, {"pictures": ["0", None]}]
)
def test_nonsense_is_left_alone(nonsense: Any) -> None:
    assert [jpegs for _, jpegs in Asked(embedding())(nonsense)] in ([], [[]])


def test_no_more_is_sent_at_once_than_a_page_asks_for() -> None:
    images = np.zeros((500, 3, 8, 8), np.uint8)
    explorer = embedding()
    explorer._album = _album.Album(images=images)
    [(told, jpegs)] = Asked(explorer)({"pictures": [*range(500)]})
    assert len(told["pictures"]) == len(jpegs) == _pictures._ASKED_AT_ONCE


# ------------------------------------------------------------------ what a strip shows


def test_an_audit_shows_what_is_flagged_last() -> None:
    given = small_audit()
    images = np.zeros((len(given["doubt"]), 3, 8, 8), np.uint8)
    explorer = explorers.AuditExplorer(**given, images=images, threshold=0.5)
    [(told, _)] = Asked(explorer)({"near": True})
    flagged = np.flatnonzero(given["doubt"] >= 0.5)
    last = flagged[np.argsort(given["doubt"][flagged], kind="stable")][:12]
    shown = [place for place, _, _ in told["near"]["images"]]
    np.testing.assert_array_equal(given["doubt"][shown], given["doubt"][last])
    for place, words, wrong in told["near"]["images"]:
        assert words == given["class_names"][given["labels"][place]]
        assert wrong == given["wrong"][place]


@pytest.mark.parametrize("k", [0.0, 0.5])
def test_pruning_shows_what_is_left_out_last(k: float) -> None:
    log_p = np.log(np.array([[0.9, 0.49, 0.1, 0.51], [0.2, 0.3, 0.4, 0.5]]))
    names = tuple(f"Beach/{i}.jpg" for i in range(4))
    explorer = explorers.PruningExplorer(
        log_p, np.array([False, True, True, False]), files=names, epoch=0, k=k
    )
    title, places = explorer._near()
    assert title.startswith("Left out last")
    assert places.tolist() == ([1, 2] if k else [])
    explorer.epoch = 1
    assert explorer._near()[1].tolist() == ([3, 2, 1, 0] if k else [])
    assert explorer._album.told(1) == (1, "Beach", True)


# ------------------------------------------------------------------ what is kept


def pictured() -> Iterator[Any]:
    """Explorers of files whose pictures are at hand."""
    yield embedding()
    named = UMAPS._replace(files=files(UMAPS.labels), class_names=CLASSES)
    images = np.full((len(named.files), 3, 8, 8), 99, np.uint8)
    yield explorers.EpochMapsExplorer(named)
    yield explorers.EpochMapsExplorer(named, images=images)
    yield explorers.UmapSettingsExplorer(named, images=images)
    given = small_audit()
    images = np.full((len(given["doubt"]), 3, 8, 8), 99, np.uint8)
    yield explorers.AuditExplorer(**given, images=images)


def test_no_state_and_no_page_holds_an_image_of_an_archive(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNSL_CACHE", str(folder.parent / "nothing"))
    for explorer in pictured():
        before = explorer.get_state(), standalone_html(explorer)
        monkeypatch.setenv("RNSL_AID", str(folder))
        sent = Asked(explorer)({"pictures": [*range(20)]}) + Asked(explorer)({"near": True})
        assert all(jpeg.startswith(JPEG) for jpeg in sent[0][1]), explorer
        assert before == (explorer.get_state(), standalone_html(explorer))
        assert not any(JPEG in part for part in parts(before[0])), explorer


def parts(state: Any) -> Iterator[bytes]:
    """All bytes of a state, however deep they lie."""
    if isinstance(state, dict):
        for inside in state.values():
            yield from parts(inside)
    elif isinstance(state, list | tuple):
        for inside in state:
            yield from parts(inside)
    elif isinstance(state, bytes | memoryview):
        yield bytes(state)


def test_scenes_of_our_own_are_packed_each_at_its_place() -> None:
    shades = np.linspace(0, 255, 60).astype(np.uint8)
    sheet = _album.packed(np.broadcast_to(shades[:, None, None, None], (60, 3, 40, 40)))
    pixels = np.asarray(Image.open(io.BytesIO(sheet["jpeg"])))
    side = pixels.shape[1] // sheet["columns"]
    assert pixels.shape[0] == side * sheet["rows"]
    for i in (0, 7, 8, 33, 59):
        row, column = divmod(i, sheet["columns"])
        middle = pixels[row * side + side // 2, column * side + side // 2]
        np.testing.assert_allclose(middle, shades[i], atol=4)


def test_2000_detailed_scenes_stay_below_1500_kb() -> None:
    scenes = np.random.default_rng(0).integers(0, 256, (2000, 3, 48, 48), dtype=np.uint8)
    assert len(_album.packed(scenes)["jpeg"]) < 1.5e6, "even noise, the worst case"
