r"""Losses to compare the paper's with: robust ones, metric ones, and plain cross-entropy.

To the training loop each is what a loss of the paper is: a module with prototypes [C, D] that is
called with embeddings and labels. The robust ones are written here, in the form of `losses`. Those
of metric learning are pytorch-metric-learning's, called as they are.

    nsl_tuned     NSL with a learning rate of its own, chosen with the same care as the others
    ce            -log p of a linear classifier: nothing is normalized, there is no temperature
    gce           (1 - p**q) / q of the same p; RNSL is this with p of the normalized softmax
    sce           alpha (-log p) + beta (-A) (1 - p), p of the normalized softmax
    nce_rce       alpha log p / sum_c log p_c + beta (-A) (1 - p), p of the normalized softmax
    proxy_anchor  every prototype against all images of the batch
    arcface       the normalized softmax, with a margin added to the angle of the label
    supcon        images against images; it has no prototypes

Shapes: B images in a batch, C classes, D embedding dimensions, N training images.
"""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import getfullargspec
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from rnsl_tutorial import losses

__all__ = [
    "BASELINES",
    "LOG_OF_ZERO",
    "LOSSES",
    "RECIPES",
    "build_loss",
    "ce",
    "class_means",
    "gce",
    "nce_rce",
    "sce",
]

LOG_OF_ZERO = -4.0
"""A, which stands for log 0 in reverse cross-entropy (Wang et al., ICCV 2019)."""

_SHARED = ("temperature", "weight", "generator")
"""Settings that every loss takes."""

# ------------------------------------------------------------------ one value per image


