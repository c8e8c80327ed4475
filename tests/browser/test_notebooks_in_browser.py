"""Every notebook in JupyterLab: run from the menu, each slider moved by keyboard, then solved.

The one run of each notebook: the learner's version, and then, in the same kernel, all that differs
in the solution. Where there is no browser, tests/project/test_notebooks.py does it.
"""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import notebook_parts
import numpy as np
import pytest
from harness import REDRAW_S, Explorer, JupyterLab, curve
from notebook_parts import SOURCES


class Claim(NamedTuple):
    """What a slider must draw, computed by the library in the kernel of the notebook itself.

    Attributes:
        explorer: the class of the explorer; the first of it on the page is `e` in the kernel.
        trait: that the slider sets.
        slider: its label.
        mark: what is compared: the heights of the first curve of this name.
        expected: an expression over the notebook's own names, for a list of numbers.
        each: a mark of several places, such as a cross, counts once.
        within: how far a height may be off: the drawing is rounded to a hundredth of a px.
        inside: selects the explorer, where others have a mark of this name.
        chart: words of the chart's title, where several have a mark of this name.
        axis: whether the value lies along x, 0, as that of bars that lie, or along y, 1.
    """

    explorer: str
    trait: str
    slider: str
    mark: str
    expected: str
    each: int = 1
    within: float = 0.01
    inside: str = ""
    chart: str = ""
    axis: int = 1


WEIGHTS = """(e.q * losses.label_log_probability(
    seen.embeddings[e.epoch], seen.prototypes[e.epoch],
    torch.from_numpy(given.labels)[seen.batch], e.temperature,
)).exp()[wrong[seen.batch]]"""
PLATEAU = "curves.loss_of_p(torch.arange(101) / 100, e.q, e.k)"

FINE_TUNED = Claim(
    "FineTuningExplorer", "epoch", "After epoch", "NSL now",
    "[e.curves[0, e.place('noise'), 0, e.epoch - 1]]",
    within=0.05, inside=".rnsl-fine-tuning", chart="k-NN accuracy",
)  # fmt: skip

