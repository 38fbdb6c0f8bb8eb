"""Real images in an order that depends on the seed and the step alone, so that a resumed run sees the same ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lgbench.runtime import Runtime

from .schedule import Schedule

__all__ = ["Stream"]

ON_DEVICE_BYTES = 8 << 30
CROPS = 1 << 20
"""The crops' purpose, far from orders (0) and mirrors (1), which alternate from seed to seed."""


class Stream:
    """Batches of a split, epoch after epoch in fresh orders; partial batches run over into the next epoch.

    Args:
        images: (N, C, R, R) uint8, C 1 or 3; kept on the device where it fits.
        schedule: says the batch, the seed, and how images are mirrored and cropped.
    """

    def __init__(self, images: np.ndarray, schedule: Schedule, runtime: Runtime) -> None:
        self.count, self.batch, self.seed = len(images), schedule.batch, schedule.seed
        self.schedule, self.runtime = schedule, runtime
        fits = runtime.device.type == "cpu" or images.nbytes <= ON_DEVICE_BYTES
        whole = torch.from_numpy(np.array(images))
        self.images = whole.to(runtime.device) if fits else whole
        self.orders: dict[int, Tensor] = {}

    def __call__(self, step: int) -> Tensor:
        """The batch of a step, (N, 3, R, R) in [-1, 1]."""
        chosen = torch.cat(list(self._chosen(step * self.batch, (step + 1) * self.batch)))
        x = self.runtime.images(self.images[chosen.to(self.images.device)])
        if self.schedule.flip:
            mirrored = torch.rand(len(x), 1, 1, 1, generator=self._random(1, step)).to(x.device) < 0.5
            x = torch.where(mirrored, x.flip(3), x)
        if self.schedule.crop < 1:
            x = random_crop(x, self.schedule.crop, self.schedule.crop_ratio, self._random(CROPS, step))
        return x

    def _chosen(self, start: int, end: int) -> Iterator[Tensor]:
        while start < end:
            epoch, index = divmod(start, self.count)
            if epoch not in self.orders:
                self.orders = {k: v for k, v in self.orders.items() if k >= epoch - 1}
                self.orders[epoch] = torch.randperm(self.count, generator=self._random(0, epoch))
            part = self.orders[epoch][index : index + end - start]
            start += len(part)
            yield part

    def _random(self, purpose: int, index: int) -> torch.Generator:
        return torch.Generator().manual_seed((self.seed * 2 + purpose) * 1_000_003 + index)


def random_crop(x: Tensor, share: float, ratio: float, generator: torch.Generator) -> Tensor:
    """A random rectangle of each image, resized to the whole; bilinear.

    Args:
        x: (N, C, R, R).
        share: area kept lies between `share` and 1 where `ratio` is above 1, and is `share` where it is 1.
        ratio: width : height lies between 1 / ratio and ratio, uniform in its logarithm.
        generator: on the CPU, so that a GPU sees the same crops.
    """
    a, r, u, v = torch.rand(4, len(x), generator=generator)
    area = share + (1 - share) * a if ratio > 1 else torch.full_like(a, share)
    side_ratio = (ratio ** (2 * r - 1)).clamp(area, 1 / area)  # no side is longer than the image's
    w, h = (area * side_ratio).sqrt().clamp(max=1), (area / side_ratio).sqrt().clamp(max=1)
    zero = torch.zeros_like(w)
    maps = torch.stack([w, zero, (1 - w) * (2 * u - 1), zero, h, (1 - h) * (2 * v - 1)], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(maps.to(x.device), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, "bilinear", "border", align_corners=False)
