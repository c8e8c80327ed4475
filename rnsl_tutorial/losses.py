r"""The losses of the paper, and nothing else.

Kang, Fernandez-Beltran, Duan, Kang, Plaza: "Robust Normalized Softmax Loss for Deep Metric
Learning-based Characterization of Remote Sensing Images with Label Noise", IEEE TGRS 2020,
doi 10.1109/TGRS.2020.3042607.

An image's embedding x and the prototype w of each class have unit length. What every loss here is
made of is the probability that the prototypes give to the image's label y, at temperature T:

    p = exp(w_y . x / T) / sum_c exp(w_c . x / T)

    NSL     -log p                               normalized softmax loss
    RNSL    L_q(p) = (1 - p**q) / q              its negative Box-Cox transform, 0 < q <= 1
    t-RNSL  L_q(p) - L_q(k) where p > k, else 0  images that the prototypes disbelieve are left out

Everything is computed from log p, never from p: p underflows in float32 once the label's cosine
falls about 100 T below the best one, and p**q then gives NaN gradients where expm1 gives zero.

The length of x and w does not matter between 1e-12 and 1e18. A shorter one is divided by 1e-12, so
that a vector of zeros has a finite gradient; the square of a longer one overflows in float32.

Nothing here looks at the values of a batch, so torch.compile, torch.export, torch.func and the meta
device take every loss as it is; a label out of range is refused by the kernel that looks it up.

Shapes: B images in a batch, C classes, D embedding dimensions, N images in the training set.
"""

import math
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

__all__ = [
    "NormalizedSoftmaxLoss",
    "RobustNormalizedSoftmaxLoss",
    "TruncatedRobustNormalizedSoftmaxLoss",
    "at_labels",
    "check_batch",
    "check_k",
    "check_q",
    "class_log_probabilities",
    "label_log_probability",
    "negative_box_cox",
    "nsl",
    "rnsl",
    "truncated_rnsl",
]

_PRUNE_RULES = ("paper", "ratio")
"""How t-RNSL chooses images, see `TruncatedRobustNormalizedSoftmaxLoss.update_kept`."""

_LEAST = torch.finfo(torch.float32).tiny  # a smaller q or temperature may be 0 to float32

# ------------------------------------------------------------------ one value per image


def nsl(
    embeddings: Tensor, prototypes: Tensor, labels: Tensor, *, temperature: float = 0.05
) -> Tensor:
    """Normalized softmax loss, one value per image: -log p.

    p = softmax(x . w / temperature)[label], x and w of unit length (Zhai and Wu, BMVC 2019; the
    starting point of Kang et al., TGRS 2020).

    Args:
        embeddings: float [B, D], normalized here.
        prototypes: float [C, D], normalized here.
        labels: int64 [B] in [0, C), possibly wrong.
        temperature: > 0.

    Returns:
        float [B], each >= 0; at least float32, also under autocast.

    Raises:
        ValueError: temperature out of range, or shapes that disagree.
    """
    return -label_log_probability(embeddings, prototypes, labels, temperature)


def rnsl(
    embeddings: Tensor,
    prototypes: Tensor,
    labels: Tensor,
    *,
    q: float = 0.7,
    temperature: float = 0.05,
) -> Tensor:
    """Robust normalized softmax loss, one value per image: (1 - p**q) / q.

    p = softmax(x . w / temperature)[label], x and w of unit length (Kang et al., TGRS 2020).
    q -> 0 gives -log p (NSL); q = 1 gives 1 - p (mean absolute error). The gradient is NSL's times
    p**q: an image that disagrees with the prototype of its label pulls less.

    Args:
        embeddings: float [B, D], normalized here.
        prototypes: float [C, D], normalized here.
        labels: int64 [B] in [0, C), possibly wrong.
        q: in (0, 1].
        temperature: > 0.

    Returns:
        float [B], each in [0, 1/q]; at least float32, also under autocast.

    Raises:
        ValueError: q or temperature out of range, or shapes that disagree.
    """
    check_q(q)
    return negative_box_cox(label_log_probability(embeddings, prototypes, labels, temperature), q)


