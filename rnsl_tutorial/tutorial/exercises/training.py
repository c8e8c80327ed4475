"""Self-checks of notebook 06.

Shapes: N images, C classes, D embedding dimensions, E epochs.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from rnsl_tutorial.tutorial.exercises.checking import Function, check

__all__ = ["check_found_among", "check_last_safe_epoch", "check_memorized_share"]

_COSINES_NC = torch.tensor(
    [
        [0.9, 0.1, 0.2], [0.2, 0.8, 0.3], [0.7, 0.1, 0.6], [0.1, 0.3, 0.9],
        [0.6, 0.7, 0.1], [0.2, 0.9, 0.1], [0.8, 0.2, 0.3], [0.3, 0.2, 0.7],
    ]
)  # fmt: skip
_LABELS = torch.tensor([0, 0, 2, 2, 1, 1, 2, 0])
_WRONG = torch.tensor([False, True, True, False, True, False, True, True])
_PROTOTYPES = torch.eye(3, 4) * torch.tensor([[3.0], [0.5], [1.0]])  # of unequal length
_ROWS = [
    {"file": f"{i}.png", "folder": folder, "given": given, "likeliest": likeliest}
    for i, (folder, given, likeliest) in enumerate(
        map(list, ["BAB", "ABA", "AAB", "BBA", "CAC", "BBB", "AAC", "ACC", "CCC", "BBB"])
    )
]
"""Of ten rows four are planted: the first two, the fifth and the eighth."""
_EMBEDDINGS = torch.cat([_COSINES_NC, torch.full((8, 1), 0.3)], dim=1)

_Rows = Sequence[Mapping[str, str]]


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


def check_found_among(function: Function) -> bool:
    """Check a learner's found_among(rows, looks): the share of planted labels in the first rows."""
    return check(
        function,
        right=_found_among,
        cases=[{"rows": _ROWS, "looks": looks} for looks in (3, 5, len(_ROWS))],
        slips=lambda right, rows, looks: {
            "This is the precision: of the rows that are looked at, the share that is planted. "
            "Divide by the number of planted labels.": _planted(rows)[:looks].mean(),
            "Divide by the number of planted labels, not by that of all rows.": (
                _planted(rows)[:looks].sum() / len(rows)
            ),
            "Planted are the rows whose given label is not their folder; what the network finds "
            "likeliest does not matter.": _share(rows, looks, "given", "likeliest"),
            "This compares the folder with the likeliest class. Planted are the rows whose given "
            "label is not their folder.": _share(rows, looks, "folder", "likeliest"),
            "This is the share of the labels that were *not* planted: !=, not ==.": (
                (~_planted(rows))[:looks].sum() / (~_planted(rows)).sum()
            ),
            "This is the share that is missed; return the share that is found.": 1 - right,
            "This is a number of labels; divide by how many are planted.": (
                _planted(rows)[:looks].sum()
            ),
        },
        praise="No truth was needed: you made these errors yourself.",
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


def _found_among(rows: _Rows, looks: int) -> float:
    return _share(rows, looks, "given", "folder")


def _planted(rows: _Rows) -> NDArray[np.bool_]:
    return _differing(rows, "given", "folder")


def _share(rows: _Rows, looks: int, one: str, other: str) -> float:
    differing = _differing(rows, one, other)
    return float(differing[:looks].sum() / differing.sum())


def _differing(rows: _Rows, one: str, other: str) -> NDArray[np.bool_]:
    return np.array([row[one] != row[other] for row in rows])


def _last_safe_epoch(believed: np.ndarray, rate: float) -> int:
    above = np.flatnonzero(believed > 1 - rate)
    return int(above[0]) if len(above) else len(believed)
