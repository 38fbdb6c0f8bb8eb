"""ELGAN's generator: x_b from z, pi from z and c_sup, x_f from z, c_sup and c."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.layers import Batch, Layers, Painter
from lgbench.nn import FineGANFeatures, Next, image_head, mask_head, orthogonal_

from .config import ELGANConfig

__all__ = ["ELGAN"]


class ELGAN(Painter):
    """A background branch, and a foreground branch in two stages: mask of the super class, then colours of the class.

    Codes: "z", (N, nz); "c", (N,) class indices below `classes`; "c_sup", (N,), their super classes below `groups`.
    """

    def __init__(self, config: ELGANConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.config, g, g_b = config, config.g, config.g_b or config.g
        self.classes = config.n_codes or spec.classes or 20
        self.groups = math.ceil(self.classes / config.group)
        self.recoverable = {"c": ("foreground", self.classes)}
        self.b = FineGANFeatures(config.nz, g_b, spec.resolution, config.act)
        self.b_head = image_head(g_b, spec.channels)
        self.f = FineGANFeatures(self.groups + config.nz, g, spec.resolution, config.act)
        self.stage1 = Next(g, self.groups, config.act)
        self.m_head = mask_head(g // 2)
        self.stage2 = Next(g // 2, self.classes, config.act)
        self.f_head = image_head(g // 4, spec.channels)
        orthogonal_(self)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, nz), "c": (n,), "c_sup": (n,)}."""
        c = torch.randint(self.classes, (n,), device=self.device)
        return {"z": torch.randn(n, self.config.nz, device=self.device), "c": c, "c_sup": c // self.config.group}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint: x = pi x_f + (1 - pi) x_b."""
        z, c, c_sup = codes["z"], codes["c"], codes["c_sup"]
        x_b = self.b_head(self.b(z))
        h = self.stage1(self.f(torch.cat([F.one_hot(c_sup, self.groups).to(z.dtype), z], dim=1)), c_sup)
        pi = self.m_head(h)
        x_f = self.f_head(self.stage2(h, c))
        x_b, x_f = (x.float().expand(-1, 3, -1, -1) for x in (x_b, x_f))
        return Layers.compose(x_b, x_f[:, None], pi[:, None], codes=dict(codes))
