"""Self-checks of notebook 01."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial.tutorial.exercises.checking import Function, check

__all__ = ["check_nsl", "check_nsl_gradient"]


def check_nsl(function: Function) -> bool:
    """Check a learner's nsl(embeddings, prototypes, labels, temperature), one loss per image."""
    return check(
        function,
        right=_right_nsl,
        cases=[_batch(seed, temperature) for seed, temperature in enumerate((0.1, 0.5))],
        slips=_nsl_slips,
        praise="An image and its prototype in one direction cost least; at a small T next to "
        "nothing.",
        follows="embeddings",
    )


def check_nsl_gradient(function: Function) -> bool:
    """Check a learner's nsl_gradient(x, prototypes, label, temperature) against autograd.

    x is one embedding and the prototypes are all of length 1; the answer is dL/dx of `losses.nsl`,
    (I - x x^T) (1/T) sum_c (p_c - [c = label]) w_c.
    """
    return check(
        function,
        right=_autograd,
        cases=[_one_image(seed, temperature) for seed, temperature in enumerate((0.1, 0.5, 0.2))],
        slips=_gradient_slips,
        praise="It is autograd's gradient, and it lies at a right angle to x: all arrows of the "
        "explorer are this formula.",
    )


# ------------------------------------------------------------------ cases


