"""The library's doors: a valid call of every public function that takes arrays, and bad arguments.

`outcome` tells what came of a try:

    clear      a result, or one line of our own that names the argument or says what is needed
    unclear    an error of our own in several lines, very short or long, or that steers a terminal
    traceback  somebody else's error, or one that nobody raised on purpose
    no end     longer than `SECONDS`
"""

import ast
import math
import re
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from stub_scorer import from_probabilities
from synthetic_features import make_archive, tiny_backbone
from torch import nn

from rnsl_tutorial import audit, evaluation, losses, noise, training
from rnsl_tutorial.datasets import Split, features, make_scenes, splits
from rnsl_tutorial.evaluation import class_margins, embedding, significance, umap
from rnsl_tutorial.experiments import figures, heads, images, inference, without_loss
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import augmentation, baselines, prepare, sources
from rnsl_tutorial.tutorial import curves, explorers, plots

PACKAGE = Path(losses.__file__).parent
SECONDS = 60
N, C, D = 12, 3, 4  # images, classes, dimensions
TAKES_ARRAYS = re.compile(r"Tensor|NDArray|ArrayLike|_Array|Labels\b|Matrix|_Floats|Floats|Inputs")


class Door(NamedTuple):
    """A public function with arguments that it takes."""

    call: Callable[..., object]
    given: Mapping[str, Any]


# ------------------------------------------------------------------ valid arguments

_RNG = np.random.default_rng(0)
x = torch.from_numpy(_RNG.standard_normal((N, D)).astype(np.float32))
w = torch.from_numpy(_RNG.standard_normal((C, D)).astype(np.float32))
y = torch.arange(N) % C
x_np, w_np, y_np = x.numpy(), w.numpy(), y.numpy()
T = noise.symmetric_transition(C, 0.3)
P = np.full((N, C), 0.1, np.float32) + 0.7 * np.eye(C, dtype=np.float32)[y_np]
S = np.array([0.1, 0.2, 0.15, 0.3, 0.12])
BATCH = {"embeddings": x, "prototypes": w, "labels": y}
FLIPPED = np.arange(N) % 4 == 0
ARCHIVE = make_archive(12)
SPLIT = Split(np.arange(6), np.arange(6, 9), np.arange(9, 12))


def _loss(kind: type[losses.NormalizedSoftmaxLoss] = losses.NormalizedSoftmaxLoss) -> Any:
    sizes = (C, D, N) if kind is losses.TruncatedRobustNormalizedSoftmaxLoss else (C, D)
    return kind(*sizes, generator=torch.Generator().manual_seed(0))


def _of(kind: Any, method: str) -> Callable[..., object]:
    return lambda **given: getattr(_loss(kind), method)(**given)


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(D, D)


def _train(**given: Any) -> object:
    settings = training.Settings(epochs=1, batch_size=4)
    return training.train(_network(), _loss(), given["inputs"], given["labels"], settings)


def _fitted() -> heads.Fitted:
    given = noise.CorruptedLabels(y_np, FLIPPED)
    return heads.Fitted(_network(), _loss(), given, 1.0)


def _model() -> inference.Model:
    config = Config(network="small", embedding_dim=D, image_size=32)
    network, loss = images.build(config, C, N)
    return inference.Model(network.eval(), loss.prototypes.detach(), ("a", "b", "c"), config)


def _scores(probabilities: Any) -> audit.Scores:
    return from_probabilities(probabilities, y_np)


def _audit() -> audit.Audit:
    files = tuple(f"a/{i}.png" for i in range(N))
    estimate = audit.estimate_precision(_scores(P), y_np, T / C)
    return audit.Audit(files, ("a", "b", "c"), y_np, _scores(P), T, 0.1, np.zeros(C), estimate)


def _coloring() -> plots.Coloring:
    return plots.Coloring(y_np, ("#000000", "#111111", "#222222"))


