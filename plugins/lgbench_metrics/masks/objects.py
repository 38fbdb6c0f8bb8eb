"""Objects found one by one."""

from __future__ import annotations

import numpy as np

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.score import Score
from lgbench_metrics.scores import mean_of_images

__all__ = ["instance_iou", "score_instance_iou"]


def instance_iou(parts: np.ndarray, instances: np.ndarray, ignored: np.ndarray | None = None) -> np.ndarray:
    """Mean over true objects of the IoU with the part that a one-to-one matching gives them, the best in total.

    Args:
        parts: predicted, (N, H, W) int; 0 is the background and no part.
        instances: true objects, (N, H, W) int; 0 is the background.
        ignored: pixels that are not counted, (N, H, W) bool.

    Returns:
        (N,) in [0, 1]; NaN for an image without objects. An object that no part is left for counts 0.
    """
    if np.shape(parts) != np.shape(instances) or np.ndim(parts) != 3:
        raise ValueError(f"Maps must share one shape (N, H, W), not {np.shape(parts)} and {np.shape(instances)}.")
    left_out = np.broadcast_to(False, np.shape(parts)) if ignored is None else ignored
    scores = [_matched(p[~i], t[~i]) for p, t, i in zip(parts, instances, left_out, strict=True)]
    return np.array(scores, np.float64)


def _matched(parts: np.ndarray, objects: np.ndarray) -> float:
    from scipy.optimize import linear_sum_assignment

    ious = np.array([[_iou(objects == t, parts == p) for p in _names(parts)] for t in _names(objects)])
    if not len(ious):
        return np.nan
    return float(ious[linear_sum_assignment(ious, maximize=True)].sum() / len(ious)) if ious.size else 0.0


def _names(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels[labels > 0])


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


def score_instance_iou(evidence: Evidence) -> Score:
    """`instance_iou` of the predicted parts, over the images that hold objects."""
    each = instance_iou(*(evidence[part] for part in ("predicted_parts", "instances", "ignored")))
    if np.isnan(each).all():
        raise NotAvailable("no test image has an object")
    return mean_of_images(each[~np.isnan(each)], "per_image")
