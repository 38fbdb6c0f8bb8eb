"""Layers of StyleGAN (Karras et al., CVPR 2019) as the public PerturbGAN code has them.

Every weight is stored as N(0, 1) and scaled by sqrt(2 / fan-in) where it is used, so that Adam moves all of them at the
same relative rate (Karras et al., ICLR 2018, Section 4.1).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench.errors import BadRecipe

__all__ = [
    "AdaIN",
    "Blur",
    "CriticBlock",
    "EqualConv2d",
    "EqualLinear",
    "FusedDown",
    "FusedUp",
    "NoiseInjection",
    "StyledBlock",
    "pixel_norm",
    "style_widths",
    "upsampling",
]

FUSED_FROM = 128  # sides from which on resampling and convolution are one operation


def style_widths(width: int, resolution: int) -> list[int]:
    """Channels at the sides 4, 8, ..., `resolution`: `width` up to 32, then halving at each doubling.

    Raises:
        BadRecipe: the resolution is not a power of two from 8 to 1024.
    """
    if resolution not in (8 << k for k in range(8)):
        raise BadRecipe(
            f"The StyleGAN backbone doubles from 8 pixels up to 1024, and {resolution} is not on the way: "
            "set resolution to 8, 16, 32, 64, 128, 256, 512 or 1024."
        )
    sides = [4 << k for k in range(int(math.log2(resolution // 4)) + 1)]
    return [max(width * 32 // max(side, 32), 1) for side in sides]


class EqualConv2d(nn.Module):
    """Equalised convolution; (N, i, H, W) -> (N, o, H', W'). (k^2 i + 1) o parameters."""

    def __init__(self, i: int, o: int, kernel: int, padding: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(o, i, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(o))
        self.gain, self.padding = math.sqrt(2 / (i * kernel**2)), padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.gain * self.weight, self.bias, padding=self.padding)


class EqualLinear(nn.Module):
    """Equalised linear map; (N, i) -> (N, o). (i + 1) o parameters."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(o, i))
        self.bias = nn.Parameter(torch.zeros(o))
        self.gain = math.sqrt(2 / i)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.gain * self.weight, self.bias)


class FusedUp(nn.Module):
    """Nearest upsampling by 2 and conv 3/1/1 in one, divided by 4; (N, i, H, W) -> (N, o, 2H, 2W).

    The division is the public code's: instance normalisation follows and undoes all but the share of noise and bias.
    (9i + 1) o parameters.
    """

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(i, o, 3, 3))
        self.bias = nn.Parameter(torch.zeros(o))
        self.gain = math.sqrt(2 / (9 * i))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, _mean_of_shifts(self.gain * self.weight), self.bias, stride=2, padding=1)


class FusedDown(nn.Module):
    """Conv 3/1/1 and average pooling by 2 in one; (N, i, H, W) -> (N, o, H / 2, W / 2). (9i + 1) o parameters."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(o, i, 3, 3))
        self.bias = nn.Parameter(torch.zeros(o))
        self.gain = math.sqrt(2 / (9 * i))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, _mean_of_shifts(self.gain * self.weight), self.bias, stride=2, padding=1)


def _mean_of_shifts(weight: Tensor) -> Tensor:
    """A kernel of 3 x 3, averaged over its four places in one of 4 x 4."""
    return F.avg_pool2d(F.pad(weight, [1, 1, 1, 1]), 2, stride=1)


class Blur(nn.Module):
    """Binomial 3 x 3 low-pass of each channel, zeros outside; keeps (N, C, H, W)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        kernel = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]) / 16
        self.register_buffer("kernel", kernel[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        c = x.shape[1]
        return F.conv2d(x, self.kernel.expand(c, 1, 3, 3), padding=1, groups=c)


class NoiseInjection(nn.Module):
    """Adds a noise plane (N, 1, H, W) to each channel of (N, C, H, W) by a learned weight, at first 0. C parameters."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(c, 1, 1))
        self.gain = math.sqrt(2 / c)  # the public code equalises these weights like any others

    def forward(self, h: Tensor, noise: Tensor) -> Tensor:
        return h + self.gain * self.weight * noise


class AdaIN(nn.Module):
    """y_s (h - mean) / std + y_b with (y_s, y_b) linear in w (Karras et al., CVPR 2019, Eq. 1). 2c (nz + 1) parameters.

    Mean and deviation are over the pixels of each channel; y_s starts around 1 and y_b around 0.
    """

    def __init__(self, c: int, nz: int) -> None:
        super().__init__()
        self.style = EqualLinear(nz, 2 * c)
        nn.init.ones_(self.style.bias[:c])

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        scale, shift = self.style(w)[:, :, None, None].chunk(2, dim=1)
        return scale * F.instance_norm(h) + shift


class StyledBlock(nn.Module):
    """A synthesis block: what `enter` makes of h, then twice noise, LeakyReLU, AdaIN, with conv 3/1/1 between.

    Args:
        enter: brings features to `o` channels and this block's side; the constant at 4 x 4 needs nothing.
    """

    def __init__(self, enter: nn.Module, o: int, nz: int) -> None:
        super().__init__()
        self.enter = enter
        self.noise1, self.adain1 = NoiseInjection(o), AdaIN(o, nz)
        self.conv = EqualConv2d(o, o, 3, padding=1)
        self.noise2, self.adain2 = NoiseInjection(o), AdaIN(o, nz)

    def forward(self, h: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """Features of the block below, codes (N, nz) and a noise plane (N, 1, H, W) for both places -> (N, o, H, W)."""
        h = self.adain1(F.leaky_relu(self.noise1(self.enter(h), noise), 0.2), w)
        return self.adain2(F.leaky_relu(self.noise2(self.conv(h), noise), 0.2), w)


def upsampling(i: int, o: int, side: int) -> nn.Sequential:
    """(N, i, side / 2, side / 2) -> (N, o, side, side): nearest, conv 3/1/1, blur. (9i + 1) o parameters."""
    if side >= FUSED_FROM:
        return nn.Sequential(FusedUp(i, o), Blur())
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), EqualConv2d(i, o, 3, padding=1), Blur())


class CriticBlock(nn.Module):
    """Conv 3/1/1, blur, conv 3/1/1 and average pooling; (N, i, side, side) -> (N, o, side / 2, side / 2)."""

    def __init__(self, i: int, o: int, side: int) -> None:
        super().__init__()
        self.conv, self.blur = EqualConv2d(i, o, 3, padding=1), Blur()
        if side >= FUSED_FROM:
            self.shrink: nn.Module = FusedDown(o, o)
        else:
            self.shrink = nn.Sequential(EqualConv2d(o, o, 3, padding=1), nn.AvgPool2d(2))

    def forward(self, h: Tensor) -> Tensor:
        h = F.leaky_relu(self.conv(h), 0.2)
        return F.leaky_relu(self.shrink(self.blur(h)), 0.2)


def pixel_norm(z: Tensor) -> Tensor:
    """Latents (N, nz) of root mean square 1 (Karras et al., ICLR 2018, Section 4.2)."""
    return z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
