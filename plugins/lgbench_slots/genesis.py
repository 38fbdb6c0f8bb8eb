"""GENESIS-V2 (Engelcke et al., NeurIPS 2021): pixels gather around random seeds; each gathering is one latent."""

from __future__ import annotations

from collections.abc import Mapping
from math import log, log2

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.layers import Batch, Layers, Painter

from .config import GenesisConfig
from .mixture import grid, mixed

__all__ = ["Genesis", "InstanceColouring", "Prior", "UNet", "straight_clamp"]

BOTTOM = 4  # side at which the U-Net turns round
GROUPS = 8


def _block(i: int, o: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(i, o, 3, 1, 1, bias=False), nn.GroupNorm(GROUPS, o), nn.ReLU(inplace=True))


def straight_clamp(x: Tensor, low: float, high: float) -> Tensor:
    """Clamp whose gradient is that of the identity."""
    return x + (x.clamp(low, high) - x).detach()


class UNet(nn.Module):
    """(N, 3, R, R) -> (N, w, R, R): blocks down to 4 x 4, a perceptron, blocks up beside what was seen on the way."""

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        blocks = int(log2(side)) - 1
        down = [width * (2 if k >= blocks - 3 else 1) for k in range(blocks)]
        up = [width * (2 if k < 2 else 1) for k in range(blocks)]
        wide = BOTTOM**2 * 2 * width
        self.down = nn.ModuleList(_block(i, o) for i, o in zip([3, *down], down, strict=False))
        self.mlp = nn.Sequential(
            *(nn.Flatten(), nn.Linear(wide, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()),
            *(nn.Linear(128, wide), nn.ReLU(), nn.Unflatten(1, (2 * width, BOTTOM, BOTTOM))),
        )
        befores = [2 * width, *up]
        self.up = nn.ModuleList(
            _block(before + beside, o) for before, beside, o in zip(befores, reversed(down), up, strict=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        seen: list[Tensor] = []
        for block in self.down:
            x = block(F.interpolate(x, scale_factor=0.5) if seen else x)
            seen.append(x)
        x = self.mlp(x)
        for number, block in enumerate(self.up):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0) if number else x, seen.pop()], dim=1))
        return x


class InstanceColouring(nn.Module):
    """Attention masks by stick-breaking around seeds; features (N, w, R, R) and noise -> log m (N, K, 1, R, R).

    The noise, (N, 1, R, R) uniform in [0, 1], says which of the pixels that are left becomes a seed: the same map in
    every round.
    """

    places: Tensor

    def __init__(self, side: int, config: GenesisConfig) -> None:
        super().__init__()
        self.slots = config.slots
        self.head = nn.Conv2d(config.width, config.colours, 1)
        self.gate = nn.Parameter(torch.tensor(0.0))
        self.log_sigma = nn.Parameter(torch.tensor(-log(config.slots * log(2))))
        places = torch.cat([torch.zeros(config.colours - 2, side, side), grid(side, -1, 1)])
        self.register_buffer("places", places, persistent=False)

    def forward(self, features: Tensor, noise: Tensor) -> Tensor:
        e = self.gate * self.head(features).float() + self.places  # semi-convolutional
        scope, masks = torch.zeros_like(noise), []
        for _ in range(self.slots - 1):
            seed = (noise * scope.exp()).flatten(2).argmax(dim=2, keepdim=True)
            chosen = e.flatten(2).take_along_dim(seed, dim=2)[..., None]
            near = (-(e - chosen).square().sum(dim=1, keepdim=True) / self.log_sigma.exp()).exp()
            a = straight_clamp(near, 0.01, 0.99)
            masks.append(scope + a.log())
            scope = scope + (1 - a).log()
        return torch.stack([*masks, scope], dim=1)


