"""Self-checks of notebook 01."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial.tutorial.exercises.checking import Function, Slip, check


def check_nsl(function: Function) -> None:
    """Check a learner's nsl(embeddings, prototypes, labels, temperature), one loss per image.

    Raises:
        NotYetRightError: it returns something else.
    """
    check(
        function,
        right=_right_nsl,
        cases=[_batch(seed, temperature) for seed, temperature in enumerate((0.1, 0.5))],
        slips=_NSL_SLIPS,
        praise="An image and its prototype in one direction cost least; at a small T next to "
        "nothing.",
    )


def check_nsl_gradient(function: Function) -> None:
    """Check a learner's nsl_gradient(x, prototypes, label, temperature) against autograd.

    x is one embedding and the prototypes are all of length 1; the answer is dL/dx of `losses.nsl`,
    (I - x x^T) (1/T) sum_c (p_c - [c = label]) w_c.

    Raises:
        NotYetRightError: it returns something else.
    """
    check(
        function,
        right=_autograd,
        cases=[_one_image(seed, temperature) for seed, temperature in enumerate((0.1, 0.5, 0.2))],
        slips=_GRADIENT_SLIPS,
        praise="It is autograd's gradient, and it lies at a right angle to x: all arrows of the "
        "explorer are this formula.",
    )


# ------------------------------------------------------------------ cases


def _batch(seed: int, temperature: float) -> dict[str, Any]:
    """Six images, five classes, four dimensions; nothing has length 1."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "embeddings": 2 * torch.randn(6, 4, generator=generator),
        "prototypes": torch.randn(5, 4, generator=generator),
        "labels": torch.randint(5, (6,), generator=generator),
        "temperature": temperature,
    }


def _one_image(seed: int, temperature: float) -> dict[str, Any]:
    """An image near its own prototype and those of four other classes, all of length 1."""
    generator = torch.Generator().manual_seed(seed)
    prototypes = F.normalize(torch.randn(5, 3, generator=generator))
    x = prototypes[seed] + 0.7 * torch.randn(3, generator=generator)
    return {
        "x": F.normalize(x, dim=0),
        "prototypes": prototypes,
        "label": seed,
        "temperature": temperature,
    }


# ------------------------------------------------------------------ right and likely wrong answers


def _right_nsl(
    embeddings: Tensor, prototypes: Tensor, labels: Tensor, temperature: float
) -> Tensor:
    return losses.nsl(embeddings, prototypes, labels, temperature=temperature)


def _autograd(x: Tensor, prototypes: Tensor, label: int, temperature: float) -> Tensor:
    x = x.clone().requires_grad_()
    loss = losses.nsl(x[None], prototypes, torch.tensor([label]), temperature=temperature)
    return torch.autograd.grad(loss.sum(), x)[0]


def _like_nsl(
    *,
    image: Function = F.normalize,
    prototype: Function = F.normalize,
    scale: Function = lambda cosines, temperature: cosines / temperature,
    believe: Function = lambda logits: logits.log_softmax(dim=1),
    pick: Function = lambda losses, labels: losses.gather(1, labels[:, None])[:, 0],
) -> Function:
    """A function like NSL in which a part is exchanged."""

    def loss(embeddings: Tensor, prototypes: Tensor, labels: Tensor, temperature: float) -> Tensor:
        cosines = image(embeddings) @ prototype(prototypes).T
        costs: Tensor = pick(-believe(scale(cosines, temperature)), labels)
        return costs

    return loss


def _as_it_is(given: Tensor) -> Tensor:
    return given


def _by_column(given: Tensor) -> Tensor:
    return F.normalize(given, dim=0)


def _by_all(given: Tensor) -> Tensor:
    length: Tensor = given.norm()
    return given / length


def _p(**batch: Any) -> Tensor:
    return (-_right_nsl(**batch)).exp()


def _of_all_classes(
    embeddings: Tensor, prototypes: Tensor, temperature: float, **_: Tensor
) -> Tensor:
    logits = F.normalize(embeddings) @ F.normalize(prototypes).T / temperature
    return -logits.log_softmax(dim=1)


