"""The rules that say which images t-RNSL keeps, against slow loops."""

import math

import pytest
import torch

from rnsl_tutorial import losses

N, C, D = 200, 7, 5


def make(k: float = 0.5, temperature: float = 0.2, scale: float = 1.0):  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(0)
    loss = losses.TruncatedRobustNormalizedSoftmaxLoss(
        C, D, N, temperature, 0.7, k, generator=generator
    )
    embeddings = scale * torch.randn(N, D, generator=generator)
    return loss, embeddings, torch.randint(C, (N,), generator=generator)


def probabilities(loss, embeddings):  # type: ignore[no-untyped-def]
    every = [
        losses.label_log_probability(
            embeddings, loss.prototypes, torch.full((N,), c), loss.temperature
        ).exp()
        for c in range(C)
    ]
    return torch.stack(every, dim=1).detach()


@pytest.mark.parametrize("k", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_the_ratio_rule_compares_the_label_with_the_likeliest_class(
    k: float, temperature: float
) -> None:
    loss, embeddings, labels = make(k, temperature, scale=3.0)
    loss.update_kept(embeddings, labels, rule="ratio")
    by_hand = [
        float(p[label]) > k * float(p.max())
        for p, label in zip(probabilities(loss, embeddings), labels, strict=True)
    ]
    assert loss.kept.tolist() == by_hand
    assert k == 0 or 0 < loss.kept.float().mean() < 1


def test_the_ratio_rule_keeps_whatever_the_paper_rule_keeps() -> None:
    loss, embeddings, labels = make()
    loss.update_kept(embeddings, labels, rule="paper")
    paper = loss.kept.clone()
    loss.update_kept(embeddings, labels, rule="ratio")
    assert loss.kept[paper].all()
    assert loss.kept.sum() > paper.sum()


def test_no_image_above_k_over_one_plus_k_is_left_out() -> None:
    loss, embeddings, labels = make(k=0.5)
    loss.update_kept(embeddings, labels, rule="ratio")
    p = probabilities(loss, embeddings).gather(1, labels[:, None]).squeeze(1)
    assert (p > 1 / 3).any()
    assert loss.kept[p > 1 / 3].all()


def test_where_the_network_is_sure_both_rules_agree() -> None:
    loss, embeddings, labels = make(temperature=0.002)
    sure = probabilities(loss, embeddings).amax(dim=1) > 0.999
    assert sure.float().mean() > 0.8
    loss.update_kept(embeddings, labels, rule="paper")
    paper = loss.kept.clone()
    loss.update_kept(embeddings, labels, rule="ratio")
    assert torch.equal(loss.kept[sure], paper[sure])


def test_the_margin_is_the_temperature_times_log_one_over_k() -> None:
    prototypes = torch.eye(2)
    for excess, kept in ((-1e-4, True), (1e-4, False)):
        gap = 0.2 * math.log(2) + excess
        angle = math.asin(gap / math.sqrt(2)) + math.pi / 4  # x.w_1 - x.w_0 is the gap
        x = torch.tensor([[math.cos(angle), math.sin(angle)]])
        loss = losses.TruncatedRobustNormalizedSoftmaxLoss(2, 2, 2, 0.2, k=0.5)
        loss.prototypes.data = prototypes
        loss.update_kept(x, torch.tensor([0]), torch.tensor([1]), rule="ratio")
        assert loss.kept.tolist() == [True, kept]


def test_unknown_rules_are_refused() -> None:
    loss, embeddings, labels = make()
    with pytest.raises(ValueError, match="no rule 'quantile'; choose one of paper, ratio"):
        loss.update_kept(embeddings, labels, rule="quantile")
    assert loss.kept.all()
