"""Settings of `faces`, and what may be decided about a face. No numpy here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lgbench.errors import BadRecipe

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ATTRIBUTES", "LIMITS", "SPLITS", "Faces", "Given", "check"]

ATTRIBUTES = ("dark_hair", "long_hair", "dark_skin", "beard", "glasses")
SPLITS = ("train", "val", "test")
LIMITS = {
    "attributes": (0, 1),
    "yaw": (-30, 30),
    "pitch": (-10, 10),
    "roll": (-10, 10),
    "smile": (0, 1),
    "shift": (-0.03, 0.03),
}


@dataclass(frozen=True, slots=True)
class Faces:
    """How many faces there are.

    Attributes:
        images: training images.
        val_images: images to choose settings on.
        test_images: test images.
        seed: another seed is another world of the same kind.
    """

    images: int = 8000
    val_images: int = 1000
    test_images: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is decided about `count` faces instead of drawn: one value for all, or an array of one a face; the rest of
    what a picture shows (the other factors, identity, colours, background) stays as it is.

    Attributes:
        attributes: 0 or 1 for each of `ATTRIBUTES`, (5,) or (count, 5).
        yaw: turn to the right, degrees in [-30, 30], as are the next two; () or (count,).
        pitch: nod, in [-10, 10].
        roll: tilt in the plane, in [-10, 10].
        smile: in [0, 1].
        shift: to the right and down from the middle, shares of the side in [-0.03, 0.03], (2,) or (count, 2).
    """

    attributes: np.ndarray | Sequence[int] | None = None
    yaw: np.ndarray | Sequence[float] | float | None = None
    pitch: np.ndarray | Sequence[float] | float | None = None
    roll: np.ndarray | Sequence[float] | float | None = None
    smile: np.ndarray | Sequence[float] | float | None = None
    shift: np.ndarray | Sequence[float] | None = None


def check(config: Faces, resolution: int, split: str = "train") -> None:
    """Raise `BadRecipe` unless the settings describe a world that can be painted."""
    if split not in SPLITS:
        raise BadRecipe(f"faces has no split {split!r}; use one of {', '.join(SPLITS)}.")
    for possible, rule in (
        (resolution >= 16, "a resolution of at least 16 pixels"),
        (min(config.images, config.val_images, config.test_images) >= 1, "at least one picture in every split"),
        (0 <= config.seed < 2**63, "a seed from 0 to 2**63 - 1"),
    ):
        if not possible:
            raise BadRecipe(f"faces needs {rule}; the recipe asks for {config} at {resolution} pixels.")
