"""Properties of the losses that hold for whatever hypothesis draws, and refusal of the rest."""

import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as arrays
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial.training import baselines
from rnsl_tutorial.tutorial import curves

Batch = tuple[Tensor, Tensor, Tensor]

SIZES = st.tuples(st.integers(1, 6), st.integers(2, 7), st.integers(1, 9))  # B, C, D
SEEDS = st.integers(0, 2**32 - 1)
LEAST = torch.finfo(torch.float32).tiny  # a smaller number may be 0 to float32
QS = st.floats(LEAST, 1)
TEMPERATURES = st.floats(1e-3, 10)
KS = st.floats(0, 1, exclude_max=True)
FLOATS = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])


@st.composite
def batches(draw: st.DrawFn, dtype: torch.dtype = torch.float64) -> Batch:
    """Random directions, which are what a loss sees of ordinary embeddings."""
    (images, classes, dim), generator = draw(SIZES), torch.Generator().manual_seed(draw(SEEDS))
    options: dict[str, Any] = {"generator": generator, "dtype": torch.float64}
    x, w = (torch.randn(count, dim, **options).to(dtype) for count in (images, classes))
    return x, w, torch.randint(classes, (images,), generator=generator)


@st.composite
def wild_batches(draw: st.DrawFn, dtype: torch.dtype) -> Batch:
    """Any finite numbers: zero, denormal, huge, all in one vector."""
    images, classes, dim = draw(SIZES)
    width = {torch.float16: 16, torch.float64: 64}.get(dtype, 32)
    top = {torch.bfloat16: 1e38}.get(dtype)  # of numpy's float32, which it is rounded from
    elements = st.floats(
        width=width, allow_nan=False, allow_infinity=False,
        min_value=None if top is None else -float(torch.tensor(top)),
        max_value=None if top is None else float(torch.tensor(top)),
    )  # fmt: skip
    x, w = (
        torch.from_numpy(draw(arrays.arrays(f"float{width}", (count, dim), elements=elements)))
        for count in (images, classes)
    )
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=images, max_size=images))
    return x.to(dtype), w.to(dtype), torch.tensor(labels)


def kept_by_ratio(x: Any, w: Any, y: Any, *, k: float, temperature: float) -> Tensor:
    """What the ratio rule keeps of a batch that is the whole training set."""
    module = losses.TruncatedRobustNormalizedSoftmaxLoss(2, 1, 1, temperature, k=k)
    if isinstance(x, Tensor):
        module.kept = torch.ones(x.shape[:1], dtype=torch.bool)
    module._parameters["prototypes"] = w  # whatever it is
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # all may be left out
        module.update_kept(x, y, rule="ratio")
    return module.kept


def values_of(batch: Batch, q: float, k: float, temperature: float) -> dict[str, Tensor]:
    """Each loss of the batch by its name."""
    return {
        "nsl": losses.nsl(*batch, temperature=temperature),
        "rnsl": losses.rnsl(*batch, q=q, temperature=temperature),
        "trnsl": losses.truncated_rnsl(*batch, q=q, k=k, temperature=temperature),
    }


# ------------------------------------------------------------------ range and limits


@given(st.data(), FLOATS, QS, KS, TEMPERATURES)
def test_values_are_finite_and_in_their_range_for_any_finite_input(
    data: st.DataObject, dtype: torch.dtype, q: float, k: float, temperature: float
) -> None:
    batch = data.draw(wild_batches(dtype))
    found = values_of(batch, q, k, temperature)
    for values in found.values():
        assert values.isfinite().all()
        assert values.dtype == torch.promote_types(dtype, torch.float32)
    assert (found["nsl"] >= 0).all()
    assert ((found["rnsl"] >= 0) & (found["rnsl"] <= (1 / q) * (1 + 1e-6))).all()
    assert (found["rnsl"] <= found["nsl"] * (1 + 1e-6) + 1e-30).all(), "the transform is concave"
    assert (found["trnsl"] <= 0).all(), "kept by p > k, so below the level, or left out"


