"""How sure a mean is, a difference of two, or a share: one Student's t for all."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from lgbench.errors import NotAvailable

__all__ = ["difference", "interval", "share_interval", "within"]


def interval(values: Sequence[float] | np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of the mean of independent values, say of seeds: Student's t.

    For thousands of per-image scores it is the normal interval to all printed digits.

    Args:
        values: (n,) finite numbers.
        level: probability with which the interval covers the mean.

    Returns:
        Its lower and upper end.

    Raises:
        NotAvailable: fewer than two values spread in no known way.
    """
    x = _checked(values)
    half = _quantile(level, len(x) - 1) * float(x.std(ddof=1)) / math.sqrt(len(x))
    return float(x.mean()) - half, float(x.mean()) + half


def difference(
    one: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray, level: float = 0.95
) -> tuple[float, float]:
    """Difference of two means and half of its confidence interval (Welch, 1947), whose variances need not be equal.

    Zero lies outside the 95 % interval exactly where the two-sided test has p < 0.05.

    Args:
        one, other: (n,) and (m,) finite numbers, say of seeds.
        level: probability with which the interval covers the difference.

    Raises:
        NotAvailable: fewer than two values spread in no known way.
    """
    # `statistics` is exact: seeds that all gave the same differ in nothing, whatever their mean would round to.
    samples = [_checked(sample).tolist() for sample in (one, other)]
    between = statistics.mean(samples[0]) - statistics.mean(samples[1])
    shares = [statistics.variance(sample) / len(sample) for sample in samples]
    error = sum(shares)
    if error == 0:  # every seed gave the same: no noise, and no degrees of freedom to speak of
        return between, 0.0
    freedom = error**2 / sum(share**2 / (len(sample) - 1) for share, sample in zip(shares, samples, strict=True))
    return between, _quantile(level, freedom) * math.sqrt(error)


def share_interval(share: float, count: int, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a share of independent trials (Wilson, 1927); it lies in [0, 1] and is never a point.

    Args:
        share: of successes, in [0, 1]; ties may have counted half.
        count: of trials, at least 1.
        level: probability with which the interval covers the share.
    """
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def within(ends: tuple[float, float], limits: tuple[float, float]) -> tuple[float, float]:
    """An interval without what no value can be; it covers as often as before."""
    low, high = (min(max(float(end), limits[0]), limits[1]) for end in ends)
    return low, high


def _quantile(level: float, freedom: float) -> float:
    """Student's t that this much of the distribution lies within, on both sides."""
    from scipy.special import stdtrit  # scipy.stats has the same, and takes seconds to import

    return float(stdtrit(freedom, (1 + level) / 2))


def _checked(values: Sequence[float] | np.ndarray) -> np.ndarray:
    x = np.asarray(values, dtype=np.float64).ravel()
    if len(x) < 2:
        raise NotAvailable(f"an interval needs at least 2 values, not {len(x)}")
    return x
