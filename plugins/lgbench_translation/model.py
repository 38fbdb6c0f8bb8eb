"""The painters: class maps become pictures."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor

from lgbench import ImageSpec
from lgbench.layers import Batch, Layers, Painter
from lgbench.nn import dcgan_, one_hot

from .config import CycleGANConfig, Pix2PixConfig
from .maps import classes_of, given_maps, signed
from .networks import ResNet, UNet

__all__ = ["CycleGAN", "Pix2Pix"]


class Pix2Pix(Painter):
    """A U-Net; its noise is the dropout of its inner blocks, in training and in sampling (Isola et al., Sec. 3.1).

    Codes: "s", the given class maps, (N, R, R) uint8; "kept", which numbers of the noisy blocks stay, (N, K) bool, K
    being 0 below 64 px. The same codes are the same picture, but for batch norm in training mode.
    """

    layered = False
    conditional = frozenset({"segments"})

    def __init__(self, config: Pix2PixConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.classes, self.dropout = classes_of(spec), config.dropout
        self.unet = UNet(self.classes, spec.channels, spec.resolution, config.ngf)
        self.sizes = [prod(shape) for shape in self.unet.noisy]
        dcgan_(self)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """The class maps of `batch`, and a draw of what dropout keeps."""
        kept = torch.rand(n, sum(self.sizes), device=self.device) >= self.dropout
        return {"s": given_maps(n, batch), "kept": kept}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint whole pictures."""
        parts = codes["kept"].split(self.sizes, dim=1) if self.sizes else ()
        factors = [
            part.view(-1, *shape) / (1 - self.dropout) for part, shape in zip(parts, self.unet.noisy, strict=True)
        ]
        x = self.unet(one_hot(codes["s"], self.classes), factors)
        return Layers.flat(x.expand(-1, 3, -1, -1), codes=dict(codes))


class CycleGAN(Painter):
    """F of the paper, from class maps to pictures; G, from pictures to class maps, belongs to the game.

    Codes: "s", the given class maps, (N, R, R) uint8.
    """

    layered = False
    conditional = frozenset({"segments"})

    def __init__(self, config: CycleGANConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.config, self.classes = config, classes_of(spec)
        self.translator = ResNet(self.classes, spec.channels, config.ngf, config.blocks)
        dcgan_(self)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """The class maps of `batch`."""
        return {"s": given_maps(n, batch)}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint whole pictures."""
        return Layers.flat(self.translate(signed(codes["s"], self.classes)), codes=dict(codes))

    def translate(self, maps: Tensor) -> Tensor:
        """F(s): soft class maps, (N, classes, R, R) in [-1, 1] -> pictures, (N, 3, R, R)."""
        return self.translator(maps).expand(-1, 3, -1, -1)
