"""The full version's painter: StyleGAN generators for the background and for the object, grown side by side."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.errors import BadRecipe
from lgbench.layers import Batch, Layers, Painter
from lgbench.nn import opacity

from .config import StyleConfig
from .style_layers import EqualConv2d, EqualLinear, StyledBlock, pixel_norm, style_widths, upsampling

__all__ = ["StyleMapping", "StylePainter", "StyleSynthesis"]


class StyleMapping(nn.Module):
    """z (N, nz) -> w (N, nz): eight linear maps with LeakyReLU. 8 nz (nz + 1) parameters, 2,101,248 at nz = 512.

    It is meant to learn at 0.01 times the rate of the synthesis, which is its optimizer's to do.
    """

    def __init__(self, nz: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EqualLinear(nz, nz) for _ in range(8))

    def forward(self, z: Tensor) -> Tensor:
        w = pixel_norm(z)
        for layer in self.layers:
            w = F.leaky_relu(layer(w), 0.2)
        return w


class StyleSynthesis(nn.Module):
    """A learned constant, grown block by block; each side has a head of its own that shows what is there.

    Args:
        channels: what the heads paint: 3, 4 (colour and mask) or 7 (both colours and mask).
        widths: features at the sides 4, 8, ...
    """

    def __init__(self, channels: int, widths: list[int], nz: int) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.blocks = nn.ModuleList([StyledBlock(nn.Identity(), widths[0], nz)])
        for k in range(1, len(widths)):
            i, o = widths[k - 1], widths[k]
            self.blocks.append(StyledBlock(upsampling(i, o, side=4 << k), o, nz))
        self.heads = nn.ModuleList(EqualConv2d(o, channels, 1) for o in widths)

    def forward(self, styles: list[Tensor], noises: list[Tensor], alpha: float) -> Tensor:
        """Paint as many blocks as there are styles, at least two.

        Args:
            styles: w of each block, (N, nz).
            noises: a plane of each block, (N, 1, side, side).
            alpha: share of the last head, in [0, 1]; the one below it, enlarged, has the rest.

        Returns:
            (N, channels, side, side), unbounded.
        """
        last = len(styles) - 1
        h = below = self.constant.expand(len(styles[0]), -1, -1, -1)
        for k, (w, noise) in enumerate(zip(styles, noises, strict=True)):
            below, h = h, self.blocks[k](h, w, noise)
        x = self.heads[last](h).float()
        if alpha < 1:
            coarse = self.heads[last - 1](below).float()
            x = torch.lerp(F.interpolate(coarse, scale_factor=2, mode="nearest"), x, alpha)
        return x


class StylePainter(Painter):
    """Paints (b, f, m) = G(z) at the side it has grown to (Bielski & Favaro, NeurIPS 2019); fully grown when built.

    Codes: "z", (N, nz), standard normal. With style mixing also "z2", likewise, and for each generator the first block
    that z2 styles: "cross_b" and "cross_f", (N,) int64, one value for the batch. In eval mode instead "noise", (N, P),
    the numbers of all noise planes, those of the smallest side first; what the same codes paint is the same then, and
    without "noise" all pictures have the same planes. In training mode planes are drawn afresh at each call.

    b and f have no bounds.

    Attributes:
        level: index of the side among 8, 16, ..., the picture's; a buffer, so that checkpoints and averages carry it.
        alpha: how far the newest heads have faded in, in [0, 1]; likewise.
    """

    level: Tensor
    alpha: Tensor

    def __init__(self, config: StyleConfig, spec: ImageSpec) -> None:
        super().__init__()
        if config.n_generators not in (1, 2):
            raise BadRecipe(
                f"The StyleGAN backbone has one or two generators, not {config.n_generators}: "
                "set generator.n_generators to 1 or 2."
            )
        alone = config.n_generators == 1
        if alone and config.width_b:
            raise BadRecipe(
                "One generator paints all layers: generator.width_b needs generator.n_generators=2; else set it to 0."
            )
        self.config = config
        painted = [(7, config.width)] if alone else [(3, config.width_b or config.width), (4, config.width)]
        mappings = 1 if alone or config.shared_mapping else 2
        self.mappings = nn.ModuleList(StyleMapping(config.nz) for _ in range(mappings))
        self.generators = nn.ModuleList(
            StyleSynthesis(channels, style_widths(width, spec.resolution), config.nz) for channels, width in painted
        )
        self.blocks = len(style_widths(config.width, spec.resolution))
        self.register_buffer("level", torch.tensor(self.blocks - 2))
        self.register_buffer("alpha", torch.tensor(1.0))

    @property
    def side(self) -> int:
        """Side of the images that it paints now."""
        return 8 << int(self.level)

    def grow(self, level: int, alpha: float) -> None:
        """Paint images of side 8 * 2^level; the newest heads have `alpha` of the say, those before them the rest."""
        assert 0 <= level <= self.blocks - 2
        assert 0 <= alpha <= 1
        self.level.fill_(level)
        self.alpha.fill_(alpha)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, nz)}, in training mode with what style mixing needs besides, in eval mode with "noise"."""
        z = torch.randn(n, self.config.nz, device=self.device)
        if not self.training:
            return {"z": z, "noise": torch.cat([plane.flatten(1) for plane in self._planes(n, self.blocks)], dim=1)}
        if not self.config.mixing:
            return {"z": z}
        cross_b, cross_f = self._crossovers()
        return {"z": z, "z2": torch.randn_like(z), "cross_b": cross_b.repeat(n), "cross_f": cross_f.repeat(n)}

    def _crossovers(self) -> tuple[Tensor, Tensor]:
        device, grown = self.device, int(self.level) + 2
        # as in the public code: a common crossover is one of all but the last block, separate ones of all but the first
        first = 0 if self.config.same_mixing else 1
        cross = torch.randint(first, first + grown - 1, (2,), device=device)
        cross = torch.where(torch.rand((), device=device) < self.config.mixing, cross, self.blocks)  # or at none
        alike = self.config.same_mixing or len(self.generators) == 1
        return cross[0], cross[0 if alike else 1]

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint a batch of layered images at the current side."""
        blocks, alpha = int(self.level) + 2, float(self.alpha)
        noises = self._noises(codes, blocks)
        painted = [
            generator(self._styles(codes, g, blocks), noises[g], alpha) for g, generator in enumerate(self.generators)
        ]
        b, f, logits = torch.cat(painted, dim=1).split([3, 3, 1], dim=1)
        m = opacity(logits)
        return Layers.compose(b, f[:, None], m[:, None], codes=dict(codes))

    def _styles(self, codes: Mapping[str, Tensor], g: int, blocks: int) -> list[Tensor]:
        mapping = self.mappings[g % len(self.mappings)]
        w = mapping(codes["z"])
        if "z2" not in codes:
            return [w] * blocks
        w2, cross = mapping(codes["z2"]), codes["cross_f" if g else "cross_b"][:, None]
        return [torch.where(cross > k, w, w2) for k in range(blocks)]

    def _noises(self, codes: Mapping[str, Tensor], blocks: int) -> list[list[Tensor]]:
        """Planes of each generator's blocks."""
        if "noise" in codes:
            planes = self._unflattened(codes["noise"], blocks)
        elif self.training:
            planes = self._planes(len(codes["z"]), blocks)
        else:
            planes = [plane.expand(len(codes["z"]), -1, -1, -1) for plane in self._constant_planes(blocks)]
        own = self._own_noises
        return [planes[g % own :: own] for g in range(len(self.generators))]

    @property
    def _own_noises(self) -> int:
        """How many planes a side has."""
        return 1 if self.config.shared_mapping else len(self.generators)

    def _sides(self, blocks: int) -> list[int]:
        """Side of each plane, by side and then by generator: more blocks do not change the noise of fewer."""
        return [4 << k for k in range(blocks) for _ in range(self._own_noises)]

    def _planes(self, n: int, blocks: int) -> list[Tensor]:
        """Fresh noise, (n, 1, side, side) each."""
        return [torch.randn(n, 1, side, side, device=self.device) for side in self._sides(blocks)]

    def _constant_planes(self, blocks: int) -> list[Tensor]:
        """Noise that is always the same, (1, 1, side, side) each."""
        random = torch.Generator().manual_seed(0)  # on the CPU, so that a GPU sees the same
        return [torch.randn(1, 1, side, side, generator=random).to(self.device) for side in self._sides(blocks)]

    def _unflattened(self, noise: Tensor, blocks: int) -> list[Tensor]:
        """The planes of the first blocks, from the numbers of all, (N, P)."""
        sides = self._sides(blocks)
        numbers = [side**2 for side in sides]
        parts = noise[:, : sum(numbers)].split(numbers, dim=1)
        return [part.unflatten(1, (1, side, side)) for part, side in zip(parts, sides, strict=True)]
