"""Clusters of real images beside their classes."""

from __future__ import annotations

from lgbench import Lazy, Metric

__all__ = ["CLUSTERS"]

HERE = "lgbench_metrics.clusters.agreement"

LABELLED = frozenset({"clusters", "labels"})

CLUSTERS = [
    Metric(
        name="nmi",
        summary="Mutual information of clusters and classes over the mean of their entropies",
        compute=Lazy(f"{HERE}:score_nmi"),
        needs=LABELLED,
        direction="up",
        reference="sklearn.metrics.normalized_mutual_info_score",
        deviation="0: it is scikit-learn's",
    ),
    Metric(
        name="cluster-acc",
        summary="Accuracy under the best one-to-one assignment of clusters to classes",
        compute=Lazy(f"{HERE}:score_accuracy"),
        needs=LABELLED,
        direction="up",
        reference="the best of all assignments, tried one by one",
        deviation="0 on 300 images, 5 classes",
    ),
]
