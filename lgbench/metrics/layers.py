"""What a generator's layers look like: diagnostics of collapse, of which none is better higher or lower."""

from __future__ import annotations

import numpy as np

__all__ = ["binarity", "binary_distance", "coverage", "saturated"]


def coverage(alphas: np.ndarray) -> np.ndarray:
    """Share of each image that its foregrounds cover, their mean opacity, (M,) in [0, 1].

    Args:
        alphas: (M, H, W) uint8, 255 for opaque.
    """
    return np.asarray(alphas).mean(axis=(1, 2)) / 255


def saturated(coverages: np.ndarray, margin: float = 0.01) -> tuple[float, float]:
    """Shares of images that the foreground leaves almost empty and covers almost whole.

    Args:
        coverages: (M,) in [0, 1].
        margin: how little of the image is "almost".

    Returns:
        Share with coverage below `margin`, and share with coverage above 1 - `margin`.
    """
    return float((coverages < margin).mean()), float((coverages > 1 - margin).mean())


def binarity(alphas: np.ndarray) -> np.ndarray:
    """Mean 4 a (1 - a) of each image, (M,) in [0, 1]: 0 for a binary alpha, 1 for one that is 0.5 everywhere.

    Args:
        alphas: (M, H, W) uint8, 255 for opaque.
    """
    levels = np.arange(256) / 255
    return _mean_of_levels(4 * levels * (1 - levels), alphas)


def binary_distance(alphas: np.ndarray) -> np.ndarray:
    """Mean min(a, 1 - a) of each image, (M,) in [0, 0.5]: how far its alpha is from a binary one (PerturbGAN, milgan).

    Args:
        alphas: (M, H, W) uint8, 255 for opaque.
    """
    levels = np.arange(256) / 255
    return _mean_of_levels(np.minimum(levels, 1 - levels), alphas)


def _mean_of_levels(table: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    # image by image: thousands of alphas at once would be eight times their size in float64
    return np.array([table[alpha].mean() for alpha in np.asarray(alphas)], dtype=np.float64)
