"""All explorers on one page, one a screen: which they are, in which order, and what each asks.

`EXPLORERS` is the one list of them: the page, the site and its start page are made from it.
"""

import html
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import anywidget
import numpy as np
import torch

from rnsl_tutorial import experiments, noise
from rnsl_tutorial._files import shipped
from rnsl_tutorial.experiments import class_accuracy, differences
from rnsl_tutorial.tutorial import explorers
from rnsl_tutorial.tutorial.explorers import page
from rnsl_tutorial.tutorial.explorers.base import static
from rnsl_tutorial.tutorial.tables import EmbeddingMaps, FollowedRuns, UmapMaps

__all__ = ["EXPLORERS", "all_html"]

_MOMENTS = [*range(11), 12, 14, 16, 18, 20, 25, 30, 40]  # epochs, denser where more happens
_runs = cache(FollowedRuns.shipped)
_umaps = cache(UmapMaps.shipped)


class _Place(NamedTuple):
    """An explorer on the page.

    Attributes:
        name: its address there, after ``#``.
        notebook: the number of the notebook that explains it.
        question: the title of its screen.
        advice: what to try first, as HTML.
        make: returns it, on what comes with the package.
        tied: a value that it shares with the others that name the same one.
    """

    name: str
    notebook: str
    question: str
    advice: str
    make: Callable[[], anywidget.AnyWidget]
    tied: str = ""


def _sphere_training() -> anywidget.AnyWidget:
    runs = _runs()
    return explorers.SphereTrainingExplorer(
        runs.sphere_embeddings,
        runs.sphere_prototypes,
        runs.sphere_labels,
        runs.sphere_classes,
        runs.temperatures,
    )


def _gradient_share() -> anywidget.AnyWidget:
    runs = _runs()
    log_p = {loss: runs.log_p_of(loss)[_MOMENTS] for loss in ("nsl", "rnsl")}
    return explorers.GradientShareExplorer(
        log_p, runs.flipped, runs.batch, _MOMENTS, loss="nsl", epoch=5
    )


def _down_weighting() -> anywidget.AnyWidget:
    runs = _runs()
    return explorers.DownWeightingExplorer(
        torch.from_numpy(runs.embeddings).float(),
        torch.from_numpy(runs.prototypes).float(),
        torch.from_numpy(runs.given[runs.batch]).long(),
        torch.from_numpy(runs.flipped[runs.batch]),
        runs.moments,
        epoch=10,
    )


def _pruning() -> anywidget.AnyWidget:
    runs = _runs()
    log_p = runs.log_p_of("trnsl")
    return explorers.PruningExplorer(log_p, runs.flipped, runs.kept, epoch=1, k=0.5)


def _measured(name: str) -> Any:
    return experiments.load_results(shipped("data", "results", name, "results.json")).results


def _comparison() -> anywidget.AnyWidget:
    compared = differences.compare(_measured("aid") + _measured("aid_baselines"), "rnsl")
    return explorers.ComparisonExplorer(compared, rate=0.5, loss="ce")


def _class_margins() -> anywidget.AnyWidget:
    runs, results = _runs(), _measured("nwpu45_stand_in")
    rates, names = (0.3, 0.5, 0.7), noise.label_dependent_classes("nwpu45")
    matrices = np.stack([noise.label_dependent_transition("nwpu45", rate) for rate in rates])

    def drops(loss: str, judge: str) -> Any:
        of_rate = [
            class_accuracy.accuracies(results, names, loss, rate, judge).mean(0)
            for rate in (0.0, *rates)
        ]
        return of_rate[0] - np.array(of_rate[1:])

    return explorers.ClassMarginsExplorer(
        names,
        rates,
        {"the matrix alone": matrices, "matrix and neighbours": runs.neighborhoods @ matrices},
        {loss: {by: drops(loss, by) for by in class_accuracy.JUDGES} for loss in runs.losses},
        about="stand-in for NWPU45",
        rate=0.5,
        loss="rnsl",
        row="thermal_power_station",
    )  # fmt: skip


def _audit() -> anywidget.AnyWidget:
    runs = _runs()
    return explorers.AuditExplorer(
        runs.doubt,
        runs.audited,
        _umaps().class_names,
        wrong=runs.wrong,
        estimate=runs.estimate,
        class_noise=runs.class_noise,
    )