def truncated_rnsl(
    embeddings: Tensor,
    prototypes: Tensor,
    labels: Tensor,
    kept: Tensor | None = None,
    *,
    q: float = 0.7,
    k: float = 0.5,
    temperature: float = 0.05,
) -> Tensor:
    """Truncated robust normalized softmax loss, one value per image: (L_q(p) - L_q(k)) * kept.

    L_q(p) = (1 - p**q) / q (Kang et al., TGRS 2020). In training, ``kept`` was decided earlier and
    stays for some epochs; without it, an image is kept if its p exceeds k now.

    Args:
        embeddings: float [B, D], normalized here.
        prototypes: float [C, D], normalized here.
        labels: int64 [B] in [0, C), possibly wrong.
        kept: bool [B], False for an image that is left out; None decides by p > k.
        q: in (0, 1].
        k: in [0, 1), the probability at or below which an image is left out.
        temperature: > 0.

    Returns:
        float [B]: exactly 0 for images left out; at most 0 for kept ones with p >= k, above 0 for
        kept ones whose p has fallen below k since they were chosen.

    Raises:
        ValueError: q, k or temperature out of range, or shapes that disagree.
    """
    check_q(q)
    check_k(k)
    losses_B = rnsl(embeddings, prototypes, labels, q=q, temperature=temperature)
    ceiling = _truncation_level(losses_B, q, k)
    if kept is None:
        return (losses_B - ceiling) * (losses_B < ceiling)
    if not isinstance(kept, Tensor):
        raise TypeError(f"kept is a {type(kept).__name__}; give a torch tensor of bool.")
    _check_dense(labels=labels, kept=kept)
    if kept.shape != labels.shape or kept.dtype != torch.bool:
        raise ValueError(
            f"kept is {kept.dtype} {list(kept.shape)}; one bool per image is needed, "
            f"torch.bool {list(labels.shape)}."
        )
    return (losses_B - ceiling) * kept


# ------------------------------------------------------------------ what they share


def label_log_probability(
    embeddings: Tensor, prototypes: Tensor, labels: Tensor, temperature: float
) -> Tensor:
    """Log of the probability that the prototypes give to each image's label.

    log p = log_softmax(x . w / temperature)[label], see `class_log_probabilities`.

    Args, Raises: as for `nsl`.

    Returns:
        float [B], each <= 0.
    """
    check_batch(embeddings, prototypes, labels)
    log_p_BC = class_log_probabilities(embeddings, prototypes, temperature)
    return at_labels(log_p_BC, labels)


def class_log_probabilities(embeddings: Tensor, prototypes: Tensor, temperature: float) -> Tensor:
    """Log of the probability that the prototypes give to each class: log_softmax(x . w / T).

    x and w are of unit length. Half precision is raised to float32, under autocast too: at T = 0.01
    a cosine rounded to bfloat16 would be off by up to 0.4 in the logit.

    Args:
        embeddings: float [B, D], normalized here.
        prototypes: float [C, D], normalized here.
        temperature: > 0.

    Returns:
        float [B, C], each <= 0.

    Raises:
        TypeError, ValueError: as for `nsl`.
    """
    _check_temperature(temperature)
    _check_dense(embeddings=embeddings, prototypes=prototypes)
    if not embeddings.ndim == prototypes.ndim == 2 or embeddings.shape[1] != prototypes.shape[1]:
        shapes = f"{list(embeddings.shape)} and {list(prototypes.shape)}"
        raise ValueError(f"embeddings and prototypes are {shapes}; give [B, D] and [C, D].")
    dtype = torch.promote_types(embeddings.dtype, torch.float32)
    device = "cpu" if embeddings.is_meta else embeddings.device.type  # autocast knows no meta
    with torch.autocast(device, enabled=False):
        x_BD = F.normalize(embeddings.to(dtype), dim=1)
        w_CD = F.normalize(prototypes.to(dtype), dim=1)
        return (x_BD @ w_CD.T / (1.0 * temperature)).log_softmax(dim=1)


