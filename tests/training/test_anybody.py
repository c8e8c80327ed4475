"""What anybody hands to the loop: arrays, data sets, optimisers, pruning of their own, mistakes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from rnsl_tutorial import losses, training
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import Settings, devices, embed, train

N, D_IN, D, C = 90, 10, 8, 3
SETTINGS = Settings(epochs=4, batch_size=16, learning_rate=0.1, prune_from=2, prune_every=1)


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(N) % C
    inputs = 3 * torch.eye(C, D_IN)[labels] + torch.randn(N, D_IN, generator=generator)
    return inputs, labels


def make(name: str = "trnsl", count: int = N) -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(D_IN, 16), nn.Dropout(0.1), nn.Linear(16, D))
    return network, training.build_loss(name, C, count, embedding_dim=D)


def weights(inputs: Any, labels: Any, **given: Any) -> Tensor:
    network, loss = make()
    torch.manual_seed(1)  # of the dropout
    train(network, loss, inputs, labels, SETTINGS, **given)
    return torch.cat([weight.flatten() for weight in network.parameters()]).detach()


@pytest.mark.slow
def test_arrays_and_data_sets_give_the_bits_of_tensors() -> None:
    inputs, labels = data()
    expected = weights(inputs, labels)
    dataset = TensorDataset(inputs, labels)
    for same in (
        inputs.numpy(),
        inputs.double().numpy(),
        np.asfortranarray(inputs.numpy()),
        dataset,
        DataLoader(dataset, batch_size=7, shuffle=True),
        training.Fetched(dataset),
    ):
        assert torch.equal(weights(same, labels), expected)
    frozen = inputs.numpy().copy()
    frozen.flags.writeable = False
    assert torch.equal(weights(frozen, labels.numpy().astype(np.uint8)), expected)
    assert torch.equal(weights(inputs, labels.to(torch.int32)), expected)


def test_a_loader_brings_its_workers_and_its_collation() -> None:
    inputs, labels = data()
    rows = [{"image": row} for row in inputs]

    def stack(rows: list[dict[str, Tensor]]) -> Tensor:
        return torch.stack([row["image"] for row in rows])

    loader = DataLoader(rows, collate_fn=stack)  # type: ignore[arg-type,var-annotated]
    state = torch.get_rng_state()
    source = training.Fetched(loader)
    assert len(source) == N
    batches = list(source.batches([torch.tensor([3, 1]), torch.tensor([5])]))
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left as it is"
    assert torch.equal(torch.cat(batches), inputs[[3, 1, 5]])
    assert torch.equal(weights(loader, labels), weights(inputs, labels))


class Stream(IterableDataset[Tensor]):
    """Images in an order of its own."""

    def __iter__(self) -> Iterator[Tensor]:
        return iter(INPUTS)


def test_an_optimizer_comes_ready_or_as_what_builds_it() -> None:
    inputs, labels = data()
    network, loss = make()
    before = loss.prototypes.detach().clone()
    ready = torch.optim.AdamW([*network.parameters(), *loss.parameters()], lr=0.01)
    torch.manual_seed(1)
    train(network, loss, inputs, labels, SETTINGS, optimizer=ready)
    assert not torch.equal(loss.prototypes, before)
    assert ready.param_groups[0]["lr"] == pytest.approx(0), "the schedule is the settings'"
    built = weights(inputs, labels, optimizer=lambda held: torch.optim.AdamW(held, lr=0.01))
    assert torch.equal(built, torch.cat([w.flatten() for w in network.parameters()]))
    without = torch.optim.SGD(make()[0].parameters(), lr=0.1)
    with pytest.raises(ValueError, match="does not hold the prototypes"):
        train(*make(), inputs, labels, SETTINGS, optimizer=without)


def test_pruning_of_ones_own_takes_the_place_of_the_rule() -> None:
    inputs, labels = data()
    seen = []

    def keep_first_half(loss: Any, embeddings_ND: Tensor, labels_N: Tensor) -> Tensor:
        seen.append((tuple(embeddings_ND.shape), len(labels_N)))
        return torch.arange(N) < N // 2

    network, loss = make()
    run = train(network, loss, inputs, labels, SETTINGS, prune=keep_first_half)
    assert seen == [((N, D), N)] * 2
    assert loss.kept.sum() == N // 2
    assert [report.kept for report in run.history] == [1, 1, 0.5, 0.5]
    network, loss = make()
    train(network, loss, inputs, labels, SETTINGS, prune=lambda *_: None)
    assert loss.kept.all()
    with pytest.raises(ValueError, match=r"prune returned torch.int64 \[90\]; it must return"):
        train(*make(), inputs, labels, SETTINGS, prune=lambda *_: labels)
    with pytest.raises(ValueError, match="a NormalizedSoftmaxLoss leaves no image out"):
        train(*make("nsl"), inputs, labels, SETTINGS, prune=keep_first_half)


INPUTS, LABELS = data()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"inputs": INPUTS[:0], "labels": LABELS[:0]}, "There are no inputs; pass at least one"),
        ({"inputs": [[1.0]]}, "inputs are a list; pass a tensor or array"),
        ({"inputs": Stream()}, "Stream hands out images in its own order only"),
        ({"labels": LABELS[1:]}, "There are 89 labels for 90 inputs; pass one each"),
        ({"labels": LABELS.float()}, r"labels are torch.float32 \[90\]; pass whole numbers"),
        ({"labels": LABELS > 0}, "labels are torch.bool"),
        ({"labels": LABELS[:, None]}, r"labels are torch.int64 \[90, 1\]"),
        ({"labels": LABELS + 1}, "labels run from 1 to 3, and the loss has 3 classes"),
        ({"labels": LABELS - 1}, r"labels run from -1 to 1, .* must be in 0\.\.2"),
        ({"settings": Config()}, "settings is a Config, .* ignored here.*; pass its .settings"),
        ({"settings": {"epochs": 3}}, "settings is a dict"),
        ({"loss": make(count=91)[1]}, "built for 91 training images, .* num_samples=90"),
        ({"settings": Settings(selection="noisy_val")}, "needs a validate function"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(
    changed: dict[str, Any], message: str
) -> None:
    network, loss = make()
    given = {"loss": loss, "inputs": INPUTS, "labels": LABELS, "settings": SETTINGS, **changed}
    with pytest.raises(ValueError, match=message) as raised:
        train(network, **given)
    assert "\n" not in str(raised.value)


def test_embed_gives_each_layer_back_in_the_mode_that_it_had() -> None:
    network, _ = make()
    network[0].eval()  # type: ignore[index]
    modes = [module.training for module in network.modules()]
    assert modes == [True, False, True, True]
    inputs, _ = data()
    quiet = embed(network, inputs)
    assert [module.training for module in network.modules()] == modes
    assert torch.equal(quiet, embed(network.eval(), inputs.numpy()))
    assert not network.training


def test_a_trained_network_is_in_evaluation_mode() -> None:
    inputs, labels = data()
    network, loss = make("nsl")
    train(network, loss, inputs, labels, SETTINGS)
    assert not any(module.training for module in network.modules())


def test_inputs_on_the_second_gpu_train_there(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[dict[str, Any]] = []

    class Fabric:
        def __init__(self, **given: Any) -> None:
            chosen.append(given)

        def launch(self) -> None:
            pass

    monkeypatch.setattr("lightning_fabric.Fabric", Fabric)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    for name in ("cuda:1", "cuda:0", "cuda"):
        devices.launch(torch.device(name))
    assert [given["devices"] for given in chosen] == [[1], 1, 1]
    assert {given["accelerator"] for given in chosen} == {"cuda"}
    with pytest.raises(ValueError, match="device is cuda:2, and torch finds 2"):
        devices.launch(torch.device("cuda:2"))


def test_the_default_settings_train_t_rnsl() -> None:
    inputs, labels = data()
    network = nn.Linear(D_IN, D)
    loss = losses.TruncatedRobustNormalizedSoftmaxLoss(C, D, N)
    run = train(network, loss, inputs, labels)
    assert len(run.history) == Settings().epochs
    assert run.history[Settings().epochs // 2 - 1].loss < run.history[0].loss
