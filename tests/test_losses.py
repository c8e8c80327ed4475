"""The losses against slow loops, closed forms, autograd, another library, and the extremes."""

import math

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning.losses import NormalizedSoftmaxLoss as ReferenceNSL
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial.tutorial import curves

B, C, D = 12, 5, 8
DTYPES = [torch.float32, torch.float64]


def make_batch(dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(B, D, generator=generator, dtype=torch.float64).to(dtype)
    prototypes = torch.randn(C, D, generator=generator, dtype=torch.float64).to(dtype)
    return embeddings, prototypes, torch.randint(C, (B,), generator=generator)


def slow_p(
    embeddings: Tensor, prototypes: Tensor, labels: Tensor, temperature: float
) -> list[float]:
    """p of each image, number by number, from the equation in the paper."""
    found = []
    for x, y in zip(embeddings.tolist(), labels.tolist(), strict=True):
        scores = []
        for w in prototypes.tolist():
            cosine = sum(a * b for a, b in zip(x, w, strict=True)) / math.hypot(*x) / math.hypot(*w)
            scores.append(math.exp(cosine / temperature))
        found.append(scores[y] / sum(scores))
    return found


def tolerance(dtype: torch.dtype) -> dict[str, float]:
    return {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-12}


# ------------------------------------------------------------------ values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [0.05, 0.2])
def test_values_equal_the_slow_loop(dtype: torch.dtype, temperature: float) -> None:
    batch = make_batch(dtype)
    p = slow_p(*batch, temperature)
    q, k = 0.7, 0.5
    level = (1 - k**q) / q
    expected = {
        "nsl": [-math.log(v) for v in p],
        "rnsl": [(1 - v**q) / q for v in p],
        "truncated": [(1 - v**q) / q - level if v > k else 0.0 for v in p],
    }
    assert any(v > k for v in p)
    assert any(v < k for v in p)
    found = {
        "nsl": losses.nsl(*batch, temperature=temperature),
        "rnsl": losses.rnsl(*batch, q=q, temperature=temperature),
        "truncated": losses.truncated_rnsl(*batch, q=q, k=k, temperature=temperature),
    }
    for name, values in expected.items():
        assert found[name].dtype == dtype
        torch.testing.assert_close(
            found[name], torch.tensor(values, dtype=dtype), **tolerance(dtype)
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_nsl_equals_pytorch_metric_learning(dtype: torch.dtype) -> None:
    embeddings, prototypes, labels = make_batch(dtype)
    reference = ReferenceNSL(C, D, temperature=0.05).to(dtype)
    reference.W.data = prototypes.T.clone()
    ours = losses.NormalizedSoftmaxLoss(C, D, temperature=0.05).to(dtype)
    ours.prototypes.data = prototypes
    embeddings.requires_grad_()
    expected, found = reference(embeddings, labels), ours(embeddings, labels)
    torch.testing.assert_close(found, expected, **tolerance(dtype))
    gradients = [torch.autograd.grad(value, embeddings)[0] for value in (found, expected)]
    torch.testing.assert_close(*gradients, **tolerance(dtype))


def test_rnsl_tends_to_nsl_as_q_falls() -> None:
    batch = make_batch()
    nsl = losses.nsl(*batch)
    gaps = [(losses.rnsl(*batch, q=q) - nsl).abs().max().item() for q in (1e-2, 1e-4, 1e-8, 1e-12)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 1e-9


def test_truncated_rnsl_uses_the_mask_it_is_given() -> None:
    batch = make_batch()
    kept = torch.arange(B) % 2 == 0
    found = losses.truncated_rnsl(*batch, kept, q=0.7, k=0.5)
    expected = (losses.rnsl(*batch, q=0.7) - (1 - 0.5**0.7) / 0.7) * kept
    torch.testing.assert_close(found, expected)
    assert (found[~kept] == 0).all()
    assert (found[kept] > 0).any(), "a kept image that fell below k costs more than the level"


# ------------------------------------------------------------------ gradients


@pytest.mark.parametrize("name", ["nsl", "rnsl", "truncated_rnsl"])
def test_gradcheck(name: str) -> None:
    embeddings, prototypes, labels = make_batch()
    embeddings.requires_grad_()
    prototypes.requires_grad_()
    loss = getattr(losses, name)
    assert torch.autograd.gradcheck(
        lambda x, w: loss(x, w, labels, temperature=0.2), (embeddings, prototypes)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("q", [1e-6, 0.3, 0.7, 1.0])
def test_gradient_is_p_to_the_q_times_that_of_nsl(dtype: torch.dtype, q: float) -> None:
    embeddings, prototypes, labels = make_batch(dtype)
    embeddings.requires_grad_()
    p = torch.tensor(slow_p(embeddings, prototypes, labels, 0.05), dtype=dtype)
    robust, plain = (
        torch.autograd.grad(values.sum(), embeddings)[0]
        for values in (
            losses.rnsl(embeddings, prototypes, labels, q=q),
            losses.nsl(embeddings, prototypes, labels),
        )
    )
    torch.testing.assert_close(robust, (p**q).unsqueeze(1) * plain, **tolerance(dtype))


@pytest.mark.parametrize("q", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("k", [None, 0.5])
def test_curves_equal_autograd(q: float, k: float | None) -> None:
    p = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    p = p[p != 0.5].requires_grad_()
    value = curves.loss_of_p(p, q, k)
    torch.testing.assert_close(
        torch.autograd.grad(value.sum(), p)[0], curves.gradient_wrt_p(p.detach(), q, k)
    )
    logit = torch.logit(p.detach()).requires_grad_()  # dp/dz = p (1 - p), as for softmax
    value = curves.loss_of_p(logit.sigmoid(), q, k)
    torch.testing.assert_close(
        torch.autograd.grad(value.sum(), logit)[0],
        curves.gradient_wrt_logit(logit.detach().sigmoid(), q, k),
    )


def test_curves_at_their_ends() -> None:
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert curves.loss_of_p(ends, 0.0).tolist() == [math.inf, 0.0]
    torch.testing.assert_close(curves.loss_of_p(ends, 0.7), torch.tensor([1 / 0.7, 0.0]).double())
    assert curves.gradient_wrt_logit(ends, 0.7).tolist() == [0.0, 0.0]
    assert curves.gradient_wrt_logit(ends, 0.0).tolist() == [-1.0, 0.0]
    assert curves.gradient_wrt_p(ends, 1.0).tolist() == [-1.0, -1.0]
    plateau = curves.loss_of_p(torch.tensor([0.0, 0.2, 0.5]), 0.7, k=0.5)
    assert plateau[0] == plateau[1] == plateau[2]
    assert curves.loss_of_p(0.25, 1.0).item() == 0.75


# ------------------------------------------------------------------ extremes


def opposite(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """An image on a wrong prototype and far from its label's: p underflows at T = 0.01."""
    x = torch.tensor([[1.0, 0.0]], dtype=dtype, requires_grad=True)
    return x, torch.tensor([[-0.6, 0.8], [1.0, 0.0]], dtype=dtype), torch.tensor([0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("q", [1e-9, 0.7, 1.0])
@pytest.mark.parametrize("autocast", [False, True])
def test_finite_where_p_underflows(dtype: torch.dtype, q: float, autocast: bool) -> None:
    embeddings, prototypes, labels = opposite(dtype)
    half = torch.bfloat16 if dtype == torch.float64 else dtype
    half = half if half in (torch.float16, torch.bfloat16) else torch.bfloat16
    for values in (
        lambda: losses.nsl(embeddings, prototypes, labels, temperature=0.01),
        lambda: losses.rnsl(embeddings, prototypes, labels, q=q, temperature=0.01),
        lambda: losses.truncated_rnsl(embeddings, prototypes, labels, q=q, temperature=0.01),
    ):
        with torch.autocast("cpu", dtype=half, enabled=autocast):
            value = values()
        (gradient,) = torch.autograd.grad(value.sum(), embeddings)
        assert value.dtype in DTYPES
        assert value.isfinite().all()
        assert gradient.isfinite().all()
    plain = losses.nsl(embeddings, prototypes, labels, temperature=0.01)
    (gradient,) = torch.autograd.grad(plain.sum(), embeddings)
    assert gradient.abs().max() > 50, "NSL pulls with all its force, about 0.8 / T"
    robust = losses.rnsl(embeddings, prototypes, labels, q=0.7, temperature=0.01)
    assert robust.item() == pytest.approx(1 / 0.7), "as wrong as can be, and no worse"


def test_the_formula_with_p_breaks_where_ours_does_not() -> None:
    """Why expm1: the same loss written with p**q has a NaN gradient at T = 0.01 in float32."""
    embeddings, prototypes, labels = opposite(torch.float32)
    p = (F.normalize(embeddings) @ prototypes.T / 0.01).softmax(dim=1)[:, labels[0]]
    (naive,) = torch.autograd.grad(((1 - p**0.7) / 0.7).sum(), embeddings)
    assert p.item() == 0
    assert naive.isnan().all()


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_autocast_changes_neither_value_nor_gradient(half: torch.dtype) -> None:
    embeddings, prototypes, labels = make_batch(torch.float32)
    embeddings.requires_grad_()
    outside = losses.rnsl(embeddings, prototypes, labels, temperature=0.01)
    with torch.autocast("cpu", dtype=half):
        inside = losses.rnsl(embeddings, prototypes, labels, temperature=0.01)
    assert torch.equal(inside, outside)
    assert torch.equal(
        *(torch.autograd.grad(value.sum(), embeddings)[0] for value in (inside, outside))
    )


# ------------------------------------------------------------------ modules


def make_modules() -> list[losses.NormalizedSoftmaxLoss]:
    return [
        losses.NormalizedSoftmaxLoss(C, D),
        losses.RobustNormalizedSoftmaxLoss(C, D),
        losses.TruncatedRobustNormalizedSoftmaxLoss(C, D, num_samples=B),
    ]


@pytest.mark.parametrize("module", make_modules(), ids=lambda m: type(m).__name__)
def test_modules_are_called_alike_and_average_the_batch(
    module: losses.NormalizedSoftmaxLoss,
) -> None:
    embeddings, prototypes, labels = make_batch(torch.float32)
    module.prototypes.data = prototypes.clone()
    indices = torch.arange(B)
    value = module(embeddings, labels, indices)
    assert value.shape == ()
    torch.testing.assert_close(value, module.per_image(embeddings, labels, indices).mean())
    value.backward()
    assert dict(module.named_parameters()).keys() == {"prototypes"}
    assert module.prototypes.grad is not None
    assert module.prototypes.grad.abs().sum() > 0


def test_modules_agree_with_the_functions() -> None:
    embeddings, prototypes, labels = batch = make_batch(torch.float32)
    nsl, rnsl, trnsl = make_modules()
    for module in (nsl, rnsl, trnsl):
        module.prototypes.data = prototypes
    indices = torch.arange(B)
    assert torch.equal(nsl(embeddings, labels), losses.nsl(*batch).mean())
    assert torch.equal(rnsl(embeddings, labels), losses.rnsl(*batch).mean())
    everything = torch.ones(B, dtype=torch.bool)
    assert torch.equal(
        trnsl(embeddings, labels, indices), losses.truncated_rnsl(*batch, everything).mean()
    )


def test_prototypes_start_uniformly_in_one_over_root_d() -> None:
    prototypes = losses.NormalizedSoftmaxLoss(1000, 64).prototypes.detach()
    bound = 1 / math.sqrt(64)
    assert prototypes.abs().max() <= bound
    assert prototypes.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    again = losses.NormalizedSoftmaxLoss(1000, 64)
    for _ in range(2):
        again.reset_parameters(torch.Generator().manual_seed(1))
        first, prototypes = prototypes, again.prototypes.detach().clone()
    assert torch.equal(first, prototypes)


def test_update_kept_keeps_exactly_the_images_above_k() -> None:
    embeddings, prototypes, labels = make_batch()
    module = losses.TruncatedRobustNormalizedSoftmaxLoss(C, D, num_samples=B + 3).double()
    module.prototypes.data = prototypes
    assert module.kept.dtype == torch.bool
    assert module.kept.all()
    order = torch.randperm(B, generator=torch.Generator().manual_seed(1)) + 3
    module.update_kept(embeddings, labels, order)
    expected = [p > 0.5 for p in slow_p(embeddings, prototypes, labels, 0.05)]
    assert module.kept[order].tolist() == expected
    assert module.kept[:3].all(), "images that were not given stay as they were"
    assert 0 < sum(expected) < B


def test_dropped_images_count_in_the_denominator() -> None:
    embeddings, _, labels = make_batch(torch.float32)
    module = losses.TruncatedRobustNormalizedSoftmaxLoss(C, D, num_samples=B)
    indices = torch.arange(B)
    module.kept[:6] = False
    values = module.per_image(embeddings, labels, indices)
    assert (values[:6] == 0).all()
    torch.testing.assert_close(module(embeddings, labels, indices), values[6:].sum() / B)
    (gradient,) = torch.autograd.grad(
        module(embeddings.requires_grad_(), labels, indices), embeddings
    )
    assert (gradient[:6] == 0).all()


def test_an_image_at_k_exactly_is_left_out() -> None:
    """Two equal prototypes give p = 0.5 to the last bit."""
    x = torch.tensor([[1.0, 0.0]])
    module = losses.TruncatedRobustNormalizedSoftmaxLoss(2, 2, num_samples=1, k=0.5)
    module.prototypes.data = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    with pytest.warns(UserWarning, match=r"All 1 images are left out.*k = 0.5.*Prune later"):
        module.update_kept(x, torch.tensor([0]), torch.tensor([0]))
    assert not module.kept[0]


def test_the_kept_mask_is_saved_with_the_prototypes() -> None:
    module, again = (
        losses.TruncatedRobustNormalizedSoftmaxLoss(C, D, num_samples=B) for _ in range(2)
    )
    module.kept[4] = False
    again.load_state_dict(module.state_dict())
    assert torch.equal(again.kept, module.kept)
    assert torch.equal(again.prototypes, module.prototypes)
    assert "k=0.5" in repr(module)
    assert "num_samples=12" in repr(module)


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, w, y: losses.truncated_rnsl(x, w, y, y[:2] > 0), r"kept is torch.bool \[2\]"),
        (lambda x, w, y: losses.nsl(x, w[:, :3], y), r"prototypes \[5, 3\]"),
        (lambda x, w, y: losses.nsl(x, w, y[:3]), r"labels \[3\]"),
        (lambda x, w, y: losses.nsl(x[0], w, y), r"embeddings are \[8\]"),
        (lambda x, w, y: losses.nsl(x[None], w, y[None]), r"embeddings are \[1, 12, 8\]"),
        (lambda x, w, y: losses.nsl(x[None], w[None], y[None]), r"prototypes \[1, 5, 8\]"),
        (lambda x, w, y: curves.loss_of_p(0.5, -0.1), "q is -0.1"),
        (lambda x, w, y: curves.gradient_wrt_p(0.5, 0.7, k=-0.1), "k is -0.1"),
        (lambda x, w, y: losses.NormalizedSoftmaxLoss(1, 8), "num_classes is 1"),
        (
            lambda x, w, y: losses.TruncatedRobustNormalizedSoftmaxLoss(5, 8, 0),
            "num_samples is 0",
        ),
        (
            lambda x, w, y: losses.TruncatedRobustNormalizedSoftmaxLoss(5, 8, B)(x, y),
            "indices is missing",
        ),
        (
            lambda x, w, y: losses.TruncatedRobustNormalizedSoftmaxLoss(5, 8, 3)(
                x, y, torch.arange(B)
            ),
            r"indices run from 0 to 11; they must lie in \[0, 3\)",
        ),
    ],
)
def test_errors_say_what_was_given_and_what_is_allowed(call, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call(*make_batch())
