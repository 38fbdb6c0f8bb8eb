"""Differentiable augmentation of what critics see (Zhao et al., NeurIPS 2020)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from lgbench import ImageSpec
from lgbench.errors import BadRecipe
from lgbench.game import Term
from lgbench.layers import Painter
from lgbench.nn import jitter_colours

from .config import AugmentConfig

__all__ = ["cut_out", "diff_augment", "translate"]


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


def translate(x: Tensor, share: float = 0.125) -> Tensor:
    """DiffAugment's translation: whole pixels, up to a share of the side along each axis, a draw for each image.

    Args:
        x: (N, C, H, W); what moves in is 0.
    """
    n, _, h, w = x.shape
    rows, columns = (_moved(n, side, share, x.device) for side in (h, w))
    framed = pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)  # whatever lies outside is read from the frame
    which = torch.arange(n, device=x.device)[:, None, None]
    return framed[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _moved(n: int, side: int, share: float, device: torch.device) -> Tensor:
    """Where each line of a framed image is read, (N, side) in 0 .. side + 1."""
    most = int(side * share + 0.5)
    shift = torch.randint(-most, most + 1, (n, 1), device=device)
    return (torch.arange(side, device=device) + shift + 1).clamp(0, side + 1)


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
