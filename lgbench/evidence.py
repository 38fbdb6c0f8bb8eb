"""What metrics read: one set of samples, one set of predictions, and the truth beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .errors import NotAvailable

__all__ = ["Evidence", "Moments", "Score"]


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
    """

    value: float
    per_image: np.ndarray | None = None
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Evidence:
    """Everything that was sampled and predicted for one run. A part that is None is missing; `why` says why.

    Attributes:
        predicted_masks: thresholded predictions on the test images, committed polarity, (N, H, W) bool.
        true_masks: (N, H, W) bool.
        instances: true instance maps, (N, H, W) uint8, 0 for background.
        labels: class index of each image of all splits, (L,) int.
        clusters: cluster that a code network gives each of those, (L,) int.
        samples: generated images, (M, 3, H, W) uint8.
        sample_alphas: opacity of their foregrounds together, (M, H, W) uint8, 255 for opaque.
        layer_difference: mean |foreground - background| of each sample, (M,), images in [-1, 1].
        moments: extractor name -> (moments of the real images, moments of the samples); raises `NotAvailable`.
        background_moments: the same with the samples' background layers in their place.
        probabilities: extractor name -> class probabilities of the samples, (M, classes); raises `NotAvailable`.
        weights: SHA-256 of the weights of each extractor that was asked for something.
        aggregation: "per_image" or "pooled": which of the two a mask metric's `value` is; both are in its details.
        why: part -> the reason for which it is missing.
    """

    predicted_masks: np.ndarray | None = None
    true_masks: np.ndarray | None = None
    instances: np.ndarray | None = None
    labels: np.ndarray | None = None
    clusters: np.ndarray | None = None
    samples: np.ndarray | None = None
    sample_alphas: np.ndarray | None = None
    layer_difference: np.ndarray | None = None
    moments: Callable[[str], tuple[Moments, Moments]] | None = None
    background_moments: Callable[[str], tuple[Moments, Moments]] | None = None
    probabilities: Callable[[str], np.ndarray] | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    aggregation: str = "per_image"
    why: Mapping[str, str] = field(default_factory=dict)

    def require(self, parts: frozenset[str]) -> None:
        """Raise `NotAvailable`, with the reason, unless every one of `parts` is here."""
        for part in sorted(parts):
            if getattr(self, part) is None:
                raise NotAvailable(self.why.get(part, f"no {part.replace('_', ' ')}"))
