"""Self-checks of notebook 02."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial import noise
from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.tutorial.exercises.checking import (
    Function,
    NotYetRightError,
    OneOf,
    called,
    check,
    judged,
    say,
)

__all__ = ["check_breaking_rate", "check_draw_labels", "check_lost_classes"]

# Row 0 is lost; row 1 has a tie; in row 2 the right label leads with less than a half. The columns
# sum to 1 as well, so that who takes them for rows is told so, and not stopped by numpy.
_MATRIX = np.array(
    [
        [0.3, 0.5, 0.1, 0.1],
        [0.4, 0.4, 0.2, 0.0],
        [0.2, 0.1, 0.4, 0.3],
        [0.1, 0.0, 0.3, 0.6],
    ]
)
_IMAGES = 8_000  # a share of a row is then known to 0.011 (one standard deviation, at worst)
_TOLERANCE = 0.05  # four and a half of them


@judged
def check_draw_labels(function: Function) -> None:
    """Check a learner's draw_labels(labels, transition, seed): labels drawn from its rows.

    What is drawn need not be the library's draw: looked at are the shares over many labels, and
    that the seed alone decides.

    Wrong are other shares, labels that are no class, and a draw that depends on more than the seed.
    """
    labels = np.random.default_rng(0).integers(len(_MATRIX), size=_IMAGES)
    drawn = _drawn(function, labels, 1)
    _check_shares(labels, drawn)
    _check_seed(function, labels, drawn)
    wrong = float((drawn != labels).mean())
    say(
        f"Right. Of {_IMAGES:,} labels {wrong:.1%} are wrong now, and the seed alone decides which."
    )


def check_lost_classes(function: Function) -> bool:
    """Check a learner's lost_classes(transition), the numbers of the classes that are lost."""
    tables = [noise.label_dependent_transition(name, 0.7) for name in ("aid", "nwpu45")]
    return check(
        function,
        right=class_margins.dominated_classes,
        cases=[{"transition": matrix} for matrix in (_MATRIX, np.eye(3), *tables)],
        slips=lambda right, transition: {
            "At a tie the class is not lost yet: write > in place of >=.": (
                np.flatnonzero(_most_wrong(transition) >= _right(transition))
            ),
            "These are the classes with more wrong labels than right ones, all kinds of wrong "
            "together. Compare with the largest single one: M[i, i] may lead with 0.4.": (
                np.flatnonzero(_right(transition) < 0.5)
            ),
            "These are all classes with a wrong label. Is the diagonal 0 when you compare? Take "
            "the right label's share from the matrix that still has it, and not from the copy "
            "whose diagonal you have filled.": np.flatnonzero(_most_wrong(transition) > 0),
            "These are the classes where the right label leads. The others are lost.": (
                np.flatnonzero(_most_wrong(transition) < _right(transition))
            ),
            "This is how many are lost. Return their numbers.": len(right),
            "np.where returns a tuple: take its first entry, or use np.flatnonzero.": (
                right[None, :]
            ),
            "np.argwhere makes a column of them: use np.flatnonzero.": right[:, None],
            "These are all classes. The largest number of a row may be M[i, i] itself: compare "
            "with the largest of the others.": np.arange(len(transition)),
            "You looked down the columns. The labels of class i stand in row i.": (
                np.flatnonzero(_most_wrong(transition.T) > _right(transition))
            ),
            "These are True and False for each class. Return the numbers of the classes: "
            "np.flatnonzero(...) finds them.": _most_wrong(transition) > _right(transition),
        },
        praise="Ten classes of AID and ten of NWPU45 are lost at a rate of 0.7.",
    )


def check_breaking_rate(function: Function) -> bool:
    """Check a learner's breaking_rate(shares): above which rate is a class lost?

    With the shares s of the wrong labels of a class, it is lost where rate * max(s) > 1 - rate, so
    above 1 / (1 + max(s)).
    """
    return check(
        function,
        right=lambda shares: 1 / (1 + np.max(shares)),
        cases=[
            {"shares": np.array(shares)}
            for shares in ([0.6, 0.4], [0.2, 0.4, 0.4], [1.0], [1 / 29] * 29)
        ],
        slips=lambda right, shares: {
            "A share is one of the wrong labels alone. Of all labels it is rate * share: solve "
            "rate * share = 1 - rate.": 1 - np.max(shares),
            "At 0.5 all wrong labels together are as many as the right ones. But a single one "
            "must outnumber them: take the largest share, not the sum.": 0.5,
            "This is the largest share itself. Solve rate * share = 1 - rate for the rate.": (
                np.max(shares)
            ),
            "From rate * share = 1 - rate follows rate * (share + 1) = 1.": OneOf(
                1 / np.max(shares), 1 / np.max(shares) - 1
            ),
            "A rate lies between 0 and 1. Python divides before it adds: 1 / (1 + ...).": (
                1 + np.max(shares)
            ),
            "The largest share need not be the first: np.max(shares).": 1 / (1 + shares[0]),
            "Take the largest share, not the mean of the shares.": 1 / (1 + np.mean(shares)),
            "Take the largest share, not the smallest: that label is the first to win.": (
                1 / (1 + np.min(shares))
            ),
            "That is one rate for each wrong label. The class is lost at the first of them.": (
                1 / (1 + shares)
            ),
            "This is the share of wrong labels of that one kind. Asked is the rate, the share "
            "of all wrong labels.": np.max(shares) / (1 + np.max(shares)),
        },
        praise="Wrong labels that agree break a class at a rate of 0.5, and evenly spread over 29 "
        f"classes only at {29 / 30:.3f}.",
    )


