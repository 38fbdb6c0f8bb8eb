"""Real images in an order that depends on the seed and the step alone, so that a resumed run sees the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lgbench.data import Split
from lgbench.errors import BadRecipe
from lgbench.layers import Batch
from lgbench.runtime import Runtime

from .schedule import Schedule

__all__ = ["Stream"]

ON_DEVICE_BYTES = 8 << 30
CROPS = 1 << 20
"""The crops' purpose, far from orders (0) and mirrors (1), which alternate from seed to seed."""


class Stream:
    """Batches of a split, epoch after epoch in fresh orders; partial batches run over into the next epoch.

    Args:
        reals: images are kept on the device where they fit.
        schedule: says the batch, the seed, and how images are mirrored and cropped.
        parts: what is read of the images besides themselves: names of `Batch`.
        batches: how many of the schedule's batches the step of a number sees at once (see `lgbench.game.Game`).

    Raises:
        BadData: the split lacks one of `parts`.
        BadRecipe: landmarks are read, which flips and crops would have to move.
    """

    def __init__(
        self,
        reals: Split,
        schedule: Schedule,
        runtime: Runtime,
        parts: frozenset[str] = frozenset(),
        batches: Callable[[int], int] | None = None,
    ) -> None:
        self.count, self.batch, self.seed = len(reals), schedule.batch, schedule.seed
        self.batches, self.starts = batches, [0]
        self.schedule, self.runtime = schedule, runtime
        if "landmarks" in parts and (schedule.flip or schedule.crop < 1):
            raise BadRecipe("Landmarks do not follow flips and crops: set training.flip=false and training.crop=1.")
        read = {"images": np.asarray(reals.images), **reals.known(slice(None), parts)}
        fits = runtime.device.type == "cpu" or sum(part.nbytes for part in read.values()) <= ON_DEVICE_BYTES
        self.place = runtime.device if fits else torch.device("cpu")
        self.parts = {name: torch.from_numpy(np.array(part)).to(self.place) for name, part in read.items()}
        self.orders: dict[int, Tensor] = {}

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        chosen = torch.cat(list(self._chosen(self._start(step), self._start(step + 1)))).to(self.place)
        real = self.runtime.batch({name: part[chosen] for name, part in self.parts.items()})
        if self.schedule.flip:
            mirrored = torch.rand(len(real), generator=self._random(1, step)).to(real.images.device) < 0.5
            real = _each_map(real, lambda x, how: torch.where(mirrored.view(-1, *[1] * (x.ndim - 1)), x.flip(-1), x))
        return self._cropped(real, self._random(CROPS, step)) if self.schedule.crop < 1 else real

    def _cropped(self, real: Batch, random: torch.Generator) -> Batch:
        share, ratio, stored = self.schedule.crop, self.schedule.crop_ratio, real.images.shape[-1]
        side = self.schedule.side or stored
        maps = random_crops(len(real), share, ratio, random).to(real.images.device)
        if ratio == 1 and side == round(stored * share**0.5) < stored:
            return _each_map(real, partial(window, maps, side))  # whole pixels: nothing is blurred
        return _each_map(real, partial(cut, maps, side))

    def _start(self, step: int) -> int:
        """How many images come before a step."""
        if self.batches is None:
            return step * self.batch
        while len(self.starts) <= step:
            self.starts.append(self.starts[-1] + self.batch * self.batches(len(self.starts) - 1))
        return self.starts[step]

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


def _each_map(batch: Batch, change: Callable[[Tensor, str], Tensor]) -> Batch:
    """The same change of every part that has a place for each pixel; told whether its values may be mixed."""
    mixed = {"images": "bilinear", "masks": "bilinear", "instances": "nearest", "segments": "nearest"}
    parts = {name: getattr(batch, name) for name in mixed}
    return replace(batch, **{name: change(x, mixed[name]) for name, x in parts.items() if x is not None})


def random_crops(n: int, share: float, ratio: float, generator: torch.Generator) -> Tensor:
    """Maps, (n, 2, 3), that cut a random rectangle out of each image; see `cut`.

    Args:
        share: area kept lies between `share` and 1 where `ratio` is above 1, and is `share` where it is 1.
        ratio: width : height lies between 1 / ratio and ratio, uniform in its logarithm.
        generator: on the CPU, so that a GPU sees the same crops.
    """
    a, r, u, v = torch.rand(4, n, generator=generator)
    area = share + (1 - share) * a if ratio > 1 else torch.full_like(a, share)
    side_ratio = (ratio ** (2 * r - 1)).clamp(area, 1 / area)  # no side is longer than the image's
    w, h = (area * side_ratio).sqrt().clamp(max=1), (area / side_ratio).sqrt().clamp(max=1)
    zero = torch.zeros_like(w)
    return torch.stack([w, zero, (1 - w) * (2 * u - 1), zero, h, (1 - h) * (2 * v - 1)], dim=1).view(-1, 2, 3)


def window(maps: Tensor, side: int, x: Tensor, mode: str) -> Tensor:
    """The pixels of images (N, C, P, P) or maps (N, P, P) nearest to what `maps` cut out of them: (N, ..., side, side).

    Args:
        maps: (N, 2, 3), of squares of `side` pixels.
        mode: is not needed, since no values are mixed.
    """
    space = x.shape[-1] - side
    scale = (1 - maps[:, 0, 0]).clamp(min=1e-6)
    left, top = (((maps[:, axis, 2] / scale + 1) / 2 * (space + 1)).long().clamp(0, space) for axis in (0, 1))
    pixels = torch.arange(side, device=x.device)
    rows, columns = (top[:, None] + pixels)[:, :, None], (left[:, None] + pixels)[:, None, :]
    first = torch.arange(len(x), device=x.device)[:, None, None]
    if x.ndim == 3:
        return x[first, rows, columns]
    return x.movedim(1, 3)[first, rows, columns].movedim(3, 1).contiguous()


def cut(maps: Tensor, side: int, x: Tensor, mode: str) -> Tensor:
    """What `maps`, (N, 2, 3), cut out of images (N, C, P, P) in [-1, 1] or maps (N, P, P) of bytes, resized to `side`.

    From images that are larger than `side` by as much as a crop may be smaller than they, bicubic leaves the Laplacian
    energy that crops of the originals have (0.213 for 0.214, on photographs at 64 px); bilinear leaves 0.169.
    """
    if mode == "bilinear" and x.ndim == 4 and x.shape[-1] > side:
        mode = "bicubic"
    values = x if x.ndim == 4 else x[:, None].float()
    grid = F.affine_grid(maps, [len(values), 1, side, side], align_corners=False)
    values = F.grid_sample(values, grid, mode, "border", align_corners=False)
    if mode == "bicubic":
        values = values.clamp(-1, 1)
    return values if x.ndim == 4 else values[:, 0].to(x.dtype)