class Prior(nn.Module):
    """What a component's latent may be after those before it: p(z_k | z_1, ..., z_{k-1}), the first standard normal."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, 4 * width, batch_first=True)
        self.linear = nn.Linear(4 * width, 2 * width)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Means and standard deviations of latents (N, K, D) that are known, (N, K, D) each."""
        mean, sigma = self._told(self.lstm(z[:, :-1])[0])
        first = torch.zeros_like(z[:, :1])
        return torch.cat([first, mean], dim=1), torch.cat([first + 1, sigma], dim=1)

    def sample(self, noise: Tensor) -> Tensor:
        """Latents from standard normal noise, (N, K, D) each, one after the other."""
        z, state = [noise[:, :1]], None
        for epsilon in noise[:, 1:].split(1, dim=1):
            h, state = self.lstm(z[-1], state)
            mean, sigma = self._told(h)
            z.append(mean + sigma * epsilon)
        return torch.cat(z, dim=1)

    def _told(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, sigma = self.linear(h).chunk(2, dim=-1)
        return mean.tanh(), (sigma + 4).sigmoid() + 1e-4


class Genesis(Painter):
    """Encodes an image into K latents and paints it from them; without an image, latents come from the prior.

    Codes: of given images, "image", (N, 3, R, R), with "seeds", (N, 1, R, R), uniform in [0, 1], and "noise",
    (N, K, D), standard normal, for the posterior; of samples, "z", (N, K, D), standard normal, for the prior.
    """

    def __init__(self, config: GenesisConfig, spec: ImageSpec) -> None:
        super().__init__()
        w, side = config.width, spec.resolution
        self.slots, self.width, self.side, self.foregrounds = config.slots, w, side, config.slots - 1
        self.unet = UNet(side, w)
        self.seg_head = _block(w, w)
        self.colouring = InstanceColouring(side, config)
        self.feature_head = nn.Sequential(_block(w, w), nn.Conv2d(w, 2 * w, 1))
        self.z_head = nn.Sequential(
            nn.LayerNorm(2 * w), nn.Linear(2 * w, 2 * w), nn.ReLU(inplace=True), nn.Linear(2 * w, 2 * w)
        )
        ups: list[nn.Module] = []
        for i in (w + 2, w, w, w):
            ups += [nn.ConvTranspose2d(i, w, 5, 2, 2, 1), nn.GroupNorm(GROUPS, w), nn.ReLU(inplace=True)]
        self.decoder = nn.Sequential(*ups, nn.Conv2d(w, 4, 1))
        self.register_buffer("places", grid(side // 16, -1, 1), persistent=False)
        self.prior = Prior(w)

    places: Tensor

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """What the posterior of given images, or else the prior, is sampled with."""
        noise = torch.randn(n, self.slots, self.width, device=self.device)
        if batch is None:
            return {"z": noise}
        seeds = torch.rand(n, 1, self.side, self.side, device=self.device)
        return {"image": batch.images[:n], "seeds": seeds, "noise": noise}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint given images again, or new ones.

        Of given images, the extras "log_masks", (N, K, 1, R, R), and "z", "mean" and "sigma", (N, K, D), too.
        """
        if "z" in codes:
            return self.paint(self.prior.sample(codes["z"]), codes)
        features, log_masks = self.attend(codes["image"], codes["seeds"])
        mean, sigma = self.encode(features, log_masks)
        z = mean + sigma * codes["noise"]
        return self.paint(z, codes, log_masks=log_masks, z=z, mean=mean, sigma=sigma)

    def attend(self, images: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, w, R, R) and log attention masks (N, K, 1, R, R) of images in [-1, 1]."""
        features = self.unet((images + 1) / 2)
        return features, self.colouring(self.seg_head(features), seeds)

    def encode(self, features: Tensor, log_masks: Tensor) -> tuple[Tensor, Tensor]:
        """q(z_k | x) of each component, (N, K, D): from the mean of the features under its mask."""
        h, m = self.feature_head(features).float().flatten(2), log_masks.exp().flatten(2)
        gathered = (m @ h.mT) / (m.sum(dim=2, keepdim=True) + 1e-5)
        mean, sigma = self.z_head(gathered).float().chunk(2, dim=2)
        return mean, F.softplus(sigma + 0.5) + 1e-8

    def paint(self, z: Tensor, codes: Mapping[str, Tensor], /, **extras: Tensor) -> Layers:
        """x_k and m_k of latents (N, K, D), each decoded alone; the masks share a softmax."""
        side = self.side // 16
        flat = z.flatten(0, 1)[:, :, None, None].expand(-1, -1, side, side)
        below = torch.cat([flat, self.places.to(flat).expand(len(flat), -1, -1, -1)], dim=1)
        painted = self.decoder(below).float().unflatten(0, z.shape[:2])
        return mixed(painted[:, :, :3].sigmoid() * 2 - 1, painted[:, :, 3:].softmax(dim=1), dict(codes), **extras)
