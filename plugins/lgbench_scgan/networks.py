"""What the networks of SCGAN and its rivals share: the block that doubles the side, the critic, initial weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench.nn import Conv, InstanceNorm, upsampled_conv
from lgbench.nn.narrow import is_narrow, laid, pixels

__all__ = ["Critic", "ResBlockUp", "tile", "transposed", "xavier_"]


class ResBlockUp(nn.Module):
    """RESBLKUP (Fig. 3): (N, i, H, W) -> (N, o, 2H, 2W). 9oo + 10io + 7o parameters.

    ReLU of the sum of conv 3/1/1, norm, ReLU, nearest x2, conv 3/1/1, norm, and of nearest x2, conv 1/1/0.

    Args:
        norm: of so many channels: `InstanceNorm` (SCGAN) or nn.BatchNorm2d (its rivals), with scale and shift.
    """

    def __init__(self, i: int, o: int, norm: Callable[[int], nn.Module] = InstanceNorm) -> None:
        super().__init__()
        self.first, self.first_norm = Conv(i, o, 3, 1, 1), norm(o)
        self.second, self.second_norm = nn.Conv2d(o, o, 3, 1, 1), norm(o)
        self.shortcut = nn.Conv2d(i, o, 1)

    def forward(self, h: Tensor) -> Tensor:
        main = F.relu(self.first_norm(self.first(h)))
        main = upsampled_conv(main, self.second.weight)
        main = main + self.second.bias[:, None, None].to(main.dtype)  # pyright: ignore  an fp32 sum costs twice as much
        # a convolution 1/1/0 and nearest upsampling commute, and there are fewer pixels before
        shortcut = F.interpolate(self.shortcut(h), scale_factor=2.0, mode="nearest")
        return F.relu(self.second_norm(main) + shortcut)


class Critic(nn.Module):
    """D, down to 2 x 2 without any norm: (N, 3, R, R) in [-1, 1] -> scores (N, 1, 2, 2) and logits (N, attributes).

    log2(R) - 1 stride-2 convolutions of widths d, 2d, 4d, ..., LeakyReLU after each. Neither head has a sigmoid: D_d is
    a critic's score, not a probability, and D_c gives logits. Without attributes there is no classifier, and None.
    """

    def __init__(self, resolution: int, d: int = 64, attributes: int = 0, slope: float = 0.2) -> None:
        super().__init__()
        widths = [3, *(d << k for k in range(int(math.log2(resolution)) - 1))]
        self.bend = slope
        self.trunk = nn.Sequential()
        for i, o in pairwise(widths):
            self.trunk.extend([Conv(i, o, 4, 2, 1), nn.LeakyReLU(slope)])
        self.head = nn.Conv2d(widths[-1], 1, 3, 1, 1, bias=False)
        self.classifier = nn.Conv2d(widths[-1], attributes, 2, bias=False) if attributes else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        h = self.trunk(x)
        logits = None if self.classifier is None else self.classifier(h).flatten(1).float()
        return self.head(h).float(), logits

    def slope(self, x: Tensor) -> Tensor:
        """The gradient of the sum of each image's scores by the image, (N, 3, R, R): what the penalty holds to 1.

        The mean score, which the losses read, then has a slope of 1/4. The critic is piecewise linear: where its
        activations bend is found without a graph, and the slope is a product of its transposed convolutions, whose
        gradient costs half as much as to differentiate twice.
        """
        convs, bends, h = [part for part in self.trunk if isinstance(part, Conv)], [], x
        with torch.no_grad():
            for conv in convs:
                h = F.leaky_relu(conv(h), self.bend)
                bends.append(torch.where(h > 0, 1.0, self.bend))
        g = F.conv_transpose2d(torch.ones_like(h[:, :1]), self.head.weight, padding=1)
        for conv, bend in zip(reversed(convs), reversed(bends), strict=True):
            g = transposed(conv, g * bend)
        return g


def transposed(conv: Conv, x: Tensor) -> Tensor:
    """What stands before `conv`, (N, in, H, W), from what stands behind it: its slope, without the bias.

    Where `Conv` is a product of patches, this is the transposed product, its patches summed where they overlap.
    """
    k, stride, padding = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
    if not is_narrow(x[:, 0].numel(), conv.weight):
        return F.conv_transpose2d(x, conv.weight, None, stride, padding)
    rows = pixels(conv.weight).view(len(conv.weight), -1)  # (out, k k in)
    patches = (pixels(x) @ rows).view(len(x), -1, k * k, conv.in_channels)
    return laid(patches.transpose(2, 3), x, k, stride, padding)


def tile(code: Tensor, side: int) -> Tensor:
    """The same code at each place: (N, d) -> (N, d, side, side)."""
    return code[:, :, None, None].expand(-1, -1, side, side)


def xavier_(network: nn.Module) -> nn.Module:
    """Xavier-uniform weights of convolutions and linear maps; biases stay as torch draws them; in place."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight)
    return network
