"""Real images in an order that depends on the seed and the step alone, so that a resumed run sees the same ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from lgbench.runtime import Runtime

__all__ = ["Stream"]

ON_DEVICE_BYTES = 8 << 30


class Stream:
    """Batches of a split, epoch after epoch in fresh orders; partial batches run over into the next epoch.

    Args:
        images: (N, C, R, R) uint8, C 1 or 3; kept on the device where it fits.
        flip: mirror half of the images.
    """

    def __init__(self, images: np.ndarray, batch: int, seed: int, flip: bool, runtime: Runtime) -> None:
        self.count, self.batch, self.seed, self.flip, self.runtime = len(images), batch, seed, flip, runtime
        fits = runtime.device.type == "cpu" or images.nbytes <= ON_DEVICE_BYTES
        whole = torch.from_numpy(np.array(images))
        self.images = whole.to(runtime.device) if fits else whole
        self.orders: dict[int, Tensor] = {}

    def __call__(self, step: int) -> Tensor:
        """The batch of a step, (N, 3, R, R) in [-1, 1]."""
        chosen = torch.cat(list(self._chosen(step * self.batch, (step + 1) * self.batch)))
        x = self.runtime.images(self.images[chosen.to(self.images.device)])
        if self.flip:
            mirrored = torch.rand(len(x), 1, 1, 1, generator=self._random(1, step)).to(x.device) < 0.5
            x = torch.where(mirrored, x.flip(3), x)
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
