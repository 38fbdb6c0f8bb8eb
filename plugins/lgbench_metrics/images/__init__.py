"""Samples beside real images: Frechet distances, Inception score."""

from __future__ import annotations

import math
from functools import partial

from lgbench import Lazy, Metric

__all__ = ["IMAGES"]

HERE = "lgbench_metrics.images"

DISTANCES = {
    "fid": ("inception", "Frechet distance of Inception-v3 features (the original TensorFlow weights)"),
    "fid-squeezenet": ("squeezenet", "Frechet distance of SqueezeNet 1.1 features; not comparable with FID"),
    "fid-random": ("random", "Frechet distance of a fixed untrained network's features; not comparable with FID"),
}


def _frechet(name: str, summary: str, part: str, direction: str) -> Metric:
    return Metric(
        name=name,
        summary=summary,
        compute=partial(Lazy(f"{HERE}.frechet:frechet"), part),
        needs=frozenset({part}),
        direction="up" if direction == "up" else "down",
        range=(0.0, math.inf),
        reference="torch_fidelity.metric_fid.fid_statistics_to_metric",
        deviation="relative 1e-6 given the same features; 1e-7 of the covariances' traces at any rank",
    )


IMAGES = [
    *(_frechet(name, told, f"moments/{extractor}", "down") for name, (extractor, told) in DISTANCES.items()),
    # milgan, Table 1: background layers without objects are far from images; a distance near the FID says all_bg.
    *(
        _frechet(f"bg-{name}", f"{told}, of background layers", f"background-moments/{extractor}", "up")
        for name, (extractor, told) in DISTANCES.items()
    ),
    Metric(
        name="is",
        summary="Inception score of the samples over 10 splits (the original TensorFlow weights)",
        compute=Lazy(f"{HERE}.classifiers:score_inception"),
        needs=frozenset({"probabilities/inception"}),
        direction="up",
        range=(1.0, 1008.0),
        reference="torch_fidelity.metric_isc.isc_features_to_metric(shuffle=False)",
        deviation="relative 6e-16 on 10 to 3000 images, 2 to 1008 classes",
    ),
]
