"""Measure how long an explorer's picture takes from key press to repaint, in JupyterLab.

Usage: python benchmarks/ui.py [--only SphereExplorer FigureWidget] [--presses 30]

Opens, one after the other, a notebook with each explorer in JupyterLab in a headless Chromium,
presses an arrow key on each of its sliders, and prints a Markdown table. Beside the explorers
stands a bare plotly FigureWidget: one line of 200 points, moved by an ipywidgets FloatSlider. The
goals for the median until the repaint are 17 ms (one frame) where a table is looked up, and 100 ms
where Python computes.

The clock runs in the page and starts at the key event's time stamp. "script" ends when elements of
the page outside the control have changed, "repaint" when the first frame after that change has been
drawn (a task after requestAnimationFrame). A press that changes nothing within 5 s is an error.
Three presses before the first are not counted. "table s" is the median of 5 times that Python
makes the explorer, once its input is there. At the end stands the playground, in a table of its
own: see `benchmarks/playground.py`.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import numpy as np
import torch
from playwright.sync_api import Browser, Locator, Page
from torch.nn.functional import normalize

from benchmarks import frame, playground
from notebooks import build
from rnsl_tutorial import noise
from rnsl_tutorial.experiments.config import BASELINES, LOSSES
from rnsl_tutorial.tutorial import explorers, plots
from rnsl_tutorial.tutorial.tables import EmbeddingMaps, UmapMaps
from tests.browser.harness import JupyterLab, chromium, chromium_path, lab_server

GOALS_MS = (17, 100)
PLAYGROUND = "Playground"  # see benchmarks/playground.py
UNCOUNTED = 3
PAUSE_MS = 400  # between two presses, so that nothing glides any more
MOST_MS = 5000
MOMENTS = [*range(11), 12, 14, 16, 18, 20, 25, 30, 40]  # epochs, denser where more happens

EXPLORER = """
from benchmarks.ui import explorers_to_measure
explorers_to_measure()[{name!r}]()
"""
FIGURE_WIDGET = """
import ipywidgets, numpy, plotly.graph_objects
x = numpy.linspace(0.005, 1, 200)
figure = plotly.graph_objects.FigureWidget(plotly.graph_objects.Scatter(x=x, y=x))
slider = ipywidgets.FloatSlider(value=0.5, min=0, max=1, step=0.01, description="slope")
def draw(change):
    figure.data[0].y = change["new"] * x
slider.observe(draw, "value")
ipywidgets.VBox([slider, figure])
"""

# Listens to keys, and notes for each [ms until the picture changed, ms until it was repainted].
PROBE = """(root, [picture, control]) => {
    const probe = window.probe = { times: [], pressed: null };
    const isPicture = ({ target }) => {
        const element = target instanceof Element ? target : target.parentElement;
        return element.closest(picture) && !(control && element.closest(control));
    };
    window.addEventListener("keydown", (event) => (probe.pressed = event.timeStamp), true);
    new MutationObserver((changes) => {
        if (probe.pressed === null || !changes.some(isPicture)) return;
        const pressed = probe.pressed;
        const changed = performance.now() - pressed;
        probe.pressed = null;
        requestAnimationFrame(() => {
            const { port1, port2 } = new MessageChannel();
            port1.onmessage = () => probe.times.push([changed, performance.now() - pressed]);
            port2.postMessage(null);
        });
    }).observe(root, { attributes: true, characterData: true, childList: true, subtree: true });
}"""


class Widget(NamedTuple):
    """What is measured: the cell that shows it, and where its parts are found in the page."""

    code: str
    sliders: str
    picture: str
    control: str | None = None


class Reaction(NamedTuple):
    """One slider's times in ms, an entry a press."""

    slider: str
    script: list[float]
    repaint: list[float]


class Weight(NamedTuple):
    """What an explorer costs before it moves: seconds, and bytes that go to the page."""

    table_s: float
    table_bytes: int
    module_bytes: int


# ------------------------------------------------------------------ what is measured