_NSL_SLIPS = (
    Slip(
        _like_nsl(image=_as_it_is), "The embeddings keep their length: divide each by its length."
    ),
    Slip(
        _like_nsl(prototype=_as_it_is),
        "The prototypes keep their length: divide each by its length.",
    ),
    Slip(
        _like_nsl(image=_as_it_is, prototype=_as_it_is),
        "These are no cosines: divide each embedding and each prototype by its length.",
    ),
    Slip(
        _like_nsl(image=_by_column, prototype=_by_column),
        "The lengths are taken along the wrong axis: a row is an embedding, so use dim=1.",
    ),
    Slip(
        _like_nsl(image=_by_all, prototype=_by_all),
        "All rows are divided by one number, the length of the whole table. Each row has a length "
        "of its own: dim=1.",
    ),
    Slip(
        _like_nsl(scale=lambda cosines, temperature: cosines),
        "The temperature is missing: divide the cosines by it.",
    ),
    Slip(
        _like_nsl(scale=lambda cosines, temperature: cosines * temperature),
        "The cosines are multiplied by the temperature; divide by it.",
    ),
    Slip(
        _like_nsl(believe=lambda logits: logits.log_softmax(dim=0)),
        "The softmax runs over the images (dim=0); the classes of one image compete: dim=1.",
    ),
    Slip(
        _like_nsl(believe=lambda logits: logits.softmax(dim=1)),
        "This is -p: the logarithm is missing. Use log_softmax.",
    ),
    Slip(
        _like_nsl(believe=_as_it_is),
        "These are the scores -cosine / T: the softmax over the classes is missing.",
    ),
    Slip(lambda **batch: -_right_nsl(**batch), "The sign is turned: the loss is -log p."),
    Slip(_p, "This is p; the loss is -log p."),
    Slip(lambda **batch: 1 - _p(**batch), "This is 1 - p, the mean absolute error; NSL is -log p."),
    Slip(
        lambda **batch: _right_nsl(**batch).mean(),
        "This is the mean of the batch; return one value per image.",
    ),
    Slip(
        lambda **batch: _right_nsl(**batch).sum(),
        "This is the sum over the batch; return one value per image.",
    ),
    Slip(
        _of_all_classes,
        "These are the losses of every class; take the one of each image's label.",
    ),
    Slip(
        _like_nsl(believe=lambda logits: logits.softmax(dim=1).log_softmax(dim=1)),
        "The softmax is taken twice: cross_entropy takes cosines / T and does the softmax itself.",
    ),
    Slip(
        lambda **batch: _of_all_classes(**batch).min(dim=1).values,
        "This is the loss of the nearest prototype; take that of the label.",
    ),
    Slip(
        _like_nsl(pick=lambda losses, labels: losses[:, labels]),
        "losses[:, labels] takes these columns from every row. Row i needs column labels[i] alone: "
        "losses[torch.arange(len(labels)), labels].",
    ),
    Slip(
        _like_nsl(pick=lambda losses, labels: losses[labels]),
        "losses[labels] takes whole rows. Row i needs column labels[i]: "
        "losses[torch.arange(len(labels)), labels].",
    ),
    Slip(
        _like_nsl(pick=lambda losses, labels: losses.gather(1, labels[:, None])),
        "The numbers are right. Take away the axis of length 1: squeeze(1).",
    ),
)


def _like_gradient(
    *,
    is_own: float = 1.0,
    logits: Function = lambda cosines, temperature: cosines / temperature,
    weigh: Function = lambda p, own: p - own,
    scale: Function = lambda temperature: 1 / temperature,
    project: Function = lambda gradient, x: gradient - x * (x @ gradient),
) -> Function:
    """A function like the gradient of NSL in which a part is exchanged."""

    def gradient(x: Tensor, prototypes: Tensor, label: int, temperature: float) -> Tensor:
        p = logits(prototypes @ x, temperature).softmax(dim=0)
        weights = weigh(p, is_own * F.one_hot(torch.tensor(label), len(p)))
        step: Tensor = project(scale(temperature) * weights @ prototypes, x)
        return step

    return gradient


def _unprojected(gradient: Tensor, _: Tensor) -> Tensor:
    return gradient


def _onto_x(gradient: Tensor, x: Tensor) -> Tensor:
    return x * (x @ gradient)


_GRADIENT_SLIPS = (
    Slip(
        _like_gradient(project=_unprojected),
        "The projection is missing: take away the part along x, x (x . g).",
    ),
    Slip(_like_gradient(project=_onto_x), "This is the part along x; it is what has to go."),
    Slip(
        lambda **case: -_like_gradient()(**case),
        "The sign is turned: this is the step that gradient descent takes, -dL/dx.",
    ),
    Slip(
        lambda **case: -_like_gradient(project=_unprojected)(**case),
        "The sign is turned (p_c minus 1 for the own class), and the projection is missing.",
    ),
    Slip(_like_gradient(scale=lambda temperature: 1.0), "The factor 1/T is missing."),
    Slip(
        _like_gradient(scale=lambda temperature: 1.0, project=_unprojected),
        "The factor 1/T and the projection are missing.",
    ),
    Slip(_like_gradient(scale=lambda temperature: temperature), "Divide by T, do not multiply."),
    Slip(
        _like_gradient(is_own=0.0),
        "The pull of the own prototype is missing: subtract 1 from p at the label.",
    ),
    Slip(
        _like_gradient(is_own=0.0, project=_unprojected),
        "The pull of the own prototype is missing (subtract 1 from p at the label), and so is the "
        "projection.",
    ),
    Slip(
        _like_gradient(is_own=2.0),
        "The own prototype counts twice: its weight is p - 1.",
    ),
    Slip(
        _like_gradient(weigh=lambda p, own: (p - own) * (1 - 2 * own)),
        "The own prototype pushes here: its weight is p - 1, and not 1 - p.",
    ),
    Slip(
        _like_gradient(weigh=lambda p, own: p - 1),
        "1 is subtracted from every weight. Subtract it at the label alone: weights[label] -= 1.",
    ),
    Slip(
        _like_gradient(logits=lambda cosines, temperature: cosines),
        "The softmax needs the temperature, too: softmax(prototypes @ x / temperature).",
    ),
    Slip(
        _like_gradient(project=lambda gradient, x: gradient - x @ x * gradient),
        "Python reads x @ x * g as (x @ x) * g, which is g. Set brackets: x * (x @ g).",
    ),
    Slip(
        _like_gradient(project=lambda gradient, x: gradient - x @ gradient),
        "x @ g is a number. The part of g along x is that number times x.",
    ),
    Slip(
        _like_gradient(project=lambda gradient, x: gradient + x * (x @ gradient)),
        "The part along x is added; take it away.",
    ),
    Slip(
        _like_gradient(project=lambda gradient, x: (1 - x * x) * gradient),
        "x x^T is a matrix, and not x * x: (I - x x^T) g is g - x * (x @ g).",
    ),
    Slip(
        lambda **case: -_like_gradient(scale=lambda temperature: 1.0)(**case),
        "The sign is turned, and the factor 1/T is missing.",
    ),
)
