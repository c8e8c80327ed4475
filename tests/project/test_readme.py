"""What README says is true: its table, its links, its code, its commands."""

import csv
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from printed_table import rows_of
from torch import nn
from torch.utils.data import TensorDataset

from benchmarks import audit, audit_ranges
from rnsl_tutorial import experiments
from rnsl_tutorial.evaluation import significance
from rnsl_tutorial.experiments import report

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TRAINING = (ROOT / "docs/training.md").read_text(encoding="utf-8")
DOCS = ("archives", "decisions", "training", "since_2020", "formulas", "peers")
PAGES = [
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", *(f"docs/{page}.md" for page in DOCS))
    ),
    *sorted(ROOT.glob("data/**/README.md")),
    *sorted(ROOT.glob("benchmarks/*.md")),
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = sorted((ROOT / "notebooks/source").glob("[0-9][0-9]_*.py"))
RESULTS, SCENES, LAPTOP, BASELINES, STAND_IN, NO_LOSS, TUNED = (
    experiments.load_results(ROOT / "data/results" / name / "results.json").results
    for name in (
        "aid", "scenes", "laptop", "aid_baselines", "nwpu45_stand_in", "aid_no_loss", "finetune",
    )
)  # fmt: skip
TUNED_AT = {(run.config.noise, run.config.rate) for run in TUNED}
BESIDE = [run for run in NO_LOSS if (run.config.noise, run.config.rate) in TUNED_AT]


@pytest.mark.parametrize(
    ("page", "table"),
    [
        ("README.md", report.table_over_rates([*NO_LOSS, *RESULTS], "knn_clean")),
        ("README.md", report.table([r for r in [*NO_LOSS, *TUNED] if r.config.rate == 0.5])),
        ("data/results/README.md", report.table([*BESIDE, *TUNED])),
        ("data/results/README.md", report.table(map(experiments.stopped, TUNED))),
        ("data/results/README.md", experiments.table_over_epochs(TUNED)),
        ("data/results/README.md", report.table(RESULTS)),
        ("docs/training.md", report.table_over_rates(SCENES, "knn_clean")),
        ("docs/training.md", report.table_over_rates(LAPTOP, "knn_clean")),
        ("data/results/README.md", report.table(SCENES)),
        ("data/results/README.md", report.table(LAPTOP)),
        ("data/results/README.md", report.table(BASELINES)),
        (
            "data/results/README.md",
            report.table_of_differences(
                report.differences([*RESULTS, *BASELINES], "rnsl", "knn_clean")
            ),
        ),
        ("data/results/README.md", report.table(STAND_IN)),
        (
            "data/results/README.md",
            report.table_over_rates([*RESULTS, *NO_LOSS], "prototype"),
        ),
        (
            "data/results/README.md",
            report.table_over_rates([*RESULTS, *NO_LOSS], "knn_noisy"),
        ),
    ],
)
def test_tables_are_those_of_the_committed_results(page: str, table: object) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for row in rows_of(table):
        assert row in text


def test_the_paragraph_on_paired_differences() -> None:
    text = " ".join(README.split())
    found = report.differences([*RESULTS, *BASELINES], "rnsl", "knn_clean")
    half = {(d.loss, d.noise): d for d in found if d.rate == 0.5}
    corrected = {
        (d.loss, d.noise): p
        for d, p in zip(found, significance.holm([d.p for d in found]), strict=True)
        if d.rate == 0.5
    }

    def points(loss: str, noise: str) -> str:
        return f"{-100 * half[loss, noise].mean:.1f}"

    symmetric, alike = points("nsl", "symmetric"), points("nsl", "label_dependent")
    assert f"NSL is {symmetric} points behind RNSL with symmetric noise and {alike} with" in text
    symmetric, alike = points("nsl_tuned", "symmetric"), points("nsl_tuned", "label_dependent")
    assert f"{symmetric} and {alike} are left, the latter not significant" in text
    assert corrected["nsl_tuned", "symmetric"] < 0.05
    unclear = [("nsl_tuned", "label_dependent")]
    unclear += [(loss, "symmetric") for loss in ("trnsl", "gce", "sce", "arcface")]
    assert min(corrected[cell] for cell in unclear) > 0.05


