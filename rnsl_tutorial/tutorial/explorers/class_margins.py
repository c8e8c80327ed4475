"""The explorer of class margins: which classes a matrix predicts to lose, and which ones did.

Shapes: P predictions, L losses, J judges, R noise rates, C classes, B labels shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata, spearmanr

from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers.base import Choice, Control, Explorer, module, number_control

__all__ = ["ClassMarginsExplorer"]

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]

_JUDGES = {
    "prototype": "prototypes",
    "knn_noisy": "neighbors, given labels",
    "knn_clean": "neighbors, true labels",
}

_LABELS_SHOWN = 7  # labels around a class: its own, and the most frequent wrong ones
_BY_MATRIX = {"prediction": "the matrix alone", "judge": "prototype"}
_BY_BOTH = {"prediction": "matrix and neighbours", "judge": "prototype"}
_PLACE = ("prediction", "loss", "judge", "rate")


class ClassMarginsExplorer(Explorer):
    """Every class by its margin, predicted, and by the accuracy that it lost, measured.

    The margin of a class is the share of the right label minus that of the most frequent wrong one
    (`class_margins.margins`) among the labels around its images. Beside it are these labels for
    one class.
    Agreement is Spearman's correlation: 1 where the class with the smallest margin lost most, and
    so on down to the last.

    Attributes:
        rate: share of wrong labels, one of those measured.
        loss: "nsl", "rnsl" or "trnsl", as measured.
        judge: "prototype", "knn_noisy" or "knn_clean": how a test image gets its class.
        prediction: what the margins are taken from, one of the names given.
        row: the class whose labels are shown.
    """

    _esm = module("class_margins.js")

    rate = Choice().tag(sync=True)
    loss = Choice().tag(sync=True)
    judge = Choice().tag(sync=True)
    prediction = Choice().tag(sync=True)
    row = Choice().tag(sync=True)

    steps: ClassVar = {
        "30% wrong": {**_BY_MATRIX, "rate": 0.3, "loss": "rnsl"},
        "70% wrong": {**_BY_MATRIX, "rate": 0.7, "loss": "rnsl"},
        "With neighbours": {**_BY_BOTH, "rate": 0.7, "loss": "rnsl"},
        "Under NSL": {**_BY_BOTH, "rate": 0.7, "loss": "nsl"},
    }

    def __init__(
        self,
        class_names: Sequence[str],
        rates: Sequence[float],
        predictions: Mapping[str, ArrayLike],
        drops: Mapping[str, Mapping[str, ArrayLike]],
        *,
        about: str,
        **chosen: float | str | None,
    ) -> None:
        """Rank the classes, and show them.

        Args:
            class_names: C names.
            rates: R shares of wrong labels.
            predictions: by name, float [R, C, C]: at each rate, the shares of labels around the
                images of each class; rows sum to 1.
            drops: by loss and judge, float [R, C]: accuracy without wrong labels minus that with
                them; every loss with the same judges.
            about: what the data are, in a few words; they stand at the axis of what was measured.
            chosen: what to begin with, by the name of the attribute; by default the first of each.

        Raises:
            ValueError: shapes that disagree, or shares that do not sum to 1.
            traitlets.TraitError: a value that its control does not have.
        """
        self._names, self._about = tuple(class_names), about
        self._shares = _checked_shares(predictions, len(rates), len(self._names))
        self._drops = _checked_drops(drops, len(rates), len(self._names))
        self._margins = class_margins.margins(self._shares)
        self._agreement = _agreement(self._margins, self._drops)
        judges = tuple(next(iter(drops.values())))
        controls = {
            "rate": number_control("Noise rate", rates, "{:.0%}"),
            "loss": Control("Loss", tuple(drops), _labels(drops)),
            "judge": Control("Judged by", judges, tuple(_JUDGES.get(j, j) for j in judges)),
            "prediction": Control("Predicted from", tuple(predictions), tuple(predictions)),
            "row": Control("Class", self._names, self._names),
        }
        super().__init__(controls, self._lookup(controls), chosen)

    @property
    def agreement(self) -> float:
        """Spearman's correlation between minus the margin and the loss that are shown now."""
        p, at = self.place("prediction"), self._at
        return float(self._agreement[(p, *at)])

    @property
    def _at(self) -> tuple[int, int, int]:
        return self.place("loss"), self.place("judge"), self.place("rate")

    def _lookup(self, controls: Mapping[str, Control]) -> dict[str, Any]:
        """What the ES module looks up: see the type ``Table`` in ``static/class_margins.js``."""
        order_PRCB = _order(self._shares)
        told = np.empty(self._agreement.shape, dtype=object)
        for place, found in np.ndenumerate(self._agreement):
            told[place] = _sentence(controls, place, float(found), self._drops[place[1:]].mean())
        return {
            "about": self._about,
            "names": self._names,
            "margins": self._margins,
            "drops": 100 * self._drops,
            "margin_ranks": _ranks(-self._margins),
            "drop_ranks": _ranks(self._drops),
            "order": order_PRCB,
            "shares": np.take_along_axis(self._shares, order_PRCB, axis=-1),
            "told": told.tolist(),
            "right": {**plots.RIGHT._asdict(), "label": "right label leads"},
            "wrong": {**plots.WRONG._asdict(), "label": "a wrong label leads"},
            "axes": {
                "margin": _axis("margin of the right label (predicted)", self._margins),
                "drop": _axis(f"points lost ({self._about})", 100 * self._drops),
                "labels": _LABELS_AXIS,
                "share": _SHARE_AXIS,
            },
        }


