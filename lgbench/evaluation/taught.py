"""Has the segmenter learnt what the generator paints? Its masks against the generator's own, on fresh pictures."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lgbench.errors import NotAvailable
from lgbench.game import Game
from lgbench.offers import Part
from lgbench.painting import as_sampled, painted

from .evidence import Evidence, hashes

__all__ = ["FRESH", "LEARNT", "TAUGHT", "untaught"]

FRESH = 500
"""Painted pictures that the segmenter was not taught with."""

LEARNT = 0.85
"""A mean IoU below this, and the segmenter has not learnt: what it lacks says nothing of the generator."""


def untaught(evidence: Evidence) -> bool:
    """Whether a segmenter that was taught has not learnt what the generator paints."""
    agreement = evidence.get("taught")
    taught = evidence.segmenter is not None and len(evidence.segmenter.phases) > 0
    return taught and agreement is not None and float(agreement.mean()) < LEARNT


def _taught(evidence: Evidence) -> np.ndarray:
    """IoU of the segmenter's mask with the generator's own on each of `FRESH` painted pictures, (500,) in [0, 1].

    The generator's own are cut where those that taught were.
    """
    segmenter, run = evidence.segmenter, evidence.run
    if segmenter is None or run.recipe.method.generator is None:
        raise NotAvailable("no segmenter that a generator teaches; segmentation.name chooses one")
    settings = [run.recipe.as_dict()["segmenter"], run.recipe.segmentation.perturbed, segmenter.flipped, segmenter.cut]
    inputs = [hashes(segmenter), settings, evidence.config.threshold, evidence.config.batch, run.recipe.seed]
    return evidence.kept("taught", inputs, partial(_compared, evidence, segmenter))["iou"]


@torch.no_grad()
def _compared(evidence: Evidence, segmenter: Game) -> dict[str, np.ndarray]:
    agreement: list[Tensor] = []
    evidence.run.reporter.stage("taught", FRESH)
    for images, alpha in _pairs(evidence, segmenter):
        with evidence.run.runtime.autocast():
            found = segmenter.segmented(images)
        found = found if found.shape[1] == 1 else 1 - found[:, :1]
        mask, own = found >= evidence.config.threshold, (alpha > segmenter.cut) != segmenter.flipped
        both, either = ((op(mask, own)).sum(dim=(1, 2, 3)) for op in (torch.logical_and, torch.logical_or))
        agreement.append(torch.where(either > 0, both / either.clamp(min=1), 1.0).cpu())
        evidence.run.reporter.advance(min(sum(map(len, agreement)), FRESH))
    return {"iou": torch.cat(agreement)[:FRESH].double().numpy()}


def _pairs(evidence: Evidence, segmenter: Game) -> Iterator[tuple[Tensor, Tensor]]:
    """Painted pictures and the generator's alphas, as the segmenter was taught them."""
    run = evidence.run
    moves = [term.compose for _, _, term in evidence.game.terms if term.compose and run.recipe.segmentation.perturbed]
    seed = run.recipe.seed + 5  # apart from what taught, which goes on from the seed + 1
    reals, batch = evidence.splits["train"], evidence.config.batch
    with as_sampled(segmenter.painter, False, seed):
        for layers in painted(segmenter.painter, FRESH, batch, reals, seed, run.runtime):
            for move in moves:
                layers = move(layers)
            yield layers.image, layers.alpha


def _protocol(evidence: Evidence) -> dict[str, object]:
    cut = evidence.segmenter.cut if evidence.segmenter else 0.5
    return {"samples": FRESH, "threshold": evidence.config.threshold, "cut": None if cut == 0.5 else cut}


TAUGHT = Part("taught", _taught, _protocol)
