"""What clusters are compared with classes: of every image of all splits, one split after the other."""

from __future__ import annotations

import numpy as np
import torch

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.painting import real_batches

__all__ = ["clusters", "labels"]


def labels(evidence: Evidence) -> np.ndarray:
    """The class of every image, (L,) int."""
    known = [split.labels for split in evidence.whole]
    found = [each[:] for each in known if each is not None]
    if len(found) < len(known):
        raise NotAvailable("no labels in this data set")
    return np.concatenate(found)


@torch.no_grad()
def clusters(evidence: Evidence) -> np.ndarray:
    """The cluster that the game's code network gives each of those, (L,) int."""
    game, run = evidence.game, evidence.run
    if game.cluster is None:
        raise NotAvailable("no code network that clusters images")
    for network in game.networks.values():
        network.eval()
    found = []
    for split in evidence.whole:
        for _, batch in real_batches(split, evidence.config.batch, (), run.runtime):
            with run.runtime.autocast():
                found.append(game.cluster(batch.images).argmax(dim=1).cpu().numpy())
    return np.concatenate(found)
