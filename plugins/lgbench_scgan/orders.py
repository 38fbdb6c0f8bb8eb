"""The orders in which SCGAN's generator may be told class map, latent and attributes.

Each is a module (z, c, s) -> (N, channels, R, R) before the tanh: z (N, nz), c (N, attributes), perhaps none, s one-hot
maps (N, segments, R, R). Counts at R = 128, g = 64, nz = 512, 7 segments, 5 attributes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from lgbench.nn import Conv, InstanceNorm

from .networks import ResBlockUp, tile

__all__ = ["ORDERS", "Bottleneck", "MidLevel", "Reversed", "Sizes", "Stepwise"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What each order is built for.

    Attributes:
        side: of the images, pixels.
        segments, attributes: classes of the maps, and attributes.
        nz: size of the latent.
        g: base width.
        channels: of the images; 1 for grey ones.
    """

    side: int
    segments: int
    attributes: int
    nz: int
    g: int
    channels: int = 3


class Stepwise(nn.Module):
    """The paper's: first s, then z at side / 16, then c at side / 4. 12,681,667 parameters."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        g, self.side = sizes.g, sizes.side
        self.encode = encoder([sizes.segments, g, 2 * g, 4 * g, 8 * g])
        self.latent = nn.Linear(sizes.nz, g * (self.side // 16) ** 2)
        self.latent_norm = normed(g)
        self.early = nn.Sequential(ResBlockUp(9 * g, 8 * g), ResBlockUp(8 * g, 4 * g))
        self.late = nn.Sequential(ResBlockUp(4 * g + sizes.attributes, 2 * g), ResBlockUp(2 * g, g))
        self.head = nn.Conv2d(g, sizes.channels, 3, 1, 1)

    def forward(self, z: Tensor, c: Tensor, s: Tensor) -> Tensor:
        at_16th = self.latent(z).unflatten(1, (-1, self.side // 16, self.side // 16))
        h = self.early(torch.cat([self.encode(s), self.latent_norm(at_16th)], dim=1))
        return self.head(self.late(torch.cat([h, tile(c, self.side // 4)], dim=1)))


class Bottleneck(nn.Module):
    """All at side / 16, as the authors trained it. 12,893,379 parameters at every side."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        g, self.side = sizes.g, sizes.side
        self.encode = encoder([sizes.segments, g, 2 * g, 4 * g, 8 * g])
        widths = [8 * g + sizes.nz + sizes.attributes, 8 * g, 4 * g, 2 * g, g]
        self.ups = nn.Sequential(*(ResBlockUp(i, o) for i, o in pairwise(widths)), *normed(g))
        self.head = nn.Conv2d(g, sizes.channels, 3, 1, 1)

    def forward(self, z: Tensor, c: Tensor, s: Tensor) -> Tensor:
        zc = tile(torch.cat([z, c], dim=1), self.side // 16)
        return self.head(self.ups(torch.cat([self.encode(s), zc], dim=1)))


class MidLevel(nn.Module):
    """z at side / 8, c at side / 4; the authors' too. 7,304,899 parameters at every side."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        g, self.side = sizes.g, sizes.side
        self.encode = encoder([sizes.segments, g, 2 * g, 4 * g])
        self.join_z = nn.Conv2d(4 * g + sizes.nz, 8 * g, 3, 1, 1)
        self.early = nn.Sequential(ResBlockUp(8 * g, 4 * g), *normed(4 * g))
        self.join_c = nn.Conv2d(4 * g + sizes.attributes, 4 * g, 3, 1, 1)
        self.late = nn.Sequential(ResBlockUp(4 * g, 2 * g), ResBlockUp(2 * g, g), *normed(g))
        self.head = nn.Conv2d(g, sizes.channels, 3, 1, 1)

    def forward(self, z: Tensor, c: Tensor, s: Tensor) -> Tensor:
        h = self.early(self.join_z(torch.cat([self.encode(s), tile(z, self.side // 8)], dim=1)))
        return self.head(self.late(self.join_c(torch.cat([h, tile(c, self.side // 4)], dim=1))))


class Reversed(nn.Module):
    """First z, then c and s together at side / 4 (section 5.9). 39,476,163 parameters."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        g, self.side = sizes.g, sizes.side
        doublings = int(math.log2(self.side // 16))
        widths = [16 * g, *([16 * g] * 8 + [8 * g, 4 * g])[-doublings:]]
        self.latent = nn.Linear(sizes.nz, 16 * g * 4 * 4)
        self.early = nn.Sequential(*(ResBlockUp(i, o) for i, o in pairwise(widths)), *normed(4 * g))
        self.encode = encoder([sizes.segments, g, 2 * g])
        self.join = nn.Conv2d(6 * g + sizes.attributes, 4 * g, 3, 1, 1)
        self.late = nn.Sequential(ResBlockUp(4 * g, 2 * g), ResBlockUp(2 * g, g), *normed(g))
        self.head = nn.Conv2d(g, sizes.channels, 3, 1, 1)

    def forward(self, z: Tensor, c: Tensor, s: Tensor) -> Tensor:
        h = self.early(self.latent(z).unflatten(1, (-1, 4, 4)))
        return self.head(self.late(self.join(torch.cat([h, tile(c, self.side // 4), self.encode(s)], dim=1))))


ORDERS = {"stepwise": Stepwise, "reversed": Reversed, "bottleneck": Bottleneck, "midlevel": MidLevel}


def encoder(widths: list[int]) -> nn.Sequential:
    """Convolutions 4/2/1, each with instance norm and ReLU: the side halves at each."""
    layers = [layer for i, o in pairwise(widths) for layer in (Conv(i, o, 4, 2, 1), *normed(o))]
    return nn.Sequential(*layers)


def normed(width: int) -> nn.Sequential:
    """Instance norm with scale and shift, then ReLU."""
    return nn.Sequential(InstanceNorm(width), nn.ReLU(inplace=True))
