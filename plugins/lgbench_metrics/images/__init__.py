"""Samples beside real images: distances, Inception score, neighbours, and how unlike each other samples look."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

from lgbench import Lazy, Metric, Part

__all__ = ["IMAGES"]

HERE = "lgbench_metrics.images"

DISTANCES = {
    "fid": ("inception", "Frechet distance of Inception-v3 features (the original TensorFlow weights)"),
    "fid-squeezenet": ("squeezenet", "Frechet distance of SqueezeNet 1.1 features; not comparable with FID"),
    "fid-random": ("random", "Frechet distance of a fixed untrained network's features; not comparable with FID"),
}


def _reals(extractor: str) -> Part:
    said = Lazy("lgbench.evaluation.parts:which_reals")
    return Part(f"reals/{extractor}", partial(Lazy(f"{HERE}.reals:real_features"), extractor), said)


def _manifolds(extractor: str) -> Part:
    return Part(f"manifolds/{extractor}", partial(Lazy(f"{HERE}.manifolds:manifolds"), extractor))


REALS = {extractor: _reals(extractor) for extractor in ("inception", "squeezenet", "vgg16", "random")}
MANIFOLDS = {extractor: _manifolds(extractor) for extractor in ("vgg16", "squeezenet")}
PROBABILITIES = Part(
    "probabilities/inception",
    lambda evidence: evidence["seen/inception"][1],
    lambda evidence: evidence.protocol(["seen/inception"]),
)
NEIGHBOURS = Part("neighbours", Lazy(f"{HERE}.neighbours:neighbours"))
CRITIC_NEIGHBOURS = Part("critic-neighbours", Lazy(f"{HERE}.neighbours:critic_neighbours"))
CONTEXTUAL = Part("contextual-classifier", Lazy(f"{HERE}.contextual:contextual"))
CONTEXTUAL_POSTERIORS = Part(
    "contextual-posteriors", Lazy(f"{HERE}.contextual:contextual_posteriors"), Lazy(f"{HERE}.contextual:said")
)
CLASS_SAMPLES = Part("class-samples", Lazy(f"{HERE}.adversarial:class_samples"))
CLASS_POSTERIORS = Part(
    "class-posteriors", Lazy(f"{HERE}.adversarial:class_posteriors"), Lazy(f"{HERE}.adversarial:said")
)
REAL_CLASSIFIERS = Part(
    "real-classifiers",
    lambda evidence: evidence["class-posteriors"]["weights"],
    lambda evidence: {"weights": evidence["real-classifiers"]},
)
LPIPS = Part("lpips-network", Lazy(f"{HERE}.perceptual:lpips_network"))
LPIPS_DISTANCES = Part("lpips-distances", Lazy(f"{HERE}.perceptual:distances"), Lazy(f"{HERE}.perceptual:said"))


def _said_of_train(extractor: str, evidence: Any) -> dict[str, object]:
    return {**evidence.protocol([f"seen/{extractor}"]), "split": "train"}


TRAIN_MOMENTS = {
    extractor: Part(
        f"train-moments/{extractor}",
        partial(Lazy(f"{HERE}.reals:train_moments"), extractor),
        partial(_said_of_train, extractor),
    )
    for extractor, _ in DISTANCES.values()
}


def _kid(name: str, extractor: str, network: str) -> Metric:
    return Metric(
        name=name,
        summary=f"Kernel distance of {network} features: squared MMD, 100 subsets of 1,000",
        compute=partial(Lazy(f"{HERE}.kernels:score_kid"), extractor),
        needs=frozenset({f"seen/{extractor}", f"reals/{extractor}"}),
        parts=(REALS[extractor],),
        direction="down",
        range=(-math.inf, math.inf),
        on_request=True,
        reference="torch_fidelity.metric_kid.kid_features_to_metric",
        deviation="relative 1e-9 given the same features in float64",
    )


def _manifold(name: str, extractor: str, which: str, told: str) -> Metric:
    return Metric(
        name=name,
        summary=told,
        compute=partial(Lazy(f"{HERE}.manifolds:score_{which}"), extractor),
        needs=frozenset({f"seen/{extractor}", f"reals/{extractor}", f"manifolds/{extractor}"}),
        parts=(REALS[extractor], MANIFOLDS[extractor]),
        direction="up",
        on_request=True,
        reference="torch_fidelity.metric_prc.prc_features_to_metric",
        deviation="0 on 400 points; balls of any size, copies included, as distances one by one say",
    )


def _two_sample(name: str, extractor: str, network: str) -> Metric:
    return Metric(
        name=name,
        summary=f"Leave-one-out accuracy of the nearest neighbour, real or painted, in {network} features; 0.5 is best",
        compute=partial(Lazy(f"{HERE}.manifolds:score_two_sample"), extractor),
        needs=frozenset({f"seen/{extractor}", f"reals/{extractor}"}),
        parts=(REALS[extractor],),
        direction="none",
        on_request=True,
        reference="distances one by one",
        deviation="0 on 60 points",
    )


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
    # milgan, section 10: its FID is against all images; beside it, that against those which it learns from.
    *(
        replace(
            _frechet(
                f"{name}-train",
                f"{told}, to the training images, whatever else samples are compared with",
                part,
                "down",
            ),
            parts=(TRAIN_MOMENTS[extractor],),
            on_request=True,
        )
        for name, (extractor, told) in DISTANCES.items()
        for part in [f"train-moments/{extractor}"]
    ),
    Metric(
        name="is",
        summary="Inception score of the samples over 10 splits (the original TensorFlow weights)",
        compute=Lazy(f"{HERE}.classifiers:score_inception"),
        needs=frozenset({PROBABILITIES.name}),
        parts=(PROBABILITIES,),
        direction="up",
        range=(1.0, 1008.0),
        reference="torch_fidelity.metric_isc.isc_features_to_metric(shuffle=False)",
        deviation="relative 1e-14 on 10 to 3000 images, 2 to 1008 classes",
    ),
    Metric(
        name="is-real",
        summary="Inception score of as many real images: the row that the samples' is read beside",
        compute=Lazy(f"{HERE}.classifiers:score_real_inception"),
        needs=frozenset({"seen/inception", "reals/inception"}),
        parts=(REALS["inception"],),
        direction="none",
        range=(1.0, 1008.0),
        on_request=True,
        reference="torch_fidelity.metric_isc.isc_features_to_metric(shuffle=False)",
        deviation="relative 1e-14 on 10 to 3000 images, 2 to 1008 classes",
    ),
    Metric(
        name="is-contextual",
        summary="Inception score by a classifier of the data set's own classes, taught on its training images",
        compute=Lazy(f"{HERE}.contextual:score_contextual"),
        needs=frozenset({"samples", "contextual-posteriors"}),
        parts=(CONTEXTUAL, CONTEXTUAL_POSTERIORS),
        direction="up",
        range=(1.0, math.inf),
        on_request=True,
        reference="torch_fidelity.metric_isc.isc_features_to_metric(shuffle=False)",
        deviation="relative 1e-9 of what the classifier says",
    ),
    Metric(
        name="adversarial-accuracy",
        summary="Accuracy on the training images of a classifier that learnt from samples of a generator a class",
        compute=Lazy(f"{HERE}.adversarial:score_accuracy"),
        needs=frozenset({"class-posteriors"}),
        parts=(CLASS_SAMPLES, CLASS_POSTERIORS),
        direction="up",
        on_request=True,
        reference="the share of right answers, counted",
        deviation="relative 1e-6 on 500 images; 1 / K of what knows nothing",
    ),
    Metric(
        name="adversarial-divergence",
        summary="KL from the posteriors of a classifier of real images to one of samples, on the training images",
        compute=Lazy(f"{HERE}.adversarial:score_divergence"),
        needs=frozenset({"class-posteriors", "real-classifiers"}),
        parts=(CLASS_SAMPLES, CLASS_POSTERIORS, REAL_CLASSIFIERS),
        direction="down",
        unit="nats",
        range=(0.0, math.inf),
        on_request=True,
        reference="scipy.stats.entropy(p, q)",
        deviation="relative 1e-12 on 300 images, either way",
    ),
    _kid("kid", "inception", "Inception-v3"),
    _kid("kid-squeezenet", "squeezenet", "SqueezeNet 1.1"),
    _kid("kid-random", "random", "a fixed untrained network's"),
    _manifold("precision", "vgg16", "precision", "Share of samples among real images in VGG16 features, k = 3"),
    _manifold("recall", "vgg16", "recall", "Share of real images among samples in VGG16 features, k = 3"),
    _manifold("precision-squeezenet", "squeezenet", "precision", "The same precision in SqueezeNet 1.1 features"),
    _manifold("recall-squeezenet", "squeezenet", "recall", "The same recall in SqueezeNet 1.1 features"),
    _two_sample("two-sample-1nn", "inception", "Inception-v3"),
    _two_sample("two-sample-1nn-squeezenet", "squeezenet", "SqueezeNet 1.1"),
    _two_sample("two-sample-1nn-random", "random", "a fixed untrained network's"),
    Metric(
        name="1nn",
        summary="Accuracy of the class of the nearest training image in the critic's last features",
        compute=Lazy(f"{HERE}.neighbours:score_critic_neighbours"),
        needs=frozenset({"critic-neighbours"}),
        parts=(CRITIC_NEIGHBOURS,),
        direction="up",
        on_request=True,
        reference="sklearn.neighbors.KNeighborsClassifier(1, metric='cosine')",
        deviation="0 on 200 images",
    ),
    Metric(
        name="memorisation",
        summary="How often a sample is nearer to a training image than a held-out one is; 0.5 is best, 1 copies",
        compute=Lazy(f"{HERE}.neighbours:score_memorisation"),
        needs=frozenset({"samples", "neighbours"}),
        parts=(NEIGHBOURS,),
        direction="none",
        on_request=True,
        reference="sklearn.metrics.roc_auc_score",
        deviation="0: it is scikit-learn's",
    ),
    Metric(
        name="lpips",
        summary="Mean LPIPS distance (SqueezeNet) of samples in pairs; 0 where all look alike",
        compute=Lazy(f"{HERE}.perceptual:score_diversity"),
        needs=frozenset({"samples", "lpips-distances"}),
        parts=(LPIPS, LPIPS_DISTANCES),
        direction="up",
        range=(0.0, math.inf),
        on_request=True,
        reference="its definition, layer by layer",
        deviation="1e-6",
    ),
]
