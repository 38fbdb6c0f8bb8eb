"""Moving foregrounds over a background that stays: what makes an arbitrary mask visible (PerturbGAN, milgan, ELGAN)."""

from __future__ import annotations

import torch
from torch import Tensor

from lgbench.layers import Layers
from lgbench.nn import warp

__all__ = ["move", "pose"]


def pose(t_x: Tensor, t_y: Tensor, angle: Tensor, log2_scale: Tensor) -> Tensor:
    """A^-1 of A = T R S, the map from output to source coordinates in [-1, 1] (see `lgbench.nn.warp`).

    Args:
        t_x, t_y: shift in grid coordinates, (N,).
        angle: radians, (N,).
        log2_scale: 1 doubles the side of an object, (N,).

    Returns:
        (N, 2, 3).
    """
    cos, sin = angle.cos() * 2**-log2_scale, angle.sin() * 2**-log2_scale
    return torch.stack(
        [
            torch.stack([cos, sin, -cos * t_x - sin * t_y], dim=1),
            torch.stack([-sin, cos, sin * t_x - cos * t_y], dim=1),
        ],
        dim=1,
    )


def move(layers: Layers, poses: Tensor) -> Layers:
    """Every foreground and its alpha through one affine map, composed again over the unmoved background.

    Args:
        poses: (N, K, 2, 3), from output to source; where one is the identity its layer is returned as it is.

    Returns:
        Layers with zeros, hence background, where a moved foreground does not reach.
    """
    f, alpha = layers.foregrounds, layers.alphas
    both = torch.cat([f, alpha], dim=2).float().flatten(0, 1)
    maps = poses.flatten(0, 1)
    same = (maps == torch.eye(2, 3, device=maps.device)).all(dim=(1, 2))
    moved = torch.where(same[:, None, None, None], both, warp(both, maps, align_corners=False))
    moved = moved.unflatten(0, alpha.shape[:2])
    return layers.recompose(moved[:, :, :3], moved[:, :, 3:])
