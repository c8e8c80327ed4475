"""What the dashboard sends to the page is what the runs say of themselves."""

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from explorer_checks import array
from tiny_scenes import TINY, CallingAt, same_bits, tiny_data, tiny_run

from rnsl_tutorial.experiments import images
from rnsl_tutorial.tutorial.background_run import Moment
from rnsl_tutorial.tutorial.dashboard import _MEASURES, Dashboard, _epochs_axis
from rnsl_tutorial.tutorial.explorers import standalone_html


def made(*names: str, **settings: Any) -> Dashboard:
    return Dashboard({name: tiny_run(loss=name, **settings) for name in names})


@pytest.fixture(scope="module")
def finished() -> Dashboard:
    dashboard = made("nsl", "trnsl")
    dashboard.wait()
    return dashboard


def curves(dashboard: Dashboard) -> Any:
    return array(dashboard._live["curves"])


def test_curves_and_sentences_are_the_moments(finished: Dashboard) -> None:
    drawn = curves(finished)
    for r, one in enumerate(finished.lives.values()):
        np.testing.assert_array_equal(drawn[:, r].T, np.array(one.moments, dtype="f4"))
        told = finished._live["runs"][r]["told"]
        assert len(told) == 4
        for moment, sentence in zip(one.moments, told[1:], strict=True):
            assert f"{moment.memorized:.0%} of the wrong ones memorized" in sentence
            assert f"{moment.images_per_s:,.0f} images/s" in sentence
            assert ("really are wrong" in sentence) != math.isnan(moment.precision)
    assert list(_MEASURES) == list(Moment._fields)
    assert finished._live["summary"] == (
        "NSL: finished, 3 of 3 epochs done; t-RNSL: finished, 3 of 3 epochs done"
    )


def test_of_labels_as_given_nothing_is_told_that_needs_true_ones() -> None:
    dashboard = made("rnsl", noise="as_given", rate=0.0)
    (moments,) = dashboard.wait().values()
    known = {name for name in Moment._fields if not math.isnan(getattr(moments[-1], name))}
    assert known == {"loss", "knn_noisy", "kept", "images_per_s", "memory_gb"}
    told = dashboard._live["runs"][0]["told"][-1]
    assert f"{moments[-1].knn_noisy:.0%}, by given labels; 100% kept" in told
    assert "wrong" not in told


def test_the_wall_shows_what_a_run_believes_and_leaves_out(finished: Dashboard) -> None:
    minds = array(finished._live["minds"])
    wrong = array(finished._table["wrong"])
    assert minds.shape == (2, 3, 48)
    assert wrong[0].tolist() == [0] * 24 + [1] * 24
    for r, one in enumerate(finished.lives.values()):
        flipped = one.run.given.flipped
        for moment, seen, shown in zip(one.moments, one.minds, minds[r], strict=True):
            assert seen.believed[flipped].mean() == pytest.approx(moment.memorized)
            assert seen.believed[~flipped].mean() == pytest.approx(moment.learned)
            if not math.isnan(moment.precision):
                assert flipped[~seen.kept].mean() == pytest.approx(moment.precision)
            np.testing.assert_array_equal(shown % 2, seen.believed[finished._wall.rows])
            np.testing.assert_array_equal(shown // 2, ~seen.kept[finished._wall.rows])
    names = one.run.data.archive.class_names
    true = one.run.data.archive.labels[finished._wall.places]
    assert [*finished._table["true"]] == [names[c] for c in true]
    told = zip(finished._table["given"][0], finished._table["true"], wrong[0], strict=True)
    assert all((given != truth) == is_wrong for given, truth, is_wrong in told)


def test_scenes_are_packed_and_images_of_an_archive_are_not() -> None:
    data = tiny_data()
    assert made("nsl")._table["scenes"]["columns"] == 7
    own = Dashboard({"nsl": images.Run(data, replace(TINY, dataset="mine"))})
    assert own._table["scenes"] is None
    sent: list[Any] = []
    own.send = lambda told, buffers=(): sent.append((told, [*buffers]))
    own._handle_custom_msg({"pictures": [0, 47]}, [])
    [(told, jpegs)] = sent
    assert told == {"pictures": [0, 47]}
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in jpegs)


def test_the_axes_hold_the_curves(finished: Dashboard) -> None:
    drawn = curves(finished)
    for values, axis in zip(drawn, finished._live["axes"], strict=True):
        low, high = axis["range"]
        assert low <= np.nanmin(values, initial=0)
        assert np.nanmax(values, initial=0) <= high


