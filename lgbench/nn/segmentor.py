"""SCGAN's Segmentor (Jiang, Liu, Wu, Fu), which reads class maps off images, and class maps as numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["InstanceNorm", "Segmentor", "one_hot"]


class Segmentor(nn.Sequential):
    """S: what does each pixel show? (N, 3, H, W) in [-1, 1] -> (N, classes, H, W) logits; sides are multiples of 4.

    Two stride-2 convolutions, four residual blocks at a quarter of the side, two transposed convolutions, one more.
    Instance norm and ReLU after each but the last. "small" is the paper's: widths w, 2w, then w and w / 2; 1,482,279
    parameters at 64 and 7 classes. "wide" is the code's: a 7/1/3 stem, widths w to 4w and back; 6,066,048.
    """

    def __init__(self, classes: int, kind: Literal["small", "wide"] = "small", width: int = 64) -> None:
        w = width
        if kind == "small":
            stem, down, up = [], [3, w, 2 * w], [2 * w, w, w // 2]
            last = nn.Conv2d(w // 2, classes, 3, 1, 1)
        else:
            stem, down, up = _normed(nn.Conv2d(3, w, 7, 1, 3, bias=False)), [w, 2 * w, 4 * w], [4 * w, 2 * w, w]
            last = nn.Conv2d(w, classes, 7, 1, 3, bias=False)
        downs = [layer for i, o in pairwise(down) for layer in _normed(nn.Conv2d(i, o, 4, 2, 1, bias=False))]
        blocks = [ResidualBlock(down[-1]) for _ in range(4)]
        ups = [layer for i, o in pairwise(up) for layer in _normed(nn.ConvTranspose2d(i, o, 4, 2, 1, bias=False))]
        super().__init__(*stem, *downs, *blocks, *ups, last)


class ResidualBlock(nn.Module):
    """Two convolutions 3/1/1 with instance norm, added to the input; no activation after the sum."""

    def __init__(self, c: int) -> None:
        super().__init__()
        first = _normed(nn.Conv2d(c, c, 3, 1, 1, bias=False))
        self.main = nn.Sequential(*first, nn.Conv2d(c, c, 3, 1, 1, bias=False), InstanceNorm(c))

    def forward(self, h: Tensor) -> Tensor:
        return h + self.main(h)


class InstanceNorm(nn.GroupNorm):
    """Instance norm with scale and shift, as groups of one channel: one kernel, and half the time on a CPU.

    In the plain layout: in bf16 the kernel for channels last takes six times as long.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.contiguous())


def _normed(conv: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [conv, InstanceNorm(conv.out_channels), nn.ReLU(inplace=True)]


def one_hot(segments: Tensor, classes: int) -> Tensor:
    """Class maps as networks read them; a pixel of no class, such as 255, is 0 in every channel.

    Args:
        segments: (N, H, W) class indices.

    Returns:
        (N, classes, H, W) float32, 0 or 1.
    """
    known = torch.arange(classes, device=segments.device)
    return (segments[:, None] == known[:, None, None]).float()