def test_what_is_said_of_the_baselines_at_all_rates() -> None:
    text = " ".join((ROOT / "data/results/README.md").read_text(encoding="utf-8").split())
    found = report.differences([*RESULTS, *BASELINES], "rnsl", "knn_clean")
    raised = significance.holm([d.p for d in found])
    others = {
        (d.loss, d.noise, d.rate): (d.mean, p)
        for d, p in zip(found, raised, strict=True)
        if d.loss not in ("nsl", "trnsl")
    }
    told = {cell for cell, (_, p) in others.items() if p < 0.05}
    assert f"Of the {len(others)} comparisons with other losses" in text
    ahead = {cell for cell in told if others[cell][0] > 0}
    assert ahead == {("gce", "label_dependent", 0.1), ("proxy_anchor", "label_dependent", 0.7)}
    points = [f"{-100 * others[loss, 'symmetric', 0.7][0]:.1f}" for loss in ("gce", "nce_rce")]
    assert f"are {points[0]} and {points[1]} points behind at 70%" in text
    alike = [(loss, "symmetric", r) for loss in ("gce", "nce_rce") for r in (0, 0.1, 0.3)]
    assert not told & set(alike)
    assert not {loss for loss, _, _ in told} & {"sce", "arcface"}


def test_what_is_said_to_be_equal_and_what_is_tested_on_scenes() -> None:
    text = (ROOT / "data/results/README.md").read_text(encoding="utf-8")
    table = rows_of(report.table_of_differences(report.differences(RESULTS, "rnsl"), 0.01))
    rows = [row for row in table if "t-RNSL" in row]
    assert len(rows) == 9
    scenes = report.differences(SCENES, "rnsl")
    for row in (*rows, *rows_of(report.table_of_differences(scenes))):
        assert row in text
    assert sum("| " + "equal" in " ".join(row.split()) for row in rows) == 6
    assert all(one.low < 0 < one.high for one in scenes if one.rate == 0.4)
    assert "equal within a point in six cells of nine" in " ".join(text.split())


def tuned_curves(noise: str, loss: str) -> NDArray[np.float64]:
    """k-NN accuracy after each epoch, half of the labels wrong: means over seeds."""
    cell = (noise, loss, 0.5)
    curves = [
        run.curves["knn_clean"]
        for run in TUNED
        if (run.config.noise, run.config.loss, run.config.rate) == cell
    ]
    return np.mean(curves, axis=0)


