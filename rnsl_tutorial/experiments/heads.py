"""A head on frozen features: corrupt the labels, train it, follow it, measure what it reached.

Shapes: N training images, C classes, D embedding dimensions.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import product
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnsl_tutorial import losses, noise
from rnsl_tutorial._arrays import array
from rnsl_tutorial._files import require_memory
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.evaluation import embedding as evaluate
from rnsl_tutorial.experiments import grid, without_loss
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.experiments.results import Result
from rnsl_tutorial.training import EpochReport, Training, baselines, embed, embedding_head

__all__ = [
    "Fitted",
    "History",
    "build_head",
    "build_loss",
    "check_part",
    "corrupt",
    "fit",
    "follow",
    "judge",
    "make_grid",
    "measure",
    "one_thread",
    "predictions",
    "run",
    "run_grid",
    "standardized",
]

_MOST_RUNS = 10_000
_VALIDATION_SEED = 1_000_000
_REFERENCE_SEED = 42
"""Seed 0 of a run draws the labels that the reference code draws with its seed 42."""


class Fitted(NamedTuple):
    """A trained head with its prototypes, and the labels it was given."""

    network: nn.Module
    loss: losses.NormalizedSoftmaxLoss
    given: noise.CorruptedLabels
    seconds: float


# ------------------------------------------------------------------ one run


def corrupt(
    features: FeatureSet, config: Config, part: Literal["train", "val"] = "train"
) -> noise.CorruptedLabels:
    """Corrupt the labels of a part as the config says.

    The seed is 42 + config.seed for the training images, a million more for those of validation.

    Raises:
        ValueError: classes that the noise has no table for.
    """
    part_N = getattr(features.split, part)
    return noise.corrupt(
        features.labels[part_N],
        config.noise,
        config.rate,
        seed=_seed_of_noise(config, part),
        class_names=features.class_names,
        dataset=config.dataset,
        features=features.features[part_N],
    )


def _check_sizes(features: FeatureSet, configs: Iterable[Config]) -> None:
    """Refuse heads that do not fit into memory: weights, gradients, momentum, all embeddings."""
    num_images, num_features = features.features.shape
    for hidden, dim in {(config.hidden_dim, config.embedding_dim) for config in configs}:
        weights = num_features * hidden + (hidden + len(features.class_names)) * dim
        what = f"A head with hidden_dim {hidden} and embedding_dim {dim}"
        require_memory(4 * (3 * weights + num_images * dim), what)


def _seed_of_noise(config: Config, part: str) -> int:
    """Seed of the wrong labels of a part; that of validation has labels of its own."""
    return _REFERENCE_SEED + config.seed + (part != "train") * _VALIDATION_SEED


_Judged: TypeAlias = tuple[Fitted, Tensor, NDArray[np.int64], Tensor, NDArray[np.int64]]
_LossBuilder = Callable[[Config, int, int, torch.Generator], losses.NormalizedSoftmaxLoss]
"""What builds a loss, as `build_loss`: from config, C, N and a generator."""


def build_loss(
    config: Config,
    num_classes: int,
    num_samples: int,
    generator: torch.Generator | None = None,
) -> losses.NormalizedSoftmaxLoss:
    """Build the loss that the config names, with fresh prototypes, see `training.build_loss`.

    Raises:
        ValueError: a loss of the learner's own, which no name can build, or none at all.
    """
    if config.is_without_loss:
        raise ValueError(f"{config.loss!r} trains nothing; experiments.run measures it.")
    if config.loss_is_own:
        raise ValueError(
            f"{config.loss!r} is a loss of your own; hand the function that builds it to "
            "experiments.run or run_grid, as build_loss."
        )
    return baselines.build_loss(
        config.loss,
        num_classes,
        num_samples,
        generator,
        embedding_dim=config.embedding_dim,
        temperature=config.temperature,
        q=config.q,
        k=config.k,
    )


def fit(
    features: FeatureSet,
    config: Config,
    on_epoch: Callable[[EpochReport], None] | None = None,
    build_loss: _LossBuilder = build_loss,
) -> Fitted:
    """Train a head on the corrupted training split, from the seed of the config.

    Args:
        features: of the data set.
        config: of the run.
        on_epoch: called after each epoch.
        build_loss: builds the loss; one of your own goes with a config.loss "own:NAME".
    """
    with one_thread():
        training, given = _training(features, config, build_loss)
        training.run(on_epoch)
    return Fitted(training.network, training.loss, given, training.seconds)


def _training(
    features: FeatureSet, config: Config, build_loss: _LossBuilder = build_loss
) -> tuple[Training, noise.CorruptedLabels]:
    """A head, its loss and the labels it is given, ready to be trained."""
    given = corrupt(features, config)
    inputs_ND = standardized(features)[torch.from_numpy(features.split.train)]
    generator = torch.Generator().manual_seed(config.seed)
    network = build_head(config, inputs_ND.shape[1], generator)
    loss = build_loss(config, len(features.class_names), len(inputs_ND), generator)
    validate = _validator(features, config)
    training = Training(network, loss, inputs_ND, given.labels, config.settings, validate=validate)
    return training, given


def _validator(features: FeatureSet, config: Config) -> Callable[[Training], float] | None:
    """What judges an epoch by the validation images, see `Settings.selection`; None for "last"."""
    selection = config.settings.selection
    if selection == "last":
        return None
    train_N, val_M = features.split.train, features.split.val
    inputs_MD = standardized(features)[torch.from_numpy(val_M)]
    given_M = corrupt(features, config, "val").labels

    def validate(training: Training) -> float:
        index_ND, queries_MD = training.embed_training(), training.embed(inputs_MD)
        if selection == "clean_val":
            true = features.labels[train_N], features.labels[val_M]
            return evaluate.knn_accuracy(index_ND, true[0], queries_MD, true[1])
        prototypes_CD = _prototypes_of(training.loss, index_ND, training.labels)
        return evaluate.prototype_accuracy(queries_MD, prototypes_CD, given_M)

    return validate


def build_head(config: Config, num_features: int, generator: torch.Generator) -> nn.Sequential:
    """Build the head that a config names, its weights drawn from the generator."""
    return embedding_head(
        num_features,
        config.hidden_dim,
        config.embedding_dim,
        input_dropout=config.input_dropout,
        dropout=config.dropout,
        generator=generator,
    )


class History(NamedTuple):
    """What `follow` saw of a run. Moment 0 is before training, moment e after e of E epochs.

    Everything is as the network sees it without dropout and the prototypes of the same moment.

    Attributes:
        log_p: float32 [E + 1, N], log of the probability that the prototypes give to the label that
            each training image was given.
        kept: bool [E + 1, N], whether epoch e trained on the image; for e = 0 all True.
        batch: int64 [B], places in the training set, ascending, of the images whose embeddings
            follow.
        embeddings: float32 [E + 1, B, D], of unit length.
        prototypes: float32 [E + 1, C, D], of unit length.
    """

    log_p: Tensor
    kept: Tensor
    batch: Tensor
    embeddings: Tensor
    prototypes: Tensor


def follow(
    features: FeatureSet,
    config: Config,
    batch_size: int = 256,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> tuple[Fitted, History]:
    """As `fit`, and look at the training images before the first epoch and after each.

    Looking adds about half of the time that training takes, and changes nothing in it.

    Args:
        features: of the data set.
        config: of the run.
        batch_size: B, how many images to keep the embeddings of; drawn with the config's seed.
        on_epoch: called after each epoch.
    """
    moments: list[tuple[Tensor, ...]] = []
    with one_thread():
        training, given = _training(features, config)
        loss, labels_N = training.loss, training.labels
        generator = torch.Generator().manual_seed(config.seed)
        batch_B = torch.randperm(len(labels_N), generator=generator)[:batch_size].sort().values

        def look(report: EpochReport | None) -> None:
            embeddings_ND = training.embed_training()
            prototypes_CD = _prototypes_of(loss, embeddings_ND, labels_N)
            log_p_N = losses.label_log_probability(
                embeddings_ND, prototypes_CD, labels_N, config.temperature
            )
            kept_N = getattr(loss, "kept", torch.ones(len(labels_N), dtype=torch.bool)).clone()
            moments.append((log_p_N, kept_N, embeddings_ND[batch_B], prototypes_CD))
            if report and on_epoch:
                on_epoch(report)

        look(None)
        training.run(look)
    log_p, kept, embeddings, prototypes = map(torch.stack, zip(*moments, strict=True))
    fitted = Fitted(training.network, loss, given, training.seconds)
    return fitted, History(log_p, kept, batch_B, embeddings, prototypes)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread.

    A small head gains little from more, and sums come out alike on any number of cores.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def standardized(features: FeatureSet) -> Tensor:
    """Return all features, float32 [N, D], scaled so that the training split has mean square 1."""
    return torch.from_numpy(features.features / _scale(features))


def _scale(features: FeatureSet) -> np.float32:
    """Root mean square of the training features, by which a head's inputs are divided."""
    scale: np.float32 = np.sqrt(np.mean(features.features[features.split.train] ** 2))
    return scale


