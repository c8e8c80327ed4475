"""Self-check of notebook 00."""

import math

from rnsl_tutorial.tutorial import curves
from rnsl_tutorial.tutorial.exercises.checking import Function, check

__all__ = ["check_robust_loss"]


def check_robust_loss(function: Function) -> bool:
    """Check a learner's robust_loss(p, q), the loss of RNSL: (1 - p**q) / q."""
    return check(
        function,
        right=lambda p, q: curves.loss_of_p(p, q).item(),
        cases=[{"p": p, "q": q} for q in (0.7, 0.2, 1.0) for p in (0.5, 0.9, 0.01, 1.0)],
        slips=lambda right, p, q: {
            "It is q times too small: divide by q.": 1 - p**q,
            "The sign is turned: 1 comes first, then p**q.": (p**q - 1) / q,
            "p and q have changed places.": (1 - q**p) / p,
            "Take the power of p alone, not of 1 - p.": (1 - p) ** q / q,
            "Put 1 - p**q in brackets: all of it is divided by q.": 1 - p**q / q,
            "q is not always 0.7: write q.": (1 - p**0.7) / 0.7,
            "Divide by q, not by 0.7.": (1 - p**q) / 0.7,
            "This is NSL; RNSL takes (1 - p**q) / q instead.": -math.log(p),
        },
        praise=f"At q = 0.7 an image with p = 0.01 costs {curves.loss_of_p(0.01, 0.7):.1f}; "
        f"NSL makes it cost {curves.loss_of_p(0.01, 0):.1f}.",
    )