def ce(embeddings: Tensor, prototypes: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of a linear classifier without bias, one value per image: -log p.

    p = softmax(x . w)[label]; x and w keep their lengths.

    Args:
        embeddings: float [B, D].
        prototypes: float [C, D], the weights of the classifier.
        labels: int64 [B] in [0, C), possibly wrong.

    Returns:
        float [B], each >= 0; at least float32, also under autocast.

    Raises:
        ValueError: shapes that disagree.
    """
    return -_linear_log_p(embeddings, prototypes, labels)


def gce(embeddings: Tensor, prototypes: Tensor, labels: Tensor, *, q: float = 0.7) -> Tensor:
    """Generalized cross-entropy, one value per image: (1 - p**q) / q, p as for `ce`.

    Zhang and Sabuncu, NeurIPS 2018, equation 6. RNSL is the same transform of another p: there x
    and w have unit length and a temperature divides their product.

    Args:
        embeddings: float [B, D].
        prototypes: float [C, D], the weights of the classifier.
        labels: int64 [B] in [0, C), possibly wrong.
        q: in (0, 1].

    Returns:
        float [B], each in [0, 1/q]; at least float32, also under autocast.

    Raises:
        ValueError: q out of range, or shapes that disagree.
    """
    losses.check_q(q)
    return losses.negative_box_cox(_linear_log_p(embeddings, prototypes, labels), q)


def sce(
    embeddings: Tensor,
    prototypes: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.05,
    alpha: float = 0.1,
    beta: float = 1.0,
) -> Tensor:
    """Symmetric cross-entropy, one value per image: alpha CE + beta RCE.

    Wang et al., ICCV 2019, equations 5 to 7, with p of the normalized softmax. RCE, the reverse
    cross-entropy, is -sum_c p_c log y_c; y is 1 at the label and 0 elsewhere, and log 0 is set to
    A = -4, so RCE = 4 (1 - p).

    Args:
        embeddings: float [B, D], normalized here.
        prototypes: float [C, D], normalized here.
        labels: int64 [B] in [0, C), possibly wrong.
        temperature: > 0.
        alpha: weight of -log p, at least 0.
        beta: weight of RCE, at least 0.

    Returns:
        float [B], each >= 0; at least float32, also under autocast.

    Raises:
        ValueError: a weight or the temperature out of range, or shapes that disagree.
    """
    _check_weights(alpha=alpha, beta=beta)
    log_p_B = losses.label_log_probability(embeddings, prototypes, labels, temperature)
    return -alpha * log_p_B + beta * _reverse(log_p_B)


def nce_rce(
    embeddings: Tensor,
    prototypes: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.05,
    alpha: float = 1.0,
    beta: float = 1.0,
) -> Tensor:
    """Active-passive loss, one value per image: alpha NCE + beta RCE.

    Ma et al., ICML 2020, equations 4 and 15, with p of the normalized softmax. NCE, the normalized
    cross-entropy, is log p / sum_c log p_c: active, it raises p. RCE is that of `sce`: passive, it
    also lowers the other classes.

    Args:
        embeddings: float [B, D], normalized here.
        prototypes: float [C, D], normalized here.
        labels: int64 [B] in [0, C), possibly wrong.
        temperature: > 0.
        alpha: weight of NCE, at least 0.
        beta: weight of RCE, at least 0.

    Returns:
        float [B], each in [0, alpha + 4 beta]; at least float32, also under autocast.

    Raises:
        ValueError: a weight or the temperature out of range, or shapes that disagree.
    """
    _check_weights(alpha=alpha, beta=beta)
    log_p_B = losses.label_log_probability(embeddings, prototypes, labels, temperature)
    log_p_BC = losses.class_log_probabilities(embeddings, prototypes, temperature)
    return alpha * log_p_B / log_p_BC.sum(dim=-1) + beta * _reverse(log_p_B)


def _linear_log_p(embeddings: Tensor, prototypes: Tensor, labels: Tensor) -> Tensor:
    losses.check_batch(embeddings, prototypes, labels)
    dtype = torch.promote_types(embeddings.dtype, torch.float32)
    with torch.autocast(embeddings.device.type, enabled=False):
        logits_BC = embeddings.to(dtype) @ prototypes.to(dtype).mT
        return losses.at_labels(logits_BC.log_softmax(dim=-1), labels)


def _reverse(log_p: Tensor) -> Tensor:
    """RCE = -A (1 - p), from log p: 1 - p would lose a p close to 1."""
    return LOG_OF_ZERO * log_p.expm1()


def _check_weights(**weights: float) -> None:
    for name, weight in weights.items():
        if not 0 <= weight < float("inf"):
            raise ValueError(f"{name} is {weight}; a weight must be at least 0.")


def class_means(embeddings: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Prototypes for a loss that has none: the mean direction of each class.

    Args:
        embeddings: float [N, D], of unit length.
        labels: int64 [N] in [0, C), possibly wrong.
        num_classes: C.

    Returns:
        float [C, D], of unit length; zeros for a class without images.
    """
    sums_CD = embeddings.new_zeros(num_classes, embeddings.shape[1])
    return F.normalize(sums_CD.index_add_(0, labels, embeddings), dim=1)


# ------------------------------------------------------------------ modules


class _Baseline(losses.NormalizedSoftmaxLoss):
    """NSL with a weight, and the base of all others; prototypes are drawn as the paper's are.

    Args:
        args: as for `losses.NormalizedSoftmaxLoss`; a loss without a temperature does not read it.
        weight: > 0, multiplies the loss. Under SGD this is a learning rate of its own.
        settings: as for `losses.NormalizedSoftmaxLoss`.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(self, *args: Any, weight: float = 1.0, **settings: Any) -> None:
        super().__init__(*args, **settings)
        if not 0 < weight < float("inf"):
            raise ValueError(f"weight is {weight}; it must be above 0.")
        self.weight = weight

    def forward(self, embeddings: Tensor, labels: Tensor, indices: Tensor | None = None) -> Tensor:
        """Return the weighted mean loss of the batch; arguments as for the paper's losses."""
        return self.weight * super().forward(embeddings, labels, indices)


class _PerImageLoss(_Baseline):
    """Batch mean of one of the functions above; for `ce` and `gce` prototypes are weights.

    Args:
        function: what gives one value per image.
        args: as for `_Baseline`.
        settings: as for `_Baseline`, and those of the function.
    """

    def __init__(self, function: Callable[..., Tensor], *args: Any, **settings: Any) -> None:
        defaults = getfullargspec(function).kwonlydefaults or {}
        names = [name for name in defaults if name not in _SHARED]
        own = {name: settings.pop(name, defaults[name]) for name in names}
        super().__init__(*args, **settings)
        self.kind, self._function, self._names = function.__name__, function, tuple(defaults)
        vars(self).update(own)

    def per_image(
        self, embeddings: Tensor, labels: Tensor, indices: Tensor | None = None
    ) -> Tensor:
        """The loss of each image, float [B], before it is weighted."""
        settings = {name: getattr(self, name) for name in self._names}
        return self._function(embeddings, self.prototypes, labels, **settings)


class _LibraryLoss(_Baseline):
    """A loss of pytorch-metric-learning, whose own parameter gives way to our prototypes.

    Args:
        kind: name of the library's class.
        proxies: its name for the prototypes; "" for a loss that has none and wants the temperature.
            Then ours are not trained, and who judges by prototypes takes `class_means` in their
            place.
        args: as for `_Baseline`.
        settings: as for `_Baseline`, and those of the library's class.
    """

    def __init__(self, kind: str, proxies: str, *args: Any, **settings: Any) -> None:
        from rnsl_tutorial.training import pml  # here, because few losses need the library

        own = {name: settings.pop(name) for name in [*settings] if name not in _SHARED}
        super().__init__(*args, **settings)
        if proxies:
            shape = self.prototypes.shape
            made = pml.library_loss(kind, *shape, weight_init_func=_leave, **own)
        else:
            made = pml.library_loss(kind, self.temperature)
        self.kind, self._proxies = kind, proxies
        self.library = made.requires_grad_(False)
        self.prototypes.requires_grad_(bool(proxies))
        vars(self).update(own)

    def forward(self, embeddings: Tensor, labels: Tensor, indices: Tensor | None = None) -> Tensor:
        """Return the weighted loss of the batch; arguments as for the paper's losses."""
        dtype = torch.promote_types(embeddings.dtype, torch.float32)
        named = {"proxies": self.prototypes, "W": self.prototypes.T}
        named = {name: given for name, given in named.items() if name == self._proxies}
        with torch.autocast(embeddings.device.type, enabled=False):
            value: Tensor = functional_call(
                self.library, named, (embeddings.to(dtype), labels), strict=False
            )
        return self.weight * value


def _leave(parameter: Tensor) -> None:
    """Draw nothing: the library would draw from torch's global generator."""


# ------------------------------------------------------------------ by name

LOSSES = ("nsl", "rnsl", "trnsl")
"""The paper's losses."""

_BASELINES: Mapping[str, tuple[Callable[..., _Baseline], Mapping[str, float]]] = MappingProxyType(
    {
        "nsl_tuned": (_Baseline, {"weight": 0.3}),
        "ce": (partial(_PerImageLoss, ce), {"weight": 1.0}),
        "gce": (partial(_PerImageLoss, gce), {"q": 0.7, "weight": 30.0}),
        "sce": (partial(_PerImageLoss, sce), {"alpha": 0.1, "beta": 1.0, "weight": 0.3}),
        "nce_rce": (partial(_PerImageLoss, nce_rce), {"alpha": 1.0, "beta": 1.0, "weight": 30.0}),
        # Proxy-Anchor (Kim et al., CVPR 2020): the margin is added to the cosine of the label's
        # prototype and taken from the others'; alpha > 0 says how hard the hardest images count.
        "proxy_anchor": (
            partial(_LibraryLoss, "ProxyAnchorLoss", "proxies"),
            {"margin": 0.1, "alpha": 14.0, "weight": 0.3},
        ),
        # ArcFace (Deng et al., CVPR 2019): the normalized softmax with a margin, in degrees, in the
        # label's angle; the scale > 0 is the inverse of a temperature.
        "arcface": (
            partial(_LibraryLoss, "ArcFaceLoss", "W"),
            {"margin": 28.6, "scale": 64.0, "weight": 1.0},
        ),
        # Supervised contrastive loss (Khosla et al., NeurIPS 2020), images against images.
        "supcon": (
            partial(_LibraryLoss, "SupConLoss", ""),
            {"temperature": 0.1, "weight": 0.3},
        ),
    }
)
"""Each with its settings: the best that `benchmarks/recipe_baselines.py` finds, on validation
images of AID at 30% symmetric noise, seed 0."""

BASELINES = tuple(_BASELINES)
"""Losses to compare the paper's with."""
RECIPES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {name: recipe for name, (_, recipe) in _BASELINES.items()}
)
"""Settings of each of them."""


