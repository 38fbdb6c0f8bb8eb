"""Feature generators: a latent becomes a feature map."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from .blocks import Act, Stem, Up

__all__ = ["ComGANFeatures", "FineGANFeatures"]


class ComGANFeatures(nn.Module):
    """ComGAN's Phi: a latent (N, nz) -> features at every side, the last (N, g / 4, R, R).

    Widths 8g at 4 x 4, halved at each doubling; the last is g / 4 whatever R is.
    """

    def __init__(self, nz: int, g: int, resolution: int) -> None:
        super().__init__()
        ups = int(math.log2(resolution // 4))
        self.widths = [8 * g >> k for k in range(ups)] + [g // 4]
        self.stem = Stem(nz, 8 * g)
        self.ups = nn.ModuleList(Up(i, o) for i, o in pairwise(self.widths))

    def forward(self, z: Tensor) -> list[Tensor]:
        a = [self.stem(z)]
        for up in self.ups:
            a.append(up(a[-1]))
        return a


class FineGANFeatures(nn.Sequential):
    """FineGAN's first stage: a vector (N, i), latent or [code, latent] -> (N, g, R, R).

    Widths 16g at 4 x 4, halved at each doubling down to g; below 64 px the last one drops to g at once.
    """

    def __init__(self, i: int, g: int, resolution: int, act: Act = "relu") -> None:
        ups = int(math.log2(resolution // 4))
        widths = [max(16 * g >> k, g) for k in range(ups)] + [g]
        super().__init__(Stem(i, 16 * g, act), *(Up(i, o, act) for i, o in pairwise(widths)))
