"""The gallery: one file that holds everything it shows, and names that cannot break it."""

import base64
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stub_scorer import from_probabilities
from synthetic_audit import IMAGES, NAMES, make_audit

from rnsl_tutorial.audit import decide
from rnsl_tutorial.audit.outputs import write_outputs
from rnsl_tutorial.audit.page import page_html
from rnsl_tutorial.datasets import Archive, make_scenes


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_most_doubtful_come_first_with_their_pictures(tmp_path: Path) -> None:
    audit = make_audit()
    write_outputs(audit, tmp_path / "list.csv", tmp_path / "page.html", IMAGES, top=7)
    data = data_of((tmp_path / "page.html").read_text(encoding="utf-8"))
    order = np.argsort(-audit.scores.doubt, kind="stable")[:7]
    assert [image["file"] for image in data["images"]] == [audit.files[i] for i in order]
    for i, shown in zip(order, data["images"], strict=True):
        assert (shown["given"], shown["suggested"]) == (
            audit.labels[i],
            audit.scores.suggested[i],
        )
        with Image.open(BytesIO(base64.b64decode(shown["picture"]))) as picture:
            assert picture.format == "JPEG"
            assert picture.size == (8, 8), "as large as the audit had it"
            mean = np.asarray(picture).mean(axis=(0, 1))
        np.testing.assert_allclose(mean, IMAGES[i].mean(axis=(1, 2)), atol=3)


@pytest.mark.parametrize("side", [150, 400])
def test_a_picture_takes_at_most_15_kb_and_is_seen_in_detail(side: int) -> None:
    """Also one of noise, which no JPEG makes smaller; scenes keep the size of the audit."""
    audit = make_audit()
    noise = np.random.default_rng(0).integers(0, 256, (1, 3, side, side), dtype=np.uint8)
    scene = make_scenes(1, 150, seed=0).images
    for pixels, sides in ((noise, {96, 150, 224}), (scene, {150})):
        images = np.broadcast_to(pixels, (len(audit.files), *pixels.shape[1:]))
        page, smaller = (page_html(audit, images, top=top) for top in (6, 3))
        assert (len(page) - len(smaller)) / 3 <= 15_000
        with Image.open(BytesIO(base64.b64decode(data_of(page)["images"][0]["picture"]))) as one:
            assert one.size[0] in sides


def test_each_class_shows_the_images_that_are_doubted_least() -> None:
    audit = make_audit()
    samples = data_of(page_html(audit, IMAGES))["samples"]
    assert [len(pictures) for pictures in samples] == [4] * 4
    for label, pictures in enumerate(samples):
        fits = np.flatnonzero((audit.labels == label) & (audit.scores.suggested == label))
        sure = fits[np.argsort(audit.scores.doubt[fits], kind="stable")[:4]]
        for i, jpeg in zip(sure, pictures, strict=True):
            with Image.open(BytesIO(base64.b64decode(jpeg))) as picture:
                mean = np.asarray(picture).mean(axis=(0, 1))
            np.testing.assert_allclose(mean, IMAGES[i].mean(axis=(1, 2)), atol=3)


def test_pairs_are_in_the_page_also_where_they_are_not_doubtful() -> None:
    audit = make_audit()
    first, last = audit.ranking()[[0, -1]].tolist()
    data = data_of(page_html(audit._replace(duplicates=np.array([[first, last]])), IMAGES, top=5))
    assert data["ranked"] == 5
    assert data["duplicates"] == [[0, 5]]
    assert [data["images"][i]["file"] for i in (0, 5)] == [audit.files[i] for i in (first, last)]


