"""What a data set's builder hands over: an iterator of samples per split, before any resizing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["RawDataset", "Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture and what is known about it.

    Attributes:
        image: (H, W, 3) or, grey, (H, W), uint8.
        mask: opacity of the foreground, (H, W): bool, or uint8 with 255 for fully opaque.
        instances: which object each pixel belongs to, (H, W) uint8, 0 for background.
        label: class index from 0.
        name: for error messages and for finding the picture again.
    """

    image: np.ndarray
    mask: np.ndarray | None = None
    instances: np.ndarray | None = None
    label: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class RawDataset:
    """A data set that is on the disk or can be made, not yet brought to one resolution.

    Attributes:
        splits: "train", "test" and, where there is one, "val" -> a function that iterates over the samples.
        counts: samples in each split.
        origin: which copy this is ("official", "procedural", "archive:<first 12 of its SHA-256>"), for the protocol.
        provides: what this copy has of "masks", "instances", "labels".
        classes: class names in the order of the labels.
        crop: how non-square pictures become square; "center" unless the builder has cropped.
        lacks: split -> what its samples are without, of what the data set provides: say, masks that were only drawn for
            the test pictures. An opened split has None there, so that nothing is scored against it.
    """

    splits: Mapping[str, Callable[[], Iterable[Sample]]]
    counts: Mapping[str, int]
    origin: str
    provides: frozenset[str] = frozenset()
    classes: tuple[str, ...] = ()
    crop: str = "center"
    lacks: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def provided(self, split: str) -> frozenset[str]:
        """What the samples of one split have of "masks", "instances", "labels"."""
        return self.provides - self.lacks.get(split, frozenset())