def test_what_is_said_of_fine_tuning() -> None:
    """Means over three seeds, half of the labels wrong."""
    pages = {
        name: " ".join((ROOT / name).read_text(encoding="utf-8").split())
        for name in ("README.md", "data/results/README.md")
    }
    half = [run for run in TUNED if run.config.rate == 0.5]
    runs = {(s.noise, s.loss): s for s in experiments.summarize(half)}
    assert {s.seeds for s in runs.values()} == {3}
    untrained = {
        (run.config.noise, run.config.loss): run.metrics
        for run in NO_LOSS
        if run.config.rate == 0.5
    }
    last = {cell: s.mean["knn_clean"] for cell, s in runs.items()}
    first = {cell: tuned_curves(*cell)[0] for cell in runs}
    told = experiments.summarize(map(experiments.stopped, half))
    early = {(s.noise, s.loss): s.mean for s in told}
    plain, robust, cut = (("symmetric", loss) for loss in ("nsl", "rnsl", "trnsl"))
    said = (
        f"ends at {last[plain]:.3f}, 15 points below no training at all, with "
        f"{runs[plain].mean['memorized']:.0%} of the wrong labels learned by heart"
    )
    assert all(said in text for text in pages.values())
    assert round(100 * (untrained["symmetric", "no_training"]["knn_clean"] - last[plain])) == 15
    assert f"NSL is at {first[plain]:.3f} after its first epoch" in pages["README.md"]
    assert f"RNSL ends at {last[robust]:.3f}, t-RNSL at {last[cut]:.3f}" in pages["README.md"]
    clean = {
        run.config.loss: run.metrics["knn_clean"]
        for run in TUNED
        if (run.config.rate, run.config.seed) == (0, 0)
    }
    said = "NSL ends at {nsl:.3f}, RNSL at {rnsl:.3f}, t-RNSL at {trnsl:.3f}"
    assert said.format(**clean) in pages["README.md"]
    found = runs[cut].mean
    assert (
        f"{found['precision']:.0%} have a wrong label, and they are {found['recall']:.0%} of all"
        in pages["README.md"]
    )
    alike = early["label_dependent", "nsl"], early["label_dependent", "rnsl"]
    assert (
        f"({early[plain]['knn_clean']:.3f} and {early[robust]['knn_clean']:.3f}; not in its "
        f"prototypes, {early[plain]['prototype']:.3f} and {early[robust]['prototype']:.3f}), and "
        "better under label-dependent noise "
        f"({alike[0]['knn_clean']:.3f} and {alike[1]['knn_clean']:.3f})"
    ) in pages["data/results/README.md"]
    lda = untrained["label_dependent", "lda"]["prototype"]
    best = max((s for s in told if s.noise == "label_dependent"), key=lambda s: s.mean["prototype"])
    mean, spread = best.mean["prototype"], best.spread["prototype"]
    assert mean - lda < spread, "no loss is shown to be ahead of shrinkage LDA"
    assert (
        f"and {mean:.3f} ± {spread:.3f} at best after training" in pages["data/results/README.md"]
    )
    assert f"(at best {mean:.3f} ± {spread:.3f}, RNSL stopped in time)" in pages["README.md"]
    assert best.loss == "rnsl"


def test_what_is_said_of_no_training() -> None:
    text = " ".join((ROOT / "data/results/README.md").read_text(encoding="utf-8").split())
    means = {(s.noise, s.rate, s.loss): s.mean for s in experiments.summarize(RESULTS + NO_LOSS)}

    def ahead(loss: str, noise: str, rate: float) -> float:
        with_loss, without = means[noise, rate, loss], means[noise, rate, "no_training"]
        return round(100 * (with_loss["knn_clean"] - without["knn_clean"]), 1)

    rnsl = [ahead("rnsl", *cell) for cell in (("symmetric", 0.5), ("symmetric", 0.7))]
    rnsl += [ahead("rnsl", "label_dependent", rate) for rate in (0.5, 0.7)]
    assert rnsl == [1.4, -2.0, -0.1, -4.1]
    assert (
        "above that by 1.4 points at 50% symmetric noise, below by 2.0 at 70%, below by 0.1" in text
    )
    for noise in ("symmetric", "label_dependent"):
        nsl = [ahead("nsl", noise, rate) < 0 for rate in (0.0, 0.1, 0.3, 0.5, 0.7)]
        assert nsl == [False, False, True, True, True]
    found = {means[noise, rate, "no_training"]["knn_clean"] for noise, rate, _ in means}
    assert found == {0.8375}


AUDIT = ROOT / "data" / "results" / "audit"


def test_the_tables_of_the_audit_are_those_of_its_committed_results() -> None:
    rows = audit.load(AUDIT / "results.json")
    results = (ROOT / "data/results/README.md").read_text(encoding="utf-8")
    assert audit.report(rows) in results
    assert audit.archive_table(rows) in README
    verdicts = [
        audit.verdict(*audit.difference(cell, audit.best_rival(cell)))
        for cell in audit.by_cell(rows, "average_precision").values()
    ]
    won, tied, lost = (verdicts.count(kind) for kind in ("win", "tie", "loss"))
    text = " ".join(README.split())
    assert f"it wins in {won} of {len(verdicts)} cells, ties in {tied}, loses in {lost}." in text
    assert won > 0.7 * len(verdicts)