def at_labels(values_BC: Tensor, labels_B: Tensor) -> Tensor:
    """Look up the value [B] of each image's label among those of all classes [B, C].

    Raises:
        ValueError: a label out of [0, C), on the CPU; an accelerator stops in its kernel.
    """
    _check_dense(values=values_BC, labels=labels_B)
    _check_int64("labels", labels_B)
    if values_BC.ndim != 2 or labels_B.shape != values_BC.shape[:1]:
        shapes = f"{list(values_BC.shape)} and {list(labels_B.shape)}"
        raise ValueError(f"values and labels are {shapes}; give [B, C] and [B].")
    try:
        return values_BC.gather(1, labels_B[:, None]).squeeze(1)
    except (IndexError, RuntimeError):
        _check_range("labels", labels_B, values_BC.shape[-1], "the number of prototypes")
        raise


def negative_box_cox(log_p: Tensor, q: float) -> Tensor:
    """The negative Box-Cox transform of p, from log p: (1 - p**q) / q = -expm1(q log p) / q.

    Box and Cox, 1964; as a loss: Zhang and Sabuncu, NeurIPS 2018.

    Args:
        log_p: float, any shape, each at most 0; -inf stands for p = 0.
        q: in [0, 1]; 0 gives the limit, -log p.

    Returns:
        float, of the shape of log_p, each in [0, 1/q].
    """
    _check_dense(log_p=log_p)
    if not _within(q, 0, 1):
        raise ValueError(f"q is {q}; it must lie in [0, 1].")
    return -log_p if q == 0 else -(q * log_p).expm1() / q


def _truncation_level(like: Tensor, q: float, k: float) -> Tensor:
    """L_q(k), rounded as the losses beside it are: an image with p = k exactly is left out."""
    return negative_box_cox(torch.tensor(k, dtype=like.dtype, device=like.device).log(), q)


# ------------------------------------------------------------------ modules that own the prototypes


class NormalizedSoftmaxLoss(nn.Module):
    """Batch mean of `nsl`, with learnable prototypes.

    Args:
        num_classes: C >= 2.
        embedding_dim: D >= 1.
        temperature: > 0.
        generator: draws the prototypes; None for torch's global one, as in every torch layer.

    Attributes:
        prototypes: parameter [C, D], drawn uniformly from +-1/sqrt(D).

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        temperature: float = 0.05,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if num_classes < 2 or embedding_dim < 1:
            raise ValueError(
                f"num_classes is {num_classes}, embedding_dim is {embedding_dim}; "
                "at least 2 classes and 1 dimension are needed."
            )
        _check_temperature(temperature)
        self.temperature = temperature
        self.prototypes = nn.Parameter(torch.empty(num_classes, embedding_dim))
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the prototypes anew, uniformly from +-1/sqrt(D)."""
        bound = 1 / math.sqrt(self.prototypes.shape[1])
        nn.init.uniform_(self.prototypes, -bound, bound, generator=generator)

    def per_image(
        self, embeddings: Tensor, labels: Tensor, indices: Tensor | None = None
    ) -> Tensor:
        """The loss of each image, float [B]; arguments as in `forward`."""
        return nsl(embeddings, self.prototypes, labels, temperature=self.temperature)

    def forward(self, embeddings: Tensor, labels: Tensor, indices: Tensor | None = None) -> Tensor:
        """Return the mean loss of the batch.

        Args:
            embeddings: float [B, D].
            labels: int64 [B] in [0, C), possibly wrong.
            indices: int64 [B], each image's place in the training set; only t-RNSL reads it.

        Raises:
            TypeError: indices are no such tensor, but the tuple of a miner, say.
            ValueError: shapes that disagree, or an empty batch, which has no mean.
        """
        if indices is not None:
            _check_indices(indices, labels)
        losses_B = self.per_image(embeddings, labels, indices)
        if not len(losses_B):
            raise ValueError("The batch is empty; give at least one image.")
        return losses_B.mean()

    def extra_repr(self) -> str:
        """Show the shape and the settings in the module's printed form."""
        num_classes, embedding_dim = self.prototypes.shape
        return f"{num_classes}, {embedding_dim}, temperature={self.temperature}"