def measure(fitted: Fitted, features: FeatureSet, part: str = "test") -> dict[str, float]:
    """Judge a trained head on the true labels of one part of the split.

    Args:
        fitted: from `fit`.
        features: the same that it was fitted on.
        part: "test"; "val" while a recipe is being chosen.

    Returns:
        A dict with

        - knn_clean: k-NN accuracy (k = 10, distance-weighted), index of training images under their
          true labels: what the embedding is worth;
        - knn_noisy: the same with the given labels: what one has without clean labels;
        - prototype: accuracy of the nearest prototype; a loss that trains none gets the mean
          embedding of each class under the given labels;
        - memorized: share of the wrongly labelled training images whose nearest prototype is that
          of the wrong label (NaN without wrong labels);
        - realized_rate: share of the labels that really were flipped;
        - and for t-RNSL kept (share of the training images), precision and recall of its pruning as
          a finder of wrong labels, both as it was last decided, and auroc of -log p after training
          as a score for them.
    """
    return judge(*_judged(fitted, features, part))


def _judged(fitted: Fitted, features: FeatureSet, part: str) -> _Judged:
    """The arguments of `judge` for one part of the split."""
    check_part(part)
    embeddings_ND = embed(fitted.network, standardized(features))
    train_N, part_M = features.split.train, getattr(features.split, part)
    return (
        fitted, embeddings_ND[train_N], features.labels[train_N],
        embeddings_ND[part_M], features.labels[part_M],
    )  # fmt: skip


