"""How sure a mean is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lgbench.errors import NotAvailable

__all__ = ["bootstrap_interval", "interval"]


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
    from scipy.stats import t

    x = _checked(values)
    half = float(t.ppf((1 + level) / 2, len(x) - 1)) * float(x.std(ddof=1)) / math.sqrt(len(x))
    return float(x.mean()) - half, float(x.mean()) + half


def bootstrap_interval(
    values: Sequence[float] | np.ndarray, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean (Efron, 1979), for scores that are far from normal, say bounded IoU.

    Args:
        values: (n,) finite numbers.
        level: probability with which the interval covers the mean.
        draws: resamples.
        seed: fixes the draws, so that the same values always have the same interval.

    Returns:
        Its lower and upper end; both lie within the values' range.

    Raises:
        NotAvailable: fewer than two values spread in no known way.
    """
    x, random = _checked(values), np.random.default_rng(seed)
    means = [x[random.integers(len(x), size=len(x))].mean() for _ in range(draws)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _checked(values: Sequence[float] | np.ndarray) -> np.ndarray:
    x = np.asarray(values, dtype=np.float64).ravel()
    if len(x) < 2:
        raise NotAvailable(f"an interval needs at least 2 values, not {len(x)}")
    return x
