"""The explorer of pruning: whom a threshold leaves out, from the first epoch to the last.

Shapes: N images, E moments, K thresholds, B bins.
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers.base import Choice, Explorer, module, number_control, packed
from rnsl_tutorial.tutorial.explorers.truncation import (
    KS,
    NAMES,
    Bools,
    checked_run,
    counts_at,
    histogram_axes,
    histogram_table,
    largest_count,
    precision_and_recall,
    split,
)


class PruningExplorer(Explorer):
    """The images of a run on both sides of a threshold, moment after moment.

    Beside them stand precision, recall and share kept of the threshold over all moments; dashed
    rules mark where the run itself chose anew which images to keep.

    Attributes:
        epoch: moment, 0 (before training) to the last epoch.
        k: threshold on p, 0 (nobody is left out) to 0.98 in steps of 0.02.
        pruned: the moments at which the run itself pruned.
    """

    _esm = module("widgets.js", "chart.js", "label_histogram.js", "pruning.js")

    epoch = Choice().tag(sync=True)
    k = Choice().tag(sync=True)

    def __init__(
        self,
        log_p: ArrayLike,
        flipped: ArrayLike,
        kept: ArrayLike | None = None,
        *,
        epoch: int = 0,
        k: float = 0.5,
    ) -> None:
        """Sort the images of every moment, and show them.

        Args:
            log_p: float [E, N], at most 0, as `experiments.History.log_p`.
            flipped: bool [N], which labels are wrong.
            kept: bool [E, N], as `experiments.History.kept`: whether epoch e trained on the image;
                None for a run that prunes nobody.
            epoch: to begin with.
            k: to begin with.

        Raises:
            ValueError: shapes that disagree, or values out of range.
            traitlets.TraitError: an epoch or k that its control does not have.
        """
        log_p_EN, flipped_N = checked_run(log_p, flipped, moments=True)
        self._split = split(log_p_EN, flipped_N)
        self.pruned = _pruned(kept, log_p_EN.shape)
        controls = {
            "epoch": number_control("Epochs of training", range(len(log_p_EN)), "{:.0f}"),
            "k": number_control("Threshold k", KS, snaps=True),
        }
        super().__init__(controls, self._handed(flipped_N), {"epoch": epoch, "k": k})

    def figure(self) -> Figure:
        """Return the picture that is shown now as a static figure."""
        e, k = self.place("epoch"), self.place("k")
        measures = self._split.measures[:, :, k].T
        return plots.pruning_over_epochs(
            counts_at(self._split, e), largest_count(self._split), self.k,
            dict(zip(NAMES, measures, strict=True)),
            moment=e, pruned=self.pruned, title=self._table["told"][e][k],
        )  # fmt: skip

    def _handed(self, flipped_N: Bools) -> dict[str, Any]:
        """What the ES module looks up: see the type ``Table`` in ``static/pruning.js``."""
        shown, moments = self._split, len(self._split.measures)
        axes = histogram_axes(shown)
        axes["epoch"] = plots.axis("epochs of training", 0, max(moments - 1, 1))._asdict()
        return {
            **histogram_table(shown),
            "axes": axes,
            "measures": packed(shown.measures.transpose(2, 1, 0)),
            "pruned": list(self.pruned),
            "told": [
                [
                    _sentence(e, k, out, found, flipped_N)
                    for k, out, found in zip(KS, shown.left_out[e], shown.found[e], strict=True)
                ]
                for e in range(moments)
            ],
        }


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


def _sentence(epoch: int, k: float, left_out: float, found: float, flipped_N: Bools) -> str:
    images, wrong = len(flipped_N), int(flipped_N.sum())
    start = f"After epoch {epoch}" if epoch else "Before training"
    if not left_out:
        return f"{start}, k = {k:.2f} leaves nobody out"
    start = f"{start}, k = {k:.2f} leaves out {left_out / images:.0%} of the images"
    if not wrong:
        return f"{start}; no label is wrong"
    return f"{start}: {precision_and_recall(found, left_out, wrong)}"
