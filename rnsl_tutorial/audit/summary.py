"""What an audit may say, in numbers and sentences: the same in the terminal, the page and JSON.

Shapes: N images, C classes.
"""

from typing import Any

import numpy as np

from rnsl_tutorial.audit._evidence import FEW
from rnsl_tutorial.audit._transition import not_told_apart
from rnsl_tutorial.audit.estimate import PrecisionEstimate
from rnsl_tutorial.audit.pipeline import Audit

__all__ = ["sentences", "summarize"]

_NAMED = 10  # classes, pairs or files in a sentence


def summarize(audit: Audit) -> dict[str, Any]:
    """Return the numbers of an audit, for JSON.

    Returns:
        ``images`` and ``classes``: how many; ``share_wrong``: low, high and estimate of the share
        of wrong labels, see `estimate.PrecisionEstimate`; ``look``: for the first 5, 10, 25, ...
        images of the list, low, high and estimate of the share that is wrong, left out where the
        range is wider than 50 points; ``thresholds``: at each doubt, how many images have it or
        more, the same three of them, and recall, the share of all wrong labels that is among them;
        ``warnings``: sentences; ``skipped``: files that were passed over, and why. Where nothing
        can be concluded, low is 0, high 1 and estimate None.
    """
    estimate = audit.precision
    return {
        "images": len(audit.files),
        "classes": len(audit.class_names),
        "share_wrong": {
            "low": float(estimate.low[0]),
            "high": float(estimate.high[0]),
            "estimate": float(estimate.precision[0]) if estimate.concluded else None,
        },
        "look": [look._asdict() for look in estimate.looks()],
        "thresholds": _thresholds(estimate),
        "warnings": _warnings(audit),
        "skipped": [{"file": file, "why": why} for file, why in audit.skipped],
    }


def _thresholds(estimate: PrecisionEstimate) -> list[dict[str, float]]:
    names = ("doubt", "flagged", "low", "high", "estimate", "recall")
    rows = zip(
        estimate.thresholds.tolist(), estimate.flagged.tolist(), estimate.low.tolist(),
        estimate.high.tolist(), estimate.precision.tolist(), estimate.recall.tolist(), strict=True,
    )  # fmt: skip
    return [
        dict(zip(names, row, strict=True))
        for row, told in zip(rows, estimate.told, strict=True)
        if told
    ]


def sentences(audit: Audit) -> list[str]:
    """Return what the numbers of `summarize` say, a sentence or two each."""
    said = [f"{len(audit.files):,} images, {len(audit.class_names)} classes. {_share(audit)}"]
    said += _doubted(audit) + _warnings(audit)
    if audit.skipped:
        names = _listed([f"{file} ({why})" for file, why in audit.skipped])
        said.append(f"{len(audit.skipped):,} files were passed over: {names}.")
    return said


def _share(audit: Audit) -> str:
    estimate = audit.precision
    low, middle, high = (v[0] for v in (estimate.low, estimate.precision, estimate.high))
    if not estimate.concluded and estimate.recognised:
        return (
            "How many of them are wrong is not estimated: the labels that are the easiest to find "
            "are decided."
        )
    if not estimate.concluded:
        agreed = (audit.scores.probabilities.argmax(axis=1) == audit.labels).mean()
        return (
            f"Only {agreed:.0%} of the images are recognised as what they are labelled, hardly "
            "more than by guessing: nothing can be concluded. Another backbone, larger images or "
            "features of your own may see more."
        )
    if not estimate.told[0]:
        return f"At most {high:.0%} of the labels are wrong; more cannot be said of so few images."
    if low == 0:
        perhaps = "nothing was found that proves a wrong one"
        return f"At most {high:.1%} of the labels are wrong; {perhaps}."
    return f"{low:.1%} to {high:.1%} of the labels are wrong, about {middle:.1%}."


def _doubted(audit: Audit) -> list[str]:
    """The five classes of which the largest shares have a doubt of one half or more."""
    if audit.precision.low[0] == 0:
        return []
    number = len(audit.class_names)
    counts_C = np.bincount(audit.labels, minlength=number)
    doubted_C = np.bincount(audit.labels[audit.scores.doubt >= 0.5], minlength=number)
    order_C = np.argsort(-doubted_C / np.maximum(counts_C, 1), kind="stable")
    most = [audit.class_names[c] for c in order_C[:5] if doubted_C[c]]
    return [f"Doubted most often, of those given the name: {', '.join(most)}."] if most else []


def _warnings(audit: Audit) -> list[str]:
    counts_C = np.bincount(audit.labels, minlength=len(audit.class_names))
    few = [f"{audit.class_names[c]} ({counts_C[c]})" for c in np.flatnonzero(counts_C < FEW)]
    said = list(audit.notes)
    if few:
        said.append(
            f"Nothing can be said of classes with fewer than {FEW} images: {_listed(few)}. Their "
            "labels stand in the middle of the list."
        )
    mixed = _mixed_up(audit) if audit.precision.concluded else []
    if mixed:
        said.append(
            f"These classes cannot be told apart by what the network sees: {_listed(mixed)}. "
            "Whether an image of one is called the other is not judged."
        )
    return said


def _mixed_up(audit: Audit) -> list[str]:
    """Pairs of classes that cannot be told apart."""
    same_CC = not_told_apart(audit.scores.probabilities, audit.labels)
    names = audit.class_names
    return [f"{names[a]} and {names[b]}" for a, b in np.argwhere(np.triu(same_CC, 1))]


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + f" and {more:,} more" * (more > 0)
