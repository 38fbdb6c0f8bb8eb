"""Agreement of two partitions of an image: adjusted Rand index and segmentation covering, as GENESIS computes them.

Engelcke et al., GENESIS-V2, NeurIPS 2021. Partitions are integer label maps, (N, H, W); a mask is one with labels 0
and 1. Every function returns one number per image, (N,); a data set's value is their mean.
"""

from __future__ import annotations

import numpy as np

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.score import Score
from lgbench_metrics.scores import mean_of_images

__all__ = ["ari", "ari_fg", "msc", "msc_fg", "sc_weighted", "score_ari", "score_ari_fg", "score_msc"]


def ari(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Adjusted Rand index over all pixels, the background a cluster like any other (Hubert & Arabie, 1985).

    Pixels with a negative true label are ignored. It does not detect an inverted mask: exchanging labels leaves it as
    it is.

    Returns:
        (N,) in [-0.5, 1]: 1 for equal partitions, 0 for a constant prediction where the truth has several clusters.
    """
    kept = ((p[t >= 0], t[t >= 0]) for p, t in _flat_pairs(predicted, truth))
    return np.array([_adjusted_rand(*pair) for pair in kept], dtype=np.float64)


def ari_fg(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Adjusted Rand index over the pixels whose true label is above 0.

    Predictions are not relabelled: background predicted on an object is one more cluster. On an image of one object it
    can only be 0 or 1, and says nothing worth ranking.

    Returns:
        (N,) in [-0.5, 1]; 1 for an image without objects, as the usual libraries have it.
    """
    kept = ((p[t > 0], t[t > 0]) for p, t in _flat_pairs(predicted, truth))
    return np.array([_adjusted_rand(*pair) for pair in kept], dtype=np.float64)


def msc(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean segmentation covering: the mean over true segments, background included, of the best IoU with a prediction.

    Segments weigh the same whatever their size, and two of them may pick the same prediction. Pixels with a negative
    true label are ignored, inside predicted segments too. An image without a true segment scores 0.

    Returns:
        (N,) in [0, 1].
    """
    return np.array([_covering(p, t)[0] for p, t in _flat_pairs(predicted, truth)], dtype=np.float64)


def msc_fg(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`msc` over the true segments other than 0; an image that has none scores 0. (N,) in [0, 1]."""
    return np.array([_covering(p, t, first=1)[0] for p, t in _flat_pairs(predicted, truth)], dtype=np.float64)


def sc_weighted(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`msc` with each true segment weighted by its area. (N,) in [0, 1]."""
    return np.array([_covering(p, t)[1] for p, t in _flat_pairs(predicted, truth)], dtype=np.float64)


def _flat_pairs(predicted: np.ndarray, truth: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    predicted, truth = np.asarray(predicted), np.asarray(truth)
    if predicted.shape != truth.shape or predicted.ndim != 3:
        raise ValueError(f"Label maps must share one shape (N, H, W), not {predicted.shape} and {truth.shape}.")
    return [(p.ravel(), t.ravel()) for p, t in zip(predicted, truth, strict=True)]


def _contingency(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of each true label (rows) under each predicted one (columns), int64, and the true labels in order."""
    _, columns = np.unique(predicted, return_inverse=True)
    labels, rows = np.unique(truth, return_inverse=True)
    width = int(columns.max(initial=-1)) + 1
    table = np.bincount(rows * width + columns, minlength=len(labels) * width)
    return table.reshape(len(labels), width), labels


def _adjusted_rand(predicted: np.ndarray, truth: np.ndarray) -> float:
    table, _ = _contingency(predicted, truth)
    together, true, guessed, pairs = (
        int((n * (n - 1) // 2).sum()) for n in (table, table.sum(axis=1), table.sum(axis=0), table.sum(keepdims=True))
    )  # Python integers: the product of two counts of pairs may leave int64
    if 2 * true * guessed == pairs * (true + guessed):
        return 1.0  # M = E: one cluster in both, or every pixel its own
    expected = true * guessed / pairs
    return (together - expected) / ((true + guessed) / 2 - expected)


def _covering(predicted: np.ndarray, truth: np.ndarray, first: int = 0) -> tuple[float, float]:
    """Unweighted and area-weighted covering of the true labels from `first` on."""
    known = truth >= 0
    table, labels = _contingency(predicted[known], truth[known])
    area = table.sum(axis=1)
    union = area[:, None] + table.sum(axis=0) - table
    kept = labels >= first
    if not kept.any():
        return 0.0, 0.0
    best = (table / union).max(axis=1)[kept]
    return float(best.mean()), float(np.average(best, weights=area[kept]))


def score_ari(evidence: Evidence) -> Score:
    """`ari` of the predicted masks."""
    return mean_of_images(ari(*_partitions(evidence)), "per_image")


def score_ari_fg(evidence: Evidence) -> Score:
    """`ari_fg` of predicted parts, where images hold several objects."""
    predicted, instances, ignored = (evidence[part] for part in ("predicted_masks", "instances", "ignored"))
    if predicted.dtype == np.bool_:
        # the perfect union of two objects would score 0, and one of them alone 1
        raise NotAvailable("needs a part for each object, and this method predicts foreground or not; see ari")
    instances = np.where(ignored, 0, instances)
    objects = np.array([len(np.unique(one[one > 0])) for one in instances])
    if not (objects >= 2).any():
        raise NotAvailable("degenerate: no test image has two objects, so ari-fg is 0 or 1; see ari")
    several = float((objects >= 2).mean())
    return mean_of_images(ari_fg(predicted, instances), "per_image", share_of_several_objects=several)


def score_msc(evidence: Evidence) -> Score:
    """`msc` of the predicted masks, with its companions."""
    predicted, truth = _partitions(evidence)
    companions = {"msc_fg": msc_fg(predicted, truth), "sc_weighted": sc_weighted(predicted, truth)}
    details = {name: float(each.mean()) for name, each in companions.items()}
    return mean_of_images(msc(predicted, truth), "per_image", **details)


def _partitions(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Predicted masks, and the instance maps where there are any, else the true masks; -1 where nothing is scored."""
    predicted, true, instances = evidence["predicted_masks"], evidence["true_masks"], evidence.get("instances")
    known = true if instances is None else instances
    return predicted, np.where(evidence["ignored"], np.int16(-1), known.astype(np.int16))
