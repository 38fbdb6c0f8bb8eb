"""Metrics of generators that are given class maps or attributes: do their images show what they were given?

Judges and classifiers learn from the real training images alone, once per data set (`lgbench.game.Lesson`).
"""

from __future__ import annotations

from lgbench import Lazy, Metric, Part

__all__ = ["CONDITIONAL"]

JUDGES = "lgbench_metrics.conditional.judges"

CONDITIONED = Part("conditioned", Lazy(f"{JUDGES}:conditioned"), Lazy(f"{JUDGES}:conditioned_protocol"))
JUDGE = Part("judge", Lazy(f"{JUDGES}:judge"))
CLASSIFIER = Part("attribute-classifier", Lazy(f"{JUDGES}:classifier"))
REGIONS = Part("regions-read", Lazy(f"{JUDGES}:regions_read"), Lazy(f"{JUDGES}:regions_protocol"))
ATTRIBUTES = Part("attributes-read", Lazy(f"{JUDGES}:attributes_read"), Lazy(f"{JUDGES}:attributes_protocol"))

CONDITIONAL = [
    Metric(
        name="spatial-consistency",
        summary="Share of pixels that a judge reads as the class map says; `normalised` from deranged to real",
        compute=Lazy(f"{JUDGES}:spatial_consistency"),
        needs=frozenset({"regions-read"}),
        parts=(CONDITIONED, JUDGE, REGIONS),
        on_request=True,
        direction="up",
        reference="sklearn.metrics.accuracy_score, jaccard_score",
        deviation="0 on 200 random class maps",
    ),
    Metric(
        name="attribute-accuracy",
        summary="Share of given attributes that a classifier reads; `real` is the same on real images",
        compute=Lazy(f"{JUDGES}:attribute_accuracy"),
        needs=frozenset({"attributes-read"}),
        parts=(CONDITIONED, CLASSIFIER, ATTRIBUTES),
        on_request=True,
        direction="up",
        reference="sklearn.metrics.accuracy_score",
        deviation="0 on 200 random attributes",
    ),
    Metric(
        name="diversity",
        summary="Mean standard deviation of a pixel over latents, under the same conditions; 0 where none matters",
        compute=Lazy(f"{JUDGES}:diversity"),
        needs=frozenset({"conditioned"}),
        parts=(CONDITIONED,),
        direction="up",
        reference="numpy.std",
        deviation="0",
    ),
]
