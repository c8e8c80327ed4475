"""Self-checks of notebook 01."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rnsl_tutorial import losses
from rnsl_tutorial.tutorial.exercises.checking import Function, check

__all__ = ["check_nsl", "check_prototype_gradient"]


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


def check_prototype_gradient(function: Function) -> bool:
    """Check a learner's prototype_gradient(x, prototypes, label, temperature) against autograd.

    x is one embedding and the prototypes are all of length 1; the answer is dL/dw of `losses.nsl`,
    a row for each prototype: (p_c - [c = label]) (I - w_c w_c^T) x / T.
    """
    return check(
        function,
        right=_autograd,
        cases=[_one_image(seed, temperature) for seed, temperature in enumerate((0.1, 0.5, 0.2))],
        slips=_gradient_slips,
        praise="It is autograd's gradient, and each row is at a right angle to its prototype. The "
        "thin arrows of the explorer are these rows, turned around.",
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
    w = prototypes.clone().requires_grad_()
    loss = losses.nsl(x[None], w, torch.tensor([label]), temperature=temperature)
    return torch.autograd.grad(loss.sum(), w)[0]


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
    along: Function = lambda x, w: x - w * (w @ x)[:, None],
) -> Tensor:
    """The gradient of NSL over the prototypes, [C, D], in which a part is exchanged."""
    x, prototypes, temperature = case["x"], case["prototypes"], case["temperature"]
    p = logits(prototypes @ x, temperature).softmax(dim=0)
    weights = weigh(p, is_own * F.one_hot(torch.tensor(case["label"]), len(p)))
    rows: Tensor = scale(temperature) * weights[:, None] * along(x, prototypes)
    return rows


def _gradient_slips(right: Tensor, **case: Any) -> dict[str, Tensor]:
    def unprojected(x: Tensor, w: Tensor) -> Tensor:
        return x.expand_as(w)

    return {
        "The projection is missing: take from x the part along each prototype, w_c (w_c . x).": (
            _gradient(case, along=unprojected)
        ),
        "This is the part along each prototype; it is what has to go.": (
            _gradient(case, along=lambda x, w: w * (w @ x)[:, None])
        ),
        "These are the parts of dL/dx. z_c = w_c . x / T changes with w_c by x / T, and the step "
        "stays at a right angle to w_c.": (
            _gradient(case, along=lambda x, w: w - (w @ x)[:, None] * x)
        ),
        "z_c = w_c . x / T changes with w_c by x / T, and not by w_c / T.": (
            _gradient(case, along=lambda x, w: w)
        ),
        "The sign is turned: this is the step that gradient descent takes, -dL/dw.": -right,
        "The sign is turned (p_c minus 1 for the own class), and the projection is missing.": (
            -_gradient(case, along=unprojected)
        ),
        "The factor 1/T is missing.": _gradient(case, scale=lambda temperature: 1.0),
        "The factor 1/T and the projection are missing.": (
            _gradient(case, scale=lambda temperature: 1.0, along=unprojected)
        ),
        "Divide by T, do not multiply.": _gradient(case, scale=lambda temperature: temperature),
        "The own prototype is pulled: subtract 1 from p at the label.": (
            _gradient(case, is_own=0.0)
        ),
        "The own prototype is pulled (subtract 1 from p at the label), and the projection is "
        "missing.": _gradient(case, is_own=0.0, along=unprojected),
        "The own prototype counts twice: its weight is p - 1.": _gradient(case, is_own=2.0),
        "The own prototype is pushed here: its weight is p - 1, and not 1 - p.": (
            _gradient(case, weigh=lambda p, own: (p - own) * (1 - 2 * own))
        ),
        "1 is subtracted from every weight. Subtract it at the label alone: weights[label] -= 1.": (
            _gradient(case, weigh=lambda p, own: p - 1)
        ),
        "Only the own prototype moves here. The others are pushed: their weight is p_c.": (
            _gradient(case, weigh=lambda p, own: (p - own) * own)
        ),
        "The softmax needs the temperature, too: softmax(prototypes @ x / temperature).": (
            _gradient(case, logits=lambda cosines, temperature: cosines)
        ),
        "The part along the prototype is added; take it away.": (
            _gradient(case, along=lambda x, w: x + w * (w @ x)[:, None])
        ),
        "w w^T is a matrix, and not w * w: (I - w w^T) x is x - w * (w @ x).": (
            _gradient(case, along=lambda x, w: (1 - w * w) * x)
        ),
        "From each row take the part along its own prototype alone, not those along all of them.": (
            _gradient(case, along=lambda x, w: (x - (w @ x) @ w).expand_as(w))
        ),
        "The numbers are right, the axes are exchanged: a row for each prototype.": right.T,
        "The rows are added up. Each prototype moves by a row of its own.": right.sum(dim=0),
        "This is the row of the label alone. The others move, too.": right[case["label"]],
    }
