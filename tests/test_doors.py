"""A sample of what `make soak` tries: bad arguments to doors, and spoiled files of every type."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import doors
import foreign
import numpy as np
import pytest
from doors import Door

SLOW = (
    "umap.umap_", "audit.scores.", "audit.pipeline", "audit.model", "plots.", "figures.",
    "explorers.transition", "explorers.sphere",
)  # fmt: skip
SAMPLED = ("None", "a ragged list", "sparse", "meta", "objects", "one more dimension", "NaN", "-1")
FILES = 12  # of each type
ELSEWHERE = {
    "audit.estimate.estimate_precision", "audit.scores.Scores.flips",
    "audit.scores.Scores.flips_on_paper", "audit.scores.Scores.log_odds_under",
    "training.augmentation.Drawn.take", "training.sources.Fetched.batches",
    "training.sources.Source.batches", "training.sources.batches",
    "tutorial.exercises.seeing.judge_selection",
    "tutorial.exercises.truncation.check_choose_k", "tutorial.plots.truncation.mirrored",
    "tutorial.explorers.class_margins.ClassMarginsExplorer.__init__",
    "tutorial.explorers.gradient_share.GradientShareExplorer.__init__",
    "tutorial.explorers.sphere.SphereTrainingExplorer.__init__",
    "tutorial.explorers.umap_maps.EpochMapsExplorer.__init__",
    "tutorial.explorers.umap_maps.UmapSettingsExplorer.__init__",
}  # fmt: skip
"""What takes what another function of ours made: batches, tables, a learner's answer."""

pytestmark = pytest.mark.filterwarnings("ignore:torch.quantize:UserWarning")


def test_every_public_function_that_takes_arrays_is_tried(tmp_path: Path) -> None:
    assert doors.public_functions() - {*doors.doors(tmp_path)} == ELSEWHERE
    assert {*doors.doors(tmp_path)} <= doors.public_functions()


def sampled(folder: Path) -> Iterator[tuple[str, Door]]:
    for name, door in doors.doors(folder).items():
        if not any(part in name for part in SLOW):
            yield name, door


def test_what_is_no_argument_is_refused_in_one_line(tmp_path: Path) -> None:
    count, wrong = 0, {}
    for name, door in sampled(tmp_path):
        assert doors.outcome(partial(door.call, **door.given)) == ("clear", "a result"), name
        for what, given in doors.tries(door):
            if what.partition(": ")[2] in SAMPLED:
                count += 1
                said = doors.outcome(partial(door.call, **given))
                wrong |= {f"{name}, {what}": said} if said[0] != "clear" else {}
    assert count > 1000
    assert wrong == {}


@pytest.mark.parametrize("kind", foreign.TYPES)
def test_what_is_no_such_file_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    kept, rng = foreign.TYPES[kind], np.random.default_rng(1)
    path = tmp_path / kept.name
    kept.make(path)
    good = path.read_bytes()
    assert foreign.tried(kind, path) == ("clear", "a result")
    for _ in range(FILES):
        path.write_bytes(kept.spoil(good, rng))
        assert foreign.tried(kind, path)[0] == "clear"
    for place in foreign.odd_places(tmp_path, kept.name, good):
        assert foreign.tried(kind, place)[0] == "clear", place


def test_somebody_elses_words_are_noticed() -> None:
    """So that the tests above tell what they should."""

    def unclear() -> None:
        doors.losses.check_q([1, 2])  # type: ignore[arg-type]

    assert doors.outcome(unclear)[0] == "clear"
    assert doors.outcome(lambda: np.zeros(2)[5])[0] == "traceback"
    assert doors.outcome(lambda: doors.losses.Tensor.numpy(None))[0] == "traceback"
