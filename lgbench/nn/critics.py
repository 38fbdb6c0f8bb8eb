"""ComGAN's batch-normalised critics."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

__all__ = ["BNTrunk", "CodeCritic", "Critic"]


class BNTrunk(nn.Sequential):
    """Stride-2 convolutions down to 4 x 4, then one 3/1/1; (N, channels, R, R) -> (N, 8d, 4, 4).

    Widths d, 2d, 4d, 8d, 8d for R = 128; one stride-2 convolution less for each halving of R. No biases, LeakyReLU 0.2,
    batch norm on all but the first.
    """

    def __init__(self, resolution: int, d: int, channels: int = 3) -> None:
        widths = [d, 2 * d, 4 * d, *[8 * d] * 8][: int(math.log2(resolution // 4))]
        layers: list[nn.Module] = [nn.Conv2d(channels, d, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for i, o in pairwise(widths):
            layers += [nn.Conv2d(i, o, 4, 2, 1, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(widths[-1], 8 * d, 3, 1, 1, bias=False), nn.BatchNorm2d(8 * d), nn.LeakyReLU(0.2)]
        super().__init__(*layers)


class Critic(nn.Module):
    """Real or generated? (N, channels, R, R) in [-1, 1] -> (N,) logits."""

    def __init__(self, resolution: int, d: int = 32, channels: int = 3) -> None:
        super().__init__()
        self.trunk = BNTrunk(resolution, d, channels)
        self.head = nn.Conv2d(8 * d, 1, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x)).flatten()


class CodeCritic(nn.Module):
    """Which code was it painted from? (N, channels, R, R) in [-1, 1] -> (N, classes) logits."""

    def __init__(self, resolution: int, classes: int, d: int = 64, channels: int = 3) -> None:
        super().__init__()
        self.trunk = BNTrunk(resolution, d, channels)
        self.head = nn.Sequential(
            nn.Conv2d(8 * d, 8 * d, 3, 1, 1, bias=False),
            nn.BatchNorm2d(8 * d),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8 * d, classes, 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x)).flatten(1)