def judge(
    fitted: Fitted,
    index: Tensor,
    index_labels: NDArray[np.int64],
    queries: Tensor,
    query_labels: NDArray[np.int64],
    predicted: Mapping[str, NDArray[np.int64]] | None = None,
) -> dict[str, float]:
    """Judge embeddings on true labels, as `measure` tells.

    Args:
        fitted: from `fit`, for its prototypes, its given labels and what it keeps.
        index: float32 [N, D], embeddings of the training images, of unit length.
        index_labels: int64 [N], their true labels.
        queries: float32 [M, D], those of the images to judge by.
        query_labels: int64 [M], their true labels.
        predicted: what `predictions` returns for the same, where it is known already.
    """
    _check_judged(fitted, index, queries)
    query_labels = array("query_labels", query_labels)
    if query_labels.shape != queries.shape[:1]:
        raise ValueError(
            f"query_labels are {list(query_labels.shape)}; {len(queries)} queries need as many."
        )
    wrong_N = torch.from_numpy(fitted.given.flipped).to(index.device)
    given_N = torch.from_numpy(fitted.given.labels).to(index.device)
    nearest_N = (index @ _prototypes_of(fitted.loss, index, given_N).T).argmax(dim=1)
    if predicted is None:
        predicted = predictions(fitted, index, index_labels, queries)
    metrics = {name: float((y_M == query_labels).mean()) for name, y_M in predicted.items()} | {
        "memorized": (nearest_N == given_N)[wrong_N].float().mean().item(),
        "realized_rate": wrong_N.float().mean().item(),
    }
    return metrics | _pruning(fitted, index, given_N, wrong_N)


