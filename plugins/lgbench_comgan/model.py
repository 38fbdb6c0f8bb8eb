"""Generators of the ComGAN family: SimpleGAN, Pi1, Pi2, ComGAN, DS-ComGAN."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.layers import Batch, Layers, Painter
from lgbench.nn import ComGANFeatures, Same, Sub, image_head, mask_head, orthogonal_

from .config import ComGANCodesConfig, ComGANConfig, DSComGANConfig, Pi2Config

__all__ = ["ComGAN", "DSComGAN", "Pi1", "Pi2", "SimpleGAN"]


class Part(nn.Module):
    """A sub-network and its head, told a class where it has `classes`; (N, g / 4, R, R) -> colours or a mask."""

    def __init__(self, g: int, blocks: int, head: nn.Module, classes: int = 0) -> None:
        super().__init__()
        self.sub = Sub(g // 4, g // 2, g // 4, blocks, classes=classes)
        self.head = head

    def forward(self, h: Tensor, code: Tensor | None = None) -> Tensor:
        return self.head(self.sub(h, code))


def _painter(g: int, blocks: int, classes: int = 0) -> Part:
    return Part(g, blocks, image_head(g // 4), classes)


def _masker(g: int, blocks: int, classes: int = 0) -> Part:
    return Part(g, blocks, mask_head(g // 4), classes)


def _latent(network: nn.Module, n: int, nz: int, scale: float) -> Tensor:
    return scale * torch.randn(n, nz, device=next(network.parameters()).device)


def _compose(f: Tensor, b: Tensor, m: Tensor, codes: Mapping[str, Tensor], **extras: Tensor) -> Layers:
    return Layers.compose(b.float(), f.float()[:, None], m[:, None], codes=dict(codes), extras=extras)


class SimpleGAN(Painter):
    """One feature generator and an image head: no layers. Codes: "z", (N, nz)."""

    layered = False

    def __init__(self, config: ComGANConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.config = config
        self.phi = ComGANFeatures(config.nz, config.g, spec.resolution)
        self.head = image_head(config.g // 4)
        orthogonal_(self)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, nz)}."""
        return {"z": _latent(self, n, self.config.nz, self.config.z_scale)}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint whole images."""
        return Layers.flat(self.head(self.phi(codes["z"])[-1]).float(), codes=dict(codes))


class ComGAN(Painter):
    """One feature generator shared by three light sub-networks.

    Codes: "z", (N, nz); with `n_codes` also "c", (N,) class indices, which F and M are told.
    """

    def __init__(self, config: ComGANCodesConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.config, n = config, config.n_codes
        self.recoverable = {"c": ("foreground", n)} if n else {}
        self.phi = ComGANFeatures(config.nz, config.g, spec.resolution)
        self.f = _painter(config.g, config.r_fg, n)
        self.b = _painter(config.g, config.r_bg)
        self.m = _masker(config.g, config.r_mask, n)
        orthogonal_(self)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, nz)}, and "c", (n,), where there is a code."""
        z = _latent(self, n, self.config.nz, self.config.z_scale)
        if not self.config.n_codes:
            return {"z": z}
        return {"z": z, "c": torch.randint(self.config.n_codes, (n,), device=z.device)}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint: x = m f + (1 - m) b."""
        h, c = self.phi(codes["z"])[-1], codes.get("c")
        return _compose(self.f(h, c), self.b(h), self.m(h, c), codes)


class Pi1(Painter):
    """Two feature generators (FineGAN-like): one for F and M, one for B. Codes: "z", (N, nz)."""

    def __init__(self, config: ComGANConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.config = config
        self.phi_fm = ComGANFeatures(config.nz, config.g, spec.resolution)
        self.phi_b = ComGANFeatures(config.nz, config.g, spec.resolution)
        self.f = _painter(config.g, config.r_fg)
        self.b = _painter(config.g, config.r_bg)
        self.m = _masker(config.g, config.r_mask)
        orthogonal_(self)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, nz)}."""
        return {"z": _latent(self, n, self.config.nz, self.config.z_scale)}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint: x = m f + (1 - m) b."""
        fm, b = self.phi_fm(codes["z"])[-1], self.phi_b(codes["z"])[-1]
        return _compose(self.f(fm), self.b(b), self.m(fm), codes)


class Pi2(Painter):
    """Three feature generators (PerturbGAN-like). Codes: "z", (N, nz), or "z_f", "z_b", "z_m" where they differ."""

    def __init__(self, config: Pi2Config, spec: ImageSpec) -> None:
        super().__init__()
        self.config = config
        self.phi_f, self.phi_b, self.phi_m = (ComGANFeatures(config.nz, config.g, spec.resolution) for _ in range(3))
        if config.subnet == "light":
            self.f = _painter(config.g, config.r_fg)
            self.b = _painter(config.g, config.r_bg)
            self.m = _masker(config.g, config.r_mask)
        else:
            self.f, self.b, self.m = image_head(config.g // 4), image_head(config.g // 4), mask_head(config.g // 4)
        orthogonal_(self)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, nz)}, or one for each feature generator."""
        names = ("z",) if self.config.shared_z else ("z_f", "z_b", "z_m")
        return {name: _latent(self, n, self.config.nz, self.config.z_scale) for name in names}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint: x = m f + (1 - m) b."""
        z_f, z_b, z_m = [codes["z"]] * 3 if self.config.shared_z else [codes[k] for k in ("z_f", "z_b", "z_m")]
        f, b, m = self.f(self.phi_f(z_f)[-1]), self.b(self.phi_b(z_b)[-1]), self.m(self.phi_m(z_m)[-1])
        return _compose(f, b, m, codes)


class DSComGAN(Painter):
    """ComGAN whose foreground and background each show a code of their own.

    Codes: "z", (N, nz); "f" and "b", (N,) class indices below `classes`. Extras: "whole", the auxiliary image x_z.
    """

    def __init__(self, config: DSComGANConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.config, g = config, config.g
        self.classes = config.n_codes or spec.classes or 20
        self.recoverable = {"f": ("foreground", self.classes), "b": ("background", self.classes)}
        self.phi = ComGANFeatures(config.nz, g, spec.resolution)
        multiscale = config.features == "multiscale"
        if multiscale:
            self.p1 = Same(self.phi.widths[-3], g // 2)
            self.p2 = Same(self.phi.widths[-2], g // 4)
        i, w, o = (g, 2 * g, g // 4) if multiscale else (g // 4, g // 2, g // 4)
        self.f, self.f_head = Sub(i, w, o, config.r_fg, classes=self.classes), image_head(o)
        self.b, self.b_head = Sub(i, w, o, config.r_bg, classes=self.classes), image_head(o)
        self.m, self.m_head = Sub(i, w, o, config.r_mask), mask_head(o)
        if config.use_xz:
            self.whole = image_head(g // 4)
        orthogonal_(self)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, nz), "f": (n,), "b": (n,)}."""
        z = _latent(self, n, self.config.nz, self.config.z_scale)
        f = torch.randint(self.classes, (n,), device=z.device)
        b = f if self.config.tie_codes else torch.randint(self.classes, (n,), device=z.device)
        return {"z": z, "f": f, "b": b}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint: x = m f + (1 - m) b."""
        a = self.phi(codes["z"])
        phi = self.gather(a) if self.config.features == "multiscale" else a[-1]
        m = self.m_head(self.m(phi))
        f = self.f_head(self.f(phi, codes["f"]))
        b = self.b_head(self.b(phi, codes["b"]))
        extras = {"whole": self.whole(a[-1]).float()} if self.config.use_xz else {}
        return _compose(f, b, m, codes, **extras)

    def gather(self, a: list[Tensor]) -> Tensor:
        """Features of the last three sides at the last one: (N, g, R, R) (Eq. 5, U as in the public code)."""
        p1 = self.p1(F.interpolate(a[-3], scale_factor=4, mode="nearest"))
        p2 = self.p2(F.interpolate(a[-2], scale_factor=2, mode="nearest"))
        return torch.cat([p2, p1, a[-1]], dim=1)
