"""What a generator's layers look like: diagnostics of collapse, of which none is better higher or lower."""

from __future__ import annotations

import numpy as np

from lgbench.evaluation import Evidence
from lgbench.evaluation.collapse import coverage, saturated
from lgbench.score import Score
from lgbench_metrics.scores import mean_of_images

__all__ = ["binarity", "binary_distance", "score_binarity", "score_coverage", "score_layer_difference", "score_taught"]


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


def score_coverage(evidence: Evidence) -> Score:
    """Mean coverage of the samples, with the shares that are almost empty and almost full."""
    covered = coverage(evidence["sample_alphas"])
    empty, full = saturated(covered)
    return mean_of_images(covered, share_below_1_percent=empty, share_above_99_percent=full)


def score_binarity(evidence: Evidence) -> Score:
    """Mean `binarity` of the samples, with their mean distance from binary masks."""
    alphas = evidence["sample_alphas"]
    return mean_of_images(binarity(alphas), mean_min=float(binary_distance(alphas).mean()))


def score_layer_difference(evidence: Evidence) -> Score:
    """Mean difference of the samples' layers."""
    return mean_of_images(evidence["layer_difference"])


def score_taught(evidence: Evidence) -> Score:
    """How well the segmenter has learnt the generator's masks: below 0.85, what it lacks says nothing of the latter."""
    return mean_of_images(evidence["taught"])
