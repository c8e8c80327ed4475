"""Self-checks for the learner: each says what is wrong, not only that something is.

A function that still raises NotImplementedError gets a friendly line and no error, so that
"Run All Cells" reaches the end of a notebook before anything is solved.
"""

from rnsl_tutorial.exercises.checking import NotYetRightError, Slip
from rnsl_tutorial.exercises.start import check_robust_loss

__all__ = ["NotYetRightError", "Slip", "check_robust_loss"]
