"""The losses where others use them: compiled, exported, vmapped, in DDP, Lightning and PML."""

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import their_loops
import torch
from pytorch_metric_learning import losses as library
from pytorch_metric_learning import miners, reducers
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from rnsl_tutorial import losses
from rnsl_tutorial.training import Indexed, as_pml

LIGHTNING = Path(sys.prefix) / "lightning"  # see the Makefile
B, C, D = 8, 5, 16
INDICES = torch.arange(B)


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(B, D, generator=generator), torch.randint(C, (B,), generator=generator)


def all_losses() -> list[losses.NormalizedSoftmaxLoss]:
    torch.manual_seed(0)
    truncated = losses.TruncatedRobustNormalizedSoftmaxLoss(C, D, B)
    truncated.kept[:3] = False
    return [
        losses.NormalizedSoftmaxLoss(C, D),
        losses.RobustNormalizedSoftmaxLoss(C, D),
        truncated,
    ]


each_loss = pytest.mark.parametrize("loss", all_losses(), ids=lambda loss: type(loss).__name__)


# ------------------------------------------------------------------ transforms of torch


@each_loss
@pytest.mark.parametrize("backward", [False, True])
def test_compiled_without_a_graph_break(loss: losses.NormalizedSoftmaxLoss, backward: bool) -> None:
    x, y = batch()
    x.requires_grad_(backward)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    found, expected = compiled(x, y, INDICES), loss(x, y, INDICES)
    torch.testing.assert_close(found, expected)
    if backward:
        torch.testing.assert_close(
            *(torch.autograd.grad(value, x)[0] for value in (found, expected))
        )


@each_loss
def test_exported(loss: losses.NormalizedSoftmaxLoss) -> None:
    x, y = batch()
    exported = torch.export.export(loss, (x, y, INDICES)).module()
    torch.testing.assert_close(exported(x, y, INDICES), loss(x, y, INDICES))


@each_loss
def test_one_gradient_an_image_by_vmap(loss: losses.NormalizedSoftmaxLoss) -> None:
    x, y = batch()
    one = torch.func.grad(lambda x, y, i: loss(x[None], y[None], i[None]))
    found_BD = torch.func.vmap(one)(x, y, INDICES)
    x.requires_grad_()
    (expected_BD,) = torch.autograd.grad(loss.per_image(x, y, INDICES).sum(), x)
    torch.testing.assert_close(found_BD, expected_BD)


@each_loss
def test_on_the_meta_device(loss: losses.NormalizedSoftmaxLoss) -> None:
    x, y = (tensor.to("meta") for tensor in batch())
    with torch.device("meta"):
        elsewhere = losses.RobustNormalizedSoftmaxLoss(C, D)
    assert elsewhere(x, y).shape == ()
    values = losses.truncated_rnsl(x, elsewhere.prototypes, y)
    assert values.shape == (B,)
    assert values.is_meta


# ------------------------------------------------------------------ what a loss is told


@each_loss
@pytest.mark.parametrize(
    "given", [(INDICES, INDICES, INDICES), INDICES.tolist(), INDICES.numpy(), "0", 3, object()]
)
def test_what_are_no_indices_is_refused_by_every_loss(
    loss: losses.NormalizedSoftmaxLoss, given: Any
) -> None:
    with pytest.raises(TypeError, match=r"indices are a \w+; give .* int64.*training.as_pml"):
        loss(*batch(), given)


@each_loss
@pytest.mark.parametrize("given", [INDICES.int(), INDICES.float(), INDICES > 3])
def test_indices_of_another_type_are_refused(
    loss: losses.NormalizedSoftmaxLoss, given: Tensor
) -> None:
    with pytest.raises(ValueError, match=r"indices are torch\.\w+; they must be torch.int64"):
        loss(*batch(), given)


@pytest.mark.parametrize("rule", ["paper", "ratio"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_pruning_by_embeddings_that_are_not_finite_is_refused(rule: str, bad: float) -> None:
    (*_, loss), (x, y) = all_losses(), batch()
    before = loss.kept.clone()  # type: ignore[operator]
    x[2, 3] = bad
    with pytest.raises(ValueError, match=r"hold NaN or infinity.*diverged.*learning rate"):
        loss.update_kept(x, y, rule=rule)  # type: ignore[operator]
    assert torch.equal(loss.kept, before)  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", ["paper", "ratio"])
def test_pruning_under_autocast_decides_as_outside(rule: str) -> None:
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(500, D, generator=generator), torch.arange(500) % C
    loss = losses.TruncatedRobustNormalizedSoftmaxLoss(C, D, 500, temperature=0.01, k=0.4)
    loss.update_kept(x, y, rule=rule)
    outside = loss.kept.clone()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss.update_kept(x, y, rule=rule)
    assert torch.equal(loss.kept, outside)
    assert 0 < outside.float().mean() < 1


def test_a_mask_of_another_training_set_is_left_out() -> None:
    saved = losses.TruncatedRobustNormalizedSoftmaxLoss(C, D, 20)
    saved.kept[:9] = False
    other = losses.TruncatedRobustNormalizedSoftmaxLoss(C, D, 7)
    with pytest.warns(UserWarning, match="mask is of 20 training images, and here are 7"):
        loaded = other.load_state_dict(saved.state_dict())
    assert not loaded.missing_keys
    assert not loaded.unexpected_keys
    assert other.kept.tolist() == 7 * [True]
    assert torch.equal(other.prototypes, saved.prototypes)


# ------------------------------------------------------------------ data sets that tell the place


def test_indexed_adds_the_place_whatever_the_order() -> None:
    data = TensorDataset(torch.arange(10.0), torch.arange(10))
    indexed = Indexed(data)
    assert len(indexed) == 10
    assert [int(part) for part in indexed[-1]] == [9, 9, 9]
    for values, labels, places in DataLoader(indexed, batch_size=4, shuffle=True):
        assert torch.equal(values.long(), places)
        assert torch.equal(labels, places)
        assert places.dtype == torch.int64
    assert Indexed(["a", "b"])[1] == ("b", 1)


def test_indexed_refuses_what_has_no_places() -> None:
    class Endless(IterableDataset[int]):
        def __iter__(self) -> Iterator[int]:
            yield 0

    with pytest.raises(TypeError, match=r"Endless has no length .* give a map-style data set"):
        Indexed(Endless())


# ------------------------------------------------------------------ several processes


def run(out: Path, script: str) -> list[dict[str, Tensor]]:
    """What the processes of a script write to a folder."""
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(script)), str(out)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(LIGHTNING)},
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    return [torch.load(path) for path in sorted(out.glob("[0-9].pt"))]


