"""Which labels of an archive are wrong? Ranked by doubt, with how far to trust the ranking.

``audit_folder`` goes the whole way: images, their features, `scores` by heads that never saw the
image they judge, a `transition` matrix of the classes that are confused, and flips that are
`planted` in memory to learn how many of the doubtful labels are wrong. ``write_outputs`` writes the
list of all images, and a page to look through the most doubtful ones.
"""

from typing import TYPE_CHECKING

from rnsl_tutorial._lazy import exported

if TYPE_CHECKING:
    from rnsl_tutorial.audit.model import *  # noqa: F403
    from rnsl_tutorial.audit.outputs import *  # noqa: F403
    from rnsl_tutorial.audit.page import *  # noqa: F403
    from rnsl_tutorial.audit.pipeline import *  # noqa: F403
    from rnsl_tutorial.audit.planted import *  # noqa: F403
    from rnsl_tutorial.audit.scores import *  # noqa: F403
    from rnsl_tutorial.audit.transition import *  # noqa: F403

__getattr__, __all__ = exported(
    __name__,
    model="fit_model",
    outputs="csv_bytes read_csv write_outputs",
    page="page_html",
    pipeline="Audit archive_features audit_archive audit_features audit_folder check_settings",
    planted="Look PrecisionEstimate how_many plant_flips read_precision thresholds",
    scores="REPEATS Scores divisions from_probabilities out_of_fold recipe_for score_labels",
    transition="estimate_joint probably_right",
)
