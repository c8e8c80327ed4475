"""Figures of what the Box-Cox transform trades: who is heard, and what that costs.

Shapes: T temperatures, Q values of q, B images, P points of a line, R noise rates, E epochs.
"""

from collections.abc import Mapping

from matplotlib.figure import Figure

from rnsl_tutorial.experiments.style import (
    _OTHER_STYLES,
    LOSS_STYLES,
    QUIET,
    Numbers,
    axis,
    new_figure,
    set_axes,
)

__all__ = ["shares_over_epochs"]

_RUN_STYLES = (LOSS_STYLES["nsl"], LOSS_STYLES["rnsl"], *_OTHER_STYLES)


def shares_over_epochs(shares: Mapping[str, Numbers], wrong: float, *, title: str = "") -> Figure:
    """Draw the share of the pull that comes from wrong labels, a line for each run.

    Args:
        shares: by the name of the run, at most 5: [E + 1], in [0, 1], before training and after
            each epoch.
        wrong: the share of labels that are wrong, drawn as a level line.
        title: above it.
    """
    with new_figure(figsize=(8.0, 4.0)) as figure:
        axes = figure.subplots()
        axes.set_title(title, fontweight="bold")
        for (name, line), style in zip(shares.items(), _RUN_STYLES, strict=False):
            axes.plot(
                line, color=style.color, linestyle=(0, style.dash), marker=style.marker,
                markevery=5, linewidth=1.8, label=name,
            )  # fmt: skip
        axes.axhline(wrong, color=QUIET, linewidth=0.8)
        axes.annotate(
            "share of the labels", (1.0, wrong), (0, 3), color=QUIET, ha="right",
            xycoords=("axes fraction", "data"), textcoords="offset points",
        )  # fmt: skip
        last = max(len(line) for line in shares.values()) - 1
        x = axis("epoch", 0, last)
        set_axes(axes, x, axis("share of the pull from wrong labels", 0, 1, text="{:.0%}"))
        axes.legend(loc="upper right", ncols=len(shares))
    return figure
