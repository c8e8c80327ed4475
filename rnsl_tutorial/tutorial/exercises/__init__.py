"""Self-checks for the learner: each says what is wrong, not only that something is.

A function that still raises NotImplementedError gets a friendly line and no error, so that
"Run All Cells" reaches the end of a notebook before anything is solved.
"""

from rnsl_tutorial.tutorial.exercises.aid_experiment import (
    check_own_loss,
    check_paired_interval,
    check_sce,
)
from rnsl_tutorial.tutorial.exercises.audit import (
    check_decide,
    check_out_of_fold,
    check_planted_precision,
)
from rnsl_tutorial.tutorial.exercises.checking import NotYetRightError
from rnsl_tutorial.tutorial.exercises.class_margins import (
    check_class_accuracy,
    check_margin,
    check_most_say,
)
from rnsl_tutorial.tutorial.exercises.down_weighting import (
    check_half_heard,
    check_q_choice,
    check_weight,
)
from rnsl_tutorial.tutorial.exercises.gradients import (
    check_gradient_share,
    check_pull,
    check_stable_rnsl,
)
from rnsl_tutorial.tutorial.exercises.labels import (
    check_breaking_rate,
    check_draw_labels,
    check_lost_classes,
)
from rnsl_tutorial.tutorial.exercises.seeing import (
    STATEMENTS,
    check_doubt,
    check_may_be_read,
    check_neighbor_overlap,
    compare_doubt,
    judge_selection,
)
from rnsl_tutorial.tutorial.exercises.sphere import check_nsl, check_prototype_gradient
from rnsl_tutorial.tutorial.exercises.start import check_knn_accuracy
from rnsl_tutorial.tutorial.exercises.training import (
    check_images_per_second,
    check_last_safe_epoch,
    check_memorized_share,
)
from rnsl_tutorial.tutorial.exercises.truncation import (
    check_choose_k,
    check_keep_mask,
    check_precision_recall,
)

__all__ = [
    "STATEMENTS",
    "NotYetRightError",
    "check_breaking_rate",
    "check_choose_k",
    "check_class_accuracy",
    "check_decide",
    "check_doubt",
    "check_draw_labels",
    "check_gradient_share",
    "check_half_heard",
    "check_images_per_second",
    "check_keep_mask",
    "check_knn_accuracy",
    "check_last_safe_epoch",
    "check_lost_classes",
    "check_margin",
    "check_may_be_read",
    "check_memorized_share",
    "check_most_say",
    "check_neighbor_overlap",
    "check_nsl",
    "check_out_of_fold",
    "check_own_loss",
    "check_paired_interval",
    "check_planted_precision",
    "check_precision_recall",
    "check_prototype_gradient",
    "check_pull",
    "check_q_choice",
    "check_sce",
    "check_stable_rnsl",
    "check_weight",
    "compare_doubt",
    "judge_selection",
]