NSL, RNSL, TRNSL = (
    losses.NormalizedSoftmaxLoss,
    losses.RobustNormalizedSoftmaxLoss,
    losses.TruncatedRobustNormalizedSoftmaxLoss,
)
_PER_IMAGE = {"embeddings": x, "labels": y}
_INDEXED = {**_PER_IMAGE, "indices": torch.arange(N)}
_SEARCH = {"index_embeddings": x_np, "queries": x_np[:5], "k": 3}
_SPHERES = _RNG.standard_normal((2, N, 3))
_SPHERES /= np.linalg.norm(_SPHERES, axis=2, keepdims=True)
_FOLLOWED = {"log_p": np.log(np.linspace(0.05, 0.95, 3 * N)).reshape(3, N), "flipped": FLIPPED}
_OVER_Q = np.full((1, 2, 3), 0.5)
_MAP = x_np[:, :2].copy()


def doors(cache: Path) -> dict[str, Door]:
    """Every door by its name, such as "losses.nsl"; what is computed for long goes to the cache."""
    quiet: dict[str, Any] = {"cache": cache, "progress": False}
    torch_doors = {
        "losses.nsl": Door(losses.nsl, {**BATCH, "temperature": 0.1}),
        "losses.rnsl": Door(losses.rnsl, {**BATCH, "q": 0.5, "temperature": 0.1}),
        "losses.truncated_rnsl": Door(
            losses.truncated_rnsl, {**BATCH, "kept": torch.ones(N, dtype=torch.bool), "k": 0.3}
        ),
        "losses.label_log_probability": Door(
            losses.label_log_probability, {**BATCH, "temperature": 0.1}
        ),
        "losses.class_log_probabilities": Door(
            losses.class_log_probabilities, {"embeddings": x, "prototypes": w, "temperature": 0.1}
        ),
        "losses.at_labels": Door(losses.at_labels, {"values_BC": x[:, :C], "labels_B": y}),
        "losses.negative_box_cox": Door(losses.negative_box_cox, {"log_p": -x.abs(), "q": 0.5}),
        "losses.check_batch": Door(losses.check_batch, BATCH),
        "losses.NormalizedSoftmaxLoss.per_image": Door(_of(NSL, "per_image"), _PER_IMAGE),
        "losses.NormalizedSoftmaxLoss.forward": Door(_of(NSL, "forward"), _INDEXED),
        "losses.RobustNormalizedSoftmaxLoss.per_image": Door(_of(RNSL, "per_image"), _PER_IMAGE),
        "losses.TruncatedRobustNormalizedSoftmaxLoss.per_image": Door(
            _of(TRNSL, "per_image"), _INDEXED
        ),
        "losses.TruncatedRobustNormalizedSoftmaxLoss.update_kept": Door(
            _of(TRNSL, "update_kept"), _INDEXED
        ),
        "training.baselines.ce": Door(baselines.ce, BATCH),
        "training.baselines.gce": Door(baselines.gce, {**BATCH, "q": 0.5}),
        "training.baselines.sce": Door(baselines.sce, {**BATCH, "alpha": 0.1, "beta": 1.0}),
        "training.baselines.nce_rce": Door(baselines.nce_rce, {**BATCH, "alpha": 1.0, "beta": 1.0}),
        "training.baselines.label_smoothing": Door(
            baselines.label_smoothing, {**BATCH, "smoothing": 0.1}
        ),
        "training.baselines.class_means": Door(
            baselines.class_means, {"embeddings": x, "labels": y, "num_classes": C}
        ),
        "training.loop.train": Door(_train, {"inputs": x, "labels": y}),
        "training.loop.Training.__init__": Door(
            lambda **given: training.Training(_network(), _loss(), **given),
            {"inputs": x, "labels": y},
        ),
        "training.loop.Training.embed": Door(
            lambda **given: training.Training(_network(), _loss(), x, y).embed(**given),
            {"inputs": x},
        ),
        "training.embedding.embed": Door(
            lambda **given: training.embed(_network(), **given), {"inputs": x, "batch_size": 5}
        ),
        "training.augmentation.apply": Door(
            lambda **given: augmentation.apply(
                drawn=augmentation.draw("flip", 4, torch.Generator().manual_seed(0)), **given
            ),
            {"images": torch.zeros(4, 3, 8, 8, dtype=torch.uint8)},
        ),
        "training.networks.Backbone.forward": Door(
            lambda **given: tiny_backbone()(**given),
            {"images": torch.zeros(2, 3, 8, 8, dtype=torch.uint8)},
        ),
        "training.prepare.check_kept": Door(
            prepare.check_kept, {"kept": torch.ones(N, dtype=torch.bool), "num_images": N}
        ),
        "training.sources.as_inputs": Door(
            lambda **given: sources.as_inputs(network=_network(), **given), {"inputs": x}
        ),
        "training.sources.as_labels": Door(
            sources.as_labels, {"labels": y, "num_inputs": N, "num_classes": C}
        ),
        "training.sources.place": Door(
            partial(sources.place, device="cpu"),
            {"images": x, "positions": np.arange(3), "share": 0.5},
        ),
        "tutorial.curves.loss_of_p": Door(curves.loss_of_p, {"p": y / 4, "q": 0.5, "k": 0.3}),
        "tutorial.curves.gradient_wrt_p": Door(
            curves.gradient_wrt_p, {"p": y / 4, "q": 0.5, "k": 0.3}
        ),
        "tutorial.curves.gradient_wrt_logit": Door(
            curves.gradient_wrt_logit, {"p": y / 4, "q": 0.5, "k": 0.3}
        ),
    }
    numpy_doors = {
        "noise.corrupt": Door(
            partial(noise.corrupt, kind="instance_dependent", num_classes=C),
            {"labels": y_np, "rate": 0.3, "seed": 1, "features": x_np},
        ),
        "noise.corrupt_labels": Door(
            noise.corrupt_labels, {"labels": y_np, "transition": T, "seed": 1}
        ),
        "noise.instance_dependent_flips": Door(
            noise.instance_dependent_flips,
            {"features": x_np, "labels": y_np, "num_classes": C, "rate": 0.3, "seed": 1},
        ),
        "noise.split_diagonal": Door(noise.split_diagonal, {"transition_CC": T}),
        "noise.checked_transition": Door(noise.checked_transition, {"transition": T}),
        "evaluation.embedding.nearest_neighbors": Door(embedding.nearest_neighbors, _SEARCH),
        "evaluation.embedding.knn_predict": Door(
            embedding.knn_predict, {**_SEARCH, "index_labels": y_np}
        ),
        "evaluation.embedding.knn_accuracy": Door(
            embedding.knn_accuracy, {**_SEARCH, "index_labels": y_np, "query_labels": y_np[:5]}
        ),
        "evaluation.embedding.prototype_accuracy": Door(
            embedding.prototype_accuracy, {"embeddings": x_np, "prototypes": w_np, "labels": y_np}
        ),
        "evaluation.embedding.class_accuracy": Door(
            embedding.class_accuracy, {"predicted": y_np, "labels": y_np, "num_classes": C}
        ),
        "evaluation.embedding.precision_at_k": Door(
            embedding.precision_at_k, {"embeddings": x_np, "labels": y_np, "k": 3}
        ),
        "evaluation.embedding.map_at_r": Door(
            embedding.map_at_r, {"embeddings": x_np, "labels": y_np}
        ),
        "evaluation.embedding.clustering_nmi": Door(
            embedding.clustering_nmi, {"embeddings": x_np, "labels": y_np, "seed": 0}
        ),
        "evaluation.embedding.flip_detection": Door(
            embedding.flip_detection,
            {"score": x_np[:, 0], "flipped": FLIPPED, "flagged": ~FLIPPED},
        ),
        "evaluation.significance.interval": Door(
            significance.interval, {"values": S, "confidence": 0.9}
        ),
        "evaluation.significance.p_value": Door(significance.p_value, {"values": S}),
        "evaluation.significance.equivalence_p_value": Door(
            significance.equivalence_p_value, {"values": S, "margin": 0.5}
        ),
        "evaluation.significance.bootstrap_interval": Door(
            significance.bootstrap_interval,
            {"values": x_np, "confidence": 0.9, "resamples": 50, "seed": 0},
        ),
        "evaluation.significance.holm": Door(significance.holm, {"p_values": S}),
        "evaluation.class_margins.margins": Door(class_margins.margins, {"shares": T}),
        "evaluation.class_margins.dominated_classes": Door(
            class_margins.dominated_classes, {"transition": T}
        ),
        "evaluation.class_margins.concentrate": Door(
            class_margins.concentrate, {"transition": T, "row": 1, "amount": 0.5}
        ),
        "evaluation.class_margins.chance": Door(
            class_margins.chance, {"predicted": S, "measured": S[::-1], "seed": 0, "draws": 99}
        ),
        "evaluation.class_margins.hits": Door(
            evaluation.hits, {"predicted": S, "measured": S[::-1], "top": 2}
        ),
        "evaluation.umap.umap_map": Door(
            partial(umap.umap_map, cache=cache),
            {"embeddings": x_np, "n_neighbors": 3, "min_dist": 0.1, "seed": 0, "like": _MAP},
        ),
        "evaluation.umap.umap_sequence": Door(
            partial(umap.umap_sequence, cache=cache),
            {"embeddings": np.stack([x_np, x_np + 1]), "n_neighbors": 3, "seed": 0, "like": _MAP},
        ),
        "evaluation.umap.aligned": Door(umap.aligned, {"coordinates": _MAP, "like": _MAP[::-1]}),
        "evaluation.umap.pca_map": Door(umap.pca_map, {"embeddings": x_np}),
        "evaluation.umap.neighbors": Door(umap.neighbors, {"points": x_np, "k": 3}),
        "evaluation.umap.faithfulness": Door(
            umap.faithfulness, {"embeddings": x_np, "coordinates": _MAP, "k": 3}
        ),
        "datasets.splits.stratified_split": Door(
            splits.stratified_split, {"labels": np.repeat(y_np, 5), "seed": 0}
        ),
        "datasets.scenes.make_scenes": Door(
            partial(make_scenes, 4, 32, seed=0),
            {"labels": np.array([0, 1, 2, 3]), "out": np.zeros((4, 3, 32, 32), np.uint8)},
        ),
        "datasets.features.cached_features": Door(
            partial(features.cached_features, backbone=tiny_backbone(), **quiet),
            {"images": ARCHIVE.images, "batch_size": 5},
        ),
        "datasets.features.cached_maps": Door(
            partial(features.cached_maps, front=nn.Sequential(_Shrink()), **quiet),
            {"images": ARCHIVE.images, "batch_size": 5},
        ),
        "datasets.features.build_features": Door(
            lambda **given: features.build_features(
                ARCHIVE._replace(images=given["images"], labels=given["labels"]),
                Split(given["train"], SPLIT.val, SPLIT.test),
                tiny_backbone(),
                name="tiny",
                dim=given["dim"],
                cache=cache,
                progress=False,
            ),
            {"images": ARCHIVE.images, "labels": ARCHIVE.labels, "train": SPLIT.train, "dim": 2},
        ),
        "datasets.features.Reduction.apply": Door(
            features.Reduction(np.zeros(D, np.float32), np.eye(D, dtype=np.float16)).apply,
            {"features": x_np},
        ),
        "audit.scores.score_labels": Door(
            partial(audit.score_labels, num_classes=C, repeats=1),
            {"features": x_np, "labels": y_np, "folds": 2, "seed": 0},
        ),
        "audit.scores.out_of_fold": Door(
            partial(audit.out_of_fold, num_classes=C, repeats=1, recipe=Config(epochs=1)),
            {"features": x_np, "labels": y_np, "folds": 2, "seed": 0},
        ),
        "audit.scores.divisions": Door(
            lambda **given: list(audit.divisions(**given)),
            {"labels": y_np, "folds": 2, "seed": 0, "repeat": 0},
        ),
        "audit.pipeline.audit_features": Door(
            partial(audit.audit_features, class_names=("a", "b", "c"), files=[*map(str, range(N))]),
            {"features_NF": x_np, "labels_N": y_np, "folds": 2, "seed": 0},
        ),
        "audit.model.fit_model": Door(
            partial(audit.fit_model, ARCHIVE, backbone="efficientnet_lite0"),
            {"features_NF": _RNG.standard_normal((N, 1280)).astype(np.float32)},
        ),
        "experiments.inference.Model.predict": Door(
            _model().predict,
            {"images": np.zeros((N, 3, 32, 32), np.uint8), "labels": y_np - 1},
        ),
        "audit.pipeline.audit_archive": Door(
            partial(audit.audit_archive, ARCHIVE, progress=False),
            {"features": x_np, "folds": 2, "seed": 0},
        ),
        "audit.page.page_html": Door(
            lambda **given: audit.page_html(_audit(), **given),
            {"images": ARCHIVE.images, "top": 3},
        ),
        "audit.outputs.write_outputs": Door(
            lambda **given: audit.write_outputs(
                _audit(), cache / "list.csv", cache / "page.html", **given
            ),
            {"images": ARCHIVE.images, "top": 3},
        ),
        "experiments.heads.judge": Door(
            lambda **given: heads.judge(_fitted(), **given),
            {"index": x, "index_labels": y_np, "queries": x[:5], "query_labels": y_np[:5]},
        ),
        "experiments.heads.predictions": Door(
            lambda **given: heads.predictions(_fitted(), **given),
            {"index": x, "index_labels": y_np, "queries": x[:5]},
        ),
        "experiments.without_loss.rows": Door(
            partial(without_loss.rows, names=("no_training", "class_means")),
            {
                "index": x_np,
                "true": y_np,
                "given": y_np,
                "queries": x_np[:5],
                "query_labels": y_np[:5],
            },
        ),
    }
    return torch_doors | numpy_doors | _drawing_doors()