def test_what_is_decided_goes_with_the_page_and_its_images_are_those_of_the_archive() -> None:
    whole = make_audit()
    rows = [
        {"digest": "", "file": whole.files[i], "given": "", "decision": "keep", "label": ""}
        for i in range(0, 200, 2)
    ]
    archive = Archive(IMAGES, whole.labels, NAMES, whole.files)
    decided = decide(rows, archive)
    odd = np.arange(1, 200, 2)
    scores = from_probabilities(whole.scores.probabilities[odd], whole.labels[odd])
    rest = whole._replace(
        files=tuple(whole.files[i] for i in odd), labels=whole.labels[odd], scores=scores
    )
    page = page_html(rest, IMAGES, decided=decided, top=3)
    data = data_of(page)
    assert data["earlier"] == rows
    for shown in data["images"]:
        with Image.open(BytesIO(base64.b64decode(shown["picture"]))) as picture:
            mean = np.asarray(picture).mean(axis=(0, 1))
        place = whole.files.index(shown["file"])
        assert place % 2
        np.testing.assert_allclose(mean, IMAGES[place].mean(axis=(1, 2)), atol=3)
    with pytest.raises(ValueError, match="There are 100 images for an audit of 100"):
        page_html(rest, IMAGES[:100], decided=decided)


def test_what_is_said_at_each_threshold_is_the_estimate() -> None:
    audit = make_audit()
    data = data_of(page_html(audit, IMAGES))
    estimate = audit.precision
    assert data["flagged"] == estimate.flagged.tolist()
    at = len(data["flagged"]) // 2
    assert data["readouts"][at].startswith(f"{estimate.flagged[at]} images with a doubt of")
    interval = f"{estimate.low[at]:.0%} to {estimate.high[at]:.0%} of them are wrong"
    assert (interval in data["readouts"][at]) == (estimate.high[at] - estimate.low[at] <= 0.5)
    assert any("of them are wrong" in readout for readout in data["readouts"])


def test_without_an_estimate_nothing_is_claimed() -> None:
    audit = make_audit()
    for precision, said in (
        (audit.precision._replace(skill=0.1, concluded=False), "nothing can be concluded"),
        (audit.precision.withheld(), "How many of them are wrong is not estimated"),
    ):
        page = page_html(audit._replace(precision=precision), IMAGES)
        assert said in page
        assert not [text for text in data_of(page)["readouts"] if "wrong" in text]


def test_the_page_says_when_it_holds_only_some() -> None:
    data = data_of(page_html(make_audit(), IMAGES, top=5))
    assert "The first 5 are in this page." in data["readouts"][0]
    assert data["readouts"][-1].count("are in this page") == 0
    assert data["flagged"][data["start"]] <= 5


def test_confusions_are_coloured_but_not_the_diagonal() -> None:
    audit = make_audit()
    cells = data_of(page_html(audit, IMAGES))["transition"]
    shades = np.array([[shade for _, shade in row] for row in cells])
    assert shades.diagonal().max() == 0
    assert shades.max() == 100
    assert cells[0][0][0] == f"{audit.transition[0, 0]:.1%}"


def test_no_name_breaks_out_of_the_page() -> None:
    odd = "</script><script>alert(1)</script>"
    audit = make_audit(names=(odd, *NAMES[1:]))
    page = page_html(audit, IMAGES, title=odd)
    assert odd not in page
    assert page.count("<script") == 2
    assert data_of(page)["class_names"][0] == odd


def test_nothing_is_loaded_from_anywhere() -> None:
    page = page_html(make_audit(), IMAGES)
    assert "default-src 'none'" in page
    assert not re.findall(r"https?://|@import|url\(|import |fetch\(", page)


def test_decisions_of_other_images_or_labels_are_kept_apart() -> None:
    audit = make_audit()
    key = data_of(page_html(audit, IMAGES))["key"]
    assert data_of(page_html(audit, IMAGES, top=3))["key"] == key
    moved = audit._replace(labels=(audit.labels + 1) % len(NAMES))
    assert data_of(page_html(moved, IMAGES))["key"] != key


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="There are 3 images for an audit of 200"):
        page_html(make_audit(), IMAGES[:3])
    with pytest.raises(ValueError, match="top is 0; the page needs at least 1 image"):
        page_html(make_audit(), IMAGES, top=0)
