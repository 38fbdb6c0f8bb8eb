"""How far perturbations go: ranges of affine maps and of contrast."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .moves import pose

__all__ = ["AffineRange", "jitter_contrast"]


@dataclass(frozen=True, slots=True)
class AffineRange:
    """Ranges of the affine maps that foregrounds go through.

    Attributes:
        translate: largest shift along each axis, as a share of the side ("side") or in grid coordinates of [-1, 1]
            ("grid"), half as far.
        shrink, grow: log2 of the scale lies between -shrink and grow; a negative `grow` always shrinks.
        rotate: largest angle, degrees.
    """

    translate: float = 0.125
    shrink: float = 0.2
    grow: float = 0.2
    rotate: float = 0.0
    unit: Literal["side", "grid"] = "side"

    @property
    def size(self) -> int:
        """How many numbers describe one map: t_x, t_y, angle, log2 scale, without those that never change."""
        return 2 * bool(self.translate) + bool(self.rotate) + (self.shrink != -self.grow)

    def poses(self, eps: Tensor) -> Tensor:
        """Numbers in [-1, 1], (N, size), to the poses (N, 2, 3) for `move`; 0 is the middle of each range."""
        parts = iter(eps.float().unbind(dim=1))
        none = eps.new_zeros(len(eps), dtype=torch.float32)
        reach = self.translate * (2 if self.unit == "side" else 1)  # the grid spans two units
        t_x, t_y = (reach * next(parts), reach * next(parts)) if self.translate else (none, none)
        angle = math.radians(self.rotate) * next(parts) if self.rotate else none
        middle, half = (self.grow - self.shrink) / 2, (self.grow + self.shrink) / 2
        return pose(t_x, t_y, angle, middle + half * next(parts) if half else none + middle)

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Poses of `n` maps with uniform parameters, by torch's global random state."""
        return self.poses(2 * torch.rand(n, self.size, device=device) - 1)


def jitter_contrast(background: Tensor, factors: Tensor) -> Tensor:
    """Contrast of each image times a factor around each channel's mean, kept in the channel's own range (PerturbGAN).

    Args:
        background: (N, 3, H, W).
        factors: (N,), 1 for no change.
    """
    mean, low, high = (
        background.mean(dim=(2, 3), keepdim=True),
        background.amin(dim=(2, 3), keepdim=True),
        background.amax(dim=(2, 3), keepdim=True),
    )
    return ((background - mean) * factors[:, None, None, None] + mean).clamp(low, high)
