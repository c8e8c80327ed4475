"""The training loop: it learns, it repeats itself, it prunes when it should, it stops on NaN."""

import pytest
import torch
from torch import nn

from rnsl_tutorial import losses
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.heads import build_loss
from rnsl_tutorial.training import EpochReport, Training, embed, train

N, D_IN, C = 240, 10, 3


def make_data(wrong: float = 0.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three clouds that a line can tell apart; a share of the labels moved to the next class."""
    generator = torch.Generator().manual_seed(0)
    true = torch.arange(N) % C
    centers = 3 * torch.eye(C, D_IN)
    inputs = centers[true] + 0.3 * torch.randn(N, D_IN, generator=generator)
    flipped = torch.rand(N, generator=generator) < wrong
    return inputs, torch.where(flipped, (true + 1) % C, true), true


def fit(config: Config, wrong: float = 0.0, **extra):  # type: ignore[no-untyped-def]
    inputs, given, true = make_data(wrong)
    torch.manual_seed(0)
    network, loss = nn.Linear(D_IN, config.embedding_dim), build_loss(config, C, N)
    train(network, loss, inputs, given, config.settings, **extra)
    return network, loss, inputs, given, true


SMALL = {"epochs": 12, "batch_size": 32, "embedding_dim": 16, "learning_rate": 0.2}


@pytest.mark.parametrize("name", ["nsl", "rnsl", "trnsl"])
def test_every_loss_learns_three_clouds(name: str) -> None:
    network, loss, inputs, _, true = fit(Config(loss=name, prune_from=6, prune_every=2, **SMALL))
    embeddings = embed(network, inputs)
    assert torch.linalg.norm(embeddings, dim=1).allclose(torch.ones(N))
    nearest = (embeddings @ nn.functional.normalize(loss.prototypes).T).argmax(dim=1)
    assert (nearest == true).all()


def test_t_rnsl_drops_the_wrong_labels_and_keeps_the_right_ones() -> None:
    config = Config(loss="trnsl", prune_from=6, prune_every=2, **SMALL)
    _, loss, _, given, true = fit(config, wrong=0.3)
    assert isinstance(loss, losses.TruncatedRobustNormalizedSoftmaxLoss)
    right = given == true
    assert loss.kept[right].float().mean() > 0.95
    assert loss.kept[~right].float().mean() < 0.05


def test_the_schedule_prunes_before_the_epochs_it_names() -> None:
    config = Config(epochs=20, prune_from=8, prune_every=4)
    assert [e for e in range(config.epochs) if config.prunes_before(e)] == [8, 12, 16]


@pytest.mark.parametrize(
    ("prune_from", "first"), [(None, {40: 20, 10: 5, 2: 1}), (0.75, {24: 18, 10: 7, 1000: 750})]
)
def test_pruning_can_start_at_a_share_of_the_epochs(
    prune_from: float | None, first: dict[int, int]
) -> None:
    configs = {epochs: Config(epochs=epochs, prune_from=prune_from) for epochs in first}
    found = {n: next(e for e in range(n) if c.prunes_before(e)) for n, c in configs.items()}
    assert found == first


def test_reports_tell_loss_and_kept_share_after_each_epoch() -> None:
    reports: list[EpochReport] = []
    config = Config(loss="trnsl", prune_from=6, prune_every=2, **SMALL)
    _, loss, *_ = fit(config, wrong=0.3, on_epoch=reports.append)
    assert [r.epoch for r in reports] == list(range(12))
    assert [r.kept for r in reports[:6]] == [1.0] * 6
    assert reports[6].kept < 1
    assert reports[-1].kept == loss.kept.float().mean().item()
    assert reports[5].loss < reports[0].loss


def test_the_reported_loss_is_the_mean_over_images() -> None:
    """With a learning rate of almost 0 the mean over batches is the mean over the set."""
    reports: list[EpochReport] = []
    config = Config(loss="rnsl", **{**SMALL, "epochs": 1, "learning_rate": 1e-12, "batch_size": 50})
    network, loss, inputs, given, _ = fit(config, on_epoch=reports.append)
    assert reports[0].loss == pytest.approx(loss(network(inputs), given).item(), rel=1e-5)


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    weights = [
        fit(Config(loss="rnsl", seed=seed, **SMALL))[0].weight.detach() for seed in (1, 1, 2)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_dropout_is_off_while_embedding() -> None:
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(D_IN, 4))
    inputs, *_ = make_data()
    torch.testing.assert_close(embed(network, inputs), embed(network, inputs, batch_size=7))


def test_a_loss_that_is_no_longer_finite_stops_the_run() -> None:
    inputs, given, _ = make_data()
    inputs[3] = float("nan")
    config = Config(loss="rnsl", **SMALL)
    with pytest.raises(FloatingPointError, match="The loss is no longer finite in epoch 0, batch"):
        train(nn.Linear(D_IN, 16), build_loss(config, C, N), inputs, given, config.settings)


def test_the_step_schedule_halves_the_rate_every_so_many_epochs() -> None:
    reports: list[EpochReport] = []
    settings = {**SMALL, "schedule": "step", "step_epochs": 3, "step_factor": 0.5}
    fit(Config(loss="nsl", **settings), on_epoch=reports.append)
    rates = [0.2 * 0.5 ** ((epoch + 1) // 3) for epoch in range(12)]
    assert [report.learning_rate for report in reports] == pytest.approx(rates)


def test_the_cosine_schedule_ends_at_zero() -> None:
    reports: list[EpochReport] = []
    fit(Config(loss="nsl", **SMALL), on_epoch=reports.append)
    assert reports[5].learning_rate == pytest.approx(0.1)
    assert reports[-1].learning_rate == pytest.approx(0, abs=1e-9)


def test_the_embeddings_at_the_end_are_those_of_the_selected_weights() -> None:
    """A validation that asks for them leaves none of the last epoch's behind."""
    inputs, given, _ = make_data()
    scores = iter([0.1, 0.9, 0.2])
    config = Config(loss="nsl", selection="clean_val", **{**SMALL, "epochs": 3})
    network, loss = nn.Linear(D_IN, 16), build_loss(config, C, N)

    def validate(training: Training) -> float:
        assert training.embed_training().shape == (N, 16)
        return next(scores)

    training = train(network, loss, inputs, given, config.settings, validate=validate)
    assert torch.equal(training.embed_training(), embed(network, inputs))


def test_the_reference_prunes_by_the_best_epoch_and_leaves_its_prototypes_in_place() -> None:
    """Epoch 1 validates best; pruning before epoch 3 leaves network 3 with the prototypes of 1."""
    inputs, given, _ = make_data(wrong=0.3)
    scores = iter([0.1, 0.9, 0.2, 0.3])
    config = Config(
        loss="trnsl", prune_from=3, prune_every=9, pruning="reference", selection="clean_val",
        **{**SMALL, "epochs": 4},
    )  # fmt: skip
    network, loss = nn.Linear(D_IN, 16), build_loss(config, C, N)
    training = Training(
        network, loss, inputs, given, config.settings, validate=lambda _: next(scores)
    )
    states = []
    for report in training.epochs():
        states.append((network.weight.detach().clone(), loss.prototypes.detach().clone()))
        if report.epoch == 2:
            break
    training._prune(loss)  # type: ignore[arg-type]
    assert torch.equal(network.weight, states[2][0])
    assert torch.equal(loss.prototypes, states[1][1])
    best = nn.Linear(D_IN, 16)
    best.load_state_dict({"weight": states[1][0], "bias": training._selected["network"]["bias"]})  # type: ignore[index]
    p = (-losses.nsl(best(inputs), states[1][1], given, temperature=config.temperature)).exp()
    assert torch.equal(loss.kept, p > config.k)


def test_a_run_that_leaves_everything_out_ends_there() -> None:
    config = Config(loss="trnsl", k=0.999, prune_from=1, **(SMALL | {"learning_rate": 1e-4}))
    with (
        pytest.warns(UserWarning, match="images are left out"),
        pytest.raises(ValueError, match=r"All 240 images are left out before epoch 1.*k = 0\.999"),
    ):
        fit(config)


class Constant(losses.NormalizedSoftmaxLoss):
    """A loss that hangs on no weight, on all a little too often, or is none."""

    kind = "zero"

    def forward(self, x, y, indices=None):  # type: ignore[no-untyped-def]
        return {
            "zero": 0 * super().forward(x, y),
            "detached": super().forward(x, y).detach(),
            "per image": self.per_image(x, y),
        }[self.kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("zero", r"Nothing is trained: after the first epoch.*\(0\.2\)"),
        (
            "detached",
            r"Constant returned \[\]; the mean over the batch .*hangs on weights",
        ),
        ("per image", r"Constant returned \[32\]; the mean over the batch is needed"),
    ],
)
def test_a_loss_that_teaches_nothing_is_told_at_once(kind: str, message: str) -> None:
    inputs, given, _ = make_data()
    loss = Constant(C, 16)
    loss.kind = kind
    settings = Config(**(SMALL | {"epochs": 3}), weight_decay=0).settings
    seen: list[EpochReport] = []
    with pytest.raises(ValueError, match=message):
        train(nn.Linear(D_IN, 16), loss, inputs, given, settings, on_epoch=seen.append)
    assert seen == []


def test_weights_that_nobody_may_move_are_told_before_anything_is_done() -> None:
    inputs, given, _ = make_data()
    network = nn.Linear(D_IN, 16).requires_grad_(False)
    loss = losses.NormalizedSoftmaxLoss(C, 16).requires_grad_(False)
    with pytest.raises(ValueError, match="no weight of network and loss requires a gradient"):
        train(network, loss, inputs, given)


def test_inputs_that_the_network_does_not_take_are_named() -> None:
    inputs, given, _ = make_data()
    for odd, said in ((inputs.double(), r"torch\.float64 \[B, 10\]"), (inputs[:, 1:], r"\[B, 9\]")):
        with pytest.raises(ValueError, match=f"The network takes no inputs that are .*{said}"):
            train(nn.Linear(D_IN, 16), losses.NormalizedSoftmaxLoss(C, 16), odd, given)
