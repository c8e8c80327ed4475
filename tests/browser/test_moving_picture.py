"""The moving picture of the README: what is committed, and that the script can record it."""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageChops
from playwright.sync_api import Browser

from docs import moving_picture
from docs.moving_picture import Hand
from rnsl_tutorial.tutorial.explorers import EmbeddingExplorer
from rnsl_tutorial.tutorial.tables import EmbeddingMaps


def frames_of(path: Path) -> Iterator[Image.Image]:
    with Image.open(path) as picture:
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            yield picture.convert("RGB")


def share_changed(a: Image.Image, b: Image.Image) -> float:
    """Share of the pixels that are clearly another grey."""
    difference = ImageChops.difference(a, b).convert("L")
    return sum(difference.histogram()[64:]) / (a.width * a.height)


def test_the_committed_picture_moves_and_ends_where_it_began() -> None:
    frames = list(frames_of(moving_picture.OUT))
    pixels = moving_picture.PIXELS
    assert moving_picture.OUT.stat().st_size < 2_000_000
    assert frames[0].size == (moving_picture.WIDTH * pixels, moving_picture.HEIGHT * pixels)
    changes = [share_changed(frames[0], frame) for frame in frames]
    assert max(changes) > 0.03  # another map
    assert changes[-1] < 0.005  # the loop closes
    assert sum(change > 0.01 for change in changes) > 50


def test_the_committed_picture_lasts_long_enough_and_begins_anew() -> None:
    with Image.open(moving_picture.OUT) as picture:
        assert picture.info["loop"] == 0
        seconds = 0.0
        for number in range(picture.n_frames):
            picture.seek(number)
            picture.load()
            seconds += picture.info["duration"] / 1000
    assert 10 <= seconds <= 15


def short(hand: Hand) -> None:
    hand.rest(120)
    hand.drag(hand.page.get_by_role("slider", name="Wrong labels"), [0, 3], duration=120)
    hand.click(hand.page.get_by_role("radio", name="RNSL", exact=True), 120)
    hand.rest(360)


def test_a_hand_moves_the_real_explorer_and_time_stands_still_between_frames(
    browser: Browser, tmp_path: Path
) -> None:
    explorer = EmbeddingExplorer(EmbeddingMaps.shipped(), loss="nsl")
    headlines: list[str] = []

    def tell(hand: Hand) -> None:
        short(hand)
        headlines.append(hand.page.locator(".rnsl-readout").inner_text())

    frames, again = (moving_picture.record(explorer, browser, tell, pixels=1) for _ in range(2))
    assert headlines[0].startswith("RNSL at 50% wrong labels")
    assert [f.duration for f in frames] == [f.duration for f in again]
    assert all(a.image.tobytes() == b.image.tobytes() for a, b in zip(frames, again, strict=True))
    path = tmp_path / "short.webp"
    moving_picture.save(path, frames)
    written = list(frames_of(path))
    assert 10 < len(written) <= len(frames)  # the writer joins those that look alike
    assert share_changed(written[0], written[-1]) > 0.03