CLAIMS: dict[str, list[Claim] | None] = {  # None for a notebook in which nothing moves
    "00_start_here": [],  # its map is drawn on a canvas: see the test of its page
    "01_metric_learning_on_the_sphere": [
        Claim(
            "SphereExplorer", "temperature", "Temperature T", "loss",
            """losses.nsl(
                torch.tensor(e.forces.images), torch.tensor(e.prototypes),
                torch.full((len(e.forces.images),), e.own), temperature=e.temperature,
            )""",
            within=0.1,
        ),
        Claim(
            "SphereExplorer", "angle", "Angle from its own prototype A", "loss now",
            """losses.nsl(
                torch.tensor(e.forces.images[[e.place("angle")]]), torch.tensor(e.prototypes),
                torch.tensor([e.own]), temperature=e.temperature,
            )""",
            within=0.1,
        ),
    ],
    "02_when_labels_lie": [
        Claim(
            "TransitionExplorer", "rate", "Noise rate", "rule", "2 * [(1 - e.rate) / e.rate]",
            axis=0,
        ),
        Claim(
            "TransitionExplorer", "rate", "Noise rate", "lost",
            "class_margins.dominated_classes("
            "noise.label_dependent_transition('aid', e.rate)) + 0.5",
            each=5, within=0.5,
        ),
    ],
    "03_nsl_and_rnsl_gradients": [
        Claim(
            "LossExplorer", "q", "q of RNSL", "RNSL",
            "curves.loss_of_p(torch.arange(1, 201) / 200, e.q)", within=0.03,
        ),
        Claim(
            "LossExplorer", "p", "Marked image: p", "RNSL marked",
            "[curves.loss_of_p(e.p, e.q)]", within=0.03,
        ),
        Claim(
            "LossExplorer", "temperature", "Temperature T", "NSL",
            "1 / (1 + np.exp(np.linspace(-0.5, 1, 301) / e.temperature) / 29)",
            chart="over the cosine",
        ),
        Claim(
            "GradientShareExplorer", "epoch", "Epoch", "now",
            """[
                (100 * pull[wrong].sum() / pull.sum()).item()
                for log_p in [history[e.loss].log_p[e.epoch].double()]
                for pull in [curves.gradient_wrt_logit(log_p.exp().clamp(max=1), e.q)]
            ]""",
            within=0.5,
        ),
        Claim(
            "GradientShareExplorer", "q", "Measured with q", "share",
            """[
                (100 * pull[wrong].sum() / pull.sum()).item()
                for log_p in history[e.loss].log_p[moments].double()
                for pull in [curves.gradient_wrt_logit(log_p.exp().clamp(max=1), e.q)]
            ]""",
            within=0.5,
        ),
    ],
    "04_box_cox_down_weighting": [
        Claim(
            "QExplorer", "rate", "Wrong labels", "line",
            "100 * table.accuracy[e.place('noise'), e.place('rate')]", within=0.1,
        ),
        Claim(
            "DownWeightingExplorer", "q", "q", "wrong",
            WEIGHTS,
            each=5,
        ),
        Claim(
            "DownWeightingExplorer", "temperature", "Temperature T", "wrong",
            WEIGHTS,
            each=5,
        ),
    ],
    "05_truncation": [
        Claim(
            "TruncationExplorer", "k", "Threshold k", "cut loss",
            PLATEAU, within=0.03,
        ),
        Claim(
            "PruningExplorer", "k", "Threshold k", "recall",
            """[
                (log_p <= np.log(e.k)).numpy()[wrong].mean() for log_p in history.log_p
            ]""",
            inside=".rnsl-pruning",
        ),
        Claim(
            "PruningExplorer", "epoch", "Epochs of training", "recall now",
            "[(history.log_p[e.epoch] <= np.log(e.k)).numpy()[wrong].mean()]",
            inside=".rnsl-pruning",
        ),
        Claim(
            "TruncationExplorer", "q", "q of the loss", "cut loss",
            PLATEAU, within=0.03,
        ),
    ],
    "06_training_from_pixels": [
        Claim(
            "Dashboard", "epoch", "Look at epoch", "shown",
            "[dashboard.lives[e.run].moments[e.epoch - 1].learned]",
            chart="Right labels learned",
        ),
    ],
    "07_aid_experiment": [
        FINE_TUNED,
        Claim(
            "ComparisonExplorer", "rate", "Wrong labels", "NSL",
            """[
                100 * np.mean([
                    r.metrics[e.metric] for r in measured
                    if (r.config.loss, r.config.noise, r.config.rate) == ("nsl", e.noise, rate)
                ])
                for rate in e.controls["rate"].values
            ]""",
            within=0.1, inside=".rnsl-comparison",
        ),
    ],
    "08_nwpu45_experiment": [
        Claim(
            "ClassMarginsExplorer", "rate", "Noise rate", "level",
            "2 * [1 - e.rate]", axis=0,
        ),
        Claim(
            "ClassMarginsExplorer", "rate", "Noise rate", "chosen",
            "[100 * drops(e.loss, e.judge)[rates.index(e.rate), names.index(e.row)]]", within=0.5,
        ),
    ],
    "09_seeing_the_embedding": [],  # its maps are drawn on canvases: see the test of their page
    "10_audit_your_own_archive": [
        Claim(
            "AuditExplorer", "threshold", "Threshold on the doubt", "true recall now",
            "[(shown.doubt[shown.wrong].astype(float) >= e.threshold).mean()]",
            inside=".rnsl-audit",
        ),
        Claim(
            "AuditExplorer", "threshold", "Threshold on the doubt", "true precision",
            """[
                shown.wrong[shown.doubt.astype(float) >= t].mean()
                for t in e.controls["threshold"].values if (shown.doubt >= t).any()
            ]""",
            inside=".rnsl-audit",
        ),
    ],
    "11_appendix_the_reference": [FINE_TUNED],
}  # fmt: skip


