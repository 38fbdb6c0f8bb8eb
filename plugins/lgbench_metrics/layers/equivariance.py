"""Does moving a latent paint what moving the foreground does (ELGAN, Eq. 7)?"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.evaluation.parts import sampled
from lgbench.game import Motion
from lgbench.nn import weights_hash
from lgbench.score import Score

__all__ = ["REACHES", "motions", "motions_protocol", "score_equivariance", "squared_errors"]

MOST = 1000  # samples that are moved
REACHES = (0.0, 0.25, 0.5, 0.75, 1.0)  # how far along a random direction, 1 for the end of the range


def motions(evidence: Evidence) -> dict[str, np.ndarray]:
    """Squared errors of samples that are moved by their latents; kept, see `squared_errors`.

    "error" and "still", (N,), for motions as the loss draws them, uniform in [-1, 1]; "error-REACH" and "still-REACH"
    for one random direction a sample, as far along it as `REACHES` says.

    Raises:
        NotAvailable: no term of the method ties latents to motions.
    """
    game, config, run = evidence.game, evidence.config, evidence.run
    evidence["layer_difference"]  # where there are no layers, this says why
    motion = next((term.motion for _, _, term in game.terms if term.motion), None)
    if motion is None:
        raise NotAvailable("nothing ties this method's latents to motions of its foregrounds (Term.motion)")
    networks = [weights_hash(game.every_network[name]) for name in game.stored]
    inputs = [networks, min(config.samples, MOST), config.batch, config.sample_bn, run.recipe.seed]
    return evidence.kept("motions", inputs, partial(_move, evidence, motion))


def _move(evidence: Evidence, motion: Motion) -> dict[str, np.ndarray]:
    random, found = np.random.default_rng(evidence.run.recipe.seed), {}
    for network in evidence.game.every_network.values():
        network.eval()
    for where, layers in sampled(evidence, min(evidence.config.samples, MOST)):
        drawn = random.uniform(-1, 1, (2, len(layers.image), motion.size)).astype(np.float32)
        direction = drawn[1] / np.abs(drawn[1]).max(axis=1, keepdims=True)
        for name, eps in [("", drawn[0]), *((f"-{reach}", reach * direction) for reach in REACHES)]:
            with evidence.run.runtime.autocast():
                by_latent, by_hand = motion.images(layers, torch.from_numpy(eps).to(layers.image.device))
            for kind, image in (("error", by_latent), ("still", layers.image)):
                errors = squared_errors(image, by_hand)[: where.stop - where.start]
                found.setdefault(kind + name, []).append(errors)
    return {name: np.concatenate(rows) for name, rows in found.items()}


def motions_protocol(evidence: Evidence) -> dict[str, object]:
    """As samples are taken, and how many of them are moved."""
    return {**evidence.protocol(["painted"]), "samples": min(evidence.config.samples, MOST)}


def squared_errors(image: Tensor, target: Tensor) -> np.ndarray:
    """Mean squared difference of each image from its target, (N,) float32, images in [-1, 1]."""
    return (image.float() - target.float()).square().flatten(1).mean(dim=1).cpu().numpy()


def score_equivariance(evidence: Evidence) -> Score:
    """The error of moving by the latent, as a share of that of not moving at all: 0 is exact, 1 does nothing.

    Details: `error` and `still`, mean squared differences from the composite whose foreground was moved, and the share
    `at_REACH` along a random direction; at 0 nothing moves, and `error_at_0` is what the offset of no motion paints.

    Raises:
        NotAvailable: moving changes no image: there is no foreground to move.
    """
    found = {name: errors.mean(dtype=np.float64) for name, errors in evidence["motions"].items()}
    if not all(found[f"still-{reach}"] > 0 for reach in REACHES[1:]) or not found["still"] > 0:
        raise NotAvailable("moving the foregrounds changes no image: there is nothing to move, or all of one colour")
    details = {"error": found["error"], "still": found["still"], "error_at_0": found["error-0.0"]}
    details |= {f"at_{reach:g}": found[f"error-{reach}"] / found[f"still-{reach}"] for reach in REACHES[1:]}
    details = {name: float(value) for name, value in details.items()}
    return Score(float(found["error"] / found["still"]), details=details, n=len(evidence["motions"]["error"]))
