r"""Losses to compare the paper's with: robust ones, metric ones, and plain cross-entropy.

To the training loop each is what a loss of the paper is: a module with prototypes [C, D] that is
called with embeddings and labels. The robust ones are written here, in the form of `losses`. Those
of metric learning are pytorch-metric-learning's, called as they are.

    nsl_tuned          NSL with a learning rate of its own, chosen with the same care as the others
    nsl_stopped        NSL that ends at the epoch whose prototypes fit noisy validation labels best
    label_smoothing    NSL whose labels give a share of their weight to all classes alike
    ce                 -log p of a linear classifier: nothing is normalized, no temperature
    gce                (1 - p**q) / q of the same p; RNSL is this with p of the normalized softmax
    sce                alpha (-log p) + beta (-A) (1 - p), p of the normalized softmax
    nce_rce            alpha log p / sum_c log p_c + beta (-A) (1 - p), p of the same
    elr                NSL, and a pull towards what the network said of the image in past epochs
    prism              NSL on the images of each batch that lie nearest to the mean of their class
    proxy_anchor       every prototype against all images of the batch
    arcface            the normalized softmax, with a margin added to the angle of the label
    subcenter_arcface  ArcFace with several prototypes a class, of which the nearest counts
    supcon             images against images; it has no prototypes

Not here, and why: DivideMix (ICLR 2020) and co-teaching (NeurIPS 2018) train two networks that
choose images for each other, and DivideMix mixes images and guesses labels besides, so that what is
compared is no longer a loss; SOP (ICML 2022) has parameters for each image, with learning rates of
their own, and the training loop has one optimiser.

Shapes: B images in a batch, C classes, D embedding dimensions, N training images.
"""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import getfullargspec
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn
from torch.func import functional_call

from rnsl_tutorial import losses
from rnsl_tutorial._arrays import is_whole

__all__ = [
    "BASELINES",
    "LOG_OF_ZERO",
    "LOSSES",
    "RECIPES",
    "build_loss",
    "ce",
    "class_means",
    "gce",
    "label_smoothing",
    "nce_rce",
    "sce",
]

LOG_OF_ZERO = -4.0
"""A, which stands for log 0 in reverse cross-entropy (Wang et al., ICCV 2019)."""

_MOST = 1e30  # of a weight: its product with a loss is finite in float32
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
    return -1.0 * alpha * log_p_B + 1.0 * beta * _reverse(log_p_B)


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
    return 1.0 * alpha * log_p_B / log_p_BC.sum(dim=-1) + 1.0 * beta * _reverse(log_p_B)


def label_smoothing(
    embeddings: Tensor,
    prototypes: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.05,
    smoothing: float = 0.1,
) -> Tensor:
    """NSL with smoothed labels, one value per image: (1 - s) (-log p) + s mean_c (-log p_c).

    Szegedy et al., CVPR 2016, with p of the normalized softmax; under label noise see
    Lukasik et al., ICML 2020.

    Args:
        embeddings: float [B, D], normalized here.
        prototypes: float [C, D], normalized here.
        labels: int64 [B] in [0, C), possibly wrong.
        temperature: > 0.
        smoothing: s, in [0, 1].

    Returns:
        float [B], each >= 0; at least float32, also under autocast.

    Raises:
        ValueError: smoothing or temperature out of range, or shapes that disagree.
    """
    if not losses._within(smoothing, 0, 1):
        raise ValueError(f"smoothing is {smoothing}; it must lie in [0, 1].")
    log_p_B = losses.label_log_probability(embeddings, prototypes, labels, temperature)
    log_p_BC = losses.class_log_probabilities(embeddings, prototypes, temperature)
    return (smoothing - 1) * log_p_B - smoothing * log_p_BC.mean(dim=-1)


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
        if not losses._within(weight, 0, _MOST):
            raise ValueError(f"{name} is {weight}; a weight must be at least 0, and finite.")


