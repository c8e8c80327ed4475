"""The explorer of fine-tuning: what each epoch did to a pretrained network, under three losses.

Shapes: P places (a kind of noise at a rate), L losses, E epochs.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial.experiments.results import Result, check_alike, shipped_results
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers.base import Choice, Control, Explorer, module, number_control

__all__ = ["FineTuningExplorer"]

_LOSSES = ("nsl", "rnsl", "trnsl")
_CHARTS = {
    "knn_clean": "k-NN accuracy (% of test images)",
    "memorized": "Wrong labels memorized (%)",
    "kept": "Training images listened to (%)",
}
_UNTRAINED = "no_training"


class FineTuningExplorer(Explorer):
    """Accuracy, memorized labels and images that are kept, a line for each loss up to an epoch.

    Attributes:
        epoch: 1 to E.
        noise: kind and rate, such as "symmetric 0.5".
        curves: what is shown, float64 [3, P, L, E] in percent, a mean over seeds; NaN where a
            metric says nothing.
    """

    _esm = module("fine_tuning.js")

    epoch = Choice().tag(sync=True)
    noise = Choice().tag(sync=True)

    steps: ClassVar = {
        "After 1 epoch": {"epoch": 1, "noise": "symmetric 0.5"},
        "After 8": {"epoch": 8, "noise": "symmetric 0.5"},
        "Look-alikes": {"epoch": 8, "noise": "label_dependent 0.5"},
        "All right": {"epoch": 8, "noise": "symmetric 0"},
    }

    def __init__(self, results: Sequence[Result] | None = None, **chosen: float | str) -> None:
        """Show runs that were watched.

        Args:
            results: of NSL, RNSL and t-RNSL, alike but for noise, rate and seed, and where they are
                given one of "no_training", for the line of what needs no training; by default
                those of AID that come with the package.
            chosen: what to begin with, by the name of the attribute; by default the last epoch of
                the first place.

        Raises:
            ValueError: runs without curves, or no place at which there are all three losses.
            traitlets.TraitError: a value to begin with that is not there.
        """
        given = _shipped() if results is None else list(results)
        runs = [run for run in given if run.config.loss != _UNTRAINED]
        check_alike(runs)
        places = _places(runs)
        self.curves = 100 * np.stack([_mean(runs, places, name) for name in _CHARTS])
        untrained = [run.metrics["knn_clean"] for run in given if run.config.loss == _UNTRAINED]
        self._untrained = 100 * float(np.mean(untrained)) if untrained else float("nan")
        epochs = range(1, self.curves.shape[-1] + 1)
        controls = {
            "epoch": number_control("After epoch", epochs, "{:.0f}"),
            "noise": Control("Wrong labels", tuple(places), tuple(map(_words, places.values()))),
        }
        seeds = sorted({_seeds(runs, place) for place in places.values()})
        table = {
            "curves": self.curves,
            "untrained": self._untrained if untrained else None,
            "styles": plots.loss_styles(_LOSSES),
            "titles": list(_CHARTS.values()),
            "axes": self._axes(),
            "headlines": [
                [self._headline(place, epoch) for epoch in range(len(epochs))]
                for place in range(len(places))
            ],
            "note": _note(seeds, bool(untrained)),
        }
        super().__init__(controls, table, {"epoch": len(epochs), **chosen})

    def _axes(self) -> dict[str, plots.Axis]:
        epochs = self.curves.shape[-1]
        accuracy = self.curves[0] / 100
        low, high = plots.whole_tens(accuracy, np.zeros_like(accuracy))
        return {
            "x": plots.axis("epoch", 0.7, epochs + 0.3, ticks=range(1, epochs + 1)),
            "accuracy": plots.axis("% of test images", low, high),
            "share": plots.axis("% of images", 0, 100),
        }

    def _headline(self, place: int, epoch: int) -> str:
        accuracy, memorized, _ = self.curves[:, place, :, epoch]
        names = [style.label for style in plots.loss_styles(_LOSSES)]
        reached = ", ".join(f"{n} {x:.1f}%" for n, x in zip(names, accuracy, strict=True))
        before = "" if np.isnan(self._untrained) else f" (no training: {self._untrained:.1f}%)"
        said = f"After epoch {epoch + 1}: {reached} of the test images find their class{before}."
        if np.isnan(memorized[0]):
            return said
        plain, robust, _ = memorized
        return f"{said} NSL knows {plain:.0f}% of the wrong labels by heart, RNSL {robust:.0f}%."

    @property
    def reading(self) -> str:
        """What is shown now, in one sentence."""
        return self._headline(self.place("noise"), self.place("epoch"))


def _shipped() -> list[Result]:
    untrained = [
        run for run in shipped_results("aid_no_loss").results if run.config.loss == _UNTRAINED
    ]
    return [*shipped_results("finetune").results, untrained[0]]


def _places(runs: Sequence[Result]) -> dict[str, tuple[str, float]]:
    """Name -> kind and rate at which there are runs of all losses, in their order."""
    seen = dict.fromkeys((run.config.noise, run.config.rate) for run in runs)
    found = {
        f"{noise} {rate:g}": (noise, rate)
        for noise, rate in seen
        if {*_LOSSES} <= {r.config.loss for r in runs if _is_at(r, (noise, rate)) and r.curves}
    }
    if not found:
        raise ValueError(
            f"There is no kind of noise at which runs of {', '.join(_LOSSES)} have curves; train "
            "them with --set watch=true."
        )
    return found


def _is_at(run: Result, place: tuple[str, float]) -> bool:
    return (run.config.noise, run.config.rate) == place


def _mean(
    runs: Sequence[Result], places: dict[str, tuple[str, float]], metric: str
) -> NDArray[np.float64]:
    """Mean over seeds, [P, L, E]; NaN for what a loss does not tell."""
    epochs = max(len(run.curves["knn_clean"]) for run in runs if run.curves)
    nothing = [float("nan")] * epochs
    return np.array(
        [
            [
                np.mean(
                    [
                        run.curves.get(metric, nothing)
                        for run in runs
                        if _is_at(run, place) and run.config.loss == loss
                    ],
                    axis=0,
                )
                for loss in _LOSSES
            ]
            for place in places.values()
        ]
    )


def _seeds(runs: Sequence[Result], place: tuple[str, float]) -> int:
    return min(
        sum(_is_at(run, place) and run.config.loss == loss for run in runs) for loss in _LOSSES
    )


def _words(place: tuple[str, float]) -> str:
    noise, rate = place
    return f"{rate:.0%} {plots.NOISE_NAMES[noise]}" if rate else "none"


def _note(seeds: list[int], untrained: bool) -> str:
    counted = "one seed" if seeds == [1] else f"means of {'-'.join(map(str, seeds))} seeds"
    line = " Dashed: k-NN on the pretrained network's features, nothing trained." * untrained
    return f"Neighbours are training images under their true labels; {counted}.{line}"