class RobustNormalizedSoftmaxLoss(NormalizedSoftmaxLoss):
    """Batch mean of `rnsl`, with learnable prototypes.

    Args:
        num_classes, embedding_dim, temperature, generator: as for `NormalizedSoftmaxLoss`.
        q: in (0, 1]; towards 0 it is NSL, at 1 the mean absolute error.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        temperature: float = 0.05,
        q: float = 0.7,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(num_classes, embedding_dim, temperature, generator=generator)
        check_q(q)
        self.q = q

    def per_image(
        self, embeddings: Tensor, labels: Tensor, indices: Tensor | None = None
    ) -> Tensor:
        """The loss of each image, float [B]; arguments as in `forward`."""
        return rnsl(embeddings, self.prototypes, labels, q=self.q, temperature=self.temperature)

    def extra_repr(self) -> str:
        """Show the shape and the settings in the module's printed form."""
        return f"{super().extra_repr()}, q={self.q}"


class TruncatedRobustNormalizedSoftmaxLoss(RobustNormalizedSoftmaxLoss):
    """Batch mean of `truncated_rnsl` over a training set of which some images are left out.

    The paper alternates two steps: train on the images that are kept, then decide anew which to
    keep, by `update_kept`. The mean is over the whole batch: images left out count in the
    denominator, so that pruning lowers the step instead of giving the rest more weight.

    Args:
        num_classes, embedding_dim, temperature, q, generator: as for `RobustNormalizedSoftmaxLoss`.
        num_samples: N, images in the training set.
        k: in [0, 1), the probability at or below which an image is left out.

    Attributes:
        kept: bool buffer [N], all True at first. A state_dict with the mask of another training set
            is loaded without it, with a warning.

    Raises:
        ValueError: an argument out of range.
    """

    kept: Tensor

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        num_samples: int,
        temperature: float = 0.05,
        q: float = 0.7,
        k: float = 0.5,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(num_classes, embedding_dim, temperature, q, generator=generator)
        check_k(k)
        if num_samples < 1:
            raise ValueError(f"num_samples is {num_samples}; give the number of training images.")
        self.k = k
        self.register_buffer("kept", torch.ones(num_samples, dtype=torch.bool))

    def per_image(
        self, embeddings: Tensor, labels: Tensor, indices: Tensor | None = None
    ) -> Tensor:
        """The loss of each image, float [B], 0 where left out; arguments as in `forward`."""
        return truncated_rnsl(
            embeddings,
            self.prototypes,
            labels,
            self._kept_at(indices, labels),
            q=self.q,
            k=self.k,
            temperature=self.temperature,
        )

    @torch.no_grad()
    def update_kept(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices: Tensor | None = None,
        *,
        rule: str = "paper",
    ) -> None:
        """Decide anew which of the given images are kept; others stay as they are.

            "paper"  where p > k (Kang et al., TGRS 2020)
            "ratio"  where p > k max_c p_c: no other class beats the label by a factor of 1/k

        In the ratio the denominator of the softmax cancels, and what is left compares two cosines,
        of the label's prototype and of the nearest one: w_y . x > max_c w_c . x - T log(1/k). Where
        the network is sure, max_c p_c is 1 and the rules agree. Where it is not, as from scratch or
        with many classes, the paper's leaves out what the network has not learned yet, and this one
        only what it contradicts: no image with p > k / (1 + k).

        Where several processes train together, all must take part, each with its share of the
        images and equally often; what one decides, all know afterwards. (DistributedDataParallel
        would otherwise overwrite the mask of each with that of the first.)

        Args:
            embeddings: float [B, D], best computed without augmentation and by the network in the
                state that the prototypes were trained with.
            labels: int64 [B] in [0, C), possibly wrong.
            indices: int64 [B], each image's place in the training set; None for all, in order.
            rule: "paper" or "ratio".

        Raises:
            TypeError: indices are no int64 tensor.
            ValueError: another rule, shapes that disagree, an index outside the training set, or
                embeddings that are not finite.

        Warns:
            UserWarning: no image of the training set is kept.
        """
        if rule not in _PRUNE_RULES:
            raise ValueError(f"There is no rule {rule!r}; choose one of {', '.join(_PRUNE_RULES)}.")
        check_batch(embeddings, self.prototypes, labels)
        if indices is None:
            indices = self._all_indices(labels)
        self._kept_at(indices, labels)  # refuses what is no place, before anything is decided
        if not embeddings.isfinite().all():
            raise ValueError(
                "embeddings hold NaN or infinity, and nothing can be kept by them: the training "
                "has diverged. Go back to a checkpoint, and lower the learning rate."
            )
        log_p_BC = class_log_probabilities(embeddings, self.prototypes, self.temperature)
        kept_B = self._decide(log_p_BC, at_labels(log_p_BC, labels), rule)
        self.kept.copy_(_agreed(self.kept, indices.to(self.kept.device), kept_B))
        if not self.kept.any():
            warnings.warn(
                f"All {len(self.kept)} images are left out, and nothing more is learned: no image "
                f"fits its label (k = {self.k}). Prune later, lower k, or use rule='ratio'.",
                stacklevel=3,  # beyond the decorator
            )

    def _decide(self, log_p_BC: Tensor, log_p_B: Tensor, rule: str) -> Tensor:
        if rule == "ratio":
            return log_p_B > log_p_BC.amax(dim=1) + (math.log(self.k) if self.k else -math.inf)
        losses_B = negative_box_cox(log_p_B, self.q)
        return losses_B < _truncation_level(losses_B, self.q, self.k)

    def _all_indices(self, labels: Tensor) -> Tensor:
        if labels.shape != self.kept.shape:
            raise ValueError(
                f"labels are {list(labels.shape)}; give those of all {len(self.kept)} training "
                "images, or indices that say which images they are of."
            )
        return torch.arange(len(labels), device=self.kept.device)

    def _kept_at(self, indices: Tensor | None, labels: Tensor) -> Tensor:
        """Whether each image of a batch is kept, bool [B]."""
        if indices is None:
            raise ValueError(
                "indices is missing; t-RNSL needs each image's place in the training set, int64 "
                f"{list(labels.shape)}. `training.Indexed` adds it to a data set."
            )
        _check_indices(indices, labels)
        try:
            return self.kept.index_select(0, indices.to(self.kept.device))
        except (IndexError, RuntimeError):
            _check_range("indices", indices, len(self.kept), "num_samples")
            raise

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **settings: Any
    ) -> None:
        """Load as every module does, but no mask of another training set."""
        saved = state_dict.get(f"{prefix}kept", self.kept)
        if saved.shape != self.kept.shape:
            warnings.warn(
                f"The saved mask is of {len(saved)} training images, and here are "
                f"{len(self.kept)}: prototypes are loaded, the mask is not.",
                stacklevel=2,
            )
            state_dict = {**state_dict, f"{prefix}kept": self.kept}
        super()._load_from_state_dict(state_dict, prefix, *args, **settings)

    def extra_repr(self) -> str:
        """Show the shape and the settings in the module's printed form."""
        return f"{super().extra_repr()}, k={self.k}, num_samples={self.kept.shape[0]}"


