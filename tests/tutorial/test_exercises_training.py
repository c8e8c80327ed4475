"""The checks of notebook 06 pass right answers and tell the likely wrong ones what is wrong."""

from typing import Any

import numpy as np
import torch
from exercise_answers import by_place, right, wrong
from torch.nn.functional import normalize

from rnsl_tutorial.tutorial import exercises

# ------------------------------------------------------------------ the memorized share


def at_given(embeddings: Any, prototypes: Any, given: Any) -> Any:
    return (embeddings @ normalize(prototypes, dim=1).T).argmax(dim=1) == given


def nearest_by_distance(embeddings: Any, prototypes: Any, given: Any, wrong: Any) -> Any:
    nearest = torch.cdist(embeddings, normalize(prototypes)).argmin(dim=1)
    return (nearest[wrong] == given[wrong]).float().mean().item()


test_memorized_share_right = right(
    by_place(exercises.check_memorized_share),
    lambda e, p, g, w: at_given(e, p, g)[w].float().mean(),
    nearest_by_distance,
)
test_memorized_share_wrong = wrong(
    by_place(exercises.check_memorized_share),
    (lambda e, p, g, w: at_given(e, p, g).float().mean(), "the share of all images"),
    (lambda e, p, g, w: at_given(e, p, g)[~w].float().mean(), "These are the right labels"),
    (lambda e, p, g, w: 1 - at_given(e, p, g)[w].float().mean(), "not memorized"),
    (lambda e, p, g, w: (at_given(e, p, g) & w).float().mean(), "number of wrong labels"),
    (
        lambda e, p, g, w: ((e @ p.T).argmax(dim=1) == g)[w].float().mean(),
        "bring the prototypes to unit length",
    ),
    (lambda e, p, g, w: at_given(e, p, g)[w].sum(), "a share is a mean"),
    (lambda e, p, g, w: e @ p, "Python stopped in your function"),
)


# ------------------------------------------------------------------ what a list finds


def planted(rows: Any, one: str = "given", other: str = "folder") -> list[bool]:
    return [row[one] != row[other] for row in rows]


def found(rows: Any, looks: int, *columns: str) -> float:
    return sum(planted(rows, *columns)[:looks]) / sum(planted(rows, *columns))


def found_by_loop(rows: Any, looks: int) -> float:
    hits = [i for i, row in enumerate(rows) if row["folder"] != row["given"]]
    return len([i for i in hits if i < looks]) / len(hits)


test_found_among_right = right(exercises.check_found_among, found, found_by_loop)
test_found_among_wrong = wrong(
    exercises.check_found_among,
    (lambda rows, looks: np.mean(planted(rows)[:looks]), "This is the precision"),
    (lambda rows, looks: sum(planted(rows)[:looks]) / len(rows), "not by that of all rows"),
    (lambda rows, looks: found(rows, looks, "given", "likeliest"), "does not matter"),
    (lambda rows, looks: found(rows, looks, "folder", "likeliest"), "compares the folder"),
    (
        lambda rows, looks: (
            sum(not p for p in planted(rows)[:looks]) / sum(not p for p in planted(rows))
        ),
        "\\*not\\* planted",
    ),
    (lambda rows, looks: 1 - found(rows, looks), "the share that is missed"),
    (lambda rows, looks: sum(planted(rows)[:looks]), "divide by how many are planted"),
    (lambda rows, looks: None, "is the `return` missing"),
)


# ------------------------------------------------------------------ the last safe epoch


def safe(believed: Any, rate: float) -> int:
    for epoch, share in enumerate(believed):
        if share > 1 - rate:
            return epoch
    return len(believed)


test_last_safe_epoch_right = right(exercises.check_last_safe_epoch, safe)
test_last_safe_epoch_wrong = wrong(
    exercises.check_last_safe_epoch,
    (lambda believed, rate: safe(believed, rate) - 1, "epochs begin at 1"),
    (lambda believed, rate: safe(believed, rate) + 1, "return the one before it"),
    (lambda believed, rate: safe(believed, 1 - rate), "those that can be right are 1 - rate"),
    (
        lambda believed, rate: int(np.flatnonzero(believed <= 1 - rate)[-1]) + 1,
        "may fall below the line again",
    ),
    (lambda believed, rate: np.argmax(believed > 1 - rate), "no epoch is above the line"),
    (lambda believed, rate: np.argmax(believed) + 1, "is believed at the end"),
)
