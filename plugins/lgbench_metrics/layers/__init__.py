"""What a generator's layers look like, whether they depend on each other, and what their own networks make of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from lgbench import Lazy, Metric, Part
from lgbench_metrics.images import DISTANCES

__all__ = ["LAYERS"]

FOLDER = "lgbench_metrics.layers"
HERE = f"{FOLDER}.diagnostics"


def _as_sampled(evidence: Any) -> Mapping[str, object]:
    """The protocol of what is looked at in the samples."""
    return evidence.protocol(["painted"])


LOOKS = Part("looks", Lazy(f"{FOLDER}.looks:looks"), _as_sampled)
READERS = Part("code-readers", Lazy(f"{FOLDER}.looks:code_readers"))
MOTIONS = Part("motions", Lazy(f"{FOLDER}.equivariance:motions"), Lazy(f"{FOLDER}.equivariance:motions_protocol"))
GRADIENTS = Part("mask-gradients", Lazy(f"{FOLDER}.gradients:mask_gradients"))
POOLED = Part("pooled-layers", Lazy(f"{FOLDER}.dependence:pooled_layers"), _as_sampled)
MINED = Part("layer-mine", Lazy(f"{FOLDER}.mine:layer_mine"), _as_sampled)
POSES = Part("poses", Lazy(f"{FOLDER}.poses:poses"), _as_sampled)

COMPOSED = {
    "swap": "of composites whose foregrounds come from another sample",
    "shift": "of composites whose foregrounds were moved by up to an eighth",
}
RECOMPOSED = {
    way: Part(f"recomposed/{way}", partial(Lazy(f"{FOLDER}.recomposed:recomposed"), way), _as_sampled)
    for way in COMPOSED
}


def _composed(way: str, name: str) -> Metric:
    extractor, told = DISTANCES[name]
    moments = Part(
        f"{way}-moments/{extractor}",
        partial(Lazy(f"{FOLDER}.recomposed:moments"), way, extractor),
        lambda evidence: evidence.protocol([f"moments/{extractor}"]),  # as of the samples themselves
    )
    return Metric(
        name=f"{way}-{name}",
        summary=f"{told}, {COMPOSED[way]}; a gap to {name} says that layers depend on each other",
        compute=partial(Lazy("lgbench_metrics.images.frechet:frechet"), moments.name),
        needs=frozenset({moments.name}),
        parts=(RECOMPOSED[way], moments),
        direction="down",
        range=(0.0, math.inf),
        on_request=True,
        reference="torch_fidelity.metric_fid.fid_statistics_to_metric; composites by hand",
        deviation="relative 1e-6 given the same features",
    )


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
        name="layer-dependence",
        summary="Partial R^2 of what a layer hides given what the other shows, beyond the alpha; 0: independent",
        compute=Lazy(f"{FOLDER}.dependence:score_dependence"),
        needs=frozenset({"pooled-layers"}),
        parts=(POOLED,),
        direction="down",
        on_request=True,
        reference="layers that are one picture, and those of another sample",
        deviation="above 0.9 and below 0.05",
    ),
    Metric(
        name="layer-mine",
        summary="Mutual information, nats, of what a layer hides and what the other shows, by MINE; needs a GPU",
        compute=Lazy(f"{FOLDER}.mine:score_mine"),
        needs=frozenset({"layer-mine"}),
        parts=(MINED,),
        direction="down",
        range=(-math.inf, math.inf),
        on_request=True,
        reference="the information of normals that are correlated",
        deviation="0.1 nats of 1.02",
    ),
    Metric(
        name="leakage",
        summary="How often a background alone looks more real to the critic than an image; 0.5: objects are not missed",
        compute=Lazy(f"{FOLDER}.looks:score_leakage"),
        needs=frozenset({"looks"}),
        parts=(LOOKS,),
        direction="down",
        reference="every pair one by one",
        deviation="1e-15 on 40 pairs with ties",
    ),
    Metric(
        name="leakage-code",
        summary="How often a method's code network reads the foreground's code from the background alone",
        compute=Lazy(f"{FOLDER}.looks:score_code_leakage"),
        needs=frozenset({"looks", "code-readers"}),
        parts=(LOOKS, READERS),
        direction="down",
        on_request=True,
        reference="layers that show their code as a colour",
        deviation="0",
    ),
    Metric(
        name="mi-bound",
        summary="Nats that views tell of codes, a mean of lower bounds (milgan Eq. 4, ComGAN Eq. 8)",
        compute=Lazy(f"{FOLDER}.looks:score_information"),
        needs=frozenset({"looks", "code-readers"}),
        parts=(LOOKS, READERS),
        direction="up",
        unit="nats",
        range=(-math.inf, math.inf),
        on_request=True,
        reference="torch.distributions, and I(c; x) of codes that are seen through noise",
        deviation="1e-6; below the true value by what the network misses",
    ),
    Metric(
        name="equivariance-error",
        summary="Error of moving a foreground by its latent, as a share of not moving it (ELGAN Eq. 7)",
        compute=Lazy(f"{FOLDER}.equivariance:score_equivariance"),
        needs=frozenset({"motions"}),
        parts=(MOTIONS,),
        direction="down",
        range=(0.0, math.inf),
        on_request=True,
        reference="painters that move exactly, not at all, and by half",
        deviation="1e-6",
    ),
    Metric(
        name="pose-ends",
        summary="Share of the poses' numbers at an end of their range; `poses.png` shows how they spread",
        compute=Lazy(f"{FOLDER}.poses:score_poses"),
        needs=frozenset({"poses"}),
        parts=(POSES,),
        direction="none",
        on_request=True,
        reference="poses of known values",
        deviation="0",
    ),
    Metric(
        name="mask-gradient",
        summary="The gradient that masks receive at the end of the training, as a share of what it was at first",
        compute=Lazy(f"{FOLDER}.gradients:score_mask_gradient"),
        needs=frozenset({GRADIENTS.name}),
        parts=(GRADIENTS,),
        direction="none",
        range=(0.0, math.inf),
        on_request=True,
        reference="statistics.median of the first and the last tenth of the log",
        deviation="relative 1e-15 on 40 logs",
    ),
    *(_composed(way, name) for way in COMPOSED for name in DISTANCES),
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