def predictions(
    fitted: Fitted, index: Tensor, index_labels: NDArray[np.int64], queries: Tensor
) -> dict[str, NDArray[np.int64]]:
    """Return what knn_clean, knn_noisy and prototype say about each query, int64 [M].

    Arguments as for `judge`, whose accuracies are the shares of them that are right.
    """
    _check_judged(fitted, index, queries)
    given_N = torch.from_numpy(fitted.given.labels).to(index.device)
    nearest_M = (queries @ _prototypes_of(fitted.loss, index, given_N).T).argmax(dim=1)
    found = {
        "knn_clean": evaluate.knn_predict(index, index_labels, queries),
        "knn_noisy": evaluate.knn_predict(index, given_N, queries),
        "prototype": nearest_M,
    }
    return {name: predicted_M.cpu().numpy() for name, predicted_M in found.items()}


def _check_judged(fitted: Fitted, index: Tensor, queries: Tensor) -> None:
    """Refuse embeddings that are none, or not those of what was fitted."""
    losses._check_dense(index=index, queries=queries)
    prototypes, count = fitted.loss.prototypes, len(fitted.given.labels)
    for name, given in (("index", index), ("queries", queries)):
        if given.ndim != 2 or given.shape[1:] != prototypes.shape[1:] or not len(given):
            raise ValueError(f"{name} is {list(given.shape)}; give [N, {prototypes.shape[1]}].")
        if given.dtype != prototypes.dtype:
            raise ValueError(f"{name} is {given.dtype}; the prototypes are {prototypes.dtype}.")
    if len(index) != count:
        raise ValueError(f"index has {len(index)} images; {count} were given labels.")


def _prototypes_of(loss: losses.NormalizedSoftmaxLoss, index: Tensor, given: Tensor) -> Tensor:
    """The loss's prototypes, of unit length; where it trains none, the means of what it was told.

    Args:
        loss: trained.
        index: float [N, D], embeddings of the training images, of unit length.
        given: int64 [N], the labels that they were given.
    """
    if getattr(loss, "has_prototypes", loss.prototypes.requires_grad):
        return nn.functional.normalize(loss.prototypes.detach(), dim=1)
    return baselines.class_means(index, given, len(loss.prototypes))


def check_part(part: str) -> None:
    """Refuse a part of the split that nothing is measured on.

    Raises:
        ValueError: it is neither "test" nor "val".
    """
    if part not in ("val", "test"):
        raise ValueError(f"part is {part!r}; it must be 'test', or 'val' while choosing a recipe.")


def _pruning(fitted: Fitted, embeddings: Tensor, given: Tensor, wrong: Tensor) -> dict[str, float]:
    loss = fitted.loss
    if not isinstance(loss, losses.TruncatedRobustNormalizedSoftmaxLoss):
        return {}
    with torch.no_grad():
        score = losses.nsl(embeddings, loss.prototypes, given, temperature=loss.temperature)
    found = evaluate.flip_detection(score, wrong, ~loss.kept)
    return {"kept": loss.kept.float().mean().item(), **found._asdict()}


def run(
    features: FeatureSet,
    config: Config,
    part: str = "test",
    on_epoch: Callable[[EpochReport], None] | None = None,
    build_loss: _LossBuilder = build_loss,
    measure: Callable[[Fitted, FeatureSet, str], dict[str, float]] | None = None,
    on_fit: Callable[[Config, Fitted], object] | None = None,
) -> Result:
    """Fit and measure; arguments as in `fit` and `measure`, or another measure than that one.

    What is trained is handed to on_fit.

    For one of `config.WITHOUT_LOSS` nothing is trained: the result is its row of
    `without_loss.rows`.
    """
    if config.is_without_loss:
        return _run_without_loss(features, config, part)
    with one_thread():
        fitted = fit(features, config, on_epoch, build_loss)
        if on_fit:
            on_fit(config, fitted)
        if measure:
            metrics = measure(fitted, features, part)
            return Result(config, metrics, fitted.seconds, part, features.made_with)
        judged = _judged(fitted, features, part)
        predicted = predictions(*judged[:-1])
        metrics = judge(*judged, predicted)
    right = {name: y_M == judged[-1] for name, y_M in predicted.items()}
    return Result(config, metrics, fitted.seconds, part, features.made_with, hits=right)


