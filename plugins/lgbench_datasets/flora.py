"""`flora`: flowers over painted backgrounds, with everything about them known.

The world is made on the fly at any resolution: exact alpha, foreground, background, classes and instance maps. What an
image shows depends on (seed, split, index) and on nothing else, not on how many are drawn or in which order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lgbench.errors import BadRecipe

from .flora_config import BACKGROUNDS, DIFFICULTIES, SHIFTS, SPLITS, Flora, FloraWild, check, petal_counts
from .painted import FLORA, FLORA_WILD

if TYPE_CHECKING:
    from lgbench.data.samples import RawDataset, Sample

    from .flora_layers import Painting

__all__ = ["BACKGROUNDS", "DIFFICULTIES", "FLORA", "FLORA_WILD", "SHIFTS", "Flora", "FloraWild", "build", "paint"]


def paint(config: Flora, resolution: int, split: str = "train", start: int = 0, count: int = 64) -> Painting:
    """Paint the images `start` to `start + count - 1` of a split, as their exact layers.

    Args:
        config: the world.
        resolution: side of the images, pixels, at least 8.
        split: "train", "val" or "test".
        start: index of the first image; there is no last one.
        count: how many.

    Raises:
        BadRecipe: a setting is unknown or makes no sense.
    """
    from .flora_layers import paint_images

    check(config, resolution)
    if split not in SPLITS:
        raise BadRecipe(f"flora has no split {split!r}; use one of {', '.join(SPLITS)}.")
    return paint_images(config, resolution, split, start, count)


def build(config: Flora, resolution: int, home: object) -> RawDataset:
    """The world as a data set: soft masks, instance maps and labels; reads no file.

    Raises:
        BadRecipe: a setting is unknown or makes no sense.
    """
    from lgbench.data.samples import RawDataset

    check(config, resolution)
    counts = {"train": config.images, "val": config.val_images, "test": config.test_images}
    return RawDataset(
        splits={split: lambda split=split: samples(config, resolution, split, counts[split]) for split in counts},
        counts=counts,
        origin="procedural",
        provides=FLORA.provides,
        classes=tuple(f"{petals} petals" for petals in petal_counts(config)),
    )


def samples(config: Flora, resolution: int, split: str, count: int) -> Iterator[Sample]:
    """The first `count` images of a split, painted 64 at a time."""
    from lgbench.data.samples import Sample

    from .flora_layers import paint_images

    for start in range(0, count, 64):
        painted = paint_images(config, resolution, split, start, min(64, count - start))
        for i, label in enumerate(painted.labels.tolist()):
            name = f"flora/{split}/{start + i:06d}"
            yield Sample(painted.images[i], painted.masks[i], painted.instances[i], label, name)