def _drawing_doors() -> dict[str, Door]:
    names = ("a", "b", "c")
    return {
        "experiments.figures.accuracy_over_rate": Door(
            partial(figures.accuracy_over_rate, loss_names=("nsl", "rnsl")),
            {
                "rates": np.array([0.1, 0.2, 0.3]), "mean": np.full((2, 3), 0.5),
                "spread": np.full((2, 3), 0.1),
            },
        ),
        "tutorial.plots.audit.doubtful_images": Door(
            partial(plots.doubtful_images, captions=["x"] * 3),
            {"images": ARCHIVE.images[:3], "wrong": FLIPPED[:3]},
        ),
        "tutorial.plots.audit.transitions_side_by_side": Door(
            lambda **given: plots.transitions_side_by_side(given, names), {"transition": T}
        ),
        "tutorial.plots.sphere.images_on_spheres": Door(
            partial(plots.images_on_spheres, names=names, titles=("1", "2"), view=(30.0, 20.0)),
            {"embeddings": _SPHERES, "prototypes": _SPHERES[:, :C].copy(), "labels": y_np},
        ),
        "tutorial.plots.transition.heat_codes": Door(plots.heat_codes, {"probabilities": T}),
        "tutorial.plots.transition.transition_beside_row": Door(
            partial(plots.transition_beside_row, class_names=names),
            {"transition": T, "shares": np.array([0.0, 0.5, 0.5]), "row": 0, "lost": np.array([1])},
        ),
        "tutorial.plots.scatter.scatter": Door(
            partial(plots.scatter, class_names=names), {"map": _MAP, "color": y_np}
        ),
        "tutorial.plots.umap_maps.maps_side_by_side": Door(
            lambda **given: plots.maps_side_by_side(
                [given["map"]], _coloring(), ["one"], marked=given["marked"]
            ),
            {"map": _MAP, "marked": FLIPPED},
        ),
        "tutorial.explorers.audit.AuditExplorer.__init__": Door(
            partial(explorers.AuditExplorer, class_names=names),
            {"doubt": P[:, 0], "labels": y_np, "wrong": FLIPPED, "class_noise": np.full(C, 0.1)},
        ),
        "tutorial.explorers.down_weighting.DownWeightingExplorer.__init__": Door(
            partial(explorers.DownWeightingExplorer, epochs=(0, 1)),
            {
                "embeddings": torch.from_numpy(_SPHERES), "flipped": torch.from_numpy(FLIPPED),
                "prototypes": torch.from_numpy(_SPHERES[:, :C].copy()), "labels": y,
            },
        ),
        "tutorial.explorers.down_weighting.QExplorer.__init__": Door(
            partial(
                explorers.QExplorer, noises=("symmetric",), rates=(0.1, 0.2), qs=(0.0, 0.5, 1.0),
                accuracy_spread=_OVER_Q / 10, memorized_spread=_OVER_Q / 10, seeds=3,
            ),
            {"accuracy": _OVER_Q, "memorized": _OVER_Q},
        ),
        "tutorial.explorers.sphere.SphereExplorer.__init__": Door(
            partial(explorers.SphereExplorer, names=names, own=0, rival=1),
            {"prototypes": _SPHERES[0, :C].copy()},
        ),
        "tutorial.explorers.transition.TransitionExplorer.__init__": Door(
            explorers.TransitionExplorer, {"aid_labels": np.arange(300) % 30}
        ),
        "tutorial.explorers.truncation.TruncationExplorer.__init__": Door(
            explorers.TruncationExplorer, {**_FOLLOWED, "log_p": _FOLLOWED["log_p"][0]}
        ),
        "tutorial.explorers.truncation.PruningExplorer.__init__": Door(
            explorers.PruningExplorer, {**_FOLLOWED, "kept": np.ones((3, N), bool)}
        ),
    }  # fmt: skip


