"""PerturbGAN's lightweight generator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from lgbench import ImageSpec
from lgbench.errors import BadRecipe
from lgbench.layers import Batch, Layers, Painter
from lgbench.nn import ComGANFeatures, Sub, dcgan_, image_head, mask_head, opacity, orthogonal_

from .config import LightConfig

__all__ = ["DCGANCritic", "DCGANFeatures", "LightPainter", "SimpleFeatures"]


class SimpleFeatures(nn.Module):
    """ComGAN's feature generator; a latent (N, nz) -> (N, g / 4, R, R)."""

    def __init__(self, nz: int, g: int, resolution: int) -> None:
        super().__init__()
        self.phi = ComGANFeatures(nz, g, resolution)

    def forward(self, z: Tensor) -> Tensor:
        return self.phi(z)[-1]


class DCGANFeatures(nn.Module):
    """DCGAN's fractional convolutions up to `channels` at R; the last has a bias and no batch norm.

    Widths 8 g at 4 px, 16 g where R is 128 and above, halving at each doubling, never below g.
    """

    def __init__(self, nz: int, g: int, resolution: int, channels: int) -> None:
        super().__init__()
        first = g * (16 if resolution >= 128 else 8)
        widths = [max(first >> k, g) for k in range(int(math.log2(resolution // 4)))]
        layers: list[nn.Module] = [nn.ConvTranspose2d(nz, widths[0], 4, 1, 0, bias=False)]
        for i, o in pairwise(widths):
            layers += [nn.BatchNorm2d(i), nn.ReLU(inplace=True), nn.ConvTranspose2d(i, o, 4, 2, 1, bias=False)]
        last = nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1)
        self.layers = nn.Sequential(*layers, nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True), last)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])


class DCGANCritic(nn.Module):
    """DCGAN's critic; (N, 3, R, R) in [-1, 1] -> (N,) scores. Widths d, 2d, 4d, 8d, 8d, ...; batch norm with `norm`."""

    def __init__(self, resolution: int, d: int = 64, norm: bool = True) -> None:
        super().__init__()
        widths = [min(d << k, 8 * d) for k in range(int(math.log2(resolution // 4)))]
        layers: list[nn.Module] = [nn.Conv2d(3, d, 4, 2, 1, bias=not norm), nn.LeakyReLU(0.2)]
        for i, o in pairwise(widths):
            layers.append(nn.Conv2d(i, o, 4, 2, 1, bias=not norm))
            layers += [nn.BatchNorm2d(o), nn.LeakyReLU(0.2)] if norm else [nn.LeakyReLU(0.2)]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Conv2d(widths[-1], 1, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x)).flatten()


class LightPainter(Painter):
    """One latent for background, foreground and mask. Codes: "z", (N, nz)."""

    def __init__(self, config: LightConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.config, self.channels = config, spec.channels
        if config.g_b and config.n_generators == 1:
            raise BadRecipe(
                "One generator paints all layers: generator.g_b needs generator.n_generators=2 or 3; else set it to 0."
            )
        nz, g, g_b = config.nz, config.g, config.g_b or config.g
        widths = {"b": g_b}
        if config.backbone == "dcgan":
            k = spec.channels
            parts = {1: {"all": 2 * k + 1}, 2: {"b": k, "fm": k + 1}, 3: {"b": k, "f": k, "m": 1}}[config.n_generators]
            self.features = nn.ModuleDict(
                {n: DCGANFeatures(nz, widths.get(n, g), spec.resolution, c) for n, c in parts.items()}
            )
            dcgan_(self)
            return
        names = {1: ["all"], 2: ["b", "fm"], 3: ["b", "f", "m"]}[config.n_generators]
        self.features = nn.ModuleDict(
            {name: SimpleFeatures(nz, widths.get(name, g), spec.resolution) for name in names}
        )
        self.b = _head(config, image_head(g_b // 4, self.channels), g_b, 3)
        self.f = _head(config, image_head(g // 4, self.channels), g, 3)
        self.m = _head(config, mask_head(g // 4), g, 0)
        orthogonal_(self)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, nz)}."""
        return {"z": self.config.z_scale * torch.randn(n, self.config.nz, device=self.device)}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint: x = m f + (1 - m) b."""
        h = {name: net(codes["z"]) for name, net in self.features.items()}
        b, f, m = self._split(h) if self.config.backbone == "dcgan" else self._heads(h)
        b, f = (x.float().expand(-1, 3, -1, -1) for x in (b, f))
        return Layers.compose(b, f[:, None], m[:, None], codes=dict(codes))

    def _heads(self, h: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        b, f, m = (next(h[part] for part in h if part == "all" or layer in part) for layer in "bfm")
        return self.b(b), self.f(f), self.m(m)

    def _split(self, h: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        x, k = torch.cat(list(h.values()), dim=1), self.channels
        return x[:, :k].tanh(), x[:, k : 2 * k].tanh(), opacity(x[:, 2 * k :])


def _head(config: LightConfig, head: nn.Sequential, g: int, blocks: int) -> nn.Sequential:
    """A head, after ComGAN's sub-network where the configuration says so."""
    return nn.Sequential(Sub(g // 4, g // 2, g // 4, blocks), head) if config.heads == "comgan" else head
