"""Critics: ComGAN's with batch norm, FineGAN's with spectral norm."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .narrow import Conv

__all__ = ["BNTrunk", "Critic", "SNCodeCritic", "SNCritic", "SNTrunk", "activations", "sn_code_head"]


class BNTrunk(nn.Sequential):
    """Stride-2 convolutions down to 4 x 4, then one 3/1/1; (N, channels, R, R) -> (N, 8d, 4, 4).

    Widths d, 2d, 4d, 8d, 8d for R = 128; one stride-2 convolution less for each halving of R. No biases, LeakyReLU 0.2,
    batch norm on all but the first; without `norm` biases in its place, for losses that differentiate the critic.
    """

    def __init__(self, resolution: int, d: int, channels: int = 3, norm: bool = True) -> None:
        widths = [d, 2 * d, 4 * d, *[8 * d] * 8][: int(math.log2(resolution // 4))]
        layers: list[nn.Module] = [Conv(channels, d, 4, 2, 1, bias=not norm), nn.LeakyReLU(0.2)]
        for i, o in pairwise(widths):
            layers += [Conv(i, o, 4, 2, 1, bias=not norm), *_norm(o, norm), nn.LeakyReLU(0.2)]
        layers += [Conv(widths[-1], 8 * d, 3, 1, 1, bias=not norm), *_norm(8 * d, norm), nn.LeakyReLU(0.2)]
        super().__init__(*layers)


def _norm(width: int, norm: bool) -> list[nn.Module]:
    return [nn.BatchNorm2d(width)] if norm else []


class Critic(nn.Module):
    """Real or generated? (N, channels, R, R) in [-1, 1] -> (N,) logits."""

    def __init__(self, resolution: int, d: int = 32, channels: int = 3, norm: bool = True) -> None:
        super().__init__()
        self.trunk = BNTrunk(resolution, d, channels, norm)
        self.head = nn.Conv2d(8 * d, 1, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x)).flatten()

    def features(self, x: Tensor) -> list[Tensor]:
        """What it sees in images, after each of its trunk's convolutions; the last is (N, 8d, 4, 4)."""
        return activations(self.trunk, x)


def activations(trunk: nn.Sequential, x: Tensor) -> list[Tensor]:
    """What leaves each LeakyReLU of a stack of convolutions."""
    seen = []
    for part in trunk:
        x = part(x)
        if isinstance(part, nn.LeakyReLU):
            seen.append(x)
    return seen


class SNTrunk(nn.Sequential):
    """Spectrally normalised convolutions, no batch norm (milgan, ELGAN); (N, channels, R, R) -> (N, 8d, 4, 4).

    Stride-2 convolutions of widths d, 2d, 4d, ... down to 4 x 4, then one 3/1/1 to 8d: six blocks at 128 px. Biases,
    LeakyReLU 0.2 after each.
    """

    def __init__(self, resolution: int, d: int, channels: int = 3) -> None:
        widths = [channels, *(d << k for k in range(int(math.log2(resolution // 4))))]
        blocks = [_sn_block(nn.Conv2d(i, o, 4, 2, 1)) for i, o in pairwise(widths)]
        super().__init__(*blocks, _sn_block(nn.Conv2d(widths[-1], 8 * d, 3, 1, 1)))


def _sn_block(conv: nn.Conv2d) -> nn.Sequential:
    nn.init.orthogonal_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return nn.Sequential(spectral_norm(conv), nn.LeakyReLU(0.2))


def _sn_last(conv: nn.Conv2d) -> nn.Module:
    return _sn_block(conv)[0]


def sn_code_head(d: int, classes: int) -> nn.Sequential:
    """Two layers on an `SNTrunk`: (N, 8d, 4, 4) -> (N, classes, 1, 1) logits, or means of a Gaussian code."""
    return nn.Sequential(_sn_block(nn.Conv2d(8 * d, 8 * d, 3, 1, 1)), _sn_last(nn.Conv2d(8 * d, classes, 4)))


class SNCritic(nn.Module):
    """Real or generated? (N, 3, R, R) in [-1, 1] -> (N,) unbounded scores."""

    def __init__(self, resolution: int, d: int = 64) -> None:
        super().__init__()
        self.trunk = SNTrunk(resolution, d)
        self.head = _sn_last(nn.Conv2d(8 * d, 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x)).flatten()

    def features(self, x: Tensor) -> list[Tensor]:
        """What it sees in images: outputs of its first four blocks, for perceptual distances."""
        seen = []
        for block in list(self.trunk)[:4]:
            x = block(x)
            seen.append(x)
        return seen


class SNCodeCritic(nn.Module):
    """Which code was it painted from? (N, channels, R, R) -> (N, classes), by a trunk of its own."""

    def __init__(self, resolution: int, classes: int, d: int = 64, channels: int = 1) -> None:
        super().__init__()
        self.trunk = SNTrunk(resolution, d, channels)
        self.head = sn_code_head(d, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x)).flatten(1)
