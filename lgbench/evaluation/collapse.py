"""What samples and predictions show of collapse: masks that are all background or foreground, layers that are one."""

from __future__ import annotations

import numpy as np

from .evidence import Evidence
from .taught import untaught

__all__ = ["coverage", "flags", "flags_of", "prediction_flags", "saturated"]


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


def flags(coverage: float, empty: float, full: float, difference: float) -> list[str]:
    """Names of the collapses that samples show.

    Args:
        coverage: mean opacity of the foreground over all samples.
        empty, full: shares of samples with less than 1 % and more than 99 % coverage.
        difference: mean |foreground - background|, images in [-1, 1].

    Returns:
        "all_fg" for coverage above 0.95, or full masks on most samples; "all_bg" for coverage below 0.01, or empty
        masks on most samples (digits cover only 3 %, so a bound of 0.05 would call them empty); "identical" below 0.02.
    """
    all_fg, all_bg = coverage > 0.95 or full > 0.5, coverage < 0.01 or empty > 0.5
    return ["all_fg"] * all_fg + ["all_bg"] * all_bg + ["identical"] * (difference < 0.02)


def prediction_flags(empty: float, full: float) -> list[str]:
    """Names of what a segmenter's masks show: "finds_nothing" where most are empty, "finds_all" where most are full.

    Layers can look healthy and still teach nothing: where the background paints the objects and the foreground
    something else, the segmenter finds none of it in real images.

    Args:
        empty, full: shares of masks that cover less than 1 % and more than 99 % of their image.
    """
    return ["finds_nothing"] * (empty > 0.5) + ["finds_all"] * (full > 0.5)


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
