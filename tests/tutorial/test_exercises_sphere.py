"""The self-checks of notebook 01: the right answers, none, and the likely wrong ones."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from exercise_answers import right, wrong

from rnsl_tutorial.tutorial import exercises

# ------------------------------------------------------------------ nsl


def right_nsl(embeddings, prototypes, labels, temperature):  # type: ignore[no-untyped-def]
    """In numpy, written out."""
    x = embeddings.numpy() / np.linalg.norm(embeddings.numpy(), axis=1, keepdims=True)
    w = prototypes.numpy() / np.linalg.norm(prototypes.numpy(), axis=1, keepdims=True)
    scores = np.exp(x @ w.T / temperature)
    return -np.log(scores[np.arange(len(x)), labels.numpy()] / scores.sum(axis=1))


def loop_nsl(embeddings, prototypes, labels, temperature):  # type: ignore[no-untyped-def]
    """Image by image."""
    w = [v / (v @ v) ** 0.5 for v in prototypes]
    costs = []
    for x, label in zip(embeddings, labels, strict=True):
        scores = torch.stack([x / x.norm() @ v / temperature for v in w])
        costs.append(scores.exp().sum().log() - scores[label])
    return torch.stack(costs)


def changed_nsl(x=F.normalize, w=F.normalize, power=-1, axis=1, end=lambda loss: loss):  # type: ignore[no-untyped-def]
    def function(embeddings, prototypes, labels, temperature):  # type: ignore[no-untyped-def]
        logits = x(embeddings) @ w(prototypes).T * temperature**power
        p = torch.softmax(logits, dim=axis)
        return end(-torch.log(p)[torch.arange(len(labels)), labels])

    return function


def all_classes(embeddings, prototypes, labels, temperature):  # type: ignore[no-untyped-def]
    return -F.log_softmax(F.normalize(embeddings) @ F.normalize(prototypes).T / temperature, dim=1)


test_nsl_right = right(exercises.check_nsl, loop_nsl, changed_nsl())


def plain(given: torch.Tensor) -> torch.Tensor:
    return given


test_nsl_wrong = wrong(
    exercises.check_nsl,
    (changed_nsl(x=plain), "5 of 5 values are off.* embeddings keep their length"),
    (changed_nsl(w=plain), "prototypes keep their length"),
    (changed_nsl(x=plain, w=plain), "These are no cosines"),
    (changed_nsl(x=lambda a: a / a.norm(dim=0), w=lambda a: a / a.norm(dim=0)), "wrong axis"),
    (changed_nsl(power=0), "temperature is missing"),
    (changed_nsl(power=1), "multiplied by the temperature"),
    (changed_nsl(axis=0), "runs over the images"),
    (changed_nsl(end=lambda loss: -loss), "sign is turned"),
    (changed_nsl(end=lambda loss: torch.exp(-loss)), "This is p;"),
    (changed_nsl(end=lambda loss: 1 - torch.exp(-loss)), "mean absolute error"),
    (changed_nsl(end=torch.mean), "one value per image"),
    (changed_nsl(end=torch.sum), "sum over the batch"),
    (
        lambda labels, **batch: F.cross_entropy(
            (-all_classes(labels=labels, **batch)).exp(), labels, reduction="none"
        ),
        "softmax is taken twice",
    ),
    (all_classes, r"shape \[5, 4\], expected \[5\].* each image's label"),
    (lambda **batch: all_classes(**batch).min(dim=1).values, "nearest prototype"),
    (changed_nsl(x=lambda a: a / a.norm(), w=lambda a: a / a.norm()), "length of the whole"),
    (changed_nsl(end=lambda loss: -torch.exp(-loss)), "This is -p: the logarithm is missing"),
    (
        lambda **batch: all_classes(**batch)[:, batch["labels"]],
        r"needs column labels\[i\] alone",
    ),
    (lambda **batch: all_classes(**batch)[batch["labels"]], "takes whole rows"),
    (lambda **batch: right_nsl(**batch)[:, None], r"squeeze\(1\)"),
    (right_nsl, "numbers are right. But this is a numpy array"),
    (lambda **batch: list(loop_nsl(**batch)), "this is a list: return one tensor"),
    (lambda **batch: torch.from_numpy(right_nsl(**batch)), "cannot follow them back to embeddings"),
    (lambda **batch: loop_nsl(**batch).detach(), "cannot follow them back to embeddings"),
    (
        lambda embeddings, prototypes, **rest: loop_nsl(embeddings, embeddings, **rest),
        "cosines between two images",
    ),
    (lambda embeddings, prototypes, labels, temperature: embeddings @ prototypes, "stopped in"),
    (lambda embeddings, prototypes, labels, temperature: 2 * labels, r"expected [\d.]+\.$"),
)


# ------------------------------------------------------------------ its gradient


def right_gradient(x, prototypes, label, temperature):  # type: ignore[no-untyped-def]
    """In numpy, written out, row by row."""
    x, w = x.numpy(), prototypes.numpy()
    p = np.exp(w @ x / temperature)
    p /= p.sum()
    rows = [
        (p[c] - (c == label)) * (np.eye(3) - np.outer(w[c], w[c])) @ x / temperature
        for c in range(len(w))
    ]
    return np.stack(rows)


def as_written(own=lambda p: p - 1, along=None, scale=None, power=-1, end=lambda rows: rows):  # type: ignore[no-untyped-def]
    """The gradient, written as a learner writes it, with one part exchanged."""

    def gradient(x, prototypes, label, temperature):  # type: ignore[no-untyped-def]
        weights = (prototypes @ x / (scale or temperature)).softmax(dim=0)
        weights[label] = own(weights[label])
        row = along or (lambda x, w: x - w * (w @ x))
        rows = torch.stack([row(x, w) for w in prototypes])
        return end(weights[:, None] * rows * temperature**power)

    return gradient


test_gradient_right = right(
    exercises.check_prototype_gradient,
    lambda **case: torch.from_numpy(right_gradient(**case)),
    as_written(),
)


def plain_x(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return x


def every_weight(x, prototypes, label, temperature):  # type: ignore[no-untyped-def]
    p = (prototypes @ x / temperature).softmax(dim=0)
    return (p - 1)[:, None] * (x - prototypes * (prototypes @ x)[:, None]) / temperature


def only_own(x, prototypes, label, temperature):  # type: ignore[no-untyped-def]
    rows = torch.zeros_like(prototypes)
    rows[label] = as_written()(x, prototypes, label, temperature)[label]
    return rows


def along_all(x, prototypes, label, temperature):  # type: ignore[no-untyped-def]
    weights = (prototypes @ x / temperature).softmax(dim=0)
    weights[label] -= 1
    return weights[:, None] * (x - prototypes.T @ (prototypes @ x)) / temperature


test_gradient_wrong = wrong(
    exercises.check_prototype_gradient,
    (right_gradient, "numbers are right. But this is a numpy array"),
    (as_written(along=plain_x), "The projection is missing"),
    (as_written(along=lambda x, w: w * (w @ x)), "part along each prototype; it is"),
    (as_written(along=lambda x, w: w - x * (w @ x)), "These are the parts of dL/dx"),
    (as_written(along=lambda x, w: w), "and not by w_c"),
    (as_written(end=lambda rows: -rows), "sign is turned: this is the step"),
    (as_written(along=plain_x, end=lambda rows: -rows), "sign is turned .* projection is missing"),
    (as_written(power=0), "factor 1/T is missing"),
    (as_written(power=0, along=plain_x), "1/T and the projection are missing"),
    (as_written(power=1), "do not multiply"),
    (as_written(own=lambda p: p), "is pulled: subtract"),
    (as_written(own=lambda p: p, along=plain_x), "is pulled .* projection is missing"),
    (as_written(own=lambda p: p - 2), "counts twice"),
    (as_written(own=lambda p: 1 - p), "is pushed here"),
    (as_written(scale=1.0), "The softmax needs the temperature, too"),
    (as_written(along=lambda x, w: x + w * (w @ x)), "is added; take it away"),
    (as_written(along=lambda x, w: (1 - w * w) * x), "is a matrix"),
    (every_weight, "subtracted from every weight"),
    (only_own, "Only the own prototype moves"),
    (along_all, "its own prototype alone"),
    (as_written(end=lambda rows: rows.T), "the axes are exchanged"),
    (as_written(end=lambda rows: rows.sum(dim=0)), "The rows are added up"),
    (lambda label, **case: as_written()(label=label, **case)[label], "the row of the label alone"),
    (lambda x, prototypes, label, temperature: math.nan, r"shape \[\], expected \[5, 3\]"),
)
