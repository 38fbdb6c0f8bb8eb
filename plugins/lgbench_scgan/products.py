"""Convolutions of small maps with many channels as matrix products.

Where a convolution makes fewer pixels than it has channels, its arithmetic is less than the way of its weights through
memory, and a CPU's convolutions reorder those at every pass: on 4 x 4 pixels the critic's last one took five times as
long as the product of its patches takes. With channels last the weights already lie as the product reads them; in the
plain layout, and on a GPU, these are torch's own convolutions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from lgbench import nn

__all__ = ["conv", "conv_transpose", "upsampled_conv"]


def conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0) -> Tensor:
    """`F.conv2d`: (N, i, H, W), (o, i, k, k) -> (N, o, H', W')."""
    k = weight.shape[-1]
    sides = [(side + 2 * padding - k) // stride + 1 for side in x.shape[2:]]
    if not _narrow(len(x) * math.prod(sides), weight):
        return F.conv2d(x, weight, bias, stride, padding)
    patches = F.unfold(x, k, padding=padding, stride=stride)  # (N, i k k, H' W')
    patches = patches.view(len(x), -1, k * k, math.prod(sides)).permute(0, 3, 2, 1)
    made = F.linear(patches.flatten(2).flatten(0, 1), _rows(weight).flatten(1), bias)
    return made.view(len(x), *sides, -1).permute(0, 3, 1, 2)


def conv_transpose(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """`F.conv_transpose2d`, the gradient of `conv`: (N, o, H', W'), (o, i, k, k) -> (N, i, H, W)."""
    pixels = x.permute(0, 2, 3, 1).flatten(0, 2)
    if not _narrow(len(pixels), weight):
        return F.conv_transpose2d(x, weight, None, stride, padding)
    k = weight.shape[-1]
    patches = (pixels @ _rows(weight).flatten(1)).view(len(x), -1, k * k, weight.shape[1])
    return _laid(patches.transpose(2, 3), x, k, stride, padding)


def upsampled_conv(h: Tensor, weight: Tensor) -> Tensor:
    """`lgbench.nn.upsampled_conv`: (N, i, H, W), (o, i, 3, 3) -> (N, o, 2H, 2W).

    Each pixel's products with nine taps are summed to its share in the 4 x 4 pixels that it reaches.
    """
    pixels = h.permute(0, 2, 3, 1).flatten(0, 2)
    if not _narrow(len(pixels), weight):
        return nn.upsampled_conv(h, weight)
    products = F.linear(pixels, _rows(weight).flatten(0, 2)).view(len(h), -1, len(weight), 9)
    taps = torch.eye(3, dtype=products.dtype).flip(0)
    sums = F.pad(taps, [0, 0, 0, 1]) + F.pad(taps, [0, 0, 1, 0])  # (4, 3): along one side, the last tap comes first
    return _laid(products @ torch.kron(sums, sums).T, h, 4, 2, 1)


def _narrow(pixels: int, weight: Tensor) -> bool:
    """Whether a product is faster: fewer pixels than channels, and weights that lie as it reads them."""
    return weight.device.type == "cpu" and not weight.is_contiguous() and pixels < len(weight)


def _rows(weight: Tensor) -> Tensor:
    """(o, i, k, k) -> (o, k, k, i), as it lies in memory with channels last."""
    return weight.permute(0, 2, 3, 1)


def _laid(patches: Tensor, x: Tensor, k: int, stride: int, padding: int) -> Tensor:
    """Patches (N, H W, c, k k) of the pixels of x (N, *, H, W), summed where they overlap."""
    sides = [(side - 1) * stride + k - 2 * padding for side in x.shape[2:]]
    return F.fold(patches.permute(0, 2, 3, 1).flatten(1, 2), sides, k, padding=padding, stride=stride)