@given(st.data(), st.sampled_from([torch.float32, torch.float64]), QS, KS, TEMPERATURES)
def test_gradients_are_finite_for_any_finite_input(
    data: st.DataObject, dtype: torch.dtype, q: float, k: float, temperature: float
) -> None:
    """And never steeper than that of NSL on the shortest vector that keeps its length, 1e-12."""
    x, w, y = data.draw(wild_batches(dtype))
    x.requires_grad_()
    w.requires_grad_()
    for values in values_of((x, w, y), q, k, temperature).values():
        for gradient in torch.autograd.grad(values.sum(), (x, w)):
            assert gradient.isfinite().all()
            assert gradient.abs().max() <= 2.1e12 * len(y) / temperature


@given(batches(), QS, TEMPERATURES)
def test_rnsl_is_the_box_cox_transform_of_p_and_falls_in_p(
    batch: Batch, q: float, temperature: float
) -> None:
    log_p_B = losses.label_log_probability(*batch, temperature)
    values_B = losses.rnsl(*batch, q=q, temperature=temperature)
    torch.testing.assert_close(values_B, losses.negative_box_cox(log_p_B, q))
    order = log_p_B.argsort()
    assert (values_B[order].diff() <= 0).all()


@given(batches(), TEMPERATURES, st.floats(1.2e-38, 1e-9))
def test_q_towards_0_is_nsl_in_both_precisions(batch: Batch, temperature: float, q: float) -> None:
    """Down to the least q: |L_q - L_0| <= q (log p)^2 / 2."""
    for dtype, eps in ((torch.float32, 1e-5), (torch.float64, 1e-8)):
        x, w, y = batch
        cast = (x.to(dtype), w.to(dtype), y)
        nsl_B = losses.nsl(*cast, temperature=temperature)
        found_B = losses.rnsl(*cast, q=q, temperature=temperature)
        torch.testing.assert_close(found_B, nsl_B, rtol=max(eps, q * float(nsl_B.max())), atol=1e-6)


@given(batches(), TEMPERATURES)
def test_q_1_is_the_mean_absolute_error(batch: Batch, temperature: float) -> None:
    """Half the L1 distance between the prediction and the one-hot label."""
    x, w, y = batch
    p_BC = (F.normalize(x) @ F.normalize(w).T / temperature).softmax(dim=1)
    error_B = (p_BC - F.one_hot(y, len(w))).abs().sum(dim=1) / 2
    torch.testing.assert_close(losses.rnsl(*batch, q=1.0, temperature=temperature), error_B)


@given(batches(), QS, KS, TEMPERATURES, SEEDS)
def test_truncation_takes_its_level_from_what_is_kept_and_leaves_0_elsewhere(
    batch: Batch, q: float, k: float, temperature: float, seed: int
) -> None:
    rnsl_B = losses.rnsl(*batch, q=q, temperature=temperature)
    p_B = losses.label_log_probability(*batch, temperature).exp()
    level = float(curves.loss_of_p(torch.tensor(k, dtype=torch.float64), q))
    drawn_B = torch.rand(len(p_B), generator=torch.Generator().manual_seed(seed)) < 0.5
    for kept_B in (None, drawn_B):
        found_B = losses.truncated_rnsl(*batch, kept_B, q=q, k=k, temperature=temperature)
        counted_B = rnsl_B < level if kept_B is None else kept_B
        torch.testing.assert_close(found_B[counted_B], rnsl_B[counted_B] - level)
        assert (found_B[~counted_B] == 0).all()
    clear_B = (p_B - k).abs() > 1e-9  # at p = k rounding decides
    assert ((rnsl_B < level) == (p_B > k))[clear_B & (p_B > 1e-12)].all()


# ------------------------------------------------------------------ gradients


