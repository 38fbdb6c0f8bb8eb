"""What a generator's layers look like: diagnostics, none of which is better higher or lower."""

from __future__ import annotations

from lgbench import Lazy, Metric

__all__ = ["LAYERS"]

HERE = "lgbench_metrics.layers.diagnostics"

LAYERS = [
    Metric(
        name="coverage",
        summary="Mean share of a sample that its foregrounds cover",
        compute=Lazy(f"{HERE}:score_coverage"),
        needs=frozenset({"sample_alphas"}),
        direction="none",
        reference="its definition on alphas with known values",
        deviation="1.1e-16 on 50 random alphas",
    ),
    Metric(
        name="binarity",
        summary="Mean 4 a (1 - a) of the samples' alphas: 0 where they are binary, 1 where they are all 0.5",
        compute=Lazy(f"{HERE}:score_binarity"),
        needs=frozenset({"sample_alphas"}),
        direction="none",
        reference="its definition on alphas with known values",
        deviation="0 on 50 random alphas",
    ),
    Metric(
        name="layer-difference",
        summary="Mean |foreground - background| of the samples; near 0 where both layers are one picture",
        compute=Lazy(f"{HERE}:score_layer_difference"),
        needs=frozenset({"layer_difference"}),
        direction="none",
        range=(0.0, 2.0),
        reference="the mean",
        deviation="0",
    ),
    Metric(
        name="taught",
        summary="Mean IoU of the segmenter's masks with the generator's own on 500 fresh painted pictures",
        compute=Lazy(f"{HERE}:score_taught"),
        needs=frozenset({"taught"}),
        direction="none",
        reference="its definition on masks that are shifted by known pixels",
        deviation="0",
    ),
]
