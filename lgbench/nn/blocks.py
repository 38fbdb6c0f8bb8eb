"""Blocks of the FineGAN family (FineGAN, ComGAN, milgan, ELGAN); activation GLU or, in ELGAN, ReLU.

No convolution has a bias where a batch norm follows. Parameter counts stand beside each block.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .codes import CodeConv
from .gate import Gate
from .narrow import is_narrow, laid, pixels

__all__ = [
    "Act",
    "Next",
    "Opacity",
    "Res",
    "Same",
    "Stem",
    "Sub",
    "Up",
    "image_head",
    "mask_head",
    "opacity",
    "upsampled_conv",
]

Act = Literal["glu", "relu"]


def _gates(act: Act) -> int:
    return 2 if act == "glu" else 1  # a gated unit reads two channels for each that it returns


def _activation(act: Act) -> nn.Module:
    return Gate() if act == "glu" else nn.ReLU(inplace=True)


class Same(nn.Module):
    """Conv 3/1/1, batch norm, activation; (N, i, H, W) -> (N, o, H, W). 18io + 4o parameters (ReLU: 9io + 2o).

    With `classes` > 0 the one-hot map of a class index joins the input in front: (N, classes + i, H, W).
    """

    def __init__(self, i: int, o: int, act: Act = "glu", classes: int = 0) -> None:
        super().__init__()
        width = o * _gates(act)
        self.conv = CodeConv(classes, i, width) if classes else nn.Conv2d(i, width, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.act = _activation(act)

    def forward(self, h: Tensor, code: Tensor | None = None) -> Tensor:
        h = self.conv(h) if code is None else self.conv(h, code)
        return self.act(self.norm(h))


class Up(nn.Module):
    """Nearest upsampling by 2, then `Same`; (N, i, H, W) -> (N, o, 2H, 2W)."""

    def __init__(self, i: int, o: int, act: Act = "glu") -> None:
        super().__init__()
        self.same = Same(i, o, act)

    def forward(self, h: Tensor) -> Tensor:
        return self.same.act(self.same.norm(upsampled_conv(h, self.same.conv.weight)))


def upsampled_conv(h: Tensor, weight: Tensor) -> Tensor:
    """Nearest upsampling by 2 and a 3/1/1 convolution in one: (N, i, H, W), (o, i, 3, 3) -> (N, o, 2H, 2W).

    Each output pixel sees 2 x 2 different input pixels, so four products do what nine would: a transposed convolution
    whose kernel sums the taps that fall on the same pixel; of small maps the products with all taps are summed.
    """
    taps = torch.eye(3, dtype=weight.dtype, device=weight.device).flip(0)
    sums = F.pad(taps, [0, 0, 0, 1]) + F.pad(taps, [0, 0, 1, 0])  # (4, 3): along one side, the last tap comes first
    spread = torch.kron(sums, sums).T  # (9, 16)
    if is_narrow(h[:, 0].numel(), weight):
        products = F.linear(pixels(h), pixels(weight)).view(len(h), -1, len(weight), 9)
        return laid(products @ spread, h, 4, 2, 1)
    kernel = (weight.flatten(2) @ spread).unflatten(2, (4, 4))
    return F.conv_transpose2d(h, kernel.transpose(0, 1), stride=2, padding=1)


class Res(nn.Module):
    """Residual block without an activation after the sum. 27c^2 + 6c parameters (ReLU: 18c^2 + 4c)."""

    def __init__(self, c: int, act: Act = "glu") -> None:
        super().__init__()
        self.same = Same(c, c, act)
        self.conv = nn.Conv2d(c, c, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(c)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.norm(self.conv(self.same(h)))


class Stem(nn.Module):
    """Linear, batch norm, activation; (N, i) -> (N, c, 4, 4). 32c(i + 2) parameters (ReLU: 16c(i + 2))."""

    def __init__(self, i: int, c: int, act: Act = "glu") -> None:
        super().__init__()
        width = c * 16 * _gates(act)
        self.linear = nn.Linear(i, width, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.act = _activation(act)

    def forward(self, z: Tensor) -> Tensor:
        h = self.act(self.norm(self.linear(z)))
        return h.view(len(h), -1, 4, 4)


class Sub(nn.Module):
    """ComGAN's sub-network: Same(i, w), `blocks` x Res(w), Same(w, o); optionally told a class (see `Same`)."""

    def __init__(self, i: int, w: int, o: int, blocks: int, act: Act = "glu", classes: int = 0) -> None:
        super().__init__()
        self.first = Same(i, w, act, classes)
        self.rest = nn.Sequential(*(Res(w, act) for _ in range(blocks)), Same(w, o, act))

    def forward(self, h: Tensor, code: Tensor | None = None) -> Tensor:
        return self.rest(self.first(h, code))


class Next(Sub):
    """FineGAN's next stage, told a code: (N, i, H, W) features -> (N, i / 2, H, W).

    Same(classes + i, i), two Res(i), Same(i, i / 2).
    """

    def __init__(self, i: int, classes: int, act: Act = "relu") -> None:
        super().__init__(i, i, i // 2, 2, act, classes)


def image_head(i: int, channels: int = 3) -> nn.Sequential:
    """Conv 3/1/1 and tanh; (N, i, H, W) -> (N, channels, H, W) in [-1, 1]. 9i parameters a channel."""
    return nn.Sequential(nn.Conv2d(i, channels, 3, 1, 1, bias=False), nn.Tanh())


def mask_head(i: int) -> nn.Sequential:
    """Conv 3/1/1 to one channel and sigmoid; (N, i, H, W) -> (N, 1, H, W) float32 in [0, 1]. 9i parameters."""
    return nn.Sequential(nn.Conv2d(i, 1, 3, 1, 1, bias=False), Opacity())


def opacity(logits: Tensor) -> Tensor:
    """Sigmoid of a mask's logits, any shape, in float32 whatever autocast surrounds it.

    Eight bits hold numbers near 0 far better than those near 1: in bf16 all logits above 6.24 give exactly 1, and no
    gradient ever again, while those below -6.24 go on learning.
    """
    with torch.autocast(logits.device.type, enabled=False):
        return logits.float().sigmoid()


class Opacity(nn.Module):
    """`opacity` as a layer; it has no parameters."""

    def forward(self, logits: Tensor) -> Tensor:
        return opacity(logits)
