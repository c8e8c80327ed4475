"""The baselines against slow loops, closed forms, the library, autograd, and the extremes."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pytorch_metric_learning import losses as library
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial.experiments import config
from rnsl_tutorial.experiments.config import BASELINES, LOSSES, Config
from rnsl_tutorial.experiments.heads import build_loss
from rnsl_tutorial.training import baselines

B, C, D, T = 12, 5, 8, 0.2
DTYPES = [torch.float32, torch.float64]
PER_IMAGE: dict[str, Callable[..., Tensor]] = {
    "ce": baselines.ce,
    "gce": baselines.gce,
    "sce": lambda *batch: baselines.sce(*batch, temperature=T, alpha=0.3, beta=0.7),
    "nce_rce": lambda *batch: baselines.nce_rce(*batch, temperature=T, alpha=0.3, beta=0.7),
    "label_smoothing": lambda *batch: baselines.label_smoothing(
        *batch, temperature=T, smoothing=0.3
    ),
}
NORMALIZED = ("sce", "nce_rce", "label_smoothing")


def make_batch(dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(B, D, generator=generator, dtype=torch.float64).to(dtype)
    prototypes = torch.randn(C, D, generator=generator, dtype=torch.float64).to(dtype)
    return embeddings, prototypes, torch.randint(C, (B,), generator=generator)


def built(name: str, **settings: Any) -> losses.NormalizedSoftmaxLoss:
    generator = torch.Generator().manual_seed(0)
    return baselines.build_loss(name, C, 100, generator, embedding_dim=D, **settings)


def slow_softmax(x: list[float], prototypes: list[list[float]], normalized: bool) -> list[float]:
    scores = []
    for w in prototypes:
        product = sum(a * b for a, b in zip(x, w, strict=True))
        length = math.hypot(*x) * math.hypot(*w) * T if normalized else 1.0
        scores.append(math.exp(product / length))
    return [score / sum(scores) for score in scores]


def slow(name: str, embeddings: Tensor, prototypes: Tensor, labels: Tensor) -> list[float]:
    """Each image's loss, number by number, from the equations of the papers."""
    found = []
    for x, y in zip(embeddings.tolist(), labels.tolist(), strict=True):
        p = slow_softmax(x, prototypes.tolist(), name in NORMALIZED)
        one_hot_logs = [0.0 if c == y else -4.0 for c in range(C)]
        reverse = -sum(p_c * log for p_c, log in zip(p, one_hot_logs, strict=True))
        found.append(
            {
                "ce": -math.log(p[y]),
                "gce": (1 - p[y] ** 0.7) / 0.7,
                "sce": -0.3 * math.log(p[y]) + 0.7 * reverse,
                "nce_rce": 0.3 * math.log(p[y]) / sum(map(math.log, p)) + 0.7 * reverse,
                "label_smoothing": -sum(
                    (0.7 * (c == y) + 0.3 / C) * math.log(p_c) for c, p_c in enumerate(p)
                ),
            }[name]
        )
    return found


# ------------------------------------------------------------------ values and gradients


