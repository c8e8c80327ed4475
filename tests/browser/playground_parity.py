"""The playground's engine in a page, and the same computed by torch in float64."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page
from torch import Tensor, nn

from rnsl_tutorial import losses
from rnsl_tutorial.tutorial.playground import widget

BATCH = 100
Case = dict[str, Any]

# One pass of the engine over given parameters, points, labels and mask.
PASS = """cases => cases.map(({ points, labels, parameters, kept, settings, chosen }) => {
    const { Run } = window.lab;
    const labelled = { labels: Uint8Array.from(labels), truth: Uint8Array.from(labels) };
    const data = { points: Float64Array.from(points), ...labelled };
    const run = new Run(data, data, settings);
    run.parameters.set(parameters);
    run.forward(run.train);
    if (chosen) run.choose();
    else run.kept.set(kept);
    const loss = run.measureLosses();
    run.backward();
    const [losses, gradient, mask] = [run.losses, run.gradient, run.kept].map((a) => Array.from(a));
    return { loss, losses, gradient, kept: mask };
})"""

# A training: what it starts from, and what it comes to.
TRAINING = """({ settings, steps }) => {
    const { begin } = window.lab;
    const run = begin(settings);
    const copy = (values) => Array.from(values);
    const from = copy(run.parameters);
    const curve = [];
    for (let i = 0; i < steps; i++) {
        run.advance();
        curve.push(run.measureLosses());
    }
    const given = { points: copy(run.points), labels: copy(run.labels) };
    return { ...given, from, to: copy(run.parameters), curve, kept: copy(run.kept) };
}"""


@contextmanager
def engine_in(browser: Browser) -> Iterator[Page]:
    """A page with the engine in it."""
    page = browser.new_page()
    text = widget._static("engine.js").replace("export function", "function", 1)
    page.add_script_tag(content=text)
    page.evaluate("window.lab = engine(), null")
    yield page
    page.close()


class Network(nn.Module):
    """The same network in torch, with the library's own loss."""

    def __init__(self, parameters: NDArray[np.float64], settings: Case, n: int) -> None:
        super().__init__()
        hidden, classes = settings["hidden"], settings["classes"]
        self.first, self.second = nn.Linear(2, hidden), nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, 3)
        self.loss = _loss(settings, classes, n)
        self.double()
        flat = torch.from_numpy(parameters)
        for parameter in self.ordered():
            values, flat = flat[: parameter.numel()], flat[parameter.numel() :]
            parameter.data.copy_(values.view_as(parameter))
        assert not flat.numel()

    def ordered(self) -> list[nn.Parameter]:
        layers = [self.first, self.second, self.last]
        return [*(p for layer in layers for p in layer.parameters()), self.loss.prototypes]

    def forward(self, points: Tensor) -> Tensor:
        out: Tensor = self.last(self.second(self.first(points).sin()).relu())
        return out

    def flat(self, *, gradients: bool = False) -> NDArray[np.float64]:
        values = [p.grad if gradients else p.data for p in self.ordered()]
        return torch.cat([v.flatten() for v in values if v is not None]).numpy()


def _loss(settings: Case, classes: int, n: int) -> losses.NormalizedSoftmaxLoss:
    name, temperature, q = settings["loss"], settings["T"], settings["q"]
    if name == "nsl":
        return losses.NormalizedSoftmaxLoss(classes, 3, temperature)
    if name == "rnsl":
        return losses.RobustNormalizedSoftmaxLoss(classes, 3, temperature, q)
    return losses.TruncatedRobustNormalizedSoftmaxLoss(classes, 3, n, temperature, q, settings["k"])


# ------------------------------------------------------------------ one pass


def random_case(rng: np.random.Generator) -> Case:
    """Anything that a learner could bring about, and what only the address could: extremes too."""
    n, classes, hidden = int(rng.integers(1, 10)), int(rng.integers(2, 9)), int(rng.integers(1, 9))
    count = 4 * hidden + hidden * hidden + 3 * hidden + 3 + 3 * classes
    parameters = rng.normal(size=count) * 10 ** rng.uniform(-2, 1)
    if rng.random() < 0.05:
        parameters[-3 * classes - 3 * hidden - 3 :] = 0  # embeddings and prototypes of length 0
    settings = {
        "loss": str(rng.choice(["nsl", "rnsl", "trnsl"])),
        "q": float(rng.choice([1e-30, 1e-6, rng.uniform(0.01, 1), 0.7, 1.0])),
        "k": float(rng.choice([0.0, 1e-9, rng.uniform(0, 1), 1 - 1e-9])),
        "T": float(rng.choice([1e-4, 0.05, 1e3, 10 ** rng.uniform(-3, 1)])),
        "hidden": hidden,
        "classes": classes,
        "waves": 1,
        "seed": 0,
    }
    return {
        "points": rng.normal(size=2 * n).tolist(),
        "labels": rng.integers(classes, size=n).tolist(),
        "parameters": parameters.tolist(),
        "kept": rng.integers(2, size=n).tolist() if settings["loss"] == "trnsl" else [1] * n,
        "chosen": settings["loss"] == "trnsl" and bool(rng.random() < 0.5),
        "settings": settings,
    }


