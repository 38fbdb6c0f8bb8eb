"""Moving pictures about."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lgbench.layers import Layers

__all__ = ["shift", "warp"]


def shift(layers: Layers, offsets: Tensor) -> Layers:
    """Every foreground and its alpha by whole pixels, zeros moving in (PerturbGAN); the background stays.

    Args:
        offsets: (N, K, 2) int64, x to the right and y down.
    """
    both = torch.cat([layers.foregrounds, layers.alphas], dim=2)
    for axis, offset in ((4, offsets[..., 0]), (3, offsets[..., 1])):
        side = both.shape[axis]
        source = torch.arange(side, device=both.device) - offset[..., None]  # (N, K, side)
        shape = [*source.shape[:2], 1, 1, 1]
        shape[axis] = side
        source = source.view(shape)
        inside = (source >= 0) & (source < side)
        both = both.gather(axis, source.clamp(0, side - 1).expand_as(both)) * inside
    return layers.recompose(both[:, :, :3], both[:, :, 3:])


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