@pytest.mark.parametrize("name", PER_IMAGE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_equal_the_slow_loop(name: str, dtype: torch.dtype) -> None:
    batch = make_batch(dtype)
    found = PER_IMAGE[name](*batch)
    assert found.dtype == dtype
    loose = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {}
    torch.testing.assert_close(found, torch.tensor(slow(name, *batch), dtype=dtype), **loose)


@pytest.mark.parametrize("name", PER_IMAGE)
def test_gradients_equal_finite_differences(name: str) -> None:
    embeddings, prototypes, labels = make_batch()
    inputs = (embeddings.requires_grad_(), prototypes.requires_grad_())
    assert torch.autograd.gradcheck(lambda x, w: PER_IMAGE[name](x, w, labels), inputs)


def test_gce_is_rnsl_where_lengths_and_temperature_are_those_of_the_sphere() -> None:
    embeddings, prototypes, labels = make_batch()
    x = torch.nn.functional.normalize(embeddings) / T
    w = torch.nn.functional.normalize(prototypes)
    expected = losses.rnsl(embeddings, prototypes, labels, q=0.7, temperature=T)
    torch.testing.assert_close(baselines.gce(x, w, labels, q=0.7), expected)
    assert not torch.allclose(baselines.gce(embeddings, prototypes, labels), expected)


def test_the_robust_ones_contain_nsl_and_mean_absolute_error() -> None:
    batch = make_batch()
    nsl, absolute = losses.nsl(*batch, temperature=T), losses.rnsl(*batch, q=1.0, temperature=T)
    at = {"temperature": T}
    torch.testing.assert_close(baselines.sce(*batch, alpha=1.0, beta=0.0, **at), nsl)
    torch.testing.assert_close(baselines.sce(*batch, alpha=0.0, beta=1.0, **at), 4 * absolute)
    torch.testing.assert_close(baselines.nce_rce(*batch, alpha=0.0, beta=1.0, **at), 4 * absolute)
    shares = torch.stack(
        [
            baselines.nce_rce(batch[0], batch[1], torch.full((B,), c), alpha=1.0, beta=0.0, **at)
            for c in range(C)
        ]
    )
    torch.testing.assert_close(shares.sum(dim=0), torch.ones(B, dtype=torch.float64))


@pytest.mark.parametrize("name", PER_IMAGE)
@pytest.mark.parametrize("cosine", [-1.0, 1.0])
def test_extremes_stay_finite(name: str, cosine: float) -> None:
    """p that underflows, or is 1 to the last bit: embeddings of length 1000, T = 0.005."""
    x = (1000 * torch.eye(2)[:1] * cosine).requires_grad_()
    w = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    settings = {"temperature": 0.005} if name in NORMALIZED else {}
    settings |= {"smoothing": 0.0} if name == "label_smoothing" else {}
    value = getattr(baselines, name)(x, w, torch.zeros(1, dtype=torch.long), **settings)
    gradients = torch.autograd.grad(value.sum(), (x, w))
    assert value.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert (value > 0.9 if cosine < 0 else value.abs() < 1e-6).all()


def test_arcface_stays_finite_where_images_lie_on_their_prototypes() -> None:
    drawn = torch.Generator().manual_seed(0)
    loss = baselines.build_loss("arcface", 5, 100, drawn, embedding_dim=8)
    for sign in (1, -1):
        embeddings = sign * torch.nn.functional.normalize(loss.prototypes.detach())
        loss.zero_grad()
        loss(embeddings.requires_grad_(), torch.arange(5)).backward()
        for tensor in (embeddings, loss.prototypes):
            assert tensor.grad is not None
            assert tensor.grad.isfinite().all()


@pytest.mark.parametrize("name", BASELINES)
def test_half_precision_is_raised(name: str) -> None:
    half, whole = (built(name, temperature=0.07) for _ in range(2))
    embeddings, _, labels = make_batch(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = half(embeddings.bfloat16(), labels, torch.arange(B))
    assert found.dtype == torch.float32
    expected = whole(embeddings.bfloat16().float(), labels, torch.arange(B))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda batch: baselines.gce(*batch, q=0.0), "q is 0.0"),
        (lambda batch: baselines.sce(*batch, alpha=-1.0), "alpha is -1.0; a weight must"),
        (lambda batch: baselines.nce_rce(*batch, beta=math.nan), "beta is nan"),
        (lambda batch: baselines.sce(*batch, temperature=0.0), "temperature is 0"),
        (lambda batch: baselines.build_loss("ce", C, D, recipe={"weight": 0.0}), "weight is 0.0"),
        (lambda batch: baselines.label_smoothing(*batch, smoothing=1.5), "smoothing is 1.5"),
        (
            lambda _: baselines.build_loss("prism", C, D, recipe={"noise_rate": 1.0}),
            r"noise_rate is 1.0; it must lie in \[0, 1\)",
        ),
        (lambda _: baselines.build_loss("elr", C, D, recipe={"momentum": 1.0}), "momentum is 1.0"),
        (lambda _: baselines.build_loss("elr", C, D, recipe={"strength": -1.0}), "strength is -1"),
        (lambda batch: built("elr")(batch[0], batch[2]), "elr follows each image; call it as"),
        (lambda batch: built("prism")(batch[0], batch[2]), "prism follows each image; call it as"),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[..., object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(make_batch())


# ------------------------------------------------------------------ the library's


def made_by_the_library(name: str) -> library.BaseMetricLossFunction:
    recipe = {key: value for key, value in baselines.RECIPES[name].items() if key != "weight"}
    if name == "supcon":
        return library.SupConLoss(**recipe)
    made = {
        "proxy_anchor": library.ProxyAnchorLoss,
        "arcface": library.ArcFaceLoss,
        "subcenter_arcface": library.SubCenterArcFaceLoss,
    }[name]
    with torch.random.fork_rng():
        return made(num_classes=C, embedding_size=D, **recipe)


@pytest.mark.parametrize("name", ["proxy_anchor", "arcface", "subcenter_arcface", "supcon"])
def test_the_librarys_losses_are_called_as_they_are(name: str) -> None:
    loss = built(name, temperature=0.07)
    embeddings, _, labels = make_batch(torch.float32)
    reference, prototypes = made_by_the_library(name), loss.prototypes.detach()
    if name == "proxy_anchor":
        reference.proxies.data = prototypes.clone()
    elif name == "arcface":
        reference.W.data = prototypes.T.clone()
    elif name == "subcenter_arcface":
        reference.W.data = loss.centers.detach().T.clone()
    ours, theirs = (embeddings.clone().requires_grad_() for _ in range(2))
    value, expected = loss(ours, labels), loss.weight * reference(theirs, labels)
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    if name == "proxy_anchor":
        torch.testing.assert_close(loss.prototypes.grad, reference.proxies.grad)
    elif name == "arcface":
        torch.testing.assert_close(loss.prototypes.grad, reference.W.grad.T)
    elif name == "subcenter_arcface":
        torch.testing.assert_close(loss.centers.grad, reference.W.grad.T)
        assert not loss.prototypes.requires_grad
    else:
        assert loss.prototypes.grad is None
        assert not loss.prototypes.requires_grad


def test_class_means_follow_the_labels_that_are_given() -> None:
    embeddings = torch.eye(3)[[0, 0, 1, 2]]
    found = baselines.class_means(embeddings, torch.tensor([0, 0, 0, 2]), 4)
    expected = torch.tensor([[2, 1, 0], [0, 0, 0], [0, 0, 5**0.5], [0, 0, 0]]) / 5**0.5
    torch.testing.assert_close(found, expected)


def test_the_prototypes_of_sub_centers_are_those_that_most_images_chose() -> None:
    loss = built("subcenter_arcface")
    centers_CKD = torch.nn.functional.normalize(loss.centers.detach(), dim=1).reshape(C, 3, D)
    for chosen in (2, 2, 0):
        loss(centers_CKD[:, chosen], torch.arange(C))
    torch.testing.assert_close(loss.prototypes.detach(), centers_CKD[:, 2])
    for _ in range(2):
        loss(centers_CKD[:, 0], torch.arange(C))
    torch.testing.assert_close(loss.prototypes.detach(), centers_CKD[:, 0])


# ------------------------------------------------------------------ those that follow each image


def followed(name: str, **recipe: float) -> tuple[losses.NormalizedSoftmaxLoss, Tensor]:
    """A loss over 3 B images, and the batches in which they come: each image twice."""
    generator = torch.Generator().manual_seed(1)
    loss = baselines.build_loss(
        name, C, 3 * B, torch.Generator().manual_seed(0), embedding_dim=D, temperature=T,
        recipe=recipe,
    ).double()  # fmt: skip
    orders = [torch.randperm(3 * B, generator=generator) for _ in range(2)]
    return loss, torch.cat(orders).reshape(-1, B)


def test_elr_by_a_slow_loop() -> None:
    loss, batches = followed("elr", strength=2.0, momentum=0.6, weight=0.5)
    targets = [[0.0] * C for _ in range(3 * B)]
    for step, places in enumerate(batches):
        embeddings, _, labels = make_batch(seed=step)
        expected = []
        for x, y, i in zip(embeddings.tolist(), labels.tolist(), places.tolist(), strict=True):
            p = slow_softmax(x, loss.prototypes.tolist(), normalized=True)
            held = [min(max(p_c, 1e-4), 1 - 1e-4) for p_c in p]
            targets[i] = [
                0.6 * t + 0.4 * p_c / sum(held) for t, p_c in zip(targets[i], held, strict=True)
            ]
            agreement = sum(t * p_c for t, p_c in zip(targets[i], held, strict=True))
            expected.append(-math.log(p[y]) + 2.0 * math.log(1 - agreement))
        found = loss(embeddings, labels, places)
        torch.testing.assert_close(found.item(), 0.5 * sum(expected) / B)
    torch.testing.assert_close(loss.targets, torch.tensor(targets, dtype=torch.float64))


def test_elr_pulls_towards_what_was_said_before() -> None:
    """Without the label's term: the gradient raises p of the class that t believes in."""
    loss, _ = followed("elr", strength=5.0, momentum=0.9)
    places, labels = torch.arange(1), torch.tensor([1])
    loss.targets[0] = torch.eye(C)[3].double()
    embeddings = make_batch()[0][:1].requires_grad_()
    plain = losses.nsl(embeddings, loss.prototypes, labels, temperature=T)
    pull = loss(embeddings, labels, places) - plain.sum()
    (gradient,) = torch.autograd.grad(pull, embeddings)
    with torch.no_grad():
        before, after = (
            losses.class_log_probabilities(x, loss.prototypes, T)[0, 3]
            for x in (embeddings, embeddings - 1e-3 * gradient)
        )
    assert after > before


def test_prism_by_a_slow_loop() -> None:
    loss, batches = followed("prism", noise_rate=0.25, window=2, weight=2.0)
    memory: dict[int, tuple[Tensor, int]] = {}
    quantiles: list[float] = []
    filtered = 0
    for step, places in enumerate(batches):
        embeddings, _, labels = make_batch(seed=step)
        x = torch.nn.functional.normalize(embeddings)
        means = [
            torch.stack(of).mean(dim=0) if of else None
            for of in ([v for v, y in memory.values() if y == c] for c in range(C))
        ]
        clean = [True] * B
        if all(mean is not None for mean in means):
            scores = torch.stack([x @ mean for mean in means], dim=1).softmax(dim=1)
            p = [scores[i, y].item() for i, y in enumerate(labels.tolist())]
            quantiles = [sorted_quantile(p, 0.25), *quantiles][:2]
            clean = [value > sum(quantiles) / len(quantiles) for value in p]
            filtered += B - sum(clean)
        one = losses.nsl(embeddings, loss.prototypes, labels, temperature=T)
        expected = sum(value.item() for value, kept in zip(one, clean, strict=True) if kept)
        found = loss(embeddings, labels, places).item()
        torch.testing.assert_close(found, 2.0 * expected / sum(clean))
        for i, v, y, kept in zip(places.tolist(), x, labels.tolist(), clean, strict=True):
            memory.pop(i, None)
            if kept:
                memory[i] = (v, y)
    assert filtered >= B, "the filter is at work in several batches"
    assert [i for i, y in enumerate(loss.remembered.tolist()) if y >= 0] == sorted(memory)


def sorted_quantile(values: list[float], share: float) -> float:
    place = share * (len(values) - 1)
    low = sorted(values)[math.floor(place)]
    return low + (place % 1) * (sorted(values)[math.ceil(place)] - low)


@pytest.mark.parametrize("name", baselines._FOLLOWING)
def test_what_is_remembered_is_saved_with_the_weights(name: str) -> None:
    loss, batches = followed(name)
    embeddings, _, labels = make_batch()
    for places in batches:
        loss(embeddings, labels, places)
    again, _ = followed(name)
    again.load_state_dict(loss.state_dict())
    torch.testing.assert_close(
        again(embeddings, labels, batches[0]), loss(embeddings, labels, batches[0])
    )


# ------------------------------------------------------------------ by name


def test_every_name_is_built_with_its_recipe_and_drawn_as_the_papers() -> None:
    assert set(baselines.RECIPES) == set(BASELINES)
    state = torch.get_rng_state()
    for name in BASELINES:
        made = Config(loss=name, embedding_dim=D)
        loss = build_loss(made, C, 100, torch.Generator().manual_seed(3))
        nsl = build_loss(
            Config(loss="nsl", embedding_dim=D), C, 100, torch.Generator().manual_seed(3)
        )
        assert torch.equal(loss.prototypes, nsl.prototypes)
        assert loss.weight == baselines.RECIPES[name]["weight"]
        trained = [parameter for parameter in loss.parameters() if parameter.requires_grad]
        assert len(trained) == (0 if name == "supcon" else 1)
    assert torch.equal(torch.get_rng_state(), state), "nothing is drawn from the global generator"


def test_the_weight_multiplies_the_loss() -> None:
    embeddings, _, labels = make_batch(torch.float32)
    for name in BASELINES:
        once, thrice = (
            built(name, recipe={"weight": weight})(embeddings, labels, torch.arange(B))
            for weight in (1.0, 3.0)
        )
        torch.testing.assert_close(thrice, 3 * once)


def test_an_unknown_name_gives_the_list() -> None:
    listed = ", ".join((*LOSSES, *BASELINES))
    known = f"{listed}, {', '.join(config.WITHOUT_LOSS)}"
    for name in ("focal", "own:", "own", "own:a/b"):
        with pytest.raises(ValueError, match=f"loss is '{name}'; it must be one of {known}, or"):
            Config(loss=name)
    with pytest.raises(ValueError, match=f"no loss 'focal'; choose from {listed}"):
        baselines.build_loss("focal", C, 100)
    with pytest.raises(ValueError, match="a loss of your own; hand the function"):
        build_loss(Config(loss="own:mine"), C, 100)


def test_what_has_no_prototypes_is_refused_on_pixels() -> None:
    for name in config._UNPROTOTYPED:
        with pytest.raises(ValueError, match=f"{name!r} has no prototypes"):
            config.from_preset("laptop", loss=name)
    with pytest.raises(ValueError, match="'nsl_stopped' is for heads; a network on pixels"):
        config.from_preset("laptop", loss="nsl_stopped")
    assert config.from_preset("laptop", loss="gce").loss == "gce"


@pytest.mark.parametrize("name", ["proxy_anchor", "arcface", "subcenter_arcface"])
def test_what_gives_way_to_the_prototypes_is_finite_whatever_the_memory_held(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = torch.Tensor.__new__

    def dirty(kind: type, *sizes: Any) -> Tensor:
        found: Tensor = made(kind, *sizes)
        return found.fill_(torch.nan) if found.is_floating_point() else found

    monkeypatch.setattr(torch, "Tensor", type("Tensor", (Tensor,), {"__new__": dirty}))
    loss = baselines.build_loss(name, 3, 10, embedding_dim=4, temperature=0.1)
    assert all(weight.isfinite().all() for weight in loss.parameters())