def test_the_ranges_of_the_audit_hold_as_often_as_is_said() -> None:
    rows = json.loads((AUDIT / "ranges.json").read_text(encoding="utf-8"))["results"]
    results = (ROOT / "data/results/README.md").read_text(encoding="utf-8")
    assert audit_ranges.table(rows) in results
    told = [row for row in rows if row["concluded"]]
    easy = [row for row in told if row["noise"] != audit_ranges.HARD]
    looks = [look for row in told for look in row["looks"]]

    def held(of: list[dict[str, Any]]) -> float:
        return float(np.mean([row["low"] <= row["true"] <= row["high"] for row in of]))

    of_looks = float(
        np.mean([low - 1e-9 <= true <= high + 1e-9 for _, low, high, _, true in looks])
    )
    text = " ".join(README.split())
    assert len(told) >= 100
    assert f"On {len(told)} archives whose wrong labels are known {held(told):.0%} of the" in text
    assert f"({held(easy):.0%} without the hardest noise" in text
    assert f"and {of_looks:.0%} of those for the list" in text


def test_what_is_said_of_aid_as_it_was_published_is_in_the_list() -> None:
    with (AUDIT / "aid_as_published.csv").open(encoding="utf-8", newline="") as file:
        seen = [row["seen"] for row in csv.DictReader(file)]
    results = (ROOT / "data/results/README.md").read_text(encoding="utf-8")
    for first in (25, 50, 100):
        counts = [seen[:first].count(kind) for kind in ("wrong", "ambiguous", "right")]
        assert f"| the first {first} | {' | '.join(map(str, counts))} |" in results
    text = " ".join(README.split())
    assert (
        f"Of its 25 most doubtful images {seen[:25].count('wrong')} was wrong to one reader at 150 "
        f"pixels, of 100 {seen.count('wrong')}, and {seen.count('ambiguous')} could be called "
        "either way"
    ) in text


@pytest.mark.parametrize("results", [SCENES, LAPTOP], ids=["scenes", "laptop"])
def test_the_sentence_on_what_networks_memorized(results: list[experiments.Result]) -> None:
    text = " ".join(TRAINING.split())
    share = {
        s.loss: f"{s.mean['memorized']:.0%}"
        for s in experiments.summarize(results)
        if s.rate == 0.4
    }
    said = "NSL has memorized {nsl} of the wrong ones, RNSL {rnsl}, t-RNSL {trnsl}."
    assert said.format(**share) in text


def test_the_sentence_on_what_the_ratio_rule_keeps() -> None:
    text = " ".join(TRAINING.split())
    means = {(s.loss, s.rate): s.mean for s in experiments.summarize(LAPTOP)}
    rates = sorted({rate for _, rate in means})
    kept = [f"{means['trnsl', rate]['kept']:.0%}" for rate in rates]
    wrong = [f"{means['trnsl', rate]['realized_rate']:.0%}" for rate in rates]
    assert f"{kept[0]}, {kept[1]}, {kept[2]} and {kept[3]} of the images" in text
    assert f"where {wrong[0]}, {wrong[1]}, {wrong[2]} and {wrong[3]} of the labels" in text
    for rate in rates:
        gap = means["trnsl", rate]["knn_clean"] - means["rnsl", rate]["knn_clean"]
        assert abs(gap) < 0.01


def test_on_scenes_nsl_memorizes_and_t_rnsl_resists_by_a_clear_margin() -> None:
    """On three seeds, each worse seed of the one beats each better seed of the other."""
    reached = {
        name: [r.metrics for r in SCENES if (r.config.rate, r.config.loss) == (0.4, name)]
        for name in ("nsl", "trnsl")
    }
    assert [len(runs) for runs in reached.values()] == [3, 3]
    assert min(run["memorized"] for run in reached["nsl"]) > 0.9
    assert max(run["memorized"] for run in reached["trnsl"]) < 0.2
    worst = min(run["knn_clean"] for run in reached["trnsl"])
    assert worst - max(run["knn_clean"] for run in reached["nsl"]) > 0.05


