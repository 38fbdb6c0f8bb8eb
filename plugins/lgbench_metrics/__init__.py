"""The metrics that every evaluation computes where it can: names for the functions of `lgbench.metrics`.

Listing them imports neither numpy nor torch; each computation imports what it needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lgbench import Metric, NotAvailable, hookimpl

from .conditional import conditional_metrics

if TYPE_CHECKING:
    from lgbench.evaluation import Evidence
    from lgbench.score import Score

__all__ = ["metrics"]

LGBENCH_API = 2


@hookimpl
def metrics() -> list[Metric]:
    """Frechet distances, Inception score, mask, partition and cluster scores, layer diagnostics, conditions."""
    return [
        *_frechet_metrics(),
        _inception_score_metric(),
        *_mask_metrics(),
        *_partition_metrics(),
        *_cluster_metrics(),
        *_layer_metrics(),
        *conditional_metrics(),
    ]


def _frechet_metrics() -> list[Metric]:
    summaries = {
        "fid": ("inception", "Frechet distance of Inception-v3 features (the original TensorFlow weights)"),
        "fid-squeezenet": ("squeezenet", "Frechet distance of SqueezeNet 1.1 features; not comparable with FID"),
        "fid-random": ("random", "Frechet distance of a fixed untrained network's features; not comparable with FID"),
    }
    parts = {"": ("moments", summaries), "bg-": ("background-moments", _of_backgrounds(summaries))}
    return [
        Metric(
            name=f"{prefix}{name}",
            summary=summary,
            compute=partial(_frechet, f"{part}/{extractor}"),
            needs=frozenset({f"{part}/{extractor}"}),
            direction="up" if prefix else "down",
            range=(0.0, math.inf),
            reference="torch_fidelity.metric_fid.fid_statistics_to_metric",
            deviation="relative 1e-6 given the same features; 1e-7 of the covariances' traces at any rank",
        )
        for prefix, (part, described) in parts.items()
        for name, (extractor, summary) in described.items()
    ]


def _of_backgrounds(summaries: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """milgan, Table 1: background layers without objects are far from images; a distance near the FID says all_bg."""
    return {name: (extractor, f"{text}, of background layers") for name, (extractor, text) in summaries.items()}


def _inception_score_metric() -> Metric:
    return Metric(
        name="is",
        summary="Inception score of the samples over 10 splits (the original TensorFlow weights)",
        compute=_inception_score,
        needs=frozenset({"probabilities/inception"}),
        direction="up",
        range=(1.0, 1008.0),
        reference="torch_fidelity.metric_isc.isc_features_to_metric(shuffle=False)",
        deviation="relative 6e-16 on 10 to 3000 images, 2 to 1008 classes",
    )


def _mask_metrics() -> list[Metric]:
    rows = [
        ("iou", "iou", "Intersection over union of the foreground", "sklearn.metrics.jaccard_score"),
        ("dice", "dice", "2 TP / (2 TP + FP + FN) of the foreground", "sklearn.metrics.f1_score"),
        ("acc", "accuracy", "Share of pixels whose side is right", "sklearn.metrics.accuracy_score"),
        ("miou", "mean_iou", "Mean IoU of foreground and background", "sklearn.metrics.jaccard_score(average='macro')"),
    ]
    return [
        Metric(
            name=name,
            summary=summary,
            compute=partial(_masks, measure),
            needs=frozenset({"predicted_masks", "true_masks", "ignored"}),
            direction="up",
            reference=reference,
            deviation="0 on 200 random masks, per image and pooled",
        )
        for name, measure, summary, reference in rows
    ]


def _partition_metrics() -> list[Metric]:
    masks = frozenset({"predicted_masks", "true_masks", "ignored"})
    return [
        Metric(
            name="ari",
            summary="Adjusted Rand index over all pixels; blind to an inverted mask",
            compute=_ari,
            needs=masks,
            direction="up",
            range=(-0.5, 1.0),
            reference="sklearn.metrics.adjusted_rand_score",
            deviation="6e-17 on 200 label maps",
        ),
        Metric(
            name="ari-fg",
            summary="Adjusted Rand index over the pixels of the true objects, where images hold several",
            compute=_ari_fg,
            needs=frozenset({"predicted_masks", "instances", "ignored"}),
            direction="up",
            range=(-0.5, 1.0),
            reference="sklearn.metrics.adjusted_rand_score",
            deviation="6e-17 on 200 label maps",
        ),
        Metric(
            name="msc",
            summary="Mean segmentation covering of the true segments, background included; blind to an inverted mask",
            compute=_msc,
            needs=masks,
            direction="up",
            reference="best sklearn.metrics.jaccard_score of each true segment, averaged",
            deviation="0 on 20 label maps",
        ),
    ]


def _cluster_metrics() -> list[Metric]:
    needs = frozenset({"clusters", "labels"})
    return [
        Metric(
            name="nmi",
            summary="Mutual information of clusters and classes over the mean of their entropies",
            compute=_nmi,
            needs=needs,
            direction="up",
            reference="sklearn.metrics.normalized_mutual_info_score",
            deviation="1.3e-15 on 50 to 5000 images, 2 to 200 classes",
        ),
        Metric(
            name="cluster-acc",
            summary="Accuracy under the best one-to-one assignment of clusters to classes",
            compute=_cluster_accuracy,
            needs=needs,
            direction="up",
            reference="the best of all assignments, tried one by one",
            deviation="0 on 300 images, 5 classes",
        ),
    ]


def _layer_metrics() -> list[Metric]:
    return [
        Metric(
            name="coverage",
            summary="Mean share of a sample that its foregrounds cover",
            compute=_coverage,
            needs=frozenset({"sample_alphas"}),
            direction="none",
            reference="its definition on alphas with known values",
            deviation="1.1e-16 on 50 random alphas",
        ),
        Metric(
            name="binarity",
            summary="Mean 4 a (1 - a) of the samples' alphas: 0 where they are binary, 1 where they are all 0.5",
            compute=_binarity,
            needs=frozenset({"sample_alphas"}),
            direction="none",
            reference="its definition on alphas with known values",
            deviation="0 on 50 random alphas",
        ),
        Metric(
            name="layer-difference",
            summary="Mean |foreground - background| of the samples; near 0 where both layers are one picture",
            compute=_layer_difference,
            needs=frozenset({"layer_difference"}),
            direction="none",
            range=(0.0, 2.0),
            reference="the mean",
            deviation="0",
        ),
    ]


def _frechet(part: str, evidence: Evidence) -> Score:
    from lgbench.metrics.frechet import frechet_distance
    from lgbench.score import Score

    real, generated = evidence[part]
    # With fewer images than features a covariance lacks rank, and the distance is biased upwards.
    full_rank = min(real.count, generated.count) > real.mean.size
    details = {"real": float(real.count), "generated": float(generated.count), "full_rank": float(full_rank)}
    return Score(frechet_distance(real, generated), details=details, n=generated.count)


def _inception_score(evidence: Evidence) -> Score:
    from lgbench.metrics.classifiers import inception_score
    from lgbench.score import Score

    probabilities, splits = evidence["probabilities/inception"], 10
    mean, std = inception_score(probabilities, splits)
    return Score(mean, details={"std": std, "splits": float(splits)}, n=len(probabilities))


def _masks(measure: str, evidence: Evidence) -> Score:
    from lgbench.metrics import masks

    aggregation = evidence.config.aggregation
    score = masks.score_masks(
        getattr(masks, measure),
        evidence["predicted_masks"],
        evidence["true_masks"],
        aggregation,
        evidence["ignored"],
    )
    return replace(score, protocol={"aggregation": aggregation})


def _ari(evidence: Evidence) -> Score:
    from lgbench.metrics.partitions import ari

    return _each(ari(*_partitions(evidence)))


def _ari_fg(evidence: Evidence) -> Score:
    import numpy as np

    from lgbench.metrics.partitions import ari_fg

    predicted, instances, ignored = (evidence[part] for part in ("predicted_masks", "instances", "ignored"))
    if predicted.dtype == np.bool_:
        # the perfect union of two objects would score 0, and one of them alone 1
        raise NotAvailable("needs a part for each object, and this method predicts foreground or not; see ari")
    instances = np.where(ignored, 0, instances)
    objects = np.array([len(np.unique(one[one > 0])) for one in instances])
    if not (objects >= 2).any():
        raise NotAvailable("degenerate: no test image has two objects, so ari-fg is 0 or 1; see ari")
    return _each(ari_fg(predicted, instances), share_of_several_objects=float((objects >= 2).mean()))


def _msc(evidence: Evidence) -> Score:
    from lgbench.metrics.partitions import msc, msc_fg, sc_weighted

    predicted, truth = _partitions(evidence)
    companions = {"msc_fg": msc_fg(predicted, truth), "sc_weighted": sc_weighted(predicted, truth)}
    return _each(msc(predicted, truth), **{name: float(each.mean()) for name, each in companions.items()})


def _nmi(evidence: Evidence) -> Score:
    from lgbench.metrics.clusters import nmi
    from lgbench.score import Score

    clusters, labels = evidence["clusters"], evidence["labels"]
    return Score(nmi(clusters, labels), details={"by_max": nmi(clusters, labels, by="max")}, n=len(clusters))


def _cluster_accuracy(evidence: Evidence) -> Score:
    import numpy as np

    from lgbench.metrics.clusters import cluster_accuracy
    from lgbench.score import Score

    clusters, labels = evidence["clusters"], evidence["labels"]
    used = {"clusters_used": float(len(np.unique(clusters)))}
    return Score(cluster_accuracy(clusters, labels), details=used, n=len(clusters))


def _coverage(evidence: Evidence) -> Score:
    from lgbench.metrics.layers import coverage, saturated

    covered = coverage(evidence["sample_alphas"])
    empty, full = saturated(covered)
    return _mean(covered, share_below_1_percent=empty, share_above_99_percent=full)


def _binarity(evidence: Evidence) -> Score:
    from lgbench.metrics.layers import binarity, binary_distance

    alphas = evidence["sample_alphas"]
    return _mean(binarity(alphas), mean_min=float(binary_distance(alphas).mean()))


def _layer_difference(evidence: Evidence) -> Score:
    return _mean(evidence["layer_difference"])


def _partitions(evidence: Evidence) -> tuple[Any, Any]:
    """Predicted masks, and the instance maps where there are any, else the true masks; -1 where nothing is scored."""
    import numpy as np

    predicted, true, instances = evidence["predicted_masks"], evidence["true_masks"], evidence.get("instances")
    known = true if instances is None else instances
    return predicted, np.where(evidence["ignored"], np.int16(-1), known.astype(np.int16))


def _mean(per_image: Any, **details: float) -> Score:
    from lgbench.score import Score

    if not len(per_image):
        raise NotAvailable("no images")
    return Score(float(per_image.mean()), per_image, details)


def _each(per_image: Any, **details: float) -> Score:
    """A score that is a mean over images, whatever the recipe says of others."""
    return replace(_mean(per_image, **details), protocol={"aggregation": "per_image"})
