"""The networks of the authors' code: U-Net, residual translator, and the critic of patches of 70 x 70 pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, zip_longest

import torch
from torch import Tensor, nn

__all__ = ["PatchCritic", "ResNet", "UNet"]


class UNet(nn.Module):
    """pix2pix's translator; (N, i, R, R) -> (N, o, R, R) in [-1, 1], R a power of two.

    log2(R) stride-2 convolutions down to 1 x 1 and as many up, each up-block reading its equal going down as well.
    Widths g, 2g, 4g, 8g, 8g, ...; LeakyReLU 0.2 before each convolution going down, ReLU going up; batch norm after
    each but the first, the innermost and the last.

    Attributes:
        noisy: shapes (C, H, W) of what the inner up-blocks return, where the authors have dropout: from the second
            innermost on, those that stay at 8g.
    """

    def __init__(self, i: int, o: int, resolution: int, g: int = 64) -> None:
        super().__init__()
        depth = int(math.log2(resolution))
        widths = [g * min(2**k, 8) for k in range(depth)]
        first, *between, inner = list(pairwise([i, *widths]))
        self.downs = nn.ModuleList(
            [
                nn.Conv2d(*first, 4, 2, 1, bias=False),
                *(_down(a, b, nn.BatchNorm2d(b)) for a, b in between),
                _down(*inner),
            ]
        )
        rises = [(a if k == 0 else 2 * a, b) for k, (a, b) in enumerate(pairwise(widths[::-1]))]
        self.ups = nn.ModuleList(
            [
                *(_up(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b)) for a, b in rises),
                _up(nn.ConvTranspose2d(2 * g, o, 4, 2, 1)),
            ]
        )
        self.noisy = [(8 * g, 4 << k, 4 << k) for k in range(depth - 5)]

    def forward(self, h: Tensor, factors: Sequence[Tensor] = ()) -> Tensor:
        """Translate pictures; what the `noisy` up-blocks return is multiplied by `factors`."""
        passed = []
        for down in self.downs:
            h = down(h)
            passed.append(h)
        passed.pop()
        for up, factor in zip_longest(self.ups, [None, *factors]):
            h = up(h)
            h = h if factor is None else h * factor
            h = torch.cat([passed.pop(), h], dim=1) if passed else h
        return h.float().tanh()


def _down(i: int, o: int, *norm: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(i, o, 4, 2, 1, bias=False), *norm)


def _up(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(inplace=True), *layers)


class ResNet(nn.Module):
    """CycleGAN's translator; (N, i, R, R) -> (N, o, R, R) in [-1, 1], R divisible by 4.

    Conv 7/1/3 to g, two 3/2/1 to 4g, residual blocks, two transposed 3/2/1, conv 7/1/3. Instance norm without
    parameters and ReLU after each but the last, borders reflected where the stride is 1. Biases throughout.
    """

    def __init__(self, i: int, o: int, g: int = 64, blocks: int = 6) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            *_normed(_reflecting(i, g, 7)),
            *_normed(nn.Conv2d(g, 2 * g, 3, 2, 1)),
            *_normed(nn.Conv2d(2 * g, 4 * g, 3, 2, 1)),
        )
        self.blocks = nn.Sequential(*(_Residual(4 * g) for _ in range(blocks)))
        self.leave = nn.Sequential(
            *_normed(nn.ConvTranspose2d(4 * g, 2 * g, 3, 2, 1, output_padding=1)),
            *_normed(nn.ConvTranspose2d(2 * g, g, 3, 2, 1, output_padding=1)),
            _reflecting(g, o, 7),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.blocks(self.enter(x))).float().tanh()


class _Residual(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_normed(_reflecting(c, c, 3)), _reflecting(c, c, 3), nn.InstanceNorm2d(c))

    def forward(self, h: Tensor) -> Tensor:
        return h + self.layers(h)


def _reflecting(i: int, o: int, size: int) -> nn.Conv2d:
    return nn.Conv2d(i, o, size, padding=size // 2, padding_mode="reflect")


def _normed(conv: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [conv, nn.InstanceNorm2d(conv.out_channels), nn.ReLU(inplace=True)]


class PatchCritic(nn.Sequential):
    """Real or generated, patch by patch? (N, i, R, R), R from 32 up -> (N, 1, R/8 - 2, R/8 - 2) scores.

    Conv 4/2/1 to d, 2d, 4d, 4/1/1 to 8d and to 1: each score looks at 70 x 70 pixels. LeakyReLU 0.2 after each but the
    last, a norm before it after each but the first.

    Args:
        norm: `nn.BatchNorm2d`, whose convolutions have no bias, or `nn.InstanceNorm2d`, whose have.
    """

    def __init__(self, i: int, d: int, norm: type[nn.BatchNorm2d] | type[nn.InstanceNorm2d]) -> None:
        layers: list[nn.Module] = [nn.Conv2d(i, d, 4, 2, 1), nn.LeakyReLU(0.2)]
        for width, stride in ((d, 2), (2 * d, 2), (4 * d, 1)):
            conv = nn.Conv2d(width, 2 * width, 4, stride, 1, bias=norm is nn.InstanceNorm2d)
            layers += [conv, norm(2 * width), nn.LeakyReLU(0.2)]
        super().__init__(*layers, nn.Conv2d(8 * d, 1, 4, 1, 1))
