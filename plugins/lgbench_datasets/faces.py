"""`faces`: cartoon faces with everything about them known, the default where a method is told what to paint.

The world is made on the fly at any resolution: class maps, attributes, 68 landmarks and exact layers. What a picture
shows depends on (seed, split, index) and on nothing else, not on how many are drawn or in which order. Attributes and
landmarks, and the colours, are drawn apart from one another, so that any may be changed and the rest kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lgbench.errors import BadRecipe

from .faces_config import ATTRIBUTES, LIMITS, SPLITS, Faces, Given, check
from .painted import FACES

if TYPE_CHECKING:
    import numpy as np

    from lgbench.data.samples import RawDataset, Sample

    from .faces_layers import Painting

__all__ = ["ATTRIBUTES", "FACES", "SPLITS", "Faces", "Given", "build", "paint"]


def paint(
    config: Faces,
    resolution: int,
    split: str = "train",
    start: int = 0,
    count: int = 64,
    wanted: Given | None = None,
) -> Painting:
    """Paint the pictures `start` to `start + count - 1` of a split, as their exact layers, with all that they show.

    Args:
        config: the world.
        resolution: side of the pictures, pixels, at least 16.
        split: "train", "val" or "test".
        start: index of the first picture; there is no last one.
        count: how many.
        wanted: what these faces are given instead of what was drawn for them.

    Raises:
        BadRecipe: a setting is unknown or makes no sense.
    """
    from .faces_layers import paint_images

    check(config, resolution, split)
    if start < 0 or count < 1:
        raise BadRecipe(f"faces paints at least one picture, from index 0 on, not {count} from {start}.")
    return paint_images(config, resolution, split, start, count, wanted or Given())


def build(config: Faces, resolution: int, home: object) -> RawDataset:
    """The world as a data set: soft masks, class maps, attributes and landmarks; reads no file.

    Raises:
        BadRecipe: a setting makes no sense.
    """
    from lgbench.data.samples import RawDataset

    from .face_regions import REGIONS

    check(config, resolution)
    counts = {"train": config.images, "val": config.val_images, "test": config.test_images}
    return RawDataset(
        splits={split: lambda split=split: samples(config, resolution, split, counts[split]) for split in counts},
        counts=counts,
        origin="procedural",
        provides=FACES.provides,
        segment_names=REGIONS,
        attribute_names=ATTRIBUTES,
    )


def samples(config: Faces, resolution: int, split: str, count: int) -> Iterator[Sample]:
    """The first `count` pictures of a split, painted 64 at a time."""
    from lgbench.data.samples import Sample

    for start in range(0, count, 64):
        painted = paint(config, resolution, split, start, min(64, count - start))
        for i in range(len(painted.images)):
            yield Sample(
                image=painted.images[i],
                mask=painted.masks[i],
                name=f"faces/{split}/{start + i:06d}",
                segments=painted.segments[i],
                attributes=painted.attributes[i],
                landmarks=painted.landmarks[i],
            )


def walk_pose(config: Faces, resolution: int, index: int, frames: int) -> np.ndarray:
    """Landmarks (frames, 68, 2) of test face `index` while it turns from -30 degrees to 30, all else kept."""
    return walk(config, resolution, index, frames, "yaw")


def walk_smile(config: Faces, resolution: int, index: int, frames: int) -> np.ndarray:
    """Landmarks (frames, 68, 2) of test face `index` from no smile to a full one, all else kept."""
    return walk(config, resolution, index, frames, "smile")


def walk(config: Faces, resolution: int, index: int, frames: int, factor: str) -> np.ndarray:
    """Landmarks (frames, 68, 2) of test face `index` while one factor goes from its lowest value to its highest.

    Raises:
        BadRecipe: there are fewer than two frames, or a setting makes no sense.
    """
    from .faces_layers import walk_landmarks

    check(config, resolution)
    if frames < 2 or index < 0:
        raise BadRecipe(f"A walk of faces needs an index from 0 and at least 2 frames, not {index} and {frames}.")
    low, high = LIMITS[factor]
    steps = tuple(low + (high - low) * frame / (frames - 1) for frame in range(frames))
    return walk_landmarks(config, resolution, index, frames, Given(**{factor: steps}))
