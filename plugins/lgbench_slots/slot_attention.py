"""Slot Attention (Locatello et al., NeurIPS 2020): slots compete for the pixels of an image and paint it together."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2

import torch
from torch import Tensor, nn

from lgbench import ImageSpec, LgbenchError
from lgbench.layers import Batch, Layers, Painter

from .config import SlotsConfig
from .mixture import grid, mixed

__all__ = ["SlotAttention", "SlotPainter"]

START = 8  # side from which the decoder's transposed convolutions go up
EPSILON = 1e-8


class Position(nn.Module):
    """Adds a linear map of (x, y, 1 - x, 1 - y), each from 0 to 1, to maps (N, C, side, side)."""

    places: Tensor

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        places = grid(side, 0, 1)
        self.register_buffer("places", torch.cat([places, 1 - places]).permute(1, 2, 0), persistent=False)
        self.linear = nn.Linear(4, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear(self.places).permute(2, 0, 1)


class SlotAttention(nn.Module):
    """Algorithm 1: pixels (N, P, D) and first slots (N, K, D) -> slots (N, K, D), none of them before another."""

    def __init__(self, width: int, hidden: int, iterations: int) -> None:
        super().__init__()
        self.iterations, self.scale = iterations, width**-0.5
        self.norm_inputs, self.norm_slots, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.gru = nn.GRUCell(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))

    def forward(self, inputs: Tensor, slots: Tensor) -> Tensor:
        inputs = self.norm_inputs(inputs)
        k, v = self.k(inputs), self.v(inputs)
        for _ in range(self.iterations):
            attention = (self.scale * k @ self.q(self.norm_slots(slots)).mT).softmax(dim=2) + EPSILON  # over slots
            weights = attention / attention.sum(dim=1, keepdim=True)  # over pixels
            updates = weights.mT @ v
            slots = self.gru(updates.flatten(0, 1), slots.flatten(0, 1)).view_as(slots)
            slots = slots + self.mlp(self.norm_mlp(slots))
        return slots


class SlotPainter(Painter):
    """Gives an image back as the sum of what its slots paint, each under its share of a softmax.

    Codes: "image", (N, 3, R, R), and "noise", (N, K, D), standard normal, from which the slots set out (where `starts`
    are learnt, it decides nothing).
    """

    conditional = frozenset({"images"})
    samples = False

    def __init__(self, config: SlotsConfig, spec: ImageSpec) -> None:
        super().__init__()
        width, side = config.width, spec.resolution
        self.slots, self.width, self.foregrounds = config.slots, width, config.slots - 1
        convs = [nn.Sequential(nn.Conv2d(i, width, 5, 1, 2), nn.ReLU()) for i in (3, width, width, width)]
        self.encoder = nn.Sequential(*convs, Position(width, side))
        self.read = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        )  # pixel by pixel
        self.starts = config.starts
        if config.starts == "drawn":
            self.mean, self.log_sigma = nn.Parameter(torch.empty(1, width)), nn.Parameter(torch.empty(1, width))
        else:
            self.vectors = nn.Parameter(torch.randn(config.slots, width))
        self.attention = SlotAttention(width, config.hidden, config.iterations)
        ups: list[nn.Module] = []
        for stride in (*(2 for _ in range(int(log2(side // START)))), 1):
            ups += [nn.ConvTranspose2d(width, width, 5, stride, 2, output_padding=stride - 1), nn.ReLU()]
        places = Position(width, START)
        self.decoder = nn.Sequential(places, *ups, nn.ConvTranspose2d(width, 4, 3, 1, 1))
        self._initialise(config, places)

    @torch.no_grad()
    def _initialise(self, config: SlotsConfig, places: Position) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            if config.weights == "he" and isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            elif config.weights == "he" and isinstance(module, nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                module.weight.mul_(module.stride[0])  # a pixel is reached from 1 / stride^2 of the kernel
        if config.starts == "drawn":
            for parameter in (self.mean, self.log_sigma):
                nn.init.xavier_uniform_(parameter)
        places.linear.weight.mul_(config.positions)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """The images themselves, and where their slots set out.

        Raises:
            LgbenchError: there are no images.
        """
        if batch is None:
            raise LgbenchError("Slot Attention gives back images: it cannot sample. Give `codes` a batch of images.")
        return {"image": batch.images[:n], "noise": torch.randn(n, self.slots, self.width, device=self.device)}

    def _starts(self, noise: Tensor) -> Tensor:
        if self.starts == "learnt":
            return self.vectors.expand_as(noise)
        return self.mean + self.log_sigma.exp() * noise

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Find the slots of images, and paint them."""
        features = self.encoder(codes["image"])
        with torch.autocast(features.device.type, enabled=False):  # eight bits are few for who has which pixel
            inputs = self.read(features.float().flatten(2).mT)
            slots = self.attention(inputs, self._starts(codes["noise"]))
        flat = slots.flatten(0, 1)[:, :, None, None].expand(-1, -1, START, START)
        painted = self.decoder(flat).float().unflatten(0, slots.shape[:2])
        return mixed(painted[:, :, :3], painted[:, :, 3:].softmax(dim=1), dict(codes))