@pytest.mark.slow
def test_readmes_loop_on_two_ddp_ranks_is_that_of_one_process(tmp_path: Path) -> None:
    alone = their_loops.plain_loop(0, 1)
    ranks = run(tmp_path, "their_loops.py")
    assert len(ranks) == 2
    for rank in ranks:
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(rank[name], value, rtol=1e-9, atol=1e-12)
    assert alone.loss.kept.tolist() == 6 * [False] + 42 * [True]
    for path in tmp_path.glob("pml*.pt"):
        through_wrapper = torch.load(path)
        # the wrapper multiplies by the number of processes, since DDP averages their gradients
        torch.testing.assert_close(through_wrapper["wrapped"], 2 * through_wrapper["whole"])
    assert len(list(tmp_path.glob("pml*.pt"))) == 2


@pytest.mark.skipif(not LIGHTNING.is_dir(), reason="no Lightning: `make test` installs it")
@pytest.mark.slow
def test_lightning_on_two_devices_agrees_on_who_is_kept(tmp_path: Path) -> None:
    ranks = run(tmp_path, "their_trainer.py")
    assert len(ranks) == 2
    for rank in ranks:
        assert rank["loss.kept"].tolist() == 6 * [False] + 42 * [True]
        torch.testing.assert_close(rank["network.weight"], ranks[0]["network.weight"])


# ------------------------------------------------------------------ pytorch-metric-learning


@each_loss
def test_as_pml_is_the_loss_itself(loss: losses.NormalizedSoftmaxLoss) -> None:
    adapted, (x, y) = as_pml(loss), batch()
    assert isinstance(adapted, library.BaseMetricLossFunction)
    assert {id(p) for p in adapted.parameters()} == {id(p) for p in loss.parameters()}
    adapted.indices = INDICES
    torch.testing.assert_close(adapted(x, y), loss(x, y, INDICES))


def test_as_pml_weights_what_a_miner_finds_as_the_library_does() -> None:
    x, y = batch()
    ours = losses.NormalizedSoftmaxLoss(C, D)
    theirs = library.NormalizedSoftmaxLoss(C, D, temperature=0.05)
    theirs.W.data = ours.prototypes.data.T.clone()
    mined = miners.TripletMarginMiner()(x, y)
    assert len(mined[0])
    torch.testing.assert_close(as_pml(ours)(x, y, mined), theirs(x, y, mined))
    assert not torch.isclose(as_pml(ours)(x, y, mined), ours(x, y))


def test_as_pml_with_reducers_and_several_losses() -> None:
    x, y = batch()
    loss = losses.RobustNormalizedSoftmaxLoss(C, D)
    values = loss.per_image(x, y).detach()
    most = as_pml(loss, reducer=reducers.ThresholdReducer(low=float(values.median())))
    torch.testing.assert_close(most(x, y), values[values > values.median()].mean())
    both = library.MultipleLosses([as_pml(loss), library.TripletMarginLoss()], weights=[1, 0])
    torch.testing.assert_close(both(x, y), values.mean())


def test_as_pml_trains_in_a_trainer_of_the_library() -> None:
    from pytorch_metric_learning import trainers

    x, y = batch()
    trunk, loss = torch.nn.Linear(D, D), as_pml(losses.RobustNormalizedSoftmaxLoss(C, D))
    before = loss(trunk(x), y).item()
    optimizer = torch.optim.SGD([*trunk.parameters(), *loss.parameters()], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainers.MetricLossOnly(
            models={"trunk": trunk}, optimizers={"trunk_optimizer": optimizer}, batch_size=B,
            loss_funcs={"metric_loss": loss}, dataset=TensorDataset(x, y), dataloader_num_workers=0,
            data_device=torch.device("cpu"),
        ).train(num_epochs=20)  # fmt: skip
    assert loss(trunk(x), y).item() < 0.7 * before


def test_as_pml_refuses_what_it_cannot_do() -> None:
    x, y = batch()
    truncated = as_pml(losses.TruncatedRobustNormalizedSoftmaxLoss(C, D, B))
    with pytest.raises(ValueError, match="indices is missing; t-RNSL needs"):
        truncated(x, y)
    with pytest.raises(TypeError, match="loss is a CrossEntropyLoss; give one of rnsl_tutorial"):
        as_pml(torch.nn.CrossEntropyLoss())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ref_emb is not supported"):
        as_pml(losses.NormalizedSoftmaxLoss(C, D))(x, y, ref_emb=x + 1, ref_labels=y)
