"""What metrics return, and what distances are taken of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Moments", "Score"]


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean (D,) and covariance (D, D), float64, of `count` feature vectors; covariance divides by count - 1."""

    mean: np.ndarray
    covariance: np.ndarray
    count: int


@dataclass(frozen=True, slots=True)
class Score:
    """What a metric returns.

    Attributes:
        value: the number that a board shows.
        per_image: the same for each test image, where it is a mean over images.
        details: variants and companions by name, say {"pooled": ..., "oracle_image": ...}.
        n: images or samples behind the value; where it is 0, as many as `per_image` has, if any: what is read off a
            training's log is of none.
        intervals: variant -> 95 % interval of the value or the detail of that name, where it is not that of the mean of
            `per_image`, say {"pooled": (0.6, 0.7)}; the value's own is that of its protocol's `aggregation`.
        protocol: fields that the metric itself adds to its protocol, say {"aggregation": "pooled"}.
    """

    value: float
    per_image: np.ndarray | None = None
    details: Mapping[str, float] = field(default_factory=dict)
    n: int = 0
    protocol: Mapping[str, object] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
