"""Scores of the probability of foreground, before any threshold is put to it."""

from __future__ import annotations

import numpy as np

from lgbench.evaluation import Evidence
from lgbench.score import Score
from lgbench_metrics.scores import mean_of_images

__all__ = ["absolute_error", "f_by_threshold", "score_absolute_error", "score_max_f"]

BETA_SQUARED = 0.3  # precision counts for more, as usual for salient objects (Achanta et al., CVPR 2009)
LEVELS = 256


def f_by_threshold(soft: np.ndarray, true: np.ndarray, ignored: np.ndarray | None = None) -> np.ndarray:
    """F of each image under each of 255 thresholds: (1 + b) P R / (b P + R) with b = beta squared = 0.3.

    Args:
        soft: probability of foreground, (N, H, W) uint8, 255 for 1.
        true: (N, H, W) bool.
        ignored: pixels that are not counted, (N, H, W) bool.

    Returns:
        (N, 255) in [0, 1], for soft >= 1, 2, ... 255; 1 where both masks are empty.
    """
    _check(soft, true)
    found = np.empty((len(true), LEVELS - 1))
    for i, (levels, mask) in enumerate(zip(soft, true, strict=True)):
        kept = slice(None) if ignored is None else ~ignored[i]
        inside = np.bincount(levels[kept][mask[kept]].ravel(), minlength=LEVELS)
        outside = np.bincount(levels[kept][~mask[kept]].ravel(), minlength=LEVELS)
        right, wrong = (counts[::-1].cumsum()[::-1][1:] for counts in (inside, outside))
        whole = BETA_SQUARED * inside.sum() + right + wrong
        found[i] = np.where(whole > 0, (1 + BETA_SQUARED) * right / np.where(whole > 0, whole, 1), 1.0)
    return found


def absolute_error(soft: np.ndarray, true: np.ndarray, ignored: np.ndarray | None = None) -> np.ndarray:
    """Mean |probability - mask| of each image, (N,) in [0, 1]; arguments as of `f_by_threshold`."""
    _check(soft, true)
    errors = []
    for i, (levels, mask) in enumerate(zip(soft, true, strict=True)):
        kept = slice(None) if ignored is None else ~ignored[i]
        error = np.abs(levels[kept] / 255 - mask[kept])
        errors.append(error.mean() if error.size else 0.0)
    return np.array(errors, np.float64)


def score_max_f(evidence: Evidence) -> Score:
    """The largest mean F over images among 255 thresholds, which are chosen with the annotation in sight."""
    each = f_by_threshold(*(evidence[part] for part in ("predicted_probabilities", "true_masks", "ignored")))
    best = int(each.mean(axis=0).argmax()) if len(each) else 0
    return mean_of_images(each[:, best], "per_image", threshold=(best + 1) / 255)


def score_absolute_error(evidence: Evidence) -> Score:
    """`absolute_error` of the predicted probabilities."""
    parts = (evidence[part] for part in ("predicted_probabilities", "true_masks", "ignored"))
    return mean_of_images(absolute_error(*parts), "per_image")


def _check(soft: np.ndarray, true: np.ndarray) -> None:
    if soft.dtype != np.uint8 or soft.shape != true.shape or true.ndim != 3:
        raise ValueError(f"Soft masks must be uint8 of the masks' shape (N, H, W), not {soft.shape} {soft.dtype}.")
