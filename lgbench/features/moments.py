"""Mean and covariance of features, streamed in float64."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from lgbench.errors import NotAvailable
from lgbench.progress import Quiet, Reporter
from lgbench.score import Moments

from .extractors import Extractor

__all__ = ["MomentStream", "moments_of", "stream_features"]

QUIET = Quiet()


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
            raise NotAvailable("features are not finite: broken images; train it with another seed")
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


def moments_of(images: np.ndarray, extractor: Extractor, batch: int = 0) -> Moments:
    """Mean and covariance of the features of images, streamed in float64.

    Args:
        images: (N, 3, H, W) uint8; may be a memory map, of which one batch at a time is read.
        extractor: describes them.
        batch: images at a time; the result depends on it by rounding only.

    Raises:
        NotAvailable: fewer than two images, or features that are not finite.
    """
    stream = MomentStream(extractor.dim)
    stream_features(stream, images, extractor, batch)
    return stream.moments()


def stream_features(
    stream: MomentStream, images: np.ndarray, extractor: Extractor, batch: int = 0, reporter: Reporter = QUIET
) -> None:
    """Add the features of images, (N, 3, H, W) uint8, to `stream`; `reporter` hears how many are in it.

    Args:
        batch: images at a time, 0 for `Extractor.batch`.
    """
    batch = batch or extractor.batch
    for start in range(0, len(images), batch):
        part = torch.from_numpy(np.array(images[start : start + batch]))
        stream.update(extractor(part).cpu().numpy())
        reporter.advance(stream.count)