# ------------------------------------------------------------------ axes


_LABELS_AXIS = plots.axis(
    "right label, then the most frequent wrong ones", 0, _LABELS_SHOWN, ticks=()
)
_SHARE_AXIS = plots.axis("share of the labels", 0, 1, ticks=(0, 0.25, 0.5, 0.75, 1), text="{:.0%}")


def _axis(label: str, values: _Floats) -> plots.Axis:
    """The axis that holds these values, and 0."""
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    room = 0.05 * max(high - low, 0.01)
    return plots.axis(label, low - room, high + room)


# ------------------------------------------------------------------ what is computed


def _order(shares_XCC: _Floats) -> _Integers:
    """Return the labels around each class, [..., C, B]: its own, then the most frequent wrong."""
    own_CC = np.eye(shares_XCC.shape[-1], dtype=bool)
    order = np.argsort(np.where(own_CC, -2.0, -shares_XCC), axis=-1, kind="stable")
    return order[..., :_LABELS_SHOWN].astype(np.int64)


def _ranks(values_XC: _Floats) -> _Integers:
    """Return the rank of each class, 1 for the largest value; equal values share the best rank."""
    ranks: _Integers = rankdata(-values_XC, method="min", axis=-1).astype(np.int64)
    return ranks


def _agreement(margins_PRC: _Floats, drops_LJRC: _Floats) -> _Floats:
    """Return Spearman's correlation of minus the margin and the drop, [P, L, J, R], or NaN."""
    found = np.empty((len(margins_PRC), *drops_LJRC.shape[:-1]))
    for p, losses, judges, r in np.ndindex(found.shape):
        margin_C, drop_C = margins_PRC[p, r], drops_LJRC[losses, judges, r]
        even = np.ptp(margin_C) == 0 or np.ptp(drop_C) == 0  # there is nothing to rank
        found[p, losses, judges, r] = np.nan if even else spearmanr(-margin_C, drop_C).statistic
    return found


def _sentence(
    controls: Mapping[str, Control], place: tuple[int, ...], agreement: float, mean: float
) -> str:
    texts = {name: controls[name].texts[at] for name, at in zip(_PLACE, place, strict=True)}
    agrees = f"agrees with rank correlation {agreement:+.2f}."
    return (
        f"{texts['loss']}, {texts['rate']} wrong labels, judged by {texts['judge']}: a class loses "
        f"{100 * mean:.1f} points on average. The prediction from {texts['prediction']} "
        + ("ranks nothing: all are equal." if np.isnan(agreement) else agrees)
    )


def _labels(drops: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(style.label for style in plots.loss_styles(list(drops)))


# ------------------------------------------------------------------ checks


def _checked_shares(predictions: Mapping[str, ArrayLike], rates: int, classes: int) -> _Floats:
    wanted = (rates, classes, classes)
    for name, shares in predictions.items():
        if np.shape(shares) != wanted:
            raise ValueError(
                f"prediction {name!r} has shape {np.shape(shares)}; {rates} rates and {classes} "
                f"classes need {wanted}."
            )
    shares_PRCC = np.array(list(predictions.values()), dtype=np.float64)
    sums = shares_PRCC.sum(axis=-1)
    if not np.allclose(sums, 1):
        raise ValueError(
            f"a row of a prediction sums to {sums.flat[np.abs(sums - 1).argmax()]:g}; the shares "
            "of the labels around a class sum to 1."
        )
    return shares_PRCC


def _checked_drops(
    drops: Mapping[str, Mapping[str, ArrayLike]], rates: int, classes: int
) -> _Floats:
    if len({tuple(by_judge) for by_judge in drops.values()}) != 1:
        raise ValueError("the losses have not the same judges; give each loss the same, in order.")
    for loss, by_judge in drops.items():
        for judge, drop in by_judge.items():
            if np.shape(drop) != (rates, classes):
                raise ValueError(
                    f"the drops of {loss!r} judged by {judge!r} have shape {np.shape(drop)}; "
                    f"{rates} rates and {classes} classes need {(rates, classes)}."
                )
    return np.array([list(by_judge.values()) for by_judge in drops.values()], dtype=np.float64)
