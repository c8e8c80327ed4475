"""Self-checks for the learner: each says what is wrong, not only that something is.

A check returns whether the answer is right, and stops nothing: "Run All Cells" reaches the end of a
notebook before anything is solved, and with wrong answers too. `failed` holds the arguments of the
last case that failed: ``my_function(**exercises.failed)``.
"""

from rnsl_tutorial.tutorial.exercises.aid_experiment import (
    check_holm,
    check_own_loss,
    check_paired_interval,
)
from rnsl_tutorial.tutorial.exercises.audit import (
    check_decide,
    check_out_of_fold,
    check_planted_precision,
)
from rnsl_tutorial.tutorial.exercises.checking import failed
from rnsl_tutorial.tutorial.exercises.class_margins import check_luck, check_vote_right
from rnsl_tutorial.tutorial.exercises.down_weighting import (
    check_balancing_q,
    check_half_heard,
    check_q_choice,
)
from rnsl_tutorial.tutorial.exercises.gradients import check_pull, check_stable_rnsl
from rnsl_tutorial.tutorial.exercises.labels import (
    check_breaking_rate,
    check_draw_labels,
    check_lost_classes,
)
from rnsl_tutorial.tutorial.exercises.seeing import (
    STATEMENTS,
    check_auroc,
    check_may_be_read,
    check_neighbor_overlap,
    judge_selection,
)
from rnsl_tutorial.tutorial.exercises.sphere import check_nsl, check_prototype_gradient
from rnsl_tutorial.tutorial.exercises.start import check_knn_accuracy
from rnsl_tutorial.tutorial.exercises.training import (
    check_found_among,
    check_last_safe_epoch,
    check_memorized_share,
)
from rnsl_tutorial.tutorial.exercises.truncation import (
    check_choose_k,
    check_keep_mask,
    check_truncated_loss,
)

__all__ = [
    "STATEMENTS",
    "check_auroc",
    "check_balancing_q",
    "check_breaking_rate",
    "check_choose_k",
    "check_decide",
    "check_draw_labels",
    "check_found_among",
    "check_half_heard",
    "check_holm",
    "check_keep_mask",
    "check_knn_accuracy",
    "check_last_safe_epoch",
    "check_lost_classes",
    "check_luck",
    "check_may_be_read",
    "check_memorized_share",
    "check_neighbor_overlap",
    "check_nsl",
    "check_out_of_fold",
    "check_own_loss",
    "check_paired_interval",
    "check_planted_precision",
    "check_prototype_gradient",
    "check_pull",
    "check_q_choice",
    "check_stable_rnsl",
    "check_truncated_loss",
    "check_vote_right",
    "failed",
    "judge_selection",
]
