"""LR-GAN's parts: trunks of fractional convolutions, the pose head, the context encoder, the critic."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from lgbench.nn import activations

__all__ = ["ContextEncoder", "Critic", "Pose", "conv_stack", "trunk", "widths"]


def widths(base: int, resolution: int, floor: int) -> list[int]:
    """Channels at 4, 8, ..., resolution / 2: `base`, halving at each doubling, never below `floor`."""
    return [max(base >> k, floor) for k in range(int(math.log2(resolution // 4)))]


def trunk(nz: int, channels: list[int], bias: bool) -> nn.Sequential:
    """(N, nz, 1, 1) -> (N, channels[-1], R / 2, R / 2); each layer a fractional convolution, batch norm, ReLU."""
    layers: list[nn.Module] = [nn.ConvTranspose2d(nz, channels[0], 4, 1, 0, bias=bias)]
    for i, o in pairwise(channels):
        layers += [nn.BatchNorm2d(i), nn.ReLU(inplace=True), nn.ConvTranspose2d(i, o, 4, 2, 1, bias=bias)]
    return nn.Sequential(*layers, nn.BatchNorm2d(channels[-1]), nn.ReLU(inplace=True))


class Pose(nn.Module):
    """T_f: a code (N, nz) -> affine matrices (N, 2, 3) in source coordinates, clamped.

    The linear map starts at zero with the diagonal at `min_scale`: the inclusive lower bound, which passes gradients.
    """

    low: Tensor
    high: Tensor

    def __init__(self, nz: int, min_scale: float, max_scale_ratio: float, rot: float | None, clamp: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(nz, 6)
        s, big, r = min_scale, min_scale * max_scale_ratio, math.inf if rot is None else rot
        self.clamp, self.min_scale = clamp, min_scale
        self.register_buffer("low", torch.tensor([s, -r, -1, -r, s, -1]), persistent=False)
        self.register_buffer("high", torch.tensor([big, r, 1, r, big, 1]), persistent=False)
        self.reset()

    @property
    def range(self) -> tuple[Tensor, Tensor]:
        """Lowest and highest entries of the matrices, (2, 3) each."""
        ends = self.low.view(2, 3), self.high.view(2, 3)
        return ends if self.clamp else (torch.full_like(ends[0], -math.inf), torch.full_like(ends[1], math.inf))

    def reset(self) -> None:
        """Every pose diag(min_scale), for any code."""
        nn.init.zeros_(self.linear.weight)
        with torch.no_grad():
            self.linear.bias.copy_(self.min_scale * torch.eye(2, 3).flatten())

    def forward(self, y: Tensor) -> Tensor:
        with torch.autocast(y.device.type, enabled=False):  # eight bits would round 1.2 off its bound
            a = self.linear(y.float())
        if self.clamp:
            a = a.clamp(self.low, self.high)
        return a.view(-1, 2, 3)


class ContextEncoder(nn.Module):
    """What lies below, for the next foreground: E_f^l([h, E_f^c(P_f^c(trunk features))]).

    Args of `forward`: h (N, nz) and features (N, c, R / 2, R / 2); returns (N, nz).
    """

    def __init__(self, c: int, side: int, nz: int) -> None:
        super().__init__()
        pools: list[nn.Module] = []
        while side > 2:
            pools += [nn.AvgPool2d(4, 2, 1), nn.BatchNorm2d(c), nn.LeakyReLU(0.2)]
            side //= 2
        self.pool = nn.Sequential(*pools, nn.Flatten())
        self.squeeze = nn.Sequential(nn.Linear(4 * c, nz), nn.BatchNorm1d(nz), nn.Tanh())
        self.join = nn.Sequential(nn.Linear(2 * nz, nz), nn.BatchNorm1d(nz), nn.Tanh())

    def forward(self, h: Tensor, features: Tensor) -> Tensor:
        return self.join(torch.cat([h, self.squeeze(self.pool(features))], dim=1))


def conv_stack(resolution: int, channels: int, width: int) -> tuple[nn.Sequential, int]:
    """DCGAN's stride-2 convolutions down to 4 x 4, and their output channels."""
    outs = [width << k for k in range(int(math.log2(resolution // 4)))]
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for i, o in pairwise(outs):
        layers += [nn.Conv2d(i, o, 4, 2, 1, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers), outs[-1]


class Critic(nn.Module):
    """DCGAN's critic; (N, 3, R, R) in [-1, 1] -> (N,) logits. Grey worlds are read from one channel."""

    def __init__(self, resolution: int, channels: int, ndf: int, head: Literal["conv4", "avgpool"]) -> None:
        super().__init__()
        self.channels = channels
        self.trunk, c = conv_stack(resolution, channels, ndf)
        if head == "conv4":
            self.head: nn.Module = nn.Conv2d(c, 1, 4, bias=False)
        else:
            self.head = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(c, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x[:, : self.channels])).flatten()

    def features(self, x: Tensor) -> list[Tensor]:
        """What it sees in images, after each convolution of its trunk; the last is (N, C, 4, 4)."""
        return activations(self.trunk, x[:, : self.channels])