# ------------------------------------------------------------------ drawing


def _drawn(function: Function, labels: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Call the learner's function, and refuse what holds no label for each image."""
    case = _case(labels, seed)
    drawn = np.asarray(called(function, case))
    if drawn.ndim == 0 and drawn.dtype == object:
        raise NotYetRightError("Your function returns None: is the `return` missing?", case)
    if drawn.shape != labels.shape or drawn.dtype.kind not in "iu":
        raise NotYetRightError(
            f"{_IMAGES:,} labels gave {drawn.dtype} of shape {list(drawn.shape)}. Return one class "
            "number, an integer, for each label.",
            case,
        )
    if drawn.min() < 0 or drawn.max() >= len(_MATRIX):
        raise NotYetRightError(
            f"The labels run from {drawn.min()} to {drawn.max()}; {len(_MATRIX)} classes have the "
            f"numbers 0 to {len(_MATRIX) - 1}.",
            case,
        )
    return drawn.astype(np.int64)


def _shares(labels: NDArray[Any], drawn: NDArray[Any]) -> NDArray[np.float64]:
    counts = np.zeros(_MATRIX.shape)
    np.add.at(counts, (labels, drawn), 1)
    shares: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _case(labels: NDArray[Any], seed: int) -> dict[str, Any]:
    return {"labels": labels, "transition": _MATRIX, "seed": seed}


def _check_shares(labels: NDArray[Any], drawn: NDArray[Any]) -> None:
    found = _shares(labels, drawn)
    if _close(found, _MATRIX):
        return
    i, j = (int(n) for n in np.unravel_index(np.abs(found - _MATRIX).argmax(), _MATRIX.shape))
    where = (
        f"Of the images of class {i}, {found[i, j]:.1%} got the label {j}; M[{i}, {j}] says "
        f"{_MATRIX[i, j]:.1%}."
    )
    raise NotYetRightError(f"{where} {_likely_reason(found)}".strip(), _case(labels, 1))


def _likely_reason(found: NDArray[np.float64]) -> str:
    right = _right(_MATRIX)
    same = np.full_like(_MATRIX, 1 / len(_MATRIX))
    most_frequent = np.eye(len(_MATRIX))[_MATRIX.argmax(axis=1)]
    reasons = [
        (_MATRIX.T, "You took the columns. The labels of class i stand in row i: transition[i]."),
        (np.eye(len(_MATRIX)), "No label changed."),
        (
            np.diag(right) + (1 - right)[:, None] * same,
            "A wrong label went to any class, even back to the right one, and not as the row says: "
            "rng.choice(len(transition), p=transition[i]).",
        ),
        (same, "All classes came out alike: where does p=transition[i] stand?"),
        (most_frequent, "Each image got the most frequent label of its row: draw it by chance."),
    ]
    for shares, reason in reasons:
        if _close(found, shares):
            return reason
    if (found.max(axis=1) == 1).all():
        return (
            "All images of a class got the same label. Draw once for each image, with one "
            "generator that is made before the loop: in the loop the seed would begin anew."
        )
    if _close(found, np.broadcast_to(found[0], found.shape)):
        return (
            "Every class was drawn from one and the same row: take the row of each image's class."
        )
    if (found.diagonal() > right + _TOLERANCE).any():
        return "Too many labels stay right: is a wrong label drawn that may be the right one again?"
    return ""


def _check_seed(function: Function, labels: NDArray[Any], drawn: NDArray[np.int64]) -> None:
    kept = np.random.get_state()
    np.random.seed(0)
    before = str(np.random.get_state(legacy=False))
    again = _drawn(function, labels, 1)
    touched = str(np.random.get_state(legacy=False)) != before
    np.random.set_state(kept)
    if touched:
        raise NotYetRightError(
            "The function draws from numpy's global generator, which every other cell shares. Make "
            "one of your own: rng = np.random.default_rng(seed).",
            _case(labels, 1),
        )
    if not np.array_equal(again, drawn):
        raise NotYetRightError(
            "The same seed gave other labels when called again. Make the generator inside of the "
            "function: rng = np.random.default_rng(seed).",
            _case(labels, 1),
        )
    if np.array_equal(_drawn(function, labels, 2), drawn):
        raise NotYetRightError(
            "Seeds 1 and 2 give the same labels. Hand the seed on: np.random.default_rng(seed).",
            _case(labels, 2),
        )


def _close(found: NDArray[np.float64], expected: NDArray[np.float64]) -> bool:
    return bool((np.abs(found - expected) < _TOLERANCE).all())


# ------------------------------------------------------------------ reading a matrix


def _right(transition: NDArray[np.float64]) -> NDArray[np.float64]:
    return transition.diagonal()


def _most_wrong(transition: NDArray[np.float64]) -> NDArray[np.float64]:
    off = transition * (1 - np.eye(len(transition)))
    largest: NDArray[np.float64] = off.max(axis=1)
    return largest