def test_before_the_start_there_is_nothing_and_one_button() -> None:
    dashboard = made("rnsl")
    assert np.isnan(curves(dashboard)).all()
    [run] = dashboard._live["runs"]
    assert run == {"state": "ready", "actions": ["start"], "told": ["RNSL: not started"]}


def test_buttons_start_pause_and_stop_the_run_that_they_name() -> None:
    dashboard = made("nsl", "rnsl")
    one = dashboard.lives["rnsl"]

    def press(action: str, run: str = "rnsl") -> None:
        dashboard._handle_custom_msg({"press": action, "run": run}, [])

    one.run.training.inputs = CallingAt(one.run, 9, lambda: press("pause"))
    press("start")
    one._stand_still()
    assert [run["state"] for run in dashboard._live["runs"]] == ["ready", "paused"]
    assert dashboard._live["runs"][1]["actions"] == ["resume", "stop"]
    press("stop")
    assert "RNSL: stopped, 1 of 3 epochs done" in dashboard._live["summary"]
    for nonsense in (
        {},
        {"press": "start"},
        {"press": "start", "run": []},
        {"run": "nsl"},
        "start",
    ):
        dashboard._handle_custom_msg(nonsense, [])
    press("start", run="nobody")
    assert dashboard.lives["nsl"].state == "ready"


def test_waiting_starts_what_nobody_has_one_after_the_other() -> None:
    dashboard = made("nsl", "rnsl", "trnsl")
    started: list[tuple[str, list[str]]] = []
    dashboard.observe(
        lambda change: started.append(
            (change["new"], [one.state for one in dashboard.lives.values()])
        ),
        "run",
    )
    dashboard.start("trnsl")
    moments = dashboard.wait()
    assert [len(run) for run in moments.values()] == [3, 3, 3]
    assert started[1:] == [
        ("nsl", ["ready", "ready", "finished"]),
        ("rnsl", ["finished", "ready", "finished"]),
    ]


def test_an_error_is_told_and_raised_and_later_runs_stay_as_they_are() -> None:
    dashboard = made("nsl", "rnsl")
    run = dashboard.lives["nsl"].run

    def fail() -> None:
        with torch.no_grad():
            next(run.network.parameters()).fill_(math.nan)

    run.training.inputs = CallingAt(run, 9, fail)
    with pytest.raises(FloatingPointError, match="no longer finite in epoch 1"):
        dashboard.wait()
    first, second = dashboard._live["runs"]
    assert first["told"][0].startswith("NSL failed: FloatingPointError: ")
    assert first["actions"] == []
    assert second["state"] == "ready"


def test_what_the_page_sets_and_what_the_training_sends_do_not_mix() -> None:
    """Traits set by the page again and again, while a run trains, change neither."""
    dashboard = made("rnsl", epochs=6)
    dashboard.start()
    turns = 0
    while dashboard.lives["rnsl"].state == "running":
        dashboard.set_state({"epoch": 1 + turns % 6})
        assert dashboard.epoch == 1 + turns % 6
        turns += 1
        time.sleep(0.001)  # the lock is not fair: let the training have it, too
    dashboard.wait()
    alone = tiny_run(loss="rnsl", epochs=6)
    alone.training.run()
    assert turns > 6
    assert same_bits(dashboard.lives["rnsl"].run, alone)
    np.testing.assert_array_equal(
        curves(dashboard)[:, 0].T, np.array(dashboard.lives["rnsl"].moments, dtype="f4")
    )


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no run to show"):
        Dashboard({})
    dashboard = made("nsl")
    with pytest.raises(traitlets.TraitError, match="this explorer has 'nsl'"):
        dashboard.start("mine")


def test_names_of_ones_own_get_styles_of_their_own() -> None:
    dashboard = Dashboard({"early": tiny_run(), "late": tiny_run()})
    labels = [style["label"] for style in dashboard._table["styles"]]
    colors = {style["color"] for style in dashboard._table["styles"]}
    assert labels == ["early", "late"]
    assert len(colors) == 2


@pytest.mark.parametrize("epochs", [1, 3, 12, 24, 130])
def test_epochs_are_marked_at_whole_numbers(epochs: int) -> None:
    axis = _epochs_axis(epochs)
    assert axis.range == (0, epochs)
    assert len(axis.ticks) >= 2
    assert all(tick == int(tick) and 0 <= tick <= epochs for tick in axis.ticks)


def test_a_page_without_a_kernel_holds_the_curves(finished: Dashboard) -> None:
    page = standalone_html(finished)
    assert "3 of 3 epochs done" in page
    assert len(page) < 2e5