EXPLORERS = (
    _Place(
        "playground",
        "00",
        "Who learns the wrong labels by heart?",
        "Press <b>play</b>: two losses train here, in the page, on the same points. Flip labels, "
        "paint points, choose one of the sentences.",
        lambda: explorers.Playground(),
    ),
    _Place(
        "embedding",
        "00",
        "What do wrong labels do to an embedding?",
        "Move the share of <b>wrong labels</b>. Crosses are images that no longer lie among their "
        "own class. Then change the <b>loss</b>.",
        lambda: explorers.EmbeddingExplorer(EmbeddingMaps.shipped(), rate=0.5),
    ),
    _Place(
        "sphere",
        "01",
        "What does the normalized softmax loss pull and push?",
        "Move the image by its <b>angle</b>, or drag it. At a small <b>temperature</b> only the "
        "nearest rival pushes.",
        lambda: explorers.SphereExplorer(temperature=0.05, angle=50),
    ),
    _Place(
        "sphere-training",
        "01",
        "Where do images come to lie?",
        "Press <b>play</b>, once for each <b>temperature</b>. At 0.05 the classes part and stay "
        "far from their prototypes; at 1 they gather around them.",
        _sphere_training,
    ),
    _Place(
        "transition",
        "02",
        "When is a class lost for good?",
        "Move the <b>noise rate</b> to 70%. A class is lost where one wrong label is more frequent "
        "than the right one: its bar passes the dashed line.",
        lambda: explorers.TransitionExplorer(_runs().labels, rate=0.5, row="Bridge"),
    ),
    _Place(
        "losses",
        "03",
        "How hard does an image pull?",
        "Move the <b>marked image</b> to <i>p</i> = 0.01: NSL pulls there with all its strength, "
        "RNSL hardly. Then move <b>q</b> to 0 and to 1.",
        lambda: explorers.LossExplorer(),
    ),
    _Place(
        "gradient-share",
        "03",
        "Who steers the prototypes?",
        "Half of the labels are wrong. Press <b>play</b> and watch which share of the pull comes "
        "from them, then measure with another <b>q</b>.",
        _gradient_share,
        tied="q",
    ),
    _Place(
        "accuracy-over-q",
        "04",
        "Which q is best?",
        "Move <b>wrong labels</b>. At the left end the network memorizes them, at the right end it "
        "learns too little.",
        lambda: explorers.QExplorer(**experiments.shipped_over_q()._asdict(), q=0, rate=0.5),
    ),
    _Place(
        "down-weighting",
        "04",
        "Who is heard, at which q and temperature?",
        "Press on the map, or move <b>q</b> and <b>temperature</b>. Where the map is dark wrong "
        "labels are hardly heard. This q and that of “Who steers the prototypes?” move together.",
        _down_weighting,
        tied="q",
    ),
    _Place(
        "truncation",
        "05",
        "What does the truncated loss cut off?",
        "Drag the <b>threshold k</b>. Images in the grey part are left out. Look at precision and "
        "recall: where do they change fast? This k and that of the next explorer move together.",
        lambda: explorers.TruncationExplorer(_runs().log_p_of("trnsl")[20], _runs().flipped, k=0.5),
        tied="k",
    ),
    _Place(
        "pruning",
        "05",
        "When to choose which images to leave out?",
        "Press <b>play</b>. First nearly everybody would be left out; then the right labels pass "
        "the threshold.",
        _pruning,
        tied="k",
    ),
    _Place(
        "comparison",
        "07",
        "Which losses differ from RNSL?",
        "Move <b>wrong labels</b>, then choose the <b>loss that stands out</b>. Where an interval "
        "holds 0, five seeds cannot tell the two apart.",
        _comparison,
    ),
    _Place(
        "fine-tuning",
        "07",
        "What does each epoch of fine-tuning do?",
        "Move <b>after epoch</b>: a pretrained network is trained on wrong labels, and a plain "
        "loss destroys what it knew. Then choose other <b>wrong labels</b>.",
        lambda: explorers.FineTuningExplorer(),
    ),
    _Place(
        "class-margins",
        "08",
        "Which classes suffer?",
        "Each dot is a class: left is predicted to suffer, high has suffered. Move the <b>noise "
        "rate</b>, then change <b>predicted from</b>. The 45 classes of NWPU-RESISC45 are played "
        "by images of AID.",
        _class_margins,
    ),
    _Place(
        "maps-over-epochs",
        "09",
        "What may one read from a UMAP picture?",
        "Press <b>play</b>, then colour by the given label, and set the <b>crosses</b> to the "
        "wrong labels. Drag a rectangle to follow a cluster from one loss to the next.",
        lambda: explorers.EpochMapsExplorer(_umaps(), epoch=0),
    ),
    _Place(
        "umap-settings",
        "09",
        "How much do the settings of UMAP decide?",
        "Move <b>n_neighbors</b> and <b>min_dist</b>, and compare with PCA. Point at an image: "
        "lines join it with its nearest neighbours in 128 dimensions.",
        lambda: explorers.UmapSettingsExplorer(_umaps(), n_neighbors=15, min_dist=0.1),
    ),
    _Place(
        "audit",
        "10",
        "Which labels in an archive are wrong?",
        "Move the <b>threshold</b>: fewer images are flagged, and more of those are wrong. What "
        "the audit estimates stands beside the truth.",
        _audit,
    ),
)
"""The explorers of the page, in the order of the notebooks that explain them."""


@cache
def _models() -> dict[str, page.Model]:
    """The models of all explorers, by name."""
    return {place.name: page.model(place.make().get_state()) for place in EXPLORERS}


def all_html() -> str:
    """Return the page of all explorers, on what comes with the package.

    It needs no kernel and asks nobody for anything, opened from a server or as a file. Only the
    explorer in view is made alive; ``#NAME`` in its address names it.
    """
    shown = _models()
    return _PAGE.format(
        policy=_POLICY,
        styles="\n".join([page.style_sheet(shown.values()), static("one_page.css")]),
        sections="\n".join(map(_section, EXPLORERS)),
        scripts=page.scripts(shown, then=static("one_page.js")),
    )


def _section(place: _Place) -> str:
    return f"""
<section id="{place.name}" data-notebook="{place.notebook}" data-tied="{place.tied}" hidden>
<h1>{html.escape(place.question)}</h1>
<p>{place.advice} Explained in notebook {place.notebook}.</p>
{page.mount(place.name)}
</section>"""


_POLICY = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
style-src 'unsafe-inline'; script-src 'unsafe-inline' data: blob:; worker-src blob:; \
img-src data: blob:">"""
"""Such a page asks nobody for anything."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
{policy}
<link rel="icon" href="data:,">
<title>Learning from wrong labels</title>
<style>
{styles}
</style>
</head>
<body>
<nav aria-label="Explorers">
<button type="button" data-step="-1" aria-label="Explorer before">◀</button>
<select aria-label="Explorer"></select>
<button type="button" data-step="1" aria-label="Next explorer">▶</button>
<button type="button" class="theme" aria-label="Light or dark">◐</button>
</nav>
<main>
<noscript>The explorers move by JavaScript, which this browser does not run.</noscript>
{sections}
</main>
{scripts}
</body>
</html>
"""