def explorers_to_measure() -> dict[str, Callable[[], explorers.Explorer]]:
    """Return, by the name of its class, how to make each explorer.

    What they show has the size of the notebooks' runs (6,993 images, 40 epochs, 30 classes), and is
    made up where a run would have to be trained first.
    """
    rng = np.random.default_rng(0)
    epochs = 41
    flipped = rng.random(6993) < 0.5
    log_p = _log_p(rng, flipped, epochs)
    kept = np.repeat(log_p[::5], 5, axis=0)[:epochs] > np.log(0.5)
    makers: list[partial[explorers.Explorer]] = [
        partial(explorers.EmbeddingExplorer, EmbeddingMaps.shipped()),
        partial(explorers.SphereExplorer),
        partial(explorers.SphereTrainingExplorer, **_on_the_sphere(epochs)),
        partial(explorers.SpotExplorer),
        partial(explorers.TransitionExplorer, rng.integers(30, size=6993)),
        partial(explorers.LossExplorer),
        partial(
            explorers.GradientShareExplorer,
            {"nsl": log_p[MOMENTS], "rnsl": log_p[MOMENTS]},
            flipped,
            np.arange(256),
            MOMENTS,
        ),
        partial(explorers.DownWeightingExplorer, *_batch(), (0, 1, 5, 40)),
        partial(explorers.QExplorer, **_over_q(rng)),
        partial(explorers.ComparisonExplorer, _comparison(rng)),
        partial(explorers.FineTuningExplorer),
        partial(explorers.TruncationExplorer, log_p[20], flipped),
        partial(explorers.PruningExplorer, log_p, flipped, kept),
        partial(explorers.AuditExplorer, **_audit(rng, flipped)),
        partial(explorers.ClassMarginsExplorer, **_class_margins(rng)),
        partial(explorers.EpochMapsExplorer, UmapMaps.shipped()),
        partial(explorers.UmapSettingsExplorer, UmapMaps.shipped()),
    ]
    return {maker.func.__name__: maker for maker in makers}  # type: ignore[attr-defined]


def _audit(rng: np.random.Generator, wrong: Any) -> dict[str, Any]:
    """What the explorer of an audit takes where wrong labels are known."""
    return {
        "doubt": np.where(wrong, rng.beta(4, 0.7, len(wrong)), rng.beta(0.4, 3, len(wrong))),
        "labels": rng.integers(30, size=len(wrong)),
        "class_names": [f"class {i}" for i in range(30)],
        "wrong": wrong,
        "class_noise": rng.random(30),
    }


def _class_margins(rng: np.random.Generator) -> dict[str, Any]:
    """What the explorer of suffering takes: 45 classes, as in notebook 08."""
    rates = (0.3, 0.5, 0.7)
    matrices = [noise.label_dependent_transition("nwpu45", rate) for rate in rates]
    return {
        "class_names": noise.label_dependent_classes("nwpu45"),
        "rates": rates,
        "predictions": {"the matrix alone": matrices, "matrix and neighbors": matrices},
        "drops": {
            loss: {judge: rng.random((3, 45)) for judge in ("prototype", "knn_noisy", "knn_clean")}
            for loss in ("nsl", "rnsl", "trnsl")
        },
        "about": "made up",
    }


def _log_p(rng: np.random.Generator, flipped: Any, epochs: int) -> Any:
    """Log-probabilities [E, N] in which right labels are believed more and more."""
    margin = rng.normal(-4, 1.5, (epochs, len(flipped)))
    margin += np.linspace(0, 9, epochs)[:, None] * np.where(flipped, 0.2, 1.0)
    return -np.logaddexp(0, -margin).astype(np.float32)


def _on_the_sphere(epochs: int) -> dict[str, Any]:
    rng = torch.Generator().manual_seed(0)
    return {
        "embeddings": normalize(torch.randn(4, epochs, 150, 3, generator=rng), dim=-1),
        "prototypes": normalize(torch.randn(4, epochs, 5, 3, generator=rng), dim=-1),
        "labels": torch.arange(150) % 5,
        "names": ("Beach", "Forest", "Port", "Desert", "Pond"),
        "temperatures": (0.02, 0.05, 0.2, 1.0),
    }


