"""Self-checks of notebook 06.

Shapes: N images, C classes, D embedding dimensions, E epochs.
"""

import numpy as np
import torch
from torch.nn.functional import normalize

from rnsl_tutorial.tutorial.exercises.checking import Function, check

__all__ = ["check_images_per_second", "check_last_safe_epoch", "check_memorized_share"]

_COSINES_NC = torch.tensor(
    [
        [0.9, 0.1, 0.2], [0.2, 0.8, 0.3], [0.7, 0.1, 0.6], [0.1, 0.3, 0.9],
        [0.6, 0.7, 0.1], [0.2, 0.9, 0.1], [0.8, 0.2, 0.3], [0.3, 0.2, 0.7],
    ]
)  # fmt: skip
_LABELS = torch.tensor([0, 0, 2, 2, 1, 1, 2, 0])
_WRONG = torch.tensor([False, True, True, False, True, False, True, True])
_PROTOTYPES = torch.eye(3, 4) * torch.tensor([[3.0], [0.5], [1.0]])  # of unequal length
_EMBEDDINGS = torch.cat([_COSINES_NC, torch.full((8, 1), 0.3)], dim=1)


def check_memorized_share(function: Function) -> bool:
    """Check a learner's memorized_share(embeddings, prototypes, given, wrong)."""
    embeddings, prototypes = normalize(_EMBEDDINGS), _PROTOTYPES
    return check(
        function,
        right=_memorized,
        cases=[
            {"embeddings": embeddings, "prototypes": prototypes, "given": given, "wrong": wrong}
            for wrong, given in (
                (_WRONG, _LABELS),
                (_WRONG.roll(1), _LABELS),
                (_WRONG.roll(3), _LABELS.roll(1)),
            )
        ],
        slips=lambda right, embeddings, prototypes, given, wrong: {
            "This is the share of all images; take those with a wrong label only.": (
                _at(embeddings, prototypes, given).mean()
            ),
            "These are the right labels, the ones that are learned; take those that are wrong.": (
                _at(embeddings, prototypes, given)[~wrong].mean()
            ),
            "This is the share that is not memorized.": 1 - right,
            "Divide by the number of wrong labels, not by that of all images.": (
                (_at(embeddings, prototypes, given) * wrong).sum() / len(given)
            ),
            "Nearest means by cosine: bring the prototypes to unit length first "
            "(normalize(prototypes, dim=1)).": (
                ((embeddings @ prototypes.T).argmax(1) == given)[wrong].float().mean()
            ),
            "This is a number of images; a share is a mean.": (
                _at(embeddings, prototypes, given)[wrong].sum()
            ),
        },
        praise="It is the curve of the dashboard. Only who knows the wrong labels can draw it.",
    )


def check_images_per_second(function: Function) -> bool:
    """Check a learner's images_per_second(images, seconds), a median after a warm-up."""
    return check(
        function,
        right=_images_per_second,
        cases=[
            {"images": 840, "seconds": np.array([9.0, 1.4, 1.2, 1.3, 4.0, 1.25])},
            {"images": 256, "seconds": np.array([0.9, 0.32, 0.4, 0.25])},
            {"images": 100, "seconds": np.array([0.1, 0.5])},
        ],
        slips=lambda right, images, seconds: {
            "The first epoch is a warm-up and does not count: seconds[1:].": (
                images / np.median(seconds)
            ),
            "One slow epoch moves the mean a lot; take the median.": images / np.mean(seconds[1:]),
            "One slow epoch moves the mean; take the median.": np.mean(images / seconds[1:]),
            "Leave the first epoch out (a warm-up), and take the median, not the mean.": (
                images / np.mean(seconds)
            ),
            "These are seconds per image; turn the fraction over.": np.median(seconds[1:]) / images,
            "This is one number for each epoch; return their median.": images / seconds[1:],
            "The seconds are of one epoch, and so are the images: do not count all epochs.": (
                images * len(seconds[1:]) / np.median(seconds[1:])
            ),
        },
        praise="A median after a warm-up: one disturbed epoch changes nothing.",
    )


def check_last_safe_epoch(function: Function) -> bool:
    """Check a learner's last_safe_epoch(believed, rate): before too much is believed."""
    cases = [
        {"believed": np.array([0.1, 0.4, 0.55, 0.59, 0.7, 0.9, 0.98]), "rate": 0.4},
        {"believed": np.array([0.3, 0.5, 0.72, 0.69, 0.8]), "rate": 0.3},
        {"believed": np.array([0.2, 0.5, 0.6, 0.75]), "rate": 0.5},
        {"believed": np.array([0.2, 0.3, 0.35]), "rate": 0.4},
    ]
    return check(
        function,
        right=_last_safe_epoch,
        cases=cases,
        slips=lambda right, believed, rate: {
            "Exactly 1 - rate may still be right: too much is more than that, > in place of >=.": (
                _last_safe_epoch(believed + 1e-9, rate)
            ),
            "This is the position in the array, which begins at 0; epochs begin at 1.": right - 1,
            "Where no epoch is above the line, all are safe, and the last one is "
            "len(believed), not len(believed) - 1: epochs begin at 1.": (
                right - (right == len(believed))
            ),
            "In this epoch too much is believed already; return the one before it.": right + 1,
            "rate is the share of wrong labels; those that can be right are 1 - rate.": (
                _last_safe_epoch(believed, 1 - rate)
            ),
            "A later epoch may fall below the line again; the first one above it counts.": (
                int(np.flatnonzero(believed <= 1 - rate)[-1]) + 1
            ),
            "Where no epoch is above the line, all are safe: return the last one, "
            "len(believed).": int(np.argmax(believed > 1 - rate)),
            "The most is believed at the end, when the wrong labels are memorized.": (
                int(np.argmax(believed)) + 1
            ),
        },
        praise="No true label was needed, only the rate: a bound, not a guess.",
    )


# ------------------------------------------------------------------ the right answers


def _at(embeddings: torch.Tensor, prototypes: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    nearest_N = (embeddings @ normalize(prototypes, dim=1).T).argmax(dim=1)
    return (nearest_N == given).float()


def _memorized(
    embeddings: torch.Tensor, prototypes: torch.Tensor, given: torch.Tensor, wrong: torch.Tensor
) -> torch.Tensor:
    return _at(embeddings, prototypes, given)[wrong].mean()


def _images_per_second(images: int, seconds: np.ndarray) -> float:
    return float(np.median(images / seconds[1:]))


def _last_safe_epoch(believed: np.ndarray, rate: float) -> int:
    above = np.flatnonzero(believed > 1 - rate)
    return int(above[0]) if len(above) else len(believed)