def class_means(embeddings: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Prototypes for a loss that has none: the mean direction of each class.

    Args:
        embeddings: float [N, D], of unit length.
        labels: int64 [N] in [0, C), possibly wrong.
        num_classes: C.

    Returns:
        float [C, D], of unit length; zeros for a class without images.

    Raises:
        TypeError, ValueError: as for the losses.
    """
    if not is_whole(num_classes, 1, 2**24):
        raise ValueError(f"num_classes is {num_classes!r}; give a whole number from 1 to 2**24.")
    losses.check_batch(embeddings, embeddings, labels)
    if len(labels):
        losses._check_range("labels", labels, num_classes, "num_classes")
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


class _Elr(_Baseline):
    """Early-learning regularization: mean of -log p + strength log(1 - sum_c t_c p_c).

    Liu et al., NeurIPS 2020, with p of the normalized softmax. t is a mean of
    what the network said of the image in past epochs: t <- momentum t + (1 - momentum) p, without a
    gradient, before it is used. p is held in [1e-4, 1 - 1e-4] as in the authors' code.

    Args:
        args: as for `_Baseline`.
        num_samples: N, of images whose t is held.
        strength: at least 0.
        momentum: in [0, 1).
        settings: as for `_Baseline`.
    """

    targets: Tensor

    def __init__(
        self,
        *args: Any,
        num_samples: int,
        strength: float = 3.0,
        momentum: float = 0.7,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        _check_weights(strength=strength)
        _check_shares(momentum=momentum)
        self.strength, self.momentum = strength, momentum
        self.register_buffer("targets", torch.zeros(num_samples, len(self.prototypes)))

    def per_image(
        self, embeddings: Tensor, labels: Tensor, indices: Tensor | None = None
    ) -> Tensor:
        """The loss of each image, float [B], before it is weighted; its t moves on."""
        places_B = _places("elr", indices)
        log_p_BC = losses.class_log_probabilities(embeddings, self.prototypes, self.temperature)
        p_BC = log_p_BC.exp().clamp(1e-4, 1 - 1e-4)
        said_BC = (p_BC / p_BC.sum(dim=1, keepdim=True)).detach().to(self.targets.dtype)
        with torch.no_grad():
            moved_BC = self.momentum * self.targets[places_B] + (1 - self.momentum) * said_BC
            self.targets[places_B] = moved_BC
        agreement_B = (moved_BC * p_BC).sum(dim=1)
        return self.strength * (-agreement_B).log1p() - losses.at_labels(log_p_BC, labels)


class _Prism(_Baseline):
    """NSL on the images of a batch that PRISM's filter takes for clean.

    Liu et al., CVPR 2021: P(clean) = softmax_c(v_c . x)[label], v_c the mean of
    the embeddings of class c in a memory of clean images, x of unit length. An image is taken for
    clean where P lies above the mean, over the last batches, of the quantile of P that
    noise_rate is. The memory holds every training image as it was seen last, if it was clean then.
    Until it knows all classes, every image is.

    Args:
        args: as for `_Baseline`.
        num_samples: N, of images that the memory holds.
        noise_rate: share of the labels that is taken to be wrong, in [0, 1).
        window: batches, over which the quantile is averaged.
        settings: as for `_Baseline`.
    """

    memory: Tensor
    remembered: Tensor
    quantiles: Tensor

    def __init__(
        self,
        *args: Any,
        num_samples: int,
        noise_rate: float = 0.5,
        window: float = 30,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        _check_shares(noise_rate=noise_rate)
        self.noise_rate, self.window = noise_rate, window
        dim, no_class = self.prototypes.shape[1], -1
        self.register_buffer("memory", torch.zeros(num_samples, dim))
        self.register_buffer("remembered", torch.full((num_samples,), no_class))
        self.register_buffer("quantiles", torch.full((int(window),), torch.nan))

    def per_image(
        self, embeddings: Tensor, labels: Tensor, indices: Tensor | None = None
    ) -> Tensor:
        """The loss of each image, 0 where it is not clean, so that the mean is over the clean."""
        places_B = _places("prism", indices)
        losses_B = super().per_image(embeddings, labels, indices)
        with torch.no_grad():
            clean_B = self._clean(embeddings, labels, places_B).to(losses_B.dtype)
        return losses_B * clean_B * (len(clean_B) / clean_B.sum().clamp(min=1))

    def _clean(self, embeddings: Tensor, labels: Tensor, places_B: Tensor) -> Tensor:
        """Which images are clean, bool [B]; the memory moves on."""
        x_BD = F.normalize(embeddings.detach().to(self.memory.dtype), dim=1)
        clean_B = torch.ones_like(labels, dtype=torch.bool)
        means_CD, counts_C = self._means()
        if counts_C.all():
            p_B = losses.at_labels((x_BD @ means_CD.T).softmax(dim=1), labels)
            self.quantiles.copy_(self.quantiles.roll(1))
            self.quantiles[0] = p_B.quantile(self.noise_rate)
            clean_B = p_B > self.quantiles.nanmean()
        self.memory[places_B] = x_BD
        self.remembered[places_B] = torch.where(clean_B, labels, -1)
        return clean_B

    def _means(self) -> tuple[Tensor, Tensor]:
        """Mean of the memory's embeddings of each class, [C, D], and how many there are, [C]."""
        num_classes, held_N = len(self.prototypes), self.remembered >= 0
        labels_M = self.remembered[held_N]
        counts_C = torch.bincount(labels_M, minlength=num_classes)
        sums_CD = self.memory.new_zeros(num_classes, self.memory.shape[1])
        sums_CD.index_add_(0, labels_M, self.memory[held_N])
        return sums_CD / counts_C.clamp(min=1)[:, None], counts_C


def _places(name: str, indices: Tensor | None) -> Tensor:
    """The indices of a loss that follows each image; one process has to see all batches."""
    if indices is None:
        raise ValueError(
            f"{name} follows each image; call it as loss(embeddings, labels, indices)."
        )
    if distributed.is_available() and distributed.is_initialized() and _several():
        raise ValueError(f"{name} follows each image in one process; train with one device.")
    return indices


def _several() -> bool:
    return distributed.get_world_size() > 1


def _check_shares(**shares: float) -> None:
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ValueError(f"{name} is {share}; it must lie in [0, 1).")


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
            num_classes, dim = self.prototypes.shape
            shape = {"num_classes": num_classes, "embedding_size": dim}
            made = pml.library_loss(kind, **shape, weight_init_func=_zero, **own)
        else:
            made = pml.library_loss(kind, self.temperature)
        self.kind, self._proxies = kind, proxies
        self.library = made.requires_grad_(False)
        self.prototypes.requires_grad_(bool(proxies))
        vars(self).update(own)

    def forward(self, embeddings: Tensor, labels: Tensor, indices: Tensor | None = None) -> Tensor:
        """Return the weighted loss of the batch; arguments as for the paper's losses."""
        dtype = torch.promote_types(embeddings.dtype, torch.float32)
        named = self._named()
        with torch.autocast(embeddings.device.type, enabled=False):
            value: Tensor = functional_call(
                self.library, named, (embeddings.to(dtype), labels), strict=False
            )
        return self.weight * value

    def _named(self) -> dict[str, Tensor]:
        """What stands in place of the library's parameter."""
        named = {"proxies": self.prototypes, "W": self.prototypes.T}
        return {name: given for name, given in named.items() if name == self._proxies}


class _SubCenters(_LibraryLoss):
    """Sub-center ArcFace, whose prototypes are each class's sub-center that most images chose.

    Deng et al., ECCV 2020: a class has K sub-centers, of which the nearest gives the cosine. What
    stands at `prototypes` is not trained, and only tells who judges by prototypes which sub-center
    is dominant, by a count that halves every 100 batches.

    Args:
        args: as for `_LibraryLoss`, from `kind` on.
        sub_centers: K.
        generator: draws the sub-centers too, uniformly in +-1/sqrt(D).
        settings: as for `_LibraryLoss`.
    """

    has_prototypes = True
    counts: Tensor

    def __init__(
        self,
        *args: Any,
        sub_centers: float = 3,
        generator: torch.Generator | None = None,
        **settings: Any,
    ) -> None:
        count = int(sub_centers)
        super().__init__(
            "SubCenterArcFaceLoss", "W", *args, generator=generator, sub_centers=count, **settings
        )
        num_classes, dim = self.prototypes.shape
        self.prototypes.requires_grad_(False)
        self.centers = nn.Parameter(torch.empty(num_classes * count, dim))
        nn.init.uniform_(self.centers, -(dim**-0.5), dim**-0.5, generator=generator)
        self.register_buffer("counts", torch.zeros(num_classes, count))

    def _named(self) -> dict[str, Tensor]:
        return {"W": self.centers.T}

    def forward(self, embeddings: Tensor, labels: Tensor, indices: Tensor | None = None) -> Tensor:
        """Return the weighted loss of the batch; arguments as for the paper's losses."""
        with torch.no_grad():
            self._count(embeddings, labels)
        return super().forward(embeddings, labels, indices)

    def _count(self, embeddings: Tensor, labels: Tensor) -> None:
        centers_CKD = F.normalize(self.centers, dim=1).reshape(*self.counts.shape, -1)
        cosines_BK = torch.einsum("bd,bkd->bk", embeddings.to(centers_CKD), centers_CKD[labels])
        ones_B = torch.ones_like(labels, dtype=self.counts.dtype)
        self.counts.mul_(0.5**0.01).index_put_(
            (labels, cosines_BK.argmax(1)), ones_B, accumulate=True
        )
        dominant_C = self.counts.argmax(dim=1)
        self.prototypes.copy_(centers_CKD[torch.arange(len(dominant_C)), dominant_C])


def _zero(parameter: Tensor) -> None:
    """Draw nothing, as the library would from torch's global generator.

    The parameter gives way to our prototypes; left as memory was found it might not be finite.
    """
    nn.init.zeros_(parameter)


# ------------------------------------------------------------------ by name

LOSSES = ("nsl", "rnsl", "trnsl")
"""The paper's losses."""

_BASELINES: Mapping[str, tuple[Callable[..., _Baseline], Mapping[str, float]]] = MappingProxyType(
    {
        "nsl_tuned": (_Baseline, {"weight": 0.3}),
        "nsl_stopped": (_Baseline, {"weight": 1.0}),
        "label_smoothing": (
            partial(_PerImageLoss, label_smoothing),
            {"smoothing": 0.1, "weight": 1.0},
        ),
        "ce": (partial(_PerImageLoss, ce), {"weight": 1.0}),
        "gce": (partial(_PerImageLoss, gce), {"q": 0.7, "weight": 30.0}),
        "sce": (partial(_PerImageLoss, sce), {"alpha": 0.1, "beta": 1.0, "weight": 0.3}),
        "nce_rce": (partial(_PerImageLoss, nce_rce), {"alpha": 1.0, "beta": 1.0, "weight": 30.0}),
        "elr": (_Elr, {"strength": 3.0, "momentum": 0.7, "weight": 1.0}),
        "prism": (_Prism, {"noise_rate": 0.5, "window": 30, "weight": 1.0}),
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
        "subcenter_arcface": (
            _SubCenters,
            {"margin": 28.6, "scale": 64.0, "sub_centers": 3, "weight": 1.0},
        ),
        # Supervised contrastive loss (Khosla et al., NeurIPS 2020), images against images.
        "supcon": (
            partial(_LibraryLoss, "SupConLoss", ""),
            {"temperature": 0.1, "weight": 0.3},
        ),
    }
)
"""Each with its settings: the best that `benchmarks/recipe_baselines.py` finds, on validation
images of AID at 30% symmetric noise, seed 0; those of nsl_stopped, label_smoothing, elr, prism and
subcenter_arcface are their papers', or NSL's. `benchmarks/tuning.py` tunes all alike."""

_FOLLOWING = ("elr", "prism")
"""Those that remember something of each training image."""
_STOPPED = ("nsl_stopped",)
"""Those whose epoch is chosen by noisy validation labels, whatever the settings say."""
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
        num_samples: N, which only those read that remember something of each image.
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
        if name in _FOLLOWING:
            chosen["num_samples"] = num_samples
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