def _comparison(rng: np.random.Generator) -> plots.Comparison:
    """Four metrics, two kinds of noise, five rates and eleven losses, as in notebook 07."""
    names = (*LOSSES, *BASELINES)
    mean, spread = (
        rng.uniform(0.2, 0.9, (4, 2, 5, len(names))),
        np.full((4, 2, 5, len(names)), 0.01),
    )
    difference = mean - mean[..., :1]
    return plots.Comparison(
        metrics=("knn_clean", "knn_noisy", "prototype", "memorized"),
        noises=("symmetric", "label_dependent"),
        rates=(0.0, 0.1, 0.3, 0.5, 0.7),
        losses=names,
        reference=names[0],
        mean=mean,
        spread=spread,
        difference=difference,
        low=difference - spread,
        high=difference + spread,
        seeds=5,
    )


def _batch() -> tuple[torch.Tensor, ...]:
    """Embeddings [M, B, D], prototypes [M, C, D], labels [B], whether they are wrong [B]; M = 4."""
    rng = torch.Generator().manual_seed(0)
    prototypes = normalize(torch.randn(4, 30, 128, generator=rng), dim=-1)
    labels = torch.arange(256) % 30
    noise = torch.randn(4, 256, 128, generator=rng) / 16
    flipped = torch.arange(256) % 2 == 0
    embeddings = normalize(prototypes[:, (labels + flipped.long()) % 30] + noise, dim=-1)
    return embeddings, prototypes, labels, flipped


def _over_q(rng: np.random.Generator) -> dict[str, Any]:
    names = ("accuracy", "accuracy_spread", "memorized", "memorized_spread")
    tables = {name: rng.random((2, 4, 11)) for name in names}
    noises, rates = ("symmetric", "label_dependent"), (0.1, 0.3, 0.5, 0.7)
    return {"noises": noises, "rates": rates, "qs": np.linspace(0, 1, 11), "seeds": 3} | tables


def widgets() -> dict[str, Widget]:
    """Return all that is measured, by name: each explorer, and the bare FigureWidget."""
    found = {
        name: Widget(
            EXPLORER.format(name=name),
            '.rnsl-explorer input[type="range"]',
            ".rnsl-explorer",
            ".rnsl-control",
        )
        for name in explorers_to_measure()
    }
    handle = ".jp-OutputArea .noUi-handle"
    return found | {"FigureWidget": Widget(FIGURE_WIDGET, handle, ".js-plotly-plot .scatterlayer")}


# ------------------------------------------------------------------ measuring


