"""Is a mean other than 0? Student's interval and p value, and p values raised for their number.

Shapes: S seeds, P comparisons.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["holm", "interval", "p_value"]


def interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return the confidence interval of a mean, by Student's t: mean +- t s / sqrt(S).

    Args:
        values: float [S], S >= 2, taken as drawn from a normal distribution.
        confidence: in (0, 1).

    Raises:
        ValueError: fewer than two values.
    """
    mean, error, count = _mean_and_error(values)
    reach = float(stats.t.ppf((1 + confidence) / 2, count - 1)) * error
    return mean - reach, mean + reach


def p_value(values: ArrayLike) -> float:
    """Return the two-sided p of Student's t test that the mean is 0.

    Args:
        values: float [S], S >= 2. All alike give 0, or 1 where they are 0.

    Raises:
        ValueError: fewer than two values.
    """
    mean, error, count = _mean_and_error(values)
    if error == 0:
        return float(mean == 0)
    return float(2 * stats.t.sf(abs(mean) / error, count - 1))


def _mean_and_error(values: ArrayLike) -> tuple[float, float, int]:
    values_S = np.asarray(values, dtype=float)
    if values_S.ndim != 1 or len(values_S) < 2:
        raise ValueError(f"values have shape {list(values_S.shape)}; at least two are needed.")
    error = float(values_S.std(ddof=1)) / math.sqrt(len(values_S))
    return float(values_S.mean()), error, len(values_S)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Raise p values for their number, so that one false alarm in all has probability alpha.

    Holm, 1979: the smallest is multiplied by P, the next by P - 1, and so on; none becomes smaller
    than one before it, and none larger than 1.

    Args:
        p_values: float [P]; NaN stands for no comparison, is not counted, and stays NaN.

    Returns:
        float64 [P], in the order given.
    """
    p_P = np.array(p_values, dtype=float)
    order_P = np.argsort(p_P)[: np.count_nonzero(~np.isnan(p_P))]  # NaN comes last
    raised_P = p_P[order_P] * np.arange(len(order_P), 0, -1)
    p_P[order_P] = np.maximum.accumulate(raised_P).clip(max=1)
    return p_P
