"""Is a mean other than 0, or as good as 0? Intervals and p values, over seeds and over images.

Student's interval and p value for a mean over seeds; two one-sided tests for a mean that is as good
as 0; a bootstrap over seeds and images together; and p values raised for their number.

Shapes: S seeds, M images, P comparisons.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from rnsl_tutorial._arrays import array, check_seed, finite, is_number, is_whole, tamed

__all__ = ["bootstrap_interval", "equivalence_p_value", "holm", "interval", "p_value"]


def interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return the confidence interval of a mean, by Student's t: mean +- t s / sqrt(S).

    Args:
        values: float [S], S >= 2, taken as drawn from a normal distribution; NaN gives NaN.
        confidence: in (0, 1).

    Raises:
        ValueError: fewer than two values.
    """
    _check_confidence(confidence)
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


def equivalence_p_value(values: ArrayLike, margin: float) -> float:
    """Return the p of two one-sided t tests that the mean lies within +-margin (TOST).

    Schuirmann, 1987: the larger of the p values of mean <= -margin and of mean >= margin. A small
    one says: as good as 0. A large one says nothing, neither that the mean is 0 nor that it is not.

    Args:
        values: float [S], S >= 2, taken as drawn from a normal distribution.
        margin: > 0, the largest mean that does not matter; to be chosen before the values are seen.

    Raises:
        ValueError: fewer than two values, or a margin that is not above 0.
    """
    if not is_number(margin) or not 0 < margin < math.inf:
        raise ValueError(f"margin is {margin}; it must be above 0.")
    mean, error, count = _mean_and_error(values)
    room = margin - abs(mean)
    if error == 0:
        return float(room <= 0)
    return float(stats.t.sf(room / error, count - 1))


def bootstrap_interval(
    values: ArrayLike, confidence: float = 0.95, *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the interval of a mean over seeds and images, both drawn anew with replacement.

    The images are the same under every seed, so seeds and images are drawn apart, rows and columns
    of the table (Owen, "The pigeonhole bootstrap", 2007), and the interval is that of percentiles.
    It is wider than one over seeds alone where other images would give another mean, and a little
    too narrow with few seeds, as every bootstrap is.

    Args:
        values: float [S, M], such as the difference of two losses' hits, -1, 0 or 1, for each seed
            and image.
        confidence: in (0, 1).
        resamples: how often they are drawn.
        seed: of the draws.

    Raises:
        ValueError: values that are no table with a row and a column.
    """
    _check_confidence(confidence)
    check_seed(seed)
    values_SM = finite("values", array("values", values).astype(float))
    if values_SM.ndim != 2 or not values_SM.size:
        raise ValueError(f"values have shape {list(values_SM.shape)}; give [seeds, images].")
    if not is_whole(resamples, 1, 2**24):
        raise ValueError(f"resamples is {resamples!r}; give a whole number from 1 to 2**24.")
    rng = np.random.default_rng(seed)
    seeds_RS, images_RM = (
        rng.multinomial(count, np.full(count, 1 / count), resamples) / count
        for count in values_SM.shape
    )
    means_R = ((seeds_RS @ values_SM) * images_RM).sum(axis=1)
    low, high = np.quantile(means_R, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _mean_and_error(values: ArrayLike) -> tuple[float, float, int]:
    values_S = array("values", values).astype(float)
    if np.isinf(values_S).any():
        raise ValueError("values hold infinity, of which no mean can be taken.")
    if values_S.ndim != 1 or len(values_S) < 2:
        raise ValueError(f"values have shape {list(values_S.shape)}; at least two are needed.")
    scale, (tamed_S,) = tamed(values_S)
    error = scale * float(tamed_S.std(ddof=1)) / math.sqrt(len(values_S))
    return scale * float(tamed_S.mean()), error, len(values_S)


def _check_confidence(confidence: float) -> None:
    if not is_number(confidence) or not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence!r}; it must lie in (0, 1).")


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Raise p values for their number, so that one false alarm in all has probability alpha.

    Holm, 1979: the smallest is multiplied by P, the next by P - 1, and so on; none becomes smaller
    than one before it, and none larger than 1.

    Args:
        p_values: float [P]; NaN stands for no comparison, is not counted, and stays NaN.

    Returns:
        float64 [P], in the order given.

    Raises:
        ValueError: no list, or a value outside [0, 1].
    """
    p_P = array("p_values", p_values).astype(float)
    if p_P.ndim != 1 or (p_P < 0).any() or (p_P > 1).any():
        raise ValueError(f"p_values of shape {list(p_P.shape)} are not [P] in [0, 1].")
    order_P = np.argsort(p_P)[: np.count_nonzero(~np.isnan(p_P))]  # NaN comes last
    raised_P = p_P[order_P] * np.arange(len(order_P), 0, -1)
    p_P[order_P] = np.maximum.accumulate(raised_P).clip(max=1)
    return p_P
