"""What explorers ask a learner to guess: the answer is the library's, and the question hides it."""

from typing import Any

import numpy as np
import pytest
import traitlets
from guessing_explorers import LABELS, MAKERS, q_explorer, truncation
from synthetic_gradients import small_runs
from synthetic_log_p import small_run
from synthetic_maps import small_maps

from rnsl_tutorial import noise
from rnsl_tutorial.evaluation.embedding import flip_detection
from rnsl_tutorial.tutorial.explorers import (
    EmbeddingExplorer,
    Explorer,
    GradientShareExplorer,
    LossExplorer,
    TransitionExplorer,
)


def asked(explorer: Explorer) -> dict[str, Any]:
    found: dict[str, Any] = explorer._table["asked"]
    return found


@pytest.mark.parametrize("name", MAKERS)
def test_it_asks_only_where_it_is_told_to_and_the_guess_is_empty_at_first(name: str) -> None:
    assert not MAKERS[name]()._guessing
    explorer = MAKERS[name](guess=True)
    assert explorer._guessing
    assert explorer.guess == []
    explorer.guess = [None, 3]
    assert explorer.guess == [None, 3.0]
    with pytest.raises(traitlets.TraitError):
        explorer.guess = ["high"]


@pytest.mark.parametrize("name", MAKERS)
def test_the_question_does_not_tell_the_answer(name: str) -> None:
    guess = asked(MAKERS[name]())
    told = guess["question"] + guess["x"]["label"] + guess["y"]["label"]
    labels = [mark["style"]["label"] for mark in guess["given"]]
    for value in guess["measured"]:
        for text in (f"{value:.0f}%", f" {value:.0f} ", f"{value:.2f}"):
            assert not any(text in said for said in (told, *labels)), (text, told)
    places = len(guess["at"]) if guess["kind"] == "curve" else 1
    assert len(guess["measured"]) == places


def test_what_was_not_measured_is_not_asked() -> None:
    maps = small_maps()
    accuracy = maps.accuracy.copy()
    accuracy[0, 1, 0] = np.nan
    assert "asked" not in EmbeddingExplorer(maps._replace(accuracy=accuracy))._table


def test_an_explorer_that_asks_nothing_says_so() -> None:
    with pytest.raises(TypeError, match="no 'guess'; it has q, temperature, p"):
        LossExplorer(guess=True)  # type: ignore[arg-type]


def test_the_answers_are_what_the_explorers_show() -> None:
    maps = small_maps()
    guess = asked(MAKERS["embedding"]())
    assert guess["measured"] == pytest.approx(100 * maps.accuracy[0, 1:, 0])
    assert guess["start"] == pytest.approx([0, 100 * maps.accuracy[0, 0, 0]])

    row = noise.label_dependent_transition("aid", 0.7)[
        (b := noise.label_dependent_classes("aid").index("Bridge"))
    ]
    guess = asked(MAKERS["transition"]())
    assert guess["measured"] == pytest.approx([100 * np.delete(row, b).max()])
    assert guess["given"][0]["shows"] == pytest.approx([100 * row[b]])
    assert "Bridge is not lost" in guess["told"]
    assert "BareLand is lost" in asked(TransitionExplorer(LABELS, row="BareLand"))["told"]
    other = TransitionExplorer(LABELS, dataset="nwpu45")
    assert f"wrong labels in NWPU45, 30 of 100 images of {other.row}" in asked(other)["question"]

    shares = GradientShareExplorer(**small_runs())
    assert asked(shares)["measured"] == pytest.approx(100 * shares.share[0, 0])
    assert asked(MAKERS["accuracy over q"]())["measured"] == pytest.approx([60, 80, 75])
    assert asked(q_explorer())["measured"] == pytest.approx([88, 86, 80]), "at the first rate"

    log_p, flipped = small_run(moments=9, images=2000)
    (k,) = asked(truncation())["measured"]

    def precision(k: float) -> float:
        return flip_detection(-log_p[5], flipped, log_p[5] <= np.float32(np.log(k))).precision

    assert precision(k) >= 0.95 > max(precision(above) for above in np.arange(k + 0.02, 0.98, 0.02))


def test_a_step_that_the_table_lacks_is_not_offered() -> None:
    offered = {step["name"] for step in EmbeddingExplorer(small_maps())._table["steps"]}
    assert offered == {"All right"}, "the table has no rate 0.5 and 0.7"