@given(batches(), QS, TEMPERATURES)
def test_the_gradient_is_that_of_nsl_times_p_to_the_q(
    batch: Batch, q: float, temperature: float
) -> None:
    x, w, y = batch
    x.requires_grad_()
    log_p_B = losses.label_log_probability(x, w, y, temperature)
    factor_B = (q * log_p_B.detach()).exp()
    (plain,) = torch.autograd.grad(-log_p_B.sum(), x)
    (robust,) = torch.autograd.grad(losses.rnsl(x, w, y, q=q, temperature=temperature).sum(), x)
    torch.testing.assert_close(robust, factor_B[:, None] * plain, rtol=1e-7, atol=1e-9)


@given(batches(), QS, TEMPERATURES)
def test_no_gradient_lies_along_the_embedding(batch: Batch, q: float, temperature: float) -> None:
    """A loss that does not see the length of x cannot change it."""
    x, w, y = batch
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(losses.rnsl(x, w, y, q=q, temperature=temperature).sum(), x)
    along_B = (gradient * x).sum(dim=1)
    assert (along_B.abs() <= 1e-12 / temperature).all()


@given(st.floats(0, 1), QS, st.none() | KS)
def test_the_pull_on_the_logit_is_between_minus_1_and_0(
    p: float, q: float, k: float | None
) -> None:
    pull = float(curves.gradient_wrt_logit(p, q, k))
    assert -1 <= pull <= 0
    assert curves.loss_of_p(p, q, k) >= 0
    if k is not None and torch.tensor(p) <= k:
        assert pull == 0


@given(
    st.floats(2**-14, 1, width=16),
    st.floats(1e-30, 1),
    st.sampled_from([torch.float16, torch.bfloat16]),
)
def test_curves_of_half_precision_are_those_of_float32(
    p: float, q: float, dtype: torch.dtype
) -> None:
    """In half precision q log p underflows, and the loss would be 0."""
    half = torch.tensor(p, dtype=dtype)
    for curve in (curves.loss_of_p, curves.gradient_wrt_logit):
        assert curve(half, q).dtype == torch.float32
        assert torch.equal(curve(half, q), curve(half.float(), q))


# ------------------------------------------------------------------ what the losses do not see


@given(batches(), st.floats(1e-9, 1e15), st.floats(1e-9, 1e15), QS, TEMPERATURES)
def test_lengths_do_not_matter(
    batch: Batch, of_x: float, of_w: float, q: float, temperature: float
) -> None:
    x, w, y = batch
    assume(min(float(vectors.norm(dim=1).min()) for vectors in (x, w)) > 1e-2)
    found = losses.rnsl(x * of_x, w * of_w, y, q=q, temperature=temperature)
    expected = losses.rnsl(x, w, y, q=q, temperature=temperature)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@given(batches(), SEEDS, QS, TEMPERATURES)
def test_a_rotation_of_everything_does_not_matter(
    batch: Batch, seed: int, q: float, temperature: float
) -> None:
    x, w, y = batch
    square = torch.randn(
        x.shape[1], x.shape[1], generator=torch.Generator().manual_seed(seed), dtype=x.dtype
    )
    rotation = torch.linalg.qr(square).Q
    found = losses.rnsl(x @ rotation, w @ rotation, y, q=q, temperature=temperature)
    expected = losses.rnsl(x, w, y, q=q, temperature=temperature)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)


@given(batches(), st.randoms(use_true_random=False), QS, TEMPERATURES)
def test_the_order_of_classes_and_images_does_not_matter(
    batch: Batch, randoms: Any, q: float, temperature: float
) -> None:
    x, w, y = batch
    images = torch.tensor(randoms.sample(range(len(x)), len(x)))
    classes = torch.tensor(randoms.sample(range(len(w)), len(w)))
    renamed = classes.argsort()[y]
    found = losses.rnsl(x[images], w[classes], renamed[images], q=q, temperature=temperature)
    expected = losses.rnsl(x, w, y, q=q, temperature=temperature)[images]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@given(batches(), st.data(), QS, TEMPERATURES)
def test_nan_in_an_image_stays_in_that_image(
    batch: Batch, data: st.DataObject, q: float, temperature: float
) -> None:
    """A loss does not hide what went wrong before it, and does not spread it."""
    x, w, y = batch
    bad = data.draw(st.integers(0, len(x) - 1))
    x[bad, 0] = math.nan
    values_B = losses.rnsl(x, w, y, q=q, temperature=temperature)
    assert values_B.isnan().nonzero().flatten().tolist() == [bad]


