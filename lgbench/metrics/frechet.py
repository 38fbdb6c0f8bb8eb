"""Frechet distance between Gaussians fitted to features (Heusel et al., NeurIPS 2017), from streamed moments."""

from __future__ import annotations

import contextlib
import io
import warnings
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


def frechet_distance(a: Moments, b: Moments, eps: float = 1e-6) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), the square of the Frechet distance, as FID is.

    Args:
        a: moments of one set of features.
        b: moments of the other; the order does not matter.
        eps: added to both diagonals where the root of the product does not come out finite.

    Returns:
        At least 0; rounding below is cut off.

    Raises:
        NotAvailable: no root was found even so.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"Moments of {a.mean.size} and {b.mean.size} features cannot be compared.")
    root = _root(a.covariance @ b.covariance)
    if not np.isfinite(root).all():
        offset = eps * np.eye(a.mean.size)
        root = _root((a.covariance + offset) @ (b.covariance + offset))
    if not np.isfinite(root).all():
        raise NotAvailable("the covariances have no finite matrix root; take more samples")
    shift = a.mean - b.mean
    traces = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.trace(root).real
    return max(0.0, float(shift @ shift + traces))


def _root(matrix: np.ndarray) -> np.ndarray:
    from scipy.linalg import sqrtm

    # Older versions of scipy print where newer ones warn, and the argument that silences them is gone from the newest.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(sqrtm(matrix))