def _batch(seed: int, temperature: float) -> dict[str, Any]:
    """Five images, four classes, three dimensions; nothing has length 1."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "embeddings": (2 * torch.randn(5, 3, generator=generator)).round(decimals=1),
        "prototypes": torch.randn(4, 3, generator=generator).round(decimals=1),
        "labels": torch.randint(4, (5,), generator=generator),
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


def _nsl(
    batch: dict[str, Any],
    *,
    image: Function = F.normalize,
    prototype: Function = F.normalize,
    scale: Function = lambda cosines, temperature: cosines / temperature,
    believe: Function = lambda logits: logits.log_softmax(dim=1),
    pick: Function = lambda losses, labels: losses.gather(1, labels[:, None])[:, 0],
) -> Tensor:
    """NSL of a batch, in which a part is exchanged."""
    cosines = image(batch["embeddings"]) @ prototype(batch["prototypes"]).T
    costs: Tensor = pick(-believe(scale(cosines, batch["temperature"])), batch["labels"])
    return costs


def _as_it_is(given: Tensor, *_: Any) -> Tensor:
    return given


def _by_column(given: Tensor) -> Tensor:
    return F.normalize(given, dim=0)


def _by_all(given: Tensor) -> Tensor:
    length: Tensor = given.norm()
    return given / length


def _nsl_slips(right: Tensor, **batch: Any) -> dict[str, Tensor]:
    p, of_all_classes = (-right).exp(), _nsl(batch, pick=_as_it_is)
    return {
        "The embeddings keep their length: divide each by its length.": (
            _nsl(batch, image=_as_it_is)
        ),
        "The prototypes keep their length: divide each by its length.": (
            _nsl(batch, prototype=_as_it_is)
        ),
        "These are no cosines: divide each embedding and each prototype by its length.": (
            _nsl(batch, image=_as_it_is, prototype=_as_it_is)
        ),
        "The lengths are taken along the wrong axis: a row is an embedding, so use dim=1.": (
            _nsl(batch, image=_by_column, prototype=_by_column)
        ),
        "All rows are divided by one number, the length of the whole table. Each row has a length "
        "of its own: dim=1.": _nsl(batch, image=_by_all, prototype=_by_all),
        "The temperature is missing: divide the cosines by it.": (
            _nsl(batch, scale=lambda cosines, temperature: cosines)
        ),
        "The cosines are multiplied by the temperature; divide by it.": (
            _nsl(batch, scale=lambda cosines, temperature: cosines * temperature)
        ),
        "The softmax runs over the images (dim=0); the classes of one image compete: dim=1.": (
            _nsl(batch, believe=lambda logits: logits.log_softmax(dim=0))
        ),
        "This is -p: the logarithm is missing. Use log_softmax.": (
            _nsl(batch, believe=lambda logits: logits.softmax(dim=1))
        ),
        "These are the scores -cosine / T: the softmax over the classes is missing.": (
            _nsl(batch, believe=_as_it_is)
        ),
        "The sign is turned: the loss is -log p.": -right,
        "This is p; the loss is -log p.": p,
        "This is 1 - p, the mean absolute error; NSL is -log p.": 1 - p,
        "This is the mean of the batch; return one value per image.": right.mean(),
        "This is the sum over the batch; return one value per image.": right.sum(),
        "These are the losses of every class; take the one of each image's label.": of_all_classes,
        "The softmax is taken twice: cross_entropy takes cosines / T and does the softmax "
        "itself.": (_nsl(batch, believe=lambda logits: logits.softmax(dim=1).log_softmax(dim=1))),
        "These are cosines between two images: images stand in the rows, prototypes in the "
        "columns, x @ w.T.": _nsl(batch | {"prototypes": batch["embeddings"]}),
        "This is the loss of the nearest prototype; take that of the label.": (
            of_all_classes.min(dim=1).values
        ),
        "losses[:, labels] takes these columns from every row. Row i needs column labels[i] alone: "
        "losses[torch.arange(len(labels)), labels].": (
            _nsl(batch, pick=lambda losses, labels: losses[:, labels])
        ),
        "losses[labels] takes whole rows. Row i needs column labels[i]: "
        "losses[torch.arange(len(labels)), labels].": (
            _nsl(batch, pick=lambda losses, labels: losses[labels])
        ),
        "The numbers are right. Take away the axis of length 1: squeeze(1).": (
            _nsl(batch, pick=lambda losses, labels: losses.gather(1, labels[:, None]))
        ),
    }


def _gradient(
    case: dict[str, Any],
    *,
    is_own: float = 1.0,
    logits: Function = lambda cosines, temperature: cosines / temperature,
    weigh: Function = lambda p, own: p - own,
    scale: Function = lambda temperature: 1 / temperature,
    project: Function = lambda gradient, x: gradient - x * (x @ gradient),
) -> Tensor:
    """The gradient of NSL, in which a part is exchanged."""
    x, prototypes, temperature = case["x"], case["prototypes"], case["temperature"]
    p = logits(prototypes @ x, temperature).softmax(dim=0)
    weights = weigh(p, is_own * F.one_hot(torch.tensor(case["label"]), len(p)))
    step: Tensor = project(scale(temperature) * weights @ prototypes, x)
    return step


def _gradient_slips(right: Tensor, **case: Any) -> dict[str, Tensor]:
    return {
        "The projection is missing: take away the part along x, x (x . g).": (
            _gradient(case, project=_as_it_is)
        ),
        "This is the part along x; it is what has to go.": (
            _gradient(case, project=lambda gradient, x: x * (x @ gradient))
        ),
        "The sign is turned: this is the step that gradient descent takes, -dL/dx.": -right,
        "The sign is turned (p_c minus 1 for the own class), and the projection is missing.": (
            -_gradient(case, project=_as_it_is)
        ),
        "The factor 1/T is missing.": _gradient(case, scale=lambda temperature: 1.0),
        "The factor 1/T and the projection are missing.": (
            _gradient(case, scale=lambda temperature: 1.0, project=_as_it_is)
        ),
        "Divide by T, do not multiply.": _gradient(case, scale=lambda temperature: temperature),
        "The pull of the own prototype is missing: subtract 1 from p at the label.": (
            _gradient(case, is_own=0.0)
        ),
        "The pull of the own prototype is missing (subtract 1 from p at the label), and so is the "
        "projection.": _gradient(case, is_own=0.0, project=_as_it_is),
        "The own prototype counts twice: its weight is p - 1.": _gradient(case, is_own=2.0),
        "The own prototype pushes here: its weight is p - 1, and not 1 - p.": (
            _gradient(case, weigh=lambda p, own: (p - own) * (1 - 2 * own))
        ),
        "1 is subtracted from every weight. Subtract it at the label alone: weights[label] -= 1.": (
            _gradient(case, weigh=lambda p, own: p - 1)
        ),
        "The softmax needs the temperature, too: softmax(prototypes @ x / temperature).": (
            _gradient(case, logits=lambda cosines, temperature: cosines)
        ),
        "Python reads x @ x * g as (x @ x) * g, which is g. Set brackets: x * (x @ g).": (
            _gradient(case, project=lambda gradient, x: gradient - x @ x * gradient)
        ),
        "x @ g is a number. The part of g along x is that number times x.": (
            _gradient(case, project=lambda gradient, x: gradient - x @ gradient)
        ),
        "x @ x.T is one number, 1: for the matrix x x^T write torch.outer(x, x), or without a "
        "matrix g - x * (x @ g).": (
            _gradient(case, project=lambda gradient, x: gradient - (x @ x) * gradient.sum())
        ),
        "The part along x is added; take it away.": (
            _gradient(case, project=lambda gradient, x: gradient + x * (x @ gradient))
        ),
        "x x^T is a matrix, and not x * x: (I - x x^T) g is g - x * (x @ g).": (
            _gradient(case, project=lambda gradient, x: (1 - x * x) * gradient)
        ),
        "The sign is turned, and the factor 1/T is missing.": (
            -_gradient(case, scale=lambda temperature: 1.0)
        ),
    }