@given(batches(), QS)
def test_no_images_have_no_values(batch: Batch, q: float) -> None:
    x, w, y = batch
    assert losses.rnsl(x[:0], w, y[:0], q=q).shape == (0,)
    with pytest.raises(ValueError, match="batch is empty; give at least one image"):
        losses.RobustNormalizedSoftmaxLoss(*w.shape, q=q).double()(x[:0], y[:0])


# ------------------------------------------------------------------ pruning


@given(batches(), KS, TEMPERATURES)
def test_the_ratio_rule_keeps_what_the_paper_keeps_and_what_it_says(
    batch: Batch, k: float, temperature: float
) -> None:
    x, w, y = batch
    kept_B = kept_by_ratio(x, w, y, k=k, temperature=temperature)
    p_BC = losses.class_log_probabilities(x, w, temperature).exp()
    label_B, best_B = p_BC.gather(1, y[:, None]).squeeze(1), p_BC.amax(dim=1)
    clear_B = (label_B - k * best_B).abs() > 1e-9
    assert torch.equal(kept_B[clear_B], (label_B > k * best_B)[clear_B])
    assert kept_B[(label_B > k) & clear_B].all()


@given(batches(torch.float32), KS)
def test_pruning_by_p_leaves_out_exactly_what_the_truncated_loss_does(
    batch: Batch, k: float
) -> None:
    x, w, y = batch
    module = losses.TruncatedRobustNormalizedSoftmaxLoss(*w.shape, len(x), k=k)
    module.prototypes.data = w
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # all may be left out
        module.update_kept(x, y)
    decided_now = losses.truncated_rnsl(x, w, y, k=k)
    assert torch.equal(module.per_image(x, y, torch.arange(len(x))), decided_now)


# ------------------------------------------------------------------ refusals


def a_batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(count, 4, generator=generator) for count in (3, 5))
    return x, w, torch.tensor([0, 1, 4])


CALLS: dict[str, Callable[..., object]] = {
    "nsl": losses.nsl,
    "rnsl": losses.rnsl,
    "truncated_rnsl": losses.truncated_rnsl,
    "ce": baselines.ce,
    "gce": baselines.gce,
    "sce": baselines.sce,
    "nce_rce": baselines.nce_rce,
    "kept_by_ratio": lambda x, w, y: kept_by_ratio(x, w, y, k=0.5, temperature=0.1),
}
NOT_A_TENSOR = st.sampled_from([None, 3, "embeddings", [[1.0, 2.0]], b"\0"])
SHAPES = st.lists(st.integers(0, 6), max_size=4).map(tuple)


@pytest.mark.parametrize("name", CALLS)
@given(st.data())
def test_what_is_no_tensor_is_refused_by_name(name: str, data: st.DataObject) -> None:
    batch: list[Any] = list(a_batch())
    place = data.draw(st.integers(0, 2))
    batch[place] = data.draw(NOT_A_TENSOR)
    with pytest.raises(TypeError, match=("embeddings", "prototypes", "labels")[place]):
        CALLS[name](*batch)


@pytest.mark.parametrize("name", CALLS)
@given(SHAPES, SHAPES, SHAPES)
def test_shapes_that_disagree_are_shown(
    name: str, of_x: tuple[int, ...], of_w: tuple[int, ...], of_y: tuple[int, ...]
) -> None:
    fits = len(of_x) == len(of_w) == 2 and of_x[1] == of_w[1] and of_y == of_x[:1]
    assume(not fits)
    with pytest.raises(ValueError, match=r"embeddings are .*labels .*; they must be \[B, D\]"):
        CALLS[name](torch.ones(of_x), torch.ones(of_w), torch.zeros(of_y, dtype=torch.int64))


