"""Composites of layers that were not painted for each other: where they look worse, layers depend on each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from lgbench.evaluation import Evidence
from lgbench.evaluation.parts import sampled
from lgbench.features import moments_of
from lgbench.layers import Layers
from lgbench.nn import shift, weights_hash
from lgbench.painting import uint8
from lgbench.score import Moments

__all__ = ["WAYS", "moments", "recomposed", "shifted", "swapped"]

REACH = 0.125  # of the side: how far PerturbGAN moves its foregrounds


def swapped(layers: Layers, random: np.random.Generator) -> Layers:
    """The foregrounds and alphas of another sample of the batch, over each background."""
    return layers.recompose(layers.foregrounds.roll(1, dims=0), layers.alphas.roll(1, dims=0))


def shifted(layers: Layers, random: np.random.Generator) -> Layers:
    """All foregrounds and alphas of a sample moved together, by whole pixels up to an eighth of the side each way."""
    n, k, side = *layers.alphas.shape[:2], layers.image.shape[-1]
    offsets = np.round(random.uniform(-REACH * side, REACH * side, (n, 1, 2))).astype(np.int64)
    return shift(layers, torch.from_numpy(offsets).to(layers.image.device).expand(n, k, 2))


WAYS: dict[str, Callable[[Layers, np.random.Generator], Layers]] = {"swap": swapped, "shift": shifted}


def recomposed(way: str, evidence: Evidence) -> np.ndarray:
    """The samples, (M, 3, R, R) uint8, composed otherwise, in one of `WAYS`; kept."""
    evidence["layer_difference"]  # where there are no layers, this says why
    config, run = evidence.config, evidence.run
    how = [config.samples, config.batch, config.sample_bn, run.recipe.seed]
    inputs = [weights_hash(evidence.game.painter), *how]
    return evidence.kept(f"samples-{way}", inputs, partial(_compose, way, evidence))["images"]


def moments(way: str, extractor: str, evidence: Evidence) -> tuple[Moments, Moments]:
    """Moments of the real images, and of the samples composed otherwise."""
    images = evidence[f"recomposed/{way}"]  # first: where there are none, no network is loaded
    found = moments_of(images, evidence[f"extractor/{extractor}"])
    return evidence[f"real-moments/{extractor}"], found


def _compose(way: str, evidence: Evidence) -> dict[str, np.ndarray]:
    count, side = evidence.config.samples, evidence.run.recipe.resolution
    images, random = np.empty((count, 3, side, side), np.uint8), np.random.default_rng(evidence.run.recipe.seed)
    for where, layers in sampled(evidence, count):
        composed = uint8((WAYS[way](layers, random).image.float() + 1) / 2)
        images[where] = composed[: where.stop - where.start]
    return {"images": images}
