"""Clusters of real images beside their classes."""

from __future__ import annotations

from lgbench import Lazy, Metric, Part

__all__ = ["CLUSTERS"]

HERE = "lgbench_metrics.clusters.agreement"
FOUND = "lgbench_metrics.clusters.found"

PARTS = (
    Part("labels", Lazy(f"{FOUND}:labels")),
    Part("clusters", Lazy(f"{FOUND}:clusters"), lambda evidence: {"split": "all"}),
)
LABELLED = frozenset(part.name for part in PARTS)

CLUSTERS = [
    Metric(
        name="nmi",
        summary="Mutual information of clusters and classes over the mean of their entropies",
        compute=Lazy(f"{HERE}:score_nmi"),
        needs=LABELLED,
        parts=PARTS,
        direction="up",
        reference="sklearn.metrics.normalized_mutual_info_score",
        deviation="0: it is scikit-learn's",
    ),
    Metric(
        name="nmi-max",
        summary="Mutual information of clusters and classes over the larger of their entropies",
        compute=Lazy(f"{HERE}:score_nmi_max"),
        needs=LABELLED,
        parts=PARTS,
        direction="up",
        reference="sklearn.metrics.normalized_mutual_info_score(average_method='max')",
        deviation="0: it is scikit-learn's",
    ),
    Metric(
        name="ami",
        summary="Mutual information of clusters and classes, adjusted for chance",
        compute=Lazy(f"{HERE}:score_ami"),
        needs=LABELLED,
        parts=PARTS,
        direction="up",
        range=(-1.0, 1.0),
        reference="sklearn.metrics.adjusted_mutual_info_score",
        deviation="0: it is scikit-learn's",
    ),
    Metric(
        name="cluster-acc",
        summary="Accuracy under the best one-to-one assignment of clusters to classes",
        compute=Lazy(f"{HERE}:score_accuracy"),
        needs=LABELLED,
        parts=PARTS,
        direction="up",
        reference="the best of all assignments, tried one by one",
        deviation="0 on 300 images, 5 classes",
    ),
]
