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
    """In numpy, written out."""
    x, w = x.numpy(), prototypes.numpy()
    p = np.exp(w @ x / temperature)
    p /= p.sum()
    gradient = sum((p[c] - (c == label)) * w[c] for c in range(len(w))) / temperature
    return (np.eye(3) - np.outer(x, x)) @ gradient


def changed_gradient(sign=1, power=-1, own=1, projected=True):  # type: ignore[no-untyped-def]
    def function(x, prototypes, label, temperature):  # type: ignore[no-untyped-def]
        p = torch.softmax(prototypes @ x / temperature, dim=0)
        p = p - own * F.one_hot(torch.tensor(label), len(p))
        gradient = sign * (p[:, None] * prototypes).sum(dim=0) * temperature**power
        return gradient - projected * x * (x @ gradient)

    return function


test_gradient_right = right(
    exercises.check_nsl_gradient,
    lambda **case: torch.from_numpy(right_gradient(**case)),
    changed_gradient(),
)


def as_written(own=lambda p: p - 1, project=lambda g, x: g - x * (x @ g), scale=None):  # type: ignore[no-untyped-def]
    """The gradient, written as a learner writes it, with one part exchanged."""

    def gradient(x, prototypes, label, temperature):  # type: ignore[no-untyped-def]
        weights = (prototypes @ x / (scale or temperature)).softmax(dim=0)
        weights[label] = own(weights[label])
        return project(weights @ prototypes / temperature, x)

    return gradient


test_gradient_wrong = wrong(
    exercises.check_nsl_gradient,
    (changed_gradient(projected=False), "The projection is missing"),
    (lambda **case: _along_x(**case), "part along x"),
    (changed_gradient(sign=-1), "sign is turned: this is the step"),
    (changed_gradient(sign=-1, projected=False), "sign is turned .* projection is missing"),
    (changed_gradient(power=0), "factor 1/T is missing"),
    (changed_gradient(power=0, projected=False), "1/T and the projection are missing"),
    (changed_gradient(power=1), "do not multiply"),
    (changed_gradient(own=0), r"pull of the own prototype is missing: subtract"),
    (changed_gradient(own=0, projected=False), "own prototype is missing .* so is"),
    (changed_gradient(own=2), "counts twice"),
    (as_written(own=lambda p: 1 - p), "pushes here"),
    (as_written(project=lambda g, x: g - x @ x * g), r"Set brackets: x \* \(x @ g\)"),
    (right_gradient, "numbers are right. But this is a numpy array"),
    (as_written(project=lambda g, x: (torch.eye(3) - x @ x.T) @ g), r"x @ x.T is one number, 1:"),
    (
        as_written(project=lambda g, x: g - x @ x.T @ g),
        "Line .* x @ x.T is one number: torch.outer",
    ),
    (as_written(project=lambda g, x: g - x @ g), "x @ g is a number"),
    (as_written(project=lambda g, x: g + x * (x @ g)), "is added; take it away"),
    (as_written(scale=1.0), "The softmax needs the temperature, too"),
    (lambda x, prototypes, label, temperature: math.nan, r"shape \[\], expected \[3\]"),
)


def _along_x(x, **case):  # type: ignore[no-untyped-def]
    return x * (x @ changed_gradient(projected=False)(x, **case))
