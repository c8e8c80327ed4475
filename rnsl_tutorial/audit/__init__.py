"""Which labels of an archive are wrong? Ranked by doubt, with how far to trust the ranking.

``audit_folder`` goes the whole way: images, their features, `scores` by witnesses that did not know
the label they judge, a transition matrix of the classes that are confused, and an `estimate` of
how many of the doubtful labels are wrong. ``write_outputs`` writes the list of all images, a page
to look through the most doubtful ones, and the `summary` as JSON. What somebody decided there is
read by ``read_decisions``, and matched to the archive by ``decide``.
"""

from typing import TYPE_CHECKING

from rnsl_tutorial._lazy import exported

if TYPE_CHECKING:
    from rnsl_tutorial.audit.decisions import *  # noqa: F403
    from rnsl_tutorial.audit.estimate import *  # noqa: F403
    from rnsl_tutorial.audit.model import *  # noqa: F403
    from rnsl_tutorial.audit.outputs import *  # noqa: F403
    from rnsl_tutorial.audit.page import *  # noqa: F403
    from rnsl_tutorial.audit.pipeline import *  # noqa: F403
    from rnsl_tutorial.audit.scores import *  # noqa: F403
    from rnsl_tutorial.audit.summary import *  # noqa: F403

__getattr__, __all__ = exported(
    __name__,
    decisions="Decided decide read_decisions",
    estimate="Look PrecisionEstimate estimate_precision",
    model="fit_model",
    outputs="csv_bytes read_csv write_outputs",
    page="page_html",
    pipeline="Audit archive_features audit_archive audit_features audit_folder check_settings",
    scores="Scores divisions out_of_fold recipe_for score_labels",
    summary="sentences summarize",
)
