"""LR-GAN's recipe for MNIST-ONE and MNIST-TWO (Yang et al., ICLR 2017, Section 4): digits on canvases of one grey.

The paper gives the ranges of scale, rotation and grey. What it leaves open (the digit stays white, the whole 28 x 28
tile is scaled, turned and placed, bilinear filters) is settled as its published samples show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lgbench.data.samples import RawDataset, Sample
from lgbench.errors import BadRecipe

__all__ = ["Placement", "Scene", "Written", "digit_pictures", "draw_scene", "render"]

CANVAS = {1: 48, 2: 78}  # side of the canvas by the number of digits, pixels
SPLITS = ("train", "test", "val")  # each has a stream of its own, by its place here: a new one comes last
BILINEAR = Image.Resampling.BILINEAR  # Pillow's averages over the source pixels when it reduces


@dataclass(frozen=True, slots=True)
class Placement:
    """One digit on its canvas.

    Attributes:
        source: which tile.
        side: of the scaled tile, pixels of the canvas.
        angle: degrees, counter-clockwise.
        left, top: corner of the scaled tile, pixels of the canvas.
    """

    source: int
    side: int
    angle: float
    left: int
    top: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A canvas of one grey, 0 to 200, and its digits from left to right."""

    grey: int
    digits: tuple[Placement, ...]


def draw_scene(seed: int, split: str, index: int, digits: int, tiles: int) -> Scene:
    """Scene `index` of a split; depends on these five numbers only.

    Its first digit is tile `index` (modulo `tiles`); a second one is any tile.
    """
    bits = np.random.Philox(key=[seed, SPLITS.index(split)], counter=[0, 0, index, digits])
    u = (bits.random_raw(1 + 5 * digits) >> np.uint64(11)) * 2.0**-53  # raw bits: numpy keeps their stream for good
    canvas = CANVAS[digits]
    width = canvas // digits
    placements = []
    for d in range(digits):
        s, angle, left, top, source = u[1 + 5 * d : 6 + 5 * d]
        side = round(28 * (0.8 + 0.4 * s))
        placements.append(
            Placement(
                source=int(source * tiles) if d else index % tiles,
                side=side,
                angle=float(90 * angle - 45),
                left=d * width + int(left * (width - side + 1)),
                top=int(top * (canvas - side + 1)),
            )
        )
    return Scene(int(u[0] * 201), tuple(placements))


def render(scene: Scene, tiles: np.ndarray, resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint a scene.

    Args:
        scene: what to paint.
        tiles: (T, 28, 28) uint8, white on black.
        resolution: side of the result, pixels.

    Returns:
        The picture, (R, R) uint8, and the digits' opacity alpha, (R, R) float32 in [0, 1]. The canvas being of one
        grey, the reduced picture is exactly (1 - alpha) grey + 255 alpha, rounded.
    """
    side = CANVAS[len(scene.digits)]
    canvas = Image.new("F", (side, side))
    for digit in scene.digits:
        tile = Image.fromarray(tiles[digit.source]).convert("F").resize((digit.side, digit.side), BILINEAR)
        canvas.paste(tile.rotate(digit.angle, BILINEAR), (digit.left, digit.top))
    alpha = np.asarray(canvas.resize((resolution, resolution), BILINEAR)) * np.float32(1 / 255)
    alpha = np.clip(alpha, 0, 1)
    return np.rint(scene.grey + alpha * (255 - scene.grey)).astype(np.uint8), alpha


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """The handwritten digits of one split.

    Attributes:
        tiles: (T, 28, 28) uint8, white on black.
        labels: (T,) digits 0..9.
        pictures: how many are painted of them.
    """

    tiles: np.ndarray
    labels: np.ndarray
    pictures: int


def digit_pictures(
    *, name: str, splits: Mapping[str, Written], seed: int, resolution: int, digits: int, origin: str
) -> RawDataset:
    """Pictures of one or two digits as a data set; each is painted when it is asked for.

    Args:
        name: of the data set.
        splits: by name.
        seed: of scales, rotations, places and greys.
        resolution: side of the pictures, pixels.
        digits: 1, or 2: then instance 1 is the left digit, 2 the right one, and the label 10 * left + right.
        origin: see `RawDataset`.

    Raises:
        BadRecipe: the seed or the resolution makes no sense.
    """
    if not 0 <= seed < 2**63 or resolution < 8:
        raise BadRecipe(f"{name} needs a seed of 0 or more and at least 8 pixels, not {seed} and {resolution}.")

    def samples(split: str) -> Iterator[Sample]:
        right = (np.arange(resolution) >= resolution / 2) if digits == 2 else np.zeros(resolution, bool)
        numbers = np.where(right, 2, 1).astype(np.uint8)
        written = splits[split]
        for index in range(written.pictures):
            scene = draw_scene(seed, split, index, digits, len(written.tiles))
            image, alpha = render(scene, written.tiles, resolution)
            mask = np.rint(255 * alpha).astype(np.uint8)
            label = 0
            for digit in scene.digits:
                label = 10 * label + int(written.labels[digit.source])
            yield Sample(image, mask, numbers * (mask >= 128), label, f"{name}/{split}/{index:06d}")

    return RawDataset(
        splits={split: lambda split=split: samples(split) for split in splits},
        counts={split: written.pictures for split, written in splits.items()},
        origin=origin,
        provides=frozenset({"masks", "instances", "labels"}),
        classes=tuple(f"{c:0{digits}d}" for c in range(10**digits)),
    )
