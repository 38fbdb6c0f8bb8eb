"""The full version's critic: the synthesis network mirrored, and grown beside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .style_layers import CriticBlock, EqualConv2d, EqualLinear, style_widths

__all__ = ["StyleCritic", "minibatch_deviation"]


class StyleCritic(nn.Module):
    """Real or generated? (N, 3, side, side) -> (N,) logits, at the side it has grown to; fully grown when built.

    Built up to `resolution`: 24,267,777 parameters at 64, 25,153,537 at 128, 25,444,737 at 1024.

    Attributes:
        level: index of the side among 8, 16, ..., `resolution`; a buffer, so that checkpoints carry it.
        alpha: how far the newest block has faded in, in [0, 1]; likewise.
    """

    level: Tensor
    alpha: Tensor

    def __init__(self, resolution: int, width: int = 512) -> None:
        super().__init__()
        widths = style_widths(width, resolution)
        self.readers = nn.ModuleList(EqualConv2d(3, o, 1) for o in widths)  # one for each side, 4 first
        self.blocks = nn.ModuleList(
            CriticBlock(widths[k + 1], widths[k], side=8 << k) for k in range(len(widths) - 1)
        )  # 8 first
        c = widths[0]
        self.last = nn.ModuleList([EqualConv2d(c + 1, c, 3, padding=1), EqualConv2d(c, c, 4)])
        self.score = EqualLinear(c, 1)
        self.register_buffer("level", torch.tensor(len(self.blocks) - 1))
        self.register_buffer("alpha", torch.tensor(1.0))

    @property
    def side(self) -> int:
        """Side of the images that it reads now."""
        return 8 << int(self.level)

    def grow(self, level: int, alpha: float) -> None:
        """Read images of side 8 * 2^level; the newest block counts for `alpha` of what those below it read."""
        assert 0 <= level < len(self.blocks)
        assert 0 <= alpha <= 1
        self.level.fill_(level)
        self.alpha.fill_(alpha)

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.features(x)[-1])

    def features(self, x: Tensor) -> list[Tensor]:
        """What it sees in images: outputs of its blocks, the newest first, (N, width, side, side) down to side 4."""
        level, alpha = int(self.level), float(self.alpha)
        assert x.shape[-1] == 8 << level, "the critic and its images have grown apart"
        h = self.blocks[level](self.read(x, level + 1))
        if alpha < 1:
            h = torch.lerp(self.read(F.avg_pool2d(x, 2), level), h, alpha)
        seen = [h]
        for k in reversed(range(level)):
            seen.append(self.blocks[k](seen[-1]))
        return seen

    def read(self, x: Tensor, k: int) -> Tensor:
        """Images of side 4 * 2^k as features, (N, width, side, side)."""
        return F.leaky_relu(self.readers[k](x), 0.2)

    def judge(self, h: Tensor) -> Tensor:
        """Features at 4 x 4, told how much the batch varies -> (N,) logits."""
        varies = minibatch_deviation(h).expand(len(h), 1, 4, 4)
        h = torch.cat([h, varies.to(h.dtype)], dim=1)
        for conv in self.last:
            h = F.leaky_relu(conv(h), 0.2)
        return self.score(h.flatten(1)).flatten()


def minibatch_deviation(h: Tensor) -> Tensor:
    """Deviation over the batch, averaged over all features and pixels (Karras et al., ICLR 2018, Section 3).

    Args:
        h: (N, C, H, W).

    Returns:
        One float32 scalar for the whole batch.
    """
    return (h.float().var(dim=0, unbiased=False) + 1e-8).sqrt().mean()
