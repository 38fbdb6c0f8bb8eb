"""How well the outlines of masks meet."""

from __future__ import annotations

import math

import numpy as np

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.score import Score
from lgbench_metrics.scores import mean_of_images

__all__ = ["boundary", "boundary_f", "score_boundary_f"]

REACH = 0.008  # of the diagonal


def boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels of a mask, (H, W) bool, with one of their four neighbours outside it; the frame is no boundary."""
    inside = np.pad(mask, 1, mode="edge")
    return mask & ~(inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:])


def boundary_f(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """F of boundary pixels that have one of the other mask's within 0.008 of the diagonal, and within 1 pixel at least.

    Precision is the share of predicted boundary pixels that have a true one so near, recall the reverse.

    Args:
        predicted, true: (N, H, W) bool.

    Returns:
        (N,) in [0, 1]; 1 where neither mask has a boundary, 0 where one of them has none.
    """
    if np.shape(predicted) != np.shape(true) or np.ndim(true) != 3:
        raise ValueError(f"Masks must share one shape (N, H, W), not {np.shape(predicted)} and {np.shape(true)}.")
    reach = max(1.0, REACH * math.hypot(*np.shape(true)[1:]))
    return np.array([_f(boundary(p), boundary(t), reach) for p, t in zip(predicted, true, strict=True)], np.float64)


def _f(predicted: np.ndarray, true: np.ndarray, reach: float) -> float:
    from scipy.ndimage import distance_transform_edt

    if not (predicted.any() and true.any()):
        return float(predicted.any() == true.any())
    precision = (np.asarray(distance_transform_edt(~true))[predicted] <= reach).mean()
    recall = (np.asarray(distance_transform_edt(~predicted))[true] <= reach).mean()
    return 2 * precision * recall / max(precision + recall, 1e-12)


def score_boundary_f(evidence: Evidence) -> Score:
    """`boundary_f` of the predicted masks."""
    if evidence["ignored"].any():
        raise NotAvailable("the annotation leaves out pixels (data.ignore), and with them outlines; see iou")
    return mean_of_images(boundary_f(evidence["predicted_masks"], evidence["true_masks"]), "per_image")
