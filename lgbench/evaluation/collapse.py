"""What samples and predictions show of collapse: masks that are all background or foreground, layers that are one."""

from __future__ import annotations

import numpy as np

from lgbench.training.watch import flags, prediction_flags

from .evidence import Evidence
from .taught import untaught

__all__ = ["coverage", "flags_of", "saturated"]


def flags_of(evidence: Evidence) -> list[str]:
    """Names of the collapses that the evidence shows."""
    found, alphas = [], evidence.get("sample_alphas")
    if alphas is not None:
        covered = coverage(alphas)
        found = flags(float(covered.mean()), *saturated(covered), float(evidence["layer_difference"].mean()))
    predicted = evidence.get("predicted_masks")
    if predicted is not None:
        found += prediction_flags(*saturated(predicted.mean(axis=(1, 2))))
    found += ["untaught"] * untaught(evidence)
    return found


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
