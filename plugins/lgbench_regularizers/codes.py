"""A critic that reads codes, by a trunk of its own."""

from __future__ import annotations

from torch import Tensor, nn

from lgbench.nn import BNTrunk, Conv

__all__ = ["CodeCritic"]


class CodeCritic(nn.Module):
    """Which code was it painted from? (N, channels, R, R) in [-1, 1] -> (N, classes) logits."""

    def __init__(self, resolution: int, classes: int, d: int = 64, channels: int = 3) -> None:
        super().__init__()
        self.trunk = BNTrunk(resolution, d, channels)
        self.head = nn.Sequential(
            Conv(8 * d, 8 * d, 3, 1, 1, bias=False),
            nn.BatchNorm2d(8 * d),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8 * d, classes, 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x)).flatten(1)
