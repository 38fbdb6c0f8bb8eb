"""`crop = "bbox"`: the square around an annotated object that FineGAN and its followers train on.

A bounding box is a label that somebody gave. A method that trains on these crops is weakly supervised, whatever its
paper calls it, so the crop is part of the protocol and its numbers share no column with those of centre crops. Boxes
are for training: what is scored is the largest square in the middle of a picture, or with `test_crop = "middle"` less
than that, as in ComGAN's test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data import RawDataset, Sample

__all__ = ["Box", "TestCrop", "around", "scored", "window"]

TestCrop = Literal["square", "middle"]


@dataclass(frozen=True, slots=True)
class Box:
    """A bounding box in pixels; the picture's upper left corner is (0, 0)."""

    left: float
    top: float
    width: float
    height: float


def window(box: Box, width: int, height: int) -> tuple[int, int, int]:
    """The square around a box: 1.5 times its longer side, clipped to the picture.

    FineGAN (Singh et al., CVPR 2019) and ComGAN (Ding et al., NeurIPS 2022), as their released loaders do it: numbers
    are truncated, and what is clipped is made square by its centre, as their resize and crop do on average. Their
    random crop of 256 out of 304 pixels comes later and is augmentation: it is not done here.

    Args:
        box: around the object; at least part of it lies in the picture.
        width: of the picture, pixels.
        height: of the picture, pixels.

    Returns:
        (left, top, side) of a square that lies in the picture, side >= 1.
    """
    reach = max(1, int(0.75 * max(box.width, box.height)))
    x = min(max(int(box.left + box.width / 2), 0), width - 1)  # some boxes reach beyond their picture
    y = min(max(int(box.top + box.height / 2), 0), height - 1)
    left, right = max(0, x - reach), min(width, x + reach)
    top, bottom = max(0, y - reach), min(height, y + reach)
    side = min(right - left, bottom - top)
    return left + (right - left - side) // 2, top + (bottom - top - side) // 2, side


def around(box: Box, pixels: np.ndarray) -> np.ndarray:
    """What a picture or mask, (H, W) or (H, W, 3), shows in the `window` around a box: (S, S) or (S, S, 3)."""
    left, top, side = window(box, pixels.shape[1], pixels.shape[0])
    return pixels[top : top + side, left : left + side]


def scored(raw: RawDataset, test_crop: str) -> RawDataset:
    """The data set with pictures of "val" and "test" cropped as they are to be scored.

    Args:
        test_crop: "square" for the largest square in the middle, or "middle" for 128 of 152 parts of its side, which is
            what ComGAN (Ding et al., NeurIPS 2022) scores: it brings the shorter side to 152 pixels and cuts out 128.
    """
    if test_crop == "square":
        return raw
    cut = {split: partial(_middles, samples) for split, samples in raw.splits.items() if split != "train"}
    return replace(raw, splits={**raw.splits, **cut})


def _middles(samples: Callable[[], Iterable[Sample]]) -> Iterator[Sample]:
    return map(_middle, samples())  # a map goes on after a file that fails


def _middle(sample: Sample) -> Sample:
    height, width = sample.image.shape[:2]
    side = max(1, round(min(height, width) * 128 / 152))
    top, left = (height - side) // 2, (width - side) // 2
    maps = {name: getattr(sample, name) for name in ("image", "mask", "ignored", "instances", "segments")}
    cut = {name: x[top : top + side, left : left + side] for name, x in maps.items() if x is not None}
    if sample.landmarks is not None:
        cut["landmarks"] = sample.landmarks - (left, top)
    return replace(sample, **cut)
