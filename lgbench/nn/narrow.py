"""Convolutions of small maps with many channels as matrix products.

Where a convolution makes fewer pixels than it has channels, its arithmetic is less than the way of its weights through
memory, and a CPU's convolutions reorder those at every pass: on 4 x 4 pixels 512 to 1024 channels take four times as
long as the product of their patches. With channels last the weights already lie as the product reads them; in the plain
layout, and on a GPU, these are torch's own convolutions.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Conv", "is_narrow", "laid", "pixels"]


class Conv(nn.Conv2d):
    """`nn.Conv2d` of a square kernel, fast for small maps with many channels too."""

    def forward(self, input: Tensor) -> Tensor:
        weight, k, stride, padding = self.weight, self.kernel_size[0], self.stride[0], int(self.padding[0])
        sides = [(side + 2 * padding - k) // stride + 1 for side in input.shape[2:]]
        if not is_narrow(len(input) * math.prod(sides), weight):
            return F.conv2d(input, weight, self.bias, stride, padding)
        patches = F.unfold(input, k, 1, padding, stride).view(len(input), -1, k * k, math.prod(sides))
        patches = patches.permute(0, 3, 2, 1).flatten(2).flatten(0, 1)  # (N H' W', k k in), as the weights lie
        products = F.linear(patches, pixels(weight).view(len(weight), -1), self.bias)
        return products.view(len(input), *sides, -1).permute(0, 3, 1, 2)


def is_narrow(count: int, weight: Tensor) -> bool:
    """Whether a product is faster: fewer pixels than channels, and weights that lie as it reads them."""
    return weight.device.type == "cpu" and not weight.is_contiguous() and count < len(weight)


def pixels(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N H W, C): as channels last lie in memory, a view."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)


def laid(patches: Tensor, x: Tensor, k: int, stride: int, padding: int) -> Tensor:
    """Patches (N, H W, c, k k), one for each pixel of x (N, *, H, W), summed where they overlap."""
    sides = tuple((side - 1) * stride + k - 2 * padding for side in x.shape[2:])
    return F.fold(patches.permute(0, 2, 3, 1).flatten(1, 2), sides, k, 1, padding, stride)
