"""The explorers of truncation: the loss with its plateau, and whom a threshold leaves out.

Shapes: N images, Q values of q, K thresholds, P values of p, B bins, E moments.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from rnsl_tutorial._arrays import takes
from rnsl_tutorial.experiments.style import _GREY
from rnsl_tutorial.tutorial import curves, plots
from rnsl_tutorial.tutorial._album import Album
from rnsl_tutorial.tutorial.explorers._pictures import Pictured
from rnsl_tutorial.tutorial.explorers.audit import _share
from rnsl_tutorial.tutorial.explorers.base import Choice, Guess, module, number_control

__all__ = ["PruningExplorer", "TruncationExplorer"]

_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]

_EDGES = np.arange(51) / 50
_KS = _EDGES[:-1]
_QS = np.arange(5, 11) / 10
_P = np.arange(101) / 100
_CUT_COLOR = _GREY
_P_AXIS = plots.axis("p, belief in the given label", 0, 1)
_NAMES = ("precision", "recall", "kept")
_ASKED_PRECISION = 0.95  # that a guess is about
_LEFT_OUT = "Left out last, by what they show; below an orange line the label is wrong"


class _Split(NamedTuple):
    """How images lie around each threshold, at each of E moments.

    Attributes:
        right: [E, B], images with a right label whose p lies in each bin (low, high].
        wrong: [E, B], images with a wrong label.
        left_out: [E, K], images with p <= k.
        found: [E, K], those of them with a wrong label.
        measures: [E, 3, K], precision, recall and share kept; NaN where there is none.
    """

    right: _Floats
    wrong: _Floats
    left_out: _Floats
    found: _Floats
    measures: _Floats


class TruncationExplorer(Pictured):
    """RNSL cut off at L_q(k), and the images of one moment of a run on both sides of k.

    A threshold leaves out the images with p <= k, whatever q is. As a finder of wrong labels it has
    the precision and the recall of `evaluate.flip_detection`.

    Attributes:
        k: threshold on p, 0 (nobody is left out) to 0.98 in steps of 0.02; at first 0.5.
        q: of the loss that is drawn, 0.5 to 1; at first 0.7.
    """

    _esm = module("truncation.js")

    k = Choice().tag(sync=True)
    q = Choice().tag(sync=True)

    steps: ClassVar = {
        "Nobody out": {"k": 0.0, "q": 0.7},
        "k = 0.1": {"k": 0.1, "q": 0.7},
        "k = 0.5": {"k": 0.5, "q": 0.7},
        "k = 0.9": {"k": 0.9, "q": 0.7},
    }

    @takes(log_p="any ...", flipped="any ...")
    def __init__(
        self,
        log_p: ArrayLike,
        flipped: ArrayLike,
        *,
        files: Sequence[str] = (),
        **chosen: float | None,
    ) -> None:
        """Sort the images of one moment, and show them.

        Args:
            log_p: float [N], at most 0: log of the probability that the prototypes give to the
                label that each training image was given, such as `experiments.History.log_p[20]`.
            flipped: bool [N], which labels are wrong.
            files: N names; where a data set on this machine has them, pictures are shown.
            chosen: what to begin with, by the name of the attribute; ``guess=True`` asks for a
                guess first.

        Raises:
            ValueError: shapes that disagree, or values out of range.
            traitlets.TraitError: a q or k that its control does not have.
        """
        log_p_N, flipped_N = _checked_run(log_p, flipped, moments=False)
        self._log_p, self._album = log_p_N, Album(files, wrong=flipped_N)
        self._split = _split(log_p_N[None], flipped_N)
        controls = {
            "k": number_control("Threshold k", _KS, snaps=True),
            "q": number_control("q of the loss", _QS, "{:.1f}", snaps=True),
        }
        asked = _asked(self._split.measures[0, 0], flipped_N)
        super().__init__(controls, self._lookup(flipped_N), {"q": 0.7, "k": 0.5, **chosen}, asked)

    def _near(self) -> tuple[str, NDArray[np.int64]]:
        return _LEFT_OUT, _last_left_out(self._log_p, self.k)

    def _lookup(self, flipped_N: _Bools) -> dict[str, Any]:
        """What the ES module looks up: see the type ``Table`` in ``static/truncation.js``."""
        shown = self._split
        return {
            **_histogram_table(shown),
            "axes": {
                **_histogram_axes(shown),
                "loss": plots.axis("loss", 0, 2.1, ticks=(0, 0.5, 1, 1.5, 2)),
                "k": plots.axis("threshold k", 0, 1),
            },
            "losses": [
                plots.LOSS_STYLES["rnsl"]._replace(label="RNSL, uncut"),
                plots.LOSS_STYLES["trnsl"],
            ],
            "p": _P,
            "ks": _KS,
            "uncut": np.stack([_loss(_P, q) for q in _QS]),
            "cut": np.stack([[_loss(_P, q, k) for k in _KS] for q in _QS]),
            "levels": np.array([[_loss(k, q) for k in _KS] for q in _QS]),
            "told": [
                _sentence(k, int(out), int(found), flipped_N)
                for k, out, found in zip(_KS, shown.left_out[0], shown.found[0], strict=True)
            ],
        }


def _asked(precision_K: _Floats, flipped_N: _Bools) -> Guess | None:
    """Ask for the largest threshold of a precision; None where no threshold has it, or all have."""
    fine_K = precision_K >= _ASKED_PRECISION
    if not fine_K.any() or fine_K[-1]:
        return None
    k, is_seen_K = float(_KS[fine_K].max()), ~np.isnan(precision_K)
    wanted = {"name": "wanted", "label": f"{_ASKED_PRECISION:.0%}", "dash": [4, 2.5]}
    style = plots.MEASURE_STYLES["precision"]._replace(marker="")
    return Guess(
        "place",
        f"{flipped_N.mean():.0%} of the labels are wrong. How high may the threshold k be, if "
        f"{100 * _ASKED_PRECISION:.0f} of 100 images left out shall have a wrong label? Set it.",
        plots.axis("threshold k", 0, 1),
        plots.axis("precision of “left out”", 0.5, 1, text="{:.0%}"),
        [0.5],
        [k],
        f"You said k = {{drawn}}: {{off}}. k = {{measured}} is the largest at which at least "
        f"{100 * _ASKED_PRECISION:.0f} of 100 have a wrong label.",
        unit="",
        given=[{"mark": "rule", "style": wanted, "axis": "y", "shows": [_ASKED_PRECISION]}],
        then=[
            {
                "mark": "line",
                "style": {**style._asdict(), "name": "precision over k"},
                "shows": [_KS[is_seen_K].tolist(), precision_K[is_seen_K].tolist()],
            }
        ],
    )


# ------------------------------------------------------------------ over the epochs


class PruningExplorer(Pictured):
    """The images of a run on both sides of a threshold, moment after moment.

    Beside them stand precision, recall and share kept of the threshold over all moments; dashed
    rules mark where the run itself chose anew which images to keep.

    Attributes:
        epoch: moment, 0 (before training, at first) to the last epoch.
        k: threshold on p, 0 (nobody is left out) to 0.98 in steps of 0.02; at first 0.5.
        pruned: the moments at which the run itself pruned.
    """

    _esm = module("pruning.js")

    epoch = Choice().tag(sync=True)
    k = Choice().tag(sync=True)

    steps: ClassVar = {
        "Before training": {"epoch": 0, "k": 0.5},
        "After 1 epoch": {"epoch": 1, "k": 0.5},
        "After 5": {"epoch": 5, "k": 0.5},
        "After 20": {"epoch": 20, "k": 0.5},
        "After 40, k = 0.9": {"epoch": 40, "k": 0.9},
    }

    @takes(log_p="any ...", flipped="any ...", kept="any ...?")
    def __init__(
        self,
        log_p: ArrayLike,
        flipped: ArrayLike,
        kept: ArrayLike | None = None,
        *,
        files: Sequence[str] = (),
        **chosen: float | None,
    ) -> None:
        """Sort the images of every moment, and show them.

        Args:
            log_p: float [E, N], at most 0, as `experiments.History.log_p`.
            flipped: bool [N], which labels are wrong.
            kept: bool [E, N], as `experiments.History.kept`: whether epoch e trained on the image;
                None for a run that prunes nobody.
            files: as in `TruncationExplorer`.
            chosen: what to begin with, by the name of the attribute.

        Raises:
            ValueError: shapes that disagree, or values out of range.
            traitlets.TraitError: an epoch or k that its control does not have.
        """
        log_p_EN, flipped_N = _checked_run(log_p, flipped, moments=True)
        self._log_p, self._album = log_p_EN, Album(files, wrong=flipped_N)
        self._split = _split(log_p_EN, flipped_N)
        self.pruned = _pruned(kept, log_p_EN.shape)
        controls = {
            "epoch": number_control("Epochs of training", range(len(log_p_EN)), "{:.0f}"),
            "k": number_control("Threshold k", _KS, snaps=True),
        }
        super().__init__(controls, self._lookup(flipped_N), {"k": 0.5, **chosen})

    def _near(self) -> tuple[str, NDArray[np.int64]]:
        return _LEFT_OUT, _last_left_out(self._log_p[self.place("epoch")], self.k)

    def _lookup(self, flipped_N: _Bools) -> dict[str, Any]:
        """What the ES module looks up: see the type ``Table`` in ``static/pruning.js``."""
        shown, moments = self._split, len(self._split.measures)
        epochs = plots.axis("epochs of training", 0, max(moments - 1, 1))
        return {
            **_histogram_table(shown),
            "axes": {**_histogram_axes(shown), "epoch": epochs},
            "measures": shown.measures.transpose(2, 1, 0),
            "pruned": self.pruned,
            "told": [
                [
                    _moment_sentence(e, k, out, found, flipped_N)
                    for k, out, found in zip(_KS, shown.left_out[e], shown.found[e], strict=True)
                ]
                for e in range(moments)
            ],
        }


# ------------------------------------------------------------------ what is counted


def _last_left_out(log_p_N: NDArray[np.float32], k: float) -> NDArray[np.int64]:
    """Places of the images with p <= k, those next to k first."""
    order_N = np.argsort(-log_p_N, kind="stable")
    with np.errstate(divide="ignore"):
        left_out_N: NDArray[np.bool_] = log_p_N[order_N] <= np.log(k)
    return order_N[left_out_N]


def _checked_run(
    log_p: ArrayLike, flipped: ArrayLike, *, moments: bool
) -> tuple[NDArray[np.float32], _Bools]:
    """Return both as arrays, log_p of shape [E, N] if moments, else [N].

    Raises:
        ValueError: shapes that disagree, or values out of range.
    """
    with np.errstate(over="ignore"):  # to -inf, the log of 0
        log_p_N, flipped_N = np.asarray(log_p, dtype=np.float32), np.asarray(flipped)
    wanted = "[moments, images]" if moments else "[images]"
    shaped = log_p_N.ndim == 1 + moments and log_p_N.size and log_p_N.shape[-1:] == flipped_N.shape
    if not shaped or flipped_N.dtype != bool:
        raise ValueError(
            f"log_p has shape {log_p_N.shape}, flipped is {flipped_N.dtype} {flipped_N.shape}; "
            f"log_p must be {wanted} and flipped bool [images]."
        )
    if not (log_p_N <= 0).all():
        raise ValueError(
            f"log_p runs from {log_p_N.min():g} to {log_p_N.max():g}; the log of a probability is "
            "at most 0. Give History.log_p as it is, not p."
        )
    return log_p_N, flipped_N


def _split(log_p_EN: NDArray[np.float32], flipped_N: _Bools) -> _Split:
    """Count right and wrong labels around each threshold; p <= k is taken as log p <= log k."""
    with np.errstate(divide="ignore"):
        levels = np.log(_EDGES).astype(np.float32)
    right_EK, wrong_EK = (_at_most(log_p_EN[:, side], levels) for side in (~flipped_N, flipped_N))
    found, left_out = wrong_EK[:, :-1], (right_EK + wrong_EK)[:, :-1]
    kept = 1 - left_out / len(flipped_N)
    measures = np.stack([_share(found, left_out), _share(found, flipped_N.sum()), kept], axis=1)
    return _Split(_in_bins(right_EK), _in_bins(wrong_EK), left_out, found, measures)


def _at_most(log_p_EN: NDArray[np.float32], levels: NDArray[np.float32]) -> _Floats:
    """How many images lie at or below each level, [E, B + 1]."""
    ordered_EN = np.sort(log_p_EN, axis=1)
    return np.array([np.searchsorted(row_N, levels, side="right") for row_N in ordered_EN], float)


def _in_bins(at_most_EK: _Floats) -> _Floats:
    """How many lie in each bin, [E, B]; p = 0 belongs to the first."""
    below = at_most_EK[:, :-1].copy()
    below[:, 0] = 0
    return at_most_EK[:, 1:] - below


def _histogram_table(shown: _Split) -> dict[str, Any]:
    """What ``static/label_histogram.js`` looks up: see its type ``Counted``."""
    cut = {"label": "left out", "color": _CUT_COLOR}
    return {
        "edges": _EDGES,
        "heights": plots.mirrored(shown.right, shown.wrong),
        "measures": shown.measures,
        "labels": {"right": plots.RIGHT, "wrong": plots.WRONG, "cut": cut},
        "measure_styles": [plots.MEASURE_STYLES[name] for name in _NAMES],
    }


def _histogram_axes(shown: _Split) -> dict[str, Any]:
    """The axes of the histogram and of the shares, the same for all moments."""
    return {
        "p": _P_AXIS,
        "counts": plots.mirrored_axis(float(max(shown.right.max(), shown.wrong.max()))),
        "share": plots.SHARE_AXIS,
    }


def _precision_and_recall(found: float, left_out: float, wrong: int) -> str:
    """Say both in words, from counts: of those left out, with a wrong label; left out; wrong."""
    return (
        f"{found / left_out:.0%} of them have a wrong label, "
        f"and they are {found / wrong:.0%} of all that have one"
    )


# ------------------------------------------------------------------ the table for the page


def _loss(p: ArrayLike, q: float, k: float | None = None) -> _Floats:
    curve: _Floats = curves.loss_of_p(torch.as_tensor(p), float(q), k).numpy()
    return curve


def _sentence(k: float, left_out: int, found: int, flipped_N: _Bools) -> str:
    images, wrong = len(flipped_N), int(flipped_N.sum())
    if not left_out:
        return f"k = {k:.2f} leaves nobody out: the loss listens to all {images:,} images"
    start = f"k = {k:.2f} leaves out {left_out:,} of {images:,} images"
    if not wrong:
        return f"{start}; no label is wrong, so all of them are a loss"
    return f"{start}: {_precision_and_recall(found, left_out, wrong)}"


def _pruned(kept: ArrayLike | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The moments after which another set of images was trained on than before."""
    if kept is None:
        return ()
    kept_EN: NDArray[Any] = np.asarray(kept)
    if kept_EN.shape != shape or kept_EN.dtype != bool:
        raise ValueError(
            f"kept is {kept_EN.dtype} {kept_EN.shape}; give bool {shape}, as History.kept is."
        )
    changed = (kept_EN[1:] != kept_EN[:-1]).any(axis=1)
    return tuple(int(e) for e in np.flatnonzero(changed))


def _moment_sentence(epoch: int, k: float, left_out: float, found: float, flipped_N: _Bools) -> str:
    images, wrong = len(flipped_N), int(flipped_N.sum())
    start = f"After epoch {epoch}" if epoch else "Before training"
    if not left_out:
        return f"{start}, k = {k:.2f} leaves nobody out"
    start = f"{start}, k = {k:.2f} leaves out {left_out / images:.0%} of the images"
    if not wrong:
        return f"{start}; no label is wrong"
    return f"{start}: {_precision_and_recall(found, left_out, wrong)}"
