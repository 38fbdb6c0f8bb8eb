"""Agreement of clusters with class labels, where the clusters' numbers mean nothing."""

from __future__ import annotations

import numpy as np

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.score import Score

__all__ = ["ami", "cluster_accuracy", "nmi", "score_accuracy", "score_ami", "score_nmi", "score_nmi_max"]

METHODS = {"mean": "arithmetic", "max": "max"}


def nmi(clusters: np.ndarray, labels: np.ndarray, *, by: str = "mean") -> float:
    """Normalised mutual information, as scikit-learn computes it.

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
    from sklearn.metrics import normalized_mutual_info_score

    _check(clusters, labels)
    return float(normalized_mutual_info_score(labels, clusters, average_method=METHODS[by]))


def ami(clusters: np.ndarray, labels: np.ndarray) -> float:
    """Mutual information adjusted for chance, over the mean of the entropies, as scikit-learn computes it.

    Args:
        clusters, labels: (N,) int.

    Returns:
        At most 1; 0 for what chance gives, however many clusters there are.

    Raises:
        NotAvailable: there are no images.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    _check(clusters, labels)
    return float(adjusted_mutual_info_score(labels, clusters))


def cluster_accuracy(clusters: np.ndarray, labels: np.ndarray) -> float:
    """Share of images in the class that the best one-to-one assignment of clusters to classes gives them, in [0, 1].

    Surplus clusters are assigned to no class, and their images count as wrong.

    Raises:
        NotAvailable: there are no images.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    _check(clusters, labels)
    table = contingency_matrix(labels, clusters)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / table.sum())


def score_nmi(evidence: Evidence) -> Score:
    """`nmi` of the game's clusters, with the one by the larger entropy."""
    clusters, labels = evidence["clusters"], evidence["labels"]
    return Score(nmi(clusters, labels), details={"by_max": nmi(clusters, labels, by="max")}, n=len(clusters))


def score_nmi_max(evidence: Evidence) -> Score:
    """`nmi` by the larger entropy."""
    clusters, labels = evidence["clusters"], evidence["labels"]
    return Score(nmi(clusters, labels, by="max"), n=len(clusters))


def score_ami(evidence: Evidence) -> Score:
    """`ami` of the game's clusters."""
    clusters, labels = evidence["clusters"], evidence["labels"]
    return Score(ami(clusters, labels), n=len(clusters))


def score_accuracy(evidence: Evidence) -> Score:
    """`cluster_accuracy` of the game's clusters, with how many it uses."""
    clusters, labels = evidence["clusters"], evidence["labels"]
    used = {"clusters_used": float(len(np.unique(clusters)))}
    return Score(cluster_accuracy(clusters, labels), details=used, n=len(clusters))


def _check(clusters: np.ndarray, labels: np.ndarray) -> None:
    if np.shape(clusters) != np.shape(labels) or np.ndim(labels) != 1:
        raise ValueError(
            f"Clusters and labels must share one shape (N,), not {np.shape(clusters)}, {np.shape(labels)}."
        )
    if not len(labels):
        raise NotAvailable("no test images: name a split that has some (evaluation.split)")