def _run_without_loss(features: FeatureSet, config: Config, part: str) -> Result:
    check_part(part)
    train_N, part_M = features.split.train, getattr(features.split, part)
    given, labels = corrupt(features, config).labels, features.labels
    begin = time.perf_counter()
    row = without_loss.rows(
        features.features[train_N], labels[train_N], given,
        features.features[part_M], labels[part_M], [config.loss],
    )[config.loss]  # fmt: skip
    seconds = time.perf_counter() - begin
    return Result(config, row.metrics, seconds, part, features.made_with, hits=row.hits)


# ------------------------------------------------------------------ grids


def make_grid(
    noises: Sequence[str],
    rates: Sequence[float],
    losses: Sequence[str],
    seeds: int,
    qs: Sequence[float] = (Config.q,),
    ks: Sequence[float] = (Config.k,),
    *,
    many: bool = False,
    **settings: Any,
) -> list[Config]:
    """Return a config for every combination; seeds are 0, 1, ... and settings go to `Config`.

    Raises:
        ValueError: fewer than one seed, more than 10,000 configs unless ``many`` are meant, or a
            value that `Config` refuses.
    """
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; at least 1 is needed, 3 for a spread worth reading.")
    axes: dict[str, Any] = {"noise": noises, "rate": rates, "loss": losses, "q": qs, "k": ks}
    _check_runs(math.prod(len(set(values)) for values in axes.values()) * seeds, many)
    return [
        Config(**dict(zip(axes, cell, strict=True)), seed=seed, **settings)
        for cell in product(*map(dict.fromkeys, axes.values()))
        for seed in range(seeds)
    ]


def _check_runs(runs: int, many: bool) -> None:
    """Refuse a grid of more runs than anybody is likely to mean, before it is built."""
    if runs > _MOST_RUNS and not many:
        raise ValueError(
            f"The grid has {runs:,} runs, more than {_MOST_RUNS:,}. Give fewer values, or pass "
            "--yes to go on (in Python: many=True)."
        )


def run_grid(
    features: FeatureSet,
    configs: Sequence[Config],
    part: str = "test",
    *,
    jobs: int = 1,
    on_result: Callable[[Result], object] | None = None,
    build_loss: _LossBuilder = build_loss,
    on_fit: Callable[[Config, Fitted], object] | None = None,
) -> list[Result]:
    """Run every config, several at a time, each on a thread of its own.

    Args:
        features: of the data set.
        configs: from `make_grid`.
        part: see `measure`.
        jobs: runs at a time, one on a core.
        on_result: called as each run ends, in no fixed order.
        build_loss: see `fit`.
        on_fit: called with each head once it is trained, from its thread.

    Returns:
        Results in the order of the configs, the same for any number of jobs.

    Raises:
        ValueError: jobs below 1, an unknown part, or noise that `corrupt` refuses.
    """
    check_part(part)
    _check_sizes(features, configs)
    for config in {(c.dataset, c.noise, c.rate): c for c in configs}.values():
        corrupt(features, config)  # a noise or rate that cannot be fails now, not after minutes

    def run_one(config: Config) -> Result:
        return run(features, config, part, None, build_loss, on_fit=on_fit)

    found: dict[int, Result] = {}
    with one_thread(), closing(grid.calls(run_one, configs, jobs)) as ended:
        for call in ended:  # torch computes outside of Python's lock
            found[call.place] = call.made
            if on_result:
                on_result(call.made)
    return [found[place] for place in range(len(configs))]
