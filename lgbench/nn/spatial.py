"""Moving pictures about."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["warp"]


def warp(x: Tensor, pose: Tensor, align_corners: bool = True) -> Tensor:
    """Resample pictures through an affine map; bilinear, zeros outside.

    Args:
        x: (N, C, H, W).
        pose: (N, 2, 3), from *output* to *source* coordinates in [-1, 1], order (x, y): a diagonal of 1.2 shrinks the
            picture to 1 / 1.2 of the canvas.
        align_corners: whether -1 and 1 are the centres of the border pixels (LR-GAN) or their outer edges.

    Returns:
        (N, C, H, W), float32.
    """
    with torch.autocast(x.device.type, enabled=False):  # sampling positions need more than eight bits
        grid = F.affine_grid(pose.float(), list(x.shape), align_corners)
        return F.grid_sample(x.float(), grid, "bilinear", "zeros", align_corners)