def _agreed(kept_N: Tensor, indices_B: Tensor, kept_B: Tensor) -> Tensor:
    """Return the mask after what this process and all others have decided, bool [N]."""
    decided_N = torch.zeros_like(kept_N, dtype=torch.uint8)  # 0: by nobody
    decided_N[indices_B] = 1 + kept_B.to(decided_N)
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(decided_N, distributed.ReduceOp.MAX)
    return torch.where(decided_N == 0, kept_N, decided_N == 2)


# ------------------------------------------------------------------ validation


def _within(value: Any, low: float, high: float) -> bool:
    """Whether a value is one real number, and lies in [low, high]."""
    try:
        return bool(low <= value <= high)
    except (TypeError, ValueError, RuntimeError):  # no number, or more than one
        return False


def check_q(q: float) -> None:
    """Refuse a q that is none, or that nothing can be divided by: ValueError."""
    if not _within(q, _LEAST, 1):
        raise ValueError(
            f"q is {q}; it must lie in (0, 1] (from {_LEAST:g} on). A small q is close to -log p, "
            "1 is MAE."
        )


def check_k(k: float) -> None:
    """Refuse a truncation level that is none: ValueError."""
    if not _within(k, 0, 1) or k == 1:
        raise ValueError(f"k is {k}; it must lie in [0, 1). Images with p <= k are left out.")


