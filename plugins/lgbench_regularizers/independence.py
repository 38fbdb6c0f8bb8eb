"""ILSGAN's penalty on what a visible layer tells of the hidden one behind it (Zou et al., AAAI 2023).

A bound on their mutual information (CLUB) with a fixed Laplace or Gaussian likelihood, whose normaliser cancels: hidden
pixels are pushed away from the visible ones of their own sample, and towards those of other samples.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lgbench import ImageSpec, LgbenchError
from lgbench.game import Step, Term
from lgbench.layers import Layers, Painter, paint_over

from .config import IndependenceConfig

__all__ = ["bound", "independence", "layer_independence"]

Distance = Callable[[Tensor, Tensor], Tensor]


def layer_independence(config: IndependenceConfig, painter: Painter, spec: ImageSpec) -> Term:
    """L_ind of the layers as they were painted, before any perturbation."""

    def penalty(step: Step) -> Tensor:
        if len(step.painted.image) < 2:
            raise LgbenchError("layer-independence compares a sample with others: training.batch=2 at least.")
        warm = config.warm_weight if step.share < config.warm_share else 1.0
        return warm * independence(config, step.painted)

    return Term(penalty=penalty)


def independence(config: IndependenceConfig, layers: Layers) -> Tensor:
    """L_ind = B(h_b, v_f) + B(h_f, v_b), scalar; the mean over foregrounds, each over what lies beneath it."""
    found = []
    for k in range(layers.alphas.shape[1]):
        x_b = paint_over(layers.background, layers.foregrounds[:, :k], layers.alphas[:, :k])
        found.append(_of_pair(config, layers.foregrounds[:, k].float(), x_b.float(), layers.alphas[:, k].float()))
    return torch.stack(found).mean()


def _of_pair(config: IndependenceConfig, x_f: Tensor, x_b: Tensor, pi: Tensor) -> Tensor:
    if config.gate:
        x_f, x_b = _within(x_f), _within(x_b)
    if config.form == "l1":
        fixed = pi.detach()
        hidden_b = fixed * (x_b - x_f.detach()).abs()
        hidden_f = (1 - fixed) * (x_f - x_b.detach()).abs()
        return -(hidden_b.mean() + hidden_f.mean())
    pi = pi if config.alpha_grad else pi.detach()
    v_f, h_b, v_b, h_f = pi * x_f, pi * x_b, (1 - pi) * x_b, (1 - pi) * x_f
    if config.detach == "visible":
        v_f, v_b = v_f.detach(), v_b.detach()
    distance = laplace if config.form == "laplace" else gaussian
    n = len(pi)
    return bound(h_b, v_f, torch.randperm(n), distance) + bound(h_f, v_b, torch.randperm(n), distance)


def bound(hidden: Tensor, visible: Tensor, order: Tensor, distance: Distance) -> Tensor:
    """B(h, v) = -mean_i d(h_i, v_i) + mean_i d(h_order(i), v_i), scalar.

    Args:
        hidden, visible: (N, C, H, W).
        order: a permutation of the batch, (N,).
    """
    return distance(hidden[order.to(hidden.device)], visible) - distance(hidden, visible)


def laplace(a: Tensor, b: Tensor) -> Tensor:
    """Mean |a - b|: whatever the resolution, the weight means the same."""
    return (a - b).abs().mean()


def gaussian(a: Tensor, b: Tensor) -> Tensor:
    """Half the mean of (a - b)^2."""
    return (a - b).square().mean() / 2


def _within(x: Tensor) -> Tensor:
    """The layer without gradients where it leaves the range of colours already."""
    return torch.where(x.abs() < 1, x, x.detach())
