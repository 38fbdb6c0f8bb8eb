"""milgan's generator: G_b(z) paints the background, G_f(z, c) the foreground and its mask."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.layers import Batch, Layers, Painter
from lgbench.nn import FineGANFeatures, Next, image_head, mask_head, orthogonal_

from .config import MilganConfig

__all__ = ["Milgan"]


class Milgan(Painter):
    """Two branches that share z; the private code c enters the foreground's only.

    Codes: "z", (N, nz); "c", (N,) class indices below `size`, or (N, size) numbers with a normal prior.
    """

    def __init__(self, config: MilganConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.config, g, g_b = config, config.g, config.g_b or config.g
        self.categorical = config.prior == "categorical"
        self.size = (config.n_codes or spec.classes or 20) if self.categorical else config.d_c
        self.recoverable = {"c": ("foreground", self.size)} if self.categorical else {}
        self.b = FineGANFeatures(config.nz, g_b, spec.resolution, config.act)
        self.b_head = image_head(g_b, spec.channels)
        self.f = FineGANFeatures(self.size + config.nz, g, spec.resolution, config.act)
        self.next = Next(g, self.size, config.act)
        self.m_head = mask_head(g // 2)
        self.f_head = image_head(g // 2, spec.channels)
        orthogonal_(self)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, nz), "c": (n,) or (n, size)}."""
        z = torch.randn(n, self.config.nz, device=self.device)
        if self.categorical:
            return {"z": z, "c": torch.randint(self.size, (n,), device=z.device)}
        return {"z": z, "c": torch.randn(n, self.size, device=z.device)}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint: x = pi x_f + (1 - pi) x_b."""
        z, c = codes["z"], codes["c"]
        vector = F.one_hot(c, self.size).to(z.dtype) if self.categorical else c
        x_b = self.b_head(self.b(z))
        h = self.next(self.f(torch.cat([vector, z], dim=1)), c)
        pi, x_f = self.m_head(h), self.f_head(h)
        x_b, x_f = (x.float().expand(-1, 3, -1, -1) for x in (x_b, x_f))
        return Layers.compose(x_b, x_f[:, None], pi[:, None], codes=dict(codes))