def _check_temperature(temperature: float) -> None:
    """Refuse a temperature that is none, or that a cosine cannot be divided by: ValueError."""
    if not _within(temperature, _LEAST, torch.finfo(torch.float32).max):
        raise ValueError(
            f"temperature is {temperature}; it must be above 0 (from {_LEAST:g} on). "
            "The paper's is 0.05."
        )


def check_batch(embeddings: Tensor, prototypes: Tensor, labels: Tensor) -> None:
    """Refuse what is no batch.

    Args:
        embeddings: float [B, D].
        prototypes: float [C, D].
        labels: int64 [B]; whether they lie in [0, C) is seen where they are looked up.

    Raises:
        TypeError: no tensors, or not of real numbers.
        ValueError: shapes that disagree, or labels of another type.
    """
    _check_dense(embeddings=embeddings, prototypes=prototypes, labels=labels)
    if (
        embeddings.ndim != 2
        or prototypes.ndim != 2
        or embeddings.shape[1] != prototypes.shape[1]
        or labels.shape != embeddings.shape[:1]
    ):
        raise ValueError(
            f"embeddings are {list(embeddings.shape)}, prototypes {list(prototypes.shape)}, labels "
            f"{list(labels.shape)}; they must be [B, D], [C, D] and [B]."
        )
    _check_int64("labels", labels)


def _check_dense(**given: Tensor) -> None:
    """Refuse what are no dense tensors of real numbers on one device: TypeError, ValueError."""
    for name, value in given.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} are a {type(value).__name__}; give a torch tensor.")
        if value.layout != torch.strided or value.is_quantized or value.is_complex():
            kind = value.dtype if value.layout == torch.strided else value.layout
            raise TypeError(f"{name}: {kind} was given, where real, dense numbers are needed.")
    places = {value.device.type for value in given.values()}
    if len(places) > 1:
        raise ValueError(
            f"{' and '.join(given)} lie on {' and '.join(sorted(places))}; move them to one device."
        )


def _check_indices(indices: Tensor, labels: Tensor) -> None:
    if not isinstance(indices, Tensor):
        raise TypeError(
            f"indices are a {type(indices).__name__}; give each image's place in the training set, "
            "a torch tensor of int64. What a miner returns goes to `training.as_pml(loss)`."
        )
    _check_dense(labels=labels)
    _check_dense(indices=indices)
    _check_int64("indices", indices)
    if indices.shape != labels.shape:
        raise ValueError(
            f"indices is of shape {list(indices.shape)}; each image's place in the training set is "
            f"needed, int64 {list(labels.shape)}."
        )


def _check_int64(name: str, values: Tensor) -> None:
    if values.dtype != torch.int64:
        raise ValueError(f"{name} are {values.dtype}; they must be torch.int64. Use {name}.long().")


def _check_range(name: str, values: Tensor, end: int, meaning: str) -> None:
    """Refuse values outside [0, end)."""
    if values.is_meta:
        raise ValueError(f"{name} lie on the meta device, which holds no values.")
    if not 0 <= int(values.min()) <= int(values.max()) < end:
        raise ValueError(
            f"{name} run from {int(values.min())} to {int(values.max())}; they must lie in "
            f"[0, {end}), where {end} is {meaning}."
        )
