"""Batches of what a painter paints and of real images, for everything that only looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from .data import Split
from .errors import BadPlugin
from .layers import SLACK, Batch, Layers, Painter
from .runtime import Runtime

__all__ = ["AT_A_LOOK", "as_sampled", "conditions", "painted", "real_batch", "real_batches", "uint8"]

AT_A_LOOK = 100
"""Images that are painted at a time where they decide what a run is, its weights or its object: not a recipe's
`evaluation.batch`, which other codes would be drawn by."""


@contextmanager
def as_sampled(painter: Painter, batch_statistics: bool, seed: int) -> Iterator[None]:
    """The painter as samples are taken, with torch's random state set to `seed`; both are as they were afterwards.

    Args:
        batch_statistics: batch norm by the statistics of each batch rather than by its running ones.
    """
    buffers = {name: buffer.clone() for name, buffer in painter.named_buffers()}
    painter.train(batch_statistics)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        painter.eval()
        for name, buffer in painter.named_buffers():
            buffer.copy_(buffers[name])


@torch.no_grad()
def painted(painter: Painter, count: int, batch: int, reals: Split, seed: int, runtime: Runtime) -> Iterator[Layers]:
    """Paint at least `count` images, `batch` at a time, the same for the same seed.

    Args:
        reals: real images; conditional generators are given the conditions of randomly drawn ones, each as often as
            any other.

    Raises:
        BadPlugin: the painter gives another number of images, or alphas that are none.
    """
    torch.manual_seed(seed)
    draw, order = np.random.default_rng(seed), np.empty(0, int)
    for start in range(0, count, batch):
        n, given = max(min(batch, count - start), 2), None  # batch statistics of one image are none
        if painter.conditional:
            while len(order) < start + n:
                order = np.concatenate([order, draw.permutation(len(reals))])
            given = real_batch(reals, order[start : start + n], painter.conditional, runtime)
        with runtime.autocast():
            layers = painter(painter.codes(n, given))
        if len(layers.image) != n or ((layers.alphas - 0.5).abs() > 0.5 + SLACK).any():  # what is no number is diverged
            told = f"{n} images were asked for, {len(layers.image)} came; alphas have to lie in [0, 1]"
            raise BadPlugin(f"{type(painter).__name__} does not paint layers ({told}): mend its plugin.")
        yield layers


def conditions(painter: Painter, reals: Split) -> list[str]:
    """What protocols say that a conditional generator is given of real images, in order; nothing for others.

    Class maps and attributes are named where these images have them, whichever of them the generator reads: methods
    that are told more and less of the same images are measured alike. What a method reads is its supervision.
    """
    known = {part for part in ("attributes", "segments") if getattr(reals, part) is not None}
    return sorted(painter.conditional | known if painter.conditional & known else painter.conditional)


def real_batch(reals: Split, index: np.ndarray, parts: Iterable[str], runtime: Runtime) -> Batch:
    """Some images of a split, with `parts` of what is known of them, on the device."""
    return runtime.batch({name: torch.from_numpy(part) for name, part in reals.at(index, parts).items()})


def real_batches(reals: Split, batch: int, parts: Iterable[str], runtime: Runtime) -> Iterator[tuple[slice, Batch]]:
    """All images of a split in their order, with where in it each batch lies."""
    for start in range(0, len(reals), batch):
        where = slice(start, min(start + batch, len(reals)))
        yield where, real_batch(reals, np.arange(where.start, where.stop), parts, runtime)


def uint8(x: Tensor) -> np.ndarray:
    """Numbers in [0, 1] as bytes, 255 for 1, on the CPU."""
    return (x.clamp(0, 1) * 255).round().byte().cpu().numpy()