@pytest.mark.parametrize("name", CALLS)
@given(st.integers(-(2**63), 2**63 - 1).filter(lambda label: not 0 <= label < 5))
def test_labels_out_of_range_are_shown(name: str, label: int) -> None:
    x, w, y = a_batch()
    y[1] = label
    with pytest.raises(ValueError, match=rf"labels run from .*{label}.*\[0, 5\)"):
        CALLS[name](x, w, y)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.bool, torch.float32])
def test_labels_of_another_type_are_refused(name: str, dtype: torch.dtype) -> None:
    x, w, y = a_batch()
    with pytest.raises(ValueError, match=f"labels are {dtype}; they must be torch.int64"):
        CALLS[name](x, w, y.to(dtype))


@pytest.mark.parametrize("name", CALLS)
def test_complex_numbers_are_refused(name: str) -> None:
    x, w, y = a_batch()
    for batch in ((x + 0j, w, y), (x, w + 0j, y)):
        with pytest.raises(TypeError, match=r"torch.complex64 was given, where real"):
            CALLS[name](*batch)


@given(st.floats().filter(lambda q: not 1.17e-38 < q <= 1))
def test_a_q_out_of_range_is_refused(q: float) -> None:
    for call in (losses.rnsl, losses.truncated_rnsl, baselines.gce):
        with pytest.raises(ValueError, match=re.escape(f"q is {q}; it must lie in (0, 1]")):
            call(*a_batch(), q=q)
    with pytest.raises(ValueError, match=re.escape(f"q is {q}")):
        losses.RobustNormalizedSoftmaxLoss(5, 4, q=q)


@given(st.floats().filter(lambda k: not 0 <= k < 1))
def test_a_k_out_of_range_is_refused(k: float) -> None:
    said = re.escape(f"k is {k}; it must lie in [0, 1)")
    with pytest.raises(ValueError, match=said):
        losses.truncated_rnsl(*a_batch(), k=k)
    with pytest.raises(ValueError, match=said):
        losses.TruncatedRobustNormalizedSoftmaxLoss(5, 4, 3, k=k)
    with pytest.raises(ValueError, match=said):
        curves.loss_of_p(0.5, 0.7, k)


@given(st.floats().filter(lambda value: not LEAST <= value < math.inf))
def test_a_temperature_that_nothing_can_be_divided_by_is_refused(temperature: float) -> None:
    for call in (losses.nsl, losses.rnsl, losses.truncated_rnsl, baselines.sce, baselines.nce_rce):
        said = re.escape(f"temperature is {temperature}; it must be above 0")
        with pytest.raises(ValueError, match=said):
            call(*a_batch(), temperature=temperature)
    with pytest.raises(ValueError, match="temperature is"):
        kept_by_ratio(*a_batch(), k=0.5, temperature=temperature)


@given(st.floats(width=32).filter(lambda p: not 0 <= p <= 1))
def test_what_is_no_probability_is_refused(p: float) -> None:
    for curve in (curves.loss_of_p, curves.gradient_wrt_p, curves.gradient_wrt_logit):
        with pytest.raises(ValueError, match=r"p runs from .*; a probability lies in \[0, 1\]"):
            curve(p, 0.7)


@pytest.mark.parametrize("p", [None, "0.5", 0.5j, [0.5]])
def test_what_is_no_number_is_refused(p: Any) -> None:
    with pytest.raises(TypeError, match=r"p is a .*; give a number or a tensor"):
        curves.loss_of_p(p, 0.7)


def test_a_mask_that_is_no_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match=r"kept is a list; give a torch tensor of bool"):
        losses.truncated_rnsl(*a_batch(), [True, False, True])  # type: ignore[arg-type]


def test_pruning_wants_all_training_images() -> None:
    """One image alone would decide for all: a mask of one is broadcast."""
    x, w, y = a_batch()
    module = losses.TruncatedRobustNormalizedSoftmaxLoss(5, 4, num_samples=3)
    module.prototypes.data = w
    with pytest.raises(ValueError, match=r"labels are \[1\]; give those of all 3 training images"):
        module.update_kept(x[:1], y[:1], rule="ratio")
