import numpy as np
import pytest
from explorer_checks import lacks, refuses, unpacked
from synthetic_gradients import EPOCHS, IMAGES, small_runs

from rnsl_tutorial.tutorial.explorers import GradientShareExplorer, standalone_html

QS = [i / 20 for i in range(21)]


@pytest.fixture
def explorer() -> GradientShareExplorer:
    return GradientShareExplorer(**small_runs())


def share_by_hand(run: str, epoch: int, q: float) -> float:
    """The share, image by image."""
    runs = small_runs()
    total = {True: 0.0, False: 0.0}
    for log_p, flipped in zip(runs["log_p"][run][epoch], runs["flipped"], strict=True):
        p = np.exp(log_p)
        total[bool(flipped)] += p**q * (1 - p)
    return total[True] / (total[True] + total[False])


# ------------------------------------------------------------------ the table


@pytest.mark.parametrize("run", ["nsl", "rnsl"])
@pytest.mark.parametrize("epoch", range(len(EPOCHS)))
@pytest.mark.parametrize("q", [0, 0.35, 0.7, 1])
def test_the_share_is_that_of_the_pulls_added_up(
    explorer: GradientShareExplorer, run: str, epoch: int, q: float
) -> None:
    at = ["nsl", "rnsl"].index(run), QS.index(q), epoch
    expected = share_by_hand(run, epoch, q)
    assert explorer.share[at] == pytest.approx(expected)
    assert unpacked(explorer, "share")[at] == pytest.approx(100 * expected, rel=1e-6)


def test_images_lie_on_the_curve_of_their_pull_those_with_right_labels_first(
    explorer: GradientShareExplorer,
) -> None:
    runs = small_runs()
    wrong = runs["flipped"][runs["batch"]]
    batch = np.concatenate([runs["batch"][~wrong], runs["batch"][wrong]])
    assert explorer._table["right_in_batch"] == (~wrong).sum()
    p = np.exp(runs["log_p"]["rnsl"][2][batch])
    x, y = unpacked(explorer, "image_x")[1, 2], unpacked(explorer, "image_y")[1, QS.index(0.7), 2]
    np.testing.assert_allclose(x, np.log10(p / (1 - p)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(y, p**0.7 * (1 - p), rtol=1e-5)


def test_curves_are_p_to_the_q_times_1_minus_p(explorer: GradientShareExplorer) -> None:
    odds = 10.0 ** unpacked(explorer, "curve_x").astype(float)
    p = odds / (1 + odds)
    for i, q in enumerate(QS):
        np.testing.assert_allclose(unpacked(explorer, "curve_y")[i], p**q * (1 - p), atol=1e-5)


def test_a_p_of_0_and_of_1_are_drawn_at_the_ends() -> None:
    runs = small_runs()
    runs["log_p"] = {"nsl": runs["log_p"]["nsl"].copy()}
    runs["batch"] = np.arange(IMAGES)[~runs["flipped"]][:2]
    runs["log_p"]["nsl"][:, runs["batch"]] = [-1000.0, 0.0]
    explorer = GradientShareExplorer(**runs)
    low, high = explorer._table["axes"]["p"]["range"]
    assert unpacked(explorer, "image_x")[0, 0].tolist() == pytest.approx([low, high])
    assert unpacked(explorer, "image_y")[0, :, 0].tolist() == [[1, 0]] + [[0, 0]] * 20


def test_ticks_stand_at_the_p_that_they_name(explorer: GradientShareExplorer) -> None:
    axis = explorer._table["axes"]["p"]
    named = dict(zip(axis["texts"], axis["ticks"], strict=True))
    for text in ("0.01", "0.5", "0.99", "0.9999"):
        p = float(text)
        assert named[text] == pytest.approx(np.log10(p / (1 - p)), abs=0.01)


def test_sentences_tell_the_share_beside_that_of_nsl(explorer: GradientShareExplorer) -> None:
    rate = f"{small_runs()['flipped'].mean():.0%}"
    robust, plain = (f"{share_by_hand('rnsl', 2, q):.0%}" for q in (0.7, 0))
    sentences = explorer._table["sentences"]
    assert sentences[1][QS.index(0.7)][2] == (
        f"q = 0.70 after 4 epochs: the {rate} wrong labels make {robust} of the pull (NSL: {plain})"
    )
    assert sentences[1][0][2] == (
        f"NSL (q = 0) after 4 epochs: the {rate} wrong labels make {plain} of the pull"
    )
    assert sentences[0][1][0].startswith("q = 0.05 before training: ")
    assert sentences[0][1][1].startswith("q = 0.05 after 1 epoch: ")


def test_a_full_size_table_stays_below_two_megabytes() -> None:
    generator = np.random.default_rng(0)
    log_p = {name: -generator.exponential(size=(20, 6993)) for name in ("nsl", "rnsl")}
    flipped = np.arange(6993) % 3 == 0
    explorer = GradientShareExplorer(log_p, flipped, np.arange(256), range(20))
    assert len(standalone_html(explorer)) < 2e6


# ------------------------------------------------------------------ choosing


def test_it_begins_as_asked() -> None:
    runs = small_runs()
    first = GradientShareExplorer(**runs)
    assert (first.loss, first.epoch, first.q) == ("nsl", 0, 0.7)
    other = GradientShareExplorer(**runs, loss="rnsl", epoch=4, q=0)
    assert (other.loss, other.epoch, other.q) == ("rnsl", 4, 0)


def test_what_the_table_lacks_is_refused(explorer: GradientShareExplorer) -> None:
    lacks(explorer, q=1.2, epoch=2, loss="trnsl")


def test_a_computed_q_is_taken_for_the_one_it_means(explorer: GradientShareExplorer) -> None:
    explorer.q = 0.1 + 0.2
    assert explorer.q == 0.3


test_arguments_that_disagree_are_named = refuses(
    lambda **changes: GradientShareExplorer(**small_runs() | changes),
    ({"epochs": (0, 1, 2)}, r"log_p of 'nsl' has shape \(4, 120\); 3 epochs and 120 labels"),
    ({"flipped": np.ones(119, bool)}, r"4 epochs and 119 labels need \(4, 119\)"),
    ({"flipped": np.zeros(120, bool)}, "both right and wrong labels"),
    ({"flipped": np.ones(120, bool)}, "both right and wrong labels"),
    ({"batch": [120]}, "batch must hold places of images, each in 0 to 119"),
    ({"batch": [-1]}, "batch must hold places"),
    ({"batch": []}, "batch must hold places"),
    ({"log_p": {"nsl": np.full((4, 120), 0.5)}}, r"log_p reaches 0\.5"),
    ({"log_p": {}}, "log_p holds no run"),
)
