"""`digits-one`: real handwriting without a download, pasted on grey canvases as LR-GAN pastes MNIST."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lgbench.errors import BadRecipe
from lgbench.settings import later

from .painted import DIGITS_ONE

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data.samples import RawDataset

__all__ = ["DIGITS_ONE", "TEST_WRITERS_FROM", "DigitsOne", "build", "load_tiles"]

TEST_WRITERS_FROM = 1415
"""First test digit: the file lists one writer after another, and a new one, the third last, begins here."""


@dataclass(frozen=True, slots=True)
class DigitsOne:
    """How many pictures to make.

    Attributes:
        images: training pictures, from the 1,415 digits of the first writers.
        test_images: test pictures, from the 382 digits of the last three writers.
        seed: another seed scales, turns and places the digits otherwise; writers stay in their split.
        val_images: pictures to choose settings on: the training digits, placed otherwise. No writer is left for them.
    """

    images: int = 8000
    test_images: int = 1000
    seed: int = 0
    val_images: int = later(1000)


def build(config: DigitsOne, resolution: int, home: object) -> RawDataset:
    """One digit on each grey canvas, with soft masks, instance maps and labels; reads no file of `home`.

    Picture i shows tile i modulo the split's number of tiles, so every digit appears about equally often.

    Raises:
        BadRecipe: a count, the seed or the resolution makes no sense.
    """
    from .digits_scene import Written, digit_pictures

    if min(config.images, config.val_images, config.test_images) < 1:
        raise BadRecipe("digits-one needs at least one picture in images, val_images and test_images; raise them.")
    tiles, labels = load_tiles()
    ours, theirs = slice(TEST_WRITERS_FROM), slice(TEST_WRITERS_FROM, None)
    return digit_pictures(
        name="digits-one",
        splits={
            "train": Written(tiles[ours], labels[ours], config.images),
            "val": Written(tiles[ours], labels[ours], config.val_images),
            "test": Written(tiles[theirs], labels[theirs], config.test_images),
        },
        seed=config.seed,
        resolution=resolution,
        digits=1,
        origin="official",
    )


def load_tiles() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 digits in MNIST's format: tiles (1797, 28, 28) uint8, white on black, and labels (1797,).

    The 8 x 8 pictures hold how many of 16 dots were inked. They are enlarged to the 20 x 20 that MNIST gives its
    digits and sharpened, since enlarging a count blurs the stroke it came from.
    """
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    counts, labels = load_digits(return_X_y=True)
    tiles = np.zeros((len(counts), 28, 28), np.uint8)
    for tile, picture in zip(tiles, counts.reshape(-1, 8, 8).astype(np.float32) / 16, strict=True):
        ink = np.asarray(Image.fromarray(picture).resize((20, 20), Image.Resampling.BICUBIC))
        t = np.clip((ink - 0.25) / 0.5, 0, 1)
        tile[4:24, 4:24] = np.rint(255 * t * t * (3 - 2 * t))  # a smooth step: dark stays dark, strokes turn white
    return tiles, np.asarray(labels, np.int64)