def build_loss(
    name: str,
    num_classes: int,
    num_samples: int,
    generator: torch.Generator | None = None,
    *,
    embedding_dim: int = 128,
    temperature: float = 0.05,
    q: float = 0.7,
    k: float = 0.5,
    recipe: Mapping[str, float] = MappingProxyType({}),
) -> losses.NormalizedSoftmaxLoss:
    """Build a loss by its name, with fresh prototypes.

    Args:
        name: one of `LOSSES` or of `BASELINES`.
        num_classes: C.
        num_samples: N, which only t-RNSL reads.
        generator: draws the prototypes; None for torch's global one.
        embedding_dim: D.
        temperature: T of the softmax; of `BASELINES`, of those whose recipe names none.
        q: of RNSL and t-RNSL.
        k: of t-RNSL.
        recipe: settings of one of `BASELINES`, in place of those of `RECIPES`.

    Raises:
        ValueError: another name, or a setting out of range.
    """
    sizes = (num_classes, embedding_dim)
    if name in _BASELINES:
        build, settings = _BASELINES[name]
        chosen: dict[str, Any] = {"temperature": temperature, **settings, **recipe}
        return build(*sizes, generator=generator, **chosen)
    if name == "nsl":
        return losses.NormalizedSoftmaxLoss(*sizes, temperature, generator=generator)
    if name == "rnsl":
        return losses.RobustNormalizedSoftmaxLoss(*sizes, temperature, q, generator=generator)
    if name == "trnsl":
        return losses.TruncatedRobustNormalizedSoftmaxLoss(
            *sizes, num_samples, temperature, q, k, generator=generator
        )
    known = (*LOSSES, *BASELINES)
    raise ValueError(f"There is no loss {name!r}; choose from {', '.join(known)}.")
