"""The explorer of an audit: whom a threshold on the doubt flags, and how many of them are wrong.

Shapes: N images, C classes, K thresholds, B bins, L classes shown.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnsl_tutorial._arrays import takes
from rnsl_tutorial.experiments.style import _GREY
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial._album import Album
from rnsl_tutorial.tutorial.explorers._pictures import Pictured
from rnsl_tutorial.tutorial.explorers.base import Choice, module, number_control

__all__ = ["AuditExplorer"]

_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]
_Integers = NDArray[np.int64]

_EDGES = np.arange(51) / 50
_THRESHOLDS = np.array([*(np.arange(100) / 100), 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999])
"""Closer near 1, where the doubts of wrong labels crowd."""
_HALF = 50  # the place of the threshold 0.5
_CLASSES_SHOWN = 16
_FLAGGED_COLOR = _GREY
_TRUE_DASH = (1.0, 1.2)
"""Of what only who planted the wrong labels can know; estimates have a line of their own."""
_DOUBT_AXIS = plots.axis("doubt about the given label", 0, 1)
_THRESHOLD_AXIS = plots.axis("threshold on the doubt", 0, 1)
_WIDEST = 0.5  # of a range that is worth to be told, as on the page of an audit
_ESTIMATED = ("precision", "recall", "low", "high")
_CURVES = (*_ESTIMATED, "true precision", "true recall", "share flagged")


class _Estimate(Protocol):
    """Estimates over ascending thresholds, as `audit.PrecisionEstimate`; float [T] each."""

    @property
    def thresholds(self) -> NDArray[Any]: ...
    @property
    def precision(self) -> NDArray[Any]: ...
    @property
    def recall(self) -> NDArray[Any]: ...
    @property
    def low(self) -> NDArray[Any]: ...
    @property
    def high(self) -> NDArray[Any]: ...


class _Shown(NamedTuple):
    """What stands in the table.

    Attributes:
        right: [B], images over the doubt, those with a wrong label left out where these are known.
        wrong: [B], images with a wrong label; 0 where not known.
        flagged: [K], images at or above each threshold.
        curves: [7, K], see CURVES; NaN where there is none.
        order: [L], the classes shown.
        class_flagged: [K, L], share of the images given each class that is flagged.
        class_estimated: [L], estimated share of wrong labels; NaN where there is none.
        class_true: [L], their true share; NaN where it is not known.
    """

    right: _Floats
    wrong: _Floats
    flagged: _Integers
    curves: _Floats
    order: _Integers
    class_flagged: _Floats
    class_estimated: _Floats
    class_true: _Floats


class AuditExplorer(Pictured):
    """A threshold that moves through the doubts of an archive.

    Flagged are the images whose doubt is at least the threshold. What the audit estimates stands
    beside the truth, where that is known. Where the images lie on this machine, the last ones that
    are flagged show themselves.

    Attributes:
        threshold: on the doubt, 0 (all images are flagged) to 0.9999; at first 0.5.
    """

    _esm = module("audit.js")

    threshold = Choice().tag(sync=True)

    steps: ClassVar = {
        "All": {"threshold": 0.0},
        "Doubt from 0.5": {"threshold": 0.5},
        "From 0.9": {"threshold": 0.9},
        "From 0.99": {"threshold": 0.99},
    }

    @takes(doubt="any ...", labels="any ...", wrong="any ...?", class_noise="drawn ...?")
    def __init__(
        self,
        doubt: ArrayLike,
        labels: ArrayLike,
        class_names: Sequence[str],
        *,
        wrong: ArrayLike | None = None,
        estimate: _Estimate | None = None,
        class_noise: ArrayLike | None = None,
        files: Sequence[str] = (),
        images: NDArray[np.uint8] | None = None,
        **chosen: float | None,
    ) -> None:
        """Sort the images by their doubt, and show them.

        Args:
            doubt: float [N] in [0, 1], as `doubt.Scores.doubt`.
            labels: int [N] in [0, C), the given ones.
            class_names: C names.
            wrong: bool [N], which labels are wrong, where that is known.
            estimate: of precision and recall, where there is one.
            class_noise: float [C], estimated share of wrong labels among the images given a class.
            files: N names; where a data set on this machine has them, pictures are shown.
            images: uint8 [N, 3, S, S], to be shown themselves.
            chosen: what to begin with, by the name of the attribute.

        Raises:
            ValueError: shapes that disagree, or values out of range.
            traitlets.TraitError: a threshold that the control does not have.
        """
        doubt_N, labels_N, wrong_N = _checked(doubt, labels, len(class_names), wrong)
        noise_C = _checked_noise(class_noise, len(class_names))
        self._album = Album(files, images, wrong_N, [class_names[c] for c in labels_N])
        self._order = np.argsort(-doubt_N, kind="stable")
        self._shown = _count(doubt_N, labels_N, wrong_N, estimate, noise_C)
        self._names = [class_names[c] for c in self._shown.order]
        self._is_known = wrong_N is not None
        controls = {
            "threshold": number_control("Threshold on the doubt", _THRESHOLDS, "{:g}", snaps=True)
        }
        told = [_sentence(self._shown, k, len(doubt_N)) for k in range(len(_THRESHOLDS))]
        super().__init__(controls, self._lookup(told), {"threshold": 0.5, **chosen})

    def _near(self) -> tuple[str, _Integers]:
        flagged = int(self._shown.flagged[self.place("threshold")])
        title = "Flagged last, under their given labels"
        return title, self._order[:flagged][::-1]

    def _count_axis(self) -> plots.Axis:
        shown = self._shown
        both = plots.mirrored_axis(float(max(shown.right.max(), shown.wrong.max())))
        return both if self._is_known else _upper_half(both)

    def _lookup(self, told: list[str]) -> dict[str, Any]:
        """What the ES module looks up: see the type ``Table`` in ``static/audit.js``."""
        shown = self._shown
        x_classes, y_classes = _class_axes(shown)
        return {
            "edges": _EDGES,
            "heights": plots.mirrored(shown.right, shown.wrong),
            "thresholds": _THRESHOLDS,
            "curves": shown.curves,
            "names": self._names,
            "class_flagged": shown.class_flagged,
            "class_estimated": shown.class_estimated,
            "class_true": shown.class_true,
            "told": told,
            "known": self._is_known,
            "estimated": bool(np.isfinite(shown.curves[:2]).any()),
            "class_noise": bool(np.isfinite(shown.class_estimated).any()),
            "axes": {
                "doubt": _DOUBT_AXIS,
                "counts": self._count_axis(),
                "threshold": _THRESHOLD_AXIS,
                "share": plots.SHARE_AXIS,
                "classes": x_classes,
                "class_share": y_classes,
            },
            "labels": {"right": plots.RIGHT, "wrong": plots.WRONG},
            "flagged_color": _FLAGGED_COLOR,
            "true_dash": _TRUE_DASH,
            "measures": [plots.MEASURE_STYLES[name] for name in _CURVES[:2]],
        }


# ------------------------------------------------------------------ counting


def _count(
    doubt_N: _Floats,
    labels_N: _Integers,
    wrong_N: _Bools | None,
    estimate: _Estimate | None,
    noise_C: _Floats,
) -> _Shown:
    is_wrong_N = np.zeros(len(doubt_N), dtype=bool) if wrong_N is None else wrong_N
    flagged_KC = _flagged_by_class(doubt_N, labels_N, len(noise_C))
    given_C = np.bincount(labels_N, minlength=len(noise_C))
    true_2K = _true_curves(doubt_N, wrong_N, flagged_KC.sum(axis=1))
    share_1K = flagged_KC.sum(axis=1)[None] / len(doubt_N)
    share_KC = _share(flagged_KC, given_C)
    true_C = np.full(len(noise_C), np.nan)
    if wrong_N is not None:
        true_C = _share(np.bincount(labels_N[wrong_N], minlength=len(noise_C)), given_C)
    doubtful_C = np.where(np.isnan(noise_C), share_KC[_HALF], noise_C)
    order_L = np.argsort(-doubtful_C, kind="stable")[:_CLASSES_SHOWN]
    return _Shown(
        _histogram(doubt_N[~is_wrong_N]),
        _histogram(doubt_N[is_wrong_N]),
        flagged_KC.sum(axis=1),
        np.concatenate([_estimated_curves(estimate), true_2K, share_1K]),
        order_L,
        share_KC[:, order_L],
        noise_C[order_L],
        true_C[order_L],
    )


def _flagged_by_class(doubt_N: _Floats, labels_N: _Integers, num_classes: int) -> _Integers:
    """How many images of each given class lie at or above each threshold, [K, C]."""
    rows = [np.bincount(labels_N[doubt_N >= t], minlength=num_classes) for t in _THRESHOLDS]
    return np.stack(rows)


def _true_curves(doubt_N: _Floats, wrong_N: _Bools | None, flagged_K: _Integers) -> _Floats:
    if wrong_N is None:
        return np.full((2, len(_THRESHOLDS)), np.nan)
    found_K = np.array([(doubt_N[wrong_N] >= t).sum() for t in _THRESHOLDS])
    return np.stack([_share(found_K, flagged_K), _share(found_K, wrong_N.sum())])


def _estimated_curves(estimate: _Estimate | None) -> _Floats:
    """The estimates at our thresholds, [4, K]; NaN outside of theirs."""
    if estimate is None:
        return np.full((len(_ESTIMATED), len(_THRESHOLDS)), np.nan)
    curves, at = [getattr(estimate, name) for name in _ESTIMATED], estimate.thresholds
    return np.stack([np.interp(_THRESHOLDS, at, ys, left=np.nan, right=np.nan) for ys in curves])


def _histogram(doubt: _Floats) -> _Floats:
    return np.histogram(doubt, _EDGES)[0].astype(np.float64)


def _share(part: ArrayLike, whole: ArrayLike) -> _Floats:
    """Part over whole; NaN where the whole is 0."""
    parts, wholes = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    share = np.full(parts.shape, np.nan)
    np.divide(parts, wholes, out=share, where=wholes > 0)
    return share


# ------------------------------------------------------------------ what is shown and said


def _upper_half(both: plots.Axis) -> plots.Axis:
    pairs = [(t, text) for t, text in zip(both.ticks, both.texts, strict=True) if t >= 0]
    ticks, texts = zip(*pairs, strict=True)
    return both._replace(range=(0.0, both.range[1]), ticks=ticks, texts=texts)


def _class_axes(shown: _Shown) -> tuple[plots.Axis, plots.Axis]:
    """Classes to the right; upwards shares, up to what can be wrong or flagged at 0.5."""
    seen = [shown.class_flagged[_HALF], shown.class_estimated, shown.class_true]
    top = min(1.0, 1.25 * float(np.nanmax(np.concatenate([*seen, [0.08]]))))
    shares = plots.axis("share of the class's images", 0, top, text="{:.0%}")
    return plots.axis("given class", 0, len(shown.order), ticks=()), shares


def _sentence(shown: _Shown, k: int, images: int) -> str:
    flagged = int(shown.flagged[k])
    start = f"Threshold {_THRESHOLDS[k]:g}: {flagged:,} of {images:,} images are flagged"
    if not flagged:
        return f"{start}."
    precision, recall, low, high, true_precision, true_recall, _ = shown.curves[:, k]
    parts = [f"{start}."]
    if np.isfinite(precision) and high - low > _WIDEST:
        parts.append(f"How many of them are wrong cannot be told ({low:.0%} to {high:.0%}).")
    elif np.isfinite(precision):
        parts.append(
            f"Estimated: {precision:.0%} of them are wrong ({low:.0%} to {high:.0%}), and they are "
            f"{recall:.0%} of all wrong labels."
        )
    if np.isfinite(true_precision):
        found = f" and {true_recall:.0%}" if np.isfinite(true_recall) else ", no label is wrong"
        parts.append(f"In truth: {true_precision:.0%}{found}.")
    return " ".join(parts)


# ------------------------------------------------------------------ checks


def _checked(
    doubt: ArrayLike, labels: ArrayLike, num_classes: int, wrong: ArrayLike | None
) -> tuple[_Floats, _Integers, _Bools | None]:
    doubt_N, labels_N = np.asarray(doubt, dtype=np.float64), np.asarray(labels)
    wrong_N = None if wrong is None else np.asarray(wrong)
    if doubt_N.ndim != 1 or not doubt_N.size or labels_N.shape != doubt_N.shape:
        raise ValueError(
            f"doubt has shape {doubt_N.shape} and labels {labels_N.shape}; both must be [images]."
        )
    if not ((doubt_N >= 0) & (doubt_N <= 1)).all():
        raise ValueError(
            f"doubt runs from {doubt_N.min():g} to {doubt_N.max():g}; it must lie in [0, 1]."
        )
    if labels_N.dtype.kind not in "iu" or not 0 <= labels_N.min() <= labels_N.max() < num_classes:
        raise ValueError(
            f"labels are {labels_N.dtype} from {labels_N.min()} to {labels_N.max()}; with "
            f"{num_classes} class names they must be integers in [0, {num_classes})."
        )
    if wrong_N is not None and (wrong_N.dtype != bool or wrong_N.shape != doubt_N.shape):
        raise ValueError(
            f"wrong is {wrong_N.dtype} {wrong_N.shape}; give bool {doubt_N.shape}, or None."
        )
    return doubt_N, labels_N.astype(np.int64), wrong_N


def _checked_noise(class_noise: ArrayLike | None, num_classes: int) -> _Floats:
    if class_noise is None:
        return np.full(num_classes, np.nan)
    noise_C = np.asarray(class_noise, dtype=np.float64)
    if noise_C.shape != (num_classes,):
        raise ValueError(
            f"class_noise has shape {noise_C.shape}; {num_classes} class names need "
            f"({num_classes},)."
        )
    return noise_C