def test_what_the_figures_show_is_said_to_those_who_cannot_see_them() -> None:
    curves = {loss: tuned_curves("symmetric", loss) for loss in ("nsl", "rnsl", "trnsl")}
    first, last = (f"{100 * curves['nsl'][place]:.0f}" for place in (0, -1))
    robust = [100 * value for loss in ("rnsl", "trnsl") for value in curves[loss]]
    ends = f"{min(robust):.0f} and {max(robust):.0f}"
    assert f"NSL falls from {first} to {last}%, RNSL and t-RNSL stay between {ends}%" in README
    mean = {
        (s.rate, s.loss): s.mean["knn_clean"]
        for s in experiments.summarize(RESULTS)
        if s.noise == "symmetric"
    }
    first, last = (f"{100 * mean[rate, 'nsl']:.0f}" for rate in (0, 0.7))
    least = min(mean[0.7, loss] for loss in ("rnsl", "trnsl"))
    said = f"NSL falls from {first} to {last}% at 70% wrong labels, RNSL and t-RNSL stay above"
    assert f"{said} {int(100 * least)}%" in README


def test_the_sentence_on_half_of_the_labels() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("\n", " ")
    half = {
        s.loss: s.mean
        for s in experiments.summarize(RESULTS)
        if (s.noise, s.rate) == ("symmetric", 0.5)
    }
    percent = {name: f"{mean['memorized']:.0%}" for name, mean in half.items()}
    said = "memorized {nsl} of the wrong ones, RNSL {rnsl}, t-RNSL {trnsl}".format(**percent)
    assert said in text
    pruning = half["trnsl"]
    assert (
        f"{pruning['precision']:.0%} have a wrong label, and they are {pruning['recall']:.0%}"
        in text
    )


def test_the_numbers_of_the_first_notebook() -> None:
    text = (ROOT / "notebooks/source/00_start_here.py").read_text(encoding="utf-8")
    text = " ".join(text.replace("# ", " ").split())
    mean = {(s.noise, s.rate, s.loss): s.mean for s in experiments.summarize(RESULTS)}

    def of_100(noise: str, rate: float, loss: str, metric: str = "knn_clean") -> str:
        return f"{100 * mean[noise, rate, loss][metric]:.0f}"

    half = {loss: of_100("symmetric", 0.5, loss) for loss in ("nsl", "rnsl", "trnsl")}
    assert half["rnsl"] == half["trnsl"]
    similar = [of_100("label_dependent", 0.5, loss) for loss in ("nsl", "rnsl")]
    for said in (
        f"tell its class in {of_100('symmetric', 0.0, 'nsl')} of 100 cases. Guessing",
        f"{half['nsl']} of 100 with NSL, {half['rnsl']} with RNSL and with t-RNSL",
        f"at 70% symmetric noise NSL has {of_100('symmetric', 0.7, 'nsl')} left",
        f"More: {of_100('label_dependent', 0.7, 'nsl')}. A label",
        f"RNSL finds {half['rnsl']} of 100 and NSL {half['nsl']} (symmetric noise); "
        f"{similar[1]} and {similar[0]} (label-dependent)",
        f"a list: {of_100('symmetric', 0.5, 'trnsl', 'precision')}% of the images on it",
    ):
        assert said in text
    assert mean["symmetric", 0.0, "trnsl"]["kept"] == pytest.approx(0.95, abs=0.007), "about 5%"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_each_notebook_stands_in_readme_with_its_question_and_time(source: Path) -> None:
    text = " ".join(source.read_text(encoding="utf-8").replace("# ", " ").split())
    questions = re.findall(r"The question: \*\*(.+?)\*\*", text)
    times = re.findall(r"\*\*Time\*\* (\d+) min", text)
    assert (len(questions), len(times)) == (1, 1), "want **Time** N min, and The question: **...?**"
    (question,), (minutes,) = questions, times
    row = rf"\(notebooks/{source.stem}\.ipynb\) \| {re.escape(question)} \| {minutes} \|"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(row, readme, re.IGNORECASE), f"README.md wants a row with {row}"


