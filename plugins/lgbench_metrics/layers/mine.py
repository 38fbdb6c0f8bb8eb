"""The mutual information of layers by MINE (Belghazi et al., ICML 2018), as ILSGAN's release estimates it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.evaluation.parts import sampled
from lgbench.nn import weights_hash
from lgbench.painting import uint8
from lgbench.score import Score

from .dependence import regions, two_layers

__all__ = ["bound", "information", "layer_mine", "score_mine"]

SIDE = 64  # pixels; larger layers are made smaller
HIDDEN, STEPS, BATCH, RATE = 3000, 100_000, 64, 2e-4
EVERY, SHOWN, LAST = 400, 128, 20
SLOW = frozenset({"cpu"})
"""Devices on which nobody would wait for it."""

PAIRS = {"background": ("h_b", "v_f"), "foreground": ("h_f", "v_b"), "whole": ("x_b", "x_f")}
"""What is hidden, and what is visible, by what it is called."""

Pairs = Callable[[Tensor], tuple[Tensor, Tensor]]


def layer_mine(evidence: Evidence) -> dict[str, np.ndarray]:
    """The last 20 estimates, nats, of what hidden "background", hidden "foreground" and "whole" layers tell; kept."""
    evidence["layer_difference"]  # where there are no layers, this says why
    config, device = evidence.config, evidence.run.runtime.device
    if device.type in SLOW:
        raise NotAvailable(
            "layer-mine teaches three networks for 100,000 steps each, which takes a day without a GPU; "
            "layer-dependence asks the same of a CPU"
        )
    if config.samples < SHOWN:
        raise NotAvailable(f"layer-mine needs {SHOWN} samples: set evaluation.samples")
    inputs = [weights_hash(evidence.game.painter), config.samples, config.batch, config.sample_bn]
    return evidence.kept("layer-mine", [*inputs, evidence.run.recipe.seed, STEPS], partial(_estimates, evidence))


def _estimates(evidence: Evidence) -> dict[str, np.ndarray]:
    run, stored = evidence.run, _stored(evidence)
    told = {}
    for number, name in enumerate(PAIRS):
        run.reporter.stage(f"MINE, {name}", STEPS)
        pairs = partial(_pair, stored, name, run.runtime.device)
        told[name] = information(pairs, len(stored), run.recipe.seed + number, run.reporter.advance)
    return told


def _stored(evidence: Evidence) -> Tensor:
    """The last foreground, what lies beneath it, and its alpha, of all samples, (M, 7, side, side) uint8, 255 for 1."""
    rows = []
    for where, layers in sampled(evidence, evidence.config.samples):
        x_f, x_b, pi = two_layers(layers)
        x = torch.cat([(x_f + 1) / 2, (x_b + 1) / 2, pi], dim=1)
        if x.shape[-1] > SIDE:
            x = F.adaptive_avg_pool2d(x, SIDE)
        rows.append(torch.from_numpy(uint8(x))[: where.stop - where.start])
    return torch.cat(rows)


def _pair(stored: Tensor, name: str, device: torch.device, which: Tensor) -> tuple[Tensor, Tensor]:
    """What is hidden and what is visible of some samples, (n, 3 side^2) each; of "whole", both layers."""
    x = stored[which].to(device).float() / 255
    x_f, x_b, pi = 2 * x[:, :3] - 1, 2 * x[:, 3:6] - 1, x[:, 6:]
    seen = {**regions(x_f, x_b, pi), "x_f": x_f, "x_b": x_b}
    hidden, visible = PAIRS[name]
    return seen[hidden].flatten(1), seen[visible].flatten(1)


def bound(together: Tensor, apart: Tensor) -> Tensor:
    """E T(h, v) - log E exp T(h, v_tau), a lower bound of the mutual information in nats; scores (n,) each."""
    return together.mean() - apart.logsumexp(dim=0) + math.log(len(apart))


def information(
    pairs: Pairs, count: int, seed: int, told: Callable[[int], None] = lambda step: None, steps: int = 0
) -> np.ndarray:
    """Teach a network to tell pairs of one sample from mixed ones; its bound at the last 20 looks, (20,) nats.

    A look is a batch of 128, taken every 400 steps; the rate falls to a tenth after ten looks without a better one.

    Args:
        pairs: numbers of samples, (n,) -> their pairs (n, d) and (n, e).
        count: how many samples there are.
        told: is told how many steps are behind.
        steps: 100,000 where none are named.
    """
    steps, chance = steps or STEPS, torch.Generator().manual_seed(seed)
    h, v = pairs(torch.arange(1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(h.shape[1] + v.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
    network = network.to(h.device)

    def look(n: int) -> Tensor:
        h, v = pairs(torch.randint(count, (n,), generator=chance))
        mixed = v[torch.randperm(n, generator=chance).to(v.device)]
        both = network(torch.cat([torch.cat([h, v], dim=1), torch.cat([h, mixed], dim=1)]))[:, 0]
        return bound(both[:n], both[n:])

    adam = torch.optim.Adam(network.parameters(), RATE)
    falls = torch.optim.lr_scheduler.ReduceLROnPlateau(adam, mode="max", factor=0.1, patience=10)
    seen = []
    for step in range(1, steps + 1):
        adam.zero_grad()
        (-look(BATCH)).backward()
        adam.step()
        if step % EVERY == 0:
            with torch.no_grad():
                seen.append(float(look(SHOWN)))
            falls.step(seen[-1])
            told(step)
    return np.array(seen[-LAST:])


def score_mine(evidence: Evidence) -> Score:
    """The mean over what is hidden of background and foreground; details: each, and that of whole layers."""
    found = {name: float(each.mean()) for name, each in evidence["layer-mine"].items()}
    return Score((found["background"] + found["foreground"]) / 2, details=found, n=evidence.config.samples)
