"""Agreement of clusters with class labels, where the clusters' numbers mean nothing."""

from __future__ import annotations

import numpy as np

from lgbench.errors import NotAvailable

__all__ = ["cluster_accuracy", "nmi"]


def nmi(clusters: np.ndarray, labels: np.ndarray, *, by: str = "mean") -> float:
    """Normalised mutual information.

    Args:
        clusters: (N,) int.
        labels: (N,) int.
        by: what divides the mutual information: the "mean" of the two entropies, or the larger one ("max", as in the
            public ComGAN code).

    Returns:
        In [0, 1]; 1 where both are constant.

    Raises:
        NotAvailable: there are no images.
    """
    joint = _joint(clusters, labels) / len(labels)
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    entropies = [_entropy(rows), _entropy(columns)]
    if max(entropies) == 0:
        return 1.0
    information = max(0.0, sum(entropies) - _entropy(joint.ravel()))
    return min(1.0, information / {"mean": sum(entropies) / 2, "max": max(entropies)}[by])


def cluster_accuracy(clusters: np.ndarray, labels: np.ndarray) -> float:
    """Share of images in the class that the best one-to-one assignment of clusters to classes gives them, in [0, 1].

    Surplus clusters are assigned to no class, and their images count as wrong.

    Raises:
        NotAvailable: there are no images.
    """
    from scipy.optimize import linear_sum_assignment

    table = _joint(clusters, labels)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / table.sum())


def _joint(clusters: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Images of each cluster (rows) in each class (columns), int64."""
    if np.shape(clusters) != np.shape(labels) or np.ndim(labels) != 1:
        raise ValueError(
            f"Clusters and labels must share one shape (N,), not {np.shape(clusters)}, {np.shape(labels)}."
        )
    if not len(labels):
        raise NotAvailable("no test images")
    names, rows = np.unique(clusters, return_inverse=True)
    classes, columns = np.unique(labels, return_inverse=True)
    table = np.bincount(rows * len(classes) + columns, minlength=len(names) * len(classes))
    return table.reshape(len(names), len(classes))


def _entropy(shares: np.ndarray) -> float:
    positive = shares[shares > 0]
    return max(0.0, -float((positive * np.log(positive)).sum()))
