"""Predicted masks beside annotated ones: overlap of the foreground, agreement of partitions."""

from __future__ import annotations

from functools import partial

from lgbench import Lazy, Metric, Part

__all__ = ["MASKS"]

HERE = "lgbench_metrics.masks"

ANNOTATED = frozenset({"predicted_masks", "true_masks", "ignored"})

SOFT = frozenset({"predicted_probabilities", "true_masks", "ignored"})

AGREEMENT = Part(
    "agreement",
    Lazy(f"{HERE}.partitions:agreement_of"),
    lambda evidence: evidence.protocol(["predicted_masks"]),  # whether masks or parts were read
)
"""ARI and covering of every image, from one table each."""

SEGMENTS = Part("true_segments", Lazy(f"{HERE}.partitions:true_segments"))
"""Instance maps where the data set has any, else None."""

COMPARED = frozenset({"agreement", "true_masks", "ignored", "predictions", "true_segments"})
"""Besides the agreement, all that it is made from: what is kept with a run is what its metrics name."""


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
        needs=COMPARED,
        parts=(AGREEMENT, SEGMENTS),
        direction="up",
        range=(-0.5, 1.0),
        reference="sklearn.metrics.adjusted_rand_score",
        deviation="1e-15 on 200 label maps",
    ),
    Metric(
        name="ari-fg",
        summary="Adjusted Rand index over the pixels of the true objects, where images hold several",
        compute=Lazy(f"{HERE}.partitions:score_ari_fg"),
        needs=frozenset({"predicted_parts", "instances", "ignored"}),
        direction="up",
        range=(-0.5, 1.0),
        reference="sklearn.metrics.adjusted_rand_score",
        deviation="1e-15 on 200 label maps",
    ),
    Metric(
        name="msc",
        summary="Mean segmentation covering of the true segments, background included; blind to an inverted mask",
        compute=Lazy(f"{HERE}.partitions:score_msc"),
        needs=COMPARED,
        parts=(AGREEMENT, SEGMENTS),
        direction="up",
        reference="best sklearn.metrics.jaccard_score of each true segment, averaged",
        deviation="0 on 20 label maps",
    ),
    Metric(
        name="instance-iou",
        summary="Mean over true objects of the IoU with the predicted part that Hungarian matching gives them",
        compute=Lazy(f"{HERE}.objects:score_instance_iou"),
        needs=frozenset({"predicted_parts", "instances", "ignored"}),
        direction="up",
        reference="the best of all assignments, tried one by one",
        deviation="0 on 60 label maps",
    ),
    Metric(
        name="boundary-f",
        summary="F of boundary pixels within 0.008 of the diagonal of the other mask's, and within 1 pixel at least",
        compute=Lazy(f"{HERE}.boundaries:score_boundary_f"),
        needs=ANNOTATED,
        direction="up",
        reference="distances between all boundary pixels",
        deviation="0 on 40 masks",
    ),
    Metric(
        name="max-f",
        summary="Largest mean F (beta squared 0.3) of soft masks among 255 thresholds, chosen on the true masks",
        compute=Lazy(f"{HERE}.soft:score_max_f"),
        needs=SOFT,
        direction="up",
        reference="sklearn.metrics.fbeta_score",
        deviation="1e-15 on 20 masks, all thresholds",
    ),
    Metric(
        name="mae",
        summary="Mean |probability - mask| of soft masks",
        compute=Lazy(f"{HERE}.soft:score_absolute_error"),
        needs=SOFT,
        direction="down",
        reference="sklearn.metrics.mean_absolute_error",
        deviation="1e-15 on 20 masks",
    ),
]
