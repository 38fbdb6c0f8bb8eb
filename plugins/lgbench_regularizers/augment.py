"""Differentiable augmentation of what critics see (Zhao et al., NeurIPS 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from lgbench import ImageSpec
from lgbench.errors import BadRecipe
from lgbench.game import Term
from lgbench.layers import Painter
from lgbench.nn import jitter_colours, translate

from .config import AugmentConfig

__all__ = ["cut_out", "diff_augment"]


def diff_augment(config: AugmentConfig, painter: Painter, spec: ImageSpec) -> Term:
    """T(x) for real and painted images alike, in both players' losses (Zhao et al., Eq. 4 and 5).

    Raises:
        BadRecipe: nothing is switched on, or what is painted is bound to what is known of each real image.
    """
    if not (config.colour or config.translate or config.cutout):
        raise BadRecipe("diff-augment does nothing with all its parts off: leave it out.")
    if painter.conditional:
        raise BadRecipe(
            f"diff-augment moves real images away from their {' and '.join(sorted(painter.conditional))}, which this "
            "generator paints from: leave it out."
        )

    def augment(x: Tensor) -> Tensor:
        x = jitter_colours(x) if config.colour else x
        x = translate(x, config.translate) if config.translate else x
        return cut_out(x, config.cutout) if config.cutout else x

    return Term(augment=augment)


def cut_out(x: Tensor, share: float = 0.5) -> Tensor:
    """DiffAugment's cut-out: a rectangle of a share of each side becomes 0, anywhere, partly outside too.

    Args:
        x: (N, C, H, W).
    """
    n, _, h, w = x.shape
    rows, columns = (_inside(n, side, share, x.device) for side in (h, w))
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _inside(n: int, side: int, share: float, device: torch.device) -> Tensor:
    """Which lines a strip covers, (N, side) bool; its middle lies on any line."""
    width = int(side * share + 0.5)
    start = torch.randint(0, side + 1 - width % 2, (n, 1), device=device) - width // 2
    lines = torch.arange(side, device=device)
    return (lines >= start) & (lines < start + width)
