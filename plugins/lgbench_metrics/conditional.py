"""Metrics of generators that are given class maps or attributes: do their images show what they were given?

Judges and classifiers learn from the real training images alone, once per data set (`lgbench.game.Lesson`).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lgbench import Metric, Part

__all__ = ["conditional_metrics"]


def _lazy(name: str):
    """The function of `judges` with this name, imported when it is called: it imports torch."""

    def call(evidence: Any) -> Any:
        return getattr(import_module(f"{__package__}.judges"), name)(evidence)

    return call


CONDITIONED = Part("conditioned", _lazy("conditioned"), _lazy("conditioned_protocol"))
JUDGE = Part("judge", _lazy("judge"), _lazy("judge_protocol"))
CLASSIFIER = Part("attribute-classifier", _lazy("classifier"), _lazy("classifier_protocol"))


def conditional_metrics() -> list[Metric]:
    """Spatial consistency with its floor and ceiling, attribute accuracy, diversity."""
    return [
        Metric(
            name="spatial-consistency",
            summary="Share of pixels that a judge reads as the class map says; `normalised` from deranged to real",
            compute=_lazy("spatial_consistency"),
            needs=frozenset({"conditioned", "judge"}),
            parts=(CONDITIONED, JUDGE),
            direction="up",
            reference="sklearn.metrics.accuracy_score, jaccard_score",
            deviation="0 on 200 random class maps",
        ),
        Metric(
            name="attribute-accuracy",
            summary="Share of given attributes that a classifier reads; `real` is the same on real images",
            compute=_lazy("attribute_accuracy"),
            needs=frozenset({"conditioned", "attribute-classifier"}),
            parts=(CONDITIONED, CLASSIFIER),
            direction="up",
            reference="sklearn.metrics.accuracy_score",
            deviation="0 on 200 random attributes",
        ),
        Metric(
            name="diversity",
            summary="Mean standard deviation of a pixel over latents, under the same conditions; 0 where none matters",
            compute=_lazy("diversity"),
            needs=frozenset({"conditioned"}),
            parts=(CONDITIONED,),
            direction="up",
            reference="numpy.std",
            deviation="0",
        ),
    ]
