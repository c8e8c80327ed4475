"""What TEACHING.md says is true: figures, links to states, times, the test of questions."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from urllib.parse import unquote

import numpy as np
import pytest
from notebook_parts import SOURCES
from scipy.stats import spearmanr

from notebooks import build
from rnsl_tutorial import audit, evaluation, experiments, losses, noise
from rnsl_tutorial.evaluation import class_margins, significance
from rnsl_tutorial.evaluation.embedding import flip_detection
from rnsl_tutorial.experiments import class_accuracy, report
from rnsl_tutorial.tutorial import curves
from rnsl_tutorial.tutorial.explorers import Playground, one_page
from rnsl_tutorial.tutorial.tables import FollowedRuns, UmapMaps
from tools import prose

ROOT = build.FOLDER.parent
PLAN = (build.FOLDER / "TEACHING.md").read_text(encoding="utf-8")
TEXT = " ".join(PLAN.split())
NOTEBOOKS = prose.read_all()
LINKS = re.findall(r"\((https://rnsl-tutorial\.github\.io/rnsl_tutorial/[^)]*)\)", PLAN)


def measured(name: str) -> list[experiments.Result]:
    return list(experiments.shipped_results(name).results)


def means(name: str) -> dict[tuple[str, float, str], dict[str, float]]:
    return {(s.noise, s.rate, s.loss): dict(s.mean) for s in experiments.summarize(measured(name))}


# ------------------------------------------------------------------ figures


def of_the_head_on_frozen_features() -> Iterator[str]:
    aid = means("aid")
    nsl, rnsl, trnsl = (
        100 * aid["symmetric", 0.5, loss]["knn_clean"] for loss in ("nsl", "rnsl", "trnsl")
    )
    yield f"compare with their number ({nsl:.0f}, {rnsl:.0f}, {trnsl:.0f})"
    yield f"RNSL ({rnsl:.0f}, NSL {nsl:.0f}); no training at all finds {untrained():.0f}"
    yield f"finds {nsl:.0f} of 100 new images"
    symmetric, alike = (
        100 * aid[kind, 0.7, "nsl"]["knn_clean"] for kind in ("symmetric", "label_dependent")
    )
    yield f"at 70% NSL has {symmetric:.0f} left with symmetric noise"
    yield f"discuss: why more ({alike:.0f})?"


def untrained() -> float:
    runs = [r for r in measured("aid_no_loss") if r.config.loss == "no_training"]
    [found] = {round(100 * r.metrics["knn_clean"], 2) for r in runs}
    return found


def of_fine_tuning() -> Iterator[str]:
    half = [r for r in measured("finetune") if r.config.rate == 0.5]
    last = {
        (s.noise, s.loss): f"{100 * s.mean['knn_clean']:.0f}" for s in experiments.summarize(half)
    }
    plain = [r for r in half if (r.config.noise, r.config.loss) == ("symmetric", "nsl")]
    first = f"{100 * np.mean([r.curves['knn_clean'][0] for r in plain]):.0f}"
    nsl, rnsl, trnsl = (last["symmetric", loss] for loss in ("nsl", "rnsl", "trnsl"))
    yield f"after epoch 1: NSL has {first}"
    yield f"move to 8 ({nsl}); then RNSL ({rnsl})"
    yield f"epoch 8: NSL {nsl}, RNSL {rnsl}, t-RNSL {trnsl}"
    alike = ", ".join(last["label_dependent", loss] for loss in ("nsl", "rnsl", "trnsl"))
    yield f"label-dependent noise: {alike}"
    yield f"dashed = no training, {untrained():.0f}"
    told = experiments.summarize(map(experiments.stopped, half))
    early = {(s.noise, s.loss): s.mean["knn_clean"] for s in told}
    stopped = [early[kind, "nsl"] for kind in ("symmetric", "label_dependent")]
    yield f"*Stopped in time*: {100 * stopped[0]:.0f} and {100 * stopped[1]:.0f} for NSL"


def of_differences() -> Iterator[str]:
    found = report.differences(measured("aid") + measured("aid_baselines"), "rnsl")
    corrected = significance.holm([d.p for d in found])
    half = {
        (d.loss, d.noise): (d, p) for d, p in zip(found, corrected, strict=True) if d.rate == 0.5
    }
    behind = {loss: -100 * half[loss, "symmetric"][0].mean for loss in ("nsl", "nsl_tuned")}
    yield (
        f"how many of the {behind['nsl']:.1f} points were the learning rate's? "
        f"({behind['nsl_tuned']:.1f} are left)"
    )
    yield f"beats the baseline by {behind['nsl']:.0f} points"
    yield f"Tune the baseline as well: {behind['nsl_tuned']:.1f} are left."
    ahead = [half["arcface", kind] for kind in ("symmetric", "label_dependent")]
    assert all(p > 0.05 for _, p in ahead)
    points = " and ".join(f"{100 * d.mean:.1f}" for d, _ in ahead)
    yield f"ArcFace is ahead of it by {points} points, and not significantly so."


def of_the_curves() -> Iterator[str]:
    nsl, rnsl = (abs(curves.gradient_wrt_logit(0.01, q).item()) for q in (0, 0.7))
    yield f"{nsl / rnsl:.0f} times; q to 0, q to 1"
    yield f"marker to p = 0.01 ({nsl / rnsl:.0f} times)"
    yield f"{nsl / abs(curves.gradient_wrt_logit(0.01, 0.5).item()):.0f} times: 1 / p^q"


def of_transitions() -> Iterator[str]:
    assert noise.label_dependent_classes("aid").index("Bridge") not in lost("aid")
    yield "vote: at 70%, is Bridge lost?"
    yield f"lost above {29 / 30:.3f}, above 0.5"
    yield f"Above 1 / (1 + 0.5) = {1 / 1.5:.3f}."
    assert len(lost("nwpu45")) == 10
    yield "Why do ten classes of 45 have a margin below 0 at a rate of 0.7"


def lost(dataset: str) -> list[int]:
    matrix = noise.label_dependent_transition(dataset, 0.7)
    return [int(i) for i in class_margins.dominated_classes(matrix)]


@cache
def followed() -> FollowedRuns:
    return FollowedRuns.shipped()


def share_of_the_pull(loss: str, epoch: int, q: float) -> float:
    p = np.exp(followed().log_p_of(loss)[epoch].astype(float))
    pull = p**q * (1 - p)
    return float(pull[followed().flipped].sum() / pull.sum())


def of_followed_runs() -> Iterator[str]:
    plain, robust = (share_of_the_pull("nsl", 5, q) for q in (0.0, 0.7))
    yield f"({plain:.0%}; with q = 0.7 it is {robust:.0%})"
    assert 0.3 < share_of_the_pull("trnsl", 20, 0.7) < 0.36
    yield "a third of the pull in 05 is theirs"
    x, w = (getattr(followed(), f"sphere_{part}")[0, -1] for part in ("embeddings", "prototypes"))
    x, w = (
        v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x.astype(float), w.astype(float))
    )
    cosines = (x * w[followed().sphere_labels]).sum(axis=1)
    yield f"images stay about {np.median(np.degrees(np.arccos(cosines))):.0f}° away"


def of_pixels() -> Iterator[str]:
    share = {
        loss: f"{found['memorized']:.0%}"
        for (_, rate, loss), found in means("scenes").items()
        if rate == 0.4
    }
    yield (
        "Of runs with 40% wrong labels ([scenes](../data/results/README.md)), NSL has memorized "
        f"{share['nsl']} of them at the end, RNSL {share['rnsl']}, t-RNSL {share['trnsl']}."
    )


def of_classes() -> Iterator[str]:
    results, names = measured("nwpu45_stand_in"), noise.label_dependent_classes("nwpu45")

    def reached(loss: str, rate: float, kind: str = "label_dependent") -> np.ndarray:
        return class_accuracy.accuracies(results, names, loss, rate, "prototype", kind).mean(0)

    def lost_points(loss: str, kind: str = "label_dependent") -> np.ndarray:
        return 100 * (reached(loss, 0.0) - reached(loss, 0.5, kind))

    even, structured = lost_points("rnsl", "symmetric"), lost_points("rnsl")
    yield (
        f"{even.mean():.0f} points and {structured.mean():.0f}; "
        f"the worst class {even.max():.0f} and {structured.max():.0f}"
    )
    yield (
        f"At 50% it halves the mean ({lost_points('nsl').mean():.0f} points for NSL, "
        f"{structured.mean():.0f} for RNSL). But it leaves its worst class "
        f"{reached('rnsl', 0.5).min():.0%} where NSL leaves its worst "
        f"{reached('nsl', 0.5).min():.0%}."
    )
    nsl, rnsl = (reached(loss, 0.7)[lost("nwpu45")].mean() for loss in ("nsl", "rnsl"))
    yield f"NSL gives the right name more often than RNSL: {nsl:.0%} and {rnsl:.0%} of their images"
    alone = lost_points("trnsl", "symmetric")
    yield f"*{names[int(alone.argmax())]}* loses {alone.max():.0f} points under it, at 50%"
    matrix = noise.label_dependent_transition("nwpu45", 0.5)
    found = spearmanr(-class_margins.margins(matrix), structured).statistic
    yield f"what RNSL's classes lose is {found:.2f} at 50%"


def of_maps() -> Iterator[str]:
    table = UmapMaps.shipped()
    share, auroc = {}, {}
    for i, loss in enumerate(table.losses):
        near = table.labels[table.neighbors[i]][table.wrong]
        for name, own in (("true", table.labels), ("given", table.given)):
            share[loss, name] = f"{(near == own[table.wrong][:, None]).mean():.0%}"
        for epoch in (2, 40):
            score = -table.p[i, table.epochs.index(epoch)].astype(float)
            auroc[loss, epoch] = f"{flip_detection(score, table.wrong, table.wrong).auroc:.3f}"
    yield (
        f"Under NSL {share['nsl', 'true']} are of its true class and {share['nsl', 'given']} of "
        f"the class that it was given, under t-RNSL {share['trnsl', 'true']} and "
        f"{share['trnsl', 'given']}."
    )
    yield (
        f"an AUROC of {auroc['nsl', 2]} after 2 epochs and {auroc['nsl', 40]} at the end. t-RNSL "
        f"has {auroc['trnsl', 40]} at the end."
    )
    settings = table.n_neighbors.index(15), table.min_dists.index(0.1)
    robust = table.losses.index("trnsl")
    trust, kept, _ = table.measured_over_settings[robust][settings]
    yield (
        "With 15 neighbours and min_dist 0.1 the map keeps "
        f"{kept:.0%} of the ten nearest, PCA {table.measured_of_pca[robust][1]:.0%}."
    )
    robust_then = flip_detection(
        -table.p[robust, table.epochs.index(2)].astype(float), table.wrong, table.wrong
    )
    assert robust_then.auroc < float(auroc["nsl", 2])
    yield "After 2 epochs NSL tells wrong from right labels better than t-RNSL does at that time"
    yield f"Trustworthiness is {trust:.2f} and a third of the neighbours is kept."


def of_the_audit() -> Iterator[str]:
    doubt, wrong = followed().doubt, followed().wrong
    flagged = {level: doubt >= level for level in (0.5, 0.99)}
    found = {
        level: (f"{wrong[of].mean():.0%}", f"{of[wrong].mean():.0%}")
        for level, of in flagged.items()
    }
    yield f"AID with {wrong.mean():.0%} look-alike labels: 0.5, then 0.99"
    right, all_of = found[0.5]
    yield f"At a doubt of 0.5, {right} of what is flagged is wrong and {all_of} of the wrong labels"
    yield f"At 0.99 it is {found[0.99][0]} and {found[0.99][1]}."
    yield f"there {wrong[np.argsort(-doubt)[:100]].sum()} of the first 100 are wrong."
    listed = (ROOT / "data/results/audit/aid_as_published.csv").read_text(encoding="utf-8")
    seen = {kind: len(re.findall(rf"\b{kind}\b", listed)) for kind in ("wrong", "ambiguous")}
    yield (
        f"Of AID as it was published, {seen['wrong']} of the first 100 were wrong to one reader, "
        f"and {seen['ambiguous']} could be called either way"
    )


def of_the_playground() -> Iterator[str]:
    """The sentences of its presets, which tests/browser holds."""
    engine = ROOT / "rnsl_tutorial/tutorial/playground/static/engine.js"
    presets = engine.read_text(encoding="utf-8")
    assert (
        "After 1,000 steps NSL has learned half of the wrong labels by heart, RNSL three in ten"
        in (presets)
    )
    yield "after 1,000 steps, how many of ten wrong labels has NSL learned by heart"
    yield "| compare: five, three |"
    assert "t-RNSL stops listening to it (in nine of ten draws" in presets
    yield "t-RNSL leaves it out in nine of ten draws"


def of_memory() -> Iterator[str]:
    told = (ROOT / "benchmarks/RELIABILITY.md").read_text(encoding="utf-8")
    row = r"^\| (\d\d)_\w+ \| \d+ \| \d+ \| [\d.]+ \| \d+ \| (\d+) \|"
    first = dict(reversed(re.findall(row, told, re.MULTILINE)))  # of its two tables
    kernels = [int(megabytes) / 1000 for number, megabytes in first.items() if number < "06"]
    assert len(kernels) == 6
    yield f"A notebook's kernel takes up to {max(kernels):.1f} GB"
    yield f"Six open kernels want {sum(kernels):.0f} GB"


def of_answers() -> Iterator[str]:
    """What follows from what the questions themselves say."""
    yield f"1 ± 2.776 / √5 = 1 ± {2.776 / 5**0.5:.2f}"
    yield f"0.1 × 0.8 / 0.16 = {0.1 * 0.8 / 0.16:.1f}"
    yield f"From {1 / 10:.1f} on: 10 times the chance"
    believed, wrong = 70, 40
    at_least = believed - (100 - wrong)
    assert at_least / wrong == 1 / 4
    yield f"A quarter: at most {100 - wrong}% are right, so {at_least} of 100 labels are believed"
    yield f"1. {0.5 - 0.3:.1f}, and no: the right label leads."
    assert 20 * 0.05 == 1
    yield "How many p values below 0.05 do you expect?"
    yield "3. One."


def of_notebook_03() -> Iterator[str]:
    """What the notebook says of the runs that it trains, and asserts itself."""
    said = "\n".join(block.text for block in NOTEBOOKS["03"].blocks)
    assert all(figure in said for figure in ("39%", "60%", "23%"))
    yield "39% of labels are wrong; which share of the pull do they make after 5 epochs of NSL?"
    yield "then 0.7 (60%, 23%) | discuss: why more than 39%?"


FIGURES = (
    of_notebook_03,
    of_the_head_on_frozen_features,
    of_fine_tuning,
    of_differences,
    of_the_curves,
    of_transitions,
    of_followed_runs,
    of_pixels,
    of_classes,
    of_maps,
    of_the_audit,
    of_the_playground,
    of_memory,
    of_answers,
)

# Figures that are set, asked or assumed, and so neither right nor wrong.
POSED = (
    "browser zoom 125%", "at 50%, NSL; say", "at 0% wrong labels", "| 5 | 50% with NSL",
    "at 50%, row Bridge", "rate to 70%; then row", "*Wrong labels* to 0%", "drag k from 0 to 0.98",
    "q = 0.05", "T = 0.05", "B at 0.05", "down to 0.02", "p = 0.01", "at 50%, symmetric",
    "p is above 0.05", "Does the 95% interval", "matrix at 50%; say", "30%, then 50% and 70%, RNSL",
    "Pair flip, 40% (03)", "structure, both at 50%", "true labels, 70%", "prototypes, at 70%",
    "believes 70% of its labels, and 40% are wrong",
    "10% of an archive is wrong, the recall at a threshold is 0.8, 16% is flagged",
    "leaves out 5% of the images", "Are 5% of its labels wrong?", "reproduces 99% of",
    "99% of them are right", "at most 1% of them", "**A** 5% of the labels", "70% of the labels of",
    "Loss X reaches 85.2%, loss Y 84.9%", "(t = 2.776)", "doi 10.1119/1.18809",
)  # fmt: skip


@cache
def held(figures: Callable[[], Iterator[str]]) -> tuple[str, ...]:
    return tuple(" ".join(said.split()) for said in figures())


def without_addresses(text: str) -> str:
    return re.sub(r"\]\([^)]*\)", "]", text)


@pytest.mark.parametrize("figures", FIGURES, ids=lambda figures: figures.__name__)
def test_a_figure_of_the_plan_is_what_the_data_say(figures: Callable[[], Iterator[str]]) -> None:
    assert [said for said in held(figures) if said not in TEXT] == []


def test_no_figure_of_the_plan_is_left_unheld() -> None:
    text = without_addresses(TEXT)
    for said in sorted([*(s for figures in FIGURES for s in held(figures)), *POSED], key=len)[::-1]:
        text = text.replace(without_addresses(said), "...")
    left = [text[max(0, m.start() - 40) : m.end() + 20] for m in re.finditer(r"\d%|\d\.\d\d", text)]
    assert left == []


# ------------------------------------------------------------------ links to states


def test_a_link_to_an_explorer_names_one_that_is_there() -> None:
    named = {unquote(link.split("#")[1]) for link in LINKS if "/explorers.html#" in link}
    assert named <= {place.name for place in one_page.EXPLORERS}
    assert len(named) >= 10


@pytest.mark.parametrize("link", [link for link in LINKS if "/playground.html#" in link])
def test_a_link_to_the_playground_is_a_state_of_it(link: str) -> None:
    parts = dict(part.split("=", 1) for part in unquote(link.split("#")[1]).split("&"))
    assert parts.pop("at") == "0", "a teacher starts it, after the predictions"
    settings = {name: _value(name, text) for name, text in parts.items()}
    widget = Playground()
    widget.settings = settings  # refuses what is none of its settings, or out of range
    assert widget.settings == settings


def _value(name: str, text: str) -> str | float:
    return text if name.split(".")[-1] in ("shape", "noise", "loss") else float(text)


def test_all_links_lead_to_one_of_the_two_pages() -> None:
    assert all(re.search(r"/(explorers|playground)\.html#", link) for link in LINKS), LINKS


# ------------------------------------------------------------------ times


def test_the_notebooks_of_the_lesson_take_longer_when_read_alone() -> None:
    assert "Read alone, they take nearly five hours" in TEXT
    stated = (NOTEBOOKS[source.stem[:2]].stated for source in SOURCES if source.stem < "06")
    assert 270 <= sum(stated) < 300


def test_a_day_of_the_week_has_room_for_its_notebooks() -> None:
    rows = re.findall(r"^\| (\d) \| ([\d, ]+) \| (\d) hours \|", PLAN, re.MULTILINE)
    assert [day for day, _, _ in rows] == ["1", "2", "3", "4", "5"]
    numbers = [number for _, listed, _ in rows for number in listed.split(", ")]
    assert numbers == [source.stem[:2] for source in SOURCES if source.stem < "11"]
    for _, listed, hours in rows:
        minutes = sum(NOTEBOOKS[number].stated for number in listed.split(", "))
        assert minutes <= 60 * int(hours), listed


@pytest.mark.parametrize(
    ("heading", "minutes"),
    [("## One hour", 60), *((f"### {number}: ", 45) for number in ("06", "07", "08", "09", "10"))],
)
def test_a_plan_goes_forward_and_fits_its_time(heading: str, minutes: int) -> None:
    [section] = re.findall(rf"^{heading}.*?(?=^##)", PLAN + "##", re.MULTILINE | re.DOTALL)
    starts = [int(start) for start in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert minutes - 10 < starts[-1] < minutes


@pytest.mark.parametrize("number", ["06", "07", "08", "09", "10"])
def test_a_later_lesson_has_five_questions_and_five_answers(number: str) -> None:
    [section] = re.findall(rf"^### {number}: .*?(?=^##)", PLAN, re.MULTILINE | re.DOTALL)
    asked, answered = section.split("<details>")
    for part in (asked, answered):
        assert re.findall(r"^(\d)\. ", part, re.MULTILINE) == list("12345")


# ------------------------------------------------------------------ the test of twelve questions

TEST = PLAN[PLAN.index("## A test before and after") :]
KEY = re.findall(r"^\| (\d+) \| ([A-D]) \| (.+) \|$", TEST, re.MULTILINE)


def test_there_are_twelve_questions_with_four_choices_each() -> None:
    questions = re.split(r"^\*\*(\d+)\.\*\* ", TEST.split("<details>")[0], flags=re.MULTILINE)
    assert questions[1::2] == [str(number) for number in range(1, 13)]
    for question in questions[2::2]:
        assert re.findall(r"\*\*([A-D])\*\*\s", question) == list("ABCD"), question


def test_each_wrong_choice_has_its_belief_and_no_letter_is_right_too_often() -> None:
    assert [number for number, _, _ in KEY] == [str(number) for number in range(1, 13)]
    for number, right, beliefs in KEY:
        named = "".join(re.findall(r"(?:^|\. )([A-D]):", beliefs))
        assert sorted(named) == sorted(set("ABCD") - {right}), number
    counts = [sum(right == letter for _, right, _ in KEY) for letter in "ABCD"]
    assert counts == [3, 3, 3, 3]


def test_the_right_answer_is_not_the_longest_as_a_rule() -> None:
    """Or a learner who knows nothing would find it."""
    questions = re.split(r"^\*\*\d+\.\*\* ", TEST.split("<details>")[0], flags=re.MULTILINE)[1:]
    longest = 0
    for question, (_, right, _) in zip(questions, KEY, strict=True):
        _, *choices = re.split(r"\*\*[A-D]\*\* ", " ".join(question.split()))
        lengths = dict(zip("ABCD", map(len, choices), strict=True))
        longest += max(lengths, key=lengths.get) == right
    assert longest <= 6


# ------------------------------------------------------------------ the sheet, the paper

SHEET = (ROOT / "docs/formulas.md").read_text(encoding="utf-8")
PAPER = (ROOT / "paper/paper.md").read_text(encoding="utf-8")
ROOMS = {"losses": losses, "noise": noise, "evaluation": evaluation, "audit": audit} | {
    "class_margins": class_margins, "significance": significance, "curves": curves,
}  # fmt: skip


def test_the_sheet_names_functions_that_are_there() -> None:
    named = set(re.findall(r"`(\w+)\.(\w+)`", SHEET))
    assert len(named) > 15
    assert [name for room, name in named if not hasattr(ROOMS[room], name)] == []


def test_the_sheet_names_the_notebooks_that_derive_its_formulas() -> None:
    cells = re.findall(r"\| ([\d, ]+) \|$", SHEET, re.MULTILINE)
    assert {number for cell in cells for number in cell.split(", ")} <= NOTEBOOKS.keys()


def test_the_numbers_of_the_sheet_follow_from_its_formulas() -> None:
    text = " ".join(SHEET.split())
    q, classes = 0.7, 30
    low, high = (classes - classes ** (1 - q)) / q, (classes - 1) / q
    for said in (
        f"At $q = 0.7$ RNSL pulls hardest at $p = {q / (1 + q):.2f}$, and at $p = 0.01$ NSL pulls "
        f"{0.01**-q:.0f} times as hard.",
        f"for 30 classes {classes - 1} |",
        f"the sum of $L_q$ lies between {low:.1f} and {high:.1f}.",
        f"loses one above {(classes - 1) / classes:.3f}, pair flip above 0.5, a largest share of "
        f"0.4 above {1 / 1.4:.3f}.",
    ):
        assert said in text, said


def test_the_bounds_of_the_sheet_hold_for_any_belief() -> None:
    beliefs = np.random.default_rng(0).dirichlet(np.full(30, 0.3), size=200)
    beliefs = np.concatenate([beliefs, np.full((1, 30), 1 / 30), np.eye(30)])
    for q in (0.01, 0.3, 0.7, 1.0):
        total = ((1 - beliefs**q) / q).sum(axis=1)
        assert total.min() >= (30 - 30 ** (1 - q)) / q - 1e-9
        assert total.max() <= 29 / q + 1e-9


def test_the_figures_of_the_paper_are_what_the_data_say() -> None:
    runs = {
        r.config.loss: [f"{x:.0%}" for x in r.curves["knn_clean"]]
        for r in measured("finetune")
        if (r.config.noise, r.config.rate, r.config.seed) == ("symmetric", 0.5, 0)
    }
    text = " ".join(PAPER.split())
    assert (
        f"from {runs['nsl'][0]} after one epoch to {runs['nsl'][-1]}, while RNSL ends at "
        f"{runs['rnsl'][-1]}; k-NN on untrained features finds {untrained():.0f}"
    ) in text
    assert "a course of eleven Jupyter notebooks and an appendix" in " ".join(text.split())
    assert len([source for source in SOURCES if source.stem < "11"]) == 11
    assert "Eighteen pictures move" in text
    assert len(one_page.EXPLORERS) == 18


def test_the_paper_has_what_its_journal_asks_for() -> None:
    body = PAPER.split("---", 2)[2]
    headings = re.findall(r"^# (.+)$", body, re.MULTILINE)
    for needed in ("Summary", "Statement of need", "Learning objectives", "Story", "References"):
        assert needed in headings
    assert 250 < len(body.split()) <= 1000
    assert "has not been taught to a class so far" in " ".join(body.split())
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    [author] = re.findall(r"^  - name: (.+)$", citation, re.MULTILINE)
    assert f"  - name: {author}" in PAPER


def test_the_paper_cites_what_its_bibliography_holds() -> None:
    entries = (ROOT / "paper/paper.bib").read_text(encoding="utf-8").split("@")[1:]
    keys = {re.match(r"\w+\{(\w+),", entry)[1] for entry in entries}
    assert keys == set(re.findall(r"@(\w+)", PAPER.split("---", 2)[2]))
    assert all(re.search(r"\b(doi|url) +=", entry) for entry in entries)


@pytest.mark.parametrize("page", ["paper/paper.md", "CODE_OF_CONDUCT.md", "docs/peers.md"])
def test_a_relative_link_leads_somewhere_and_nobody_is_written_to(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / page).parent.joinpath(link).exists(), link
    assert not re.search(r"\S+@\w+\.\w+", text)
