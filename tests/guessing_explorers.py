"""The explorers that ask for a guess, small."""

from collections.abc import Callable
from typing import Any

import numpy as np
from synthetic_gradients import small_runs
from synthetic_log_p import small_run
from synthetic_maps import small_maps

from rnsl_tutorial.tutorial.explorers import (
    EmbeddingExplorer,
    Explorer,
    GradientShareExplorer,
    QExplorer,
    TransitionExplorer,
    TruncationExplorer,
)

LABELS = np.repeat(np.arange(30), 4)
OVER_Q = np.array([[[0.9, 0.88, 0.86, 0.8], [0.5, 0.6, 0.8, 0.75]]])


def q_explorer(**chosen: Any) -> QExplorer:
    tables = (OVER_Q, 0 * OVER_Q, OVER_Q, 0 * OVER_Q)
    return QExplorer(("symmetric",), (0.0, 0.5), (0.0, 0.3, 0.7, 1.0), *tables, 3, **chosen)


def truncation(**chosen: Any) -> TruncationExplorer:
    log_p, flipped = small_run(moments=9, images=2000)
    return TruncationExplorer(log_p[5], flipped, **chosen)


MAKERS: dict[str, Callable[..., Explorer]] = {
    "embedding": lambda **chosen: EmbeddingExplorer(small_maps(), **chosen),
    "transition": lambda **chosen: TransitionExplorer(LABELS, row="Bridge", **chosen),
    "gradient share": lambda **chosen: GradientShareExplorer(**small_runs(), **chosen),
    "accuracy over q": lambda **chosen: q_explorer(rate=0.5, **chosen),
    "truncation": truncation,
}