# The first explorer of a class, and a value of the notebook's, as the kernel answers with it.
ASK = """
import json
import numpy as np
from ipywidgets.widgets.widget import _instances
e = next(w for w in _instances.values() if type(w).__name__ == {name!r})
print(json.dumps(np.asarray({value}).tolist()))
"""


# How many explorers hold a guess of their learner.
GUESSES = """
from ipywidgets.widgets.widget import _instances
print(sum(bool(getattr(w, "guess", None)) for w in _instances.values()))
"""


def test_every_notebook_is_run_here() -> None:
    """Where these tests run, nothing else executes the notebooks."""
    assert sorted(CLAIMS) == [source.stem for source in SOURCES]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_notebook_runs_by_run_all_its_sliders_move_the_picture_and_its_solution_runs(
    jupyterlab: JupyterLab, source: Path
) -> None:
    name = source.stem
    jupyterlab.open(f"{name}.ipynb")
    assert jupyterlab.run_all() == []
    assert jupyterlab.interruptions() == []
    shown = jupyterlab.state()
    assert shown["stderr"] == []
    assert notebook_parts.shows_a_picture(shown["kinds"])
    claims = CLAIMS[name]
    assert bool(jupyterlab.explorers()) == (claims is not None), "None says that nothing moves"
    guessed = 0
    for explorer in jupyterlab.explorers():
        jupyterlab.show(explorer)
        guessed += explorer.answers()
        assert explorer.sliders()
        for slider in explorer.sliders():
            assert explorer.changes_with(slider), slider.get_attribute("name")
    assert (
        json.loads(jupyterlab.kernel(GUESSES)) == guessed == source.read_text().count("guess=True")
    )
    for claim in claims or ():
        assert_holds(jupyterlab, claim)
    for number, explorer in enumerate(jupyterlab.explorers()):
        jupyterlab.show(explorer)
        jupyterlab.screenshot(f"{name}_{number}" if number else name)
    for code in notebook_parts.solved_cells(source):
        jupyterlab.kernel(code)
    assert int(jupyterlab.kernel(notebook_parts.PEAK_MEMORY)) < notebook_parts.MOST_MEMORY
    assert jupyterlab.outside == []


def assert_holds(jupyterlab: JupyterLab, claim: Claim) -> None:
    """Move the slider, wait until the kernel knows, and compare the curve with the library."""
    mark = jupyterlab.page.locator(f'[data-mark="{claim.mark}"]')
    explorer = Explorer(
        jupyterlab.page.locator(f".rnsl-explorer {claim.inside}").filter(has=mark).first
    )
    chart = explorer.element.locator(".rnsl-chart", has_text=claim.chart).filter(has=mark).first
    slider = explorer.element.get_by_role("slider", name=claim.slider, exact=True)

    def ask(expression: str) -> Any:
        return json.loads(jupyterlab.kernel(ASK.format(name=claim.explorer, value=expression)))

    def value() -> Any:
        """The trait, once the page and the kernel agree on it."""
        text = f"e.controls[{claim.trait!r}].texts[e.place({claim.trait!r})]"
        deadline = time.monotonic() + REDRAW_S
        while slider.get_attribute("aria-valuetext") != (told := ask(text)):
            assert time.monotonic() < deadline, f"the slider does not set the trait: {told}"
        return ask(f"e.{claim.trait}")

    before = value()
    explorer.step(slider)
    assert value() != before, "the slider sets the trait"
    drawn = curve(chart, claim.mark)[:: claim.each, claim.axis]
    np.testing.assert_allclose(drawn, ask(claim.expected), atol=claim.within)
    ask(f"setattr(e, {claim.trait!r}, {before!r})")
    assert value() == before


def test_a_request_that_would_leave_the_machine_is_refused_and_noted(
    jupyterlab: JupyterLab,
) -> None:
    attempt = "fetch('http://tiles.invalid/0.png').then(() => 'answered', () => 'refused')"
    assert jupyterlab.page.evaluate(attempt) == "refused"
    assert jupyterlab.outside == ["http://tiles.invalid/0.png"]
