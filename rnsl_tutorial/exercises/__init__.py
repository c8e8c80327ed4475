"""Self-checks for the learner: each says what is wrong, not only that something is.

A function that still raises NotImplementedError gets a friendly line and no error, so that
"Run All Cells" reaches the end of a notebook before anything is solved.
"""

from rnsl_tutorial.exercises.checking import NotYetRightError
from rnsl_tutorial.exercises.down_weighting import (
    check_half_heard,
    check_q_choice,
    check_weight,
)
from rnsl_tutorial.exercises.gradients import (
    check_gradient_share,
    check_pull,
    check_stable_rnsl,
)
from rnsl_tutorial.exercises.labels import (
    check_breaking_rate,
    check_draw_labels,
    check_lost_classes,
)
from rnsl_tutorial.exercises.sphere import check_nsl, check_nsl_gradient
from rnsl_tutorial.exercises.start import check_robust_loss
from rnsl_tutorial.exercises.truncation import (
    check_choose_k,
    check_keep_mask,
    check_precision_recall,
)

__all__ = [
    "NotYetRightError",
    "check_breaking_rate",
    "check_choose_k",
    "check_draw_labels",
    "check_gradient_share",
    "check_half_heard",
    "check_keep_mask",
    "check_lost_classes",
    "check_nsl",
    "check_nsl_gradient",
    "check_precision_recall",
    "check_pull",
    "check_q_choice",
    "check_robust_loss",
    "check_stable_rnsl",
    "check_weight",
]
