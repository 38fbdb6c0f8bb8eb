"""Frechet distance between Gaussians fitted to features (Heusel et al., NeurIPS 2017), from streamed moments."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lgbench.errors import NotAvailable
from lgbench.score import Moments

__all__ = ["MomentStream", "frechet_distance"]


@dataclass(slots=True)
class MomentStream:
    """Mean and covariance of features that arrive in batches, on one process or several.

    Attributes:
        dim: D, length of a feature vector.
        count: vectors seen so far.
        mean: (D,) float64.
        scatter: sum of outer products of the deviations from the mean, (D, D) float64.
    """

    dim: int
    count: int = 0
    mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scatter: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    def __post_init__(self) -> None:
        if not self.count:
            # float64: the covariance is a small difference of large sums
            self.mean, self.scatter = np.zeros(self.dim), np.zeros((self.dim, self.dim))

    def update(self, features: np.ndarray) -> None:
        """Add a batch of feature vectors, (N, D), any float type.

        Raises:
            NotAvailable: a feature is not finite, as those of a diverged generator may be.
        """
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise ValueError(f"Features must be (N, {self.dim}), not {features.shape}.")
        if not len(features):
            return
        if not np.isfinite(features).all():
            raise NotAvailable("features are not finite: the images that they describe are broken")
        mean = features.mean(axis=0, dtype=np.float64)
        deviation = features.astype(np.float64) - mean
        self.merge(MomentStream(self.dim, len(features), mean, deviation.T @ deviation))

    def update_all(self, features: np.ndarray, batch: int = 100) -> None:
        """Add many feature vectors, (N, D), some at a time."""
        for start in range(0, len(features), batch):
            self.update(features[start : start + batch])

    def merge(self, other: MomentStream) -> None:
        """Add what another stream has seen (Chan et al., 1979); `other` stays as it is."""
        if other.dim != self.dim:
            raise ValueError(f"Streams of {self.dim} and {other.dim} features cannot merge.")
        if not other.count:
            return
        count = self.count + other.count
        shift = other.mean - self.mean
        self.scatter += other.scatter
        self.scatter += np.outer(shift, shift) * (self.count * other.count / count)
        self.mean = self.mean + shift * (other.count / count)
        self.count = count

    def moments(self) -> Moments:
        """What has been seen, as moments.

        Raises:
            NotAvailable: fewer than two vectors have no covariance.
        """
        if self.count < 2:
            raise NotAvailable(f"a covariance needs at least 2 images, not {self.count}")
        return Moments(self.mean.copy(), self.scatter / (self.count - 1), self.count)


def frechet_distance(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)): the square of the Frechet distance, as FID is.

    The trace of the root is that of (R C_b R)^(1/2), R^2 = C_a: symmetric, with eigenvalues of at least 0 but for
    rounding, whatever the rank.

    Args:
        a: moments of one set of features.
        b: moments of the other; the order does not matter.

    Returns:
        At least 0; rounding below is cut off.

    Raises:
        NotAvailable: the moments are not finite.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"Moments of {a.mean.size} and {b.mean.size} features cannot be compared.")
    if not all(np.isfinite(part).all() for part in (a.mean, a.covariance, b.mean, b.covariance)):
        raise NotAvailable("moments that are not finite: the images that they describe are broken")
    values, vectors = np.linalg.eigh(a.covariance)
    root = vectors * np.sqrt(values.clip(min=0))  # R = root vectors^T; an orthogonal factor changes no eigenvalue
    shared = np.sqrt(np.linalg.eigvalsh(root.T @ b.covariance @ root).clip(min=0)).sum()
    shift = a.mean - b.mean
    return max(0.0, float(shift @ shift + np.trace(a.covariance) + np.trace(b.covariance) - 2 * shared))
