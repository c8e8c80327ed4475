"""The scenes with wrong labels: the table that is shipped, and what the explorer makes of it."""

from io import BytesIO

import numpy as np
from explorer_checks import array, lacks
from PIL import Image

from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.tutorial.explorers import SpotExplorer, spot


def test_six_of_24_labels_are_wrong_in_each_set_and_are_doubted_by_their_p() -> None:
    explorer, table = SpotExplorer(), spot._shipped()
    assert explorer.wrong.shape == (4, 24)
    assert explorer.wrong.sum(axis=1).tolist() == [6] * 4
    wrong = (table.true != table.given).reshape(4, 24)
    np.testing.assert_array_equal(explorer.wrong, wrong)
    p = np.exp(table.log_p.astype(np.float64))  # [kinds, losses, epochs, sets, images]
    for number in range(4):
        expected = p[number // 2, :, :, number % 2] <= 0.5
        np.testing.assert_array_equal(explorer.doubted[number], expected)
    assert (array(explorer._table["doubted"]) == explorer.doubted).all()


def test_the_pictures_are_scenes_each_of_its_own() -> None:
    explorer = SpotExplorer()
    files = [array(file).tobytes() for file in explorer._table["pictures"]]
    assert [len(set(kind)) for kind in (files[:48], files[48:])] == [48, 48]
    sizes = {Image.open(BytesIO(file)).size for file in files}
    assert sizes == {(128, 128)}
    assert explorer._table["names"][2] == "dense residential"
    assert len(explorer._table["names"]) == len(scenes.CLASSES)


def test_a_scene_looks_like_its_true_class_rather_than_its_given_one() -> None:
    """By mean colour, against the means of fresh scenes: far better than chance."""
    table = spot._shipped()
    fresh = scenes.make_scenes(320, 32, seed=9)
    means = np.stack(
        [fresh.images[fresh.labels == c].mean(axis=(0, 2, 3)) for c in range(len(scenes.CLASSES))]
    )
    ends = np.cumsum(table.lengths)
    files = [table.pictures[end - n : end] for end, n in zip(ends, table.lengths, strict=True)]
    colors = [np.asarray(Image.open(BytesIO(file.tobytes()))).mean(axis=(0, 1)) for file in files]
    distance = np.linalg.norm(np.array(colors)[:, None] - means, axis=2)  # [images, classes]
    wrong = np.flatnonzero(table.true.ravel() != table.given.ravel())
    true, given = (labels.ravel()[wrong] for labels in (table.true, table.given))
    assert (distance[wrong, true] < distance[wrong, given]).mean() > 0.7


def test_the_notes_tell_what_holds_for_all_training_images() -> None:
    table, notes = spot._shipped(), SpotExplorer()._table["notes"]
    for number, note in enumerate(notes):
        found, alarms = table.shares[number // 2, :, 1]
        assert (
            f"t-RNSL doubts {found:.0%} of the wrong labels and {alarms:.1%} of the right" in note
        )
        assert f"All {table.images:,} training scenes" in note


def test_it_begins_unanswered_and_refuses_what_there_is_not() -> None:
    explorer = SpotExplorer(round=3)
    assert (explorer.round, explorer.epoch, explorer.guess) == (3, 30, [])
    lacks(explorer, round=5, epoch=0)