def by_torch(case: Case) -> Case:
    points = torch.tensor(case["points"], dtype=torch.float64).view(-1, 2)
    labels, places = torch.tensor(case["labels"]), torch.arange(len(points))
    network = Network(np.array(case["parameters"]), case["settings"], len(points))
    embeddings = network(points)
    kept = torch.ones(len(points), dtype=torch.bool)
    if isinstance(network.loss, losses.TruncatedRobustNormalizedSoftmaxLoss):
        network.loss.kept = torch.tensor(case["kept"], dtype=torch.bool)
        if case["chosen"]:
            network.loss.update_kept(embeddings, labels)
        kept = network.loss.kept
    values = network.loss.per_image(embeddings, labels, places)
    values.mean().backward()
    return {
        "loss": values.mean().item(),
        "losses": values.detach().numpy(),
        "gradient": network.flat(gradients=True),
        "kept": kept.long().tolist(),
    }


def error(found: Any, wanted: Any) -> float:
    """The largest difference, relative to the largest wanted value where that is above 1."""
    wanted = np.atleast_1d(wanted)
    return float(np.abs(np.atleast_1d(found) - wanted).max() / max(1.0, np.abs(wanted).max()))


def parity(lab: Page, cases: int, seed: int) -> dict[str, float]:
    """The largest error of loss, losses and gradients over random cases."""
    rng = np.random.default_rng(seed)
    worst = dict.fromkeys(("loss", "losses", "gradient"), 0.0)
    for _ in range(0, cases, BATCH):
        batch = [random_case(rng) for _ in range(BATCH)]
        for case, found in zip(batch, lab.evaluate(PASS, batch), strict=True):
            wanted = by_torch(case)
            assert found["kept"] == wanted["kept"], case
            for name in worst:
                found_error = error(found[name], wanted[name])
                assert found_error <= 1e-9, (name, found_error, case)
                worst[name] = max(worst[name], found_error)
    return worst


# ------------------------------------------------------------------ a training


def trained_by_torch(found: Case, settings: Case, steps: int) -> tuple[Network, list[float]]:
    points = torch.tensor(found["points"], dtype=torch.float64).view(-1, 2)
    labels, places = torch.tensor(found["labels"]), torch.arange(len(found["labels"]))
    network = Network(np.array(found["from"]), settings, len(points))
    sgd = torch.optim.SGD(
        network.parameters(),
        lr=settings["lr"],
        momentum=settings["momentum"],
        weight_decay=settings["decay"],
    )
    curve = []
    for step in range(steps):
        embeddings = network(points)
        due = step >= settings["start"] and (step - settings["start"]) % settings["every"] == 0
        if isinstance(network.loss, losses.TruncatedRobustNormalizedSoftmaxLoss) and due:
            network.loss.update_kept(embeddings.detach(), labels)
        loss = network.loss(embeddings, labels, places)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        curve.append(loss.item())
    return network, curve


def presets(lab: Page) -> list[Case]:
    found: list[Case] = lab.evaluate("window.lab.presets")
    return found


def settings_of(lab: Page, preset: Case, which: str, **changes: Any) -> Case:
    defaults: Case = lab.evaluate("window.lab.DEFAULTS")
    return defaults | preset.get("shared", {}) | preset[which] | changes


def training_error(lab: Page, settings: Case, steps: int) -> float:
    """The largest error of losses and parameters over a training."""
    found = lab.evaluate(TRAINING, {"settings": settings, "steps": steps})
    network, curve = trained_by_torch(found, settings, steps)
    if isinstance(network.loss, losses.TruncatedRobustNormalizedSoftmaxLoss):
        assert found["kept"] == network.loss.kept.long().tolist()
    return max(error(found["curve"], curve), error(found["to"], network.flat()))
