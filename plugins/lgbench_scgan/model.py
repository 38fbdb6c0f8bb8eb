"""The painters: SCGAN's, from class maps; WGAN-GP's and ACWGAN's, from a latent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from lgbench import ImageSpec, LgbenchError
from lgbench.layers import Batch, Layers, Painter
from lgbench.nn import one_hot

from .config import SCGANConfig, WGANConfig
from .networks import ResBlockUp, tile, xavier_
from .orders import ORDERS, Sizes

__all__ = ["SCGAN", "WGAN"]


class SCGAN(Painter):
    """G(z, c, s): paints whole images whose regions are those of a given class map.

    Codes: "z", (N, nz), standard normal; "s", (N, R, R) uint8 class maps, and, where the data set has attributes, "c",
    (N, attributes) of 0 and 1: those of the given batch, as they are.

    Raises:
        LgbenchError: the data set has no class maps, or images are too small for instance norms at a sixteenth.
    """

    layered = False

    def __init__(self, config: SCGANConfig, spec: ImageSpec) -> None:
        super().__init__()
        if not spec.segments:
            raise LgbenchError(
                "SCGAN paints from class maps, and none of this data set are here. `lgbench "
                "data list` shows which sets have segments, and how to fetch or add them."
            )
        if spec.resolution < 32:
            raise LgbenchError("SCGAN's maps at a sixteenth of the side need two pixels: set --resolution 32 or more.")
        self.nz, self.segments = config.nz, spec.segments
        self.conditional = frozenset({"segments", "attributes"} if spec.attributes else {"segments"})
        sizes = Sizes(spec.resolution, spec.segments, spec.attributes, config.nz, config.g, spec.channels)
        self.order = xavier_(ORDERS[config.order](sizes))

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, nz)} beside the class maps "s" and attributes "c" of the batch."""
        if batch is None or batch.segments is None:
            raise LgbenchError("SCGAN paints from given class maps: it cannot sample without any.")
        codes = {"z": torch.randn(n, self.nz, device=self.device), "s": batch.segments}
        return {**codes, "c": _attributes(batch)} if "attributes" in self.conditional else codes

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint a batch of whole images."""
        z, s = codes["z"], one_hot(codes["s"], self.segments)
        c = codes.get("c", z[:, :0])
        return _painted(self.order(z, c, s), codes)


class WGAN(Painter):
    """WGAN-GP's residual generator; with attributes ACWGAN's, which reads them at a quarter of the side.

    Linear to 4 x 4, residual blocks with batch norm that double the side: 16g, 16g, 8g, 4g, 2g, g channels at 128 px,
    one block less in front for each halving. No norm before the first and none after the last.

    Codes: "z", (N, nz), standard normal; with attributes also "c", (N, attributes), those of the given batch.
    """

    layered = False

    def __init__(self, config: WGANConfig, spec: ImageSpec, attributes: int = 0) -> None:
        super().__init__()
        self.nz, g, doublings = config.nz, config.g, int(math.log2(spec.resolution // 4))
        self.conditional = frozenset({"attributes"} if attributes else ())
        widths = [16 * g, *([16 * g] * 8 + [8 * g, 4 * g, 2 * g, g])[-doublings:]]
        blocks = [ResBlockUp(i, o, nn.BatchNorm2d) for i, o in pairwise(widths[:-2])]
        self.side, joined = spec.resolution // 4, widths[-3] + attributes
        self.latent = nn.Linear(config.nz, 16 * g * 4 * 4)
        self.early = nn.Sequential(*blocks)
        self.late = nn.Sequential(
            ResBlockUp(joined, widths[-2], nn.BatchNorm2d), ResBlockUp(widths[-2], widths[-1], nn.BatchNorm2d)
        )
        self.head = nn.Conv2d(g, spec.channels, 3, 1, 1)
        xavier_(self)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, nz)} beside the attributes "c" of the batch, where there are any."""
        z = torch.randn(n, self.nz, device=self.device)
        return {"z": z, "c": _attributes(batch)} if self.conditional else {"z": z}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint a batch of whole images."""
        z = codes["z"]
        h = self.early(self.latent(z).unflatten(1, (-1, 4, 4)))
        h = torch.cat([h, tile(codes.get("c", z[:, :0]), self.side)], dim=1)
        return _painted(self.head(self.late(h)), codes)


def _painted(x: Tensor, codes: Mapping[str, Tensor]) -> Layers:
    """A whole image from what comes before the tanh, (N, 1 or 3, R, R)."""
    return Layers.flat(x.float().tanh().expand(-1, 3, -1, -1), codes=dict(codes))


def _attributes(batch: Batch | None) -> Tensor:
    if batch is None or batch.attributes is None:
        raise LgbenchError("This generator paints from given attributes: it cannot sample without any.")
    return batch.attributes
