"""LR-GAN (Yang, Kannan, Batra, Parikh, ICLR 2017) and DCGAN."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lgbench import ImageSpec, LgbenchError
from lgbench.layers import Batch, Layers, Painter
from lgbench.nn import Opacity, dcgan_, warp

from .config import DCGANConfig, LRGANConfig
from .networks import ContextEncoder, Pose, conv_stack, trunk, widths

__all__ = ["DCGAN", "LRGAN", "ConditionalLRGAN"]

Pair = tuple[Tensor, Tensor]


def _rgb(x: Tensor) -> Tensor:
    return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x


class LRGAN(Painter):
    """Paints a background, then moves and pastes one foreground per step.

    Codes: "z", (N, T, nz), standard normal: the background's latent, then each foreground's.
    """

    def __init__(self, config: LRGANConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.config, self.init = config, config.init
        self.layered, self.foregrounds = config.n_layers > 1, config.n_layers - 1  # with one layer this is DCGAN
        nz, nc, ngf = config.nz, config.channels or spec.channels, config.ngf
        bg, fg = (
            widths(base * ngf, spec.resolution, floor) for base, floor in ((4, config.bg_floor), (8, config.floor))
        )
        self.bg_trunk = trunk(nz, bg, bias=True)
        self.bg_head = nn.Sequential(nn.ConvTranspose2d(bg[-1], nc, 4, 2, 1), nn.Tanh())
        if config.n_layers > 1:
            self.fg_trunk = trunk(nz, fg, bias=False)
            self.fg_image = nn.Sequential(nn.ConvTranspose2d(fg[-1], nc, 4, 2, 1, bias=False), nn.Tanh())
            if config.mask == "learned":
                self.fg_mask = nn.Sequential(nn.ConvTranspose2d(fg[-1], 1, 4, 2, 1), Opacity())
        self.context = self._context_encoder(bg[-1], fg[-1], spec.resolution // 2)
        if config.init == "dcgan":
            dcgan_(self)
        if config.lstm:
            self.lstm = nn.LSTMCell(nz, nz)
        if config.n_layers > 1 and config.transform == "affine":
            self.pose = Pose(nz, config.min_scale, config.max_scale_ratio, config.rot_clamp, config.clamp == "hard")
            self.pose_range = self.pose.range

    def _context_encoder(self, bg: int, fg: int, side: int) -> ContextEncoder | None:
        if self.config.n_layers < 3 or self.config.context_encoder == "off":
            return None
        if self.config.first_fg_context == "background" and bg != fg:
            raise LgbenchError(
                f"LR-GAN's context encoder reads the background's last features ({bg} channels) and then the "
                f"foreground's ({fg}): set generator.bg_floor and generator.floor so that they are equal, or "
                "generator.first_fg_context=none."
            )
        return ContextEncoder(fg, side, self.config.nz)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, T, nz)}."""
        return {"z": torch.randn(n, self.config.n_layers, self.config.nz, device=self.device)}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint a batch of layered images."""
        z = codes["z"]
        state = self.remember(z[:, 0], None)
        x, below = self.paint_background(state[0] if self.config.bg_input == "h0" else z[:, 0])
        background, fs, ms, poses = x, [], [], []
        for t in range(1, self.config.n_layers):
            state = self.remember(z[:, t], state)
            f, m, a, below = self.paint_foreground(state[0], below if t > 1 else self.first_context(below))
            fs.append(f)
            ms.append(m)
            poses.append(a)
        if not fs:
            return Layers.flat(background, codes=dict(codes))
        stack = (torch.stack(parts, dim=1) for parts in (fs, ms, poses))
        foregrounds, alphas, affine = stack
        return Layers.compose(background, foregrounds, alphas, codes=dict(codes), poses=affine)  # Eq. 4

    def remember(self, z: Tensor, state: Pair | None) -> Pair:
        """Feed a latent to the LSTM; without one the code is the latent itself."""
        return self.lstm(z, state) if self.config.lstm else (z, z)

    def first_context(self, below: Tensor) -> Tensor | None:
        return below if self.config.first_fg_context == "background" else None

    def paint_background(self, code: Tensor) -> Pair:
        """(N, nz) -> x_0 (N, 3, R, R) and the trunk's last features."""
        features = self.bg_trunk(code[:, :, None, None])
        return _rgb(self.bg_head(features).float()), features

    def paint_foreground(self, h: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A code (N, nz) -> f^ (N, 3, R, R), m^ (N, 1, R, R), pose (N, 2, 3) and the trunk's last features."""
        y = h if self.context is None or below is None else self.context(h, below)
        s = self.fg_trunk(y[:, :, None, None])
        f = _rgb(self.fg_image(s).float())
        m = self.fg_mask(s) if self.config.mask == "learned" else torch.ones_like(f[:, :1])
        if self.config.transform == "none":
            return f, m, torch.eye(2, 3, device=h.device).expand(len(h), 2, 3), s
        a = self.pose(y)
        f, m = warp(torch.cat([f, m], dim=1), a).split([3, 1], dim=1)  # zeros outside, for both
        return f, m, a, s


class ConditionalLRGAN(Painter):
    """LR-GAN that paints a given image: its codes are encoded from the image and from what the background leaves of it.

    Codes: "image", (N, 3, R, R) in [-1, 1]. The alpha of the result segments the given image.
    """

    conditional = frozenset({"images"})

    def __init__(self, config: LRGANConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.paint, self.init = LRGAN(config, spec), config.init
        self.pose_range = self.paint.pose_range
        self.channels = config.channels or spec.channels
        stack, c = conv_stack(spec.resolution, self.channels, config.enc_width)
        self.encoder = nn.Sequential(stack, nn.Flatten(), nn.Linear(16 * c, config.nz))
        if config.init == "dcgan":
            dcgan_(self.encoder)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """The images themselves."""
        if batch is None:
            raise LgbenchError("A conditional LR-GAN paints given images: it cannot sample without any.")
        return {"image": batch.images[:n]}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Reconstruct a batch of images in layers."""
        x, paint = codes["image"], self.paint
        e_0 = self.encoder(x[:, : self.channels])
        state = paint.remember(e_0, None)
        x_0, below = paint.paint_background(state[0] if paint.config.bg_input == "h0" else e_0)
        e_1 = self.encoder((x - x_0)[:, : self.channels])  # the same encoder reads the residual
        h, _ = paint.remember(e_1, state)
        f, m, a, _ = paint.paint_foreground(h, paint.first_context(below))
        return Layers.compose(x_0, f[:, None], m[:, None], codes=dict(codes), poses=a[:, None])


class DCGAN(Painter):
    """One whole image from one latent. Codes: "z", (N, nz)."""

    layered = False

    def __init__(self, config: DCGANConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.nz, self.init, nc = config.nz, config.init, config.channels or spec.channels
        t1 = config.width == "t1"
        channels = widths((4 if t1 else 8) * config.ngf, spec.resolution, config.floor)
        self.trunk = trunk(config.nz, channels, bias=t1)
        self.head = nn.Sequential(nn.ConvTranspose2d(channels[-1], nc, 4, 2, 1, bias=t1), nn.Tanh())
        if config.init == "dcgan":
            dcgan_(self)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample {"z": (n, nz)}."""
        return {"z": torch.randn(n, self.nz, device=self.device)}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint a batch of whole images."""
        x = self.head(self.trunk(codes["z"][:, :, None, None]))
        return Layers.flat(_rgb(x.float()), codes=dict(codes))
