"""The explorer of the gradient share: who pulls on the prototypes, the right or the wrong labels.

Shapes: R runs, E moments of a run, Q values of q, N training images, B images of a batch,
G points of a curve.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from rnsl_tutorial.tutorial import curves, plots
from rnsl_tutorial.tutorial._album import Album
from rnsl_tutorial.tutorial.explorers._pictures import Pictured
from rnsl_tutorial.tutorial.explorers.base import (
    Choice,
    Control,
    Guess,
    module,
    number_control,
)

__all__ = ["GradientShareExplorer"]

_Floats = NDArray[np.float64]

_QS = np.arange(21) / 20
_ASKED_BESIDE = 0.7  # what a guess about NSL is shown beside
_LOG_ODDS_RANGE = (-6.7, 4.3)
_LOG_ODDS_G = np.linspace(*_LOG_ODDS_RANGE, 221)
_LOG_P_G = -np.logaddexp(0.0, -math.log(10) * _LOG_ODDS_G)

_P_AXIS = plots.Axis(
    "p, belief in the label",
    _LOG_ODDS_RANGE,
    (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0),
    ("10⁻⁶", "10⁻⁴", "0.01", "0.5", "0.99", "0.9999"),
    (tuple(_LOG_ODDS_G.round(3).tolist()), tuple(np.exp(_LOG_P_G).tolist())),
)
_PULL_AXIS = plots.axis("pull on the label's logit", 0, 1)
_SHARE_AXIS = plots.axis("wrong labels' share of the pull (%)", 0, 100, ticks=(0, 25, 50, 75, 100))


class GradientShareExplorer(Pictured):
    """How hard each image of a real batch pulls, and what share the wrong labels have in it.

    Left, each image of a batch: the probability p that the prototypes give to its label, and its
    pull on the label's logit, p**q (1 - p). Right, the wrong labels' share of the pull of all
    training images, over the epochs. q changes what is measured, not how the run was trained.

    The pull on all logits together is twice that on the label's, since the gradient of a softmax
    sums to 0. So the shares are those over all logits, too.

    Attributes:
        loss: which run is shown, by the loss that it was trained with; at first the first.
        epoch: when, one of the given epochs; at first the first.
        q: 0, 0.05, ... 1, at first 0.7; 0 is NSL.
        share: float64 [R, Q, E], share of the pull that comes from wrong labels.
    """

    _esm = module("gradient_share.js")

    loss = Choice().tag(sync=True)
    epoch = Choice().tag(sync=True)
    q = Choice().tag(sync=True)

    steps: ClassVar = {
        "Before training": {"epoch": 0, "q": 0.0, "loss": "nsl"},
        "NSL, 5 epochs": {"epoch": 5, "q": 0.0, "loss": "nsl"},
        "Heard with q = 0.7": {"epoch": 5, "q": 0.7, "loss": "nsl"},
        "RNSL, 8 epochs": {"epoch": 8, "q": 0.7, "loss": "rnsl"},
        "Heard with q = 0": {"epoch": 8, "q": 0.0, "loss": "rnsl"},
    }

    def __init__(
        self,
        log_p: Mapping[str, ArrayLike],
        flipped: ArrayLike,
        batch: ArrayLike,
        epochs: Sequence[float],
        *,
        files: Sequence[str] = (),
        **chosen: float | str | None,
    ) -> None:
        """Measure some runs on the same labels.

        Args:
            log_p: by the loss that a run was trained with, "nsl" or the like, float [E, N]: log of
                the probability of each training image's label, as `experiments.follow` gives it.
            flipped: bool [N], whether the label is wrong.
            batch: int [B], places of the images that are drawn one by one.
            epochs: numbers of the E moments, ascending.
            files: N names; where a data set on this machine has them, pictures are shown.
            chosen: what to begin with, by the name of the attribute; ``guess=True`` asks for a
                guess first.

        Raises:
            ValueError: arrays that disagree, a log p above 0, or labels of one kind only.
            traitlets.TraitError: a loss, epoch or q that the table does not have.
        """
        run = _checked(log_p, flipped, batch, epochs)
        self._run, self._pull, self._album = run, _pull_of_batch(run), Album(files, wrong=run.wrong)
        self.share = np.stack([_share(log_p_EN, run.wrong) for log_p_EN in run.log_p])
        self._sentences = _sentences(run, self.share)
        asked = _asked(run, 100 * self.share[0])
        super().__init__(_controls(run), self._lookup(), {"q": 0.7, **chosen}, asked)

    def _near(self) -> tuple[str, NDArray[np.int64]]:
        pull_B = self._pull[self.place("loss"), self.place("q"), self.place("epoch")]
        title = "They pull hardest, by what they show; below an orange line the label is wrong"
        return title, self._run.batch[np.argsort(-pull_B, kind="stable")]

    def _lookup(self) -> dict[str, Any]:
        """What the ES module looks up: see the type ``Table`` in ``static/gradient_share.js``."""
        run = self._run
        return {
            "axes": {
                "p": _P_AXIS,
                "pull": _PULL_AXIS,
                "epoch": plots.axis("epoch", run.epochs[0], run.epochs[-1]),
                "share": _SHARE_AXIS,
            },
            "titles": [
                f"{len(run.batch)} images of one batch",
                f"All {run.wrong.size:,} training images",
            ],
            "split_texts": ["All images", "Their pull"],
            "losses": {name: plots.LOSS_STYLES[name] for name in ("nsl", "rnsl")},
            "labels": {"right": plots.RIGHT, "wrong": plots.WRONG},
            "rate": 100 * run.rate,
            "sentences": self._sentences,
            "right_in_batch": int((~run.wrong[run.batch]).sum()),
            "curve_x": _log_odds(_LOG_P_G),
            "curve_y": np.stack([_pull(_LOG_P_G, q) for q in _QS]),
            "image_x": _log_odds(run.log_p[:, :, run.batch]),
            "image_y": self._pull,
            "share": 100 * self.share,
        }


class _Run(NamedTuple):
    """Runs on the same labels, checked."""

    losses: tuple[str, ...]
    log_p: _Floats  # [R, E, N]
    wrong: NDArray[np.bool_]  # [N]
    batch: NDArray[np.int64]  # [B], those with right labels first
    epochs: _Floats  # [E]

    @property
    def rate(self) -> float:
        return float(self.wrong.mean())


# ------------------------------------------------------------------ what is computed


def _log_odds(log_p: _Floats) -> _Floats:
    """Place of p on P_AXIS: log10 of p / (1 - p), held within the axis."""
    with np.errstate(divide="ignore"):
        odds = (log_p - np.log(-np.expm1(log_p))) / math.log(10)
    return np.clip(odds, *_LOG_ODDS_RANGE)


def _pull(log_p: ArrayLike, q: float) -> _Floats:
    """How hard images pull on the logit of their label; see `curves.gradient_wrt_logit`."""
    p = torch.as_tensor(np.asarray(log_p, dtype=np.float64)).exp()
    pull: _Floats = curves.gradient_wrt_logit(p, q).neg().numpy()
    return pull


def _pull_of_batch(run: _Run) -> _Floats:
    """The pull of each image of the batch, [R, Q, E, B]."""
    log_p_REB = run.log_p[:, :, run.batch]
    return np.stack([_pull(log_p_REB, q) for q in _QS], axis=1)


def _share(log_p_EN: _Floats, wrong_N: NDArray[np.bool_]) -> _Floats:
    """The share of the pull that comes from wrong labels, [Q, E]."""
    pulls = (_pull(log_p_EN, q) for q in _QS)
    return np.stack([pull_EN[:, wrong_N].sum(1) / pull_EN.sum(1) for pull_EN in pulls])


def _sentences(run: _Run, share_RQE: _Floats) -> list[list[list[str]]]:
    """What is shown in one sentence, for each run, q and epoch."""
    return [
        [
            [_sentence(run, e, q, share_QE[i, e], share_QE[0, e]) for e in range(len(run.epochs))]
            for i, q in enumerate(_QS)
        ]
        for share_QE in share_RQE
    ]


def _sentence(run: _Run, e: int, q: float, share: float, nsl: float) -> str:
    number = run.epochs[e]
    when = f"after {number:g} epoch{'' if number == 1 else 's'}" if number else "before training"
    beside = f" (NSL: {nsl:.0%})" if q else ""
    name = f"q = {q:.2f}" if q else "NSL (q = 0)"
    return f"{name} {when}: the {run.rate:.0%} wrong labels make {share:.0%} of the pull{beside}"


def _asked(run: _Run, share_QE: _Floats) -> Guess:
    """Ask for the wrong labels' share of NSL's pull over the first run."""
    trained = plots.loss_styles(run.losses)[0].label
    robust = int(np.abs(_QS - _ASKED_BESIDE).argmin())
    label = f"the same run, measured with q = {_QS[robust]:g}"
    alike = {"name": "alike", "label": "if all pulled alike", "width": 1}
    beside = plots.LOSS_STYLES["rnsl"]._replace(label=label, marker="")
    return Guess(
        "curve",
        f"{run.rate:.0%} of the labels are wrong. Which share of the pull comes from them, while "
        f"{trained} trains? Draw it.",
        plots.axis("epoch", run.epochs[0], run.epochs[-1]),
        _SHARE_AXIS,
        run.epochs.tolist(),
        share_QE[0].tolist(),
        "After epoch {at} you drew {drawn}%, measured are {measured}%: {off}. "
        "On average you are {mean} off.",
        given=[{"mark": "rule", "style": alike, "axis": "y", "shows": [100 * run.rate]}],
        then=[
            {
                "mark": "line",
                "style": {**beside._asdict(), "name": "beside"},
                "shows": [run.epochs.tolist(), share_QE[robust].tolist()],
            }
        ],
    )


def _controls(run: _Run) -> dict[str, Control]:
    trained = tuple(style.label for style in plots.loss_styles(run.losses))
    return {
        "epoch": number_control("Epoch", run.epochs, "{:g}"),
        "q": number_control("Measured with q", _QS, snaps=True),
        "loss": Control("Trained with", run.losses, trained),
    }


# ------------------------------------------------------------------ checks


def _checked(
    log_p: Mapping[str, ArrayLike], flipped: ArrayLike, batch: ArrayLike, epochs: Sequence[float]
) -> _Run:
    wrong_N, batch_B = np.asarray(flipped, dtype=bool), np.asarray(batch, dtype=np.int64)
    epochs_E = np.asarray(epochs, dtype=float)
    if not log_p:
        raise ValueError("log_p holds no run; give at least one, by the loss it was trained with.")
    for name, array in log_p.items():
        if np.shape(array) != (epochs_E.size, wrong_N.size):
            raise ValueError(
                f"log_p of {name!r} has shape {np.shape(array)}; {epochs_E.size} epochs and "
                f"{wrong_N.size} labels need {(epochs_E.size, wrong_N.size)}."
            )
    if batch_B.size == 0 or batch_B.min() < 0 or batch_B.max() >= wrong_N.size:
        raise ValueError(f"batch must hold places of images, each in 0 to {wrong_N.size - 1}.")
    log_p_REN = np.stack([np.asarray(array, dtype=float) for array in log_p.values()])
    if not (log_p_REN <= 0).all():
        raise ValueError(f"log_p reaches {log_p_REN.max()}; the log of a probability is at most 0.")
    if wrong_N.all() or not wrong_N.any():
        raise ValueError(
            "flipped must name both right and wrong labels: take a noise rate above 0."
        )
    ordered_B = batch_B[np.argsort(wrong_N[batch_B], kind="stable")]
    return _Run(tuple(log_p), log_p_REN, wrong_N, ordered_B, epochs_E)
