"""Predicted masks beside annotated ones: overlap of the foreground, agreement of partitions."""

from __future__ import annotations

from functools import partial

from lgbench import Lazy, Metric

__all__ = ["MASKS"]

HERE = "lgbench_metrics.masks"

ANNOTATED = frozenset({"predicted_masks", "true_masks", "ignored"})


def _overlap(name: str, summary: str, reference: str) -> Metric:
    return Metric(
        name=name,
        summary=summary,
        compute=partial(Lazy(f"{HERE}.confusion:score_overlap"), name),
        needs=ANNOTATED,
        direction="up",
        reference=reference,
        deviation="0 on 200 random masks, per image and pooled",
    )


MASKS = [
    _overlap("iou", "Intersection over union of the foreground", "sklearn.metrics.jaccard_score"),
    _overlap("dice", "2 TP / (2 TP + FP + FN) of the foreground", "sklearn.metrics.f1_score"),
    _overlap("acc", "Share of pixels whose side is right", "sklearn.metrics.accuracy_score"),
    _overlap(
        "miou",
        "Mean IoU of foreground and background",
        "sklearn.metrics.jaccard_score(average='macro')",
    ),
    Metric(
        name="ari",
        summary="Adjusted Rand index over all pixels; blind to an inverted mask",
        compute=Lazy(f"{HERE}.partitions:score_ari"),
        needs=ANNOTATED,
        direction="up",
        range=(-0.5, 1.0),
        reference="sklearn.metrics.adjusted_rand_score",
        deviation="6e-17 on 200 label maps",
    ),
    Metric(
        name="ari-fg",
        summary="Adjusted Rand index over the pixels of the true objects, where images hold several",
        compute=Lazy(f"{HERE}.partitions:score_ari_fg"),
        needs=frozenset({"predicted_masks", "instances", "ignored"}),
        direction="up",
        range=(-0.5, 1.0),
        reference="sklearn.metrics.adjusted_rand_score",
        deviation="6e-17 on 200 label maps",
    ),
    Metric(
        name="msc",
        summary="Mean segmentation covering of the true segments, background included; blind to an inverted mask",
        compute=Lazy(f"{HERE}.partitions:score_msc"),
        needs=ANNOTATED,
        direction="up",
        reference="best sklearn.metrics.jaccard_score of each true segment, averaged",
        deviation="0 on 20 label maps",
    ),
]