def test_the_memory_of_each_notebook_is_the_measured_one() -> None:
    told = dict(re.findall(r"\(notebooks/(\d\d_\w+)\.ipynb\).*any laptop, ([\d.]+) GB", README))
    measured = (ROOT / "benchmarks/RELIABILITY.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (\d\d_\w+) \| \d+ \| 0 \| [\d.]+ \| (\d+) \|",
        measured.split("\n## memory\n")[1].split("\n## ")[0],
        re.MULTILINE,
    )
    remedy = (
        '`make soak ARGS="-k memory"` measures it; then README.md has a row `any laptop, N GB` '
        "for each notebook"
    )
    assert told == {name: f"{int(mb) / 1000:.1f}" for name, mb in rows}, remedy
    assert set(told) == {source.stem for source in SOURCES}, remedy


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert not [link for link in local if not (page.parent / link).exists()]


def python_blocks(text: str) -> list[str]:
    blocks: list[str] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return blocks


def test_training_from_pixels_runs_as_its_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    """At a smaller size."""
    (code,) = python_blocks(TRAINING)
    small = code.replace("rate=0.4)", "rate=0.4, scenes=160, image_size=32, epochs=2)")
    assert small != code
    space: dict[str, object] = {}
    exec(small, space)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["0", "1"]
    assert "knn_clean" in lines[2]


@pytest.fixture
def space() -> dict[str, object]:
    """The names that the code in README takes for given; three of 24 labels are wrong."""
    generator = torch.manual_seed(0)
    true = torch.arange(24) % 3
    images = 3 * nn.functional.one_hot(true, 5) + torch.rand(24, 5, generator=generator)
    given = true.clone()
    given[:3] = (true[:3] + 1) % 3
    return {
        "network": nn.Linear(5, 64),
        "num_classes": 3,
        "embedding_dim": 64,
        "loader": 500 * [(images, true)],
        "dataset": TensorDataset(images, given),
        "epochs": 100,
    }


def test_the_loop_in_readme_has_ten_lines_and_learns(space: dict[str, object]) -> None:
    code = python_blocks(README)[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    exec(code, space)
    chance = (1 - (1 / 3) ** 0.7) / 0.7
    assert space["value"].item() < 0.5 * chance  # type: ignore[attr-defined]


def test_the_loop_for_t_rnsl_in_readme_leaves_out_the_wrong_labels(
    space: dict[str, object],
) -> None:
    plain, code = python_blocks(README)[:2]
    more = {line.strip() for line in code.splitlines()} - {
        line.strip() for line in plain.splitlines()
    }
    assert len(more - {""}) <= 14, "with three imports, ten lines more than the plain loop"
    space["torch"] = torch
    exec(code, space)
    assert space["value"].isfinite()  # type: ignore[attr-defined]
    assert space["loss"].kept.tolist() == 3 * [False] + 21 * [True]  # type: ignore[attr-defined]


def test_the_badges_lead_to_this_project_and_to_pages_that_are_here() -> None:
    owner = PROJECT["urls"]["Repository"].removeprefix("https://github.com/")
    links = re.findall(r"\]\((https://(?:mybinder|colab)[^)]+)\)", README)
    assert len(links) == 2
    for link in links:
        assert f"/{owner}/" in link
        assert (ROOT / "notebooks" / link.rsplit("/", 1)[1]).exists()
    site = re.findall(rf"\]\({PROJECT['urls']['Documentation']}([^)]*)\)", README)
    assert site == ["", "playground.html", "explorers.html"]  # as docs/build.py writes them
    assert all(PROJECT["urls"]["Repository"] in a for a in re.findall(r"git\+(\S+?)\"", README))


def test_the_citations_in_readme_are_those_of_the_citation_file() -> None:
    paper, software = re.findall(r"^@\w+\{.*?^\}", README, re.MULTILINE | re.DOTALL)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    preferred = citation["preferred-citation"]
    for author in preferred["authors"]:
        assert f"{author['family-names']}, {author['given-names']}" in paper
    assert " ".join(preferred["title"].split()) in " ".join(paper.split())
    assert preferred["doi"] in paper
    assert f"version = {{{citation['version']}}}" in software
    assert PROJECT["urls"]["Repository"] in software