class _Shrink(nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(pixels.float(), 4)


# ------------------------------------------------------------------ bad arguments


def bad_arrays(value: Any) -> Iterator[tuple[str, Any]]:
    """What could be given in place of an array or tensor."""
    tensor = torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value
    array = tensor.numpy()
    yield from {
        "None": None, "a number": 3, "NaN alone": math.nan, "a text": "abc", "a dict": {},
        "a set": {1, 2}, "a list": array.tolist(), "an empty list": [],
        "a ragged list": [[1], [1, 2]], "a list of None": [None] * len(array),
        "an array": array, "a tensor": tensor,
        "0-d": array.reshape(-1)[:1].reshape(()), "a 0-d tensor": tensor.reshape(-1)[0],
        "sparse": tensor.to_sparse(), "meta": tensor.to("meta"), "complex": tensor + 0j,
        "a complex array": array + 0j, "objects": array.astype(object), "texts": array.astype(str),
        "one more dimension": tensor[None], "one dimension less": tensor.reshape(-1)[: len(tensor)],
        "shorter": tensor[:-1], "empty": tensor[:0], "dates": np.zeros(len(array), "datetime64[D]"),
        "records": np.zeros(len(array), [("a", "f4")]), "a module": nn.Linear(2, 2),
        "a generator": (i for i in range(3)), "bool": array.astype(bool),
        "float": array.astype(float),
        "half": tensor.half(), "bfloat16": tensor.bfloat16(), "int32": array.astype(np.int32),
        "uint8": np.abs(array).astype(np.uint8), "negative": -np.abs(array.astype(np.int64)) - 1,
        "huge": np.full(array.shape, 2**40), "readonly": _readonly(array),
        "strided": np.repeat(array, 2, axis=0)[::2], "fortran": np.asfortranarray(array),
    }.items()  # fmt: skip
    for name, number in {
        "NaN": math.nan, "infinity": math.inf, "1e200": 1e200, "-1e200": -1e200, "1e-320": 1e-320,
    }.items():  # fmt: skip
        spoiled = array.astype(np.float64).copy()
        spoiled.reshape(-1)[:1] = number
        yield name, spoiled
        yield f"a tensor of {name}", torch.from_numpy(spoiled)
    single = torch.from_numpy(array.astype(np.float32))
    yield "needs a gradient", single.clone().requires_grad_()
    yield "quantized", torch.quantize_per_tensor(single, 0.1, 0, torch.qint8)


def _readonly(array: np.ndarray) -> np.ndarray:
    copied = array.copy()
    copied.flags.writeable = False
    return copied


def bad_numbers(value: float) -> Iterator[tuple[str, Any]]:
    """What could be given in place of a number."""
    yield from {
        "None": None, "a text": "3", "-1": -1, "0": 0, "2.5": 2.5, "NaN": math.nan,
        "infinity": math.inf, "10**30": 10**30, "True": True, "a list": [1], "an array": np.ones(2),
        "numpy's own": type(np.asarray(value).item())(value), "float32": np.float32(value),
        "complex": 1j, "a 0-d tensor": torch.tensor(value),
    }.items()  # fmt: skip


def tries(door: Door) -> Iterator[tuple[str, dict[str, Any]]]:
    """Arguments in which one is replaced, with what it was replaced by."""
    for name, value in door.given.items():
        is_array = isinstance(value, np.ndarray | torch.Tensor)
        for kind, bad in (bad_arrays if is_array else bad_numbers)(value):
            yield f"{name}: {kind}", {**door.given, name: bad}


# ------------------------------------------------------------------ what came of it


class _TooLongError(Exception):
    pass


def _end(*_: object) -> None:
    raise _TooLongError


def outcome(call: Callable[[], object]) -> tuple[str, str]:
    """Return "clear", "unclear", "traceback" or "no end", and what was said."""
    before = signal.signal(signal.SIGALRM, _end)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of our own, such as of nothing kept
            warnings.simplefilter("error", RuntimeWarning)
            call()
    except _TooLongError:
        return "no end", ""
    except Exception as error:
        return _judged(error)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return "clear", "a result"


def _judged(error: Exception) -> tuple[str, str]:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, OSError) and error.filename:
        return "clear", f"the system's own word on {str(error.filename)!a}"
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    said = f"{type(error).__name__}: {str(error)[:200]!r} at {place}"
    ours = PACKAGE in Path(frame.filename).parents and str(frame.line).startswith("raise ")
    if not ours or not isinstance(error, ValueError | TypeError | ArithmeticError | IndexError):
        return "traceback", said
    text = str(error)
    fine = "\n" not in text and text.isprintable() and 20 < len(text) < 600
    return ("clear" if fine else "unclear"), said


# ------------------------------------------------------------------ all of them


def public_functions() -> set[str]:
    """Names of all public functions and methods of the package that take an array."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        module = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
        body = ast.parse(file.read_text(encoding="utf-8")).body
        if "._" in f".{module}":
            continue
        for node in body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found |= {f"{module}.{node.name}"} if _takes_arrays(node) else set()
            elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found |= {
                    f"{module}.{node.name}.{method.name}"
                    for method in node.body
                    if isinstance(method, ast.FunctionDef)
                    and (not method.name.startswith("_") or method.name == "__init__")
                    and _takes_arrays(method)
                }
    return found


def _takes_arrays(function: ast.FunctionDef) -> bool:
    given = function.args
    annotated = [a.annotation for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return any(a is not None and TAKES_ARRAYS.search(ast.unparse(a)) for a in annotated)