def weigh(make: Callable[[], explorers.Explorer]) -> Weight:
    """Make an explorer five times; say how long that takes, and what goes to the page."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        explorer = make()
        seconds.append(time.perf_counter() - start)
    table = json.dumps(explorer._table, default=lambda data: "x" * len(data))
    module = str(explorer._esm) + str(explorer._css)
    return Weight(statistics.median(seconds), len(table.encode()), len(module.encode()))


def reactions(
    jupyterlab: JupyterLab, name: str, widget: Widget, presses: int
) -> Iterator[Reaction]:
    """Open the notebook of a widget, run it, and measure each of its sliders."""
    page = jupyterlab.page
    jupyterlab.open(f"{name}.ipynb")
    if errors := jupyterlab.run_all():
        raise RuntimeError(f"{name}: {errors}")
    page.locator(widget.picture).first.wait_for()
    page.locator(widget.sliders).first.wait_for()
    page.locator(".jp-Notebook").evaluate(PROBE, [widget.picture, widget.control])
    for slider in page.locator(widget.sliders).all():
        times = list(_times(page, slider, presses))
        script, repaint = (list(column) for column in zip(*times, strict=True))
        yield Reaction(_name(slider), script, repaint)


def _times(page: Page, slider: Locator, presses: int) -> Iterator[tuple[float, float]]:
    slider.scroll_into_view_if_needed()
    for press in range(UNCOUNTED + presses):
        before = page.evaluate("probe.times.length")
        page.wait_for_timeout(PAUSE_MS)
        slider.press(_key(slider, press))
        page.wait_for_function(
            "before => probe.times.length > before", arg=before, polling=50, timeout=MOST_MS
        )
        if press >= UNCOUNTED:
            changed, repainted = page.evaluate("probe.times.at(-1)")
            yield changed, repainted


def _key(slider: Locator, press: int) -> str:
    """To and fro, beginning with the way that is open."""
    low, high, now = slider.evaluate(
        """slider => ["min", "max", "value"].map((name, i) => Number(
            slider[name] ?? slider.getAttribute(`aria-value${["min", "max", "now"][i]}`)
        ))"""
    )
    to_the_right = now < high and (now == low or press % 2 == 0)
    return "ArrowRight" if to_the_right else "ArrowLeft"


def _name(slider: Locator) -> str:
    name: str = slider.evaluate("slider => slider.name || 'value'")
    return name


# ------------------------------------------------------------------ the table


COLUMNS = (
    "explorer", "slider", "n", "script median ms", "repaint median ms", "repaint p90 ms", "table s",
    "table kB", "module kB",
)  # fmt: skip


def row(name: str, reaction: Reaction, weight: Weight) -> tuple[str, ...]:
    """Return one row of the table."""
    return (
        name,
        reaction.slider,
        str(len(reaction.repaint)),
        f"{statistics.median(reaction.script):.1f}",
        f"{statistics.median(reaction.repaint):.1f}",
        f"{np.percentile(reaction.repaint, 90):.1f}",
        f"{weight.table_s:.2f}" if weight.table_bytes else "-",
        f"{weight.table_bytes / 1000:.0f}" if weight.table_bytes else "-",
        f"{weight.module_bytes / 1000:.0f}",
    )


def weight_of(name: str) -> Weight:
    """Return what an explorer, or the bare FigureWidget, costs before it moves."""
    if name != "FigureWidget":
        return weigh(explorers_to_measure()[name])
    import plotly.graph_objects

    return Weight(0, 0, len(str(plotly.graph_objects.FigureWidget._esm).encode()))


def measured(browser: Browser, names: list[str], presses: int) -> Iterator[tuple[str, ...]]:
    """Measure widgets in one JupyterLab; yield the rows of the table."""
    all_widgets = widgets()
    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder) / "notebooks"
        pages.mkdir()
        for name in names:
            cells = [nbformat.v4.new_code_cell(all_widgets[name].code.strip())]
            notebook = nbformat.v4.new_notebook(cells=cells, metadata=build.KERNEL)
            nbformat.write(notebook, pages / f"{name}.ipynb")
        with lab_server(Path(folder), [f"--ServerApp.root_dir={pages}"]) as server:
            for name in names:
                page = browser.new_page(viewport={"width": 1400, "height": 1000})
                weight = weight_of(name)
                opened = JupyterLab(page, server.address)
                for reaction in reactions(opened, name, all_widgets[name], presses):
                    yield row(name, reaction, weight)
                page.close()


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__)
    names = [*widgets(), PLAYGROUND]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--presses", type=int, default=30, help="of each slider, default 30")
    args = parser.parse_args()
    if chromium_path() is None:
        sys.exit("No chromium on the PATH (Debian and Ubuntu: apt install chromium).")
    with chromium() as browser:
        print(
            f"Goals: {GOALS_MS[0]} ms where a table is looked up, {GOALS_MS[1]} ms where Python "
            f"computes. {frame.machine('jupyterlab', 'anywidget', 'plotly')}, Chromium "
            f"{browser.version} without a GPU\n"
        )
        print(frame.header(*COLUMNS), flush=True)
        pressed = [name for name in args.only if name != PLAYGROUND]
        for cells in measured(browser, pressed, args.presses):
            print(frame.row(*cells), flush=True)
        if PLAYGROUND in args.only:
            playground.show(browser)


if __name__ == "__main__":
    main()
